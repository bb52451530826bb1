/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include "core/core_internal.h"
#include "ipc/link.h"

/*
 * Nobody elects a leader (DESIGN.md §2): the ExternalSecret's own status is the
 * lease for its Secret.  Who is due first refreshes and writes; the others see
 * refreshTime, syncedResourceVersion and binding in their watch, and pass their
 * turn.
 *
 * A node passes only what it holds for pods' Secrets: who projects files reads
 * for himself.  It goes without a look of its own for two intervals at most.
 * Turns go round: of the 10 % by which refreshes come early, the earlier part
 * belongs to who has not looked for longer.
 */
#define LEASE_TRUST 3		/* intervals after the own last attempt */
/* A pod that has not started within this time may be waiting for a Secret that
 * is not there, whatever the lease says. */
#define LEASE_PATIENCE_MS 5000
#define LEASE_AHEAD_MS 60000	/* a refreshTime further ahead is none */

struct leases;

struct leases *leases_new(void);
void leases_free(struct leases *l);		/* NULL is fine */
/* lease_take(c, m): as LINK_LEASE says; ${m} is taken over.  lease_drop: the
 * object of that item key is gone. */
void lease_take(struct core *c, struct link_lease *m);
void lease_drop(struct core *c, const char *key);
/* lease_of(c, key): what the API server shows, NULL not known; borrowed. */
const struct link_lease *lease_of(const struct core *c, const char *key);

/**
 * lease_due(c, item, e, random):
 * Boot time of the item's next turn by another's word, 0 when nobody's word
 * counts: it is to be decided without.  ${random}: the whole range of its type.
 */
int64_t lease_due(const struct core *c, struct item *item,
    const struct entry *e, uint32_t random);

/* lease_random(c, item, e, random): the chance by which our own refresh comes
 * early: less of it when others share the object, whose turn is next. */
uint32_t lease_random(const struct core *c, const struct item *item,
    const struct entry *e, uint32_t random);

/* lease_is_newer(c, item, e): another node has written the Secret after our
 * last refresh: what we hold is not to be written over it. */
int lease_is_newer(const struct core *c, const struct item *item,
    const struct entry *e);

/* item_makes_secret(item): a pod's reference or an annotation claims it;
 * item_makes_files: a volume or a projection does. */
int item_makes_secret(const struct item *item);
int item_makes_files(const struct item *item);

#endif
