/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_REPORT_H
#define LINK_REPORT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/loop.h"
#include "ipc/link.h"
#include "link/api.h"

/*
 * Statuses on their way to the API server: one waits for an object at a time
 * (the newest), urgent ones first, REPORTS_PARALLEL under way.  A merge patch
 * of the status subresource; a NodeSeal (made when it is missing) and a
 * HostProjection's entry by server-side apply.  Answers: metadata alone.
 *
 * Without an answer, after 408, 429 and 5xx, a report is tried again by itself
 * for as long as nothing newer replaces it.  409 once more at once.  What is
 * final is told: 404 (the object is gone), 403, 422 and the rest by name.
 */
#define REPORTS_PARALLEL 16
#define REPORTS_WAITING 65536	/* beyond: refused as LIMIT, told with 0 */
struct reports;

/* reported: the end of each report that was not replaced. */
struct reports *reports_new(struct loop *l, struct api *a, const char *node,
    void (*reported)(void *arg, const struct link_reported *m), void *arg);
void reports_free(struct reports *r);
/* reports_put: copied. */
void reports_put(struct reports *r, const struct link_report *m);
/**
 * reports_seen(r, kind, ns, name, status):
 * The watch shows a SecretStore or ClusterSecretStore with this status (NULL:
 * none, or the object is gone).  A report that says no more than what is there
 * is not sent (it is reported as done), and a condition whose status stays the
 * same keeps its lastTransitionTime.
 */
void reports_seen(struct reports *r, const char *kind, const char *ns,
    const char *name, const struct json *status);
/* reports_idle: nothing waits and nothing is under way. */
int reports_idle(const struct reports *r);
/* reports_metrics: nodeseal_report… in Prometheus' text format. */
void reports_metrics(const struct reports *r, struct buf *out);

#endif
