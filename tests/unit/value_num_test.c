/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/value_vector.h"
#include "value/gostr.h"
#include "value/num.h"

static void
test_vectors(void **state)
{
	static const char *const words[] = { "syntax", "ok", "range" };
	struct vector v;
	int bad = 0, r;
	double num;

	(void)state;
	assert_true(vector_open(&v, "tests/vector/value/number.tsv"));
	while (vector_next(&v)) {
		struct buf out = BUF_PLAIN(4096), json = BUF_PLAIN(4096);

		r = num_parse(v.field[0], v.len[0], &num);
		bad += !vector_is(&v, 1, "parse", words[r + 1],
		    strlen(words[r + 1]));
		num_print(num, &out);
		bad += !vector_is(&v, 2, "print", out.data, out.len);
		if (isfinite(num)) {
			num_print_json(num, &json);
			bad += !vector_is(&v, 3, "json", json.data, json.len);
		}
		buf_clear(&out);
		buf_clear(&json);
	}
	assert_int_equal(bad, 0);
}

/* The shortest text that reads back, around the powers of two, where the
 * distance to the neighbours is not the same on both sides. */
static void
test_round_trip(void **state)
{
	double v, back;
	int e, i;

	(void)state;
	for (e = -1074; e < 1024; e += 3)
		for (i = -1; i <= 1; i++) {
			struct buf out = BUF_PLAIN(4096);

			v = ldexp(1, e);
			v = i < 0 ? nextafter(v, 0) : i > 0 ?
			    nextafter(v, INFINITY) : v;
			num_print(v, &out);
			assert_int_equal(num_parse(out.data, out.len, &back),
			    0);
			assert_true(back == v);
			buf_clear(&out);
		}
}

static void
expect_quoted(const char *s, size_t len, const char *text)
{
	struct buf out = BUF_PLAIN(1000);

	gostr_quote(s, len, &out);
	assert_string_equal(buf_str(&out), text);
	buf_clear(&out);
}

static void
test_quote(void **state)
{
	(void)state;
	expect_quoted("", 0, "\"\"");
	expect_quoted("a'\"\\", 4, "\"a'\\\"\\\\\"");
	expect_quoted("\a\b\f\n\r\t\v\0\x1f\x7f", 10,
	    "\"\\a\\b\\f\\n\\r\\t\\v\\x00\\x1f\\x7f\"");
	expect_quoted("\xff\xc3\xc3\xa9", 4, "\"\\xff\\xc3\xc3\xa9\"");
	/* U+00A0, U+200B, U+FFFD itself, U+10FFFF, a face */
	expect_quoted("\xc2\xa0\xe2\x80\x8b\xef\xbf\xbd\xf4\x8f\xbf\xbf"
	    "\xf0\x9f\x98\x80", 16, "\"\\u00a0\\u200b\xef\xbf\xbd\\U0010ffff"
	    "\xf0\x9f\x98\x80\"");
}

static void
test_classes(void **state)
{
	(void)state;
	assert_true(gostr_is_digit('7'));
	assert_true(gostr_is_digit(0x0665));
	assert_true(gostr_is_digit(0x1d7ff));
	assert_false(gostr_is_digit(0xb2));	/* superscript two */
	assert_false(gostr_is_digit(0x2160));	/* roman one */
	assert_true(gostr_is_print(' '));
	assert_false(gostr_is_print(0x3000));
	assert_false(gostr_is_print(0xad));
	assert_false(gostr_is_print(0x110000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_classes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
