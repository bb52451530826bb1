/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_asn1.h"
#include "value/tmpl_key.h"
#include "value/tmpl_pki_num.h"

/* --- the structs of crypto/x509 ----------------------------------------- */

static const struct asn1_field pkcs8_fields[] = {
	{ .kind = ASN1_INT }, { .kind = ASN1_STRUCT, .type = &asn1_algorithm },
	{ .kind = ASN1_OCTETS },
};
static const struct asn1_struct pkcs8_struct = ASN1_OF("pkcs8",
    pkcs8_fields);
static const struct asn1_field pkcs8 = { .kind = ASN1_STRUCT,
	.type = &pkcs8_struct };
enum { P8_VERSION, P8_ALGORITHM, P8_PARAMETERS, P8_KEY };

static const struct asn1_field prime_fields[] = {
	{ .kind = ASN1_BIG }, { .kind = ASN1_BIG }, { .kind = ASN1_BIG },
};
static const struct asn1_struct prime_struct = ASN1_OF(
    "pkcs1AdditionalRSAPrime", prime_fields);
static const struct asn1_field additional_prime = { .kind = ASN1_STRUCT,
	.type = &prime_struct };

static const struct asn1_field pkcs1_fields[] = {
	{ .kind = ASN1_INT }, { .kind = ASN1_BIG }, { .kind = ASN1_INT },
	{ .kind = ASN1_BIG }, { .kind = ASN1_BIG }, { .kind = ASN1_BIG },
	{ .kind = ASN1_BIG, .flags = ASN1_OPTIONAL },
	{ .kind = ASN1_BIG, .flags = ASN1_OPTIONAL },
	{ .kind = ASN1_BIG, .flags = ASN1_OPTIONAL },
	{ .kind = ASN1_SLICE, .flags = ASN1_OPTIONAL, .type = &prime_struct },
};
static const struct asn1_struct pkcs1_struct = ASN1_OF("pkcs1PrivateKey",
    pkcs1_fields);
static const struct asn1_field pkcs1 = { .kind = ASN1_STRUCT,
	.type = &pkcs1_struct };
enum { P1_VERSION, P1_N, P1_E, P1_D, P1_P, P1_Q, P1_DP, P1_DQ, P1_QINV,
	P1_MORE };

static const struct asn1_field ec_fields[] = {
	{ .kind = ASN1_INT }, { .kind = ASN1_OCTETS },
	{ .kind = ASN1_OID, .flags = ASN1_OPTIONAL | ASN1_EXPLICIT, .tag = 0 },
	{ .kind = ASN1_BITS, .flags = ASN1_OPTIONAL | ASN1_EXPLICIT,
	    .tag = 1 },
};
static const struct asn1_struct ec_struct = ASN1_OF("ecPrivateKey",
    ec_fields);
static const struct asn1_field ec = { .kind = ASN1_STRUCT,
	.type = &ec_struct };
enum { EC_VERSION, EC_KEY, EC_CURVE, EC_PUBLIC };

static const struct asn1_field octets = { .kind = ASN1_OCTETS };
static const struct asn1_field oid_field = { .kind = ASN1_OID };

/* --- object identifiers ------------------------------------------------- */

static const struct der rsa_oid = { (const uint8_t *)
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9 };
static const struct der ec_oid = { (const uint8_t *)
	"\x2a\x86\x48\xce\x3d\x02\x01", 7 };
static const struct der ed25519_oid = { (const uint8_t *)"\x2b\x65\x70", 3 };
static const struct der x25519_oid = { (const uint8_t *)"\x2b\x65\x6e", 3 };

static const struct {
	struct der oid;
	size_t size;
} curves[CURVES] = {
	[CURVE_P224] = { { (const uint8_t *)"\x2b\x81\x04\x00\x21", 5 }, 28 },
	[CURVE_P256] = { { (const uint8_t *)
	    "\x2a\x86\x48\xce\x3d\x03\x01\x07", 8 }, 32 },
	[CURVE_P384] = { { (const uint8_t *)"\x2b\x81\x04\x00\x22", 5 }, 48 },
	[CURVE_P521] = { { (const uint8_t *)"\x2b\x81\x04\x00\x23", 5 }, 66 },
};

int
key_curve_find(struct der oid)
{
	int i;

	for (i = 0; i < CURVES; i++)
		if (der_same(oid, curves[i].oid))
			return (i);
	return (-1);
}

size_t
key_curve_size(enum key_curve curve)
{
	return (curves[curve].size);
}

/* --- what the parsers share --------------------------------------------- */

static int
fail(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "x509: %s", what));
}

static int
is_struct(struct der der, const struct asn1_field *type)
{
	struct asn1_value v[ASN1_VALUES_MAX];

	return (asn1_read(&der, type, v, NULL) == 0);
}

/* Go's hint when a key is of another kind than its parser. */
static int
wrong_parser(struct der der, const struct asn1_field *not_this,
    struct err *why, struct err *err)
{
	static const struct {
		const struct asn1_field *type;
		const char *name;
	} others[] = { { &ec, "ParseECPrivateKey" },
		{ &pkcs8, "ParsePKCS8PrivateKey" },
		{ &pkcs1, "ParsePKCS1PrivateKey" } };
	size_t i;

	for (i = 0; i < ARRAY_LEN(others); i++)
		if (others[i].type != not_this &&
		    is_struct(der, others[i].type))
			return (err_set(err, ERR_INVALID, "x509: failed to "
			    "parse private key (use %s instead for this key "
			    "format)", others[i].name));
	if (not_this == &ec)
		err_wrap(why, "x509: failed to parse EC private key");
	return (err_move(err, why));
}

/* The magnitude of a positive INTEGER; 0 when it is not one. */
static int
positive(struct der s, struct text *ret)
{
	if (s.n == 0 || (s.p[0] & 0x80) != 0 || (s.n == 1 && s.p[0] == 0))
		return (0);
	if (s.p[0] == 0) {
		s.p++;
		s.n--;
	}
	*ret = (struct text){ (const char *)s.p, s.n };
	return (1);
}

static int
optional_positive(const struct asn1_value *v, struct text *ret)
{
	*ret = (struct text){ "", 0 };
	return (v->bytes.p == NULL || positive(v->bytes, ret));
}

/* --- RSA ---------------------------------------------------------------- */

static int
read_more_primes(struct tmpl_run *run, struct der list, struct key_rsa *k,
    struct err *err)
{
	struct asn1_value v[3];
	struct der at = list;
	size_t n = 0;

	while (at.n > 0 && asn1_read(&at, &additional_prime, v, NULL) == 0)
		n++;
	k->more = tmpl_alloc(run, (n + 1) * sizeof(*k->more), err);
	if (k->more == NULL || tmpl_steps(run, n, err) == -1)
		return (-1);
	for (k->nmore = 0; k->nmore < n; k->nmore++)
		if (asn1_read(&list, &additional_prime, v, err) == -1 ||
		    !positive(v[0].bytes, &k->more[k->nmore].prime))
			return (fail("private key contains zero or negative "
			    "prime", err));
	return (0);
}

int
key_parse_pkcs1(struct tmpl_run *run, struct der der, struct key *ret,
    struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	struct asn1_value v[ASN1_VALUES_MAX];
	struct der rest = der;
	struct key_rsa *k = &ret->rsa;

	memset(ret, 0, sizeof(*ret));
	ret->kind = KEY_RSA;
	if (asn1_read(&rest, &pkcs1, v, &why) == -1)
		return (wrong_parser(der, &pkcs1, &why, err));
	if (rest.n > 0)
		return (err_set(err, ERR_INVALID,
		    "asn1: syntax error: trailing data"));
	if (v[P1_VERSION].i > 1)
		return (fail("unsupported private key version", err));
	k->e = v[P1_E].i;
	if (!positive(v[P1_N].bytes, &k->n) ||
	    !positive(v[P1_D].bytes, &k->d) ||
	    !positive(v[P1_P].bytes, &k->p) ||
	    !positive(v[P1_Q].bytes, &k->q) ||
	    !optional_positive(&v[P1_DP], &k->dp) ||
	    !optional_positive(&v[P1_DQ], &k->dq) ||
	    !optional_positive(&v[P1_QINV], &k->qinv))
		return (fail("private key contains zero or negative value",
		    err));
	if (read_more_primes(run, v[P1_MORE].bytes, k, err) == -1)
		return (-1);
	return (pki_rsa_check(run, k, err));
}

/* --- curves ------------------------------------------------------------- */

static int
set_scalar(struct tmpl_run *run, struct der s, struct key *k,
    struct err *err)
{
	size_t size = curves[k->curve].size;
	char *p, *point;

	/* Leading zeros too many or too few are ignored. */
	for (; s.n > size; s.p++, s.n--)
		if (s.p[0] != 0)
			return (fail("invalid private key length", err));
	p = tmpl_alloc(run, size, err);
	point = tmpl_alloc(run, KEY_POINT_MAX, err);
	if (p == NULL || point == NULL)
		return (-1);
	if (s.n > 0)
		memcpy(p + size - s.n, s.p, s.n);
	k->secret = (struct text){ p, size };
	k->point = (struct text){ point, 1 + 2 * size };
	return (pki_ec_public(k->curve, k->secret, (uint8_t *)point, err));
}

/* parseECPrivateKey: ${named}, when not NULL, is the curve. */
static int
parse_ec(struct tmpl_run *run, const struct der *named, struct der der,
    struct key *ret, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	struct asn1_value v[ASN1_VALUES_MAX];
	struct der rest = der;
	int curve;

	memset(ret, 0, sizeof(*ret));
	ret->kind = KEY_EC;
	if (asn1_read(&rest, &ec, v, &why) == -1)
		return (wrong_parser(der, &ec, &why, err));
	if (v[EC_VERSION].i != 1)
		return (err_set(err, ERR_INVALID, "x509: unknown EC private "
		    "key version %" PRId64, v[EC_VERSION].i));
	curve = key_curve_find(named != NULL ? *named : v[EC_CURVE].bytes);
	if (curve == -1)
		return (fail("unknown elliptic curve", err));
	ret->curve = (enum key_curve)curve;
	if (tmpl_steps(run, 1000, err) == -1)
		return (-1);
	return (set_scalar(run, v[EC_KEY].bytes, ret, err));
}

int
key_parse_ec(struct tmpl_run *run, struct der der, struct key *ret,
    struct err *err)
{
	return (parse_ec(run, NULL, der, ret, err));
}

/* --- PKCS #8 ------------------------------------------------------------ */

static int
parse_25519(enum key_kind kind, const struct asn1_value *v, struct key *ret,
    struct err *err)
{
	const char *name = kind == KEY_ED25519 ? "Ed25519" : "X25519";
	struct der in = v[P8_KEY].bytes;
	struct asn1_value seed;

	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	if (v[P8_PARAMETERS].whole.n > 0)
		return (err_set(err, ERR_INVALID,
		    "x509: invalid %s private key parameters", name));
	if (asn1_read(&in, &octets, &seed, err) == -1)
		return (err_wrap(err, "x509: invalid %s private key", name));
	if (seed.bytes.n != 32)
		return (kind == KEY_X25519 ? err_set(err, ERR_INVALID,
		    "crypto/ecdh: invalid private key size") :
		    err_set(err, ERR_INVALID, "x509: invalid Ed25519 private "
		    "key length: %zu", seed.bytes.n));
	ret->secret = (struct text){ (const char *)seed.bytes.p, 32 };
	return (0);
}

static int
parse_embedded_ec(struct tmpl_run *run, const struct asn1_value *v,
    struct key *ret, struct err *err)
{
	struct der params = v[P8_PARAMETERS].whole;
	struct asn1_value named;
	int rc;

	rc = asn1_read(&params, &oid_field, &named, NULL);
	if (parse_ec(run, rc == 0 ? &named.bytes : NULL, v[P8_KEY].bytes, ret,
	    err) == -1)
		return (err_wrap(err, "x509: failed to parse EC private key "
		    "embedded in PKCS#8"));
	return (0);
}

int
key_parse_pkcs8(struct tmpl_run *run, struct der der, struct key *ret,
    struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	cleanup_buf struct buf name = BUF_PLAIN(4096);
	struct asn1_value v[ASN1_VALUES_MAX];
	struct der rest = der, oid;

	if (asn1_read(&rest, &pkcs8, v, &why) == -1)
		return (wrong_parser(der, &pkcs8, &why, err));
	oid = v[P8_ALGORITHM].bytes;
	if (der_same(oid, rsa_oid))
		return (key_parse_pkcs1(run, v[P8_KEY].bytes, ret, err) == -1 ?
		    err_wrap(err, "x509: failed to parse RSA private key "
		    "embedded in PKCS#8") : 0);
	if (der_same(oid, ec_oid))
		return (parse_embedded_ec(run, v, ret, err));
	if (der_same(oid, ed25519_oid))
		return (parse_25519(KEY_ED25519, v, ret, err));
	if (der_same(oid, x25519_oid))
		return (parse_25519(KEY_X25519, v, ret, err));
	der_print_oid(oid, &name);
	return (err_set(err, ERR_INVALID, "x509: PKCS#8 wrapping contained "
	    "private key with unknown algorithm: %s", buf_str(&name)));
}

int
key_parse(struct tmpl_run *run, struct der der, struct key *ret,
    struct err *err)
{
	static int (*const parsers[])(struct tmpl_run *, struct der,
	    struct key *, struct err *) = { key_parse_pkcs1, key_parse_pkcs8,
		key_parse_ec };
	size_t i;

	for (i = 0; i < ARRAY_LEN(parsers); i++) {
		cleanup_err struct err why = ERR_INIT;

		if (parsers[i](run, der, ret, &why) == 0)
			return (0);
		if (why.kind != ERR_INVALID)
			return (err_move(err, &why));
	}
	return (err_set(err, ERR_INVALID,
	    "unable to parse private key type"));
}

/* --- printing ----------------------------------------------------------- */

/* A positive INTEGER of a magnitude. */
static void
add_number(struct buf *out, struct text s)
{
	size_t from = out->len;

	for (; s.n > 0 && s.p[0] == 0; s.p++, s.n--)
		;
	if (s.n == 0 || (s.p[0] & 0x80) != 0)
		buf_addc(out, 0);
	buf_add(out, s.p, s.n);
	der_wrap(out, DER_INTEGER, from);
}

static void
add_int(struct buf *out, int64_t v)
{
	uint8_t bytes[8];
	size_t i;

	for (i = 0; i < 8; i++)
		bytes[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
	for (i = 0; i < 7 && ((bytes[i] == 0 && (bytes[i + 1] & 0x80) == 0) ||
	    (bytes[i] == 0xff && (bytes[i + 1] & 0x80) != 0)); i++)
		;
	der_add(out, DER_INTEGER, bytes + i, 8 - i);
}

static void
add_rsa(const struct key_rsa *k, struct buf *out)
{
	size_t i, from = out->len, more, one;

	add_int(out, k->nmore > 0);
	add_number(out, k->n);
	add_int(out, k->e);
	add_number(out, k->d);
	add_number(out, k->p);
	add_number(out, k->q);
	add_number(out, k->dp);
	add_number(out, k->dq);
	add_number(out, k->qinv);
	for (i = 0, more = out->len; i < k->nmore; i++) {
		one = out->len;
		add_number(out, k->more[i].prime);
		add_number(out, k->more[i].exp);
		add_number(out, k->more[i].coeff);
		der_wrap(out, DER_SEQUENCE, one);
	}
	if (k->nmore > 0)
		der_wrap(out, DER_SEQUENCE, more);
	der_wrap(out, DER_SEQUENCE, from);
}

static void
add_bits(struct buf *out, struct text s)
{
	size_t from = out->len;

	buf_addc(out, 0);
	buf_add(out, s.p, s.n);
	der_wrap(out, DER_BITS, from);
}

static void
add_ec(const struct key *k, struct buf *out)
{
	size_t from = out->len, public;

	add_int(out, 1);
	der_add(out, DER_OCTETS, k->secret.p, k->secret.n);
	public = out->len;
	add_bits(out, k->point);
	der_wrap(out, 0xa1, public);
	der_wrap(out, DER_SEQUENCE, from);
}

/* AlgorithmIdentifier; ${params} 0: none, DER_NULL, or DER_OID of ${curve}. */
static void
add_algorithm(struct buf *out, struct der oid, int params,
    enum key_curve curve)
{
	size_t from = out->len;

	der_add(out, DER_OID, oid.p, oid.n);
	if (params == DER_NULL)
		der_add(out, DER_NULL, "", 0);
	if (params == DER_OID)
		der_add(out, DER_OID, curves[curve].oid.p,
		    curves[curve].oid.n);
	der_wrap(out, DER_SEQUENCE, from);
}

int
key_print_pkcs8(struct tmpl_run *run, struct key *k, struct buf *out,
    struct err *err)
{
	size_t from = out->len, inner;

	add_int(out, 0);
	if (k->kind == KEY_RSA) {
		if (pki_rsa_check(run, &k->rsa, err) == -1)
			return (-1);
		add_algorithm(out, rsa_oid, DER_NULL, 0);
		inner = out->len;
		add_rsa(&k->rsa, out);
	} else if (k->kind == KEY_EC) {
		add_algorithm(out, ec_oid, DER_OID, k->curve);
		inner = out->len;
		add_ec(k, out);
	} else {
		add_algorithm(out, k->kind == KEY_ED25519 ? ed25519_oid :
		    x25519_oid, 0, 0);
		inner = out->len;
		der_add(out, DER_OCTETS, k->secret.p, k->secret.n);
	}
	der_wrap(out, DER_OCTETS, inner);
	der_wrap(out, DER_SEQUENCE, from);
	return (tmpl_check(run, out, err));
}

void
key_print_rsa_public(struct text n, int64_t e, struct buf *out)
{
	cleanup_buf struct buf inner = BUF_PLAIN(SIZE_MAX);
	size_t from = out->len;

	add_number(&inner, n);
	add_int(&inner, e);
	der_wrap(&inner, DER_SEQUENCE, 0);
	add_algorithm(out, rsa_oid, DER_NULL, 0);
	add_bits(out, (struct text){ buf_str(&inner), inner.len });
	der_wrap(out, DER_SEQUENCE, from);
}

void
key_print_ec_public(enum key_curve curve, struct text point, struct buf *out)
{
	size_t from = out->len;

	add_algorithm(out, ec_oid, DER_OID, curve);
	add_bits(out, point);
	der_wrap(out, DER_SEQUENCE, from);
}

void
key_print_ed25519_public(struct text x, struct buf *out)
{
	size_t from = out->len;

	add_algorithm(out, ed25519_oid, 0, 0);
	add_bits(out, x);
	der_wrap(out, DER_SEQUENCE, from);
}
