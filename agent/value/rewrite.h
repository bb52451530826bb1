/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_REWRITE_H
#define VALUE_REWRITE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "model/external_secret.h"
#include "value/kv.h"

/*
 * The keys of a fetched map rewritten: External Secrets Operator's RewriteMap
 * (runtime/esutils/utils.go, v2.9.0), operation after operation.
 */

/**
 * rewrite_transform_fn(arg, text, keys, n, outs, ret_bad, err):
 * The template engine's part, once for an operation: parse the template
 * ${text} (named "transform", every function, no option), then execute it for
 * each of the ${n} keys with {"value": key} and append its output to the
 * buffer of the same number in ${outs} (BUF_PLAIN, with a ceiling).  0, or -1
 * with the engine's text and *${ret_bad} the key that failed, or ${n} when
 * the template did not parse (it is parsed when ${n} is 0, too).
 */
typedef int rewrite_transform_fn(void *arg, const char *text,
    const char *const *keys, size_t n, struct buf *outs, size_t *ret_bad,
    struct err *err);

#define REWRITE_KEY_MAX 65536	/* bytes of a key that a rewrite makes */

/**
 * value_rewrite(ops, n, transform, arg, kv, err):
 * Apply all operations to ${kv}.  INVALID with ESO's text ("failed rewrite
 * operation[0]: …"); ${kv} is then as the failed operation found it.  ESO
 * goes through a map in random order; here keys are taken in byte order, so
 * that of two keys that become one the later wins, always.  ${transform} may
 * be NULL where no operation is a REWRITE_TRANSFORM.
 */
int value_rewrite(const struct rewrite_op *ops, size_t n,
    rewrite_transform_fn *transform, void *arg, struct kv *kv,
    struct err *err);

#endif
