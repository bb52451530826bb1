/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/frame.h"

#define CEILING 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* The fields of a body, in an order that the body itself chooses. */
static void
read_fields(const struct buf *body)
{
	cleanup_free uint8_t *exact = malloc(body->len ? body->len : 1);
	struct err err = ERR_INIT;
	const uint8_t *bytes;
	struct wire w;
	size_t n;
	char *s;

	/* In memory of exactly its size, and every byte is looked at. */
	if (body->len)
		memcpy(exact, body->data, body->len);
	wire_init(&w, exact, body->len);
	while (w.left > 0 && !w.bad) {
		switch (wire_get_u8(&w) % 4) {
		case 0:
			wire_get_u32(&w);
			break;
		case 1:
			wire_get_u64(&w);
			break;
		case 2:
			bytes = wire_get_bytes(&w, &n);
			require(bytes || n == 0);
			require(n == 0 || memchr(bytes, 1, n) != &n);
			require(n <= body->len);
			break;
		default:
			s = wire_get_str(&w);
			require(strlen(s) <= body->len);
			free(s);
		}
	}
	if (wire_done(&w, "fuzz", &err) == -1)
		require(err.kind == ERR_INVALID);
	err_clear(&err);
}

/* What came in goes through the blocking pair of functions and comes out the
 * same; its bytes as fields, too. */
static void
send_again(const struct frame *f)
{
	cleanup_buf struct buf fields = BUF_PLAIN(CEILING + 64);
	cleanup_frame struct frame back;
	struct err err = ERR_INIT;
	const uint8_t *bytes;
	struct wire w;
	int pair[2];
	size_t n;

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	frame_init(&back, CEILING);
	require(frame_send(pair[0], f->type, f->body.data, f->body.len, f->fds,
	    f->nfds, 1000, &err) == 0);
	require(frame_recv(pair[1], &back, 1000, &err) == 1);
	require(back.type == f->type && back.nfds == f->nfds &&
	    back.body.len == f->body.len && memcmp(buf_str(&back.body),
	    buf_str(&f->body), f->body.len) == 0);
	close(pair[0]);
	require(frame_recv(pair[1], &back, 1000, &err) == 0);
	close(pair[1]);
	wire_u8(&fields, (uint8_t)f->type);
	wire_u32(&fields, f->type);
	wire_u64(&fields, f->body.len);
	wire_bytes(&fields, buf_str(&f->body), f->body.len);
	wire_str(&fields, "end");
	wire_init(&w, fields.data, fields.len);
	require(wire_get_u8(&w) == (uint8_t)f->type);
	require(wire_get_u32(&w) == f->type);
	require(wire_get_u64(&w) == f->body.len);
	bytes = wire_get_bytes(&w, &n);
	require(n == f->body.len && memcmp(bytes, buf_str(&f->body), n) == 0);
	free(wire_get_str(&w));
	require(wire_done(&w, "fuzz", &err) == 0);
}

/* Write ${n} bytes, with as many descriptors as the first of them says. */
static void
feed(int fd, const uint8_t *data, size_t n, size_t nfds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(24 * sizeof(int))];
	} control;
	int fds[24];
	struct iovec part;
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *h;
	size_t i;

	memcpy(&part.iov_base, &data, sizeof(data));
	part.iov_len = n;
	memset(&control, 0, sizeof(control));
	/* Not the socket itself: it would never end. */
	for (i = 0; i < nfds; i++)
		fds[i] = STDERR_FILENO;
	if (nfds) {
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
	}
	require(sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)n);
}

/*
 * The input is a row of writes: a byte with the length (1..64), a byte with
 * the number of descriptors (mostly none), the bytes.  The reader is asked
 * after each, as on the loop.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct frame_reader r;
	int pair[2], rc = 0;
	size_t n, nfds;

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	frame_reader_init(&r, CEILING);
	while (size > 2 && rc >= 0) {
		n = (size_t)data[0] % 64 + 1;
		nfds = data[1] >= 0xe0 ? data[1] % 24 : 0;
		data += 2;
		size -= 2;
		n = n < size ? n : size;
		feed(pair[0], data, n, nfds);
		data += n;
		size -= n;
		while ((rc = frame_reader_step(&r, pair[1], &err)) == 1) {
			require(r.frame.body.len == r.head.len);
			require(r.frame.body.len <= CEILING);
			require(r.frame.nfds == r.head.nfds);
			read_fields(&r.frame.body);
			send_again(&r.frame);
		}
	}
	close(pair[0]);
	if (rc >= 0)
		require(frame_reader_step(&r, pair[1], &err) == -1);
	require(err.kind != ERR_NONE);
	err_clear(&err);
	frame_reader_clear(&r);
	close(pair[1]);
	return (0);
}
