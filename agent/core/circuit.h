/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CIRCUIT_H
#define CORE_CIRCUIT_H

#include <stdint.h>

/*
 * Whom to leave alone.  A circuit belongs to a store at its host: three
 * connect errors (a refused certificate is one), time-outs or 5xx in a row open
 * it; a single probe, after a delay that grows from 1 s to 1 min, closes it
 * again or not.  A bucket belongs to a host and exists only after that host
 * asked for one (429, Retry-After).
 * Both are pure: time (boot ms) comes in.
 */
#define CIRCUIT_FAILURES 3
#define CIRCUIT_FIRST_MS 1000
#define CIRCUIT_MAX_MS 60000

enum circuit_state { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN };

struct circuit {
	enum circuit_state state;
	unsigned failures;	/* in a row */
	int64_t probe_at;	/* when open */
	int64_t delay;
};

enum circuit_admission { CIRCUIT_ALL, CIRCUIT_PROBE, CIRCUIT_NONE };

/* circuit_ask(c, now): what may be asked now; changes nothing. */
enum circuit_admission circuit_ask(const struct circuit *c, int64_t now);
/* circuit_probe: the one probe has started (half-open). */
void circuit_probe(struct circuit *c);
/* circuit_failure: a connect error, time-out or 5xx; nonzero when it opened
 * (again). */
int circuit_failure(struct circuit *c, int64_t now);
/* circuit_answer: the host has answered, whatever it said; nonzero when it
 * closed. */
int circuit_answer(struct circuit *c);
/* circuit_unsure(c, now): the probe ended without either. */
void circuit_unsure(struct circuit *c, int64_t now);
const char *circuit_name(const struct circuit *c);

#define BUCKET_RATE 10		/* a second */
#define BUCKET_BURST 20
#define BUCKET_LIFE_MS (10 * 60 * 1000)
#define BUCKET_WAIT_MS 5000	/* when the host named no time */
#define BUCKET_WAIT_MAX_MS (10 * 60 * 1000)

struct bucket {
	int64_t not_before;	/* what the host asked for */
	int64_t until;		/* the bucket's end */
	int64_t filled_at;
	double tokens;
};

/* bucket_asked(b, now, retry_after_ms): the host wants to be left alone. */
void bucket_asked(struct bucket *b, int64_t now, uint32_t retry_after_ms);
/* bucket_take(b, now, want): how many of ${want} may be asked now. */
unsigned bucket_take(struct bucket *b, int64_t now, unsigned want);
/* bucket_next(b, now): when it has a token again. */
int64_t bucket_next(const struct bucket *b, int64_t now);

#endif
