/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_NODE_KEY_H
#define SEAL_NODE_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "seal/box.h"
#include "seal/key_slots.h"

/*
 * The node's public key, to which bundles are sealed, as people carry it: on
 * paper, over a telephone, in a QR code.  The text is "nsk1" and fourteen
 * groups of four letters of Crockford's base32 (no I, L, O, U;
 * https://www.crockford.com/base32.html): the key and a 24-bit sum of it, so
 * that a slip of the tongue is noticed.  The fingerprint is 100 bits of a hash
 * in five groups: enough to hold two copies against each other.
 */
#define NODE_KEY_LEN BOX_KEY_LEN

/* node_key_text(pk), node_key_fingerprint(pk): the caller's. */
char *node_key_text(const uint8_t pk[static NODE_KEY_LEN]);
char *node_key_fingerprint(const uint8_t pk[static NODE_KEY_LEN]);
/* node_key_parse(text, pk, err): what node_key_text gave; capitals or not,
 * spaces, hyphens and line ends anywhere; o for 0 and i, l for 1.  INVALID when
 * it is none, or the sum is another: which of both the message says. */
int node_key_parse(const char *text, uint8_t pk[static NODE_KEY_LEN],
    struct err *err);

/**
 * node_key_open(s, root, box, len, sk, out, err):
 * Open a sealed box (seal/box.h) to the node of ${s}, whose root key is
 * ${root}.  ${sk}: 32 bytes fit for keys, wiped afterwards.  ${out} has room
 * for len - BOX_OVERHEAD bytes.  DENIED when it is not sealed to this node.
 */
int node_key_open(const struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN], const void *box, size_t len,
    uint8_t sk[static NODE_KEY_LEN], uint8_t *out, struct err *err);

#endif
