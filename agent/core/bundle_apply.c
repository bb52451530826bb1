/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/bundle.h"
#include "core/state.h"

/* No bundle lives longer: what is older revokes nothing that could come. */
#define TOMB_LIFE_MS (2 * BUNDLE_VALID_MAX_MS)

struct staged_value {
	char *ns, *name;
	struct content *content;	/* NULL: kept */
	int64_t fetched_at;
};

/* All of a bundle, before any of it counts. */
struct stage {
	struct bundles *b;
	struct bundle_issuer *from;
	const struct bundle_head *head;
	char *source;			/* of its records */
	struct bundle_object *objects;
	size_t nobjects;
	struct staged_value *values;
	size_t nvalues, nkept;
	struct strmap *named;		/* "ns/name" of all values */
	struct bundle_tomb *revokes;
	size_t nrevokes;
};

static void
object_clear(struct bundle_object *o)
{
	free(o->kind);
	free(o->ns);
	free(o->name);
	free(o->head);
}

void
bundle_objects_clear(struct bundle_issuer *i)
{
	while (i->nobjects)
		object_clear(&i->objects[--i->nobjects]);
	free(STEAL(i->objects));
}

static void
stage_clear(struct stage *s)
{
	while (s->nobjects)
		object_clear(&s->objects[--s->nobjects]);
	while (s->nvalues--) {
		content_unref(s->values[s->nvalues].content);
		free(s->values[s->nvalues].ns);
		free(s->values[s->nvalues].name);
	}
	while (s->nrevokes--) {
		free(s->revokes[s->nrevokes].ns);
		free(s->revokes[s->nrevokes].name);
	}
	free(s->objects);
	free(s->values);
	free(s->revokes);
	strmap_free(s->named);
	free(s->source);
}

/* --- from messages to the stage ----------------------------------------- */

static int
stage_object(struct stage *s, struct bundle_message *m, struct err *err)
{
	struct entry *e;

	/* It must read now; it is read again when it counts. */
	if (entry_bundled(m->kind, m->ns, m->name, m->head, &e, err) == -1)
		return (-1);
	entry_free(e);
	s->objects = mem_grow(s->objects, s->nobjects + 1,
	    sizeof(*s->objects));
	s->objects[s->nobjects++] = (struct bundle_object){ STEAL(m->kind),
		STEAL(m->ns), STEAL(m->name), STEAL(m->head) };
	return (0);
}

/* ${m}'s data lies in the arena, and is gone afterwards. */
static int
stage_value(struct stage *s, struct bundle_message *m, struct err *err)
{
	cleanup_free char *key = str_fmt("%s/%s", m->ns, m->name);
	struct core *c = s->b->core;
	const struct item *item = strmap_get(c->items, key);
	struct cache_origin o = { .ns = m->ns, .name = m->name,
		.fetched_at = m->fetched_at, .source = s->source };
	struct content *content = NULL;

	if (strmap_has(s->named, key))
		return (err_set(err, ERR_TAMPER, "content: two values of one "
		    "name: no issuer writes this"));
	strmap_put(s->named, key, NULL);
	if (m->type == BUNDLE_VALUE && cache_make(&c->cache, &o, item &&
	    item->content ? item->content->generation + 1 : 1, m->data,
	    m->len, &content, err) == -1)
		return (err_wrap(err, "content"));
	s->values = mem_grow(s->values, s->nvalues + 1, sizeof(*s->values));
	s->values[s->nvalues++] = (struct staged_value){ STEAL(m->ns),
		STEAL(m->name), content, m->fetched_at };
	s->nkept += m->type == BUNDLE_KEEP;
	return (0);
}

static int
stage_message(struct stage *s, struct bundle_message *m, struct err *err)
{
	if (m->type == BUNDLE_OBJECT)
		return (stage_object(s, m, err));
	if (m->type != BUNDLE_REVOKE)
		return (stage_value(s, m, err));
	s->revokes = mem_grow(s->revokes, s->nrevokes + 1,
	    sizeof(*s->revokes));
	s->revokes[s->nrevokes++] = (struct bundle_tomb){ STEAL(m->ns),
		STEAL(m->name), s->head->issued_at };
	return (0);
}

static int
unbox(void *arg, const void *box, size_t len, uint8_t *out, struct err *err)
{
	return (state_unbox(arg, box, len, out, err));
}

static int
stage_fill(struct stage *s, const struct bundle *bundle, struct err *err)
{
	struct core *c = s->b->core;
	struct bundle_reader *r = keys_reader(c->keys);
	uint8_t node[BUNDLE_KEY_LEN];
	struct bundle_message m;
	int rc;

	if (state_node_key(c, node, err) == -1 ||
	    bundle_open(bundle, r, node, unbox, c, err) == -1)
		return (-1);
	while ((rc = bundle_next(bundle, r, keys_room(c->keys,
	    BUNDLE_MESSAGE_MAX), BUNDLE_MESSAGE_MAX, &m, err)) == 1) {
		rc = stage_message(s, &m, err);
		bundle_message_clear(&m);
		if (rc == -1)
			break;
	}
	keys_close(c->keys);
	bundle_reader_end(r);
	return (rc);
}

/* --- what counts from now on -------------------------------------------- */

void
bundle_catalog(struct bundles *b, struct bundle_issuer *i)
{
	cleanup_free struct entry **v = mem_array(i->nobjects,
	    sizeof(struct entry *));
	size_t k, n = 0;

	for (k = 0; k < i->nobjects; k++)
		n += entry_bundled(i->objects[k].kind, i->objects[k].ns,
		    i->objects[k].name, i->objects[k].head, &v[n], NULL) == 0;
	catalog_replace(b->core->catalog, i->origin, v, n);
}

void
bundle_tomb_put(struct bundles *b, const char *ns, const char *name,
    int64_t at)
{
	cleanup_free char *key = str_fmt("%s/%s", ns, name);
	struct bundle_tomb *t;

	if (strmap_len(b->tombs) >= BUNDLE_TOMBS_MAX)
		return;
	t = mem_alloc(sizeof(*t));
	t->ns = str_dup(ns);
	t->name = str_dup(name);
	t->at = at;
	strmap_put(b->tombs, key, t);
}

static void
tombs_prune(struct bundles *b)
{
	int64_t now = state_clock(b->core);
	const struct bundle_tomb *t;
	size_t i;

	for (i = strmap_next(b->tombs, 0); i; i = strmap_next(b->tombs, i)) {
		t = strmap_val(b->tombs, i);
		if (t->at < now - TOMB_LIFE_MS) {
			cleanup_free char *key = str_dup(strmap_key(b->tombs,
			    i));

			strmap_del(b->tombs, key);
		}
	}
}

void
bundle_serve(struct bundles *b, struct item *item, struct bundle_issuer *i,
    int64_t fetched_at)
{
	struct core *c = b->core;
	const struct entry *e = sync_entry(c, item);
	cleanup_buf struct buf until = BUF_PLAIN(64);
	cleanup_free char *text = NULL;

	time_rfc3339(&until, i->not_after);
	text = str_fmt("served from bundle %s until %s", i->last_hex,
	    buf_str(&until));
	item->origin = ITEM_FROM_BUNDLE;
	item->outcome = JOB_READY;
	item->err_kind = ERR_NONE;
	item->failing = item->said_stale = 0;
	item->failures = item->denied = 0;
	item->gone = ITEM_HELD;
	item->synced_at = fetched_at;
	item->synced_boot = schedule_now(c->schedule) -
	    (state_clock(c) - fetched_at);
	free(item->version);
	item->version = e && e->es ? es_synced_version(e->es) : str_dup("");
	item_say(item, "ServedFromBundle", text, NULL);
	sync_bundled(c, item, i);
}

static void
settle(struct core *c, struct item *item)
{
	age_settle(c, item);
	core_report(c, item);
	sync_schedule(c, item);
	deliver_news(c, item);
}

static void
withdraw(struct core *c, struct item *item, const char *why)
{
	log_warn("ExternalSecret %s: %s: its value and its files go",
	    item->key, why);
	cache_drop(&c->cache, &item->content);
	item->gone = ITEM_WITHDRAWN;
	item->origin = ITEM_FROM_STORE;
	item->synced_at = 0;
	item->outcome = 0;
	free(STEAL(item->version));
	item_say(item, "SecretSyncedError", "could not get secret data from "
	    "provider", why);
	sync_bundled(c, item, NULL);
	settle(c, item);
}

/* All that he has brought, but what ${but} (may be NULL) names. */
static void
withdraw_all(struct core *c, const struct bundle_issuer *i,
    const struct strmap *but, const char *why)
{
	struct item *item;
	size_t k;

	for (k = strmap_next(c->items, 0); k; k = strmap_next(c->items, k)) {
		item = strmap_val(c->items, k);
		if (item->origin == ITEM_FROM_BUNDLE && item->issuer == i &&
		    !(but && strmap_has(but, item->key)))
			withdraw(c, item, why);
	}
}

/* Of two values of one name the later one stays. */
static int
is_newer(const struct stage *s, const struct staged_value *v,
    const struct item *item)
{
	cleanup_free char *key = str_fmt("%s/%s", v->ns, v->name);
	const struct bundle_tomb *t = strmap_get(s->b->tombs, key);

	if (t && t->at >= s->head->issued_at &&
	    t->at > v->fetched_at)
		return (0);
	if (!item->content || item->issuer == s->from)
		return (1);
	return (v->fetched_at > item->synced_at);
}

static void
value_apply(struct stage *s, struct staged_value *v)
{
	struct core *c = s->b->core;
	struct item *item = sync_restored(c, v->ns, v->name);

	if (!v->content) {
		/* Kept: its age stays, its end moves. */
		if (item->issuer == s->from && item->content)
			bundle_serve(s->b, item, s->from, item->synced_at);
		else if (!item->content)
			item_say(item, "SecretSyncedError", "could not get "
			    "secret data from provider", "its bundle keeps a "
			    "value that this node has not: import a full one");
	} else if (is_newer(s, v, item)) {
		cache_adopt(&c->cache, &item->content, STEAL(v->content));
		bundle_serve(s->b, item, s->from, v->fetched_at);
	} else
		log_info("ExternalSecret %s: what the bundle has of it is "
		    "older, the newer stays", item->key);
	settle(c, item);
}

static void
trust_apply(struct bundles *b, const struct bundle_head *h)
{
	uint8_t id[BUNDLE_ID_LEN];
	struct bundle_issuer *i;
	size_t k;

	for (k = 0; k < h->nissuers; k++) {
		bundle_key_id(h->issuers + k * BUNDLE_KEY_LEN, id);
		i = bundle_issuer_put(b, id);
		memcpy(i->key, h->issuers + k * BUNDLE_KEY_LEN,
		    BUNDLE_KEY_LEN);
		i->known = 1;
		log_info("bundles: issuer %s is trusted from now on", i->hex);
	}
	for (k = 0; k < h->nrevoked_issuers; k++) {
		i = bundle_issuer_put(b, h->revoked_issuers +
		    k * BUNDLE_ID_LEN);
		i->revoked = 1;
		log_warn("bundles: issuer %s is revoked", i->hex);
		bundle_objects_clear(i);
		bundle_catalog(b, i);
	}
	for (k = 0; k < h->nrevoked; k++) {
		char hex[BUNDLE_HEX_LEN];

		bundle_hex(h->revoked + k * BUNDLE_ID_LEN, hex);
		bundle_tomb_put(b, "", hex, h->issued_at);
	}
}

/* Whose last bundle is no longer to be believed loses his values. */
static void
revoked_apply(struct bundles *b)
{
	struct bundle_issuer *i;
	size_t k;

	for (k = 0; k < b->n; k++) {
		i = b->v[k];
		cleanup_free char *key = str_fmt("/%s", i->last_hex);

		if (i->revoked)
			withdraw_all(b->core, i, NULL, "its bundle's issuer "
			    "was revoked");
		else if (i->sequence && strmap_has(b->tombs, key))
			withdraw_all(b->core, i, NULL, "its bundle was "
			    "revoked");
	}
}

static void
names_revoke(struct stage *s)
{
	struct item *item;
	size_t k;

	for (k = 0; k < s->nrevokes; k++) {
		bundle_tomb_put(s->b, s->revokes[k].ns, s->revokes[k].name,
		    s->revokes[k].at);
		item = sync_item(s->b->core, s->revokes[k].ns,
		    s->revokes[k].name);
		if (item && item->content)
			withdraw(s->b->core, item, "it was revoked by a "
			    "bundle");
	}
}

static void
issuer_apply(struct stage *s)
{
	struct bundle_issuer *i = s->from;

	memcpy(i->last, s->head->id, BUNDLE_ID_LEN);
	bundle_hex(i->last, i->last_hex);
	i->sequence = s->head->sequence;
	i->issued_at = s->head->issued_at;
	i->not_after = s->head->not_after;
	i->fresh = 1;
	bundle_objects_clear(i);
	i->objects = STEAL(s->objects);
	i->nobjects = s->nobjects;
	s->nobjects = 0;
}

static void
commit(struct stage *s)
{
	struct core *c = s->b->core;
	size_t i;

	tombs_prune(s->b);
	issuer_apply(s);
	trust_apply(s->b, s->head);
	if (!s->from->revoked)
		bundle_catalog(s->b, s->from);
	withdraw_all(c, s->from, s->named, "the newest bundle does not hold "
	    "it any more");
	names_revoke(s);
	for (i = 0; i < s->nvalues && !s->from->revoked; i++)
		value_apply(s, &s->values[i]);
	revoked_apply(s->b);
	sync_commit(c);
	state_touch(c);
}

int
bundle_apply(struct bundles *b, const struct bundle *bundle,
    struct bundle_issuer *from, char **ret_text, struct err *err)
{
	const struct bundle_head *h = &bundle->head;
	struct stage s = { .b = b, .from = from, .head = h,
		.source = str_fmt(BUNDLE_SOURCE "%s", from->hex),
		.named = strmap_new(NULL) };
	cleanup_buf struct buf until = BUF_PLAIN(64);
	char hex[BUNDLE_HEX_LEN];
	int rc = stage_fill(&s, bundle, err);

	if (rc == 0) {
		bundle_hex(h->id, hex);
		time_rfc3339(&until, h->not_after);
		*ret_text = str_fmt("imported %s bundle %s of issuer %s, "
		    "sequence %llu: %zu objects, %zu values, %zu kept, valid "
		    "until %s", bundle_mode_name(h->mode), hex, from->hex,
		    (unsigned long long)h->sequence, s.nobjects,
		    s.nvalues - s.nkept, s.nkept, buf_str(&until));
		commit(&s);
		log_info("bundles: %s", *ret_text);
	}
	stage_clear(&s);
	return (rc);
}
