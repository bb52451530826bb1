/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_BOX_H
#define SEAL_BOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Sealed boxes (libsodium crypto_box_seal: X25519, XSalsa20-Poly1305): anybody
 * who has the public key can seal, only the holder of the secret key can open.
 * For what travels between our processes.
 */
#define BOX_KEY_LEN 32
#define BOX_OVERHEAD 48

/* seal_init(): once a process, before anything else of seal/. */
int seal_init(struct err *err);
/* seal_forget(): wipe the stack below the caller.  libsodium leaves there what
 * it worked on: BLAKE2b a block of the message or the key, ChaCha20 a block of
 * key stream.  Whatever uses a lasting key, or sees a value in a process that
 * lives on, ends with it. */
void seal_forget(void);
/* box_keypair(pk, sk): sk is best placed in the arena. */
void box_keypair(uint8_t pk[static BOX_KEY_LEN],
    uint8_t sk[static BOX_KEY_LEN]);
/* box_seal(pk, data, len, out): append len + BOX_OVERHEAD bytes. */
int box_seal(const uint8_t pk[static BOX_KEY_LEN], const void *data,
    size_t len, struct buf *out, struct err *err);
/* box_open(pk, sk, data, len, out, err): ${out} has room for len -
 * BOX_OVERHEAD bytes (typically in the arena).  TAMPER when it does not open;
 * ${out} is then undefined but wiped. */
int box_open(const uint8_t pk[static BOX_KEY_LEN],
    const uint8_t sk[static BOX_KEY_LEN], const void *data, size_t len,
    uint8_t *out, struct err *err);

#endif
