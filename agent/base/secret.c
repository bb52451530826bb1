/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem_internal.h"
#include "base/secret.h"

struct secret {
	size_t len;
	uint8_t data[];		/* len bytes and a NUL */
};

void
secret_wipe(void *p, size_t len)
{
#ifdef WEAKEN_WIPE
	(void)p;
	(void)len;
#else
	if (len)
		explicit_bzero(p, len);
#endif
}

static struct secret *
secret_alloc(size_t len)
{
	struct secret *s;

	if (len > SIZE_MAX - sizeof(*s) - 1)
		mem_abort("nodeseal: size overflow");
	s = malloc(sizeof(*s) + len + 1);
	if (!s)
		mem_abort("nodeseal: out of memory");
	s->len = len;
	s->data[len] = '\0';
	return (s);
}

struct secret *
secret_new(const void *data, size_t len)
{
	struct secret *s = secret_alloc(len);

	if (len)
		memcpy(s->data, data, len);
	return (s);
}

/* A copy and not a move of the pointer: the length stands before the bytes,
 * and a buffer's spare capacity would stay with the value for its life. */
struct secret *
secret_from_buf(struct buf *b)
{
	struct secret *s = secret_new(b->data, b->len);

	if (b->data)
		secret_wipe(b->data, b->cap);
	buf_clear(b);
	return (s);
}

const uint8_t *
secret_data(const struct secret *s)
{
	return (s->data);
}

size_t
secret_len(const struct secret *s)
{
	return (s->len);
}

int
secret_equal(const struct secret *a, const struct secret *b)
{
	volatile uint8_t diff = 0;
	size_t i;

	if (!a || !b || a->len != b->len)
		return (0);
	for (i = 0; i < a->len; i++)
		diff |= a->data[i] ^ b->data[i];
	return (diff == 0);
}

void
secret_free(struct secret *s)
{
	if (!s)
		return;
	secret_wipe(s, sizeof(*s) + s->len + 1);
	free(s);
}

void
secret_cleanup(struct secret **s)
{
	secret_free(*s);
	*s = NULL;
}
