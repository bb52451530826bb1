/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>

#include "base/codec.h"
#include "value/doc.h"
#include "value/num.h"
#include "value/tmpl_cast.h"
#include "value/tmpl_date.h"
#include "value/tmpl_json.h"

/* --- printing ----------------------------------------------------------- */

/* The containers around the current one. */
struct level {
	const struct level *up;
	const struct tt *type;
	const void *inside;		/* what identifies it */
	size_t n;			/* and its length, of a slice */
	size_t depth;			/* 1: the outermost */
};

struct printer {
	struct tmpl_run *run;
	struct buf *out;
	int flags;
};

static int print(struct printer *p, const struct level *up,
    const struct tv *v, struct err *err);

/* Go looks for cycles from the 1000th level on and names the first type that
 * it finds there twice.  Our ceiling may be lower, so a cycle is found when it
 * closes, and the type is worked out. */
#define GO_LEVEL 1001
#define LOOK_FROM 16

static int
check_cycle(struct printer *p, const struct level *l, struct err *err)
{
	size_t at = p->flags & TMPL_JSON_POINTER ? GO_LEVEL - 1 : GO_LEVEL;
	const struct level *a;
	size_t steps;

	if (l->depth < LOOK_FROM || l->inside == NULL)
		return (0);
	if (tmpl_steps(p->run, l->depth / LOOK_FROM, err) == -1)
		return (-1);
	for (a = l->up; a != NULL; a = a->up)
		if (a->inside == l->inside && a->n == l->n &&
		    a->type == l->type)
			break;
	if (a == NULL)
		return (0);
	steps = (at - a->depth) % (l->depth - a->depth);
	/* From the lower end of the cycle up. */
	for (steps = l->depth - a->depth - steps, a = l; steps > 0; steps--)
		a = a->up;
	return (err_set(err, ERR_INVALID, "json: unsupported value: "
	    "encountered a cycle via %s", a->type->name));
}

static void
new_line(struct printer *p, size_t depth)
{
	if ((p->flags & TMPL_JSON_PRETTY) == 0)
		return;
	buf_addc(p->out, '\n');
	while (depth-- > 0)
		buf_adds(p->out, "  ");
}

static void
add_text(struct printer *p, const char *s, size_t n)
{
	codec_json_string(p->out, s, n, p->flags & TMPL_JSON_HTML);
}

static void
add_key(struct printer *p, const char *s, size_t n)
{
	add_text(p, s, n);
	buf_adds(p->out, p->flags & TMPL_JSON_PRETTY ? ": " : ":");
}

static int
print_slice(struct printer *p, const struct level *l, const struct tv *v,
    struct err *err)
{
	size_t i;

	buf_addc(p->out, '[');
	for (i = 0; i < v->u.l.n; i++) {
		if (i > 0)
			buf_addc(p->out, ',');
		new_line(p, l->depth);
		if (print(p, l, &v->u.l.v[i], err) == -1)
			return (-1);
	}
	if (v->u.l.n > 0)
		new_line(p, l->depth - 1);
	buf_addc(p->out, ']');
	return (0);
}

static int
print_map(struct printer *p, const struct level *l, const struct tv *v,
    struct err *err)
{
	const struct tment *e;

	buf_addc(p->out, '{');
	for (e = tmap_first(v->u.m); e != NULL; e = e->next) {
		if (e != tmap_first(v->u.m))
			buf_addc(p->out, ',');
		new_line(p, l->depth);
		add_key(p, e->key, e->len);
		if (print(p, l, &e->value, err) == -1)
			return (-1);
	}
	if (tmap_len(v->u.m) > 0)
		new_line(p, l->depth - 1);
	buf_addc(p->out, '}');
	return (0);
}

static int
print_fields(struct printer *p, const struct level *l, const struct tv *v,
    struct err *err)
{
	size_t i;

	buf_addc(p->out, '{');
	for (i = 0; v->type->fields[i] != NULL; i++) {
		const char *name = v->type->fields[i];
		size_t n = 0;

		while (name[n] != '\0')
			n++;
		if (i > 0)
			buf_addc(p->out, ',');
		new_line(p, l->depth);
		add_key(p, name, n);
		if (print(p, l, &v->u.fields[i], err) == -1)
			return (-1);
	}
	new_line(p, l->depth - 1);
	buf_addc(p->out, '}');
	return (0);
}

static void
print_bytes(struct printer *p, const struct tv *v)
{
	cleanup_buf struct buf raw = BUF_SECRET(p->out->max);
	size_t i;

	for (i = 0; i < v->u.l.n; i++)
		buf_addc(&raw, (char)v->u.l.v[i].u.u);
	buf_addc(p->out, '"');
	codec_b64_encode(p->out, buf_str(&raw), raw.len, CODEC_B64_STD, 1);
	buf_addc(p->out, '"');
}

static int
print_container(struct printer *p, const struct level *up,
    const struct tv *v, struct err *err)
{
	struct level l = { .up = up, .type = v->type,
		.depth = up == NULL ? 1 : up->depth + 1 };
	int rc;

	if (tv_kind(v) == TK_MAP) {
		l.inside = v->u.m;
	} else if (tv_kind(v) == TK_SLICE) {
		l.inside = v->u.l.n > 0 ? v->u.l.v : NULL;
		l.n = v->u.l.n;
	}
	if (check_cycle(p, &l, err) == -1 ||
	    tmpl_steps(p->run, 1 + tv_len(v) / 8, err) == -1 ||
	    tmpl_enter(p->run, err) == -1)
		return (-1);
	if (tv_kind(v) == TK_MAP)
		rc = print_map(p, &l, v, err);
	else if (tv_kind(v) == TK_SLICE)
		rc = print_slice(p, &l, v, err);
	else
		rc = print_fields(p, &l, v, err);
	tmpl_leave(p->run);
	return (rc);
}

static int
print_float(struct printer *p, double f, struct err *err)
{
	if (isnan(f) || isinf(f))
		return (err_set(err, ERR_INVALID,
		    "json: unsupported value: %s", isnan(f) ? "NaN" :
		    f < 0 ? "-Inf" : "+Inf"));
	num_print_json(f, p->out);
	return (0);
}

/* What has a method MarshalJSON, and other structs. */
static int
print_struct(struct printer *p, const struct level *up, const struct tv *v,
    struct err *err)
{
	if (v->type == &tt_time)
		return (date_print_json(v, p->out, err));
	if (v->type->fields != NULL)
		return (print_container(p, up, v, err));
	if (v->type->string == NULL || v->type == &tt_location) {
		buf_adds(p->out, "{}");
		return (0);
	}
	buf_addc(p->out, '"');
	if (v->type->string(p->run, v, p->out, err) == -1)
		return (-1);
	buf_addc(p->out, '"');
	return (0);
}

static int
print(struct printer *p, const struct level *up, const struct tv *v,
    struct err *err)
{
	if (tv_is_nil(v)) {
		buf_adds(p->out, "null");
		return (0);
	}
	switch (tv_kind(v)) {
	case TK_BOOL:
		buf_adds(p->out, v->u.b ? "true" : "false");
		return (0);
	case TK_FLOAT64:
		return (print_float(p, v->u.f, err));
	case TK_COMPLEX128:
		return (err_set(err, ERR_INVALID,
		    "json: unsupported type: complex128"));
	case TK_STRING:
		add_text(p, v->u.s.p, v->u.s.n);
		return (0);
	case TK_SLICE:
		if (v->type == &tt_bytes) {
			print_bytes(p, v);
			return (0);
		}
		return (print_container(p, up, v, err));
	case TK_MAP:
		return (print_container(p, up, v, err));
	case TK_STRUCT:
	case TK_PTR:
		return (print_struct(p, up, v, err));
	default:
		if (tv_is_uint(v))
			buf_addf(p->out, "%" PRIu64, v->u.u);
		else
			buf_addf(p->out, "%" PRId64, v->u.i);
		return (0);
	}
}

int
tmpl_json_print(struct tmpl_run *run, const struct tv *v, int flags,
    struct buf *out, struct err *err)
{
	struct printer p = { run, out, flags };

	return (print(&p, NULL, v, err));
}

/* --- parsing ------------------------------------------------------------ */

static int parse(struct tmpl_run *run, const struct doc *d, struct tv *ret,
    struct err *err);

static int
parse_text(struct tmpl_run *run, const struct doc *d, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf text = tmpl_buf(run);

	doc_string(d, &text);
	return (tv_buf(run, &text, ret, err));
}

static int
parse_array(struct tmpl_run *run, const struct doc *d, struct tv *ret,
    struct err *err)
{
	struct cast_list l;
	struct doc elem;
	size_t at = 0;
	struct tv v;

	if (cast_list_init(&l, run, &tt_anys, err) == -1)
		return (-1);
	while (doc_next(d, &at, NULL, &elem))
		if (parse(run, &elem, &v, err) == -1 ||
		    cast_list_push(&l, v, err) == -1)
			return (-1);
	*ret = l.list;
	return (0);
}

static int
parse_object(struct tmpl_run *run, const struct doc *d, struct tv *ret,
    struct err *err)
{
	struct doc raw, elem;
	struct tv key, v;
	size_t at = 0;

	if (tv_new_map(run, &tt_map, ret, err) == -1)
		return (-1);
	while (doc_next(d, &at, &raw, &elem))
		if (tmpl_steps(run, 1, err) == -1 ||
		    parse_text(run, &raw, &key, err) == -1 ||
		    parse(run, &elem, &v, err) == -1 ||
		    tmap_set(run, ret->u.m, key.u.s.p, key.u.s.n, v,
		    err) == -1)
			return (-1);
	return (0);
}

static int
parse(struct tmpl_run *run, const struct doc *d, struct tv *ret,
    struct err *err)
{
	double f;
	int rc;

	switch (d->type) {
	case DOC_FALSE:
	case DOC_TRUE:
		*ret = tv_bool(d->type == DOC_TRUE);
		return (0);
	case DOC_NUMBER:
		*ret = num_parse(d->raw, d->len, &f) == 0 ? tv_float(f) :
		    tv_nil();
		return (0);
	case DOC_STRING:
		return (parse_text(run, d, ret, err));
	case DOC_ARRAY:
	case DOC_OBJECT:
		break;
	default:
		*ret = tv_nil();
		return (0);
	}
	/* What is inside is scanned once for each level around it. */
	if (tmpl_steps(run, d->len / 256, err) == -1)
		return (-1);
#ifndef WEAKEN_TMPL_JSON_DEPTH
	if (tmpl_enter(run, err) == -1)
		return (-1);
#endif
	rc = d->type == DOC_ARRAY ? parse_array(run, d, ret, err) :
	    parse_object(run, d, ret, err);
#ifndef WEAKEN_TMPL_JSON_DEPTH
	tmpl_leave(run);
#endif
	return (rc);
}

int
tmpl_json_parse(struct tmpl_run *run, const char *text, size_t len,
    struct tv *ret, struct err *err)
{
	struct doc d;

	*ret = tv_nil();
	if (doc_parse(text, len, &d, err) == -1)
		return (-1);
	if (parse(run, &d, ret, err) == -1)
		return (-1);
	return (doc_floats(&d, err));
}
