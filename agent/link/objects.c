/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/keccak.h"
#include "base/mem.h"
#include "link/link.h"
#include "link/watch.h"

#define TEXT_MAX (LINK_OBJECTS_MAX)
#define HALF (WATCH_KNOWN / 2)

struct objects {
	struct link *l;
	const struct kube_resource *resource;
	char *ns;
	char *key;		/* of its problem */
	int optional;
	int told;		/* LINK_LISTED */
	struct watch *watch;
};

static void
digest(const struct buf *text, uint8_t out[static SHA3_224_LEN])
{
	struct sha3_224 h;

	sha3_224_init(&h);
	sha3_224_update(&h, text->data, text->len);
	sha3_224_final(&h, out);
}

/* Nonzero when ${text} is not what it was; zeros are nothing yet. */
static int
changed(const struct buf *text, uint8_t known[static HALF])
{
	uint8_t now[SHA3_224_LEN];

	digest(text, now);
#ifndef WEAKEN_LINK_UNCHANGED
	if (memcmp(known, now, HALF) == 0)
		return (0);
#endif
	memcpy(known, now, HALF);
	return (1);
}

/* --- what is in a status -------------------------------------------------- */

static uint8_t
ready_of(const struct json *conditions)
{
	const struct json *c;

	for (c = json_first(conditions); c != NULL; c = json_next(c))
		if (str_eq(json_str(json_get(c, "type")), "Ready"))
			return (str_eq(json_str(json_get(c, "status")),
			    "True") ? 1 : 0);
	return (2);
}

static void
lease(struct objects *o, const struct json *status, const struct json *obj,
    uint8_t known[static HALF])
{
	const struct json *conditions = json_get(status, "conditions");
	cleanup_buf struct buf text = BUF_PLAIN(LINK_STATUS_MAX);
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);
	const char *at = json_str(json_get(status, "refreshTime"));
	struct link_lease m = { .ready = ready_of(conditions) };
	int64_t ms;

	if (json_is(conditions, JSON_ARRAY))
		json_print(conditions, &text, 0);
	m.ns = str_dup(o->ns);
	m.name = str_dup(json_str(json_path(obj, "metadata.name")));
	m.uid = str_dup(json_str(json_path(obj, "metadata.uid")));
	m.synced_version = str_dup(json_str(json_get(status,
	    "syncedResourceVersion")));
	m.binding = str_dup(json_str(json_path(status, "binding.name")));
	m.conditions = str_dup(buf_ok(&text) && text.len > 0 ? text.data :
	    "[]");
	if (at != NULL && time_parse_rfc3339(at, &ms) == 0)
		m.refreshed_at = ms;
	link_lease_write(&m, &body);
	if (changed(&body, known))
		outbox_lease(o->l->out, &m);
	link_lease_clear(&m);
}

/* --- what an object asks for ---------------------------------------------- */

/* spec.data[], spec.dataFrom[]: sourceRef.generatorRef.kind */
static void
generators(struct objects *o, const struct json *list)
{
	const struct json *e;

	for (e = json_first(list); e != NULL; e = json_next(e)) {
		const char *kind = json_str(json_path(e,
		    "sourceRef.generatorRef.kind"));

		if (kind != NULL)
			scopes_generator(o->l->scopes, o->ns, kind);
	}
}

static int
asks_for_labels(const struct json *conditions)
{
	const struct json *c;

	for (c = json_first(conditions); c != NULL; c = json_next(c))
		if (json_get(c, "namespaceSelector") != NULL)
			return (1);
	return (0);
}

static int
is_store(const char *kind)
{
	return (str_eq(kind, "SecretStore") ||
	    str_eq(kind, "ClusterSecretStore"));
}

/* --- from the watch ------------------------------------------------------- */

/* A status that is written, and who wrote what when, change no object. */
static void
strip(struct objects *o, struct json *obj)
{
	cleanup_free char *version = o->resource->group[0] == '\0' ?
	    str_dup(o->resource->version) : str_fmt("%s/%s",
	    o->resource->group, o->resource->version);
	struct json *meta = json_get(obj, "metadata");

	/* Items of a list do not say what they are. */
	json_set_str(obj, "apiVersion", version);
	json_set_str(obj, "kind", o->resource->kind);
	json_set(obj, "status", NULL);
	json_set(meta, "managedFields", NULL);
	json_set(meta, "resourceVersion", NULL);
}

static void
on_object(void *arg, struct json *obj, const char *ns, const char *name,
    uint8_t known[static WATCH_KNOWN])
{
	struct objects *o = arg;
	cleanup_json struct json *status = json_take(obj, "status");
	cleanup_buf struct buf text = BUF_PLAIN(TEXT_MAX);
	const char *kind = o->resource->kind;
	int es = str_eq(kind, "ExternalSecret");

	(void)ns;
	strip(o, obj);
	json_print(obj, &text, 0);
	if (changed(&text, known)) {
		outbox_object(o->l->out, kind, o->ns, buf_str(&text),
		    text.len);
		if (es) {
			generators(o, json_path(obj, "spec.data"));
			generators(o, json_path(obj, "spec.dataFrom"));
		}
		if (str_eq(kind, "ClusterSecretStore") &&
		    asks_for_labels(json_path(obj, "spec.conditions")))
			scopes_namespaces(o->l->scopes);
	}
	if (es)
		lease(o, status, obj, known + HALF);
	else if (is_store(kind))
		reports_seen(o->l->reports, kind, o->ns, name, status);
}

static void
on_gone(void *arg, const char *ns, const char *name)
{
	struct objects *o = arg;

	if (is_store(o->resource->kind))
		reports_seen(o->l->reports, o->resource->kind, o->ns, name,
		    NULL);
	outbox_name(o->l->out, LINK_GONE, o->resource->kind,
	    o->ns[0] == '\0' ? ns : o->ns, name);
}

static void
told(struct objects *o)
{
	if (o->told)
		return;
	o->told = 1;
	outbox_name(o->l->out, LINK_LISTED, o->resource->kind, o->ns, NULL);
	link_listed(o->l);
}

static void
on_listed(void *arg)
{
	told(arg);
}

static void
on_problem(void *arg, const struct err *err)
{
	struct objects *o = arg;
	cleanup_free char *text = NULL;

	if (err == NULL) {
		outbox_problem(o->l->out, o->key, NULL);
		return;
	}
	if (err->kind == ERR_NOTFOUND)
		text = str_fmt("there is no kind %s in %s: install its "
		    "CustomResourceDefinition (crds/)", o->resource->kind,
		    o->resource->group);
	outbox_problem(o->l->out, o->key, text != NULL ? text : err_msg(err));
	if (o->optional && (err->kind == ERR_NOTFOUND ||
	    err->kind == ERR_DENIED))
		told(o);
}

static const struct watch_handlers handlers = { on_object, on_gone, on_listed,
	on_problem };

struct objects *
objects_new(struct link *l, const char *kind, const char *ns, int optional)
{
	struct objects *o = mem_alloc(sizeof(*o));
	struct watch_spec spec = { .ns = ns };

	o->l = l;
	o->resource = kube_resource_find(kind);
	o->ns = str_dup(ns);
	o->key = str_fmt("objects/%s/%s", kind, ns);
	o->optional = optional;
	spec.resource = o->resource;
	outbox_name(l->out, LINK_RELIST, kind, ns, NULL);
	o->watch = watch_new(l->loop, l->api, &spec, &handlers, o);
	return (o);
}

void
objects_free(struct objects *o)
{
	if (o == NULL)
		return;
	watch_free(o->watch);
	outbox_problem(o->l->out, o->key, NULL);
	outbox_name(o->l->out, LINK_UNWATCHED, o->resource->kind, o->ns,
	    NULL);
	free(o->ns);
	free(o->key);
	free(o);
}

int
objects_ready(const struct objects *o)
{
	return (o->told);
}
