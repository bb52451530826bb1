/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/bundle.h"

#include "keeper/manifests.h"

/* The folder's parent: when the name comes to mean another folder. */
#define PARENT_EVENTS (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | \
	IN_ONLYDIR)
#define EVENTS (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | \
	IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR)

static void
watch_parent(int notify, const char *dir)
{
	cleanup_free char *copy = str_dup(dir);

	/* Without the right to it, only such a change goes unseen. */
	(void)inotify_add_watch(notify, dirname(copy), PARENT_EVENTS);
}

int
manifests_folder(const char *flag, const char *dir, int *ret_dir,
    int *ret_inotify, struct err *err)
{
	cleanup_close int d = -1;
	cleanup_close int n = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (n == -1)
		return (err_sys(err, "inotify"));
	/* The watch first: what changes between the two is then seen. */
	if (inotify_add_watch(n, dir, EVENTS) == -1 ||
	    (d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (err_sys(err, "--%s: %s", flag, dir));
	watch_parent(n, dir);
	*ret_dir = fd_steal(&d);
	*ret_inotify = fd_steal(&n);
	return (0);
}

static int
is_manifest(const char *name)
{
	static const char *const ends[] = { ".yaml", ".yml", ".json" };
	size_t len = strlen(name);

	if (name[0] == '.' || strchr(name, '/') != NULL)
		return (0);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && strcmp(name + len - n, ends[i]) == 0)
			return (1);
	}
	return (0);
}

int
manifests_file(const char *dir, const char *name, struct err *err)
{
	cleanup_free char *path = str_fmt("%s/%s", dir, name);
	cleanup_close int fd = -1;
	struct stat st;

	if (!is_manifest(name))
		return (err_set(err, ERR_INVALID, "%s: not a manifest's name",
		    name));
	/* Not to hang on a FIFO. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &st) == -1)
		return (err_sys(err, "%s", path));
	if (!S_ISREG(st.st_mode))
		return (err_set(err, ERR_INVALID, "%s: not a regular file",
		    path));
	return (fd_steal(&fd));
}

int
manifests_bundle(const char *dir, const char *name, struct err *err)
{
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC |
		O_NONBLOCK | O_NOCTTY,
#ifndef WEAKEN_BUNDLE_BENEATH
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
#endif
	};
	size_t len = strlen(name), n = strlen(BUNDLE_SUFFIX);
	cleanup_close int folder = -1, fd = -1;
	struct stat st;

	if (*name == '.' || strchr(name, '/') != NULL || len <= n ||
	    strcmp(name + len - n, BUNDLE_SUFFIX) != 0)
		return (err_set(err, ERR_INVALID, "%s: not a bundle's name",
		    name));
	folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = folder == -1 ? -1 : (int)syscall(SYS_openat2, folder, name, &how,
	    sizeof(how));
	if (fd == -1 || fstat(fd, &st) == -1)
		return (err_sys(err, "%s/%s", dir, name));
	if (!S_ISREG(st.st_mode))
		return (err_set(err, ERR_INVALID, "%s/%s: not a regular file",
		    dir, name));
	return (fd_steal(&fd));
}
