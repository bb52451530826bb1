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

int
fail_set(struct fail *f, enum fsproj_status status, const char *fmt, ...)
{
	va_list ap;

	f->status = status;
	f->sys = 0;
	va_start(ap, fmt);
	vsnprintf(f->msg, sizeof(f->msg), fmt, ap);
	va_end(ap);
	return (-1);
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

int
fail_sys(struct fail *f, const char *fmt, ...)
{
	int saved = errno;
	size_t len;
	va_list ap;

	f->status = status_of(saved);
	f->sys = saved;
	va_start(ap, fmt);
	vsnprintf(f->msg, sizeof(f->msg), fmt, ap);
	va_end(ap);
	len = strlen(f->msg);
	snprintf(f->msg + len, sizeof(f->msg) - len, ": %s", strerror(saved));
	errno = saved;
	return (-1);
}
