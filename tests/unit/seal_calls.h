/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SEAL_CALLS_H
#define TESTS_UNIT_SEAL_CALLS_H

#include "tests/unit/seal_place.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * The calls by which the writers of the sealed file and of the key slots reach
 * a disk: this program's own stand before libc's.  They can end the process at
 * the n-th, let the n-th fail, and keep a log from which what a power cut
 * leaves can be put together.
 */
enum call_kind { CALL_CREATE, CALL_WRITE, CALL_SYNC, CALL_RENAME, CALL_LINK,
	CALL_UNLINK, CALL_DIRSYNC };

struct call {
	enum call_kind kind;
	ino_t ino;		/* of the file */
	char a[64], b[64];
	uint8_t *data;
	size_t len;
	off_t at;		/* -1: behind what is there */
};

#define CALLS_MAX 128
static struct call log_[CALLS_MAX];
static size_t nlog;
static int held[CALLS_MAX];
static size_t nheld;
static int recording;
static int calls, die_at, fail_at, fail_errno;	/* 0: never */
static int bad_fd = -1, retried;	/* an fsync after one that failed */

/* Nonzero: this call must fail, errno is set. */
static inline int
count_call(void)
{
	calls++;
	if (calls == fail_at) {
		errno = fail_errno;
		return (1);
	}
	return (0);
}

static inline int
dies_now(void)
{
	return (calls == die_at);
}

static inline ino_t
inode_at(int dirfd, const char *name)
{
	struct stat st;

	return (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ?
	    st.st_ino : 0);
}

static inline struct call *
note_call(enum call_kind kind, ino_t ino, const char *a, const char *b)
{
	struct call *c;

	if (!recording)
		return (NULL);
	assert_true(nlog < CALLS_MAX);
	c = &log_[nlog++];
	*c = (struct call){ .kind = kind, .ino = ino, .at = -1 };
	snprintf(c->a, sizeof(c->a), "%s", a);
	snprintf(c->b, sizeof(c->b), "%s", b);
	return (c);
}

static inline void
note_data(int fd, const void *data, size_t len, off_t at)
{
	struct stat st;
	struct call *c;

	if (!recording || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return;
	c = note_call(CALL_WRITE, st.st_ino, "", "");
	c->data = mem_dup(data, len);
	c->len = len;
	c->at = at;
}

int
openat(int dirfd, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;
	int fd;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = (mode_t)va_arg(ap, unsigned);
		va_end(ap);
		if (count_call())
			return (-1);
		if (dies_now())
			_exit(9);
	}
	fd = (int)syscall(SYS_openat, dirfd, name, flags, mode);
	if (fd != -1 && flags & O_CREAT && recording) {
		note_call(CALL_CREATE, inode_at(dirfd, name), name, "");
		/* As long as it is open, no other file has its number. */
		held[nheld++] = dup(fd);
	}
	return (fd);
}

ssize_t
write(int fd, const void *data, size_t len)
{
	if (fd > 2 && count_call())
		return (-1);
	if (fd > 2 && dies_now()) {
		/* half of it, as a full disk or kill -9 leaves it */
		syscall(SYS_write, fd, data, len / 2);
		_exit(9);
	}
	note_data(fd, data, len, -1);
	return (syscall(SYS_write, fd, data, len));
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (count_call())
		return (-1);
	if (dies_now()) {
		syscall(SYS_pwrite64, fd, data, len / 2, at);
		_exit(9);
	}
	note_data(fd, data, len, at);
	return (syscall(SYS_pwrite64, fd, data, len, at));
}

static inline int
sync_call(int fd, long nr)
{
	struct stat st;

	retried |= fd == bad_fd;
	if (count_call()) {
		bad_fd = fd;
		return (-1);
	}
	if (dies_now())
		_exit(9);
	if (fstat(fd, &st) == 0)
		note_call(S_ISDIR(st.st_mode) ? CALL_DIRSYNC : CALL_SYNC,
		    st.st_ino, "", "");
	return ((int)syscall(nr, fd));
}

int
fsync(int fd)
{
	return (sync_call(fd, SYS_fsync));
}

int
fdatasync(int fd)
{
	return (sync_call(fd, SYS_fdatasync));
}

int
renameat(int from, const char *a, int to, const char *b)
{
	if (count_call())
		return (-1);
	if (dies_now())
		_exit(9);
	note_call(CALL_RENAME, inode_at(from, a), a, b);
	return ((int)syscall(SYS_renameat2, from, a, to, b, 0));
}

int
linkat(int from, const char *a, int to, const char *b, int flags)
{
	if (count_call())
		return (-1);
	if (dies_now())
		_exit(9);
	note_call(CALL_LINK, inode_at(from, a), a, b);
	return ((int)syscall(SYS_linkat, from, a, to, b, flags));
}

int
unlinkat(int from, const char *a, int flags)
{
	if (inode_at(from, a))
		note_call(CALL_UNLINK, inode_at(from, a), a, "");
	return ((int)syscall(SYS_unlinkat, from, a, flags));
}

static inline void
calls_reset(void)
{
	calls = die_at = fail_at = retried = recording = 0;
	bad_fd = -1;
	while (nlog)
		free(log_[--nlog].data);
	while (nheld)
		close(held[--nheld]);
}

/* --- a place that comes and goes ------------------------------------- */

static inline int
calls_setup(void **state)
{
	(void)state;
	calls_reset();
	place_make();
	calls_reset();
	return (0);
}

static inline int
calls_teardown(void **state)
{
	char command[128];

	(void)state;
	calls_reset();
	close(place.dir);
	close(place.witness);
	close(parent);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return (system(command));
}

#endif
