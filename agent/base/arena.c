/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"

#define ALIGN ((size_t)16)

struct arena {
	uint8_t *base;
	size_t size;
	size_t used;
	char *degraded;		/* NULL: the kernel itself cannot read it */
};

/* The system call by number: glibc 2.36 has no wrapper.  The descriptor is
 * closed at once, so that nobody can map the pages a second time. */
static void *
map_secret(size_t size)
{
	cleanup_close int fd = -1;
	void *p;

	fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	if (fd == -1 || ftruncate(fd, (off_t)size) == -1)
		return (NULL);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return (p == MAP_FAILED ? NULL : p);
}

/* memfd_secret's fall-back: neither swapped nor dumped, but root reads it. */
static int
map_locked(struct arena *a, int why, struct err *err)
{
	void *p;

	p = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return (err_sys(err, "arena of %zu bytes", a->size));
	a->base = p;
	if (madvise(p, a->size, MADV_DONTDUMP) == -1)
		return (err_sys(err, "arena: MADV_DONTDUMP"));
	if (mlock(p, a->size) == -1)
		a->degraded = str_fmt(
		    "memfd_secret: %s; mlock: %s; memory may be swapped",
		    strerrordesc_np(why), strerrordesc_np(errno));
	else
		a->degraded = str_fmt("memfd_secret: %s; locked memory instead",
		    strerrordesc_np(why));
	return (0);
}

int
arena_open(size_t size, struct arena **ret, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct arena *a;

	if (size == 0 || size > SIZE_MAX / 2)
		return (err_set(err, ERR_INVALID, "arena of %zu bytes", size));
	a = mem_alloc(sizeof(*a));
	a->size = (size + page - 1) / page * page;
	a->base = map_secret(a->size);
	if (!a->base && map_locked(a, errno, err) == -1)
		goto fail;
	/* Private or shared, a child must not have the pages. */
	if (madvise(a->base, a->size, MADV_DONTFORK) == -1) {
		err_sys(err, "arena: MADV_DONTFORK");
		goto fail;
	}
	*ret = a;
	return (0);
fail:
	arena_close(a);
	return (-1);
}

const char *
arena_degraded(const struct arena *a)
{
	return (a->degraded);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p;

	if (n > a->size - a->used)
		return (NULL);
	p = a->base + a->used;
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	a->used += n < a->size - a->used ? n : a->size - a->used;
	return (p);
}

size_t
arena_mark(const struct arena *a)
{
	return (a->used);
}

/* Wiping here is what makes arena_alloc's memory zeroed: the pages start as
 * zeros and every byte that was given out comes back through this. */
void
arena_release(struct arena *a, size_t mark)
{
	if (mark >= a->used)
		return;
	secret_wipe(a->base + mark, a->used - mark);
	a->used = mark;
}

size_t
arena_left(const struct arena *a)
{
	return (a->size - a->used);
}

void
arena_close(struct arena *a)
{
	if (!a)
		return;
	if (a->base) {
		secret_wipe(a->base, a->used);
		munmap(a->base, a->size);
	}
	free(a->degraded);
	free(a);
}
