/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json_internal.h"
#include "base/mem.h"
#include "base/yaml_internal.h"

/*
 * The plain form in which nearly all manifests are written: block mappings
 * and sequences, scalars on one line, literal blocks.  Whatever else there is
 * (flow collections, tags, anchors, folded or continued scalars, tabs,
 * escapes, keys that occur twice…) is left to libyaml: the answer to any doubt
 * is no.  The fuzz target holds every yes against libyaml's tree.
 */
#define DEPTH_MAX (JSON_DEPTH_MAX - 4)
#define TOP 1
#define KEY_MAX 100
#define ONES UINT64_C(0x0101010101010101)

struct key {
	const char *p;
	size_t n;
};

struct quick {
	const char *at;		/* of the current line, behind its indent */
	const char *eol;	/* its line feed, or the end */
	const char *end;
	size_t indent;		/* column of at */
	int line;
	size_t nodes, bytes;
	int done;		/* there are no more lines */
	struct buf scratch;
	/* Of the mappings around this line, the inner ones last. */
	struct key *keys;
	size_t nkeys, keys_cap;
	/* Below a key that nobody wants everything is checked and counted, and
	 * nothing is made: the answer for yes is this one node. */
	const char *const *heads;
	struct json *nothing;
	int dry;
};

#define MAKE(q, made) ((q)->dry ? NULL : (made))

static struct json *block(struct quick *q, size_t indent, int depth);

/* --- lines ---------------------------------------------------------------- */

/* Look at the line that starts at ${at}. */
static void
look(struct quick *q, const char *at)
{
	const char *start = at;

	if (at >= q->end) {
		q->at = q->eol = q->end;
		q->done = 1;
		return;
	}
	q->eol = memchr(at, '\n', (size_t)(q->end - at));
	if (q->eol == NULL)
		q->eol = q->end;
	while (at < q->eol && *at == ' ')
		at++;
	q->at = at;
	q->indent = (size_t)(at - start);
}

static void
step(struct quick *q)
{
	q->line++;
	look(q, q->eol < q->end ? q->eol + 1 : q->end);
}

/* On to the next line that is neither blank nor a comment. */
static void
skip_blank(struct quick *q)
{
	while (!q->done && (q->at == q->eol || *q->at == '#'))
		step(q);
}

static void
next(struct quick *q)
{
	step(q);
	skip_blank(q);
}

/* --- scalars -------------------------------------------------------------- */

/* ${j} was made by MAKE. */
static struct json *
finish(struct quick *q, struct json *j, int line)
{
	q->nodes++;
	if (q->dry)
		return (q->nothing);
	json_set_line(j, line);
	return (j);
}

static void
drop(const struct quick *q, struct json *j)
{
	if (j != q->nothing)
		json_free(j);
}

static struct json *
text(struct quick *q, const char *s, size_t len, int line)
{
	q->bytes += len;
	return (finish(q, MAKE(q, json_new_strn(s, len)), line));
}

static int
key_char(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' ||
	    c == '/');
}

/* Length of a key that a colon and a space or the line's end follow, or 0. */
static size_t
key_at(const char *at, const char *eol)
{
	size_t n = 0;

	if (at == eol || *at == '-' || *at == '.')
		return (0);
	while (at + n < eol && key_char(at[n]))
		n++;
	if (n == 0 || n > KEY_MAX || at + n == eol || at[n] != ':' ||
	    (at + n + 1 < eol && at[n + 1] != ' '))
		return (0);
	return (n);
}

/* A scalar without quotes: text, or what YAML 1.1 takes it for. */
static struct json *
plain(struct quick *q, const char *s, size_t len, int line)
{
	char copy[64];
	struct yv v;

	if (strchr("-?:,[]{}#&*!|>'\"%@`=<~", *s) || s[len - 1] == ':')
		return (NULL);
	for (size_t i = 1; i < len; i++)
		if ((s[i] == '#' && s[i - 1] == ' ') ||
		    (s[i] == ' ' && s[i - 1] == ':'))
			return (NULL);
	/* As long as that is text, or a number of very many digits. */
	if (len >= sizeof(copy))
		return (strchr("+.0123456789", *s) ? NULL :
		    text(q, s, len, line));
	memcpy(copy, s, len);
	copy[len] = '\0';
	yaml_resolve(copy, len, &v);
	switch (v.kind) {
	case YV_NULL:
		return (finish(q, MAKE(q, json_new_null()), line));
	case YV_BOOL:
		return (finish(q, MAKE(q, json_new_bool(v.b)), line));
	case YV_INT:
		if (v.i > INT64_C(1) << 53 || v.i < -(INT64_C(1) << 53))
			break;
		return (finish(q, MAKE(q, json_new_num((double)v.i)), line));
	case YV_FLOAT:
		return (isfinite(v.d) ? finish(q, MAKE(q, json_new_num(v.d)),
		    line) : NULL);
	case YV_TIME:
	case YV_TEXT:
		return (text(q, s, len, line));
	case YV_UINT:
		break;
	}
	return (NULL);
}

/* Four hex digits that are a character by themselves. */
static int
unescape_u(struct quick *q, const char *s, const char *eol)
{
	uint32_t rune = 0;
	int i;

	for (i = 0; i < 4; i++) {
		if (s + i == eol || !strchr("0123456789abcdef", s[i]))
			return (0);
		rune = rune << 4 | (uint32_t)(s[i] <= '9' ? s[i] - '0' :
		    s[i] - 'a' + 10);
	}
	if (rune == 0 || (rune >= 0xd800 && rune <= 0xdfff))
		return (0);
	utf8_add(&q->scratch, rune);
	return (5);
}

/* What follows a backslash: its length, 0 for what is not known here. */
static int
unescape(struct quick *q, const char *s, const char *eol)
{
	switch (s < eol ? *s : '\0') {
	case '"':
	case '\\':
	case '/':
		buf_addc(&q->scratch, *s);
		return (1);
	case 'n':
		buf_addc(&q->scratch, '\n');
		return (1);
	case 'u':
		return (unescape_u(q, s + 1, eol));
	default:
		return (0);
	}
}

/* Between quotes that end with the line. */
static struct json *
quoted(struct quick *q, const char *s, const char *eol, int line)
{
	const char quote = *s++;
	const char *from = s;
	int n;

	buf_cut(&q->scratch, 0);
	for (; s < eol; s++) {
		if (*s == quote && quote == '\'' && s + 1 < eol &&
		    s[1] == quote) {
			buf_add(&q->scratch, from, (size_t)(s + 1 - from));
			from = ++s + 1;
		} else if (*s == quote) {
			break;
		} else if (*s == '\\' && quote == '"') {
			buf_add(&q->scratch, from, (size_t)(s - from));
			n = unescape(q, s + 1, eol);
			if (n == 0)
				return (NULL);
			s += n;
			from = s + 1;
		}
	}
	if (s + 1 != eol)
		return (NULL);
	buf_add(&q->scratch, from, (size_t)(s - from));
	return (text(q, buf_str(&q->scratch), q->scratch.len, line));
}

/* A literal block whose header was "|" or "|-", in a parent at ${outer}. */
static struct json *
literal(struct quick *q, size_t outer, int keep, int line)
{
	size_t indent, blank = 0;

	step(q);
	if (q->done || q->at == q->eol || q->indent <= outer)
		return (NULL);
	indent = q->indent;
	buf_cut(&q->scratch, 0);
	for (; !q->done; step(q)) {
		if (q->at == q->eol && q->indent <= indent) {
			blank++;
			continue;
		}
		if (q->indent < indent)
			break;
		for (; blank > 0; blank--)
			buf_addc(&q->scratch, '\n');
		buf_add(&q->scratch, q->at - (q->indent - indent),
		    (size_t)(q->eol - q->at) + q->indent - indent);
		if (q->eol == q->end)
			return (NULL);
		buf_addc(&q->scratch, '\n');
	}
	if (!keep)
		buf_cut(&q->scratch, q->scratch.len - 1);
	skip_blank(q);
	return (text(q, buf_str(&q->scratch), q->scratch.len, line));
}

/* --- collections ---------------------------------------------------------- */

/* What follows "key:" or "- " on the same line, in a parent at ${outer}. */
static struct json *
inline_value(struct quick *q, const char *s, size_t outer)
{
	const char *eol = q->eol;
	size_t len = (size_t)(eol - s);
	struct json *j;

	if (*s == '|') {
		if (len > 2 || (len == 2 && s[1] != '-'))
			return (NULL);
		return (literal(q, outer, len == 1, q->line));
	}
	if (len == 2 && (memcmp(s, "{}", 2) == 0 || memcmp(s, "[]", 2) == 0))
		j = finish(q, MAKE(q, *s == '{' ? json_new_object() :
		    json_new_array()), q->line);
	else if (*s == '"' || *s == '\'')
		j = quoted(q, s, eol, q->line);
	else if (eol[-1] == ' ')
		j = NULL;
	else
		j = plain(q, s, len, q->line);
	if (j == NULL)
		return (NULL);
	next(q);
	/* A line further in would go on with the scalar. */
	if (!q->done && q->indent > outer) {
		drop(q, j);
		return (NULL);
	}
	return (j);
}

/* What stands below "key:" or "-"; a sequence may stand as far out as its
 * key. */
static struct json *
value_below(struct quick *q, size_t outer, int in_map, int depth)
{
	int line = q->line;

	next(q);
	if (!q->done && (q->indent > outer || (in_map && q->indent == outer &&
	    *q->at == '-')))
		return (block(q, q->indent, depth));
	return (finish(q, MAKE(q, json_new_null()), line));
}

static struct json *
value(struct quick *q, const char *s, size_t outer, int in_map, int depth)
{
	while (s < q->eol && *s == ' ')
		s++;
	if (s == q->eol)
		return (value_below(q, outer, in_map, depth));
	return (inline_value(q, s, outer));
}

static int
is_text_key(const char *key, size_t len)
{
	struct yv v;

	yaml_resolve(key, len, &v);
	return (v.kind == YV_TEXT);
}

/* Into the keys of the mapping whose first is ${base}; 0 when it is there. */
static int
remember_key(struct quick *q, size_t base, const char *p, size_t n)
{
	size_t i;

	for (i = base; i < q->nkeys; i++)
		if (q->keys[i].n == n && memcmp(q->keys[i].p, p, n) == 0)
			return (0);
	if (q->nkeys == q->keys_cap) {
		q->keys_cap = q->keys_cap ? 2 * q->keys_cap : 64;
		q->keys = mem_grow(q->keys, q->keys_cap, sizeof(*q->keys));
	}
	q->keys[q->nkeys++] = (struct key){ p, n };
	return (1);
}

static int
is_head(const struct quick *q, const char *key)
{
	const char *const *one;

	for (one = q->heads; *one; one++)
		if (strcmp(*one, key) == 0)
			return (1);
	return (0);
}

/* The line's key and its value, into ${obj}. */
static int
member(struct quick *q, struct json *obj, size_t base, int depth)
{
	size_t n = key_at(q->at, q->eol);
	char key[KEY_MAX + 1];
	struct json *v;
	int dry = q->dry;

	if (n == 0)
		return (-1);
	memcpy(key, q->at, n);
	key[n] = '\0';
	/* Many members would make looking for a second one slow. */
	if (q->nkeys - base >= 200 || !is_text_key(key, n) ||
	    !remember_key(q, base, q->at, n))
		return (-1);
	q->nodes++;
	q->bytes += n;
	if (depth == TOP && q->heads && !is_head(q, key))
		q->dry = 1;
	v = value(q, q->at + n + 1, q->indent, 1, depth);
	q->dry = dry;
	if (v == NULL)
		return (-1);
	if (v != q->nothing)
		json_append(obj, key, v);
	return (0);
}

static struct json *
mapping(struct quick *q, size_t indent, int depth)
{
	struct json *obj = finish(q, MAKE(q, json_new_object()), q->line);
	size_t base = q->nkeys;
	int rc = 0;

	while (rc == 0 && !q->done && q->indent == indent)
		rc = member(q, obj, base, depth);
	q->nkeys = base;
	if (rc == 0 && (q->done || q->indent < indent))
		return (obj);
	drop(q, obj);
	return (NULL);
}

/* "- " and what follows: an entry of a mapping stands at a column of its
 * own, as if the line began there. */
static struct json *
element(struct quick *q, size_t indent, int depth)
{
	const char *s = q->at + 1;

	while (s < q->eol && *s == ' ')
		s++;
	if (s == q->eol)
		return (value_below(q, indent, 0, depth));
	if (key_at(s, q->eol) == 0)
		return (inline_value(q, s, indent));
	q->indent += (size_t)(s - q->at);
	q->at = s;
	return (mapping(q, q->indent, depth + 1));
}

static struct json *
sequence(struct quick *q, size_t indent, int depth)
{
	struct json *arr = finish(q, MAKE(q, json_new_array()), q->line), *v;

	while (!q->done && q->indent == indent && *q->at == '-') {
		if (q->at + 1 < q->eol && q->at[1] != ' ')
			goto no;
		v = element(q, indent, depth);
		if (v == NULL)
			goto no;
		if (v != q->nothing)
			json_push(arr, v);
	}
	if (q->done || q->indent <= indent)
		return (arr);
no:
	drop(q, arr);
	return (NULL);
}

static struct json *
block(struct quick *q, size_t indent, int depth)
{
	if (depth > DEPTH_MAX)
		return (NULL);
	return (*q->at == '-' ? sequence(q, indent, depth + 1) :
	    mapping(q, indent, depth + 1));
}

/* Nothing but line feeds and characters that mean themselves everywhere. */
static int
is_tame(const char *s, size_t len)
{
	uint64_t eight;
	uint32_t rune;
	size_t n;

	for (; len > 0; s += n, len -= n) {
		/* Eight at a time: none below a space, none above '~'. */
		for (; len >= 8 && memcpy(&eight, s, 8) && !((eight |
		    (eight - 0x20 * ONES) | (eight + ONES)) & 0x80 * ONES);
		    s += 8, len -= 8)
			continue;
		if (len == 0)
			break;
		n = 1;
		if ((*s >= ' ' && *s < 0x7f) || *s == '\n')
			continue;
		if (!(*s & 0x80))
			return (0);
		n = utf8_next(s, len, &rune);
		if (n == 1 || rune < 0xa0 || rune == 0x2028 ||
		    rune == 0x2029 || rune == 0xfeff || rune == 0xfffe ||
		    rune == 0xffff)
			return (0);
	}
	return (1);
}

/* The one mapping of the text; *ret_line: the document's. */
static struct json *
document(struct quick *q, const char *s, int *ret_line)
{
	struct json *j;

	look(q, s);
	if (!q->done && q->indent == 0 && q->eol - q->at >= 3 &&
	    memcmp(q->at, "---", 3) == 0) {
		if (q->eol - q->at > 3)
			return (NULL);
		*ret_line = q->line;
		next(q);
	} else {
		skip_blank(q);
		*ret_line = q->line;
	}
	if (q->done || q->indent > 0 || *q->at == '-')
		return (NULL);
	j = mapping(q, 0, TOP);
	if (j && !q->done) {
		json_free(j);
		return (NULL);
	}
	return (j);
}

struct json *
yaml_quick(const char *s, size_t len, int line, const char *const *heads,
    int *ret_line, struct yaml_cost *cost)
{
	struct quick q = { .end = s + len, .line = line, .heads = heads,
		.scratch = BUF_SECRET(YAML_INPUT_MAX) };
	struct json *j;

	if (!is_tame(s, len))
		return (NULL);
	q.nothing = json_new_null();
	j = document(&q, s, ret_line);
	buf_clear(&q.scratch);
	free(q.keys);
	json_free(q.nothing);
	if (j) {
		cost->decodes += q.nodes;
		cost->bytes += q.bytes;
	}
	return (j);
}
