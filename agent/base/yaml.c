/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/codec.h"
#include "base/json_internal.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "base/yaml_internal.h"

struct reader {
	yaml_parser_t parser;
	const char *text;
	size_t len;
	int line;			/* of the first line */
	struct yt t;
	struct strmap *anchors;		/* name → number */
	struct err *err;
};

/* libyaml's problems are constants: no text of the document is in them. */
static int
parser_fail(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	size_t line = p->problem_mark.line + (size_t)r->line, i;
	size_t column = p->problem_mark.column + 1;

	if (p->error == YAML_MEMORY_ERROR)
		return (err_set(r->err, ERR_INTERNAL, "out of memory"));
	if (p->error == YAML_READER_ERROR) {
		/* The only one that knows an offset and no line. */
		line = (size_t)r->line;
		column = 1;
		for (i = 0; i < r->len && i < p->problem_offset; i++) {
			line += r->text[i] == '\n';
			column = r->text[i] == '\n' ? 1 : column + 1;
		}
	}
	return (err_set(r->err, ERR_INVALID, "line %zu: column %zu: %s", line,
	    column, p->problem ? p->problem : "malformed YAML"));
}

static int
next_event(struct reader *r, yaml_event_t *e)
{
	if (!yaml_parser_parse(&r->parser, e))
		return (parser_fail(r));
	return (0);
}

static int
line_of(const struct reader *r, const yaml_event_t *e)
{
	return (e->start_mark.line < INT_MAX / 2 ? (int)e->start_mark.line +
	    r->line : INT_MAX / 2);
}

/* A new node, appended to its parent's children when it has one. */
static uint32_t
add_node(struct reader *r, enum yt_kind kind, uint32_t parent,
    const yaml_event_t *e)
{
	struct yt *t = &r->t;
	struct yt_node *up;
	uint32_t number;

	if (t->n == YAML_NODES_MAX) {
		err_set(r->err, ERR_LIMIT, "line %d: more than %d nodes",
		    line_of(r, e), YAML_NODES_MAX);
		return (0);
	}
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->v = mem_grow(t->v, t->cap, sizeof(*t->v));
	}
	number = (uint32_t)++t->n;
	*yt_at(t, number) = (struct yt_node){ .kind = kind,
		.line = line_of(r, e) };
	if (parent) {
		up = yt_at(t, parent);
		if (up->last)
			yt_at(t, up->last)->next = number;
		else
			up->first = number;
		up->last = number;
	}
	return (number);
}

static void
set_anchor(struct reader *r, const yaml_char_t *anchor, uint32_t number)
{
	if (anchor)
		strmap_put(r->anchors, (const char *)anchor,
		    (void *)(uintptr_t)number);
}

static int
set_alias(struct reader *r, const yaml_event_t *e, uint32_t number)
{
	const char *name = (const char *)e->data.alias.anchor;
	struct yt_node *n = yt_at(&r->t, number);

	n->target = (uint32_t)(uintptr_t)strmap_get(r->anchors, name);
	if (n->target)
		return (0);
	return (err_set(r->err, ERR_INVALID,
	    "line %d: unknown anchor '%.64s' referenced", n->line, name));
}

/* The event's strings become the node's; yaml_event_delete frees the rest. */
static void
set_scalar(struct reader *r, yaml_event_t *e, uint32_t number)
{
	struct yt_node *n = yt_at(&r->t, number);

	n->text = (char *)e->data.scalar.value;
	n->len = e->data.scalar.length;
	n->tag = (char *)e->data.scalar.tag;
	n->implicit = e->data.scalar.plain_implicit != 0;
	e->data.scalar.value = NULL;
	e->data.scalar.tag = NULL;
	set_anchor(r, e->data.scalar.anchor, number);
}

static int read_children(struct reader *r, uint32_t parent,
    yaml_event_type_t end, int depth);

/* The node that the event begins, with all that is in it: its number, or 0. */
static uint32_t
read_node(struct reader *r, yaml_event_t *e, uint32_t parent, int depth)
{
	int mapping = e->type == YAML_MAPPING_START_EVENT;
	uint32_t number;

	switch (e->type) {
	case YAML_SCALAR_EVENT:
		number = add_node(r, YT_SCALAR, parent, e);
		if (number)
			set_scalar(r, e, number);
		return (number);
	case YAML_ALIAS_EVENT:
		number = add_node(r, YT_ALIAS, parent, e);
		if (number && set_alias(r, e, number) == -1)
			return (0);
		return (number);
	default:
		break;
	}
	if (depth >= JSON_DEPTH_MAX) {
		err_set(r->err, ERR_LIMIT, "line %d: nested too deeply",
		    line_of(r, e));
		return (0);
	}
	number = add_node(r, mapping ? YT_MAPPING : YT_SEQUENCE, parent, e);
	if (!number)
		return (0);
	set_anchor(r, mapping ? e->data.mapping_start.anchor :
	    e->data.sequence_start.anchor, number);
	if (read_children(r, number, mapping ? YAML_MAPPING_END_EVENT :
	    YAML_SEQUENCE_END_EVENT, depth + 1) == -1)
		return (0);
	return (number);
}

static int
read_children(struct reader *r, uint32_t parent, yaml_event_type_t end,
    int depth)
{
	yaml_event_t e;
	int done, rc = 0;

	do {
		if (next_event(r, &e) == -1)
			return (-1);
		done = e.type == end;
		if (!done && read_node(r, &e, parent, depth) == 0)
			rc = -1;
		yaml_event_delete(&e);
	} while (!done && rc == 0);
	return (rc);
}

static void
forget_nodes(struct reader *r)
{
	size_t i;

	for (i = 0; i < r->t.n; i++) {
		free(r->t.v[i].text);
		free(r->t.v[i].tag);
	}
	r->t.n = 0;
	strmap_free(r->anchors);
	r->anchors = NULL;
}

/* Behind a document's start: its one node and its end. */
static int
read_document(struct reader *r, struct yaml_doc *doc, struct yaml_cost *cost)
{
	uint32_t root;
	yaml_event_t e;

	r->anchors = strmap_new(NULL);
	if (next_event(r, &e) == -1)
		return (-1);
	root = read_node(r, &e, 0, 0);
	yaml_event_delete(&e);
	if (root == 0 || next_event(r, &e) == -1)
		return (-1);
	yaml_event_delete(&e);
	return (yaml_decode(&r->t, root, doc, cost, r->err));
}

static int
read_stream(struct reader *r, struct yaml_docs *docs, struct yaml_cost *cost)
{
	struct yaml_doc *doc;
	yaml_event_type_t type;
	yaml_event_t e;
	int line;

	for (;;) {
		if (next_event(r, &e) == -1)
			return (-1);
		type = e.type;
		line = line_of(r, &e);
		yaml_event_delete(&e);
		if (type == YAML_STREAM_END_EVENT)
			return (0);
		if (type != YAML_DOCUMENT_START_EVENT)
			continue;
		docs->v = mem_grow(docs->v, docs->n + 1, sizeof(*docs->v));
		doc = &docs->v[docs->n++];
		*doc = (struct yaml_doc){ .line = line };
		if (read_document(r, doc, cost) == -1)
			return (-1);
		forget_nodes(r);
	}
}

/* kubectl splits files before it reads them, at lines of "---" and a comment
 * that may touch it (k8s.io/apimachinery, util/yaml, YAMLReader); to YAML that
 * would be text.  ${copy} becomes the text with such comments blanked; it
 * stays empty when there are none. */
static void
blank_marks_comments(const char *text, size_t len, struct buf *copy)
{
	const char *end = text + len, *at = text;
	size_t i;

	while (end - at >= 4) {
		if (memcmp(at, "---#", 4) == 0) {
			if (!copy->len)
				buf_add(copy, text, len);
			for (i = (size_t)(at - text) + 3; i < copy->len &&
			    !strchr("\r\n", copy->data[i]); i++)
				copy->data[i] = ' ';
		}
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			break;
		at++;
	}
}

int
yaml_parse(const char *text, size_t len, int line, struct yaml_docs *ret,
    struct yaml_cost *cost, struct err *err)
{
	cleanup_buf struct buf copy = BUF_SECRET(YAML_INPUT_MAX);
	struct reader r = { .text = text, .len = len, .line = line,
		.err = err };
	struct yaml_docs docs = { NULL, 0 };
	int rc;

	blank_marks_comments(text, len, &copy);
	if (copy.len)
		text = buf_str(&copy);
	if (!yaml_parser_initialize(&r.parser))
		return (err_set(err, ERR_INTERNAL, "out of memory"));
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text,
	    len);
	rc = read_stream(&r, &docs, cost);
	forget_nodes(&r);
	free(r.t.v);
	yaml_parser_delete(&r.parser);
	if (rc == -1)
		yaml_docs_clear(&docs);
	else
		*ret = docs;
	return (rc);
}

int
yaml_line(const struct yaml_doc *doc, const struct json *node)
{
	(void)doc;
	return (json_line(node));
}

void
yaml_doc_clear(struct yaml_doc *doc)
{
	size_t i;

	json_free(doc->root);
	for (i = 0; i < doc->ndups; i++)
		free(doc->dups[i].key);
	free(doc->dups);
	*doc = (struct yaml_doc){ 0 };
}

void
yaml_docs_clear(struct yaml_docs *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		yaml_doc_clear(&d->v[i]);
	free(d->v);
	*d = (struct yaml_docs){ NULL, 0 };
}

/* --- printing ---------------------------------------------------------- */

/* Events take copies, and the emitter frees them; it fails for want of memory
 * alone, as every text here is UTF-8. */
static void
emit_scalar(yaml_emitter_t *em, const char *s, size_t len,
    yaml_scalar_style_t style)
{
	yaml_event_t e;

	if (yaml_scalar_event_initialize(&e, NULL, NULL,
	    (const yaml_char_t *)s, (int)len, 1, 1, style))
		yaml_emitter_emit(em, &e);
}

static void
emit_plain(yaml_emitter_t *em, const char *s)
{
	emit_scalar(em, s, strlen(s), YAML_PLAIN_SCALAR_STYLE);
}

static void
emit_string(yaml_emitter_t *em, const char *s)
{
	cleanup_buf struct buf clean = BUF_SECRET((size_t)INT_MAX);
	size_t left = strlen(s), n;
	yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	uint32_t rune;

	if (strchr(s, '\n'))
		style = YAML_LITERAL_SCALAR_STYLE;
	else if (yaml_plain_ok(s))
		style = YAML_PLAIN_SCALAR_STYLE;
	if (utf8_valid(s, left)) {
		emit_scalar(em, s, left, style);
		return;
	}
	for (; left > 0; s += n, left -= n) {
		n = utf8_next(s, left, &rune);
		utf8_add(&clean, rune);
	}
	emit_scalar(em, buf_str(&clean), clean.len, style);
}

static void
emit_number(yaml_emitter_t *em, double n)
{
	cleanup_buf struct buf text = BUF_PLAIN(400);

	/* What would read back as an integer is one.  Go prints -2^63 with
	 * zeros behind 17 digits, which is less. */
	if (n == trunc(n) && n > -0x1p63 && n < 0x1p64)
		buf_addf(&text, "%.0f", n == 0 ? 0.0 : n);
	else
		yaml_print_float(n, 0, &text);
	emit_plain(em, buf_str(&text));
}

static void emit_node(yaml_emitter_t *em, const struct json *j);

static void
emit_object(yaml_emitter_t *em, const struct json *j)
{
	size_t len = json_len(j), n = 0, i;
	cleanup_free const struct json **members =
	    mem_array(len, sizeof(*members));
	const struct json *at;
	yaml_event_t e;

	for (at = json_first(j); at; at = json_next(at))
		members[n++] = at;
	yaml_keys_sort(members, n);
	yaml_mapping_start_event_initialize(&e, NULL, NULL, 1,
	    YAML_BLOCK_MAPPING_STYLE);
	yaml_emitter_emit(em, &e);
	for (i = 0; i < n; i++) {
		emit_string(em, json_key(members[i]));
		emit_node(em, members[i]);
	}
	yaml_mapping_end_event_initialize(&e);
	yaml_emitter_emit(em, &e);
}

static void
emit_array(yaml_emitter_t *em, const struct json *j)
{
	const struct json *at;
	yaml_event_t e;

	yaml_sequence_start_event_initialize(&e, NULL, NULL, 1,
	    YAML_BLOCK_SEQUENCE_STYLE);
	yaml_emitter_emit(em, &e);
	for (at = json_first(j); at; at = json_next(at))
		emit_node(em, at);
	yaml_sequence_end_event_initialize(&e);
	yaml_emitter_emit(em, &e);
}

static void
emit_node(yaml_emitter_t *em, const struct json *j)
{
	switch (json_type(j)) {
	case JSON_NULL:
		emit_plain(em, "null");
		break;
	case JSON_FALSE:
		emit_plain(em, "false");
		break;
	case JSON_TRUE:
		emit_plain(em, "true");
		break;
	case JSON_NUMBER:
		if (json_digits(j))
			emit_plain(em, json_digits(j));
		else
			emit_number(em, json_num(j, 0));
		break;
	case JSON_STRING:
		emit_string(em, json_str(j));
		break;
	case JSON_ARRAY:
		emit_array(em, j);
		break;
	case JSON_OBJECT:
		emit_object(em, j);
		break;
	}
}

static int
write_out(void *arg, unsigned char *data, size_t len)
{
	buf_add(arg, data, len);
	return (1);
}

void
yaml_print(const struct json *j, struct buf *out)
{
	if (!yaml_quick_print(j, out))
		yaml_emit(j, out);
}

void
yaml_emit(const struct json *j, struct buf *out)
{
	yaml_emitter_t em;
	yaml_event_t e;

	if (!yaml_emitter_initialize(&em))
		return;
	yaml_emitter_set_output(&em, write_out, out);
	yaml_emitter_set_unicode(&em, 1);
	yaml_emitter_set_width(&em, 80);
	yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING);
	yaml_emitter_emit(&em, &e);
	yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1);
	yaml_emitter_emit(&em, &e);
	emit_node(&em, j);
	yaml_document_end_event_initialize(&e, 1);
	yaml_emitter_emit(&em, &e);
	/* No stream end: it would put "..." behind a text that keeps its
	 * line breaks. */
	yaml_emitter_flush(&em);
	yaml_emitter_delete(&em);
}
