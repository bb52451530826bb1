/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_REGEX_RE2_H
#define VALUE_REGEX_RE2_H

#include <stddef.h>

/* regex.cc: the gate to RE2, the only C++ here. */

#ifdef __cplusplus
extern "C" {
#endif

/* re2_new(pattern, len): NULL when RE2 refuses it (too large: its syntax was
 * checked before). */
void *re2_new(const char *pattern, size_t len);
void re2_free(void *re);
size_t re2_groups(const void *re);
size_t re2_size(const void *re);	/* instructions */
/* re2_has_class(name): does \p{name} exist? */
int re2_has_class(const char *name);
/* Leftmost match in valid UTF-8 at or after ${at}; ${n} groups with the whole
 * as the first: 2 * n offsets, -1 for a group that took no part. */
int re2_find(const void *re, const char *s, size_t len, size_t at, size_t n,
    long *loc);

#ifdef __cplusplus
}
#endif

#endif
