/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value/tmpl_cast.h"

/*
 * Lists: sprig's list.go.  Each function and its must- twin are one here: both
 * end in the same text, by a panic or by an error.
 */

/* The elements of a slice of any type, or the error "WHAT KIND". */
static int
elements(const struct tv *v, const char *what, struct err *err)
{
	if (tv_kind(v) != TK_SLICE)
		return (cast_no_type(what, v, err));
	return (0);
}

/* A new []interface {} with room for ${cap} and ${n} elements from ${v}. */
static int
copy_list(struct tmpl_run *run, const struct tv *v, size_t n, size_t cap,
    struct tv *ret, struct err *err)
{
	size_t i;

	if (tmpl_steps(run, cap / 16, err) == -1 ||
	    tv_list(run, &tt_anys, cap, ret, err) == -1)
		return (-1);
	for (i = 0; i < n; i++)
		ret->u.l.v[i] = tv_elem(v[i]);
	ret->u.l.n = n;
	return (0);
}

static int
fn_list(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (copy_list(c->run, c->v, c->n, c->n, ret, err));
}

static int
fn_push(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	size_t n = c->v[0].u.l.n;

	if (elements(&c->v[0], "Cannot push on type", err) == -1 ||
	    copy_list(c->run, c->v[0].u.l.v, n,
	    cast_grow(&tt_anys, n, n + 1), ret, err) == -1)
		return (-1);
	ret->u.l.v[ret->u.l.n++] = tv_elem(c->v[1]);
	return (0);
}

static int
fn_prepend(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct tv *list = &c->v[0];
	size_t i;

	if (elements(list, "Cannot prepend on type", err) == -1 ||
	    copy_list(c->run, &c->v[1], 1,
	    cast_grow(&tt_anys, 1, list->u.l.n + 1), ret, err) == -1)
		return (-1);
	for (i = 0; i < list->u.l.n; i++)
		ret->u.l.v[i + 1] = tv_elem(list->u.l.v[i]);
	ret->u.l.n = i + 1;
	return (0);
}

/* --- one element, or all but one ---------------------------------------- */

static int
fn_first(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (elements(&c->v[0], "Cannot find first on type", err) == -1)
		return (-1);
	*ret = c->v[0].u.l.n > 0 ? c->v[0].u.l.v[0] : tv_nil();
	return (0);
}

static int
fn_last(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	size_t n = c->v[0].u.l.n;

	if (elements(&c->v[0], "Cannot find last on type", err) == -1)
		return (-1);
	*ret = n > 0 ? c->v[0].u.l.v[n - 1] : tv_nil();
	return (0);
}

/* All but one from ${at} on; of an empty list nil. */
static int
all_but_one(struct tmpl_call *c, size_t at, struct tv *ret, struct err *err)
{
	size_t n = c->v[0].u.l.n;

	*ret = tv_zero(&tt_anys);
	if (n == 0)
		return (0);
	return (copy_list(c->run, c->v[0].u.l.v + at, n - 1, n - 1, ret,
	    err));
}

static int
fn_rest(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (elements(&c->v[0], "Cannot find rest on type", err) == -1)
		return (-1);
	return (all_but_one(c, 1, ret, err));
}

static int
fn_initial(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (elements(&c->v[0], "Cannot find initial on type", err) == -1)
		return (-1);
	return (all_but_one(c, 0, ret, err));
}

/* --- order -------------------------------------------------------------- */

static int
compare_text(const void *a, const void *b)
{
	const struct tv *x = a, *y = b;
	size_t n = x->u.s.n < y->u.s.n ? x->u.s.n : y->u.s.n;
	int order = n == 0 ? 0 : memcmp(x->u.s.p, y->u.s.p, n);

	if (order != 0)
		return (order);
	return (x->u.s.n < y->u.s.n ? -1 : x->u.s.n > y->u.s.n);
}

/* A []string is sorted where it is: whoever holds it sees that. */
static int
fn_sort_alpha(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (tv_kind(&c->v[0]) != TK_SLICE) {
		if (tv_list(c->run, &tt_strings, 1, ret, err) == -1)
			return (-1);
		return (cast_string(c->run, &c->v[0], &ret->u.l.v[0], err));
	}
	if (cast_strings(c->run, &c->v[0], ret, err) == -1 ||
	    tmpl_steps(c->run, ret->u.l.n, err) == -1)
		return (-1);
	if (ret->u.l.n > 1)
		qsort(ret->u.l.v, ret->u.l.n, sizeof(*ret->u.l.v),
		    compare_text);
	return (0);
}

static int
fn_reverse(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	size_t i, n = c->v[0].u.l.n;

	if (elements(&c->v[0], "Cannot find reverse on type", err) == -1 ||
	    copy_list(c->run, c->v[0].u.l.v, n, n, ret, err) == -1)
		return (-1);
	for (i = 0; i < n; i++)
		ret->u.l.v[i] = tv_elem(c->v[0].u.l.v[n - 1 - i]);
	return (0);
}

/* --- some of the elements ----------------------------------------------- */

static int
fn_compact(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct cast_list l;
	size_t i;

	if (elements(&c->v[0], "Cannot compact on type", err) == -1 ||
	    cast_list_init(&l, c->run, &tt_anys, err) == -1)
		return (-1);
	for (i = 0; i < c->v[0].u.l.n; i++)
		if (!cast_empty(&c->v[0].u.l.v[i]) &&
		    cast_list_push(&l, c->v[0].u.l.v[i], err) == -1)
			return (-1);
	*ret = l.list;
	return (0);
}

static int
in_list(struct tmpl_run *run, const struct tv *list, size_t n,
    const struct tv *v, int *ret, struct err *err)
{
	size_t i;

	*ret = 0;
	for (i = 0; i < n && !*ret; i++)
		if (tmpl_steps(run, 1, err) == -1 ||
		    tv_equal(run, v, &list[i], ret, err) == -1)
			return (-1);
	return (0);
}

static int
fn_uniq(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct cast_list l;
	size_t i;
	int seen;

	if (elements(&c->v[0], "Cannot find uniq on type", err) == -1 ||
	    cast_list_init(&l, c->run, &tt_anys, err) == -1)
		return (-1);
	for (i = 0; i < c->v[0].u.l.n; i++)
		if (in_list(c->run, l.list.u.l.v, l.list.u.l.n,
		    &c->v[0].u.l.v[i], &seen, err) == -1 || (!seen &&
		    cast_list_push(&l, c->v[0].u.l.v[i], err) == -1))
			return (-1);
	*ret = l.list;
	return (0);
}

static int
fn_without(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct cast_list l;
	size_t i;
	int omit;

	if (elements(&c->v[0], "Cannot find without on type", err) == -1 ||
	    cast_list_init(&l, c->run, &tt_anys, err) == -1)
		return (-1);
	for (i = 0; i < c->v[0].u.l.n; i++)
		if (in_list(c->run, c->v + 1, c->n - 1, &c->v[0].u.l.v[i],
		    &omit, err) == -1 || (!omit &&
		    cast_list_push(&l, c->v[0].u.l.v[i], err) == -1))
			return (-1);
	*ret = l.list;
	return (0);
}

static int
fn_has(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int found = 0;

	if (!cast_is_nil(&c->v[1]) &&
	    (elements(&c->v[1], "Cannot find has on type", err) == -1 ||
	    in_list(c->run, c->v[1].u.l.v, c->v[1].u.l.n, &c->v[0], &found,
	    err) == -1))
		return (-1);
	*ret = tv_bool(found);
	return (0);
}

/* --- slices ------------------------------------------------------------- */

static int
fn_slice(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct tv *list = &c->v[0];
	int64_t start = 0, end;

	if (elements(list, "list should be type of slice or array but",
	    err) == -1)
		return (-1);
	*ret = tv_nil();
	if (list->u.l.n == 0)
		return (0);
	end = (int64_t)list->u.l.n;
	if (c->n > 1)
		start = cast_int64(&c->v[1]);
	if (c->n > 2)
		end = cast_int64(&c->v[2]);
	if (start < 0 || end < start || end > (int64_t)list->cap)
		return (err_set(err, ERR_INVALID,
		    "reflect.Value.Slice: slice index out of bounds"));
	*ret = tv_concrete(*list);
	ret->u.l.v += start;
	ret->u.l.n = (size_t)(end - start);
	ret->cap = list->cap - (uint32_t)start;
	return (0);
}

static int
fn_concat(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct cast_list l = { .run = c->run, .list = tv_zero(&tt_anys) };
	size_t i, j;

	for (i = 0; i < c->n; i++) {
		struct tv *list = &c->v[i];

		if (cast_is_nil(list))
			return (cast_no_type("", list, err));
		if (tv_kind(list) != TK_SLICE)
			return (err_set(err, ERR_INVALID,
			    "Cannot concat type %s as list",
			    tt_kind(list->type)));
		for (j = 0; j < list->u.l.n; j++)
			if (cast_list_push(&l, list->u.l.v[j], err) == -1)
				return (-1);
	}
	*ret = l.list;
	return (0);
}

/* Go's arithmetic over float64, where a size of 0 or less has odd results. */
static int
count_chunks(size_t n, int64_t size, size_t *ret, struct err *err)
{
	double count = floor((double)((int64_t)n - 1) / (double)size) + 1;
	int64_t chunks = cast_trunc(count);

	/* 24 bytes each in an address space of 48 bits. */
	if (chunks < 0 || chunks > ((int64_t)1 << 48) / 24)
		return (err_set(err, ERR_INVALID,
		    "runtime error: makeslice: len out of range"));
	*ret = (size_t)chunks;
	return (0);
}

static int
fn_chunk(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t size = c->v[0].u.i, len;
	struct tv *list = &c->v[1];
	size_t i, at = 0, chunks = 0, n = list->u.l.n;

	if (elements(list, "Cannot chunk type", err) == -1 ||
	    count_chunks(n, size, &chunks, err) == -1 ||
	    tv_list(c->run, &tt_chunks, chunks, ret, err) == -1)
		return (-1);
	for (i = 0; i < chunks; i++, at += (size_t)len) {
		len = size;
		if (i == chunks - 1) {
			len = cast_trunc(floor(fmod((double)n,
			    (double)size)));
			if (len == 0)
				len = size;
		}
		if (len < 0)
			return (err_set(err, ERR_INVALID,
			    "runtime error: makeslice: len out of range"));
		if (at + (size_t)len > n)
			return (err_set(err, ERR_INVALID,
			    "reflect: slice index out of range"));
		if (copy_list(c->run, list->u.l.v + at, (size_t)len,
		    (size_t)len, &ret->u.l.v[i], err) == -1)
			return (-1);
	}
	return (0);
}

#define A &tt_any
#define L &tt_anys

#define TWICE(name, must, fn, out, nin, in, rest)			\
	{ name, fn, out, nin, in, rest }, { must, fn, out, nin, in, rest }
#define ONE { A }
#define TWO { A, A }

const struct tmpl_func tmpl_funcs_lists[] = {
	{ "tuple", fn_list, L, 0, { NULL }, A },
	{ "list", fn_list, L, 0, { NULL }, A },
	TWICE("append", "mustAppend", fn_push, L, 2, TWO, NULL),
	TWICE("push", "mustPush", fn_push, L, 2, TWO, NULL),
	TWICE("prepend", "mustPrepend", fn_prepend, L, 2, TWO, NULL),
	TWICE("first", "mustFirst", fn_first, A, 1, ONE, NULL),
	TWICE("rest", "mustRest", fn_rest, L, 1, ONE, NULL),
	TWICE("last", "mustLast", fn_last, A, 1, ONE, NULL),
	TWICE("initial", "mustInitial", fn_initial, L, 1, ONE, NULL),
	TWICE("reverse", "mustReverse", fn_reverse, L, 1, ONE, NULL),
	TWICE("compact", "mustCompact", fn_compact, L, 1, ONE, NULL),
	TWICE("uniq", "mustUniq", fn_uniq, L, 1, ONE, NULL),
	TWICE("without", "mustWithout", fn_without, L, 1, ONE, A),
	TWICE("has", "mustHas", fn_has, &tt_bool, 2, TWO, NULL),
	TWICE("slice", "mustSlice", fn_slice, A, 1, ONE, A),
	{ "concat", fn_concat, A, 0, { NULL }, A },
	{ "chunk", fn_chunk, &tt_chunks, 2, { &tt_int, A }, NULL },
	{ "mustChunk", fn_chunk, &tt_chunks, 2, { &tt_int, A }, NULL },
	{ "sortAlpha", fn_sort_alpha, &tt_strings, 1, ONE, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
