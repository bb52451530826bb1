/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "value/tmpl_parse.h"

/* --- terms ---------------------------------------------------------------- */

static struct node *
term_function(struct parser *p, const struct token *t)
{
	const struct tmpl_func *func = tmpl_func_find(t->val.p, t->val.n);
	struct node *n;

	if (func == NULL) {
		parse_fail_span(p, "function %q not defined", t->val);
		return (NULL);
	}
	if ((n = parse_new_node(p, NODE_IDENT, t->pos)) != NULL) {
		n->u.ident.func = func;
		n->u.ident.name = t->val;
	}
	return (n);
}

static int
work(struct parser *p, uint64_t n)
{
	p->effort->steps += n;
	if (p->effort->steps <= p->t->opts.steps_max)
		return (0);
	return (err_set(p->err, ERR_LIMIT, "template: %s:%u: takes more than "
	    "%llu steps", p->t->name, p->token[0].line,
	    (unsigned long long)p->t->opts.steps_max));
}

static struct node *
term_variable(struct parser *p, const struct token *t)
{
	uint32_t i;

	for (i = p->nvars; i > 0; i--)
		if (p->vars[i - 1].n == t->val.n &&
		    memcmp(p->vars[i - 1].p, t->val.p, t->val.n) == 0)
			return (work(p, p->nvars - i) == -1 ? NULL :
			    parse_new_names(p, NODE_VARIABLE, t->pos, t->val));
	parse_fail_span(p, "undefined variable %q", t->val);
	return (NULL);
}

static struct node *
term_number(struct parser *p, const struct token *t)
{
	struct node *n = parse_new_node(p, NODE_NUMBER, t->pos);

	if (n == NULL)
		return (NULL);
	if (number_parse(&p->t->pool, t->val, t->type == TOKEN_CHAR_CONSTANT,
	    t->type == TOKEN_COMPLEX, &n->u.num, p->err) == -1) {
		parse_fail_inner(p);
		return (NULL);
	}
	return (n);
}

static struct node *
term_string(struct parser *p, const struct token *t)
{
	struct node *n = parse_new_node(p, NODE_STRING, t->pos);

	if (n == NULL)
		return (NULL);
	n->u.str.quoted = t->val.p;
	n->u.str.nquoted = t->val.n;
	if (tmpl_unquote(&p->t->pool, t->val, &n->u.str.text, p->err) == -1) {
		parse_fail_inner(p);
		return (NULL);
	}
	return (n);
}

#define PARENS_MAX 10000		/* Go's maxStackDepth */

static struct node *
term_parens(struct parser *p)
{
	struct node *n;

	if (p->parens >= PARENS_MAX) {
		parse_fail(p, "max expression depth exceeded");
		return (NULL);
	}
	if (parse_enter(p) == -1)
		return (NULL);
	p->parens++;
	n = parse_pipeline(p, "parenthesized pipeline", TOKEN_RIGHT_PAREN);
	p->parens--;
	parse_exit(p);
	return (n);
}

/* A term, or NULL in *ret when the next token is none. */
static int
parse_term(struct parser *p, struct node **ret)
{
	struct token t = parse_next_non_space(p);
	struct node *n;

	*ret = NULL;
	switch (t.type) {
	case TOKEN_IDENT:
		n = term_function(p, &t);
		break;
	case TOKEN_DOT:
		n = parse_new_node(p, NODE_DOT, t.pos);
		break;
	case TOKEN_NIL:
		n = parse_new_node(p, NODE_NIL, t.pos);
		break;
	case TOKEN_VARIABLE:
		n = term_variable(p, &t);
		break;
	case TOKEN_FIELD:
		n = parse_new_names(p, NODE_FIELD, t.pos,
		    (struct span){ t.val.p + 1, t.val.n - 1 });
		break;
	case TOKEN_BOOL:
		if ((n = parse_new_node(p, NODE_BOOL, t.pos)) != NULL)
			n->flag = t.val.n == 4;
		break;
	case TOKEN_CHAR_CONSTANT:
	case TOKEN_COMPLEX:
	case TOKEN_NUMBER:
		n = term_number(p, &t);
		break;
	case TOKEN_LEFT_PAREN:
		n = term_parens(p);
		break;
	case TOKEN_STRING:
	case TOKEN_RAW_STRING:
		n = term_string(p, &t);
		break;
	default:
		parse_backup(p);
		return (0);
	}
	*ret = n;
	return (n == NULL ? -1 : 0);
}

static int
unexpected_dot(struct parser *p, const struct node *n)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX / 4);

	node_print(n, &text);
	return (parse_fail_span(p, "unexpected . after term %q",
	    (struct span){ buf_str(&text), text.len }));
}

/* The fields behind a term: more names for a field or variable, a chain
 * behind a function or parentheses.  Go gives the place of the first one. */
static int
parse_chain(struct parser *p, struct node **io)
{
	struct node *n = *io, *chain;
	struct token t = parse_peek(p);

	switch (n->type) {
	case NODE_FIELD:
	case NODE_VARIABLE:
		n->pos = t.pos;
		chain = n;
		break;
	case NODE_BOOL:
	case NODE_STRING:
	case NODE_NUMBER:
	case NODE_NIL:
	case NODE_DOT:
		while (parse_peek(p).type == TOKEN_FIELD)
			parse_next(p);
		return (unexpected_dot(p, n));
	default:
		if ((chain = parse_new_node(p, NODE_CHAIN, t.pos)) == NULL)
			return (-1);
		chain->u.chain.node = n;
	}
	while (parse_peek(p).type == TOKEN_FIELD) {
		t = parse_next(p);
		if (parse_chain_add(p, chain, (struct span){ t.val.p + 1,
		    t.val.n - 1 }) == -1)
			return (-1);
	}
	*io = chain;
	return (0);
}

static int
parse_operand(struct parser *p, struct node **ret)
{
	if (parse_term(p, ret) == -1)
		return (-1);
	if (*ret != NULL && parse_peek(p).type == TOKEN_FIELD)
		return (parse_chain(p, ret));
	return (0);
}

/* --- commands and pipelines ----------------------------------------------- */

static struct node *
parse_command(struct parser *p)
{
	struct node *cmd = parse_new_node(p, NODE_COMMAND,
	    parse_peek_non_space(p).pos);
	struct node *operand;
	struct token t;

	if (cmd == NULL)
		return (NULL);
	do {
		parse_peek_non_space(p);
		if (parse_operand(p, &operand) == -1)
			return (NULL);
		if (operand != NULL && parse_list_add(p, cmd, operand) == -1)
			return (NULL);
		t = parse_next(p);
	} while (t.type == TOKEN_SPACE);
	if (t.type == TOKEN_RIGHT_DELIM || t.type == TOKEN_RIGHT_PAREN) {
		parse_backup(p);
	} else if (t.type != TOKEN_PIPE) {
		parse_unexpected(p, t, "operand");
		return (NULL);
	}
	if (cmd->u.list.n == 0) {
		parse_fail(p, "empty command");
		return (NULL);
	}
	return (cmd);
}

static int
check_pipeline(struct parser *p, const struct node *pipe,
    const char *context)
{
	struct tv arg;
	uint32_t i;

	if (pipe->u.pipe.n == 0) {
		arg = tv_str(context);
		return (parse_fail_args(p, "missing value for %s", &arg, 1));
	}
	for (i = 1; i < pipe->u.pipe.n; i++) {
		switch (pipe->u.pipe.cmds[i]->u.list.v[0]->type) {
		case NODE_BOOL:
		case NODE_DOT:
		case NODE_NIL:
		case NODE_NUMBER:
		case NODE_STRING:
			arg = tv_int(i + 1);
			return (parse_fail_args(p, "non executable command in "
			    "pipeline stage %d", &arg, 1));
		}
	}
	return (0);
}

static int
declare(struct parser *p, struct node *pipe, const struct token *v)
{
	struct node *n = parse_new_names(p, NODE_VARIABLE, v->pos, v->val);

	if (n == NULL)
		return (-1);
	if (pipe->u.pipe.decl == NULL) {
		pipe->u.pipe.decl = pool_alloc(&p->t->pool, 2 * sizeof(n),
		    p->err);
		if (pipe->u.pipe.decl == NULL)
			return (-1);
	}
	pipe->u.pipe.decl[pipe->u.pipe.ndecl++] = n;
	return (parse_add_var(p, v->val));
}

/* "$i, " in front: 1 when another variable follows, which range alone has. */
static int
declare_first(struct parser *p, struct node *pipe, const struct token *v,
    const char *context)
{
	struct tv arg = tv_str(context);

	parse_next_non_space(p);
	if (declare(p, pipe, v) == -1)
		return (-1);
	if (strcmp(context, "range") != 0 || pipe->u.pipe.ndecl >= 2)
		return (parse_fail_args(p, "too many declarations in %s",
		    &arg, 1));
	switch (parse_peek_non_space(p).type) {
	case TOKEN_VARIABLE:
	case TOKEN_RIGHT_DELIM:
	case TOKEN_RIGHT_PAREN:
		return (1);
	default:
		return (parse_fail(p, "range can only initialize variables"));
	}
}

/* "$x :=", "$x =", "$i, $x :=" in front of a pipeline. */
static int
parse_declarations(struct parser *p, struct node *pipe, const char *context)
{
	struct token v, after, n;
	int rc;

	do {
		v = parse_peek_non_space(p);
		if (v.type != TOKEN_VARIABLE)
			return (0);
		parse_next(p);
		after = parse_peek(p);
		n = parse_peek_non_space(p);
		rc = 0;
		if (n.type == TOKEN_ASSIGN || n.type == TOKEN_DECLARE) {
			pipe->flag = n.type == TOKEN_ASSIGN;
			parse_next_non_space(p);
			rc = declare(p, pipe, &v);
		} else if (n.type == TOKEN_CHAR && n.val.p[0] == ',') {
			rc = declare_first(p, pipe, &v, context);
		} else if (after.type == TOKEN_SPACE) {
			parse_backup3(p, v, after);
		} else {
			parse_backup2(p, v);
		}
	} while (rc == 1);
	return (rc);
}

static int
starts_command(enum token_type type)
{
	switch (type) {
	case TOKEN_BOOL:
	case TOKEN_CHAR_CONSTANT:
	case TOKEN_COMPLEX:
	case TOKEN_DOT:
	case TOKEN_FIELD:
	case TOKEN_IDENT:
	case TOKEN_NUMBER:
	case TOKEN_NIL:
	case TOKEN_RAW_STRING:
	case TOKEN_STRING:
	case TOKEN_VARIABLE:
	case TOKEN_LEFT_PAREN:
		return (1);
	default:
		return (0);
	}
}

struct node *
parse_pipeline(struct parser *p, const char *context, enum token_type end)
{
	struct node *pipe = parse_new_node(p, NODE_PIPE,
	    parse_peek_non_space(p).pos);
	struct node *cmd;
	struct token t;

	if (pipe == NULL || parse_declarations(p, pipe, context) == -1)
		return (NULL);
	while ((t = parse_next_non_space(p)).type != end) {
		if (!starts_command(t.type)) {
			parse_unexpected(p, t, context);
			return (NULL);
		}
		parse_backup(p);
		if ((cmd = parse_command(p)) == NULL ||
		    parse_grow(p, &pipe->u.pipe.cmds, pipe->u.pipe.n,
		    &pipe->u.pipe.cap, sizeof(cmd)) == -1)
			return (NULL);
		pipe->u.pipe.cmds[pipe->u.pipe.n++] = cmd;
	}
	return (check_pipeline(p, pipe, context) == -1 ? NULL : pipe);
}
