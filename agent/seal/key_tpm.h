/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_KEY_TPM_H
#define SEAL_KEY_TPM_H

#include <sys/types.h>

#include "seal/key_source.h"

/*
 * The key source tpm2: our end of what nodeseal-tpm is asked (seal/tpm_wire.h).
 * A slot's params hold its blob, and on which scale its counter is read.
 */

/**
 * key_tpm_start(device, uid, ret_fd, ret_pid, err):
 * Start nodeseal-tpm, which opens ${device}, becomes ${uid} and waits for
 * requests at the other end of *ret_fd (the caller's, close-on-exec).  It ends
 * with that socket, or with the caller's thread.  ${ret_pid} may be NULL where
 * any child is reaped.  That there is no such TPM is its first answer.
 */
int key_tpm_start(const char *device, uid_t uid, int *ret_fd, pid_t *ret_pid,
    struct err *err);

/* key_tpm_material: key_source_material for a TPM. */
int key_tpm_material(const struct key_source *s, int fd,
    struct key_slot *slot, struct key_counter *counter,
    uint8_t out[static 32], struct err *err);

#endif
