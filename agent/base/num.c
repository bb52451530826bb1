/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num_internal.h"

void
num_digits(double n, int single, struct num *ret)
{
	char text[32], *e, *at;
	int precision;

	if (single)
		n = (double)(float)n;
	/* 17 digits tell every double from its neighbours. */
	for (precision = 0; precision < 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, n);
		if (single ? strtof(text, NULL) == (float)n :
		    strtod(text, NULL) == n)
			break;
	}
	e = strchr(text, 'e');
	ret->exponent = atoi(e + 1);
	ret->negative = text[0] == '-';
	ret->count = 0;
	for (at = text; at < e; at++)
		if (*at >= '0' && *at <= '9')
			ret->digits[ret->count++] = *at;
}

void
num_print_fixed(const struct num *n, struct buf *out)
{
	int i;

	if (n->negative)
		buf_addc(out, '-');
	if (n->exponent < 0)
		buf_adds(out, "0.");
	for (i = n->exponent + 1; i < 0; i++)
		buf_addc(out, '0');
	for (i = 0; i < n->count || i <= n->exponent; i++) {
		if (i == n->exponent + 1 && n->exponent >= 0)
			buf_addc(out, '.');
		buf_addc(out, i < n->count ? n->digits[i] : '0');
	}
}

void
num_print_exp(const struct num *n, int width, struct buf *out)
{
	buf_addf(out, "%s%c", n->negative ? "-" : "", n->digits[0]);
	if (n->count > 1)
		buf_addf(out, ".%.*s", n->count - 1, n->digits + 1);
	buf_addf(out, "e%c%0*d", n->exponent < 0 ? '-' : '+', width,
	    abs(n->exponent));
}
