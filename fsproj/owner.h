/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_OWNER_H
#define FSPROJ_OWNER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fsproj/log.h"

/*
 * What is ours and who gets what.  This program removes nothing that it did
 * not make, and these are the marks by which it knows its own:
 *
 *	mounts		file system type tmpfs, source "nodeseal"
 *	generations	..YYYY_MM_DD_HH_MM_SS.RRRRRRRRR.N, R random, N the count
 *			(the kubelet's own end after the random part)
 *	links		NAME -> ..data/NAME, ..data -> one of our generations
 *	directories	the extended attribute trusted.nodeseal; where a file
 *			system has none, a directory stays
 */
#define OWNER_VOLUME "nodeseal"		/* source of a volume */
#define OWNER_HOST_ROOT "nodeseal-host"	/* of a tmpfs below host projections */
#define OWNER_DATA "..data"
#define OWNER_DATA_TMP "..data_tmp"
#define OWNER_GENERATION_MAX 64		/* bytes of a name, NUL included */

/* owner_set(fd, e): owner and mode of a file, by descriptor. */
int owner_set(int fd, const struct fsproj_entry *e);

/* owner_generation_name(out, count): a fresh name. */
int owner_generation_name(char out[OWNER_GENERATION_MAX], uint64_t count);
/* owner_generation(name): its count, 0 when the name is not of our making. */
uint64_t owner_generation(const char *name);

/* owner_link(dirfd, name): 1 when it is our link to ..data/NAME, 0 when
 * nothing is there, -1 when it is something else. */
int owner_link(int dirfd, const char *name);
/* owner_link_target(out, name): "..data/NAME" into 264 bytes. */
void owner_link_target(char out[264], const char *name);

/* owner_mark(fd), owner_marked(fd): the directory's mark; O_PATH will do. */
void owner_mark(int fd);
int owner_marked(int fd);

/* owner_peer(fd, uid, ret): whether the peer of the unix socket is root or
 * ${uid}; its uid in *ret. */
int owner_peer(int fd, uid_t uid, uid_t *ret);

#endif
