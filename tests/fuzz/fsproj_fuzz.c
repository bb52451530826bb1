/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a hostile peer, at fsproj's dispatcher.  An input is a row of
 * frames, each with three bytes before it: flags and the length, little end
 * first.  Files, links and sockets are real, on a tmpfs of our own; mounts are
 * played: a volume is a directory that is renamed onto its target.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {			/* flags of a frame */
	MEND = 0x01,		/* magic, version and length are made right */
	REFUSE = 0x02,		/* the kernel refuses one of the mount calls */
	ON_DISK = 0x04,		/* host directories lie on a disk */
	FOREIGN = 0x08		/* what is mounted is somebody else's */
};
#define VOLUMES 16

static unsigned play, calls;
static int space = -1;			/* where volumes lie until attached */
static struct {
	ino_t inode;
	char where[256];
} volumes[VOLUMES];			/* those that are */
static unsigned nvolumes;
static volatile int logged;

/* With REFUSE every third call fails, another one from frame to frame. */
static int
refused(int error)
{
	if (!(play & REFUSE) || ++calls % 3)
		return (0);
	errno = error;
	return (1);
}

static const char *
path_of(int fd)
{
	static char paths[2][4096];
	static unsigned turn;
	char self[40], *path = paths[turn++ % 2];
	ssize_t n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(paths[0]) - 1);
	path[n > 0 ? n : 0] = '\0';
	return (path);
}

static int
is_volume(int fd)
{
	struct stat st;
	unsigned i;

	for (i = 0; fstat(fd, &st) == 0 && i < nvolumes; i++)
		if (volumes[i].inode == st.st_ino)
			return (1);
	return (0);
}

static int
play_fsopen(const char *type, unsigned how)
{
	(void)type, (void)how;
	return (refused(EPERM) ? -1 : fcntl(space, F_DUPFD_CLOEXEC, 0));
}

static int
play_fspick(int fd, const char *path, unsigned how)
{
	(void)fd, (void)path, (void)how;
	return (refused(EPERM) ? -1 : fcntl(space, F_DUPFD_CLOEXEC, 0));
}

static int
play_fsconfig(int fd, unsigned cmd, const char *key, const char *value,
    int aux)
{
	(void)fd, (void)cmd, (void)aux;
	if (key && value && strlen(key) + strlen(value) > 4096)
		abort();
	return (refused(EINVAL) ? -1 : 0);
}

static int
play_fsmount(int fd, unsigned how, unsigned attributes)
{
	static unsigned count;
	char name[16];

	(void)fd, (void)how, (void)attributes;
	snprintf(name, sizeof(name), "v%u", count++);
	if (refused(EPERM) || mkdirat(space, name, 0755) == -1)
		return (-1);
	return (openat(space, name, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int
play_open_tree(int fd, const char *path, unsigned how)
{
	(void)path, (void)how;
	return (refused(EPERM) ? -1 : openat(fd, ".", O_PATH | O_DIRECTORY |
	    O_CLOEXEC));
}

static int
play_mount_setattr(int fd, const char *path, unsigned how,
    struct mount_attr *attributes, size_t size)
{
	(void)fd, (void)path, (void)how, (void)attributes, (void)size;
	return (refused(EBUSY) ? -1 : 0);
}

static int
play_move_mount(int from, const char *path, int to, const char *to_path,
    unsigned how)
{
	struct stat st;

	(void)path, (void)to_path, (void)how;
	if (refused(EPERM) || nvolumes == VOLUMES || fstat(from, &st) == -1)
		return (-1);
	snprintf(volumes[nvolumes].where, sizeof(volumes[0].where), "%s",
	    path_of(to));
	if (rename(path_of(from), path_of(to)) == -1)
		return (-1);
	volumes[nvolumes++].inode = st.st_ino;
	return (0);
}

static int
play_umount2(const char *name, int how)
{
	struct stat st;
	unsigned i;

	(void)how;
	if (refused(EPERM) || lstat(name, &st) == -1)
		return (-1);
	for (i = 0; i < nvolumes; i++)
		if (volumes[i].inode == st.st_ino) {
			volumes[i] = volumes[--nvolumes];
			return (renameat(AT_FDCWD, name, space, "dead"),
			    mkdir(name, 0755));
		}
	errno = EINVAL;
	return (-1);
}

static int
play_statx(int fd, const char *path, int how, unsigned mask, struct statx *st)
{
	int rc = refused(ENOSYS) ? -1 : statx(fd, path, how, mask, st);

	if (rc == 0 && is_volume(fd)) {
		st->stx_mnt_id = 1000 + st->stx_ino;
		st->stx_attributes |= STATX_ATTR_MOUNT_ROOT;
	}
	return (rc);
}

/* mountinfo, as a file that is written when it is gone through. */
static void
write_table(FILE *table)
{
	FILE *f = fopen("/mnt/mountinfo", "w");
	unsigned i;

	fprintf(f, "1 0 0:1 / /mnt rw %s - tmpfs fuzz rw\n",
	    play & FOREIGN ? "" : "shared:1");
	fprintf(f, "torn\n2 1 0:2 / /mnt/pods/p\\040q rw - tmpfs nodeseal "
	    "rw\n");
	for (i = 0; i < nvolumes; i++)
		fprintf(f, "%lu 1 0:3 / %s ro shared:2 - tmpfs %s rw\n", 1000 +
		    (unsigned long)volumes[i].inode, volumes[i].where,
		    play & FOREIGN ? "other" : "nodeseal");
	fclose(f);
	(rewind)(table);
}

static FILE *
play_fopen(const char *path, const char *mode)
{
	(void)path;
	fclose((fopen)("/mnt/mountinfo", "w"));
	return (refused(EACCES) ? NULL : (fopen)("/mnt/mountinfo", mode));
}

static int
play_fstatfs(int fd, struct statfs *st)
{
	int rc = fstatfs(fd, st);

	if ((play & ON_DISK) && !is_volume(fd))
		st->f_type = 0xef53;
	return (refused(EIO) ? -1 : rc);
}

#define fsopen play_fsopen
#define fspick play_fspick
#define fsconfig play_fsconfig
#define fsmount play_fsmount
#define open_tree play_open_tree
#define mount_setattr play_mount_setattr
#define move_mount play_move_mount
#define umount2 play_umount2
#define statx(...) play_statx(__VA_ARGS__)
#define fopen play_fopen
#define rewind write_table
#define fstatfs play_fstatfs
#undef dprintf
#define dprintf(fd, ...) (logged += snprintf(NULL, 0, __VA_ARGS__))
#include "fsproj/path.c"
#include "fsproj/mount.c"
#include "fsproj/writer.c"
#include "fsproj/proto.c"
#include "fsproj/request.c"
#undef umount2
#undef statx
#undef fopen

#include <ftw.h>
#include <sched.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fsproj state;
static int home = -1;
static unsigned long answers;
static long unused;			/* inodes, of an empty start */

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

/* What was made counts as inodes. */
static long
inodes_left(void)
{
	struct statfs st;

	return (space != -1 && (fstatfs)(space, &st) == 0 ? (long)st.f_ffree :
	    -1);
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
	mkdir("/mnt/space", 0755);
	space = open("/mnt/space", O_PATH | O_DIRECTORY | O_CLOEXEC);
	mkdir(host, 0755);
	fclose((fopen)("/mnt/mountinfo", "w"));
	mount_probe();
	unused = inodes_left();
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type;
	return (at->level ? remove(path) : 0);
}

/* A host directory may lie deeper than any generation. */
static void
empty(int dir)
{
	cleanup_dir DIR *d = NULL;
	const char *name;

	while ((name = path_next(&d, dir)))
		if (tree_remove(dir, name, 0) == -1)
			nftw(path_of(dir), remove_one, 64,
			    FTW_DEPTH | FTW_PHYS);
}

static void
sweep_all(void)
{
	const struct root *r;

	play = calls = nvolumes = 0;
	if (inodes_left() == unused)
		return;
	for (r = state.roots; r->path; r++) {
		cleanup_fd int fd = open(r->path, O_PATH | O_DIRECTORY |
		    O_CLOEXEC);

		empty(fd);
	}
	empty(space);
	mkdir("/mnt/pods/p", 0755);
	if (home != -1 && fchdir(home) == -1)
		abort();
}

static void
one_frame(const uint8_t *data, size_t len)
{
	/* exactly as large as it is: a sanitizer sees the end */
	char *frame = malloc(len ? len : 1);
	struct fsproj_head head;

	if (!frame)
		abort();
	memcpy(frame, data, len);
	if ((play & MEND) && len >= sizeof(head)) {
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

	if (home == -1)
		start();
	while (size >= 3) {
		play = data[0];
		len = data[1] | (size_t)data[2] << 8;
		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		one_frame(data, len);
		data += len;
		size -= len;
	}
	fsproj_forget(&state);
	sweep_all();
	return (0);
}
