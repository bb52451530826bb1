/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/*
 * Plain memory and scope-owned locals.  Everything sized by a peer has a
 * ceiling before it gets here, so running out of memory is the machine's
 * fault: these functions write one line to stderr and abort; the keeper starts
 * the process again.  No caller checks for NULL.
 */

void *mem_alloc(size_t size);			/* zeroed; size 0 gives 1 */
void *mem_array(size_t n, size_t size);		/* zeroed; overflow aborts */
/* mem_grow(p, n, size): realloc to n * size, new part undefined.  Never for
 * secrets: the old copy stays behind. */
void *mem_grow(void *p, size_t n, size_t size);
void *mem_dup(const void *p, size_t len);	/* copy plus a final NUL */
char *str_dup(const char *s);			/* NULL gives NULL */
char *str_ndup(const char *s, size_t len);	/* len bytes and NUL */
char *str_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* str_eq(a, b): nonzero when equal; NULL equals only NULL. */
int str_eq(const char *a, const char *b);
/* str_or(s, d): s, or d when s is NULL or empty. */
const char *str_or(const char *s, const char *d);

/* Hand an owned pointer over: p becomes NULL. */
#define STEAL(p) __extension__({			\
	__typeof__(p) *steal_at_ = &(p);		\
	__typeof__(p) steal_v_ = *steal_at_;		\
	*steal_at_ = NULL;				\
	steal_v_;					\
})

/* Hand an owned descriptor over: fd becomes -1. */
static inline int
fd_steal(int *fd)
{
	int v = *fd;

	*fd = -1;
	return (v);
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void mem_cleanup_free(void *pp);	/* void **; frees and keeps errno */
void mem_cleanup_close(const int *fd);	/* closes when >= 0, keeps errno */

#define cleanup_free __attribute__((cleanup(mem_cleanup_free)))
#define cleanup_close __attribute__((cleanup(mem_cleanup_close)))

#endif
