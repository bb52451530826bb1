/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_PLACE_H
#define KEEPER_PLACE_H

#include <sys/types.h>

#include "base/err.h"
#include "ipc/run_config.h"

/* What the keeper makes in the file system while it still may. */

/* place_directories(cfg, uid, err): --run (0755) and --state (0700, owned by
 * core's uid). */
int place_directories(const struct run_config *cfg, uid_t uid,
    struct err *err);

/**
 * place_socket(path, ret_fd, err):
 * A listening socket at ${path}, mode 0600: bound under a name with a leading
 * dot and renamed once it listens, so that nobody meets one that is deaf
 * (reference csi.md 2.1).  Missing folders are made (0750); an old socket is
 * replaced, anything else at that path is INVALID.
 */
int place_socket(const char *path, int *ret_fd, struct err *err);

/* place_state(cfg, ret_fd, err): the state directory, open, and locked as long
 * as the descriptor or core's copy of it is: TRANSIENT when another agent has
 * it for more than four seconds.  place_witness: the
 * witness, for reading and writing; made (0600, on disk) when it is missing. */
int place_state(const struct run_config *cfg, int *ret_fd, struct err *err);
int place_witness(const struct run_config *cfg, int *ret_fd, struct err *err);

/* place_api(cfg, ret_account, ret_kubeconfig, err): in a cluster, the folder of
 * the in-cluster account or the kubeconfig, open for reading; -1 for what is
 * not used. */
int place_api(const struct run_config *cfg, int *ret_account,
    int *ret_kubeconfig, struct err *err);

/* place_notes(cfg, ret_fd, err): <run>/volumes (0600), for core to read and
 * write; it lives as long as the mounts do where --run is a tmpfs. */
int place_notes(const struct run_config *cfg, int *ret_fd, struct err *err);

#endif
