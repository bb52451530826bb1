/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_POOL_H
#define VALUE_TMPL_POOL_H

#include <stddef.h>

#include "base/err.h"

/*
 * Memory that is given back all at once, wiped, because what a template makes
 * of secrets is secret too.  Nothing in it moves or is freed alone.
 */
struct pool {
	struct pool_block *head;	/* the one that is filled */
	size_t used;			/* bytes of all blocks */
	size_t max;			/* ceiling of it */
};

#define POOL_INIT(ceiling) { NULL, 0, (ceiling) }

/* pool_alloc: zeroed, 16-aligned; NULL and LIMIT beyond the ceiling. */
void *pool_alloc(struct pool *p, size_t size, struct err *err);
/* pool_copy: ${n} bytes and a NUL; NULL and LIMIT. */
char *pool_copy(struct pool *p, const void *src, size_t n, struct err *err);
size_t pool_left(const struct pool *p);
void pool_clear(struct pool *p);

#endif
