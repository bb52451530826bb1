/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/bundle.h"
#include "core/deliver.h"
#include "core/state.h"
#include "model/refresh.h"

/* What counts as a refusal: so many answers of 401 or 403, so far apart. */
#define DENIED_COUNT 3
#define DENIED_SPACE_MS 60000

static int64_t
interval_of(const struct core *c, const struct item *item)
{
	const struct entry *e = sync_entry(c, item);

	return (e && e->es ? e->es->refresh_interval_ms : 0);
}

void
age_policy(const struct core *c, const struct item *item,
    struct offline_policy *p)
{
	const struct entry *e = sync_entry(c, item), *s;
	char **stores;
	size_t i, n;

	offline_default(p);
	if (!e || !e->es)
		return;
	*p = e->es->offline;
	stores = plan_stores(e->es, &n);
	for (i = 0; i < n; i++) {
		s = catalog_find(c->catalog, stores[i]);
		if (s && s->store)
			offline_narrow(p, &s->store->offline);
	}
	plan_stores_free(stores, n);
}

const char *
age_source(const struct item *item)
{
	switch (item->origin) {
	case ITEM_FROM_SEAL:
		return ("sealed");
	case ITEM_FROM_BUNDLE:
		return ("bundle");
	default:
		return (item->failing ? "memory" : "live");
	}
}

static int64_t
stale_at(const struct core *c, const struct item *item,
    const struct offline_policy *p)
{
	int64_t after = offline_warn_ms(p, interval_of(c, item)), at;

	return (__builtin_add_overflow(item->failing_since, after, &at) ?
	    INT64_MAX : at);
}

int
age_stale(const struct core *c, const struct item *item)
{
	struct offline_policy p;

	if (!item->content || (!item->failing && item->gone == ITEM_HELD))
		return (0);
	if (!item->failing)
		return (1);
	age_policy(c, item, &p);
	return (schedule_now(c->schedule) >= stale_at(c, item, &p));
}

int
age_may_mount(const struct core *c, const struct item *item, char **ret_why)
{
	struct offline_policy p;
	const char *why = NULL;

	age_policy(c, item, &p);
#ifndef WEAKEN_OFFLINE_POLICY
	if (item->gone != ITEM_HELD)
		why = item->issuer ? "its bundle has expired" :
		    "it is too old to be served (max-stale)";
	else if (item->failing && p.mode == OFFLINE_FAIL_CLOSED)
		why = "its last refresh failed (mode FailClosed)";
	else if (item->failing && p.mode == OFFLINE_NEVER)
		why = "its last refresh failed (mode Never)";
	else if (item->failing && p.new_pods == OFFLINE_DENY)
		why = "its last refresh failed (new-pods Deny)";
#endif
	if (why && ret_why)
		*ret_why = str_dup(why);
	return (why == NULL);
}

int
age_may_seal(const struct core *c, const struct item *item, int tpm)
{
	struct offline_policy p;

	age_policy(c, item, &p);
	if (item->gone != ITEM_HELD || p.mode == OFFLINE_NEVER ||
	    p.mode == OFFLINE_MEMORY_ONLY)
		return (0);
	return (tpm || p.key_source == OFFLINE_KEY_ANY);
}

/* --- what has happened ---------------------------------------------------- */

/* A refresh that was due while nobody was there to try it failed then. */
static int64_t
first_failure(const struct core *c, const struct item *item)
{
	int64_t now = schedule_now(c->schedule);
	int64_t wall = schedule_wall(c->schedule), due;
	const struct entry *e = sync_entry(c, item);

	if (item->origin != ITEM_FROM_SEAL || !e || !e->es)
		return (now);
	due = refresh_due_ms(e->es, item->version, item->synced_at, wall);
	return (due < wall ? now - (wall - due) : now);
}

void
age_failed(struct core *c, struct item *item, unsigned http_status)
{
	int64_t now = schedule_now(c->schedule);

	if (!item->failing) {
		item->failing_since = first_failure(c, item);
		item->failing = 1;
		state_touch(c);	/* a restart must not begin the count anew */
	}
	if (http_status != 401 && http_status != 403)
		return;
	if (item->denied && now - item->denied_at < DENIED_SPACE_MS)
		return;
	if (item->denied < DENIED_COUNT) {
		item->denied++;
		item->denied_at = now;
		state_touch(c);
	}
}

void
age_succeeded(struct core *c, struct item *item)
{
	if (item->said_stale)
		log_info("ExternalSecret %s: fresh again", item->key);
	item->failing = 0;
	item->denied = 0;
	item->said_stale = 0;
	item->gone = ITEM_HELD;
	item->origin = ITEM_FROM_STORE;
	item->issuer = NULL;
	item->synced_boot = schedule_now(c->schedule);
}

/* --- what follows --------------------------------------------------------- */

/* When the value must go, and by which rule. */
static int64_t
ends_at(const struct core *c, const struct item *item,
    const struct offline_policy *p, const char **ret_rule)
{
	int64_t at = !item->failing ? INT64_MAX : offline_expires_ms(p,
	    interval_of(c, item), item->synced_boot, item->failing_since);
	int64_t denied, bundle = bundle_ends(c, item);

	*ret_rule = p->mode == OFFLINE_NEVER ? "mode Never" : "max-stale";
	if (bundle < at) {
		*ret_rule = "its bundle has expired";
		at = bundle;
	}
	if (item->denied < DENIED_COUNT || p->on_denied == OFFLINE_KEEP)
		return (at);
	denied = item->denied_at;
	if (p->on_denied == OFFLINE_GRACE &&
	    __builtin_add_overflow(denied, p->grace_ms, &denied))
		denied = INT64_MAX;
	if (denied < at) {
		*ret_rule = "on-denied";
		return (denied);
	}
	return (at);
}

static int
is_used(const struct item *item)
{
	size_t i;

	for (i = 0; i < item->nusers; i++)
		if (item->users[i]->attached)
			return (1);
	return (0);
}

/* KeepFiles: who has the files goes on, and with them the record in memory, so
 * that a volume of several sources can still be written.  A refusal by the
 * provider takes the files as well. */
static void
end_value(struct core *c, struct item *item, const struct offline_policy *p,
    const char *rule)
{
	int keep = p->on_expiry == OFFLINE_KEEP_FILES &&
	    !str_eq(rule, "on-denied") && is_used(item);

	if (item->gone == (keep ? ITEM_EXPIRED : ITEM_WITHDRAWN))
		return;
	log_warn("ExternalSecret %s: %s: its value is no longer served, its "
	    "files are %s", item->key, rule, keep ? "kept" : "removed");
	item->gone = keep ? ITEM_EXPIRED : ITEM_WITHDRAWN;
	if (item->issuer) {
		item->outcome = JOB_FAILED;
		item_say(item, "SecretSyncedError", "could not get secret "
		    "data from provider", "its bundle has expired: import a "
		    "newer one");
	}
	if (!keep)
		cache_drop(&c->cache, &item->content);
	state_touch(c);
}

void
age_settle(struct core *c, struct item *item)
{
	int64_t now = schedule_now(c->schedule), stale, ends;
	struct offline_policy p;
	const char *rule;

	schedule_cancel(c->schedule, &item->age_due);
	if ((!item->failing && !item->issuer) ||
	    (!item->content && item->gone == ITEM_HELD))
		return;
	age_policy(c, item, &p);
	stale = item->failing ? stale_at(c, item, &p) : INT64_MAX;
	ends = ends_at(c, item, &p, &rule);
	if (stale <= now && !item->said_stale) {
		item->said_stale = 1;
		log_warn("ExternalSecret %s: stale, served from %s: %s",
		    item->key, age_source(item), str_or(item->error, ""));
	}
#ifdef WEAKEN_OFFLINE_POLICY
	ends = INT64_MAX;
#endif
	if (ends <= now) {
		end_value(c, item, &p, rule);
		return;
	}
	if (stale > now && stale < ends)
		ends = stale;
	if (ends != INT64_MAX)
		schedule_at(c->schedule, &item->age_due, ends);
}
