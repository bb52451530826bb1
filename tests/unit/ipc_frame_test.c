/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/frame.h"

static int pair[2];

static int
open_pair(void **state)
{
	(void)state;
	return (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
}

static int
close_pair(void **state)
{
	(void)state;
	if (pair[0] >= 0)
		close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
	return (0);
}

static size_t
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return (n);
}

static void
test_frames_in_a_row(void **state)
{
	cleanup_frame struct frame f;
	static char body[20000];

	(void)state;
	memset(body, 'x', sizeof(body));
	frame_init(&f, 65536);
	assert_int_equal(frame_send(pair[0], 7, body, sizeof(body), NULL, 0,
	    1000, NULL), 0);
	assert_int_equal(frame_send(pair[0], 8, NULL, 0, NULL, 0, 1000, NULL),
	    0);
	assert_int_equal(frame_send(pair[0], 9, "abc", 3, NULL, 0, 1000, NULL),
	    0);
	assert_int_equal(frame_recv(pair[1], &f, 1000, NULL), 1);
	assert_int_equal(f.type, 7);
	assert_int_equal(f.body.len, sizeof(body));
	assert_memory_equal(f.body.data, body, sizeof(body));
	assert_int_equal(f.body.secret, 1);
	assert_int_equal(frame_recv(pair[1], &f, 1000, NULL), 1);
	assert_int_equal(f.type, 8);
	assert_int_equal(f.body.len, 0);
	assert_int_equal(f.body.max, 65536);
	assert_int_equal(frame_recv(pair[1], &f, 1000, NULL), 1);
	assert_string_equal(f.body.data, "abc");
	close(fd_steal(&pair[0]));
	assert_int_equal(frame_recv(pair[1], &f, 1000, NULL), 0);
}

static void
test_descriptors_travel(void **state)
{
	size_t before = open_descriptors(), i;
	int fds[FRAME_FDS + 1];
	struct stat a, b;
	struct frame f;
	int taken;

	(void)state;
	frame_init(&f, 100);
	for (i = 0; i <= FRAME_FDS; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(frame_send(pair[0], 1, "x", 1, fds, FRAME_FDS, 1000,
	    NULL), 0);
	assert_int_equal(frame_send(pair[0], 1, "x", 1, fds, FRAME_FDS + 1,
	    1000, NULL), -1);
	assert_int_equal(frame_recv(pair[1], &f, 1000, NULL), 1);
	assert_int_equal(f.nfds, FRAME_FDS);
	for (i = 0; i < FRAME_FDS; i++) {
		assert_int_equal(fcntl(f.fds[i], F_GETFD), FD_CLOEXEC);
		fstat(f.fds[i], &a);
		fstat(fds[i], &b);
		assert_int_equal(a.st_ino, b.st_ino);
	}
	taken = fd_steal(&f.fds[3]);
	frame_clear(&f);
	assert_int_equal(f.nfds, 0);
	assert_int_not_equal(fcntl(taken, F_GETFD), -1);
	close(taken);
	for (i = 0; i <= FRAME_FDS; i++)
		close(fds[i]);
	assert_int_equal(open_descriptors(), before);
}

/* Bytes as they are, with descriptors of our choice. */
static void
send_raw(const void *bytes, size_t len, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(32 * sizeof(int))];
	} control;
	struct iovec part;
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *h;

	memcpy(&part.iov_base, &bytes, sizeof(bytes));
	part.iov_len = len;
	if (nfds) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
	}
	assert_int_equal(sendmsg(pair[0], &m, 0), len);
}

static void
expect_refusal(enum err_kind kind, const char *why)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_frame struct frame f;

	frame_init(&f, 100);
	assert_int_equal(frame_recv(pair[1], &f, 200, &err), -1);
	assert_non_null(strstr(err_msg(&err), why));
	assert_int_equal(err.kind, kind);
	assert_int_equal(f.body.len, 0);
	assert_int_equal(f.nfds, 0);
}

static void
test_wrong_heads(void **state)
{
	struct frame_head h = { FRAME_MAGIC + 1, FRAME_VERSION, 1, 0, 0 };

	(void)state;
	send_raw(&h, sizeof(h), NULL, 0);
	expect_refusal(ERR_INVALID, "not this protocol");
	h.magic = FRAME_MAGIC;
	h.version = 2;
	send_raw(&h, sizeof(h), NULL, 0);
	expect_refusal(ERR_INVALID, "not this protocol");
	h.version = FRAME_VERSION;
	h.nfds = 1;
	send_raw(&h, sizeof(h), NULL, 0);
	expect_refusal(ERR_INVALID, "1 descriptors announced, 0 came");
}

/* Refused by the announcement alone: no byte of the body was sent. */
static void
test_ceiling(void **state)
{
	struct frame_head h = { FRAME_MAGIC, FRAME_VERSION, 1, 101, 0 };

	(void)state;
	send_raw(&h, sizeof(h), NULL, 0);
	expect_refusal(ERR_INVALID, "101 bytes announced, 100 allowed");
}

static void
test_a_lie_about_the_length_costs_no_memory(void **state)
{
	struct frame_head h = { FRAME_MAGIC, FRAME_VERSION, 1, 1u << 30, 0 };
	struct frame_reader r;

	(void)state;
	frame_reader_init(&r, (size_t)1 << 30);
	send_raw(&h, sizeof(h), NULL, 0);
	send_raw("x", 1, NULL, 0);
	assert_int_equal(frame_reader_step(&r, pair[1], NULL), 0);
	assert_true(r.frame.body.cap <= 1u << 20);
	frame_reader_clear(&r);
}

static void
test_unexpected_descriptors(void **state)
{
	struct frame_head h = { FRAME_MAGIC, FRAME_VERSION, 1, 4, 0 };
	size_t before = open_descriptors(), i;
	char rest[64];
	int fds[32];

	(void)state;
	for (i = 0; i < 32; i++)
		fds[i] = STDERR_FILENO;
	send_raw(&h, sizeof(h), fds, 2);
	send_raw("abcd", 4, NULL, 0);
	expect_refusal(ERR_INVALID, "0 descriptors announced, 2 came");
	assert_int_equal(recv(pair[1], rest, sizeof(rest), 0), 4);
	/* In the middle of the head, where the kernel lets them come with its
	 * first byte, and of the body. */
	send_raw(&h, 5, NULL, 0);
	send_raw((char *)&h + 5, sizeof(h) - 5, fds, 1);
	expect_refusal(ERR_INVALID, "0 descriptors announced, 1 came");
	send_raw(&h, sizeof(h), NULL, 0);
	send_raw("abcd", 4, fds, 3);
	expect_refusal(ERR_INVALID, "unexpected descriptors");
	/* More than there is room for. */
	h.nfds = 32;
	send_raw(&h, sizeof(h), fds, 32);
	expect_refusal(ERR_INVALID, "unexpected descriptors");
	assert_int_equal(open_descriptors(), before);
}

static void
test_cut_streams(void **state)
{
	struct frame_head h = { FRAME_MAGIC, FRAME_VERSION, 1, 4, 0 };

	(void)state;
	send_raw(&h, 7, NULL, 0);
	expect_refusal(ERR_TRANSIENT, "frame: ");
	send_raw(&h, sizeof(h), NULL, 0);
	send_raw("ab", 2, NULL, 0);
	close(fd_steal(&pair[0]));
	expect_refusal(ERR_TRANSIENT, "ended inside a frame");
}

static void
test_time_outs(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_frame struct frame f;
	static char big[4 << 20];

	(void)state;
	frame_init(&f, 100);
	assert_int_equal(frame_recv(pair[1], &f, 20, &err), -1);
	assert_int_equal(err.kind, ERR_TRANSIENT);
	assert_int_equal(err.sys, ETIMEDOUT);
	err_clear(&err);
	assert_int_equal(frame_send(pair[0], 1, big, sizeof(big), NULL, 0, 20,
	    &err), -1);
	assert_int_equal(err.sys, ETIMEDOUT);
	err_clear(&err);
	/* Nobody reads any more: an error, not a signal. */
	close(fd_steal(&pair[1]));
	assert_int_equal(frame_send(pair[0], 1, "x", 1, NULL, 0, -1, &err),
	    -1);
	assert_int_equal(err.sys, EPIPE);
	assert_int_equal(err.kind, ERR_TRANSIENT);
}

static void *
send_big(void *arg)
{
	int fd = STDERR_FILENO, rc;

	rc = frame_send(pair[0], 3, arg, 3 << 20, &fd, 1, 5000, NULL);
	return (rc == 0 ? arg : NULL);
}

static void
test_larger_than_the_sockets_buffer(void **state)
{
	cleanup_frame struct frame f;
	static char big[3 << 20];
	pthread_t thread;
	void *done;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 1000);
	frame_init(&f, sizeof(big));
	assert_int_equal(pthread_create(&thread, NULL, send_big, big), 0);
	assert_int_equal(frame_recv(pair[1], &f, 5000, NULL), 1);
	pthread_join(thread, &done);
	assert_non_null(done);
	assert_int_equal(f.body.len, sizeof(big));
	assert_memory_equal(f.body.data, big, sizeof(big));
	assert_int_equal(f.nfds, 1);
}

static void
test_reader_byte_by_byte(void **state)
{
	struct frame_head h = { FRAME_MAGIC, FRAME_VERSION, 5, 3, 0 };
	struct err err = ERR_INIT;
	char bytes[2 * (sizeof(h) + 3)];
	struct frame_reader r;
	size_t i, frames = 0;
	int rc;

	(void)state;
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), "abc", 3);
	memcpy(bytes + sizeof(h) + 3, bytes, sizeof(h) + 3);
	frame_reader_init(&r, 100);
	for (i = 0; i < sizeof(bytes); i++) {
		send_raw(bytes + i, 1, NULL, 0);
		rc = frame_reader_step(&r, pair[1], &err);
		assert_true(rc >= 0);
		if (rc == 1) {
			assert_string_equal(r.frame.body.data, "abc");
			assert_int_equal(r.frame.type, 5);
			frames++;
		}
	}
	assert_int_equal(frames, 2);
	send_raw(bytes, sizeof(bytes), NULL, 0);
	assert_int_equal(frame_reader_step(&r, pair[1], &err), 1);
	assert_int_equal(frame_reader_step(&r, pair[1], &err), 1);
	assert_int_equal(frame_reader_step(&r, pair[1], &err), 0);
	close(fd_steal(&pair[0]));
	assert_int_equal(frame_reader_step(&r, pair[1], &err), -1);
	assert_int_equal(err.kind, ERR_NOTFOUND);
	err_clear(&err);
	frame_reader_clear(&r);
}

static void
test_fields(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(1000);
	cleanup_free char *s = NULL, *empty = NULL, *after = NULL;
	cleanup_err struct err err = ERR_INIT;
	const uint8_t *bytes;
	struct wire w;
	size_t len;

	(void)state;
	wire_u8(&b, 200);
	wire_u32(&b, 4000000000u);
	wire_u64(&b, UINT64_MAX - 1);
	wire_bytes(&b, "a\0b", 3);
	wire_str(&b, "text");
	wire_str(&b, NULL);
	wire_init(&w, b.data, b.len);
	assert_int_equal(wire_get_u8(&w), 200);
	assert_int_equal(wire_get_u32(&w), 4000000000u);
	assert_true(wire_get_u64(&w) == UINT64_MAX - 1);
	assert_int_equal(wire_done(&w, "it", &err), -1);
	assert_string_equal(err_msg(&err), "it: 19 bytes too many in a frame");
	bytes = wire_get_bytes(&w, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(bytes, "a\0b", 3);
	s = wire_get_str(&w);
	assert_string_equal(s, "text");
	empty = wire_get_str(&w);
	assert_string_equal(empty, "");
	assert_int_equal(wire_done(&w, "it", &err), 0);
	/* Beyond the end, and for good. */
	assert_int_equal(wire_get_u32(&w), 0);
	assert_null(wire_get_bytes(&w, &len));
	assert_int_equal(len, 0);
	after = wire_get_str(&w);
	assert_string_equal(after, "");
	assert_int_equal(wire_done(&w, "it", &err), -1);
	assert_string_equal(err_msg(&err), "it: malformed frame");
}

static void
test_bad_fields(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(1000);
	cleanup_free char *s = NULL;
	struct wire w;
	size_t len;

	(void)state;
	wire_bytes(&b, "a\0b", 3);
	wire_init(&w, b.data, b.len);
	s = wire_get_str(&w);
	assert_string_equal(s, "");
	assert_true(w.bad);
	buf_clear(&b);
	wire_u32(&b, UINT32_MAX);
	buf_adds(&b, "abc");
	wire_init(&w, b.data, b.len);
	assert_null(wire_get_bytes(&w, &len));
	assert_true(w.bad);
	assert_int_equal(wire_get_u8(&w), 0);
}

#define test_on_pair(t) \
	cmocka_unit_test_setup_teardown(t, open_pair, close_pair)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test_on_pair(test_frames_in_a_row),
		test_on_pair(test_descriptors_travel),
		test_on_pair(test_wrong_heads),
		test_on_pair(test_ceiling),
		test_on_pair(test_a_lie_about_the_length_costs_no_memory),
		test_on_pair(test_unexpected_descriptors),
		test_on_pair(test_cut_streams),
		test_on_pair(test_time_outs),
		test_on_pair(test_larger_than_the_sockets_buffer),
		test_on_pair(test_reader_byte_by_byte),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bad_fields),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
