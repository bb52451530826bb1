/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/zygote.h"

#define FRAME_MAX 4096
#define SEND_TIMEOUT_MS 5000
#define STATUS_FAILED 0x0100u		/* as exit(1) */

struct child {
	pid_t pid;
	int pidfd;
	uint64_t id;
	int64_t deadline;	/* boot ms */
	int killed;
};

struct zygote {
	int fd;
	const struct zygote_work *work;
	struct child child[ZYGOTE_CHILDREN_MAX];
	size_t n;
};

static int64_t
now_ms(void)
{
	return (clock_system()->boot_ms(clock_system()));
}

static int
report(const struct zygote *z, uint64_t id, uint32_t status, struct err *err)
{
	cleanup_buf struct buf out = BUF_PLAIN(FRAME_MAX);
	struct job_exit m = { id, status };

	job_exit_write(&m, &out);
	return (frame_send(z->fd, ZYGOTE_EXIT, out.data, out.len, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

/* In the child: nothing of the zygote's but the libraries. */
static void __attribute__((noreturn))
child_main(struct zygote *z, enum job_kind kind, int fd, pid_t parent)
{
	size_t i;

#ifndef WEAKEN_job_orphans
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (getppid() != parent)
		_exit(1);
	for (i = 0; i < z->n; i++)
		close(z->child[i].pidfd);
	close(z->fd);
	_exit(z->work->run(kind, fd, z->work->arg));
}

/* Takes the descriptor of the frame. */
static int
start(struct zygote *z, struct frame *f, struct err *err)
{
	pid_t pid, parent = getpid();
	struct job_fork m;
	struct child *c;
	int pidfd;

	if (job_fork_read(&m, f, err) == -1 || f->nfds != 1)
		return (err_set(err, ERR_INVALID, "zygote: bad request"));
	if (z->n == ZYGOTE_CHILDREN_MAX || (pid = fork()) == -1)
		return (report(z, m.id, STATUS_FAILED, err));
	if (pid == 0)
		child_main(z, m.kind, fd_steal(&f->fds[0]), parent);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd == -1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return (report(z, m.id, STATUS_FAILED, err));
	}
	c = &z->child[z->n++];
	*c = (struct child){ pid, pidfd, m.id, now_ms() + m.deadline_ms, 0 };
	return (0);
}

static void
kill_child(struct child *c)
{
	if (!c->killed)
		kill(c->pid, SIGKILL);
	c->killed = 1;
}

static int
kill_id(struct zygote *z, const struct frame *f, struct err *err)
{
	struct wire w;
	uint64_t id;
	size_t i;

	wire_init(&w, f->body.data, f->body.len);
	id = wire_get_u64(&w);
	if (wire_done(&w, "kill request", err) == -1)
		return (-1);
	for (i = 0; i < z->n; i++) {
		if (z->child[i].id == id)
			kill_child(&z->child[i]);
	}
	return (0);
}

/* 1 served, 0 the other end is gone */
static int
serve(struct zygote *z, struct err *err)
{
	struct frame f;
	int rc;

	frame_init(&f, FRAME_MAX);
	rc = frame_recv(z->fd, &f, SEND_TIMEOUT_MS, err);
	if (rc == 1 && f.type == ZYGOTE_FORK)
		rc = start(z, &f, err) == 0 ? 1 : -1;
	else if (rc == 1 && f.type == ZYGOTE_KILL)
		rc = kill_id(z, &f, err) == 0 ? 1 : -1;
	else if (rc == 1)
		rc = err_set(err, ERR_INVALID, "zygote: unknown request %u",
		    (unsigned)f.type);
	frame_clear(&f);
	return (rc);
}

static int
reap(struct zygote *z, size_t i, struct err *err)
{
	struct child c = z->child[i];
	int status;

	if (waitpid(c.pid, &status, 0) == -1)
		status = (int)STATUS_FAILED;
	close(c.pidfd);
	z->child[i] = z->child[--z->n];
	return (report(z, c.id, (uint32_t)status, err));
}

/* Kill who is late; how long until the next one would be, in ms. */
static int
enforce(struct zygote *z)
{
	int64_t now = now_ms(), left, min = -1;
	size_t i;

	for (i = 0; i < z->n; i++) {
		struct child *c = &z->child[i];

		if (c->killed)
			continue;
		left = c->deadline - now;
#ifndef WEAKEN_job_deadline
		if (left <= 0) {
			kill_child(c);
			continue;
		}
#else
		left = left <= 0 ? 1000 : left;
#endif
		if (min == -1 || left < min)
			min = left;
	}
	return (min > 60000 ? 60000 : (int)min);
}

/* One turn: 1 go on, 0 the other end is gone. */
static int
turn(struct zygote *z, struct err *err)
{
	struct pollfd p[ZYGOTE_CHILDREN_MAX + 1];
	size_t i, n = z->n;

	p[0] = (struct pollfd){ z->fd, POLLIN, 0 };
	for (i = 0; i < n; i++)
		p[i + 1] = (struct pollfd){ z->child[i].pidfd, POLLIN, 0 };
	if (poll(p, n + 1, enforce(z)) == -1)
		return (errno == EINTR ? 1 : err_sys(err, "poll"));
	/* from the end: reaping moves the last one forward */
	for (i = n; i > 0; i--) {
		if (p[i].revents != 0 && reap(z, i - 1, err) == -1)
			return (-1);
	}
	return (p[0].revents != 0 ? serve(z, err) : 1);
}

int
zygote_run(int fd, const struct zygote_work *work, struct err *err)
{
	struct zygote z = { .fd = fd, .work = work };
	size_t i;
	int rc;

	while ((rc = turn(&z, err)) == 1)
		;
	for (i = 0; i < z.n; i++)
		kill_child(&z.child[i]);
	for (i = 0; i < z.n; i++) {
		waitpid(z.child[i].pid, NULL, 0);
		close(z.child[i].pidfd);
	}
	return (rc);
}
