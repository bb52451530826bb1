/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_RETRY_H
#define NET_RETRY_H

#include <stdint.h>

#include "base/err.h"

/*
 * What is worth another try, in one place (hashicorp's retryablehttp policy, as
 * ESO's Vault client uses it; ESO's retrySettings on top).
 */

/* retry_worth(status, kind): after an answer (status > 0) or a failure
 * (status 0, kind of the error): 412, 429 and 5xx but 501; TRANSIENT. */
int retry_worth(int status, enum err_kind kind);
/* retry_wait_ms(attempt, min, max, retry_after): exponential with ceiling;
 * a Retry-After of the peer wins up to 10 s. */
uint32_t retry_wait_ms(unsigned attempt, uint32_t min_ms, uint32_t max_ms,
    uint32_t retry_after_ms);
/* retry_jitter_ms(attempt, min, max): exponential with ceiling, then by chance
 * between half of it and all, so that a thousand nodes do not come together. */
uint32_t retry_jitter_ms(unsigned attempt, uint32_t min_ms, uint32_t max_ms);

#endif
