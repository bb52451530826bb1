/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "csi/csi_internal.h"

/* volumeAttributes, INTERFACES.md §3: what is taken, and what every refusal
 * names. */
struct row {
	const char *attrs[12];	/* key, value, … */
	const char *want;	/* part of the message; NULL: taken */
};

#define POD "csi.storage.k8s.io/pod.name", "web-0",			\
	"csi.storage.k8s.io/pod.namespace", "shop",			\
	"csi.storage.k8s.io/pod.uid",					\
	"6f1c8e0e-1111-2222-3333-444455556666",				\
	"csi.storage.k8s.io/serviceAccount.name", "default",		\
	"csi.storage.k8s.io/ephemeral", "true"

static struct csi_publish *
parse(const char *const *pairs, size_t n, int64_t group, struct err *err)
{
	struct csi_publish *p = mem_alloc(sizeof(*p));
	const char *keys[64], *values[64];
	size_t i;

	for (i = 0; i < n; i++) {
		keys[i] = pairs[2 * i];
		values[i] = pairs[2 * i + 1];
	}
	if (csi_attributes_parse(keys, values, n, group, p, err) == 0)
		return (p);
	csi_publish_free(p);
	return (NULL);
}

/* The row's pairs with the pod's in front. */
static struct csi_publish *
with_pod(const char *const *attrs, int64_t group, struct err *err)
{
	static const char *const pod[] = { POD };
	const char *all[64];
	size_t n;

	memcpy(all, pod, sizeof(pod));
	for (n = 0; n < 12 && attrs[n]; n++)
		all[ARRAY_LEN(pod) + n] = attrs[n];
	return (parse(all, (ARRAY_LEN(pod) + n) / 2, group, err));
}

static void
check(const struct row *rows, size_t n)
{
	struct csi_publish *p;
	size_t i;

	for (i = 0; i < n; i++) {
		struct err err = ERR_INIT;

		p = with_pod(rows[i].attrs, -1, &err);
		if (p && rows[i].want)
			fail_msg("row %zu was taken, not refused for %s", i,
			    rows[i].want);
		if (!p && !rows[i].want)
			fail_msg("row %zu: %s", i, err_msg(&err));
		if (!p) {
			assert_int_equal(err.kind, ERR_INVALID);
			if (!strstr(err_msg(&err), rows[i].want))
				fail_msg("row %zu: \"%s\" lacks \"%s\"", i,
				    err_msg(&err), rows[i].want);
		}
		err_clear(&err);
		csi_publish_free(p);
	}
}

static void
test_defaults(void **state)
{
	static const char *const attrs[12] = { "externalSecret", "web-tls" };
	struct csi_publish *p = with_pod(attrs, -1, NULL);

	(void)state;
	assert_non_null(p);
	assert_int_equal(p->nexternal_secrets, 1);
	assert_string_equal(p->external_secrets[0], "web-tls");
	assert_null(p->items);
	assert_int_equal(p->nitems, 0);
	assert_int_equal(p->mode, 0644);
	assert_int_equal(p->optional, 0);
	assert_int_equal(p->status_file, 0);
	assert_int_equal(p->group, -1);
	assert_string_equal(p->pod_name, "web-0");
	assert_string_equal(p->pod_namespace, "shop");
	assert_string_equal(p->pod_uid,
	    "6f1c8e0e-1111-2222-3333-444455556666");
	assert_string_equal(p->service_account, "default");
	csi_publish_free(p);
	p = with_pod(attrs, 2000, NULL);
	assert_int_equal(p->mode, 0640);
	assert_int_equal(p->group, 2000);
	csi_publish_free(p);
}

static void
test_all(void **state)
{
	static const char *const attrs[12] = {
		"externalSecret", "web-tls, web-db,third",
		"items", "[{\"key\":\"tls.crt\",\"path\":\"tls//./cert.pem\","
		    "\"externalSecret\":\"web-tls\",\"mode\":\"0400\"},"
		    "{\"key\":\"pw\",\"path\":\"db/\","
		    "\"externalSecret\":\"web-db\"}]",
		"mode", "440", "optional", "true", "statusFile", "true"
	};
	struct err err = ERR_INIT;
	struct csi_publish *p = with_pod(attrs, 7, &err);

	(void)state;
	if (!p)
		fail_msg("%s", err_msg(&err));
	assert_int_equal(p->nexternal_secrets, 3);
	assert_string_equal(p->external_secrets[1], "web-db");
	assert_string_equal(p->external_secrets[2], "third");
	assert_int_equal(p->nitems, 2);
	assert_string_equal(p->items[0].path, "tls/cert.pem");
	assert_string_equal(p->items[0].external_secret, "web-tls");
	assert_int_equal(p->items[0].mode, 0400);
	assert_string_equal(p->items[1].key, "pw");
	assert_string_equal(p->items[1].path, "db");
	assert_int_equal(p->items[1].mode, -1);
	assert_int_equal(p->mode, 0440);
	assert_int_equal(p->optional, 1);
	assert_int_equal(p->status_file, 1);
	csi_publish_free(p);
}

static void
test_values(void **state)
{
	static const struct row rows[] = {
		{ { NULL }, "volumeAttributes.externalSecret: is missing: "
		    "name the ExternalSecret" },
		{ { "externalSecret", "" }, "externalSecret: \"\" is not" },
		{ { "externalSecret", "a,,b" }, "externalSecret: \"\"" },
		{ { "externalSecret", "a," }, "externalSecret: \"\"" },
		{ { "externalSecret", "other/a" }, "\"other/a\" is not the "
		    "name" },
		{ { "externalSecret", "Web" }, "\"Web\"" },
		{ { "externalSecret", "a..b" }, "\"a..b\"" },
		{ { "externalSecret", "-a" }, "\"-a\"" },
		{ { "externalSecret", "a,b,a" }, "\"a\" is there twice: name "
		    "it once" },
		{ { "externalSecret", "a", "mode", "0644" }, NULL },
		{ { "externalSecret", "a", "mode", "0" }, NULL },
		{ { "externalSecret", "a", "mode", "777" }, NULL },
		{ { "externalSecret", "a", "mode", "1777" },
		    "mode: \"1777\" is not an octal mode from 0000 to 0777: "
		    "write it like \"0640\"" },
		{ { "externalSecret", "a", "mode", "01000" }, "mode:" },
		{ { "externalSecret", "a", "mode", "00644" }, "mode:" },
		{ { "externalSecret", "a", "mode", "0o644" }, "mode:" },
		{ { "externalSecret", "a", "mode", "648" }, "mode:" },
		{ { "externalSecret", "a", "mode", "" }, "mode:" },
		{ { "externalSecret", "a", "mode", "-1" }, "mode:" },
		{ { "externalSecret", "a", "mode", " 644" }, "mode:" },
		{ { "externalSecret", "a", "optional", "maybe" },
		    "optional: \"maybe\" is neither \"true\" nor \"false\"" },
		{ { "externalSecret", "a", "optional", "True" }, "optional:" },
		{ { "externalSecret", "a", "optional", "" }, "optional:" },
		{ { "externalSecret", "a", "optional", "false" }, NULL },
		{ { "externalSecret", "a", "statusFile", "yes" },
		    "statusFile: \"yes\"" },
		{ { "externalSecret", "a", "external-secret", "b" },
		    "volumeAttributes.\"external-secret\": unknown attribute:"
		    " remove it; known are" },
		{ { "externalSecret", "a", "OPTIONAL", "true" },
		    "did you mean \"optional\"?" },
		{ { "externalSecret", "a", "\n\x7fx", "b" }, "\"??x\"" },
		{ { "externalSecret", "a", "externalSecret", "b" },
		    "externalSecret: is there twice: give it once" },
		{ { "externalSecret", "a", "csi.storage.k8s.io/pod.name",
		    "b" }, "pod.name: is there twice" },
		/* A newer kubelet's; and tokens that are not ours to read. */
		{ { "externalSecret", "a", "csi.storage.k8s.io/new", "b" },
		    NULL },
		{ { "externalSecret", "a",
		    "csi.storage.k8s.io/serviceAccount.tokens", "{}" }, NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

#define ITEMS(json) { "externalSecret", "a", "items", json }

static void
test_items(void **state)
{
	static const struct row rows[] = {
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\"}]"), NULL },
		{ ITEMS("[{\"key\":\"k\",\"path\":\".hidden/..x/y..\"}]"),
		    NULL },
		{ ITEMS(" [ {\"path\" : \"p\" , \"key\" : \"k\"} ] "), NULL },
		/* the same key twice is fine, as in a Secret volume */
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\"},"
		    "{\"key\":\"k\",\"path\":\"q\"}]"), NULL },
		{ ITEMS(""), "items: is not a JSON list" },
		{ ITEMS("nope"), "items: is not a JSON list" },
		{ ITEMS("{}"), "items: is not a JSON list: write" },
		{ ITEMS("[]"), "items: has 0 items" },
		{ ITEMS("[1]"), "items[0]: is not an object" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\"},null]"),
		    "items[1]: is not an object" },
		{ ITEMS("[{\"path\":\"p\"}]"), "items[0].key: is missing" },
		{ ITEMS("[{\"key\":\"k\"}]"), "items[0].path: is missing" },
		{ ITEMS("[{\"key\":\"\",\"path\":\"p\"}]"), "items[0].key:" },
		{ ITEMS("[{\"key\":5,\"path\":\"p\"}]"),
		    "items[0].key: is not a string" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\",\"mod\":\"1\"}]"),
		    "items[0].\"mod\": unknown field" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\",\"path\":\"q\"}]"),
		    "items[0].path: is there twice" },
		{ ITEMS("[{\"key\":\"k\",\"key\":\"k\",\"path\":\"q\"}]"),
		    "items[0].key: is there twice" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\",\"mode\":420}]"),
		    "items[0].mode: is not a string: write octal digits in "
		    "quotes, like \"0640\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\",\"mode\":\"1777\"}]"),
		    "items[0].mode: \"1777\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\","
		    "\"externalSecret\":\"b\"}]"), "items[0].externalSecret: "
		    "\"b\" is not among" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"/etc/passwd\"}]"),
		    "items[0].path: \"/etc/passwd\" is absolute: use a path "
		    "below the volume" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"ok\"},"
		    "{\"key\":\"k\",\"path\":\"../x\"}]"),
		    "items[1].path: \"../x\" has a part \"..\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"a/../b\"}]"),
		    "has a part \"..\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"a/..\"}]"),
		    "has a part \"..\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"..\"}]"),
		    "has a part \"..\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"..data/x\"}]"),
		    "begins with \"..\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"./..data\"}]"),
		    "begins with \"..\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"...\"}]"),
		    "begins with \"..\"" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"\"}]"), "names no file" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"./.\"}]"),
		    "names no file" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\"},"
		    "{\"key\":\"k\",\"path\":\"a\\u0000b\"}]"),
		    "items[1]: has a NUL character (\\u0000): remove it" },
		{ ITEMS("[{\"key\":\"k\\\\u0000\",\"path\":\"a\"}]"), NULL },
		{ ITEMS("[{\"key\":\"[,\",\"path\":\"[,\"},"
		    "{\"key\":\"\\\\\\u0000\",\"path\":\"b\"}]"),
		    "items[1]: has a NUL" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"p\"},"
		    "{\"key\":\"l\",\"path\":\"q\"},"
		    "{\"key\":\"m\",\"path\":\"./p\"}]"),
		    "items[2].path: \"p\" is there twice: give each item" },
		{ ITEMS("[{\"key\":\"k\",\"path\":\"a/b/c\"},"
		    "{\"key\":\"l\",\"path\":\"a-\"},"
		    "{\"key\":\"m\",\"path\":\"a/b\"}]"),
		    "items[2].path: \"a/b\" would be a file and a folder" },
		{ { "externalSecret", "a,b", "items",
		    "[{\"key\":\"k\",\"path\":\"p\"}]" },
		    "items[0].externalSecret: is missing: several are named" },
		{ { "externalSecret", "a,b", "items", "[{\"key\":\"k\","
		    "\"path\":\"p\",\"externalSecret\":\"b\"}]" }, NULL },
		/* in whatever order the map comes */
		{ { "items", "[{\"key\":\"k\",\"path\":\"p\","
		    "\"externalSecret\":\"b\"}]", "externalSecret", "a,b" },
		    NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static char *
item_with_path(char c, size_t n)
{
	char *path = mem_alloc(n + 1), *json;

	memset(path, c, n);
	json = str_fmt("[{\"key\":\"k\",\"path\":\"%s\"}]", path);
	free(path);
	return (json);
}

static void
test_items_bounds(void **state)
{
	cleanup_free char *ok = item_with_path('a', 255);
	cleanup_free char *part = item_with_path('a', 256);
	cleanup_buf struct buf b = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf deep = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf many = BUF_PLAIN(1u << 20);
	size_t i;

	(void)state;
	buf_adds(&b, "[{\"key\":\"k\",\"path\":\"");
	for (i = 0; i < 520; i++)
		buf_adds(&b, "a/");
	buf_adds(&b, "\"}]");
	for (i = 0; i < 100; i++)
		buf_addc(&deep, '[');
	for (i = 0; i < 1001; i++)
		buf_addf(&many, "%s{\"key\":\"k\",\"path\":\"%zu\"}",
		    i ? "," : "[", i);
	buf_addc(&many, ']');
	{
		const struct row rows[] = {
			{ ITEMS(ok), NULL },
			{ ITEMS(part), "has a part of more than 255 bytes" },
			{ ITEMS(buf_str(&b)), "is longer than 1024 bytes" },
			{ ITEMS(buf_str(&deep)), "items: is not a JSON list" },
			{ ITEMS(buf_str(&many)), "items: has 1001 items" },
		};

		check(rows, ARRAY_LEN(rows));
	}
	buf_clear(&b);
	buf_addc(&b, '[');
	for (i = 0; i < (256u << 10); i++)
		buf_addc(&b, ' ');
	{
		const struct row rows[] = {
			{ ITEMS(buf_str(&b)), "items: is longer than" },
		};

		check(rows, ARRAY_LEN(rows));
	}
}

static void
test_pod_info(void **state)
{
	static const char *const pod[] = { "externalSecret", "a", POD };
	static const struct {
		const char *key, *value;	/* replaces; NULL: removes */
		const char *want;
	} t[] = {
		{ "pod.name", NULL, "pod.name: is missing: set "
		    "podInfoOnMount: true in the CSIDriver object" },
		{ "pod.namespace", NULL, "pod.namespace: is missing" },
		{ "pod.uid", NULL, "pod.uid: is missing" },
		{ "serviceAccount.name", NULL, "Account.name: is missing" },
		{ "ephemeral", NULL, "ephemeral: is missing" },
		{ "ephemeral", "false", "inline volumes only: use "
		    "spec.volumes[].csi in the pod, not a PersistentVolume" },
		{ "ephemeral", "", "ephemeral" },
		{ "pod.name", "", "pod.name" },
		{ "pod.name", "../x", "pod.name" },
		{ "pod.namespace", "a.b", "pod.namespace" },
		{ "pod.namespace", "", "pod.namespace" },
		{ "pod.uid", "../../etc", "pod.uid" },
		{ "pod.uid", "0123456789abcdef0123456789abcdef", NULL },
		{ "serviceAccount.name", "", NULL },	/* a static pod */
		{ "serviceAccount.name", "a b", "serviceAccount.name" },
	};
	size_t i, k, n;

	(void)state;
	for (i = 0; i < ARRAY_LEN(t); i++) {
		cleanup_err struct err err = ERR_INIT;
		struct csi_publish *p;
		const char *all[32];

		for (n = k = 0; k < ARRAY_LEN(pod); k += 2) {
			int hit = strcmp(pod[k] + (k ?
			    strlen(CSI_RESERVED) : 0), t[i].key) == 0;

			if (hit && !t[i].value)
				continue;
			all[n++] = pod[k];
			all[n++] = hit ? t[i].value : pod[k + 1];
		}
		p = parse(all, n / 2, -1, &err);
		if ((p == NULL) != (t[i].want != NULL))
			fail_msg("row %zu: %s", i, err_msg(&err));
		if (!p) {
			assert_int_equal(err.kind, ERR_INVALID);
			assert_non_null(strstr(err_msg(&err), t[i].want));
		}
		csi_publish_free(p);
	}
}

static void
test_quote(void **state)
{
	const char *a, *b;
	char long_one[200];

	(void)state;
	memset(long_one, 'x', 199);
	long_one[199] = '\0';
	memcpy(long_one + 79, "\xc3\xa9", 2);
	a = csi_quote(long_one);
	assert_int_equal(strlen(a), 79 + 5);
	b = csi_quote("a\nb\x7f");
	assert_string_equal(b, "\"a?b?\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_items_bounds),
		cmocka_unit_test(test_pod_info),
		cmocka_unit_test(test_quote),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
