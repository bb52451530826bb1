/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "model/host_projection.h"
#include "model/store.h"

static struct host_projection *
parse(const char *spec, struct findings *f)
{
	cleanup_free char *text = str_fmt("{'apiVersion':"
	    "'nodeseal.dev/v1alpha1','kind':'HostProjection','metadata':"
	    "{'name':'h'},'spec':%s}", spec);
	cleanup_json struct json *j = quoted(text);
	struct host_projection *hp = NULL;

	assert_int_equal(hp_parse(j, "default", &hp, f, NULL), 0);
	return (hp);
}

static void
test_whole(void **state)
{
	struct findings f = { 0 };
	struct host_projection *hp = parse("{'path':'web/tls','mode':'0640',"
	    "'uid':1000,'gid':33,'nodeSelector':{'role':'edge'},"
	    "'externalSecrets':[{'name':'web-tls','optional':true,'items':["
	    "{'key':'tls.crt','path':'pub/cert.pem','mode':'644'},"
	    "{'key':'tls.key','path':'key.pem'}]},{'name':'other'}]}", &f);

	(void)state;
	assert_int_equal(f.n, 0);
	assert_string_equal(hp->path, "web/tls");
	assert_int_equal(hp->mode, 0640);
	assert_int_equal(hp->uid, 1000);
	assert_int_equal(hp->gid, 33);
	assert_int_equal(hp->nsources, 2);
	assert_string_equal(hp->sources[0].name, "web-tls");
	assert_int_equal(hp->sources[0].optional, 1);
	assert_int_equal(hp->sources[0].nitems, 2);
	assert_string_equal(hp->sources[0].items[0].path, "pub/cert.pem");
	assert_int_equal(hp->sources[0].items[0].mode, 0644);
	assert_int_equal(hp->sources[0].items[1].mode, -1);
	assert_int_equal(hp->sources[1].nitems, 0);
	assert_string_equal(json_str(json_path(hp->node_selector,
	    "matchLabels.role")), "edge");
	hp_free(hp);
	hp_free(NULL);
}

static void
test_defaults(void **state)
{
	struct findings f = { 0 };
	struct host_projection *hp = parse("{'path':'/run/x','nodeSelector':{},"
	    "'externalSecrets':[{'name':'a'}]}", &f);

	(void)state;
	assert_int_equal(f.n, 0);
	assert_int_equal(hp->mode, 0600);
	assert_int_equal(hp->uid, 0);
	assert_null(hp->node_selector);
	assert_string_equal(hp->path, "/run/x");
	hp_free(hp);
}

static void
test_selector(void **state)
{
	cleanup_strmap struct strmap *node = strmap_new(NULL);
	char edge[] = "edge";
	struct findings f = { 0 };
	struct host_projection *hp;

	(void)state;
	strmap_put(node, "role", edge);
	hp = parse("{'path':'a','externalSecrets':[{'name':'a'}],"
	    "'nodeSelector':{'matchExpressions':[{'key':'role','operator':"
	    "'Exists'}]}}", &f);
	assert_int_equal(f.n, 0);
	assert_int_equal(selector_match(hp->node_selector, node), 1);
	hp_free(hp);
	hp = parse("{'path':'a','externalSecrets':[{'name':'a'}],"
	    "'nodeSelector':{'role':'core'}}", &f);
	assert_int_equal(selector_match(hp->node_selector, node), 0);
	hp_free(hp);
	/* A number would never match: say so. */
	hp = parse("{'path':'a','externalSecrets':[{'name':'a'}],"
	    "'nodeSelector':{'rack':5}}", &f);
	assert_true(found(&f, FINDING_REJECT, "spec.nodeSelector.rack",
	    "must be text"));
	assert_int_equal(selector_match(hp->node_selector, node), 0);
	findings_clear(&f);
	hp_free(hp);
}

#define ES "'externalSecrets':[{'name':'a'}]"
#define ITEM(p) "{'path':'x','externalSecrets':[{'name':'a','items':[" \
	"{'key':'k','path':'" p "'}]}]}"
#define I0 "spec.externalSecrets[0].items[0].path"

static void
test_refusals(void **state)
{
	static const struct {
		const char *spec, *field, *what;
	} rows[] = {
		{ "{" ES "}", "spec.path", "Required value" },
		{ "{'path':''," ES "}", "spec.path",
		    "should be at least 1 chars long" },
		{ "{'path':'../x'," ES "}", "spec.path", "begins with \"..\"" },
		{ "{'path':'a/..'," ES "}", "spec.path", "begins with \"..\"" },
		{ "{'path':'..data'," ES "}", "spec.path",
		    "begins with \"..\"" },
		{ "{'path':'a/./b'," ES "}", "spec.path", "has a part \".\"" },
		{ "{'path':'a//b'," ES "}", "spec.path", "has an empty part" },
		{ "{'path':'/'," ES "}", "spec.path", "has an empty part" },
		{ "{'path':'a/'," ES "}", "spec.path", "has an empty part" },
		{ "{'path':'a\\u0001'," ES "}", "spec.path",
		    "has a control character" },
		{ "{'path':'a\\nb'," ES "}", "spec.path",
		    "has a control character" },
		{ "{'path':'x'}", "spec.externalSecrets", "Required value" },
		{ "{'path':'x','externalSecrets':[]}", "spec.externalSecrets",
		    "should have at least 1 items" },
		{ "{'path':'x','externalSecrets':[{}]}",
		    "spec.externalSecrets[0].name", "Required value" },
		{ "{'path':'x','externalSecrets':[{'name':'A/b'}]}",
		    "spec.externalSecrets[0].name", "should match" },
		{ "{'path':'x','mode':'0999'," ES "}", "spec.mode",
		    "should match '^0?[0-7]{1,3}$'" },
		{ "{'path':'x','mode':'1777'," ES "}", "spec.mode",
		    "should match" },
		{ "{'path':'x','mode':416," ES "}", "spec.mode",
		    "must be of type string" },
		{ "{'path':'x','uid':-1," ES "}", "spec.uid",
		    "Invalid value: -1: spec.uid in body should be greater "
		    "than or equal to 0" },
		{ ITEM("/etc/passwd"), I0, "must be relative" },
		{ ITEM("a/../../b"), I0, "begins with \"..\"" },
		{ ITEM("..data"), I0, "begins with \"..\"" },
		{ ITEM(""), I0, "should be at least 1 chars long" },
		{ "{'path':'x','externalSecrets':[{'name':'a','items':[{'key':"
		    "'k','path':'p'}]},{'name':'b','items':[{'key':'k','path':"
		    "'p'}]}]}", "spec.externalSecrets[1].items[0].path",
		    "is written already by spec.externalSecrets[0].items[0]" },
		{ "{'path':'x','externalSecrets':[{'name':'a','items':[{'key':"
		    "'k','path':'d/e/f'},{'key':'k','path':'d'}]}]}", I0,
		    "needs a folder where spec.externalSecrets[0].items[1]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct findings f = { 0 };
		struct host_projection *hp = parse(rows[i].spec, &f);

		if (!found(&f, FINDING_REJECT, rows[i].field, rows[i].what))
			fail_msg("%s", rows[i].spec);
		findings_clear(&f);
		hp_free(hp);
	}
}

static void
test_long_part(void **state)
{
	cleanup_free char *part = mem_alloc(300);
	cleanup_free char *spec = NULL;
	struct findings f = { 0 };
	struct host_projection *hp;

	(void)state;
	memset(part, 'a', 299);
	spec = str_fmt("{'path':'x/%s'," ES "}", part);
	hp = parse(spec, &f);
	assert_true(found(&f, FINDING_REJECT, "spec.path",
	    "longer than 255 bytes"));
	findings_clear(&f);
	hp_free(hp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_selector),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_long_part),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
