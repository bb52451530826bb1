/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "provider/vault_internal.h"
#include "value/extract.h"
#include "value/regex.h"

#define VALUE_MAX (32u << 20)
#define NAMES_MAX 10000		/* secrets in one find */
#define LISTS_MAX 2000		/* folders in one find */
#define FOLDERS_DEEP_MAX 32

/* --- paths (client.buildPath, client.buildMetadataPath) ------------------ */

static const char *
after(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return (strncmp(s, prefix, len) == 0 ? s + len : NULL);
}

char *
vault_data_path(const struct provider_conn *c, const char *key)
{
	cleanup_free char *cut = NULL;
	const char *rest;
	size_t first;

	if (c->path != NULL) {
		cut = str_fmt("%s/", c->path);
		rest = c->dialect->strip_mount ? after(key, cut) : NULL;
		if (rest != NULL) {
			key = rest;
			rest = c->v1 ? NULL : after(key, "data/");
			key = rest != NULL ? rest : key;
		}
		return (str_fmt("%s%s/%s", c->path, c->v1 ? "" : "/data",
		    key));
	}
	if (c->v1 || strstr(key, "/data/") != NULL)
		return (str_dup(key));
	first = strcspn(key, "/");
	return (str_fmt("%.*s/data%s", (int)first, key, key + first));
}

char *
vault_metadata_path(const struct provider_conn *c, const char *key,
    struct err *err)
{
	const char *at;

	if (c->path != NULL)
		return (str_fmt("%s%s/%s", c->path, c->v1 ? "" : "/metadata",
		    key));
	if (c->v1 || strstr(key, "data") == NULL) {
		err_set(err, ERR_INVALID,
		    "provided Path isn't a valid kv v2 path");
		return (NULL);
	}
	at = strstr(key, "/data/");
	if (at == NULL)
		return (str_dup(key));
	return (str_fmt("%.*s/metadata/%s", (int)(at - key), key, at + 6));
}

/* --- reads --------------------------------------------------------------- */

#define READ_PHRASE "cannot read secret data from Vault"

static void
begin(struct provider_conn *c)
{
	free(c->env->ours);
	c->env->ours = NULL;
	c->env->http_status = 0;
	c->env->retry_after_ms = 0;
}

/* An answer came, but not what was asked for: say so for status.  Always -1. */
static int
odd(struct provider_conn *c, const char *path, int status, const char *what)
{
	provider_blame(c->env, http_client_host(c->http), status, 0);
	provider_ours(c->env, "%s: GET %.256s: %d%s%s", c->dialect->name,
	    path, status, what[0] != '\0' ? ": " : "", what);
	return (-1);
}

static int
read_answer(struct provider_conn *c, const char *path, const char *query,
    struct vault_answer *ret, struct err *err)
{
	const struct vault_read *r;

	if (vault_fetch(c, path, query, &r, err) == -1)
		return (err_wrap(err, READ_PHRASE));
	if (vault_parse_answer(r->status, (const char *)secret_data(r->body),
	    secret_len(r->body), ret, err) == 0)
		return (0);
	odd(c, path, r->status, err_msg(err));
	return (err_wrap(err, READ_PHRASE));
}

static int
no_secret(struct provider_conn *c, const char *path, struct err *err)
{
	err_set(err, ERR_NOTFOUND, PROVIDER_NO_SECRET);
	return (odd(c, path, 404, ""));
}

/* client.readSecret: the map of the secret's fields. */
static int
read_secret(struct provider_conn *c, const struct remote_ref *ref,
    struct doc *ret, struct err *err)
{
	cleanup_free char *path = vault_data_path(c, ref->key);
	cleanup_buf struct buf query = BUF_PLAIN(1024);
	struct vault_answer a;

	if (ref->version[0] != '\0') {
		buf_adds(&query, "version=");
		codec_query_escape(&query, ref->version,
		    strlen(ref->version));
		if (buf_finish(&query, "the version", err) == -1)
			return (-1);
	}
	if (read_answer(c, path, buf_str(&query), &a, err) == -1)
		return (-1);
	if (!a.exists || (c->v1 && a.data.type == DOC_NONE))
		return (no_secret(c, path, err));
	if (c->v1) {
		*ret = a.data;
		return (0);
	}
	if (vault_parse_kv2(&a, ret, err) == -1)
		return (odd(c, path, a.status, err_msg(err)));
	return (0);
}

/* client.readSecretMetadata, as one JSON object; empty when there is none. */
static int
read_metadata(struct provider_conn *c, const char *key, struct buf *out,
    struct err *err)
{
	cleanup_free char *path = vault_metadata_path(c, key, err);
	struct vault_answer a;

	if (path == NULL || read_answer(c, path, "", &a, err) == -1)
		return (-1);
	if (!a.exists) {
		err_set(err, ERR_NOTFOUND, "secret not found");
		return (odd(c, path, 404, ""));
	}
	vault_parse_metadata(&a, !c->v1, out);
	return (buf_finish(out, "the metadata", err));
}

static int
get_metadata(struct provider_conn *c, const struct remote_ref *ref,
    struct buf *out, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(VALUE_MAX);
	struct doc d;

	if (c->v1)
		return (err_set(err, ERR_INVALID, "cannot perform metadata "
		    "fetch operations with kv version v1"));
	if (read_metadata(c, ref->key, &text, err) == -1)
		return (-1);
	if (text.len == 0)
		return (0);
	if (doc_parse(text.data, text.len, &d, err) == -1)
		return (-1);
	return (vault_parse_property(&d, ref->property, out, err));
}

static int
get_text(struct provider_conn *c, const struct remote_ref *ref,
    struct buf *out, struct err *err)
{
	struct doc data;

	if (str_eq(ref->metadata_policy, "Fetch"))
		return (get_metadata(c, ref, out, err));
	if (read_secret(c, ref, &data, err) == -1)
		return (-1);
	if (vault_parse_property(&data, ref->property, out, err) == 0)
		return (0);
	provider_ours(c->env, "%s: %.256s: %.256s", c->dialect->name, ref->key,
	    err_msg(err));
	return (-1);
}

int
vault_get(struct provider_conn *c, const struct remote_ref *ref,
    struct secret **ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(VALUE_MAX);

	begin(c);
	if (get_text(c, ref, &out, err) == -1)
		return (-1);
	*ret = secret_from_buf(&out);
	return (0);
}

int
vault_get_map(struct provider_conn *c, const struct remote_ref *ref,
    struct kv *ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(VALUE_MAX);

	begin(c);
	if (get_text(c, ref, &out, err) == -1)
		return (-1);
	return (value_extract(buf_str(&out), out.len, DOC_GET_BYTE_VALUE,
	    ret, err));
}

/* --- find (client_get_all_secrets.go) ------------------------------------ */

/* The names below a path, folders followed, as find sees them. */
struct listing {
	struct provider_conn *c;
	const char *path;	/* of this folder: "" or ends with a slash */
	int depth;
	struct strmap *names;	/* in the order of the answers */
	unsigned *lists;
};

static int list_folder(struct listing *l, struct err *err);

static int
on_name(void *arg, const char *name, struct err *err)
{
	struct listing *l = arg;
	cleanup_free char *full = str_fmt("%s%s", l->path, name);
	struct listing below = { l->c, full, l->depth + 1, l->names,
	    l->lists };

	if (full[strlen(full) - 1] == '/')
		return (list_folder(&below, err));
	if (strmap_len(l->names) >= NAMES_MAX)
		return (err_set(err, ERR_LIMIT, "find: more than %d secrets: "
		    "narrow it with find.path", NAMES_MAX));
	strmap_put(l->names, full, NULL);
	return (0);
}

static int
list_folder(struct listing *l, struct err *err)
{
	cleanup_free char *path = NULL;
	cleanup_secret struct secret *body = NULL;
	const struct vault_read *r;
	struct vault_answer a;

	if (l->depth > FOLDERS_DEEP_MAX || ++*l->lists > LISTS_MAX)
		return (err_set(err, ERR_LIMIT, "find: more than %d folders, "
		    "or more than %d in one another: narrow it with find.path",
		    LISTS_MAX, FOLDERS_DEEP_MAX));
	path = vault_metadata_path(l->c, l->path, err);
	if (path == NULL)
		return (-1);
	if (vault_fetch(l->c, path, "list=true", &r, err) == -1)
		return (err_wrap(err, READ_PHRASE));
	/* A copy: what is remembered may go while folders are read. */
	body = secret_new(secret_data(r->body), secret_len(r->body));
	if (vault_parse_answer(r->status, (const char *)secret_data(body),
	    secret_len(body), &a, err) == -1) {
		odd(l->c, path, r->status, err_msg(err));
		return (err_wrap(err, READ_PHRASE));
	}
	if (!a.exists)
		return (no_secret(l->c, path, err));
	return (vault_parse_keys(&a, on_name, l, err));
}

/* The whole secret into the result; one that is gone is passed over. */
static int
take(struct provider_conn *c, const char *name, struct kv *ret,
    struct err *err)
{
	char empty[1] = "", *key = str_dup(name);
	struct remote_ref ref = { .key = key, .property = empty,
	    .version = empty, .metadata_policy = empty };
	cleanup_buf struct buf out = BUF_SECRET(VALUE_MAX);
	struct err own = ERR_INIT;
	int r = get_text(c, &ref, &out, &own);

	free(key);
	if (r == -1 && own.kind == ERR_NOTFOUND &&
	    strcmp(err_msg(&own), PROVIDER_NO_SECRET) == 0) {
		err_clear(&own);
		return (0);
	}
	if (r == -1)
		return (err_move(err, &own));
	kv_put(ret, name, secret_from_buf(&out));
	return (0);
}

static int
tags_match(struct provider_conn *c, const char *name,
    const struct strmap *tags, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(VALUE_MAX);
	struct doc d = { DOC_NONE, NULL, 0 }, v;

	if (read_metadata(c, name, &text, err) == -1)
		return (-1);
	if (text.len > 0 && doc_parse(text.data, text.len, &d, err) == -1)
		return (-1);
	if (tags == NULL)
		return (1);
	for (size_t i = strmap_next(tags, 0); i != 0;
	    i = strmap_next(tags, i)) {
		cleanup_buf struct buf have = BUF_SECRET(VALUE_MAX);
		const char *key = strmap_key(tags, i);

		if (d.type != DOC_OBJECT ||
		    !doc_member(&d, key, strlen(key), &v))
			return (0);
		doc_string(&v, &have);
		if (strcmp(buf_str(&have), strmap_val(tags, i)) != 0)
			return (0);
	}
	return (1);
}

/* By name, or by tags when find has no name. */
static int
select_names(struct provider_conn *c, const struct find_ref *ref,
    const struct strmap *names, const struct regex *re, struct kv *ret,
    struct err *err)
{
	int m;

	for (size_t i = strmap_next(names, 0); i != 0;
	    i = strmap_next(names, i)) {
		const char *name = strmap_key(names, i);

		m = re != NULL ? regex_match(re, name, strlen(name)) :
		    tags_match(c, name, ref->tags, err);
		if (m == -1 || (m == 1 && take(c, name, ret, err) == -1))
			return (-1);
	}
	return (0);
}

int
vault_find(struct provider_conn *c, const struct find_ref *ref,
    struct kv *ret, struct err *err)
{
	cleanup_free char *path = ref->path != NULL ?
	    str_fmt("%s/", ref->path) : str_dup("");
	cleanup_strmap struct strmap *names = strmap_new(NULL);
	unsigned lists = 0;
	struct listing l = { c, path, 0, names, &lists };
	struct regex *re = NULL;
	int r;

	begin(c);
	if (c->v1 && ref->tags != NULL)
		return (err_set(err, ERR_INVALID, "cannot perform find by tag "
		    "operations with kv version v1"));
	if (list_folder(&l, err) == -1)
		return (-1);
	if (ref->name_regexp != NULL && regex_new(ref->name_regexp,
	    strlen(ref->name_regexp), &re, err) == -1)
		return (err_wrap(err, "could not compile find.name.regexp "
		    "[%s]", ref->name_regexp));
	r = select_names(c, ref, names, re, ret, err);
	regex_free(re);
	return (r);
}
