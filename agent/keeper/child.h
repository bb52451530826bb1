/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_CHILD_H
#define KEEPER_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * One long-lived program under the keeper: started with one end of a socket
 * pair as descriptor KEEPER_CHILD_FD, started again when it ends.
 */
#define CHILD_MORE 8

/* A descriptor that a child finds under the number ${at}, or closed (-1). */
struct child_fd {
	int fd;
	int at;
};

struct child {
	const char *name;	/* for the log */
	char **argv;		/* borrowed; argv[0] is the path */
	uid_t uid;		/* it runs as this; (uid_t)-1: as we are */
	int socket_type;	/* SOCK_STREAM, SOCK_SEQPACKET */
	const struct child_fd *more;
	size_t nmore;		/* at most CHILD_MORE */
	pid_t pid;		/* 0: not running */
	int peer;		/* our end, until handed on; -1 */
	int64_t started_at;	/* boot ms */
	int64_t again_at;	/* boot ms; 0: at once */
	unsigned quick_deaths;	/* in a row */
};

/* child_start(c, now, err): fork, give up rights, exec.  The child ends when
 * its parent does (PR_SET_PDEATHSIG). */
int child_start(struct child *c, int64_t now, struct err *err);
/* child_ended(c, status, now): log how, and decide when to try again: at once
 * after a life of 10 s or more, else 0.1 s doubling to 4 s. */
void child_ended(struct child *c, int status, int64_t now);
/* child_wait_ms(c, now): until it is to be started; -1 when it runs. */
int64_t child_wait_ms(const struct child *c, int64_t now);
/* child_stop(c, signo): send a signal when it runs. */
void child_stop(const struct child *c, int signo);

#endif
