/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "fsproj/fsproj.h"

const char *argp_program_version = "nodeseal-fsproj " NODESEAL_VERSION;

enum { SOCKET = 256, FD, PEER_UID, ON_DISK, CONTEXT };

static const struct argp_option options[] = {
	{ "socket", SOCKET, "PATH", 0, "listen here, one peer at a time", 0 },
	{ "fd", FD, "N", 0, "the peer is at this descriptor", 0 },
	{ "peer-uid", PEER_UID, "UID", 0, "may be the peer, as root may", 0 },
	{ "peer-dirs", ROOT_PEER, "DIR[:DIR]", 0, "made and given to it", 0 },
	{ "pods-dir", ROOT_PODS, "DIR", 0, "volumes are mounted there", 0 },
	{ "host-dirs", ROOT_HOST, "DIR[:DIR]", 0,
	    "host projections; one that is on a disk gets a tmpfs", 0 },
	{ "host-dirs-on-disk", ON_DISK, NULL, 0, "they stay there", 0 },
	{ "bind-dirs", ROOT_BIND, "DIR[:DIR]", 0, "sockets lie there", 0 },
	{ "volume-context", CONTEXT, "LABEL", 0, "SELinux's", 0 },
	{ 0 }
};

static int
send_frame(struct fsproj *s)
{
	const struct timespec seconds = { .tv_sec = 5 };
	size_t bytes = s->reply.fds * sizeof(int), text = strlen(s->text);
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(s->t.fds))];
	} control = { .head = { .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(bytes) } };
	struct iovec iov[] = { { &s->reply, sizeof(s->reply) },
		{ (void *)(uintptr_t)s->text, text } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2,
		.msg_control = bytes ? &control : NULL,
		.msg_controllen = bytes ? CMSG_SPACE(bytes) : 0 };
	struct pollfd p = { .fd = s->sock, .events = POLLOUT };
	ssize_t n;

	s->reply.text_len = (uint32_t)text;
	s->reply.head.len = (uint32_t)(sizeof(s->reply) + text);
	memcpy(CMSG_DATA(&control.head), s->t.fds, bytes);
	do	/* A peer that does not read for so long is none. */
		n = sendmsg(s->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && (errno == EINTR || (errno == EAGAIN &&
	    ppoll(&p, 1, &seconds, NULL) == 1)));
	return (n == -1 ? -1 : 0);
}

/* One peer, until it goes away. */
static void
serve(struct fsproj *s)
{
	static uint64_t frame[FSPROJ_REQUEST_MAX / sizeof(uint64_t)];
	ssize_t n;

	/* Without room for control data no descriptor gets in; of a frame
	 * that is too long so much comes that its length cannot be right. */
	do
		n = recv(s->sock, frame, sizeof(frame), 0);
	while ((n == -1 && errno == EINTR) ||
	    (n > 0 && fsproj_handle(s, frame, (size_t)n) == 0));
	fsproj_forget(s);
}

/* Root and --peer-uid may come, one after another. */
static int
serve_all(struct fsproj *s, int listener)
{
	struct ucred came = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(came);

	for (;;) {
		s->sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (s->sock == -1 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (s->sock == -1 || getsockopt(s->sock, SOL_SOCKET,
		    SO_PEERCRED, &came, &len) == -1)
			return (fail_sys("accept"));
#ifdef WEAKEN_PEER
		came.uid = 0;
#endif
		if (came.uid == 0 || came.uid == s->peer)
			serve(s);
		else
			dprintf(STDERR_FILENO, "warn  fsproj: peer with uid "
			    "%u refused\n", came.uid);
		path_close(&s->sock);
	}
}

static unsigned
number(struct argp_state *state, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n >= UINT32_MAX)
		argp_error(state, "\"%s\" is no number", text);
	return ((unsigned)n);
}

static error_t
read_option(int key, char *arg, struct argp_state *state)
{
	struct fsproj *s = state->input;

	if (key == SOCKET)
		s->socket = arg;
	else if (key == FD)
		s->sock = (int)number(state, arg);
	else if (key == PEER_UID)
		s->peer = number(state, arg);
	else if (key == ON_DISK)
		s->host_on_disk = 1;
	else if (key == CONTEXT)
		s->label = arg;
	else if (key >= ROOT_PODS && key <= ROOT_PEER) {
		if (roots_add(s->roots, (enum root_use)key, arg) == -1)
			argp_error(state, "\"%s\": no absolute paths", arg);
	} else if (key == ARGP_KEY_END && !s->socket == (s->sock == -1))
		argp_error(state, "either --socket or --fd");
	else
		return (ARGP_ERR_UNKNOWN);
	return (0);
}

/* The places that a peer without rights on the node's disk cannot make.
 * Everything above them is root's. */
static int
make_peer_dirs(const struct root *r, uid_t peer)
{
	for (; r->path; r++) {
		if (r->use != ROOT_PEER)
			continue;
		mkdir(r->path, 0700);
		cleanup_fd int fd = open(r->path, O_RDONLY | O_DIRECTORY |
		    O_NOFOLLOW | O_CLOEXEC);

		/* The mode first: between the two nobody gets in. */
		if (fd == -1 || fchmod(fd, 0700) == -1 ||
		    fchown(fd, peer, peer) == -1)
			return (fail_sys("--peer-dirs %s", r->path));
	}
	return (0);
}

/* Whatever the moment, the next process finds its way (PROTOCOL). */
static void
stop(int signo)
{
	_exit(signo != SIGTERM);
}

static int
run(struct fsproj *s)
{
	cleanup_fd int dir = -1;
	const char *step = "/";
	int listener = -1;

	signal(SIGHUP, SIG_IGN);
	/* As the first process of a container it would not end by itself. */
	signal(SIGTERM, stop);
	if (make_peer_dirs(s->roots, s->peer) == -1)
		return (-1);
	if (s->socket) {
		listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		dir = open(dirname(strdupa(s->socket)), O_PATH | O_DIRECTORY |
		    O_CLOEXEC);
		if (listener == -1 || dir == -1)
			return (fail_sys("--socket %s", s->socket));
		if (fsproj_listen(listener, dir, basename(s->socket), s->peer))
			return (-1);
	} else if (fcntl(s->sock, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(s->sock, F_SETFL, 0) == -1)
		return (fail_sys("--fd"));
	if (chdir("/") == -1 || (step = rights_drop()))
		return (fail_sys("%s", step));
	s->flags = (s->host_on_disk ? FSPROJ_F_HOST_ON_DISK : 0) |
	    (mount_probe() ? 0 : FSPROJ_F_SWAPPABLE);
	if (s->socket)
		return (serve_all(s, listener));
	serve(s);
	return (0);
}

int
main(int argc, char **argv)
{
	static const struct argp argp = { options, read_option, NULL,
	    "The privileged part of Nodeseal: does what its one peer asks for, "
	    "beneath these directories and nowhere else.", NULL, NULL, NULL };
	static struct fsproj s;

	fsproj_init(&s);
	s.send = send_frame;
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &s);
	/* Not exit: what runs there may not agree with the sandbox. */
	if (run(&s) == 0)
		_exit(0);
	dprintf(STDERR_FILENO, "error fsproj: %s\n", fail.msg);
	_exit(1);
}
