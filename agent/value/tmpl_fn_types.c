/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "value/tmpl_cast.h"
#include "value/tmpl_semver.h"
#include "value/tmpl_text.h"

/* Values of any type: sprig's defaults.go, reflect.go, and copystructure. */

static int
fn_default(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = c->v[c->n < 2 || cast_empty(&c->v[1]) ? 0 : 1];
	return (0);
}

static int
fn_empty(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(cast_empty(&c->v[0]));
	return (0);
}

/* The first that is not empty, or c->n. */
static size_t
first_full(const struct tmpl_call *c)
{
	size_t i;

	for (i = 0; i < c->n && cast_empty(&c->v[i]); i++)
		;
	return (i);
}

static int
fn_coalesce(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	size_t i = first_full(c);

	(void)err;
	*ret = i < c->n ? c->v[i] : tv_nil();
	return (0);
}

static int
fn_any(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(first_full(c) < c->n);
	return (0);
}

static int
fn_all(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	size_t i;

	(void)err;
	for (i = 0; i < c->n && !cast_empty(&c->v[i]); i++)
		;
	*ret = tv_bool(i == c->n);
	return (0);
}

static int
fn_ternary(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = c->v[c->v[2].u.b ? 0 : 1];
	return (0);
}

static int
fn_fail(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)ret;
	return (err_set(err, ERR_INVALID, "%.*s", (int)c->v[0].u.s.n,
	    c->v[0].u.s.p));
}

/* --- reflection --------------------------------------------------------- */

static const char *
type_name(const struct tv *v)
{
	return (v->type == NULL ? "<nil>" : v->type->name);
}

static int
fn_type_of(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_str(type_name(&c->v[0]));
	return (0);
}

static int
fn_kind_of(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_str(tt_kind(c->v[0].type));
	return (0);
}

static int
fn_type_is(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(text_is(text_of(&c->v[0]), type_name(&c->v[1])));
	return (0);
}

static int
fn_type_is_like(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const char *name = type_name(&c->v[1]);
	struct text want = text_of(&c->v[0]);

	(void)err;
	*ret = tv_bool(text_is(want, name) ||
	    (*name == '*' && text_is(want, name + 1)));
	return (0);
}

static int
fn_kind_is(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(text_is(text_of(&c->v[0]), tt_kind(c->v[1].type)));
	return (0);
}

static int
fn_deep_equal(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int same;

	if (tv_equal(c->run, &c->v[0], &c->v[1], &same, err) == -1)
		return (-1);
	*ret = tv_bool(same);
	return (0);
}

/* --- deepCopy ----------------------------------------------------------- */

static int copy(struct tmpl_run *run, const struct tv *v, struct tv *ret,
    struct err *err);

static int
copy_map(struct tmpl_run *run, const struct tv *v, struct tv *ret,
    struct err *err)
{
	const struct tment *e;
	struct tv elem;

	if (tv_new_map(run, v->type, ret, err) == -1)
		return (-1);
	for (e = tmap_first(v->u.m); e != NULL; e = e->next)
		if (copy(run, &e->value, &elem, err) == -1 ||
		    tmap_set(run, ret->u.m, e->key, e->len, elem, err) == -1)
			return (-1);
	return (0);
}

static int
copy_slice(struct tmpl_run *run, const struct tv *v, struct tv *ret,
    struct err *err)
{
	size_t i;

	if (tv_list(run, v->type, v->cap, ret, err) == -1)
		return (-1);
	ret->u.l.n = v->u.l.n;
	for (i = 0; i < v->u.l.n; i++) {
		if (copy(run, &v->u.l.v[i], &ret->u.l.v[i], err) == -1)
			return (-1);
		ret->u.l.v[i].iface = v->u.l.v[i].iface;
	}
	return (0);
}

static int
copy(struct tmpl_run *run, const struct tv *v, struct tv *ret,
    struct err *err)
{
	int rc;

	*ret = *v;
	if (v->type == &tt_semver || v->type == tt_semver.elem) {
		/* Its fields are not exported: nothing is copied. */
		ret->u.p = tmpl_alloc(run, sizeof(struct semver), err);
		return (ret->u.p == NULL ? -1 : 0);
	}
	if (tv_is_nil(v) || (tv_kind(v) != TK_MAP && tv_kind(v) != TK_SLICE))
		return (0);
	if (tmpl_steps(run, 1 + tv_len(v), err) == -1 ||
	    tmpl_enter(run, err) == -1)
		return (-1);
	rc = tv_kind(v) == TK_MAP ? copy_map(run, v, ret, err) :
	    copy_slice(run, v, ret, err);
	tmpl_leave(run);
	return (rc);
}

static int
fn_deep_copy(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (cast_is_nil(&c->v[0]))
		return (err_set(err, ERR_INVALID, "reflect: call of"
		    " reflect.Value.Type on zero Value"));
	return (copy(c->run, &c->v[0], ret, err));
}

#define A &tt_any
#define B &tt_bool
#define S &tt_string

const struct tmpl_func tmpl_funcs_types[] = {
	{ "default", fn_default, A, 1, { A }, A },
	{ "empty", fn_empty, B, 1, { A }, NULL },
	{ "coalesce", fn_coalesce, A, 0, { NULL }, A },
	{ "all", fn_all, B, 0, { NULL }, A },
	{ "any", fn_any, B, 0, { NULL }, A },
	{ "ternary", fn_ternary, A, 3, { A, A, B }, NULL },
	{ "fail", fn_fail, S, 1, { S }, NULL },
	{ "typeOf", fn_type_of, S, 1, { A }, NULL },
	{ "typeIs", fn_type_is, B, 2, { S, A }, NULL },
	{ "typeIsLike", fn_type_is_like, B, 2, { S, A }, NULL },
	{ "kindOf", fn_kind_of, S, 1, { A }, NULL },
	{ "kindIs", fn_kind_is, B, 2, { S, A }, NULL },
	{ "deepEqual", fn_deep_equal, B, 2, { A, A }, NULL },
	{ "deepCopy", fn_deep_copy, A, 1, { A }, NULL },
	{ "mustDeepCopy", fn_deep_copy, A, 1, { A }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
