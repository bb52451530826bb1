/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/value_vector.h"
#include "value/gjson_internal.h"

static void
test_vectors(void **state)
{
	struct vector v;
	int bad = 0;

	(void)state;
	assert_true(vector_open(&v, "tests/vector/value/gjson.tsv"));
	while (vector_next(&v)) {
		char *json = vector_exact(&v, 0);
		struct buf out = BUF_SECRET(1u << 20);
		struct gjson g;

		gjson_get(json, v.len[0], v.field[1], &g);
		gjson_string(&g, &out);
		bad += !vector_is(&v, 2, v.field[1],
		    g.type == DOC_NONE ? "0" : "1", 1);
		bad += !vector_is(&v, 3, v.field[1], buf_str(&out), out.len);
		assert_false(g.limited);
		gjson_clear(&g);
		buf_clear(&out);
		free(json);
	}
	assert_int_equal(bad, 0);
}

static void
expect(const char *json, const char *path, enum doc_type type,
    const char *text)
{
	struct buf out = BUF_SECRET(1u << 20);
	struct gjson g;

	gjson_get(json, strlen(json), path, &g);
	gjson_string(&g, &out);
	assert_int_equal(g.type, type);
	assert_string_equal(buf_str(&out), text);
	gjson_clear(&g);
	buf_clear(&out);
}

static const char people[] =
    "{\"name\":{\"first\":\"Tom\",\"last\":\"Anderson\"},\"age\":37,"
    "\"children\":[\"Sara\",\"Alex\",\"Jack\"],\"fav.movie\":\"Deer Hunter\","
    "\"friends\":[{\"first\":\"Dale\",\"last\":\"Murphy\",\"age\":44,"
    "\"nets\":[\"ig\",\"fb\",\"tw\"]},{\"first\":\"Roger\",\"last\":\"Craig\","
    "\"age\":68,\"nets\":[\"fb\",\"tw\"]},{\"first\":\"Jane\",\"last\":"
    "\"Murphy\",\"age\":47,\"nets\":[\"ig\",\"tw\"]}]}";

/* The examples of gjson's SYNTAX.md. */
static void
test_syntax(void **state)
{
	(void)state;
	expect(people, "name.last", DOC_STRING, "Anderson");
	expect(people, "name", DOC_OBJECT,
	    "{\"first\":\"Tom\",\"last\":\"Anderson\"}");
	expect(people, "age", DOC_NUMBER, "37");
	expect(people, "children.#", DOC_NUMBER, "3");
	expect(people, "children.1", DOC_STRING, "Alex");
	expect(people, "child*.2", DOC_STRING, "Jack");
	expect(people, "c?ildren.0", DOC_STRING, "Sara");
	expect(people, "fav\\.movie", DOC_STRING, "Deer Hunter");
	expect(people, "friends.#.first", DOC_ARRAY,
	    "[\"Dale\",\"Roger\",\"Jane\"]");
	expect(people, "friends.#(last==\"Murphy\").first", DOC_STRING,
	    "Dale");
	expect(people, "friends.#(last==\"Murphy\")#.first", DOC_ARRAY,
	    "[\"Dale\",\"Jane\"]");
	expect(people, "friends.#(age>45)#.last", DOC_ARRAY,
	    "[\"Craig\",\"Murphy\"]");
	expect(people, "friends.#(first%\"D*\").last", DOC_STRING, "Murphy");
	expect(people, "friends.#(first!%\"D*\").last", DOC_STRING, "Craig");
	expect(people, "friends.#(nets.#(==\"fb\"))#.first", DOC_ARRAY,
	    "[\"Dale\",\"Roger\"]");
	expect(people, "children|@reverse", DOC_ARRAY,
	    "[\"Jack\",\"Alex\",\"Sara\"]");
	expect(people, "children|@reverse|0", DOC_STRING, "Jack");
	expect(people, "{name.first,age,\"murphys\":friends.#(last=="
	    "\"Murphy\")#.first}", DOC_OBJECT, "{\"first\":\"Tom\",\"age\":37,"
	    "\"murphys\":[\"Dale\",\"Jane\"]}");
	expect(people, "[age,!\"x\",!true]", DOC_ARRAY, "[37,\"x\",true]");
	expect("{\"a\":1}\n{\"a\":2}\n", "..#.a", DOC_ARRAY, "[1,2]");
	expect("{\"a\":1}\n{\"a\":2}\n", "..1.a", DOC_NUMBER, "2");
}

/* What ESO's corpus found surprising. */
static void
test_numbers(void **state)
{
	static const char json[] = "{\"a\":1.50,\"b\":1e21,\"c\":-17,"
	    "\"d\":123456789012345678901234567890,\"e\":1e999,\"n\":null,"
	    "\"a\":2}";

	(void)state;
	expect(json, "a", DOC_NUMBER, "1.5");
	expect(json, "b", DOC_NUMBER, "1000000000000000000000");
	expect(json, "c", DOC_NUMBER, "-17");
	expect(json, "d", DOC_NUMBER, "123456789012345678901234567890");
	expect(json, "e", DOC_NUMBER, "+Inf");
	expect(json, "n", DOC_NULL, "");
	expect(json, "z", DOC_NONE, "");
	expect("plain text", "a", DOC_NONE, "");
}

static void
test_modifiers(void **state)
{
	(void)state;
	expect("{\"b\":1,\"a\":[1,{\"x\":2}]}", "@pretty:{\"sortKeys\":true}",
	    DOC_OBJECT, "{\n  \"a\": [\n    1,\n    {\n      \"x\": 2\n    }"
	    "\n  ],\n  \"b\": 1\n}\n");
	expect("[ 1 , 2 ]", "@ugly", DOC_ARRAY, "[1,2]");
	expect("[1,[2],[3,[4]]]", "@flatten", DOC_ARRAY, "[1,2,3,[4]]");
	expect("[1,[2],[3,[4]]]", "@flatten:{\"deep\":true}", DOC_ARRAY,
	    "[1,2,3,4]");
	expect("[{\"a\":1,\"b\":2},{\"a\":3}]", "@join", DOC_OBJECT,
	    "{\"a\":3,\"b\":2}");
	expect("{\"a\":1,\"b\":2}", "@keys", DOC_ARRAY, "[\"a\",\"b\"]");
	expect("{\"a\":1,\"b\":2}", "@values", DOC_ARRAY, "[1,2]");
	expect("{\"a\":1", "@valid", DOC_NONE, "");
	expect("{\"a\":1}", "@tostr", DOC_STRING, "{\"a\":1}");
	expect("\"{\\\"a\\\":1}\"", "@fromstr|a", DOC_NUMBER, "1");
	expect("{\"a\":[1,2],\"b\":[3]}", "@group", DOC_ARRAY,
	    "[{\"a\":1,\"b\":3},{\"a\":2}]");
	expect("{\"a\":{\"k\":1},\"b\":[{\"k\":2}]}", "@dig:k", DOC_ARRAY,
	    "[1,2]");
	expect("{\"@nope\":5}", "@nope", DOC_NUMBER, "5");
}

static char *
repeat(const char *s, size_t n)
{
	char *out = mem_alloc(strlen(s) * n + 1), *at = out;

	while (n--)
		at = stpcpy(at, s);
	return (out);
}

static int
limited(const char *json, const char *path)
{
	struct gjson g;
	int r;

	gjson_get(json, strlen(json), path, &g);
	r = g.limited;
	assert_true(!r || g.type == DOC_NONE);
	gjson_clear(&g);
	return (r);
}

/* Paths that multiply the document, and nesting without an end, stop. */
static void
test_bounds(void **state)
{
	char *twice = repeat("[@this,@this]|", 60);
	char *open = repeat("[", 100000);
	char *dots = repeat("a.", 50000);
	char *objects = repeat("{\"a\":", 50000);
	char *sub = repeat("[", 500);
	char *digs = repeat("@dig:", 70);

	(void)state;
	assert_true(limited("[1,2,3]", twice));
	assert_true(limited(open, "@pretty:{\"width\":0}"));
	assert_true(limited(open, "@flatten:{\"deep\":true}"));
	assert_true(limited(open, "@dig:x"));
	assert_true(limited(objects, dots));
	assert_false(limited("[1]", sub));
	assert_true(limited(people, digs));
	/* 735,471 look-ups.  Control: WEAKEN_GJSON_WORK. */
	assert_true(limited("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
	    digs + 5 * 62));
	/* A long chain of pipes is no nesting. */
	free(twice);
	twice = repeat("@this|", 20000);
	assert_false(limited("[1]", twice));
	free(twice);
	free(open);
	free(dots);
	free(objects);
	free(sub);
	free(digs);
}

/* The work that a path costs on a document of n elements. */
static size_t
work(const char *path, size_t n)
{
	char *json = repeat("{\"a\":{\"b\":\"x\\\\y\"},\"k\":[1,2,\"z\"]},", n);
	struct gj g = { NULL, SIZE_MAX / 2, GJ_MEMORY_MAX, 0, 0, 0 };
	size_t len = strlen(json);

	json[len - 1] = ']';
	memmove(json + 1, json, len);
	json[0] = '[';
	gj_get(&g, (struct span){ json, len }, (struct span){ path,
	    strlen(path) });
	assert_false(g.failed);
	gj_release(&g, NULL);
	free(json);
	return (SIZE_MAX / 2 - g.work);
}

/* Linear: twice the document costs twice the work, measured in bytes. */
static void
test_linear(void **state)
{
	static const char *const paths[] = { "#", "1.a.b", "#.a.b",
	    "#(a.b==\"x\")#", "#(k.#(==\"z\"))#.a", "@pretty", "@ugly",
	    "@reverse", "@flatten", "@join", "@tostr|@fromstr", "#.@keys",
	    "#.k.@reverse", "*.b", "[#.a,#.k]", "@pretty:{\"sortKeys\":true}",
	    "#(a.b%\"*?*?*?*y*\")#", "@dig:b" };
	size_t i, one, two;

	(void)state;
	for (i = 0; i < ARRAY_LEN(paths); i++) {
		one = work(paths[i], 1000);
		two = work(paths[i], 2000);
		if (two > one * 23 / 10)
			fail_msg("%s: %zu, then %zu", paths[i], one, two);
	}
}

static void
expect_glob(const char *s, const char *pattern, int match)
{
	struct gj g = { NULL, 1u << 20, 1u << 20, 0, 0, 0 };

	assert_int_equal(gj_wildcard(&g, (struct span){ s, strlen(s) },
	    (struct span){ pattern, strlen(pattern) }), match);
}

static void
test_glob(void **state)
{
	(void)state;
	expect_glob("", "", 1);
	expect_glob("", "*", 1);
	expect_glob("", "?", 0);
	expect_glob("a", "**", 1);
	expect_glob("abcabd", "*ab?", 1);
	expect_glob("abcabd", "a*b*c", 0);
	expect_glob("a*b", "a\\*b", 1);
	expect_glob("axb", "a\\*b", 0);
	expect_glob("a*", "*\\*", 1);
	expect_glob("ab", "*\\*", 0);
	expect_glob("\xc3\xa9", "?", 1);
	expect_glob("\xc3\xa9", "??", 0);
	expect_glob("x\xff", "x\xfe", 1);	/* both are U+FFFD */
}

/* Control: WEAKEN_GJSON_BOUNDS.  Truncations of documents, each in a block of
 * exactly its size. */
static void
test_truncated(void **state)
{
	static const char *const paths[] = { "friends.#.first", "@pretty",
	    "@ugly", "friends.#(last==\"Murphy\")#", "@keys", "*.last",
	    "@reverse", "..#", "name.first", "@dig:age", "@valid" };
	size_t n, i;

	(void)state;
	for (n = 0; n < sizeof(people); n++) {
		char *cut = malloc(n ? n : 1);

		memcpy(cut, people, n);
		for (i = 0; i < ARRAY_LEN(paths); i++) {
			struct gjson g;

			gjson_get(cut, n, paths[i], &g);
			gjson_clear(&g);
		}
		free(cut);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_modifiers),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_truncated),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
