/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>

#include "base/err.h"

/*
 * The event loop gate: the only file that knows libuv.  One thread.  A
 * callback never runs before the call that registered it has returned, and
 * never after the handle was freed.  Handles may be freed inside their own
 * callback.
 */
struct loop;
struct loop_timer;
struct loop_fd;
struct loop_signal;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop *loop_new(struct err *err);
/* loop_run(l): until loop_stop or no active handle. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
void loop_free(struct loop *l);		/* frees what handles are left */

/* One-shot timers on CLOCK_MONOTONIC; after_ms 0 means the next turn. */
struct loop_timer *loop_timer_new(struct loop *l, void (*cb)(void *),
    void *arg);
void loop_timer_start(struct loop_timer *t, uint64_t after_ms);	/* restarts */
void loop_timer_stop(struct loop_timer *t);
int loop_timer_active(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);	/* NULL is fine */

/* Readiness of a descriptor (socket, pipe, inotify).  The descriptor stays the
 * caller's and must outlive the handle.  events given to the callback: a set
 * of LOOP_READ and LOOP_WRITE; an error or hang-up shows as both. */
struct loop_fd *loop_fd_new(struct loop *l, int fd,
    void (*cb)(void *arg, int events), void *arg, struct err *err);
void loop_fd_watch(struct loop_fd *h, int events);	/* 0: pause */
void loop_fd_free(struct loop_fd *h);			/* NULL is fine */

/* loop_work(l, work, done, arg, err): ${work} runs in the loop's one worker
 * thread, for what would block (a disk); then ${done} on the loop.  It is not
 * cancelled: ${arg} lives until ${done}.  loop_work_wait: let all that was
 * begun end, ${done} included.  loop_workers_one: before the first loop_work,
 * so that there is one thread and not four. */
void loop_workers_one(void);
int loop_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg),
    void *arg, struct err *err);
void loop_work_wait(struct loop *l);

struct loop_signal *loop_signal_new(struct loop *l, int signo,
    void (*cb)(void *arg, int signo), void *arg, struct err *err);
void loop_signal_free(struct loop_signal *s);

#endif
