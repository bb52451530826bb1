/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/keccak.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "link/link.h"
#include "link/watch.h"

#define MANAGED "nodeseal.dev/managed"
#define HASH "reconcile.external-secrets.io/data-hash"

/*
 * Of a Secret we never ask for more than its metadata: the Accept header says
 * so (KUBE_ACCEPT_META), and link has no right to a value to begin with in most
 * tiers.  Where a tier gives no list, core does without: no problem is told.
 */
struct meta {
	struct metas *m;
	const struct kube_resource *resource;
	char *ns, *name;	/* "" : all that are managed */
	struct watch *watch;
};

struct metas {
	struct link *l;
	struct strmap *by_key;
};

/* metadata.labels and annotations have dots and slashes in their keys. */
static const char *
entry(const struct json *o, const char *map, const char *key)
{
	return (json_str(json_get(json_get(json_get(o, "metadata"), map),
	    key)));
}

static const char *
controller_of(const struct json *o)
{
	const struct json *r = json_first(json_path(o,
	    "metadata.ownerReferences"));

	for (; r != NULL; r = json_next(r))
		if (json_bool(json_get(r, "controller"), 0))
			return (json_str(json_get(r, "uid")));
	return (NULL);
}

static void
tell(struct meta *w, const struct json *o, const char *name,
    uint8_t known[static WATCH_KNOWN])
{
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);
	struct link_meta m = { .exists = o != NULL };
	uint8_t now[SHA3_224_LEN];
	struct sha3_224 h;

	m.kind = str_dup(w->resource->kind);
	m.ns = str_dup(w->ns);
	m.name = str_dup(name);
	m.uid = str_dup(json_str(json_path(o, "metadata.uid")));
	m.version = str_dup(json_str(json_path(o,
	    "metadata.resourceVersion")));
	m.managed = entry(o, "labels", MANAGED) != NULL;
	m.hash = str_dup(entry(o, "annotations", HASH));
	m.owner_uid = str_dup(controller_of(o));
	link_meta_write(&m, &body);
	link_meta_clear(&m);
	sha3_224_init(&h);
	sha3_224_update(&h, body.data, body.len);
	sha3_224_final(&h, now);
	if (memcmp(known, now, WATCH_KNOWN) == 0)
		return;
	memcpy(known, now, WATCH_KNOWN);
	outbox_frame(w->m->l->out, LINK_META, &body);
}

static void
on_object(void *arg, struct json *o, const char *ns, const char *name,
    uint8_t known[static WATCH_KNOWN])
{
	(void)ns;
	tell(arg, o, name, known);
}

static void
on_gone(void *arg, const char *ns, const char *name)
{
	uint8_t unknown[WATCH_KNOWN] = { 0 };

	(void)ns;
	tell(arg, NULL, name, unknown);
}

/* What is not there is told, too: once, when it is asked for by name. */
static void
on_listed(void *arg)
{
	struct meta *w = arg;

	if (w->name[0] != '\0' && !watch_knows_any(w->watch))
		on_gone(w, w->ns, w->name);
}

static void
on_problem(void *arg, const struct err *err)
{
	const struct meta *w = arg;

	if (err != NULL)
		log_debug("%s %s/%s is not watched: %s", w->resource->kind,
		    w->ns, w->name, err_msg(err));
	outbox_name(w->m->l->out, LINK_UNWATCHED, w->resource->kind, w->ns,
	    w->name);
}

static const struct watch_handlers handlers = { on_object, on_gone, on_listed,
	on_problem };

static void
meta_free(void *p)
{
	struct meta *w = p;

	watch_free(w->watch);
	free(w->ns);
	free(w->name);
	free(w);
}

void
metas_want(struct metas *m, const char *kind, const char *ns,
    const char *name, int on)
{
	cleanup_free char *key = str_fmt("%s/%s/%s", kind, ns, name);
#ifdef WEAKEN_LINK_META
	struct watch_spec spec = { .ns = ns };
#else
	struct watch_spec spec = { .ns = ns, .meta = 1 };
#endif
	struct meta *w;

	if (!on) {
		strmap_del(m->by_key, key);
		return;
	}
	if (strmap_has(m->by_key, key) || (!str_eq(kind, "Secret") &&
	    !str_eq(kind, "ConfigMap")))
		return;
	w = mem_alloc(sizeof(*w));
	w->m = m;
	w->resource = spec.resource = kube_resource_find(kind);
	w->ns = str_dup(ns);
	w->name = str_dup(name);
	if (name[0] != '\0')
		spec.name = name;
	else
		spec.label_selector = MANAGED;
	strmap_put(m->by_key, key, w);
	w->watch = watch_new(m->l->loop, m->l->api, &spec, &handlers, w);
}

struct metas *
metas_new(struct link *l)
{
	struct metas *m = mem_alloc(sizeof(*m));

	m->l = l;
	m->by_key = strmap_new(meta_free);
	return (m);
}

void
metas_free(struct metas *m)
{
	if (m == NULL)
		return;
	strmap_free(m->by_key);
	free(m);
}
