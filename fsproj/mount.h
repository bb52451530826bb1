/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_MOUNT_H
#define FSPROJ_MOUNT_H

#include <stdint.h>

#include "fsproj/log.h"

/*
 * Mounts as descriptors: made detached, filled, attached read-only; changed
 * later through a writable detached clone.  mount(2) is never called.
 */

/* What to make; the label may be NULL. */
struct mount_spec {
	const char *source;
	const char *label;	/* SELinux context of everything in it */
	uint64_t size;		/* bytes */
	uint32_t inodes;
	uint32_t mode;		/* of its root */
	uint32_t gid;
};

/* mount_probe(): learn whether tmpfs knows noswap here; nonzero when it
 * does.  Once, before the first mount_new. */
int mount_probe(void);

/* mount_new(spec, f): a detached tmpfs, nosuid, nodev, noexec, noswap where
 * the kernel has it, still writable. */
int mount_new(const struct mount_spec *spec, struct fail *f);

/* mount_attach(mnt, target, f): make the detached ${mnt} read-only unless
 * ${writable}, and put it onto the directory ${target}.  TRANSIENT as long
 * as somebody holds a descriptor that is open for writing. */
int mount_attach(int mnt, int target, int writable, struct fail *f);

/* mount_clone(fd, f): a writable, detached mount of the same tmpfs. */
int mount_clone(int fd, struct fail *f);

/* mount_grow(mnt, size, inodes, f): let the tmpfs hold at least so much. */
int mount_grow(int mnt, uint64_t size, uint32_t inodes, struct fail *f);

enum mount_whose { MOUNT_NONE, MOUNT_OURS, MOUNT_FOREIGN };

/* mount_whose(fd, f): whether the directory is the root of a mount, and
 * whose.  -1 when that cannot be told. */
int mount_whose(int fd, struct fail *f);

/* mount_remove(parent, name, f): take our mounts off the directory, lazily
 * when busy, until none is left, and remove it.  Absent is success; a foreign
 * mount is DENIED; a directory that is not empty stays. */
int mount_remove(int parent, const char *name, struct fail *f);

/* One line of /proc/self/mountinfo; it lives for the call. */
struct mount_line {
	uint64_t id;
	int ours;		/* a volume */
	int shared;
	char path[4096];	/* as the kernel escapes it: mount_unescape */
};

/* mount_each(cb, arg): stops at the first nonzero answer and returns it; -1
 * when the table cannot be read. */
int mount_each(int (*cb)(void *arg, struct mount_line *l), void *arg);
void mount_unescape(char *path);

/* mount_of(fd, ret, ret_root): the line of the mount that ${fd} lies on (NULL:
 * only its number matters), and whether it is the root of it.  The number, 0
 * when it cannot be told. */
uint64_t mount_of(int fd, struct mount_line *ret, int *ret_root);

/* mount_in_ram(fd): whether it lies on tmpfs or ramfs. */
int mount_in_ram(int fd);

#endif
