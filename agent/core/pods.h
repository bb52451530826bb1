/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_PODS_H
#define CORE_PODS_H

#include "core/core_internal.h"
#include "ipc/link.h"

/*
 * Claims of this node's pods (DESIGN.md §2): a pod that names a Secret claims
 * every ExternalSecret whose target that is, as "secret:POD", for as long as
 * it lives.  One that waits for it makes the ExternalSecret urgent.  A pod's
 * CSI volumes claim by their publish.
 */
struct pods;

struct pods *pods_new(struct core *c);
void pods_free(struct pods *p);			/* claims stay; NULL is fine */

/* pods_put: new or changed; what ${m} holds is taken over. */
void pods_put(struct pods *p, struct link_pod *m);
void pods_gone(struct pods *p, const char *uid);
/* Around a whole list: who was not put between them is gone. */
void pods_relist(struct pods *p);
void pods_listed(struct pods *p);

/* pods_target(p, key): the ExternalSecret of that item key has come, gone or
 * changed: its target may be another one. */
void pods_target(struct pods *p, const char *key);
/* pods_each_of(p, ns, target, cb, arg): item keys of the ExternalSecrets that
 * make that Secret. */
void pods_each_of(const struct pods *p, const char *ns, const char *target,
    void (*cb)(void *arg, const char *key), void *arg);
/* pods_of_account(p, ns, account): a pod of this node, not over, with that
 * service account, NULL none; borrowed. */
const struct link_pod *pods_of_account(const struct pods *p, const char *ns,
    const char *account);
size_t pods_len(const struct pods *p);

#endif
