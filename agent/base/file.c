/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define READ_STEP ((size_t)16384)

/* Room for the next read: not more than the ceiling leaves; 0 at the ceiling,
 * where one byte more decides between the end and too much. */
static size_t
step(const struct buf *out)
{
	size_t left = out->max > out->len ? out->max - out->len : 0;

	return (left < READ_STEP ? left : READ_STEP);
}

int
file_read_fd(int fd, struct buf *out, struct err *err)
{
	char probe, *at;
	ssize_t got;
	size_t n;

	for (;;) {
		n = step(out);
		at = n ? buf_space(out, n) : &probe;
		if (!at)
			return (buf_finish(out, "input", err));
		got = read(fd, at, n ? n : 1);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return (err_sys(err, "read"));
		if (got == 0)
			return (0);
		if (n == 0) {
			probe = 0;
			out->failed = 1;
			return (buf_finish(out, "input", err));
		}
		out->len += (size_t)got;
		out->data[out->len] = '\0';
	}
}

int
file_read(const char *path, struct buf *out, struct err *err)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (strcmp(path, "-") == 0) {
		if (file_read_fd(STDIN_FILENO, out, err) == -1)
			return (err_wrap(err, "standard input"));
		return (0);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return (err_sys(err, "%s", path));
	/* A large buffer that grows is copied, and twice in memory. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && out->len == 0 &&
	    out->max > READ_STEP &&
	    st.st_size > 0 && (size_t)st.st_size < out->max - READ_STEP)
		buf_space(out, (size_t)st.st_size + READ_STEP);
	if (file_read_fd(fd, out, err) == -1)
		return (err_wrap(err, "%s", path));
	return (0);
}

int
file_write_all(int fd, const void *data, size_t len, struct err *err)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (err_sys(err, "write"));
		p += n;
		len -= (size_t)n;
	}
	return (0);
}

static int
make_one(const char *path, unsigned mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return (0);
	if (errno != EEXIST)
		return (err_sys(err, "mkdir %s", path));
	/* Something is there: a directory (or a link to one), or not. */
	if (stat(path, &st) == -1)
		return (err_sys(err, "%s", path));
	if (S_ISDIR(st.st_mode))
		return (0);
	errno = ENOTDIR;
	return (err_sys(err, "%s", path));
}

int
file_mkdirs(const char *path, unsigned mode, struct err *err)
{
	cleanup_free char *copy = str_dup(path);
	char *slash;

	for (slash = strchr(copy + (*copy == '/'), '/'); slash;
	    slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (make_one(copy, mode, err) == -1)
			return (-1);
		*slash = '/';
	}
	return (make_one(copy, mode, err));
}
