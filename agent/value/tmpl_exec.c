/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "value/gostr.h"
#include "value/tmpl_run.h"
#include "value/tmpl_tree.h"

/* The walk over a tree: the first half of src/text/template/exec.go of
 * Go 1.26. */

static int walk(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, struct err *err);

/* --- errors --------------------------------------------------------------- */

static void
add_doubled(struct buf *out, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] == '%')
			buf_addc(out, '%');
		buf_addc(out, s[i]);
	}
}

static void
add_place(const struct tmpl_run *run, struct buf *b)
{
	cleanup_buf struct buf name = BUF_SECRET(SIZE_MAX / 4);
	size_t line, column;

	tmpl_position(run->t, run->at->pos, &line, &column);
	add_doubled(&name, run->tree->name.p, run->tree->name.n);
	buf_adds(b, "template: ");
	buf_adds(b, run->t->name);
	buf_addf(b, ":%zu:%zu: executing ", line, column);
	gostr_quote(buf_str(&name), name.len, b);
}

int
exec_fail(struct tmpl_run *run, struct err *err, const char *format,
    const struct tv *args, size_t n)
{
	struct buf b = BUF_SECRET(SIZE_MAX / 4);
	cleanup_buf struct buf context = BUF_SECRET(SIZE_MAX / 4);

	add_place(run, &b);
	node_print(run->at, &context);
	buf_adds(&b, " at <");
	add_doubled(&b, buf_str(&context), context.len);
	buf_adds(&b, ">: ");
	buf_adds(&b, format);
	tmpl_errorf(&b, args, n, err);
	buf_clear(&b);
	return (-1);
}

/* --- variables ------------------------------------------------------------ */

int
exec_push(struct tmpl_run *run, const char *name, size_t len,
    const struct tv *value, struct err *err)
{
	struct tmpl_var *fresh;
	size_t cap;

	if (run->nvars == run->vars_cap) {
		cap = run->vars_cap == 0 ? 16 : run->vars_cap * 2;
		fresh = tmpl_alloc(run, cap * sizeof(*fresh), err);
		if (fresh == NULL)
			return (-1);
		if (run->nvars > 0)
			memcpy(fresh, run->vars, run->nvars * sizeof(*fresh));
		run->vars = fresh;
		run->vars_cap = cap;
	}
	run->vars[run->nvars++] = (struct tmpl_var){ name, len, *value };
	return (0);
}

static struct tmpl_var *
find_var(struct tmpl_run *run, const char *name, size_t len,
    struct err *err)
{
	struct tv arg = tv_strn(name, len);
	size_t i;

	for (i = run->nvars; i > run->vars_base; i--) {
		struct tmpl_var *v = &run->vars[i - 1];

		if (v->len == len && memcmp(v->name, name, len) == 0)
			return (tmpl_steps(run, (run->nvars - i) / 8, err) ==
			    -1 ? NULL : v);
	}
	exec_fail(run, err, "undefined variable: %s", &arg, 1);
	return (NULL);
}

int
exec_set_var(struct tmpl_run *run, const char *name, size_t len,
    const struct tv *value, struct err *err)
{
	struct tmpl_var *v = find_var(run, name, len, err);

	if (v == NULL)
		return (-1);
	v->value = *value;
	return (0);
}

int
exec_var(struct tmpl_run *run, const char *name, size_t len, struct tv *ret,
    struct err *err)
{
	const struct tmpl_var *v = find_var(run, name, len, err);

	if (v == NULL)
		return (-1);
	*ret = v->value;
	return (0);
}

/* --- output --------------------------------------------------------------- */

static int
check_out(struct tmpl_run *run, struct err *err)
{
	if (run->out->len - run->out_start > run->out_max)
		return (err_set(err, ERR_LIMIT,
		    "template prints more than %zu bytes", run->out_max));
	return (tmpl_check(run, run->out, err));
}

static int
print_result(struct tmpl_run *run, const struct tv *v, struct err *err)
{
	if (v->type == NULL)
		buf_adds(run->out, "<no value>");
	else if (v->type == &tt_string)
		buf_add(run->out, v->u.s.p, v->u.s.n);
	else if (tmpl_print(run, v, run->out, err) == -1)
		return (-1);
	return (check_out(run, err));
}

/* --- branches ------------------------------------------------------------- */

static int
walk_if_or_with(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, struct err *err)
{
	size_t mark = run->nvars;
	struct tv v;
	int rc = 0;

	if (eval_pipeline(run, dot, n->u.branch.pipe, &v, err) == -1)
		return (-1);
	if (tv_truth(&v))
		rc = walk(run, n->type == NODE_WITH ? &v : dot,
		    n->u.branch.list, err);
	else if (n->u.branch.els != NULL)
		rc = walk(run, dot, n->u.branch.els, err);
	run->nvars = mark;
	return (rc);
}

#define EMPTY 2			/* nothing to go over: {{else}} */

/* One turn; 1 when {{break}} ends the loop. */
static int
iterate(struct tmpl_run *run, const struct node *n, size_t mark,
    struct tv index, struct tv elem, struct err *err)
{
	const struct node *pipe = n->u.branch.pipe;
	uint32_t i, ndecl = pipe->u.pipe.ndecl;
	const struct span *name;
	int stop;

	for (i = 0; i < ndecl; i++) {
		struct tv *v = i + 1 == ndecl ? &elem : &index;

		name = pipe->u.pipe.decl[i]->u.chain.names;
		if (!pipe->flag)
			run->vars[mark - ndecl + i].value = *v;
		else if (exec_set_var(run, name->p, name->n, v, err) == -1)
			return (-1);
	}
	if (tmpl_steps(run, 1, err) == -1 ||
	    walk(run, &elem, n->u.branch.list, err) == -1)
		return (-1);
	run->nvars = mark;
	stop = run->leave == WALK_BREAK;
	run->leave = WALK_ON;
	return (stop);
}

static int
range_int(struct tmpl_run *run, const struct node *n, const struct tv *v,
    struct err *err)
{
	size_t mark = run->nvars;
	struct tv i = *v;
	uint64_t k, end = tv_is_int(v) && v->u.i < 0 ? 0 : v->u.u;
	int rc = end == 0 ? EMPTY : 0;

	if (n->u.branch.pipe->u.pipe.ndecl > 1)
		return (exec_fail(run, err, "can't use %v to iterate over more"
		    " than one variable", v, 1));
	for (k = 0; k < end && rc == 0; k++) {
		i.u.u = k;
		rc = iterate(run, n, mark, tv_nil(), i, err);
	}
	return (rc);
}

static int
range_slice(struct tmpl_run *run, const struct node *n, const struct tv *v,
    struct err *err)
{
	size_t mark = run->nvars, i;
	int rc = 0;

	for (i = 0; i < v->u.l.n && rc == 0; i++)
		rc = iterate(run, n, mark, tv_int((int64_t)i), v->u.l.v[i],
		    err);
	return (rc);
}

/* Go sorts first: what the body does to the map is not seen. */
static int
range_map(struct tmpl_run *run, const struct node *n, const struct tv *v,
    struct err *err)
{
	size_t mark = run->nvars, count = tmap_len(v->u.m), i = 0;
	const struct tment *e;
	struct tv *pairs;
	int rc = 0;

	pairs = tmpl_alloc(run, 2 * count * sizeof(*pairs), err);
	if (pairs == NULL)
		return (-1);
	for (e = tmap_first(v->u.m); e != NULL && i < count; e = e->next) {
		pairs[2 * i] = tv_strn(e->key, e->len);
		pairs[2 * i++ + 1] = e->value;
	}
	count = i;
	for (i = 0; i < count && rc == 0; i++)
		rc = iterate(run, n, mark, pairs[2 * i], pairs[2 * i + 1],
		    err);
	return (rc);
}

static int
walk_range(struct tmpl_run *run, const struct tv *dot, const struct node *n,
    struct err *err)
{
	size_t mark = run->nvars;
	struct tv v;
	int rc;

	if (eval_pipeline(run, dot, n->u.branch.pipe, &v, err) == -1)
		return (-1);
	if (tv_is_int(&v) || tv_is_uint(&v))
		rc = range_int(run, n, &v, err);
	else if (tv_kind(&v) == TK_SLICE)
		rc = tv_len(&v) == 0 ? EMPTY : range_slice(run, n, &v, err);
	else if (tv_kind(&v) == TK_MAP)
		rc = tv_len(&v) == 0 ? EMPTY : range_map(run, n, &v, err);
	else if (tv_kind(&v) == TK_NIL)
		rc = EMPTY;
	else
		rc = exec_fail(run, err, "range can't iterate over %v", &v,
		    1);
	if (rc == EMPTY)
		rc = n->u.branch.els == NULL ? 0 :
		    walk(run, dot, n->u.branch.els, err);
	run->nvars = mark;
	return (rc == -1 ? -1 : 0);
}

/* --- the rest ------------------------------------------------------------- */

/*
 * Go lets templates call each other 100,000 times deep, and whoever gets here
 * would get there: our stack ends earlier, the text is the same.
 */
static int
too_deep(struct tmpl_run *run, struct err *err)
{
	struct tv max = tv_int(100000);

	exec_fail(run, err, "exceeded maximum template depth (%v)", &max, 1);
	if (err != NULL)
		err->kind = ERR_LIMIT;
	run->placed = 1;
	return (-1);
}

static int
walk_template(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, struct err *err)
{
	const struct tree *tree = tmpl_find_tree(run->t, n->u.tmpl.name);
	const struct tree *tree_before = run->tree;
	const struct node *at_before;
	struct tv v = tv_nil();
	struct tv arg = tv_strn(n->u.tmpl.name.p, n->u.tmpl.name.n);
	size_t mark, base_before = run->vars_base;

	if (tree == NULL)
		return (exec_fail(run, err, "template %q not defined", &arg,
		    1));
	if (run->templates >= run->depth_max ||
	    run->depth >= 2 * run->depth_max)
		return (too_deep(run, err));
	if (n->u.tmpl.pipe != NULL &&
	    eval_pipeline(run, dot, n->u.tmpl.pipe, &v, err) == -1)
		return (-1);
	at_before = run->at;
	mark = run->nvars;
	run->tree = tree;
	run->vars_base = mark;
	run->templates++;
	if (exec_push(run, "$", 1, &v, err) == -1 ||
	    walk(run, &v, tree->root, err) == -1)
		return (-1);
	run->templates--;
	run->nvars = mark;
	run->tree = tree_before;
	run->vars_base = base_before;
	run->at = at_before;
	return (0);
}

static int
walk_list(struct tmpl_run *run, const struct tv *dot, const struct node *n,
    struct err *err)
{
	uint32_t i;

	for (i = 0; i < n->u.list.n && run->leave == WALK_ON; i++)
		if (walk(run, dot, n->u.list.v[i], err) == -1)
			return (-1);
	return (0);
}

static int
walk_action(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, struct err *err)
{
	struct tv v;

	if (eval_pipeline(run, dot, n->u.branch.pipe, &v, err) == -1)
		return (-1);
	if (n->u.branch.pipe->u.pipe.ndecl > 0)
		return (0);
	run->at = n;
	return (print_result(run, &v, err));
}

static int
walk_nested(struct tmpl_run *run, const struct tv *dot,
    const struct node *n, struct err *err)
{
	int rc;

	if (tmpl_enter(run, err) == -1)
		return (-1);
	if (n->type == NODE_RANGE)
		rc = walk_range(run, dot, n, err);
	else if (n->type == NODE_TEMPLATE)
		rc = walk_template(run, dot, n, err);
	else
		rc = walk_if_or_with(run, dot, n, err);
	tmpl_leave(run);
	return (rc);
}

static int
walk(struct tmpl_run *run, const struct tv *dot, const struct node *n,
    struct err *err)
{
	run->at = n;
	if (tmpl_steps(run, 1, err) == -1)
		return (-1);
	switch (n->type) {
	case NODE_TEXT:
		buf_add(run->out, n->u.text.p, n->u.text.n);
		return (check_out(run, err));
	case NODE_ACTION:
		return (walk_action(run, dot, n, err));
	case NODE_LIST:
		return (walk_list(run, dot, n, err));
	case NODE_BREAK:
		run->leave = WALK_BREAK;
		return (0);
	case NODE_CONTINUE:
		run->leave = WALK_CONTINUE;
		return (0);
	default:
		return (walk_nested(run, dot, n, err));
	}
}

/* --- the front ------------------------------------------------------------ */

/* A key with KV_NUL in it is a copy with U+0000. */
static int
real_key(struct tmpl_run *run, const char *key, struct tv *ret,
    struct err *err)
{
	size_t n = strlen(key), i, at = 0;
	char *copy;

	*ret = tv_strn(key, n);
	if (strstr(key, KV_NUL) == NULL)
		return (0);
	if ((copy = tmpl_alloc(run, n + 1, err)) == NULL)
		return (-1);
	for (i = 0; i < n; i++) {
		int nul = strncmp(key + i, KV_NUL, strlen(KV_NUL)) == 0;

		copy[at++] = nul ? '\0' : key[i];
		i += nul;
	}
	*ret = tv_strn(copy, at);
	return (0);
}

static int
make_data(struct tmpl_run *run, const struct kv *data, struct tv *ret,
    struct err *err)
{
	struct tv key, value;
	size_t i;

	if (tv_new_map(run, &tt_smap, ret, err) == -1)
		return (-1);
	for (i = strmap_next(data->map, 0); i != 0;
	    i = strmap_next(data->map, i)) {
		const struct secret *v = strmap_val(data->map, i);

		value = tv_strn((const char *)secret_data(v), secret_len(v));
		if (real_key(run, strmap_key(data->map, i), &key, err) == -1 ||
		    tmap_set(run, ret->u.m, key.u.s.p, key.u.s.n, value,
		    err) == -1)
			return (-1);
	}
	return (0);
}

static uint64_t
new_seed(void)
{
	static uint64_t seed;

	if (seed == 0 && getrandom(&seed, sizeof(seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(seed))
		seed = (uint64_t)(uintptr_t)&seed;
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed | 1);
}

int
tmpl_run(const struct tmpl *t, const struct kv *data, struct buf *out,
    struct err *err)
{
	struct tmpl_run run = { .pool = POOL_INIT(t->opts.memory_max),
		.steps_max = t->opts.steps_max,
		.depth_max = t->opts.depth_max, .seed = new_seed(), .t = t,
		.tree = t->main, .at = t->main->root, .out = out,
		.out_start = out->len, .out_max = t->opts.out_max };
	struct err inner = ERR_INIT;
	struct tv dot;
	int rc;

	rc = make_data(&run, data, &dot, &inner) == -1 ||
	    exec_push(&run, "$", 1, &dot, &inner) == -1 ||
	    walk(&run, &dot, t->main->root, &inner) == -1 ? -1 : 0;
	if (rc == -1 && inner.kind != ERR_INVALID && !run.placed) {
		cleanup_buf struct buf place = BUF_SECRET(SIZE_MAX / 4);

		add_place(&run, &place);
		err_wrap(&inner, "%s", buf_str(&place));
	}
	if (rc == -1)
		err_move(err, &inner);
	pool_clear(&run.pool);
	return (rc);
}
