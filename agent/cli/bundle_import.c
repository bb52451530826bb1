/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/bundle.h"
#include "ipc/bundle.h"
#include "ipc/frame.h"

#define ANSWER_MS 60000

static const char help[] =
    "usage: nodeseal bundle import FILE [--run DIR] [--state DIR]\n\n"
    "Gives a bundle to the agent of this node (DIR: /run/nodeseal).  With no "
    "agent\nrunning, leaves it in the state directory (/var/lib/nodeseal) for "
    "the next start.\nExit status: 0 imported or left, 1 refused, 2 wrong use, "
    "3 not now, 4 it was\naltered.\n";

struct options {
	const char *file, *run, *state;
};

static int
parse(int argc, char **argv, struct options *o)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
			fputs(help, stdout);
			return (0);
		}
		if (str_eq(argv[i], "--run") && i + 1 < argc)
			o->run = argv[++i];
		else if (str_eq(argv[i], "--state") && i + 1 < argc)
			o->state = argv[++i];
		else if (argv[i][0] != '-' && !o->file)
			o->file = argv[i];
		else
			break;
	}
	if (i == argc && o->file)
		return (-1);
	fputs(help, stderr);
	return (2);
}

/* --- a running agent ---------------------------------------------------- */

/* 1: nobody is there. */
static int
agent_connect(const char *run, int *ret_fd, struct err *err)
{
	cleanup_free char *path = str_fmt("%s/" BUNDLE_SOCKET, run);
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return (err_set(err, ERR_INVALID, "--run: %s: longer than a "
		    "socket's path may be", run));
	memcpy(un.sun_path, path, strlen(path));
	if (fd == -1)
		return (err_sys(err, "socket"));
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == -1)
		return (errno == ENOENT || errno == ECONNREFUSED ? 1 :
		    err_sys(err, "%s", path));
	*ret_fd = fd_steal(&fd);
	return (0);
}

static int
agent_ask(int fd, int file, struct err *err)
{
	cleanup_free char *text = NULL;
	cleanup_frame struct frame f;
	struct wire w;
	uint32_t kind;

	frame_init(&f, BUNDLE_FRAME_MAX);
	if (frame_send(fd, BUNDLE_IMPORT, NULL, 0, &file, 1, ANSWER_MS,
	    err) == -1)
		return (-1);
	if (frame_recv(fd, &f, ANSWER_MS, err) != 1)
		return (err->kind ? -1 : err_set(err, ERR_TRANSIENT, "the "
		    "agent gave no answer"));
	wire_init(&w, f.body.data, f.body.len);
	kind = wire_get_u32(&w);
	text = wire_get_str(&w);
	if (f.type != BUNDLE_ANSWER || kind >= ERR_KINDS ||
	    wire_done(&w, "the agent's answer", err) == -1)
		return (err_set(err, ERR_INTERNAL, "the agent's answer is "
		    "none"));
	if (kind != ERR_NONE)
		return (err_set(err, (enum err_kind)kind, "%s", text));
	puts(text);
	return (0);
}

/* --- none --------------------------------------------------------------- */

/* Of whom the state directory is: core, which takes the file away. */
static int
inbox_open(const char *state, struct stat *owner, struct err *err)
{
	cleanup_close int dir = open(state, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	int fd;

	if (dir == -1 || fstat(dir, owner) == -1)
		return (err_sys(err, "no agent runs, and --state: %s",
		    state));
	if (mkdirat(dir, BUNDLE_INBOX, 0700) == -1 && errno != EEXIST)
		return (err_sys(err, "%s/" BUNDLE_INBOX, state));
	fd = openat(dir, BUNDLE_INBOX, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW);
	if (fd == -1 || (geteuid() == 0 && fchown(fd, owner->st_uid,
	    owner->st_gid) == -1)) {
		err_sys(err, "%s/" BUNDLE_INBOX, state);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	return (fd);
}

static int
copy(int dir, const char *tmp, const struct buf *data,
    const struct stat *owner, struct err *err)
{
	cleanup_close int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return (err_sys(err, "%s", tmp));
	if (file_write_all(fd, data->data, data->len, err) == -1)
		return (-1);
	if ((geteuid() == 0 && fchown(fd, owner->st_uid, owner->st_gid) ==
	    -1) || fsync(fd) == -1)
		return (err_sys(err, "%s", tmp));
	return (0);
}

static int
leave(const struct options *o, int file, struct err *err)
{
	cleanup_buf struct buf data = BUF_PLAIN(BUNDLE_MAX);
	cleanup_close int dir = -1;
	char hex[BUNDLE_HEX_LEN];
	struct stat owner;
	struct bundle b;

	if (file_read_fd(file, &data, err) == -1 ||
	    bundle_read(&b, buf_str(&data), data.len, err) == -1)
		return (-1);
	bundle_hex(b.head.id, hex);
	bundle_clear(&b);
	cleanup_free char *name = str_fmt("%s" BUNDLE_SUFFIX, hex);
	cleanup_free char *tmp = str_fmt(".%s", name);

	dir = inbox_open(o->state, &owner, err);
	if (dir == -1 || copy(dir, tmp, &data, &owner, err) == -1)
		return (-1);
	if (renameat(dir, tmp, dir, name) == -1 || fsync(dir) == -1)
		return (err_sys(err, "%s", name));
	printf("no agent runs: left as %s/" BUNDLE_INBOX "/%s, it is checked "
	    "and taken up at the next start\n", o->state, name);
	return (0);
}

static int
import(const struct options *o, struct err *err)
{
	cleanup_close int file = bundle_file_open(o->file, err);
	cleanup_close int fd = -1;
	int rc;

	if (file == -1)
		return (-1);
	rc = agent_connect(o->run, &fd, err);
	if (rc == 0)
		rc = agent_ask(fd, file, err);
	else if (rc == 1)
		rc = leave(o, file, err);
	return (rc == -1 ? err_wrap(err, "%s", o->file) : 0);
}

int
cli_bundle_import(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct options o = { NULL, "/run/nodeseal", "/var/lib/nodeseal" };
	int rc = parse(argc, argv, &o);

	if (rc == -1)
		rc = import(&o, &err) == -1 ? bundle_complain("import",
		    &err) : 0;
	return (rc);
}
