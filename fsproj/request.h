/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_REQUEST_H
#define FSPROJ_REQUEST_H

#include <stddef.h>
#include <sys/types.h>

#include "fsproj/path.h"
#include "fsproj/writer.h"

/* A request taken apart; everything points into the frame. */
struct request {
	const struct fsproj_request *fixed;
	const struct fsproj_entry *entries;	/* fixed->count of them */
	const char *path;			/* "" when there is none */
	const char *names[FSPROJ_BATCH];
};

/* An answer before it is sent; the descriptors are borrowed. */
struct reply {
	struct fsproj_reply fixed;
	struct fail fail;
	int fds[FSPROJ_BATCH];
	const char *text;
};

/* What a request works on: its target and, from BEGIN to COMMIT, the write. */
struct transaction {
	int open;		/* a write is under way: the rest stays */
	struct root *root;
	const char *rel;	/* the target below it; for the request only */
	int parent;		/* of the target */
	char last[256];		/* its last component */
	int at;			/* what stands there; -1: nothing */
	int dir;		/* where generations live: a detached mount, or
				 * the host directory */
	uint32_t place;
	uint32_t left;		/* files to come after this batch */
	uint32_t names;		/* bytes of paths so far */
	struct writer writer;
	int fds[FSPROJ_BATCH];	/* nameless files of this batch */
	uint32_t nfds;
};

struct fsproj {
	struct roots roots;
	int host_on_disk;	/* --host-dirs-on-disk */
	const char *label;	/* --volume-context, or NULL */
	uid_t peer;		/* owner of bound sockets */
	uint32_t flags;		/* FSPROJ_F_* for HELLO */
	struct transaction t;
	/* Send one frame; 0 or -1 (the peer is gone). */
	int (*send)(struct fsproj *s, struct reply *r);
	int sock;		/* for send */
};

/**
 * proto_parse(frame, len, ret, f):
 * 0 when every length, count, mode and name of the frame (aligned to 8) is
 * within bounds and every string ends where it says, else -1 and why.  Names
 * pass path_name_check, the target path_target_check.  No system call.
 */
int proto_parse(const void *frame, size_t len, struct request *ret,
    struct fail *f);

/* fsproj_init(s): an empty state, no root yet. */
void fsproj_init(struct fsproj *s);

/* fsproj_handle(s, frame, len): answer one frame through s->send.  0, or -1
 * when the connection is of no more use. */
int fsproj_handle(struct fsproj *s, const void *frame, size_t len);

/* fsproj_forget(s): drop what is under way, as if it had never begun. */
void fsproj_forget(struct fsproj *s);

#endif
