/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "fsproj/fsproj.h"

#define BIND_TMP ".nodeseal-bind"	/* kubelet skips names with a dot */
#define HOST_SIZE (256 << 20)		/* of a tmpfs for a host root */
#define LIST_DEPTH 16			/* directories below a host root */

static const struct transaction nothing = { .open = IDLE, .base = -1,
	.parent = -1, .at = -1, .dir = -1, .writer = { .dir = -1 } };

void
fsproj_init(struct fsproj *s)
{
	*s = (struct fsproj){ .sock = -1, .text = "", .t = nothing };
}

static void
close_files(struct transaction *t)
{
	while (t->nfds > 0)
		path_close(&t->fds[--t->nfds]);
}

int
fsproj_forget(struct fsproj *s)
{
	struct transaction *t = &s->t;

	close_files(t);
	writer_end(&t->writer);
	path_close(&t->dir);
	path_close(&t->at);
	if (t->made)
		unlinkat(t->parent, t->last, AT_REMOVEDIR);
	path_close(&t->parent);
	path_close(&t->base);
	*t = nothing;
	return (0);
}

/* What stands at a volume's name now. */
static int
look(struct transaction *t)
{
	path_close(&t->at);
	t->ours = 0;
	t->at = openat(t->parent, t->last, PATH_DIR_FLAGS);
	if (t->at == -1)
		return (errno == ENOENT ? 0 : fail_sys("target %s", t->last));
	t->ours = mount_ours(t->at);
	return (t->ours == -1 ? -1 : 0);
}

/* A host root is in RAM, or under a tmpfs of ours, or its disk is allowed. */
static int
open_host_root(struct fsproj *s, const struct root *r)
{
	cleanup_dir DIR *d = NULL;
	cleanup_fd int mnt = -1, fd = -1;
	struct statfs st;

	mkdirat(AT_FDCWD, r->path, 0755);
	fd = root_open(r);
	if (fd == -1 || fstatfs(fd, &st) == -1)
		return (fd == -1 ? -1 : fail_sys("%s", r->path));
	s->t.on_disk = st.f_type != TMPFS_MAGIC && st.f_type != RAMFS_MAGIC;
	if (!s->t.on_disk || s->host_on_disk)
		return (root_open(r));
	if (path_next(&d, fd))
		return (fail_set(FSPROJ_DENIED, "%s is on a disk and not empty:"
		    " empty it, or see --host-dirs-on-disk", r->path));
	if (errno)
		return (fail_sys("%s", r->path));
	mnt = mount_new(MOUNT_HOST_ROOT, NULL, HOST_SIZE, 1 << 16);
	if (mnt == -1 || mount_attach(mnt, fd, 1) == -1)
		return (-1);
	s->t.on_disk = 0;
	return (root_open(r));
}

/* The request's path becomes descriptors: of a host projection its directory,
 * of all else the parent, and of a volume what stands at its name.  Missing
 * directories are made for a HOST's files and for a socket. */
static int
find_target(struct fsproj *s)
{
	static const char *const flags[] = { [ROOT_PODS] = "--pods-dir",
		[ROOT_HOST] = "--host-dirs", [ROOT_BIND] = "--bind-dirs" };
	const struct request *q = &s->request;
	enum root_use use = q->fixed->place ? q->fixed->place :
	    q->fixed->head.type == FSPROJ_PLACE ? ROOT_PODS : ROOT_BIND;
	const struct root *r = roots_find(s->roots, use, q->path);
	struct transaction *t = &s->t;

	if (!r)
		return (fail_invalid("%s does not lie beneath %s",
		    q->path, flags[use]));
	t->rel = q->path + r->len + 1;
	t->base = use == ROOT_HOST ? open_host_root(s, r) : root_open(r);
	if (t->base == -1)
		return (-1);
	if (use == ROOT_HOST) {
		t->dir = path_dirs(t->base, t->rel,
		    q->fixed->head.type == FSPROJ_BEGIN, NULL);
		return (t->dir == -1 ? -1 : 0);
	}
	t->parent = path_dirs(t->base, t->rel, use == ROOT_BIND, t->last);
	if (t->parent == -1)
		return (-1);
	return (use == ROOT_PODS ? look(t) : 0);
}

/* Where generations will live: a new volume, a way to write into the one that
 * stands there, or the host directory. */
static int
begin(struct fsproj *s)
{
	const struct fsproj_request *x = s->request.fixed;
	int volume = x->place != FSPROJ_HOST;
	struct transaction *t = &s->t;

	if (volume && (x->size == 0 || x->inodes == 0))
		return (fail_invalid("volume without a bound"));
	if (volume)
		t->dir = t->ours ? mount_clone(t->at) :
		    mount_new(MOUNT_VOLUME, s->label, x->size, x->inodes);
	t->open = WRITING;
	if (t->dir == -1 ||
	    (t->ours && mount_grow(t->dir, x->size, x->inodes) == -1) ||
	    writer_begin(&t->writer, t->dir, volume && !t->ours) == -1)
		return (-1);
	/* What an admin made keeps its owner and mode; a new one has these. */
	if (volume ? !t->ours && !x->gid && x->dir_mode == 0755 :
	    !path_marked(t->dir, 0))
		return (0);
	return (fchownat(t->dir, "", (uid_t)-1, x->gid, AT_EMPTY_PATH) == -1 ||
	    fchmodat(t->dir, ".", x->dir_mode, 0) == -1 ?
	    fail_sys("owner and mode of the target") : 0);
}

static int
make_target(struct transaction *t)
{
	t->made = t->made || mkdirat(t->parent, t->last, 0750) == 0;
	return (t->made || errno == EEXIST ? 0 :
	    fail_sys("target %s", t->last));
}

/* The generation becomes the current one, a new volume goes onto its target. */
static int
commit(struct fsproj *s)
{
	struct transaction *t = &s->t;

	if (writer_switch(&t->writer, t->on_disk) == -1)
		return (-1);
	t->open = IDLE;
	if (t->writer.current[0])
		s->reply.flags = FSPROJ_F_SWAPPED;
	if (!t->writer.fresh)
		return (0);
	if (make_target(t) == -1 || look(t) == -1)
		return (-1);
	if (t->at == -1 || t->ours)
		return (fail_set(FSPROJ_TRANSIENT, "target %s: removed or "
		    "mounted by somebody else meanwhile", t->last));
	if (mount_attach(t->dir, t->at, 0) == -1)
		return (-1);
	return (t->made = 0);
}

/* Every frame of a write has names for the files that are out (after PLACE:
 * for the first of them), and asks for the next nameless ones. */
static int
do_write(struct fsproj *s)
{
	const struct request *q = &s->request;
	const struct fsproj_request *x = q->fixed;
	struct transaction *t = &s->t;
	uint32_t i;

	if (t->open == IDLE)
		t->left = x->files;
	if (x->count > t->nfds || (t->open != PLACED && x->count < t->nfds) ||
	    x->next > t->left || (!x->next && t->left))
		return (fail_invalid("%u names for %u files, %u of %u to come",
		    x->count, t->nfds, x->next, t->left));
	if (t->open == IDLE && begin(s) == -1)
		return (-1);
	for (i = 0; i < x->count; i++) {
		t->names += q->entries[i].path_len;
		if (t->names > FSPROJ_NAMES_MAX)
			return (fail_set(FSPROJ_LIMIT, "names too long"));
		if (writer_add(&t->writer, t->fds[i], &q->entries[i],
		    q->names[i]) == -1)
			return (-1);
	}
	close_files(t);
	for (; t->nfds < x->next; t->nfds++) {
		t->fds[t->nfds] = openat(t->dir, ".", O_TMPFILE | O_WRONLY |
		    O_CLOEXEC, 0600);
		if (t->fds[t->nfds] == -1)
			return (fail_sys("nameless file"));
	}
	t->left -= x->next;
	s->reply.fds = x->next;
	t->open = x->head.type == FSPROJ_STORE ? STORED : t->open;
	return (x->head.type == FSPROJ_COMMIT ? commit(s) : 0);
}

/* While the peer writes its files; COMMIT sees what has become of it. */
static int
do_place(struct fsproj *s)
{
	s->t.open = PLACED;
	return (make_target(&s->t) == -1 ? -1 : writer_open(&s->t.writer));
}

/* A write begins with what is wanted here. */
static int
do_clean(struct fsproj *s)
{
	struct transaction *t = &s->t;

	if (t->ours)
		t->dir = mount_clone(t->at);
	else if (s->request.fixed->place == FSPROJ_VOLUME)
		return (0);
	return (t->dir == -1 ? -1 : writer_begin(&t->writer, t->dir, 0));
}

/* All that is ours, then directories of ours that are empty, leaf upwards. */
static int
remove_host(struct transaction *t)
{
	char path[FSPROJ_PATH_MAX + 1], last[256], *end;

	if (writer_remove(t->dir) == -1)
		return (-1);
	strcpy(path, t->rel);
	for (end = path + strlen(path); end; end = strrchr(path, '/')) {
		*end = '\0';
		cleanup_fd int parent = path_dirs(t->base, path, 0, last);
		cleanup_fd int fd = parent == -1 ? -1 : path_dir(parent, last);

		if (fd == -1 || !path_marked(fd, 0) ||
		    unlinkat(parent, last, AT_REMOVEDIR) == -1)
			break;
	}
	return (0);
}

static int
do_remove(struct fsproj *s)
{
	struct transaction *t = &s->t;

	if (s->request.fixed->place == FSPROJ_HOST)
		return (remove_host(t));
	/* Somebody's race may have put several onto one directory. */
	while (t->ours) {
		path_close(&t->at);
		if (mount_remove(t->parent, t->last) == -1 || look(t) == -1)
			return (-1);
	}
	if (unlinkat(t->parent, t->last, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return (0);
	if (errno != ENOTEMPTY)
		return (fail_sys("rmdir %s", t->last));
	/* Not its name: nothing of the peer gets into the log. */
	dprintf(STDERR_FILENO, "warn  fsproj: a target was not empty after "
	    "its unmount: left\n");
	return (0);
}

/* One frame a projection: what stands in ${fd}; s->path names it. */
static int
list_one(struct fsproj *s, uint32_t place, int fd)
{
	char name[WRITER_NAME_MAX];
	int64_t count = writer_current(fd, name);

	if (place == FSPROJ_HOST && count <= 0)
		return (0);
	if (++s->listed > FSPROJ_ITEMS_MAX)
		return (fail_set(FSPROJ_LIMIT, "more than %d projections",
		    FSPROJ_ITEMS_MAX));
	s->reply.flags = FSPROJ_F_MORE;
	s->reply.generation = count > 0 ? (uint64_t)count : 0;
	s->reply.place = place;
	s->text = s->path;
	return (s->send(s) == -1 ? fail_sys("peer") : 0);
}

/* Our mounts beneath ${r}; of several on one directory only the topmost. */
static int
list_volumes(struct fsproj *s, const struct root *r, int root)
{
	char self[40], real[FSPROJ_PATH_MAX + 1], last[256];
	struct mount_line m;
	int is_root, more;
	ssize_t len;

	/* The kernel lists real paths; ours may go through a link. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", root);
	len = readlinkat(AT_FDCWD, self, real, sizeof(real));
	if (len == -1)
		return (fail_sys("/proc"));
	for (more = mount_next(&m, 1); more == 1; more = mount_next(&m, 0)) {
		const char *rest = m.path + len;

		if (!m.ours || strncmp(m.path, real, (size_t)len) != 0 ||
		    *rest != '/' || (size_t)snprintf(s->path, sizeof(s->path),
		    "%s%s", r->path, rest) >= sizeof(s->path))
			continue;
		cleanup_fd int parent = path_dirs(root, rest + 1, 0, last);
		cleanup_fd int fd = parent == -1 ? -1 : openat(parent, last,
		    PATH_DIR_FLAGS);

		if (fd != -1 && mount_id(fd, &is_root) == m.id &&
		    list_one(s, FSPROJ_VOLUME, fd) == -1)
			return (-1);
	}
	return (more);
}

/* Host projections in and beneath the directory, which s->path names. */
static int
list_hosts(struct fsproj *s, int dir, int depth)
{
	cleanup_dir DIR *d = NULL;
	size_t len = strlen(s->path);
	const char *name;

	if (depth > 0 && list_one(s, FSPROJ_HOST, dir) == -1)
		return (-1);
	while (depth < LIST_DEPTH && (name = path_next(&d, dir))) {
		cleanup_fd int fd = strncmp(name, "..", 2) ?
		    path_dir(dir, name) : -1;

		if (fd == -1 || len + strlen(name) + 2 > sizeof(s->path))
			continue;
		snprintf(s->path + len, sizeof(s->path) - len, "/%s", name);
		if (list_hosts(s, fd, depth + 1) == -1)
			return (-1);
		s->path[len] = '\0';
	}
	return (0);
}

static int
do_list(struct fsproj *s)
{
	const struct root *r;

	s->listed = 0;
	for (r = s->roots; r->path; r++) {
		cleanup_fd int fd = r->use == ROOT_BIND ? -1 : root_open(r);

		strcpy(s->path, r->path);
		if (fd != -1 && (r->use == ROOT_PODS ? list_volumes(s, r, fd) :
		    list_hosts(s, fd, 0)) == -1)
			return (-1);
	}
	s->reply.flags = s->reply.place = s->reply.generation = 0;
	s->text = "";
	return (0);
}

/* Bind to a name with a dot, so that it appears listening and with its final
 * owner.  The bind is relative to the working directory: no path to race for,
 * and no limit of 108 bytes. */
int
fsproj_listen(int fd, int dir, const char *name, uid_t uid)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = BIND_TMP };
	const char *const names[] = { BIND_TMP, name };
	cleanup_fd int inode = -1;
	struct stat st;
	int i, rc = 0;

	for (i = 0; i < 2; i++)
		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !S_ISSOCK(st.st_mode))
			return (fail_set(FSPROJ_DENIED, "%s is no socket",
			    names[i]));
	unlinkat(dir, BIND_TMP, 0);
	/* The inode gets the mode that the socket has when it is bound; its
	 * owner is set on it, whatever the name leads to by now. */
	if (fchmod(fd, 0600) == -1 || fchdir(dir) == -1 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(fd, SOMAXCONN) == -1 || (inode = openat(dir, BIND_TMP,
	    O_PATH | O_NOFOLLOW | O_CLOEXEC)) == -1 ||
	    fstat(inode, &st) == -1 || !S_ISSOCK(st.st_mode) ||
	    fchownat(inode, "", uid, (gid_t)-1, AT_EMPTY_PATH) == -1 ||
	    renameat(dir, BIND_TMP, dir, name) == -1)
		rc = fail_sys("socket %s", name);
	return (chdir("/") == -1 ? fail_sys("/") : rc);
}

static int
do_bind(struct fsproj *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);

	if (fd == -1)
		return (fail_sys("socket"));
	s->t.fds[s->t.nfds++] = fd;
	s->reply.fds = 1;
	return (fsproj_listen(fd, s->t.parent, s->t.last, s->peer));
}

/* Containers see a mount below --pods-dir only when it is a shared one. */
static int
do_hello(struct fsproj *s)
{
	struct mount_line line;
	const struct root *r;

	s->reply.flags = s->flags;
	for (r = s->roots; r->path; r++) {
		cleanup_fd int fd = r->use == ROOT_PODS ? root_open(r) : -1;

		if (fd != -1 && mount_of(fd, &line) == 0 && !line.shared)
			s->reply.flags |= FSPROJ_F_NOT_SHARED;
	}
	return (0);
}

/* All that can be asked of the privileged process. */
static const struct ask {
	int (*handler)(struct fsproj *s);
	unsigned when;		/* one of these is t.open */
	unsigned has;
} asks[] = {
	[FSPROJ_HELLO] = { do_hello, IDLE, 0 },
	[FSPROJ_BEGIN] = { do_write, IDLE, HAS_TARGET | HAS_SPEC | HAS_NEXT },
	[FSPROJ_FILES] = { do_write, WRITING, HAS_ENTRIES | HAS_NEXT },
	[FSPROJ_COMMIT] = { do_write, WRITING | PLACED, HAS_ENTRIES },
	[FSPROJ_ABORT] = { fsproj_forget, -1u, 0 },
	[FSPROJ_CLEAN] = { do_clean, IDLE, HAS_TARGET },
	[FSPROJ_REMOVE] = { do_remove, IDLE, HAS_TARGET },
	[FSPROJ_LIST] = { do_list, IDLE, 0 },
	[FSPROJ_BIND] = { do_bind, IDLE, HAS_PATH },
	[FSPROJ_STORE] = { do_write, IDLE, HAS_SPEC | HAS_NEXT },
	[FSPROJ_PLACE] = { do_place, STORED, HAS_PATH },
};

static int
dispatch(struct fsproj *s, const void *frame, size_t len)
{
	uint16_t type = s->reply.head.type;
	const struct ask *a = &asks[type < COUNT(asks) ? type : 0];

	if (!a->handler)
		return (fail_invalid("unknown request"));
	if (proto_parse(frame, len, a->has, &s->request) == -1)
		return (-1);
	if (s->t.open > WRITING && a->when == IDLE)
		fsproj_forget(s);
	if (!(a->when & s->t.open))
		return (fail_invalid("not now: state %d", (int)s->t.open));
	if ((a->has & HAS_PATH) && find_target(s) == -1)
		return (type == FSPROJ_REMOVE && fail.sys == ENOENT ? 0 : -1);
	return (a->handler(s));
}

int
fsproj_handle(struct fsproj *s, const void *frame, size_t len)
{
	struct fsproj_reply *r = &s->reply;
	int rc;

	memset(r, 0, sizeof(*r));
	if (len >= sizeof(r->head))
		memcpy(&r->head, frame, sizeof(r->head));
	r->head.magic = FSPROJ_MAGIC;
	r->head.version = FSPROJ_VERSION;
	s->text = "";
	if (dispatch(s, frame, len) == -1) {
		r->status = fail.status;
		r->sys = (uint32_t)fail.sys;
		r->fds = r->flags = 0;
		s->text = fail.msg;
		/* One failure ends a write: the next word is BEGIN. */
		fsproj_forget(s);
	}
	/* PLACE has no answer of its own: COMMIT's is for both. */
	rc = r->head.type == FSPROJ_PLACE ? 0 : s->send(s);
	/* The peer need not wait for what only has to be closed. */
	if (s->t.open == IDLE)
		fsproj_forget(s);
	return (rc);
}
