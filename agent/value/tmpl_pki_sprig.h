/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_PKI_SPRIG_H
#define VALUE_TMPL_PKI_SPRIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_ip.h"
#include "value/tmpl_text.h"

/* OpenSSL for the keys and certificates of sprig's crypto.go. */

/* --- keys --------------------------------------------------------------- */

struct pki_key;

enum pki_kind { PKI_RSA, PKI_DSA, PKI_EC, PKI_ED25519, PKI_OTHER };

/* pki_key_new: a fresh one; ${bits} for RSA.  P-256 for PKI_EC, 2048 and 256
 * bits for PKI_DSA. */
int pki_key_new(enum pki_kind kind, int bits, struct pki_key **ret,
    struct err *err);
/* pki_key_parse: sprig's parsePrivateKeyPEM: of a block's type and bytes.
 * INVALID with Go's texts. */
int pki_key_parse(struct tmpl_run *run, struct text type, struct text der,
    struct pki_key **ret, struct err *err);
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
