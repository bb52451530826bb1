/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "value/gostr.h"
#include "value/tmpl_parse.h"
#include "value/tmpl_run.h"

/* --- tokens --------------------------------------------------------------- */

struct token
parse_next(struct parser *p)
{
	if (p->peeked > 0)
		p->peeked--;
	else
		p->token[0] = lex_next(p->lex);
	return (p->token[p->peeked]);
}

void
parse_backup(struct parser *p)
{
	p->peeked++;
}

void
parse_backup2(struct parser *p, struct token t1)
{
	p->token[1] = t1;
	p->peeked = 2;
}

void
parse_backup3(struct parser *p, struct token t2, struct token t1)
{
	p->token[1] = t1;
	p->token[2] = t2;
	p->peeked = 3;
}

struct token
parse_peek(struct parser *p)
{
	if (p->peeked > 0)
		return (p->token[p->peeked - 1]);
	p->peeked = 1;
	p->token[0] = lex_next(p->lex);
	return (p->token[0]);
}

struct token
parse_next_non_space(struct parser *p)
{
	struct token t;

	while ((t = parse_next(p)).type == TOKEN_SPACE)
		;
	return (t);
}

struct token
parse_peek_non_space(struct parser *p)
{
	struct token t = parse_next_non_space(p);

	parse_backup(p);
	return (t);
}

/* --- errors --------------------------------------------------------------- */

int
parse_fail_args(struct parser *p, const char *format, const struct tv *args,
    size_t n)
{
	struct buf b = BUF_SECRET(SIZE_MAX / 4);

	if (p->t->opts.error_at != NULL)
		*p->t->opts.error_at = p->token[0].pos;
	buf_adds(&b, "template: ");
	buf_adds(&b, p->t->name);
	buf_addf(&b, ":%u: ", p->token[0].line);
	buf_adds(&b, format);
	tmpl_errorf(&b, args, n, p->err);
	buf_clear(&b);
	return (-1);
}

int
parse_fail(struct parser *p, const char *format)
{
	return (parse_fail_args(p, format, NULL, 0));
}

int
parse_fail_span(struct parser *p, const char *format, struct span s)
{
	struct tv arg = tv_strn(s.p, s.n);

	return (parse_fail_args(p, format, &arg, 1));
}

/* What strconv said, with the place before it. */
int
parse_fail_inner(struct parser *p)
{
	struct err inner = ERR_INIT;
	struct tv arg;

	err_move(&inner, p->err);
	if (inner.kind != ERR_INVALID)
		return (err_move(p->err, &inner));
	arg = tv_str(err_msg(&inner));
	arg.type = &tt_error;
	parse_fail_args(p, "%s", &arg, 1);
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

int
parse_unexpected(struct parser *p, struct token token, const char *context)
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
		return (parse_fail_args(p, "%s%s", args, 2));
	}
	args[1] = tv_str(context);
	return (parse_fail_args(p, "unexpected %s in %s", args, 2));
}

int
parse_unexpected_node(struct parser *p, const struct node *n,
    const char *format, const char *context)
{
	struct tv args[2];

	args[0] = tv_str(n->type == NODE_END ? "{{end}}" : "{{else}}");
	args[1] = tv_str(context == NULL ? "" : context);
	return (parse_fail_args(p, format, args, context == NULL ? 1 : 2));
}

int
parse_expect(struct parser *p, enum token_type type, const char *context,
    struct token *ret)
{
	*ret = parse_next_non_space(p);
	return (ret->type == type ? 0 : parse_unexpected(p, *ret, context));
}

/* --- making nodes --------------------------------------------------------- */

struct node *
parse_new_node(struct parser *p, enum node_type type, uint32_t pos)
{
	struct node *n = pool_alloc(&p->t->pool, sizeof(*n), p->err);

	if (n == NULL)
		return (NULL);
	n->type = (uint8_t)type;
	n->pos = pos;
	return (n);
}

/* Room for one more of ${size} bytes behind ${n} in a growing array. */
int
parse_grow(struct parser *p, void *at, uint32_t n, uint32_t *cap, size_t size)
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

int
parse_list_add(struct parser *p, struct node *list, struct node *n)
{
	if (parse_grow(p, &list->u.list.v, list->u.list.n, &list->u.list.cap,
	    sizeof(n)) == -1)
		return (-1);
	list->u.list.v[list->u.list.n++] = n;
	return (0);
}

int
parse_chain_add(struct parser *p, struct node *n, struct span name)
{
	if (parse_grow(p, &n->u.chain.names, n->u.chain.n, &n->u.chain.cap,
	    sizeof(name)) == -1)
		return (-1);
	n->u.chain.names[n->u.chain.n++] = name;
	return (0);
}

int
parse_add_var(struct parser *p, struct span name)
{
	if (parse_grow(p, &p->vars, p->nvars, &p->vars_cap, sizeof(name)) == -1)
		return (-1);
	p->vars[p->nvars++] = name;
	return (0);
}

struct node *
parse_new_names(struct parser *p, enum node_type type, uint32_t pos,
    struct span name)
{
	struct node *n = parse_new_node(p, type, pos);

	return (n == NULL || parse_chain_add(p, n, name) == -1 ? NULL : n);
}

/* Whatever recurses asks here first: the tree is walked the same way. */
int
parse_enter(struct parser *p)
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

void
parse_exit(struct parser *p)
{
	p->effort->nesting--;
}
