/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fsproj/log.h"

void
log_line(const char *level, const char *fmt, ...)
{
	char line[1024];
	int saved = errno;
	size_t len, i;
	va_list ap;

	len = (size_t)snprintf(line, sizeof(line), "%-5s fsproj: ", level);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	/* A path comes from the peer: it must not forge a second line. */
	for (i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	while (write(STDERR_FILENO, line, len) == -1 && errno == EINTR)
		continue;
	errno = saved;
}

static enum fsproj_status
status_of(int sys)
{
	switch (sys) {
	case ENOENT:
		return (FSPROJ_NOTFOUND);
	case EACCES: case EPERM: case EROFS: case EXDEV: case ELOOP:
		return (FSPROJ_DENIED);
	case EAGAIN: case EBUSY: case EINTR:
		return (FSPROJ_TRANSIENT);
	case ENOSPC: case EDQUOT: case EMFILE: case ENFILE: case ENOMEM:
	case ENAMETOOLONG: case EFBIG:
		return (FSPROJ_LIMIT);
	case EINVAL: case ENOTDIR: case EISDIR: case EEXIST:
		return (FSPROJ_INVALID);
	default:
		return (FSPROJ_INTERNAL);
	}
}

static int __attribute__((format(printf, 4, 0)))
fail_fill(struct fail *f, enum fsproj_status status, int sys, const char *fmt,
    va_list ap)
{
	size_t len;

	f->status = status;
	f->sys = sys;
	vsnprintf(f->msg, sizeof(f->msg), fmt, ap);
	len = strlen(f->msg);
	if (sys)
		snprintf(f->msg + len, sizeof(f->msg) - len, ": %s",
		    strerror(sys));
	errno = sys;
	return (-1);
}

int
fail_set(struct fail *f, enum fsproj_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_fill(f, status, 0, fmt, ap);
	va_end(ap);
	return (-1);
}

int
fail_sys(struct fail *f, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;

	va_start(ap, fmt);
	fail_fill(f, status_of(sys), sys, fmt, ap);
	va_end(ap);
	return (-1);
}
