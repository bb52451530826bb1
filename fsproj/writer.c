/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsproj/path.h"
#include "fsproj/writer.h"

#define PASSES 8	/* over a directory that others fill meanwhile */

static int tree_remove(int dirfd, const char *name, int depth);

static int
tree_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	int depth = *(const int *)arg;

	if (type != DT_DIR && unlinkat(dirfd, name, 0) == 0)
		return (0);
	if (type != DT_DIR && errno != EISDIR)
		return (errno == ENOENT ? 0 : -1);
	return (tree_remove(dirfd, name, depth));
}

/* Everything below, by descriptors, no link followed, no mount crossed. */
static int
tree_remove(int dirfd, const char *name, int depth)
{
	cleanup_fd int fd = path_dir(dirfd, name);
	int pass;

	if (fd == -1 || ++depth > FSPROJ_DEPTH_MAX + 1)
		return (fd == -1 && errno == ENOENT ? 0 : -1);
	for (pass = 0; pass < PASSES; pass++) {
		if (path_each(fd, tree_entry, &depth) == -1)
			return (-1);
		if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
			return (0);
	}
	return (-1);
}

int64_t
writer_current(int root, char *name)
{
	ssize_t len;

	name[0] = '\0';
	len = readlinkat(root, OWNER_DATA, name, OWNER_GENERATION_MAX);
	if (len == -1)
		return (errno == ENOENT ? 0 : -1);
	name[len < OWNER_GENERATION_MAX ? len : 0] = '\0';
	if (owner_generation(name) == 0)
		return (-1);
	return ((int64_t)owner_generation(name));
}

static int
sweep_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	const char *keep = arg;

	(void)type;
	if (owner_generation(name) && strcmp(name, keep) != 0)
		return (tree_remove(dirfd, name, 0));
	return (0);
}

int
writer_sweep(int root, const char *keep, struct fail *f)
{
	char to[OWNER_GENERATION_MAX], same[OWNER_GENERATION_MAX];
	ssize_t len;

#ifdef WEAKEN_SWEEP
	return (0);
#endif
	len = readlinkat(root, OWNER_DATA_TMP, to, sizeof(to) - 1);
	if (len >= 0) {
		to[len] = '\0';
		if (owner_generation(to))
			unlinkat(root, OWNER_DATA_TMP, 0);
	}
	strcpy(same, keep);
	if (path_each(root, sweep_entry, same) == -1)
		return (fail_sys(f, "sweep"));
	return (0);
}

int
writer_begin(struct writer *w, int root, int fresh, struct fail *f)
{
	int64_t count = 0;

	*w = (struct writer){ .root = root, .fresh = fresh, .dir = -1 };
	if (!fresh) {
		count = writer_current(root, w->current);
		if (count == -1)
			return (fail_set(f, FSPROJ_DENIED,
			    OWNER_DATA " is not ours"));
		if (writer_sweep(root, w->current, f) == -1)
			return (-1);
	}
	w->count = (uint64_t)count + 1;
	return (0);
}

void
writer_end(struct writer *w)
{
	/* A detached mount goes as a whole. */
	if (w->dir != -1 && !w->switched && !w->fresh)
		tree_remove(w->root, w->name, 0);
	path_close(&w->dir);
}

int
writer_file(const struct writer *w, struct fail *f)
{
	int fd = openat(w->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	return (fd == -1 ? fail_sys(f, "nameless file") : fd);
}

/* The generation's directory is made late: an aborted write leaves none. */
static int
make_generation(struct writer *w, struct fail *f)
{
	if (w->dir != -1)
		return (0);
#ifdef WEAKEN_INPLACE
	/* The classic mistake, for the control: no generation of its own. */
	if (w->current[0]) {
		strcpy(w->name, w->current);
		w->dir = path_dir(w->root, w->name);
		w->switched = 1;
		return (0);
	}
#endif
	if (owner_generation_name(w->name, w->count) == -1 ||
	    mkdirat(w->root, w->name, 0755) == -1)
		return (fail_sys(f, "generation"));
	w->dir = path_dir(w->root, w->name);
	if (w->dir == -1)
		return (fail_sys(f, "generation"));
	return (0);
}

/* A name for an open file.  Kernels before 6.10 want CAP_DAC_READ_SEARCH for
 * the direct way (vfs: relax linkat() AT_EMPTY_PATH). */
static int
name_file(int fd, int dir, const char *name)
{
	static int by_proc;
	char path[40];

#ifdef WEAKEN_INPLACE
	unlinkat(dir, name, 0);
#endif
	if (!by_proc) {
		if (linkat(fd, "", dir, name, AT_EMPTY_PATH) == 0)
			return (0);
		if (errno != ENOENT)
			return (-1);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) == -1)
		return (-1);
	by_proc = 1;
	return (0);
}

int
writer_add(struct writer *w, int fd, const struct fsproj_entry *e,
    const char *name, struct fail *f)
{
	cleanup_fd int folder = -1;
	char last[256];
	int at;

	if (make_generation(w, f) == -1)
		return (-1);
	if (owner_set(fd, e) == -1)
		return (fail_sys(f, "owner and mode of %s", name));
	at = w->dir;
	if (strchr(name, '/')) {
		at = folder = path_parent(at, name, PATH_MAKE, last, f);
		name = last;
	}
	if (at == -1)
		return (-1);
	return (name_file(fd, at, name) ? fail_sys(f, "file %s", name) : 0);
}

struct links {
	struct writer *w;
	struct fail *f;
};

/* Before the swap: nothing foreign may stand where a link must go. */
static int
link_check(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct links *l = arg;

	(void)dirfd, (void)type;
	if (owner_link(l->w->root, name) == -1)
		return (fail_set(l->f, FSPROJ_DENIED,
		    "%s: exists and is not ours", name));
	return (0);
}

static int
link_make(void *arg, int dirfd, const char *name, unsigned char type)
{
	char target[264];
	struct links *l = arg;

	(void)dirfd, (void)type;
	owner_link_target(target, name);
	if (symlinkat(target, l->w->root, name) == -1 && errno != EEXIST)
		return (fail_sys(l->f, "link %s", name));
	return (0);
}

static int
link_stale(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct links *l = arg;
	struct stat st;

	if ((type == DT_LNK || type == DT_UNKNOWN) &&
	    owner_link(dirfd, name) == 1 &&
	    (!l->w || (fstatat(l->w->dir, name, &st, AT_SYMLINK_NOFOLLOW) ==
	    -1 && errno == ENOENT)))
		unlinkat(dirfd, name, 0);
	return (0);
}

static int
swap_data(const struct writer *w, struct fail *f)
{
	if (w->fresh) {
		if (symlinkat(w->name, w->root, OWNER_DATA) == -1)
			return (fail_sys(f, "link " OWNER_DATA));
		return (0);
	}
	if (symlinkat(w->name, w->root, OWNER_DATA_TMP) == -1 ||
	    renameat(w->root, OWNER_DATA_TMP, w->root, OWNER_DATA) == -1)
		return (fail_sys(f, "swap of " OWNER_DATA));
	return (0);
}

int
writer_switch(struct writer *w, int sync, struct fail *f)
{
	struct links l = { .w = w, .f = f };
	cleanup_fd int real = -1;

	if (make_generation(w, f) == -1)
		return (-1);
	f->status = FSPROJ_OK;
	if (!w->fresh && path_each(w->dir, link_check, &l) == -1)
		return (f->status ? -1 : fail_sys(f, "generation"));
	if (sync) {
		real = openat(w->root, ".", O_RDONLY | O_CLOEXEC);
		if (real == -1 || syncfs(real) == -1)
			return (fail_sys(f, "sync"));
	}
	if (swap_data(w, f) == -1)
		return (-1);
	w->switched = 1;
	/* New names only now, when they lead somewhere (k8s #93686). */
	if (path_each(w->dir, link_make, &l) == -1)
		return (f->status ? -1 : fail_sys(f, "generation"));
	if (!w->fresh && path_each(w->root, link_stale, &l) == -1)
		return (fail_sys(f, "links"));
	return (0);
}

int
writer_remove(int root, struct fail *f)
{
	char current[OWNER_GENERATION_MAX];
	struct links l = { .f = f };

	int64_t count = writer_current(root, current);

	if (count == -1)
		return (fail_set(f, FSPROJ_DENIED, OWNER_DATA
		    " is not ours"));
	/* ..data first: from then on no name leads anywhere. */
	if (count > 0 && unlinkat(root, OWNER_DATA, 0) == -1)
		return (fail_sys(f, OWNER_DATA));
	if (path_each(root, link_stale, &l) == -1)
		return (fail_sys(f, "links"));
	return (writer_sweep(root, "", f));
}
