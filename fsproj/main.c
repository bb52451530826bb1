/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fsproj/mount.h"
#include "fsproj/place.h"
#include "fsproj/request.h"
#include "fsproj/rights.h"

/* A peer that does not read for so long is no peer. */
static const struct timespec patience = { .tv_sec = 5 };

#if defined(__SANITIZE_ADDRESS__)
/* Looking for leaks wants ptrace and threads; the sandbox has neither. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return ("detect_leaks=0");
}
#endif

static const char usage[] =
"usage: nodeseal-fsproj --socket PATH | --fd N [options]\n"
"\n"
"The only privileged part of Nodeseal: mounts, writes and removes what its one\n"
"peer asks for, beneath these directories and nowhere else.\n"
"\n"
"  --socket PATH           listen here (SOCK_SEQPACKET), one peer at a time\n"
"  --fd N                  or: the peer is at this descriptor\n"
"  --peer-uid UID          who may be the peer, beside root; owns bound sockets\n"
"  --peer-dirs DIR[:DIR]   are made for the peer: its state and its sockets\n"
"  --pods-dir DIR          volumes are mounted beneath it\n"
"  --host-dirs DIR[:DIR]   host projections lie beneath them; one that is on a\n"
"                          disk gets a tmpfs\n"
"  --host-dirs-on-disk     or stays on its disk\n"
"  --bind-dirs DIR[:DIR]   sockets may be bound beneath them\n"
"  --volume-context LABEL  SELinux label of what is mounted\n"
"  --help, --version\n";

static const struct option options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "fd", required_argument, NULL, 'f' },
	{ "peer-uid", required_argument, NULL, 'u' },
	{ "peer-dirs", required_argument, NULL, 'P' },
	{ "pods-dir", required_argument, NULL, 'p' },
	{ "host-dirs", required_argument, NULL, 'h' },
	{ "host-dirs-on-disk", no_argument, NULL, 'd' },
	{ "bind-dirs", required_argument, NULL, 'b' },
	{ "volume-context", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'H' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

struct settings {
	const char *socket;
	const char *peer_dirs;
	int fd;
	uid_t peer;
};

static int
send_frame(struct fsproj *s, struct reply *r)
{
	size_t bytes = r->fixed.fds * sizeof(int), text = strlen(r->text);
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * FSPROJ_BATCH)];
	} control = { .head = { .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(bytes) } };
	struct iovec iov[] = {
		{ &r->fixed, sizeof(r->fixed) },
		{ (void *)(uintptr_t)r->text, text }
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct pollfd p = { .fd = s->sock, .events = POLLOUT };
	ssize_t n;

	r->fixed.text_len = (uint32_t)text;
	r->fixed.head.len = (uint32_t)(sizeof(r->fixed) + text);
	if (bytes) {
		memcpy(CMSG_DATA(&control.head), r->fds, bytes);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(bytes);
	}
	do
		n = sendmsg(s->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && (errno == EINTR || (errno == EAGAIN &&
	    ppoll(&p, 1, &patience, NULL) == 1)));
	return (n == -1 ? -1 : 0);
}

/* One peer, until it goes away. */
static void
serve(struct fsproj *s)
{
	static uint64_t frame[FSPROJ_REQUEST_MAX / sizeof(uint64_t)];
	struct pollfd p = { .fd = s->sock, .events = POLLIN };
	struct iovec iov = { frame, sizeof(frame) };
	ssize_t n;

	for (;;) {
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (ppoll(&p, 1, NULL, NULL) == -1 && errno != EINTR)
			break;
		/* Without room for control data no descriptor gets in. */
		n = recvmsg(s->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		/* A longer one was cut: its length cannot be right. */
		if (fsproj_handle(s, frame, (size_t)n) == -1)
			break;
	}
	fsproj_forget(s);
}

static void
serve_all(struct fsproj *s, int listener, uid_t peer)
{
	uid_t uid = 0;

	for (;;) {
		s->sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (s->sock == -1) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			log_line("error", "accept: %s", strerror(errno));
			return;
		}
		if (owner_peer(s->sock, peer, &uid)) {
			s->peer = peer ? peer : uid;
			serve(s);
		} else
			log_line("warn", "peer with uid %u refused",
			    (unsigned)uid);
		path_close(&s->sock);
	}
}

static int
listen_on(const char *path, uid_t peer)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = -1;

	if (strlen(path) >= sizeof(sun.sun_path))
		errno = ENAMETOOLONG;
	else
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	if (fd != -1) {
		unlink(path);
		if (fchmod(fd, 0600) == -1 ||
		    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
		    lchown(path, peer, (gid_t)-1) == -1 ||
		    listen(fd, 4) == -1)
			path_close(&fd);
	}
	if (fd == -1)
		log_line("error", "%s: %s", path, strerror(errno));
	return (fd);
}

static int
number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return (errno || *text < '0' || *text > '9' || *end || *ret > max);
}

/* 0: go on, 1: done, 2: wrong use. */
static int
read_option(int opt, struct fsproj *s, struct settings *o)
{
	unsigned long n = 0;
	int bad = 0;

	if (opt == 's')
		o->socket = optarg;
	else if (opt == 'd')
		s->host_on_disk = 1;
	else if (opt == 'P')
		o->peer_dirs = optarg;
	else if (opt == 'c')
		s->label = optarg;
	else if (opt == 'h' || opt == 'b' || opt == 'p')
		bad = roots_add(&s->roots, opt == 'h' ? ROOT_HOST :
		    opt == 'b' ? ROOT_BIND : ROOT_PODS, optarg);
	else if (opt == 'f' && !(bad = number(optarg, INT_MAX, &n)))
		o->fd = (int)n;
	else if (opt == 'u' && !(bad = number(optarg, UINT32_MAX - 1ul, &n)))
		o->peer = (uid_t)n;
	else if (opt == 'H' || opt == 'V') {
		fputs(opt == 'H' ? usage :
		    "nodeseal-fsproj " NODESEAL_VERSION "\n", stdout);
		return (1);
	} else if (opt == '?')
		return (2);
	if (bad)
		fprintf(stderr, "nodeseal-fsproj: \"%s\" is no value for this "
		    "option\n", optarg);
	return (bad ? 2 : 0);
}

/* Whatever the moment, the next process finds its way (PROTOCOL). */
static void
stop(int signo)
{
	(void)signo;
	_exit(0);
}

static int
run(struct fsproj *s, const struct settings *o)
{
	const char *step = "/", *dir;
	int listener = -1;

	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	signal(SIGHUP, SIG_IGN);
	if (o->peer_dirs &&
	    place_peer_dirs(o->peer_dirs, o->peer, &dir) == -1) {
		log_line("error", "--peer-dirs: %s: %s", dir,
		    strerror(errno));
		return (1);
	}
	if (o->socket && (listener = listen_on(o->socket, o->peer)) == -1)
		return (1);
	if ((!o->socket && fcntl(o->fd, F_SETFD, FD_CLOEXEC) == -1) ||
	    chdir("/") == -1 || rights_drop(&step) == -1) {
		log_line("error", "%s: %s", errno == EBADF ? "--fd" : step,
		    strerror(errno));
		return (1);
	}
	s->flags = (s->host_on_disk ? FSPROJ_F_HOST_ON_DISK : 0) |
	    (mount_probe() ? 0 : FSPROJ_F_SWAPPABLE);
	if (s->flags & FSPROJ_F_SWAPPABLE)
		log_line("warn", "tmpfs has no noswap here: volumes may "
		    "reach swap");
	if (o->socket) {
		serve_all(s, listener, o->peer);
		return (1);
	}
	s->sock = o->fd;
	s->peer = o->peer;
	serve(s);
	return (0);
}

int
main(int argc, char **argv)
{
	static struct fsproj s;
	struct settings o = { .fd = -1 };
	int opt, rc;

	fsproj_init(&s);
	s.send = send_frame;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		rc = read_option(opt, &s, &o);
		if (rc)
			return (rc == 1 ? 0 : 2);
	}
	if (optind != argc || !o.socket == (o.fd == -1)) {
		fputs(usage, stderr);
		return (2);
	}
	return (run(&s, &o));
}
