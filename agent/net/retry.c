/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/random.h>

#include "net/retry.h"

#define RETRY_AFTER_MAX_MS 10000u
#define DOUBLINGS_MAX 16u

/*
 * hashicorp/go-retryablehttp DefaultRetryPolicy (429, 5xx but 501, failed
 * connections) and hashicorp/vault api DefaultRetryPolicy (412 too: a standby
 * that has not yet seen the write that we must read).
 */
int
retry_worth(int status, enum err_kind kind)
{
	if (status == 0)
		return (kind == ERR_TRANSIENT);
	return (status == 412 || status == 429 ||
	    (status >= 500 && status != 501));
}

uint32_t
retry_wait_ms(unsigned attempt, uint32_t min_ms, uint32_t max_ms,
    uint32_t retry_after_ms)
{
	uint64_t wait;

	if (retry_after_ms > 0)
		return (retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms :
		    RETRY_AFTER_MAX_MS);
	if (attempt > DOUBLINGS_MAX)
		attempt = DOUBLINGS_MAX;
	wait = (uint64_t)min_ms << attempt;
	return (wait > max_ms ? (max_ms < min_ms ? min_ms : max_ms) :
	    (uint32_t)wait);
}

uint32_t
retry_jitter_ms(unsigned attempt, uint32_t min_ms, uint32_t max_ms)
{
	uint32_t wait = retry_wait_ms(attempt, min_ms, max_ms, 0);
	uint32_t chance = 0;

	/* Without it, all is waited: later, never sooner. */
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(chance))
		return (wait);
	return (wait - chance % (wait / 2 + 1));
}
