/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/gjson_internal.h"

typedef struct span mod_fn(struct gj *, struct span json, struct span arg);

static const struct span nothing = { "", 0 };

/* A growing row of values; what they point to is kept by struct gj. */
struct row {
	struct gj_value *v;
	size_t n, cap;
};

static void
row_add(struct row *r, const struct gj_value *v)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 16;
		r->v = mem_grow(r->v, r->cap, sizeof(*r->v));
	}
	r->v[r->n++] = *v;
}

int64_t
gj_int(const struct gj_value *v)
{
	struct span s = v->type == GJ_STRING ? v->str : v->raw;
	uint64_t n = 0;
	size_t i = s.n && s.p[0] == '-', first = i;

	if (v->type == GJ_TRUE)
		return (1);
	if (v->type == GJ_NUMBER && fabs(v->num) <= 9007199254740991.0)
		return ((int64_t)v->num);
	if (v->type != GJ_NUMBER && v->type != GJ_STRING)
		return (0);
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(s.p[i] - '0');
	if (i == s.n && i > first)
		return ((int64_t)(first ? 0 - n : n));
	if (v->type == GJ_STRING)
		return (0);
	/* Out of range is undefined in C; amd64's answer is Go's there. */
	return (fabs(v->num) < 9.2e18 ? (int64_t)v->num : INT64_MIN);
}

/* The last option of that name in {"name":value}. */
static int
option(struct gj *g, struct span arg, const char *name)
{
	struct gj_each e;
	int on = 0;

	memset(&e, 0, sizeof(e));
	e.of = gj_parse(g, arg);
	while (arg.n && gj_each(g, &e))
		if (e.key.type == GJ_STRING && span_is(e.key.str, name))
			on = gj_bool(&e.value);
	return (on);
}

static struct span
mod_this(struct gj *g, struct span json, struct span arg)
{
	(void)g;
	(void)arg;
	return (json);
}

static struct span
mod_valid(struct gj *g, struct span json, struct span arg)
{
	struct doc ignored;

	(void)g;
	(void)arg;
	return (doc_parse(json.p, json.n, &ignored, NULL) == 0 ? json :
	    nothing);
}

static struct span
mod_tostr(struct gj *g, struct span json, struct span arg)
{
	struct buf out = gj_buf(g);

	(void)arg;
	codec_json_string(&out, json.p, json.n, 1);
	return (gj_keep(g, &out));
}

static struct span
mod_fromstr(struct gj *g, struct span json, struct span arg)
{
	struct buf out = gj_buf(g);
	struct gj_value v;

	(void)arg;
	if (mod_valid(g, json, arg).n == 0)
		return (nothing);
	v = gj_parse(g, json);
	gj_string(&v, &out);
	return (gj_keep(g, &out));
}

static struct span
mod_keys(struct gj *g, struct span json, struct span arg)
{
	struct buf out = gj_buf(g);
	struct gj_each e;
	int object;

	(void)arg;
	memset(&e, 0, sizeof(e));
	e.of = gj_parse(g, json);
	object = gj_is_object(&e.of);
	buf_addc(&out, '[');
	while (gj_each(g, &e)) {
		if (out.len > 1)
			buf_addc(&out, ',');
		if (object)
			buf_add(&out, e.key.raw.p, e.key.raw.n);
		else
			buf_adds(&out, "null");
	}
	buf_addc(&out, ']');
	return (gj_keep(g, &out));
}

static struct span
mod_values(struct gj *g, struct span json, struct span arg)
{
	struct buf out = gj_buf(g);
	struct gj_each e;
	size_t i;

	(void)arg;
	memset(&e, 0, sizeof(e));
	e.of = gj_parse(g, json);
	if (gj_is_array(&e.of))
		return (json);
	buf_addc(&out, '[');
	for (i = 0; gj_each(g, &e); i++) {
		if (i)
			buf_addc(&out, ',');
		buf_add(&out, e.value.raw.p, e.value.raw.n);
	}
	buf_addc(&out, ']');
	return (gj_keep(g, &out));
}

static struct span
mod_reverse(struct gj *g, struct span json, struct span arg)
{
	struct row row = { NULL, 0, 0 };
	struct buf out;
	struct gj_each e;
	int object;
	size_t i;

	(void)arg;
	memset(&e, 0, sizeof(e));
	e.of = gj_parse(g, json);
	object = gj_is_object(&e.of);
	if (!object && !gj_is_array(&e.of))
		return (json);
	while (gj_each(g, &e)) {
		if (object)
			row_add(&row, &e.key);
		row_add(&row, &e.value);
	}
	out = gj_buf(g);
	buf_addc(&out, object ? '{' : '[');
	for (i = row.n; i > 0; i--) {
		if (i != row.n)
			buf_addc(&out, ',');
		if (object) {
			i--;
			buf_add(&out, row.v[i - 1].raw.p, row.v[i - 1].raw.n);
			buf_addc(&out, ':');
			buf_add(&out, row.v[i].raw.p, row.v[i].raw.n);
		} else {
			buf_add(&out, row.v[i - 1].raw.p, row.v[i - 1].raw.n);
		}
	}
	buf_addc(&out, object ? '}' : ']');
	free(row.v);
	return (gj_keep(g, &out));
}

/* Off with the outer bytes, whatever the last one is. */
static struct span
unwrap(struct span s)
{
	s = span_trim(s);
	if (s.n >= 2 && (s.p[0] == '[' || s.p[0] == '{'))
		s = span_of(s, 1, s.n - 1);
	return (s);
}

static int
is_unicode_space(uint32_t r)
{
	return ((r >= 9 && r <= 13) || r == ' ' || r == 0x85 || r == 0xa0 ||
	    r == 0x1680 || (r >= 0x2000 && r <= 0x200a) || r == 0x2028 ||
	    r == 0x2029 || r == 0x202f || r == 0x205f || r == 0x3000);
}

/* strings.TrimSpace */
static struct span
trim_unicode(struct span s)
{
	uint32_t r;
	size_t n;

	while ((n = utf8_next(s.p, s.n, &r)) > 0 && is_unicode_space(r))
		s = span_from(s, n);
	while ((n = gj_last_rune(s, &r)) > 0 && is_unicode_space(r))
		s.n -= n;
	return (s);
}

static struct span
flatten(struct gj *g, struct span json, int deep)
{
	struct gj_each e;
	struct buf out;
	struct span raw;

	memset(&e, 0, sizeof(e));
	e.of = gj_parse(g, json);
	if (!gj_is_array(&e.of))
		return (json);
	if (++g->steps > GJSON_STEPS_MAX)
		g->failed = 1;
	out = gj_buf(g);
	buf_addc(&out, '[');
	while (gj_each(g, &e)) {
		struct gj_kept *mark = gj_mark(g);

		raw = e.value.raw;
		if (gj_is_array(&e.value))
			raw = unwrap(deep ? flatten(g, raw, deep) : raw);
		raw = trim_unicode(raw);
		if (raw.n && out.len > 1)
			buf_addc(&out, ',');
		buf_add(&out, raw.p, raw.n);
		gj_release(g, mark);
	}
	buf_addc(&out, ']');
	g->steps--;
	return (gj_keep(g, &out));
}

static struct span
mod_flatten(struct gj *g, struct span json, struct span arg)
{
	return (flatten(g, json, option(g, arg, "deep")));
}

/* A member of @join: the key's text decides which are one. */
struct joined {
	struct span text, key, value;
	size_t seq;
};

static int
cmp_text(const void *a, const void *b)
{
	const struct joined *x = a, *y = b;
	int c = span_cmp(x->text, y->text);

	return (c ? c : x->seq < y->seq ? -1 : 1);
}

static int
cmp_seq(const void *a, const void *b)
{
	const struct joined *x = a, *y = b;

	return (x->seq < y->seq ? -1 : x->seq > y->seq);
}

/* One member a key, at the place of its first and with its last value. */
static size_t
join_unique(struct joined *v, size_t n)
{
	size_t i, k = 0;

	if (n)
		qsort(v, n, sizeof(*v), cmp_text);
	for (i = 0; i < n; i++) {
		if (k && span_eq(v[k - 1].text, v[i].text))
			v[k - 1].value = v[i].value;
		else
			v[k++] = v[i];
	}
	if (k)
		qsort(v, k, sizeof(*v), cmp_seq);
	return (k);
}

/* Members of all objects of the array e, in order. */
static struct joined *
join_members(struct gj *g, struct gj_each *e, size_t *ret_n)
{
	struct joined *v = NULL;
	struct gj_each in;
	size_t n = 0, cap = 0;

	while (gj_each(g, e)) {
		if (!gj_is_object(&e->value))
			continue;
		memset(&in, 0, sizeof(in));
		in.of = e->value;
		while (gj_each(g, &in)) {
			if (n == cap) {
				cap = cap ? cap * 2 : 16;
				v = mem_grow(v, cap, sizeof(*v));
			}
			v[n] = (struct joined){ in.key.str, in.key.raw,
			    in.value.raw, n };
			n++;
		}
	}
	*ret_n = n;
	return (v);
}

static struct span
mod_join(struct gj *g, struct span json, struct span arg)
{
	struct buf out = gj_buf(g);
	struct joined *v = NULL;
	struct gj_each e;
	struct span raw;
	size_t i, n = 0;

	memset(&e, 0, sizeof(e));
	e.of = gj_parse(g, json);
	if (!gj_is_array(&e.of))
		return (json);
	buf_addc(&out, '{');
	if (option(g, arg, "preserve")) {
		for (i = 0; gj_each(g, &e);) {
			if (!gj_is_object(&e.value))
				continue;
			raw = unwrap(e.value.raw);
			if (i++)
				buf_addc(&out, ',');
			buf_add(&out, raw.p, raw.n);
		}
	} else {
		v = join_members(g, &e, &n);
		n = join_unique(v, n);
	}
	for (i = 0; i < n; i++) {
		if (i)
			buf_addc(&out, ',');
		buf_add(&out, v[i].key.p, v[i].key.n);
		buf_addc(&out, ':');
		buf_add(&out, v[i].value.p, v[i].value.n);
	}
	buf_addc(&out, '}');
	free(v);
	return (gj_keep(g, &out));
}

/* {"a":[1,2],"b":[3]} to [{"a":1,"b":3},{"a":2}] */
static struct span
mod_group(struct gj *g, struct span json, struct span arg)
{
	struct row row = { NULL, 0, 0 };
	size_t *of = NULL, *next = NULL, *last = NULL, cap = 0, all = 0, i, k;
	struct gj_each e, in;
	struct buf out;

	(void)arg;
	memset(&e, 0, sizeof(e));
	e.of = gj_parse(g, json);
	if (!gj_is_object(&e.of))
		return (nothing);
	/* The row holds key and value by turns; each group is a chain of
	 * places in it (of: its first, last: its last, next: the links). */
	while (gj_each(g, &e)) {
		if (!gj_is_array(&e.value))
			continue;
		memset(&in, 0, sizeof(in));
		in.of = e.value;
		for (k = 0; gj_each(g, &in); k++) {
			if (row.n + 2 > cap || k >= cap) {
				cap = cap ? cap * 2 : 64;
				of = mem_grow(of, cap, sizeof(*of));
				last = mem_grow(last, cap, sizeof(*last));
				next = mem_grow(next, cap, sizeof(*next));
			}
			if (k == all)
				of[all++] = row.n;
			else
				next[last[k]] = row.n;
			last[k] = row.n;
			next[row.n] = SIZE_MAX;
			row_add(&row, &e.key);
			row_add(&row, &in.value);
		}
	}
	out = gj_buf(g);
	buf_addc(&out, '[');
	for (k = 0; k < all; k++) {
		buf_adds(&out, k ? ",{" : "{");
		for (i = of[k]; i != SIZE_MAX; i = next[i]) {
			if (i != of[k])
				buf_addc(&out, ',');
			buf_add(&out, row.v[i].raw.p, row.v[i].raw.n);
			buf_addc(&out, ':');
			buf_add(&out, row.v[i + 1].raw.p,
			    row.v[i + 1].raw.n);
		}
		buf_addc(&out, '}');
	}
	buf_addc(&out, ']');
	free(row.v);
	free(of);
	free(last);
	free(next);
	return (gj_keep(g, &out));
}

static void
dig(struct gj *g, const struct gj_value *parent, struct span path,
    struct buf *out)
{
	struct gj_kept *mark = gj_mark(g);
	struct gj_value v = gj_get(g, parent->raw, path);
	struct gj_each e;

	if (gj_exists(&v) && gj_charge(g, v.raw.n)) {
		if (out->len > 1)
			buf_addc(out, ',');
		buf_add(out, v.raw.p, v.raw.n);
	}
	gj_release(g, mark);
	if (parent->type != GJ_JSON)
		return;
	if (++g->steps > GJSON_STEPS_MAX)
		g->failed = 1;
	memset(&e, 0, sizeof(e));
	e.of = *parent;
	while (!g->failed && gj_each(g, &e))
		dig(g, &e.value, path, out);
	g->steps--;
}

static struct span
mod_dig(struct gj *g, struct span json, struct span arg)
{
	struct gj_value root = gj_parse(g, json);
	struct buf out = gj_buf(g);

	buf_addc(&out, '[');
	dig(g, &root, arg, &out);
	buf_addc(&out, ']');
	return (gj_keep(g, &out));
}

static const struct {
	const char *name;
	mod_fn *fn;
} modifiers[] = {
	{ "pretty", gj_mod_pretty },
	{ "ugly", gj_mod_ugly },
	{ "reverse", mod_reverse },
	{ "this", mod_this },
	{ "flatten", mod_flatten },
	{ "join", mod_join },
	{ "valid", mod_valid },
	{ "keys", mod_keys },
	{ "values", mod_values },
	{ "tostr", mod_tostr },
	{ "fromstr", mod_fromstr },
	{ "group", mod_group },
	{ "dig", mod_dig },
};

static mod_fn *
find_modifier(struct span name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(modifiers); i++)
		if (span_is(name, modifiers[i].name))
			return (modifiers[i].fn);
	return (NULL);
}

int
gj_is_modifier(struct span name)
{
	return (find_modifier(name) != NULL);
}

/* What follows "@name:": one JSON value, or text up to a pipe. */
static struct span
modifier_arg(struct span rest)
{
	size_t i;

	if (strchr("{[\"", rest.p[0]) && rest.p[0])
		return (gj_squash(rest));
	for (i = 0; i < rest.n && rest.p[i] != '|'; i++)
		if (strchr("{[\"(", rest.p[i]) && rest.p[i])
			i += gj_squash(span_from(rest, i)).n - 1;
	return (span_to(rest, i));
}

int
gj_modifier(struct gj *g, struct span json, struct span path,
    struct span *ret_json, struct span *ret_path)
{
	struct span arg = nothing, rest;
	mod_fn *fn;
	size_t i;

	for (i = 1; i < path.n; i++)
		if (path.p[i] == ':' || path.p[i] == '|' || path.p[i] == '.')
			break;
	fn = find_modifier(span_of(path, 1, i));
	if (!fn)
		return (0);
	rest = span_from(path, i);
	if (rest.n && rest.p[0] == ':') {
		rest = span_from(rest, 1);
		if (rest.n) {
			arg = modifier_arg(rest);
			rest = span_from(rest, arg.n);
		}
	}
	gj_charge(g, json.n);
	*ret_json = fn(g, json, arg);
	*ret_path = rest;
	return (1);
}
