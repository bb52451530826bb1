/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_LOG_H
#define FSPROJ_LOG_H

#include "fsproj/proto.h"

/* Lines on stderr, and the one failure object, both without the heap. */

/* log_line(level, fmt, ...): one line, one write(2), control characters
 * replaced.  ${level} is "error", "warn" or "info".  Keeps errno. */
void log_line(const char *level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What went wrong, as the reply will say it. */
struct fail {
	enum fsproj_status status;	/* FSPROJ_OK: nothing */
	int sys;			/* errno, or 0 */
	char msg[512];
};

/* fail_set(f, status, fmt, ...): fill ${f}; always returns -1. */
int fail_set(struct fail *f, enum fsproj_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* fail_sys(f, fmt, ...): the same from errno, whose text is appended. */
int fail_sys(struct fail *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
