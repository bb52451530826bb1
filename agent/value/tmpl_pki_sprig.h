/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_PKI_SPRIG_H
#define VALUE_TMPL_PKI_SPRIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_ip.h"
#include "value/tmpl_text.h"

/* OpenSSL for sprig's crypto.go: the gate, with nothing of templates in it. */

enum pki_hash { PKI_SHA1, PKI_SHA256, PKI_SHA512 };

#define PKI_HASH_MAX 64

/* pki_hash: the digest's length. */
size_t pki_hash(enum pki_hash hash, const void *p, size_t n,
    uint8_t out[static PKI_HASH_MAX]);
int pki_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
    uint8_t out[static 32], struct err *err);
/* pki_scrypt: N 32768, r 8, p 2. */
int pki_scrypt(struct text password, struct text salt, uint8_t out[static 64],
    struct err *err);
/* pki_aes_cbc: AES-256 without padding over ${n} bytes, a multiple of 16. */
int pki_aes_cbc(int encrypt, const uint8_t key[static 32],
    const uint8_t iv[static 16], const void *in, size_t n, uint8_t *out,
    struct err *err);

/* --- keys --------------------------------------------------------------- */

struct pki_key;

enum pki_kind { PKI_RSA, PKI_DSA, PKI_EC, PKI_ED25519, PKI_OTHER };

/* pki_key_new: a fresh one; ${bits} for RSA.  P-256 for PKI_EC, 2048 and 256
 * bits for PKI_DSA. */
int pki_key_new(enum pki_kind kind, int bits, struct pki_key **ret,
    struct err *err);
/* pki_key_parse: sprig's parsePrivateKeyPEM: of a block's type and bytes.
 * INVALID with Go's texts. */
int pki_key_parse(struct text type, struct text der, struct pki_key **ret,
    struct err *err);
void pki_key_free(struct pki_key *k);
enum pki_kind pki_key_kind(const struct pki_key *k);
/* pki_key_print: PEM as sprig's pemBlockForKey. */
int pki_key_print(const struct pki_key *k, struct buf *out, struct err *err);

/* --- certificates ------------------------------------------------------- */

struct pki_template {
	struct text name;		/* of the subject; UTF-8 */
	const struct ip *ips;
	size_t nips;
	const struct text *names;	/* DNS */
	size_t nnames;
	int64_t from, to;		/* seconds since 1970 */
	int is_ca;
};

/**
 * pki_certificate(t, key, parent, parent_key, out, err):
 * x509.CreateCertificate as sprig uses it, to PEM: ${key}'s certificate signed
 * by ${parent_key}; ${parent} is the signer's DER, or empty: self-signed.
 * INVALID with Go's texts.
 */
int pki_certificate(const struct pki_template *t, const struct pki_key *key,
    struct text parent, const struct pki_key *parent_key, struct buf *out,
    struct err *err);

#endif
