/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsproj/place.h"

static int
give(const char *path, uid_t peer)
{
	int fd, rc, saved;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return (-1);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return (-1);
	/* The mode first: between the two nobody gets in. */
	rc = fchmod(fd, 0700) == -1 || fchown(fd, peer, peer) == -1 ? -1 : 0;
	saved = errno;
	close(fd);
	errno = saved;
	return (rc);
}

int
place_peer_dirs(const char *list, uid_t peer, const char **ret_path)
{
	static char path[PATH_MAX];

	*ret_path = path;
	while (*list) {
		size_t n = strcspn(list, ":");

		if (n == 0 || n >= sizeof(path) || *list != '/') {
			errno = EINVAL;
			*ret_path = list;
			return (-1);
		}
		memcpy(path, list, n);
		path[n] = '\0';
		if (give(path, peer) == -1)
			return (-1);
		list += n + (list[n] == ':');
	}
	return (0);
}
