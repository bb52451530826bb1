/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "value/num.h"
#include "value/tmpl_cast.h"

const char cast_nil_pointer[] =
    "runtime error: invalid memory address or nil pointer dereference";

int64_t
cast_trunc(double f)
{
	if (!(f >= -0x1p63 && f < 0x1p63))
		return (INT64_MIN);
	return ((int64_t)f);
}

/* cast's trimDecimal: "-12.5" becomes "-12", ".5" becomes "0"; what has no
 * such form stays.  Returns the length to keep; 0: it is "0". */
static size_t
trim_decimal(const char *s, size_t n)
{
	size_t i = 0, whole, digits;

	if (n == 0 || memchr(s, '.', n) == NULL)
		return (n);
	if (s[0] == '-' || s[0] == '+')
		i++;
	digits = i;
	while (i < n && s[i] >= '0' && s[i] <= '9')
		i++;
	whole = i;
	if (s[i] != '.')
		return (n);
	for (i++; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return (n);
	return (whole == digits ? 0 : whole);
}

static int64_t
parse_int64(const char *s, size_t n)
{
	int64_t i;

	n = trim_decimal(s, n);
	if (n == 0 || tmpl_parse_int(s, n, 0, &i) != 0)
		return (0);
	return (i);
}

int64_t
cast_int64(const struct tv *v)
{
	if (tv_is_int(v))
		return (v->u.i);
	if (tv_is_uint(v))
		return ((int64_t)v->u.u);
	switch (tv_kind(v)) {
	case TK_FLOAT64:
		return (cast_trunc(v->u.f));
	case TK_BOOL:
		return (v->u.b);
	case TK_STRING:
		return (parse_int64(v->u.s.p, v->u.s.n));
	default:
		return (0);
	}
}

double
cast_float64(const struct tv *v)
{
	double f;

	if (tv_is_int(v))
		return ((double)v->u.i);
	if (tv_is_uint(v))
		return ((double)v->u.u);
	switch (tv_kind(v)) {
	case TK_FLOAT64:
		return (v->u.f);
	case TK_BOOL:
		return (v->u.b);
	case TK_STRING:
		return (num_parse(v->u.s.p, v->u.s.n, &f) == 0 ? f : 0);
	default:
		return (0);
	}
}

int
cast_is_nil(const struct tv *v)
{
	return (v->type == NULL);
}

int
cast_empty(const struct tv *v)
{
	return (!tv_truth(v));
}

/* --- strings ------------------------------------------------------------ */

int
cast_text(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	size_t i;

	if (v->type == &tt_bytes) {
		for (i = 0; i < v->u.l.n; i++)
			buf_addc(out, (char)v->u.l.v[i].u.u);
		return (0);
	}
	if (v->type == &tt_string) {
		buf_add(out, v->u.s.p, v->u.s.n);
		return (0);
	}
	return (tmpl_print(run, v, out, err));
}

int
cast_string(struct tmpl_run *run, const struct tv *v, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(run);

	if (v->type == &tt_string) {
		*ret = tv_concrete(*v);
		return (0);
	}
	if (cast_text(run, v, &out, err) == -1)
		return (-1);
	return (tv_buf(run, &out, ret, err));
}

int
cast_strings(struct tmpl_run *run, const struct tv *v, struct tv *ret,
    struct err *err)
{
	size_t i, n = 0;

	if (v->type == &tt_strings) {
		*ret = tv_concrete(*v);
		return (0);
	}
	if (tv_kind(v) != TK_SLICE) {
		if (tv_list(run, &tt_strings, !cast_is_nil(v), ret,
		    err) == -1)
			return (-1);
		return (cast_is_nil(v) ? 0 :
		    cast_string(run, v, &ret->u.l.v[0], err));
	}
	if (tmpl_steps(run, v->u.l.n, err) == -1 ||
	    tv_list(run, &tt_strings, v->u.l.n, ret, err) == -1)
		return (-1);
	for (i = 0; i < v->u.l.n; i++) {
		if (cast_is_nil(&v->u.l.v[i]))
			continue;
		if (cast_string(run, &v->u.l.v[i], &ret->u.l.v[n],
		    err) == -1)
			return (-1);
		n++;
	}
	ret->u.l.n = n;
	return (0);
}

/* --- errors ------------------------------------------------------------- */

int
cast_no_type(const char *what, const struct tv *v, struct err *err)
{
	if (cast_is_nil(v))
		return (err_set(err, ERR_INVALID, "%s", cast_nil_pointer));
	return (err_set(err, ERR_INVALID, "%s %s", what, tt_kind(v->type)));
}

int
cast_wrong_type(const struct tv *v, const struct tt *want, struct err *err)
{
	return (err_set(err, ERR_INVALID,
	    "interface conversion: interface {} is %s, not %s",
	    cast_is_nil(v) ? "nil" : v->type->name, want->name));
}

/* --- lists that grow ---------------------------------------------------- */

/* runtime/sizeclasses.go. */
static const uint16_t size_classes[] = { 8, 16, 24, 32, 48, 64, 80, 96, 112,
	128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416,
	448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536,
	1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5120, 5376, 6144,
	6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336,
	16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768 };

/* runtime.roundupsize: objects with pointers beyond 512 bytes have a header
 * of 8. */
static size_t
round_up_size(size_t size, int pointers)
{
	size_t i, header = pointers && size > 512 ? 8 : 0;

	for (i = 0; size <= 32768 - 8 && i < ARRAY_LEN(size_classes);
	    i++)
		if (size_classes[i] >= size + header)
			return (size_classes[i] - header);
	return ((size + 8191) & ~(size_t)8191);
}

static size_t
elem_size(const struct tt *elem)
{
	switch (elem->kind) {
	case TK_INT8:
	case TK_UINT8:
	case TK_BOOL:
		return (1);
	case TK_STRING:
	case TK_INTERFACE:
		return (16);
	case TK_SLICE:
		return (24);
	default:
		return (8);
	}
}

size_t
cast_grow(const struct tt *type, size_t cap, size_t n)
{
	size_t size = elem_size(type->elem), grown = cap;

	if (n <= cap)
		return (cap);
	if (n > cap * 2)
		grown = n;
	else if (cap < 256)
		grown = cap * 2;
	else
		while (grown < n)
			grown += (grown + 3 * 256) >> 2;
	return (round_up_size(grown * size, size > 8) / size);
}

int
cast_list_cap(struct tmpl_run *run, struct tv *list, size_t cap,
    struct err *err)
{
	struct tv room;

	if (cap <= list->cap)
		return (0);
	if (tv_list(run, list->type, cap, &room, err) == -1)
		return (-1);
	if (list->u.l.n)
		memcpy(room.u.l.v, list->u.l.v,
		    list->u.l.n * sizeof(*room.u.l.v));
	room.u.l.n = list->u.l.n;
	*list = room;
	return (0);
}

int
cast_list_init(struct cast_list *l, struct tmpl_run *run,
    const struct tt *type, struct err *err)
{
	l->run = run;
	return (tv_list(run, type, 0, &l->list, err));
}

int
cast_list_push(struct cast_list *l, struct tv v, struct err *err)
{
	struct tv *list = &l->list;

	if (tmpl_steps(l->run, 1, err) == -1 ||
	    cast_list_cap(l->run, list, cast_grow(list->type, list->cap,
	    list->u.l.n + 1), err) == -1)
		return (-1);
	v.iface = list->type->elem == &tt_any;
	list->u.l.v[list->u.l.n++] = v;
	return (0);
}
