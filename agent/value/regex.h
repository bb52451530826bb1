/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_REGEX_H
#define VALUE_REGEX_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Go's regexp over RE2 (Debian libre2-dev), behind one small C++ file: linear
 * in the input whatever the pattern.
 */
struct regex;

/* regex_new(pattern, len, ret, err): regexp.Compile.  INVALID with Go's text:
 * "error parsing regexp: missing closing ): `…`". */
int regex_new(const char *pattern, size_t len, struct regex **ret,
    struct err *err);
void regex_free(struct regex *re);
/* regex_match: MatchString, unanchored: 1 or 0. */
int regex_match(const struct regex *re, const char *s, size_t len);
size_t regex_groups(const struct regex *re);	/* NumSubexp */
const char *regex_group_name(const struct regex *re, size_t i); /* "" none */
/* regex_find(re, s, len, at, loc): leftmost match at or after byte ${at}:
 * loc holds 2 * (groups + 1) offsets (-1: group did not take part).  1 or 0. */
int regex_find(const struct regex *re, const char *s, size_t len, size_t at,
    long *loc);
/* ReplaceAllString with Go's $1 ${name} expansion, or literal. */
void regex_replace(const struct regex *re, const char *s, size_t len,
    const char *repl, size_t repl_len, int literal, struct buf *out);

#endif
