/* SPDX-License-Identifier: Apache-2.0 */
#include "core/circuit.h"

enum circuit_admission
circuit_ask(const struct circuit *c, int64_t now)
{
	if (c->state == CIRCUIT_CLOSED)
		return (CIRCUIT_ALL);
	if (c->state == CIRCUIT_OPEN && now >= c->probe_at)
		return (CIRCUIT_PROBE);
	return (CIRCUIT_NONE);
}

void
circuit_probe(struct circuit *c)
{
	c->state = CIRCUIT_HALF_OPEN;
}

static void
reopen(struct circuit *c, int64_t now)
{
	c->delay = c->delay ? c->delay * 2 : CIRCUIT_FIRST_MS;
	if (c->delay > CIRCUIT_MAX_MS)
		c->delay = CIRCUIT_MAX_MS;
	c->state = CIRCUIT_OPEN;
	c->probe_at = now + c->delay;
}

int
circuit_failure(struct circuit *c, int64_t now)
{
#ifdef WEAKEN_CIRCUIT
	(void)now;
	c->failures++;
	return (0);
#else
	c->failures++;
	/* What was under way when it opened says nothing new. */
	if (c->state == CIRCUIT_OPEN ||
	    (c->state == CIRCUIT_CLOSED && c->failures < CIRCUIT_FAILURES))
		return (0);
	reopen(c, now);
	return (1);
#endif
}

int
circuit_answer(struct circuit *c)
{
	int was = c->state != CIRCUIT_CLOSED;

	*c = (struct circuit){ CIRCUIT_CLOSED, 0, 0, 0 };
	return (was);
}

void
circuit_unsure(struct circuit *c, int64_t now)
{
	if (c->state == CIRCUIT_HALF_OPEN)
		reopen(c, now);
}

const char *
circuit_name(const struct circuit *c)
{
	static const char *const names[] = { "closed", "open", "half-open" };

	return (names[c->state]);
}

void
bucket_asked(struct bucket *b, int64_t now, uint32_t retry_after_ms)
{
	int64_t wait = retry_after_ms ? retry_after_ms : BUCKET_WAIT_MS;

	if (wait > BUCKET_WAIT_MAX_MS)
		wait = BUCKET_WAIT_MAX_MS;
	if (now + wait > b->not_before)
		b->not_before = now + wait;
	b->until = b->not_before + BUCKET_LIFE_MS;
	b->filled_at = b->not_before;
	b->tokens = 1;
}

static double
tokens_at(const struct bucket *b, int64_t now)
{
	double t = b->tokens;

	if (now > b->filled_at)
		t += (double)(now - b->filled_at) * BUCKET_RATE / 1000;
	return (t < BUCKET_BURST ? t : BUCKET_BURST);
}

unsigned
bucket_take(struct bucket *b, int64_t now, unsigned want)
{
	unsigned have;

	if (now >= b->until)
		return (want);
	if (now < b->not_before)
		return (0);
	b->tokens = tokens_at(b, now);
	b->filled_at = now;
	have = (unsigned)b->tokens;
	if (have > want)
		have = want;
	b->tokens -= have;
	return (have);
}

int64_t
bucket_next(const struct bucket *b, int64_t now)
{
	if (now < b->not_before)
		return (b->not_before);
	if (now >= b->until || tokens_at(b, now) >= 1)
		return (now);
	return (now + 1000 / BUCKET_RATE);
}
