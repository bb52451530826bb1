/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_PKCS12_H
#define VALUE_TMPL_PKCS12_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_asn1.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_key.h"
#include "value/tmpl_text.h"
#include "value/tmpl_x509.h"

/* PKCS #12 as software.sslmate.com/src/go-pkcs12 v0.7.0 reads and writes it. */

struct pkcs12 {
	struct key key;
	struct x509 *certs;		/* the leaf first */
	size_t n;
};

/**
 * pkcs12_read(run, password, data, ret, err):
 * DecodeChain: one key, one certificate or more.  INVALID with its text
 * (`pkcs12: decryption password incorrect`); the iterations of the key
 * derivations count as steps.
 */
int pkcs12_read(struct tmpl_run *run, struct text password, struct text data,
    struct pkcs12 *ret, struct err *err);

/**
 * pkcs12_print(run, p, password, out, err):
 * Modern.Encode: the certificates encrypted, the key in a bag of its own, both
 * with PBES2 (PBKDF2 with HMAC-SHA-256, 2048 iterations, AES-256-CBC); MAC
 * with SHA-256, 2048 iterations; DER into ${out}.
 */
int pkcs12_print(struct tmpl_run *run, struct pkcs12 *p, struct text password,
    struct buf *out, struct err *err);
/* pkcs12_print_trust: Modern.EncodeTrustStore: the certificates as Java's
 * anchors, named by their subjects. */
int pkcs12_print_trust(struct tmpl_run *run, const struct x509 *certs,
    size_t n, struct text password, struct buf *out, struct err *err);

/* pkcs12_panicked: is what pkcs12_read failed with a panic in Go, to which
 * nobody adds his phrase? */
int pkcs12_panicked(const struct err *err);

/* --- of tmpl_pkcs12*.c alone ---------------------------------------------- */

struct pkcs12_password {
	struct text bmp;		/* UCS-2 and a NUL; or empty */
	struct text utf8;
};

int pkcs12_password(struct tmpl_run *run, struct text password,
    struct pkcs12_password *ret, struct err *err);
/* pkcs12_bmp: ${s} as UCS-2 appended to ${out}. */
int pkcs12_bmp(struct text s, struct buf *out, struct err *err);

/* pkcs12_unmarshal: asn1_read of all of ${s}. */
int pkcs12_unmarshal(struct der s, const struct asn1_field *field,
    struct asn1_value *ret, struct err *err);

/* pkcs12_decrypt: pbDecrypt: ${algorithm} is the OID and the parameters. */
int pkcs12_decrypt(struct tmpl_run *run, const struct asn1_value *algorithm,
    struct der in, const struct pkcs12_password *password, struct der *ret,
    struct err *err);

struct pkcs12_mac {
	const struct asn1_value *algorithm;
	struct der salt;
	int64_t iterations;
};

/* pkcs12_mac: doMac: the MAC of ${in} and its length. */
int pkcs12_mac(struct tmpl_run *run, const struct pkcs12_mac *mac,
    struct der in, const struct pkcs12_password *password, uint8_t *ret,
    size_t *ret_n, struct err *err);

enum pkcs12_oid { OID_DATA, OID_ENCRYPTED_DATA, OID_FRIENDLY_NAME,
	OID_LOCAL_KEY_ID, OID_JAVA_TRUST, OID_ANY_USAGE, OID_CERT_X509,
	OID_KEY_BAG, OID_SHROUDED_BAG, OID_CERT_BAG, OID_SHA1, OID_SHA256,
	OID_SHA512, OID_PBMAC1, OID_PBE_3DES, OID_PBE_RC2_128, OID_PBE_RC2_40,
	OID_PBES2, OID_PBKDF2, OID_HMAC_SHA1, OID_HMAC_SHA256,
	OID_HMAC_SHA512, OID_AES128, OID_AES192, OID_AES256, OIDS };

extern const struct der pkcs12_oids[OIDS];
int pkcs12_is(struct der oid, enum pkcs12_oid which);
/* pkcs12_unsupported: NotImplementedError: `pkcs12: BEFORE OID AFTER` */
int pkcs12_unsupported(const char *before, struct der oid, const char *after,
    struct err *err);

#endif
