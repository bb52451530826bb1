/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int ok)
{
	if (!ok)
		abort();
}

struct piece {
	char *p;
	size_t len;
};

/* What stands before the next line feed, in a block of exactly its size. */
static struct piece
take(const uint8_t **data, size_t *size)
{
	const uint8_t *line = *size ? memchr(*data, '\n', *size) : NULL;
	size_t len = line ? (size_t)(line - *data) : *size;
	struct piece r = { malloc(len ? len : 1), len };

	if (len)
		memcpy(r.p, *data, len);
	*data += line ? len + 1 : len;
	*size -= line ? len + 1 : len;
	return (r);
}

/* Groups lie in the match, the match in the text, on its runes' edges. */
static void
check_groups(const struct regex *re, const struct piece *text, const long *loc)
{
	size_t i;

	require(loc[0] >= 0 && loc[0] <= loc[1] &&
	    (size_t)loc[1] <= text->len);
	for (i = 1; i <= regex_groups(re); i++)
		if (loc[2 * i] != -1)
			require(loc[0] <= loc[2 * i] &&
			    loc[2 * i] <= loc[2 * i + 1] &&
			    loc[2 * i + 1] <= loc[1]);
}

static void
find_all(const struct regex *re, const struct piece *text)
{
	struct regex_text *t = regex_text_new(text->p, text->len);
	long *loc = mem_array(2 * (regex_groups(re) + 1), sizeof(*loc));
	size_t at = 0, n = 0;

	while (at <= text->len && regex_find_in(re, t, at, loc)) {
		check_groups(re, text, loc);
		require((size_t)loc[0] + 4 > at);
		at = (size_t)loc[1] > at ? (size_t)loc[1] : at + 1;
		n++;
	}
	require((n > 0) == regex_match(re, text->p, text->len));
	free(loc);
	regex_text_free(t);
}

/* Pattern, replacement, text: a line each. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_err struct err err = ERR_INIT;
	struct buf out = BUF_SECRET(1u << 24);
	struct piece pattern, repl, text;
	struct regex_work work;
	struct regex *re;
	size_t i;

	regex_work_start(&work);
	if (size > 4096)
		return (0);
	pattern = take(&data, &size);
	repl = take(&data, &size);
	text = (struct piece){ malloc(size ? size : 1), size };
	if (size)
		memcpy(text.p, data, size);
	if (regex_new(pattern.p, pattern.len, &re, &err) == -1) {
		require(err.kind == ERR_INVALID && *err_msg(&err));
	} else {
		find_all(re, &text);
		regex_replace(re, text.p, text.len, repl.p, repl.len, 0,
		    &work, &out, NULL);
		buf_clear(&out);
		regex_replace(re, text.p, text.len, repl.p, repl.len, 1,
		    &work, &out, NULL);
		buf_clear(&out);
		for (i = 0; i <= regex_groups(re); i++)
			require(regex_group_name(re, i) != NULL);
		regex_free(re);
	}
	free(pattern.p);
	free(repl.p);
	free(text.p);
	return (0);
}
