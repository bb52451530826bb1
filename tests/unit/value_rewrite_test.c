/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "value/rewrite.h"

/* Pairs of key and value, the last key NULL. */
static void
fill(struct kv *kv, const char *const *pairs)
{
	kv_init(kv);
	for (; pairs[0]; pairs += 2)
		kv_put_bytes(kv, pairs[0], pairs[1], strlen(pairs[1]));
}

static void
expect_all(const struct kv *kv, const char *const *pairs)
{
	size_t n = 0;

	for (; pairs[0]; pairs += 2, n++) {
		const struct secret *s = kv_get(kv, pairs[0]);

		if (!s)
			fail_msg("no key %s", pairs[0]);
		assert_string_equal((const char *)secret_data(s), pairs[1]);
	}
	assert_int_equal(kv_len(kv), n);
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL, NULL })

static void
expect_rewrite(const char *const *in, const struct rewrite_op *ops, size_t n,
    const char *const *out)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_kv struct kv kv = { NULL };

	fill(&kv, in);
	if (value_rewrite(ops, n, NULL, NULL, &kv, &err) == -1)
		fail_msg("%s", err_msg(&err));
	expect_all(&kv, out);
}

static void
expect_error(const char *const *in, const struct rewrite_op *op,
    const char *message)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_kv struct kv kv = { NULL };

	fill(&kv, in);
	assert_int_equal(value_rewrite(op, 1, NULL, NULL, &kv, &err), -1);
	assert_string_equal(err_msg(&err), message);
	expect_all(&kv, in);
}

static void
test_regexp(void **state)
{
	struct rewrite_op ops[] = {
		{ .kind = REWRITE_REGEXP, .source = str_dup("^db/(.*)$"),
		    .target = str_dup("db_$1") },
		{ .kind = REWRITE_REGEXP, .source = str_dup("[A-Z]"),
		    .target = str_dup("") },
	};

	(void)state;
	expect_rewrite(PAIRS("db/userX", "1", "other", "2"), ops, 2,
	    PAIRS("db_user", "1", "other", "2"));
	/* Of two keys that become one the later in byte order wins. */
	expect_rewrite(PAIRS("aZ", "later", "aA", "first"), ops + 1, 1,
	    PAIRS("a", "later"));
	expect_rewrite(PAIRS("A", "1"), ops + 1, 1, PAIRS("", "1"));
	free(ops[1].source);
	ops[1].source = str_dup("(");
	expect_error(PAIRS("a", "1"), ops + 1, "failed rewrite operation[0]: "
	    "regexp failed with failed to compile: error parsing regexp: "
	    "missing closing ): `(`");
	free(ops[0].source);
	free(ops[0].target);
	free(ops[1].source);
	free(ops[1].target);
}

static char into[] = "into", b_key[] = "b", nope[] = "no\"pe";
static char ignore[] = "Ignore", json[] = "JSON", not_found[] =
    "IgnoreNotFound", extract[] = "Extract", strict[] = "Strict";

/* Control: WEAKEN_REWRITE_PRIORITY. */
static void
test_merge_extract(void **state)
{
	static char *priority[] = { b_key };
	struct rewrite_op op = { .kind = REWRITE_MERGE };

	(void)state;
	expect_rewrite(PAIRS("k1", "{\"a\":1.50,\"t\":true,\"n\":null}", "k2",
	    "{\"o\":{\"z\":1,\"b\":\"<\"},\"s\":\"x\"}", "k3", "null"), &op,
	    1, PAIRS("a", "1.5", "t", "true", "n", "", "o",
	    "{\"b\":\"\\u003c\",\"z\":1}", "s", "x"));
	expect_error(PAIRS("k1", "{\"a\":1,\"b\":2}", "k2",
	    "{\"b\":3,\"a\":4}"), &op, "failed rewrite operation[0]: merge "
	    "failed with conflicts: b, a");
	op.conflict_policy = ignore;
	op.strategy = extract;
	expect_rewrite(PAIRS("k1", "{\"a\":1}", "k2", "{\"a\":2}"), &op, 1,
	    PAIRS("a", "2"));
	op.priority = priority;
	op.npriority = 1;
	op.priority_policy = strict;
	expect_rewrite(PAIRS("b", "{\"a\":1}", "c", "{\"a\":2}"), &op, 1,
	    PAIRS("a", "1"));
}

static void
test_merge_errors(void **state)
{
	static char *priority[] = { nope };
	struct rewrite_op op = { .kind = REWRITE_MERGE, .priority = priority,
	    .npriority = 1 };

	(void)state;
	expect_error(PAIRS("a", "{}"), &op, "failed rewrite operation[0]: "
	    "merge failed with key \"no\\\"pe\" not found in input map");
	op.priority_policy = not_found;
	expect_error(PAIRS("a", "[]"), &op, "failed rewrite operation[0]: "
	    "merge failed with failed to unmarshal JSON: json: cannot "
	    "unmarshal array into Go value of type map[string]interface {}");
	expect_error(PAIRS("a", "{\"x\":1e999}"), &op, "failed rewrite "
	    "operation[0]: merge failed with failed to unmarshal JSON: json: "
	    "cannot unmarshal number 1e999 into Go value of type float64");
	expect_error(PAIRS("a", ""), &op, "failed rewrite operation[0]: merge "
	    "failed with failed to unmarshal JSON: unexpected end of JSON "
	    "input");
	op.strategy = json;
	expect_error(PAIRS("a", "{}"), &op, "failed rewrite operation[0]: "
	    "merge failed with missing 'into' field");
}

static void
test_merge_json(void **state)
{
	struct rewrite_op op = { .kind = REWRITE_MERGE, .strategy = json,
	    .into = into };

	(void)state;
	expect_rewrite(PAIRS("k1", "{\"z\":[1.0,\"<&>\"],\"\\u0000\":1}", "k2",
	    "{\"a\":1e21}"), &op, 1, PAIRS("k1",
	    "{\"z\":[1.0,\"<&>\"],\"\\u0000\":1}", "k2", "{\"a\":1e21}",
	    "into", "{\"\\u0000\":1,\"a\":1e+21,\"z\":[1,\"<&>\"]}"));
}

/* Keys in upper case; "bad" fails; a template "!" does not parse. */
static int
upper(void *arg, const char *text, const char *const *keys, size_t n,
    struct buf *outs, size_t *ret_bad, struct err *err)
{
	size_t i, k;

	(*(int *)arg)++;
	*ret_bad = n;
	if (text[0] == '!')
		return (err_set(err, ERR_INVALID, "template: transform:1: x"));
	for (i = 0; i < n; i++) {
		*ret_bad = i;
		if (str_eq(keys[i], "bad"))
			return (err_set(err, ERR_INVALID, "no"));
		for (k = 0; keys[i][k]; k++)
			buf_addc(&outs[i], (char)(keys[i][k] & ~0x20));
	}
	return (0);
}

static void
transform(const char *text, const char *const *in, const char *const *out,
    const char *message)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_kv struct kv kv = { NULL };
	struct rewrite_op op = { .kind = REWRITE_TRANSFORM,
	    .template_text = str_dup(text) };
	int calls = 0, r;

	fill(&kv, in);
	r = value_rewrite(&op, 1, upper, &calls, &kv, &err);
	assert_int_equal(calls, 1);
	assert_string_equal(err_msg(&err), message);
	assert_int_equal(r, *message ? -1 : 0);
	expect_all(&kv, *message ? in : out);
	free(op.template_text);
}

static void
test_transform(void **state)
{
	(void)state;
	transform("", PAIRS("ab", "1", "c", "2"), PAIRS("AB", "1", "C", "2"),
	    "");
	transform("", PAIRS("ab", "1", "bad", "2"), NULL, "failed rewrite "
	    "operation[0]: transform failed with failed to execute template "
	    "for key \"bad\": no");
	transform("!", PAIRS("ab", "1"), NULL, "failed rewrite operation[0]: "
	    "transform failed with failed to parse template: template: "
	    "transform:1: x");
	transform("!", (const char *const[]){ NULL, NULL }, NULL, "failed "
	    "rewrite operation[0]: transform failed with failed to parse "
	    "template: template: transform:1: x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regexp),
		cmocka_unit_test(test_merge_extract),
		cmocka_unit_test(test_merge_errors),
		cmocka_unit_test(test_merge_json),
		cmocka_unit_test(test_transform),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
