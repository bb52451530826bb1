/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SPREAD_H
#define CORE_SPREAD_H

#include "core/core_internal.h"

/*
 * A store that is back, or a node that is: everything is overdue at once, here
 * and on all other nodes.  What is served meanwhile can wait a little.
 */
#define SPREAD_MAX_MS 60000	/* by then all of it has been asked for */
#define SPREAD_BATCH 16		/* one login is for so many at least */

/**
 * spread_overdue(c, store):
 * Take the refreshes that are queued for ${store} (NULL: for any) out of the
 * queue again, and give each a time of its own within its refresh interval, at
 * most SPREAD_MAX_MS: in batches, so that jobs and logins stay few, each at a
 * time that chance decides.  Who has nothing to serve, whom a pod waits for,
 * and what has changed since it was fetched, stays where it is; fewer than one
 * batch do, too.
 */
void spread_overdue(struct core *c, const char *store);

#endif
