/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/core_internal.h"

/* Who connects gets the answer; who reads slowly keeps one of a few places
 * and only for so long. */
#define READERS_MAX 8
#define READER_MS 5000
#define ANSWER_MAX ((size_t)64 << 20)

struct reader {
	struct status_server *server;
	int fd;			/* -1: free */
	struct loop_fd *watch;
	struct due end_due;
	struct buf out;
	size_t sent;
};

struct status_server {
	struct core *core;
	int fd;
	struct loop_fd *watch;
	struct reader readers[READERS_MAX];
};

static void
reader_end(struct reader *r)
{
	schedule_cancel(r->server->core->schedule, &r->end_due);
	loop_fd_free(STEAL(r->watch));
	mem_cleanup_close(&r->fd);
	r->fd = -1;
	buf_clear(&r->out);
	r->sent = 0;
	/* Somebody may be waiting for the place. */
	loop_fd_watch(r->server->watch, LOOP_READ);
}

static void
on_reader_end(void *arg)
{
	reader_end(arg);
}

static void
on_writable(void *arg, int events)
{
	struct reader *r = arg;
	ssize_t n;

	(void)events;
	n = send(r->fd, r->out.data + r->sent, r->out.len - r->sent,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		r->sent += (size_t)n;
	if (n <= 0 || r->sent == r->out.len)
		reader_end(r);
}

static void
reader_begin(struct status_server *s, struct reader *r, int fd)
{
	struct json *j = status_json(s->core);

	r->fd = fd;
	r->out = (struct buf)BUF_PLAIN(ANSWER_MAX);
	json_print(j, &r->out, 0);
	buf_addc(&r->out, '\n');
	json_free(j);
	r->watch = loop_fd_new(s->core->loop, fd, on_writable, r, NULL);
	if (!r->watch || !buf_ok(&r->out)) {
		reader_end(r);
		return;
	}
	loop_fd_watch(r->watch, LOOP_WRITE);
	schedule_in(s->core->schedule, &r->end_due, READER_MS);
	on_writable(r, LOOP_WRITE);
}

static void
on_connect(void *arg, int events)
{
	struct status_server *s = arg;
	int fd, i;

	(void)events;
	for (i = 0; i < READERS_MAX; i++) {
		if (s->readers[i].fd != -1)
			continue;
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -1)
			return;
		reader_begin(s, &s->readers[i], fd);
	}
	/* Full: the rest wait in the kernel's queue. */
	for (i = 0; i < READERS_MAX && s->readers[i].fd != -1; i++)
		continue;
	if (i == READERS_MAX)
		loop_fd_watch(s->watch, 0);
}

int
status_serve(struct core *c, int fd, struct err *err)
{
	struct status_server *s;
	int i;

	status_close(c);
	s = mem_alloc(sizeof(*s));
	s->core = c;
	s->fd = fd;
	for (i = 0; i < READERS_MAX; i++) {
		s->readers[i].server = s;
		s->readers[i].fd = -1;
		due_init(&s->readers[i].end_due, on_reader_end,
		    &s->readers[i]);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    !(s->watch = loop_fd_new(c->loop, fd, on_connect, s, err))) {
		close(fd);
		free(s);
		return (err_set(err, ERR_INTERNAL, "status socket"));
	}
	loop_fd_watch(s->watch, LOOP_READ);
	c->status = s;
	return (0);
}

void
status_close(struct core *c)
{
	struct status_server *s = STEAL(c->status);
	int i;

	if (!s)
		return;
	for (i = 0; i < READERS_MAX; i++)
		if (s->readers[i].fd != -1)
			reader_end(&s->readers[i]);
	loop_fd_free(s->watch);
	close(s->fd);
	free(s);
}
