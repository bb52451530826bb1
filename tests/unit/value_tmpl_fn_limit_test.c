/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/value_tmpl_fn.h"

/*
 * Functions that are asked for more than there is: an error that says so, soon.
 * With -DWEAKEN_TMPL_JSON_DEPTH deep JSON is taken, with -DWEAKEN_TMPL_STEPS
 * (the evaluator's) work is not counted, and this fails.
 */

#define SELF "{{ $d := dict }}{{ $_ := set $d \"a\" $d }}"

static const struct {
	const char *text;
	enum err_kind kind;
	const char *say;
} hard[] = {
	{ "{{ uniq (until 10000) }}", ERR_LIMIT, "steps" },
	{ "{{ fromJson (print (repeat 5000 \"[\") (repeat 5000 \"]\")) | "
	    "len }}", ERR_LIMIT, "nested deeper" },
	/* A MAC of 10,000,001 iterations over nothing; a modulus of 2,052
	 * bytes. */
	{ "{{ pkcs12key (b64dec \"MEsCAQMwEQYJKoZIhvcNAQcBoAQEAjAAMDMwITAJBgUr"
	    "DgMCGgUABBQAAAAAAAAAAAAAAAAAAAAAAAAAAAQIc2FsdHNhbHQCBACYloE="
	    "\") }}", ERR_LIMIT, "steps" },
	{ "{{ rsaDecrypt \"RSA-OAEP\" \"\" \"x\" (print \"-----BEGIN RSA "
	    "PRIVATE KEY-----\\nMIIIIgIBAAKCCAQ/\" (repeat 683 \"////\") "
	    "\"//8CAwEAAQIBAwIBAwIBAwIBAwIBAwIBAw==\\n"
	    "-----END RSA PRIVATE KEY-----\\n\") }}", ERR_LIMIT, "bits" },
	{ "{{ repeat 1000000000 \"x\" }}", ERR_LIMIT, "bytes of memory" },
	{ "{{ repeat 9223372036854775807 \"xy\" }}", ERR_INVALID,
	    "strings: Repeat output length overflow" },
	{ "{{ until 9223372036854775807 }}", ERR_LIMIT, "" },
	{ "{{ untilStep 0 9223372036854775807 2 }}", ERR_LIMIT, "" },
	{ "{{ seq 1 2 9223372036854775806 }}", ERR_LIMIT, "" },
	{ "{{ indent 1000000000 \"a\\nb\" }}", ERR_LIMIT, "" },
	{ "{{ $x := repeat 100000 \"a\" }}{{ replace \"a\" $x $x }}",
	    ERR_LIMIT, "" },
	{ "{{ randAlpha 1000000000000 }}", ERR_LIMIT, "" },
	{ "{{ randBytes 1000000000000 }}", ERR_LIMIT, "" },
	{ "{{ $l := list 1 }}{{ range until 40 }}{{ $l = concat $l $l }}"
	    "{{ end }}", ERR_LIMIT, "" },
	{ "{{ uniq (until 200000) }}", ERR_LIMIT, "steps" },
	{ "{{ $x := repeat 200000 \"\xc3\xa9\" }}{{ trimAll $x $x }}",
	    ERR_LIMIT, "steps" },
	{ "{{ $x := repeat 3000000 \"a\" }}{{ range until 100000 }}"
	    "{{ $_ := sha512sum $x }}{{ end }}", ERR_LIMIT, "steps" },
	{ "{{ range until 1000 }}{{ $_ := derivePassword 1 \"pin\" \"p\" "
	    "\"u\" \"s\" }}{{ end }}", ERR_LIMIT, "steps" },
	{ SELF "{{ deepCopy $d }}", ERR_LIMIT, "nested deeper" },
	{ SELF "{{ $e := dict }}{{ $_ := set $e \"a\" $e }}{{ merge $d $e }}",
	    ERR_LIMIT, "nested deeper" },
	{ SELF "{{ mustToJson $d }}", ERR_INVALID,
	    "encountered a cycle via map[string]interface {}" },
	{ "{{ mustFromJson (print (repeat 20000 \"[\") (repeat 20000 \"]\")) "
	    "}}", ERR_INVALID, "exceeded max depth" },
	{ "{{ $l := list 1 }}{{ range until 4000 }}{{ $l = list $l }}{{ end }}"
	    "{{ toJson $l }}", ERR_LIMIT, "nested deeper" },
	{ "{{ bcrypt \"a\\x00b\" }}", ERR_INVALID, "holds a NUL" },
};

static void
test_limits(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(hard); i++) {
		cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
		cleanup_err struct err err = ERR_INIT;
		time_t start = time(NULL);

		if (fn_render(hard[i].text, strlen(hard[i].text), &out,
		    &err) == 0)
			fail_msg("%s: done", hard[i].text);
		if (err.kind != hard[i].kind ||
		    strstr(err_msg(&err), hard[i].say) == NULL)
			fail_msg("%s: %d %s", hard[i].text, err.kind,
			    err_msg(&err));
		assert_true(time(NULL) - start < 60);
	}
}

/* Large, but not too large. */
static void
test_large(void **state)
{
	static const char *const all[][2] = {
		{ "{{ $x := repeat 1000000 \"a \" }}{{ wrap 1 $x | len }} "
		    "{{ snakecase $x | len }} {{ splitList \" \" $x | len }}",
		    "2000000 2000000 1000001" },
		{ "{{ clean (repeat 1000000 \"a/../\") }}", "." },
		{ "{{ regexReplaceAll \"(a*)*b\" (repeat 1000000 \"a\") \"\" |"
		    " len }}", "1000000" },
		{ "{{ toJson (repeat 1000000 \"<\") | len }}", "6000002" },
		{ "{{ $d := dict }}{{ range until 100000 }}{{ $_ := set $d "
		    "(toString .) . }}{{ end }}{{ len (keys $d) }}",
		    "100000" },
		{ "{{ mulf \"1e300\" \"1e300\" \"1e-300\" \"1e-300\" }}", "1" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(all); i++) {
		cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
		cleanup_err struct err err = ERR_INIT;

		if (fn_render(all[i][0], strlen(all[i][0]), &out, &err) == -1)
			fail_msg("%s: %s", all[i][0], err_msg(&err));
		assert_string_equal(buf_str(&out), all[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_large),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
