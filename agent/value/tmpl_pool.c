/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_pool.h"

/* Under AddressSanitizer each piece is a block of its own, without room, so
 * that a byte too far is seen. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define PIECES 1
#else
#define PIECES 0
#endif

#define ALIGN 16
#define BLOCK_FIRST 8192
#define BLOCK_MAX (1u << 18)

struct pool_block {
	struct pool_block *next;
	size_t size, at;
	_Alignas(ALIGN) unsigned char data[];
};

/* A block of its own goes behind the head, which stays the one to fill. */
static struct pool_block *
add_block(struct pool *p, size_t size, int alone, struct err *err)
{
	struct pool_block *b;

	if (size > pool_left(p)) {
		err_set(err, ERR_LIMIT, "template needs more than %zu bytes of"
		    " memory", p->max);
		return (NULL);
	}
	/* Not zeroed: a block is used in small parts. */
	b = mem_grow(NULL, sizeof(*b) + size, 1);
	b->size = size;
	b->at = 0;
	p->used += size;
	if (alone && p->head != NULL) {
		b->next = p->head->next;
		p->head->next = b;
	} else {
		b->next = p->head;
		p->head = b;
	}
	return (b);
}

static size_t
next_size(const struct pool *p)
{
	size_t size = p->head == NULL ? BLOCK_FIRST : p->head->size * 2;

	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	if (size < BLOCK_FIRST)
		size = BLOCK_FIRST;
	return (size > pool_left(p) ? pool_left(p) : size);
}

static void *
raw(struct pool *p, size_t size, struct err *err)
{
	struct pool_block *b = p->head;
	void *at;

	if (size > SIZE_MAX / 2)
		size = SIZE_MAX / 2;
	if (!PIECES)
		size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (PIECES || b == NULL || b->size - b->at < size) {
		size_t want = next_size(p);
		int alone = PIECES || size > want / 4;

		b = add_block(p, alone ? size : want, alone, err);
		if (b == NULL)
			return (NULL);
	}
	at = b->data + b->at;
	b->at += size;
	return (at);
}

void *
pool_alloc(struct pool *p, size_t size, struct err *err)
{
	void *at = raw(p, size, err);

	return (at == NULL ? NULL : memset(at, 0, size));
}

char *
pool_copy(struct pool *p, const void *src, size_t n, struct err *err)
{
	char *at;

	if (n == SIZE_MAX || (at = raw(p, n + 1, err)) == NULL)
		return (NULL);
	if (n)
		memcpy(at, src, n);
	at[n] = '\0';
	return (at);
}

size_t
pool_left(const struct pool *p)
{
	return (p->used >= p->max ? 0 : p->max - p->used);
}

void
pool_clear(struct pool *p)
{
	struct pool_block *b, *next;

	for (b = p->head; b != NULL; b = next) {
		next = b->next;
		secret_wipe(b->data, b->at);
		free(b);
	}
	p->head = NULL;
	p->used = 0;
}
