/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_APPLY_INTERNAL_H
#define JOB_APPLY_INTERNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "ipc/job.h"
#include "model/payload.h"

/* What is written, and what the answers mean: pure (apply_object.c). */

/* apply_manager(name): the field manager of an ExternalSecret, the caller's. */
char *apply_manager(const char *name);

/* apply_body(item, p, out): the Secret as we want it, JSON, into a secret
 * buffer: for server-side apply, or as a merge patch (JOB_APPLY_MERGE). */
void apply_body(const struct job_apply_item *item, const struct payload *p,
    struct buf *out);

/**
 * apply_leftovers(item, p, meta, out):
 * Whether the metadata ${meta} that a write answered shows what should not be
 * there: keys of data that another manager has (Owner and Orphan are the whole
 * Secret), or keys, labels and annotations that we wrote earlier (Merge).  1
 * with a merge patch in ${out} that takes them away, else 0.
 */
int apply_leftovers(const struct job_apply_item *item,
    const struct payload *p, const struct json *meta, struct buf *out);

/* apply_owned(meta, uid): its controller is that ExternalSecret. */
int apply_owned(const struct json *meta, const char *uid);

/* apply_hash(p): of the data, as the payload carries it; "" none; the
 * caller's. */
char *apply_hash(const struct payload *p);

/**
 * apply_failed(item, status, answer, err, ret):
 * Fill ${ret} with the condition, the event and our words for a write that
 * ended with ${status} (0: none) and the Status object ${answer} (may be NULL);
 * ${err} is what kube_refused or the connection said.
 */
void apply_failed(const struct job_apply_item *item, int status,
    const struct json *answer, const struct err *err,
    struct job_applied *ret);

#endif
