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
#define LIST_DEPTH 16			/* directories below a host root */

/* A tmpfs for a host root that is on a disk. */
static const struct mount_spec host_spec = {
	.source = OWNER_HOST_ROOT, .size = 256 << 20, .inodes = 1 << 16,
	.mode = 0755
};

void
fsproj_init(struct fsproj *s)
{
	*s = (struct fsproj){ .sock = -1 };
	s->t.parent = s->t.at = s->t.dir = s->t.writer.dir = -1;
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
	writer_end(&t->writer);
	path_close(&t->dir);
	path_close(&t->at);
	path_close(&t->parent);
	t->open = 0;
}

/* --- targets --- */

static int
never(void *arg, int dirfd, const char *name, unsigned char type)
{
	(void)arg, (void)dirfd, (void)name, (void)type;
	return (1);
}

/* A host root is in RAM: on tmpfs or ramfs, or under a tmpfs of ours. */
static int
host_root(struct fsproj *s, struct root *r, struct fail *f)
{
	cleanup_fd int mnt = -1;
	int rc;

	if (r->fd == -1)
		mkdirat(AT_FDCWD, r->path, 0755);
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
	mnt = mount_new(&host_spec, f);
	if (mnt == -1 || mount_attach(mnt, r->fd, 1, f) == -1)
		return (-1);
	path_close(&r->fd);
	r->on_disk = 0;
	return (root_open(r, f));
}

static int
find_root(struct fsproj *s, enum root_use use, const char *path,
    struct fail *f)
{
	static const char *const flags[] = { "--pods-dir", "--host-dirs",
		"--bind-dirs" };
	struct root *r = roots_find(&s->roots, use, path);

	if (!r)
		return (fail_set(f, FSPROJ_INVALID,
		    "%s does not lie beneath %s", path, flags[use]));
	s->t.root = r;
	s->t.rel = path + r->len + 1;
	return (use == ROOT_HOST ? host_root(s, r, f) : root_open(r, f));
}

/* A volume's parent, and what stands at its name: whose mount, or -1. */
static int
find_volume(struct fsproj *s, const char *path, struct fail *f)
{
	struct transaction *t = &s->t;
	int whose = MOUNT_NONE;

	if (find_root(s, ROOT_PODS, path, f) == -1)
		return (-1);
	t->parent = path_parent(t->root->fd, t->rel, PATH_AS_IS, t->last, f);
	if (t->parent == -1)
		return (-1);
	t->at = openat(t->parent, t->last, PATH_DIR_FLAGS);
	if (t->at == -1 && errno != ENOENT)
		return (fail_sys(f, "target %s", path));
	if (t->at != -1)
		whose = mount_whose(t->at, f);
	if (whose == MOUNT_FOREIGN)
		return (fail_set(f, FSPROJ_DENIED,
		    "target %s: a mount that is not ours", path));
	return (whose);
}

/* The directory of a host projection. */
static int
find_host(struct fsproj *s, const char *path, enum path_make make,
    struct fail *f)
{
	struct transaction *t = &s->t;

	if (find_root(s, ROOT_HOST, path, f) == -1)
		return (-1);
	t->dir = path_dirs(t->root->fd, t->rel, make, f);
	return (t->dir == -1 ? -1 : 0);
}

/* --- a write --- */

static int
open_files(struct transaction *t, uint32_t n, struct reply *r)
{
	for (; t->nfds < n; t->nfds++) {
		t->fds[t->nfds] = writer_file(&t->writer, &r->fail);
		if (t->fds[t->nfds] == -1)
			return (-1);
	}
	memcpy(r->fds, t->fds, n * sizeof(r->fds[0]));
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
	int whose;

	if (x->size == 0 || x->inodes == 0)	/* tmpfs: without a bound */
		return (fail_set(f, FSPROJ_INVALID, "volume without a size"));
	whose = find_volume(s, q->path, f);
	if (whose == -1)
		return (-1);
	t->dir = whose == MOUNT_NONE ? mount_new(&spec, f) :
	    mount_clone(t->at, f);
	path_close(&t->at);
	if (t->dir == -1 || (whose == MOUNT_OURS &&
	    mount_grow(t->dir, x->size, x->inodes, f) == -1))
		return (-1);
	return (writer_begin(&t->writer, t->dir, whose == MOUNT_NONE, f));
}

static int
begin_host(struct fsproj *s, const struct request *q, struct fail *f)
{
	if (find_host(s, q->path, PATH_MAKE_MARKED, f) == -1)
		return (-1);
	return (writer_begin(&s->t.writer, s->t.dir, 0, f));
}

/* Owner and mode of a directory that stood there before. */
static int
set_root(const struct transaction *t, const struct fsproj_request *x,
    struct fail *f)
{
	struct stat st;

	if (t->writer.fresh ||
	    (x->place == FSPROJ_HOST && !owner_marked(t->dir)))
		return (0);
	if (fstatat(t->dir, "", &st, AT_EMPTY_PATH) == -1 ||
	    (st.st_gid != x->gid && fchownat(t->dir, "", (uid_t)-1, x->gid,
	    AT_EMPTY_PATH) == -1) ||
	    ((st.st_mode & 07777) != x->dir_mode &&
	    fchmodat(t->dir, ".", x->dir_mode, 0) == -1))
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
	t->place = x->place;
	t->left = x->files;
	t->names = 0;
	if ((x->place == FSPROJ_VOLUME ? begin_volume : begin_host)(s, q,
	    &r->fail) == -1 || set_root(t, x, &r->fail) == -1 ||
	    open_files(t, x->next, r) == -1)
		return (-1);
	t->open = 1;
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

	if (q->fixed->next == 0 || q->fixed->next > t->left)
		return (fail_set(&r->fail, FSPROJ_INVALID,
		    "%u of %u files", q->fixed->next, t->left));
	if (name_files(t, q, &r->fail) == -1)
		return (-1);
	return (open_files(t, q->fixed->next, r));
}

/* A volume that is whole goes onto its target. */
static int
attach(struct transaction *t, struct fail *f)
{
	int whose;

	if (mkdirat(t->parent, t->last, 0750) == -1 && errno != EEXIST)
		return (fail_sys(f, "target %s", t->last));
	t->at = openat(t->parent, t->last, PATH_DIR_FLAGS);
	if (t->at == -1)
		return (fail_sys(f, "target %s", t->last));
	whose = mount_whose(t->at, f);
	if (whose == MOUNT_NONE)
		return (mount_attach(t->dir, t->at, 0, f));
	return (whose == -1 ? -1 : fail_set(f, FSPROJ_TRANSIENT,
	    "target %s: mounted by somebody else meanwhile", t->last));
}

static int
do_commit(struct fsproj *s, const struct request *q, struct reply *r)
{
	struct transaction *t = &s->t;
	int sync = t->place == FSPROJ_HOST && t->root->on_disk;

	if (t->left)
		return (fail_set(&r->fail, FSPROJ_INVALID,
		    "%u files are missing", t->left));
	if (name_files(t, q, &r->fail) == -1 ||
	    writer_switch(&t->writer, sync, &r->fail) == -1 ||
	    (t->writer.fresh && attach(t, &r->fail) == -1))
		return (-1);
	if (t->writer.current[0])
		r->fixed.flags |= FSPROJ_F_SWAPPED;
	t->open = 0;
	return (0);
}

static int
do_abort(struct fsproj *s, const struct request *q, struct reply *r)
{
	(void)q, (void)r;
	fsproj_forget(s);
	return (0);
}

/* --- what was written --- */

static int
do_clean(struct fsproj *s, const struct request *q, struct reply *r)
{
	struct transaction *t = &s->t;
	int whose;

	if (q->fixed->place == FSPROJ_HOST) {
		if (find_host(s, q->path, PATH_AS_IS, &r->fail) == -1)
			return (-1);
	} else {
		whose = find_volume(s, q->path, &r->fail);
		if (whose != MOUNT_OURS)
			return (whose == -1 ? -1 : 0);
		t->dir = mount_clone(t->at, &r->fail);
		if (t->dir == -1)
			return (-1);
	}
	/* A write begins with what is wanted here. */
	return (writer_begin(&t->writer, t->dir, 0, &r->fail));
}

/* Directories that we made and that are empty, from the leaf upwards. */
static void
remove_dirs(int rootfd, const char *rel)
{
	char path[FSPROJ_PATH_MAX + 1], last[256];
	struct fail ignored;
	char *slash;

	for (strcpy(path, rel); *path; *slash = '\0') {
		cleanup_fd int parent = path_parent(rootfd, path, PATH_AS_IS,
		    last, &ignored);
		cleanup_fd int fd = parent == -1 ? -1 : path_dir(parent, last);

		slash = strrchr(path, '/');
		slash = slash ? slash : path;
		if (fd == -1 || !owner_marked(fd) ||
		    unlinkat(parent, last, AT_REMOVEDIR) == -1)
			return;
	}
}

static int
do_remove(struct fsproj *s, const struct request *q, struct reply *r)
{
	struct transaction *t = &s->t;
	struct fail *f = &r->fail;

	if (q->fixed->place == FSPROJ_HOST) {
		if (find_host(s, q->path, PATH_AS_IS, f) == -1)
			return (f->sys == ENOENT ? 0 : -1);
		if (writer_remove(t->dir, f) == -1)
			return (-1);
		remove_dirs(t->root->fd, t->rel);
		return (0);
	}
	if (find_volume(s, q->path, f) == -1)	/* no parent: no mount */
		return (f->sys == ENOENT ? 0 : -1);
	path_close(&t->at);
	return (mount_remove(t->parent, t->last, f));
}

/* --- list --- */

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

/* One frame a projection. */
static int
list_add(struct listing *l, uint32_t place, int64_t generation)
{
	struct reply *r = l->r;

	if (++l->total > FSPROJ_ITEMS_MAX)
		return (fail_set(&r->fail, FSPROJ_LIMIT, "more than %d "
		    "projections", FSPROJ_ITEMS_MAX));
	r->fixed.flags = FSPROJ_F_MORE;
	r->fixed.generation = generation > 0 ? (uint64_t)generation : 0;
	r->fixed.place = place;
	r->text = l->path;
	if (l->s->send(l->s, r) == -1)
		return (fail_set(&r->fail, FSPROJ_INTERNAL, "peer is gone"));
	return (0);
}

static int
list_mount(void *arg, struct mount_line *m)
{
	char name[OWNER_GENERATION_MAX], last[256];
	struct listing *l = arg;
	struct fail ignored;
	cleanup_fd int parent = -1, fd = -1;
	const char *rest;
	int is_root;

	mount_unescape(m->path);
	rest = m->path + l->real_len;
	if (!m->ours || strncmp(m->path, l->real, l->real_len) || *rest != '/'
	    || (size_t)snprintf(l->path, sizeof(l->path), "%s%s",
	    l->root->path, rest) >= sizeof(l->path) ||
	    path_target_check(l->path, &ignored) == -1)
		return (0);
	parent = path_parent(l->root->fd, rest + 1, PATH_AS_IS, last,
	    &ignored);
	fd = parent == -1 ? -1 : openat(parent, last, PATH_DIR_FLAGS);
	/* Of several on one directory only the one on top is seen. */
	if (fd == -1 || mount_of(fd, NULL, &is_root) != m->id)
		return (0);
	return (list_add(l, FSPROJ_VOLUME, writer_current(fd, name)));
}

static int
list_dir(void *arg, int dirfd, const char *name, unsigned char type)
{
	char current[OWNER_GENERATION_MAX];
	struct listing *l = arg;
	size_t len = strlen(l->path), n = strlen(name);
	cleanup_fd int fd = -1;
	int64_t count;
	int rc = 0;

	if ((type != DT_DIR && type != DT_UNKNOWN) ||
	    strncmp(name, "..", 2) == 0 || l->depth == LIST_DEPTH ||
	    len + n + 2 > sizeof(l->path) ||
	    (fd = path_dir(dirfd, name)) == -1)
		return (0);
	l->path[len] = '/';
	memcpy(l->path + len + 1, name, n + 1);
	count = writer_current(fd, current);
	if (count > 0)
		rc = list_add(l, FSPROJ_HOST, count);
	l->depth++;
	if (rc == 0)
		path_each(fd, list_dir, l);
	l->depth--;
	l->path[len] = '\0';
	return (l->r->fail.status ? -1 : 0);
}

static int
list_root(struct listing *l, struct root *root)
{
	char self[40];
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
		snprintf(self, sizeof(self), "/proc/self/fd/%d", root->fd);
		n = readlinkat(AT_FDCWD, self, l->real, sizeof(l->real) - 1);
		l->real[n > 0 ? n : 0] = '\0';
		l->real_len = strlen(l->real);
		rc = n > 0 ? mount_each(list_mount, l) : -1;
	}
	if (rc == -1 && !l->r->fail.status)
		fail_sys(&l->r->fail, "%s", root->path);
	return (rc);
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
	r->fixed.flags = r->fixed.place = 0;
	r->fixed.generation = 0;
	r->text = "";
	return (0);
}

/* --- sockets --- */

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
	cleanup_fd int fd = openat(dir, BIND_TMP, O_PATH | O_NOFOLLOW |
	    O_CLOEXEC);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISSOCK(st.st_mode))
		return (-1);
	return (fchownat(fd, "", uid, (gid_t)-1, AT_EMPTY_PATH));
}

/* Bind to a name with a dot, so that it appears listening and with its final
 * owner.  The bind is relative to the working directory: no path to race for,
 * and no limit of 108 bytes. */
static int
listen_at(int fd, int dir, const char *name, uid_t uid, struct fail *f)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = BIND_TMP };
	int tmp = check_socket(dir, BIND_TMP, f), rc;

	if (tmp == -1 || check_socket(dir, name, f) == -1)
		return (-1);
	if (tmp == 1)
		unlinkat(dir, BIND_TMP, 0);
	/* The inode gets the mode that the socket has when it is bound. */
	rc = fchmod(fd, 0600) == -1 || fchdir(dir) == -1 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(fd, BACKLOG) == -1 || give_socket(dir, uid) == -1 ||
	    renameat(dir, BIND_TMP, dir, name) == -1;
	if (rc)
		fail_sys(f, "socket %s", name);
	if (chdir("/") == -1)
		return (fail_sys(f, "/"));
	return (rc ? -1 : 0);
}

static int
do_bind(struct fsproj *s, const struct request *q, struct reply *r)
{
	struct transaction *t = &s->t;

	if (find_root(s, ROOT_BIND, q->path, &r->fail) == -1)
		return (-1);
	t->parent = path_parent(t->root->fd, t->rel, PATH_MAKE, t->last,
	    &r->fail);
	if (t->parent == -1)
		return (-1);
	t->fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (t->fds[0] == -1)
		return (fail_sys(&r->fail, "socket"));
	t->nfds = 1;
	r->fds[0] = t->fds[0];
	r->fixed.fds = 1;
	return (listen_at(t->fds[0], t->parent, t->last, s->peer, &r->fail));
}

/* --- all of them --- */

/* Containers see a mount below --pods-dir only when it is a shared one. */
static int
do_hello(struct fsproj *s, const struct request *q, struct reply *r)
{
	static struct mount_line line;
	struct fail absent;
	struct root *root;
	int is_root;

	(void)q;
	r->fixed.flags = s->flags;
	for (root = s->roots.root; root < s->roots.root + s->roots.n; root++)
		if (root->use == ROOT_PODS && root_open(root, &absent) == 0 &&
		    mount_of(root->fd, &line, &is_root) && !line.shared)
			r->fixed.flags |= FSPROJ_F_NOT_SHARED;
	return (0);
}

enum {
	HAS_PLACE = 0x01,	/* place */
	HAS_PATH = 0x02,	/* path */
	HAS_SPEC = 0x04,	/* dir_mode, gid, size, inodes, files */
	HAS_ENTRIES = 0x08,	/* entries */
	HAS_NEXT = 0x10,	/* next */
	IN_WRITE = 0x20,	/* only between BEGIN and COMMIT */
	IDLE = 0x40		/* only outside of it */
};
#define TARGET_OF (IDLE | HAS_PLACE | HAS_PATH)

/* All that can be asked of the privileged process. */
static const struct ask {
	uint16_t type;
	uint16_t needs;
	int (*handler)(struct fsproj *s, const struct request *q,
	    struct reply *r);
} asks[] = {
	{ FSPROJ_HELLO,  IDLE,				do_hello },
	{ FSPROJ_BEGIN,  TARGET_OF | HAS_SPEC | HAS_NEXT, do_begin },
	{ FSPROJ_FILES,  IN_WRITE | HAS_ENTRIES | HAS_NEXT, do_files },
	{ FSPROJ_COMMIT, IN_WRITE | HAS_ENTRIES,	do_commit },
	{ FSPROJ_ABORT,  0,				do_abort },
	{ FSPROJ_CLEAN,  TARGET_OF,			do_clean },
	{ FSPROJ_REMOVE, TARGET_OF,			do_remove },
	{ FSPROJ_LIST,   IDLE,				do_list },
	{ FSPROJ_BIND,   IDLE | HAS_PATH,		do_bind },
};

/* What the table says about a request, held against the request. */
static int
check_needs(const struct fsproj *s, unsigned needs,
    const struct fsproj_request *x, struct fail *f)
{
	int spec = x->dir_mode || x->gid || x->size || x->inodes || x->files;

	if ((needs & IN_WRITE) && !s->t.open)
		return (fail_set(f, FSPROJ_INVALID, "no write is under way"));
	if ((needs & IDLE) && s->t.open)
		return (fail_set(f, FSPROJ_INVALID, "a write is under way"));
	if ((needs & HAS_PATH) ? !x->path_len : x->path_len)
		return (fail_set(f, FSPROJ_INVALID, "target path"));
	if ((needs & HAS_PLACE) ? x->place != FSPROJ_VOLUME &&
	    x->place != FSPROJ_HOST : x->place)
		return (fail_set(f, FSPROJ_INVALID, "place %u", x->place));
	if ((spec && !(needs & HAS_SPEC)) || (x->next && !(needs & HAS_NEXT)) ||
	    (x->count && !(needs & HAS_ENTRIES)))
		return (fail_set(f, FSPROJ_INVALID, "a field of another "
		    "request is set"));
	return (0);
}

static int
dispatch(struct fsproj *s, const struct request *q, struct reply *r)
{
	const struct ask *a;

	for (a = asks; a < asks + sizeof(asks) / sizeof(asks[0]); a++)
		if (a->type == q->fixed->head.type)
			return (check_needs(s, a->needs, q->fixed, &r->fail) ?
			    -1 : a->handler(s, q, r));
	return (fail_set(&r->fail, FSPROJ_INVALID, "unknown request"));
}

int
fsproj_handle(struct fsproj *s, const void *frame, size_t len)
{
	static struct reply r;
	struct request q;
	int rc;

	memset(&r.fixed, 0, sizeof(r.fixed));
	if (len >= sizeof(r.fixed.head))
		memcpy(&r.fixed.head, frame, sizeof(r.fixed.head));
	r.fixed.head.magic = FSPROJ_MAGIC;
	r.fixed.head.version = FSPROJ_VERSION;
	r.fail.status = FSPROJ_OK;
	r.fail.sys = 0;
	r.text = "";
	if (proto_parse(frame, len, &q, &r.fail) == -1 ||
	    dispatch(s, &q, &r) == -1) {
		r.fixed.status = r.fail.status;
		r.fixed.sys = (uint32_t)r.fail.sys;
		r.fixed.fds = r.fixed.flags = 0;
		r.text = r.fail.msg;
		/* One failure ends a write: the next word is BEGIN. */
		fsproj_forget(s);
	}
	rc = s->send(s, &r);
	/* The peer need not wait for what only has to be closed. */
	if (!s->t.open)
		fsproj_forget(s);
	return (rc);
}
