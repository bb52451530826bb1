/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_REWRITE_INTERNAL_H
#define VALUE_REWRITE_INTERNAL_H

#include "value/rewrite.h"

int rewrite_merge(const struct rewrite_op *op, struct kv *kv, struct err *err);

#endif
