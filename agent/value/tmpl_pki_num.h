/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_PKI_NUM_H
#define VALUE_TMPL_PKI_NUM_H

#include <stdint.h>

#include "base/err.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_key.h"

/* OpenSSL's numbers and curves: the gate of what Go checks in a key. */

/**
 * pki_rsa_check(run, k, err):
 * rsa.PrivateKey.Precompute and Validate: check that the numbers belong
 * together, and fill in the CRT values where one of them is missing.  INVALID
 * with Go's text (`crypto/rsa: p * q != n`), LIMIT for a modulus beyond 16384
 * bits.
 */
int pki_rsa_check(struct tmpl_run *run, struct key_rsa *k, struct err *err);
/* pki_rsa_bits: of the modulus. */
int pki_rsa_bits(struct text n);
/* pki_rsa_private(k, in, out, err): in ^ d mod n, as long as the modulus;
 * 0, -1, or 1 when ${in} is no number below it. */
int pki_rsa_private(const struct key_rsa *k, struct text in, uint8_t *out,
    struct err *err);

/* pki_ec_public: ecdsa.ParseRawPrivateKey: the point of a scalar that has the
 * curve's size. */
int pki_ec_public(enum key_curve curve, struct text scalar,
    uint8_t point[static KEY_POINT_MAX], struct err *err);
/* pki_ec_check: nistec's SetBytes of an uncompressed point: is it one? */
int pki_ec_check(enum key_curve curve, struct text point, struct err *err);
/* pki_ec_scalar: is it above 0 and below the curve's order? */
int pki_ec_scalar(enum key_curve curve, struct text scalar, struct err *err);
/* pki_25519_public: of 32 bytes, for KEY_ED25519 and KEY_X25519. */
int pki_25519_public(enum key_kind kind, const uint8_t seed[static 32],
    uint8_t out[static 32], struct err *err);

#endif
