/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_OFFLINE_H
#define MODEL_OFFLINE_H

#include <stdint.h>

#include "base/json.h"
#include "base/strmap.h"
#include "model/object.h"

/*
 * How long, and how, an old value may be served: the annotations
 * offline.nodeseal.dev/… of an ExternalSecret, and of its stores, whose values
 * are the ceiling (INTERFACES.md §4).  In each enum the stricter is the
 * smaller, so that the stricter of two is the minimum.
 */
#define OFFLINE_PREFIX "offline.nodeseal.dev/"

enum offline_mode { OFFLINE_NEVER, OFFLINE_FAIL_CLOSED, OFFLINE_MEMORY_ONLY,
	OFFLINE_SERVE_STALE };
enum offline_new_pods { OFFLINE_DENY, OFFLINE_ALLOW };
enum offline_on_expiry { OFFLINE_REMOVE_FILES, OFFLINE_KEEP_FILES };
enum offline_on_denied { OFFLINE_PURGE, OFFLINE_GRACE, OFFLINE_KEEP };
enum offline_key_source { OFFLINE_KEY_TPM2, OFFLINE_KEY_ANY };

#define OFFLINE_MAX_STALE_MS (168ll * 3600 * 1000)
#define OFFLINE_GRACE_MS (24ll * 3600 * 1000)
/* warn-after where refreshInterval is 0, and its least default. */
#define OFFLINE_WARN_LEAST_MS (10ll * 60 * 1000)

struct offline_policy {
	enum offline_mode mode;
	int64_t max_stale_ms;
	int64_t warn_after_ms;	/* -1: not said, the default of the object */
	enum offline_new_pods new_pods;
	enum offline_on_expiry on_expiry;
	enum offline_on_denied on_denied;
	int64_t grace_ms;	/* of OFFLINE_GRACE */
	enum offline_key_source key_source;
};

/* offline_default(p): nothing is said. */
void offline_default(struct offline_policy *p);

/**
 * offline_parse(annotations, node, p, f):
 * Read what is said over the defaults.  Each value that is not known, and each
 * annotation of our prefix that is not, is a REJECT finding of ours
 * (FINDING_OURS) that names it and what may stand there; an object with one is
 * of no use, its policy then is the rest.  ${node}: metadata.annotations, for
 * the findings' lines; it and ${f} may be NULL.
 */
void offline_parse(const struct strmap *annotations, const struct json *node,
    struct offline_policy *p, struct findings *f);

/* offline_narrow(p, ceiling): ${p} becomes the stricter of the two, field by
 * field.  A ceiling without warn-after leaves ${p}'s alone. */
void offline_narrow(struct offline_policy *p,
    const struct offline_policy *ceiling);

/* offline_warn_ms(p, refresh_interval_ms): when old becomes stale. */
int64_t offline_warn_ms(const struct offline_policy *p,
    int64_t refresh_interval_ms);

/**
 * offline_expires_ms(p, refresh_interval_ms, synced_at, failed_since):
 * When a value whose refresh has failed since ${failed_since} must no longer be
 * served: after max-stale; with OFFLINE_NEVER already when the next success was
 * due, ${refresh_interval_ms} after the last one at ${synced_at}.  All on one
 * clock, whichever; INT64_MAX when no end is in sight.
 */
int64_t offline_expires_ms(const struct offline_policy *p,
    int64_t refresh_interval_ms, int64_t synced_at, int64_t failed_since);

#endif
