/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

#include "keeper/words.h"

char **
words_add(size_t *n, char **list, const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	for (const char *w = first; w != NULL; w = va_arg(ap, const char *)) {
		list = mem_grow(list, *n + 2, sizeof(*list));
		list[(*n)++] = str_dup(w);
		list[*n] = NULL;
	}
	va_end(ap);
	return (list);
}

void
words_free(char **v)
{
	for (size_t i = 0; v != NULL && v[i] != NULL; i++)
		free(v[i]);
	free(v);
}

char *
words_join(char **v, size_t n)
{
	cleanup_buf struct buf b = BUF_PLAIN(65536);

	for (size_t i = 0; i < n; i++) {
		buf_adds(&b, i > 0 ? ":" : "");
		buf_adds(&b, v[i]);
	}
	return (buf_take(&b));
}
