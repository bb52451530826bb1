/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "fsproj/fsproj.h"

#define DATA "..data"
#define DATA_TMP "..data_tmp"
#define LINK_ROOM sizeof(DATA "/") + 255	/* bytes of a link's text */

/* The count in the name of a generation of our making, else 0. */
static uint64_t
generation_count(const char *name)
{
	const int len = (int)strlen("..YYYY_MM_DD_HH_MM_SS.RRRRRRRRR.");
	unsigned long long count;
	int at = 0, end = 0;

	if (sscanf(name, "..%*4[0-9]_%*2[0-9]_%*2[0-9]_%*2[0-9]_%*2[0-9]_"
	    "%*2[0-9].%*9[0-9].%n%18llu%n", &at, &count, &end) != 1 ||
	    at != len || name[at] < '1' || name[at] > '9' || name[end])
		return (0);
	return (count);
}

/* 1 when NAME is our link, 0 when nothing is there, -1 when something else. */
static int
link_is_ours(int dirfd, const char *name)
{
	char text[LINK_ROOM], ours[LINK_ROOM];
	ssize_t len = readlinkat(dirfd, name, text, sizeof(text) - 1);

	if (len == -1)
		return (errno == ENOENT ? 0 : -1);
	text[len] = '\0';
	snprintf(ours, sizeof(ours), DATA "/%s", name);
	return (strcmp(text, ours) == 0 ? 1 : -1);
}

/* Make it, unless something is there. */
static int
link_make(int dirfd, const char *name)
{
	char text[LINK_ROOM];

	snprintf(text, sizeof(text), DATA "/%s", name);
	return (symlinkat(text, dirfd, name) == -1 && errno != EEXIST ?
	    fail_sys("link %s", name) : 0);
}

/* All below, by descriptors, no link or mount crossed.  -1 and errno. */
static int
tree_remove(int dirfd, const char *name, int depth)
{
	cleanup_dir DIR *d = NULL;
	cleanup_fd int fd = -1;
	const char *below;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return (0);
	if (errno != EISDIR || depth > FSPROJ_DEPTH_MAX ||
	    (fd = path_dir(dirfd, name)) == -1)
		return (-1);
	while ((below = path_next(&d, fd)))
		if (tree_remove(fd, below, depth + 1) == -1)
			return (-1);
	return (errno ? -1 : unlinkat(dirfd, name, AT_REMOVEDIR));
}

int64_t
writer_current(int root, char *name)
{
	ssize_t len = readlinkat(root, DATA, name, WRITER_NAME_MAX);
	int absent = len == -1 && errno == ENOENT;

	name[len > 0 && len < WRITER_NAME_MAX ? len : 0] = '\0';
	if (!absent && !generation_count(name))
		return (fail_set(FSPROJ_DENIED, DATA " is not ours"));
	return ((int64_t)generation_count(name));
}

/* Remove ..data_tmp and all generations of ours but ${keep}. */
static int
sweep(int root, const char *keep)
{
	cleanup_dir DIR *d = NULL;
	char to[WRITER_NAME_MAX] = "";
	const char *name;

#ifdef WEAKEN_SWEEP
	return (0);
#endif
	while ((name = path_next(&d, root)))
		if (generation_count(name) && strcmp(name, keep) != 0 &&
		    tree_remove(root, name, 0) == -1)
			return (fail_sys("sweep of %s", name));
	if (errno)
		return (fail_sys("sweep"));
	if (readlinkat(root, DATA_TMP, to, sizeof(to) - 1) > 0 &&
	    generation_count(to))
		unlinkat(root, DATA_TMP, 0);
	return (0);
}

int
writer_begin(struct writer *w, int root, int fresh)
{
	*w = (struct writer){ .root = root, .fresh = fresh, .dir = -1 };
	if (fresh)
		return (0);
	return (writer_current(root, w->current) == -1 ? -1 :
	    sweep(root, w->current));
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
writer_open(struct writer *w)
{
	struct timespec now = { 0 };
	struct tm tm = { 0 };
	size_t len;

	if (w->dir != -1)
		return (0);
#ifdef WEAKEN_INPLACE
	/* The classic mistake: no generation of its own. */
	strcpy(w->name, w->current);
	w->dir = w->name[0] ? path_dir(w->root, w->name) : -1;
	if (w->dir != -1)
		return (0);
#endif
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(w->name, sizeof(w->name), "..%Y_%m_%d_%H_%M_%S", &tm);
	snprintf(w->name + len, sizeof(w->name) - len, ".%09ld.%ju",
	    now.tv_nsec, (uintmax_t)generation_count(w->current) + 1);
	if (mkdirat(w->root, w->name, 0755) == 0)
		w->dir = path_dir(w->root, w->name);
	return (w->dir == -1 ? fail_sys("generation") : 0);
}

/* A name for an open file.  Kernels before 6.10 want CAP_DAC_READ_SEARCH for
 * the direct way (vfs: relax linkat() AT_EMPTY_PATH). */
static int
name_file(int fd, int dir, const char *name)
{
	char path[40];

#ifdef WEAKEN_INPLACE
	unlinkat(dir, name, 0);
#endif
	if (linkat(fd, "", dir, name, AT_EMPTY_PATH) == 0)
		return (0);
	if (errno != ENOENT)
		return (-1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return (linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW));
}

int
writer_add(struct writer *w, int fd, const struct fsproj_entry *e,
    const char *name)
{
	char first[256] = "", last[256];
	cleanup_fd int folder = -1;

	if (writer_open(w) == -1)
		return (-1);
	if (strchr(name, '/')) {
		folder = path_dirs(w->dir, name, 1, last);
		if (folder == -1)
			return (-1);
	}
	/* The owner first: chown may clear mode bits. */
	if (fchown(fd, e->uid, e->gid) == -1 ||
	    fchmod(fd, (mode_t)e->mode) == -1 ||
	    name_file(fd, folder == -1 ? w->dir : folder,
	    folder == -1 ? name : last) == -1)
		return (fail_sys("file %s", name));
	/* Nobody sees a new volume: its links need not wait for ..data. */
	memcpy(first, name, strcspn(name, "/"));
	return (w->fresh ? link_make(w->root, first) : 0);
}

/* A link for each first component of the generation.  ${check}: only see that
 * nothing foreign stands where one must go. */
static int
make_links(const struct writer *w, int check)
{
	cleanup_dir DIR *d = NULL;
	const char *name;

	while ((name = path_next(&d, w->dir))) {
		if (check && link_is_ours(w->root, name) == -1)
			return (fail_set(FSPROJ_DENIED,
			    "%s: exists and is not ours", name));
		if (!check && link_make(w->root, name) == -1)
			return (-1);
	}
	return (errno ? fail_sys("generation") : 0);
}

/* Remove the links of ours that lead to nothing in ${generation}; -1: all. */
static int
remove_links(int root, int generation)
{
	cleanup_dir DIR *d = NULL;
	const char *name;
	struct stat st;

	while ((name = path_next(&d, root)))
		if (link_is_ours(root, name) == 1 && (generation == -1 ||
		    (fstatat(generation, name, &st, AT_SYMLINK_NOFOLLOW) ==
		    -1 && errno == ENOENT)))
			unlinkat(root, name, 0);
	return (errno ? fail_sys("links") : 0);
}

int
writer_switch(struct writer *w, int sync)
{
	cleanup_fd int real = sync ? openat(w->root, ".", O_RDONLY |
	    O_CLOEXEC) : -1;
	const char *as = w->fresh ? DATA : DATA_TMP;

	if (writer_open(w) == -1 ||
	    (!w->fresh && make_links(w, 1) == -1))
		return (-1);
	if (sync && syncfs(real) == -1)
		return (fail_sys("sync"));
	if (symlinkat(w->name, w->root, as) == -1 || (!w->fresh &&
	    renameat(w->root, as, w->root, DATA) == -1))
		return (fail_sys("swap of " DATA));
	w->switched = 1;
	if (w->fresh)
		return (0);
	/* New names only now, when they lead somewhere (k8s #93686). */
	return (make_links(w, 0) == -1 ? -1 : remove_links(w->root, w->dir));
}

int
writer_remove(int root)
{
	char current[WRITER_NAME_MAX];

	if (writer_current(root, current) == -1)
		return (-1);
	/* ..data first: from then on no name leads anywhere. */
	if (current[0] && unlinkat(root, DATA, 0) == -1)
		return (fail_sys(DATA));
	return (remove_links(root, -1) == -1 ? -1 : sweep(root, ""));
}
