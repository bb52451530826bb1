/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_READJOB_H
#define CORE_READJOB_H

#include "core/catalog.h"
#include "core/jobs.h"

/*
 * One read job: a file of manifests, parsed in a child that has nothing but
 * that one descriptor.
 */
#define READ_OBJECTS_MAX 65536
#define READ_WARNINGS_MAX 20

struct read_result {
	struct entry **v;	/* the callee's, with the array */
	size_t n;
	char *fatal;		/* why the file cannot be used; NULL it can */
	int retry;		/* not the file's fault: another try may help */
	char *warnings[READ_WARNINGS_MAX];
	size_t nwarnings;
};

struct read_job;
/**
 * read_start(jobs, keys, catalog, name, fd, done, arg, ret, err):
 * Parse the open file ${fd} (taken over) whose objects' origin is ${name}.
 * done() runs once, not before this returns; it frees what it does not take
 * with read_result_clear.
 */
int read_start(struct jobs *jobs, struct keys *keys,
    const struct catalog *catalog, const char *name, int fd,
    void (*done)(void *arg, struct read_result *r), void *arg,
    struct read_job **ret, struct err *err);
/* read_keep_heads: at once after read_start: entries carry their heads. */
void read_keep_heads(struct read_job *r);
/* read_cancel: done() does not run. */
void read_cancel(struct read_job *r);
void read_result_clear(struct read_result *r);

#endif
