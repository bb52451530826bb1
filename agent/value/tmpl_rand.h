/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_RAND_H
#define VALUE_TMPL_RAND_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Randomness of the kernel, for the random functions of templates. */

/* tmpl_rand(p, n, err): fill. */
int tmpl_rand(void *p, size_t n, struct err *err);
/* tmpl_rand_below(bound, ret, err): evenly from 0 .. ${bound} - 1. */
int tmpl_rand_below(uint64_t bound, uint64_t *ret, struct err *err);
/* tmpl_rand_chars(n, alphabet, count, out, err): ${n} characters out of
 * ${count} (at most 256), evenly. */
int tmpl_rand_chars(size_t n, const char *alphabet, size_t count,
    struct buf *out, struct err *err);

#endif
