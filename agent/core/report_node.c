/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/age.h"
#include "core/report_internal.h"
#include "core/state.h"
#include "core/status.h"

/*
 * The NodeSeal (crds/nodeseals.nodeseal.dev.yaml): the facts of status, in a
 * size that an API server may be asked to keep for every node.
 */
#define LIST_MAX 50
#define TEXT_MAX 512
#define SPACE_MS 10000
#define TIMES_MS (30 * 60 * 1000)

/* --- what fits ---------------------------------------------------------- */

/* Absent says the same as null, and every schema takes it; a message of
 * somebody else's making has an end. */
static void
trim(struct json *o)
{
	struct json *v, *next;

	for (v = json_first(o); v; v = next) {
		/* The key goes with the member. */
		cleanup_free char *key = str_dup(json_key(v));

		next = json_next(v);
		if (json_is(v, JSON_NULL))
			json_set(o, key, NULL);
		else if (json_is(v, JSON_STRING) &&
		    strlen(json_str(v)) > TEXT_MAX)
			json_set(o, key, json_new_strn(json_str(v),
			    report_cut(json_str(v), TEXT_MAX)));
	}
}

static struct json *
cut(struct json *list)
{
	struct json *out = json_new_array(), *v;
	size_t n = 0;

	for (v = json_first(list); v && n < LIST_MAX; v = json_next(v), n++)
		json_push(out, json_copy(v));
	json_free(list);
	return (out);
}

/* A list of a row: claims, externalSecrets. */
static void
cut_member(struct json *o, const char *key)
{
	struct json *list = json_take(o, key);

	if (list)
		json_set(o, key, cut(list));
}

static void
rows(struct json *o, const char *key, struct json *list, const char *inner)
{
	struct json *v;

	list = cut(list);
	for (v = json_first(list); v; v = json_next(v)) {
		trim(v);
		if (inner)
			cut_member(v, inner);
	}
	json_set(o, key, list);
}

/* --- ExternalSecrets ---------------------------------------------------- */

enum standing { FAILED, STALE, LIVE, PENDING, STANDINGS };

static enum standing
standing(const struct core *c, const struct item *item)
{
	if (age_stale(c, item))
		return (STALE);
	if (item_ready(item) || (item->content && !item->failing))
		return (LIVE);
	return (item->outcome ? FAILED : PENDING);
}

struct counts {
	size_t n[STANDINGS], all;
	int64_t oldest;
};

static void
count(const struct core *c, struct counts *k)
{
	const struct item *item;
	size_t i;

	for (i = strmap_next(c->items, 0); i;
	    i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (!item->claims.n)
			continue;
		k->all++;
		k->n[standing(c, item)]++;
		if (item->content && item->synced_at &&
		    (!k->oldest || item->synced_at < k->oldest))
			k->oldest = item->synced_at;
	}
}

static void
items_of(const struct core *c, const char *const *keys, size_t n,
    enum standing which, struct json *list)
{
	const struct item *item;
	size_t i;

	for (i = 0; i < n && json_len(list) < LIST_MAX; i++) {
		item = strmap_get(c->items, keys[i]);
		if (item->claims.n && standing(c, item) == which)
			json_push(list, status_item(c, item));
	}
}

/* Those that somebody should look at come first. */
static struct json *
items(const struct core *c)
{
	static const enum standing order[] = { FAILED, STALE, PENDING, LIVE };
	cleanup_free const char **keys = NULL;
	struct json *list = json_new_array();
	size_t i, n;

	keys = strmap_sorted(c->items, &n);
	for (i = 0; i < ARRAY_LEN(order); i++)
		items_of(c, keys, n, order[i], list);
	return (list);
}

/* --- stores ------------------------------------------------------------- */

/* Those that this node has had to do with. */
static struct json *
stores(const struct core *c, size_t *ret_n)
{
	struct json *list = json_new_array();
	const struct entry *e;
	size_t i;

	*ret_n = 0;
	for (i = strmap_next(c->stores, 0); i;
	    i = strmap_next(c->stores, i)) {
		e = catalog_find(c->catalog, strmap_key(c->stores, i));
		if (!e)
			continue;
		if (++*ret_n <= LIST_MAX)
			json_push(list, status_store(c, e));
	}
	return (list);
}

/* --- all of it ---------------------------------------------------------- */

static struct json *
counts_json(const struct counts *k, size_t nstores, size_t nvolumes)
{
	struct json *o = json_new_object();

	json_set_num(o, "externalSecrets", (double)k->all);
	json_set_num(o, "live", (double)k->n[LIVE]);
	json_set_num(o, "stale", (double)k->n[STALE]);
	json_set_num(o, "failed", (double)k->n[FAILED]);
	json_set_num(o, "stores", (double)nstores);
	json_set_num(o, "volumes", (double)nvolumes);
	return (o);
}

static struct json *
conditions(const struct core *c)
{
	cleanup_free char *since = NULL, *why = NULL;
	struct json *list = json_new_array(), *o = json_new_object();
	int ready = core_ready(c);

	since = report_time(c->report ? c->report->ready_since :
	    schedule_wall(c->schedule));
	if (c->report)
		why = report_why_not_ready(c->report);
	json_set_str(o, "type", "Ready");
	json_set_str(o, "status", ready ? "True" : "False");
	json_set_str(o, "reason", ready ? "Serving" : "Starting");
	json_set_str(o, "message", str_or(why, ""));
	json_set_str(o, "lastTransitionTime", since);
	trim(o);
	json_push(list, o);
	return (list);
}

struct json *
report_nodeseal(const struct core *c)
{
	struct json *o = json_new_object(), *cache, *seen, *vols;
	cleanup_free char *now = report_time(schedule_wall(c->schedule));
	struct counts k = { .all = 0 };
	size_t nstores, nvolumes;

	count(c, &k);
	seen = stores(c, &nstores);
	vols = status_volumes(c);
	nvolumes = json_len(vols);
	json_set_str(o, "node", c->cfg->node);
	json_set_str(o, "version", NODESEAL_VERSION);
	json_set_bool(o, "ready", core_ready(c));
	json_set_str(o, "class", c->cfg->class_name);
	json_set_str(o, "mode", c->cfg->manifests ? "manifests" : "cluster");
	json_set_str(o, "keySource", state_key_source(c));
	json_set_str(o, "keyStrength", state_key_strength(c));
	json_set_str(o, "memoryProtection", keys_degraded(c->keys) ?
	    "degraded" : "full");
	json_set_str(o, "observedAt", now);
	if (k.oldest) {
		cleanup_free char *at = report_time(k.oldest);

		json_set_str(o, "oldestSync", at);
	}
	json_set(o, "degraded", cut(status_degraded(c)));
	json_set(o, "counts", counts_json(&k, nstores, nvolumes));
	rows(o, "externalSecrets", items(c), "claims");
	rows(o, "stores", seen, NULL);
	rows(o, "volumes", vols, "externalSecrets");
	rows(o, "hostProjections", status_projections(c), "externalSecrets");
	cache = state_json(c);
	trim(cache);
	json_set(o, "cache", cache);
	json_set(o, "conditions", conditions(c));
	return (o);
}

/* --- when --------------------------------------------------------------- */

static void
drop_from_rows(struct json *o, const char *list, const char *a, const char *b)
{
	struct json *v;

	for (v = json_first(json_get(o, list)); v; v = json_next(v)) {
		json_set(v, a, NULL);
		json_set(v, b, NULL);
	}
}

/* What moves with the clock alone must never be a reason to write. */
static void
drop_clock(struct json *o)
{
	json_set(o, "observedAt", NULL);
	drop_from_rows(o, "externalSecrets", "ageSeconds", "ageSeconds");
}

/* What each refresh moves. */
static void
drop_times(struct json *o)
{
	struct json *cache = json_get(o, "cache");

	json_set(o, "oldestSync", NULL);
	drop_from_rows(o, "externalSecrets", "lastSync", "size");
	drop_from_rows(o, "stores", "requests", "logins");
	json_set(cache, "generation", NULL);
	json_set(cache, "sealedAt", NULL);
	json_set(cache, "bytes", NULL);
}

static void
node_send(struct report *r, const char *status, char **said, char **times)
{
	report_send(r, REPORT_NODE, "", r->core->cfg->node, NULL, status, 0);
	r->node_at = schedule_now(r->core->schedule);
	free(r->node_said);
	free(r->node_times);
	r->node_said = STEAL(*said);
	r->node_times = STEAL(*times);
}

/* The next look, when something is to be said that may not be said yet. */
static int
too_soon(struct report *r, int64_t space)
{
	int64_t now = schedule_now(r->core->schedule);

	if (!r->node_at || now >= r->node_at + space)
		return (0);
	schedule_at(r->core->schedule, &r->node_due, r->node_at + space);
	return (1);
}

void
report_node(void *arg)
{
	struct report *r = arg;
	cleanup_json struct json *o = report_nodeseal(r->core);
	cleanup_free char *status = report_text(o);
	cleanup_free char *said = NULL, *times = NULL;
	int changed;

	schedule_cancel(r->core->schedule, &r->node_due);
	drop_clock(o);
	times = report_text(o);
	drop_times(o);
	said = report_text(o);
	if (!status || !said || !times)
		return;
	changed = !str_eq(said, r->node_said);
	if (!changed && str_eq(times, r->node_times))
		return;
	if (!too_soon(r, changed ? SPACE_MS : TIMES_MS))
		node_send(r, status, &said, &times);
}
