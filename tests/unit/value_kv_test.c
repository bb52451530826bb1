/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "value/kv.h"

static void
expect(const struct kv *kv, const char *key, const char *value)
{
	const struct secret *s = kv_get(kv, key);

	if (!value) {
		assert_null(s);
		return;
	}
	assert_non_null(s);
	assert_int_equal(secret_len(s), strlen(value));
	assert_memory_equal(secret_data(s), value, strlen(value));
}

static void
test_map(void **state)
{
	cleanup_kv struct kv a = { NULL }, b = { NULL };

	(void)state;
	assert_null(kv_get(&a, "x"));
	assert_int_equal(kv_len(&a), 0);
	kv_init(&a);
	kv_init(&b);
	kv_put_bytes(&a, "x", "1", 1);
	kv_put_bytes(&a, "y", "2", 1);
	kv_put_bytes(&a, "x", "3", 1);
	kv_put_bytes(&b, "y", "4", 1);
	kv_put_bytes(&b, "z", "", 0);
	kv_merge(&a, &b);
	assert_int_equal(kv_len(&a), 3);
	assert_int_equal(kv_len(&b), 0);
	expect(&a, "x", "3");
	expect(&a, "y", "4");
	expect(&a, "z", "");
	expect(&a, "n", NULL);
}

static void
expect_decoded(const char *in, enum value_decoding how, const char *out)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_secret struct secret *v = secret_new(in, strlen(in));
	cleanup_secret struct secret *got = NULL;

	if (value_decode(v, how, &got, &err) == -1) {
		assert_string_equal(err_msg(&err), out);
		assert_int_equal(err.kind, ERR_INVALID);
		return;
	}
	assert_int_equal(secret_len(got), strlen(out));
	assert_memory_equal(secret_data(got), out, strlen(out));
}

/* Rows of runtime/decoding/decoding_test.go's kind. */
static void
test_decode(void **state)
{
	(void)state;
	expect_decoded("YWJj", DECODE_BASE64, "abc");
	expect_decoded("YW\r\nJj\n", DECODE_BASE64, "abc");
	expect_decoded("YQ==", DECODE_BASE64, "a");
	expect_decoded("YR==", DECODE_BASE64, "a");
	expect_decoded("YQ", DECODE_BASE64,
	    "illegal base64 data at input byte 0");
	expect_decoded("foo/bar+", DECODE_BASE64URL,
	    "illegal base64 data at input byte 3");
	expect_decoded("Zm9v_2Jhcg==", DECODE_BASE64,
	    "illegal base64 data at input byte 4");
	expect_decoded("Zm9vP2Jhcg==", DECODE_AUTO, "foo?bar");
	expect_decoded("fn5-fg==", DECODE_AUTO, "~~~~");
	expect_decoded("not base64!", DECODE_AUTO, "not base64!");
	expect_decoded("YWJj", DECODE_NONE, "YWJj");
	expect_decoded("", DECODE_BASE64, "");
}

static void
test_decode_map(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_kv struct kv kv = { NULL };

	(void)state;
	kv_init(&kv);
	kv_put_bytes(&kv, "a", "YQ==", 4);
	kv_put_bytes(&kv, "b", "!", 1);
	assert_int_equal(value_decode_map(&kv, DECODE_BASE64, &err), -1);
	assert_string_equal(err_msg(&err),
	    "failure decoding key b: illegal base64 data at input byte 0");
	expect(&kv, "a", "YQ==");
	assert_int_equal(value_decode_map(&kv, DECODE_AUTO, &err), 0);
	expect(&kv, "a", "a");
	expect(&kv, "b", "!");
}

static void
test_words(void **state)
{
	enum value_conversion c;
	enum value_decoding d;

	(void)state;
	assert_int_equal(value_decoding_parse(NULL, &d), 0);
	assert_int_equal(d, DECODE_NONE);
	assert_int_equal(value_decoding_parse("Base64URL", &d), 0);
	assert_int_equal(d, DECODE_BASE64URL);
	assert_int_equal(value_decoding_parse("base64", &d), -1);
	assert_int_equal(value_conversion_parse("", &c), 0);
	assert_int_equal(c, CONVERT_DEFAULT);
	assert_int_equal(value_conversion_parse("Unicode", &c), 0);
	assert_int_equal(c, CONVERT_UNICODE);
	assert_int_equal(value_conversion_parse("None", &c), -1);
}

static void
expect_converted(const char *key, enum value_conversion how, const char *to)
{
	cleanup_kv struct kv kv = { NULL };

	kv_init(&kv);
	kv_put_bytes(&kv, key, "v", 1);
	assert_int_equal(value_convert_keys(&kv, how, NULL), 0);
	expect(&kv, to, "v");
}

static void
test_convert(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_kv struct kv kv = { NULL };

	(void)state;
	expect_converted("a/b c-d.e_f", CONVERT_DEFAULT, "a_b_c-d.e_f");
	expect_converted("a/\xf0\x9f\x98\x80", CONVERT_UNICODE,
	    "a_U002f__U1f600_");
	expect_converted("\xc3\xa9\xc2\xb2", CONVERT_DEFAULT,
	    "\xc3\xa9\xc2\xb2");
	expect_converted("\xff", CONVERT_UNICODE, "_Ufffd_");
	expect_converted("a" KV_NUL, CONVERT_UNICODE, "a_U0000_");
	expect_converted("", CONVERT_DEFAULT, "");
	kv_init(&kv);
	kv_put_bytes(&kv, "a/b", "1", 1);
	kv_put_bytes(&kv, "a b", "2", 1);
	assert_int_equal(value_convert_keys(&kv, CONVERT_DEFAULT, &err), -1);
	assert_string_equal(err_msg(&err),
	    "secret name collision during conversion: a_b");
	expect(&kv, "a/b", "1");
	expect(&kv, "a b", "2");
	assert_int_equal(value_convert_keys(&kv, CONVERT_UNICODE, NULL), 0);
	expect(&kv, "a_U0020_b", "2");
}

static void
expect_invalid(const char *key, const char *message)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_kv struct kv kv = { NULL };

	kv_init(&kv);
	kv_put_bytes(&kv, key, "v", 1);
	assert_int_equal(value_validate_keys(&kv, &err), message ? -1 : 0);
	if (message)
		assert_string_equal(err_msg(&err), message);
}

static void
test_validate(void **state)
{
	char key[255], message[400];
	cleanup_kv struct kv kv = { NULL };

	(void)state;
	memset(key, 'a', 254);
	key[254] = '\0';
	snprintf(message, sizeof(message), "key has length 254 but max is 253:"
	    " (following is truncated): %.253s", key);
	expect_invalid(key, message);
	expect_invalid(key + 1, NULL);
	expect_invalid("\xc3\xa9-._1", NULL);
	expect_invalid("x<y", "key has invalid character <, only alphanumeric,"
	    " '-', '.' and '_' are allowed: x<y");
	expect_invalid("x\xff", "key has invalid character \xef\xbf\xbd, only "
	    "alphanumeric, '-', '.' and '_' are allowed: x\xff");
	kv_init(&kv);
	kv_put_bytes(&kv, "", "v", 1);
	kv_put_bytes(&kv, "a", "v", 1);
	assert_int_equal(value_validate_keys(&kv, NULL), 0);
	assert_int_equal(kv_len(&kv), 1);
}

static void
test_null(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_secret struct secret *good = secret_new("ab", 2);
	cleanup_secret struct secret *bad = secret_new("a\0b", 3);
	cleanup_secret struct secret *empty = secret_new("", 0);

	(void)state;
	assert_int_equal(value_check_null("k", good, &err), 0);
	assert_int_equal(value_check_null("k", empty, &err), 0);
	assert_int_equal(value_check_null("v\"1", bad, &err), -1);
	assert_string_equal(err_msg(&err), "fetched secret value for key "
	    "\"v\\\"1\" contains null bytes; use a text-safe format such as "
	    "PEM/base64 or leave nullBytePolicy unset for intentional binary "
	    "data");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_map),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_null),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
