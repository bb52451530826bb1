/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "value/num.h"
#include "value/tmpl_decimal.h"

#define BASE 1000000000u
#define DIGITS 9
#define DIVISION_PRECISION 16

static const uint32_t ten[DIGITS] = { 1, 10, 100, 1000, 10000, 100000,
	1000000, 10000000, 100000000 };

/* Room for ${n} limbs, and as many steps, as a bound of the work. */
static int
room(struct tmpl_run *run, size_t n, struct decimal *d, struct err *err)
{
	if (tmpl_steps(run, n, err) == -1 || (d->limb = tmpl_alloc(run,
	    (n + 1) * sizeof(*d->limb), err)) == NULL)
		return (-1);
	d->n = n;
	return (0);
}

static void
trim(struct decimal *d)
{
	while (d->n > 0 && d->limb[d->n - 1] == 0)
		d->n--;
	if (d->n == 0)
		d->negative = 0;
}

static int
compare_abs(const struct decimal *a, const struct decimal *b)
{
	size_t i;

	if (a->n != b->n)
		return (a->n < b->n ? -1 : 1);
	for (i = a->n; i > 0; i--)
		if (a->limb[i - 1] != b->limb[i - 1])
			return (a->limb[i - 1] < b->limb[i - 1] ? -1 : 1);
	return (0);
}

/* |a| times 10^power, power at least 0. */
static int
scale(struct tmpl_run *run, const struct decimal *a, int64_t power,
    struct decimal *ret, struct err *err)
{
	size_t i, shift = (size_t)power / DIGITS;
	uint32_t by = ten[power % DIGITS];
	uint64_t carry = 0;
	struct decimal d = { .negative = a->negative, .exp = a->exp - power };

	if (a->n == 0) {
		*ret = d;
		return (0);
	}
	if (room(run, a->n + shift + 1, &d, err) == -1)
		return (-1);
	for (i = 0; i < a->n; i++) {
		carry += (uint64_t)a->limb[i] * by;
		d.limb[shift + i] = (uint32_t)(carry % BASE);
		carry /= BASE;
	}
	d.limb[shift + i] = (uint32_t)carry;
	trim(&d);
	*ret = d;
	return (0);
}

/* --- from and to float64 ------------------------------------------------ */

int
decimal_set(struct tmpl_run *run, double f, struct decimal *ret,
    struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(64);
	struct decimal d = { .negative = f < 0 };
	uint64_t digits = 0;
	int64_t exp = 0;
	const char *s;

	if (isnan(f) || isinf(f))
		return (err_set(err, ERR_INVALID,
		    "Cannot create a Decimal from %s", isnan(f) ? "NaN" :
		    f < 0 ? "-Inf" : "+Inf"));
	if (f == 0) {
		*ret = d;
		return (0);
	}
	/* 17 digits at most: d.dddde±xx */
	tmpl_float(fabs(f), 'e', -1, &text);
	for (s = text.data; *s != 'e'; s++)
		if (*s != '.')
			digits = digits * 10 + (uint64_t)(*s - '0');
		else
			exp = s + 1 - strchr(s, 'e');
	for (s += 2; *s != '\0'; s++)
		d.exp = d.exp * 10 + (*s - '0');
	if (strchr(text.data, 'e')[1] == '-')
		d.exp = -d.exp;
	d.exp += exp;
	if (room(run, 2, &d, err) == -1)
		return (-1);
	d.limb[0] = (uint32_t)(digits % BASE);
	d.limb[1] = (uint32_t)(digits / BASE);
	trim(&d);
	*ret = d;
	return (0);
}

static void
add_limb(uint32_t limb, struct buf *out)
{
	int i;

	for (i = DIGITS - 1; i >= 0; i--)
		buf_addc(out, (char)('0' + limb / ten[i] % 10));
}

int
decimal_float(struct tmpl_run *run, const struct decimal *d, double *ret,
    struct err *err)
{
	cleanup_buf struct buf text = tmpl_buf(run);
	size_t i;

	buf_adds(&text, d->negative ? "-0" : "0");
	for (i = d->n; i > 0; i--)
		add_limb(d->limb[i - 1], &text);
	buf_addf(&text, "e%" PRId64, d->exp);
	if (buf_finish(&text, "the memory of a template", err) == -1)
		return (-1);
	num_parse(text.data, text.len, ret);
	return (0);
}

/* --- sums --------------------------------------------------------------- */

static int
add_abs(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err)
{
	size_t i, n = a->n > b->n ? a->n : b->n;
	uint32_t carry = 0;

	if (room(run, n + 1, ret, err) == -1)
		return (-1);
	for (i = 0; i <= n; i++) {
		carry += i < a->n ? a->limb[i] : 0;
		carry += i < b->n ? b->limb[i] : 0;
		ret->limb[i] = carry % BASE;
		carry /= BASE;
	}
	return (0);
}

/* |a| - |b|, where |a| is not less. */
static int
sub_abs(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err)
{
	int32_t v, borrow = 0;
	size_t i;

	if (room(run, a->n, ret, err) == -1)
		return (-1);
	for (i = 0; i < a->n; i++) {
		v = (int32_t)a->limb[i] - borrow -
		    (int32_t)(i < b->n ? b->limb[i] : 0);
		borrow = v < 0;
		ret->limb[i] = (uint32_t)(v + (borrow ? (int32_t)BASE : 0));
	}
	return (0);
}

static int
sum(struct tmpl_run *run, struct decimal a, struct decimal b,
    struct decimal *ret, struct err *err)
{
	struct decimal d = { 0 };
	int rc;

	/* RescalePair: the lower exponent for both. */
	if (a.exp > b.exp && scale(run, &a, a.exp - b.exp, &a, err) == -1)
		return (-1);
	if (b.exp > a.exp && scale(run, &b, b.exp - a.exp, &b, err) == -1)
		return (-1);
	d.exp = a.exp;
	d.negative = a.negative;
	if (a.negative == b.negative) {
		rc = add_abs(run, &a, &b, &d, err);
	} else if (compare_abs(&a, &b) >= 0) {
		rc = sub_abs(run, &a, &b, &d, err);
	} else {
		d.negative = b.negative;
		rc = sub_abs(run, &b, &a, &d, err);
	}
	if (rc == -1)
		return (-1);
	trim(&d);
	*ret = d;
	return (0);
}

int
decimal_add(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err)
{
	return (sum(run, *a, *b, ret, err));
}

int
decimal_sub(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err)
{
	struct decimal minus = *b;

	minus.negative = !b->negative && b->n > 0;
	return (sum(run, *a, minus, ret, err));
}

/* --- products ----------------------------------------------------------- */

int
decimal_mul(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err)
{
	struct decimal d = { .negative = a->negative != b->negative,
		.exp = a->exp + b->exp };
	size_t i, j;

	if (d.exp > INT32_MAX || d.exp < INT32_MIN)
		return (err_set(err, ERR_INVALID,
		    "exponent %" PRId64 " overflows an int32!", d.exp));
	if (tmpl_steps(run, (uint64_t)a->n * b->n, err) == -1 ||
	    room(run, a->n + b->n, &d, err) == -1)
		return (-1);
	for (i = 0; i < a->n; i++) {
		uint64_t carry = 0;

		for (j = 0; j < b->n; j++) {
			carry += d.limb[i + j] +
			    (uint64_t)a->limb[i] * b->limb[j];
			d.limb[i + j] = (uint32_t)(carry % BASE);
			carry /= BASE;
		}
		d.limb[i + j] = (uint32_t)carry;
	}
	trim(&d);
	*ret = d;
	return (0);
}

/* One digit in base 1e9 of a/b: how often ${b} goes into the top of ${a},
 * which is reduced.  ${a} has b->n + 1 limbs; the highest of ${b} is at least
 * BASE / 2 (Knuth 4.3.1 D). */
static uint32_t
divide_digit(uint32_t *a, const struct decimal *b)
{
	size_t i, n = b->n;
	uint64_t top = (uint64_t)a[n] * BASE + a[n - 1], carry = 0;
	uint64_t q = top / b->limb[n - 1], r = top % b->limb[n - 1];
	int64_t v, borrow = 0;

	while (q >= BASE || (n > 1 && r < BASE &&
	    q * b->limb[n - 2] > r * BASE + a[n - 2])) {
		q--;
		r += b->limb[n - 1];
		if (r >= BASE && q < BASE)
			break;
	}
	for (i = 0; i <= n; i++) {
		carry += i < n ? q * b->limb[i] : 0;
		v = (int64_t)a[i] - (int64_t)(carry % BASE) - borrow;
		carry /= BASE;
		borrow = v < 0;
		a[i] = (uint32_t)(v + (borrow ? BASE : 0));
	}
	if (!borrow)
		return ((uint32_t)q);
	for (i = 0, carry = 0; i <= n; i++) {
		carry += (uint64_t)a[i] + (i < n ? b->limb[i] : 0);
		a[i] = (uint32_t)(carry % BASE);
		carry /= BASE;
	}
	return ((uint32_t)q - 1);
}

static int
times(struct tmpl_run *run, const struct decimal *a, uint32_t by,
    struct decimal *ret, struct err *err)
{
	struct decimal f = { .limb = &by, .n = 1 };

	return (decimal_mul(run, a, &f, ret, err));
}

/* |a| / |b| and twice the rest against |b|: how it rounds.  Both have the
 * exponent 0 here. */
static int
divide(struct tmpl_run *run, const struct decimal *a, const struct decimal *b,
    struct decimal *q, int *round_up, struct err *err)
{
	struct decimal r, d, rest = { 0 };
	uint32_t norm = BASE / (b->limb[b->n - 1] + 1);
	size_t i, n = b->n;

	if (times(run, a, norm, &r, err) == -1 ||
	    times(run, b, norm, &d, err) == -1)
		return (-1);
	/* Room for a leading zero: the products have one limb to spare. */
	if (room(run, r.n > n ? r.n - n + 1 : 1, q, err) == -1 ||
	    room(run, (r.n > n ? r.n : n) + 1, &rest, err) == -1 ||
	    tmpl_steps(run, (uint64_t)q->n * n, err) == -1)
		return (-1);
	memcpy(rest.limb, r.limb, r.n * sizeof(*r.limb));
	for (i = q->n; i > 0; i--)
		q->limb[i - 1] = divide_digit(rest.limb + i - 1, &d);
	trim(q);
	rest.negative = 0;
	trim(&rest);
	if (times(run, &rest, 2, &r, err) == -1)
		return (-1);
	*round_up = compare_abs(&r, &d) >= 0;
	return (0);
}

int
decimal_div(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err)
{
	int64_t e = a->exp - b->exp + DIVISION_PRECISION;
	uint32_t one = 1;
	struct decimal q = { 0 }, x = *a, y = *b;
	struct decimal unit = { .limb = &one, .n = 1,
		.negative = a->negative != b->negative,
		.exp = -DIVISION_PRECISION };
	int round_up;

	if (b->n == 0)
		return (err_set(err, ERR_INVALID, "decimal division by 0"));
	if (e > INT32_MAX || e < INT32_MIN)
		return (err_set(err, ERR_INVALID,
		    "overflow in decimal QuoRem"));
	if (e < 0 ? scale(run, &y, -e, &y, err) == -1 :
	    scale(run, &x, e, &x, err) == -1)
		return (-1);
	x.exp = 0;
	y.exp = 0;
	if (divide(run, &x, &y, &q, &round_up, err) == -1)
		return (-1);
	q.exp = -DIVISION_PRECISION;
	q.negative = q.n > 0 && unit.negative;
	if (!round_up) {
		*ret = q;
		return (0);
	}
	/* Not below zero without a quotient: 0 divided stays 0. */
	unit.negative = a->n > 0 && unit.negative;
	return (sum(run, q, unit, ret, err));
}
