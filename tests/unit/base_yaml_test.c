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
#include "base/yaml.h"

/* The first document as compact JSON ("" when empty), or the message. */
static char *
read_one(const char *text)
{
	cleanup_buf struct buf out = BUF_PLAIN(100000);
	cleanup_err struct err err = ERR_INIT;
	struct yaml_docs docs = { NULL, 0 };

	if (yaml_read(text, strlen(text), &docs, &err) == -1)
		return (str_dup(err_msg(&err)));
	if (docs.n && docs.v[0].root)
		json_print(docs.v[0].root, &out, 0);
	yaml_docs_clear(&docs);
	return (buf_take(&out));
}

/* Results of sigs.k8s.io/yaml v1.4.0 YAMLToJSON, unless marked. */
static const struct {
	const char *in, *out;
} read_rows[] = {
	{ "a: [y, Y, n, N, yes, No, ON, off, True, FALSE]", "{\"a\":[true,true,"
	    "false,false,true,false,true,false,true,false]}" },
	{ "a: ['y', \"no\", yEs, tRUE, o, t]",
	    "{\"a\":[\"y\",\"no\",\"yEs\",\"tRUE\",\"o\",\"t\"]}" },
	{ "a: [~, null, Null, NULL, nULL, '']",
	    "{\"a\":[null,null,null,null,\"nULL\",\"\"]}" },
	{ "a:\nb: ", "{\"a\":null,\"b\":null}" },
	{ "a: [1, +1, -1, 0, -0, 007, 08, 0o17, 0O17, 0x1F, 0b101, 0b-1]",
	    "{\"a\":[1,1,-1,0,0,7,8,15,15,31,5,-1]}" },
	{ "a: [1_000, 1__0, 0_7, _1, 1_, 0x_1F, +, -, 0x, 0b2, 1:20]",
	    "{\"a\":[1000,10,7,\"_1\",1,31,\"+\",\"-\",\"0x\",\"0b2\","
	    "\"1:20\"]}" },
	{ "a: [.5, 5., -.5, 1e3, 1.5E-3, 1_000.5, .e3, 1e, 1e999, .5_0, ._5]",
	    "{\"a\":[0.5,5,-0.5,1000,0.0015,1000.5,\".e3\",\"1e\",\"1e999\","
	    "0.5,\"._5\"]}" },
	{ "a: 2001-01-01\nb: 2001-1-1T1:2:3Z\nc: 2001-02-30",
	    "{\"a\":\"2001-01-01\",\"b\":\"2001-1-1T1:2:3Z\","
	    "\"c\":\"2001-02-30\"}" },
	{ "a: .inf", "line 1: JSON has no +Inf" },
	{ "a: .NaN", "line 1: JSON has no NaN" },
	{ "1: a\n1.5: b\ntrue: c\n0x10: d\n1e6: e\n0.1: f\nyes: g",
	    "{\"1\":\"a\",\"1.5\":\"b\",\"true\":\"g\",\"16\":\"d\","
	    "\"1e+06\":\"e\",\"0.1\":\"f\"}" },
	{ ".inf: a\n-.inf: b\n.nan: c\n9007199254740993: d\n123456789.0: e",
	    "{\".inf\":\"a\",\"-.inf\":\"b\",\".nan\":\"c\","
	    "\"9007199254740993\":\"d\",\"1.2345679e+08\":\"e\"}" },
	{ "~: a", "line 1: a key is null" },
	{ "\n? [a]\n: b", "line 2: a key is not a scalar" },
	{ "18446744073709551615: a",
	    "line 1: a key is an integer above 2^63-1" },
	{ "a: !!str 1\nb: !!int '1'\nc: !!float 1\nd: !!bool 'yes'\n"
	    "e: !!null ''\nf: !own 1\ng: ! 1\nh: !!timestamp 2001-01-01",
	    "{\"a\":\"1\",\"b\":1,\"c\":1,\"d\":true,\"e\":null,\"f\":\"1\","
	    "\"g\":\"1\",\"h\":\"2001-01-01\"}" },
	{ "a: !!int x", "line 1: cannot decode the value as a !!int" },
	{ "a: !!timestamp x", "line 1: cannot decode the value as a "
	    "!!timestamp" },
	{ "a: !!binary aGVsbG8=\nb: !!binary /w==",
	    "{\"a\":\"hello\",\"b\":\"\xef\xbf\xbd\"}" },
	{ "a: !!binary '*'", "line 1: !!binary value contains invalid base64 "
	    "data" },
	/* Ours: there it becomes a string with a NUL. */
	{ "a:\n  - \"x\\0y\"", "line 2: a string holds a NUL character" },
	{ "a: !!binary AA==", "line 1: a string holds a NUL character" },
	{ "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\ne: {c: 3, <<: *x}",
	    "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"b\":1,\"c\":3},"
	    "\"e\":{\"c\":2,\"b\":1}}" },
	{ "a: &x {b: 1}\nc: &y {b: 2}\nd: {<<: [*x, *y]}\n'<<': e",
	    "{\"a\":{\"b\":1},\"c\":{\"b\":2},\"d\":{\"b\":1},\"<<\":\"e\"}" },
	{ "a: {<<: 1}", "line 1: map merge requires map or sequence of maps "
	    "as the value" },
	{ "a: {<<: [1]}", "line 1: map merge requires map or sequence of maps "
	    "as the value" },
	{ "a: &x [1]\nb: *x\n*x : c", "line 1: a key is not a scalar" },
	{ "a: &x k\n*x : c", "{\"a\":\"k\",\"k\":\"c\"}" },
	{ "a: *x", "line 1: unknown anchor 'x' referenced" },
	{ "a: &x\n  b: *x", "line 2: an anchor's value contains itself" },
	{ "a: |\n  x\n  y\nb: >-\n  x\n  y\n\nc: |+\n  z\n\nd: 'it''s'",
	    "{\"a\":\"x\\ny\\n\",\"b\":\"x y\",\"c\":\"z\\n\\n\","
	    "\"d\":\"it's\"}" },
	{ "a: b: c", "line 1: column 5: mapping values are not allowed in "
	    "this context" },
	{ "a:\n\tb: c", "line 2: column 1: found character that cannot start "
	    "any token" },
	{ "a:\tb\nc: [\td,\te]\t# f", "{\"a\":\"b\",\"c\":[\"d\",\"e\"]}" },
	/* Ours: the escape \/ is unknown there. */
	{ "{\"a\": {\"b\":[1,2.5,\"\\u00e9\\/\"]},\n\t\"c\":null}",
	    "{\"a\":{\"b\":[1,2.5,\"\xc3\xa9/\"]},\"c\":null}" },
	{ "a: \"\x01\"",
	    "line 1: column 5: control characters are not allowed" },
	{ "a: 1\nb: \xff", "line 2: column 4: invalid leading UTF-8 octet" },
	{ "a: [1", "line 2: column 1: did not find expected ',' or ']'" },
	{ "- ", "[null]" },
	{ "just text", "\"just text\"" },
	{ "", "" },
	{ "# nothing", "" },
	/* Other line breaks of YAML 1.1 end a comment. */
	{ "# nothing\xe2\x80\xa8" "a: 1", "{\"a\":1}" },
	{ "# nothing\xc2\x85" "a: 1", "{\"a\":1}" },
	{ "\xef\xbb\xbf" "a: 1", "{\"a\":1}" },
	{ "a: 9007199254740993", "{\"a\":9007199254740993}" },
	{ "[-9223372036854775808, 18446744073709551615]",
	    "[-9223372036854775808,18446744073709551615]" },
	{ "a: 0x7fffffffffffffff", "{\"a\":9223372036854775807}" },
	{ "a: 'x: y'\r\nb: 2\r\n", "{\"a\":\"x: y\",\"b\":2}" },
};

static void
test_reads_as_kubernetes_does(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(read_rows); i++) {
		cleanup_free char *got = read_one(read_rows[i].in);

		assert_string_equal(got, read_rows[i].out);
	}
}

/* kubectl cuts there before any reader of YAML sees the text. */
static void
test_a_comment_touches_a_mark(void **state)
{
	static const char text[] = "---# one\na: 1\n---## two\nb: [\n---#";
	static const char two[] = "a: 1\n---# x\r\nb: |\n ---# y\n---#z";
	struct yaml_docs docs = { NULL, 0 };
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(yaml_read(text, strlen(text), &docs, &err), -1);
	assert_string_equal(err_msg(&err), "line 5: column 1: did not find "
	    "expected node content");
	assert_int_equal(yaml_read(two, strlen(two), &docs, NULL), 0);
	assert_int_equal(docs.n, 3);
	assert_int_equal(docs.v[1].line, 2);
	assert_string_equal(json_str(json_get(docs.v[1].root, "b")),
	    "---# y\n");
	assert_null(docs.v[2].root);
	yaml_docs_clear(&docs);
}

static void
test_documents_and_lines(void **state)
{
	static const char text[] = "# head\na:\n  b:\n  - x\n  - c: 1\n---\n"
	    "---\n...\n--- {d: 2}\n";
	struct yaml_docs docs = { NULL, 0 };
	const struct json *list;

	(void)state;
	assert_int_equal(yaml_read(text, sizeof(text) - 1, &docs, NULL), 0);
	assert_int_equal(docs.n, 4);
	assert_non_null(docs.v[0].root);
	assert_null(docs.v[1].root);
	assert_null(docs.v[2].root);
	assert_int_equal(docs.v[1].line, 6);
	assert_int_equal(docs.v[3].line, 9);
	list = json_path(docs.v[0].root, "a.b");
	assert_int_equal(yaml_line(&docs.v[0], list), 4);
	assert_int_equal(yaml_line(&docs.v[0], json_first(list)), 4);
	assert_int_equal(yaml_line(&docs.v[0], json_next(json_first(list))), 5);
	assert_int_equal(yaml_line(&docs.v[3], json_path(docs.v[3].root, "d")),
	    9);
	assert_int_equal(yaml_line(&docs.v[0], NULL), 0);
	yaml_docs_clear(&docs);
	yaml_docs_clear(&docs);
}

static void
test_duplicate_keys(void **state)
{
	static const char text[] = "a: 1\nb: &x {c: 1, c: 2}\nd: *x\na: 2\n"
	    "1: x\n'1': y\ne: {<<: *x, c: 3}\n---\na: 1\n";
	struct yaml_docs docs = { NULL, 0 };
	const struct yaml_doc *d;

	(void)state;
	assert_int_equal(yaml_read(text, sizeof(text) - 1, &docs, NULL), 0);
	d = &docs.v[0];
	assert_int_equal(d->ndups, 3);
	assert_string_equal(d->dups[0].key, "c");
	assert_int_equal(d->dups[0].line, 2);
	assert_string_equal(d->dups[1].key, "a");
	assert_int_equal(d->dups[1].line, 4);
	assert_string_equal(d->dups[2].key, "1");
	assert_int_equal(d->dups[2].line, 6);
	assert_int_equal((int)json_num(json_path(d->root, "a"), 0), 2);
	assert_int_equal((int)json_num(json_path(d->root, "b.c"), 0), 2);
	assert_int_equal(docs.v[1].ndups, 0);
	yaml_docs_clear(&docs);
}

/* Twelve hundred thousand nodes out of 400 bytes. */
static void
test_aliases_are_bounded(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(10000);
	cleanup_err struct err err = ERR_INIT;
	struct yaml_docs docs = { NULL, 0 };
	int i, k;

	(void)state;
	buf_adds(&b, "l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (i = 1; i < 6; i++) {
		buf_addf(&b, "l%d: &l%d [", i, i);
		for (k = 0; k < (i == 5 ? 5 : 10); k++)
			buf_addf(&b, "%s*l%d", k ? "," : "", i - 1);
		buf_adds(&b, "]\n");
	}
	assert_int_equal(yaml_read(buf_str(&b), b.len, &docs, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_null(docs.v);
}

/* A long text, a thousand times over. */
static void
test_aliased_text_is_bounded(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(4u << 20);
	cleanup_err struct err err = ERR_INIT;
	struct yaml_docs docs = { NULL, 0 };
	int i;

	(void)state;
	buf_adds(&b, "a: &a '");
	for (i = 0; i < 1 << 20; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, "'\nb: [");
	for (i = 0; i < 200; i++)
		buf_adds(&b, "*a,");
	buf_adds(&b, "]\n");
	assert_int_equal(yaml_read(buf_str(&b), b.len, &docs, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void
test_limits(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(10u << 20);
	struct yaml_docs docs = { NULL, 0 };
	struct err err = ERR_INIT;
	int i;

	(void)state;
	for (i = 0; i <= JSON_DEPTH_MAX; i++)
		buf_addc(&b, '[');
	assert_int_equal(yaml_read(buf_str(&b), b.len, &docs, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	/* By aliases: two halves of forty levels. */
	buf_clear(&b);
	buf_adds(&b, "a: &a ");
	for (i = 0; i < 40; i++)
		buf_addc(&b, '[');
	for (i = 0; i < 40; i++)
		buf_addc(&b, ']');
	buf_adds(&b, "\nb: ");
	for (i = 0; i < 40; i++)
		buf_addc(&b, '[');
	buf_adds(&b, "*a");
	for (i = 0; i < 40; i++)
		buf_addc(&b, ']');
	assert_int_equal(yaml_read(buf_str(&b), b.len, &docs, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(yaml_read("", (size_t)YAML_INPUT_MAX + 1, &docs,
	    &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	/* More nodes than a file may have. */
	buf_clear(&b);
	for (i = 0; i <= YAML_NODES_MAX; i++)
		buf_adds(&b, "- \n");
	assert_int_equal(yaml_read(buf_str(&b), b.len, &docs, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	err_clear(&err);
}

/* Many keys in one mapping are not quadratic. */
static void
test_wide_mapping(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(10u << 20);
	struct yaml_docs docs = { NULL, 0 };
	int i;

	(void)state;
	for (i = 0; i < 100000; i++)
		buf_addf(&b, "k%d: %d\n", i, i);
	buf_adds(&b, "k5: x\n");
	assert_int_equal(yaml_read(buf_str(&b), b.len, &docs, NULL), 0);
	assert_int_equal(json_len(docs.v[0].root), 100000);
	assert_int_equal(docs.v[0].ndups, 1);
	assert_string_equal(json_str(json_get(docs.v[0].root, "k5")), "x");
	yaml_docs_clear(&docs);
}

/* Results of sigs.k8s.io/yaml v1.4.0 JSONToYAML. */
static const struct {
	const char *json, *yaml;
} print_rows[] = {
	{ "{\"b\":1,\"a\":{\"c\":[1,{\"d\":2,\"e\":[]},[3]]},\"f\":{}}",
	    "a:\n  c:\n  - 1\n  - d: 2\n    e: []\n  - - 3\nb: 1\nf: {}\n" },
	{ "[\"y\",\"no\",\"1\",\"1.5\",\"0x1\",\"~\",\"\",\"null\",\"1:20\","
	    "\"2001-01-01\",\"<<\",\"a\"]",
	    "- \"y\"\n- \"no\"\n- \"1\"\n- \"1.5\"\n- \"0x1\"\n- \"~\"\n"
	    "- \"\"\n- \"null\"\n- \"1:20\"\n- \"2001-01-01\"\n- <<\n- a\n" },
	{ "[\"a: b\",\"a #b\",\"-a\",\"- a\",\"'a'\",\"it's\",\"@a\",\" a\","
	    "\"{{ .x }}\",\"a\\tb\",\"%\"]",
	    "- 'a: b'\n- 'a #b'\n- -a\n- '- a'\n- '''a'''\n- it's\n- '@a'\n"
	    "- ' a'\n- '{{ .x }}'\n- \"a\\tb\"\n- '%'\n" },
	{ "{\"a\":\"x\\ny\\n\",\"b\":\"x\\ny\",\"c\":\"x\\n\\n\",\"d\":\"\\n\","
	    "\"e\":\"  x\\ny\",\"f\":\"x \\ny\"}",
	    "a: |\n  x\n  y\nb: |-\n  x\n  y\nc: |+\n  x\n\nd: |2+\n\n"
	    "e: |2-\n    x\n  y\nf: \"x \\ny\"\n" },
	{ "[1.5,1e21,1e-7,123456789.5,true,false,null,-3]",
	    "- 1.5\n- 1e+21\n- 1e-07\n- 1.234567895e+08\n- true\n- false\n"
	    "- null\n- -3\n" },
	{ "{\"a10\":1,\"a2\":2,\"B\":3,\"1\":4,\"_\":5,\"a-1\":6,\"\":7}",
	    "\"\": 7\n_: 5\n\"1\": 4\nB: 3\na-1: 6\na2: 2\na10: 1\n" },
	{ "\"x\\ny\\n\\n\"", "|+\n  x\n  y\n\n" },
	{ "\"a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaa b c\"",
	    "a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaa\n  b c\n" },
	{ "[\"2001-12-14  21:59:43\",\"2001-12-14 x\"]",
	    "- \"2001-12-14  21:59:43\"\n- 2001-12-14 x\n" },
	{ "\"caf\\u00e9 \\u65e5\\u672c\"",
	    "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac\n" },
};

static void
test_prints_as_kubernetes_does(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(print_rows); i++) {
		cleanup_buf struct buf out = BUF_PLAIN(10000);
		cleanup_json struct json *j = json_parse(print_rows[i].json,
		    strlen(print_rows[i].json), NULL);

		assert_non_null(j);
		yaml_print(j, &out);
		assert_string_equal(buf_str(&out), print_rows[i].yaml);
	}
}

static void
test_prints_bad_utf8(void **state)
{
	cleanup_buf struct buf out = BUF_PLAIN(10000);
	cleanup_json struct json *j = json_new_str("a\xff" "b");

	(void)state;
	yaml_print(j, &out);
	assert_string_equal(buf_str(&out), "a\xef\xbf\xbd" "b\n");
}

struct seen {
	int n, partial;
	struct buf trees, again;
};

static void
see(void *arg, struct yaml_doc *doc)
{
	struct seen *seen = arg;
	struct yaml_doc whole;

	seen->n++;
	seen->partial += doc->partial;
	json_print(doc->root, &seen->trees, 0);
	if (doc->text == NULL)
		return;
	assert_int_equal(yaml_read_again(doc->text, doc->len, doc->text_line,
	    &whole), 0);
	assert_int_equal(whole.partial, 0);
	assert_int_equal(yaml_line(&whole, whole.root), yaml_line(doc,
	    doc->root));
	json_print(whole.root, &seen->again, 0);
	yaml_doc_clear(&whole);
}

/* Plain documents come with what is wanted alone; others come whole; and what
 * is not wanted must still be YAML. */
static void
test_heads(void **state)
{
	static const char *const heads[] = { "kind", "metadata", NULL };
	static const char text[] = "kind: A\nspec:\n- a: 1\n  kind: inner\n"
	    "metadata:\n  name: x\n---\nkind: B\nspec: {a: 1}\n";
	static const char bad[] = "kind: A\nspec:\n  a: 'x\n  b: c\n";
	static const char twice[] = "kind: A\nspec: {}\nspec: {}\n";
	struct seen seen = { 0, 0, BUF_PLAIN(1000), BUF_PLAIN(1000) };
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(yaml_each(text, strlen(text), heads, see, &seen,
	    &err), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.partial, 1);
	assert_string_equal(buf_str(&seen.trees), "{\"kind\":\"A\","
	    "\"metadata\":{\"name\":\"x\"}}"
	    "{\"kind\":\"B\",\"spec\":{\"a\":1}}");
	assert_string_equal(buf_str(&seen.again), "{\"kind\":\"A\","
	    "\"spec\":[{\"a\":1,\"kind\":\"inner\"}],"
	    "\"metadata\":{\"name\":\"x\"}}"
	    "{\"kind\":\"B\",\"spec\":{\"a\":1}}");
	assert_int_equal(yaml_each(bad, strlen(bad), heads, see, &seen, &err),
	    -1);
	/* A key that occurs twice is the business of the slow way. */
	assert_int_equal(yaml_each(twice, strlen(twice), heads, see, &seen,
	    NULL), 0);
	assert_int_equal(seen.partial, 1);
	buf_clear(&seen.trees);
	buf_clear(&seen.again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_as_kubernetes_does),
		cmocka_unit_test(test_documents_and_lines),
		cmocka_unit_test(test_a_comment_touches_a_mark),
		cmocka_unit_test(test_duplicate_keys),
		cmocka_unit_test(test_aliases_are_bounded),
		cmocka_unit_test(test_aliased_text_is_bounded),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_wide_mapping),
		cmocka_unit_test(test_prints_as_kubernetes_does),
		cmocka_unit_test(test_prints_bad_utf8),
		cmocka_unit_test(test_heads),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
