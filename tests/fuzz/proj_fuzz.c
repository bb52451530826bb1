/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "proj/proj_internal.h"

/*
 * The client of fsproj against a false one.  The first byte says what is
 * asked for; 128 in it: all of the input is a file's path, too.  Then answers,
 * one a request: flags (1: mend magic, version, length, serial, type and a
 * text's length of 0; 2: mend the number of descriptors; the rest: how many
 * come), length (two bytes, little end first) and the bytes.  Where the input
 * ends the connection does.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct loop_timer *stop, *later;
static struct run {
	int sock, memfd;
	const uint8_t *data;
	size_t size;
	int asked, told, once_more;
	struct proj *proj;
} run;

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* --- what is asked for ----------------------------------------------- */

static void
told(void)
{
	if (++run.told < run.asked)
		return;
	if (run.once_more)
		proj_lull(run.proj);
	loop_timer_start(run.once_more ? later : stop, run.once_more);
	run.once_more = 0;
}

static void
on_done(void *arg, const struct err *err)
{
	require(arg == &run && (!err || *err_msg(err)));
	told();
}

static void
on_list(void *arg, const struct proj_found *found, size_t n,
    const struct err *err)
{
	size_t i;

	require(arg == &run && (n == 0 || !err));
	for (i = 0; i < n; i++)
		require(strlen(found[i].path) <= FSPROJ_TEXT_MAX);
	told();
}

static void
on_bound(void *arg, int fd, const struct err *err)
{
	require(arg == &run && (fd == -1) == (err != NULL));
	if (fd != -1)
		require(close(fd) == 0);
	told();
}

/* Descriptors are what the peer likes: not always fit to write to. */
static int
fill(void *arg, size_t i, int fd, struct err *err)
{
	(void)arg;
	if (i == 3)
		return (err_set(err, ERR_TAMPER, "the record is damaged"));
	if (ftruncate(fd, 0) == -1 || pwrite(fd, "x", 1, 0) != 1)
		return (err_sys(err, "write"));
	return (0);
}

static const struct proj_file files[] = {
	{ "a", 0644, 0, 0, 1 }, { "b/c", 0600, 1, 1, 1 },
	{ "d", 0644, 0, 0, 1 }, { "e", 0644, 0, 0, 1 },
};

static const struct proj_target volume = { PROJ_VOLUME, "/v", 0, 0, 0755, 1 };

static void
on_later(void *arg)
{
	(void)arg;
	run.asked++;
	proj_aim(run.proj, &volume);
	if (proj_write(run.proj, &volume, files, 2, fill, on_done, &run, NULL)
	    == -1)
		told();
}

static void
ask(struct proj *p, unsigned what)
{
	static struct proj_file many[FSPROJ_BATCH + 8];
	static const struct proj_target host = { PROJ_HOST, "/h/a", 4096, 1,
	    0700, 0 };
	const struct proj_target *t = what & 1 ? &host : &volume;
	size_t i;

	for (i = 0; i < ARRAY_LEN(many); i++)
		many[i] = files[i ? 1 : 0];
	run.asked = 2;
	switch (what / 2 % 6) {
	case 0:
		require(proj_list(p, on_list, &run, NULL) == 0);
		break;
	case 1:
		require(proj_bind(p, "/s", on_bound, &run, NULL) == 0);
		break;
	case 2:
		require(proj_remove(p, t, on_done, &run, NULL) == 0);
		break;
	case 3:
		require(proj_write(p, t, files, 0, fill, on_done, &run, NULL)
		    == 0);
		break;
	case 4:
		require(proj_write(p, t, files, what & 64 ? 4 : 2, fill,
		    on_done, &run, NULL) == 0);
		break;
	default:
		require(proj_write(p, t, many, ARRAY_LEN(many), fill, on_done,
		    &run, NULL) == 0);
	}
	require(proj_remove(p, &host, on_done, &run, NULL) == 0);
}

/* proj_file.path, said another way than the product says it. */
static void
path_fits(const char *path)
{
	cleanup_free char *copy = str_fmt("/%s/", path);

	require(strlen(path) > 0 && strlen(path) <= 1024);
	require(!strstr(copy, "/../") && !strstr(copy, "/./") &&
	    !strstr(copy, "//"));
}

/* What is refused before anything is sent. */
static void
ask_wrongly(struct proj *p, const char *text)
{
	struct proj_file file = { text, 0600, 0, 0, 1 };
	struct proj_target t = { PROJ_VOLUME, "/v", 0, 0, 01755, 1 };
	struct proj_target none = { PROJ_VOLUME, text, 0, 0, 0755, 0 };
	cleanup_err struct err err = ERR_INIT;

	if (proj_path_check(text, &err) == 0)
		path_fits(text);
	else
		require(*err_msg(&err));
	if (proj_path_projected(text, NULL) == 0)
		path_fits(text);
	require(proj_write(p, &t, &file, 1, fill, on_done, &run, NULL) == -1);
	t.dir_mode = 0755;
	file.mode = 01000;
	require(proj_write(p, &t, &file, 1, fill, on_done, &run, NULL) == -1);
	t.size_max = UINT64_MAX;
	require(proj_write(p, &t, files, 1, fill, on_done, &run, NULL) == -1);
	require(proj_write(p, &t, files, FSPROJ_FILES_MAX + 1, fill, on_done,
	    &run, NULL) == -1);
	if (text[0] != '/')
		require(proj_remove(p, &none, on_done, &run, NULL) == -1);
}

/* --- the false fsproj ------------------------------------------------ */

static int
send_frame(const void *data, size_t len, size_t nfds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} control = { { 0 } };
	int fds[64];
	struct iovec part = { .iov_len = len };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *h;
	size_t i;

	memcpy(&part.iov_base, &data, sizeof(data));
	for (i = 0; i < nfds; i++)
		fds[i] = run.memfd;
	if (nfds) {
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
	}
	return (sendmsg(run.sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != -1);
}

/* One answer: 1 when another one has to follow it, -1 at the end. */
static int
answer(const struct fsproj_request *q)
{
	int more = 0;
	unsigned flags = run.size > 3 ? run.data[0] : 0, nfds = flags / 4;
	size_t len = run.size > 3 ? run.data[1] | (size_t)run.data[2] << 8 : 0;
	cleanup_free char *frame = NULL;
	struct fsproj_reply r;

	if (run.size <= 3)
		return (-1);
	run.data += 3;
	run.size -= 3;
	len = len < run.size ? len : run.size;
	frame = mem_alloc(len + 1);
	memcpy(frame, run.data, len);
	if (len >= sizeof(r)) {
		memcpy(&r, frame, sizeof(r));
		if (flags & 1) {
			r.head = q->head;
			r.head.len = (uint32_t)len;
			if (r.text_len == 0)
				r.text_len = (uint32_t)(len - sizeof(r));
		}
		if (flags & 2)
			nfds = r.fds < 64 ? r.fds : 64;
		else
			r.fds = nfds;
		memcpy(frame, &r, sizeof(r));
		more = q->head.type == FSPROJ_LIST && r.status == FSPROJ_OK &&
		    r.flags & FSPROJ_F_MORE;
	}
	run.data += len;
	run.size -= len;
	return (send_frame(frame, len, nfds) ? more : -1);
}

static void
on_request(void *arg, int events)
{
	static char frame[FSPROJ_REQUEST_MAX];
	struct fsproj_request q;
	ssize_t n = recv(run.sock, frame, sizeof(frame), MSG_DONTWAIT);
	int more = n > 0 ? 1 : -1;

	(void)arg;
	(void)events;
	if (n == -1)
		return;
	require(n == 0 || ((size_t)n >= sizeof(q)));
	if (n > 0) {
		memcpy(&q, frame, sizeof(q));
		require(q.head.len == (size_t)n &&
		    q.head.magic == FSPROJ_MAGIC);
		if (q.head.type == FSPROJ_PLACE)
			return;
	}
	while (more == 1)
		more = answer(&q);
	if (more == -1)
		shutdown(run.sock, SHUT_RDWR);
}

static void
on_stop(void *arg)
{
	loop_stop(arg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop_fd *peer;
	struct proj *p;
	int pair[2];

	if (size == 0)
		return (0);
	if (!loop) {
		loop = loop_new(NULL);
		stop = loop_timer_new(loop, on_stop, loop);
		later = loop_timer_new(loop, on_later, loop);
	}
	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)
	    == 0);
	run = (struct run){ .sock = pair[1], .data = data + 1,
	    .size = size - 1 };
	run.memfd = memfd_create("file", MFD_CLOEXEC);
	peer = loop_fd_new(loop, pair[1], on_request, NULL, NULL);
	loop_fd_watch(peer, LOOP_READ);
	require(proj_new(loop, pair[0], &p, NULL) == 0);
	if (data[0] & 128) {
		cleanup_free char *text = str_ndup((const char *)data + 1,
		    size - 1);

		ask_wrongly(p, text);
	}
	run.proj = p;
	run.once_more = data[0] & 32 ? 1 : 0;
	ask(p, data[0]);
	loop_run(loop);
	require(run.told == run.asked);
	(void)proj_degraded(p);
	(void)proj_connected(p);
	proj_free(p);
	loop_fd_free(peer);
	close(pair[1]);
	close(run.memfd);
	return (0);
}
