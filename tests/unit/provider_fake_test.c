/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "provider/provider.h"

/* The store in the manifest (corpus/value a and e have thousands more). */

static struct store *store;
static struct provider_env env;
static struct provider_conn *conn;
static const struct provider *fake;

static void
open_store(const char *spec)
{
	char *text = str_fmt("{\"apiVersion\":\"external-secrets.io/v1\","
	    "\"kind\":\"SecretStore\",\"metadata\":{\"name\":\"st\"},\"spec\":"
	    "{\"provider\":{\"fake\":%s}}}", spec);
	struct json *obj = json_parse(text, strlen(text), NULL);

	assert_non_null(obj);
	assert_int_equal(store_parse(obj, "shop", &store, NULL, NULL), 0);
	env = (struct provider_env){ .store = store };
	fake = provider_find("fake");
	assert_int_equal(fake->open(&env, &conn, NULL), 0);
	json_free(obj);
	free(text);
}

static void
close_store(void)
{
	fake->close(conn);
	store_free(store);
	provider_env_clear(&env);
}

static char empty[1];

/* Text, or "!" and the message; the caller's. */
static char *
get(const char *key, const char *property, const char *version)
{
	char *k = str_dup(key), *p = str_dup(property), *v = str_dup(version);
	struct remote_ref ref = { .key = k, .property = p, .version = v,
	    .conversion = empty, .decoding = empty, .metadata_policy = empty,
	    .null_byte = empty };
	struct secret *s = NULL;
	struct err err = ERR_INIT;
	char *out;

	if (fake->get(conn, &ref, &s, &err) == 0)
		out = str_ndup((const char *)secret_data(s), secret_len(s));
	else
		out = str_fmt("!%d %s", (int)err.kind, err_msg(&err));
	secret_free(s);
	err_clear(&err);
	free(k);
	free(p);
	free(v);
	return (out);
}

static void
get_is(const char *key, const char *property, const char *version,
    const char *want)
{
	char *got = get(key, property, version);

	assert_string_equal(got, want);
	free(got);
}

#define NONE "!2 Secret does not exist"

static void
test_get(void **state)
{
	(void)state;
	open_store("{\"data\":[{\"key\":\"a\",\"value\":\"plain\"},"
	    "{\"key\":\"j\",\"value\":\"{\\\"x\\\": {\\\"y\\\": 1.50}, "
	    "\\\"z\\\": null}\"},{\"key\":\"v\",\"value\":\"1\","
	    "\"version\":\"v1\"},{\"key\":\"v\",\"value\":\"2\","
	    "\"version\":\"v2\"},{\"key\":\"a\",\"value\":\"later\"}]}");
	get_is("a", "", "", "later");
	get_is("a", "x", "", NONE);
	get_is("b", "", "", NONE);
	get_is("j", "", "", "{\"x\": {\"y\": 1.50}, \"z\": null}");
	get_is("j", "x", "", "{\"y\": 1.50}");
	get_is("j", "x.y", "", "1.5");
	get_is("j", "z", "", "");
	get_is("j", "q", "", NONE);
	get_is("v", "", "v1", "1");
	get_is("v", "", "v2", "2");
	get_is("v", "", "", NONE);
	/* "v" with "v1" and "vv1" without are one entry, and only the first. */
	get_is("vv1", "", "", NONE);
	assert_int_equal(env.logins, 0);
	close_store();
}

static void
map_is(const char *key, const char *want)
{
	char *k = str_dup(key);
	struct remote_ref ref = { .key = k, .property = empty,
	    .version = empty, .conversion = empty, .decoding = empty,
	    .metadata_policy = empty, .null_byte = empty };
	struct buf b = BUF_PLAIN(4096);
	struct err err = ERR_INIT;
	struct kv kv;

	kv_init(&kv);
	if (fake->get_map(conn, &ref, &kv, &err) == -1)
		buf_addf(&b, "!%s", err_msg(&err));
	for (size_t i = strmap_next(kv.map, 0); i != 0;
	    i = strmap_next(kv.map, i)) {
		const struct secret *s = strmap_val(kv.map, i);

		buf_addf(&b, "%s=%.*s;", strmap_key(kv.map, i),
		    (int)secret_len(s), (const char *)secret_data(s));
	}
	assert_string_equal(buf_str(&b), want);
	kv_clear(&kv);
	buf_clear(&b);
	err_clear(&err);
	free(k);
}

static void
test_get_map(void **state)
{
	(void)state;
	open_store("{\"data\":[{\"key\":\"j\",\"value\":\"{\\\"s\\\": \\\"t\\\""
	    ", \\\"n\\\": 1.50, \\\"z\\\": null, \\\"o\\\": {\\\"b\\\": 1 }, "
	    "\\\"s\\\": \\\"last\\\"}\"},{\"key\":\"p\",\"value\":\"plain\"},"
	    "{\"key\":\"l\",\"value\":\"[1]\"},"
	    "{\"key\":\"z\",\"value\":\"null\"}]}");
	map_is("j", "s=last;n=1.50;z=;o={\"b\": 1 };");
	map_is("z", "");
	map_is("p", "!unable to unmarshal secret: invalid character 'p' "
	    "looking for beginning of value");
	map_is("l", "!unable to unmarshal secret: json: cannot unmarshal "
	    "array into Go value of type map[string]json.RawMessage");
	map_is("no", "!Secret does not exist");
	close_store();
}

static void
find_is(const char *path, const char *regexp, const char *tag,
    const char *conversion, const char *want)
{
	struct find_ref ref = { .path = str_dup(path), .name_regexp =
	    str_dup(regexp), .conversion = str_dup(conversion),
	    .decoding = empty, .null_byte = empty };
	struct buf b = BUF_PLAIN(4096);
	struct err err = ERR_INIT;
	struct kv kv;

	if (tag != NULL) {
		ref.tags = strmap_new(free);
		strmap_put(ref.tags, "env", str_dup(tag));
	}
	kv_init(&kv);
	if (fake->find(conn, &ref, &kv, &err) == -1)
		buf_addf(&b, "!%s", err_msg(&err));
	for (size_t i = strmap_next(kv.map, 0); i != 0 && b.len == 0;
	    i = strmap_next(kv.map, i)) {
		size_t n;
		const char **keys = strmap_sorted(kv.map, &n);

		for (size_t k = 0; k < n; k++)
			buf_addf(&b, "%s=%s;", keys[k], (const char *)
			    secret_data(kv_get(&kv, keys[k])));
		free(keys);
	}
	assert_string_equal(buf_str(&b), want);
	kv_clear(&kv);
	buf_clear(&b);
	err_clear(&err);
	strmap_free(ref.tags);
	free(ref.path);
	free(ref.name_regexp);
	free(ref.conversion);
}

static void
test_find(void **state)
{
	(void)state;
	open_store("{\"data\":[{\"key\":\"app/db\",\"value\":\"1\"},"
	    "{\"key\":\"app/x\",\"value\":\"old\",\"version\":\"v1\"},"
	    "{\"key\":\"app/x\",\"value\":\"new\",\"version\":\"v2\"},"
	    "{\"key\":\"other\",\"value\":\"2\"}]}");
	find_is(NULL, "^app", NULL, "", "app_db=1;app_x=new;");
	find_is(NULL, "^app", NULL, "Unicode", "app_U002f_db=1;"
	    "app_U002f_x=new;");
	find_is(NULL, "nomatch", NULL, "", "");
	find_is(NULL, "[", NULL, "", "!could not compile find.name.regexp "
	    "[[]: error parsing regexp: missing closing ]: `[`");
	find_is(NULL, NULL, "dev", "", "!unsupported find operator: "
	    "v1.ExternalSecretFind{Path:(*string)(nil), Name:(*v1.FindName)"
	    "(nil), Tags:map[string]string{\"env\":\"dev\"}, "
	    "ConversionStrategy:\"\", DecodingStrategy:\"\", "
	    "NullBytePolicy:\"\"}");
	find_is(NULL, NULL, NULL, "", "!unsupported find operator: "
	    "v1.ExternalSecretFind{Path:(*string)(nil), Name:(*v1.FindName)"
	    "(nil), Tags:map[string]string(nil), ConversionStrategy:\"\", "
	    "DecodingStrategy:\"\", NullBytePolicy:\"\"}");
	close_store();
}

static void
test_validate(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	open_store("{\"data\":[]}");
	assert_int_equal(fake->validate(conn, &err), 0);
	close_store();
	open_store("{\"data\":[],\"validationResult\":1}");
	assert_int_equal(fake->validate(conn, &err), 1);
	close_store();
	open_store("{\"data\":[],\"validationResult\":2}");
	assert_int_equal(fake->validate(conn, &err), -1);
	assert_string_equal(err_msg(&err), "unable to validate");
	err_clear(&err);
	close_store();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_map),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_validate),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
