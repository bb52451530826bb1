/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_MERGE_H
#define VALUE_TMPL_MERGE_H

#include "base/err.h"
#include "value/tmpl_internal.h"

/*
 * dario.cat/mergo v1.0.2 over map[string]interface {}: its Merge, or with
 * ${overwrite} its MergeWithOverwrite.  ${dst} is changed where it is; a nil
 * one becomes a map.  0; 1 when mergo gives an error (its text in ${err}, kind
 * INVALID); -1 when it panics (text likewise) or at a ceiling.
 */
int tmpl_merge(struct tmpl_run *run, struct tv *dst, const struct tv *src,
    int overwrite, struct err *err);

#endif
