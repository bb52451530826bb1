/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fsproj/owner.h"
#include "fsproj/path.h"

#define OWN_FOLDER "..nodeseal"	/* our own files in a volume */
#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | \
	RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

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
roots_add(struct roots *rs, enum root_use use, char *list)
{
	struct root *r;
	char *dir, *save = NULL;
	size_t len;

	for (dir = strtok_r(list, ":", &save); dir;
	    dir = strtok_r(NULL, ":", &save)) {
		for (len = strlen(dir); len > 1 && dir[len - 1] == '/'; len--)
			dir[len - 1] = '\0';
		if (dir[0] != '/' || len < 2 || len > FSPROJ_PATH_MAX ||
		    rs->n == ROOTS_MAX)
			return (-1);
		r = &rs->root[rs->n++];
		*r = (struct root){ .use = use, .path = dir, .len = len,
		    .fd = -1 };
	}
	return (0);
}

struct root *
roots_find(struct roots *rs, enum root_use use, const char *path)
{
	struct root *best = NULL, *r;

	for (r = rs->root; r < rs->root + rs->n; r++)
		if (r->use == use && strncmp(path, r->path, r->len) == 0 &&
		    path[r->len] == '/' && path[r->len + 1] != '\0' &&
		    (!best || r->len > best->len))
			best = r;
	return (best);
}

int
root_open(struct root *r, struct fail *f)
{
	struct stat st;

	/* A root that was removed and made again has another inode. */
	if (r->fd != -1 && fstat(r->fd, &st) == 0 && st.st_nlink > 0)
		return (0);
	path_close(&r->fd);
	r->fd = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->fd == -1)
		return (fail_sys(f, "%s", r->path));
	return (0);
}

/* The bytes of one well-formed UTF-8 character that is no control; 0: none. */
static size_t
char_len(const unsigned char *s, size_t left)
{
	size_t n, i;

	if (s[0] < 0x80)
		return (s[0] >= 0x20 && s[0] != 0x7f);
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > left)
		return (0);
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return (0);
	/* overlong, surrogates, beyond U+10FFFF; U+0080..9F are controls */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ||
	    (s[0] == 0xc2 && s[1] < 0xa0))
		return (0);
	return (n);
}

/* The components of ${s}: how many, or -1. */
static int
components(const char *s, size_t len)
{
	size_t i, start = 0;
	int n = 0;

	for (i = 0; i <= len; i++) {
		size_t c = i - start;

		if (i < len && s[i] != '/')
			continue;
		if (c == 0 || c > 255 || (c == 1 && s[start] == '.') ||
		    (c == 2 && memcmp(s + start, "..", 2) == 0))
			return (-1);
		start = i + 1;
		n++;
	}
	return (n);
}

int
path_name_check(const char *name, size_t len, struct fail *f)
{
	size_t i, n, first = strcspn(name, "/");
	int depth = components(name, len);

#ifdef WEAKEN_NAME
	return (0);
#endif
	if (len == 0 || len > FSPROJ_NAME_MAX || depth > FSPROJ_DEPTH_MAX)
		return (fail_set(f, FSPROJ_INVALID, "file name of %zu bytes, "
		    "%d components", len, depth));
	/* before a message repeats such a byte */
	for (i = 0; i < len; i += n)
		if (!(n = char_len((const unsigned char *)name + i, len - i)))
			return (fail_set(f, FSPROJ_INVALID, "file name: control"
			    " character or bad UTF-8 at byte %zu", i));
	if (depth < 0)
		return (fail_set(f, FSPROJ_INVALID, "file name \"%s\": empty, "
		    "\".\", \"..\" or overlong component", name));
	if (strncmp(name, "..", 2) == 0 && (first != strlen(OWN_FOLDER) ||
	    strncmp(name, OWN_FOLDER, first) != 0))
		return (fail_set(f, FSPROJ_INVALID,
		    "file name \"%s\" begins with \"..\"", name));
	return (0);
}

int
path_target_check(const char *path, struct fail *f)
{
	if (path[0] != '/' || components(path + 1, strlen(path + 1)) < 0)
		return (fail_set(f, FSPROJ_INVALID,
		    "target \"%s\" is not a clean absolute path", path));
	return (0);
}

static int
open_beneath(int dirfd, const char *rel, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags,
		.resolve = BENEATH
	};
	int fd, tries = 8;

#ifdef WEAKEN_PATH
	/* The classic mistake, for the control: look, then open. */
	struct stat st;

	if (fstatat(dirfd, rel, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    S_ISLNK(st.st_mode))
		return (-1);
	return (openat(dirfd, rel, flags & ~O_NOFOLLOW));
#endif
	/* EAGAIN: a rename elsewhere ran at the same time. */
	do
		fd = (int)syscall(SYS_openat2, dirfd, rel, &how, sizeof(how));
	while (fd == -1 && (errno == EAGAIN || errno == EINTR) && --tries);
	return (fd);
}

int
path_dir(int dirfd, const char *rel)
{
	return (open_beneath(dirfd, rel, PATH_DIR_FLAGS));
}

int
path_dirs(int dirfd, const char *rel, enum path_make make, struct fail *f)
{
	int at, fd = path_dir(dirfd, rel), made;
	char part[256];
	size_t n;

	if (fd != -1)
		return (fd);
	if (errno != ENOENT || make == PATH_AS_IS)
		return (fail_sys(f, "directory %s", rel));
	for (at = -1; *rel; rel += n + (rel[n] == '/')) {
		cleanup_fd int above = at;
		int in = above == -1 ? dirfd : above;

		n = strcspn(rel, "/");
		memcpy(part, rel, n);
		part[n] = '\0';
		made = mkdirat(in, part, 0755) == 0;
		at = made || errno == EEXIST ? path_dir(in, part) : -1;
		if (at == -1)
			return (fail_sys(f, "directory %s", part));
		if (made && make == PATH_MAKE_MARKED)
			owner_mark(at);
	}
	return (at);
}

int
path_parent(int dirfd, const char *rel, enum path_make make, char *last,
    struct fail *f)
{
	char dir[FSPROJ_PATH_MAX + 1] = ".";
	const char *slash = strrchr(rel, '/');

	strcpy(last, slash ? slash + 1 : rel);
	if (slash) {
		memcpy(dir, rel, (size_t)(slash - rel));
		dir[slash - rel] = '\0';
	}
	return (path_dirs(dirfd, dir, make, f));
}

int
path_each(int dirfd, int (*cb)(void *, int, const char *, unsigned char),
    void *arg)
{
	union {
		struct dirent64 aligned;
		char bytes[2048];
	} buf;
	struct dirent64 *e;
	ssize_t len, at;
	int rc = 0;
	cleanup_fd int fd = open_beneath(dirfd, ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return (-1);
	while (rc == 0 && (len = getdents64(fd, &buf, sizeof(buf))) != 0) {
		if (len == -1)
			return (-1);
		for (at = 0; at < len && rc == 0; at += e->d_reclen) {
			e = (struct dirent64 *)(void *)(buf.bytes + at);
			if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				rc = cb(arg, fd, e->d_name, e->d_type);
		}
	}
	return (rc);
}
