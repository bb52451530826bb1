/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/frame.h"

#define READ_STEP ((size_t)65536)

static int64_t
monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

/* wait_for(fd, events, until, err): until < 0 waits for ever. */
static int
wait_for(int fd, short events, int64_t until, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = -1;
	int rc;

	do {
		if (until >= 0) {
			left = until - monotonic_ms();
			left = left < 0 ? 0 : left;
		}
		rc = poll(&p, 1, (int)left);
	} while (rc == -1 && errno == EINTR);
	if (rc == -1)
		return (err_sys(err, "poll"));
	if (rc == 0) {
		errno = ETIMEDOUT;
		return (err_sys(err, "frame"));
	}
	return (0);
}

void
frame_init(struct frame *f, size_t max)
{
	size_t i;

	f->type = 0;
	f->body = (struct buf)BUF_SECRET(max);
	f->nfds = 0;
	for (i = 0; i < FRAME_FDS; i++)
		f->fds[i] = -1;
}

void
frame_clear(struct frame *f)
{
	size_t i;

	buf_clear(&f->body);
	for (i = 0; i < f->nfds; i++)
		if (f->fds[i] >= 0)
			close(fd_steal(&f->fds[i]));
	f->nfds = 0;
	f->type = 0;
}

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(FRAME_FDS * sizeof(int))];
};

static void
attach_fds(struct msghdr *m, union control *c, const int *fds, size_t nfds)
{
	struct cmsghdr *h;

	memset(c, 0, sizeof(*c));
	m->msg_control = c->space;
	m->msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	h = CMSG_FIRSTHDR(m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
}

/* Drop ${n} sent bytes from the front of the two parts. */
static void
advance(struct msghdr *m, size_t n)
{
	while (m->msg_iovlen && n >= m->msg_iov->iov_len) {
		n -= m->msg_iov->iov_len;
		m->msg_iov++;
		m->msg_iovlen--;
	}
	if (m->msg_iovlen) {
		m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + n;
		m->msg_iov->iov_len -= n;
	}
}

static int
send_all(int fd, struct msghdr *m, int64_t until, struct err *err)
{
	ssize_t n;

	while (m->msg_iovlen) {
		n = sendmsg(fd, m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno != EAGAIN)
			return (err_sys(err, "send"));
		if (n == -1) {
			if (wait_for(fd, POLLOUT, until, err) == -1)
				return (-1);
			continue;
		}
		/* The descriptors went with the first byte. */
		m->msg_control = NULL;
		m->msg_controllen = 0;
		advance(m, (size_t)n);
	}
	return (0);
}

int
frame_send(int fd, uint16_t type, const void *body, size_t len,
    const int *fds, size_t nfds, int timeout_ms, struct err *err)
{
	struct frame_head head = { FRAME_MAGIC, FRAME_VERSION, type,
		(uint32_t)len, (uint32_t)nfds };
	char none = 0;
	struct iovec parts[2];
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = len ? 2 : 1 };
	union control control;

	if (len > UINT32_MAX || nfds > FRAME_FDS)
		return (err_set(err, ERR_LIMIT,
		    "frame of %zu bytes, %zu descriptors", len, nfds));
	parts[0] = (struct iovec){ &head, sizeof(head) };
	/* sendmsg does not write; the struct knows no const. */
	parts[1] = (struct iovec){ &none, len };
	if (len)
		memcpy(&parts[1].iov_base, &body, sizeof(body));
	if (nfds)
		attach_fds(&m, &control, fds, nfds);
	return (send_all(fd, &m,
	    timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms, err));
}

void
frame_reader_init(struct frame_reader *r, size_t max)
{
	memset(&r->head, 0, sizeof(r->head));
	r->have = 0;
	r->in_body = 0;
	frame_init(&r->frame, max);
}

void
frame_reader_clear(struct frame_reader *r)
{
	frame_clear(&r->frame);
	memset(&r->head, 0, sizeof(r->head));
	r->have = 0;
	r->in_body = 0;
}

/* Every descriptor that arrived is ours, wanted or not: keep what fits,
 * close the rest, so that no peer can fill our table. */
static int
take_fds(struct frame *f, struct msghdr *m)
{
	struct cmsghdr *h;
	size_t i, n;
	int bad = 0, fd;

	for (h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int),
			    sizeof(int));
			if (f->nfds < FRAME_FDS)
				f->fds[f->nfds++] = fd;
			else {
				close(fd);
				bad = -1;
			}
		}
	}
	return (m->msg_flags & MSG_CTRUNC ? -1 : bad);
}

/* 1 read something (*ret_n), 0 would block, -1 failed; *ret_n 0 with 1 is the
 * end of the stream. */
static int
receive(struct frame_reader *r, int fd, void *at, size_t want, size_t *ret_n,
    struct err *err)
{
	struct iovec part = { at, want };
	union control control;
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	size_t before = r->frame.nfds;
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		return (0);
	if (n == -1)
		return (err_sys(err, "receive"));
	if (take_fds(&r->frame, &m) == -1 ||
	    (r->frame.nfds != before && (r->in_body || r->have > 0)))
		return (err_set(err, ERR_INVALID,
		    "frame: unexpected descriptors"));
	*ret_n = (size_t)n;
	return (1);
}

static int
check_head(const struct frame_reader *r, struct err *err)
{
	const struct frame_head *h = &r->head;

	if (h->magic != FRAME_MAGIC || h->version != FRAME_VERSION)
		return (err_set(err, ERR_INVALID,
		    "frame: not this protocol or version"));
#ifndef WEAKEN_FRAME_MAX
	if (h->len > r->frame.body.max)
		return (err_set(err, ERR_INVALID,
		    "frame: %u bytes announced, %zu allowed", h->len,
		    r->frame.body.max));
#endif
	if (h->nfds != r->frame.nfds)
		return (err_set(err, ERR_INVALID,
		    "frame: %u descriptors announced, %zu came", h->nfds,
		    r->frame.nfds));
	return (0);
}

static int
ended(const struct frame_reader *r, struct err *err)
{
	if (!r->in_body && r->have == 0)
		return (err_set(err, ERR_NOTFOUND, "end of stream"));
	return (err_set(err, ERR_TRANSIENT,
	    "stream ended inside a frame"));
}

/* One read into the head; 1 when the head is complete. */
static int
step_head(struct frame_reader *r, int fd, struct err *err)
{
	size_t n = 0;
	int rc;

	rc = receive(r, fd, (char *)&r->head + r->have,
	    sizeof(r->head) - r->have, &n, err);
	if (rc <= 0)
		return (rc);
	if (n == 0)
		return (ended(r, err));
	r->have += n;
	if (r->have < sizeof(r->head))
		return (1);
	if (check_head(r, err) == -1)
		return (-1);
	r->frame.type = r->head.type;
	r->in_body = 1;
	r->have = 0;
	return (1);
}

/* One read into the body.  The buffer grows by what comes, not by what was
 * announced: a lie about the length costs its sender the bytes. */
static int
step_body(struct frame_reader *r, int fd, struct err *err)
{
	size_t want = r->head.len - r->have, n = 0;
	char *at;
	int rc;

	want = want < READ_STEP ? want : READ_STEP;
	at = buf_space(&r->frame.body, want);
	if (!at)
		return (buf_finish(&r->frame.body, "frame", err));
	rc = receive(r, fd, at, want, &n, err);
	if (rc <= 0)
		return (rc);
	if (n == 0)
		return (ended(r, err));
	r->have += n;
	r->frame.body.len += n;
	r->frame.body.data[r->frame.body.len] = '\0';
	return (1);
}

int
frame_reader_step(struct frame_reader *r, int fd, struct err *err)
{
	int rc;

	/* A frame that was handed out at the last call is done with. */
	if (r->in_body && r->have == r->head.len)
		frame_reader_clear(r);
	for (;;) {
		if (!r->in_body)
			rc = step_head(r, fd, err);
		else
			rc = step_body(r, fd, err);
		if (rc <= 0)
			return (rc);
		if (r->in_body && r->have == r->head.len)
			return (1);
	}
}

/* What the reader received stands in the frame: hand it over. */
static void
hand_over(struct frame *f, struct frame_reader *r)
{
	*f = r->frame;
	frame_init(&r->frame, f->body.max);
}

int
frame_recv(int fd, struct frame *f, int timeout_ms, struct err *err)
{
	int64_t until = timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms;
	struct err why = ERR_INIT;
	struct frame_reader r;
	int rc;

	frame_clear(f);
	frame_reader_init(&r, f->body.max);
	for (;;) {
		rc = frame_reader_step(&r, fd, &why);
		if (rc != 0)
			break;
		rc = wait_for(fd, POLLIN, until, &why);
		if (rc == -1)
			break;
	}
	if (rc == 1)
		hand_over(f, &r);
	frame_reader_clear(&r);
	if (rc == -1 && why.kind == ERR_NOTFOUND) {
		err_clear(&why);
		return (0);
	}
	return (rc == -1 ? err_move(err, &why) : rc);
}
