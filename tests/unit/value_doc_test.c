/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/value_vector.h"
#include "value/doc.h"
#include "value/extract.h"

static struct doc
parsed(const char *text)
{
	struct doc d;

	assert_int_equal(doc_parse(text, strlen(text), &d, NULL), 0);
	return (d);
}

static void
expect_error(const char *text, const char *message)
{
	cleanup_err struct err err = ERR_INIT;
	struct doc d;

	assert_int_equal(doc_parse(text, strlen(text), &d, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err_msg(&err), message);
}

static void
marshal(const struct doc *d, struct buf *out, int html, int number)
{
	*out = (struct buf)BUF_SECRET(1u << 20);
	doc_marshal(d, out, html, number);
	assert_true(buf_ok(out));
}

static void
test_vectors(void **state)
{
	struct vector v;
	int bad = 0;

	(void)state;
	assert_true(vector_open(&v, "tests/vector/value/doc.tsv"));
	while (vector_next(&v)) {
		cleanup_err struct err err = ERR_INIT;
		char *text = vector_exact(&v, 0);
		struct buf out;
		struct doc d;

		if (doc_parse(text, v.len[0], &d, &err) == -1) {
			bad += !vector_is(&v, 2, "error", err_msg(&err),
			    strlen(err_msg(&err)));
		} else {
			marshal(&d, &out, 1, 0);
			bad += !vector_is(&v, 1, "html", out.data, out.len);
			buf_clear(&out);
			marshal(&d, &out, 0, 0);
			bad += !vector_is(&v, 2, "plain", out.data, out.len);
			buf_clear(&out);
			marshal(&d, &out, 1, 1);
			bad += !vector_is(&v, 3, "number", out.data, out.len);
			buf_clear(&out);
		}
		free(text);
	}
	assert_int_equal(bad, 0);
}

/* Go feeds a space behind the last byte. */
static void
test_end_of_text(void **state)
{
	(void)state;
	expect_error("", "unexpected end of JSON input");
	expect_error(" [1", "unexpected end of JSON input");
	expect_error("{\"a\":", "unexpected end of JSON input");
	expect_error("tru", "invalid character ' ' in literal true "
	    "(expecting 'e')");
	expect_error("1.", "invalid character ' ' after decimal point in "
	    "numeric literal");
	expect_error("\"\\", "invalid character ' ' in string escape code");
	expect_error("'a'", "invalid character '\\'' looking for beginning of "
	    "value");
	expect_error("\xc3", "invalid character '\xc3\x83' looking for "
	    "beginning of value");
	expect_error("\x80", "invalid character '\\u0080' looking for "
	    "beginning of value");
	expect_error("1 2", "invalid character '2' after top-level value");
}

static void
expect_depth(size_t depth, int ok)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *text = mem_alloc(2 * depth);
	struct doc d;
	struct buf out;

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	assert_int_equal(doc_parse(text, 2 * depth, &d, &err), ok ? 0 : -1);
	if (!ok) {
		assert_string_equal(err_msg(&err),
		    "invalid character '[' exceeded max depth");
		return;
	}
	marshal(&d, &out, 1, 0);
	assert_int_equal(out.len, 2 * depth);
	buf_clear(&out);
}

/* Control: WEAKEN_DOC_DEPTH. */
static void
test_depth(void **state)
{
	(void)state;
	expect_depth(DOC_DEPTH_MAX, 1);
	expect_depth(DOC_DEPTH_MAX + 1, 0);
	expect_depth(DOC_DEPTH_MAX * 20, 0);
}

static void
expect_member(const struct doc *d, const char *key, const char *raw)
{
	struct doc v;

	if (!raw) {
		assert_int_equal(doc_member(d, key, strlen(key), &v), 0);
		return;
	}
	assert_int_equal(doc_member(d, key, strlen(key), &v), 1);
	assert_int_equal(v.len, strlen(raw));
	assert_memory_equal(v.raw, raw, v.len);
}

static void
test_walk(void **state)
{
	struct doc d = parsed(" { \"a\" : [1 , {\"]\":\"}\"}] ,\"\\u0062\":"
	    "-1e5,\"a\":\"last\\\"\" , \"c\":{} } "), e, key;
	size_t at = 0, n = 0;

	(void)state;
	expect_member(&d, "a", "\"last\\\"\"");
	expect_member(&d, "b", "-1e5");
	expect_member(&d, "c", "{}");
	expect_member(&d, "d", NULL);
	d = parsed("[ null,true , false,\"\", 0 , [],{}]");
	while (doc_next(&d, &at, &key, &e)) {
		static const enum doc_type types[] = { DOC_NULL, DOC_TRUE,
		    DOC_FALSE, DOC_STRING, DOC_NUMBER, DOC_ARRAY,
		    DOC_OBJECT };

		assert_int_equal(e.type, types[n++]);
		assert_int_equal(key.len, 0);
	}
	assert_int_equal(n, 7);
	d = parsed("[]");
	at = 0;
	assert_int_equal(doc_next(&d, &at, &key, &e), 0);
	d = parsed("1");
	assert_int_equal(doc_next(&d, &at, &key, &e), 0);
}

static void
expect_bytes(const char *text, enum doc_family family, const char *bytes)
{
	cleanup_err struct err err = ERR_INIT;
	struct buf out = BUF_SECRET(4096);
	struct doc d = parsed(text);

	if (doc_value(&d, family, &out, &err) == -1)
		assert_string_equal(err_msg(&err), bytes);
	else
		assert_string_equal(buf_str(&out), bytes);
	buf_clear(&out);
}

/* eso.md 4.4, row by row. */
static void
test_families(void **state)
{
	(void)state;
	expect_bytes("\"a\\n\\ud83d\\ude00\\ud800\"", DOC_RAW_MESSAGE,
	    "a\n\xf0\x9f\x98\x80\xef\xbf\xbd");
	expect_bytes("1.50", DOC_RAW_MESSAGE, "1.50");
	expect_bytes("null", DOC_RAW_MESSAGE, "");
	expect_bytes("{ \"b\": 1 ,\"a\":2}", DOC_RAW_MESSAGE,
	    "{ \"b\": 1 ,\"a\":2}");
	expect_bytes("1.50", DOC_GET_BYTE_VALUE, "1.5");
	expect_bytes("1e21", DOC_GET_BYTE_VALUE, "1000000000000000000000");
	expect_bytes("9007199254740993", DOC_GET_BYTE_VALUE,
	    "9007199254740992");
	expect_bytes("9007199254740993", DOC_GET_BYTE_VALUE_NUMBER,
	    "9007199254740993");
	expect_bytes("true", DOC_GET_BYTE_VALUE, "true");
	expect_bytes("null", DOC_GET_BYTE_VALUE, "");
	expect_bytes("{ \"b\": 1.0 ,\"a\":\"<&>\"}", DOC_GET_BYTE_VALUE,
	    "{\"a\":\"\\u003c\\u0026\\u003e\",\"b\":1}");
	expect_bytes("[1.0]", DOC_GET_BYTE_VALUE_NUMBER, "[1.0]");
	expect_bytes("[1e999]", DOC_GET_BYTE_VALUE, "json: cannot unmarshal "
	    "number 1e999 into Go value of type float64");
	expect_bytes("\"x\"", DOC_STRING_MAP, "x");
	expect_bytes("null", DOC_STRING_MAP, "");
	expect_bytes("1", DOC_STRING_MAP,
	    "json: cannot unmarshal number into Go value of type string");
	expect_bytes("\"x\"", DOC_VERBATIM, "\"x\"");
	expect_bytes("null", DOC_VERBATIM, "null");
}

static void
expect_extract(const char *text, enum doc_family family, const char *message)
{
	cleanup_err struct err err = ERR_INIT;
	struct kv kv;

	kv_init(&kv);
	kv_put_bytes(&kv, "old", "1", 1);
	assert_int_equal(value_extract(text, strlen(text), family, &kv, &err),
	    message ? -1 : 0);
	if (message)
		assert_string_equal(err_msg(&err), message);
	assert_int_equal(kv_len(&kv), 1);
	kv_clear(&kv);
}

static void
test_extract(void **state)
{
	static const char text[] = "{\"a\":1,\"\\u0000\":2,\"a\":\"3\"}";
	struct buf key = BUF_PLAIN(10);
	struct kv kv;

	(void)state;
	kv_init(&kv);
	assert_int_equal(value_extract(text, sizeof(text) - 1,
	    DOC_RAW_MESSAGE, &kv, NULL), 0);
	assert_int_equal(kv_len(&kv), 2);
	assert_int_equal(secret_len(kv_get(&kv, "a")), 1);
	assert_int_equal(secret_data(kv_get(&kv, "a"))[0], '3');
	assert_non_null(kv_get(&kv, KV_NUL));
	value_key_bytes("x" KV_NUL, &key);
	assert_int_equal(key.len, 2);
	assert_int_equal(key.data[1], '\0');
	buf_clear(&key);
	kv_clear(&kv);
	expect_extract("null", DOC_RAW_MESSAGE, NULL);
	expect_extract("{}", DOC_STRING_MAP, NULL);
	expect_extract("[1]", DOC_RAW_MESSAGE, "json: cannot unmarshal array "
	    "into Go value of type map[string]json.RawMessage");
	expect_extract("\"\"", DOC_GET_BYTE_VALUE, "json: cannot unmarshal "
	    "string into Go value of type map[string]interface {}");
	expect_extract("true", DOC_STRING_MAP, "json: cannot unmarshal bool "
	    "into Go value of type map[string]string");
	expect_extract("{\"a\":\"1\",\"b\":[]}", DOC_STRING_MAP,
	    "json: cannot unmarshal array into Go value of type string");
	expect_extract("{\"a\"", DOC_STRING_MAP,
	    "unexpected end of JSON input");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_end_of_text),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_extract),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
