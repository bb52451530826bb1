/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_PARSE_H
#define VALUE_TMPL_PARSE_H

#include "value/tmpl_tree.h"

/*
 * src/text/template/parse/parse.go of Go 1.26 in three files: tokens and
 * nodes, expressions, and the trees of actions.  Each {{define}} and {{block}}
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

/* Tokens, with three of look-ahead. */
struct token parse_next(struct parser *p);
void parse_backup(struct parser *p);
void parse_backup2(struct parser *p, struct token t1);
void parse_backup3(struct parser *p, struct token t2, struct token t1);
struct token parse_peek(struct parser *p);
struct token parse_next_non_space(struct parser *p);
struct token parse_peek_non_space(struct parser *p);
/* Errors, all -1: `template: NAME:LINE: …`; format and args are fmt's.
 * parse_fail_inner: what p->err holds, with the place before it. */
int parse_fail_args(struct parser *p, const char *format,
    const struct tv *args, size_t n);
int parse_fail(struct parser *p, const char *format);
int parse_fail_span(struct parser *p, const char *format, struct span s);
int parse_fail_inner(struct parser *p);
int parse_unexpected(struct parser *p, struct token token,
    const char *context);
int parse_unexpected_node(struct parser *p, const struct node *n,
    const char *format, const char *context);
int parse_expect(struct parser *p, enum token_type type, const char *context,
    struct token *ret);
/* Nodes, NULL or -1 at the ceiling of memory. */
struct node *parse_new_node(struct parser *p, enum node_type type,
    uint32_t pos);
/* parse_grow: room for one more of ${size} bytes behind ${n} in the array whose
 * pointer is at ${at}. */
int parse_grow(struct parser *p, void *at, uint32_t n, uint32_t *cap,
    size_t size);
int parse_list_add(struct parser *p, struct node *list, struct node *n);
int parse_chain_add(struct parser *p, struct node *n, struct span name);
struct node *parse_new_names(struct parser *p, enum node_type type,
    uint32_t pos, struct span name);
int parse_add_var(struct parser *p, struct span name);
/* parse_enter / parse_exit: around whatever recurses; the tree is walked the
 * same way. */
int parse_enter(struct parser *p);
void parse_exit(struct parser *p);
/* parse_pipeline: up to and with the token ${end}. */
struct node *parse_pipeline(struct parser *p, const char *context,
    enum token_type end);

#endif
