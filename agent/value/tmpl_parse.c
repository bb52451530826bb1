/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_parse.h"

#define TEXT_MAX (64u << 20)

static struct node *parse_if(struct parser *p);
static struct node *parse_with(struct parser *p);
static int parse_list(struct parser *p, struct node **ret,
    struct node **ret_end);

/* --- trees ---------------------------------------------------------------- */

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
			return (parse_fail_span(p, "template: multiple "
			    "definition of template %q", p->name));
		return (0);
	}
	if (t->ntrees >= TREES_MAX)
		return (err_set(p->err, ERR_LIMIT, "template: %s: defines "
		    "more than %d templates", t->name, TREES_MAX));
	if (parse_grow(p, &t->trees, t->ntrees, &t->trees_cap,
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
	return (parse_add_var(p, (struct span){ "$", 1 }));
}

/* What stands between {{define}} or {{block}} and {{end}}. */
static int
parse_body(struct parser *p, const char *context, struct parser *complainer)
{
	struct node *end;

	if (parse_list(p, &p->root, &end) == -1)
		return (-1);
	if (end->type != NODE_END)
		return (parse_unexpected_node(complainer, end,
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
	t = parse_next_non_space(&p);
	if (t.type != TOKEN_STRING && t.type != TOKEN_RAW_STRING)
		return (parse_unexpected(&p, t, context));
	if (tmpl_unquote(&p.t->pool, t.val, &p.name, p.err) == -1)
		return (parse_fail_inner(&p));
	if (parse_expect(&p, TOKEN_RIGHT_DELIM, context, &t) == -1)
		return (-1);
	return (parse_body(&p, context, &p));
}

static int
template_name(struct parser *p, const struct token *t, const char *context,
    struct span *ret)
{
	if (t->type != TOKEN_STRING && t->type != TOKEN_RAW_STRING)
		return (parse_unexpected(p, *t, context));
	if (tmpl_unquote(&p->t->pool, t->val, ret, p->err) == -1)
		return (parse_fail_inner(p));
	return (0);
}

static struct node *
parse_block(struct parser *p)
{
	const char *context = "block clause";
	struct token t = parse_next_non_space(p);
	struct parser block;
	struct span name;
	struct node *n, *pipe;

	if (template_name(p, &t, context, &name) == -1 ||
	    (pipe = parse_pipeline(p, context, TOKEN_RIGHT_DELIM)) == NULL ||
	    start(p, &block, name) == -1 || parse_enter(p) == -1 ||
	    parse_body(&block, context, p) == -1 ||
	    (n = parse_new_node(p, NODE_TEMPLATE, t.pos)) == NULL)
		return (NULL);
	parse_exit(p);
	n->u.tmpl.name = name;
	n->u.tmpl.pipe = pipe;
	return (n);
}

static struct node *
parse_template(struct parser *p)
{
	const char *context = "template clause";
	struct token t = parse_next_non_space(p);
	struct node *n = parse_new_node(p, NODE_TEMPLATE, t.pos);

	if (n == NULL ||
	    template_name(p, &t, context, &n->u.tmpl.name) == -1)
		return (NULL);
	if (parse_next_non_space(p).type == TOKEN_RIGHT_DELIM)
		return (n);
	parse_backup(p);
	n->u.tmpl.pipe = parse_pipeline(p, context, TOKEN_RIGHT_DELIM);
	return (n->u.tmpl.pipe == NULL ? NULL : n);
}

/* --- actions -------------------------------------------------------------- */

/* "else if" and "else with" open a branch inside the else whose {{end}} is
 * the outer one's. */
static int
parse_else(struct parser *p, struct node *n, const struct node *els)
{
	enum token_type type = parse_peek(p).type;
	struct node *end, *inner;

	if ((n->type == NODE_IF && type == TOKEN_IF) ||
	    (n->type == NODE_WITH && type == TOKEN_WITH)) {
		parse_next(p);
		n->u.branch.els = parse_new_node(p, NODE_LIST, els->pos);
		if (n->u.branch.els == NULL)
			return (-1);
		inner = n->type == NODE_IF ? parse_if(p) : parse_with(p);
		return (inner == NULL ? -1 :
		    parse_list_add(p, n->u.branch.els, inner));
	}
	if (parse_list(p, &n->u.branch.els, &end) == -1)
		return (-1);
	if (end->type != NODE_END)
		return (parse_unexpected_node(p, end, "expected end; found %s",
		    NULL));
	return (0);
}

static struct node *
parse_control(struct parser *p, enum node_type type, const char *context)
{
	struct node *n = parse_new_node(p, type, 0), *end;
	uint32_t vars = p->nvars;
	int rc;

	if (n == NULL || parse_enter(p) == -1)
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
	parse_exit(p);
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

	if (parse_expect(p, TOKEN_RIGHT_DELIM, context, &t) == -1)
		return (NULL);
	if (p->ranges == 0) {
		parse_fail(p, type == NODE_BREAK ?
		    "{{break}} outside {{range}}" :
		    "{{continue}} outside {{range}}");
		return (NULL);
	}
	return (parse_new_node(p, type, pos));
}

static struct node *
parse_end_or_else(struct parser *p, enum node_type type)
{
	struct token t;

	if (type == NODE_ELSE) {
		t = parse_peek_non_space(p);
		if (t.type == TOKEN_IF || t.type == TOKEN_WITH)
			return (parse_new_node(p, type, t.pos));
	}
	if (parse_expect(p, TOKEN_RIGHT_DELIM, type == NODE_END ? "end" :
	    "else", &t) == -1)
		return (NULL);
	return (parse_new_node(p, type, t.pos));
}

static struct node *
parse_action(struct parser *p)
{
	struct token t = parse_next_non_space(p);
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
	parse_backup(p);
	if ((n = parse_new_node(p, NODE_ACTION, parse_peek(p).pos)) == NULL)
		return (NULL);
	n->u.branch.pipe = parse_pipeline(p, "command", TOKEN_RIGHT_DELIM);
	return (n->u.branch.pipe == NULL ? NULL : n);
}

static struct node *
parse_text_or_action(struct parser *p)
{
	struct token t = parse_next_non_space(p);
	struct node *n;

	if (t.type == TOKEN_TEXT) {
		if ((n = parse_new_node(p, NODE_TEXT, t.pos)) != NULL)
			n->u.text = t.val;
		return (n);
	}
	if (t.type != TOKEN_LEFT_DELIM) {
		parse_unexpected(p, t, "input");
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

	list = parse_new_node(p, NODE_LIST, parse_peek_non_space(p).pos);
	if (list == NULL)
		return (-1);
	while (parse_peek_non_space(p).type != TOKEN_EOF) {
		if ((n = parse_text_or_action(p)) == NULL)
			return (-1);
		if (n->type == NODE_END || n->type == NODE_ELSE) {
			*ret = list;
			*ret_end = n;
			return (0);
		}
		if (parse_list_add(p, list, n) == -1)
			return (-1);
	}
	return (parse_fail(p, "unexpected EOF"));
}

/* {{define at the top: 1 when there was one. */
static int
parse_if_definition(struct parser *p)
{
	struct token delim;

	if (parse_peek(p).type != TOKEN_LEFT_DELIM)
		return (0);
	delim = parse_next(p);
	if (parse_next_non_space(p).type == TOKEN_DEFINE)
		return (parse_definition(p) == -1 ? -1 : 1);
	parse_backup2(p, delim);
	return (0);
}

static int
parse_top(struct parser *p)
{
	struct node *n;
	int rc;

	if ((p->root = parse_new_node(p, NODE_LIST, parse_peek(p).pos)) == NULL)
		return (-1);
	while (parse_peek(p).type != TOKEN_EOF) {
		if ((rc = parse_if_definition(p)) == -1)
			return (-1);
		if (rc == 1)
			continue;
		if ((n = parse_text_or_action(p)) == NULL)
			return (-1);
		if (n->type == NODE_END || n->type == NODE_ELSE)
			return (parse_unexpected_node(p, n, "unexpected %s",
			    NULL));
		if (parse_list_add(p, p->root, n) == -1)
			return (-1);
	}
	return (add_tree(p));
}

/* --- the front ------------------------------------------------------------ */

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

int
tmpl_is(const struct tmpl *t, const char *name, const char *text, size_t len)
{
	return (t->len == len && memcmp(t->text, text, len) == 0 &&
	    strcmp(t->name, name) == 0);
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
