/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_WRITER_H
#define FSPROJ_WRITER_H

#include <stdint.h>

#include "fsproj/owner.h"

/*
 * Generations in a directory, laid out as the kubelet's AtomicWriter does
 * (kubernetes pkg/volume/util/atomic_writer.go), byte for byte but for the
 * generation's name:
 *
 *	NAME  -> ..data/NAME			for each first component
 *	..data -> ..2026_11_23_20_35_23.123456789.7
 *	..2026_11_23_20_35_23.123456789.7/NAME
 *
 * ${root} is always the directory's descriptor (a mount's root, or a host
 * directory); O_PATH will do.  Killed between any two system calls, the next
 * write or removal finds its way from what it sees.
 */

/* A generation in the making. */
struct writer {
	int root;		/* borrowed */
	int fresh;		/* root was made by us just now and is empty */
	int switched;		/* ..data leads to it */
	int dir;		/* of the generation; -1 before writer_add */
	uint64_t count;
	char name[OWNER_GENERATION_MAX];
	char current[OWNER_GENERATION_MAX];	/* "" when there is none */
};

/* writer_begin(w, root, fresh, f): look at what is there and sweep what no
 * reader can reach: ..data_tmp and every generation of ours but the current
 * one.  DENIED when ..data is not ours. */
int writer_begin(struct writer *w, int root, int fresh, struct fail *f);

/* writer_end(w): close; a generation that was not switched to is removed. */
void writer_end(struct writer *w);

/* writer_file(w, f): a nameless file, open for writing. */
int writer_file(const struct writer *w, struct fail *f);

/* writer_add(w, fd, e, name, f): give ${fd} owner, mode and its name in the
 * generation; INVALID when the name is taken. */
int writer_add(struct writer *w, int fd, const struct fsproj_entry *e,
    const char *name, struct fail *f);

/* writer_switch(w, sync, f): make the generation the current one: links,
 * swap of ..data, links that are no longer wanted.  ${sync}: reach the disk
 * first.  On failure before the swap (w->switched is 0) ..data is as it was;
 * what fails after it is repaired by the next write. */
int writer_switch(struct writer *w, int sync, struct fail *f);

/* writer_current(root, name): the current generation's count, its name copied
 * to ${name} (OWNER_GENERATION_MAX bytes); 0 and "" when there is none; -1
 * when ..data is not ours. */
int64_t writer_current(int root, char *name);

/* writer_sweep(root, keep, f): remove ..data_tmp and all generations of ours
 * but ${keep}. */
int writer_sweep(int root, const char *keep, struct fail *f);

/* writer_remove(root, f): all that writers made in ${root}; what is not ours
 * stays. */
int writer_remove(int root, struct fail *f);

#endif
