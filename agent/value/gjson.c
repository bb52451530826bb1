/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/gjson_internal.h"
#include "value/num.h"

/* --- spans --------------------------------------------------------------- */

int
span_eq(struct span a, struct span b)
{
	return (a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
}

int
span_is(struct span s, const char *text)
{
	return (span_eq(s, (struct span){ text, strlen(text) }));
}

int
span_cmp(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return (c ? c : a.n < b.n ? -1 : a.n > b.n);
}

struct span
span_trim(struct span s)
{
	while (s.n && (unsigned char)s.p[0] <= ' ')
		s = span_from(s, 1);
	while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
		s.n--;
	return (s);
}

/* --- bounds and kept texts ----------------------------------------------- */

int
gj_charge(struct gj *g, size_t n)
{
#ifdef WEAKEN_GJSON_WORK
	n = 0;
#endif
	if (n > g->work)
		g->failed = 1;
	if (g->failed)
		return (0);
	g->work -= n;
	return (1);
}

struct buf
gj_buf(const struct gj *g)
{
	return ((struct buf)BUF_SECRET(g->failed ? 0 : g->memory));
}

struct span
gj_keep(struct gj *g, struct buf *b)
{
	struct gj_kept *k;

	if (!buf_ok(b) || b->len > g->memory || !gj_charge(g, b->len + 1)) {
		g->failed = 1;
		buf_clear(b);
		return ((struct span){ "", 0 });
	}
	k = mem_alloc(sizeof(*k));
	k->below = g->kept;
	k->buf = *b;
	*b = (struct buf)BUF_SECRET(0);
	g->kept = k;
	g->memory -= k->buf.len;
	return ((struct span){ buf_str(&k->buf), k->buf.len });
}

struct gj_kept *
gj_mark(const struct gj *g)
{
	return (g->kept);
}

void
gj_release(struct gj *g, struct gj_kept *mark)
{
	while (g->kept != mark) {
		struct gj_kept *k = g->kept;

		g->kept = k->below;
		g->memory += k->buf.len;
		buf_clear(&k->buf);
		free(k);
	}
}

/* --- values -------------------------------------------------------------- */

int
gj_exists(const struct gj_value *v)
{
	return (v->type != GJ_NULL || v->raw.n);
}

static void
number_string(struct span raw, double num, struct buf *out)
{
	size_t i;

	for (i = raw.n && raw.p[0] == '-'; i < raw.n; i++)
		if (raw.p[i] < '0' || raw.p[i] > '9')
			break;
	if (raw.n && i == raw.n)
		buf_add(out, raw.p, raw.n);
	else
		num_print(num, out);
}

void
gj_string(const struct gj_value *v, struct buf *out)
{
	switch (v->type) {
	case GJ_FALSE:
		buf_adds(out, "false");
		break;
	case GJ_TRUE:
		buf_adds(out, "true");
		break;
	case GJ_NUMBER:
		number_string(v->raw, v->num, out);
		break;
	case GJ_STRING:
		buf_add(out, v->str.p, v->str.n);
		break;
	case GJ_JSON:
		buf_add(out, v->raw.p, v->raw.n);
		break;
	case GJ_NULL:
		break;
	}
}

void
gj_add_raw(const struct gj_value *v, struct buf *out)
{
	if (v->raw.n)
		buf_add(out, v->raw.p, v->raw.n);
	else
		gj_string(v, out);
}

/* --- gjson.Get ----------------------------------------------------------- */

/* !true, !"text", !{…}: a value out of the path itself. */
static int
exec_static(struct span path, struct span *ret_json, struct span *ret_path)
{
	static const char *const words[] = { "true", "false", "null", "nan",
	    "inf" };
	struct span name = span_from(path, 1);
	size_t i;

	if (name.p[0] && strchr("{[\"+-0123456789", name.p[0])) {
		*ret_json = span_to(name, gj_scan_nested(name, 0));
		*ret_path = span_from(name, ret_json->n);
		return (1);
	}
	for (i = 0; i < name.n; i++)
		if (name.p[i] == '|' || name.p[i] == '.')
			break;
	*ret_path = span_from(name, i);
	name = span_to(name, i);
	*ret_json = name;
	for (i = 0; i < ARRAY_LEN(words); i++)
		if (name.n == strlen(words[i]) &&
		    strncasecmp(name.p, words[i], name.n) == 0)
			return (1);
	return (0);
}

static struct span
name_of_last(struct span path)
{
	size_t i;

	for (i = path.n; i-- > 0;)
		if ((path.p[i] == '|' || path.p[i] == '.') &&
		    (i == 0 || path.p[i - 1] != '\\'))
			return (span_from(path, i + 1));
	return (path);
}

static int
is_simple_name(struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' ||
		    strchr("[]{}()#|!", s.p[i]))
			return (0);
	return (1);
}

static void
add_name(const struct gj_selector *sel, struct buf *out)
{
	struct span last;
	struct doc ignored;

	if (sel->name.n && sel->name.p[0] == '"' &&
	    doc_parse(sel->name.p, sel->name.n, &ignored, NULL) == 0) {
		buf_add(out, sel->name.p, sel->name.n);
	} else if (sel->name.n) {
		codec_json_string(out, sel->name.p, sel->name.n, 1);
	} else {
		last = name_of_last(sel->path);
		if (!is_simple_name(last))
			last = (struct span){ "_", 1 };
		codec_json_string(out, last.p, last.n, 1);
	}
	buf_addc(out, ':');
}

static void
add_selected(struct gj *g, struct span json, const struct gj_selector *sel,
    int object, struct buf *out)
{
	struct gj_kept *mark = gj_mark(g);
	struct gj_value v = gj_get(g, json, sel->path);
	size_t len;

	if (gj_exists(&v) && gj_charge(g, v.raw.n + sel->name.n)) {
		if (out->len > 1)
			buf_addc(out, ',');
		if (object)
			add_name(sel, out);
		len = out->len;
		gj_add_raw(&v, out);
		if (out->len == len)
			buf_adds(out, "null");
	}
	gj_release(g, mark);
}

/* [a,b] or {x:a,"y":b} at the path's start: 1 and the document it makes; 0
 * when it is none, and *io_path is then what gjson goes on with. */
static int
multipath(struct gj *g, struct span json, struct span *io_path,
    struct span *ret)
{
	struct span path = *io_path;
	struct buf out = gj_buf(g);
	struct gj_selector sel;
	size_t at = 1;
	int more;

	/* gjson looks at all selectors before it evaluates the first. */
	gj_charge(g, 2 * path.n);
	do {
		more = gj_selectors(path, &at, &sel);
	} while (more == 1);
	*io_path = more == 0 ? span_from(path, path.n) : span_from(path, at);
	if (more == 0 || (io_path->n && io_path->p[0] != '|' &&
	    io_path->p[0] != '.'))
		return (0);
	buf_addc(&out, path.p[0]);
	at = 1;
	do {
		more = gj_selectors(path, &at, &sel);
		add_selected(g, json, &sel, path.p[0] == '{', &out);
	} while (more == 1 && !g->failed);
	buf_addc(&out, path.p[0] == '{' ? '}' : ']');
	*ret = gj_keep(g, &out);
	return (1);
}

static struct gj_walk
walk(struct gj *g, struct span json, struct span path)
{
	struct gj_walk w;
	size_t i;
	int hit;

	memset(&w, 0, sizeof(w));
	w.g = g;
	w.json = json;
	if (path.n >= 2 && path.p[0] == '.' && path.p[1] == '.') {
		gj_walk_array(&w, 0, span_from(path, 2), &hit);
		return (w);
	}
	for (i = 0; i < json.n; i++) {
		if (json.p[i] == '{') {
			gj_walk_object(&w, i + 1, path, &hit);
			break;
		}
		if (json.p[i] == '[') {
			gj_walk_array(&w, i + 1, path, &hit);
			break;
		}
	}
	return (w);
}

/*
 * One stage of a path: 1 when the stages behind a pipe are to be applied to
 * *io_json, 0 when *ret is the answer.
 */
static int
get_stage(struct gj *g, struct span *io_json, struct span *io_path,
    struct gj_value *ret)
{
	struct span json = *io_json, path = *io_path, rest;
	struct gj_walk w;
	int made = 0;

	if (path.n > 1 && path.p[0] == '@')
		made = gj_modifier(g, json, path, &json, &rest);
	else if (path.n > 1 && path.p[0] == '!')
		made = exec_static(path, &json, &rest);
	gj_charge(g, made ? path.n - rest.n : 0);
	if (made) {
		*io_json = json;
		*io_path = span_from(rest, 1);
		if (rest.n && (rest.p[0] == '|' || rest.p[0] == '.'))
			return (1);
		*ret = gj_parse(g, json);
		return (0);
	}
	json = *io_json;
	if (path.n > 1 && (path.p[0] == '[' || path.p[0] == '{') &&
	    multipath(g, json, &path, io_json)) {
		*io_path = span_from(path, 1);
		*ret = (struct gj_value){ GJ_JSON, *io_json, { NULL, 0 }, 0 };
		return (path.n != 0);
	}
	w = walk(g, json, path);
	*ret = w.value;
	*io_json = w.value.raw;
	*io_path = w.pipe;
	return (w.piped);
}

struct gj_value
gj_get(struct gj *g, struct span json, struct span path)
{
	struct gj_value none = { GJ_NULL, { NULL, 0 }, { NULL, 0 }, 0 };
	struct gj_value v = none;
	int more = 1;

	if (g->depth >= GJSON_DEPTH_MAX)
		g->failed = 1;
	g->depth++;
	while (more && gj_charge(g, json.n + 16)) {
		/* What does not exist is an empty text to the next stage. */
		if (!json.p)
			json = (struct span){ "", 0 };
		more = get_stage(g, &json, &path, &v);
	}
	g->depth--;
	return (g->failed ? none : v);
}

static enum doc_type
doc_type_of(const struct gj_value *v)
{
	static const enum doc_type types[] = { [GJ_NULL] = DOC_NULL,
	    [GJ_FALSE] = DOC_FALSE, [GJ_NUMBER] = DOC_NUMBER,
	    [GJ_STRING] = DOC_STRING, [GJ_TRUE] = DOC_TRUE,
	    [GJ_JSON] = DOC_ARRAY };

	if (!gj_exists(v))
		return (DOC_NONE);
	return (gj_is_object(v) ? DOC_OBJECT : types[v->type]);
}

static void
copy_out(struct buf *to, struct span from)
{
	*to = (struct buf)BUF_SECRET(from.n);
	buf_add(to, from.p, from.n);
}

void
gjson_get(const char *json, size_t len, const char *path, struct gjson *ret)
{
	struct span s = { json, len }, p = { path, strlen(path) };
	struct gj g = { NULL, GJSON_WORK_MAX, GJ_MEMORY_MAX, 0, 0, 0 };
	struct gj_value v;

	if (len + p.n + 1024 < GJSON_WORK_MAX / GJSON_WORK_FACTOR)
		g.work = (len + p.n + 1024) * GJSON_WORK_FACTOR;
	if (len < (GJ_MEMORY_MAX - GJ_MEMORY_MIN) / 8)
		g.memory = GJ_MEMORY_MIN + 8 * len;
	v = gj_get(&g, s, p);
	ret->type = doc_type_of(&v);
	ret->num = v.num;
	ret->limited = g.failed;
	copy_out(&ret->raw, v.raw);
	copy_out(&ret->str, v.str);
	gj_release(&g, NULL);
}

void
gjson_string(const struct gjson *g, struct buf *out)
{
	switch (g->type) {
	case DOC_STRING:
		buf_add(out, buf_str(&g->str), g->str.len);
		break;
	case DOC_NUMBER:
		number_string((struct span){ buf_str(&g->raw), g->raw.len },
		    g->num, out);
		break;
	case DOC_TRUE:
		buf_adds(out, "true");
		break;
	case DOC_FALSE:
		buf_adds(out, "false");
		break;
	case DOC_ARRAY:
	case DOC_OBJECT:
		buf_add(out, buf_str(&g->raw), g->raw.len);
		break;
	case DOC_NONE:
	case DOC_NULL:
		break;
	}
}

void
gjson_clear(struct gjson *g)
{
	buf_clear(&g->raw);
	buf_clear(&g->str);
	g->type = DOC_NONE;
	g->num = 0;
}
