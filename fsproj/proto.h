/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_PROTO_H
#define FSPROJ_PROTO_H

#include <stdint.h>

/* What travels between nodeseal-fsproj and its one peer: PROTOCOL says what may
 * come when.  This is the only header of fsproj/ that others include. */
#define FSPROJ_MAGIC 0x4a50464eu	/* "NFPJ" */
#define FSPROJ_VERSION 1

/* Ceilings, held by both sides. */
#define FSPROJ_BATCH 64			/* descriptors or entries a frame */
#define FSPROJ_FILES_MAX 4096		/* files of one generation */
#define FSPROJ_NAME_MAX 1024		/* a file's path, without the NUL */
#define FSPROJ_DEPTH_MAX 32		/* components of a file's path */
#define FSPROJ_NAMES_MAX (1u << 20)	/* all paths of one generation */
#define FSPROJ_PATH_MAX 4095		/* a target's path, without the NUL */
#define FSPROJ_SIZE_MAX (1ull << 30)	/* bytes of one volume */
#define FSPROJ_INODES_MAX (1u << 18)	/* inodes of one volume */
#define FSPROJ_ITEMS_MAX 8192		/* answers to one LIST */
#define FSPROJ_REQUEST_MAX (80u << 10)	/* bytes of one frame */
#define FSPROJ_TEXT_MAX (8u << 10)	/* text of one reply */

enum fsproj_type {
	FSPROJ_HELLO = 1, FSPROJ_BEGIN, FSPROJ_FILES, FSPROJ_COMMIT,
	FSPROJ_ABORT, FSPROJ_CLEAN, FSPROJ_REMOVE, FSPROJ_LIST, FSPROJ_BIND,
	FSPROJ_STORE, FSPROJ_PLACE
};

/* A mount of its own beneath --pods-dir; a directory beneath --host-dirs. */
enum fsproj_place { FSPROJ_VOLUME = 1, FSPROJ_HOST };

enum fsproj_status {
	FSPROJ_OK = 0,
	FSPROJ_INVALID,		/* the request can never work */
	FSPROJ_NOTFOUND,
	FSPROJ_DENIED,		/* not ours, or the kernel refuses */
	FSPROJ_TRANSIENT,	/* another try may work */
	FSPROJ_LIMIT,		/* a ceiling, or no room */
	FSPROJ_INTERNAL
};

/* flags of a reply: to HELLO, what this machine lacks */
#define FSPROJ_F_SWAPPABLE 0x01u	/* no noswap: pages may reach swap */
#define FSPROJ_F_NOT_SHARED 0x02u	/* --pods-dir is not a shared mount */
#define FSPROJ_F_HOST_ON_DISK 0x04u	/* --host-dirs-on-disk */
#define FSPROJ_F_SWAPPED 0x10u		/* COMMIT: CLEAN is due some time */
#define FSPROJ_F_MORE 0x20u		/* LIST: another frame follows */

struct fsproj_head {
	uint32_t magic;
	uint16_t version;
	uint16_t type;		/* enum fsproj_type, also in the reply */
	uint32_t len;		/* of the whole frame */
	uint32_t serial;	/* the peer's choice; the reply repeats it */
};

/* Every request: this, then count entries, then path_len bytes of path and a
 * NUL (nothing at all when path_len is 0), then each entry's path and a NUL.
 * A field that the type does not use is 0. */
struct fsproj_request {
	struct fsproj_head head;
	uint32_t place;
	uint32_t path_len;	/* the target's, without the NUL */
	uint32_t dir_mode;	/* of the target directory */
	uint32_t gid;		/* of the target directory */
	uint64_t size;		/* of the volume, bytes */
	uint32_t inodes;	/* of the volume */
	uint32_t files;		/* how many this generation will have */
	uint32_t count;		/* entries in this frame */
	uint32_t next;		/* nameless files wanted with the reply */
};

/* One file: the names go to the descriptors of the reply before, in order. */
struct fsproj_entry {
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t path_len;	/* without the NUL */
};

/* Every reply: this, then text_len bytes without a NUL: on failure why (never
 * a value), of a LIST one projection's path; fds descriptors ride along. */
struct fsproj_reply {
	struct fsproj_head head;
	uint32_t status;	/* enum fsproj_status */
	uint32_t sys;		/* errno behind it, or 0 */
	uint32_t flags;
	uint32_t fds;
	uint64_t generation;	/* LIST: writes since it was made; 0: unknown */
	uint32_t place;		/* LIST */
	uint32_t text_len;
};

#endif
