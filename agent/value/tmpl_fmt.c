/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "value/tmpl_fmt.h"
#include "value/tmpl_run.h"

/* src/fmt/print.go of Go 1.26. */

static int
error_string(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	(void)run;
	(void)err;
	buf_add(out, v->u.s.p, v->u.s.n);
	return (0);
}

const struct tt tt_error = { .kind = TK_PTR, .name = "*errors.errorString",
	.string = error_string };

static void print_value(struct fmt *f, const struct tv *v, uint32_t verb,
    int depth);

static void
add_verb(struct fmt *f, uint32_t verb)
{
	buf_adds(f->out, "%!");
	utf8_add(f->out, verb);
}

/* %!verb(type=value) */
static void
bad_verb(struct fmt *f, const struct tv *v, uint32_t verb)
{
	f->erroring = 1;
	add_verb(f, verb);
	buf_addc(f->out, '(');
	if (v->type == NULL) {
		buf_adds(f->out, "<nil>");
	} else {
		buf_adds(f->out, v->type->name);
		buf_addc(f->out, '=');
		print_value(f, v, 'v', 0);
	}
	buf_addc(f->out, ')');
	f->erroring = 0;
}

/* --- one value ------------------------------------------------------------ */

static void
print_integer(struct fmt *f, const struct tv *v, uint32_t verb)
{
	int is_signed = tv_is_int(v);
	uint64_t u = v->u.u;
	uint8_t sharp = f->sharp;

	switch (verb) {
	case 'v':
		if (f->sharp_v && !is_signed) {
			f->sharp = 1;
			fmt_integer(f, u, 16, 0, verb, 0);
			f->sharp = sharp;
			break;
		}
		__attribute__((fallthrough));
	case 'd':
		fmt_integer(f, u, 10, is_signed, verb, 0);
		break;
	case 'b':
		fmt_integer(f, u, 2, is_signed, verb, 0);
		break;
	case 'o':
	case 'O':
		fmt_integer(f, u, 8, is_signed, verb, 0);
		break;
	case 'x':
	case 'X':
		fmt_integer(f, u, 16, is_signed, verb, verb == 'X');
		break;
	case 'c':
	case 'q':
		fmt_char(f, u, verb == 'q');
		break;
	case 'U':
		fmt_unicode(f, u);
		break;
	default:
		bad_verb(f, v, verb);
	}
}

/* 1 when the verb is one for floats. */
static int
print_float(struct fmt *f, double v, uint32_t verb)
{
	switch (verb) {
	case 'v':
		fmt_float(f, v, 'g', -1);
		return (1);
	case 'b':
	case 'g':
	case 'G':
	case 'x':
	case 'X':
		fmt_float(f, v, (char)verb, -1);
		return (1);
	case 'f':
	case 'F':
		fmt_float(f, v, 'f', 6);
		return (1);
	case 'e':
	case 'E':
		fmt_float(f, v, (char)verb, 6);
		return (1);
	default:
		return (0);
	}
}

static void
print_complex(struct fmt *f, const struct tv *v, uint32_t verb)
{
	uint8_t plus = f->plus;

	if (verb > 0x7f || strchr("vbgGxXfFeE", (int)verb) == NULL) {
		bad_verb(f, v, verb);
		return;
	}
	buf_addc(f->out, '(');
	print_float(f, v->u.c.re, verb);
	f->plus = 1;
	print_float(f, v->u.c.im, verb);
	buf_adds(f->out, "i)");
	f->plus = plus;
}

/* 1 when the verb is one for text. */
static int
print_text(struct fmt *f, const char *s, size_t n, uint32_t verb)
{
	switch (verb) {
	case 'v':
		if (f->sharp_v)
			fmt_quote(f, s, n);
		else
			fmt_string(f, s, n);
		return (1);
	case 's':
		fmt_string(f, s, n);
		return (1);
	case 'x':
	case 'X':
		fmt_hex(f, s, n, verb == 'X');
		return (1);
	case 'q':
		fmt_quote(f, s, n);
		return (1);
	default:
		return (0);
	}
}

static void
open_container(struct fmt *f, const struct tv *v, const char *plain,
    int *ret_nil)
{
	*ret_nil = 0;
	if (!f->sharp_v) {
		buf_adds(f->out, plain);
		return;
	}
	buf_adds(f->out, v->type->name);
	*ret_nil = tv_is_nil(v);
	buf_adds(f->out, *ret_nil ? "(nil)" : "{");
}

static void
separate(struct fmt *f, int first)
{
	if (!first)
		buf_adds(f->out, f->sharp_v ? ", " : " ");
}

static void
print_map(struct fmt *f, const struct tv *v, uint32_t verb, int depth)
{
	const struct tment *e;
	struct tv key;
	int is_nil;

	open_container(f, v, "map[", &is_nil);
	if (is_nil)
		return;
	for (e = tmap_first(v->u.m); e != NULL && f->rc == 0; e = e->next) {
		separate(f, e == tmap_first(v->u.m));
		key = tv_strn(e->key, e->len);
		print_value(f, &key, verb, depth + 1);
		buf_addc(f->out, ':');
		print_value(f, &e->value, verb, depth + 1);
	}
	buf_addc(f->out, f->sharp_v ? '}' : ']');
}

/* []uint8 is text to the verbs for text. */
static void
print_bytes(struct fmt *f, const struct tv *v, uint32_t verb)
{
	cleanup_buf struct buf text = tmpl_buf(f->run);
	size_t i;

	for (i = 0; i < v->u.l.n; i++)
		buf_addc(&text, (char)v->u.l.v[i].u.u);
	if (tmpl_check(f->run, &text, f->err) == -1)
		f->rc = -1;
	else
		print_text(f, buf_str(&text), text.len, verb);
}

static void
print_slice(struct fmt *f, const struct tv *v, uint32_t verb, int depth)
{
	int is_nil;
	size_t i;

	if (v->type->elem->kind == TK_UINT8 && verb < 0x80 &&
	    strchr("sqxX", (int)verb) != NULL) {
		print_bytes(f, v, verb);
		return;
	}
	open_container(f, v, "[", &is_nil);
	if (is_nil)
		return;
	for (i = 0; i < v->u.l.n && f->rc == 0; i++) {
		separate(f, i == 0);
		print_value(f, &v->u.l.v[i], verb, depth + 1);
	}
	buf_addc(f->out, f->sharp_v ? '}' : ']');
}

static void
print_struct(struct fmt *f, const struct tv *v, uint32_t verb, int depth)
{
	const char *const *names = v->type->fields;
	size_t i;

	if (f->sharp_v)
		buf_adds(f->out, v->type->name);
	buf_addc(f->out, '{');
	for (i = 0; names != NULL && names[i] != NULL; i++) {
		separate(f, i == 0);
		if (f->plus_v || f->sharp_v) {
			buf_adds(f->out, names[i]);
			buf_addc(f->out, ':');
		}
		if (v->u.p != NULL)
			print_value(f, &v->u.fields[i], verb, depth + 1);
	}
	buf_addc(f->out, '}');
}

/* What a pointer at the top points to. */
static void
print_pointee(struct fmt *f, const struct tv *v, uint32_t verb)
{
	struct tv to = { .type = v->type->elem, .u.p = v->u.p };

	buf_addc(f->out, '&');
	print_struct(f, &to, verb, 1);
}

/* Go prints addresses, which change from run to run: here all are one. */
static void
print_pointer(struct fmt *f, const struct tv *v, uint32_t verb)
{
	struct tv address = { .type = &tt_uint64,
		.u.u = v->u.p == NULL ? 0 : 0xc000000000 };
	uint8_t sharp = f->sharp;

	switch (verb) {
	case 'v':
		if (v->u.p == NULL) {
			fmt_pads(f, "<nil>");
			break;
		}
		__attribute__((fallthrough));
	case 'p':
		f->sharp = !sharp;
		fmt_integer(f, address.u.u, 16, 0, 'v', 0);
		f->sharp = sharp;
		break;
	case 'b':
	case 'o':
	case 'd':
	case 'x':
	case 'X':
		print_integer(f, &address, verb);
		break;
	default:
		bad_verb(f, v, verb);
	}
}

static int
print_go(struct fmt *f, const struct tv *v)
{
	cleanup_buf struct buf text = tmpl_buf(f->run);

	if (f->erroring || v->type == NULL || v->type->gostring == NULL)
		return (0);
	if (v->type->gostring(f->run, v, &text, f->err) == -1 ||
	    tmpl_check(f->run, &text, f->err) == -1)
		f->rc = -1;
	else
		print_text(f, buf_str(&text), text.len, 's');
	return (1);
}

/* handleMethods: 1 when String() or GoString() has printed it. */
static int
print_by_method(struct fmt *f, const struct tv *v, uint32_t verb)
{
	cleanup_buf struct buf text = tmpl_buf(f->run);

	if (f->sharp_v)
		return (print_go(f, v));
	if (f->erroring || v->type == NULL ||
	    v->type->string == NULL || verb > 0x7f ||
	    strchr("vsxXq", (int)verb) == NULL)
		return (0);
	if (tv_kind(v) == TK_PTR && v->u.p == NULL) {
		buf_adds(f->out, "<nil>");
		return (1);
	}
	if (v->type->string(f->run, v, &text, f->err) == -1 ||
	    tmpl_check(f->run, &text, f->err) == -1)
		f->rc = -1;
	else
		print_text(f, buf_str(&text), text.len, verb);
	return (1);
}

static void
print_nested(struct fmt *f, const struct tv *v, uint32_t verb, int depth)
{
	if (tmpl_steps(f->run, 1 + tv_len(v) / 8, f->err) == -1 ||
	    tmpl_enter(f->run, f->err) == -1) {
		f->rc = -1;
		return;
	}
	if (tv_kind(v) == TK_MAP)
		print_map(f, v, verb, depth);
	else if (tv_kind(v) == TK_SLICE)
		print_slice(f, v, verb, depth);
	else
		print_struct(f, v, verb, depth);
	tmpl_leave(f->run);
}

static void
print_nil(struct fmt *f, const struct tv *v, uint32_t verb, int depth)
{
	if (depth == 0 && verb != 'v' && verb != 'T')
		bad_verb(f, v, verb);
	else if (depth == 0)
		fmt_pads(f, "<nil>");
	else
		buf_adds(f->out, f->sharp_v ? "interface {}(nil)" : "<nil>");
}

/* *errors.errorString where its text is not wanted. */
static void
print_error(struct fmt *f, const struct tv *v, uint32_t verb)
{
	struct tv text = tv_strn(v->u.s.p, v->u.s.n);

	buf_adds(f->out, "&{");
	if (!print_text(f, text.u.s.p, text.u.s.n, verb))
		bad_verb(f, &text, verb);
	buf_addc(f->out, '}');
}

static void
print_value(struct fmt *f, const struct tv *v, uint32_t verb, int depth)
{
	if (f->rc == -1)
		return;
	if (print_by_method(f, v, verb))
		return;
	/* %w is for errors, and what may have methods is asked first. */
	if (verb == 'w' && !f->erroring && tv_kind(v) >= TK_SLICE &&
	    tv_kind(v) <= TK_PTR) {
		bad_verb(f, v, verb);
		return;
	}
	switch (tv_kind(v)) {
	case TK_NIL:
	case TK_INTERFACE:
		print_nil(f, v, verb, depth);
		break;
	case TK_BOOL:
		if (verb == 't' || verb == 'v')
			fmt_pads(f, v->u.b ? "true" : "false");
		else
			bad_verb(f, v, verb);
		break;
	case TK_FLOAT64:
		if (!print_float(f, v->u.f, verb))
			bad_verb(f, v, verb);
		break;
	case TK_COMPLEX128:
		print_complex(f, v, verb);
		break;
	case TK_STRING:
		if (!print_text(f, v->u.s.p, v->u.s.n, verb))
			bad_verb(f, v, verb);
		break;
	case TK_SLICE:
	case TK_MAP:
	case TK_STRUCT:
		print_nested(f, v, verb, depth);
		break;
	case TK_PTR:
		if (v->type == &tt_error)
			print_error(f, v, verb);
		else if (depth == 0 && v->u.p != NULL &&
		    v->type->elem->fields != NULL)
			print_pointee(f, v, verb);
		else
			print_pointer(f, v, verb);
		break;
	default:
		print_integer(f, v, verb);
	}
}

/* printArg */
static void
print_arg(struct fmt *f, const struct tv *v, uint32_t verb)
{
	if (verb == 'T') {
		if (v->type == NULL)
			fmt_pads(f, "<nil>");
		else
			fmt_string(f, v->type->name, strlen(v->type->name));
	} else if (verb == 'p' && v->type != NULL) {
		if (tv_kind(v) == TK_MAP || tv_kind(v) == TK_SLICE ||
		    tv_kind(v) == TK_PTR)
			print_pointer(f, v, 'p');
		else
			bad_verb(f, v, 'p');
	} else {
		print_value(f, v, verb, 0);
	}
}

/* --- the format ----------------------------------------------------------- */

#define TOO_LARGE 1000000

/* parsenum: digits at *at; 1 when there are some and they are no monster. */
static int
parse_num(const char *s, size_t *at, size_t end, int *ret)
{
	int is_num = 0;

	*ret = 0;
	for (; *at < end && s[*at] >= '0' && s[*at] <= '9'; ++*at) {
		if (*ret > TOO_LARGE) {
			*ret = 0;
			*at = end;
			return (0);
		}
		*ret = *ret * 10 + (s[*at] - '0');
		is_num = 1;
	}
	return (is_num);
}

/* argNumber: [n] at *at chooses the argument; 1 when it does. */
static int
arg_number(struct fmt *f, const char *s, size_t *at, size_t end, size_t *arg)
{
	size_t start = *at, close, i;
	int index, ok;

	if (start >= end || s[start] != '[')
		return (0);
	f->reordered = 1;
	*at = start + 1;
	for (close = start + 1; close < end && s[close] != ']'; close++)
		;
	if (end - start < 3 || close >= end) {
		f->good_arg_num = 0;
		return (0);
	}
	*at = close + 1;
	i = start + 1;
	ok = parse_num(s, &i, close, &index) && i == close;
	if (ok && index >= 1 && (size_t)index <= f->narg) {
		*arg = (size_t)index - 1;
		return (1);
	}
	f->good_arg_num = 0;
	return (ok);
}

/* intFromArg: '*' takes an argument; 1 when it is a usable number. */
static int
number_arg(struct fmt *f, size_t *arg, int *ret)
{
	const struct tv *v;

	*ret = 0;
	if (*arg >= f->narg)
		return (0);
	v = &f->arg[(*arg)++];
	if (!tv_is_int(v) && !tv_is_uint(v))
		return (0);
	if (tv_is_uint(v) ? v->u.u > TOO_LARGE :
	    (v->u.i > TOO_LARGE || v->u.i < -TOO_LARGE))
		return (0);
	*ret = (int)v->u.i;
	return (1);
}

static void
scan_flags(struct fmt *f, const char *s, size_t *at, size_t end)
{
	for (; *at < end; ++*at) {
		switch (s[*at]) {
		case '#':
			f->sharp = 1;
			break;
		case '0':
			f->zero = 1;
			break;
		case '+':
			f->plus = 1;
			break;
		case '-':
			f->minus = 1;
			break;
		case ' ':
			f->space = 1;
			break;
		default:
			return;
		}
	}
}

static void
scan_width(struct fmt *f, const char *s, size_t *at, size_t end, size_t *arg,
    int *after_index)
{
	if (*at < end && s[*at] == '*') {
		++*at;
		f->wid_present = number_arg(f, arg, &f->wid) != 0;
		if (!f->wid_present)
			buf_adds(f->out, "%!(BADWIDTH)");
		if (f->wid < 0) {
			f->wid = -f->wid;
			f->minus = 1;
			f->zero = 0;
		}
		*after_index = 0;
		return;
	}
	f->wid_present = parse_num(s, at, end, &f->wid) != 0;
	if (*after_index && f->wid_present)
		f->good_arg_num = 0;
}

static void
scan_precision(struct fmt *f, const char *s, size_t *at, size_t end,
    size_t *arg, int *after_index)
{
	if (*at + 1 >= end || s[*at] != '.')
		return;
	++*at;
	if (*after_index)
		f->good_arg_num = 0;
	*after_index = arg_number(f, s, at, end, arg);
	if (*at < end && s[*at] == '*') {
		++*at;
		f->prec_present = number_arg(f, arg, &f->prec) != 0;
		if (f->prec < 0) {
			f->prec = 0;
			f->prec_present = 0;
		}
		if (!f->prec_present)
			buf_adds(f->out, "%!(BADPREC)");
		*after_index = 0;
		return;
	}
	f->prec_present = parse_num(s, at, end, &f->prec) != 0;
	if (!f->prec_present) {
		f->prec = 0;
		f->prec_present = 1;
	}
}

static void
print_verb(struct fmt *f, uint32_t verb, size_t *arg)
{
	if (verb == '%') {
		buf_addc(f->out, '%');
		return;
	}
	if (!f->good_arg_num) {
		add_verb(f, verb);
		buf_adds(f->out, "(BADINDEX)");
		return;
	}
	if (*arg >= f->narg) {
		add_verb(f, verb);
		buf_adds(f->out, "(MISSING)");
		return;
	}
	if (verb == 'v' || verb == 'w') {
		f->sharp_v = f->sharp;
		f->sharp = 0;
		f->plus_v = f->plus;
		f->plus = 0;
	}
	if (verb == 'w' && f->arg[*arg].type == &tt_error)
		verb = 'v';
	print_arg(f, &f->arg[(*arg)++], verb);
}

static void
print_extra(struct fmt *f, size_t arg)
{
	size_t i;

	fmt_clear_flags(f);
	buf_adds(f->out, "%!(EXTRA ");
	for (i = arg; i < f->narg; i++) {
		if (i > arg)
			buf_adds(f->out, ", ");
		if (f->arg[i].type == NULL) {
			buf_adds(f->out, "<nil>");
			continue;
		}
		buf_adds(f->out, f->arg[i].type->name);
		buf_addc(f->out, '=');
		print_arg(f, &f->arg[i], 'v');
	}
	buf_addc(f->out, ')');
}

static void
print_format(struct fmt *f, const char *s, size_t end)
{
	size_t at = 0, arg = 0, from;
	int after_index = 0;
	uint32_t verb;

	while (at < end && f->rc == 0) {
		f->good_arg_num = 1;
		for (from = at; at < end && s[at] != '%'; at++)
			;
		buf_add(f->out, s + from, at - from);
		if (at++ >= end)
			break;
		fmt_clear_flags(f);
		scan_flags(f, s, &at, end);
		after_index = arg_number(f, s, &at, end, &arg);
		scan_width(f, s, &at, end, &arg, &after_index);
		scan_precision(f, s, &at, end, &arg, &after_index);
		if (!after_index)
			after_index = arg_number(f, s, &at, end, &arg);
		if (at >= end) {
			buf_adds(f->out, "%!(NOVERB)");
			break;
		}
		at += utf8_next(s + at, end - at, &verb);
		print_verb(f, verb, &arg);
	}
	if (!f->reordered && arg < f->narg)
		print_extra(f, arg);
}

/* --- the calls ------------------------------------------------------------ */

static int
finish(struct fmt *f)
{
	if (f->rc == 0)
		f->rc = tmpl_check(f->run, f->out, f->err);
	return (f->rc);
}

int
tmpl_print(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	return (tmpl_sprint(run, v, 1, out, err));
}

int
tmpl_sprint(struct tmpl_run *run, const struct tv *v, size_t n,
    struct buf *out, struct err *err)
{
	struct fmt f = { .run = run, .out = out, .err = err };
	int prev = 0, is_string;
	size_t i;

	for (i = 0; i < n; i++) {
		is_string = tv_kind(&v[i]) == TK_STRING;
		if (i > 0 && !is_string && !prev)
			buf_addc(out, ' ');
		print_arg(&f, &v[i], 'v');
		prev = is_string;
	}
	return (finish(&f));
}

int
tmpl_sprintln(struct tmpl_run *run, const struct tv *v, size_t n,
    struct buf *out, struct err *err)
{
	struct fmt f = { .run = run, .out = out, .err = err };
	size_t i;

	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(out, ' ');
		print_arg(&f, &v[i], 'v');
	}
	buf_addc(out, '\n');
	return (finish(&f));
}

int
tmpl_sprintf(struct tmpl_run *run, const char *fmt, size_t len,
    const struct tv *v, size_t n, struct buf *out, struct err *err)
{
	struct fmt f = { .run = run, .out = out, .err = err, .arg = v,
		.narg = n };

	print_format(&f, fmt, len);
	return (finish(&f));
}
