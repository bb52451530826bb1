/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "value/tmpl_cast.h"
#include "value/tmpl_decimal.h"
#include "value/tmpl_rand.h"

/* Numbers: sprig's numeric.go and functions.go.  Integers wrap, as in Go. */

static int
fn_atoi(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t i = 0;

	(void)err;
	tmpl_parse_int(c->v[0].u.s.p, c->v[0].u.s.n, 10, &i);
	*ret = tv_int(i);
	return (0);
}

static int
fn_int64(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_int64(cast_int64(&c->v[0]));
	return (0);
}

static int
fn_int(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_int(cast_int64(&c->v[0]));
	return (0);
}

static int
fn_float64(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_float(cast_float64(&c->v[0]));
	return (0);
}

/* strconv.ParseInt(fmt.Sprint(v), 8, 64): octal, whatever its name says. */
static int
fn_to_decimal(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf text = tmpl_buf(c->run);
	int64_t i = 0;

	if (tmpl_sprint(c->run, &c->v[0], 1, &text, err) == -1)
		return (-1);
	if (tmpl_parse_int(buf_str(&text), text.len, 8, &i) != 0)
		i = 0;
	*ret = tv_int64(i);
	return (0);
}

/* --- integers ----------------------------------------------------------- */

enum int_op { ADD, SUB, MUL, DIV, MOD, MAX, MIN };

static int
int_op(enum int_op op, int64_t a, int64_t b, int64_t *ret, struct err *err)
{
	uint64_t x = (uint64_t)a, y = (uint64_t)b;

	switch (op) {
	case ADD:
		*ret = (int64_t)(x + y);
		return (0);
	case SUB:
		*ret = (int64_t)(x - y);
		return (0);
	case MUL:
		*ret = (int64_t)(x * y);
		return (0);
	case MAX:
		*ret = b > a ? b : a;
		return (0);
	case MIN:
		*ret = b < a ? b : a;
		return (0);
	default:
		break;
	}
	if (b == 0)
		return (err_set(err, ERR_INVALID,
		    "runtime error: integer divide by zero"));
	/* INT64_MIN / -1 traps on the machine; Go gives INT64_MIN. */
	if (b == -1)
		*ret = op == DIV ? (int64_t)(0 - x) : 0;
	else
		*ret = op == DIV ? a / b : a % b;
	return (0);
}

/* From ${a} over all arguments from ${i} on. */
static int
fold(struct tmpl_call *c, enum int_op op, int64_t a, size_t i, struct tv *ret,
    struct err *err)
{
	for (; i < c->n; i++)
		if (int_op(op, a, cast_int64(&c->v[i]), &a, err) == -1)
			return (-1);
	*ret = tv_int64(a);
	return (0);
}

static int
fn_add1(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (fold(c, ADD, 1, 0, ret, err));
}

static int
fn_add(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (fold(c, ADD, 0, 0, ret, err));
}

#define FOLD(name, op)							\
static int								\
name(struct tmpl_call *c, struct tv *ret, struct err *err)		\
{									\
	return (fold(c, op, cast_int64(&c->v[0]), 1, ret, err));	\
}

FOLD(fn_sub, SUB)
FOLD(fn_div, DIV)
FOLD(fn_mod, MOD)
FOLD(fn_mul, MUL)
FOLD(fn_max, MAX)
FOLD(fn_min, MIN)

static int
fn_rand_int(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t n;
	uint64_t r;

	int_op(SUB, c->v[1].u.i, c->v[0].u.i, &n, NULL);
	if (n <= 0)
		return (err_set(err, ERR_INVALID,
		    "invalid argument to Intn"));
	if (tmpl_rand_below((uint64_t)n, &r, err) == -1)
		return (-1);
	int_op(ADD, (int64_t)r, c->v[0].u.i, &n, NULL);
	*ret = tv_int(n);
	return (0);
}

/* --- runs of integers --------------------------------------------------- */

static int
until_step(struct tmpl_run *run, int64_t start, int64_t stop, int64_t step,
    struct tv *ret, struct err *err)
{
	struct cast_list l;
	int64_t i = start;

	if (cast_list_init(&l, run, &tt_ints, err) == -1)
		return (-1);
	while (stop < start ? step < 0 && i > stop : step > 0 && i < stop) {
		if (cast_list_push(&l, tv_int(i), err) == -1)
			return (-1);
		int_op(ADD, i, step, &i, NULL);
	}
	*ret = l.list;
	return (0);
}

static int
fn_until(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (until_step(c->run, 0, c->v[0].u.i, c->v[0].u.i < 0 ? -1 : 1,
	    ret, err));
}

static int
fn_until_step(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (until_step(c->run, c->v[0].u.i, c->v[1].u.i, c->v[2].u.i, ret,
	    err));
}

static int
print_ints(struct tmpl_run *run, const struct tv *list, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(run);
	size_t i;

	for (i = 0; i < list->u.l.n; i++) {
		if (i > 0)
			buf_addc(&out, ' ');
		if (tmpl_print(run, &list->u.l.v[i], &out, err) == -1)
			return (-1);
	}
	return (tv_buf(run, &out, ret, err));
}

/* seq [FIRST [STEP]] LAST, as the shell's. */
static int
fn_seq(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t start, end, step, increment;
	struct tv list;

	*ret = tv_str("");
	if (c->n == 0 || c->n > 3)
		return (0);
	start = c->n == 1 ? 1 : c->v[0].u.i;
	end = c->v[c->n - 1].u.i;
	increment = end < start ? -1 : 1;
	step = c->n == 3 ? c->v[1].u.i : increment;
	if (c->n == 3 && increment < 0 && step > 0)
		return (0);
	int_op(ADD, end, increment, &end, NULL);
	if (until_step(c->run, start, end, step, &list, err) == -1)
		return (-1);
	return (print_ints(c->run, &list, ret, err));
}

/* --- floating point ----------------------------------------------------- */

typedef int decimal_op(struct tmpl_run *run, const struct decimal *a,
    const struct decimal *b, struct decimal *ret, struct err *err);

static int
fold_decimal(struct tmpl_call *c, decimal_op *op, double a, size_t i,
    struct tv *ret, struct err *err)
{
	struct decimal sum, d;
	double f;

	if (decimal_set(c->run, a, &sum, err) == -1)
		return (-1);
	for (; i < c->n; i++)
		if (decimal_set(c->run, cast_float64(&c->v[i]), &d,
		    err) == -1 || op(c->run, &sum, &d, &sum, err) == -1)
			return (-1);
	if (decimal_float(c->run, &sum, &f, err) == -1)
		return (-1);
	*ret = tv_float(f);
	return (0);
}

static int
fn_add1f(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (fold_decimal(c, decimal_add, 1, 0, ret, err));
}

static int
fn_addf(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (fold_decimal(c, decimal_add, 0, 0, ret, err));
}

#define FOLD_DECIMAL(name, op)						\
static int								\
name(struct tmpl_call *c, struct tv *ret, struct err *err)		\
{									\
	return (fold_decimal(c, op, cast_float64(&c->v[0]), 1, ret,	\
	    err));							\
}

FOLD_DECIMAL(fn_subf, decimal_sub)
FOLD_DECIMAL(fn_divf, decimal_div)
FOLD_DECIMAL(fn_mulf, decimal_mul)

/* math.Max, which differs from C's fmax in NaN and in the sign of zero. */
static double
max(double x, double y)
{
	if (isinf(x) && x > 0)
		return (x);
	if (isnan(x) || isnan(y))
		return (isinf(y) && y > 0 ? y : (double)NAN);
	if (x == 0 && y == 0)
		return (signbit(x) ? y : x);
	return (x > y ? x : y);
}

static int
fn_maxf(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	double a = cast_float64(&c->v[0]);
	size_t i;

	(void)err;
	for (i = 1; i < c->n; i++)
		a = max(a, cast_float64(&c->v[i]));
	*ret = tv_float(a);
	return (0);
}

static int
fn_minf(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	double a = cast_float64(&c->v[0]);
	size_t i;

	(void)err;
	for (i = 1; i < c->n; i++)
		a = -max(-a, -cast_float64(&c->v[i]));
	*ret = tv_float(a);
	return (0);
}

static int
fn_floor(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_float(floor(cast_float64(&c->v[0])));
	return (0);
}

static int
fn_ceil(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_float(ceil(cast_float64(&c->v[0])));
	return (0);
}

/* math.Pow(10, n): Go's squares; their last bits differ from the C library's */
static double
pow10_go(double n)
{
	double ans = 1, x;
	int exp = 0, xexp;
	uint64_t i;

	if (n == 0)
		return (1);
	if (fabs(n) >= 0x1p63)
		return (n < 0 ? 0 : (double)INFINITY);
	x = frexp(10, &xexp);
	for (i = (uint64_t)fabs(n); i != 0; i >>= 1) {
		if (xexp > 1 << 12 || xexp < -(1 << 12)) {
			exp += xexp;
			break;
		}
		if (i & 1) {
			ans *= x;
			exp += xexp;
		}
		x *= x;
		xexp *= 2;
		if (x < .5) {
			x += x;
			xexp--;
		}
	}
	return (n < 0 ? ldexp(1 / ans, -exp) : ldexp(ans, exp));
}

static int
fn_round(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	double on = c->n > 2 ? c->v[2].u.f : .5;
	double pow = pow10_go((double)c->v[1].u.i);
	double digit = pow * cast_float64(&c->v[0]);
	double part = digit - trunc(digit);

	(void)err;
	/* A negative number has a negative part: it is rounded down. */
	part = copysign(part, digit);
	*ret = tv_float((part >= on ? ceil(digit) : floor(digit)) / pow);
	return (0);
}

#define A &tt_any
#define I &tt_int
#define I64 &tt_int64
#define F &tt_float64

const struct tmpl_func tmpl_funcs_numbers[] = {
	{ "atoi", fn_atoi, I, 1, { &tt_string }, NULL },
	{ "int64", fn_int64, I64, 1, { A }, NULL },
	{ "int", fn_int, I, 1, { A }, NULL },
	{ "float64", fn_float64, F, 1, { A }, NULL },
	{ "seq", fn_seq, &tt_string, 0, { NULL }, I },
	{ "toDecimal", fn_to_decimal, I64, 1, { A }, NULL },
	{ "until", fn_until, &tt_ints, 1, { I }, NULL },
	{ "untilStep", fn_until_step, &tt_ints, 3, { I, I, I }, NULL },
	{ "add1", fn_add1, I64, 1, { A }, NULL },
	{ "add", fn_add, I64, 0, { NULL }, A },
	{ "sub", fn_sub, I64, 2, { A, A }, NULL },
	{ "div", fn_div, I64, 2, { A, A }, NULL },
	{ "mod", fn_mod, I64, 2, { A, A }, NULL },
	{ "mul", fn_mul, I64, 1, { A }, A },
	{ "randInt", fn_rand_int, I, 2, { I, I }, NULL },
	{ "add1f", fn_add1f, F, 1, { A }, NULL },
	{ "addf", fn_addf, F, 0, { NULL }, A },
	{ "subf", fn_subf, F, 1, { A }, A },
	{ "divf", fn_divf, F, 1, { A }, A },
	{ "mulf", fn_mulf, F, 1, { A }, A },
	{ "biggest", fn_max, I64, 1, { A }, A },
	{ "max", fn_max, I64, 1, { A }, A },
	{ "min", fn_min, I64, 1, { A }, A },
	{ "maxf", fn_maxf, F, 1, { A }, A },
	{ "minf", fn_minf, F, 1, { A }, A },
	{ "ceil", fn_ceil, F, 1, { A }, NULL },
	{ "floor", fn_floor, F, 1, { A }, NULL },
	{ "round", fn_round, F, 2, { A, I }, F },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
