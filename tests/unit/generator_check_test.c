/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "generator/generator.h"

/* One finding, or none: "R path: what" or "W path: what: remedy". */
static const struct {
	const char *kind, *spec, *says;
} cases[] = {
	{ "Fake", "{'controller':'c','data':{'a':'b'}}", NULL },
	{ "Fake", "{'data':{'a':1}}", "spec.data.a" },
	{ "Fake", "{'dta':{}}", "spec.dta" },
	{ "Password", "{'length':8,'digits':0,'symbols':0,'noUpper':true,"
	    "'allowRepeat':false,'symbolCharacters':'-','encoding':'hex',"
	    "'secretKeys':['a']}", NULL },
	{ "Password", "{}", NULL },
	{ "Password", "{'length':'8'}", "spec.length" },
	{ "Password", "{'encoding':'rot13'}", "spec.encoding" },
	{ "Password", "{'secretKeys':[]}", "spec.secretKeys" },
	{ "Password", "{'noUper':true}", "spec.noUper" },
	{ "UUID", "{}", NULL },
	{ "UUID", "{'version':4}", "spec.version" },
	{ "UUID", "[]", "spec" },
	{ "Webhook", "{'anything':1}", NULL },
	{ "ClusterGenerator", "{'kind':'UUID','generator':{'uuidSpec':{}}}",
	    NULL },
	{ "ClusterGenerator", "{'kind':'MFA','generator':{'mfaSpec':{'x':1}}}",
	    NULL },
	{ "ClusterGenerator", "{'kind':'Password','generator':{"
	    "'passwordSpec':{'length':true}}}",
	    "spec.generator.passwordSpec.length" },
	{ "ClusterGenerator", "{'kind':'Uuid','generator':{'uuidSpec':{}}}",
	    "spec.kind" },
	{ "ClusterGenerator", "{'kind':'UUID','generator':{}}",
	    "spec.generator" },
	{ "ClusterGenerator", "{'kind':'UUID','generator':{'uuidSpec':{},"
	    "'fakeSpec':{}}}", "spec.generator" },
	{ "ClusterGenerator", "{'kind':'UUID'}", "spec.generator" },
	{ "ClusterGenerator", "{'kind':'UUID','generator':{'uuidSpec':{"
	    "'x':1}}}",
	    "spec.generator.uuidSpec.x" },
};

static void
test_schema(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *text = str_fmt("{'spec':%s}",
		    cases[i].spec);
		cleanup_json struct json *obj = NULL;
		struct findings f = { 0 };

		for (char *p = text; *p != '\0'; p++)
			if (*p == '\'')
				*p = '"';
		obj = json_parse(text, strlen(text), NULL);
		assert_non_null(obj);
		generator_check(cases[i].kind, obj, &f);
		if (f.n != (cases[i].says != NULL))
			fail_msg("case %zu: %zu findings", i, f.n);
		if (f.n)
			assert_string_equal(f.v[0].field, cases[i].says);
		findings_clear(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
