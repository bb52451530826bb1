/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_CAST_H
#define VALUE_TMPL_CAST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"

/*
 * How sprig turns a value of any type into the one it wants: spf13/cast
 * v1.10.0 (ToInt64, ToFloat64: 0 for whatever is no number) and sprig's own
 * strval and strslice.
 */

int64_t cast_int64(const struct tv *v);
double cast_float64(const struct tv *v);
/* cast_trunc(f): Go's conversion of a float64 to int64 on amd64: what does
 * not fit is the lowest int64. */
int64_t cast_trunc(double f);

/* cast_text(run, v, out, err): append strval(${v}): the text itself, String(),
 * or %v. */
int cast_text(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err);
/* cast_string: the same as a value; a string is not copied. */
int cast_string(struct tmpl_run *run, const struct tv *v, struct tv *ret,
    struct err *err);
/* cast_strings: strslice(${v}): a []string ${v} itself, else a new one without
 * the nil elements. */
int cast_strings(struct tmpl_run *run, const struct tv *v, struct tv *ret,
    struct err *err);

/* cast_is_nil(v): ${v} == nil, as Go's interfaces compare: a nil slice or map
 * is not. */
int cast_is_nil(const struct tv *v);
/* cast_empty(v): sprig's empty. */
int cast_empty(const struct tv *v);

/* What Go's runtime says. */
extern const char cast_nil_pointer[];
/* cast_no_type(kind's words, v, err): INVALID "WHAT KIND", or the panic of a
 * nil ${v}, whose type cannot be asked for. */
int cast_no_type(const char *what, const struct tv *v, struct err *err);
/* cast_wrong_type(v, want, err): the panic of ${v}.(want). */
int cast_wrong_type(const struct tv *v, const struct tt *want,
    struct err *err);

/*
 * A slice that grows by append: its capacity follows Go's growslice, because
 * sprig's slice can look beyond the length.
 */
struct cast_list {
	struct tmpl_run *run;
	struct tv list;
};

/* cast_list_init: a list of ${type}, not nil, without capacity. */
int cast_list_init(struct cast_list *l, struct tmpl_run *run,
    const struct tt *type, struct err *err);
int cast_list_push(struct cast_list *l, struct tv v, struct err *err);
/* cast_list_cap: give ${list} (of ${list}.n elements) room for ${cap}, the
 * rest zero; it must not have elements yet that others share. */
int cast_list_cap(struct tmpl_run *run, struct tv *list, size_t cap,
    struct err *err);
/* cast_grow(type, cap, n): growslice's new capacity for ${n} elements of a
 * slice with capacity ${cap}. */
size_t cast_grow(const struct tt *type, size_t cap, size_t n);

#endif
