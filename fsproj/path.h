/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_PATH_H
#define FSPROJ_PATH_H

#include <stddef.h>

#include "fsproj/log.h"

/*
 * Every path of the peer becomes a descriptor here, beneath a root that the
 * command line named, and stays one.  Nothing else in this program resolves a
 * path that somebody else wrote.
 */

enum root_use { ROOT_PODS, ROOT_HOST, ROOT_BIND };

#define ROOTS_MAX 16

struct root {
	enum root_use use;
	const char *path;	/* as given, no '/' at its end */
	size_t len;
	int fd;			/* O_PATH; -1 until root_open */
	int on_disk;		/* ROOT_HOST: neither tmpfs nor ramfs */
};

struct roots {
	struct root root[ROOTS_MAX];
	size_t n;
};

/* roots_add(rs, use, list): the directories of a ':' list, which must be
 * absolute and live on; the list is cut in place.  0 or -1. */
int roots_add(struct roots *rs, enum root_use use, char *list);

/* roots_find(rs, use, path): the root that ${path} lies strictly beneath, the
 * rest being path + root->len + 1; NULL when there is none. */
struct root *roots_find(struct roots *rs, enum root_use use,
    const char *path);

/* root_open(r, f): have r->fd; opened once, again when it was deleted. */
int root_open(struct root *r, struct fail *f);

/* path_name_check(name, len, f): a file's path inside a generation: relative,
 * no empty, "." or ".." component, none above 255 bytes, FSPROJ_NAME_MAX
 * bytes and FSPROJ_DEPTH_MAX components at most, valid UTF-8 without control
 * characters, first component not starting with ".." ("..nodeseal" is
 * allowed: it is ours). */
int path_name_check(const char *name, size_t len, struct fail *f);

/* path_target_check(path, f): a target: absolute, no empty, "." or ".."
 * component, none above 255 bytes. */
int path_target_check(const char *path, struct fail *f);

/* path_dir(dirfd, rel): O_PATH of a directory beneath ${dirfd}: no symbolic
 * link anywhere, no mount crossed.  -1 and errno. */
int path_dir(int dirfd, const char *rel);

enum path_make { PATH_AS_IS, PATH_MAKE, PATH_MAKE_MARKED };

/* path_dirs(dirfd, rel, make, f): as path_dir, making (0755, when asked with
 * owner_mark) what is missing. */
int path_dirs(int dirfd, const char *rel, enum path_make make,
    struct fail *f);

/* path_parent(dirfd, rel, make, last, f): the same for the directory that
 * holds the last component of ${rel}, which is copied to ${last} (256). */
int path_parent(int dirfd, const char *rel, enum path_make make, char *last,
    struct fail *f);

/* path_each(dirfd, cb, arg): call cb for every entry of the directory but
 * "." and ".."; stops at the first nonzero answer and returns it; -1 and
 * errno when the directory cannot be read. */
int path_each(int dirfd, int (*cb)(void *arg, int dirfd, const char *name,
    unsigned char d_type), void *arg);

/* path_close(fd): close when open; keeps errno; the variable becomes -1. */
void path_close(int *fd);
#define cleanup_fd __attribute__((cleanup(path_close)))

/* How a directory is opened that is looked at by descriptor only. */
#define PATH_DIR_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

#endif
