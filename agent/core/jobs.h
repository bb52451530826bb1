/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JOBS_H
#define CORE_JOBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "core/schedule.h"
#include "ipc/frame.h"
#include "ipc/job.h"

/*
 * The pool of jobs: children of the zygote, each with a socket pair to us, a
 * slot (core/slots.h) and a deadline.  What a job says is its owner's
 * business.
 */
struct jobs;
struct job;

enum job_end {
	JOB_END_FAILED,		/* died, broke the protocol, no zygote */
	JOB_END_DEADLINE,
	JOB_END_YIELD,		/* stopped for its host's slow job: not its
				 * fault, ask again later */
	JOB_END_CLOSED		/* jobs_free: only free what is yours */
};

struct job_events {
	/* May call job_finish. */
	void (*frame)(void *arg, struct frame *f);
	/* Once, unless job_finish came first; the job is freed afterwards. */
	void (*end)(void *arg, enum job_end why, const struct err *err);
};

/* room(arg): a slot or a host has become free, or a zygote has come. */
struct jobs *jobs_new(struct loop *l, struct schedule *s, int max,
    void (*room)(void *arg), void *arg);
void jobs_free(struct jobs *j);		/* ends them all with CLOSED */

/* jobs_set_zygote(j, fd): a new zygote; jobs of the one before have failed.
 * ${fd} is taken over. */
int jobs_set_zygote(struct jobs *j, int fd, struct err *err);
int jobs_connected(const struct jobs *j);
/* jobs_set_max: how many at a time from now on; what runs goes on. */
void jobs_set_max(struct jobs *j, int max);
/* jobs_room: any slot is free; jobs_may_start: for this host, too. */
int jobs_room(const struct jobs *j);
int jobs_may_start(const struct jobs *j, const char *host);
size_t jobs_running(const struct jobs *j);

/**
 * jobs_start(j, kind, host, deadline_ms, events, arg, ret, err):
 * Fork a child; it fails (end) after ${deadline_ms}.  ${host} names the
 * provider for the slot rule ("" none), ${events} is borrowed.
 */
int jobs_start(struct jobs *j, enum job_kind kind, const char *host,
    uint32_t deadline_ms, const struct job_events *events, void *arg,
    struct job **ret, struct err *err);
/* As chan_send. */
int job_send(struct job *job, uint16_t type, const void *body, size_t len,
    int *fds, size_t nfds, struct err *err);
/* job_finish(job): it has said all that we wanted; its slot is free.  The
 * child ends by itself (it may have a login to give back), at its deadline at
 * the latest.  job_stop kills it.  end() is not called. */
void job_finish(struct job *job);
void job_stop(struct job *job);

#endif
