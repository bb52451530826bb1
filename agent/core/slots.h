/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SLOTS_H
#define CORE_SLOTS_H

#include "base/strmap.h"

/*
 * Who may run (INTERFACES.md §1, "slow stores delay nobody"): --max-jobs jobs
 * at a time.  A job that has waited for its peer for a second gives its slot
 * back and runs on beside the others: one such job a provider host,
 * SLOTS_SLOW_MAX in all.  While a host has one, no other job for that host
 * starts, and one that stalls too must yield: it is stopped and its items wait
 * for the slow one's end.
 */
#define SLOTS_SLOW_MAX 32
#define SLOTS_STALL_MS 1000

enum slots_verdict {
	SLOTS_KEEP,		/* nothing changes: all slow places are taken */
	SLOTS_GAVE_BACK,	/* the job is the host's slow one now */
	SLOTS_YIELD		/* stop it */
};

struct slots {
	int max, used, slow;
	struct strmap *hosts;	/* hosts that have a slow job */
};

void slots_init(struct slots *s, int max);
void slots_clear(struct slots *s);
/* ${host} is "" for a job that has no provider. */
int slots_may_start(const struct slots *s, const char *host);
void slots_take(struct slots *s);
enum slots_verdict slots_stalled(struct slots *s, const char *host);
/* The job has ended: ${slow} when it had given its slot back. */
void slots_release(struct slots *s, const char *host, int slow);

#endif
