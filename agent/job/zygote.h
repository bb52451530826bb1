/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_ZYGOTE_H
#define JOB_ZYGOTE_H

#include "base/err.h"
#include "ipc/job.h"

/*
 * The zygote: one process with its libraries initialised that forks one child
 * per request and sees to it that the child ends.  It reads nothing but
 * ZYGOTE_FORK and ZYGOTE_KILL.
 */
#define ZYGOTE_CHILDREN_MAX 64

/* What a child does with its end of the pair; its exit status. */
struct zygote_work {
	int (*run)(enum job_kind kind, int fd, void *arg);
	void *arg;
};

/**
 * zygote_run(fd, work, err):
 * Serve the socket ${fd} until its other end closes; then kill and reap every
 * child and return 0.  A child beyond ZYGOTE_CHILDREN_MAX, or one that cannot
 * be forked, is answered with ZYGOTE_EXIT at once (status of exit(1)).
 */
int zygote_run(int fd, const struct zygote_work *work, struct err *err);

/* zygote_command(argc, argv): `nodeseal-job zygote --fd N [--require-sandbox]
 * [--log-level L] [--log-format F]`. */
int zygote_command(int argc, char **argv);

#endif
