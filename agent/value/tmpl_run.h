/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_RUN_H
#define VALUE_TMPL_RUN_H

#include "value/tmpl_internal.h"
#include "value/tmpl_pool.h"

/* The state of one execution: what functions see is behind the calls of
 * tmpl_internal.h, the rest is the evaluator's. */

struct node;
struct tree;

struct tmpl_var {
	const char *name;		/* "$x", inside the tree */
	size_t len;
	struct tv value;
};

struct tmpl_run {
	struct pool pool;
	uint64_t steps, steps_max;
	uint32_t depth, depth_max;
	uint64_t seed;			/* of the maps' ranks */
	const struct tmpl *t;
	const struct tree *tree;	/* the one that is executed */
	const struct node *at;		/* for errors */
	struct buf *out;
	size_t out_start, out_max;
	struct tmpl_var *vars;		/* grown in the pool */
	size_t nvars, vars_cap, vars_base;
	enum { WALK_ON, WALK_BREAK, WALK_CONTINUE } leave;
};

#endif
