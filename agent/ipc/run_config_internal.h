/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_RUN_CONFIG_INTERNAL_H
#define IPC_RUN_CONFIG_INTERNAL_H

#include "ipc/run_config.h"

enum flag_type {
	FLAG_STRING,
	FLAG_BOOL,		/* --x and --no-x, or x = true/false */
	FLAG_INT,
	FLAG_LIST,		/* repeatable */
	FLAG_PATHS,		/* colon-separated */
	FLAG_LEVEL,
	FLAG_FORMAT,
	FLAG_UID,
};

struct flag {
	const char *name;
	enum flag_type type;
	size_t at;		/* offset in struct run_config */
	size_t count_at;	/* of its size_t, for lists */
	const char *value;	/* its word in --help */
	const char *help;	/* one line */
};

/* run_flag(i): the i-th flag of `nodeseal run`; NULL behind the last. */
const struct flag *run_flag(size_t i);

#endif
