/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_READ_H
#define JOB_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/**
 * read_job(fd, err):
 * The read job on one end of the pair: JOB_READ with an open file comes in,
 * JOB_OBJECT for each object, JOB_FINDING for each finding and JOB_DONE go
 * out.  Rights are given up before the first byte of the file is looked at.
 * A file of no use is findings, not a failure.
 */
int read_job(int fd, int require_sandbox, struct err *err);

/* The same without sandbox, over a text: for tests and fuzzing. */
int read_text(int fd, const char *name, const uint8_t *core_key,
    const char *text, size_t len, struct err *err);

#endif
