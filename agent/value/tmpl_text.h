/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_TEXT_H
#define VALUE_TMPL_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"

/* Go's package strings over borrowed bytes. */
struct text {
	const char *p;
	size_t n;
};

/* text_of(v): the bytes of a string value. */
struct text text_of(const struct tv *v);
/* text_is(t, literal) */
int text_is(struct text t, const char *literal);
/* text_find(s, sub): strings.Index, or -1. */
int64_t text_find(struct text s, struct text sub);
/* text_replace: strings.ReplaceAll. */
void text_replace(struct text s, struct text old, struct text with,
    struct buf *out);
/* text_split: strings.SplitN as a []string that borrows from ${s}; ${n} -1:
 * all. */
int text_split(struct tmpl_run *run, struct text s, struct text sep,
    int64_t n, struct tv *ret, struct err *err);
/* text_repeat(s, count, out, err): strings.Repeat with its panics. */
int text_repeat(struct text s, int64_t count, struct buf *out,
    struct err *err);
/* text_trim: strings.Trim(s, cutset). */
struct text text_trim(struct text s, struct text cutset);
/* text_cut(s, from, to, ret, err): s[from:to] with the panics of Go's runtime;
 * ${to} -1: to the end, ${from} -1: s[:to] as Go words it. */
int text_cut(struct text s, int64_t from, int64_t to, struct text *ret,
    struct err *err);

#endif
