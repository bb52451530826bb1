/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_FSPROJ_H
#define FSPROJ_FSPROJ_H

/* What every part needs of libc. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsproj/proto.h"

/* The contracts inside this program, lowest floor first; each part calls only
 * what stands above it here.  Every function that returns -1 has filled
 * ${fail}, unless it says "and errno". */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- proto.c: failures, and frames taken apart --------------------------- */
/* What went wrong, as the reply will say it.  Like errno, but with words, and
 * like errno there is one: one thread answers one request at a time. */
struct fail {
	enum fsproj_status status;
	int sys;		/* errno, or 0 */
	char msg[512];
};
extern struct fail fail;

/* fail_set(status, fmt, ...): fill it; always returns -1.  fail_sys(fmt, ...):
 * with the status that fits errno, whose text is appended. */
int fail_set(enum fsproj_status status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#define fail_sys(...) fail_set(FSPROJ_OK, __VA_ARGS__)
#define fail_invalid(...) fail_set(FSPROJ_INVALID, __VA_ARGS__)

/* A request; everything points into the frame. */
struct request {
	const struct fsproj_request *fixed;
	const struct fsproj_entry *entries;	/* fixed->count of them */
	const char *path;			/* "" when there is none */
	const char *names[FSPROJ_BATCH];
};

/* What requests use of struct fsproj_request. */
enum {
	HAS_PLACE = 0x01,	/* place; must be there */
	HAS_PATH = 0x02,	/* path; must be there */
	HAS_TARGET = HAS_PLACE | HAS_PATH,
	HAS_SPEC = 0x04,	/* dir_mode, gid, size, inodes, files */
	HAS_ENTRIES = 0x08,	/* entries */
	HAS_NEXT = 0x10		/* next */
};

/* proto_parse(frame, len, has, ret): 0 when every length, count, mode and name
 * of the frame (aligned to 8) is as PROTOCOL wants it, every string ends where
 * it says, and no field is set but what ${has} names.  No system call. */
int proto_parse(const void *frame, size_t len, unsigned has,
    struct request *ret);

/* --- path.c: what the peer names becomes a descriptor, and stays one ----- */
/* A directory of the command line; a list of them ends with path NULL. */
struct root {
	enum root_use {
		ROOT_PODS = FSPROJ_VOLUME, ROOT_HOST, ROOT_BIND, ROOT_PEER
	} use;
	const char *path;	/* as given, no '/' at its end */
	size_t len;
};
#define ROOTS_MAX 16

/* roots_add(roots, use, list): add the directories of a ':' list, which must
 * live on; it is cut in place.  -1 (only) when one is not absolute. */
int roots_add(struct root *roots, enum root_use use, char *list);
/* roots_find(roots, use, path): the one that ${path} lies strictly beneath,
 * the rest being path + root->len + 1; NULL when there is none. */
const struct root *roots_find(const struct root *roots, enum root_use use,
    const char *path);
/* root_open(r): its descriptor, O_PATH. */
int root_open(const struct root *r);

/* path_dir(dirfd, rel): O_PATH of a directory beneath ${dirfd}: no symbolic
 * link anywhere, no mount crossed.  -1 and errno. */
int path_dir(int dirfd, const char *rel);
#define PATH_DIR_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* path_dirs(dirfd, rel, make, last): as path_dir; with ${make}, what is
 * missing is made, 0755 and with our mark.  With ${last} (256 bytes) it is the
 * directory that holds the last component of ${rel}, which is copied there. */
int path_dirs(int dirfd, const char *rel, int make, char *last);
/* path_marked(fd, mark): whether the directory has the mark of those that this
 * program made; with ${mark} it gets it.  O_PATH will do. */
int path_marked(int fd, int mark);

/* path_next(dir, dirfd): the names in a directory but "." and ".."; behind the
 * last one NULL and errno 0, or why it failed.  ${*dir} is NULL at first. */
const char *path_next(DIR **dir, int dirfd);
void path_dir_close(DIR **dir);
#define cleanup_dir __attribute__((cleanup(path_dir_close)))

/* path_close(fd): close when open; keeps errno; the variable becomes -1. */
void path_close(int *fd);
#define cleanup_fd __attribute__((cleanup(path_close)))

/* --- mount.c: made detached, filled, attached read-only ------------------ */
#define MOUNT_VOLUME "nodeseal"		/* source of a volume's tmpfs */
#define MOUNT_HOST_ROOT "nodeseal-host"	/* of one for host projections */

/* mount_probe(): whether tmpfs knows noswap here; before any mount_new.  Where
 * not it is a tmpfs all the same, and HELLO says so: ramfs has no bound. */
int mount_probe(void);
/* mount_new(source, label, size, inodes): a detached tmpfs of ${size} bytes,
 * nosuid, nodev, noexec, noswap where the kernel has it, still writable; its
 * root is 0755.  ${label}: SELinux context of all in it, may be NULL. */
int mount_new(const char *source, const char *label, uint64_t size,
    uint32_t inodes);
/* mount_attach(mnt, target, writable): make the detached ${mnt} read-only
 * unless ${writable}, and put it onto the directory ${target}.  TRANSIENT as
 * long as somebody holds a descriptor that is open for writing. */
int mount_attach(int mnt, int target, int writable);
/* mount_clone(fd): a writable, detached mount of the same tmpfs. */
int mount_clone(int fd);
/* mount_grow(mnt, size, inodes): let the tmpfs hold at least so much. */
int mount_grow(int mnt, uint64_t size, uint32_t inodes);
/* mount_remove(parent, name): take the mount off, lazily. */
int mount_remove(int parent, const char *name);

/* mount_ours(fd): 1 when the directory is the root of a volume, 0 when nothing
 * is mounted there; -1 (DENIED) when a mount is that is not ours. */
int mount_ours(int fd);
/* mount_id(fd, ret_root): the number of the mount that ${fd} lies on, and
 * whether it is the root of it; 0 and errno when it cannot be told. */
uint64_t mount_id(int fd, int *ret_root);

/* A line of /proc/self/mountinfo. */
struct mount_line {
	uint64_t id;
	int ours;		/* a volume */
	int shared;
	char path[4096];
};

/* mount_next(l, first): the first or the next one: 1; 0 behind the last. */
int mount_next(struct mount_line *l, int first);
/* mount_of(fd, l): the one of the mount that ${fd} lies on. */
int mount_of(int fd, struct mount_line *l);

/* --- writer.c: generations in a directory, as PROTOCOL draws them -------- */
/* Killed between any two system calls, the next write or removal finds its way
 * from what it sees.  ${root}: the directory's descriptor, O_PATH will do. */
#define WRITER_NAME_MAX 64	/* bytes of a generation's name, with the NUL */

/* A generation in the making. */
struct writer {
	int root;		/* borrowed */
	int fresh;		/* root was made just now: nobody sees it */
	int switched;		/* ..data leads to it */
	int dir;		/* of the generation; -1 before writer_open */
	char name[WRITER_NAME_MAX];
	char current[WRITER_NAME_MAX];	/* "" when there is none */
};

/* writer_begin(w, root, fresh): look at what is there and sweep what no reader
 * can reach: ..data_tmp and every generation of ours but the current one.
 * DENIED when ..data is not ours. */
int writer_begin(struct writer *w, int root, int fresh);
/* writer_end(w): close; a generation that was not switched to is removed. */
void writer_end(struct writer *w);
/* writer_open(w): make the generation's directory, unless it is there. */
int writer_open(struct writer *w);
/* writer_add(w, fd, e, name): give ${fd} owner, mode and its name in the
 * generation; INVALID when the name is taken. */
int writer_add(struct writer *w, int fd, const struct fsproj_entry *e,
    const char *name);
/* writer_switch(w, sync): make the generation the current one; with ${sync} it
 * reaches the disk first.  On failure ..data is as it was, unless w->switched:
 * what fails after the swap is repaired by the next write. */
int writer_switch(struct writer *w, int sync);
/* writer_current(root, name): the current generation's count, its name copied
 * to ${name} (WRITER_NAME_MAX bytes); 0 and "" when there is none; -1 (DENIED)
 * when ..data is not ours. */
int64_t writer_current(int root, char *name);
/* writer_remove(root): all that writers made; what is not ours stays. */
int writer_remove(int root);

/* --- request.c: the table of all that can be asked ----------------------- */
/* What a request works on: its target and, from BEGIN to COMMIT, the write. */
struct transaction {
	/* if not IDLE the rest stays */
	enum { IDLE = 1, WRITING = 2, STORED = 4, PLACED = 8 } open;
	int base;		/* the root that the target lies beneath */
	const char *rel;	/* the target below it; for the request only */
	int parent;		/* of the target */
	char last[256];		/* its last component */
	int at;			/* what stands there; -1: nothing */
	int ours;		/* and it is a volume */
	int made;		/* the target, for a mount that is to come */
	int dir;		/* where generations live; it may be detached */
	int on_disk;		/* and it is to be synced */
	uint32_t left;		/* files to come after this batch */
	uint32_t names;		/* bytes of paths so far */
	struct writer writer;
	int fds[FSPROJ_BATCH];	/* nameless files of this batch */
	uint32_t nfds;
};

struct fsproj {
	struct root roots[ROOTS_MAX + 1];
	char *socket;		/* --socket, or NULL */
	int host_on_disk;	/* --host-dirs-on-disk */
	const char *label;	/* --volume-context, or NULL */
	uid_t peer;		/* owner of bound sockets */
	uint32_t flags;		/* FSPROJ_F_* for HELLO */
	int sock;		/* of the peer; for send */
	struct request request;
	struct transaction t;
	struct fsproj_reply reply;
	const char *text;	/* of the reply; its descriptors are t.fds */
	uint32_t listed;	/* projections so far; the last one's path */
	char path[FSPROJ_PATH_MAX + 1];
	/* Send the reply; 0 or -1 (the peer is gone). */
	int (*send)(struct fsproj *s);
};

/* fsproj_init(s): an empty state, no root yet. */
void fsproj_init(struct fsproj *s);
/* fsproj_handle(s, frame, len): answer one frame through s->send.  0, or -1
 * when the connection is of no more use. */
int fsproj_handle(struct fsproj *s, const void *frame, size_t len);
/* fsproj_forget(s): drop what is under way, as if it had never begun.  0. */
int fsproj_forget(struct fsproj *s);
/* fsproj_listen(fd, dir, name, uid): bind the unix socket to a name in the
 * directory, mode 0600, owned by ${uid}; it appears listening.  A socket that
 * stands there is replaced, anything else is DENIED. */
int fsproj_listen(int fd, int dir, const char *name, uid_t uid);

/* --- rights.c ------------------------------------------------------------- */
/* rights_drop(): give up, step by step: core dumps, new privileges, every
 * capability but SYS_ADMIN, CHOWN, FOWNER and DAC_OVERRIDE, and every system
 * call that this program does not need (anything else kills it).  No Landlock:
 * a Landlocked process cannot mount.  A kernel without openat2 is refused.
 * NULL, or what failed, and errno. */
const char *rights_drop(void);

#endif
