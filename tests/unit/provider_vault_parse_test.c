/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "provider/vault_internal.h"

/* The pure half of the driver, row by row (api.ParseSecret, buildPath). */

static void
test_answer(void **state)
{
	static const struct {
		int status;
		const char *body;
		int exists;
		const char *data;	/* NULL: nil */
		enum err_kind kind;
	} rows[] = {
		{ 200, "{\"data\":{\"a\":1}}", 1, "{\"a\":1}", 0 },
		{ 200, "{\"data\":{}}", 1, "{}", 0 },
		{ 200, "{\"request_id\":\"x\",\"data\":null}", 1, NULL, 0 },
		{ 200, "{\"request_id\":\"x\"}", 1, NULL, 0 },
		{ 200, "null", 1, NULL, 0 },
		{ 200, "{}", 1, NULL, 0 },
		/* None of Secret's fields: the document is the data. */
		{ 200, "{\"keys\":[1]}", 1, "{\"keys\":[1]}", 0 },
		{ 200, "{\"errors\":[\"x\"]}", 0, NULL, 0 },
		{ 200, "{\"errors\":[],\"x\":1}", 0, NULL, ERR_INVALID },
		{ 200, "", 0, NULL, ERR_TRANSIENT },
		{ 200, "x", 0, NULL, ERR_INVALID },
		{ 200, "[]", 0, NULL, ERR_INVALID },
		{ 200, "{\"data\":[1]}", 0, NULL, ERR_INVALID },
		{ 204, "", 0, NULL, 0 },
		{ 404, "", 0, NULL, 0 },
		{ 404, "{\"errors\":[]}", 0, NULL, 0 },
		{ 404, "{\"data\":{\"data\":null}}", 1, "{\"data\":null}", 0 },
		{ 404, "{\"data\":{},\"warnings\":null}", 0, NULL, 0 },
		{ 404, "{\"warnings\":[\"w\"]}", 1, NULL, 0 },
		{ 404, "<html>", 0, NULL, ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct vault_answer a;
		struct err err = ERR_INIT;

		vault_parse_answer(rows[i].status, rows[i].body,
		    strlen(rows[i].body), &a, &err);
		if (err.kind != rows[i].kind)
			fail_msg("%s: %s", rows[i].body, err_msg(&err));
		if (err.kind == ERR_NONE) {
			assert_int_equal(a.exists, rows[i].exists);
			if (a.exists && rows[i].data != NULL) {
				assert_int_equal(a.data.len,
				    strlen(rows[i].data));
				assert_memory_equal(a.data.raw, rows[i].data,
				    a.data.len);
			}
			if (a.exists && rows[i].data == NULL)
				assert_int_equal(a.data.type, DOC_NONE);
		}
		err_clear(&err);
	}
}

static void
test_errors(void **state)
{
	static const struct {
		const char *body, *want;	/* NULL: not Vault's */
	} rows[] = {
		{ "{\"errors\":[\"permission denied\"]}",
		    "* permission denied" },
		{ "{\"errors\":[\"a\",\"b\"]}", "* a* b" },
		{ "{\"errors\":[\"1 error occurred:\\n\\t* permission denied"
		    "\\n\\n\"]}",
		    "* 1 error occurred:\n\t* permission denied\n\n" },
		{ "{\"errors\":[\"a\\u001b[31mb\\u0000c\\u009bd\"]}",
		    "* a\\x1b[31mb\\x00c\\u009bd" },
		{ "{\"errors\":[1,{\"x\":\"y\"}]}", "" },
		{ "{\"errors\":\"x\"}", "" },
		{ "{}", "" },
		{ "<html>secret</html>", NULL },
		{ "[]", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = BUF_PLAIN(VAULT_ERRORS_MAX);
		int r = vault_parse_errors(rows[i].body, strlen(rows[i].body),
		    &out);

		assert_int_equal(r, rows[i].want != NULL);
		if (r)
			assert_string_equal(buf_str(&out), rows[i].want);
		buf_clear(&out);
	}
}

static void
test_errors_bounded(void **state)
{
	struct buf body = BUF_PLAIN(100000), out = BUF_PLAIN(VAULT_ERRORS_MAX);

	(void)state;
	buf_adds(&body, "{\"errors\":[");
	for (int i = 0; i < 1000; i++)
		buf_addf(&body, "%s\"e\xc3\xa9\\u001b%d\"", i ? "," : "", i);
	buf_adds(&body, "]}");
	assert_int_equal(vault_parse_errors(body.data, body.len, &out), 1);
	assert_true(buf_ok(&out));
	assert_true(out.len > VAULT_ERRORS_MAX / 2);
	assert_true(out.len <= VAULT_ERRORS_MAX);
	buf_clear(&body);
	buf_clear(&out);
}

static void
test_paths(void **state)
{
	static const struct vault_dialect vault = { .strip_mount = 1 };
	static const struct vault_dialect bao = { .strip_mount = 0 };
	static const struct {
		const struct vault_dialect *d;
		const char *path;
		int v1;
		const char *key, *data, *metadata;
	} rows[] = {
		/* client.buildPath's own list */
		{ &vault, "secret/path", 0, "foo", "secret/path/data/foo",
		    "secret/path/metadata/foo" },
		{ &vault, "secret/path", 1, "foo", "secret/path/foo",
		    "secret/path/foo" },
		{ &vault, "secret/path", 0, "secret/path/foo",
		    "secret/path/data/foo",
		    "secret/path/metadata/secret/path/foo" },
		{ &vault, "secret/path", 0, "secret/path/data/foo",
		    "secret/path/data/foo",
		    "secret/path/metadata/secret/path/data/foo" },
		{ &vault, "secret/path", 1, "secret/path/foo",
		    "secret/path/foo", "secret/path/secret/path/foo" },
		{ &vault, NULL, 0, "secret/path/foo", "secret/data/path/foo",
		    NULL },
		{ &vault, NULL, 0, "secret/path/data/foo",
		    "secret/path/data/foo", "secret/path/metadata/foo" },
		{ &vault, NULL, 1, "secret/path/foo", "secret/path/foo",
		    NULL },
		{ &vault, NULL, 0, "foo", "foo/data", NULL },
		{ &vault, NULL, 0, "mydata/foo", "mydata/data/foo",
		    "mydata/foo" },
		{ &vault, "secret", 0, "data/foo", "secret/data/data/foo",
		    "secret/metadata/data/foo" },
		{ &bao, "kv", 0, "kv/foo", "kv/data/kv/foo",
		    "kv/metadata/kv/foo" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct provider_conn c = { .dialect = rows[i].d,
		    .path = rows[i].path, .v1 = rows[i].v1 };
		char *got = vault_data_path(&c, rows[i].key);

		assert_string_equal(got, rows[i].data);
		free(got);
		got = vault_metadata_path(&c, rows[i].key, NULL);
		if (rows[i].metadata == NULL)
			assert_null(got);
		else
			assert_string_equal(got, rows[i].metadata);
		free(got);
	}
}

static void
test_metadata(void **state)
{
	static const char body[] = "{\"data\":{\"created_time\":\"t\","
	    "\"current_version\":3,\"delete_version_after\":null,"
	    "\"custom_metadata\":{\"a\":\"x\\\"\",\"n\":1.50,\"z\":null,"
	    "\"l\":[1,\"b\"],\"m\":{\"k\":true}}}}";
	struct buf out = BUF_PLAIN(4096);
	struct vault_answer a;

	(void)state;
	assert_int_equal(vault_parse_answer(200, body, strlen(body), &a, NULL),
	    0);
	vault_parse_metadata(&a, 1, &out);
	assert_string_equal(buf_str(&out), "{\"created_time\":\"t\","
	    "\"current_version\":\"3\",\"a\":\"x\\\"\",\"n\":\"1.50\","
	    "\"z\":\"\\u003cnil\\u003e\",\"l\":\"[1 b]\","
	    "\"m\":\"map[k:true]\"}");
	buf_clear(&out);
	assert_int_equal(vault_parse_answer(200, "{\"data\":{}}", 11, &a,
	    NULL), 0);
	vault_parse_metadata(&a, 1, &out);
	assert_int_equal(out.len, 0);
	buf_clear(&out);
}

static int
count_names(void *arg, const char *name, struct err *err)
{
	(void)err;
	assert_int_not_equal(name[0], '\0');
	++*(int *)arg;
	return (0);
}

static void
test_keys(void **state)
{
	static const struct {
		const char *body;
		int r, n;
	} rows[] = {
		{ "{\"data\":{\"keys\":[\"a\",\"b/\"]}}", 0, 2 },
		{ "{\"data\":{\"keys\":[]}}", 0, 0 },
		{ "{\"data\":{\"x\":[]}}", 0, 0 },
		{ "{\"data\":{\"keys\":{}}}", -1, 0 },
		{ "{\"data\":{\"keys\":[\"a\",7]}}", -1, 1 },
		{ "{\"data\":{\"keys\":[\"\"]}}", -1, 0 },
		{ "{\"data\":{\"keys\":[\"a\\u0000b\"]}}", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct vault_answer a;
		int n = 0;

		assert_int_equal(vault_parse_answer(200, rows[i].body,
		    strlen(rows[i].body), &a, NULL), 0);
		assert_int_equal(vault_parse_keys(&a, count_names, &n, NULL),
		    rows[i].r);
		assert_int_equal(n, rows[i].n);
	}
}

static void
test_lookup_and_mount(void **state)
{
	static const struct {
		const char *body, *lookup, *mount;	/* NULL: fine */
	} rows[] = {
		{ "{\"data\":{\"type\":\"service\",\"ttl\":1,"
		    "\"expire_time\":null}}", NULL,
		    "expected mount type \"kv\" found \"service\"" },
		{ "{\"data\":{\"type\":\"batch\"}}", NULL,
		    "expected mount type \"kv\" found \"batch\"" },
		{ "{\"data\":{\"ttl\":1}}", "could not assert token type",
		    "expected mount type \"kv\" found \"\"" },
		{ "{\"data\":{\"type\":\"kv\",\"options\":{\"version\":\"2\"}}"
		    "}", "no TTL found in response", NULL },
		{ "{\"data\":{\"type\":\"kv\",\"ttl\":1,\"options\":null}}",
		    "no expiration time found in response",
		    "expected kv engine version 2 found version " },
		{ "{\"errors\":[]}", "no response nor error for token lookup",
		    "expected mount type \"kv\" found \"\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct vault_answer a;

		assert_int_equal(vault_parse_answer(200, rows[i].body,
		    strlen(rows[i].body), &a, NULL), 0);
		vault_parse_lookup(&a, &err);
		assert_string_equal(err_msg(&err), str_or(rows[i].lookup, ""));
		err_clear(&err);
		vault_parse_mount(&a, "2", &err);
		assert_string_equal(err_msg(&err), str_or(rows[i].mount, ""));
		err_clear(&err);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_errors_bounded),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_lookup_and_mount),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
