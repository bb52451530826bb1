/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_NUM_H
#define VALUE_NUM_H

#include <stddef.h>

#include "base/buf.h"

/*
 * Floating-point numbers as Go's strconv reads and prints them; the process
 * stays in the C locale.
 */

/**
 * num_parse(s, len, ret):
 * strconv.ParseFloat(s, 64): decimal and hexadecimal forms, underscores, inf,
 * infinity and nan in any case, nothing around them.  0 and the nearest
 * double; 1 when the value is out of range (*${ret} = ±Inf, as Go gives);
 * -1 when ${s} is no number (*${ret} = 0).
 */
int num_parse(const char *s, size_t len, double *ret);

/* num_print(v, out): strconv.FormatFloat(v, 'f', -1, 64). */
void num_print(double v, struct buf *out);

/* num_shortest(v, digits, ret_point): the fewest decimal digits that read back
 * as ${v} (finite, positive), without a NUL, at most NUM_DIGITS_MAX: returns
 * their number; v = 0.DIGITS * 10^(*ret_point). */
#define NUM_DIGITS_MAX 17
size_t num_shortest(double v, char *digits, int *ret_point);

/* num_print_json(v, out): as encoding/json prints a finite float64: 'f', or
 * 'e' from 1e21 and below 1e-6. */
void num_print_json(double v, struct buf *out);

#endif
