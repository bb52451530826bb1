/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/lease.h"
#include "model/refresh.h"

static int
has_claim(const struct item *item, const char *kind)
{
	size_t i, n = strlen(kind);

	for (i = 0; i < item->claims.n; i++)
		if (strncmp(item->claims.v[i].name, kind, n) == 0)
			return (1);
	return (0);
}

int
item_makes_secret(const struct item *item)
{
	return (has_claim(item, "secret:") || has_claim(item, "node:"));
}

int
item_makes_files(const struct item *item)
{
	return (has_claim(item, "csi:") || has_claim(item, "host:"));
}

struct word {
	struct link_lease m;
	int64_t at;	/* wall ms; refreshTime has whole seconds */
};

struct leases {
	struct strmap *by_key;	/* item key -> struct word */
};

static void
word_free(void *p)
{
	struct word *w = p;

	link_lease_clear(&w->m);
	free(w);
}

struct leases *
leases_new(void)
{
	struct leases *l = mem_alloc(sizeof(*l));

	l->by_key = strmap_new(word_free);
	return (l);
}

void
leases_free(struct leases *l)
{
	if (!l)
		return;
	strmap_free(l->by_key);
	free(l);
}

void
lease_take(struct core *c, struct link_lease *m)
{
	cleanup_free char *key = str_fmt("%s/%s", m->ns, m->name);
	struct item *item = strmap_get(c->items, key);
	int64_t wall = schedule_wall(c->schedule);
	struct word *w = mem_alloc(sizeof(*w));

	w->m = *m;
	memset(m, 0, sizeof(*m));
	w->at = w->m.refreshed_at;
	if (wall > w->at)
		w->at = wall < w->at + 999 ? wall : w->at + 999;
	strmap_put(c->leases->by_key, key, w);
	if (!item)
		return;
	if (w->m.refreshed_at > item->synced_at)
		item->shared_at = wall;
	sync_lease(c, item);
}

void
lease_drop(struct core *c, const char *key)
{
	if (c->leases)
		strmap_del(c->leases->by_key, key);
}

const struct link_lease *
lease_of(const struct core *c, const char *key)
{
	const struct word *w = c->leases ? strmap_get(c->leases->by_key,
	    key) : NULL;

	return (w ? &w->m : NULL);
}

/* Somebody wrote the Secret from the object as it is now, later than we. */
static int
counts(const struct core *c, const struct item *item, const struct entry *e)
{
	const struct link_lease *m = lease_of(c, item->key);
	cleanup_free char *version = NULL;

#ifdef WEAKEN_LEASE
	return (0);
#endif
	if (!m || m->ready != 1 || m->refreshed_at <= item->synced_at ||
	    m->refreshed_at > schedule_wall(c->schedule) + LEASE_AHEAD_MS ||
	    !item_makes_secret(item) || item_makes_files(item) ||
	    e->es->refresh != ES_PERIODIC || e->es->refresh_interval_ms <= 0 ||
	    !str_eq(m->uid, e->es->meta.uid) ||
	    !str_eq(m->binding, e->es->target_name))
		return (0);
	version = es_synced_version(e->es);
	return (str_eq(m->synced_version, version));
}

int
lease_is_newer(const struct core *c, const struct item *item,
    const struct entry *e)
{
	const struct link_lease *m = lease_of(c, item->key);

#ifdef WEAKEN_LEASE_NEWER
	return (0);
#endif
	return (m && m->ready == 1 && m->refreshed_at > item->synced_at &&
	    str_eq(m->uid, e->es->meta.uid) &&
	    str_eq(m->binding, e->es->target_name));
}

/* Wall time of the own last look, or of the first word without one. */
static int64_t
own_look(const struct core *c, const struct item *item)
{
	int64_t wall = schedule_wall(c->schedule);
	int64_t tried = item->tried_at ? wall - (schedule_now(c->schedule) -
	    item->tried_at) : 0;

	return (tried > item->synced_at ? tried : item->synced_at);
}

static int64_t
times(int64_t interval, int n)
{
	int64_t all;

	return (__builtin_mul_overflow(interval, (int64_t)n, &all) ?
	    INT64_MAX / 2 : all);
}

/* When a pod that waits will not be put off any longer. */
static int64_t
impatient(const struct item *item)
{
	if (!item->waiting || item->content)
		return (INT64_MAX);
	if (item->failures)
		return (item->tried_at + schedule_backoff_ms(item->failures));
	return (item->waits_since + LEASE_PATIENCE_MS);
}

/* Of the time by which a refresh may come early, who has not looked for longer
 * takes an earlier part: three tenths of it by chance, the rest by his turn,
 * half an interval (he was the last) to two and a half. */
static uint32_t
share(int64_t since, int64_t interval, uint32_t random)
{
	double turn = ((double)since / (double)interval - 0.5) / 2;

	turn = turn < 0 ? 0 : turn > 1 ? 1 : turn;
	return ((uint32_t)(0.7 * turn * UINT32_MAX + 0.3 * random));
}

uint32_t
lease_random(const struct core *c, const struct item *item,
    const struct entry *e, uint32_t random)
{
	int64_t since = schedule_wall(c->schedule) - item->shared_at;

	if (!item->shared_at || e->es->refresh_interval_ms <= 0 ||
	    since > times(e->es->refresh_interval_ms, LEASE_TRUST + 1))
		return (random);
	return (share(0, e->es->refresh_interval_ms, random));
}

int64_t
lease_due(const struct core *c, struct item *item, const struct entry *e,
    uint32_t random)
{
	const struct link_lease *m = lease_of(c, item->key);
	int64_t now = schedule_now(c->schedule);
	int64_t wall = schedule_wall(c->schedule);
	int64_t interval, own, last, due, at;

	if (!counts(c, item, e))
		return (0);
	interval = e->es->refresh_interval_ms;
	at = ((const struct word *)strmap_get(c->leases->by_key,
	    item->key))->at;
	own = own_look(c, item);
	if (!own && !item->lease_since)
		item->lease_since = wall;
	last = own ? own + times(interval, LEASE_TRUST) :
	    item->lease_since + times(interval, LEASE_TRUST - 1);
	due = refresh_due_ms(e->es, m->synced_version, at, wall);
	due = schedule_early_ms(e->es, at, due, share(at - own, interval,
	    random));
#ifdef WEAKEN_LEASE_TRUST
	last = due;
#endif
	due = now + ((due < last ? due : last) - wall);
	if (impatient(item) < due)
		due = impatient(item);
	return (due < 1 ? 1 : due);
}
