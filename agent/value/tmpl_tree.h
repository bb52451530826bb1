/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_TREE_H
#define VALUE_TMPL_TREE_H

#include "value/tmpl_internal.h"
#include "value/tmpl_pool.h"

/*
 * The parse tree, as src/text/template/parse of Go 1.26 has it: the texts of
 * errors print nodes in its spelling.  All of it lives in the template's pool;
 * texts point into the template's own copy of its source.
 */

enum node_type { NODE_TEXT, NODE_ACTION, NODE_BOOL, NODE_CHAIN, NODE_COMMAND,
	NODE_DOT, NODE_ELSE, NODE_END, NODE_FIELD, NODE_IDENT, NODE_IF,
	NODE_LIST, NODE_NIL, NODE_NUMBER, NODE_PIPE, NODE_RANGE, NODE_STRING,
	NODE_TEMPLATE, NODE_VARIABLE, NODE_WITH, NODE_BREAK, NODE_CONTINUE };

struct span {
	const char *p;
	size_t n;
};

/* A number: the value in every type that can hold it. */
struct number {
	struct span text;
	uint8_t is_int, is_uint, is_float, is_complex;
	int64_t i;
	uint64_t u;
	double f, im;			/* f: the real part of a complex */
};

struct node {
	uint8_t type;
	uint8_t flag;			/* a pipe that assigns; true */
	uint32_t pos;			/* byte of the source */
	union {
		struct span text;	/* NODE_TEXT */
		struct { const struct tmpl_func *func; struct span name; }
		    ident;
		/* NODE_LIST: nodes; NODE_COMMAND: operands */
		struct { struct node **v; uint32_t n, cap; } list;
		/* NODE_PIPE: commands, after the variables declared */
		struct { struct node **cmds, **decl; uint32_t n, cap, ndecl; }
		    pipe;
		/* NODE_ACTION: pipe alone; IF, RANGE, WITH */
		struct { struct node *pipe, *list, *els; } branch;
		struct { struct node *pipe; struct span name; } tmpl;
		/* NODE_FIELD, NODE_VARIABLE, NODE_CHAIN: names between dots;
		 * of a variable the first is the variable, with its $ */
		struct { struct span *names; uint32_t n, cap;
		    struct node *node; } chain;
		struct { const char *quoted; size_t nquoted;
		    struct span text; } str;
		struct number *num;
	} u;
};

struct tree {
	struct span name;
	struct node *root;		/* NODE_LIST */
};

struct tmpl {
	struct pool pool;
	char *name;			/* ParseName */
	char *text;
	size_t len;
	struct tmpl_options opts;	/* delimiters are copies */
	struct tree *trees;		/* by name */
	uint32_t ntrees, trees_cap;
	const struct tree *main;
};

/* tmpl_find_tree: a {{define}}d template, or the main one; or NULL. */
const struct tree *tmpl_find_tree(const struct tmpl *t, struct span name);

/* node_print: as Go's String(). */
void node_print(const struct node *n, struct buf *out);
/* number_parse: NumberNode of a token; -1 with strconv's or Go's text. */
int number_parse(struct pool *pool, struct span text, int is_char,
    int is_complex, struct number **ret, struct err *err);
/* tmpl_unquote: strconv.Unquote of "…" or `…`. */
int tmpl_unquote(struct pool *pool, struct span quoted, struct span *ret,
    struct err *err);
/* tmpl_position: line and byte column of ${pos}, as ErrorContext. */
void tmpl_position(const struct tmpl *t, size_t pos, size_t *ret_line,
    size_t *ret_column);
/* tmpl_errorf(format, args, n, err): fmt.Errorf of a format that holds
 * the template's name, which Go does not quote: its % are verbs. */
int tmpl_errorf(struct buf *format, const struct tv *args, size_t n,
    struct err *err);

/* --- tokens --------------------------------------------------------------- */

/* In Go's order: a name with %d in it makes fmt print the number. */
enum token_type { TOKEN_ERROR, TOKEN_BOOL, TOKEN_CHAR, TOKEN_CHAR_CONSTANT,
	TOKEN_COMMENT, TOKEN_COMPLEX, TOKEN_ASSIGN, TOKEN_DECLARE, TOKEN_EOF,
	TOKEN_FIELD, TOKEN_IDENT, TOKEN_LEFT_DELIM, TOKEN_LEFT_PAREN,
	TOKEN_NUMBER, TOKEN_PIPE, TOKEN_RAW_STRING, TOKEN_RIGHT_DELIM,
	TOKEN_RIGHT_PAREN, TOKEN_SPACE, TOKEN_STRING, TOKEN_TEXT,
	TOKEN_VARIABLE, TOKEN_KEYWORD,	/* keywords come behind it */
	TOKEN_BLOCK, TOKEN_BREAK, TOKEN_CONTINUE, TOKEN_DOT, TOKEN_DEFINE,
	TOKEN_ELSE, TOKEN_END, TOKEN_IF, TOKEN_NIL, TOKEN_RANGE,
	TOKEN_TEMPLATE, TOKEN_WITH };

struct token {
	enum token_type type;
	uint32_t pos;
	uint32_t line;
	struct span val;
};

struct lexer {
	const char *in;
	size_t len;
	struct span left, right;	/* delimiters */
	size_t pos, start;
	uint32_t line, start_line;
	int at_eof, inside, parens;
	struct token token;
	struct pool *pool;		/* for the text of an error */
};

/* lex_next: the next token; a TOKEN_ERROR's val is its message. */
struct token lex_next(struct lexer *l);

#endif
