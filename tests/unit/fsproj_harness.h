/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FSPROJ_HARNESS_H
#define TESTS_FSPROJ_HARNESS_H

/*
 * The whole of nodeseal-fsproj inside a test program: its sources are
 * included, a child runs its main(), and the test is its peer.  So a weakened
 * or sanitized build tests what it built.  Everything happens in a mount
 * namespace of the test's own, on a tmpfs on /mnt.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

/* A kernel before 6.4: tmpfs has no noswap. */
static int harness_no_noswap;

static inline int
harness_fsconfig(int fd, unsigned cmd, const char *key, const void *value,
    int aux)
{
	if (harness_no_noswap && key && strcmp(key, "noswap") == 0) {
		errno = EINVAL;
		return (-1);
	}
	return (fsconfig(fd, cmd, key, value, aux));
}
#define fsconfig harness_fsconfig

int fsproj_main(int argc, char **argv);
#define main fsproj_main
#include "fsproj/path.c"
#include "fsproj/mount.c"
#include "fsproj/writer.c"
#include "fsproj/proto.c"
#include "fsproj/request.c"
#include "fsproj/rights.c"
#include "fsproj/main.c"
#undef main
#undef fsconfig

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <cmocka.h>

#define PODS "/mnt/pods"
#define HOST "/mnt/host"
#define PLUG "/mnt/plug"
#define TARGET PODS "/p1/mount"

struct peer {
	pid_t pid;
	int sock;
};

struct got {		/* the last answer */
	struct fsproj_reply fixed;
	char text[FSPROJ_TEXT_MAX + 1];
	int fds[FSPROJ_BATCH];
};

struct file {
	const char *name, *data;
	unsigned mode, uid, gid;
};

/* A namespace of our own; without root there is nothing to test. */
static inline int
harness_enter(void)
{
	if (geteuid() != 0) {
		printf("skipped: needs root\n");
		exit(0);
	}
	if (unshare(CLONE_NEWNS) == -1 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("harness", "/mnt", "tmpfs", 0, "mode=755") == -1) {
		perror("harness");
		exit(1);
	}
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	mkdir(PODS, 0755);
	mkdir(PODS "/p1", 0755);
	mkdir(PLUG, 0755);
	return (0);
}

/* ${more}: further words, NULL at the end; may be NULL. */
static inline void
peer_start_with(struct peer *p, const char *const *more)
{
	char number[16], pods[] = PODS, host[] = HOST, plug[] = PLUG;
	const char *words[24] = { "nodeseal-fsproj", "--fd", number,
		"--pods-dir", pods, "--host-dirs", host, "--bind-dirs", plug };
	int sv[2], n = 9;

	while (more && *more)
		words[n++] = *more++;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    sv), 0);
	snprintf(number, sizeof(number), "%d", sv[1]);
	fflush(NULL);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		char *argv[24];

		memcpy(argv, words, sizeof(argv));
		close(sv[0]);
		_exit(fsproj_main(n, argv));
	}
	close(sv[1]);
	p->sock = sv[0];
}

static inline void
peer_start(struct peer *p)
{
	peer_start_with(p, NULL);
}

static inline int
peer_stop(struct peer *p)
{
	int status = -1;

	close(p->sock);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	return (status);
}

/* -1 when the peer is gone. */
static inline int
peer_send(struct peer *p, const void *frame, size_t len)
{
	return (send(p->sock, frame, len, MSG_NOSIGNAL) == (ssize_t)len ?
	    0 : -1);
}

static inline int
peer_recv(struct peer *p, struct got *g)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(g->fds))];
	} control;
	struct iovec iov[] = { { &g->fixed, sizeof(g->fixed) },
		{ g->text, sizeof(g->text) - 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	n = recvmsg(p->sock, &msg, MSG_CMSG_CLOEXEC);
	if (n < (ssize_t)sizeof(g->fixed))
		return (-1);
	g->text[(size_t)n - sizeof(g->fixed)] = '\0';
	c = CMSG_FIRSTHDR(&msg);
	if (c)
		memcpy(g->fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return (0);
}

/* Build a frame; returns its length. */
static inline size_t
frame_build(void *frame, struct fsproj_request q, const char *path,
    const struct file *files, size_t n)
{
	char *at = (char *)frame + sizeof(q);
	size_t i;

	q.head.magic = FSPROJ_MAGIC;
	q.head.version = FSPROJ_VERSION;
	q.count = (uint32_t)n;
	q.path_len = path ? (uint32_t)strlen(path) : 0;
	for (i = 0; i < n; i++) {
		struct fsproj_entry e = { files[i].mode, files[i].uid,
			files[i].gid, (uint32_t)strlen(files[i].name) };

		memcpy(at, &e, sizeof(e));
		at += sizeof(e);
	}
	if (path)
		at = stpcpy(at, path) + 1;
	for (i = 0; i < n; i++)
		at = stpcpy(at, files[i].name) + 1;
	q.head.len = (uint32_t)(at - (char *)frame);
	memcpy(frame, &q, sizeof(q));
	return (q.head.len);
}

/* One request and its answer: the status, -1 when the peer is gone. */
static inline int
peer_ask(struct peer *p, struct got *g, struct fsproj_request q,
    const char *path, const struct file *files, size_t n)
{
	static uint64_t frame[FSPROJ_REQUEST_MAX / 8];
	size_t len = frame_build(frame, q, path, files, n);

	if (peer_send(p, frame, len) == -1 || peer_recv(p, g) == -1)
		return (-1);
	return ((int)g->fixed.status);
}

/* It has no answer. */
static inline void
peer_place(struct peer *p, const char *path)
{
	static uint64_t frame[FSPROJ_REQUEST_MAX / 8];
	size_t len = frame_build(frame, (struct fsproj_request){
	    .head.type = FSPROJ_PLACE }, path, NULL, 0);

	(void)peer_send(p, frame, len);
}

static inline int
peer_path(struct peer *p, struct got *g, uint16_t type, uint32_t place,
    const char *path)
{
	return (peer_ask(p, g, (struct fsproj_request){ .head.type = type,
	    .place = place }, path, NULL, 0));
}

static inline int
peer_begin(struct peer *p, struct got *g, uint32_t place, const char *path,
    size_t n)
{
	return (peer_ask(p, g, (struct fsproj_request){
	    .head.type = FSPROJ_BEGIN, .place = place, .dir_mode = 0755,
	    .size = place == FSPROJ_VOLUME ? 256 << 10 : 0,
	    .inodes = place == FSPROJ_VOLUME ? 512 : 0,
	    .files = (uint32_t)n,
	    .next = (uint32_t)(n < FSPROJ_BATCH ? n : FSPROJ_BATCH) },
	    path, NULL, 0));
}

/* How many projections there are; the text of the last one stays in ${g}, its
 * numbers in ${item}. */
static inline int
peer_list(struct peer *p, struct got *g, struct got *item)
{
	int n = 0, rc;

	rc = peer_path(p, g, FSPROJ_LIST, 0, NULL);
	while (rc == FSPROJ_OK && (g->fixed.flags & FSPROJ_F_MORE)) {
		n++;
		*item = *g;
		rc = peer_recv(p, g) ? -1 : (int)g->fixed.status;
	}
	return (rc == FSPROJ_OK ? n : -1);
}

/* Write the batch that is out and close it. */
static inline void
got_fill(struct got *g, const struct file *files)
{
	uint32_t i;

	for (i = 0; i < g->fixed.fds; i++) {
		ssize_t len = (ssize_t)strlen(files[i].data);

		assert_int_equal(write(g->fds[i], files[i].data,
		    (size_t)len), len);
		close(g->fds[i]);
	}
}

/* A whole write; the first status that is not OK, or -1. */
static inline int
peer_write(struct peer *p, struct got *g, uint32_t place, const char *path,
    const struct file *files, size_t n)
{
	size_t at = 0, batch;
	int rc = peer_begin(p, g, place, path, n);

	while (rc == FSPROJ_OK) {
		size_t left;

		batch = g->fixed.fds;
		got_fill(g, files ? files + at : NULL);
		left = n - at - batch;
		rc = peer_ask(p, g, (struct fsproj_request){
		    .head.type = left ? FSPROJ_FILES : FSPROJ_COMMIT,
		    .next = (uint32_t)(left < FSPROJ_BATCH ? left :
		    FSPROJ_BATCH) }, NULL, files ? files + at : NULL, batch);
		at += batch;
		if (left == 0)
			break;
	}
	return (rc);
}

/* The text of a file, in a buffer of its own for each of four calls. */
static inline const char *
slurp(const char *path)
{
	static char bufs[4][4096];
	static int turn;
	char *buf = bufs[turn++ & 3];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, buf, 4095);

	if (fd != -1)
		close(fd);
	if (n < 0)
		return ("<absent>");
	buf[n] = '\0';
	return (buf);
}

static inline const char *
link_of(const char *path)
{
	static char bufs[4][4096];
	static int turn;
	char *buf = bufs[turn++ & 3];
	ssize_t n = readlink(path, buf, 4095);

	buf[n < 0 ? 0 : n] = '\0';
	return (buf);
}

/* The mountinfo line of the topmost mount on ${path}, "" when none. */
static inline const char *
mount_line_of(const char *path)
{
	static char found[4096];
	char line[4096], want[4200];
	FILE *f = fopen("/proc/self/mountinfo", "r");

	found[0] = '\0';
	snprintf(want, sizeof(want), " %s ", path);
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, want))
			strcpy(found, line);
	if (f)
		fclose(f);
	return (found);
}

static inline int
mounts_on(const char *path)
{
	char line[4096], want[4200];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	int n = 0;

	snprintf(want, sizeof(want), " %s ", path);
	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, want) != NULL;
	if (f)
		fclose(f);
	return (n);
}

/* The names in a directory, sorted, a space behind each. */
static inline const char *
names_in(const char *path)
{
	static char out[8192];
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort), i;

	out[0] = '\0';
	for (i = 0; i < n; i++) {
		if (strcmp(list[i]->d_name, ".") &&
		    strcmp(list[i]->d_name, "..")) {
			strcat(out, list[i]->d_name);
			strcat(out, " ");
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return (out);
}

/* Our generations in a directory. */
static inline int
generations_in(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += generation_count(e->d_name) != 0;
	if (d)
		closedir(d);
	return (n);
}

#endif
