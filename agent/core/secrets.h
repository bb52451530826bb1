/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SECRETS_H
#define CORE_SECRETS_H

#include "core/core_internal.h"
#include "ipc/link.h"

/*
 * Kubernetes Secrets, written by apply jobs from the sealed records (DESIGN.md
 * §2, INTERFACES.md §5).
 *
 * A Secret is written for an ExternalSecret that a pod's reference or the
 * annotation nodeseal.dev/claim claims here; one that only volumes and
 * projections claim has files and no Secret.  It is written when its content,
 * its target or its policy differ from what this process wrote last, or when it
 * has drifted: where the tier lets its metadata be watched, the watch says so
 * at once; where not, a refresh applies it again, which changes nothing at the
 * API server as long as nobody else has.  An apply answers with metadata alone:
 * its resourceVersion is what the watch is compared with.
 */
struct secrets;

/* What is under way at a time, and how much of it may be one request. */
#define SECRETS_JOBS 2
#define SECRETS_REQUEST_MAX ((size_t)16 << 20)
/* A Secret that somebody else keeps changing is put right this often. */
#define SECRETS_DRIFT_MS 5000
/* A change that does not look like a hand's may be another node's newer write;
 * this long its lease has to come. */
#define SECRETS_OTHERS_MS 10000

struct secrets *secrets_new(struct core *c);
void secrets_free(struct secrets *s);		/* NULL is fine */

/**
 * secrets_settle(c, item, refreshed):
 * Something has changed about the item; ${refreshed}: a fetch has succeeded
 * just now.  Nonzero when a write is to come or under way: then the item's
 * condition is said at its end.
 */
int secrets_settle(struct core *c, struct item *item, int refreshed);
/* secrets_urgent(c, item): a pod waits; a write that failed is tried now. */
void secrets_urgent(struct core *c, struct item *item);
/* secrets_forget: the item goes, or is not to be written any more. */
void secrets_forget(struct core *c, struct item *item);
/* secrets_due: the callback of struct item's secret.due. */
void secrets_due(void *item);
/* secrets_meta: a Secret as our watch shows it. */
void secrets_meta(struct core *c, const struct link_meta *m);
/* secrets_unwatched(c, ns): nothing is known of the Secrets of that namespace
 * any more; NULL of any. */
void secrets_unwatched(struct core *c, const char *ns);
/* secrets_pump(c): start what can be started. */
void secrets_pump(struct core *c);
/* secrets_bound(item): the Secret that holds its value, NULL none of ours. */
const char *secrets_bound(const struct item *item);

#endif
