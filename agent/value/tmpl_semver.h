/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_SEMVER_H
#define VALUE_TMPL_SEMVER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_text.h"

/* Masterminds/semver v3.4.0. */
struct semver {
	struct tv fields[6];		/* as Go prints them */
	uint64_t major, minor, patch;
	struct text pre, metadata, original;
};

/* semver_parse: NewVersion, which coerces ("v1.2" is 1.2.0).  INVALID with its
 * text.  Borrows from ${s}. */
int semver_parse(struct text s, struct semver *ret, struct err *err);
int semver_compare(const struct semver *a, const struct semver *b);
void semver_print(const struct semver *v, struct buf *out);
/* semver_valid_pre / _metadata: NULL, or what is wrong. */
const char *semver_bad_pre(struct text s);
const char *semver_bad_metadata(struct text s);
/* semver_check: NewConstraint(constraint).Check(version). */
int semver_check(struct tmpl_run *run, struct text constraint,
    struct text version, int *ret, struct err *err);

#endif
