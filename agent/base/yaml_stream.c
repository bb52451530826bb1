/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/yaml_internal.h"

/*
 * A stream is read document by document, so that nobody has to hold the
 * trees of ten thousand: a line that begins with "---" ends a document
 * wherever it stands (YAML 1.1, 9.1; libyaml refuses it inside quotes).
 */

/* A document mark, and nothing that goes on with it but a comment (see
 * blank_marks_comments in yaml.c). */
static int
is_mark(const char *s, const char *end, const char *mark)
{
	return (end - s >= 3 && memcmp(s, mark, 3) == 0 &&
	    (end - s == 3 || strchr(" \n\t#", s[3])));
}

/* Whether one of the two-byte or three-byte line breaks of YAML 1.1 occurs:
 * the bytes that they begin with are rare. */
static int
has_odd_break(const char *s, size_t len)
{
	const char *end = s + len, *at;

	for (at = s; (at = memchr(at, 0xc2, (size_t)(end - at))); at++)
		if (end - at >= 2 && memcmp(at, "\xc2\x85", 2) == 0)
			return (1);
	for (at = s; (at = memchr(at, 0xe2, (size_t)(end - at))); at++)
		if (end - at >= 3 && (memcmp(at, "\xe2\x80\xa8", 3) == 0 ||
		    memcmp(at, "\xe2\x80\xa9", 3) == 0))
			return (1);
	return (0);
}

/* Directives, ends of documents, other line breaks, other encodings and NUL
 * are no matter for pieces. */
static int
splits(const char *s, size_t len)
{
	const char *end = s + len, *nl;

	if (len == 0 || memchr(s, '\r', len) || memchr(s, '\0', len) ||
	    has_odd_break(s, len) || (unsigned char)*s >= 0x80)
		return (0);
	for (; s < end; s = nl + 1) {
		if (*s == '%' || (*s == '.' && end - s >= 3 &&
		    memcmp(s, "...", 3) == 0))
			return (0);
		nl = memchr(s, '\n', (size_t)(end - s));
		if (nl == NULL)
			break;
	}
	return (1);
}

/* Where the piece that starts at ${s} ends: before the next mark. */
static const char *
piece_end(const char *s, const char *end, int *lines)
{
	const char *nl;

	*lines = 0;
	while ((nl = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		++*lines;
		s = nl + 1;
		if (is_mark(s, end, "---"))
			return (s);
	}
	return (end);
}

static int
is_blank(const char *s, const char *end)
{
	while (s < end) {
		while (s < end && (*s == ' ' || *s == '\n'))
			s++;
		if (s < end && *s != '#')
			return (0);
		s = s < end ? memchr(s, '\n', (size_t)(end - s)) : NULL;
		if (s == NULL)
			break;
	}
	return (1);
}

/* The piece's document.  1 none, -1 a failure or more than one. */
static int
read_piece(const char *s, size_t len, int line, const char *const *heads,
    struct yaml_doc *ret, struct yaml_cost *cost)
{
	struct yaml_docs docs = { NULL, 0 };

	*ret = (struct yaml_doc){ .text = s, .len = len, .text_line = line };
	ret->root = yaml_quick(s, len, line, heads, &ret->line, cost);
	if (ret->root) {
		ret->partial = heads != NULL;
		return (0);
	}
	if (!is_mark(s, s + len, "---") && is_blank(s, s + len))
		return (1);
	if (yaml_parse(s, len, line, &docs, cost, NULL) == -1)
		return (-1);
	if (docs.n != 1) {
		yaml_docs_clear(&docs);
		return (-1);
	}
	*ret = docs.v[0];
	ret->text = s;
	ret->len = len;
	ret->text_line = line;
	docs.n = 0;
	yaml_docs_clear(&docs);
	return (0);
}

/* All of the text through libyaml, which has the words for what is wrong. */
static int
read_whole(const char *text, size_t len, yaml_fn *fn, void *arg,
    struct err *err)
{
	struct yaml_cost cost = { 0 };
	struct yaml_docs docs = { NULL, 0 };
	size_t i;

	if (yaml_parse(text, len, 1, &docs, &cost, err) == -1)
		return (-1);
	for (i = 0; i < docs.n; i++)
		fn(arg, &docs.v[i]);
	yaml_docs_clear(&docs);
	return (0);
}

/* What one document after the other has cost. */
static int
account(struct yaml_cost *all, const struct yaml_cost *one, int line,
    struct err *err)
{
	all->decodes += one->decodes;
	all->aliased += one->aliased;
	all->bytes += one->bytes;
	if (all->decodes <= YAML_STREAM_NODES_MAX &&
	    all->aliased <= YAML_NODES_MAX && all->bytes <= YAML_BYTES_MAX)
		return (0);
	return (err_set(err, ERR_LIMIT, "line %d: more than %d nodes or %zu "
	    "bytes", line, YAML_STREAM_NODES_MAX, YAML_BYTES_MAX));
}

/* What does not parse as a piece does not as the rest of the text: with all
 * that follows in sight, for the words. */
static int
say_why(const char *at, const char *end, int line, struct err *err)
{
	struct yaml_cost cost = { 0 };
	struct yaml_docs docs = { NULL, 0 };

	if (yaml_parse(at, (size_t)(end - at), line, &docs, &cost, err) == -1)
		return (-1);
	yaml_docs_clear(&docs);
	return (err_set(err, ERR_INVALID, "line %d: malformed YAML", line));
}

int
yaml_each(const char *text, size_t len, const char *const *heads,
    yaml_fn *fn, void *arg, struct err *err)
{
	const char *at = text, *end = text + len, *stop;
	struct yaml_cost all = { 0 };
	int line = 1, lines, rc;

	if (len > YAML_INPUT_MAX)
		return (err_set(err, ERR_LIMIT, "YAML is larger than %u bytes",
		    YAML_INPUT_MAX));
	if (!splits(text, len))
		return (read_whole(text, len, fn, arg, err));
	for (; at < end; at = stop, line += lines) {
		struct yaml_cost cost = { 0 };
		struct yaml_doc doc;

		stop = piece_end(at, end, &lines);
		rc = read_piece(at, (size_t)(stop - at), line, heads, &doc,
		    &cost);
		if (rc == 1)
			continue;
		if (rc == -1)
			return (say_why(at, end, line, err));
		rc = account(&all, &cost, line, err);
		if (rc == 0)
			fn(arg, &doc);
		yaml_doc_clear(&doc);
		if (rc == -1)
			return (-1);
	}
	return (0);
}

static void
collect(void *arg, struct yaml_doc *doc)
{
	struct yaml_docs *docs = arg;

	if ((docs->n & (docs->n - 1)) == 0)
		docs->v = mem_grow(docs->v, docs->n ? 2 * docs->n : 1,
		    sizeof(*docs->v));
	docs->v[docs->n++] = *doc;
	*doc = (struct yaml_doc){ 0 };
}

int
yaml_read(const char *text, size_t len, struct yaml_docs *ret,
    struct err *err)
{
	struct yaml_docs docs = { NULL, 0 };

	if (yaml_each(text, len, NULL, collect, &docs, err) == -1) {
		yaml_docs_clear(&docs);
		return (-1);
	}
	*ret = docs;
	return (0);
}

int
yaml_read_again(const char *text, size_t len, int line, struct yaml_doc *ret)
{
	struct yaml_cost cost = { 0 };

	return (read_piece(text, len, line, NULL, ret, &cost) == 0 ? 0 : -1);
}
