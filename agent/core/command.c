/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/keeper.h"
#include "ipc/run_config.h"

#include "core/command.h"
#include "core/core.h"
#include "core/state.h"

static int
channel_check(struct err *err)
{
	struct stat st;

	if (fstat(KEEPER_CHILD_FD, &st) == -1 || !S_ISSOCK(st.st_mode))
		return (err_set(err, ERR_INVALID, "_core is started by "
		    "nodeseal run alone"));
	if (fcntl(KEEPER_CHILD_FD, F_SETFD, FD_CLOEXEC) == -1)
		return (err_sys(err, "channel to the keeper"));
	return (0);
}

/* The number when it is open, else -1. */
static int
take(int fd)
{
	return (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ? -1 : fd);
}

static void
state_take(struct state_fds *fds)
{
	fds->dir = take(KEEPER_STATE_FD);
	fds->witness = take(KEEPER_WITNESS_FD);
	for (int i = 0; i < KEY_SOURCES_MAX; i++)
		fds->sources[i] = take(KEEPER_SOURCE_FD + i);
}

int
core_command(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct run_config cfg;
	struct state_fds fds;
	int rc;

	if (channel_check(&err) == -1 ||
	    run_config_parse(argc, argv, &cfg, &err) == -1) {
		fprintf(stderr, "nodeseal: %s\n", err_msg(&err));
		return (2);
	}
	log_init("core", cfg.log_level, cfg.log_format);
	state_take(&fds);
	rc = core_main(&cfg, KEEPER_CHILD_FD, &fds);
	run_config_clear(&cfg);
	return (rc);
}
