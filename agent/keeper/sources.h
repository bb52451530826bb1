/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_SOURCES_H
#define KEEPER_SOURCES_H

#include "base/err.h"
#include "ipc/run_config.h"

#include "keeper/child.h"

/* What each --key-source names, opened for core, who may open nothing. */

/* sources_open(cfg, state, fds): once: files into ${fds}, in the order of the
 * words; -1, and a line in the log, for what cannot be had.  ${state} is the
 * state directory. */
void sources_open(const struct run_config *cfg, int state,
    struct child_fd *fds);
/* sources_renew(cfg, fds): before each start of core: a nodeseal-tpm of its
 * own for each TPM.  sources_given(cfg, fds): core has them: let go of it. */
void sources_renew(const struct run_config *cfg,
    struct child_fd *fds);
void sources_given(const struct run_config *cfg,
    struct child_fd *fds);
/* sources_tpm(cfg, err): a nodeseal-tpm; our end of its socket, or -1. */
int sources_tpm(const struct run_config *cfg, struct err *err);

#endif
