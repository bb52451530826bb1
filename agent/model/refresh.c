/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/cron.h"
#include "model/refresh.h"

/* ESO 2.9.0 pkg/controllers/externalsecret/externalsecret_controller.go:
 * shouldRefresh, shouldRefreshPeriodic, isPeriodicRefreshAllowedByWindows,
 * isWithinSyncWindow. */

#define LOOKS_MAX (1 << 14)
#define HORIZON_MS (366 * INT64_C(86400000))

/* --- windows ------------------------------------------------------------- */

/* Schedules are looked at in the order of time: an answer holds until it has
 * come, and a rare one ("29 February") is worth keeping. */
struct memo {
	int64_t from, next;	/* nothing between; next 0: no answer yet */
};

struct open_window {
	struct cron cron;
	int64_t duration_ms;
	int ok;			/* what does not parse is never open */
	struct memo opened, next;
};

static struct open_window *
compile(const struct sync_window *w)
{
	struct open_window *v = mem_array(w->n, sizeof(*v));

	for (size_t i = 0; i < w->n; i++) {
		v[i].ok = cron_parse(w->windows[i].schedule, &v[i].cron,
		    NULL) == 0;
		v[i].duration_ms = w->windows[i].duration_ms;
	}
	return (v);
}

static int64_t
add(int64_t a, int64_t b)
{
	int64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return (b > 0 ? INT64_MAX : INT64_MIN);
	return (r);
}

static int64_t
next_after(const struct cron *c, struct memo *m, int64_t t)
{
	if (m->next == 0 || t < m->from || t >= m->next)
		*m = (struct memo){ t, cron_next(c, t) };
	return (m->next);
}

/* The activation that would hold ${at} open: the first after at - duration -
 * 1 s, for Next() is strict. */
static int64_t
opened(struct open_window *w, int64_t at)
{
	return (next_after(&w->cron, &w->opened,
	    add(at, -add(w->duration_ms, 1000))));
}

static int
is_within(struct open_window *w, int64_t at)
{
	int64_t prev;

	if (!w->ok)
		return (0);
	prev = opened(w, at);
	return (prev != CRON_NEVER && prev <= at &&
	    at <= add(prev, w->duration_ms));
}

static int
allowed(const struct sync_window *w, struct open_window *v, int64_t at)
{
	int active = 0;

	for (size_t i = 0; i < w->n && !active; i++)
		active = is_within(&v[i], at);
	if (strcmp(w->kind, "deny") == 0)
		return (!active);
	if (strcmp(w->kind, "allow") == 0)
		return (active);
	return (1);
}

int
window_open(const struct sync_window *w, int64_t now)
{
	cleanup_free struct open_window *v = NULL;

	if (w->n == 0)
		return (1);
	v = compile(w);
	return (allowed(w, v, now));
}

/* The next whole second after ${at} at which one of the windows opens or has
 * closed. */
static int64_t
next_change(const struct sync_window *w, struct open_window *v,
    int64_t at)
{
	int64_t best = CRON_NEVER;

	for (size_t i = 0; i < w->n; i++) {
		int64_t change;

		if (!v[i].ok)
			continue;
		if (is_within(&v[i], at)) {
			change = add(opened(&v[i], at), v[i].duration_ms);
			change = add(change - change % 1000, 1000);
		} else
			change = next_after(&v[i].cron, &v[i].next, at);
		if (change < best)
			best = change;
	}
	return (best);
}

int64_t
window_next_open(const struct sync_window *w, int64_t now)
{
	cleanup_free struct open_window *v = NULL;
	int64_t at = now;

	if (w->n == 0)
		return (now);
	v = compile(w);
	for (size_t looks = 0; looks < LOOKS_MAX; looks += w->n) {
		if (allowed(w, v, at))
			return (at);
		at = next_change(w, v, at);
		if (at == CRON_NEVER || at > add(now, HORIZON_MS))
			return (REFRESH_NEVER);
	}
	return (at);
}

/* --- when ---------------------------------------------------------------- */

static int
is_current(const struct external_secret *es, const char *synced_version)
{
	cleanup_free char *now = es_synced_version(es);

	return (strcmp(now, synced_version) == 0);
}

static int64_t
periodic_due(const struct external_secret *es, const char *synced,
    int64_t last, int64_t now)
{
	int64_t due;

	if (es->refresh_interval_ms <= 0)
		return (REFRESH_NEVER);
	if (!is_current(es, synced) || last <= 0 || last > now)
		return (now);
	/* "before now" is strict. */
	due = add(add(last, es->refresh_interval_ms), 1);
	if (due == REFRESH_NEVER)
		return (REFRESH_NEVER);
	return (window_next_open(&es->window, due > now ? due : now));
}

int64_t
refresh_due_ms(const struct external_secret *es, const char *synced_version,
    int64_t last_sync_wall_ms, int64_t now_wall_ms)
{
	const char *synced = str_or(synced_version, "");

	if (synced[0] == '\0')
		return (now_wall_ms);
	switch (es->refresh) {
	case ES_CREATED_ONCE:
		return (last_sync_wall_ms <= 0 ? now_wall_ms : REFRESH_NEVER);
	case ES_ON_CHANGE:
		return (last_sync_wall_ms <= 0 || !is_current(es, synced) ?
		    now_wall_ms : REFRESH_NEVER);
	default:
		return (periodic_due(es, synced, last_sync_wall_ms,
		    now_wall_ms));
	}
}
