/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/mem_internal.h"
#include "base/secret.h"

#define CAP_FIRST 64

/* A secret never meets realloc, which would leave the old copy behind. */
static void
grow_to(struct buf *b, size_t cap)
{
	char *fresh;

	if (!b->secret) {
		b->data = mem_grow(b->data, cap, 1);
		b->cap = cap;
		return;
	}
	fresh = malloc(cap);
	if (!fresh)
		mem_abort("nodeseal: out of memory");
	if (b->data) {
		memcpy(fresh, b->data, b->len);
		secret_wipe(b->data, b->cap);
		free(b->data);
	}
	b->data = fresh;
	b->cap = cap;
}

char *
buf_space(struct buf *b, size_t n)
{
	size_t need, cap;

	if (b->failed || b->len > b->max || n > b->max - b->len ||
	    n >= SIZE_MAX / 2 - b->len) {
		b->failed = 1;
		return (NULL);
	}
	need = b->len + n + 1;
	if (need > b->cap) {
		cap = b->cap < CAP_FIRST ? CAP_FIRST : b->cap;
		while (cap < need)
			cap *= 2;
		/* Not more than the ceiling and the NUL ever need. */
		if (b->max < SIZE_MAX && cap > b->max + 1)
			cap = b->max + 1;
		grow_to(b, cap);
	}
	b->data[b->len] = '\0';
	return (b->data + b->len);
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	char *at = buf_space(b, len);

	if (!at)
		return;
	if (len)
		memcpy(at, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	char *at = buf_space(b, 1);

	if (!at)
		return;
	at[0] = c;
	at[1] = '\0';
	b->len++;
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *at;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		mem_abort("nodeseal: bad format");
	at = buf_space(b, (size_t)n);
	if (!at)
		return;
	va_start(ap, fmt);
	vsnprintf(at, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
buf_cut(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	if (b->secret)
		secret_wipe(b->data + len, b->len - len);
	b->len = len;
	b->data[len] = '\0';
}

int
buf_ok(const struct buf *b)
{
	return (!b->failed);
}

int
buf_finish(const struct buf *b, const char *what, struct err *err)
{
	if (!b->failed)
		return (0);
	return (err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", what,
	    b->max));
}

const char *
buf_str(const struct buf *b)
{
	return (b->data ? b->data : "");
}

char *
buf_take(struct buf *b)
{
	char *s;

	if (b->secret)
		mem_abort("nodeseal: buf_take of a secret buffer");
	s = b->data ? b->data : str_ndup("", 0);
	*b = (struct buf)BUF_PLAIN(b->max);
	return (s);
}

void
buf_clear(struct buf *b)
{
	if (b->secret && b->data)
		secret_wipe(b->data, b->cap);
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
	b->failed = 0;
}
