/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/catalog.h"
#include "model/object.h"

#define REFS_MAX 1024
#define AUDIENCES_MAX 16

static const struct {
	const char *name;
	enum object_kind kind;
} kinds[] = {
	{ "ExternalSecret", OBJ_EXTERNAL_SECRET },
	{ "SecretStore", OBJ_SECRET_STORE },
	{ "ClusterSecretStore", OBJ_CLUSTER_SECRET_STORE },
	{ "HostProjection", OBJ_HOST_PROJECTION },
	{ "Secret", OBJ_SECRET },
	{ "ConfigMap", OBJ_CONFIG_MAP },
	{ "Namespace", OBJ_NAMESPACE },
	{ "ServiceAccount", OBJ_SERVICE_ACCOUNT },
};

static enum object_kind
kind_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(kinds[i].name, name))
			return (kinds[i].kind);
	return (OBJ_GENERATOR);
}

static void
audiences_parse(struct object_ref *r, const struct json *list)
{
	const struct json *j;

	r->audiences = mem_array(AUDIENCES_MAX, sizeof(*r->audiences));
	for (j = json_first(list); j && r->naudiences < AUDIENCES_MAX;
	    j = json_next(j))
		r->audiences[r->naudiences++] =
		    str_dup(str_or(json_str(j), ""));
}

static void
refs_parse(struct entry *e, const struct json *head)
{
	const struct json *list = json_get(head, "nodesealRefs"), *j;
	size_t n = json_len(list);
	struct object_ref *r;

	e->refs = mem_array(n < REFS_MAX ? n : REFS_MAX, sizeof(*e->refs));
	for (j = json_first(list); j && e->nrefs < REFS_MAX;
	    j = json_next(j)) {
		r = &e->refs[e->nrefs++];
		r->kind = str_dup(str_or(json_str(json_get(j, "kind")), ""));
		r->ns = str_dup(str_or(json_str(json_get(j, "namespace")), ""));
		r->name = str_dup(str_or(json_str(json_get(j, "name")), ""));
		if (json_get(j, "audiences"))
			audiences_parse(r, json_get(j, "audiences"));
	}
}

static int
spec_parse(struct entry *e, const struct json *head, struct err *err)
{
	switch (e->kind) {
	case OBJ_EXTERNAL_SECRET:
		return (es_parse(head, e->ns, &e->es, NULL, err));
	case OBJ_SECRET_STORE:
	case OBJ_CLUSTER_SECRET_STORE:
		return (store_parse(head, e->ns, &e->store, NULL, err));
	case OBJ_HOST_PROJECTION:
		return (hp_parse(head, e->ns, &e->hp, NULL, err));
	default:
		return (0);
	}
}

/* A head that does not parse makes the object unusable, not the file: it is
 * kept, with the reason, so that status and conditions can name it. */
static int
head_parse(struct entry *e, const char *text, struct err *err)
{
	cleanup_json struct json *head = json_parse(text, strlen(text), err);
	cleanup_err struct err why = ERR_INIT;

	if (!head)
		return (err_wrap(err, "head of %s", e->key));
	e->host = str_dup(str_or(json_str(json_get(head, "nodesealHost")),
	    ""));
	refs_parse(e, head);
	if (*e->rejected)
		return (0);
	if (spec_parse(e, head, &why) == -1) {
		free(e->rejected);
		e->rejected = str_dup(err_msg(&why));
	}
	return (0);
}

/* The kind is part of the name: a Secret's record is no ConfigMap's. */
static struct record_header
body_header(const struct entry *e)
{
	return ((struct record_header){ .kind = RECORD_BODY, .ns = e->ns,
	    .name = e->name, .uid = e->kind_name, .source = "live" });
}

static int
body_take(struct keys *k, struct keys_stream *from, struct entry *e,
    const struct job_object *m, const struct entry *old, struct err *err)
{
	struct record_header h = body_header(e);
	int changed;

	if (keys_take(k, from, &h, m->body, m->body_len,
	    old ? old->hash : NULL, NULL, NULL, &e->body, &changed, err) == -1)
		return (err_wrap(err, "%s", e->key));
	memcpy(e->hash, h.hash, sizeof(e->hash));
	if (!changed && old) {
		e->body.data = mem_dup(old->body.data, old->body.len);
		e->body.len = old->body.len;
	}
	return (0);
}

static struct entry *
entry_make(const char *kind_name, const char *ns, const char *name,
    const char *rejected)
{
	struct entry *e = mem_alloc(sizeof(*e));

	e->kind_name = str_dup(kind_name);
	e->ns = str_dup(ns);
	e->name = str_dup(name);
	e->key = object_key(kind_name, ns, name);
	e->kind = kind_of(kind_name);
	e->rejected = str_dup(str_or(rejected, ""));
	return (e);
}

int
entry_restore(const char *kind_name, const char *ns, const char *name,
    const char *head, const char *rejected, struct record *body,
    struct entry **ret, struct err *err)
{
	struct entry *e = entry_make(kind_name, ns, name, rejected);
	struct record_header h;

	if (head_parse(e, head, err) == -1 ||
	    record_head(body, &h, err) == -1) {
		entry_free(e);
		return (-1);
	}
	memcpy(e->hash, h.hash, sizeof(e->hash));
	record_header_clear(&h);
	e->head = str_dup(head);
	e->body = *body;
	*body = (struct record){ NULL, 0 };
	*ret = e;
	return (0);
}

/* No secret is in a head: what tells two of them apart needs no key. */
int
entry_bundled(const char *kind, const char *ns, const char *name,
    const char *head, struct entry **ret, struct err *err)
{
	static const uint8_t no_key[RECORD_KEY_LEN];
	struct entry *e = entry_make(kind, ns, name, NULL);

	e->bundled = 1;
	record_hash(no_key, (const uint8_t *)head, strlen(head), e->hash);
	if (head_parse(e, head, err) == -1) {
		entry_free(e);
		return (-1);
	}
	*ret = e;
	return (0);
}

int
entry_new(struct keys *k, struct keys_stream *from,
    const struct job_object *m, const struct entry *old, struct entry **ret,
    struct err *err)
{
	struct entry *e = entry_make(m->kind, m->ns, m->name, m->rejected);

	if (head_parse(e, m->head, err) == -1 ||
	    body_take(k, from, e, m, old, err) == -1) {
		entry_free(e);
		return (-1);
	}
	*ret = e;
	return (0);
}

void
entry_free(struct entry *e)
{
	struct object_ref *r;
	size_t i;

	if (!e)
		return;
	for (i = 0; i < e->nrefs; i++) {
		r = &e->refs[i];
		while (r->naudiences)
			free(r->audiences[--r->naudiences]);
		free(r->audiences);
		free(e->refs[i].kind);
		free(e->refs[i].ns);
		free(e->refs[i].name);
	}
	free(e->refs);
	es_free(e->es);
	store_free(e->store);
	hp_free(e->hp);
	record_clear(&e->body);
	free(e->rejected);
	free(e->head);
	free(e->host);
	free(e->key);
	free(e->kind_name);
	free(e->ns);
	free(e->name);
	free(e);
}

int
entry_open(struct keys *k, const struct entry *e, const uint8_t **ret_plain,
    size_t *ret_len, struct err *err)
{
	struct record_header h = body_header(e);

	if (e->bundled)
		return (err_set(err, ERR_NOTFOUND, "%s: it came in a bundle, "
		    "without its settings", e->key));
	if (keys_open(k, &e->body, &h, ret_plain, ret_len, err) == -1)
		return (err_wrap(err, "%s", e->key));
	return (0);
}
