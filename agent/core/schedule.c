/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/schedule.h"
#include "model/refresh.h"

#define BACKOFF_FIRST 1000
#define BACKOFF_MAX (7 * 60 * 1000)
/* The loop's clock stands still in suspend, the heap's does not: never sleep
 * longer than this. */
#define SLEEP_MAX (60 * 60 * 1000)

struct schedule {
	const struct clock *clock;
	struct loop_timer *timer;	/* NULL in a test */
	int64_t armed;			/* what the timer is set to */
	struct due **heap;
	size_t n, cap;
};

static void
place(struct schedule *s, size_t i, struct due *d)
{
	s->heap[i] = d;
	d->pos = i + 1;
}

static void
sift_up(struct schedule *s, size_t i)
{
	struct due *d = s->heap[i];

	while (i > 0 && s->heap[(i - 1) / 2]->at > d->at) {
		place(s, i, s->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(s, i, d);
}

static void
sift_down(struct schedule *s, size_t i)
{
	struct due *d = s->heap[i];
	size_t c;

	while ((c = 2 * i + 1) < s->n) {
		if (c + 1 < s->n && s->heap[c + 1]->at < s->heap[c]->at)
			c++;
		if (s->heap[c]->at >= d->at)
			break;
		place(s, i, s->heap[c]);
		i = c;
	}
	place(s, i, d);
}

static void
arm(struct schedule *s)
{
	int64_t next = schedule_next(s), wait;

	if (!s->timer || next == s->armed)
		return;
	s->armed = next;
	if (next == INT64_MAX) {
		loop_timer_stop(s->timer);
		return;
	}
	wait = next - schedule_now(s);
	wait = wait < 0 ? 0 : wait;
	loop_timer_start(s->timer,
	    (uint64_t)(wait < SLEEP_MAX ? wait : SLEEP_MAX));
}

static void
on_timer(void *arg)
{
	struct schedule *s = arg;

	s->armed = INT64_MAX;
	schedule_run(s);
	arm(s);
}

struct schedule *
schedule_new(struct loop *l, const struct clock *c)
{
	struct schedule *s = mem_alloc(sizeof(*s));

	s->clock = c;
	s->armed = INT64_MAX;
	if (l)
		s->timer = loop_timer_new(l, on_timer, s);
	return (s);
}

void
schedule_free(struct schedule *s)
{
	if (!s)
		return;
	loop_timer_free(s->timer);
	free(s->heap);
	free(s);
}

void
due_init(struct due *d, void (*cb)(void *arg), void *arg)
{
	*d = (struct due){ 0, 0, cb, arg };
}

static void
take_out(struct schedule *s, struct due *d)
{
	size_t i = d->pos - 1;
	struct due *last = s->heap[--s->n];

	d->pos = 0;
	if (last == d)
		return;
	place(s, i, last);
	sift_up(s, i);
	sift_down(s, last->pos - 1);
}

void
schedule_at(struct schedule *s, struct due *d, int64_t at)
{
	if (d->pos)
		take_out(s, d);
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->heap = mem_grow(s->heap, s->cap, sizeof(struct due *));
	}
	d->at = at;
	place(s, s->n++, d);
	sift_up(s, d->pos - 1);
	arm(s);
}

void
schedule_in(struct schedule *s, struct due *d, int64_t ms)
{
	int64_t now = schedule_now(s);

	schedule_at(s, d, ms > INT64_MAX - now ? INT64_MAX : now + ms);
}

void
schedule_cancel(struct schedule *s, struct due *d)
{
	if (!d->pos)
		return;
	take_out(s, d);
	arm(s);
}

int64_t
schedule_now(const struct schedule *s)
{
	return (s->clock->boot_ms(s->clock));
}

int64_t
schedule_wall(const struct schedule *s)
{
	return (s->clock->wall_ms(s->clock));
}

int64_t
schedule_next(const struct schedule *s)
{
	return (s->n ? s->heap[0]->at : INT64_MAX);
}

size_t
schedule_len(const struct schedule *s)
{
	return (s->n);
}

/* The clock is read once: an entry that schedules itself for "now" again
 * waits for the next turn and starves nobody. */
size_t
schedule_run(struct schedule *s)
{
	int64_t now = schedule_now(s);
	size_t left = s->n, ran = 0;
	struct due *d;

	while (left-- && s->n && s->heap[0]->at <= now) {
		d = s->heap[0];
		take_out(s, d);
		d->cb(d->arg);
		ran++;
	}
	return (ran);
}

int64_t
schedule_backoff_ms(unsigned failures)
{
	int64_t ms = BACKOFF_FIRST;

	while (failures-- > 1 && ms < BACKOFF_MAX)
		ms *= 2;
	return (ms < BACKOFF_MAX ? ms : BACKOFF_MAX);
}

int64_t
schedule_early_ms(const struct external_secret *es, int64_t last, int64_t due,
    uint32_t random)
{
	int64_t span = due - last, early;

	if (due == REFRESH_NEVER || span <= 0)
		return (due);
	/* Divided first: an interval of centuries must not overflow. */
	early = due - (int64_t)((double)span / 10 * random / UINT32_MAX);
	return (window_open(&es->window, early) ? early : due);
}
