/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/spread.h"

static int
uses(const struct group *g, const char *store)
{
	size_t i;

	for (i = 0; store && i < g->nstores; i++)
		if (str_eq(g->stores[i], store))
			return (1);
	return (store == NULL);
}

/* Its time has come, and nothing else: what somebody has changed is wanted.
 * After a start nobody can tell: all is read for the first time. */
static int
is_unchanged(const struct core *c, const struct item *item)
{
	const struct entry *e = sync_entry(c, item);
	cleanup_free char *version = e && e->es ? es_synced_version(e->es) :
	    NULL;

	return (version && str_eq(version, item->version));
}

static int
can_wait(const struct core *c, const struct item *item, const char *store)
{
	return (item->state == ITEM_QUEUED &&
	    item->priority == PRIORITY_REFRESH && item->content &&
	    !item->waiting && uses(item->group, store) &&
	    age_may_mount(c, item, NULL) &&
	    (!store || is_unchanged(c, item)));
}

static size_t
count(const struct core *c, const char *store)
{
	size_t i, n = 0;

	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i))
		n += (size_t)can_wait(c, strmap_val(c->items, i), store);
	return (n);
}

static int64_t
window(const struct core *c, const struct item *item)
{
	const struct entry *e = sync_entry(c, item);
	int64_t interval = e && e->es ? e->es->refresh_interval_ms : 0;

	return (interval < SPREAD_MAX_MS ? interval : SPREAD_MAX_MS);
}

/* The window in as many parts as there are batches, each begun at the same
 * part of it: what shares a time shares a job. */
static void
delay(struct core *c, struct item *item, int64_t now, size_t batches,
    uint32_t phase)
{
	int64_t step = window(c, item) / (int64_t)batches;
	uint32_t random;

	record_random(&random, sizeof(random));
	plan_remove(c->plan, item);
	schedule_at(c->schedule, &item->due, now + step *
	    (int64_t)(random % batches) +
	    (int64_t)((uint64_t)step * phase >> 32));
}

void
spread_overdue(struct core *c, const char *store)
{
#ifndef WEAKEN_SPREAD
	size_t n = count(c, store), i, batches;
	struct item *item;
	int64_t now = schedule_now(c->schedule);
	uint32_t phase;

	if (n < SPREAD_BATCH)
		return;
	batches = (n + SPREAD_BATCH - 1) / SPREAD_BATCH;
	if (batches > SPREAD_MAX_MS / 1000)
		batches = SPREAD_MAX_MS / 1000;
	record_random(&phase, sizeof(phase));
	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (can_wait(c, item, store))
			delay(c, item, now, batches, phase);
	}
	log_info("%zu refreshes are overdue: asked for one after another",
	    n);
#else
	(void)c;
	(void)store;
	(void)count;
	(void)delay;
#endif
}
