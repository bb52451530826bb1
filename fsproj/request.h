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

/* An answer before it is sent. */
struct reply {
	struct fsproj_reply fixed;
	struct fail fail;
	int fds[FSPROJ_BATCH];		/* borrowed from the transaction … */
	int owned;			/* … but closed once sent, when set */
	size_t items_len, text_len;	/* bytes used below */
	struct fsproj_item items[256];
	char text[16384];
};

/* The one write that may be under way. */
struct transaction {
	int open;
	uint32_t place;
	int on_disk;
	int parent;			/* of the target; volumes only */
	int mnt;			/* detached mount, or host directory */
	uint32_t left;			/* files to come after this batch */
	uint32_t names;			/* bytes of paths so far */
	struct writer writer;
	int fds[FSPROJ_BATCH];		/* nameless files of this batch */
	uint32_t nfds;
	char last[256];			/* the target's last component */
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

/* proto.c: nothing but bytes. */

/* proto_parse(frame, len, ret, f): every length, count, mode and name of the
 * frame (aligned to 8) is within bounds and every string ends where it says;
 * INVALID otherwise.  Names are checked with path_name_check, the target with
 * path_target_check.  No system call. */
int proto_parse(const void *frame, size_t len, struct request *ret,
    struct fail *f);

/* proto_item(r, place, path, generation): append to a LIST's answer; -1 when
 * the frame is full. */
int proto_item(struct reply *r, uint32_t place, const char *path,
    uint64_t generation);

/* proto_finish(r): fill in the lengths and, on failure, the text. */
void proto_finish(struct reply *r);

/* request.c: what each request does. */

/* fsproj_init(s): an empty state, no root yet. */
void fsproj_init(struct fsproj *s);

/* fsproj_handle(s, frame, len): answer one frame through s->send.  0, or -1
 * when the connection is of no more use. */
int fsproj_handle(struct fsproj *s, const void *frame, size_t len);

/* fsproj_forget(s): drop what is under way, as if it had never begun. */
void fsproj_forget(struct fsproj *s);

#endif
