/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "base/err.h"
#include "ipc/run_config.h"

/*
 * The keeper: the first process of `nodeseal run`.  It alone forks and
 * executes the long-lived programs, because rights are inherited: whoever has
 * given them up cannot start somebody who needs them.  It holds no key and
 * parses nothing but names.
 */

/**
 * keeper_main(cfg, argc, argv, err):
 * Make the directories, bind the sockets, start fsproj, zygote and core, start
 * again what dies, until SIGTERM or SIGINT.  ${cfg} comes from the words
 * ${argv}, ${argc} of `run`; with SIGHUP they and --config are read again.
 * Returns 0 after a clean stop, -1 when it could not start.
 */
int keeper_main(struct run_config *cfg, int argc, char **argv,
    struct err *err);

#endif
