/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "ipc/run_config.h"

/*
 * The process that decides (DESIGN.md §1): claims, schedule, sealed cache,
 * deliveries, status.  It holds the keys, opens no network socket and parses
 * neither YAML nor a provider's byte.
 */

struct state_fds;	/* core/state.h */

/**
 * core_main(cfg, keeper_fd, fds):
 * Run until SIGTERM or SIGINT (0), or until the keeper at the other end of
 * ${keeper_fd} (ipc/keeper.h; taken over, as ${fds}) is gone or something
 * that core cannot do without fails (1, after a line in the log).  ${cfg} is
 * borrowed, and changed when the keeper sends another.  The caller has called
 * log_init and dropped its rights.  Mounts stay when it returns.
 */
int core_main(struct run_config *cfg, int keeper_fd,
    const struct state_fds *fds);

/* core_degraded(line): a line for `status` that the caller knows before
 * core_main (sandbox_enter's report); copied, at most 32 are kept. */
void core_degraded(const char *line);

#endif
