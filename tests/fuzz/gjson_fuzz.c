/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/gjson_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* A path up to the first line feed, then the document, in a block of exactly
 * its size.  The work stays within the budget, whatever the path. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
	size_t len = line ? (size_t)(line - data) : size;
	size_t rest = line ? size - len - 1 : 0;
	struct buf out = BUF_SECRET((size_t)1 << 30);
	struct gjson g, again;
	char *path, *json;

	if (len > 2000 || rest > 20000)
		return (0);
	path = str_ndup((const char *)data, len);
	json = malloc(rest ? rest : 1);
	if (rest)
		memcpy(json, line + 1, rest);
	gjson_get(json, rest, path, &g);
	gjson_string(&g, &out);
	require(!g.limited || g.type == DOC_NONE);
	require(g.type != DOC_NONE || (g.raw.len == 0 && out.len == 0));
	if (g.type == DOC_OBJECT)
		require(buf_str(&g.raw)[0] == '{');
	if (rest < 500) {
		gjson_get(json, rest, path, &again);
		require(again.type == g.type && again.raw.len == g.raw.len);
		gjson_clear(&again);
	}
	buf_clear(&out);
	gjson_clear(&g);
	free(json);
	free(path);
	return (0);
}
