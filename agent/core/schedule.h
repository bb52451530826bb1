/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SCHEDULE_H
#define CORE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/loop.h"
#include "model/external_secret.h"

/*
 * What is due when: one binary heap of due times behind one loop timer.  An
 * entry that is not due costs its memory and nothing else.
 */
struct schedule;

/* An entry; lies inside its owner. */
struct due {
	int64_t at;		/* boot ms */
	size_t pos;		/* place in the heap + 1; 0: not scheduled */
	void (*cb)(void *arg);
	void *arg;
};

/* schedule_new(l, c): ${l} may be NULL; then schedule_run is the caller's. */
struct schedule *schedule_new(struct loop *l, const struct clock *c);
void schedule_free(struct schedule *s);		/* entries are borrowed */

void due_init(struct due *d, void (*cb)(void *arg), void *arg);
/* schedule_at(s, d, at): call back once at ${at} (boot ms; the past: the next
 * turn); replaces an earlier time. */
void schedule_at(struct schedule *s, struct due *d, int64_t at);
void schedule_in(struct schedule *s, struct due *d, int64_t ms);
void schedule_cancel(struct schedule *s, struct due *d);
int64_t schedule_now(const struct schedule *s);		/* boot ms */
int64_t schedule_wall(const struct schedule *s);	/* wall ms */
/* schedule_next(s): the earliest time, INT64_MAX when nothing is scheduled. */
int64_t schedule_next(const struct schedule *s);
size_t schedule_len(const struct schedule *s);
/* schedule_run(s): call back all that is due now; how many.  The loop's timer
 * does this by itself. */
size_t schedule_run(struct schedule *s);

/* schedule_backoff_ms(failures): 1 s · 2^n, at most 7 min, as ESO's rate
 * limiter (eso.md 2.4); ${failures} in a row, from 1. */
int64_t schedule_backoff_ms(unsigned failures);

/**
 * schedule_early_ms(es, last, due, random):
 * The time at which a refresh that is due at ${due} (wall ms) really comes:
 * 0–10 % of the time since ${last} earlier, by chance (${random}: the whole
 * range of its type), but not into a closed sync window.
 */
int64_t schedule_early_ms(const struct external_secret *es, int64_t last,
    int64_t due, uint32_t random);

#endif
