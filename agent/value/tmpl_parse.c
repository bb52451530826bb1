/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/secret.h"
#include "value/gostr.h"
#include "value/tmpl_run.h"
#include "value/tmpl_tree.h"

/*
 * src/text/template/parse/parse.go of Go 1.26.  Each {{define}} and {{block}}
 * is a parser of its own on the same lexer, as there: lines in errors come
 * from the token that this parser has seen last.
 */
struct effort {			/* of the whole parse */
	uint32_t nesting;
	uint64_t steps;			/* where Go's way is quadratic */
};

struct parser {
	struct tmpl *t;
	struct lexer *lex;
	struct err *err;
	struct effort *effort;
	struct token token[3];		/* look-ahead */
	int peeked;
	struct span name;
	struct span *vars;
	uint32_t nvars, vars_cap;
	uint32_t parens, ranges;
	uint32_t action_line;
	struct node *root;
};

#define TEXT_MAX (64u << 20)

static struct node *parse_pipeline(struct parser *p, const char *context,
    enum token_type end);
static struct node *parse_if(struct parser *p);
static struct node *parse_with(struct parser *p);
static int parse_list(struct parser *p, struct node **ret,
    struct node **ret_end);

/* --- tokens ------------------------------------------------------------------------ */

static struct token
next(struct parser *p)
{
	if (p->peeked > 0)
		p->peeked--;
	else
		p->token[0] = lex_next(p->lex);
	return (p->token[p->peeked]);
}

static void
backup(struct parser *p)
{
	p->peeked++;
}

static void
backup2(struct parser *p, struct token t1)
{
	p->token[1] = t1;
	p->peeked = 2;
}

static void
backup3(struct parser *p, struct token t2, struct token t1)
{
	p->token[1] = t1;
	p->token[2] = t2;
	p->peeked = 3;
}

static struct token
peek(struct parser *p)
{
	if (p->peeked > 0)
		return (p->token[p->peeked - 1]);
	p->peeked = 1;
	p->token[0] = lex_next(p->lex);
	return (p->token[0]);
}

static struct token
next_non_space(struct parser *p)
{
	struct token t;

	while ((t = next(p)).type == TOKEN_SPACE)
		;
	return (t);
}

static struct token
peek_non_space(struct parser *p)
{
	struct token t = next_non_space(p);

	backup(p);
	return (t);
}

/* --- errors -------------------------------------------------------------------------- */

static int
fail_args(struct parser *p, const char *format, const struct tv *args,
    size_t n)
{
	struct buf b = BUF_SECRET(SIZE_MAX / 4);

	buf_adds(&b, "template: ");
	buf_adds(&b, p->t->name);
	buf_addf(&b, ":%u: ", p->token[0].line);
	buf_adds(&b, format);
	tmpl_errorf(&b, args, n, p->err);
	buf_clear(&b);
	return (-1);
}

static int
fail(struct parser *p, const char *format)
{
	return (fail_args(p, format, NULL, 0));
}

static int
fail_span(struct parser *p, const char *format, struct span s)
{
	struct tv arg = tv_strn(s.p, s.n);

	return (fail_args(p, format, &arg, 1));
}

/* What strconv said, with the place before it. */
static int
fail_inner(struct parser *p)
{
	struct err inner = ERR_INIT;
	struct tv arg;

	err_move(&inner, p->err);
	if (inner.kind != ERR_INVALID)
		return (err_move(p->err, &inner));
	arg = tv_str(err_msg(&inner));
	arg.type = &tt_error;
	fail_args(p, "%s", &arg, 1);
	err_clear(&inner);
	return (-1);
}

static void
token_text(const struct token *t, struct buf *out)
{
	uint32_t rune;
	size_t at = 0, runes = 0;

	if (t->type == TOKEN_EOF) {
		buf_adds(out, "EOF");
	} else if (t->type == TOKEN_ERROR) {
		buf_add(out, t->val.p, t->val.n);
	} else if (t->type > TOKEN_KEYWORD) {
		buf_addc(out, '<');
		buf_add(out, t->val.p, t->val.n);
		buf_addc(out, '>');
	} else if (t->val.n > 10) {
		for (; runes < 10 && at < t->val.n; runes++)
			at += utf8_next(t->val.p + at, t->val.n - at, &rune);
		gostr_quote(t->val.p, at, out);
		buf_adds(out, "...");
	} else {
		gostr_quote(t->val.p, t->val.n, out);
	}
}

/* An item is a struct with String() to fmt. */
static int
item_string(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	struct token t = { .type = (enum token_type)v->u.fields[0].u.i,
		.val = { v->u.fields[2].u.s.p, v->u.fields[2].u.s.n } };

	(void)run;
	(void)err;
	token_text(&t, out);
	return (0);
}

static const char *const item_fields[] = { "typ", "pos", "val", "line",
	NULL };
static const struct tt tt_item = { .kind = TK_STRUCT, .name = "parse.item",
	.fields = item_fields, .string = item_string };

static int
ends_with(struct span s, const char *end)
{
	size_t n = strlen(end);

	return (s.n >= n && memcmp(s.p + s.n - n, end, n) == 0);
}

static int
unexpected(struct parser *p, struct token token, const char *context)
{
	cleanup_buf struct buf extra = BUF_SECRET(SIZE_MAX / 4);
	struct tv item[4] = { tv_int(token.type), tv_int(token.pos),
		tv_strn(token.val.p, token.val.n), tv_int(token.line) };
	struct tv args[2] = { { .type = &tt_item, .u.fields = item } };
	int started;

	if (token.type == TOKEN_ERROR) {
		started = p->action_line != 0 && p->action_line != token.line;
		if (started && !ends_with(token.val, " action"))
			buf_adds(&extra, " in action");
		if (started)
			buf_addf(&extra, " started at %s:%u", p->t->name,
			    p->action_line);
		args[1] = tv_strn(buf_str(&extra), extra.len);
		return (fail_args(p, "%s%s", args, 2));
	}
	args[1] = tv_str(context);
	return (fail_args(p, "unexpected %s in %s", args, 2));
}

static int
unexpected_node(struct parser *p, const struct node *n, const char *format,
    const char *context)
{
	struct tv args[2];

	args[0] = tv_str(n->type == NODE_END ? "{{end}}" : "{{else}}");
	args[1] = tv_str(context == NULL ? "" : context);
	return (fail_args(p, format, args, context == NULL ? 1 : 2));
}

static int
expect(struct parser *p, enum token_type type, const char *context,
    struct token *ret)
{
	*ret = next_non_space(p);
	return (ret->type == type ? 0 : unexpected(p, *ret, context));
}

/* --- making nodes ----------------------------------------------------------------------- */

static struct node *
new_node(struct parser *p, enum node_type type, uint32_t pos)
{
	struct node *n = pool_alloc(&p->t->pool, sizeof(*n), p->err);

	if (n == NULL)
		return (NULL);
	n->type = (uint8_t)type;
	n->pos = pos;
	return (n);
}

/* Room for one more of ${size} bytes behind ${n} in a growing array. */
static int
grow(struct parser *p, void *at, uint32_t n, uint32_t *cap, size_t size)
{
	void *fresh, *old;
	uint32_t more;

	if (n < *cap)
		return (0);
	more = *cap == 0 ? 2 : *cap * 2;
	if ((fresh = pool_alloc(&p->t->pool, more * size, p->err)) == NULL)
		return (-1);
	memcpy(&old, at, sizeof(old));
	if (n > 0)
		memcpy(fresh, old, n * size);
	memcpy(at, &fresh, sizeof(fresh));
	*cap = more;
	return (0);
}

static int
list_add(struct parser *p, struct node *list, struct node *n)
{
	if (grow(p, &list->u.list.v, list->u.list.n, &list->u.list.cap,
	    sizeof(n)) == -1)
		return (-1);
	list->u.list.v[list->u.list.n++] = n;
	return (0);
}

static int
chain_add(struct parser *p, struct node *n, struct span name)
{
	if (grow(p, &n->u.chain.names, n->u.chain.n, &n->u.chain.cap,
	    sizeof(name)) == -1)
		return (-1);
	n->u.chain.names[n->u.chain.n++] = name;
	return (0);
}

static int
add_var(struct parser *p, struct span name)
{
	if (grow(p, &p->vars, p->nvars, &p->vars_cap, sizeof(name)) == -1)
		return (-1);
	p->vars[p->nvars++] = name;
	return (0);
}

static struct node *
new_names(struct parser *p, enum node_type type, uint32_t pos,
    struct span name)
{
	struct node *n = new_node(p, type, pos);

	return (n == NULL || chain_add(p, n, name) == -1 ? NULL : n);
}

/* Whatever recurses asks here first: the tree is walked the same way. */
static int
enter(struct parser *p)
{
	uint32_t max = p->t->opts.depth_max;

	if (p->effort->nesting >= max) {
		err_set(p->err, ERR_LIMIT, "template: %s:%u: nested deeper "
		    "than %u levels", p->t->name, p->token[0].line, max);
		return (-1);
	}
	p->effort->nesting++;
	return (0);
}

static void
leave(struct parser *p)
{
	p->effort->nesting--;
}

/* --- terms --------------------------------------------------------------------------------- */

static struct node *
term_function(struct parser *p, const struct token *t)
{
	const struct tmpl_func *func = tmpl_func_find(t->val.p, t->val.n);
	struct node *n;

	if (func == NULL) {
		fail_span(p, "function %q not defined", t->val);
		return (NULL);
	}
	if ((n = new_node(p, NODE_IDENT, t->pos)) != NULL) {
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
			    new_names(p, NODE_VARIABLE, t->pos, t->val));
	fail_span(p, "undefined variable %q", t->val);
	return (NULL);
}

static struct node *
term_number(struct parser *p, const struct token *t)
{
	struct node *n = new_node(p, NODE_NUMBER, t->pos);

	if (n == NULL)
		return (NULL);
	if (number_parse(&p->t->pool, t->val, t->type == TOKEN_CHAR_CONSTANT,
	    t->type == TOKEN_COMPLEX, &n->u.num, p->err) == -1) {
		fail_inner(p);
		return (NULL);
	}
	return (n);
}

static struct node *
term_string(struct parser *p, const struct token *t)
{
	struct node *n = new_node(p, NODE_STRING, t->pos);

	if (n == NULL)
		return (NULL);
	n->u.str.quoted = t->val.p;
	n->u.str.nquoted = t->val.n;
	if (tmpl_unquote(&p->t->pool, t->val, &n->u.str.text, p->err) == -1) {
		fail_inner(p);
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
		fail(p, "max expression depth exceeded");
		return (NULL);
	}
	if (enter(p) == -1)
		return (NULL);
	p->parens++;
	n = parse_pipeline(p, "parenthesized pipeline", TOKEN_RIGHT_PAREN);
	p->parens--;
	leave(p);
	return (n);
}

/* A term, or NULL in *ret when the next token is none. */
static int
parse_term(struct parser *p, struct node **ret)
{
	struct token t = next_non_space(p);
	struct node *n;

	*ret = NULL;
	switch (t.type) {
	case TOKEN_IDENT:
		n = term_function(p, &t);
		break;
	case TOKEN_DOT:
		n = new_node(p, NODE_DOT, t.pos);
		break;
	case TOKEN_NIL:
		n = new_node(p, NODE_NIL, t.pos);
		break;
	case TOKEN_VARIABLE:
		n = term_variable(p, &t);
		break;
	case TOKEN_FIELD:
		n = new_names(p, NODE_FIELD, t.pos,
		    (struct span){ t.val.p + 1, t.val.n - 1 });
		break;
	case TOKEN_BOOL:
		if ((n = new_node(p, NODE_BOOL, t.pos)) != NULL)
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
		backup(p);
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
	return (fail_span(p, "unexpected . after term %q",
	    (struct span){ buf_str(&text), text.len }));
}

/* The fields behind a term: more names for a field or variable, a chain
 * behind a function or parentheses.  Go gives the place of the first one. */
static int
parse_chain(struct parser *p, struct node **io)
{
	struct node *n = *io, *chain;
	struct token t = peek(p);

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
		while (peek(p).type == TOKEN_FIELD)
			next(p);
		return (unexpected_dot(p, n));
	default:
		if ((chain = new_node(p, NODE_CHAIN, t.pos)) == NULL)
			return (-1);
		chain->u.chain.node = n;
	}
	while (peek(p).type == TOKEN_FIELD) {
		t = next(p);
		if (chain_add(p, chain, (struct span){ t.val.p + 1,
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
	if (*ret != NULL && peek(p).type == TOKEN_FIELD)
		return (parse_chain(p, ret));
	return (0);
}

/* --- commands and pipelines ------------------------------------------------------------------- */

static struct node *
parse_command(struct parser *p)
{
	struct node *cmd = new_node(p, NODE_COMMAND, peek_non_space(p).pos);
	struct node *operand;
	struct token t;

	if (cmd == NULL)
		return (NULL);
	do {
		peek_non_space(p);
		if (parse_operand(p, &operand) == -1)
			return (NULL);
		if (operand != NULL && list_add(p, cmd, operand) == -1)
			return (NULL);
		t = next(p);
	} while (t.type == TOKEN_SPACE);
	if (t.type == TOKEN_RIGHT_DELIM || t.type == TOKEN_RIGHT_PAREN) {
		backup(p);
	} else if (t.type != TOKEN_PIPE) {
		unexpected(p, t, "operand");
		return (NULL);
	}
	if (cmd->u.list.n == 0) {
		fail(p, "empty command");
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
		return (fail_args(p, "missing value for %s", &arg, 1));
	}
	for (i = 1; i < pipe->u.pipe.n; i++) {
		switch (pipe->u.pipe.cmds[i]->u.list.v[0]->type) {
		case NODE_BOOL:
		case NODE_DOT:
		case NODE_NIL:
		case NODE_NUMBER:
		case NODE_STRING:
			arg = tv_int(i + 1);
			return (fail_args(p, "non executable command in "
			    "pipeline stage %d", &arg, 1));
		}
	}
	return (0);
}

static int
declare(struct parser *p, struct node *pipe, const struct token *v)
{
	struct node *n = new_names(p, NODE_VARIABLE, v->pos, v->val);

	if (n == NULL)
		return (-1);
	if (pipe->u.pipe.decl == NULL) {
		pipe->u.pipe.decl = pool_alloc(&p->t->pool, 2 * sizeof(n),
		    p->err);
		if (pipe->u.pipe.decl == NULL)
			return (-1);
	}
	pipe->u.pipe.decl[pipe->u.pipe.ndecl++] = n;
	return (add_var(p, v->val));
}

/* "$i, " in front: 1 when another variable follows, which range alone has. */
static int
declare_first(struct parser *p, struct node *pipe, const struct token *v,
    const char *context)
{
	struct tv arg = tv_str(context);

	next_non_space(p);
	if (declare(p, pipe, v) == -1)
		return (-1);
	if (strcmp(context, "range") != 0 || pipe->u.pipe.ndecl >= 2)
		return (fail_args(p, "too many declarations in %s", &arg, 1));
	switch (peek_non_space(p).type) {
	case TOKEN_VARIABLE:
	case TOKEN_RIGHT_DELIM:
	case TOKEN_RIGHT_PAREN:
		return (1);
	default:
		return (fail(p, "range can only initialize variables"));
	}
}

/* "$x :=", "$x =", "$i, $x :=" in front of a pipeline. */
static int
parse_declarations(struct parser *p, struct node *pipe, const char *context)
{
	struct token v, after, n;
	int rc;

	do {
		v = peek_non_space(p);
		if (v.type != TOKEN_VARIABLE)
			return (0);
		next(p);
		after = peek(p);
		n = peek_non_space(p);
		rc = 0;
		if (n.type == TOKEN_ASSIGN || n.type == TOKEN_DECLARE) {
			pipe->flag = n.type == TOKEN_ASSIGN;
			next_non_space(p);
			rc = declare(p, pipe, &v);
		} else if (n.type == TOKEN_CHAR && n.val.p[0] == ',') {
			rc = declare_first(p, pipe, &v, context);
		} else if (after.type == TOKEN_SPACE) {
			backup3(p, v, after);
		} else {
			backup2(p, v);
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

static struct node *
parse_pipeline(struct parser *p, const char *context, enum token_type end)
{
	struct node *pipe = new_node(p, NODE_PIPE, peek_non_space(p).pos);
	struct node *cmd;
	struct token t;

	if (pipe == NULL || parse_declarations(p, pipe, context) == -1)
		return (NULL);
	while ((t = next_non_space(p)).type != end) {
		if (!starts_command(t.type)) {
			unexpected(p, t, context);
			return (NULL);
		}
		backup(p);
		if ((cmd = parse_command(p)) == NULL ||
		    grow(p, &pipe->u.pipe.cmds, pipe->u.pipe.n,
		    &pipe->u.pipe.cap, sizeof(cmd)) == -1)
			return (NULL);
		pipe->u.pipe.cmds[pipe->u.pipe.n++] = cmd;
	}
	return (check_pipeline(p, pipe, context) == -1 ? NULL : pipe);
}

/* --- trees ---------------------------------------------------------------------------------------- */

/* unicode.IsSpace */
static int
is_space(uint32_t r)
{
	return ((r >= '\t' && r <= '\r') || r == ' ' || r == 0x85 ||
	    r == 0xa0 || r == 0x1680 || (r >= 0x2000 && r <= 0x200a) ||
	    r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f ||
	    r == 0x3000);
}

/* IsEmptyTree: nothing but space. */
static int
is_empty(const struct node *list)
{
	uint32_t i, rune;
	size_t k;

	for (i = 0; i < list->u.list.n; i++) {
		const struct node *n = list->u.list.v[i];

		if (n->type != NODE_TEXT)
			return (0);
		for (k = 0; k < n->u.text.n;) {
			k += utf8_next(n->u.text.p + k, n->u.text.n - k,
			    &rune);
			if (!is_space(rune))
				return (0);
		}
	}
	return (1);
}

static int
compare(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return (c != 0 ? c : a.n < b.n ? -1 : a.n > b.n);
}

/* Where the tree of that name stands, or would. */
static size_t
tree_place(const struct tmpl *t, struct span name)
{
	size_t lo = 0, hi = t->ntrees, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (compare(t->trees[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo);
}

const struct tree *
tmpl_find_tree(const struct tmpl *t, struct span name)
{
	size_t at = tree_place(t, name);

	return (at < t->ntrees && compare(t->trees[at].name, name) == 0 ?
	    &t->trees[at] : NULL);
}

#define TREES_MAX 10000

static int
add_tree(struct parser *p)
{
	struct tmpl *t = p->t;
	size_t at = tree_place(t, p->name);

	if (at < t->ntrees && compare(t->trees[at].name, p->name) == 0) {
		if (is_empty(t->trees[at].root))
			t->trees[at].root = p->root;
		else if (!is_empty(p->root))
			return (fail_span(p, "template: multiple definition of"
			    " template %q", p->name));
		return (0);
	}
	if (t->ntrees >= TREES_MAX)
		return (err_set(p->err, ERR_LIMIT, "template: %s: defines "
		    "more than %d templates", t->name, TREES_MAX));
	if (grow(p, &t->trees, t->ntrees, &t->trees_cap,
	    sizeof(*t->trees)) == -1)
		return (-1);
	memmove(&t->trees[at + 1], &t->trees[at],
	    (t->ntrees - at) * sizeof(*t->trees));
	t->trees[at] = (struct tree){ p->name, p->root };
	t->ntrees++;
	return (0);
}

static int
start(const struct parser *from, struct parser *p, struct span name)
{
	*p = (struct parser){ .t = from->t, .lex = from->lex,
		.err = from->err, .effort = from->effort, .name = name };
	return (add_var(p, (struct span){ "$", 1 }));
}

/* What stands between {{define}} or {{block}} and {{end}}. */
static int
parse_body(struct parser *p, const char *context, struct parser *complainer)
{
	struct node *end;

	if (parse_list(p, &p->root, &end) == -1)
		return (-1);
	if (end->type != NODE_END)
		return (unexpected_node(complainer, end,
		    "unexpected %s in %s", context));
	return (add_tree(p));
}

static int
parse_definition(struct parser *outer)
{
	const char *context = "define clause";
	struct parser p;
	struct token t;

	if (start(outer, &p, (struct span){ "definition", 10 }) == -1)
		return (-1);
	t = next_non_space(&p);
	if (t.type != TOKEN_STRING && t.type != TOKEN_RAW_STRING)
		return (unexpected(&p, t, context));
	if (tmpl_unquote(&p.t->pool, t.val, &p.name, p.err) == -1)
		return (fail_inner(&p));
	if (expect(&p, TOKEN_RIGHT_DELIM, context, &t) == -1)
		return (-1);
	return (parse_body(&p, context, &p));
}

static int
template_name(struct parser *p, const struct token *t, const char *context,
    struct span *ret)
{
	if (t->type != TOKEN_STRING && t->type != TOKEN_RAW_STRING)
		return (unexpected(p, *t, context));
	if (tmpl_unquote(&p->t->pool, t->val, ret, p->err) == -1)
		return (fail_inner(p));
	return (0);
}

static struct node *
parse_block(struct parser *p)
{
	const char *context = "block clause";
	struct token t = next_non_space(p);
	struct parser block;
	struct span name;
	struct node *n, *pipe;

	if (template_name(p, &t, context, &name) == -1 ||
	    (pipe = parse_pipeline(p, context, TOKEN_RIGHT_DELIM)) == NULL ||
	    start(p, &block, name) == -1 || enter(p) == -1 ||
	    parse_body(&block, context, p) == -1 ||
	    (n = new_node(p, NODE_TEMPLATE, t.pos)) == NULL)
		return (NULL);
	leave(p);
	n->u.tmpl.name = name;
	n->u.tmpl.pipe = pipe;
	return (n);
}

static struct node *
parse_template(struct parser *p)
{
	const char *context = "template clause";
	struct token t = next_non_space(p);
	struct node *n = new_node(p, NODE_TEMPLATE, t.pos);

	if (n == NULL ||
	    template_name(p, &t, context, &n->u.tmpl.name) == -1)
		return (NULL);
	if (next_non_space(p).type == TOKEN_RIGHT_DELIM)
		return (n);
	backup(p);
	n->u.tmpl.pipe = parse_pipeline(p, context, TOKEN_RIGHT_DELIM);
	return (n->u.tmpl.pipe == NULL ? NULL : n);
}

/* --- actions ------------------------------------------------------------------------------------------ */

/* "else if" and "else with" open a branch inside the else whose {{end}} is
 * the outer one's. */
static int
parse_else(struct parser *p, struct node *n, const struct node *els)
{
	enum token_type type = peek(p).type;
	struct node *end, *inner;

	if ((n->type == NODE_IF && type == TOKEN_IF) ||
	    (n->type == NODE_WITH && type == TOKEN_WITH)) {
		next(p);
		n->u.branch.els = new_node(p, NODE_LIST, els->pos);
		if (n->u.branch.els == NULL)
			return (-1);
		inner = n->type == NODE_IF ? parse_if(p) : parse_with(p);
		return (inner == NULL ? -1 :
		    list_add(p, n->u.branch.els, inner));
	}
	if (parse_list(p, &n->u.branch.els, &end) == -1)
		return (-1);
	if (end->type != NODE_END)
		return (unexpected_node(p, end, "expected end; found %s",
		    NULL));
	return (0);
}

static struct node *
parse_control(struct parser *p, enum node_type type, const char *context)
{
	struct node *n = new_node(p, type, 0), *end;
	uint32_t vars = p->nvars;
	int rc;

	if (n == NULL || enter(p) == -1)
		return (NULL);
	n->u.branch.pipe = parse_pipeline(p, context, TOKEN_RIGHT_DELIM);
	if (n->u.branch.pipe == NULL)
		return (NULL);
	n->pos = n->u.branch.pipe->pos;
	p->ranges += type == NODE_RANGE;
	rc = parse_list(p, &n->u.branch.list, &end);
	p->ranges -= type == NODE_RANGE;
	if (rc == 0 && end->type == NODE_ELSE)
		rc = parse_else(p, n, end);
	p->nvars = vars;
	leave(p);
	return (rc == -1 ? NULL : n);
}

static struct node *
parse_if(struct parser *p)
{
	return (parse_control(p, NODE_IF, "if"));
}

static struct node *
parse_with(struct parser *p)
{
	return (parse_control(p, NODE_WITH, "with"));
}

static struct node *
parse_leave(struct parser *p, enum node_type type, uint32_t pos)
{
	const char *context = type == NODE_BREAK ? "{{break}}" :
	    "{{continue}}";
	struct token t;

	if (expect(p, TOKEN_RIGHT_DELIM, context, &t) == -1)
		return (NULL);
	if (p->ranges == 0) {
		fail(p, type == NODE_BREAK ? "{{break}} outside {{range}}" :
		    "{{continue}} outside {{range}}");
		return (NULL);
	}
	return (new_node(p, type, pos));
}

static struct node *
parse_end_or_else(struct parser *p, enum node_type type)
{
	struct token t;

	if (type == NODE_ELSE) {
		t = peek_non_space(p);
		if (t.type == TOKEN_IF || t.type == TOKEN_WITH)
			return (new_node(p, type, t.pos));
	}
	if (expect(p, TOKEN_RIGHT_DELIM, type == NODE_END ? "end" : "else",
	    &t) == -1)
		return (NULL);
	return (new_node(p, type, t.pos));
}

static struct node *
parse_action(struct parser *p)
{
	struct token t = next_non_space(p);
	struct node *n;

	switch (t.type) {
	case TOKEN_BLOCK:
		return (parse_block(p));
	case TOKEN_BREAK:
		return (parse_leave(p, NODE_BREAK, t.pos));
	case TOKEN_CONTINUE:
		return (parse_leave(p, NODE_CONTINUE, t.pos));
	case TOKEN_ELSE:
		return (parse_end_or_else(p, NODE_ELSE));
	case TOKEN_END:
		return (parse_end_or_else(p, NODE_END));
	case TOKEN_IF:
		return (parse_if(p));
	case TOKEN_RANGE:
		return (parse_control(p, NODE_RANGE, "range"));
	case TOKEN_TEMPLATE:
		return (parse_template(p));
	case TOKEN_WITH:
		return (parse_with(p));
	default:
		break;
	}
	backup(p);
	if ((n = new_node(p, NODE_ACTION, peek(p).pos)) == NULL)
		return (NULL);
	n->u.branch.pipe = parse_pipeline(p, "command", TOKEN_RIGHT_DELIM);
	return (n->u.branch.pipe == NULL ? NULL : n);
}

static struct node *
parse_text_or_action(struct parser *p)
{
	struct token t = next_non_space(p);
	struct node *n;

	if (t.type == TOKEN_TEXT) {
		if ((n = new_node(p, NODE_TEXT, t.pos)) != NULL)
			n->u.text = t.val;
		return (n);
	}
	if (t.type != TOKEN_LEFT_DELIM) {
		unexpected(p, t, "input");
		return (NULL);
	}
	p->action_line = t.line;
	n = parse_action(p);
	p->action_line = 0;
	return (n);
}

/* Nodes up to {{end}} or {{else}}, which is given apart. */
static int
parse_list(struct parser *p, struct node **ret, struct node **ret_end)
{
	struct node *list, *n;

	list = new_node(p, NODE_LIST, peek_non_space(p).pos);
	if (list == NULL)
		return (-1);
	while (peek_non_space(p).type != TOKEN_EOF) {
		if ((n = parse_text_or_action(p)) == NULL)
			return (-1);
		if (n->type == NODE_END || n->type == NODE_ELSE) {
			*ret = list;
			*ret_end = n;
			return (0);
		}
		if (list_add(p, list, n) == -1)
			return (-1);
	}
	return (fail(p, "unexpected EOF"));
}

/* {{define at the top: 1 when there was one. */
static int
parse_if_definition(struct parser *p)
{
	struct token delim;

	if (peek(p).type != TOKEN_LEFT_DELIM)
		return (0);
	delim = next(p);
	if (next_non_space(p).type == TOKEN_DEFINE)
		return (parse_definition(p) == -1 ? -1 : 1);
	backup2(p, delim);
	return (0);
}

static int
parse_top(struct parser *p)
{
	struct node *n;
	int rc;

	if ((p->root = new_node(p, NODE_LIST, peek(p).pos)) == NULL)
		return (-1);
	while (peek(p).type != TOKEN_EOF) {
		if ((rc = parse_if_definition(p)) == -1)
			return (-1);
		if (rc == 1)
			continue;
		if ((n = parse_text_or_action(p)) == NULL)
			return (-1);
		if (n->type == NODE_END || n->type == NODE_ELSE)
			return (unexpected_node(p, n, "unexpected %s", NULL));
		if (list_add(p, p->root, n) == -1)
			return (-1);
	}
	return (add_tree(p));
}

/* --- the front -------------------------------------------------------------------------------------------- */

static void
set_options(struct tmpl *t, const struct tmpl_options *opts)
{
	if (opts != NULL)
		t->opts = *opts;
	t->opts.left = str_dup(str_or(t->opts.left, "{{"));
	t->opts.right = str_dup(str_or(t->opts.right, "}}"));
	if (t->opts.steps_max == 0)
		t->opts.steps_max = 10000000;
	if (t->opts.depth_max == 0)
		t->opts.depth_max = 1000;
	if (t->opts.out_max == 0)
		t->opts.out_max = 16u << 20;
	if (t->opts.memory_max == 0)
		t->opts.memory_max = 256u << 20;
	t->pool.max = t->opts.memory_max;
}

static int
parse_all(struct tmpl *t, struct err *err)
{
	struct lexer lex = { .in = t->text, .len = t->len,
		.left = { t->opts.left, strlen(t->opts.left) },
		.right = { t->opts.right, strlen(t->opts.right) },
		.line = 1, .start_line = 1, .pool = &t->pool };
	struct effort effort = { 0, 0 };
	struct parser from = { .t = t, .lex = &lex, .err = err,
		.effort = &effort }, p;
	struct span name = { t->name, strlen(t->name) };

	if (start(&from, &p, name) == -1 || parse_top(&p) == -1)
		return (-1);
	t->main = tmpl_find_tree(t, name);
	return (0);
}

int
tmpl_parse(const char *name, const char *text, size_t len,
    const struct tmpl_options *opts, struct tmpl **ret, struct err *err)
{
	struct tmpl *t;

	if (len > TEXT_MAX)
		return (err_set(err, ERR_LIMIT, "template is larger than %u "
		    "bytes", TEXT_MAX));
	t = mem_alloc(sizeof(*t));
	t->name = str_dup(name);
	t->text = mem_dup(text, len);
	t->len = len;
	set_options(t, opts);
	if (parse_all(t, err) == -1) {
		tmpl_free(t);
		return (-1);
	}
	*ret = t;
	return (0);
}

void
tmpl_free(struct tmpl *t)
{
	char *left, *right;

	if (t == NULL)
		return;
	pool_clear(&t->pool);
	secret_wipe(t->text, t->len);
	free(t->text);
	free(t->name);
	memcpy(&left, &t->opts.left, sizeof(left));
	memcpy(&right, &t->opts.right, sizeof(right));
	free(left);
	free(right);
	free(t);
}
