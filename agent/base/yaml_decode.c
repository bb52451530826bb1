/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json_internal.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "base/yaml_internal.h"

#define INDEX_FROM 16	/* members from which looking up pays */

struct decoder {
	const struct yt *t;
	struct yaml_doc *doc;
	struct yaml_cost *cost;
	struct err *err;
	int aliases;		/* that are being followed */
};

struct member {
	char *key;
	struct json *value;
	uint32_t by;		/* the mapping that set it last */
};

/* A mapping on its way to an object; merges write into the same one. */
struct members {
	struct member *v;
	size_t n;
	size_t cap;
	struct strmap *index;	/* key → number + 1 */
};

static struct json *decode(struct decoder *d, uint32_t number, int depth);

static int
fail(struct decoder *d, const struct yt_node *n, const char *why)
{
	return (err_set(d->err, ERR_INVALID, "line %d: %s", n->line, why));
}

/* decode.go, allowedAliasRatio: how much of the result may come from aliases,
 * 99 % of small documents, 10 % of very large ones. */
static double
allowed_ratio(size_t decodes)
{
	const double low = 400000, high = 4000000;
	double n = (double)decodes;

	if (n <= low)
		return (0.99);
	if (n >= high)
		return (0.10);
	return (0.99 - 0.89 * ((n - low) / (high - low)));
}

/* One more node of the result.  Aliases make a small file large, so the
 * bounds are on what comes out. */
static int
count(struct decoder *d, const struct yt_node *n)
{
#ifdef WEAKEN_YAML_ALIAS
	(void)d;
	(void)n;
	(void)allowed_ratio;
#else
	struct yaml_cost *c = d->cost;

	c->decodes++;
	c->aliased += d->aliases > 0;
	c->bytes += n->len;
	if (c->decodes > YAML_NODES_MAX || c->bytes > YAML_BYTES_MAX)
		return (err_set(d->err, ERR_LIMIT,
		    "line %d: more than %d nodes or %zu bytes", n->line,
		    YAML_NODES_MAX, YAML_BYTES_MAX));
	if (c->aliased > 100 && c->decodes > 1000 && (double)c->aliased >
	    allowed_ratio(c->decodes) * (double)c->decodes)
		return (err_set(d->err, ERR_LIMIT,
		    "line %d: excessive aliasing", n->line));
#endif
	return (0);
}

static const char *
short_tag(const char *tag)
{
	return (strncmp(tag, YAML_TAG, strlen(YAML_TAG)) == 0 ?
	    tag + strlen(YAML_TAG) : NULL);
}

/* A tag that says what a scalar must be, against what it is. */
static int
check_tag(struct decoder *d, const struct yt_node *n, const char *tag,
    struct yv *v)
{
	static const struct {
		const char *tag;
		enum yv_kind kind, also;
	} wants[] = {
		{ "bool", YV_BOOL, YV_BOOL },
		{ "int", YV_INT, YV_UINT },
		{ "float", YV_FLOAT, YV_FLOAT },
		{ "null", YV_NULL, YV_NULL },
		{ "timestamp", YV_TIME, YV_TIME },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(wants) && strcmp(tag, wants[i].tag); i++)
		continue;
	if (i == ARRAY_LEN(wants)) {
		/* str, merge, binary, and whatever is nobody's: text. */
		v->kind = YV_TEXT;
		return (0);
	}
	if (v->kind == wants[i].kind || v->kind == wants[i].also)
		return (0);
	if (wants[i].kind == YV_FLOAT && v->kind == YV_INT) {
		v->kind = YV_FLOAT;
		v->d = (double)v->i;
		return (0);
	}
	return (err_set(d->err, ERR_INVALID,
	    "line %d: cannot decode the value as a !!%s", n->line, tag));
}

/* decode.go, scalar, and resolve.go, resolve: what the scalar is. */
static int
classify(struct decoder *d, const struct yt_node *n, struct yv *ret)
{
	const char *tag = n->tag ? short_tag(n->tag) : NULL;

	ret->kind = YV_TEXT;
	if (n->tag ? !tag : !n->implicit)
		return (0);
	yaml_resolve(n->text, n->len, ret);
	return (tag ? check_tag(d, n, tag, ret) : 0);
}

/* The text of a scalar that is text: !!binary decoded, as UTF-8 (other bytes
 * become U+FFFD when the JSON is written there), without a NUL. */
static int
scalar_text(struct decoder *d, const struct yt_node *n, struct buf *out)
{
	cleanup_buf struct buf raw = BUF_SECRET(YAML_INPUT_MAX);
	size_t at, step;
	uint32_t rune;

	if (!str_eq(n->tag, YAML_TAG "binary")) {
		buf_add(out, n->text, n->len);
	} else if (codec_b64_decode(&raw, n->text, n->len, CODEC_B64_STD,
	    NULL) == -1) {
		return (fail(d, n,
		    "!!binary value contains invalid base64 data"));
	}
	for (at = 0; at < raw.len; at += step) {
		step = utf8_next(raw.data + at, raw.len - at, &rune);
		utf8_add(out, rune);
	}
	if (memchr(buf_str(out), '\0', out->len))
		return (fail(d, n, "a string holds a NUL character"));
	return (buf_finish(out, "string", d->err));
}

/* An integer keeps the digits that a double does not hold. */
static struct json *
whole_number(double approx, uint64_t n, int negative)
{
	struct json *j = json_new_num(approx);
	char digits[24];

	if (n > (uint64_t)1 << 53)
		json_set_digits(j, digits, (size_t)snprintf(digits,
		    sizeof(digits), "%s%llu", negative ? "-" : "",
		    (unsigned long long)n));
	return (j);
}

static struct json *
decode_scalar(struct decoder *d, const struct yt_node *n)
{
	cleanup_buf struct buf text = BUF_SECRET((size_t)3 * YAML_INPUT_MAX);
	struct yv v;

	if (classify(d, n, &v) == -1)
		return (NULL);
	switch (v.kind) {
	case YV_NULL:
		return (json_new_null());
	case YV_BOOL:
		return (json_new_bool(v.b));
	case YV_INT:
		return (whole_number((double)v.i, v.i < 0 ? 0 - (uint64_t)v.i :
		    (uint64_t)v.i, v.i < 0));
	case YV_UINT:
		return (whole_number((double)v.u, v.u, 0));
	case YV_FLOAT:
		if (isfinite(v.d))
			return (json_new_num(v.d));
		fail(d, n, isnan(v.d) ? "JSON has no NaN" : v.d < 0 ?
		    "JSON has no -Inf" : "JSON has no +Inf");
		return (NULL);
	default:
		if (scalar_text(d, n, &text) == -1)
			return (NULL);
		return (json_new_strn(buf_str(&text), text.len));
	}
}

/* sigs.k8s.io/yaml, convertToJSONableObject: keys as text. */
static int
key_text(struct decoder *d, const struct yt_node *n, struct buf *out)
{
	struct yv v;

	if (n->kind != YT_SCALAR)
		return (fail(d, n, "a key is not a scalar"));
	if (classify(d, n, &v) == -1)
		return (-1);
	switch (v.kind) {
	case YV_NULL:
		return (fail(d, n, "a key is null"));
	case YV_UINT:
		return (fail(d, n, "a key is an integer above 2^63-1"));
	case YV_BOOL:
		buf_adds(out, v.b ? "true" : "false");
		return (0);
	case YV_INT:
		buf_addf(out, "%lld", (long long)v.i);
		return (0);
	case YV_FLOAT:
		yaml_print_float(v.d, 1, out);
		return (0);
	default:
		return (scalar_text(d, n, out));
	}
}

static struct member *
find_member(struct members *m, const char *key)
{
	size_t i;

	if (m->index) {
		i = (size_t)(uintptr_t)strmap_get(m->index, key);
		return (i ? &m->v[i - 1] : NULL);
	}
	for (i = 0; i < m->n; i++)
#ifdef WEAKEN_YAML_BOUNDS
		if (memcmp(m->v[i].key, key, strlen(key) + 1) == 0)
#else
		if (strcmp(m->v[i].key, key) == 0)
#endif
			return (&m->v[i]);
	return (NULL);
}

static void
index_member(struct members *m, size_t i)
{
	strmap_put(m->index, m->v[i].key, (void *)(uintptr_t)(i + 1));
}

static struct member *
add_member(struct members *m, const char *key)
{
	struct member *e;
	size_t i;

	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 8;
		m->v = mem_grow(m->v, m->cap, sizeof(*m->v));
	}
	e = &m->v[m->n++];
	*e = (struct member){ .key = str_dup(key) };
	if (m->index)
		index_member(m, m->n - 1);
	else if (m->n == INDEX_FROM) {
		m->index = strmap_new(NULL);
		for (i = 0; i < m->n; i++)
			index_member(m, i);
	}
	return (e);
}

static void
members_clear(struct members *m)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		free(m->v[i].key);
		json_free(m->v[i].value);
	}
	free(m->v);
	strmap_free(m->index);
}

/* Reported once, where it stands, not wherever an alias repeats it. */
static void
note_dup(struct decoder *d, const struct yt_node *key, const char *text)
{
	struct yaml_doc *doc = d->doc;

	if (d->aliases > 0)
		return;
	doc->dups = mem_grow(doc->dups, doc->ndups + 1, sizeof(*doc->dups));
	doc->dups[doc->ndups++] = (struct yaml_dup){ key->line,
		str_dup(text) };
}

/* Follow an alias (or nothing) for one call; back to 0 with unfollow. */
static int
follow(struct decoder *d, uint32_t *number)
{
	struct yt_node *n = yt_at(d->t, *number);

	if (n->kind != YT_ALIAS)
		return (0);
	if (n->busy)
		return (fail(d, n, "an anchor's value contains itself"));
	if (count(d, n) == -1)
		return (-1);
	n->busy = 1;
	d->aliases++;
	*number = n->target;
	return (0);
}

static void
unfollow(struct decoder *d, uint32_t number)
{
	struct yt_node *n = yt_at(d->t, number);

	if (n->kind != YT_ALIAS)
		return;
	n->busy = 0;
	d->aliases--;
}

static int fill(struct decoder *d, uint32_t mapping, struct members *m,
    int depth);

/* << with a mapping or an alias of one. */
static int
merge_one(struct decoder *d, uint32_t number, struct members *m, int depth)
{
	uint32_t target = number;
	int rc = -1;

	if (follow(d, &target) == -1)
		return (-1);
	if (yt_at(d->t, target)->kind != YT_MAPPING)
		fail(d, yt_at(d->t, number),
		    "map merge requires map or sequence of maps as the value");
	else if (count(d, yt_at(d->t, target)) == 0)
		rc = fill(d, target, m, depth);
	unfollow(d, number);
	return (rc);
}

/* A sequence of mappings: the first has precedence, so the last goes first. */
static int
merge(struct decoder *d, uint32_t number, struct members *m, int depth)
{
	const struct yt_node *n = yt_at(d->t, number);
	cleanup_free uint32_t *list = NULL;
	size_t len = 0;
	uint32_t at;

	if (depth >= JSON_DEPTH_MAX)
		return (err_set(d->err, ERR_LIMIT,
		    "line %d: nested too deeply", n->line));
	if (n->kind != YT_SEQUENCE)
		return (merge_one(d, number, m, depth + 1));
	for (at = n->first; at; at = yt_at(d->t, at)->next)
		len++;
	list = mem_array(len, sizeof(*list));
	len = 0;
	for (at = n->first; at; at = yt_at(d->t, at)->next)
		list[len++] = at;
	while (len > 0)
		if (merge_one(d, list[--len], m, depth + 1) == -1)
			return (-1);
	return (0);
}

static int
is_merge(const struct yt_node *n)
{
	return (n->kind == YT_SCALAR && strcmp(n->text, "<<") == 0 &&
	    (n->implicit || str_eq(n->tag, YAML_TAG "merge")));
}

/* One "key: value" of the mapping ${by}. */
static int
fill_member(struct decoder *d, uint32_t key, uint32_t value,
    struct members *m, uint32_t by, int depth)
{
	cleanup_buf struct buf text = BUF_PLAIN((size_t)3 * YAML_INPUT_MAX);
	uint32_t target = key;
	struct member *e;
	struct json *j;
	int rc = -1;

	if (follow(d, &target) == -1)
		return (-1);
	if (count(d, yt_at(d->t, target)) == 0)
		rc = key_text(d, yt_at(d->t, target), &text);
	unfollow(d, key);
	if (rc == -1)
		return (-1);
	j = decode(d, value, depth);
	if (!j)
		return (-1);
	e = find_member(m, buf_str(&text));
	if (!e)
		e = add_member(m, buf_str(&text));
	else if (e->by == by)
		note_dup(d, yt_at(d->t, key), e->key);
	json_free(e->value);
	e->value = j;
	e->by = by;
	return (0);
}

static int
fill(struct decoder *d, uint32_t mapping, struct members *m, int depth)
{
	uint32_t key, value;
	int rc;

	for (key = yt_at(d->t, mapping)->first; key;
	    key = yt_at(d->t, value)->next) {
		value = yt_at(d->t, key)->next;
		if (is_merge(yt_at(d->t, key)))
			rc = merge(d, value, m, depth);
		else
			rc = fill_member(d, key, value, m, mapping, depth);
		if (rc == -1)
			return (-1);
	}
	return (0);
}

static struct json *
decode_mapping(struct decoder *d, uint32_t number, int depth)
{
	struct members m = { 0 };
	struct json *obj = NULL;
	size_t i;

	if (fill(d, number, &m, depth) == 0) {
		obj = json_new_object();
		for (i = 0; i < m.n; i++)
			json_append(obj, m.v[i].key, STEAL(m.v[i].value));
	}
	members_clear(&m);
	return (obj);
}

static struct json *
decode_sequence(struct decoder *d, uint32_t number, int depth)
{
	struct json *arr = json_new_array(), *v;
	uint32_t at;

	for (at = yt_at(d->t, number)->first; at; at = yt_at(d->t, at)->next) {
		v = decode(d, at, depth);
		if (!v) {
			json_free(arr);
			return (NULL);
		}
		json_push(arr, v);
	}
	return (arr);
}

/* ${depth}: of the containers around. */
static struct json *
decode_target(struct decoder *d, uint32_t number, int depth)
{
	const struct yt_node *n = yt_at(d->t, number);
	struct json *j;

	if (count(d, n) == -1)
		return (NULL);
	if (n->kind == YT_SCALAR) {
		j = decode_scalar(d, n);
	} else if (depth >= JSON_DEPTH_MAX) {
		err_set(d->err, ERR_LIMIT, "line %d: nested too deeply",
		    n->line);
		return (NULL);
	} else if (n->kind == YT_MAPPING) {
		j = decode_mapping(d, number, depth + 1);
	} else {
		j = decode_sequence(d, number, depth + 1);
	}
	if (j)
		json_set_line(j, n->line);
	return (j);
}

static struct json *
decode(struct decoder *d, uint32_t number, int depth)
{
	uint32_t target = number;
	struct json *j;

	if (follow(d, &target) == -1)
		return (NULL);
	j = decode_target(d, target, depth);
	unfollow(d, number);
	return (j);
}

int
yaml_decode(const struct yt *t, uint32_t root, struct yaml_doc *doc,
    struct yaml_cost *cost, struct err *err)
{
	struct decoder d = { t, doc, cost, err, 0 };
	const struct yt_node *n = yt_at(t, root);

	/* Nothing at all between two document marks. */
	if (n->kind == YT_SCALAR && n->implicit && !n->tag && n->len == 0)
		return (0);
	cost->decodes++;
	doc->root = decode(&d, root, 0);
	return (doc->root ? 0 : -1);
}
