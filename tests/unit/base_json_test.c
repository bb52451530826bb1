/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

static struct json *
parse(const char *s)
{
	return (json_parse(s, strlen(s), NULL));
}

static void
expect_print(const struct json *j, int indent, const char *text)
{
	cleanup_buf struct buf out = BUF_PLAIN(10000);

	json_print(j, &out, indent);
	assert_string_equal(buf_str(&out), text);
}

static void
test_round_trip(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ " null ", "null" }, { "true", "true" }, { "false", "false" },
		{ "\t[]\r\n", "[]" }, { "{ }", "{}" },
		{ "[1, -2,3.5 ,1e3,1E-7,0.1]", "[1,-2,3.5,1000,1e-7,0.1]" },
		{ "-0", "0" }, { "-0.0", "0" }, { "1e21", "1e+21" },
		{ "123456789.25", "123456789.25" },
		{ "1e20", "100000000000000000000" },
		{ "0.000001", "0.000001" }, { "-12.5e-3", "-0.0125" },
		{ "9007199254740992", "9007199254740992" },
		{ "5e-324", "5e-324" }, { "1.7976931348623157e308",
		    "1.7976931348623157e+308" },
		{ "\"a\\u00e9\\ud83d\\ude00\\/\\n\"",
		    "\"a\xc3\xa9\xf0\x9f\x98\x80/\\n\"" },
		{ "\"\\u0000a\\ud800b\\udc00\\ud800\\ud800\"",
		    "\"\xef\xbf\xbd" "a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd"
		    "\xef\xbf\xbd\"" },
		{ "\"a\xff\xc3\"", "\"a\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\"\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\"" },
		{ "{\"b\":1,\"a\":{\"c\":[{}]}}",
		    "{\"b\":1,\"a\":{\"c\":[{}]}}" },
		{ "\"\\u2028<>&\\u007f\"", "\"\\u2028<>&\x7f\"" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_json struct json *j = parse(rows[i].in);

		assert_non_null(j);
		expect_print(j, 0, rows[i].out);
	}
}

static void
test_refused(void **state)
{
	static const struct {
		const char *in, *why;
		enum err_kind kind;
	} rows[] = {
		{ "", "JSON, line 1, column 1: unexpected end", ERR_INVALID },
		{ "{\n\"a\":\n  x}", "JSON, line 3, column 3: unexpected "
		    "character", ERR_INVALID },
		{ "[1] 2", "JSON, line 1, column 5: more behind the end of the "
		    "document", ERR_INVALID },
		{ "[1,]", NULL, ERR_INVALID }, { "[1", NULL, ERR_INVALID },
		{ "{\"a\"}", NULL, ERR_INVALID },
		{ "{\"a\":1,}", NULL, ERR_INVALID },
		{ "{a:1}", NULL, ERR_INVALID }, { "{1:1}", NULL, ERR_INVALID },
		{ "01", NULL, ERR_INVALID }, { "1.", NULL, ERR_INVALID },
		{ ".5", NULL, ERR_INVALID }, { "+1", NULL, ERR_INVALID },
		{ "1e", NULL, ERR_INVALID }, { "-", NULL, ERR_INVALID },
		{ "0x1", NULL, ERR_INVALID }, { "1e400", NULL, ERR_INVALID },
		{ "nul", NULL, ERR_INVALID }, { "truex", NULL, ERR_INVALID },
		{ "NaN", NULL, ERR_INVALID }, { "'a'", NULL, ERR_INVALID },
		{ "\"a", NULL, ERR_INVALID }, { "\"a\nb\"", NULL, ERR_INVALID },
		{ "\"\\x\"", NULL, ERR_INVALID },
		{ "\"\\u12\"", NULL, ERR_INVALID },
		{ "\"\\u12g4\"", NULL, ERR_INVALID }, { "\"\\", NULL,
		    ERR_INVALID }, { "\xef\xbb\xbf{}", NULL, ERR_INVALID },
		{ "1.00000000000000000000000000000000000000000000000000000000"
		    "00000000001", NULL, ERR_LIMIT },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_err struct err err = ERR_INIT;

		assert_null(json_parse(rows[i].in, strlen(rows[i].in), &err));
		assert_int_equal(err.kind, rows[i].kind);
		if (rows[i].why)
			assert_string_equal(err_msg(&err), rows[i].why);
	}
	assert_null(json_parse("{}\0", 3, NULL));
	assert_null(json_parse("\"a\0b\"", 5, NULL));
	/* Exactly len bytes are looked at. */
	assert_null(json_parse("truE", 3, NULL));
	json_free(json_parse("12x", 2, NULL));
}

static void
test_depth(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_json struct json *j = NULL;
	char text[2 * (JSON_DEPTH_MAX + 1)];
	size_t n = JSON_DEPTH_MAX + 1;

	(void)state;
	memset(text, '[', n);
	memset(text + n, ']', n);
	assert_null(json_parse(text, sizeof(text), &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	j = json_parse(text + 1, sizeof(text) - 2, &err);
	assert_non_null(j);
}

static void
test_readers(void **state)
{
	cleanup_json struct json *j = parse("{\"a\":1,\"s\":\"x\",\"t\":true,"
	    "\"f\":false,\"n\":null,\"l\":[1,2,3],\"o\":{\"p\":{\"q\":\"r\"}},"
	    "\"a\":2}");

	(void)state;
	assert_int_equal((int)json_num(json_get(j, "a"), 0), 2);
	assert_int_equal((int)json_num(json_get(j, "s"), 7), 7);
	assert_string_equal(json_str(json_get(j, "s")), "x");
	assert_null(json_str(json_get(j, "a")));
	assert_null(json_get(j, "A"));
	assert_int_equal(json_bool(json_get(j, "t"), 0), 1);
	assert_int_equal(json_bool(json_get(j, "f"), 1), 0);
	assert_int_equal(json_bool(json_get(j, "n"), 9), 9);
	assert_true(json_is(json_get(j, "n"), JSON_NULL));
	assert_false(json_is(NULL, JSON_NULL));
	assert_int_equal(json_type(NULL), JSON_NULL);
	assert_int_equal(json_len(json_get(j, "l")), 3);
	assert_int_equal(json_len(j), 8);
	assert_int_equal(json_len(json_get(j, "s")), 0);
	assert_string_equal(json_str(json_path(j, "o.p.q")), "r");
	assert_null(json_path(j, "o.x.q"));
	assert_null(json_path(j, "s.x"));
	assert_null(json_path(NULL, "s"));
	assert_string_equal(json_key(json_first(j)), "a");
	assert_null(json_key(j));
	assert_null(json_key(json_first(json_get(j, "l"))));
	assert_null(json_first(json_get(j, "s")));
	assert_null(json_next(NULL));
	assert_null(json_get(json_get(j, "l"), "a"));
}

static void
test_changing(void **state)
{
	cleanup_json struct json *j = parse("{\"a\":1,\"b\":2,\"a\":3}");
	cleanup_json struct json *copy = NULL, *taken = NULL;
	struct json *list;

	(void)state;
	json_set_num(j, "a", 4);
	expect_print(j, 0, "{\"a\":4,\"b\":2}");
	json_set_str(j, "s", "x");
	json_set_str(j, "z", NULL);
	json_set_bool(j, "t", 5);
	json_set(j, "b", NULL);
	json_set(j, "none", NULL);
	list = json_new_array();
	json_push(list, json_new_strn("abc", 2));
	json_push(list, json_new_null());
	json_push(list, json_new_bool(0));
	json_push(list, json_new_num(NAN));
	json_set(j, "l", list);
	json_set(j, "o", json_new_object());
	copy = json_copy(j);
	expect_print(copy, 0, "{\"a\":4,\"s\":\"x\",\"z\":null,\"t\":true,"
	    "\"l\":[\"ab\",null,false,null],\"o\":{}}");
	taken = json_take(j, "l");
	assert_int_equal(json_len(taken), 4);
	assert_null(json_take(j, "l"));
	expect_print(j, 2, "{\n  \"a\": 4,\n  \"s\": \"x\",\n  \"z\": null,\n"
	    "  \"t\": true,\n  \"o\": {}\n}");
	expect_print(taken, 1, "[\n \"ab\",\n null,\n false,\n null\n]");
	json_free(json_take(copy, "a"));
	assert_null(json_get(copy, "a"));
	json_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_changing),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
