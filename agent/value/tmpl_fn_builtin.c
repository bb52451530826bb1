/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "value/gostr.h"
#include "value/tmpl_run.h"

/* src/text/template/funcs.go of Go 1.26.  Its slice is hidden by sprig's. */

static int
invalid(struct err *err, const char *text)
{
	return (err_set(err, ERR_INVALID, "%s", text));
}

/* What a method of the zero reflect.Value panics with. */
static int
zero_value(struct err *err, const char *method)
{
	return (err_set(err, ERR_INVALID, "reflect: call of reflect.Value.%s "
	    "on zero Value", method));
}

/* --- and, or, not, call --------------------------------------------------- */

/* The evaluator does these itself, because they do not need every argument. */
int
builtin_and(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = c->v[c->n - 1];
	return (0);
}

int
builtin_or(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = c->v[0];
	return (0);
}

static int
f_not(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(!tv_truth(&c->v[0]));
	return (0);
}

/* No value of a template is a function. */
int
builtin_call(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)ret;
	if (c->v[0].type == NULL)
		return (invalid(err, "call of nil"));
	return (err_set(err, ERR_INVALID, "non-function %.*s of type %s",
	    (int)c->self.u.s.n, c->self.u.s.p, c->v[0].type->name));
}

/* --- index, len ----------------------------------------------------------- */

static int
index_number(const struct tv *index, size_t cap, size_t *ret,
    struct err *err)
{
	int64_t x = index->u.i;

	if (index->type == NULL)
		return (invalid(err, "cannot index slice/array with nil"));
	if (!tv_is_int(index) && !tv_is_uint(index))
		return (err_set(err, ERR_INVALID, "cannot index slice/array "
		    "with type %s", index->type->name));
	if (x < 0 || (uint64_t)x > cap)
		return (err_set(err, ERR_INVALID, "index out of range: %lld",
		    (long long)x));
	*ret = (size_t)x;
	return (0);
}

static int
index_slice(struct tv *item, const struct tv *index, struct err *err)
{
	int is_string = tv_kind(item) == TK_STRING;
	size_t at = 0, n = tv_len(item);

	if (index_number(index, n, &at, err) == -1)
		return (-1);
	/* Go lets the length itself through, and panics then. */
	if (at >= n)
		return (invalid(err, is_string ?
		    "reflect: string index out of range" :
		    "reflect: slice index out of range"));
	if (is_string)
		*item = (struct tv){ .type = &tt_uint8,
			.u.u = (unsigned char)item->u.s.p[at] };
	else
		*item = item->u.l.v[at];
	return (0);
}

static int
index_map(struct tv *item, const struct tv *index, struct err *err)
{
	const struct tt *elem = item->type->elem;
	const struct tv *v;

	if (index->type == NULL)
		return (invalid(err, "value is nil; should be of type "
		    "string"));
	if (index->type != &tt_string)
		return (err_set(err, ERR_INVALID, "value has type %s; should "
		    "be string", index->type->name));
	v = tmap_get(item->u.m, index->u.s.p, index->u.s.n);
	if (v != NULL)
		*item = *v;
	else
		*item = elem == &tt_any ? tv_elem(tv_nil()) : tv_zero(elem);
	return (0);
}

static int
f_index(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct tv item = tv_concrete(c->v[0]);
	size_t i;

	if (item.type == NULL)
		return (invalid(err, "index of untyped nil"));
	for (i = 1; i < c->n; i++) {
		int rc;

		if (item.type == NULL || (item.type->kind == TK_PTR &&
		    item.u.p == NULL))
			return (invalid(err, "index of nil pointer"));
		if (tv_kind(&item) == TK_STRING || tv_kind(&item) == TK_SLICE)
			rc = index_slice(&item, &c->v[i], err);
		else if (tv_kind(&item) == TK_MAP)
			rc = index_map(&item, &c->v[i], err);
		else
			rc = err_set(err, ERR_INVALID, "can't index item of "
			    "type %s", item.type->kind == TK_PTR ?
			    item.type->elem->name : item.type->name);
		if (rc == -1)
			return (-1);
	}
	*ret = item;
	return (0);
}

static int
f_len(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const struct tv *v = &c->v[0];

	if (v->type == NULL)
		return (v->iface ? invalid(err, "len of nil pointer") :
		    zero_value(err, "Type"));
	if (v->type->kind == TK_PTR && v->u.p == NULL)
		return (invalid(err, "len of nil pointer"));
	if (tv_kind(v) != TK_STRING && tv_kind(v) != TK_SLICE &&
	    tv_kind(v) != TK_MAP)
		return (err_set(err, ERR_INVALID, "len of type %s",
		    v->type->kind == TK_PTR ? v->type->elem->name :
		    v->type->name));
	*ret = tv_int((int64_t)tv_len(v));
	return (0);
}

/* --- comparison ----------------------------------------------------------- */

enum basic { BASIC_NONE, BASIC_BOOL, BASIC_COMPLEX, BASIC_INT, BASIC_FLOAT,
	BASIC_STRING, BASIC_UINT };

static enum basic
basic_kind(const struct tv *v)
{
	switch (tv_kind(v)) {
	case TK_BOOL:
		return (BASIC_BOOL);
	case TK_COMPLEX128:
		return (BASIC_COMPLEX);
	case TK_FLOAT64:
		return (BASIC_FLOAT);
	case TK_STRING:
		return (BASIC_STRING);
	default:
		return (tv_is_int(v) ? BASIC_INT : tv_is_uint(v) ?
		    BASIC_UINT : BASIC_NONE);
	}
}

static int
incompatible(const struct tv *a, const struct tv *b, struct err *err)
{
	return (err_set(err, ERR_INVALID, "incompatible types for comparison: "
	    "%s and %s", a->type->name, b->type->name));
}

static int
not_comparable(struct tmpl_call *c, const char *format, const struct tv *args,
    size_t n, struct err *err)
{
	cleanup_buf struct buf b = tmpl_buf(c->run);

	if (tmpl_sprintf(c->run, format, strlen(format), args, n, &b, err) ==
	    -1)
		return (-1);
	return (invalid(err, buf_str(&b)));
}

/* What is no basic kind: nil equals nil, structs and pointers compare. */
static int
eq_other(struct tmpl_call *c, const struct tv *a, const struct tv *b,
    int *ret, struct err *err)
{
	struct tv args[4] = { *a, tv_str(a->type ? a->type->name : ""),
		tv_str(b->type ? b->type->name : ""), *b };

	if (tv_kind(a) != tv_kind(b) && a->type != NULL && b->type != NULL)
		return (not_comparable(c, "non-comparable types %s: %v, "
		    "%s: %v", args, 4, err));
	if (tv_is_nil(a) || tv_is_nil(b)) {
		*ret = tv_is_nil(a) == tv_is_nil(b);
		return (0);
	}
	if (tv_kind(b) == TK_SLICE || tv_kind(b) == TK_MAP) {
		args[0] = *b;
		args[1] = args[2];
		return (not_comparable(c, "non-comparable type %s: %v", args,
		    2, err));
	}
	if (tv_kind(a) == TK_PTR) {
		*ret = a->type == b->type && a->u.p == b->u.p;
		return (0);
	}
	return (tv_equal(c->run, a, b, ret, err));
}

static int
eq_same(struct tmpl_call *c, enum basic kind, const struct tv *a,
    const struct tv *b, int *ret, struct err *err)
{
	switch (kind) {
	case BASIC_BOOL:
		*ret = a->u.b == b->u.b;
		return (0);
	case BASIC_COMPLEX:
		*ret = a->u.c.re == b->u.c.re && a->u.c.im == b->u.c.im;
		return (0);
	case BASIC_FLOAT:
		*ret = a->u.f == b->u.f;
		return (0);
	case BASIC_STRING:
		*ret = a->u.s.n == b->u.s.n && (a->u.s.n == 0 ||
		    memcmp(a->u.s.p, b->u.s.p, a->u.s.n) == 0);
		return (0);
	case BASIC_INT:
	case BASIC_UINT:
		*ret = a->u.u == b->u.u;
		return (0);
	default:
		return (eq_other(c, a, b, ret, err));
	}
}

static int
eq_two(struct tmpl_call *c, const struct tv *a, const struct tv *b, int *ret,
    struct err *err)
{
	enum basic ka = basic_kind(a), kb = basic_kind(b);

	*ret = 0;
	if (ka == kb)
		return (eq_same(c, ka, a, b, ret, err));
	if (ka == BASIC_INT && kb == BASIC_UINT) {
		*ret = a->u.i >= 0 && a->u.u == b->u.u;
	} else if (ka == BASIC_UINT && kb == BASIC_INT) {
		*ret = b->u.i >= 0 && a->u.u == b->u.u;
	} else if (a->type != NULL && b->type != NULL) {
		return (incompatible(a, b, err));
	}
	return (0);
}

static int
f_eq(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct tv a = tv_concrete(c->v[0]), b;
	int same = 0;
	size_t i;

	if (c->n < 2)
		return (invalid(err, "missing argument for comparison"));
	for (i = 1; i < c->n && !same; i++) {
		b = tv_concrete(c->v[i]);
		if (eq_two(c, &a, &b, &same, err) == -1)
			return (-1);
	}
	*ret = tv_bool(same);
	return (0);
}

static int
f_ne(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (f_eq(c, ret, err) == -1)
		return (-1);
	ret->u.b = !ret->u.b;
	return (0);
}

static int
lt_strings(const struct tv *a, const struct tv *b)
{
	size_t n = a->u.s.n < b->u.s.n ? a->u.s.n : b->u.s.n;
	int c = n == 0 ? 0 : memcmp(a->u.s.p, b->u.s.p, n);

	return (c != 0 ? c < 0 : a->u.s.n < b->u.s.n);
}

static int
lt_two(const struct tv *a, const struct tv *b, int *ret, struct err *err)
{
	enum basic ka = basic_kind(a), kb = basic_kind(b);

	if (ka == BASIC_NONE || kb == BASIC_NONE || (ka == kb &&
	    (ka == BASIC_BOOL || ka == BASIC_COMPLEX)))
		return (invalid(err, "invalid type for comparison"));
	if (ka == BASIC_INT && kb == BASIC_UINT)
		*ret = a->u.i < 0 || a->u.u < b->u.u;
	else if (ka == BASIC_UINT && kb == BASIC_INT)
		*ret = b->u.i >= 0 && a->u.u < b->u.u;
	else if (ka != kb)
		return (incompatible(a, b, err));
	else if (ka == BASIC_INT)
		*ret = a->u.i < b->u.i;
	else if (ka == BASIC_UINT)
		*ret = a->u.u < b->u.u;
	else if (ka == BASIC_FLOAT)
		*ret = a->u.f < b->u.f;
	else
		*ret = lt_strings(a, b);
	return (0);
}

static int
f_lt(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct tv a = tv_concrete(c->v[0]), b = tv_concrete(c->v[1]);
	int less = 0;

	if (lt_two(&a, &b, &less, err) == -1)
		return (-1);
	*ret = tv_bool(less);
	return (0);
}

static int
f_le(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (f_lt(c, ret, err) == -1)
		return (-1);
	return (ret->u.b ? 0 : f_eq(c, ret, err));
}

static int
f_gt(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (f_le(c, ret, err) == -1)
		return (-1);
	ret->u.b = !ret->u.b;
	return (0);
}

static int
f_ge(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (f_lt(c, ret, err) == -1)
		return (-1);
	ret->u.b = !ret->u.b;
	return (0);
}

/* --- printing ------------------------------------------------------------- */

static int
f_print(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf b = tmpl_buf(c->run);

	if (tmpl_sprint(c->run, c->v, c->n, &b, err) == -1)
		return (-1);
	return (tv_buf(c->run, &b, ret, err));
}

static int
f_println(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf b = tmpl_buf(c->run);

	if (tmpl_sprintln(c->run, c->v, c->n, &b, err) == -1)
		return (-1);
	return (tv_buf(c->run, &b, ret, err));
}

static int
f_printf(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf b = tmpl_buf(c->run);

	if (tmpl_sprintf(c->run, c->v[0].u.s.p, c->v[0].u.s.n, c->v + 1,
	    c->n - 1, &b, err) == -1)
		return (-1);
	return (tv_buf(c->run, &b, ret, err));
}

/* --- escaping ------------------------------------------------------------- */

/* evalArgs: the arguments printed; nil is `<no value>` here. */
static int
joined(struct tmpl_call *c, struct buf *out, struct err *err)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->v[i].type == NULL)
			c->v[i] = tv_str("<no value>");
	return (tmpl_sprint(c->run, c->v, c->n, out, err));
}

static int
f_html(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf in = tmpl_buf(c->run);
	cleanup_buf struct buf out = tmpl_buf(c->run);
	size_t i;

	if (joined(c, &in, err) == -1)
		return (-1);
	for (i = 0; i < in.len; i++) {
		switch (in.data[i]) {
		case '\0':
			buf_adds(&out, "\xef\xbf\xbd");
			break;
		case '"':
			buf_adds(&out, "&#34;");
			break;
		case '\'':
			buf_adds(&out, "&#39;");
			break;
		case '&':
			buf_adds(&out, "&amp;");
			break;
		case '<':
			buf_adds(&out, "&lt;");
			break;
		case '>':
			buf_adds(&out, "&gt;");
			break;
		default:
			buf_addc(&out, in.data[i]);
		}
	}
	return (tv_buf(c->run, &out, ret, err));
}

static void
js_ascii(unsigned char ch, struct buf *out)
{
	switch (ch) {
	case '\\':
	case '\'':
	case '"':
		buf_addc(out, '\\');
		buf_addc(out, (char)ch);
		break;
	case '<':
	case '>':
	case '&':
	case '=':
		buf_addf(out, "\\u%04X", ch);
		break;
	default:
		if (ch < ' ')
			buf_addf(out, "\\u%04X", ch);
		else
			buf_addc(out, (char)ch);
	}
}

static int
f_js(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf in = tmpl_buf(c->run);
	cleanup_buf struct buf out = tmpl_buf(c->run);
	uint32_t rune;
	size_t i, n;

	if (joined(c, &in, err) == -1)
		return (-1);
	for (i = 0; i < in.len; i += n) {
		n = utf8_next(in.data + i, in.len - i, &rune);
		if ((unsigned char)in.data[i] < 0x80)
			js_ascii((unsigned char)in.data[i], &out);
		else if (gostr_is_print(rune))
			buf_add(&out, in.data + i, n);
		else
			buf_addf(&out, "\\u%04X", rune);
	}
	return (tv_buf(c->run, &out, ret, err));
}

static int
f_urlquery(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf in = tmpl_buf(c->run);
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (joined(c, &in, err) == -1)
		return (-1);
	codec_query_escape(&out, buf_str(&in), in.len);
	return (tv_buf(c->run, &out, ret, err));
}

/* --- the table ------------------------------------------------------------ */

#define VALUE &tt_value

const struct tmpl_func tmpl_funcs_builtin[] = {
	{ "and", builtin_and, VALUE, 1, { VALUE }, VALUE },
	{ "or", builtin_or, VALUE, 1, { VALUE }, VALUE },
	{ "not", f_not, &tt_bool, 1, { VALUE }, NULL },
	{ "call", builtin_call, VALUE, 1, { VALUE }, VALUE },
	{ "index", f_index, VALUE, 1, { VALUE }, VALUE },
	{ "len", f_len, &tt_int, 1, { VALUE }, NULL },
	{ "eq", f_eq, &tt_bool, 1, { VALUE }, VALUE },
	{ "ne", f_ne, &tt_bool, 2, { VALUE, VALUE }, NULL },
	{ "lt", f_lt, &tt_bool, 2, { VALUE, VALUE }, NULL },
	{ "le", f_le, &tt_bool, 2, { VALUE, VALUE }, NULL },
	{ "gt", f_gt, &tt_bool, 2, { VALUE, VALUE }, NULL },
	{ "ge", f_ge, &tt_bool, 2, { VALUE, VALUE }, NULL },
	{ "print", f_print, &tt_string, 0, { NULL }, &tt_any },
	{ "println", f_println, &tt_string, 0, { NULL }, &tt_any },
	{ "printf", f_printf, &tt_string, 1, { &tt_string }, &tt_any },
	{ "html", f_html, &tt_string, 0, { NULL }, &tt_any },
	{ "js", f_js, &tt_string, 0, { NULL }, &tt_any },
	{ "urlquery", f_urlquery, &tt_string, 0, { NULL }, &tt_any },
	{ .name = NULL },
};
