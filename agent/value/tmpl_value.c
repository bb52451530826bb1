/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "value/tmpl_run.h"

/* --- types ---------------------------------------------------------------- */

#define BASIC(id, k, n) const struct tt id = { .kind = k, .name = n }

BASIC(tt_bool, TK_BOOL, "bool");
BASIC(tt_int, TK_INT, "int");
BASIC(tt_int8, TK_INT8, "int8");
BASIC(tt_int16, TK_INT16, "int16");
BASIC(tt_int32, TK_INT32, "int32");
BASIC(tt_int64, TK_INT64, "int64");
BASIC(tt_uint, TK_UINT, "uint");
BASIC(tt_uint8, TK_UINT8, "uint8");
BASIC(tt_uint16, TK_UINT16, "uint16");
BASIC(tt_uint32, TK_UINT32, "uint32");
BASIC(tt_uint64, TK_UINT64, "uint64");
BASIC(tt_float64, TK_FLOAT64, "float64");
BASIC(tt_complex128, TK_COMPLEX128, "complex128");
BASIC(tt_string, TK_STRING, "string");
BASIC(tt_any, TK_INTERFACE, "interface {}");
BASIC(tt_value, TK_STRUCT, "reflect.Value");

const struct tt tt_anys = { .kind = TK_SLICE, .name = "[]interface {}",
	.elem = &tt_any };
const struct tt tt_strings = { .kind = TK_SLICE, .name = "[]string",
	.elem = &tt_string };
const struct tt tt_ints = { .kind = TK_SLICE, .name = "[]int",
	.elem = &tt_int };
const struct tt tt_bytes = { .kind = TK_SLICE, .name = "[]uint8",
	.elem = &tt_uint8 };
const struct tt tt_chunks = { .kind = TK_SLICE, .name = "[][]interface {}",
	.elem = &tt_anys };
const struct tt tt_map = { .kind = TK_MAP, .name = "map[string]interface {}",
	.elem = &tt_any };
const struct tt tt_smap = { .kind = TK_MAP, .name = "map[string]string",
	.elem = &tt_string };

const char *
tt_kind(const struct tt *t)
{
	static const char *const names[] = { "invalid", "bool", "int", "int8",
		"int16", "int32", "int64", "uint", "uint8", "uint16", "uint32",
		"uint64", "float64", "complex128", "string", "slice", "map",
		"struct", "ptr", "interface" };

	return (names[t == NULL ? TK_NIL : t->kind]);
}

/* --- making values -------------------------------------------------------- */

struct tv
tv_nil(void)
{
	return ((struct tv){ .type = NULL });
}

struct tv
tv_bool(int b)
{
	return ((struct tv){ .type = &tt_bool, .u.b = b != 0 });
}

struct tv
tv_int(int64_t i)
{
	return ((struct tv){ .type = &tt_int, .u.i = i });
}

struct tv
tv_int64(int64_t i)
{
	return ((struct tv){ .type = &tt_int64, .u.i = i });
}

struct tv
tv_float(double f)
{
	return ((struct tv){ .type = &tt_float64, .u.f = f });
}

struct tv
tv_str(const char *literal)
{
	return (tv_strn(literal, strlen(literal)));
}

struct tv
tv_strn(const char *p, size_t n)
{
	return ((struct tv){ .type = &tt_string, .u.s = { p, n } });
}

int
tv_text(struct tmpl_run *run, const void *p, size_t n, struct tv *ret,
    struct err *err)
{
	const char *copy = pool_copy(&run->pool, p, n, err);

	if (copy == NULL)
		return (-1);
	*ret = tv_strn(copy, n);
	return (0);
}

int
tv_buf(struct tmpl_run *run, struct buf *b, struct tv *ret, struct err *err)
{
	int rc = tmpl_check(run, b, err);

	if (rc == 0)
		rc = tv_text(run, b->data, b->len, ret, err);
	buf_clear(b);
	return (rc);
}

struct tv
tv_zero(const struct tt *t)
{
	struct tv v = { .type = t };

	if (t == NULL || t->kind == TK_INTERFACE || t == &tt_value)
		return (tv_nil());
	if (t->kind == TK_STRING)
		v.u.s.p = "";
	return (v);
}

struct tv
tv_elem(struct tv v)
{
	v.iface = 1;
	return (v);
}

struct tv
tv_concrete(struct tv v)
{
	v.iface = 0;
	return (v);
}

int
tv_list(struct tmpl_run *run, const struct tt *type, size_t n,
    struct tv *ret, struct err *err)
{
	struct tv *v, zero = tv_zero(type->elem);
	size_t i;

	if (n > UINT32_MAX)
		return (err_set(err, ERR_LIMIT, "a list of a template has more"
		    " than %u elements", UINT32_MAX));
	if ((v = tmpl_alloc(run, (n ? n : 1) * sizeof(*v), err)) == NULL)
		return (-1);
	if (type->elem == &tt_any)
		zero = tv_elem(zero);
	for (i = 0; i < n; i++)
		v[i] = zero;
	*ret = (struct tv){ .type = type, .cap = (uint32_t)n,
		.u.l = { v, n } };
	return (0);
}

/* --- asking them ---------------------------------------------------------- */

enum tkind
tv_kind(const struct tv *v)
{
	return (v->type == NULL ? TK_NIL : v->type->kind);
}

int
tv_is_nil(const struct tv *v)
{
	switch (tv_kind(v)) {
	case TK_NIL:
		return (1);
	case TK_SLICE:
		return (v->u.l.v == NULL);
	case TK_MAP:
		return (v->u.m == NULL);
	case TK_PTR:
		return (v->u.p == NULL);
	default:
		return (0);
	}
}

int
tv_is_int(const struct tv *v)
{
	return (tv_kind(v) >= TK_INT && tv_kind(v) <= TK_INT64);
}

int
tv_is_uint(const struct tv *v)
{
	return (tv_kind(v) >= TK_UINT && tv_kind(v) <= TK_UINT64);
}

int
tv_is_float(const struct tv *v)
{
	return (tv_kind(v) == TK_FLOAT64);
}

size_t
tv_len(const struct tv *v)
{
	switch (tv_kind(v)) {
	case TK_STRING:
		return (v->u.s.n);
	case TK_SLICE:
		return (v->u.l.n);
	case TK_MAP:
		return (tmap_len(v->u.m));
	default:
		return (0);
	}
}

int
tv_truth(const struct tv *v)
{
	switch (tv_kind(v)) {
	case TK_BOOL:
		return (v->u.b);
	case TK_FLOAT64:
		return (v->u.f != 0);
	case TK_COMPLEX128:
		return (v->u.c.re != 0 || v->u.c.im != 0);
	case TK_STRING:
	case TK_SLICE:
	case TK_MAP:
		return (tv_len(v) > 0);
	case TK_STRUCT:
		return (1);
	case TK_PTR:
		return (v->u.p != NULL);
	case TK_NIL:
	case TK_INTERFACE:
		return (0);
	default:
		return (v->u.u != 0);
	}
}

/* --- reflect.DeepEqual ---------------------------------------------------- */

static int equal(struct tmpl_run *run, const struct tv *a, const struct tv *b,
    int *ret, struct err *err);

static int
equal_array(struct tmpl_run *run, const struct tv *a, const struct tv *b,
    size_t n, int *ret, struct err *err)
{
	size_t i;
	int rc = tmpl_steps(run, n / 8, err);

	*ret = 1;
	if (a == b)
		return (rc);
	for (i = 0; i < n && *ret && rc == 0; i++)
		rc = equal(run, &a[i], &b[i], ret, err);
	return (rc);
}

static int
equal_map(struct tmpl_run *run, const struct tmap *a, const struct tmap *b,
    int *ret, struct err *err)
{
	const struct tment *e, *f;
	int rc = 0;

	*ret = a == b;
	if (a == b || a == NULL || b == NULL || tmap_len(a) != tmap_len(b))
		return (0);
	*ret = 1;
	for (e = tmap_first(a), f = tmap_first(b); e != NULL && *ret &&
	    rc == 0; e = e->next, f = f->next) {
		*ret = e->len == f->len &&
		    memcmp(e->key, f->key, e->len) == 0;
		if (*ret)
			rc = equal(run, &e->value, &f->value, ret, err);
	}
	return (rc);
}

static int
same_scalar(const struct tv *a, const struct tv *b)
{
	switch (tv_kind(a)) {
	case TK_NIL:
		return (1);
	case TK_BOOL:
		return (a->u.b == b->u.b);
	case TK_FLOAT64:
		return (a->u.f == b->u.f);
	case TK_COMPLEX128:
		return (a->u.c.re == b->u.c.re && a->u.c.im == b->u.c.im);
	case TK_STRING:
		return (a->u.s.n == b->u.s.n && (a->u.s.n == 0 ||
		    memcmp(a->u.s.p, b->u.s.p, a->u.s.n) == 0));
	case TK_STRUCT:
	case TK_PTR:
		return (a->u.p == b->u.p || (a->type->equal != NULL &&
		    a->u.p != NULL && b->u.p != NULL &&
		    a->type->equal(a, b)));
	default:
		return (a->u.u == b->u.u);
	}
}

static int
equal(struct tmpl_run *run, const struct tv *a, const struct tv *b, int *ret,
    struct err *err)
{
	size_t n = 0;
	int rc;

	*ret = 0;
	if (a->type != b->type)
		return (0);
	if (tv_kind(a) != TK_SLICE && tv_kind(a) != TK_MAP &&
	    !(tv_kind(a) == TK_STRUCT && a->type->fields != NULL)) {
		*ret = same_scalar(a, b);
		return (0);
	}
	if (tmpl_steps(run, 1, err) == -1 || tmpl_enter(run, err) == -1)
		return (-1);
	if (tv_kind(a) == TK_MAP) {
		rc = equal_map(run, a->u.m, b->u.m, ret, err);
	} else if (tv_kind(a) == TK_STRUCT) {
		while (a->type->fields[n] != NULL)
			n++;
		rc = equal_array(run, a->u.fields, b->u.fields, n, ret, err);
	} else {
		rc = 0;
		if (a->u.l.n == b->u.l.n && tv_is_nil(a) == tv_is_nil(b))
			rc = equal_array(run, a->u.l.v, b->u.l.v, a->u.l.n,
			    ret, err);
	}
	tmpl_leave(run);
	return (rc);
}

int
tv_equal(struct tmpl_run *run, const struct tv *a, const struct tv *b,
    int *ret, struct err *err)
{
	return (equal(run, a, b, ret, err));
}

/* --- the run's ceilings --------------------------------------------------- */

void *
tmpl_alloc(struct tmpl_run *run, size_t size, struct err *err)
{
	return (pool_alloc(&run->pool, size, err));
}

struct buf
tmpl_buf(struct tmpl_run *run)
{
	return ((struct buf)BUF_SECRET(pool_left(&run->pool)));
}

int
tmpl_check(const struct tmpl_run *run, const struct buf *b, struct err *err)
{
	if (buf_ok(b))
		return (0);
	if (b == run->out)
		return (err_set(err, ERR_LIMIT,
		    "template prints more than %zu bytes", b->max));
	return (err_set(err, ERR_LIMIT, "template needs more than %zu bytes of"
	    " memory", run->pool.max));
}

struct regex_work *
tmpl_regex_work(struct tmpl_run *run)
{
	if (!run->searched)
		regex_work_start(&run->searches);
	run->searched = 1;
	return (&run->searches);
}

int
tmpl_steps(struct tmpl_run *run, uint64_t n, struct err *err)
{
#ifdef WEAKEN_TMPL_STEPS
	(void)run, (void)n, (void)err;
#else
	if (n > run->steps_max - run->steps)
		return (err_set(err, ERR_LIMIT,
		    "template takes more than %llu steps",
		    (unsigned long long)run->steps_max));
	run->steps += n;
#endif
	return (0);
}

int
tmpl_enter(struct tmpl_run *run, struct err *err)
{
	if (run->depth >= 3 * run->depth_max)
		return (err_set(err, ERR_LIMIT,
		    "template is nested deeper than %u levels",
		    3 * run->depth_max));
	run->depth++;
	return (0);
}

void
tmpl_leave(struct tmpl_run *run)
{
	run->depth--;
}
