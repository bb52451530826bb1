/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_AGE_H
#define CORE_AGE_H

#include "core/core_internal.h"

/*
 * How old a value is and what follows from it (INTERFACES.md §4): the policy
 * that its annotations and its stores' make, when it counts as stale, who may
 * still mount it, when it goes.  Ages are counted on the boot clock: setting
 * the wall clock neither revives nor kills a value.
 */

/* age_policy(c, item, p): the ExternalSecret's own, narrowed by all of its
 * stores'. */
void age_policy(const struct core *c, const struct item *item,
    struct offline_policy *p);

/* age_source(item): "live", "memory", "sealed" or "bundle", as in status. */
const char *age_source(const struct item *item);
/* age_stale(c, item): its refresh has failed for longer than warn-after. */
int age_stale(const struct core *c, const struct item *item);

/**
 * age_may_mount(c, item, ret_why):
 * May a new mount, or a host projection that has no files yet, have the value?
 * When not, *ret_why says which policy forbids it (the caller's).  ${ret_why}
 * may be NULL.
 */
int age_may_mount(const struct core *c, const struct item *item,
    char **ret_why);

/* age_may_seal(c, item, tpm): may its value be in the sealed file; ${tpm}: a
 * TPM opens it. */
int age_may_seal(const struct core *c, const struct item *item, int tpm);

/* A refresh has failed (${http_status} 0: without an answer), or succeeded:
 * called before the item is settled. */
void age_failed(struct core *c, struct item *item, unsigned http_status);
void age_succeeded(struct core *c, struct item *item);
/* age_settle(c, item): after either, or after a change of the objects: act on
 * what is due, set the timer for what is next. */
void age_settle(struct core *c, struct item *item);

#endif
