/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/yaml_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int ok)
{
	if (!ok)
		abort();
}

static void
walk(const struct yaml_doc *doc, const struct json *j, int depth)
{
	const struct json *at;

	require(depth <= JSON_DEPTH_MAX && yaml_line(doc, j) > 0);
	for (at = json_first(j); at; at = json_next(at))
		walk(doc, at, depth + 1);
}

/* What was read prints as YAML that reads as the same.  U+2028 and its like
 * are line breaks to YAML 1.1, a byte order mark inside a text disappears, and
 * the emitter has its own mind about them; a key that is the text "<<" prints
 * without quotes, as in Go, and reads as a merge: these only have to print. */
static void
print_and_read(const struct json *j)
{
	static const char *const odd[] = { "\xe2\x80\xa8", "\xe2\x80\xa9",
		"\xc2\x85", "\xef\xbb\xbf", "<<:" };
	cleanup_buf struct buf text = BUF_PLAIN(1u << 24);
	cleanup_buf struct buf one = BUF_PLAIN(1u << 24);
	cleanup_buf struct buf two = BUF_PLAIN(1u << 24);
	struct yaml_docs docs = { NULL, 0 };
	size_t i;

	yaml_print(j, &text);
	require(utf8_valid(buf_str(&text), text.len));
	json_print(j, &one, 0);
	if (one.len > 65536)
		return;
	for (i = 0; i < ARRAY_LEN(odd); i++)
		if (strstr(buf_str(&text), odd[i]))
			return;
	require(yaml_read(buf_str(&text), text.len, &docs, NULL) == 0);
	require(docs.n == 1);
	if (docs.v[0].root)
		json_print(docs.v[0].root, &two, 0);
	/* Members come back sorted: the same length is as much as can be asked
	 * (goyaml's order of keys is not a total one). */
	if (docs.v[0].root)
		require(one.len == two.len);
	yaml_docs_clear(&docs);
}

static void
same_lines(const struct json *a, const struct json *b)
{
	require(yaml_line(NULL, a) == yaml_line(NULL, b));
	for (a = json_first(a), b = json_first(b); a && b;
	    a = json_next(a), b = json_next(b))
		same_lines(a, b);
	require(!a && !b);
}

/* The wanted members alone: they are the same, and cost as much. */
static void
heads(const char *text, size_t len, const struct json *whole,
    const struct yaml_cost *cost)
{
	static const char *const names[] = { "a", "kind", "metadata", NULL };
	cleanup_buf struct buf one = BUF_PLAIN(1u << 24);
	cleanup_buf struct buf two = BUF_PLAIN(1u << 24);
	struct yaml_cost again = { 0 };
	int line, i;
	struct json *j = yaml_quick(text, len, 1, names, &line, &again);

	require((j == NULL) == (whole == NULL));
	if (!j)
		return;
	require(again.decodes == cost->decodes && again.bytes == cost->bytes);
	for (i = 0; names[i]; i++) {
		json_print(json_get(whole, names[i]), &one, 0);
		json_print(json_get(j, names[i]), &two, 0);
	}
	require(strcmp(buf_str(&one), buf_str(&two)) == 0);
	json_free(j);
}

/* What the quick ways say is what libyaml says. */
static void
quick(const char *text, size_t len)
{
	cleanup_buf struct buf one = BUF_PLAIN(1u << 24);
	cleanup_buf struct buf two = BUF_PLAIN(1u << 24);
	struct yaml_docs docs = { NULL, 0 };
	struct yaml_cost cost = { 0 };
	int line;
	struct json *j = yaml_quick(text, len, 1, NULL, &line, &cost);

	heads(text, len, j, &cost);
	if (!j)
		return;
	require(yaml_parse(text, len, 1, &docs, &cost, NULL) == 0);
	require(docs.n == 1 && docs.v[0].ndups == 0 &&
	    docs.v[0].line == line);
	json_print(j, &one, 0);
	json_print(docs.v[0].root, &two, 0);
	require(strcmp(buf_str(&one), buf_str(&two)) == 0);
	same_lines(j, docs.v[0].root);
	buf_cut(&one, 0);
	buf_cut(&two, 0);
	if (yaml_quick_print(j, &one)) {
		yaml_emit(j, &two);
		require(strcmp(buf_str(&one), buf_str(&two)) == 0);
	}
	yaml_docs_clear(&docs);
	json_free(j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct yaml_docs docs = { NULL, 0 };
	cleanup_err struct err err = ERR_INIT;
	size_t i, k, stars = 0;
	char *text;

	/* A bomb of aliases takes its time until it is refused; the unit test
	 * has one.  A few show the same code. */
	for (i = 0; i < size; i++)
		stars += data[i] == '*';
	if (stars > 16)
		return (0);
	text = malloc(size ? size : 1);
	if (size)
		memcpy(text, data, size);
	quick(text, size);
	if (yaml_read(text, size, &docs, &err) == -1) {
		require(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
		require(docs.v == NULL && strncmp(err_msg(&err), "line ", 5)
		    == 0);
	}
	free(text);
	for (i = 0; i < docs.n; i++) {
		if (!docs.v[i].root)
			continue;
		walk(&docs.v[i], docs.v[i].root, 0);
		if (i < 2)
			print_and_read(docs.v[i].root);
		for (k = 0; k < docs.v[i].ndups; k++)
			require(docs.v[i].dups[k].key != NULL &&
			    docs.v[i].dups[k].line > 0);
	}
	yaml_docs_clear(&docs);
	return (0);
}
