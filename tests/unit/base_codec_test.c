/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/keccak.h"
#include "base/mem.h"

/* What Go 1.26 encoding/base64 StdEncoding.DecodeString says: bytes and the
 * offset of its CorruptInputError, -1 for none. */
static void
test_b64_decode_as_go(void **state)
{
	static const struct {
		const char *in, *out;
		int bad;
	} rows[] = {
		{ "", "", -1 },
		{ "Zm9v", "foo", -1 },
		{ "Zm8=", "fo", -1 },
		{ "Zg==", "f", -1 },
		{ "Zh==", "f", -1 },		/* trailing bits */
		{ "Zm9=", "fo", -1 },
		{ "\r\nZ\nm\r9v\n", "foo", -1 },
		{ "Zg=\n=\n", "f", -1 },
		{ "\n", "", -1 },
		{ "Zm9vZ", "foo", 5 - 1 },
		{ "Zm9vZg", "foo", 4 },
		{ "Zm9vZm8", "foo", 4 },
		{ "Z", "", 0 },
		{ "Zg", "", 0 },
		{ "Zg=", "", 3 },
		{ "Zg=x", "", 2 },
		{ "Zg==x", "f", 4 },
		{ "Zg==\n\nx", "f", 6 },
		{ "Zm8=Zm8=", "fo", 4 },
		{ "=", "", 0 },
		{ "Z===", "", 1 },
		{ "====", "", 0 },
		{ "Zm9v!m9v", "foo", 4 },
		{ "Zm9vZ!9v", "foo", 5 },
		{ "Zm9v Zg==", "foo", 4 },
		{ "Zm-_", "", 2 },
		{ "Zm9vZg\n", "foo", 7 - 2 },
	};
	size_t i, bad;
	int rc;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_buf struct buf out = BUF_PLAIN(100);

		bad = 99;
		rc = codec_b64_decode(&out, rows[i].in, strlen(rows[i].in),
		    CODEC_B64_STD, &bad);
		assert_string_equal(buf_str(&out), rows[i].out);
		assert_int_equal(rc, rows[i].bad == -1 ? 0 : -1);
		assert_int_equal(bad, rows[i].bad == -1 ? 99 : rows[i].bad);
		codec_b64_decode(&out, rows[i].in, strlen(rows[i].in),
		    CODEC_B64_STD, NULL);
	}
}

static void
test_b64_both_ways(void **state)
{
	uint8_t bytes[256];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + 251);
	for (n = 0; n <= sizeof(bytes); n++) {
		cleanup_buf struct buf text = BUF_PLAIN(400);
		cleanup_buf struct buf back = BUF_SECRET(300);

		codec_b64_encode(&text, bytes, n, n % 2, 1);
		assert_int_equal(text.len, (n + 2) / 3 * 4);
		assert_int_equal(codec_b64_decode(&back, buf_str(&text),
		    text.len, n % 2, NULL), 0);
		assert_int_equal(back.len, n);
		assert_memory_equal(buf_str(&back), bytes, n);
		buf_clear(&text);
		codec_b64_encode(&text, bytes, n, CODEC_B64_URL, 0);
		assert_int_equal(text.len, (n * 4 + 2) / 3);
		assert_null(strpbrk(buf_str(&text), "+/="));
	}
}

static void
test_hex(void **state)
{
	cleanup_buf struct buf out = BUF_PLAIN(100);

	(void)state;
	codec_hex_encode(&out, "\x00\xfe\x1a", 3);
	assert_string_equal(buf_str(&out), "00fe1a");
	buf_clear(&out);
	assert_int_equal(codec_hex_decode(&out, "00fE1a", 6), 0);
	assert_memory_equal(out.data, "\x00\xfe\x1a", 3);
	assert_int_equal(codec_hex_decode(&out, "0", 1), -1);
	assert_int_equal(codec_hex_decode(&out, "0g", 2), -1);
	assert_int_equal(codec_hex_decode(&out, "/0", 2), -1);
}

static void
test_escapes(void **state)
{
	cleanup_buf struct buf out = BUF_PLAIN(1000);
	static const char all[] = "aZ09-_.~ !\"#$%&'()*+,/:;<=>?@[\\]^`{|}\xc3";

	(void)state;
	codec_path_escape(&out, all, sizeof(all));
	assert_string_equal(buf_str(&out), "aZ09-_.~%20%21%22%23$%25&%27%28%29"
	    "%2A+%2C%2F:%3B%3C=%3E%3F@%5B%5C%5D%5E%60%7B%7C%7D%C3%00");
	buf_clear(&out);
	codec_query_escape(&out, all, sizeof(all));
	assert_string_equal(buf_str(&out), "aZ09-_.~+%21%22%23%24%25%26%27%28"
	    "%29%2A%2B%2C%2F%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D%C3"
	    "%00");
}

static void
test_utf8(void **state)
{
	static const struct {
		const char *in;
		uint32_t rune;
		size_t n;
	} rows[] = {
		{ "a", 'a', 1 }, { "\xc3\xa9", 0xe9, 2 },
		{ "\xe2\x82\xac", 0x20ac, 3 },
		{ "\xf0\x9f\x98\x80", 0x1f600, 4 },
		{ "\xef\xbf\xbd", 0xfffd, 3 },
		{ "\xf4\x8f\xbf\xbf", 0x10ffff, 4 },
		{ "\xc0\x80", 0xfffd, 1 }, { "\xc1\xbf", 0xfffd, 1 },
		{ "\xe0\x80\x80", 0xfffd, 1 }, { "\xed\xa0\x80", 0xfffd, 1 },
		{ "\xf0\x80\x80\x80", 0xfffd, 1 },
		{ "\xf4\x90\x80\x80", 0xfffd, 1 }, { "\xf5", 0xfffd, 1 },
		{ "\x80", 0xfffd, 1 }, { "\xc3", 0xfffd, 1 },
		{ "\xe2\x82", 0xfffd, 1 }, { "\xe2\x82g", 0xfffd, 1 },
		{ "\xf0\x9f\x98", 0xfffd, 1 }, { "\xff", 0xfffd, 1 },
	};
	cleanup_buf struct buf out = BUF_PLAIN(100);
	uint32_t rune, r;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(utf8_next(rows[i].in, strlen(rows[i].in),
		    &rune), rows[i].n);
		assert_int_equal(rune, rows[i].rune);
	}
	assert_int_equal(utf8_next("", 0, &rune), 0);
	for (r = 1; r < 0x110000; r += 1 + r / 50) {
		if (r >= 0xd800 && r < 0xe000)
			continue;
		buf_clear(&out);
		utf8_add(&out, r);
		assert_int_equal(utf8_next(out.data, out.len, &rune), out.len);
		assert_int_equal(rune, r);
	}
	buf_clear(&out);
	utf8_add(&out, 0xd800);
	utf8_add(&out, 0x110000);
	assert_string_equal(buf_str(&out), "\xef\xbf\xbd\xef\xbf\xbd");
	assert_true(utf8_valid("a\0\xc3\xa9", 4));
	assert_true(utf8_valid("\xef\xbf\xbd", 3));
	assert_false(utf8_valid("a\xc3", 2));
}

static void
test_classes(void **state)
{
	(void)state;
	assert_true(rune_is_letter('a') && rune_is_letter(0xe9) &&
	    rune_is_letter(0x4e00) && rune_is_letter(0x9fff) &&
	    rune_is_letter(0x1df25) && rune_is_letter(0x31350));
	assert_false(rune_is_letter('1') || rune_is_letter('_') ||
	    rune_is_letter(0x2028) || rune_is_letter(0x10ffff) ||
	    rune_is_letter(0));
	assert_true(rune_is_number('0') && rune_is_number(0xb2) &&
	    rune_is_number(0x2160) && rune_is_number(0x1d2c0) &&
	    rune_is_number(0xbc));
	assert_false(rune_is_number('a') || rune_is_number('.'));
}

static void
test_json_string(void **state)
{
	static const char in[] = "a\"\\\b\f\n\r\t\x01\x1f/<>&\x7f\xe2\x80\xa8"
	    "\xe2\x80\xa9\xc3\xa9\xff\0z";
	cleanup_buf struct buf out = BUF_PLAIN(1000);

	(void)state;
	codec_json_string(&out, in, sizeof(in) - 1, 0);
	assert_string_equal(buf_str(&out), "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001"
	    "\\u001f/<>&\x7f\\u2028\\u2029\xc3\xa9\\ufffd\\u0000z\"");
	buf_clear(&out);
	codec_json_string(&out, in, sizeof(in) - 1, 1);
	assert_string_equal(buf_str(&out), "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001"
	    "\\u001f/\\u003c\\u003e\\u0026\x7f\\u2028\\u2029\xc3\xa9\\ufffd"
	    "\\u0000z\"");
}

static void
sha3_hex(struct buf *out, const char *byte, size_t n)
{
	uint8_t digest[SHA3_224_LEN];
	struct sha3_224 h;
	size_t i;

	sha3_224_init(&h);
	for (i = 0; i < n; i++)
		sha3_224_update(&h, byte, strlen(byte));
	sha3_224_final(&h, digest);
	codec_hex_encode(out, digest, sizeof(digest));
}

/* FIPS 202's examples, and Python's hashlib for lengths around the rate. */
static void
test_sha3_224(void **state)
{
	static const struct {
		const char *text;
		size_t times;
		const char *hex;
	} rows[] = {
		{ "", 0, "6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a"
		    "6bc7" },
		{ "abc", 1, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73"
		    "b46fdf" },
		{ "a", 143, "73b1b22b54f515f626a6abdde6af25cd4801dc6e9dc7fa3f77"
		    "e1c122" },
		{ "a", 144, "f9019111996dcf160e284e320fd6d8825cabcd41a5ffdc4c5e"
		    "9d64b6" },
		{ "a", 145, "7f0521c84aeacc8a46aba17171acbdd22522509a71c663257f"
		    "bdee0e" },
		{ "a", 288, "da3443b7def69a88f105249a0f6cff48e4b94fd4871c9c4584"
		    "05829c" },
		{ "a", 1000, "2461344b84416db8fe01c2a4966fea019590c231dd57"
		    "24c1bfc26745" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_buf struct buf out = BUF_PLAIN(100);

		sha3_hex(&out, rows[i].text, rows[i].times);
		assert_string_equal(buf_str(&out), rows[i].hex);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_b64_decode_as_go),
		cmocka_unit_test(test_b64_both_ways),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_json_string),
		cmocka_unit_test(test_sha3_224),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
