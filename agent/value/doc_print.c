/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/secret.h"
#include "value/doc.h"
#include "value/doc_internal.h"
#include "value/num.h"

/*
 * To print an object with its keys sorted one must know where its members
 * end; looking for that at every level would cost size times depth.  So one
 * pass writes down all values first, and the printer walks that list with a
 * stack of its own: linear, and no recursion on a hostile depth.
 */
struct node {
	size_t off, end;	/* the value's bytes (end: of scalars) */
	size_t next;		/* the node behind this one's children */
};

struct nodes {
	struct node *v;
	size_t n, cap;
};

struct member {
	size_t key_off, key_len;	/* in the level's keys */
	size_t node;			/* of the value */
};

/* An open container while printing. */
struct level {
	struct buf keys;
	struct member *members;
	size_t n, i;
	int object;
};

struct printer {
	const struct doc *d;
	const struct nodes *nodes;
	struct level *levels;
	size_t depth, cap;
	struct buf *out;
	int html, number;
};

static size_t
nodes_add(struct nodes *t, size_t off, size_t end)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->v = mem_grow(t->v, t->cap, sizeof(*t->v));
	}
	t->v[t->n] = (struct node){ off, end, t->n + 1 };
	return (t->n++);
}

static void
nodes_index(const struct doc *d, struct nodes *ret)
{
	size_t *open = NULL, depth = 0, cap = 0, at = 0, end;

	for (;;) {
		at = doc_skip_filling(d->raw, d->len, at);
		if (at >= d->len)
			break;
		if (d->raw[at] == '{' || d->raw[at] == '[') {
			if (depth == cap) {
				cap = cap ? cap * 2 : 16;
				open = mem_grow(open, cap, sizeof(*open));
			}
			open[depth++] = nodes_add(ret, at, at);
			at++;
		} else if (d->raw[at] == '}' || d->raw[at] == ']') {
			if (depth == 0)
				break;
			ret->v[open[--depth]].next = ret->n;
			at++;
		} else {
			end = doc_skip_scalar(d->raw, d->len, at);
			if (end == at)
				break;
			nodes_add(ret, at, end);
			at = end;
		}
	}
	free(open);
}

static struct doc
node_doc(const struct printer *p, size_t node)
{
	const struct node *v = &p->nodes->v[node];

	return ((struct doc){ doc_type_at(p->d->raw, p->d->len, v->off),
	    p->d->raw + v->off, v->end - v->off });
}

static int
cmp_members(const void *a, const void *b, void *keys)
{
	const struct member *x = a, *y = b;
	const char *base = keys;
	size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
	int c = n ? memcmp(base + x->key_off, base + y->key_off, n) : 0;

	if (c == 0 && x->key_len != y->key_len)
		c = x->key_len < y->key_len ? -1 : 1;
	if (c == 0)
		c = x->node < y->node ? -1 : 1;
	return (c);
}

static int
same_key(const struct level *l, const struct member *x, const struct member *y)
{
	return (x->key_len == y->key_len && (x->key_len == 0 ||
	    memcmp(l->keys.data + x->key_off, l->keys.data + y->key_off,
	    x->key_len) == 0));
}

/* Sort by key; of equal keys the last in the document counts. */
static void
sort_members(struct level *l)
{
	size_t i, n = 0;

	qsort_r(l->members, l->n, sizeof(*l->members), cmp_members,
	    l->keys.data);
	for (i = 0; i < l->n; i++) {
		if (n && same_key(l, &l->members[n - 1], &l->members[i]))
			n--;
		l->members[n++] = l->members[i];
	}
	l->n = n;
}

static void
level_open(struct printer *p, size_t node)
{
	const struct node *v = p->nodes->v;
	size_t i, cap = 0, end = v[node].next;
	struct level *l;
	struct doc key;

	if (p->depth == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 8;
		p->levels = mem_grow(p->levels, p->cap, sizeof(*p->levels));
	}
	l = &p->levels[p->depth++];
	*l = (struct level){ BUF_SECRET(p->d->len * 3), NULL, 0, 0, 0 };
	l->object = p->d->raw[v[node].off] == '{';
	for (i = node + 1; i < end; i = v[i].next) {
		struct member m = { l->keys.len, 0, i };

		if (l->n == cap) {
			cap = cap ? cap * 2 : 8;
			l->members = mem_grow(l->members, cap, sizeof(m));
		}
		if (l->object) {
			key = node_doc(p, i);
			doc_string(&key, &l->keys);
			m.key_len = l->keys.len - m.key_off;
			i = m.node = v[i].next;
			if (i >= end)
				break;
		}
		l->members[l->n++] = m;
	}
	if (l->object && l->n)
		sort_members(l);
	buf_addc(p->out, l->object ? '{' : '[');
}

static void
level_close(struct printer *p)
{
	struct level *l = &p->levels[--p->depth];

	buf_addc(p->out, l->object ? '}' : ']');
	buf_clear(&l->keys);
	free(l->members);
}

static void
print_scalar(struct printer *p, const struct doc *d)
{
	double num;

	if (d->type == DOC_STRING) {
		cleanup_buf struct buf text = BUF_SECRET(d->len * 3);

		doc_string(d, &text);
		codec_json_string(p->out, buf_str(&text), text.len, p->html);
	} else if (d->type == DOC_NUMBER && !p->number) {
		num_parse(d->raw, d->len, &num);
		num_print_json(num, p->out);
	} else {
		buf_add(p->out, d->raw, d->len);
	}
}

static void
print_node(struct printer *p, size_t node)
{
	struct doc d = node_doc(p, node);

	if (d.type == DOC_OBJECT || d.type == DOC_ARRAY)
		level_open(p, node);
	else
		print_scalar(p, &d);
}

static void
print_all(struct printer *p)
{
	print_node(p, 0);
	while (p->depth) {
		struct level *l = &p->levels[p->depth - 1];
		const struct member *m;

		if (l->i == l->n) {
			level_close(p);
			continue;
		}
		m = &l->members[l->i];
		if (l->i++)
			buf_addc(p->out, ',');
		if (l->object) {
			codec_json_string(p->out, buf_str(&l->keys) +
			    m->key_off, m->key_len, p->html);
			buf_addc(p->out, ':');
		}
		print_node(p, m->node);
	}
}

void
doc_marshal(const struct doc *d, struct buf *out, int html, int number)
{
	struct nodes nodes = { NULL, 0, 0 };
	struct printer p = { d, &nodes, NULL, 0, 0, out, html, number };

	nodes_index(d, &nodes);
	if (nodes.n)
		print_all(&p);
	free(p.levels);
	free(nodes.v);
}

int
doc_floats(const struct doc *d, struct err *err)
{
	size_t at = 0, end;
	double num;
	int r = 0;

	while (r == 0) {
		at = doc_skip_filling(d->raw, d->len, at);
		if (at >= d->len)
			break;
		if (strchr("{}[]", d->raw[at])) {
			at++;
			continue;
		}
		end = doc_skip_scalar(d->raw, d->len, at);
		if (doc_type_at(d->raw, d->len, at) == DOC_NUMBER &&
		    num_parse(d->raw + at, end - at, &num) == 1)
			r = err_set(err, ERR_INVALID, "json: cannot unmarshal "
			    "number %.*s into Go value of type float64",
			    end - at > 80 ? 80 : (int)(end - at), d->raw + at);
		at = end > at ? end : at + 1;
	}
	return (r);
}

static int
value_of_bytes(const struct doc *d, int number, struct buf *out,
    struct err *err)
{
	double num;

	switch (d->type) {
	case DOC_STRING:
		doc_string(d, out);
		return (0);
	case DOC_NUMBER:
		if (number) {
			buf_add(out, d->raw, d->len);
			return (0);
		}
		if (doc_floats(d, err) == -1)
			return (-1);
		num_parse(d->raw, d->len, &num);
		num_print(num, out);
		return (0);
	case DOC_ARRAY:
	case DOC_OBJECT:
		if (!number && doc_floats(d, err) == -1)
			return (-1);
		doc_marshal(d, out, 1, number);
		return (0);
	case DOC_TRUE:
	case DOC_FALSE:
		buf_add(out, d->raw, d->len);
		return (0);
	default:
		return (0);
	}
}

static int
value_of_string(const struct doc *d, struct buf *out, struct err *err)
{
	static const char *const names[] = { [DOC_FALSE] = "bool",
	    [DOC_TRUE] = "bool", [DOC_NUMBER] = "number",
	    [DOC_ARRAY] = "array", [DOC_OBJECT] = "object" };

	if (d->type == DOC_STRING)
		doc_string(d, out);
	else if (d->type != DOC_NULL)
		return (err_set(err, ERR_INVALID, "json: cannot unmarshal %s "
		    "into Go value of type string", names[d->type] ?
		    names[d->type] : "value"));
	return (0);
}

int
doc_value(const struct doc *d, enum doc_family family, struct buf *out,
    struct err *err)
{
	switch (family) {
	case DOC_RAW_MESSAGE:
		if (d->type == DOC_STRING)
			doc_string(d, out);
		else if (d->type != DOC_NULL)
			buf_add(out, d->raw, d->len);
		return (0);
	case DOC_GET_BYTE_VALUE:
		return (value_of_bytes(d, 0, out, err));
	case DOC_GET_BYTE_VALUE_NUMBER:
		return (value_of_bytes(d, 1, out, err));
	case DOC_STRING_MAP:
		return (value_of_string(d, out, err));
	case DOC_VERBATIM:
		break;
	}
	buf_add(out, d->raw, d->len);
	return (0);
}

void
doc_print_float(double v, struct buf *out)
{
	num_print(v, out);
}
