/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value/num.h"
#include "value/tmpl_internal.h"

/* Go's strconv: integers in any base, floats in any format. */

/* --- integers ------------------------------------------------------------- */

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'z')
		return (c - 'a' + 10);
	if (c >= 'A' && c <= 'Z')
		return (c - 'A' + 10);
	return (99);
}

static int
base_of(const char *s, size_t n, size_t *ret_skip)
{
	*ret_skip = 0;
	if (n < 1 || s[0] != '0')
		return (10);
	if (n >= 3) {
		*ret_skip = 2;
		switch (s[1] | 0x20) {
		case 'b':
			return (2);
		case 'o':
			return (8);
		case 'x':
			return (16);
		}
	}
	*ret_skip = 1;
	return (8);
}

/* Underscores stand between digits or behind a prefix, in base 0 alone. */
static int
underscores_ok(const char *s, size_t n)
{
	char saw = '^';
	int hex = 0;
	size_t i = 0;

	if (n >= 2 && s[0] == '0' && strchr("bBoOxX", s[1]) != NULL) {
		i = 2;
		saw = '0';
		hex = (s[1] | 0x20) == 'x';
	}
	for (; i < n; i++) {
		if (digit_value(s[i]) < (hex ? 16 : 10)) {
			saw = '0';
		} else if (s[i] == '_') {
			if (saw != '0')
				return (0);
			saw = '_';
		} else {
			if (saw == '_')
				return (0);
			saw = '!';
		}
	}
	return (saw != '_');
}

int
tmpl_parse_uint(const char *s, size_t n, int base, uint64_t *ret)
{
	int any = base == 0, underscores = 0, over = 0;
	size_t i = 0;
	uint64_t v = 0;

	*ret = 0;
	if (n == 0)
		return (-1);
	if (any)
		base = base_of(s, n, &i);
	for (; i < n; i++) {
		int d = digit_value(s[i]);

		if (s[i] == '_' && any) {
			underscores = 1;
			continue;
		}
		if (d >= base)
			return (-1);
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v)) {
			/* Go stops here and does not see what follows. */
			over = 1;
			break;
		}
	}
	if (over) {
		*ret = UINT64_MAX;
		return (1);
	}
	if (underscores && !underscores_ok(s, n))
		return (-1);
	*ret = v;
	return (0);
}

int
tmpl_parse_int(const char *s, size_t n, int base, int64_t *ret)
{
	int neg = n > 0 && s[0] == '-', rc;
	uint64_t u, top = (uint64_t)INT64_MAX + (neg ? 1 : 0);

	*ret = 0;
	if (n > 0 && (s[0] == '-' || s[0] == '+')) {
		s++;
		n--;
	}
	rc = tmpl_parse_uint(s, n, base, &u);
	if (rc == -1)
		return (-1);
	if (rc == 1 || u > top) {
		*ret = neg ? INT64_MIN : INT64_MAX;
		return (1);
	}
	*ret = neg ? (int64_t)(0 - u) : (int64_t)u;
	return (0);
}

/* --- floats --------------------------------------------------------------- */

/* 0.DIGITS * 10^point */
struct digits {
	char d[800];			/* a double has 767 of them at most */
	int n, point;
};

/* ${count} significant digits, correctly rounded; no zeros at the end. */
static void
fixed_digits(double v, int count, struct digits *ret)
{
	char text[820];
	const char *e;
	size_t i;

	if (count > 790)
		count = 790;
	snprintf(text, sizeof(text), "%.*e", count - 1, v);
	e = strchr(text, 'e');
	ret->n = 0;
	for (i = 0; &text[i] < e; i++)
		if (text[i] != '.')
			ret->d[ret->n++] = text[i];
	ret->point = atoi(e + 1) + 1;
	while (ret->n > 0 && ret->d[ret->n - 1] == '0')
		ret->n--;
	if (ret->n == 0)
		ret->point = 0;
}

static void
shortest_digits(double v, struct digits *ret)
{
	ret->n = 0;
	ret->point = 0;
	if (v != 0)
		ret->n = (int)num_shortest(v, ret->d, &ret->point);
}

static char
digit_at(const struct digits *d, int i)
{
	return (i >= 0 && i < d->n ? d->d[i] : '0');
}

/* d.ddde±dd with ${precision} digits behind the dot. */
static void
print_e(const struct digits *d, int precision, char e, struct buf *out)
{
	int i, x = d->n == 0 ? 0 : d->point - 1;

	buf_addc(out, digit_at(d, 0));
	if (precision > 0)
		buf_addc(out, '.');
	for (i = 1; i <= precision; i++)
		buf_addc(out, digit_at(d, i));
	buf_addf(out, "%c%c%02d", e, x < 0 ? '-' : '+', abs(x));
}

static void
print_f(const struct digits *d, int precision, struct buf *out)
{
	int i;

	if (d->point <= 0)
		buf_addc(out, '0');
	for (i = 0; i < d->point; i++)
		buf_addc(out, digit_at(d, i));
	if (precision > 0)
		buf_addc(out, '.');
	for (i = 0; i < precision; i++)
		buf_addc(out, digit_at(d, d->point + i));
}

static void
print_g(double v, int precision, char fmt, struct buf *out)
{
	struct digits d;
	int e, limit = precision, x;

	if (precision < 0) {
		shortest_digits(v, &d);
		limit = 6;
		precision = d.n;
	} else {
		if (precision == 0)
			precision = 1;
		fixed_digits(v, precision, &d);
		limit = precision;
		if (limit > d.n && d.n >= d.point)
			limit = d.n;
	}
	x = d.point - 1;
	if (x < -4 || x >= limit) {
		e = (precision > d.n ? d.n : precision) - 1;
		print_e(&d, e, fmt == 'g' ? 'e' : 'E', out);
		return;
	}
	if (precision > d.point)
		precision = d.n;
	print_f(&d, precision > d.point ? precision - d.point : 0, out);
}

/* %b: the mantissa as an integer and the exponent of two. */
static void
print_b(double v, struct buf *out)
{
	uint64_t bits, mantissa;
	int exponent;

	memcpy(&bits, &v, sizeof(bits));
	mantissa = bits & ((1ULL << 52) - 1);
	exponent = (int)(bits >> 52 & 0x7ff);
	if (exponent == 0)
		exponent = 1;
	else
		mantissa |= 1ULL << 52;
	exponent -= 1023 + 52;
	buf_addf(out, "%llup%c%d", (unsigned long long)mantissa,
	    exponent < 0 ? '-' : '+', abs(exponent));
}

/* Round the mantissa, 61 bits with the point behind the first, to
 * ${precision} hexadecimal digits; ties to even. */
static uint64_t
round_hex(uint64_t m, int precision, int *exponent)
{
	unsigned shift = (unsigned)precision * 4;
	uint64_t extra = m << shift & ((1ULL << 60) - 1);

	m >>= 60 - shift;
	if ((extra | (m & 1)) > 1ULL << 59)
		m++;
	m <<= 60 - shift;
	if (m & 1ULL << 61) {
		m >>= 1;
		++*exponent;
	}
	return (m);
}

/* %x: Go's %x of a float: -0x1.23abcp+20. */
static void
print_x(double v, int precision, char fmt, struct buf *out)
{
	const char *hex = fmt == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	uint64_t bits, m;
	int x;

	memcpy(&bits, &v, sizeof(bits));
	m = bits & ((1ULL << 52) - 1);
	x = (int)(bits >> 52 & 0x7ff);
	if (x == 0)
		x = 1;
	else
		m |= 1ULL << 52;
	x = m == 0 ? 0 : x - 1023;
	m <<= 60 - 52;
	while (m != 0 && (m & 1ULL << 60) == 0) {
		m <<= 1;
		x--;
	}
	if (precision >= 0 && precision < 15)
		m = round_hex(m, precision, &x);
	buf_addc(out, '0');
	buf_addc(out, fmt);
	buf_addc(out, (char)('0' + (m >> 60 & 1)));
	m <<= 4;
	if (precision > 0 || (precision < 0 && m != 0))
		buf_addc(out, '.');
	while (precision > 0 || (precision < 0 && m != 0)) {
		buf_addc(out, hex[m >> 60 & 15]);
		m <<= 4;
		if (precision > 0)
			precision--;
	}
	buf_addf(out, "%c%c%02d", fmt == 'X' ? 'P' : 'p', x < 0 ? '-' : '+',
	    abs(x));
}

/* glibc's %f is exact, as Go's. */
static void
print_fixed(double v, int precision, struct buf *out)
{
	size_t room = 400 + (size_t)(precision < 0 ? 0 : precision);
	struct digits d;
	char *at;
	int n;

	if (precision < 0) {
		shortest_digits(v, &d);
		print_f(&d, d.n > d.point ? d.n - d.point : 0, out);
		return;
	}
	if ((at = buf_space(out, room)) == NULL)
		return;
	n = snprintf(at, room, "%.*f", precision, v);
	out->len += n > 0 ? (size_t)n : 0;
}

void
tmpl_float(double f, char fmt, int precision, struct buf *out)
{
	struct digits d;

	if (isnan(f)) {
		buf_adds(out, "NaN");
		return;
	}
	if (isinf(f)) {
		buf_adds(out, f < 0 ? "-Inf" : "+Inf");
		return;
	}
	if (signbit(f)) {
		buf_addc(out, '-');
		f = -f;
	}
	switch (fmt) {
	case 'e':
	case 'E':
		if (precision < 0) {
			shortest_digits(f, &d);
			precision = d.n > 0 ? d.n - 1 : 0;
		} else {
			fixed_digits(f, precision + 1, &d);
		}
		print_e(&d, precision, fmt, out);
		break;
	case 'g':
	case 'G':
		print_g(f, precision, fmt, out);
		break;
	case 'b':
		print_b(f, out);
		break;
	case 'x':
	case 'X':
		print_x(f, precision, fmt, out);
		break;
	default:
		print_fixed(f, precision, out);
	}
}
