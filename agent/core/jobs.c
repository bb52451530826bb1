/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/chan.h"
#include "core/jobs.h"
#include "core/slots.h"

/* The zygote kills at the deadline; we stop listening this much later, in case
 * that it cannot. */
#define DEADLINE_GRACE_MS 1000
#define ZYGOTE_FRAME_MAX 4096
#define EXIT_MS 1000		/* between a job's last word and its exit */

struct job {
	TAILQ_ENTRY(job) next;
	struct jobs *jobs;
	uint64_t id;
	char *host;
	int slow;
	int exited;		/* the zygote has reaped it: nothing to kill */
	uint32_t status;
	int silent;		/* its channel has ended; why, says its exit */
	struct chan *chan;
	struct due stall, deadline;
	const struct job_events *events;
	void *arg;
};

struct jobs {
	struct loop *loop;
	struct schedule *schedule;
	struct slots slots;
	struct chan *zygote;
	uint64_t last_id;
	TAILQ_HEAD(job_list, job) running;
	size_t nrunning;
	struct due room_due;
	void (*room)(void *arg);
	void *arg;
};

static void
on_room(void *arg)
{
	struct jobs *j = arg;

	j->room(j->arg);
}

/* Told on the next turn: whoever frees a slot is in the middle of his work. */
static void
say_room(struct jobs *j)
{
	schedule_at(j->schedule, &j->room_due, 0);
}

struct jobs *
jobs_new(struct loop *l, struct schedule *s, int max, void (*room)(void *arg),
    void *arg)
{
	struct jobs *j = mem_alloc(sizeof(*j));

	j->loop = l;
	j->schedule = s;
	j->room = room;
	j->arg = arg;
	slots_init(&j->slots, max);
	TAILQ_INIT(&j->running);
	due_init(&j->room_due, on_room, j);
	return (j);
}

static void
job_free(struct job *job)
{
	struct jobs *j = job->jobs;

	schedule_cancel(j->schedule, &job->stall);
	schedule_cancel(j->schedule, &job->deadline);
	TAILQ_REMOVE(&j->running, job, next);
	j->nrunning--;
	slots_release(&j->slots, job->host, job->slow);
	chan_free(job->chan);
	free(job->host);
	free(job);
	say_room(j);
}

void
jobs_free(struct jobs *j)
{
	cleanup_err struct err err = ERR_INIT;
	struct job *job;

	if (!j)
		return;
	err_set(&err, ERR_TRANSIENT, "stopping");
	while ((job = TAILQ_FIRST(&j->running))) {
		job->events->end(job->arg, JOB_END_CLOSED, &err);
		job_free(job);
	}
	schedule_cancel(j->schedule, &j->room_due);
	chan_free(j->zygote);
	slots_clear(&j->slots);
	free(j);
}

static void
job_kill(struct job *job)
{
	uint64_t id = job->id;

	/* A job that ends by itself is reaped by then: killing an id that the
	 * zygote no longer knows does nothing. */
	if (!job->exited && job->jobs->zygote)
		chan_send(job->jobs->zygote, ZYGOTE_KILL, &id, sizeof(id),
		    NULL, 0, NULL);
}

void
job_finish(struct job *job)
{
	job_free(job);
}

void
job_stop(struct job *job)
{
	job_kill(job);
	job_free(job);
}

static void
job_failed(struct job *job, enum job_end why, const struct err *err)
{
	job_kill(job);
	job->events->end(job->arg, why, err);
	job_free(job);
}

/* --- one job's channel and timers --------------------------------------- */

static void
stall_start(struct job *job)
{
	if (!job->slow)
		schedule_in(job->jobs->schedule, &job->stall, SLOTS_STALL_MS);
}

static void
on_stall(void *arg)
{
	cleanup_err struct err err = ERR_INIT;
	struct job *job = arg;

	switch (slots_stalled(&job->jobs->slots, job->host)) {
	case SLOTS_KEEP:
		stall_start(job);
		break;
	case SLOTS_GAVE_BACK:
		job->slow = 1;
		log_debug("job %llu: waits for %s, gives its slot back",
		    (unsigned long long)job->id, str_or(job->host, "a file"));
		say_room(job->jobs);
		break;
	case SLOTS_YIELD:
		err_set(&err, ERR_TRANSIENT, "stopped for a slow job of the "
		    "same host");
		job_failed(job, JOB_END_YIELD, &err);
		break;
	}
}

/* It ended without having said that it was done. */
static void
job_died(struct job *job)
{
	cleanup_err struct err err = ERR_INIT;
	int status = (int)job->status;

	if (job->exited && WIFSIGNALED(status))
		err_set(&err, ERR_TRANSIENT, "job was killed by SIG%s",
		    str_or(sigabbrev_np(WTERMSIG(status)), "?"));
	else if (job->exited && WIFEXITED(status) && WEXITSTATUS(status))
		err_set(&err, ERR_TRANSIENT, "job ended with status %d",
		    WEXITSTATUS(status));
	else
		err_set(&err, ERR_TRANSIENT, "job ended without an answer");
	job_failed(job, JOB_END_FAILED, &err);
}

static void
on_deadline(void *arg)
{
	cleanup_err struct err err = ERR_INIT;
	struct job *job = arg;

	if (job->silent) {
		job_died(job);
		return;
	}
	err_set(&err, ERR_TRANSIENT, "job ran longer than its deadline and "
	    "was stopped");
	job_failed(job, JOB_END_DEADLINE, &err);
}

static void
on_frame(void *arg, struct frame *f)
{
	struct job *job = arg;

	stall_start(job);
	job->events->frame(job->arg, f);
}

static void
on_end(void *arg, const struct err *why)
{
	cleanup_err struct err err = ERR_INIT;
	struct job *job = arg;

	if (why->kind != ERR_NOTFOUND) {
		err_set(&err, ERR_TRANSIENT, "job: %s", err_msg(why));
		job_failed(job, JOB_END_FAILED, &err);
	} else if (job->exited || !job->jobs->zygote) {
		job_died(job);
	} else {
		job->silent = 1;
		schedule_cancel(job->jobs->schedule, &job->stall);
		schedule_in(job->jobs->schedule, &job->deadline, EXIT_MS);
	}
}

static const struct chan_events job_chan_events = { on_frame, on_end };

/* --- the zygote --------------------------------------------------------- */

static struct job *
job_find(struct jobs *j, uint64_t id)
{
	struct job *job;

	TAILQ_FOREACH(job, &j->running, next)
		if (job->id == id)
			return (job);
	return (NULL);
}

/* Only remembered: frames that the child sent may still be on their way, its
 * channel's end says when it is over. */
static void
on_zygote_frame(void *arg, struct frame *f)
{
	struct job_exit m;
	struct jobs *j = arg;
	struct job *job;

	if (f->type != ZYGOTE_EXIT || job_exit_read(&m, f, NULL) == -1) {
		log_warn("zygote: unknown frame %u", f->type);
		return;
	}
	job = job_find(j, m.id);
	if (!job)
		return;
	job->exited = 1;
	job->status = m.status;
	if (job->silent)
		job_died(job);
}

static void
fail_all(struct jobs *j, const char *why)
{
	cleanup_err struct err err = ERR_INIT;

	err_set(&err, ERR_TRANSIENT, "%s", why);
	while (!TAILQ_EMPTY(&j->running))
		job_failed(TAILQ_FIRST(&j->running), JOB_END_FAILED, &err);
}

static void
on_zygote_end(void *arg, const struct err *err)
{
	struct jobs *j = arg;

	log_warn("zygote is gone: %s", err_msg(err));
	chan_free(STEAL(j->zygote));
	fail_all(j, "the parent of all jobs is gone");
}

static const struct chan_events zygote_events = { on_zygote_frame,
	on_zygote_end };

int
jobs_set_zygote(struct jobs *j, int fd, struct err *err)
{
	chan_free(STEAL(j->zygote));
	fail_all(j, "the parent of all jobs was started again");
	if (chan_new(j->loop, fd, ZYGOTE_FRAME_MAX, &zygote_events, j,
	    &j->zygote, err) == -1)
		return (err_wrap(err, "zygote"));
	say_room(j);
	return (0);
}

int
jobs_connected(const struct jobs *j)
{
	return (j->zygote != NULL);
}

void
jobs_set_max(struct jobs *j, int max)
{
	j->slots.max = max;
	say_room(j);
}

int
jobs_room(const struct jobs *j)
{
	return (j->zygote && j->slots.used < j->slots.max);
}

int
jobs_may_start(const struct jobs *j, const char *host)
{
	return (j->zygote && slots_may_start(&j->slots, host));
}

size_t
jobs_running(const struct jobs *j)
{
	return (j->nrunning);
}

/* --- start -------------------------------------------------------------- */

static int
send_fork(struct jobs *j, const struct job_fork *m, int *fd, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(256);

	job_fork_write(m, &b);
	return (chan_send(j->zygote, ZYGOTE_FORK, b.data, b.len, fd, 1, err));
}

int
jobs_start(struct jobs *j, enum job_kind kind, const char *host,
    uint32_t deadline_ms, const struct job_events *events, void *arg,
    struct job **ret, struct err *err)
{
	struct job_fork m = { kind, ++j->last_id, deadline_ms };
	struct chan *chan;
	struct job *job;
	int pair[2];

	if (!j->zygote)
		return (err_set(err, ERR_TRANSIENT, "no zygote yet"));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return (err_sys(err, "socket pair for a job"));
	if (send_fork(j, &m, &pair[1], err) == -1) {
		close(pair[0]);
		return (err_wrap(err, "zygote"));
	}
	job = mem_alloc(sizeof(*job));
	if (chan_new(j->loop, pair[0], JOB_ITEM_MAX, &job_chan_events, job,
	    &chan, err) == -1) {
		free(job);
		return (-1);
	}
	job->jobs = j;
	job->id = m.id;
	job->host = str_dup(host);
	job->chan = chan;
	job->events = events;
	job->arg = arg;
	due_init(&job->stall, on_stall, job);
	due_init(&job->deadline, on_deadline, job);
	slots_take(&j->slots);
	TAILQ_INSERT_TAIL(&j->running, job, next);
	j->nrunning++;
	stall_start(job);
	schedule_in(j->schedule, &job->deadline,
	    (int64_t)deadline_ms + DEADLINE_GRACE_MS);
	*ret = job;
	return (0);
}

int
job_send(struct job *job, uint16_t type, const void *body, size_t len,
    int *fds, size_t nfds, struct err *err)
{
	return (chan_send(job->chan, type, body, len, fds, nfds, err));
}
