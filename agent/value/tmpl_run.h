/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_RUN_H
#define VALUE_TMPL_RUN_H

#include "value/tmpl_internal.h"
#include "value/regex.h"
#include "value/tmpl_pool.h"

/* The state of one execution: what functions see is behind the calls of
 * tmpl_internal.h, the rest is the evaluator's. */

struct node;
struct tree;

extern const struct tt tt_error;	/* an error, its text in u.s, for %w */

struct tmpl_var {
	const char *name;		/* "$x", inside the tree */
	size_t len;
	struct tv value;
};

struct tmpl_run {
	struct pool pool;
	uint64_t steps, steps_max;
	struct regex_work searches;
	int searched;			/* searches was started */
	/* Levels of all kinds: below 2 * depth_max when a template is called,
	 * and no tree is deeper than depth_max. */
	uint32_t depth, depth_max;
	uint32_t templates;		/* that call each other */
	uint64_t seed;			/* of the maps' ranks */
	const struct tmpl *t;
	const struct tree *tree;	/* the one that is executed */
	const struct node *at;		/* for errors */
	int placed;			/* a LIMIT whose text has the place */
	struct buf *out;
	size_t out_start, out_max;
	struct tmpl_var *vars;		/* grown in the pool */
	size_t nvars, vars_cap, vars_base;
	enum { WALK_ON, WALK_BREAK, WALK_CONTINUE } leave;
};

/* --- the evaluator, tmpl_exec.c and tmpl_eval.c --------------------------- */

/* exec_fail: Go's errorf of exec.go: the place, then the formatted text. */
int exec_fail(struct tmpl_run *run, struct err *err, const char *format,
    const struct tv *args, size_t n);
int exec_push(struct tmpl_run *run, const char *name, size_t len,
    const struct tv *value, struct err *err);
int exec_set_var(struct tmpl_run *run, const char *name, size_t len,
    const struct tv *value, struct err *err);
int exec_var(struct tmpl_run *run, const char *name, size_t len,
    struct tv *ret, struct err *err);
/* eval_pipeline: the value of a pipe; NULL gives nil.  What it declares is
 * pushed on the stack of variables. */
int eval_pipeline(struct tmpl_run *run, const struct tv *dot,
    const struct node *pipe, struct tv *ret, struct err *err);
/* eval_parens: a pipe in parentheses, one level deeper. */
int eval_parens(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, struct tv *ret, struct err *err);
/* eval_call: a function or method; ${at} is where its errors are. */
struct eval_args {
	struct node *const *v;		/* v[0] is the function itself */
	uint32_t n;			/* 0: none at all */
	const struct tv *final;		/* from the pipe, or NULL */
};
int eval_call(struct tmpl_run *run, const struct tv *dot,
    const struct tmpl_func *f, const struct node *at, const char *name,
    size_t len, const struct eval_args *args, const struct tv *self,
    struct tv *ret, struct err *err);
/* eval_arg: an operand as a parameter of type ${type}; NULL: of any. */
int eval_arg(struct tmpl_run *run, const struct tv *dot,
    const struct tt *type, const struct node *n, struct tv *ret,
    struct err *err);
int eval_function(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, const struct node *cmd,
    const struct eval_args *args, struct tv *ret, struct err *err);
int eval_field_node(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, const struct eval_args *args, struct tv *ret,
    struct err *err);
int eval_chain_node(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, const struct eval_args *args, struct tv *ret,
    struct err *err);
int eval_variable_node(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, const struct eval_args *args, struct tv *ret,
    struct err *err);
int eval_constant(struct tmpl_run *run, const struct node *n, struct tv *ret,
    struct err *err);
/* eval_node_text(n, ret): ${n}'s spelling as an argument of exec_fail. */
int eval_node_text(struct tmpl_run *run, const struct node *n,
    struct tv *ret, struct err *err);
/* The builtins that the evaluator treats apart. */
tmpl_fn builtin_and, builtin_or, builtin_call;

#endif
