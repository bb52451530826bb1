/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_DELIVER_H
#define CORE_DELIVER_H

#include <sys/statvfs.h>

#include "core/core_internal.h"

/*
 * One set of files, made from the cached contents of one or several
 * ExternalSecrets: a CSI volume or a host projection.  Nothing happens when
 * what is projected is what is cached.
 */
struct delivery_item {
	char *key, *path;
	int mode;		/* -1: the delivery's */
};

struct delivery_source {
	struct item *item;	/* held by a claim */
	struct delivery_item *items;	/* none, and all: every key */
	size_t nitems;
	int all;
	int optional;
};

enum delivery_state {
	DELIVERY_WAITS,		/* a content that it must have is not there */
	DELIVERY_BUSY,		/* being written */
	DELIVERY_CURRENT,	/* projected as cached */
	DELIVERY_LATER,		/* too soon after the last swap: comes by
				 * itself */
	DELIVERY_FAILED		/* see error; tried again by itself */
};

struct delivery {
	struct core *core;
	enum proj_place place;
	char *path;
	char *claim;
	struct delivery_source *sources;
	size_t nsources;
	int mode;
	uid_t uid;
	gid_t gid;
	int status_file;

	int busy, again, removing;
	int attached;		/* something of ours is there */
	uint8_t *have;		/* what is projected, NULL unknown */
	size_t have_len;
	uint64_t generation;
	size_t nfiles;
	int64_t published_at;	/* wall ms */
	int64_t swapped_at;	/* boot ms, of this process's last swap, 0 */
	struct statvfs room;	/* of the file system, as it was when the
				 * last file was written; f_blocks 0: unknown */
	unsigned failures;
	struct due retry_due;
	struct err error;
	/* After each attempt that delivery_update has begun. */
	void (*settled)(struct delivery *d);
	/* Of its ExternalSecrets one has news. */
	void (*news)(struct delivery *d);
};

/* delivery_init: ${path} and ${claim} are copied. */
void delivery_init(struct delivery *d, struct core *c, enum proj_place place,
    const char *path, const char *claim);
/* delivery_source_add: claims the ExternalSecret.  The returned source's items
 * are the caller's to fill (with malloc'd strings). */
struct delivery_source *delivery_source_add(struct delivery *d,
    const char *ns, const char *name);
/* delivery_update(d): look at what there is and project it where that differs
 * from what is projected. */
enum delivery_state delivery_update(struct delivery *d);
/* delivery_waits_for(d): the first source without a content that must have
 * one, NULL none. */
const struct delivery_source *delivery_waits_for(const struct delivery *d);
/* delivery_let_go(d, until): forget the sources; the claims live on until
 * ${until}, 0: not at all.  Only while not busy, as delivery_clear. */
void delivery_let_go(struct delivery *d, int64_t until);
void delivery_clear(struct delivery *d);

#endif
