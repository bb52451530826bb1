/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fsproj/mount.h"
#include "fsproj/request.h"

#define BIND_TMP ".nodeseal-bind"	/* kubelet skips names with a dot */
#define BACKLOG 128
#define HOST_ROOT_SIZE (256ull << 20)	/* of a tmpfs for a host root */
#define HOST_ROOT_INODES (1u << 16)
#define LIST_DEPTH 16			/* directories below a host root */

#define DIR_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

typedef int (*handler_fn)(struct fsproj *s, const struct request *q,
    struct reply *r);

static int do_hello(struct fsproj *, const struct request *, struct reply *);
static int do_begin(struct fsproj *, const struct request *, struct reply *);
static int do_files(struct fsproj *, const struct request *, struct reply *);
static int do_commit(struct fsproj *, const struct request *, struct reply *);
static int do_abort(struct fsproj *, const struct request *, struct reply *);
static int do_clean(struct fsproj *, const struct request *, struct reply *);
static int do_remove(struct fsproj *, const struct request *, struct reply *);
static int do_list(struct fsproj *, const struct request *, struct reply *);
static int do_bind(struct fsproj *, const struct request *, struct reply *);

enum {
	HAS_PLACE = 0x01,	/* place */
	HAS_PATH = 0x02,	/* path */
	HAS_SPEC = 0x04,	/* dir_mode, gid, size, inodes, files */
	HAS_ENTRIES = 0x08,	/* entries */
	HAS_NEXT = 0x10,	/* next */
	IN_WRITE = 0x20,	/* only between BEGIN and COMMIT; a failure
				 * ends the write */
	IDLE = 0x40		/* only outside of it */
};

/* All that can be asked of the privileged process. */
static const struct ask {
	uint16_t type;
	uint16_t needs;
	handler_fn handler;
} asks[] = {
	{ FSPROJ_HELLO,  IDLE,						do_hello },
	{ FSPROJ_BEGIN,  IDLE | HAS_PLACE | HAS_PATH | HAS_SPEC | HAS_NEXT,
									do_begin },
	{ FSPROJ_FILES,  IN_WRITE | HAS_ENTRIES | HAS_NEXT,		do_files },
	{ FSPROJ_COMMIT, IN_WRITE | HAS_ENTRIES,			do_commit },
	{ FSPROJ_ABORT,  0,						do_abort },
	{ FSPROJ_CLEAN,  IDLE | HAS_PLACE | HAS_PATH,			do_clean },
	{ FSPROJ_REMOVE, IDLE | HAS_PLACE | HAS_PATH,			do_remove },
	{ FSPROJ_LIST,   IDLE,						do_list },
	{ FSPROJ_BIND,   IDLE | HAS_PATH,				do_bind },
};

void
fsproj_init(struct fsproj *s)
{
	*s = (struct fsproj){ .sock = -1 };
	s->t.parent = s->t.mnt = s->t.writer.dir = -1;
}

static void
close_files(struct transaction *t)
{
	while (t->nfds > 0)
		path_close(&t->fds[--t->nfds]);
}

void
fsproj_forget(struct fsproj *s)
{
	struct transaction *t = &s->t;

	close_files(t);
	if (t->open)
		writer_end(&t->writer);
	path_close(&t->mnt);
	path_close(&t->parent);
	t->open = 0;
}

/* --- roots and targets ----------------------------------------------------- */

static int
never(void *arg, int dirfd, const char *name, unsigned char type)
{
	(void)arg, (void)dirfd, (void)name, (void)type;
	return (1);
}

/* Make an admin's directory and the way to it. */
static void
make_way(const char *path)
{
	char part[FSPROJ_PATH_MAX + 1];
	size_t i;

	for (i = 1; path[i - 1]; i++)
		if (path[i] == '/' || path[i] == '\0') {
			memcpy(part, path, i);
			part[i] = '\0';
			mkdir(part, 0755);
		}
}

/* A host root is in RAM: on tmpfs or ramfs, or under a tmpfs of ours. */
static int
host_root(struct fsproj *s, struct root *r, struct fail *f)
{
	const struct mount_spec spec = {
		.source = OWNER_HOST_ROOT, .label = s->label,
		.size = HOST_ROOT_SIZE, .inodes = HOST_ROOT_INODES,
		.mode = 0755
	};
	int mnt, rc;

	if (r->fd == -1)
		make_way(r->path);
	if (root_open(r, f) == -1)
		return (-1);
	r->on_disk = !mount_in_ram(r->fd);
	if (!r->on_disk || s->host_on_disk)
		return (0);
	rc = path_each(r->fd, never, NULL);
	if (rc)
		return (rc == -1 ? fail_sys(f, "%s", r->path) :
		    fail_set(f, FSPROJ_DENIED, "%s is on a disk and not empty: "
		    "empty it, put it on a tmpfs, or allow the disk with "
		    "--host-dirs-on-disk", r->path));
	mnt = mount_new(&spec, f);
	if (mnt == -1)
		return (-1);
	rc = mount_attach(mnt, r->fd, 1, f);
	path_close(&mnt);
	path_close(&r->fd);
	r->on_disk = 0;
	return (rc == -1 ? -1 : root_open(r, f));
}

static struct root *
find_root(struct fsproj *s, enum root_use use, const char *path,
    const char **ret_rel, struct fail *f)
{
	static const char *const flags[] = { "--pods-dir", "--host-dirs",
		"--bind-dirs" };
	struct root *r = roots_find(&s->roots, use, path, ret_rel);

	if (!r) {
		fail_set(f, FSPROJ_INVALID, "%s does not lie beneath %s",
		    path, flags[use]);
		return (NULL);
	}
	if (use == ROOT_HOST ? host_root(s, r, f) : root_open(r, f))
		return (NULL);
	return (r);
}

/* The target of a volume: *ret_parent and its name always, the descriptor of
 * what stands there, -1 with *ret_whose = MOUNT_NONE when nothing does. */
static int
volume_target(struct fsproj *s, const char *path, int *ret_parent,
    char *last, int *ret_fd, struct fail *f)
{
	const char *rel;
	struct root *root = find_root(s, ROOT_PODS, path, &rel, f);
	int whose = MOUNT_NONE;

	*ret_fd = -1;
	if (!root)
		return (-1);
	*ret_parent = path_parent(root->fd, rel, 0, last, f);
	if (*ret_parent == -1)
		return (-1);
	*ret_fd = openat(*ret_parent, last, DIR_FLAGS);
	if (*ret_fd == -1 && errno != ENOENT)
		return (fail_sys(f, "target %s", path));
	if (*ret_fd != -1)
		whose = mount_whose(*ret_fd, f);
	if (whose == MOUNT_FOREIGN)
		return (fail_set(f, FSPROJ_DENIED,
		    "target %s: a mount that is not ours", path));
	return (whose);
}

/* --- a write ---------------------------------------------------------------- */

static int
open_files(struct transaction *t, uint32_t n, struct reply *r)
{
	for (; t->nfds < n; t->nfds++) {
		t->fds[t->nfds] = writer_file(&t->writer, &r->fail);
		if (t->fds[t->nfds] == -1)
			return (-1);
		r->fds[t->nfds] = t->fds[t->nfds];
	}
	t->left -= n;
	r->fixed.fds = n;
	return (0);
}

static int
begin_volume(struct fsproj *s, const struct request *q, struct fail *f)
{
	const struct fsproj_request *x = q->fixed;
	const struct mount_spec spec = {
		.source = OWNER_VOLUME, .label = s->label, .size = x->size,
		.inodes = x->inodes, .mode = x->dir_mode, .gid = x->gid
	};
	struct transaction *t = &s->t;
	int fd, whose;

	if (x->size == 0 || x->inodes == 0)	/* tmpfs: without a bound */
		return (fail_set(f, FSPROJ_INVALID, "volume without a size"));
	whose = volume_target(s, q->path, &t->parent, t->last, &fd, f);
	if (whose == MOUNT_NONE)
		t->mnt = mount_new(&spec, f);
	else if (whose == MOUNT_OURS)
		t->mnt = mount_clone(fd, f);
	path_close(&fd);
	if (t->mnt == -1)
		return (-1);
	if (whose == MOUNT_OURS &&
	    mount_grow(t->mnt, x->size, x->inodes, f) == -1)
		return (-1);
	return (writer_begin(&t->writer, t->mnt, whose == MOUNT_NONE, f));
}

static int
begin_host(struct fsproj *s, const struct request *q, struct fail *f)
{
	struct transaction *t = &s->t;
	const char *rel;
	struct root *root = find_root(s, ROOT_HOST, q->path, &rel, f);

	if (!root)
		return (-1);
	t->mnt = path_dirs(root->fd, rel, f);
	if (t->mnt == -1)
		return (-1);
	t->on_disk = root->on_disk;
	return (writer_begin(&t->writer, t->mnt, 0, f));
}

/* Owner and mode of a directory that stood there before. */
static int
set_root(const struct transaction *t, const struct fsproj_request *x,
    struct fail *f)
{
	struct stat st;

	if (t->writer.fresh ||
	    (t->place == FSPROJ_HOST && !owner_marked(t->mnt)))
		return (0);
	if (fstatat(t->mnt, "", &st, AT_EMPTY_PATH) == -1 ||
	    (st.st_gid != x->gid && fchownat(t->mnt, "", (uid_t)-1, x->gid,
	    AT_EMPTY_PATH) == -1) ||
	    ((st.st_mode & 07777) != x->dir_mode &&
	    fchmodat(t->mnt, ".", x->dir_mode, 0) == -1))
		return (fail_sys(f, "owner and mode of the target"));
	return (0);
}

static int
do_begin(struct fsproj *s, const struct request *q, struct reply *r)
{
	const struct fsproj_request *x = q->fixed;
	struct transaction *t = &s->t;

	if (x->next > x->files || (x->next == 0 && x->files > 0))
		return (fail_set(&r->fail, FSPROJ_INVALID,
		    "%u of %u files", x->next, x->files));
	t->writer.dir = -1;
	t->writer.fresh = t->on_disk = 0;
	t->place = x->place;
	t->left = x->files;
	t->names = 0;
	t->open = 1;
	if ((x->place == FSPROJ_VOLUME ? begin_volume : begin_host)(s, q,
	    &r->fail) == -1 || set_root(t, x, &r->fail) == -1 ||
	    open_files(t, x->next, r) == -1) {
		fsproj_forget(s);
		return (-1);
	}
	return (0);
}

/* The names for the batch that is out. */
static int
name_files(struct transaction *t, const struct request *q, struct fail *f)
{
	uint32_t i;

	if (q->fixed->count != t->nfds)
		return (fail_set(f, FSPROJ_INVALID, "%u names for %u files",
		    q->fixed->count, t->nfds));
	for (i = 0; i < q->fixed->count; i++) {
		t->names += q->entries[i].path_len;
		if (t->names > FSPROJ_NAMES_MAX)
			return (fail_set(f, FSPROJ_LIMIT,
			    "names of more than %u bytes", FSPROJ_NAMES_MAX));
		if (writer_add(&t->writer, t->fds[i], &q->entries[i],
		    q->names[i], f) == -1)
			return (-1);
	}
	close_files(t);
	return (0);
}

static int
do_files(struct fsproj *s, const struct request *q, struct reply *r)
{
	struct transaction *t = &s->t;

	if (name_files(t, q, &r->fail) == -1)
		return (-1);
	if (q->fixed->next == 0 || q->fixed->next > t->left)
		return (fail_set(&r->fail, FSPROJ_INVALID,
		    "%u of %u files", q->fixed->next, t->left));
	return (open_files(t, q->fixed->next, r));
}

/* A volume that is whole goes onto its target. */
static int
attach(struct transaction *t, struct fail *f)
{
	int fd, whose, rc;

	if (mkdirat(t->parent, t->last, 0750) == -1 && errno != EEXIST)
		return (fail_sys(f, "target %s", t->last));
	fd = openat(t->parent, t->last, DIR_FLAGS);
	if (fd == -1)
		return (fail_sys(f, "target %s", t->last));
	whose = mount_whose(fd, f);
	if (whose == MOUNT_NONE)
		rc = mount_attach(t->mnt, fd, 0, f);
	else
		rc = whose == -1 ? -1 : fail_set(f, FSPROJ_TRANSIENT,
		    "target %s: mounted by somebody else meanwhile", t->last);
	path_close(&fd);
	return (rc);
}

static int
do_commit(struct fsproj *s, const struct request *q, struct reply *r)
{
	struct transaction *t = &s->t;

	if (t->left)
		return (fail_set(&r->fail, FSPROJ_INVALID,
		    "%u files are missing", t->left));
	if (name_files(t, q, &r->fail) == -1 ||
	    writer_switch(&t->writer, t->on_disk, &r->fail) == -1)
		return (-1);
	if (t->writer.current[0])
		r->fixed.flags |= FSPROJ_F_SWAPPED;
	if (t->writer.fresh && attach(t, &r->fail) == -1)
		return (-1);
	fsproj_forget(s);
	return (0);
}

static int
do_abort(struct fsproj *s, const struct request *q, struct reply *r)
{
	(void)q, (void)r;
	fsproj_forget(s);
	return (0);
}

/* --- what was written --------------------------------------------------------- */

static int
clean_dir(int dir, struct fail *f)
{
	char current[OWNER_GENERATION_MAX];

	if (writer_current(dir, current) == -1)
		return (fail_set(f, FSPROJ_DENIED, OWNER_DATA " is not ours"));
	return (writer_sweep(dir, current, f));
}

static int
clean_volume(struct fsproj *s, const char *path, struct fail *f)
{
	char last[256];
	int fd, mnt = -1, parent = -1, whose, rc = 0;

	whose = volume_target(s, path, &parent, last, &fd, f);
	if (whose == MOUNT_OURS) {
		mnt = mount_clone(fd, f);
		rc = mnt == -1 ? -1 : clean_dir(mnt, f);
	}
	path_close(&fd);
	path_close(&mnt);
	path_close(&parent);
	return (whose == -1 ? -1 : rc);
}

static int
do_clean(struct fsproj *s, const struct request *q, struct reply *r)
{
	const char *rel;
	struct root *root;
	int fd, rc;

	if (q->fixed->place == FSPROJ_VOLUME)
		return (clean_volume(s, q->path, &r->fail));
	root = find_root(s, ROOT_HOST, q->path, &rel, &r->fail);
	if (!root)
		return (-1);
	fd = path_dir(root->fd, rel);
	if (fd == -1)
		return (errno == ENOENT ? 0 :
		    fail_sys(&r->fail, "%s", q->path));
	rc = clean_dir(fd, &r->fail);
	path_close(&fd);
	return (rc);
}

/* Directories that we made and that are empty, from the leaf upwards. */
static void
remove_dirs(int rootfd, const char *rel, struct fail *f)
{
	char path[FSPROJ_PATH_MAX + 1], last[256];
	int fd, parent, ok = 1;

	for (strcpy(path, rel); ok && *path; ) {
		parent = path_parent(rootfd, path, 0, last, f);
		if (parent == -1)
			return;
		fd = path_dir(parent, last);
		ok = fd != -1 && owner_marked(fd) &&
		    unlinkat(parent, last, AT_REMOVEDIR) == 0;
		path_close(&fd);
		path_close(&parent);
		path[strlen(path) - strlen(last)] = '\0';
		if (*path)
			path[strlen(path) - 1] = '\0';
	}
}

static int
remove_host(struct fsproj *s, const char *path, struct fail *f)
{
	struct fail ignored;
	const char *rel;
	struct root *root = find_root(s, ROOT_HOST, path, &rel, f);
	int fd, rc;

	if (!root)
		return (-1);
	fd = path_dir(root->fd, rel);
	if (fd == -1)
		return (errno == ENOENT ? 0 : fail_sys(f, "%s", path));
	rc = writer_remove(fd, f);
	path_close(&fd);
	if (rc == 0)
		remove_dirs(root->fd, rel, &ignored);
	return (rc);
}

static int
do_remove(struct fsproj *s, const struct request *q, struct reply *r)
{
	char last[256];
	const char *rel;
	struct root *root;
	int parent, rc;

	if (q->fixed->place == FSPROJ_HOST)
		return (remove_host(s, q->path, &r->fail));
	root = find_root(s, ROOT_PODS, q->path, &rel, &r->fail);
	parent = root ? path_parent(root->fd, rel, 0, last, &r->fail) : -1;
	if (parent == -1)	/* no parent: nothing can be mounted there */
		return (root && r->fail.sys == ENOENT ? 0 : -1);
	rc = mount_remove(parent, last, &r->fail);
	path_close(&parent);
	return (rc);
}

/* --- list ------------------------------------------------------------------------ */

struct listing {
	struct fsproj *s;
	struct reply *r;
	struct root *root;
	char real[FSPROJ_PATH_MAX + 1];	/* of the root, as mountinfo says */
	size_t real_len;
	char path[FSPROJ_PATH_MAX + 1];
	size_t total;
	int depth;
};

static int
list_add(struct listing *l, uint32_t place, int64_t generation)
{
	uint64_t count = generation > 0 ? (uint64_t)generation : 0;
	struct reply *r = l->r;

	if (++l->total > FSPROJ_ITEMS_MAX)
		return (fail_set(&r->fail, FSPROJ_LIMIT, "more than %d "
		    "projections", FSPROJ_ITEMS_MAX));
	if (proto_item(r, place, l->path, count) == 0)
		return (0);
	r->fixed.flags = FSPROJ_F_MORE;
	proto_finish(r);
	if (l->s->send(l->s, r) == -1)
		return (fail_set(&r->fail, FSPROJ_INTERNAL, "peer is gone"));
	r->fixed.flags = r->fixed.count = 0;
	r->text_len = 0;
	return (proto_item(r, place, l->path, count));
}

static int
list_mount(void *arg, const struct mount_line *m)
{
	char name[OWNER_GENERATION_MAX], last[256];
	struct listing *l = arg;
	struct fail ignored;
	int parent, fd, rc = 0;

	if (strcmp(m->type, "tmpfs") || strcmp(m->source, OWNER_VOLUME) ||
	    strncmp(m->path, l->real, l->real_len) ||
	    m->path[l->real_len] != '/' ||
	    (size_t)snprintf(l->path, sizeof(l->path), "%s%s", l->root->path,
	    m->path + l->real_len) >= sizeof(l->path) ||
	    path_target_check(l->path, &ignored) == -1)
		return (0);
	parent = path_parent(l->root->fd, m->path + l->real_len + 1, 0, last,
	    &ignored);
	fd = parent == -1 ? -1 : openat(parent, last, DIR_FLAGS);
	/* Of several on one directory only the one on top is seen. */
	if (fd != -1 && mount_id(fd, NULL) == m->id)
		rc = list_add(l, FSPROJ_VOLUME, writer_current(fd, name));
	path_close(&fd);
	path_close(&parent);
	return (rc);
}

static int
list_dir(void *arg, int dirfd, const char *name, unsigned char type)
{
	char current[OWNER_GENERATION_MAX];
	struct listing *l = arg;
	size_t len = strlen(l->path), n = strlen(name);
	int fd, rc = 0;
	int64_t count;

	if ((type != DT_DIR && type != DT_UNKNOWN) ||
	    strncmp(name, "..", 2) == 0 || l->depth == LIST_DEPTH ||
	    len + n + 2 > sizeof(l->path))
		return (0);
	fd = path_dir(dirfd, name);
	if (fd == -1)
		return (0);
	l->path[len] = '/';
	memcpy(l->path + len + 1, name, n + 1);
	count = writer_current(fd, current);
	if (count > 0)
		rc = list_add(l, FSPROJ_HOST, count);
	l->depth++;
	if (rc == 0 && path_each(fd, list_dir, l) == -1 && l->r->fail.status)
		rc = -1;
	l->depth--;
	path_close(&fd);
	l->path[len] = '\0';
	return (rc);
}

static int
list_root(struct listing *l, struct root *root)
{
	char link[40];
	struct fail absent;
	ssize_t n;
	int rc;

	if (root->use == ROOT_BIND || root_open(root, &absent) == -1)
		return (0);
	l->root = root;
	if (root->use == ROOT_HOST) {
		strcpy(l->path, root->path);
		rc = path_each(root->fd, list_dir, l);
	} else {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", root->fd);
		n = readlink(link, l->real, sizeof(l->real) - 1);
		if (n <= 0)
			return (fail_sys(&l->r->fail, "%s", root->path));
		l->real[n] = '\0';
		l->real_len = (size_t)n;
		rc = mount_each(list_mount, l);
	}
	if (rc == -1 && !l->r->fail.status)
		fail_sys(&l->r->fail, "%s", root->path);
	return (rc == -1 ? -1 : 0);
}

static int
do_list(struct fsproj *s, const struct request *q, struct reply *r)
{
	static struct listing l;
	size_t i;

	(void)q;
	memset(&l, 0, sizeof(l));
	l.s = s;
	l.r = r;
	for (i = 0; i < s->roots.n; i++)
		if (list_root(&l, &s->roots.root[i]) == -1)
			return (-1);
	return (0);
}

/* --- sockets --------------------------------------------------------------------- */

/* Only an absent name, or a socket, may be replaced. */
static int
check_socket(int dir, const char *name, struct fail *f)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return (errno == ENOENT ? 0 : fail_sys(f, "%s", name));
	if (!S_ISSOCK(st.st_mode))
		return (fail_set(f, FSPROJ_DENIED, "%s is no socket", name));
	return (1);
}

/* Give the socket's own inode away, whatever its name leads to by now. */
static int
give_socket(int dir, uid_t uid)
{
	struct stat st;
	int fd = openat(dir, BIND_TMP, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int rc = -1;

	if (fd != -1 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		rc = fchownat(fd, "", uid, (gid_t)-1, AT_EMPTY_PATH);
	path_close(&fd);
	return (rc);
}

/* Bind to a name with a dot, so that it appears listening and with its final
 * owner.  The bind is relative to the working directory: no path to race for,
 * and no limit of 108 bytes. */
static int
listen_at(int dir, const char *name, uid_t uid, struct fail *f)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = BIND_TMP };
	int fd, rc, tmp = check_socket(dir, BIND_TMP, f);

	if (tmp == -1 || check_socket(dir, name, f) == -1)
		return (-1);
	if (tmp == 1)
		unlinkat(dir, BIND_TMP, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The inode gets the mode that the socket has when it is bound. */
	rc = fd == -1 || fchmod(fd, 0600) == -1 || fchdir(dir) == -1 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(fd, BACKLOG) == -1 || give_socket(dir, uid) == -1 ||
	    renameat(dir, BIND_TMP, dir, name) == -1;
	if (rc) {
		fail_sys(f, "socket %s", name);
		path_close(&fd);
	}
	if (chdir("/") == -1)
		path_close(&fd);
	return (fd);
}

static int
do_bind(struct fsproj *s, const struct request *q, struct reply *r)
{
	char last[256];
	const char *rel;
	struct root *root = find_root(s, ROOT_BIND, q->path, &rel, &r->fail);
	int dir;

	dir = root ? path_parent(root->fd, rel, 1, last, &r->fail) : -1;
	if (dir == -1)
		return (-1);
	r->fds[0] = listen_at(dir, last, s->peer, &r->fail);
	path_close(&dir);
	if (r->fds[0] == -1)
		return (-1);
	r->fixed.fds = 1;
	r->owned = 1;
	return (0);
}

/* --- all of them ------------------------------------------------------------------ */

static int
find_shared(void *arg, const struct mount_line *m)
{
	return (m->id == *(const uint64_t *)arg ? 1 + m->shared : 0);
}

/* Containers see a mount below --pods-dir only when it is a shared one. */
static int
do_hello(struct fsproj *s, const struct request *q, struct reply *r)
{
	struct fail absent;
	uint64_t id;
	size_t i;

	(void)q;
	r->fixed.flags = s->flags & ~FSPROJ_F_NOT_SHARED;
	for (i = 0; i < s->roots.n; i++) {
		struct root *root = &s->roots.root[i];

		if (root->use != ROOT_PODS || root_open(root, &absent) == -1)
			continue;
		id = mount_id(root->fd, NULL);
		if (id && mount_each(find_shared, &id) == 1)
			r->fixed.flags |= FSPROJ_F_NOT_SHARED;
	}
	return (0);
}

/* What the table says about a request, held against the request. */
static int
check_needs(const struct fsproj *s, const struct ask *a,
    const struct fsproj_request *x, struct fail *f)
{
	int spec = x->dir_mode || x->gid || x->size || x->inodes || x->files;

	if ((a->needs & IN_WRITE) && !s->t.open)
		return (fail_set(f, FSPROJ_INVALID, "no write is under way"));
	if ((a->needs & IDLE) && s->t.open)
		return (fail_set(f, FSPROJ_INVALID, "a write is under way"));
	if ((a->needs & HAS_PATH) ? !x->path_len : x->path_len)
		return (fail_set(f, FSPROJ_INVALID, "target path"));
	if ((a->needs & HAS_PLACE) ? x->place != FSPROJ_VOLUME &&
	    x->place != FSPROJ_HOST : x->place)
		return (fail_set(f, FSPROJ_INVALID, "place %u", x->place));
	if ((spec && !(a->needs & HAS_SPEC)) ||
	    (x->count && !(a->needs & HAS_ENTRIES)) ||
	    (x->next && !(a->needs & HAS_NEXT)))
		return (fail_set(f, FSPROJ_INVALID, "a field of another "
		    "request is set"));
	return (0);
}

static const struct ask *
find_ask(unsigned type)
{
	size_t i;

	for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		if (asks[i].type == type)
			return (&asks[i]);
	return (NULL);
}

int
fsproj_handle(struct fsproj *s, const void *frame, size_t len)
{
	static struct reply r;
	const struct fsproj_head *head = frame;
	const struct ask *ask = NULL;
	struct request q;
	int rc;

	memset(&r.fixed, 0, sizeof(r.fixed));
	r.fail.status = FSPROJ_OK;
	r.fail.sys = r.owned = 0;
	r.text_len = 0;
	r.fixed.head.magic = FSPROJ_MAGIC;
	r.fixed.head.version = FSPROJ_VERSION;
	if (len >= sizeof(*head)) {
		r.fixed.head.type = head->type;
		r.fixed.head.serial = head->serial;
	}
	if (proto_parse(frame, len, &q, &r.fail) == 0) {
		ask = find_ask(q.fixed->head.type);
		if (!ask)
			fail_set(&r.fail, FSPROJ_INVALID, "unknown request");
		else if (check_needs(s, ask, q.fixed, &r.fail) == 0 &&
		    ask->handler(s, &q, &r) == 0)
			r.fail.status = FSPROJ_OK;
	}
	/* One failure ends the write: the peer's next word is BEGIN. */
	if (r.fail.status && (!ask || (ask->needs & IN_WRITE)))
		fsproj_forget(s);
	proto_finish(&r);
	rc = s->send(s, &r);
	if (r.owned)
		path_close(&r.fds[0]);
	return (rc);
}
