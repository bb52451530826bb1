/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_der.h"
#include "value/tmpl_key.h"
#include "value/tmpl_pem.h"
#include "value/tmpl_pki_cipher.h"
#include "value/tmpl_pki_sprig.h"

struct pki_key {
	EVP_PKEY *pkey;
	enum pki_kind kind;
};

static int
internal(const char *what, struct err *err)
{
	ERR_clear_error();
	return (err_set(err, ERR_INTERNAL, "OpenSSL: %s failed", what));
}

/* --- new keys ----------------------------------------------------------- */

static EVP_PKEY *
new_dsa(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, NULL);
	EVP_PKEY *params = NULL, *key = NULL;

	if (ctx != NULL && EVP_PKEY_paramgen_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, 2048) == 1 &&
	    EVP_PKEY_CTX_set_dsa_paramgen_q_bits(ctx, 256) == 1)
		EVP_PKEY_paramgen(ctx, &params);
	EVP_PKEY_CTX_free(ctx);
	ctx = params == NULL ? NULL : EVP_PKEY_CTX_new(params, NULL);
	if (ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1)
		EVP_PKEY_keygen(ctx, &key);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(params);
	return (key);
}

static int
give_key(EVP_PKEY *pkey, enum pki_kind kind, struct pki_key **ret)
{
	struct pki_key *k = mem_alloc(sizeof(*k));

	k->pkey = pkey;
	k->kind = kind;
	*ret = k;
	return (0);
}

int
pki_key_new(enum pki_kind kind, int bits, struct pki_key **ret,
    struct err *err)
{
	EVP_PKEY *key = NULL;

	if (kind == PKI_RSA)
		key = EVP_RSA_gen((unsigned int)bits);
	else if (kind == PKI_DSA)
		key = new_dsa();
	else if (kind == PKI_EC)
		key = EVP_EC_gen("P-256");
	else if (kind == PKI_ED25519)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (key == NULL)
		return (internal("making a key", err));
	return (give_key(key, kind, ret));
}

void
pki_key_free(struct pki_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	mem_cleanup_free(&k);
}

enum pki_kind
pki_key_kind(const struct pki_key *k)
{
	return (k->kind);
}

/* --- keys from DER ------------------------------------------------------ */

static enum pki_kind
kind_of(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return (PKI_RSA);
	case EVP_PKEY_DSA:
		return (PKI_DSA);
	case EVP_PKEY_EC:
		return (PKI_EC);
	case EVP_PKEY_ED25519:
		return (PKI_ED25519);
	default:
		return (PKI_OTHER);
	}
}

/* What Go's parser took, as OpenSSL's key: by way of PKCS #8. */
static int
convert(struct tmpl_run *run, struct key *k, EVP_PKEY **ret, struct err *err)
{
	cleanup_buf struct buf der = tmpl_buf(run);
	PKCS8_PRIV_KEY_INFO *info;
	const unsigned char *p;

	if (key_print_pkcs8(run, k, &der, err) == -1)
		return (-1);
	p = (const unsigned char *)der.data;
	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
	*ret = info == NULL ? NULL : EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	return (*ret == NULL ? internal("reading a key", err) : 0);
}

static int
parse_dsa(struct text der, EVP_PKEY **ret, struct err *err)
{
	const unsigned char *p = (const unsigned char *)der.p;

	*ret = d2i_PrivateKey(EVP_PKEY_DSA, NULL, &p, (long)der.n);
	ERR_clear_error();
	if (*ret == NULL)
		return (err_set(err, ERR_INVALID, "parsing DSA private key "
		    "from PEM: asn1: syntax error: sequence truncated"));
	return (0);
}

static int
parse_typed(struct tmpl_run *run, struct text type, struct text bytes,
    EVP_PKEY **ret, struct err *err)
{
	static const struct text tail = { " PRIVATE KEY", 12 };
	struct der der = { (const uint8_t *)bytes.p, bytes.n };
	struct key k;

	if (text_is(type, "PRIVATE KEY"))
		return (key_parse_pkcs8(run, der, &k, err) == -1 ?
		    err_wrap(err, "decoding PEM as PKCS#8") :
		    convert(run, &k, ret, err));
	if (type.n < tail.n || memcmp(type.p + type.n - tail.n, tail.p,
	    tail.n) != 0)
		return (err_set(err, ERR_INVALID, "no private key data in PEM "
		    "block of type %.*s", (int)type.n, type.p));
	if (text_is(type, "RSA PRIVATE KEY"))
		return (key_parse_pkcs1(run, der, &k, err) == -1 ?
		    err_wrap(err, "parsing RSA private key from PEM") :
		    convert(run, &k, ret, err));
	if (text_is(type, "EC PRIVATE KEY"))
		return (key_parse_ec(run, der, &k, err) == -1 ?
		    err_wrap(err, "parsing EC private key from PEM") :
		    convert(run, &k, ret, err));
	if (!text_is(type, "DSA PRIVATE KEY"))
		return (err_set(err, ERR_INVALID, "invalid private key type "
		    "%.*s", (int)type.n, type.p));
	return (parse_dsa(bytes, ret, err));
}

int
pki_key_parse(struct tmpl_run *run, struct text type, struct text der,
    struct pki_key **ret, struct err *err)
{
	EVP_PKEY *key = NULL;

	if (parse_typed(run, type, der, &key, err) == -1)
		return (-1);
	return (give_key(key, kind_of(key), ret));
}

/* --- keys to PEM -------------------------------------------------------- */

int
pki_key_print(const struct pki_key *k, struct buf *out, struct err *err)
{
	static const char *const types[] = { [PKI_RSA] = "RSA PRIVATE KEY",
		[PKI_DSA] = "DSA PRIVATE KEY", [PKI_EC] = "EC PRIVATE KEY",
		[PKI_ED25519] = "PRIVATE KEY", [PKI_OTHER] = "PRIVATE KEY" };
	PKCS8_PRIV_KEY_INFO *info = NULL;
	unsigned char *der = NULL;
	int n;

	if (k->kind == PKI_ED25519 || k->kind == PKI_OTHER) {
		info = EVP_PKEY2PKCS8(k->pkey);
		n = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
		PKCS8_PRIV_KEY_INFO_free(info);
	} else {
		n = i2d_PrivateKey(k->pkey, &der);
	}
	if (n <= 0)
		return (internal("encoding a key", err));
	pem_encode(types[k->kind], der, (size_t)n, out);
	OPENSSL_clear_free(der, (size_t)n);
	return (0);
}

/* --- certificates ------------------------------------------------------- */

static int
is_printable(struct text s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || (c != '\0' &&
		    strchr(" '()+,-./:=?", c) != NULL)))
			return (0);
	}
	return (1);
}

/* The subject: a name or nothing, without OpenSSL's limit on its length. */
static int
set_subject(X509 *x, struct text name)
{
	int type = is_printable(name) ? V_ASN1_PRINTABLESTRING :
	    V_ASN1_UTF8STRING;
	X509_NAME_ENTRY *e;
	int ok;

	if (name.n == 0)
		return (1);
	e = X509_NAME_ENTRY_create_by_NID(NULL, NID_commonName, type,
	    (const unsigned char *)name.p, (int)name.n);
	ok = e != NULL && X509_NAME_add_entry(X509_get_subject_name(x), e, -1,
	    0) == 1;
	X509_NAME_ENTRY_free(e);
	return (ok);
}

static int
add_extension(X509 *x, int nid, int critical, const struct buf *der)
{
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e = NULL;
	int ok;

	ok = s != NULL && buf_ok(der) && ASN1_OCTET_STRING_set(s,
	    (const unsigned char *)buf_str(der), (int)der->len) == 1 &&
	    (e = X509_EXTENSION_create_by_NID(NULL, nid, critical, s)) !=
	    NULL && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(s);
	return (ok);
}

static int
add_usages(X509 *x, int is_ca)
{
	/* digitalSignature, keyEncipherment; keyCertSign. */
	static const char ca[] = "\x02\xa4", leaf[] = "\x05\xa0";
	static const char client[] = "\x2b\x06\x01\x05\x05\x07\x03\x02";
	static const char server[] = "\x2b\x06\x01\x05\x05\x07\x03\x01";
	static const char yes[] = "\xff";
	cleanup_buf struct buf usage = BUF_PLAIN(256);
	cleanup_buf struct buf extended = BUF_PLAIN(256);
	cleanup_buf struct buf basic = BUF_PLAIN(256);

	der_add(&usage, DER_BITS, is_ca ? ca : leaf, 2);
	der_add(&extended, DER_OID, server, sizeof(server) - 1);
	der_add(&extended, DER_OID, client, sizeof(client) - 1);
	der_wrap(&extended, DER_SEQUENCE, 0);
	if (is_ca)
		der_add(&basic, DER_BOOLEAN, yes, 1);
	der_wrap(&basic, DER_SEQUENCE, 0);
	return (add_extension(x, NID_key_usage, 1, &usage) &&
	    add_extension(x, NID_ext_key_usage, 0, &extended) &&
	    add_extension(x, NID_basic_constraints, 1, &basic));
}

/* RFC 7093: the first 160 bits of the key's SHA-256. */
static int
add_key_id(X509 *x)
{
	cleanup_buf struct buf der = BUF_PLAIN(64);
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(x);
	uint8_t hash[PKI_HASH_MAX];

	pki_hash(PKI_SHA256, ASN1_STRING_get0_data(key),
	    (size_t)ASN1_STRING_length(key), hash);
	der_add(&der, DER_OCTETS, hash, 20);
	return (add_extension(x, NID_subject_key_identifier, 0, &der));
}

static int
add_parent_id(X509 *x, X509 *parent)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(parent);
	cleanup_buf struct buf der = BUF_PLAIN(4096);

	if (id == NULL || ASN1_STRING_length(id) == 0 ||
	    X509_NAME_cmp(X509_get_issuer_name(x),
	    X509_get_subject_name(x)) == 0)
		return (1);
	der_add(&der, 0x80, ASN1_STRING_get0_data(id),
	    (size_t)ASN1_STRING_length(id));
	der_wrap(&der, DER_SEQUENCE, 0);
	return (add_extension(x, NID_authority_key_identifier, 0, &der));
}

static int
is_mapped4(const struct ip *ip)
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0xff };

	return (!ip->is4 && memcmp(ip->bytes, prefix, 12) == 0);
}

static int
add_names(X509 *x, const struct pki_template *t)
{
	cleanup_buf struct buf der = BUF_PLAIN(1 << 20);
	size_t i;

	if (t->nnames == 0 && t->nips == 0)
		return (1);
	for (i = 0; i < t->nnames; i++)
		der_add(&der, 0x82, t->names[i].p, t->names[i].n);
	for (i = 0; i < t->nips; i++) {
		const struct ip *ip = &t->ips[i];

		if (is_mapped4(ip))
			der_add(&der, 0x87, ip->bytes + 12, 4);
		else
			der_add(&der, 0x87, ip->bytes, ip->is4 ? 4 : 16);
	}
	der_wrap(&der, DER_SEQUENCE, 0);
	return (add_extension(x, NID_subject_alt_name, t->name.n == 0, &der));
}

/* 128 random bits, as a positive number. */
static int
set_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	int ok = n != NULL && BN_rand(n, 128, BN_RAND_TOP_ANY,
	    BN_RAND_BOTTOM_ANY) == 1 &&
	    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;

	BN_free(n);
	return (ok);
}

static int
set_time(ASN1_TIME *at, int64_t sec)
{
	return (ASN1_TIME_set(at, (time_t)sec) != NULL);
}

static const EVP_MD *
digest_for(const struct pki_key *k)
{
	int bits = EVP_PKEY_get_bits(k->pkey);

	if (k->kind == PKI_ED25519)
		return (NULL);
	if (k->kind == PKI_EC && bits > 384)
		return (EVP_sha512());
	return (k->kind == PKI_EC && bits > 256 ? EVP_sha384() :
	    EVP_sha256());
}

static int
fill(X509 *x, const struct pki_template *t, const struct pki_key *key,
    X509 *parent)
{
	return (X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	    set_subject(x, t->name) && X509_set_issuer_name(x,
	    X509_get_subject_name(parent == NULL ? x : parent)) == 1 &&
	    set_time(X509_getm_notBefore(x), t->from) &&
	    set_time(X509_getm_notAfter(x), t->to) &&
	    X509_set_pubkey(x, key->pkey) == 1 && add_usages(x, t->is_ca) &&
	    (!t->is_ca || add_key_id(x)) &&
	    (parent == NULL || add_parent_id(x, parent)) && add_names(x, t));
}

/* What CreateCertificate refuses, in its order. */
static int
check_keys(const struct pki_key *key, X509 *parent,
    const struct pki_key *parent_key, struct err *err)
{
	if (parent_key->kind == PKI_DSA || parent_key->kind == PKI_OTHER)
		return (err_set(err, ERR_INVALID, "x509: certificate private "
		    "key does not implement crypto.Signer"));
	if (key->kind == PKI_DSA || key->kind == PKI_OTHER)
		return (err_set(err, ERR_INVALID, "x509: unsupported public "
		    "key type: %s", key->kind == PKI_DSA ? "*dsa.PublicKey" :
		    "*ecdh.PublicKey"));
	if (parent != NULL && EVP_PKEY_eq(X509_get0_pubkey(parent),
	    parent_key->pkey) != 1)
		return (err_set(err, ERR_INVALID, "x509: provided PrivateKey "
		    "doesn't match parent's PublicKey"));
	return (0);
}

static int
print_certificate(X509 *x, struct buf *out, struct err *err)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);

	if (n <= 0)
		return (internal("encoding a certificate", err));
	pem_encode("CERTIFICATE", der, (size_t)n, out);
	OPENSSL_free(der);
	return (0);
}

int
pki_certificate(const struct pki_template *t, const struct pki_key *key,
    struct text parent_der, const struct pki_key *parent_key,
    struct buf *out, struct err *err)
{
	const unsigned char *p = (const unsigned char *)parent_der.p;
	X509 *x = X509_new(), *parent = NULL;
	int rc = -1;

	if (parent_der.n > 0)
		parent = d2i_X509(NULL, &p, (long)parent_der.n);
	if (x == NULL || (parent_der.n > 0 && parent == NULL))
		internal("reading a certificate", err);
	else if (check_keys(key, parent, parent_key, err) == 0)
		rc = fill(x, t, key, parent) && X509_sign(x,
		    parent_key->pkey, digest_for(parent_key)) > 0 ?
		    print_certificate(x, out, err) :
		    internal("making a certificate", err);
	X509_free(x);
	X509_free(parent);
	ERR_clear_error();
	return (rc);
}
