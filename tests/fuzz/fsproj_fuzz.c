/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a hostile peer, at fsproj's dispatcher.  An input is a row of
 * frames, each with three bytes before it: flags (1: mend magic, version and
 * length) and the length, little end first.  Host directories and sockets are
 * real, on a tmpfs of our own; without CAP_SYS_ADMIN every mount fails.
 */
#include "fsproj/path.c"
#include "fsproj/mount.c"
#include "fsproj/writer.c"
#include "fsproj/proto.c"
#include "fsproj/request.c"

#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fsproj state;
static int home = -1;
static unsigned long answers;

static int
count_answer(struct fsproj *s)
{
	uint32_t i;

	answers += strlen(s->text);
	/* The peer would get them. */
	for (i = 0; i < s->reply.fds; i++)
		if (fcntl(s->t.fds[i], F_GETFD) == -1)
			abort();
	return (0);
}

static void
give_up_mounting(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps) == 0) {
		caps[0].effective &= ~(1u << CAP_SYS_ADMIN);
		caps[0].permitted &= ~(1u << CAP_SYS_ADMIN);
		syscall(SYS_capset, &head, caps);
	}
}

/* A mount namespace of our own; where there is none, no root exists and only
 * the reading of frames is tried. */
static void
start(void)
{
	static char pods[] = "/mnt/pods", host[] = "/mnt/host",
	    plug[] = "/mnt/plug";

	home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fsproj_init(&state);
	state.send = count_answer;
	state.peer = getuid();
	if ((geteuid() == 0 ? unshare(CLONE_NEWNS) :
	    unshare(CLONE_NEWUSER | CLONE_NEWNS)) == -1 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("fuzz", "/mnt", "tmpfs", 0, "size=64m") == -1)
		return;
	mkdir(pods, 0755);
	mkdir(plug, 0755);
	mkdir("/mnt/pods/p", 0755);
	roots_add(state.roots, ROOT_PODS, pods);
	roots_add(state.roots, ROOT_HOST, host);
	roots_add(state.roots, ROOT_BIND, plug);
	give_up_mounting();
}

static void
sweep_roots(void)
{
	const struct root *r;
	const char *name;

	for (r = state.roots; r->path; r++) {
		cleanup_fd int fd = r->use == ROOT_PODS ? -1 : root_open(r);
		cleanup_dir DIR *d = NULL;

		while ((name = path_next(&d, fd)))
			tree_remove(fd, name, 0);
	}
	if (home != -1 && fchdir(home) == -1)
		abort();
}

static void
one_frame(const uint8_t *data, size_t len, int mend)
{
	/* exactly as large as it is: a sanitizer sees the end */
	char *frame = malloc(len ? len : 1);
	struct fsproj_head head;

	if (!frame)
		abort();
	memcpy(frame, data, len);
	if (mend && len >= sizeof(head)) {
		memcpy(&head, frame, sizeof(head));
		head.magic = FSPROJ_MAGIC;
		head.version = FSPROJ_VERSION;
		head.len = (uint32_t)len;
		memcpy(frame, &head, sizeof(head));
	}
	fsproj_handle(&state, frame, len);
	free(frame);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;
	int mend;

	if (home == -1)
		start();
	while (size >= 3) {
		mend = data[0] & 1;
		len = data[1] | (size_t)data[2] << 8;
		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		one_frame(data, len, mend);
		data += len;
		size -= len;
	}
	fsproj_forget(&state);
	sweep_roots();
	return (0);
}
