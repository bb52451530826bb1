/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CLAIMS_H
#define CORE_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Who needs an ExternalSecret on this node (DESIGN.md §2).  A claim is a name,
 * as status shows it ("csi:POD/VOLUME", "host:NAME", "node:NODE"), and lives
 * until it is dropped or its time is over.
 */
#define CLAIM_FOREVER INT64_MAX
/* A claim from a publish that failed; and how long a value outlives its last
 * claim. */
#define CLAIM_FAILED_MS (10 * 60 * 1000)
#define CLAIM_FORGET_MS (10 * 60 * 1000)

struct claim {
	char *name;
	int64_t until;		/* boot ms, or CLAIM_FOREVER */
};

struct claims {
	struct claim *v;
	size_t n, cap;
};

/* claims_put: add, or give the claim of that name another end.  Nonzero when
 * it is new. */
int claims_put(struct claims *c, const char *name, int64_t until);
/* claims_drop: nonzero when there was one. */
int claims_drop(struct claims *c, const char *name);
/* claims_expire(c, now): drop those whose time is over; how many are left. */
size_t claims_expire(struct claims *c, int64_t now);
/* claims_next(c): the earliest end, CLAIM_FOREVER when none ends by itself. */
int64_t claims_next(const struct claims *c);
void claims_clear(struct claims *c);

#endif
