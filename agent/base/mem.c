/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/mem_internal.h"

void
mem_abort(const char *why)
{
	static const char end[] = "\n";

	/* Nothing that allocates: write(2) alone, result of no interest. */
	if (write(STDERR_FILENO, why, strlen(why)) == -1 ||
	    write(STDERR_FILENO, end, 1) == -1)
		abort();
	abort();
}

/* glibc's calloc passes by the thread's cache of small pieces, which then
 * stays full, so that their free is slow, too.  A compiler that sees malloc
 * and memset of zeros makes a calloc of them: so it must not. */
#define SMALL 1024
#define FORGET_ORIGIN(p) __asm__("" : "+r"(p))

void *
mem_alloc(size_t size)
{
	void *p;

	if (size > SMALL)
		return (mem_array(size, 1));
	p = malloc(size ? size : 1);
	if (!p)
		mem_abort("nodeseal: out of memory");
	FORGET_ORIGIN(p);
	return (memset(p, 0, size ? size : 1));
}

void *
mem_array(size_t n, size_t size)
{
	void *p;

	/* calloc itself refuses a product that overflows. */
	p = calloc(n ? n : 1, size ? size : 1);
	if (!p)
		mem_abort("nodeseal: out of memory");
	return (p);
}

void *
mem_grow(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n ? n : 1, size ? size : 1);
	if (!p)
		mem_abort("nodeseal: out of memory");
	return (p);
}

void *
mem_dup(const void *p, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		mem_abort("nodeseal: size overflow");
	copy = malloc(len + 1);
	if (!copy)
		mem_abort("nodeseal: out of memory");
	if (len)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return (copy);
}

char *
str_dup(const char *s)
{
	return (s ? mem_dup(s, strlen(s)) : NULL);
}

char *
str_ndup(const char *s, size_t len)
{
	return (mem_dup(s, len));
}

char *
mem_vfmt(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) == -1)
		mem_abort("nodeseal: out of memory");
	return (s);
}

char *
str_fmt(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = mem_vfmt(fmt, ap);
	va_end(ap);
	return (s);
}

int
str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return (a == b);
	return (strcmp(a, b) == 0);
}

const char *
str_or(const char *s, const char *d)
{
	return (s && *s ? s : d);
}

void
mem_cleanup_free(void *pp)
{
	int saved = errno;
	void *p;

	/* The attribute hands over T ** for any T: read it as bytes. */
	memcpy(&p, pp, sizeof(p));
	free(p);
	errno = saved;
}

void
mem_cleanup_close(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}
