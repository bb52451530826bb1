/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "value/tmpl_run.h"
#include "value/tmpl_tree.h"

/* Pipelines, commands and fields: the second half of exec.go of Go 1.26.
 * Calls and their arguments are in tmpl_eval_call.c. */

static const struct eval_args no_args = { NULL, 0, NULL };

int
eval_node_text(struct tmpl_run *run, const struct node *n, struct tv *ret,
    struct err *err)
{
	struct buf b = tmpl_buf(run);

	node_print(n, &b);
	return (tv_buf(run, &b, ret, err));
}

/* exec_fail with a node in the text. */
static int
fail_node(struct tmpl_run *run, struct err *err, const char *format,
    const struct node *n)
{
	struct tv arg;

	if (eval_node_text(run, n, &arg, err) == -1)
		return (-1);
	return (exec_fail(run, err, format, &arg, 1));
}

/* --- constants ------------------------------------------------------------ */

static int
span_has(struct span s, const char *set)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] != '\0' && strchr(set, s.p[i]) != NULL)
			return (1);
	return (0);
}

static int
is_hex_int(struct span s)
{
	return (s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x' &&
	    !span_has(s, "pP"));
}

/* idealConstant: the spelling decides the type. */
int
eval_constant(struct tmpl_run *run, const struct node *n, struct tv *ret,
    struct err *err)
{
	const struct number *c = n->u.num;

	run->at = n;
	if (c->is_complex) {
		*ret = (struct tv){ .type = &tt_complex128,
			.u.c = { c->f, c->im } };
		return (0);
	}
	if (c->is_float && !is_hex_int(c->text) && c->text.p[0] != '\'' &&
	    span_has(c->text, ".eEpP")) {
		*ret = tv_float(c->f);
		return (0);
	}
	if (c->is_int) {
		*ret = tv_int(c->i);
		return (0);
	}
	if (c->is_uint)
		return (fail_node(run, err, "%s overflows int", n));
	*ret = tv_nil();
	return (0);
}

/* --- fields --------------------------------------------------------------- */

static struct tv
span_text(struct span s)
{
	return (tv_strn(s.p, s.n));
}

static const char *
type_name(const struct tv *v)
{
	return (v->iface ? tt_any.name : v->type->name);
}

/* "…%s.%s" or the like with a type and a field in it. */
static int
fail_field(struct tmpl_run *run, struct err *err, const char *format,
    struct tv first, struct tv second)
{
	struct tv args[2] = { first, second };

	return (exec_fail(run, err, format, args, 2));
}

static const struct tmpl_func *
find_method(const struct tt *type, struct span name)
{
	const struct tmpl_func *f = type->methods;

	for (; f != NULL && f->name != NULL; f++)
		if (strlen(f->name) == name.n &&
		    memcmp(f->name, name.p, name.n) == 0)
			return (f);
	return (NULL);
}

/* The number of a field; -1 when there is none of that name. */
static int
find_field(const struct tt *type, struct span name)
{
	int i;

	for (i = 0; type->fields != NULL && type->fields[i] != NULL; i++)
		if (strlen(type->fields[i]) == name.n &&
		    memcmp(type->fields[i], name.p, name.n) == 0)
			return (i);
	return (-1);
}

static int
struct_field(struct tmpl_run *run, const struct tv *receiver,
    const struct tt *type, struct span name, int has_args, struct tv *ret,
    struct err *err)
{
	int i = find_field(type, name);
	struct tv text = span_text(name);

	if (type->fields[i][0] >= 'a' && type->fields[i][0] <= 'z')
		return (fail_field(run, err, "%s is an unexported field of "
		    "struct type %s", text, tv_str(type_name(receiver))));
	if (has_args)
		return (exec_fail(run, err, "%s has arguments but cannot be "
		    "invoked as function", &text, 1));
	*ret = receiver->u.fields[i];
	return (0);
}

static int
map_field(struct tmpl_run *run, const struct tv *receiver, struct span name,
    int has_args, struct tv *ret, struct err *err)
{
	const struct tv *v;
	struct tv text = span_text(name);

	if (has_args)
		return (exec_fail(run, err, "%s is not a method but has "
		    "arguments", &text, 1));
	v = tmap_get(receiver->u.m, name.p, name.n);
	if (v == NULL && run->t->opts.missing_key_error)
		return (exec_fail(run, err, "map has no entry for key %q",
		    &text, 1));
	*ret = v == NULL ? tv_nil() : *v;
	return (0);
}

/* evalField: one name behind a value. */
static int
eval_field(struct tmpl_run *run, const struct tv *dot, struct span name,
    const struct node *n, const struct eval_args *args,
    const struct tv *receiver, struct tv *ret, struct err *err)
{
	int has_args = args->n > 1 || args->final != NULL;
	const struct tmpl_func *method;
	const struct tt *type;
	struct tv text = span_text(name);

	if (receiver->type == NULL && !receiver->iface) {
		*ret = tv_nil();
		return (!run->t->opts.missing_key_error ? 0 :
		    exec_fail(run, err, "nil data; no entry for key %q",
		    &text, 1));
	}
	if (receiver->type == NULL)
		return (fail_field(run, err, "nil pointer evaluating %s.%s",
		    tv_str(tt_any.name), text));
	type = receiver->type;
	if ((method = find_method(type, name)) != NULL)
		return (eval_call(run, dot, method, n, name.p, name.n, args,
		    receiver, ret, err));
	if (type->kind == TK_PTR)
		type = type->elem;
	if (type->kind == TK_STRUCT && find_field(type, name) >= 0) {
		if (tv_is_nil(receiver))
			return (fail_field(run, err, "nil pointer evaluating "
			    "%s.%s", tv_str(type_name(receiver)), text));
		return (struct_field(run, receiver, type, name, has_args, ret,
		    err));
	}
	if (type->kind == TK_MAP)
		return (map_field(run, receiver, name, has_args, ret, err));
	return (fail_field(run, err, "can't evaluate field %s in type %s",
	    text, tv_str(type_name(receiver))));
}

/* evalFieldChain: .X.Y.Z; the last one may be a method with arguments. */
static int
eval_field_chain(struct tmpl_run *run, const struct tv *dot,
    const struct tv *receiver, const struct node *n, uint32_t first,
    const struct eval_args *args, struct tv *ret, struct err *err)
{
	struct tv v = *receiver;
	uint32_t i;

	for (i = first; i < n->u.chain.n; i++) {
		struct tv from = v;

		if (eval_field(run, dot, n->u.chain.names[i], n,
		    i + 1 == n->u.chain.n ? args : &no_args, &from, &v,
		    err) == -1)
			return (-1);
	}
	*ret = v;
	return (0);
}

int
eval_field_node(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, const struct eval_args *args, struct tv *ret,
    struct err *err)
{
	run->at = n;
	return (eval_field_chain(run, dot, dot, n, 0, args, ret, err));
}

int
eval_chain_node(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, const struct eval_args *args, struct tv *ret,
    struct err *err)
{
	struct tv v;

	run->at = n;
	if (n->u.chain.node->type == NODE_NIL)
		return (fail_node(run, err,
		    "indirection through explicit nil in %s", n));
	if (eval_arg(run, dot, NULL, n->u.chain.node, &v, err) == -1)
		return (-1);
	return (eval_field_chain(run, dot, &v, n, 0, args, ret, err));
}

static int
not_a_function(struct tmpl_run *run, const struct eval_args *args,
    struct err *err)
{
	if (args->n <= 1 && args->final == NULL)
		return (0);
	return (fail_node(run, err, "can't give argument to non-function %s",
	    args->v[0]));
}

int
eval_variable_node(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, const struct eval_args *args, struct tv *ret,
    struct err *err)
{
	struct tv v;

	run->at = n;
	if (exec_var(run, n->u.chain.names[0].p, n->u.chain.names[0].n, &v,
	    err) == -1)
		return (-1);
	if (n->u.chain.n > 1)
		return (eval_field_chain(run, dot, &v, n, 1, args, ret, err));
	*ret = v;
	return (not_a_function(run, args, err));
}

/* --- commands and pipelines ----------------------------------------------- */

int
eval_parens(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, struct tv *ret, struct err *err)
{
	int rc;

	if (tmpl_enter(run, err) == -1)
		return (-1);
	rc = eval_pipeline(run, dot, n, ret, err);
	tmpl_leave(run);
	return (rc);
}

static int
eval_word(struct tmpl_run *run, const struct tv *dot, const struct node *n,
    struct tv *ret, struct err *err)
{
	switch (n->type) {
	case NODE_BOOL:
		*ret = tv_bool(n->flag);
		return (0);
	case NODE_DOT:
		*ret = *dot;
		return (0);
	case NODE_NIL:
		return (exec_fail(run, err, "nil is not a command", NULL, 0));
	case NODE_NUMBER:
		return (eval_constant(run, n, ret, err));
	default:
		*ret = span_text(n->u.str.text);
		return (0);
	}
}

static int
eval_command(struct tmpl_run *run, const struct tv *dot,
    const struct node *cmd, const struct tv *final, struct tv *ret,
    struct err *err)
{
	const struct node *first = cmd->u.list.v[0];
	struct eval_args args = { cmd->u.list.v, cmd->u.list.n, final };

	if (tmpl_steps(run, 1, err) == -1)
		return (-1);
	switch (first->type) {
	case NODE_FIELD:
		return (eval_field_node(run, dot, first, &args, ret, err));
	case NODE_CHAIN:
		return (eval_chain_node(run, dot, first, &args, ret, err));
	case NODE_IDENT:
		return (eval_function(run, dot, first, cmd, &args, ret, err));
	case NODE_PIPE:
		if (not_a_function(run, &args, err) == -1)
			return (-1);
		return (eval_parens(run, dot, first, ret, err));
	case NODE_VARIABLE:
		return (eval_variable_node(run, dot, first, &args, ret, err));
	}
	run->at = first;
	if (not_a_function(run, &args, err) == -1)
		return (-1);
	return (eval_word(run, dot, first, ret, err));
}

int
eval_pipeline(struct tmpl_run *run, const struct tv *dot,
    const struct node *pipe, struct tv *ret, struct err *err)
{
	struct tv value = tv_nil(), before;
	uint32_t i;
	int rc;

	run->at = pipe;
	for (i = 0; i < pipe->u.pipe.n; i++) {
		before = value;
		if (eval_command(run, dot, pipe->u.pipe.cmds[i],
		    i == 0 ? NULL : &before, &value, err) == -1)
			return (-1);
		value = tv_concrete(value);
	}
	for (i = 0; i < pipe->u.pipe.ndecl; i++) {
		const struct span *name =
		    pipe->u.pipe.decl[i]->u.chain.names;

		rc = pipe->flag ? exec_set_var(run, name->p, name->n, &value,
		    err) : exec_push(run, name->p, name->n, &value, err);
		if (rc == -1)
			return (-1);
	}
	*ret = value;
	return (0);
}
