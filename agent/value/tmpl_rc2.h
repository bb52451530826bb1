/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_RC2_H
#define VALUE_TMPL_RC2_H

#include <stddef.h>
#include <stdint.h>

/*
 * RC2 (RFC 2268), which old PKCS #12 files are encrypted with; OpenSSL keeps it
 * in a module of its own that need not be installed.
 *
 * rc2_cbc_decrypt: with a key of ${key_n} bytes (at most 128), all of whose
 * bits count, over ${n} bytes, a multiple of 8.
 */
void rc2_cbc_decrypt(const uint8_t *key, size_t key_n,
    const uint8_t iv[static 8], const uint8_t *in, size_t n, uint8_t *out);

#endif
