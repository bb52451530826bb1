/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Giving up rights, in visible steps (DESIGN.md §1).  What the kernel lacks is
 * not an error but a line in the report, unless ${required}.  libc alone: raw
 * prctl, Landlock and seccomp system calls.
 */
enum sandbox_role {
	SANDBOX_KEEPER,		/* forks and execs, binds sockets */
	SANDBOX_CORE,		/* unix sockets, inotify; never forks */
	SANDBOX_ZYGOTE,		/* forks; children narrow further */
	SANDBOX_READ,		/* one open file, no network, no open */
	SANDBOX_FETCH,		/* network client, read-only resolver files */
	SANDBOX_KUBE,		/* the same, to the API server */
	SANDBOX_LINK,		/* the same, and a listening socket */
	SANDBOX_TPM		/* two open descriptors, nothing else */
};

struct sandbox_paths {		/* for Landlock: beneath these only */
	const char *const *read;	/* NULL-terminated, may be NULL */
	const char *const *write;
	int write_fd;		/* a directory, by its descriptor; 0 none */
	int read_fd;		/* the same, for reading; 0 and -1 none */
};

struct sandbox_report {
	char lines[8][96];	/* "landlock: not supported by this kernel" */
	size_t n;
};

/* sandbox_user(uid, err): when root: setgroups, setresgid, setresuid to
 * ${uid}; drops every capability from all sets in any case. */
int sandbox_user(uid_t uid, struct err *err);
/* sandbox_enter(role, paths, required, report, err): no_new_privs, not
 * dumpable, no core files, Landlock, seccomp (default: kill the process). */
int sandbox_enter(enum sandbox_role role, const struct sandbox_paths *paths,
    int required, struct sandbox_report *report, struct err *err);

#endif
