/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_DECIMAL_H
#define VALUE_TMPL_DECIMAL_H

#include <stdint.h>

#include "base/err.h"
#include "value/tmpl_internal.h"

/*
 * shopspring/decimal v1.4.0 as far as sprig's addf, subf, mulf and divf use
 * it: integers of any length times a power of ten.
 */
struct decimal {
	uint32_t *limb;		/* base 1e9, lowest first, in the pool */
	size_t n;		/* none is leading zero; 0: the value is zero */
	int negative;
	int64_t exp;
};

/* decimal_set: NewFromFloat; the panic for NaN and infinities. */
int decimal_set(struct tmpl_run *run, double f, struct decimal *ret,
    struct err *err);
int decimal_add(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err);
int decimal_sub(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err);
int decimal_mul(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err);
/* decimal_div: Div: 16 digits behind the point, halves away from zero. */
int decimal_div(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err);
/* decimal_float: Float64: the nearest. */
int decimal_float(struct tmpl_run *run, const struct decimal *d,
    double *ret, struct err *err);

#endif
