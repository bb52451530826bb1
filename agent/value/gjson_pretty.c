/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/gjson_internal.h"

/*
 * tidwall/pretty: print anew, white space only; members stay as they are
 * unless sortKeys.  An array without objects goes on one line when it fits
 * the width.
 */
struct pretty {
	struct gj *g;
	struct span json;
	struct buf out;
	struct span prefix, indent;
	int64_t width;
	int sort;
	size_t at;		/* in json */
	size_t line;		/* in out: where the current line starts */
};

/* How an element is printed: on lines, or on one line of at most max. */
struct style {
	int lines;
	int one_line;
	struct span indent;
};

struct pair {
	size_t key, key_end;	/* in json */
	size_t from, to;	/* in out */
};

struct pairs {
	struct pair *v;
	size_t n, cap;
};

static int print_any(struct pretty *p, const struct style *st, size_t tabs);

static void
print_string(struct pretty *p)
{
	size_t end;
	struct span raw;
	int escaped;

	gj_scan_string(p->json, p->at + 1, &end, &raw, &escaped);
	buf_add(&p->out, raw.p, raw.n);
	p->at = end;
}

static void
print_number(struct pretty *p)
{
	size_t start = p->at;

	for (p->at++; p->at < p->json.n; p->at++) {
		char c = p->json.p[p->at];

		if ((unsigned char)c <= ' ' || c == ',' || c == ':' ||
		    c == ']' || c == '}')
			break;
	}
	buf_add(&p->out, p->json.p + start, p->at - start);
}

static void
new_line(struct pretty *p)
{
	p->line = p->out.len;
	if (p->out.len && p->out.data[p->out.len - 1] == ' ')
		p->out.data[p->out.len - 1] = '\n';
	else
		buf_addc(&p->out, '\n');
}

static void
add_tabs(struct pretty *p, const struct style *st, size_t tabs)
{
	size_t i;

	if (!gj_charge(p->g, p->prefix.n + tabs * (st->indent.n + 1)))
		return;
	buf_add(&p->out, p->prefix.p, p->prefix.n);
	for (i = 0; i < tabs; i++)
		buf_add(&p->out, st->indent.p, st->indent.n);
}

/* --- sortKeys ------------------------------------------------------------ */

/* pretty's order of types: null, false, number, string, true, JSON. */
static int
type_rank(struct span s)
{
	if (s.n == 0)
		return (0);
	switch (s.p[0]) {
	case 'n':
		return (0);
	case 'f':
		return (1);
	case '"':
		return (3);
	case 't':
		return (4);
	case '[': case '{':
		return (5);
	default:
		return (2);
	}
}

/* The text of a string; without an end it has none, and neither has one with
 * escapes that encoding/json refuses. */
static struct span
string_text(struct span s, struct buf *keep)
{
	struct doc d;
	size_t i;

	for (i = 1; i < s.n; i++) {
		if (s.p[i] == '"')
			return (span_of(s, 1, i));
		if (s.p[i] == '\\') {
			if (doc_parse(s.p, s.n, &d, NULL) == 0)
				doc_string(&d, keep);
			return ((struct span){ buf_str(keep), keep->len });
		}
	}
	return ((struct span){ "", 0 });
}

static int
cmp_values(struct span a, struct span b)
{
	cleanup_buf struct buf ta = BUF_SECRET(3 * a.n);
	cleanup_buf struct buf tb = BUF_SECRET(3 * b.n);
	int ra = type_rank(a), rb = type_rank(b);
	double x, y;

	if (ra != rb)
		return (ra < rb ? -1 : 1);
	if (ra == 3)
		return (span_cmp(string_text(a, &ta), string_text(b, &tb)));
	if (ra == 2) {
		x = gj_number(a);
		y = gj_number(b);
		return (x < y ? -1 : x > y);
	}
	return (span_cmp(a, b));
}

static struct span
pair_value(const struct pretty *p, const struct pair *x)
{
	struct span out = { buf_str(&p->out), p->out.len };
	struct span v = span_trim(span_of(out, x->from, x->to));
	size_t key = x->key_end - x->key;

	return (v.n >= key + 1 ? span_trim(span_from(v, key + 1)) : v);
}

static int
cmp_pairs(const void *a, const void *b, void *arg)
{
	struct pretty *p = arg;
	const struct pair *x = a, *y = b;
	int c = cmp_values(span_of(p->json, x->key, x->key_end),
	    span_of(p->json, y->key, y->key_end));

	gj_charge(p->g, x->key_end - x->key + 1);
	if (c == 0)
		c = cmp_values(pair_value(p, x), pair_value(p, y));
	return (c ? c : x->from < y->from ? -1 : 1);
}

static void
sort_pairs(struct pretty *p, struct pairs *pairs)
{
	struct buf fresh = gj_buf(p->g);
	size_t from, i;

	if (pairs->n == 0 || !buf_ok(&p->out))
		return;
	from = pairs->v[0].from;
	gj_charge(p->g, p->out.len - from);
	qsort_r(pairs->v, pairs->n, sizeof(*pairs->v), cmp_pairs, p);
	for (i = 0; i < pairs->n; i++) {
		if (i)
			buf_adds(&fresh, ",\n");
		buf_add(&fresh, p->out.data + pairs->v[i].from,
		    pairs->v[i].to - pairs->v[i].from);
	}
	buf_cut(&p->out, from);
	buf_add(&p->out, buf_str(&fresh), fresh.len);
	buf_clear(&fresh);
}

static void
pairs_add(struct pairs *pairs, const struct pair *x)
{
	if (pairs->n == pairs->cap) {
		pairs->cap = pairs->cap ? pairs->cap * 2 : 8;
		pairs->v = mem_grow(pairs->v, pairs->cap, sizeof(*pairs->v));
	}
	pairs->v[pairs->n++] = *x;
}

/* --- objects and arrays -------------------------------------------------- */

static int print_nested(struct pretty *p, const struct style *st, size_t tabs);

/* Try the array on one line: 1 done. */
static int
try_one_line(struct pretty *p, const struct style *st)
{
	const struct style one = { 0, 1, { "", 0 } };
	int64_t room = p->width - (int64_t)(p->out.len - p->line);
	size_t len = p->out.len, at = p->at, line = p->line;

	if (p->width <= 0 || !st->lines || st->one_line || room <= 3)
		return (0);
	if (print_nested(p, &one, 0) && (int64_t)(p->out.len - len) <= room) {
		p->line = line;
		return (1);
	}
	gj_charge(p->g, p->out.len - len);
	buf_cut(&p->out, len);
	p->at = at;
	p->line = line;
	return (0);
}

static void
print_close(struct pretty *p, const struct style *st, char open, size_t n,
    struct pairs *pairs, size_t tabs)
{
	if (st->lines) {
		if (open == '{' && p->sort)
			sort_pairs(p, pairs);
		if (n)
			new_line(p);
		if (p->out.len && p->out.data[p->out.len - 1] != open)
			add_tabs(p, st, tabs);
	}
	buf_addc(&p->out, open == '{' ? '}' : ']');
	p->at++;
}

/* A member or an element: 0 when a line of its own cannot hold it. */
static int
print_element(struct pretty *p, const struct style *st, char open, size_t n,
    struct pairs *pairs, size_t tabs)
{
	struct pair x = { p->at, p->at, 0, 0 };
	int fits;

	if (n)
		buf_addc(&p->out, ',');
	if (n && open == '[' && p->width != -1)
		buf_addc(&p->out, ' ');
	if (st->lines) {
		new_line(p);
		x.from = p->out.len;
		add_tabs(p, st, tabs + 1);
	}
	if (open == '{') {
		print_string(p);
		x.key_end = p->at;
		buf_adds(&p->out, st->lines ? ": " : ":");
	}
	fits = print_any(p, st, tabs + 1);
	if (st->one_line && !fits)
		return (0);
	x.to = p->out.len;
	if (st->lines && open == '{' && p->sort)
		pairs_add(pairs, &x);
	return (1);
}

/* At a bracket: 0 for an object, which never goes on a line of its own. */
static int
print_body(struct pretty *p, const struct style *st, size_t tabs)
{
	struct pairs pairs = { NULL, 0, 0 };
	char open = p->json.p[p->at], c;
	int fits = open != '{';
	size_t n = 0;

	buf_addc(&p->out, open);
	p->at++;
	while (p->at < p->json.n && gj_charge(p->g, 1) && buf_ok(&p->out)) {
		c = p->json.p[p->at];
		if (c == (open == '{' ? '}' : ']')) {
			print_close(p, st, open, n, &pairs, tabs);
			break;
		}
		if ((unsigned char)c <= ' ' || (open == '{' && c != '"')) {
			p->at++;
			continue;
		}
		if (!print_element(p, st, open, n++, &pairs, tabs)) {
			fits = 0;
			break;
		}
	}
	free(pairs.v);
	return (fits);
}

static int
print_nested(struct pretty *p, const struct style *st, size_t tabs)
{
	char open = p->json.p[p->at];
	int fits;

	if (open == '[' && try_one_line(p, st))
		return (1);
	if (open == '{' && st->one_line && p->width > 0)
		return (0);
	if (++p->g->steps > GJSON_STEPS_MAX)
		p->g->failed = 1;
	fits = p->g->failed ? 0 : print_body(p, st, tabs);
	p->g->steps--;
	return (fits);
}

static void
print_word(struct pretty *p, const char *word)
{
	buf_adds(&p->out, word);
	p->at += strlen(word);
}

/* The next value at or after p->at, past anything else. */
static int
print_any(struct pretty *p, const struct style *st, size_t tabs)
{
	struct span s = p->json;

	for (; p->at < s.n; p->at++) {
		char c = s.p[p->at];

		if (c == '"') {
			print_string(p);
			return (1);
		}
		if ((c >= '0' && c <= '9') || c == '-' || c == '+' ||
		    c == 'i' || c == 'I' || c == 'N' || (c == 'n' &&
		    p->at + 1 < s.n && s.p[p->at + 1] != 'u')) {
			print_number(p);
			return (1);
		}
		if (c == '{' || c == '[')
			return (print_nested(p, st, tabs));
		if (c == 't' || c == 'f' || c == 'n') {
			print_word(p, c == 't' ? "true" : c == 'f' ? "false" :
			    "null");
			return (1);
		}
	}
	return (1);
}

/* --- @pretty, @ugly ------------------------------------------------------ */

/* An indent or a prefix keeps only the white space of what was given. */
static struct span
only_space(struct gj *g, const struct gj_value *v)
{
	cleanup_buf struct buf text = gj_buf(g);
	struct buf out = gj_buf(g);
	size_t i;

	gj_string(v, &text);
	for (i = 0; i < text.len; i++)
		if (text.data[i] && strchr(" \t\r\n", text.data[i]))
			buf_addc(&out, text.data[i]);
	return (gj_keep(g, &out));
}

static void
read_options(struct pretty *p, struct span arg)
{
	struct gj_each e;

	memset(&e, 0, sizeof(e));
	e.of = gj_parse(p->g, arg);
	while (arg.n && gj_each(p->g, &e)) {
		if (e.key.type != GJ_STRING)
			continue;
		if (span_is(e.key.str, "sortKeys"))
			p->sort = gj_bool(&e.value);
		else if (span_is(e.key.str, "indent"))
			p->indent = only_space(p->g, &e.value);
		else if (span_is(e.key.str, "prefix"))
			p->prefix = only_space(p->g, &e.value);
		else if (span_is(e.key.str, "width"))
			p->width = gj_int(&e.value);
	}
}

struct span
gj_mod_pretty(struct gj *g, struct span json, struct span arg)
{
	struct pretty p;
	struct style st = { 1, 0, { "  ", 2 } };

	memset(&p, 0, sizeof(p));
	p.g = g;
	p.json = json;
	p.prefix = (struct span){ "", 0 };
	p.indent = st.indent;
	p.width = 80;
	read_options(&p, arg);
	st.indent = p.indent;
	p.out = gj_buf(g);
	buf_add(&p.out, p.prefix.p, p.prefix.n);
	print_any(&p, &st, 0);
	if (p.out.len)
		buf_addc(&p.out, '\n');
	return (gj_keep(g, &p.out));
}

struct span
gj_mod_ugly(struct gj *g, struct span json, struct span arg)
{
	struct buf out = gj_buf(g);
	size_t i = 0, end;
	struct span raw;
	int escaped;

	(void)arg;
	while (i < json.n) {
		if (json.p[i] == '"') {
			gj_scan_string(json, i + 1, &end, &raw, &escaped);
			buf_add(&out, raw.p, raw.n);
			i = end;
			continue;
		}
		if ((unsigned char)json.p[i] > ' ')
			buf_addc(&out, json.p[i]);
		i++;
	}
	return (gj_keep(g, &out));
}
