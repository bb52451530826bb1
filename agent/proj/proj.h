/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJ_PROJ_H
#define PROJ_PROJ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * Client of nodeseal-fsproj: files into a tmpfs or a host directory, whole or
 * not at all.  Operations are queued and run one after another on the loop;
 * nothing here blocks.  Plaintext exists only inside the fill callback.
 */
struct proj;

/**
 * proj_new(loop, fd, ret, err):
 * Speak to the fsproj at the other end of the connected SOCK_SEQPACKET socket
 * ${fd} (taken over).  proj_replace gives a new connection after a restart:
 * what was queued or running fails with TRANSIENT first.
 */
int proj_new(struct loop *loop, int fd, struct proj **ret, struct err *err);
int proj_replace(struct proj *p, int fd, struct err *err);
int proj_connected(const struct proj *p);
/* proj_on_lost(p, lost, arg): lost() runs whenever the connection breaks by
 * itself, after the operations that failed with it. */
void proj_on_lost(struct proj *p, void (*lost)(void *arg), void *arg);
void proj_free(struct proj *p);		/* pending operations fail first */

/* proj_degraded(p): what the machine lacks, as fsproj said when it was
 * connected (0 before its first answer): a line each in `status`. */
enum {
	PROJ_SWAPPABLE = 1,	/* no tmpfs noswap: volumes may reach swap */
	PROJ_NOT_SHARED = 2,	/* --pods-dir is not a shared mount: containers
				 * may not see what is mounted there */
	PROJ_HOST_ON_DISK = 4	/* --host-dirs-on-disk */
};
unsigned proj_degraded(const struct proj *p);

struct proj_file {
	const char *path;	/* relative, '/' between folders; checked here
				 * and again by fsproj: no "", ".", "..", NUL,
				 * component <= 255, whole <= 1024, 32
				 * components at most, UTF-8 without control
				 * characters, first component not starting
				 * with ".." (but "..nodeseal" is ours: see
				 * proj_path_check) */
	uint32_t mode;		/* 0..0777 */
	uid_t uid;
	gid_t gid;
	size_t size;		/* what fill will write, bytes */
};

enum proj_place {
	PROJ_VOLUME,	/* a CSI target: a tmpfs of its own mounted on it */
	PROJ_HOST	/* a directory below one of the host dirs */
};

struct proj_target {
	enum proj_place place;
	const char *path;	/* absolute */
	uint64_t size_max;	/* of the tmpfs, bytes; 0: sized from the files,
				 * twice their sum and room for metadata */
	gid_t gid;		/* of the root directory */
	uint32_t dir_mode;	/* 0755 */
	int fresh;		/* a volume, and as far as the caller knows
				 * none is there yet: quicker if so */
};

/**
 * proj_write(p, target, files, n, fill, done, arg, err):
 * Project exactly these files into ${target} as one new generation: attach the
 * volume when it is not there yet, else swap ..data as the kubelet does; the
 * old generation goes with the next swap or 10 s later.  ${files} are copied
 * now.  fill(arg, i, fd, err) is called once a file with a descriptor to write
 * exactly files[i].size bytes to (do not close it), perhaps before proj_write
 * has returned, and all of them once more when the target was not ${fresh};
 * returning -1 aborts the operation and leaves the target as it was.
 * done(arg, err) runs exactly once, err NULL on success.  Returns -1 at once,
 * done not called, for a path or mode that can never work (INVALID names it)
 * or when not connected.
 */
typedef int (*proj_fill_fn)(void *arg, size_t i, int fd, struct err *err);
typedef void (*proj_done_fn)(void *arg, const struct err *err);
int proj_write(struct proj *p, const struct proj_target *target,
    const struct proj_file *files, size_t n, proj_fill_fn fill,
    proj_done_fn done, void *arg, struct err *err);

/* proj_aim(p, target): the next call will be a proj_write to ${target}, if all
 * goes well: fsproj prepares meanwhile what does not show.  A hint. */
void proj_aim(struct proj *p, const struct proj_target *target);
/* proj_lull(p): whoever waited has gone on: now is the time for what is done
 * ahead, which else comes some milliseconds after the last write. */
void proj_lull(struct proj *p);

/* proj_remove: unmount (lazily when busy) and remove what we made; a target
 * that is not there is success.  For PROJ_HOST: our files and links only. */
int proj_remove(struct proj *p, const struct proj_target *target,
    proj_done_fn done, void *arg, struct err *err);

/* proj_list: every mount and host directory that fsproj made and still finds
 * (after a restart of either side).  The strings are borrowed for the call. */
struct proj_found {
	enum proj_place place;
	const char *path;
	uint64_t generation;	/* swaps since it was made, 0 when unknown */
};
typedef void (*proj_list_fn)(void *arg, const struct proj_found *found,
    size_t n, const struct err *err);
int proj_list(struct proj *p, proj_list_fn done, void *arg, struct err *err);

/* proj_bind: a listening SOCK_STREAM socket at ${path} (0600, owner peer uid,
 * appears already listening; an old socket there is replaced).  fd is -1 on
 * failure, else the callback's. */
typedef void (*proj_bind_fn)(void *arg, int fd, const struct err *err);
int proj_bind(struct proj *p, const char *path, proj_bind_fn done, void *arg,
    struct err *err);

/* proj_path_check(path, err): the rules of proj_file.path alone, for a path
 * that a user chose: "..nodeseal", which proj_write lets pass for our own
 * status file, is refused here too.  INVALID names what is wrong with it. */
int proj_path_check(const char *path, struct err *err);

#endif
