/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/gjson_internal.h"

/*
 * The walk along a path, forward through the text: what does not match is
 * stepped over, what matches is entered.  It recurses once for each part of
 * the path, GJSON_STEPS_MAX deep at most.
 */

/* One value of the document while an array or object is walked. */
enum item_kind { ITEM_NONE, ITEM_STRING, ITEM_NESTED, ITEM_WORD, ITEM_NUMBER };

struct item {
	enum item_kind kind;
	struct span raw;
	int escaped;
};

static int
enter(struct gj *g)
{
	if (++g->steps > GJSON_STEPS_MAX)
		g->failed = 1;
	return (!g->failed);
}

/* What starts at c: 'n' is null's only when a u follows. */
static enum item_kind
kind_of(struct span s, size_t at)
{
	switch (s.p[at]) {
	case '"':
		return (ITEM_STRING);
	case '{': case '[':
		return (ITEM_NESTED);
	case 'n':
		if (at + 1 < s.n && s.p[at + 1] != 'u')
			return (ITEM_NUMBER);
		return (ITEM_WORD);
	case 't': case 'f':
		return (ITEM_WORD);
	case '+': case '-': case '0': case '1': case '2': case '3':
	case '4': case '5': case '6': case '7': case '8': case '9':
	case 'i': case 'I': case 'N':
		return (ITEM_NUMBER);
	default:
		return (ITEM_NONE);
	}
}

/* Take the value at ${at}: the offset behind it.  0: a string without end. */
static int
take(struct span s, size_t at, size_t *ret_end, struct item *ret)
{
	ret->kind = kind_of(s, at);
	ret->escaped = 0;
	switch (ret->kind) {
	case ITEM_STRING:
		return (gj_scan_string(s, at + 1, ret_end, &ret->raw,
		    &ret->escaped));
	case ITEM_NESTED:
		*ret_end = gj_scan_nested(s, at);
		break;
	case ITEM_WORD:
		*ret_end = gj_scan_word(s, at);
		break;
	case ITEM_NUMBER:
		*ret_end = gj_scan_number(s, at);
		break;
	case ITEM_NONE:
		*ret_end = at;
		break;
	}
	ret->raw = span_of(s, at, *ret_end);
	return (1);
}

/* The walk's result.  A null leaves the type as it was: after a query that
 * found nothing it is GJ_JSON, and gjson prints "null" there. */
static void
set_value(struct gj *g, struct gj_value *v, const struct item *item)
{
	v->raw = item->raw;
	switch (item->kind) {
	case ITEM_STRING:
		v->type = GJ_STRING;
		v->str = gj_unquote(g, item->raw, item->escaped);
		break;
	case ITEM_NESTED:
		v->type = GJ_JSON;
		break;
	case ITEM_WORD:
		if (item->raw.p[0] == 't')
			v->type = GJ_TRUE;
		else if (item->raw.p[0] == 'f')
			v->type = GJ_FALSE;
		break;
	case ITEM_NUMBER:
		v->type = GJ_NUMBER;
		v->num = gj_number(item->raw);
		break;
	case ITEM_NONE:
		break;
	}
}

/* The next key at or after *at: 1 found, 0 the object (or the text) ends. */
static int
object_key(struct gj_walk *w, size_t *at, struct span *ret, int *ret_escaped)
{
	struct span s = w->json, raw;

	for (; *at < s.n; (*at)++) {
		if (s.p[*at] == '}') {
			(*at)++;
			return (0);
		}
		if (s.p[*at] != '"')
			continue;
		if (!gj_scan_string(s, *at + 1, at, &raw, ret_escaped))
			return (0);
		*ret = span_of(raw, 1, raw.n - 1);
		return (1);
	}
	return (0);
}

static int
key_matches(struct gj *g, const struct gj_object_path *rp, struct span key,
    int escaped)
{
	if (escaped)
		key = gj_unescape(g, key);
	if (rp->wild)
		return (gj_wildcard(g, key, rp->part));
	return (span_eq(rp->part, key));
}

/* Enter the container at ${at}. */
static size_t
descend(struct gj_walk *w, size_t at, struct span path, int *ret_hit)
{
	return (w->json.p[at] == '{' ?
	    gj_walk_object(w, at + 1, path, ret_hit) :
	    gj_walk_array(w, at + 1, path, ret_hit));
}

/* The value that belongs to a key: 1 the walk is over (hit or broken). */
static int
object_value(struct gj_walk *w, const struct gj_object_path *rp, int matches,
    size_t *at, int *ret_hit)
{
	struct span s = w->json;
	struct item item;

	while (*at < s.n && kind_of(s, *at) == ITEM_NONE)
		(*at)++;
	if (*at >= s.n)
		return (1);
	if (matches && rp->more && kind_of(s, *at) == ITEM_NESTED) {
		*at = descend(w, *at, rp->path, ret_hit);
		return (*ret_hit);
	}
	if (!take(s, *at, at, &item))
		return (1);
	if (matches && !rp->more) {
		set_value(w->g, &w->value, &item);
		*ret_hit = 1;
	}
	return (*ret_hit);
}

size_t
gj_walk_object(struct gj_walk *w, size_t at, struct span path, int *ret_hit)
{
	struct gj_object_path rp = gj_object_path(w->g, path);
	struct span key;
	int escaped, matches;

	*ret_hit = 0;
	if (!rp.more && rp.piped) {
		w->pipe = rp.pipe;
		w->piped = 1;
	}
	if (!enter(w->g))
		return (w->json.n);
	while (!w->g->failed && object_key(w, &at, &key, &escaped)) {
		struct gj_kept *mark = gj_mark(w->g);

		matches = key_matches(w->g, &rp, key, escaped);
		gj_release(w->g, mark);
		if (object_value(w, &rp, matches, &at, ret_hit))
			break;
	}
	w->g->steps--;
	return (at);
}

/* --- arrays -------------------------------------------------------------- */

struct array {
	struct gj_walk *w;
	struct gj_array_path rp;
	int64_t index;		/* wanted, -1 none */
	int64_t count;		/* values begun */
	size_t *starts;		/* for "#.…": where each one was looked for */
	size_t nstarts, cap;
	struct buf found;	/* of a query for all: "[a,b" */
};

/* gjson's parseUint: it wraps around without a word. */
static int64_t
parse_index(struct span s)
{
	uint64_t n = 0;
	size_t i;

	if (s.n == 0)
		return (-1);
	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return (-1);
		n = n * 10 + (uint64_t)(s.p[i] - '0');
	}
	return ((int64_t)n);
}

static void
remember_start(struct array *a, size_t at)
{
	if (a->nstarts == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 32;
		a->starts = mem_grow(a->starts, a->cap, sizeof(*a->starts));
	}
	a->starts[a->nstarts++] = at;
}

static void
add_found(struct array *a, const struct gj_value *v)
{
	size_t len = a->found.len;

	if (len > 1)
		buf_addc(&a->found, ',');
	gj_add_raw(v, &a->found);
	/* Nothing to add: no comma either. */
	if (len > 1 && a->found.len == len + 1)
		buf_cut(&a->found, len);
	gj_charge(a->w->g, a->found.len - len);
}

/* An element against the query: 1 when it is the answer. */
static int
query_item(struct array *a, struct gj_value v)
{
	struct gj_walk *w = a->w;
	struct gj_value tested = v, res = v;

	if (a->rp.query.all && a->found.len == 0)
		buf_addc(&a->found, '[');
	if (v.type == GJ_JSON)
		tested = gj_get(w->g, v.raw, a->rp.query.path);
	else if (a->rp.query.path.n)
		return (0);
	if (!gj_query_matches(w->g, &a->rp, tested))
		return (0);
	if (a->rp.more) {
		struct span left, right;

		/* Once split, the path stays so for the elements to come. */
		if (gj_split_pipe(a->rp.path, &left, &right)) {
			a->rp.path = left;
			w->pipe = right;
			w->piped = 1;
		}
		gj_charge(w->g, a->rp.path.n);
		res = gj_get(w->g, v.raw, a->rp.path);
	}
	if (a->rp.query.all) {
		add_found(a, &res);
		return (0);
	}
	w->value = res;
	return (1);
}

static int
query_take(struct array *a, const struct item *item)
{
	struct gj_value v = { GJ_NULL, { NULL, 0 }, { NULL, 0 }, 0 };
	struct gj_kept *mark = gj_mark(a->w->g);
	int hit;

	set_value(a->w->g, &v, item);
	hit = query_item(a, v);
	if (!hit)
		gj_release(a->w->g, mark);
	return (hit);
}

/* "#.path": the path in every element, what exists of it in one array. */
static void
all_of(struct array *a)
{
	struct gj_walk *w = a->w;
	struct buf out = gj_buf(w->g);
	struct span left, right;
	struct gj_value v;
	size_t i, at;

	if (gj_split_pipe(a->rp.all_of_key, &left, &right)) {
		a->rp.all_of_key = left;
		w->pipe = right;
		w->piped = 1;
	}
	buf_addc(&out, '[');
	for (i = 0; i < a->nstarts && !w->g->failed; i++) {
		struct gj_kept *mark = gj_mark(w->g);

		for (at = a->starts[i]; at < w->json.n; at++)
			if (!strchr(" \t\r\n", w->json.p[at]) ||
			    !w->json.p[at])
				break;
		if (at >= w->json.n || w->json.p[at] == ']')
			continue;
		if (gj_next(w->g, w->json, &at, &v))
			v = gj_get(w->g, v.raw, a->rp.all_of_key);
		if (gj_exists(&v)) {
			if (out.len > 1)
				buf_addc(&out, ',');
			gj_charge(w->g, v.raw.n);
			gj_add_raw(&v, &out);
		}
		gj_release(w->g, mark);
	}
	buf_addc(&out, ']');
	w->value = (struct gj_value){ GJ_JSON, gj_keep(w->g, &out),
	    { NULL, 0 }, 0 };
}

/* The closing bracket, or the end of the text in its place. */
static int
array_end(struct array *a)
{
	struct gj_walk *w = a->w;
	struct gj *g = w->g;
	struct buf out;

	if (a->rp.counts && span_is(a->rp.part, "#")) {
		if (a->rp.all_of) {
			all_of(a);
			return (1);
		}
		out = gj_buf(g);
		buf_addf(&out, "%lld", (long long)(a->count - 1));
		w->value = (struct gj_value){ GJ_NUMBER, gj_keep(g, &out),
		    { NULL, 0 }, (double)(a->count - 1) };
		return (1);
	}
	if (gj_exists(&w->value) || (!a->found.len && !a->rp.query.all))
		return (0);
	if (!a->found.len)
		buf_addc(&a->found, '[');
	buf_addc(&a->found, ']');
	w->value = (struct gj_value){ GJ_JSON, gj_keep(g, &a->found),
	    { NULL, 0 }, 0 };
	return (0);
}

/* The value at ${at}: 1 when the walk is over. */
static int
array_value(struct array *a, size_t *at, int *ret_hit)
{
	struct gj_walk *w = a->w;
	int matches = !a->rp.counts && a->index == a->count - 1;
	struct item item;

	if (matches && a->rp.more && kind_of(w->json, *at) == ITEM_NESTED) {
		*at = descend(w, *at, a->rp.path, ret_hit);
		return (*ret_hit);
	}
	if (!take(w->json, *at, at, &item))
		return (1);
	if (a->rp.query.on) {
		*ret_hit = query_take(a, &item);
	} else if (matches && !a->rp.more) {
		set_value(w->g, &w->value, &item);
		*ret_hit = 1;
	}
	return (*ret_hit);
}

/* To the next value: 1 there is one, 0 the array's end. */
static int
array_seek(struct array *a, size_t *at)
{
	struct span s = a->w->json;

	for (; *at < s.n; (*at)++) {
		if (s.p[*at] == ']')
			return (0);
		if (kind_of(s, *at) != ITEM_NONE)
			return (1);
	}
	return (0);
}

size_t
gj_walk_array(struct gj_walk *w, size_t at, struct span path, int *ret_hit)
{
	struct array a;

	memset(&a, 0, sizeof(a));
	*ret_hit = 0;
	a.w = w;
	a.rp = gj_array_path(w->g, path);
	a.found = gj_buf(w->g);
	a.index = a.rp.counts ? -1 : parse_index(a.rp.part);
	if (!a.rp.more && a.rp.piped) {
		w->pipe = a.rp.pipe;
		w->piped = 1;
	}
	if (!enter(w->g))
		return (w->json.n);
	/* Beyond the end by one: a string without an end swallowed it, and no
	 * bracket is imagined there. */
	while (at <= w->json.n && !w->g->failed) {
		a.count++;
		if (a.rp.all_of)
			remember_start(&a, at);
		if (!array_seek(&a, &at)) {
			*ret_hit = array_end(&a);
			at++;
			break;
		}
		if (array_value(&a, &at, ret_hit))
			break;
	}
	buf_clear(&a.found);
	free(a.starts);
	w->g->steps--;
	return (at);
}
