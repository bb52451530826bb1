/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_RESOLVE_H
#define JOB_RESOLVE_H

#include "base/err.h"

/**
 * resolve_job(fd, require_sandbox, err):
 * The resolve job on one end of the pair: reads who we are to the API server
 * from the descriptors of ipc/keeper.h, gets what JOB_RESOLVE wants, one after
 * another, and answers JOB_KEY, a JOB_RESOLVED each with its body sealed to the
 * fetch child's key, and JOB_DONE.  What cannot be had is an answer, not a
 * failure.  It meets no provider.
 */
int resolve_job(int fd, int require_sandbox, struct err *err);

#endif
