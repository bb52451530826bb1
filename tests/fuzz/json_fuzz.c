/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* Every reader over every node. */
static void
walk(const struct json *j)
{
	const struct json *at;

	json_num(j, 0);
	json_bool(j, 0);
	json_str(j);
	require(json_len(j) == 0 || json_first(j) != NULL);
	for (at = json_first(j); at; at = json_next(at)) {
		if (json_is(j, JSON_OBJECT))
			require(json_get(j, json_key(at)) != NULL);
		walk(at);
	}
}

/* Put the document into another one, reach it, and take it out. */
static void
change(struct json *doc)
{
	cleanup_json struct json *outer = json_new_object();
	struct json *list = json_new_array();

	json_push(list, json_new_strn("ab", 1));
	json_push(list, json_new_null());
	json_set(outer, "list", list);
	json_set_str(outer, "text", "a");
	json_set_str(outer, "text", NULL);
	json_set_bool(outer, "flag", 1);
	json_set(outer, "deep", json_new_object());
	json_set(json_get(outer, "deep"), "doc", json_copy(doc));
	require(json_type(json_path(outer, "deep.doc")) == json_type(doc));
	require(json_path(outer, "deep.none") == NULL);
	json_free(json_take(json_get(outer, "deep"), "doc"));
	json_set(outer, "flag", NULL);
	require(json_len(outer) == 3);
}

/* What was parsed prints, and the print parses to the same print: no value
 * gets lost between the two. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json struct json *j = NULL, *again = NULL, *copy = NULL;
	cleanup_buf struct buf one = BUF_PLAIN(1u << 24);
	cleanup_buf struct buf two = BUF_PLAIN(1u << 24);
	cleanup_err struct err err = ERR_INIT;
	char *text;

	/* A block of exactly that size: one byte too far is seen. */
	text = malloc(size ? size : 1);
	if (size)
		memcpy(text, data, size);
	j = json_parse(text, size, &err);
	free(text);
	if (!j) {
		require(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
		return (0);
	}
	walk(j);
	change(j);
	json_print(j, &one, 0);
	require(utf8_valid(buf_str(&one), one.len));
	again = json_parse(buf_str(&one), one.len, &err);
	require(again != NULL);
	copy = json_copy(again);
	json_print(copy, &two, 0);
	require(one.len == two.len &&
	    memcmp(buf_str(&one), buf_str(&two), one.len) == 0);
	if (json_is(j, JSON_OBJECT) && json_first(j)) {
		cleanup_free char *key = str_dup(json_key(json_first(j)));

		json_set_num(j, key, 1);
		require((int)json_num(json_get(j, key), 0) == 1);
		json_free(json_take(j, key));
		require(json_get(j, key) == NULL);
	}
	return (0);
}
