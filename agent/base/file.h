/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* Small helpers over descriptors.  All descriptors are O_CLOEXEC. */

/* file_read_fd(fd, out, err): append until end of file; LIMIT beyond the
 * buffer's ceiling. */
int file_read_fd(int fd, struct buf *out, struct err *err);
/* file_read(path, out, err): "-" is standard input. */
int file_read(const char *path, struct buf *out, struct err *err);
/* file_write_all(fd, data, len, err): loops over short writes and EINTR. */
int file_write_all(int fd, const void *data, size_t len, struct err *err);
/* file_mkdirs(path, mode, err): all missing parents too; existing is fine. */
int file_mkdirs(const char *path, unsigned mode, struct err *err);

#endif
