/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "ipc/chan.h"

#define QUEUE_MAX ((size_t)128 << 20)
#define FRAMES_A_TURN 64	/* then the others on the loop have theirs */

struct message {
	STAILQ_ENTRY(message) next;
	size_t len, sent;
	size_t nfds;
	int fds[FRAME_FDS];
	uint8_t bytes[];	/* head and body */
};

struct chan {
	int fd;
	struct loop_fd *watch;
	const struct chan_events *events;
	void *arg;
	struct frame_reader reader;
	STAILQ_HEAD(, message) queue;
	size_t queued;
	int ended;
	int *freed;		/* set while a callback may free us */
};

static void
message_free(struct message *m)
{
	size_t i;

	for (i = 0; i < m->nfds; i++)
		close(m->fds[i]);
	secret_wipe(m->bytes, m->len);
	free(m);
}

static void
drop_queue(struct chan *c)
{
	struct message *m;

	while ((m = STAILQ_FIRST(&c->queue))) {
		STAILQ_REMOVE_HEAD(&c->queue, next);
		message_free(m);
	}
	c->queued = 0;
}

static void
watch(struct chan *c)
{
	loop_fd_watch(c->watch, c->ended ? 0 :
	    LOOP_READ | (STAILQ_EMPTY(&c->queue) ? 0 : LOOP_WRITE));
}

static void
end(struct chan *c, const struct err *err)
{
	if (c->ended)
		return;
	c->ended = 1;
	watch(c);
	drop_queue(c);
	c->events->end(c->arg, err);
}

/* 1 all sent, 0 would block, -1 failed. */
static int
message_send(struct chan *c, struct message *m, struct err *err)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FRAME_FDS * sizeof(int))];
	} control;
	struct iovec part = { m->bytes + m->sent, m->len - m->sent };
	struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (m->nfds && m->sent == 0) {
		memset(&control, 0, sizeof(control));
		h.msg_control = control.space;
		h.msg_controllen = CMSG_SPACE(m->nfds * sizeof(int));
		CMSG_FIRSTHDR(&h)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&h)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&h)->cmsg_len = CMSG_LEN(m->nfds * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), m->fds,
		    m->nfds * sizeof(int));
	}
	do
		n = sendmsg(c->fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return (errno == EAGAIN ? 0 : err_sys(err, "send"));
	m->sent += (size_t)n;
	c->queued -= (size_t)n;
	return (m->sent == m->len);
}

static int
flush(struct chan *c, struct err *err)
{
	struct message *m;
	int rc = 1;

	while (rc == 1 && (m = STAILQ_FIRST(&c->queue))) {
		rc = message_send(c, m, err);
		if (rc != 1)
			break;
		STAILQ_REMOVE_HEAD(&c->queue, next);
		message_free(m);
	}
	return (rc);
}

/* Answers nonzero when the channel is gone. */
static int
receive(struct chan *c)
{
	cleanup_err struct err err = ERR_INIT;
	int i, rc, freed = 0;

	for (i = 0; i < FRAMES_A_TURN; i++) {
		rc = frame_reader_step(&c->reader, c->fd, &err);
		if (rc == 0)
			return (0);
		c->freed = &freed;
		if (rc == 1)
			c->events->frame(c->arg, &c->reader.frame);
		else
			end(c, &err);
		if (freed)
			return (1);
		c->freed = NULL;
		if (rc == -1)
			return (0);
	}
	return (0);
}

static void
on_ready(void *arg, int events)
{
	cleanup_err struct err err = ERR_INIT;
	struct chan *c = arg;

	if (c->ended)
		return;
	/* Read first: what the peer said before it went still counts. */
	if ((events & LOOP_READ) && receive(c))
		return;
	if (c->ended)
		return;
	if ((events & LOOP_WRITE) && flush(c, &err) == -1) {
		end(c, &err);
		return;
	}
	watch(c);
}

int
chan_new(struct loop *l, int fd, size_t frame_max,
    const struct chan_events *events, void *arg, struct chan **ret,
    struct err *err)
{
	struct chan *c = mem_alloc(sizeof(*c));

	c->fd = fd;
	c->events = events;
	c->arg = arg;
	STAILQ_INIT(&c->queue);
	frame_reader_init(&c->reader, frame_max);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1) {
		err_sys(err, "channel");
		goto fail;
	}
	c->watch = loop_fd_new(l, fd, on_ready, c, err);
	if (!c->watch)
		goto fail;
	watch(c);
	*ret = c;
	return (0);
fail:
	close(fd);
	frame_reader_clear(&c->reader);
	free(c);
	return (-1);
}

static struct message *
message_new(uint16_t type, const void *body, size_t len, int *fds, size_t nfds)
{
	struct frame_head head = { FRAME_MAGIC, FRAME_VERSION, type,
		(uint32_t)len, (uint32_t)nfds };
	struct message *m = mem_alloc(sizeof(*m) + sizeof(head) + len);
	size_t i;

	m->len = sizeof(head) + len;
	memcpy(m->bytes, &head, sizeof(head));
	if (len)
		memcpy(m->bytes + sizeof(head), body, len);
	for (i = 0; i < nfds; i++)
		m->fds[m->nfds++] = fd_steal(&fds[i]);
	return (m);
}

int
chan_send(struct chan *c, uint16_t type, const void *body, size_t len,
    int *fds, size_t nfds, struct err *err)
{
	struct message *m;

	if (nfds > FRAME_FDS || c->ended || c->queued + len > QUEUE_MAX) {
		for (; nfds; nfds--)
			close(fd_steal(&fds[nfds - 1]));
		if (c->ended)
			return (err_set(err, ERR_TRANSIENT, "peer is gone"));
		return (err_set(err, ERR_LIMIT, "peer reads too slowly"));
	}
	m = message_new(type, body, len, fds, nfds);
	c->queued += m->len;
	STAILQ_INSERT_TAIL(&c->queue, m, next);
	/* Most frames fit the socket: no turn of the loop for them.  A
	 * failure here shows again when the loop reads the socket. */
	if (flush(c, NULL) != 1)
		watch(c);
	return (0);
}

void
chan_free(struct chan *c)
{
	if (!c)
		return;
	if (c->freed)
		*c->freed = 1;
	loop_fd_free(c->watch);
	drop_queue(c);
	frame_reader_clear(&c->reader);
	close(c->fd);
	free(c);
}
