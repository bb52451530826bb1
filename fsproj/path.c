/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "fsproj/fsproj.h"

#define MARK "trusted.nodeseal"		/* on directories that we made */

void
path_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int
roots_add(struct root *roots, enum root_use use, char *list)
{
	struct root *r = roots, *end = roots + ROOTS_MAX;
	char *dir, *save = NULL;
	size_t len;

	while (r->path)
		r++;
	for (dir = strtok_r(list, ":", &save); dir;
	    dir = strtok_r(NULL, ":", &save)) {
		for (len = strlen(dir); len > 1 && dir[len - 1] == '/'; len--)
			dir[len - 1] = '\0';
		if (dir[0] != '/' || len < 2 || len > FSPROJ_PATH_MAX ||
		    r == end)
			return (-1);
		*r++ = (struct root){ use, dir, len };
	}
	return (0);
}

const struct root *
roots_find(const struct root *roots, enum root_use use, const char *path)
{
	const struct root *best = NULL, *r;

	for (r = roots; r->path; r++)
		if (r->use == use && strncmp(path, r->path, r->len) == 0 &&
		    path[r->len] == '/' && path[r->len + 1] != '\0' &&
		    (!best || r->len > best->len))
			best = r;
	return (best);
}

int
root_open(const struct root *r)
{
	int fd = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return (fd == -1 ? fail_sys("%s", r->path) : fd);
}

int
path_dir(int dirfd, const char *rel)
{
	struct open_how how = { .flags = PATH_DIR_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
	int fd, tries = 8;

#ifdef WEAKEN_PATH
	return (openat(dirfd, rel, O_PATH | O_DIRECTORY | O_CLOEXEC));
#endif
	/* EAGAIN: a rename elsewhere ran at the same time. */
	do
		fd = (int)syscall(SYS_openat2, dirfd, rel, &how, sizeof(how));
	while (fd == -1 && (errno == EAGAIN || errno == EINTR) && --tries);
	return (fd);
}

/* The attribute calls want a descriptor that is open for more than O_PATH. */
int
path_marked(int fd, int mark)
{
	cleanup_fd int real = openat(fd, ".", O_RDONLY | O_CLOEXEC);
	char value[4];

	if (mark)
		fsetxattr(real, MARK, "1", 1, 0);
	return (fgetxattr(real, MARK, value, sizeof(value)) > 0);
}

int
path_dirs(int dirfd, const char *rel, int make, char *last)
{
	char path[FSPROJ_PATH_MAX + 1], *part, *slash;
	int at;

	strcpy(path, rel);
	if (last) {
		slash = strrchr(path, '/');
		strcpy(last, slash ? slash + 1 : path);
		strcpy(slash ? slash : path, slash ? "" : ".");
	}
	at = path_dir(dirfd, path);
	if (at != -1)
		return (at);
	if (errno != ENOENT || !make)
		return (fail_sys("directory %s", path));
	for (part = strtok_r(path, "/", &slash); part;
	    part = strtok_r(NULL, "/", &slash)) {
		cleanup_fd int above = at;
		int in = above == -1 ? dirfd : above;
		int made = mkdirat(in, part, 0755) == 0;

		at = made || errno == EEXIST ? path_dir(in, part) : -1;
		if (at == -1)
			return (fail_sys("directory %s", part));
		if (made)
			path_marked(at, 1);
	}
	return (at);
}

const char *
path_next(DIR **dir, int dirfd)
{
	int fd = *dir ? -1 : openat(dirfd, ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	struct dirent *e;

	if (fd != -1)
		*dir = fdopendir(fd);
	if (!*dir) {
		path_close(&fd);
		return (NULL);
	}
	do {
		errno = 0;
		e = readdir(*dir);
	} while (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")));
	return (e ? e->d_name : NULL);
}

void
path_dir_close(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
