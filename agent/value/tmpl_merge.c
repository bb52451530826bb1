/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_cast.h"
#include "value/tmpl_merge.h"

static int merge_value(struct tmpl_run *run, const struct tv *dst,
    const struct tv *src, int overwrite, struct err *err);

/* isEmptyValue: as sprig's empty, but for pointers, which are looked behind
 * (a struct is never empty). */
static int
is_empty(const struct tv *v)
{
	return (cast_empty(v));
}

/* reflect.Value.SetMapIndex: an element of a map[string]interface {} has the
 * static type interface {}. */
static int
set(struct tmpl_run *run, const struct tv *map, const struct tment *e,
    int from_any, struct err *err)
{
	const struct tt *have = from_any ? &tt_any : e->value.type;

	if (map->type->elem != &tt_any && map->type->elem != have)
		return (err_set(err, ERR_INVALID, "reflect.Value.SetMapIndex:"
		    " value of type %s is not assignable to type %s",
		    have->name, map->type->elem->name));
	return (tmap_set(run, map->u.m, e->key, e->len, e->value, err));
}

/* The map's new slice: whether the old one is looked at and what is set
 * first does not matter, because the end sets it again, but for panics. */
static int
merge_slice(struct tmpl_run *run, const struct tv *dst, const struct tv *old,
    const struct tment *e, int overwrite, struct err *err)
{
	if (dst->type->elem == &tt_any) {
		if (overwrite || tmap_len(dst->u.m) == 0 || old == NULL)
			return (set(run, dst, e, 0, err));
		return (0);
	}
	if (old != NULL)
		return (err_set(err, ERR_INVALID, "reflect: call of"
		    " reflect.Value.IsNil on string Value"));
	return (set(run, dst, e, 0, err));
}

static int
merge_entry(struct tmpl_run *run, const struct tv *dst, const struct tv *src,
    const struct tment *e, int overwrite, struct err *err)
{
	const struct tv *old = tmap_get(dst->u.m, e->key, e->len);
	struct tv was = old == NULL ? tv_nil() : *old;
	int any = src->type->elem == &tt_any, rc = 0;
	enum tkind kind = tv_kind(&e->value);

	if (cast_is_nil(&e->value))
		return (overwrite ? set(run, dst, e, any, err) : 0);
	if (kind == TK_STRUCT || kind == TK_PTR || kind == TK_MAP)
		rc = merge_value(run, &was, &e->value, overwrite, err);
	else if (kind == TK_SLICE)
		rc = merge_slice(run, dst, old, e, overwrite, err);
	if (rc != 0)
		return (rc);
	if (old != NULL && !is_empty(&was) && (kind == TK_SLICE ||
	    (kind == TK_MAP && tv_kind(&was) == TK_MAP)))
		return (0);
	if (overwrite || old == NULL || is_empty(&was))
		return (set(run, dst, e, any, err));
	return (0);
}

static int
merge_maps(struct tmpl_run *run, const struct tv *dst, const struct tv *src,
    int overwrite, struct err *err)
{
	const struct tment *e;
	int rc = 0;

	for (e = tmap_first(src->u.m); e != NULL && rc == 0; e = e->next)
		rc = tmpl_steps(run, 1, err) == -1 ? -1 :
		    merge_entry(run, dst, src, e, overwrite, err);
	return (rc);
}

/* Where the old value is a pointer. */
static int
merge_pointer(const struct tv *dst, const struct tv *src, int overwrite,
    struct err *err)
{
	if (tv_is_nil(src) || tv_is_nil(dst))
		return (0);
	if (overwrite || tv_kind(src) == TK_PTR ||
	    dst->type->elem == src->type)
		return (0);
	err_set(err, ERR_INVALID, "src and dst must be of same type");
	return (1);
}

/* Where the old value is a struct: only sprig.certificate has fields that
 * could be merged, and nothing can be set in it. */
static int
merge_struct(const struct tv *dst, const struct tv *src, struct err *err)
{
	if (dst->type != &tt_certificate || tv_kind(src) == TK_STRUCT)
		return (0);
	return (err_set(err, ERR_INVALID, "reflect: call of"
	    " reflect.Value.Field on %s Value", tt_kind(src->type)));
}

/* deepMerge of two elements of maps, which cannot be replaced themselves. */
static int
merge_value(struct tmpl_run *run, const struct tv *dst, const struct tv *src,
    int overwrite, struct err *err)
{
	int rc = 0;

	switch (tv_kind(dst)) {
	case TK_STRUCT:
		return (merge_struct(dst, src, err));
	case TK_PTR:
		return (merge_pointer(dst, src, overwrite, err));
	case TK_MAP:
		if (tv_kind(src) != TK_MAP || tv_is_nil(dst))
			return (0);
		if (tmpl_enter(run, err) == -1)
			return (-1);
		rc = merge_maps(run, dst, src, overwrite, err);
		tmpl_leave(run);
		return (rc);
	default:
		return (0);
	}
}

int
tmpl_merge(struct tmpl_run *run, struct tv *dst, const struct tv *src,
    int overwrite, struct err *err)
{
	if (tv_is_nil(dst) && !tv_is_nil(src) &&
	    tv_new_map(run, dst->type, dst, err) == -1)
		return (-1);
	return (merge_maps(run, dst, src, overwrite, err));
}
