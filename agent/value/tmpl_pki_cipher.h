/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_PKI_CIPHER_H
#define VALUE_TMPL_PKI_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "value/tmpl_text.h"

/* OpenSSL's hashes, ciphers and key derivations: the gate, with nothing of
 * templates in it. */

enum pki_hash { PKI_SHA1, PKI_SHA256, PKI_SHA512 };

#define PKI_HASH_MAX 64

/* pki_hash: the digest's length. */
size_t pki_hash(enum pki_hash hash, const void *p, size_t n,
    uint8_t out[static PKI_HASH_MAX]);
/* pki_hash_again: hash the digest in ${out} ${times} times more. */
int pki_hash_again(enum pki_hash hash, uint64_t times,
    uint8_t out[static PKI_HASH_MAX], struct err *err);
int pki_hmac(enum pki_hash hash, struct text key, struct text in,
    uint8_t out[static PKI_HASH_MAX], struct err *err);
/* pki_pbkdf2: ${n} bytes; less than one iteration is one. */
int pki_pbkdf2(enum pki_hash hash, struct text password, struct text salt,
    int64_t iterations, uint8_t *out, size_t n, struct err *err);
/* pki_scrypt: N 32768, r 8, p 2. */
int pki_scrypt(struct text password, struct text salt, uint8_t out[static 64],
    struct err *err);

enum pki_cipher { PKI_AES128, PKI_AES192, PKI_AES256, PKI_3DES };

/* pki_cbc: without padding, over ${n} bytes, a multiple of the block (16, of
 * PKI_3DES 8); the key and IV have the cipher's size. */
int pki_cbc(enum pki_cipher cipher, int encrypt, const uint8_t *key,
    const uint8_t *iv, const void *in, size_t n, uint8_t *out,
    struct err *err);

#endif
