/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "csi/grpc_internal.h"

#define READ_SIZE 65536
#define READS_A_TURN 8
#define ACCEPT_PAUSE_MS 100
#define ROOM_AFTER_MS 500	/* younger ones may be about to ask */

struct conn {
	struct grpc_listener *listener;
	struct conn *prev, *next;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct grpc_session *session;
	struct buf out;
	size_t out_pos;
	int64_t blocked_at;	/* output waits since, or INT64_MAX */
	int64_t deadline_ms;	/* until the next call's, or -1 */
};

struct grpc_listener {
	struct loop *loop;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *pause;
	const struct grpc_method *methods;
	void *arg;
	void (*left)(void *);
	struct grpc_session *spare;	/* for the next connection, or NULL */
	struct conn *conns;
	size_t nconns;
	struct grpc_budget budget;
	struct grpc_patience patience;
	const struct clock *clock;
	int64_t warned_at;
	uint8_t input[READ_SIZE];
};

static int64_t
now_ms(const struct grpc_listener *l)
{
	return (l->clock->boot_ms(l->clock));
}

/* --- one connection ----------------------------------------------------- */

static void
conn_close(struct conn *c)
{
	struct grpc_listener *l = c->listener;

	if (c->prev)
		c->prev->next = c->next;
	else
		l->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	l->nconns--;
	loop_fd_free(c->watch);
	loop_timer_free(c->timer);
	grpc_session_free(c->session);
	buf_clear(&c->out);
	close(c->fd);
	free(c);
	if (!l->watch)
		return;
	if (l->left)
		l->left(l->arg);
	if (!l->spare)
		l->spare = grpc_session_new(l->methods, l->arg, NULL);
}

/* Write what the session has.  1: all of it; 0: the socket is full; -1: the
 * peer is gone. */
static int
conn_write(struct conn *c)
{
	ssize_t n;

	for (;;) {
		if (c->out_pos == c->out.len) {
			buf_cut(&c->out, 0);
			c->out_pos = 0;
			if (grpc_session_out(c->session, &c->out) == 0) {
				c->blocked_at = INT64_MAX;
				return (1);
			}
		}
		n = send(c->fd, c->out.data + c->out_pos,
		    c->out.len - c->out_pos, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno != EAGAIN)
			return (-1);
		if (n == -1) {
			if (c->blocked_at == INT64_MAX)
				c->blocked_at = now_ms(c->listener);
			return (0);
		}
		c->out_pos += (size_t)n;
	}
}

static int64_t
earliest(int64_t a, int64_t since, uint32_t patience_ms)
{
	if (since == INT64_MAX || since + patience_ms >= a)
		return (a);
	return (since + patience_ms);
}

/* When to look at the connection again, milliseconds; 0: it has overstayed;
 * -1: not until something happens (a handler answers in its own time). */
static int64_t
conn_patience(struct conn *c)
{
	const struct grpc_patience *p = &c->listener->patience;
	int64_t now = now_ms(c->listener), stuck, idle, at = INT64_MAX;

	grpc_session_ages(c->session, &stuck, &idle);
	at = earliest(at, stuck, p->stuck_ms);
	at = earliest(at, c->blocked_at, p->stuck_ms);
	at = earliest(at, idle, p->idle_ms);
	if (at <= now)
		return (0);
	if (c->deadline_ms >= 0 && c->deadline_ms < at - now)
		return (c->deadline_ms + 1);
	return (at == INT64_MAX ? -1 : at - now);
}

/* After every event: write, close when done, else wait for the right thing. */
static int
conn_turn(struct conn *c)
{
	int wrote;

	c->deadline_ms = grpc_session_tick(c->session);
	wrote = conn_write(c);
	if (wrote == -1 || (wrote == 1 && grpc_session_done(c->session))) {
		conn_close(c);
		return (-1);
	}
	/* Reads stop while output waits: a peer that asks and never reads
	 * fills its own socket and not our memory. */
	loop_fd_watch(c->watch, wrote ? LOOP_READ : LOOP_WRITE);
	return (0);
}

static void
conn_rearm(struct conn *c)
{
	int64_t left = conn_patience(c);

	if (left == 0) {
		grpc_session_goaway(c->session);
		(void)conn_write(c);
		conn_close(c);
	} else if (left > 0)
		loop_timer_start(c->timer, (uint64_t)left);
	else
		loop_timer_stop(c->timer);
}

/* The timer fired, or a handler answered. */
static void
on_wake(void *arg)
{
	struct conn *c = arg;

	if (conn_turn(c) == 0)
		conn_rearm(c);
}

/* 1: more may be there; 0: read dry; -1: closed. */
static int
conn_read(struct conn *c)
{
	struct grpc_listener *l = c->listener;
	ssize_t n;
	int rc;

	n = recv(c->fd, l->input, sizeof(l->input), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return (0);
	if (n > 0) {
		rc = grpc_session_in(c->session, l->input, (size_t)n, NULL);
#ifndef WEAKEN_GRPC_WIPE
		secret_wipe(l->input, (size_t)n);	/* tokens */
#endif
		if (rc == 0)
			return (n == sizeof(l->input));
		(void)conn_write(c);
	}
	conn_close(c);
	return (-1);
}

static int
conn_read_some(struct conn *c)
{
	int i, more = 1;

	for (i = 0; i < READS_A_TURN && more; i++)
		if ((more = conn_read(c)) == -1)
			return (-1);
	return (0);
}

static void
on_conn(void *arg, int events)
{
	struct conn *c = arg;

	if ((events & LOOP_READ) && conn_read_some(c) == -1)
		return;
	if (conn_turn(c) == 0)
		conn_rearm(c);
}

/* A session takes some 20 KiB in a dozen pieces: who connects should not have
 * to wait for that, so one is made when somebody leaves. */
static struct grpc_session *
take_session(struct grpc_listener *l)
{
	struct grpc_session *s = STEAL(l->spare);

	if (!s)
		s = grpc_session_new(l->methods, l->arg, NULL);
	if (s)
		grpc_session_set_clock(s, l->clock);	/* idle from now on */
	return (s);
}

static void
conn_open(struct grpc_listener *l, int fd)
{
	struct conn *c = mem_alloc(sizeof(*c));

	c->listener = l;
	c->fd = fd;
	c->out = (struct buf)BUF_PLAIN(128u << 10);
	c->blocked_at = INT64_MAX;
	c->next = l->conns;
	if (c->next)
		c->next->prev = c;
	l->conns = c;
	l->nconns++;
	c->session = take_session(l);
	if (!c->session) {
		conn_close(c);
		return;
	}
	grpc_session_set_budget(c->session, &l->budget);
	/* What the peer has sent already, at once: one packet answers all of
	 * it, and the peer goes on while we see to the rest. */
	if (conn_read_some(c) == -1)
		return;
	if (conn_write(c) == -1) {
		conn_close(c);
		return;
	}
	grpc_session_set_wake(c->session, on_wake, c);
	c->watch = loop_fd_new(l->loop, fd, on_conn, c, NULL);
	c->timer = loop_timer_new(l->loop, on_wake, c);
	if (!c->watch) {
		conn_close(c);
		return;
	}
	if (conn_turn(c) == 0)
		conn_rearm(c);
}

/* --- accepting ---------------------------------------------------------- */

/* Only root, that is the kubelet, and ourselves. */
static int
peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return (0);
#ifdef WEAKEN_GRPC_PEER
	return (1);
#endif
	return (peer.uid == 0 || peer.uid == geteuid());
}

static void
warn_peer(struct grpc_listener *l)
{
	int64_t now = now_ms(l);

	if (l->warned_at && now - l->warned_at < 60000)
		return;
	l->warned_at = now;
	log_warn("csi: closed a connection from a user who is neither root "
	    "nor the agent's own");
}

static void
accept_later(struct grpc_listener *l)
{
	loop_fd_watch(l->watch, 0);
	loop_timer_start(l->pause, ACCEPT_PAUSE_MS);
}

/* At the ceiling, and somebody waits: the one that has been idle longest
 * makes room. */
static int
make_room(struct grpc_listener *l)
{
	struct pollfd waiting = { l->fd, POLLIN, 0 };
	struct conn *c, *oldest = NULL;
	int64_t stuck, idle, since = now_ms(l) - ROOM_AFTER_MS;

	if (poll(&waiting, 1, 0) != 1)
		return (-1);
	for (c = l->conns; c; c = c->next) {
		grpc_session_ages(c->session, &stuck, &idle);
		if (idle < since) {
			since = idle;
			oldest = c;
		}
	}
	if (!oldest)
		return (-1);
	grpc_session_goaway(oldest->session);
	(void)conn_write(oldest);
	conn_close(oldest);
	return (0);
}

static void
on_pause(void *arg)
{
	struct grpc_listener *l = arg;

	loop_fd_watch(l->watch, LOOP_READ);
}

static void
on_accept(void *arg, int events)
{
	struct grpc_listener *l = arg;
	int fd;

	(void)events;
	if (l->nconns >= l->patience.connections && make_room(l) == -1) {
		accept_later(l);
		return;
	}
	/* One a turn: the loop knows for nothing whether another one waits,
	 * and an accept in vain is not cheap. */
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1 && (errno == EINTR || errno == ECONNABORTED ||
	    errno == EAGAIN))
		return;
	if (fd == -1) {
		/* No descriptors or no memory: not in a busy loop. */
		accept_later(l);
	} else if (peer_allowed(fd)) {
		conn_open(l, fd);
	} else {
		warn_peer(l);
		close(fd);
	}
}

int
grpc_listener_new(struct loop *loop, int fd,
    const struct grpc_method *methods, void *arg, struct grpc_listener **ret,
    struct err *err)
{
	struct grpc_listener *l = mem_alloc(sizeof(*l));
	int flags = fcntl(fd, F_GETFL);

	l->loop = loop;
	l->fd = fd;
	l->methods = methods;
	l->arg = arg;
	l->clock = clock_system();
	l->budget.max = GRPC_BUDGET_MAX;
	l->patience = (struct grpc_patience){ 30000, 300000,
	    GRPC_CONNECTIONS_MAX };
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1) {
		err_sys(err, "grpc: listening socket");
		free(l);
		return (-1);
	}
	l->watch = loop_fd_new(loop, fd, on_accept, l, err);
	if (!l->watch) {
		free(l);
		return (-1);
	}
	l->pause = loop_timer_new(loop, on_pause, l);
	loop_fd_watch(l->watch, LOOP_READ);
	*ret = l;
	return (0);
}

void
grpc_listener_free(struct grpc_listener *l)
{
	struct conn *c;

	if (!l)
		return;
	loop_fd_free(l->watch);
	l->watch = NULL;
	while ((c = l->conns)) {
		grpc_session_goaway(c->session);
		(void)conn_write(c);
		conn_close(c);
	}
	grpc_session_free(l->spare);
	loop_timer_free(l->pause);
	close(l->fd);
	free(l);
}

void
grpc_listener_on_left(struct grpc_listener *l, void (*left)(void *))
{
	l->left = left;
}

void
grpc_listener_set_patience(struct grpc_listener *l,
    const struct grpc_patience *p)
{
	l->patience = *p;
}

size_t
grpc_listener_connections(const struct grpc_listener *l)
{
	return (l->nconns);
}
