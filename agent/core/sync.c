/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/core_internal.h"
#include "core/lease.h"
#include "core/line.h"
#include "core/pods.h"
#include "core/refs.h"
#include "core/report.h"
#include "core/secrets.h"
#include "core/spread.h"
#include "core/state.h"
#include "model/refresh.h"

#define ANNOTATION_CLAIM "nodeseal.dev/claim"
/* A pod that waits brings a failed item's next attempt forward, but no
 * nearer than this to the one before. */
#define URGENT_MS 10000
/* What becomes due together shares jobs. */
#define GATHER_MS 1
#define BLOCKED_SLOW "a slow job"

const struct entry *
sync_entry(const struct core *c, const struct item *item)
{
	return (catalog_get(c->catalog, "ExternalSecret", item->ns,
	    item->name));
}

struct item *
sync_item(struct core *c, const char *ns, const char *name)
{
	cleanup_free char *key = str_fmt("%s/%s", ns, name);

	return (strmap_get(c->items, key));
}

static void
pump_soon(struct core *c)
{
	if (!c->pump_due.pos)
		schedule_in(c->schedule, &c->pump_due, GATHER_MS);
}

static enum item_priority
priority_of(const struct item *item)
{
	if (item->waiting)
		return (PRIORITY_WAITING);
	return (item->version ? PRIORITY_REFRESH : PRIORITY_FIRST);
}

/* What is not there may still be on its way. */
static int
is_on_its_way(const struct core *c, const char *key)
{
	const char *ns = strchr(key, '/') + 1;
	cleanup_free char *kind = str_ndup(key, (size_t)(ns - 1 - key));
	cleanup_free char *in = str_ndup(ns, strcspn(ns, "/"));

	return (!catalog_find(c->catalog, key) && c->source &&
	    !c->source->ops->has_list(c->source, kind, in));
}

static int
is_incomplete(const struct core *c, const struct item *item,
    const struct entry *e)
{
	cleanup_free char *key = NULL;
	char **stores;
	size_t i, n;
	int rc = 0;

	if (!e) {
		key = object_key("ExternalSecret", item->ns, item->name);
		return (is_on_its_way(c, key));
	}
	if (!e->es)
		return (0);
	stores = plan_stores(e->es, &n);
	for (i = 0; i < n; i++)
		rc |= is_on_its_way(c, stores[i]);
	plan_stores_free(stores, n);
	return (rc);
}

/* The object cannot be fetched, and why: no time will change that. */
static int
is_unusable(struct core *c, struct item *item, const struct entry *e)
{
	if (is_incomplete(c, item, e))
		return (1);
	if (e && !*e->rejected && e->es)
		return (0);
	if (e) {
		item->outcome = JOB_REJECTED;
		item->err_kind = ERR_INVALID;
		item_say(item, "Rejected", str_or(e->rejected,
		    "cannot be read"), NULL);
	} else {
		item->outcome = 0;
		item->err_kind = ERR_NOTFOUND;
		item_say(item, "NotFound", "there is no such ExternalSecret",
		    NULL);
	}
	item->failures = 0;
	core_report(c, item);
	return (1);
}

static void
enqueue(struct core *c, struct item *item, const struct entry *e)
{
	schedule_cancel(c->schedule, &item->due);
	plan_add(c->plan, c->catalog, item, e->es, priority_of(item));
	pump_soon(c);
}

/* Boot time at which an idle item's next attempt is; CLAIM_FOREVER none. */
static int64_t
next_attempt(struct core *c, struct item *item, const struct entry *e)
{
	int64_t now = schedule_now(c->schedule);
	int64_t wall = schedule_wall(c->schedule), due, last;
	uint32_t random;

	record_random(&random, sizeof(random));
	due = lease_due(c, item, e, random);
	if (due)
		return (due);
	if (item->failures)
		return (item->tried_at + schedule_backoff_ms(item->failures));
	if (item->outcome == 0)
		return (now);
	if (!item_fetched(item))
		return (CLAIM_FOREVER);	/* skipped: only a change helps */
	/* A clock that was set back does not put a refresh off. */
	last = item->synced_at < wall ? item->synced_at : wall;
	due = refresh_due_ms(e->es, item->version, last, wall);
	if (due == REFRESH_NEVER)
		return (CLAIM_FOREVER);
	if (due <= wall)
		return (now);
	due = schedule_early_ms(e->es, last, due, lease_random(c, item, e,
	    random));
	return (due - wall > INT64_MAX - now ? CLAIM_FOREVER :
	    now + (due - wall));
}

void
sync_schedule(struct core *c, struct item *item)
{
	const struct entry *e;
	int64_t at;

	if (!c->synced || item->state != ITEM_IDLE)
		return;
	schedule_cancel(c->schedule, &item->due);
	if (item->claims.n == 0)
		return;
	e = sync_entry(c, item);
	if (is_unusable(c, item, e))
		return;
	if (e->bundled)
		return;
	at = next_attempt(c, item, e);
	if (at <= schedule_now(c->schedule))
		enqueue(c, item, e);
	else if (at != CLAIM_FOREVER)
		schedule_at(c->schedule, &item->due, at);
}

static void
on_due(void *arg)
{
	struct item *item = arg;
	const struct entry *e = sync_entry(item->core, item);

	if (item->state == ITEM_IDLE && !is_unusable(item->core, item, e) &&
	    !e->bundled)
		enqueue(item->core, item, e);
}

/* --- claims ------------------------------------------------------------- */

static void
forget(struct core *c, struct item *item)
{
	log_debug("ExternalSecret %s: forgotten, nobody claims it", item->key);
	schedule_cancel(c->schedule, &item->due);
	schedule_cancel(c->schedule, &item->claims_due);
	schedule_cancel(c->schedule, &item->age_due);
	plan_remove(c->plan, item);
	secrets_forget(c, item);
	cache_drop(&c->cache, &item->content);
	strmap_del(c->items, item->key);
	state_news(c);
	line_settle(c);
}

/* After any change of the claims: when is the next look at them due? */
static void
claims_settle(struct core *c, struct item *item, int64_t now)
{
	if (item->claims.n) {
		schedule_cancel(c->schedule, &item->claims_due);
		if (claims_next(&item->claims) != CLAIM_FOREVER)
			schedule_at(c->schedule, &item->claims_due,
			    claims_next(&item->claims));
		return;
	}
	item->unclaimed_at = now;
	schedule_cancel(c->schedule, &item->due);
	plan_remove(c->plan, item);
	if (item->issuer)
		schedule_cancel(c->schedule, &item->claims_due);
	else
		schedule_at(c->schedule, &item->claims_due,
		    now + CLAIM_FORGET_MS);
}

void
sync_bundled(struct core *c, struct item *item, struct bundle_issuer *issuer)
{
	item->issuer = issuer;
	claims_settle(c, item, schedule_now(c->schedule));
}

static void
on_claims(void *arg)
{
	struct item *item = arg;
	struct core *c = item->core;
	int64_t now = schedule_now(c->schedule);

	if (item->claims.n) {
		claims_expire(&item->claims, now);
		claims_settle(c, item, now);
	} else if (item->state == ITEM_RUNNING ||
	    item->secret.state == SECRET_RUNNING) {
		/* A job writes into it; that ends by its deadline. */
		schedule_at(c->schedule, &item->claims_due,
		    now + CLAIM_FORGET_MS);
	} else
		forget(c, item);
}

/* It has become older than something allows. */
static void
on_age(void *arg)
{
	struct item *item = arg;

	age_settle(item->core, item);
	core_report(item->core, item);
	deliver_news(item->core, item);
}

static struct item *
item_get(struct core *c, const char *ns, const char *name)
{
	struct item *item = sync_item(c, ns, name);
	const struct entry *e;

	if (item)
		return (item);
	item = item_new(ns, name);
	item->core = c;
	e = sync_entry(c, item);
	if (e && e->es)
		item->uid = str_dup(e->es->meta.uid);
	due_init(&item->due, on_due, item);
	due_init(&item->claims_due, on_claims, item);
	due_init(&item->age_due, on_age, item);
	due_init(&item->secret.due, secrets_due, item);
	strmap_put(c->items, item->key, item);
	line_settle(c);
	return (item);
}

/* Its pods may be long in coming: after an offline boot the kubelet is. */
struct item *
sync_restored(struct core *c, const char *ns, const char *name)
{
	struct item *item = item_get(c, ns, name);

	if (item->claims.n == 0)
		schedule_in(c->schedule, &item->claims_due,
		    OFFLINE_MAX_STALE_MS);
	return (item);
}

struct item *
sync_claim(struct core *c, const char *ns, const char *name,
    const char *claim, int64_t until)
{
	struct item *item = item_get(c, ns, name);
	int first;

	first = item->claims.n == 0;
	if (claims_put(&item->claims, claim, until))
		line_settle(c);
	claims_settle(c, item, schedule_now(c->schedule));
	if (first)
		sync_schedule(c, item);
	secrets_settle(c, item, 0);
	return (item);
}

void
sync_unclaim(struct core *c, struct item *item, const char *claim)
{
	if (!claims_drop(&item->claims, claim))
		return;
	claims_settle(c, item, schedule_now(c->schedule));
	secrets_settle(c, item, 0);
	line_settle(c);
}

void
sync_lease(struct core *c, struct item *item)
{
	if (item->state == ITEM_RUNNING)
		return;
	plan_remove(c->plan, item);
	sync_schedule(c, item);
}

void
sync_urgent(struct core *c, struct item *item)
{
	int64_t now = schedule_now(c->schedule);
	int64_t at = item->tried_at + URGENT_MS, turn;
	const struct entry *e = sync_entry(c, item);

	if (!c->synced || !e || !e->es || *e->rejected || e->bundled)
		return;
	secrets_urgent(c, item);
	if (item->content && age_may_mount(c, item, NULL))
		return;
	turn = lease_due(c, item, e, 0);
	if (at < turn)
		at = turn;
	if (item->state == ITEM_QUEUED)
		plan_add(c->plan, c->catalog, item, e->es, PRIORITY_WAITING);
	else if (item->state == ITEM_IDLE && item->due.pos &&
	    item->due.at > at)
		schedule_at(c->schedule, &item->due, at > now ? at : now);
}

/* The annotation names nodes, separated by commas. */
static int
names_node(const char *value, const char *node)
{
	size_t len = strlen(node), n;

	for (; value && *value; value += n + (value[n] == ',')) {
		n = strcspn(value, ",");
		while (n && *value == ' ') {
			value++;
			n--;
		}
		if (n == len && strncmp(value, node, len) == 0)
			return (1);
	}
	return (0);
}

static void
claim_by_annotation(struct core *c, const struct entry *e, struct item *item)
{
	cleanup_free char *claim = str_fmt("node:%s", c->cfg->node);

	if (e && e->es && names_node(strmap_get(e->es->meta.annotations,
	    ANNOTATION_CLAIM), c->cfg->node))
		sync_claim(c, e->ns, e->name, claim, CLAIM_FOREVER);
	else if (item)
		sync_unclaim(c, item, claim);
}

/* --- changes of objects ------------------------------------------------- */

/* The object itself has changed, or (${dependency}) one that it refers to:
 * that counts as another version of it. */
static void
item_changed(struct core *c, struct item *item, int dependency)
{
	item->failures = 0;
	if (dependency && item->version) {
		free(item->version);
		item->version = str_dup("*");
	}
	if (!item_ready(item))
		item->outcome = 0;
	if (item->state == ITEM_RUNNING) {
		item->again = 1;
		return;
	}
	/* Its stores may be others now. */
	plan_remove(c->plan, item);
	age_settle(c, item);
	sync_schedule(c, item);
	deliver_news(c, item);
}

static int
depends_on(const struct core *c, const struct item *item,
    const struct strmap *changes)
{
	cleanup_strmap struct strmap *keys = NULL;
	const struct entry *e = sync_entry(c, item);
	size_t i;

	if (!e)
		return (0);
	keys = strmap_new(NULL);
	refs_add(c->catalog, e, keys);
	for (i = strmap_next(keys, 0); i; i = strmap_next(keys, i))
		if (strmap_has(changes, strmap_key(keys, i)))
			return (1);
	return (0);
}

void
sync_current(struct core *c)
{
	int64_t now = schedule_now(c->schedule);
	struct item *item;
	size_t i;

	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (!item->claims.n && item->claims_due.at >
		    now + CLAIM_FORGET_MS)
			schedule_at(c->schedule, &item->claims_due,
			    now + CLAIM_FORGET_MS);
	}
}

static void
dependents_changed(struct core *c, const struct strmap *changes)
{
	struct item *item;
	size_t i;

	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (depends_on(c, item, changes))
			item_changed(c, item, 1);
	}
}

void
sync_reference(struct core *c, const char *key)
{
	cleanup_strmap struct strmap *changes = strmap_new(NULL);

	strmap_put(changes, key, NULL);
	dependents_changed(c, changes);
}

void
sync_listed(struct core *c, const char *ns)
{
	struct item *item;
	size_t i;

	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (item->state == ITEM_IDLE && !item->outcome &&
		    (!*ns || str_eq(item->ns, ns))) {
			sync_schedule(c, item);
			deliver_news(c, item);
		}
	}
}

/* Deleted and made anew: its generation and its hash may be those of before,
 * and its Secret went with it. */
static int
is_another(struct core *c, struct item *item, const struct entry *e)
{
	const char *uid = e && e->es ? e->es->meta.uid : NULL;
	int another;

	if (!uid || !*uid)
		return (0);
	another = item->uid && !str_eq(item->uid, uid);
	free(item->uid);
	item->uid = str_dup(uid);
	if (another)
		secrets_forget(c, item);
	return (another);
}

static void
es_changed(struct core *c, const char *key)
{
	const char *name = strchr(key, '/') + 1;
	const struct entry *e = catalog_find(c->catalog, key);
	struct item *item;

	/* The key's rest is the item's key. */
	if (c->pods)
		pods_target(c->pods, name);
	if (!e)
		lease_drop(c, name);
	claim_by_annotation(c, e, strmap_get(c->items, name));
	item = strmap_get(c->items, name);
	if (item)
		item_changed(c, item, is_another(c, item, e));
}

/* A store that was edited starts with a clean record. */
static void
store_changed(struct core *c, const char *key)
{
	struct store_state *s = strmap_get(c->stores, key);

	if (s)
		circuit_answer(&s->circuit);
	if (s && !catalog_find(c->catalog, key))
		strmap_del(c->stores, key);
	plan_unblock(c->plan, key);
}

/* So does one whose CA or login was: it may be well now. */
static void
referents_changed(struct core *c, const struct strmap *changes)
{
	const struct store_state *s;
	const struct entry *e;
	size_t i, k;

	for (i = strmap_next(c->stores, 0); i;
	    i = strmap_next(c->stores, i)) {
		s = strmap_val(c->stores, i);
		e = catalog_find(c->catalog, s->key);
		if (!e || s->circuit.state == CIRCUIT_CLOSED)
			continue;
		for (k = 0; k < e->nrefs; k++) {
			const struct object_ref *r = &e->refs[k];
			cleanup_free char *key = object_key(r->kind,
			    *r->ns ? r->ns : e->ns, r->name);

			if (strmap_has(changes, key))
				break;
		}
		if (k < e->nrefs)
			store_changed(c, s->key);
	}
}

static int
has_prefix(const char *s, const char *prefix)
{
	return (strncmp(s, prefix, strlen(prefix)) == 0);
}

/* ${known}: they are as they were when what depends on them was fetched. */
static void
apply(struct core *c, const struct strmap *changes, int known)
{
	int others = 0;
	const char *key;
	size_t i;

	for (i = strmap_next(changes, 0); i; i = strmap_next(changes, i)) {
		key = strmap_key(changes, i);
		if (has_prefix(key, "ExternalSecret/"))
			es_changed(c, key);
		else if (has_prefix(key, "HostProjection/"))
			host_change(c, key);
		else
			others = 1;
		if (has_prefix(key, "SecretStore/") ||
		    has_prefix(key, "ClusterSecretStore/"))
			store_changed(c, key);
	}
	if (others && !known) {
		referents_changed(c, changes);
		dependents_changed(c, changes);
	}
	host_settle(c);
	pump_soon(c);
	/* Who refers to what may be another now. */
	line_settle(c);
	/* They are sealed, too. */
	if (c->line)
		state_touch(c);
}

void
sync_commit(struct core *c)
{
	cleanup_strmap struct strmap *changes = NULL;

	/* Before everything was read once, an ExternalSecret whose store is
	 * still to come must not fail: sync_synced looks at all of them. */
	if (!c->synced)
		return;
	changes = catalog_take_changes(c->catalog);
	if (changes)
		apply(c, changes, 0);
}

void
sync_synced(struct core *c)
{
	struct item *item;
	size_t i;

	c->synced = 1;
	log_info("%zu objects read", catalog_len(c->catalog));
	report_ready(c->report);
	if (c->restored)
		apply(c, c->restored, 1);
	strmap_free(STEAL(c->restored));
	sync_commit(c);
	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (!item->claims.n && !sync_entry(c, item))
			schedule_in(c->schedule, &item->claims_due,
			    CLAIM_FORGET_MS);
		sync_schedule(c, item);
		deliver_news(c, item);
	}
	host_settle(c);
	spread_overdue(c, NULL);
}

/* --- who runs next ------------------------------------------------------ */

/* How many items of ${g} its stores and its host allow now; 0: blocked. */
static size_t
admit(struct core *c, struct group *g)
{
	int64_t now = schedule_now(c->schedule);
	struct host_state *host = strmap_get(c->hosts, g->host);
	size_t i, max = JOB_ITEMS_MAX;
	struct store_state *s;

	for (i = 0; i < g->nstores; i++) {
		s = strmap_get(c->stores, g->stores[i]);
		if (s && circuit_ask(&s->circuit, now) == CIRCUIT_NONE) {
			plan_block(c->plan, g, s->key);
			return (0);
		}
		if (s && circuit_ask(&s->circuit, now) == CIRCUIT_PROBE)
			max = 1;
	}
	if (max > g->nitems)
		max = g->nitems;
	if (host)
		max = bucket_take(&host->bucket, now, (unsigned)max);
	if (max == 0) {
		plan_block(c->plan, g, host->host);
		schedule_at(c->schedule, &host->due,
		    bucket_next(&host->bucket, now));
	}
	return (max);
}

static int
pump_one(struct core *c, struct group *g)
{
	cleanup_err struct err err = ERR_INIT;
	size_t max;

	if (!jobs_may_start(c->jobs, g->host)) {
		plan_block(c->plan, g, BLOCKED_SLOW);
		return (0);
	}
	max = admit(c, g);
	if (max == 0)
		return (0);
	if (fetch_start(c, g, max, &err) == -1) {
		log_warn("fetch job: %s", err_msg(&err));
		schedule_in(c->schedule, &c->pump_due, 1000);
		return (-1);
	}
	return (0);
}

void
sync_pump(struct core *c)
{
	struct group *g;

	plan_unblock(c->plan, BLOCKED_SLOW);
	if (c->source && c->source->ops->pump(c->source))
		return;
	secrets_pump(c);
	while (jobs_room(c->jobs) && (g = plan_next(c->plan)))
		if (pump_one(c, g) == -1)
			return;
}

char *
sync_why(const struct core *c, const struct item *item)
{
	const struct store_state *s;

	cleanup_free char *policy = NULL;

	if (!c->synced && c->line)
		return (str_fmt("the API server's objects are not read yet%s%s",
		    line_problem(c) ? ": " : "", str_or(line_problem(c), "")));
	if (!c->synced)
		return (str_dup("the manifests are not read yet"));
	if (!item->outcome && is_incomplete(c, item, sync_entry(c, item)))
		return (str_fmt("the objects of namespace %s are not read "
		    "yet%s%s", item->ns, line_problem(c) ? ": " : "",
		    str_or(line_problem(c), "")));
	if (item->content && !age_may_mount(c, item, &policy))
		return (str_fmt("%s: %s", policy, str_or(item->error,
		    item->message)));
	if (item->error)
		return (str_dup(item->error));
	if (*item->message)
		return (str_dup(item->message));
	if (item->group && item->group->blocked_on) {
		s = strmap_get(c->stores, item->group->blocked_on);
		return (str_fmt("%s: not asked now: %s",
		    item->group->blocked_on, s ? str_or(s->last_error,
		    "it does not answer") : "it asked for patience or is "
		    "slow"));
	}
	if (!jobs_connected(c->jobs))
		return (str_dup("fetch jobs cannot be started now"));
	return (str_dup("the first fetch has not ended yet"));
}
