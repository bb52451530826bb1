/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SEAL_PLACE_H
#define TESTS_UNIT_SEAL_PLACE_H

#include "tests/unit/seal_snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/file.h"

/* A state directory and a witness beside it, in a directory of their own. */
static const uint8_t node[16] = { 7 }, cluster[16] = { 8 };
static char dir[64];
static int parent;
static struct seal_place place;

static inline struct seal_trust
trust(const uint8_t *whose, uint64_t min_generation)
{
	return ((struct seal_trust){ .root = root, .node = whose,
		.cluster = cluster, .min_generation = min_generation,
		.scratch = scratch });
}

static inline void
place_make(void)
{
	snprintf(dir, sizeof(dir), "/tmp/nodeseal-seal-XXXXXX");
	assert_non_null(mkdtemp(dir));
	parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(parent, "state", 0700), 0);
	place.dir = openat(parent, "state", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	place.witness = openat(parent, "witness", O_RDWR | O_CREAT |
	    O_CLOEXEC, 0600);
}

#endif
