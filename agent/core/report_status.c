/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/age.h"
#include "core/host.h"
#include "core/report_internal.h"

#define STATUS_MAX ((size_t)1 << 20)
/* As the kinds' schemas and readers can bear it. */
#define MESSAGE_MAX 1024

char *
report_time(int64_t wall_ms)
{
	struct buf b = BUF_PLAIN(64);

	time_rfc3339(&b, wall_ms);
	return (buf_take(&b));
}

char *
report_text(const struct json *j)
{
	struct buf b = BUF_PLAIN(STATUS_MAX);

	json_print(j, &b, 0);
	if (buf_ok(&b))
		return (buf_take(&b));
	buf_clear(&b);
	return (NULL);
}

/* --- conditions --------------------------------------------------------- */

static struct json *
condition_find(const struct json *list, const char *type)
{
	struct json *c;

	for (c = json_first(list); c; c = json_next(c))
		if (str_eq(json_str(json_get(c, "type")), type))
			return (c);
	return (NULL);
}

static int
condition_same(const struct json *a, const struct json *b)
{
	static const char *const keys[] = { "status", "reason", "message" };
	size_t i;

	if (!a || !b)
		return (a == b);
	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (!str_eq(json_str(json_get(a, keys[i])),
		    json_str(json_get(b, keys[i]))))
			return (0);
	return (1);
}

size_t
report_cut(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (len <= max)
		return (len);
	for (len = max; len && ((unsigned char)text[len] & 0xc0) == 0x80;
	    len--)
		continue;
	return (len);
}

/* Its time is the one before's when the status stays (eso.md 1.7). */
static struct json *
condition_new(const struct json *before, const char *type, int yes,
    const char *reason, const char *message, int64_t now)
{
	const struct json *old = condition_find(before, type);
	const char *status = yes ? "True" : "False", *since = NULL;
	cleanup_free char *at = report_time(now);
	struct json *c = json_new_object();

	if (old && str_eq(json_str(json_get(old, "status")), status))
		since = json_str(json_get(old, "lastTransitionTime"));
	json_set_str(c, "type", type);
	json_set_str(c, "status", status);
	json_set_str(c, "reason", reason);
	json_set(c, "message", json_new_strn(message, report_cut(message,
	    MESSAGE_MAX)));
	json_set_str(c, "lastTransitionTime", str_or(since, at));
	return (c);
}

/* --- ExternalSecrets ---------------------------------------------------- */

static struct json *
lease_conditions(const struct link_lease *lease)
{
	struct json *list = NULL;

	if (lease)
		list = json_parse(lease->conditions,
		    strlen(lease->conditions), NULL);
	if (json_is(list, JSON_ARRAY))
		return (list);
	json_free(list);
	return (json_new_array());
}

static struct json *
ready_condition(const struct core *c, const struct item *item,
    const struct json *before)
{
	int ready = item_ready(item);
	const char *reason = item->reason;

	/* What ESO's webhook would refuse never gets a condition there. */
	if (item->outcome == JOB_REJECTED || !*reason)
		reason = ready ? "SecretSynced" : "SecretSyncedError";
	return (condition_new(before, "Ready", ready, reason, item->message,
	    schedule_wall(c->schedule)));
}

/* Our own kind of condition: there only while it is true. */
static struct json *
stale_condition(const struct core *c, const struct item *item,
    const struct json *before)
{
	cleanup_free char *text = NULL, *at = NULL;

	if (!age_stale(c, item))
		return (NULL);
	at = report_time(item->synced_at);
	text = str_fmt("the value of %s is served, from %s", at,
	    age_source(item));
	return (condition_new(before, "Stale", 1,
	    item->origin == ITEM_FROM_BUNDLE ? "ServedFromBundle" :
	    "ServedFromCache", text, schedule_wall(c->schedule)));
}

/* Somebody, perhaps this node, has had this version so lately that the failure
 * of one node is not the object's. */
static int
fresh_elsewhere(const struct core *c, const struct entry *e,
    const struct report_facts *f, const char *version)
{
	int64_t age;

	if (!f->lease || !f->lease->refreshed_at || f->lease->ready != 1 ||
	    !str_eq(f->lease->synced_version, version))
		return (0);
#ifdef WEAKEN_SHARED_READY
	return (0);
#endif
	age = schedule_wall(c->schedule) - f->lease->refreshed_at;
	return (age < e->es->refresh_interval_ms + REPORT_GRACE_MS);
}

static const struct told *
told_of(const struct core *c, const struct item *item)
{
	return (c->report ? strmap_get(c->report->items, item->key) : NULL);
}

/* Another node's success is this one's word, too. */
static int
said_by_another(const struct core *c, const struct entry *e,
    const struct item *item, const struct report_facts *f)
{
	const struct told *t = told_of(c, item);
	int64_t half = e->es->refresh_interval_ms / 2;

	if (!f->lease || f->lease->ready != 1 || !item->version ||
	    !str_eq(f->lease->synced_version, item->version) ||
	    (t && t->refreshed_s == f->lease->refreshed_at / 1000))
		return (0);
	return (half && f->lease->refreshed_at > item->synced_at - half);
}

static int
success_is_there(const struct item *item, const struct report_facts *f,
    int same)
{
	return (same && f->lease &&
	    f->lease->refreshed_at / 1000 >= item->synced_at / 1000 &&
	    (!f->bound || str_eq(f->bound, f->lease->binding)) &&
	    (!item->version || str_eq(item->version, "*") ||
	    str_eq(item->version, f->lease->synced_version)));
}

static void
success_add(struct json *o, const struct item *item,
    const struct report_facts *f)
{
	cleanup_free char *at = report_time(item->synced_at);
	struct json *binding;

	json_set_str(o, "refreshTime", at);
	/* "*": the object changed under the job; the next one says more. */
	if (item->version && !str_eq(item->version, "*"))
		json_set_str(o, "syncedResourceVersion", item->version);
	if (!f->bound)
		return;
	binding = json_new_object();
	json_set_str(binding, "name", f->bound);
	json_set(o, "binding", binding);
}

/* All of the list but what is ours, and then ours. */
static struct json *
conditions_join(const struct json *before, struct json *ready,
    struct json *stale)
{
	struct json *list = json_new_array();
	const struct json *c;
	const char *type;

	for (c = json_first(before); c; c = json_next(c)) {
		type = json_str(json_get(c, "type"));
		if (type && !str_eq(type, "Ready") && !str_eq(type, "Stale"))
			json_push(list, json_copy(c));
	}
	json_push(list, ready);
	if (stale)
		json_push(list, stale);
	return (list);
}

char *
report_es_status(const struct core *c, const struct item *item,
    const struct report_facts *f)
{
	const struct entry *e = sync_entry(c, item);
	cleanup_json struct json *before = NULL, *o = NULL;
	cleanup_free char *version = NULL;
	struct json *ready, *stale;
	int same;

	if (!e || item->outcome == 0 || item->outcome == JOB_SKIPPED)
		return (NULL);
	if (e->es)
		version = es_synced_version(e->es);
	if (e->es && (item_ready(item) ? said_by_another(c, e, item, f) :
	    fresh_elsewhere(c, e, f, version)))
		return (NULL);
	before = lease_conditions(f->lease);
	ready = ready_condition(c, item, before);
	stale = stale_condition(c, item, before);
	same = condition_same(ready, condition_find(before, "Ready")) &&
	    condition_same(stale, condition_find(before, "Stale"));
	o = json_new_object();
	json_set(o, "conditions", conditions_join(before, ready, stale));
	if (!item_ready(item))
		return (same ? NULL : report_text(o));
	if (success_is_there(item, f, same))
		return (NULL);
	success_add(o, item, f);
	return (report_text(o));
}

/* --- stores ------------------------------------------------------------- */

/* ESO's Capabilities() of the providers that we have. */
static const char *
capabilities(const struct store *s)
{
	static const char *const both[] = { "vault", "openBao", "fake",
		"kubernetes" };
	size_t i;

	for (i = 0; s && i < ARRAY_LEN(both); i++)
		if (str_eq(s->provider, both[i]))
			return ("ReadWrite");
	return (NULL);
}

char *
report_store_status(const struct core *c, const char *key)
{
	const struct store_state *s = strmap_get(c->stores, key);
	const struct entry *e = catalog_find(c->catalog, key);
	cleanup_json struct json *o = json_new_object();
	const char *able, *reason, *message;
	struct json *list;
	int ready = 0;

	if (!e || !s || !(s->known || s->circuit.state != CIRCUIT_CLOSED) ||
	    (e->store && !store_is_ours(e->store, c->cfg->class_name,
	    c->cfg->claim_unclassed)))
		return (NULL);
	if (*e->rejected) {
		reason = "InvalidProviderConfig";
		message = e->rejected;
	} else if (s->circuit.state != CIRCUIT_CLOSED) {
		/* What ESO's Validate says of a store that does not answer. */
		reason = "InvalidProviderConfig";
		message = "unable to validate store";
	} else {
		ready = s->valid;
		reason = s->reason;
		message = s->message;
	}
	able = capabilities(e->store);
	if (able)
		json_set_str(o, "capabilities", able);
	list = json_new_array();
	json_push(list, condition_new(NULL, "Ready", ready, reason, message,
	    schedule_wall(c->schedule)));
	json_set(o, "conditions", list);
	return (report_text(o));
}

/* The same status but for its times. */
static char *
without_times(const char *status)
{
	cleanup_json struct json *o = json_parse(status, strlen(status), NULL);
	struct json *c;

	for (c = json_first(json_get(o, "conditions")); c; c = json_next(c))
		json_set(c, "lastTransitionTime", NULL);
	return (report_text(o));
}

static int
status_true(const char *text)
{
	return (text && strstr(text, "\"status\":\"True\""));
}

/* ESO makes one at every look; a change is what somebody wants to see. */
static void
store_event(struct report *r, const struct entry *e, const char *before,
    const char *now)
{
	cleanup_json struct json *o = json_parse(now, strlen(now), NULL);
	const struct store_state *s = strmap_get(r->core->stores, e->key);
	const struct json *c = json_first(json_get(o, "conditions"));
	int ready = status_true(now);

	if (ready ? !before || status_true(before) : before &&
	    !status_true(before))
		return;
	report_event_on(r, e->kind_name, e->ns, e->name,
	    e->store ? e->store->meta.uid : "", !ready,
	    str_or(json_str(json_get(c, "reason")), ""), !ready && s &&
	    s->last_error ? s->last_error :
	    str_or(json_str(json_get(c, "message")), ""));
}

void
report_stores(struct report *r)
{
	struct core *c = r->core;
	const struct entry *e;
	const char *key;
	size_t i;

	for (i = strmap_next(c->stores, 0); i;
	    i = strmap_next(c->stores, i)) {
		key = strmap_key(c->stores, i);
		cleanup_free char *status = report_store_status(c, key);
		cleanup_free char *now = status ? without_times(status) :
		    NULL;

		if (!now || str_eq(now, strmap_get(r->stores, key)))
			continue;
		e = catalog_find(c->catalog, key);
		report_send(r, e->kind == OBJ_SECRET_STORE ? REPORT_STORE :
		    REPORT_CLUSTER_STORE, e->ns, e->name,
		    e->store ? e->store->meta.uid : NULL, status, 0);
		store_event(r, e, strmap_get(r->stores, key), now);
		strmap_put(r->stores, key, STEAL(now));
	}
}

/* --- HostProjections ---------------------------------------------------- */

static int
any_stale(const struct core *c, const struct delivery *d)
{
	size_t i;

	for (i = 0; i < d->nsources; i++)
		if (age_stale(c, d->sources[i].item))
			return (1);
	return (0);
}

char *
report_projection_status(const struct core *c, const char *key)
{
	const struct projection *p = strmap_get(c->projections, key);
	cleanup_json struct json *o = json_new_object();
	const char *problem = p ? str_or(p->problem, "") : "";
	struct json *list, *n;

	if (!p || (!p->live && !p->problem))
		return (NULL);
	n = json_new_object();
	json_set_str(n, "name", c->cfg->node);
	json_set_bool(n, "ready", p->live && !p->problem && p->d.published_at);
	json_set_str(n, "reason", p->problem ? p->live ? "Waiting" :
	    "Refused" : p->d.published_at ? "Projected" : "Waiting");
	json_set(n, "message", json_new_strn(problem,
	    report_cut(problem, MESSAGE_MAX)));
	json_set_num(n, "files", p->live ? (double)p->d.nfiles : 0);
	json_set_bool(n, "stale", p->live && any_stale(c, &p->d));
	if (p->live && p->d.published_at) {
		cleanup_free char *at = report_time(p->d.published_at);

		json_set_str(n, "publishedAt", at);
	}
	list = json_new_array();
	json_push(list, n);
	json_set(o, "nodes", list);
	return (report_text(o));
}

/* An entry that this node has no more part in. */
static void
projections_withdraw(struct report *r)
{
	struct core *c = r->core;
	const char *key, *slash;
	size_t i;

	for (i = strmap_next(r->projections, 0); i;
	    i = strmap_next(r->projections, i)) {
		key = strmap_key(r->projections, i);
		slash = strchr(key, '/');
		if (strmap_has(c->projections, key))
			continue;
		cleanup_free char *ns = str_ndup(key, (size_t)(slash - key));

		if (catalog_get(c->catalog, "HostProjection", ns, slash + 1))
			report_send(r, REPORT_PROJECTION, ns, slash + 1, NULL,
			    "{\"nodes\":[]}", 0);
		strmap_del(r->projections, key);
	}
}

void
report_projections(struct report *r)
{
	struct core *c = r->core;
	const struct projection *p;
	const char *key, *slash;
	size_t i;

	for (i = strmap_next(c->projections, 0); i;
	    i = strmap_next(c->projections, i)) {
		key = strmap_key(c->projections, i);
		p = strmap_val(c->projections, i);
		cleanup_free char *now = report_projection_status(c, key);

		slash = strchr(p->key, '/');
		if (!now || str_eq(now, strmap_get(r->projections, key)))
			continue;
		cleanup_free char *ns = str_ndup(p->key,
		    (size_t)(slash - p->key));

		report_send(r, REPORT_PROJECTION, ns, slash + 1, NULL, now, 0);
		strmap_put(r->projections, key, STEAL(now));
	}
	projections_withdraw(r);
}
