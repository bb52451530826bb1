/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_OPS_H
#define TPM_OPS_H

#include "seal/tpm_wire.h"

/*
 * What is asked of a TPM 2.0 (TCG "TPM 2.0 Library", part 3: Commands), and
 * how its refusals are told apart:
 *
 * - The parent is the owner hierarchy's storage primary, ECC P-256 (TCG "TPM
 *   v2.0 Provisioning Guidance" 7.5.1), made anew each time: it takes no room.
 *   Its name is in the blob: another name is another TPM, or one that was
 *   cleared, before anything is said to it.
 * - The key is a sealed object whose only way in is PolicyPCR over the SHA-256
 *   bank.  It has no password and does not count in the dictionary attack
 *   lock-out, so that nobody can lock the node out by guessing.
 * - Every session is salted to the parent and encrypts its parameter, so that
 *   a listener on the bus learns nothing.
 * - The counter is an NV index of type counter with an empty password, outside
 *   of the lock-out; a new one begins above all that ever were (part 1,
 *   37.2.4), so that taking it away and making it again turns nothing back.
 *
 * Nothing stays in the TPM but the counter.
 */

/* tpm_do(fd, stream, q, a): one request to the TPM behind the descriptor
 * (tpm/tcti.h); fills in ${a}, message too. */
void tpm_do(int fd, int stream, const struct tpm_request *q,
    struct tpm_answer *a);

#endif
