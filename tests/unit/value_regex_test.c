/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/value_vector.h"
#include "value/regex.h"

static struct regex_work *
work(void)
{
	static struct regex_work w;

	regex_work_start(&w);
	return (&w);
}

static struct regex *
compiled(const char *pattern)
{
	cleanup_err struct err err = ERR_INIT;
	struct regex *re = NULL;

	if (regex_new(pattern, strlen(pattern), &re, &err) == -1)
		fail_msg("%s: %s", pattern, err_msg(&err));
	return (re);
}

static int
check_case(const struct vector *v, const struct regex *re)
{
	struct buf out = BUF_SECRET(1u << 20);
	char *text = vector_exact(v, 1);
	int bad = 0;

	bad += !vector_is(v, 3, v->field[0],
	    regex_match(re, text, v->len[1]) ? "1" : "0", 1);
	regex_replace(re, text, v->len[1], v->field[2], v->len[2], 0,
	    work(), &out, NULL);
	bad += !vector_is(v, 4, v->field[0], buf_str(&out), out.len);
	buf_clear(&out);
	regex_replace(re, text, v->len[1], v->field[2], v->len[2], 1,
	    work(), &out, NULL);
	bad += !vector_is(v, 5, v->field[0], buf_str(&out), out.len);
	buf_clear(&out);
	free(text);
	return (bad);
}

/* Control: WEAKEN_REGEX_UTF8. */
static void
test_vectors(void **state)
{
	struct vector v;
	int bad = 0;

	(void)state;
	assert_true(vector_open(&v, "tests/vector/value/regex.tsv"));
	while (vector_next(&v)) {
		cleanup_err struct err err = ERR_INIT;
		char *pattern = vector_exact(&v, 0);
		struct regex *re = NULL;

		if (regex_new(pattern, v.len[0], &re, &err) == -1) {
			bad += !vector_is(&v, 1, v.field[0], "error", 5);
			bad += !vector_is(&v, 2, v.field[0], err_msg(&err),
			    strlen(err_msg(&err)));
		} else if (v.n == 6) {
			bad += check_case(&v, re);
		} else {
			bad += !vector_is(&v, 2, v.field[0], "compiled", 8);
		}
		regex_free(re);
		free(pattern);
	}
	assert_int_equal(bad, 0);
}

static void
expect_replace(const char *pattern, const char *s, const char *repl,
    const char *text)
{
	struct regex *re = compiled(pattern);
	struct buf out = BUF_SECRET(4096);

	regex_replace(re, s, strlen(s), repl, strlen(repl), 0, work(),
	    &out, NULL);
	assert_string_equal(buf_str(&out), text);
	buf_clear(&out);
	regex_free(re);
}

static void
test_expand(void **state)
{
	(void)state;
	expect_replace("(?P<a>x)(?<b>y)?", "xy x", "<$b-${a}$$$1$>",
	    "<y-x$x$> <-x$x$>");
	expect_replace("(a)", "a", "$1x", "");
	expect_replace("(a)", "a", "${1}x", "ax");
	expect_replace("(a)", "a", "${1", "${1");
	expect_replace("(a)", "a", "$9$01$10", "");
	expect_replace("(?P<n>a)|(?P<n>b)", "ab", "[$n]", "[a][b]");
	expect_replace("a*", "baac", "-", "-b-c-");
	expect_replace("", "\xc3\xa9", "-", "-\xc3\xa9-");
	expect_replace("\\B", "\xc3\xa9", "-", "-\xc3\xa9-");
	expect_replace("e$", "key_e", "${", "key_${");
	expect_replace(".", "\xff\xc3\xa9", "${0}!", "\xff!\xc3\xa9!");
	expect_replace("\xef\xbf\xbd", "a\xff\xfe", "?", "a??");
}

static void
test_find(void **state)
{
	static const char bad[] = "\xff\xfe" "ab\xff" "b";
	struct regex *re = compiled("(a)?(?<tail>b)");
	struct regex_text *t = regex_text_new(bad, 6);
	long loc[6];

	(void)state;
	assert_int_equal(regex_groups(re), 2);
	assert_string_equal(regex_group_name(re, 0), "");
	assert_string_equal(regex_group_name(re, 2), "tail");
	assert_string_equal(regex_group_name(re, 3), "");
	assert_int_equal(regex_find_in(re, t, 0, loc), 1);
	assert_int_equal(loc[0], 2);
	assert_int_equal(loc[1], 4);
	assert_int_equal(loc[2], 2);
	assert_int_equal(regex_find_in(re, t, 4, loc), 1);
	assert_int_equal(loc[0], 5);
	assert_int_equal(loc[2], -1);
	assert_int_equal(loc[5], 6);
	assert_int_equal(regex_find_in(re, t, 6, loc), 0);
	assert_int_equal(regex_find_in(re, t, 7, loc), 0);
	regex_text_free(t);
	regex_free(re);
	re = compiled("^a");
	assert_int_equal(regex_find(re, "aa", 2, 0, loc), 1);
	assert_int_equal(regex_find(re, "aa", 2, 1, loc), 0);
	regex_free(re);
	re = compiled("\\ba");
	assert_int_equal(regex_find(re, "aa", 2, 1, loc), 0);
	regex_free(re);
	regex_free(NULL);
	regex_text_free(NULL);
}

static void
expect_error(const char *pattern, size_t len, enum err_kind kind,
    const char *part)
{
	cleanup_err struct err err = ERR_INIT;
	struct regex *re = NULL;

	assert_int_equal(regex_new(pattern, len, &re, &err), -1);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err_msg(&err), part));
}

static char *
repeat(const char *s, size_t n)
{
	char *out = mem_alloc(strlen(s) * n + 1), *at = out;

	while (n--)
		at = stpcpy(at, s);
	return (out);
}

/* Patterns made to be large: refused, in bounded time and memory. */
static void
test_large(void **state)
{
	char *parens = repeat("(", 60000), *classes = repeat("\\pL", 3000);
	char *groups = repeat("(a)|", 30000), *deep, *text;

	(void)state;
	expect_error(parens, 60000, ERR_INVALID, "missing closing )");
	expect_error(classes, 9000, ERR_INVALID, "expression too large");
	expect_error(groups, 120000, ERR_INVALID, "expression too large");
	expect_error("(a{1000}){1000}", 15, ERR_INVALID,
	    "invalid repeat count: `{1000}`");
	expect_error("((a{10}){10}){11}", 17, ERR_INVALID,
	    "invalid repeat count: `{11}`");
	expect_error("\\pL{1000}\\pN{1000}\\pP{1000}", 27, ERR_INVALID,
	    "expression too large");
	deep = repeat("(", 2001);
	memcpy(deep + 1001, ")", 1);
	memset(deep + 1000, ')', 1000);
	deep[2000] = '\0';
	expect_error(deep, 2000, ERR_INVALID, "expression nests too deeply");
	text = repeat("a", 200000);
	expect_error(text, 200000, ERR_LIMIT, "expression too large");
	free(text);
	free(deep);
	free(parens);
	free(classes);
	free(groups);
}

static double
seconds(const struct regex *re, const char *text, size_t len)
{
	double best = 1e9, took;
	clock_t start;
	int i;

	for (i = 0; i < 5; i++) {
		start = clock();
		regex_match(re, text, len);
		took = (double)(clock() - start) / CLOCKS_PER_SEC;
		best = took < best ? took : best;
	}
	return (best);
}

/* Linear: on patterns that a backtracking matcher never ends, eight times the
 * text takes about eight times as long (a quadratic one would take 64). */
static void
test_linear(void **state)
{
	static const char *const patterns[] = { "(a*)*b", "(a+)+$x",
	    "(a|a|aa)+b", "(.*)(.*)(.*)(.*)(.*)[^a]$", "(a?){30}a{30}b",
	    "^(([a-z])+.)+[A-Z]([a-z])+$", "(?i)(x+x+)+y", "(.*a){12}b" };
	char *text = repeat("a", 1 << 20);
	double one, eight;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(patterns); i++) {
		struct regex *re = compiled(patterns[i]);

		one = seconds(re, text, 1 << 17);
		eight = seconds(re, text, 1 << 20);
		if (eight > 24 * one + 0.02)
			fail_msg("%s: %f s, then %f s", patterns[i], one,
			    eight);
		regex_free(re);
	}
	free(text);
}

/* All matches of a pattern that looks to the end for each one would be
 * quadratic.  Control: WEAKEN_REGEX_WORK. */
static void
test_work(void **state)
{
	static const struct { const char *pattern; size_t len; int rc; }
	    rows[] = { { "a*b|a", 100000, -1 }, { "a", 100000, 0 },
	    { "[ab]", 100000, 0 } };
	struct buf out = BUF_SECRET(1u << 20);
	char *text = repeat("a", 100000);
	cleanup_err struct err err = ERR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct regex *re = compiled(rows[i].pattern);

		assert_int_equal(regex_replace(re, text, rows[i].len, "x", 1,
		    0, work(), &out, &err), rows[i].rc);
		assert_true(rows[i].rc == 0 || err.kind == ERR_LIMIT);
		buf_clear(&out);
		regex_free(re);
	}
	free(text);
}

/* A search that could go on for minutes is not begun. */
static void
test_large_search(void **state)
{
	struct regex *re = compiled("(a|b)*a(a|b){900}");
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(regex_row(re, 1u << 20, work(), &err), 0);
	assert_int_equal(regex_row(re, 1u << 30, work(), &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	regex_free(re);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_work),
		cmocka_unit_test(test_large_search),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
