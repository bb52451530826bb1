/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NUM_INTERNAL_H
#define BASE_NUM_INTERNAL_H

#include "base/buf.h"

/* The fewest decimal digits that read back as the same finite number:
 * ± d[0].d[1]d[2]… × 10^exponent, as strconv's precision -1. */
struct num {
	int negative;
	int count;
	int exponent;
	char digits[20];
};

/* num_digits(n, single, ret): of a double, or of the float nearest to it. */
void num_digits(double n, int single, struct num *ret);
void num_print_fixed(const struct num *n, struct buf *out);
/* num_print_exp(n, width, out): the exponent has ${width} digits or more. */
void num_print_exp(const struct num *n, int width, struct buf *out);

#endif
