/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "value/tmpl_run.h"
#include "value/tmpl_tree.h"

/* Calls and their arguments: the third part of exec.go of Go 1.26. */

#define ARGS_ON_STACK 6

/* --- arguments ------------------------------------------------------------ */

static int
fail_types(struct tmpl_run *run, struct err *err, const char *format,
    const char *first, const char *second)
{
	struct tv args[2] = { tv_str(first), tv_str(second) };

	return (exec_fail(run, err, format, args, *second ? 2 : 1));
}

static int
fail_found(struct tmpl_run *run, struct err *err, const char *format,
    const struct node *n, const char *type)
{
	struct tv args[2] = { tv_nil(), tv_str(type) };

	if (eval_node_text(run, n, &args[0], err) == -1)
		return (-1);
	return (exec_fail(run, err, format, args, *type ? 2 : 1));
}

static int
can_be_nil(const struct tt *type)
{
	return (type == &tt_value || type->kind == TK_INTERFACE ||
	    type->kind == TK_MAP || type->kind == TK_PTR ||
	    type->kind == TK_SLICE);
}

/* reflect.Zero of a type that can be nil, as the evaluator holds it. */
static struct tv
typed_nil(const struct tt *type)
{
	struct tv v = tv_zero(type);

	v.iface = type == &tt_any;
	return (v);
}

/* validateType: in place. */
static int
validate(struct tmpl_run *run, struct tv *v, const struct tt *type,
    struct err *err)
{
	if (v->type == NULL && !v->iface) {
		if (type == NULL || type == &tt_value)
			return (0);
		if (!can_be_nil(type))
			return (fail_types(run, err,
			    "invalid value; expected %s", type->name, ""));
		*v = typed_nil(type);
		return (0);
	}
	if (type == NULL || type == &tt_value || type == &tt_any)
		return (0);
	if (v->type == type) {
		*v = tv_concrete(*v);
		return (0);
	}
	return (fail_types(run, err,
	    "wrong type for value; expected %s; got %s", type->name,
	    v->type == NULL ? tt_any.name : v->type->name));
}

static int
literal_number(struct tmpl_run *run, const struct tt *type,
    const struct node *n, struct tv *ret, struct err *err)
{
	const struct number *c = n->type == NODE_NUMBER ? n->u.num : NULL;

	*ret = (struct tv){ .type = type };
	switch (type->kind) {
	case TK_FLOAT64:
		if (c == NULL || !c->is_float)
			return (fail_found(run, err,
			    "expected float; found %s", n, ""));
		ret->u.f = c->f;
		return (0);
	case TK_COMPLEX128:
		if (c == NULL || !c->is_complex)
			return (fail_found(run, err,
			    "expected complex; found %s", n, ""));
		ret->u.c.re = c->f;
		ret->u.c.im = c->im;
		return (0);
	case TK_INT:
	case TK_INT8:
	case TK_INT16:
	case TK_INT32:
	case TK_INT64:
		if (c == NULL || !c->is_int)
			return (fail_found(run, err,
			    "expected integer; found %s", n, ""));
		/* SetInt cuts off what does not fit. */
		ret->u.i = type->kind == TK_INT8 ? (int8_t)c->i :
		    type->kind == TK_INT16 ? (int16_t)c->i :
		    type->kind == TK_INT32 ? (int32_t)c->i : c->i;
		return (0);
	default:
		if (c == NULL || !c->is_uint)
			return (fail_found(run, err,
			    "expected unsigned integer; found %s", n, ""));
		ret->u.u = type->kind == TK_UINT8 ? (uint8_t)c->u :
		    type->kind == TK_UINT16 ? (uint16_t)c->u :
		    type->kind == TK_UINT32 ? (uint32_t)c->u : c->u;
		return (0);
	}
}

/* evalEmptyInterface */
static int
literal_any(struct tmpl_run *run, const struct node *n, struct tv *ret,
    struct err *err)
{
	switch (n->type) {
	case NODE_BOOL:
		*ret = tv_bool(n->flag);
		return (0);
	case NODE_NUMBER:
		return (eval_constant(run, n, ret, err));
	case NODE_STRING:
		*ret = tv_strn(n->u.str.text.p, n->u.str.text.n);
		return (0);
	default:
		return (fail_found(run, err, "can't handle assignment of %s "
		    "to empty interface argument", n, ""));
	}
}

/* A constant as a parameter of that type. */
static int
eval_literal(struct tmpl_run *run, const struct tt *type,
    const struct node *n, struct tv *ret, struct err *err)
{
	if (type == NULL || type == &tt_value || type->kind == TK_INTERFACE)
		return (literal_any(run, n, ret, err));
	switch (type->kind) {
	case TK_BOOL:
		if (n->type != NODE_BOOL)
			return (fail_found(run, err, "expected bool; found %s",
			    n, ""));
		*ret = (struct tv){ .type = type, .u.b = n->flag };
		return (0);
	case TK_STRING:
		if (n->type != NODE_STRING)
			return (fail_found(run, err,
			    "expected string; found %s", n, ""));
		*ret = tv_strn(n->u.str.text.p, n->u.str.text.n);
		ret->type = type;
		return (0);
	case TK_SLICE:
	case TK_MAP:
	case TK_STRUCT:
	case TK_PTR:
		return (fail_found(run, err,
		    "can't handle %s for arg of type %s", n, type->name));
	default:
		return (literal_number(run, type, n, ret, err));
	}
}

int
eval_arg(struct tmpl_run *run, const struct tv *dot, const struct tt *type,
    const struct node *n, struct tv *ret, struct err *err)
{
	struct eval_args none = { NULL, 0, NULL };
	int rc;

	run->at = n;
	if (tmpl_steps(run, 1, err) == -1)
		return (-1);
	switch (n->type) {
	case NODE_DOT:
		*ret = *dot;
		rc = 0;
		break;
	case NODE_NIL:
		if (!can_be_nil(type))
			return (fail_types(run, err,
			    "cannot assign nil to %s", type->name, ""));
		*ret = type == &tt_value ? tv_nil() : typed_nil(type);
		return (0);
	case NODE_FIELD:
		rc = eval_field_node(run, dot, n, &none, ret, err);
		break;
	case NODE_VARIABLE:
		rc = eval_variable_node(run, dot, n, &none, ret, err);
		break;
	case NODE_PIPE:
		rc = eval_parens(run, dot, n, ret, err);
		break;
	case NODE_IDENT:
		rc = eval_function(run, dot, n, n, &none, ret, err);
		break;
	case NODE_CHAIN:
		rc = eval_chain_node(run, dot, n, &none, ret, err);
		break;
	default:
		return (eval_literal(run, type, n, ret, err));
	}
	return (rc == -1 ? -1 : validate(run, ret, type, err));
}

/* --- calls ---------------------------------------------------------------- */

static int
wrong_number(struct tmpl_run *run, struct err *err, const char *format,
    struct tv name, size_t want, size_t got)
{
	struct tv args[3] = { name, tv_int((int64_t)want),
		tv_int((int64_t)got) };

	return (exec_fail(run, err, format, args, 3));
}

static int
check_number(struct tmpl_run *run, const struct tmpl_func *f, struct tv name,
    size_t nargs, size_t nin, struct err *err)
{
	if (f->rest != NULL && nin < f->nin)
		return (wrong_number(run, err, "wrong number of args for %s: "
		    "want at least %d got %d", name, f->nin, nargs));
	if (f->rest == NULL && nin != f->nin)
		return (wrong_number(run, err, "wrong number of args for %s: "
		    "want %d got %d", name, f->nin, nin));
	return (0);
}

/* and, or: as far as needed; the value of the last one looked at. */
static int
call_logic(struct tmpl_run *run, const struct tv *dot,
    const struct tmpl_func *f, const struct eval_args *args, struct tv *ret,
    struct err *err)
{
	int stop_at = f->fn == builtin_or;
	struct tv plain;
	uint32_t i;

	for (i = 1; i < args->n; i++) {
		if (eval_arg(run, dot, &tt_value, args->v[i], ret, err) == -1)
			return (-1);
		plain = tv_concrete(*ret);
		if (tv_truth(&plain) == stop_at)
			return (0);
	}
	if (args->final != NULL)
		*ret = *args->final;
	return (0);
}

static int
fill_args(struct tmpl_run *run, const struct tv *dot,
    const struct tmpl_func *f, const struct eval_args *args, struct tv *v,
    size_t nin, struct err *err)
{
	size_t i;

	for (i = 0; i < nin; i++) {
		const struct tt *type = i < f->nin ? f->in[i] : f->rest;

		if (i + 1 < args->n) {
			if (eval_arg(run, dot, type, args->v[i + 1], &v[i],
			    err) == -1)
				return (-1);
			continue;
		}
		v[i] = *args->final;
		if (validate(run, &v[i], type, err) == -1)
			return (-1);
	}
	return (0);
}

/* A call costs as much as a function may look at: without it, a few large
 * values make few steps into hours. */
static int
pay_call(struct tmpl_run *run, const struct tv *v, size_t n, struct err *err)
{
	uint64_t cost = 0;
	size_t i;

	for (i = 0; i < n; i++)
		cost += tv_kind(&v[i]) == TK_STRING ? tv_len(&v[i]) / 256 :
		    tv_kind(&v[i]) == TK_SLICE ? tv_len(&v[i]) / 8 : 0;
	return (tmpl_steps(run, cost, err));
}

/* What the function said, behind `error calling NAME: `. */
static int
fail_call(struct tmpl_run *run, struct tv name, const struct node *at,
    struct err *inner, struct err *err)
{
	struct tv args[2] = { name, tv_nil() };

	run->at = at;
	if (inner->kind != ERR_INVALID) {
		err_wrap(inner, "error calling %.*s", (int)name.u.s.n,
		    name.u.s.p);
		return (err_move(err, inner));
	}
	args[1] = tv_str(err_msg(inner));
	args[1].type = &tt_error;
	exec_fail(run, err, "error calling %s: %w", args, 2);
	err_clear(inner);
	return (-1);
}

/* call wants to know how its first argument is spelled. */
static int
call_callee(struct tmpl_run *run, const struct eval_args *args,
    const struct tv *v, struct tv *ret, struct err *err)
{
	struct buf b = tmpl_buf(run);

	if (args->n > 1)
		return (eval_node_text(run, args->v[1], ret, err));
	if (v->type == &tt_string && !v->iface) {
		*ret = *v;
		return (0);
	}
	buf_addf(&b, "<%s Value>", v->iface ? tt_any.name :
	    v->type == NULL ? "invalid" : v->type->name);
	return (tv_buf(run, &b, ret, err));
}

int
eval_call(struct tmpl_run *run, const struct tv *dot,
    const struct tmpl_func *f, const struct node *at, const char *name,
    size_t len, const struct eval_args *args, const struct tv *self,
    struct tv *ret, struct err *err)
{
	size_t nargs = args->n > 0 ? args->n - 1 : 0;
	size_t nin = nargs + (args->final != NULL);
	struct tv fixed[ARGS_ON_STACK], text = tv_strn(name, len);
	struct tmpl_call c = { .run = run, .v = fixed, .n = nin };
	struct err inner = ERR_INIT;

	if (self != NULL)
		c.self = tv_concrete(*self);
	if (check_number(run, f, text, nargs, nin, err) == -1)
		return (-1);
	if (f->fn == builtin_and || f->fn == builtin_or)
		return (call_logic(run, dot, f, args, ret, err));
	if (nin > ARGS_ON_STACK) {
		c.v = tmpl_alloc(run, nin * sizeof(*c.v), err);
		if (c.v == NULL)
			return (-1);
	}
	if (fill_args(run, dot, f, args, c.v, nin, err) == -1 ||
	    pay_call(run, c.v, nin, err) == -1)
		return (-1);
	if (f->fn == builtin_call && call_callee(run, args, &c.v[0], &c.self,
	    err) == -1)
		return (-1);
	if (f->fn(&c, ret, &inner) == -1)
		return (fail_call(run, text, at, &inner, err));
	if (f->out != &tt_value)
		ret->iface = f->out == &tt_any;
	return (0);
}

int
eval_function(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, const struct node *cmd,
    const struct eval_args *args, struct tv *ret, struct err *err)
{
	run->at = n;
	return (eval_call(run, dot, n->u.ident.func, cmd, n->u.ident.name.p,
	    n->u.ident.name.n, args, NULL, ret, err));
}
