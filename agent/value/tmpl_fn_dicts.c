/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_cast.h"
#include "value/tmpl_merge.h"
#include "value/tmpl_text.h"

/*
 * Dictionaries: sprig's dict.go.  Go walks maps in random order; here it is
 * the order of the keys, so that nothing changes from run to run.
 */

static struct text
arg(const struct tmpl_call *c, size_t i)
{
	return (text_of(&c->v[i]));
}

static int
put(struct tmpl_run *run, const struct tv *map, struct text key, struct tv v,
    struct err *err)
{
	if (map->u.m == NULL)
		return (err_set(err, ERR_INVALID,
		    "assignment to entry in nil map"));
	return (tmap_set(run, map->u.m, key.p, key.n, v, err));
}

static int
fn_dict(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct tv key;
	size_t i;

	if (tv_new_map(c->run, &tt_map, ret, err) == -1)
		return (-1);
	for (i = 0; i < c->n; i += 2)
		if (cast_string(c->run, &c->v[i], &key, err) == -1 ||
		    put(c->run, ret, text_of(&key), i + 1 < c->n ?
		    c->v[i + 1] : tv_str(""), err) == -1)
			return (-1);
	return (0);
}

static int
fn_get(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const struct tv *v = tmap_get(c->v[0].u.m, arg(c, 1).p, arg(c, 1).n);

	(void)err;
	*ret = v != NULL ? *v : tv_str("");
	return (0);
}

static int
fn_set(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	*ret = c->v[0];
	return (put(c->run, ret, arg(c, 1), c->v[2], err));
}

static int
fn_unset(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	tmap_del(c->v[0].u.m, arg(c, 1).p, arg(c, 1).n);
	*ret = c->v[0];
	return (0);
}

static int
fn_has_key(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(tmap_get(c->v[0].u.m, arg(c, 1).p, arg(c, 1).n) !=
	    NULL);
	return (0);
}

static int
fn_pluck(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct cast_list l;
	const struct tv *v;
	size_t i;

	if (cast_list_init(&l, c->run, &tt_anys, err) == -1)
		return (-1);
	for (i = 1; i < c->n; i++)
		if ((v = tmap_get(c->v[i].u.m, arg(c, 0).p,
		    arg(c, 0).n)) != NULL &&
		    cast_list_push(&l, *v, err) == -1)
			return (-1);
	*ret = l.list;
	return (0);
}

static int
fn_keys(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const struct tment *e;
	struct cast_list l;
	size_t i;

	if (cast_list_init(&l, c->run, &tt_strings, err) == -1)
		return (-1);
	for (i = 0; i < c->n; i++)
		for (e = tmap_first(c->v[i].u.m); e != NULL; e = e->next)
			if (cast_list_push(&l, tv_strn(e->key, e->len),
			    err) == -1)
				return (-1);
	*ret = l.list;
	return (0);
}

static int
fn_values(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const struct tment *e;
	struct cast_list l;

	if (cast_list_init(&l, c->run, &tt_anys, err) == -1)
		return (-1);
	for (e = tmap_first(c->v[0].u.m); e != NULL; e = e->next)
		if (cast_list_push(&l, e->value, err) == -1)
			return (-1);
	*ret = l.list;
	return (0);
}

static int
fn_pick(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const struct tv *v;
	size_t i;

	if (tv_new_map(c->run, &tt_map, ret, err) == -1)
		return (-1);
	for (i = 1; i < c->n; i++)
		if ((v = tmap_get(c->v[0].u.m, arg(c, i).p,
		    arg(c, i).n)) != NULL &&
		    put(c->run, ret, arg(c, i), *v, err) == -1)
			return (-1);
	return (0);
}

static int
fn_omit(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const struct tment *e;
	size_t i;

	if (tv_new_map(c->run, &tt_map, ret, err) == -1)
		return (-1);
	for (e = tmap_first(c->v[0].u.m); e != NULL; e = e->next)
		if (tmpl_steps(c->run, 1, err) == -1 || put(c->run, ret,
		    (struct text){ e->key, e->len }, e->value, err) == -1)
			return (-1);
	for (i = 1; i < c->n; i++)
		tmap_del(ret->u.m, arg(c, i).p, arg(c, i).n);
	return (0);
}

/* --- merge -------------------------------------------------------------- */

/* mergo's errors are dropped for "", its panics are not. */
static int
merge(struct tmpl_call *c, int overwrite, int must, struct tv *ret,
    struct err *err)
{
	cleanup_err struct err e = ERR_INIT;
	size_t i;
	int rc = 0;

	*ret = c->v[0];
	for (i = 1; i < c->n && rc == 0; i++)
		rc = tmpl_merge(c->run, ret, &c->v[i], overwrite, &e);
	if (rc == -1 || (rc == 1 && must))
		return (err_move(err, &e));
	if (rc == 1)
		*ret = tv_str("");
	return (0);
}

static int
fn_merge(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (merge(c, 0, 0, ret, err));
}

static int
fn_must_merge(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (merge(c, 0, 1, ret, err));
}

static int
fn_merge_overwrite(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (merge(c, 1, 0, ret, err));
}

static int
fn_must_merge_overwrite(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (merge(c, 1, 1, ret, err));
}

/* --- dig ---------------------------------------------------------------- */

/* dig KEY… DEFAULT DICT */
static int
fn_dig(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const struct tv *at, *next;
	size_t i, keys;

	if (c->n < 3)
		return (err_set(err, ERR_INVALID,
		    "dig needs at least three arguments"));
	keys = c->n - 2;
	at = &c->v[c->n - 1];
	if (at->type != &tt_map)
		return (cast_wrong_type(at, &tt_map, err));
	for (i = 0; i < keys; i++)
		if (c->v[i].type != &tt_string)
			return (cast_wrong_type(&c->v[i], &tt_string, err));
	for (i = 0; i < keys; i++, at = next) {
		if (at->type != &tt_map)
			return (cast_wrong_type(at, &tt_map, err));
		next = tmap_get(at->u.m, arg(c, i).p, arg(c, i).n);
		if (next == NULL) {
			*ret = c->v[keys];
			return (0);
		}
	}
	*ret = *at;
	return (0);
}

#define A &tt_any
#define S &tt_string
#define M &tt_map

const struct tmpl_func tmpl_funcs_dicts[] = {
	{ "dict", fn_dict, M, 0, { NULL }, A },
	{ "get", fn_get, A, 2, { M, S }, NULL },
	{ "set", fn_set, M, 3, { M, S, A }, NULL },
	{ "unset", fn_unset, M, 2, { M, S }, NULL },
	{ "hasKey", fn_has_key, &tt_bool, 2, { M, S }, NULL },
	{ "pluck", fn_pluck, &tt_anys, 1, { S }, M },
	{ "keys", fn_keys, &tt_strings, 0, { NULL }, M },
	{ "pick", fn_pick, M, 1, { M }, S },
	{ "omit", fn_omit, M, 1, { M }, S },
	{ "merge", fn_merge, A, 1, { M }, M },
	{ "mergeOverwrite", fn_merge_overwrite, A, 1, { M }, M },
	{ "mustMerge", fn_must_merge, A, 1, { M }, M },
	{ "mustMergeOverwrite", fn_must_merge_overwrite, A, 1, { M }, M },
	{ "values", fn_values, &tt_anys, 1, { M }, NULL },
	{ "dig", fn_dig, A, 0, { NULL }, A },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
