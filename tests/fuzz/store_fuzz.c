/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/provider.h"
#include "tests/fuzz/peer.h"

/*
 * A store from its manifest to its values, against a peer that answers what
 * the input says.  Parts of the input, divided by lines of "%%":
 *	a line of flags, and one each of key, property, version, policy, path
 *	    and regexp of what is asked for
 *	what stands below spec.provider, JSON
 *	answers, in order: three digits of status, then the body
 */
#define PARTS (PEER_ANSWERS + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- the store ------------------------------------------------------- */

static struct objects around;

static void
add_object(const char *kind, const char *ns, const char *name,
    const char *field, const char *const *pairs)
{
	struct json *obj = json_new_object(), *meta = json_new_object(),
	    *data = json_new_object();

	json_set_str(obj, "apiVersion", "v1");
	json_set_str(obj, "kind", kind);
	json_set_str(meta, "name", name);
	json_set_str(meta, "namespace", ns);
	json_set(obj, "metadata", meta);
	for (; *pairs; pairs += 2)
		json_set_str(data, pairs[0], pairs[1]);
	json_set(obj, field, data);
	if (objects_put(&around, obj, ns, NULL) == -1)
		abort();
}

/* For audience x. */
static void
add_token(const char *const *pairs)
{
	struct json *obj = json_new_object(), *meta = json_new_object(),
	    *list = json_new_array();

	json_set_str(obj, "kind", OBJECT_TOKEN);
	json_set_str(meta, "name", "app");
	json_set_str(meta, "namespace", "shop");
	json_set(obj, "metadata", meta);
	json_push(list, json_new_str("x"));
	json_set(obj, "audiences", list);
	json_set_str(obj, pairs[0], pairs[1]);
	if (objects_put(&around, obj, "", NULL) == -1)
		abort();
}

static const char kubeconfig[] = "current-context: a\n"
    "contexts: [{name: a, context: {cluster: c, user: u}}]\n"
    "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
    "users: [{name: u, user: {token: t}}]\n";

static void
start(void)
{
	static const char *const creds[] = { "token", "root", "password",
	    "p", "odd", "a\x01", "empty", "", "tls.crt", "PEM", "tls.key",
	    "PEM", "kubeconfig", kubeconfig, NULL };
	static const char *const account[] = { "token", "t0k", NULL };
	static const char *const ca[] = { "ca.crt", "PEM", NULL };

	objects_init(&around);
	add_object("Secret", "shop", "creds", "stringData", creds);
	add_object("Secret", "other", "creds", "stringData", creds);
	add_object("ConfigMap", "shop", "ca", "data", ca);
	add_object("Secret", "shop", "ca", "stringData", ca);
	add_token(account);
	objects_lack(&around, "Secret/shop/denied", ERR_DENIED, "may not");
}

/* The object around spec.provider. */
static struct store *
store_of(const char *spec, size_t len, int cluster)
{
	struct json *obj = json_new_object(), *meta = json_new_object(),
	    *s = json_new_object(), *provider;
	struct store *store = NULL;

	provider = json_parse(spec, len, NULL);
	json_set_str(obj, "apiVersion", "external-secrets.io/v1");
	json_set_str(obj, "kind", cluster ? "ClusterSecretStore" :
	    "SecretStore");
	json_set_str(meta, "name", "st");
	json_set(obj, "metadata", meta);
	json_set(s, "provider", provider ? provider : json_new_object());
	json_set(obj, "spec", s);
	store_parse(obj, "shop", &store, NULL, NULL);
	json_free(obj);
	return (store);
}

static void
see_ref(void *arg, const struct provider_ref *ref)
{
	*(size_t *)arg += strlen(ref->kind) + strlen(ref->ns) +
	    strlen(ref->name);
	for (size_t i = 0; i < ref->naudiences; i++)
		*(size_t *)arg += strlen(ref->audiences[i]);
}

static void
look_at(const struct store *store, const struct provider *p)
{
	struct findings f = { 0 };
	size_t n = 0;

	provider_check(store, &f);
	findings_clear(&f);
	provider_refs(store, see_ref, &n);
	if (p && p->host)
		free(p->host(store));
}

/* --- what is asked for ----------------------------------------------- */

struct wants {
	unsigned flags;
	char *path, *regexp;
	struct remote_ref ref;
	struct find_ref find;
};

static int
no_secret(const struct err *err)
{
	return (err->kind == ERR_NONE || *err_msg(err) == '\0');
}

static void
read_all(const struct provider *p, struct provider_conn *c,
    const struct wants *w)
{
	cleanup_err struct err err = ERR_INIT;
	struct secret *s = NULL;
	struct kv kv;
	int i;

	if (p->validate && w->flags & 1 && p->validate(c, &err) == -1 &&
	    no_secret(&err))
		abort();
	for (i = 0; i < 2; i++) {
		err_clear(&err);
		if (p->get(c, &w->ref, &s, &err) == -1 && no_secret(&err))
			abort();
		secret_free(STEAL(s));
	}
	kv_init(&kv);
	err_clear(&err);
	if (p->get_map(c, &w->ref, &kv, &err) == -1 && no_secret(&err))
		abort();
	kv_clear(&kv);
	kv_init(&kv);
	err_clear(&err);
	if (p->find(c, &w->find, &kv, &err) == -1 && no_secret(&err))
		abort();
	kv_clear(&kv);
}

static void
run(const char *spec, size_t len, const struct wants *w)
{
	struct store *store = store_of(spec, len, w->flags & 2);
	struct provider_env env = { .store = store, .es_namespace = "shop",
	    .objects = &around, .timeout_ms = 1000 };
	struct provider_conn *c = NULL;
	const struct provider *p;
	struct err err = ERR_INIT;

	p = store && store->provider ? provider_find(store->provider) : NULL;
	if (store)
		look_at(store, p);
	if (p) {
		if (p->open(&env, &c, &err) == 0) {
			read_all(p, c, w);
			p->close(c);
		} else if (no_secret(&err))
			abort();
	}
	err_clear(&err);
	provider_env_clear(&env);
	store_free(store);
}

/* --- the input ------------------------------------------------------- */

static void
wants_parse(struct wants *w, char *text, struct strmap *tags)
{
	char *lines[7], *line;
	size_t n = 0;

	while (n < ARRAY_LEN(lines)) {
		line = strsep(&text, "\n");
		lines[n++] = str_dup(line ? line : "");
	}
	w->flags = (unsigned)lines[0][0];
	free(lines[0]);
	w->ref = (struct remote_ref){ lines[1], lines[2], lines[3],
	    str_dup(w->flags & 4 ? "Unicode" : "Default"), str_dup("None"),
	    lines[4], str_dup("Ignore") };
	w->path = lines[5];
	w->regexp = lines[6];
	w->find = (struct find_ref){ .path = w->flags & 32 ? NULL : w->path,
	    .name_regexp = w->flags & 16 ? NULL : w->regexp,
	    .tags = w->flags & 8 ? tags : NULL,
	    .conversion = w->ref.conversion, .decoding = w->ref.decoding,
	    .null_byte = w->ref.null_byte };
}

static void
wants_clear(struct wants *w)
{
	free(w->ref.key);
	free(w->ref.property);
	free(w->ref.version);
	free(w->ref.conversion);
	free(w->ref.decoding);
	free(w->ref.metadata_policy);
	free(w->ref.null_byte);
	free(w->path);
	free(w->regexp);
}

/* Parts, divided by "\n%%\n"; the lines of the first one are ended by NULs. */
static size_t
split(char *text, size_t size, char **parts, size_t *lens)
{
	size_t n = 0;
	char *at = text, *end = text + size, *next;

	while (n < PARTS) {
		next = memmem(at, (size_t)(end - at), "\n%%\n", 4);
		parts[n] = at;
		lens[n++] = (size_t)((next ? next : end) - at);
		if (!next)
			break;
		*next = '\0';
		at = next + 4;
	}
	return (n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char prod[] = "prod";
	static int started;
	cleanup_free char *text = str_ndup((const char *)data, size);
	cleanup_strmap struct strmap *tags = strmap_new(NULL);
	char *parts[PARTS], *own[PARTS];
	size_t lens[PARTS], n, i;
	struct wants w;

	if (!started++)
		start();
	n = split(text, strlen(text), parts, lens);
	if (n < 2)
		return (0);
	strmap_put(tags, "env", prod);
	wants_parse(&w, parts[0], tags);
	memset(&peer, 0, sizeof(peer));
	/* Each answer in memory of exactly its size. */
	for (i = 2; i < n; i++) {
		own[i] = mem_alloc(lens[i]);
		memcpy(own[i], parts[i], lens[i]);
		peer.answers[peer.n] = own[i];
		peer.len[peer.n++] = lens[i];
	}
	run(parts[1], lens[1], &w);
	for (i = 2; i < n; i++)
		free(own[i]);
	wants_clear(&w);
	return (0);
}
