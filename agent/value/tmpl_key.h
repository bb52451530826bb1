/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_KEY_H
#define VALUE_TMPL_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_der.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_text.h"

/*
 * Private keys as Go 1.26's crypto/x509 reads and writes them, with its checks
 * and its texts.  Numbers are big-endian without leading zeros; all bytes lie
 * in the input or in the pool, which is wiped.
 */
enum key_kind { KEY_RSA, KEY_EC, KEY_ED25519, KEY_X25519 };
enum key_curve { CURVE_P224, CURVE_P256, CURVE_P384, CURVE_P521, CURVES };

struct key_prime {			/* of a key with more than two */
	struct text prime, exp, coeff;
};

struct key_rsa {
	int64_t e;
	struct text n, d, p, q;
	struct text dp, dq, qinv;	/* empty: not there yet */
	struct key_prime *more;
	size_t nmore;
};

#define KEY_POINT_MAX 133		/* 04 X Y of P-521 */

struct key {
	enum key_kind kind;
	struct key_rsa rsa;
	enum key_curve curve;
	struct text secret;		/* scalar of the curve's size; seed */
	struct text point;		/* 04 X Y, of KEY_EC */
};

/* ParsePKCS1PrivateKey, ParseECPrivateKey, ParsePKCS8PrivateKey. */
int key_parse_pkcs1(struct tmpl_run *run, struct der der, struct key *ret,
    struct err *err);
int key_parse_ec(struct tmpl_run *run, struct der der, struct key *ret,
    struct err *err);
int key_parse_pkcs8(struct tmpl_run *run, struct der der, struct key *ret,
    struct err *err);
/* key_parse: ESO's parsePrivateKey: the three in this order; its one text. */
int key_parse(struct tmpl_run *run, struct der der, struct key *ret,
    struct err *err);

/* key_print_pkcs8: MarshalPKCS8PrivateKey, DER into ${out}; of an RSA key that
 * did not come out of a parser the numbers are checked (and completed). */
int key_print_pkcs8(struct tmpl_run *run, struct key *k, struct buf *out,
    struct err *err);

/* MarshalPKIXPublicKey of the parts, DER into ${out}: an RSA key's n and e
 * unchecked, a point on its curve, an Ed25519 key of any length. */
void key_print_rsa_public(struct text n, int64_t e, struct buf *out);
void key_print_ec_public(enum key_curve curve, struct text point,
    struct buf *out);
void key_print_ed25519_public(struct text x, struct buf *out);

/* key_curve_find: by the content of its OID; -1: none of Go's. */
int key_curve_find(struct der oid);
/* key_curve_size: bytes of a scalar or a coordinate. */
size_t key_curve_size(enum key_curve curve);

#endif
