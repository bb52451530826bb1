/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_pki_cipher.h"
#include "value/tmpl_pkcs12.h"
#include "value/tmpl_rc2.h"

/* The cryptography of go-pkcs12: its crypto.go, mac.go, pbkdf.go. */

#define OID(bytes) { (const uint8_t *)(bytes), sizeof(bytes) - 1 }
#define PKCS "\x2a\x86\x48\x86\xf7\x0d\x01"
#define NIST "\x60\x86\x48\x01\x65\x03\x04"

const struct der pkcs12_oids[OIDS] = {
	[OID_DATA] = OID(PKCS "\x07\x01"),
	[OID_ENCRYPTED_DATA] = OID(PKCS "\x07\x06"),
	[OID_FRIENDLY_NAME] = OID(PKCS "\x09\x14"),
	[OID_LOCAL_KEY_ID] = OID(PKCS "\x09\x15"),
	[OID_JAVA_TRUST] = OID("\x60\x86\x48\x01\x86\xf9\x66\xad\xca\x7b\x01"
	    "\x01"),
	[OID_ANY_USAGE] = OID("\x55\x1d\x25\x00"),
	[OID_CERT_X509] = OID(PKCS "\x09\x16\x01"),
	[OID_KEY_BAG] = OID(PKCS "\x0c\x0a\x01\x01"),
	[OID_SHROUDED_BAG] = OID(PKCS "\x0c\x0a\x01\x02"),
	[OID_CERT_BAG] = OID(PKCS "\x0c\x0a\x01\x03"),
	[OID_SHA1] = OID("\x2b\x0e\x03\x02\x1a"),
	[OID_SHA256] = OID(NIST "\x02\x01"),
	[OID_SHA512] = OID(NIST "\x02\x03"),
	[OID_PBMAC1] = OID(PKCS "\x05\x0e"),
	[OID_PBE_3DES] = OID(PKCS "\x0c\x01\x03"),
	[OID_PBE_RC2_128] = OID(PKCS "\x0c\x01\x05"),
	[OID_PBE_RC2_40] = OID(PKCS "\x0c\x01\x06"),
	[OID_PBES2] = OID(PKCS "\x05\x0d"),
	[OID_PBKDF2] = OID(PKCS "\x05\x0c"),
	[OID_HMAC_SHA1] = OID("\x2a\x86\x48\x86\xf7\x0d\x02\x07"),
	[OID_HMAC_SHA256] = OID("\x2a\x86\x48\x86\xf7\x0d\x02\x09"),
	[OID_HMAC_SHA512] = OID("\x2a\x86\x48\x86\xf7\x0d\x02\x0b"),
	[OID_AES128] = OID(NIST "\x01\x02"),
	[OID_AES192] = OID(NIST "\x01\x16"),
	[OID_AES256] = OID(NIST "\x01\x2a"),
};

static const struct asn1_field pbe_fields[] = {
	{ .kind = ASN1_OCTETS }, { .kind = ASN1_INT },
};
static const struct asn1_struct pbe_struct = ASN1_OF("pbeParams",
    pbe_fields);
static const struct asn1_field pbe_params = { .kind = ASN1_STRUCT,
	.type = &pbe_struct };
enum { PBE_SALT, PBE_ITERATIONS };

static const struct asn1_field two_fields[] = {
	{ .kind = ASN1_STRUCT, .type = &asn1_algorithm },
	{ .kind = ASN1_STRUCT, .type = &asn1_algorithm },
};
static const struct asn1_struct pbes2_struct = ASN1_OF("pbes2Params",
    two_fields);
static const struct asn1_struct pbmac1_struct = ASN1_OF("pbmac1Params",
    two_fields);
static const struct asn1_field pbes2_params = { .kind = ASN1_STRUCT,
	.type = &pbes2_struct };
static const struct asn1_field pbmac1_params = { .kind = ASN1_STRUCT,
	.type = &pbmac1_struct };
enum { TWO_KDF, TWO_KDF_PARAMS, TWO_OTHER, TWO_OTHER_PARAMS };

static const struct asn1_field kdf_fields[] = {
	{ .kind = ASN1_RAW }, { .kind = ASN1_INT },
	{ .kind = ASN1_INT, .flags = ASN1_OPTIONAL },
	{ .kind = ASN1_STRUCT, .flags = ASN1_OPTIONAL,
	    .type = &asn1_algorithm },
};
static const struct asn1_struct kdf_struct = ASN1_OF("pbkdf2Params",
    kdf_fields);
static const struct asn1_field kdf_params = { .kind = ASN1_STRUCT,
	.type = &kdf_struct };
enum { KDF_SALT, KDF_ITERATIONS, KDF_LENGTH, KDF_PRF };

static int
bad(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "pkcs12: %s", what));
}

int
pkcs12_is(struct der oid, enum pkcs12_oid which)
{
	return (der_same(oid, pkcs12_oids[which]));
}

int
pkcs12_unsupported(const char *before, struct der oid, const char *after,
    struct err *err)
{
	cleanup_buf struct buf name = BUF_PLAIN(1 << 20);

	der_print_oid(oid, &name);
	return (err_set(err, ERR_INVALID, "pkcs12: %s%s%s", before,
	    buf_str(&name), after));
}

int
pkcs12_unmarshal(struct der s, const struct asn1_field *field,
    struct asn1_value *ret, struct err *err)
{
	if (asn1_read(&s, field, ret, err) == -1)
		return (-1);
	return (s.n > 0 ? bad("trailing data found", err) : 0);
}

/* --- passwords ---------------------------------------------------------- */

/* Rune by rune, as range does: bad UTF-8 is U+FFFD. */
int
pkcs12_bmp(struct text s, struct buf *out, struct err *err)
{
	uint32_t rune;
	size_t i, n;

	for (i = 0; i < s.n; i += n) {
		n = utf8_next(s.p + i, s.n - i, &rune);
		if (rune > 0xffff)
			return (bad("string contains characters that cannot be"
			    " encoded in UCS-2", err));
		buf_addc(out, (char)(rune >> 8));
		buf_addc(out, (char)rune);
	}
	return (0);
}

int
pkcs12_password(struct tmpl_run *run, struct text password,
    struct pkcs12_password *ret, struct err *err)
{
	cleanup_buf struct buf bmp = tmpl_buf(run);
	cleanup_buf struct buf utf8 = tmpl_buf(run);
	struct tv v;
	uint32_t rune;
	size_t i;

	if (pkcs12_bmp(password, &bmp, err) == -1)
		return (-1);
	buf_add(&bmp, "\0", 2);
	for (i = 0; i < password.n;) {
		i += utf8_next(password.p + i, password.n - i, &rune);
		utf8_add(&utf8, rune);
	}
	if (tv_buf(run, &bmp, &v, err) == -1)
		return (-1);
	ret->bmp = text_of(&v);
	if (tv_buf(run, &utf8, &v, err) == -1)
		return (-1);
	ret->utf8 = text_of(&v);
	return (0);
}

/* --- RFC 7292, appendix B.2 --------------------------------------------- */

static const struct {
	size_t digest, block;
} sizes[] = { [PKI_SHA1] = { 20, 64 }, [PKI_SHA256] = { 32, 64 },
	[PKI_SHA512] = { 64, 128 } };

struct kdf {
	struct tmpl_run *run;
	enum pki_hash hash;
	struct text password;
	struct der salt;
	int64_t iterations;
};

static size_t
round_up(size_t n, size_t block)
{
	return ((n + block - 1) / block * block);
}

static void
repeat(uint8_t *to, size_t n, const void *from, size_t from_n)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = ((const uint8_t *)from)[i % from_n];
}

/* to = to + b + 1, both of ${n} bytes. */
static void
add_one(uint8_t *to, const uint8_t *b, size_t n)
{
	unsigned int carry = 1;

	while (n-- > 0) {
		carry += (unsigned int)to[n] + b[n];
		to[n] = (uint8_t)carry;
		carry >>= 8;
	}
}

/* What the derivations cost. */
static int
count(struct tmpl_run *run, int64_t iterations, size_t blocks,
    struct err *err)
{
	uint64_t each = iterations < 1 ? 1 : iterations > INT32_MAX ?
	    INT32_MAX : (uint64_t)iterations;

#ifdef WEAKEN_TMPL_PBE_STEPS
	each = 1;
#endif
	return (tmpl_steps(run, each * blocks, err));
}

/* One block of output: the r-th hash of D || I. */
static int
hash_block(const struct kdf *k, const uint8_t *all, size_t n,
    uint8_t out[static PKI_HASH_MAX], struct err *err)
{
	uint64_t more = k->iterations > 1 ? (uint64_t)k->iterations - 1 : 0;

	pki_hash(k->hash, all, n, out);
	return (pki_hash_again(k->hash, more, out, err));
}

static int
derive(const struct kdf *k, int id, uint8_t *out, size_t n, struct err *err)
{
	size_t v = sizes[k->hash].block, u = sizes[k->hash].digest;
	size_t salt = round_up(k->salt.n, v), at, i, take;
	size_t all = v + salt + round_up(k->password.n, v);
	uint8_t a[PKI_HASH_MAX], b[128];
	uint8_t *p;

	if (count(k->run, k->iterations, (n + u - 1) / u, err) == -1 ||
	    tmpl_steps(k->run, all / 64, err) == -1 ||
	    (p = tmpl_alloc(k->run, all, err)) == NULL)
		return (-1);
	memset(p, id, v);
	repeat(p + v, salt, k->salt.p, k->salt.n);
	repeat(p + v + salt, all - v - salt, k->password.p, k->password.n);
	for (at = 0; at < n; at += take) {
		take = n - at < u ? n - at : u;
		if (hash_block(k, p, all, a, err) == -1)
			return (-1);
		memcpy(out + at, a, take);
		repeat(b, v, a, u);
		for (i = v; i < all; i += v)
			add_one(p + i, b, v);
	}
	secret_wipe(a, sizeof(a));
	secret_wipe(b, sizeof(b));
	return (0);
}

/* --- ciphers ------------------------------------------------------------ */

struct cipher {
	enum { CIPHER_AES, CIPHER_3DES, CIPHER_RC2 } kind;
	size_t key_n, block;
	uint8_t key[32], iv[16];
};

static int
legacy_cipher(struct tmpl_run *run, const struct asn1_value *algorithm,
    const struct pkcs12_password *password, struct cipher *c,
    struct err *err)
{
	struct kdf k = { .run = run, .hash = PKI_SHA1,
		.password = password->bmp };
	struct asn1_value v[ASN1_VALUES_MAX];

	c->kind = pkcs12_is(algorithm[0].bytes, OID_PBE_3DES) ? CIPHER_3DES :
	    CIPHER_RC2;
	c->key_n = c->kind == CIPHER_3DES ? 24 :
	    pkcs12_is(algorithm[0].bytes, OID_PBE_RC2_128) ? 16 : 5;
	c->block = 8;
	if (pkcs12_unmarshal(algorithm[1].whole, &pbe_params, v, err) == -1)
		return (-1);
	k.salt = v[PBE_SALT].bytes;
	k.iterations = v[PBE_ITERATIONS].i;
	return (derive(&k, 1, c->key, c->key_n, err) == -1 ? -1 :
	    derive(&k, 2, c->iv, 8, err));
}

/* The hash of a PBKDF2 or HMAC; -1: another one.  Absent is SHA-1. */
static int
prf_of(struct der oid)
{
	if (oid.p == NULL || pkcs12_is(oid, OID_HMAC_SHA1))
		return (PKI_SHA1);
	if (pkcs12_is(oid, OID_HMAC_SHA256))
		return (PKI_SHA256);
	return (pkcs12_is(oid, OID_HMAC_SHA512) ? PKI_SHA512 : -1);
}

/* What go-pkcs12 says of the key derivation of PBES2 and of PBMAC1. */
struct kdf_words {
	const char *kdf, *salt, *prf;
};

/* The PBKDF2 parameters ${kdf} among the ${two} of PBES2 or PBMAC1, and its
 * hash. */
static int
read_pbkdf2(const struct asn1_value *two, const struct kdf_words *words,
    struct asn1_value *kdf, int *ret_prf, struct err *err)
{
	if (!pkcs12_is(two[TWO_KDF].bytes, OID_PBKDF2))
		return (pkcs12_unsupported(words->kdf, two[TWO_KDF].bytes,
		    " is not supported", err));
	if (pkcs12_unmarshal(two[TWO_KDF_PARAMS].whole, &kdf_params, kdf,
	    err) == -1)
		return (-1);
	if (kdf[KDF_SALT].tag != DER_OCTETS)
		return (bad(words->salt, err));
	if ((*ret_prf = prf_of(kdf[KDF_PRF].bytes)) == -1)
		return (pkcs12_unsupported(words->prf, kdf[KDF_PRF].bytes,
		    " is not supported", err));
	return (0);
}

static int
pbkdf2(struct tmpl_run *run, const struct asn1_value *kdf, int prf,
    struct text password, uint8_t *out, size_t n, struct err *err)
{
	enum pki_hash hash = (enum pki_hash)prf;
	size_t blocks = (n + sizes[hash].digest - 1) / sizes[hash].digest;
	struct der salt = kdf[KDF_SALT].bytes;

	if (count(run, kdf[KDF_ITERATIONS].i, blocks, err) == -1 ||
	    tmpl_steps(run, salt.n / 64, err) == -1)
		return (-1);
	return (pki_pbkdf2(hash, password, (struct text){
	    (const char *)salt.p, salt.n }, kdf[KDF_ITERATIONS].i, out, n,
	    err));
}

/* A panic of crypto/cipher. */
static const char wrong_iv[] =
    "cipher.NewCBCDecrypter: IV length must equal block size";

int
pkcs12_panicked(const struct err *err)
{
	return (strcmp(err_msg(err), wrong_iv) == 0);
}

static int
pbes2_cipher(struct tmpl_run *run, const struct asn1_value *algorithm,
    const struct pkcs12_password *password, struct cipher *c,
    struct err *err)
{
	static const struct kdf_words words = { "pbes2 kdf algorithm ",
		"only octet string salts are supported for pbes2/pbkdf2",
		"pbes2 prf " };
	struct asn1_value v[ASN1_VALUES_MAX], kdf[ASN1_VALUES_MAX];
	struct der iv;
	int prf;

	if (pkcs12_unmarshal(algorithm[1].whole, &pbes2_params, v, err) == -1 ||
	    read_pbkdf2(v, &words, kdf, &prf, err) == -1)
		return (-1);
	c->kind = CIPHER_AES;
	c->block = 16;
	c->key_n = pkcs12_is(v[TWO_OTHER].bytes, OID_AES256) ? 32 :
	    pkcs12_is(v[TWO_OTHER].bytes, OID_AES192) ? 24 :
	    pkcs12_is(v[TWO_OTHER].bytes, OID_AES128) ? 16 : 0;
	if (c->key_n == 0)
		return (pkcs12_unsupported("pbes2 algorithm ",
		    v[TWO_OTHER].bytes, " is not supported", err));
	if (pbkdf2(run, kdf, prf, password->utf8, c->key, c->key_n, err) == -1)
		return (-1);
	iv = v[TWO_OTHER_PARAMS].bytes;
	if (iv.n != 16)
		return (err_set(err, ERR_INVALID, "%s", wrong_iv));
	memcpy(c->iv, iv.p, 16);
	return (0);
}

static int
cipher_for(struct tmpl_run *run, const struct asn1_value *algorithm,
    const struct pkcs12_password *password, struct cipher *c,
    struct err *err)
{
	struct der oid = algorithm[0].bytes;

	if (pkcs12_is(oid, OID_PBES2))
		return (pbes2_cipher(run, algorithm, password, c, err));
	if (pkcs12_is(oid, OID_PBE_3DES) || pkcs12_is(oid, OID_PBE_RC2_128) ||
	    pkcs12_is(oid, OID_PBE_RC2_40))
		return (legacy_cipher(run, algorithm, password, c, err));
	return (pkcs12_unsupported("pbe algorithm ", oid,
	    " is not supported", err));
}

static int
decrypt_blocks(const struct cipher *c, struct der in, uint8_t *out,
    struct err *err)
{
	if (c->kind == CIPHER_RC2) {
		rc2_cbc_decrypt(c->key, c->key_n, c->iv, in.p, in.n, out);
		return (0);
	}
	return (pki_cbc(c->kind == CIPHER_3DES ? PKI_3DES :
	    c->key_n == 32 ? PKI_AES256 : c->key_n == 24 ? PKI_AES192 :
	    PKI_AES128, 0, c->key, c->iv, in.p, in.n, out, err));
}

/* Without its padding, which is all of the same bytes. */
static int
strip(uint8_t *p, size_t n, size_t block, struct der *ret, struct err *err)
{
	size_t i, padding = p[n - 1];
	int ok = padding > 0 && padding <= block;

	for (i = 0; ok && i < padding; i++)
		ok = p[n - 1 - i] == padding;
	if (!ok)
		return (bad("decryption error, incorrect padding", err));
	*ret = (struct der){ p, n - padding };
	return (0);
}

int
pkcs12_decrypt(struct tmpl_run *run, const struct asn1_value *algorithm,
    struct der in, const struct pkcs12_password *password, struct der *ret,
    struct err *err)
{
	struct cipher c = { .block = 0 };
	int rc = cipher_for(run, algorithm, password, &c, err);
	size_t block = c.block;
	uint8_t *out;

	if (rc == 0 && in.n == 0)
		rc = bad("empty encrypted data", err);
	if (rc == 0 && in.n % block != 0)
		rc = bad("input is not a multiple of the block size", err);
	out = rc == 0 ? tmpl_alloc(run, in.n, err) : NULL;
	if (out == NULL || tmpl_steps(run, in.n / 64, err) == -1 ||
	    decrypt_blocks(&c, in, out, err) == -1)
		rc = -1;
	secret_wipe(&c, sizeof(c));
	return (rc == -1 ? -1 : strip(out, in.n, block, ret, err));
}

/* --- MACs --------------------------------------------------------------- */

/* RFC 9579: all parameters are the algorithm's own. */
static int
pbmac1(struct tmpl_run *run, struct der params, struct der in,
    struct text password, uint8_t *ret, size_t *ret_n, struct err *err)
{
	static const struct kdf_words words = { "PBMAC1 KDF algorithm ",
		"only octet string salts are supported for PBMAC1/PBKDF2",
		"PBMAC1 PRF " };
	struct asn1_value v[ASN1_VALUES_MAX], kdf[ASN1_VALUES_MAX];
	int prf, hash;
	uint8_t *key;
	size_t n;

	if (pkcs12_unmarshal(params, &pbmac1_params, v, err) == -1)
		return (err_wrap(err, "error decoding PBMAC1 parameters"));
	if (read_pbkdf2(v, &words, kdf, &prf, err) == -1)
		return (-1);
	hash = prf_of(v[TWO_OTHER].bytes);
	if (hash == -1)
		return (pkcs12_unsupported("PBMAC1 MAC algorithm ",
		    v[TWO_OTHER].bytes, " is not supported", err));
	if (kdf[KDF_LENGTH].i <= 0)
		return (bad("PBMAC1 requires explicit KeyLength parameter in "
		    "PBKDF2 parameters", err));
	n = (size_t)kdf[KDF_LENGTH].i;
	if ((key = tmpl_alloc(run, n, err)) == NULL ||
	    pbkdf2(run, kdf, prf, password, key, n, err) == -1)
		return (-1);
	*ret_n = sizes[hash].digest;
	return (pki_hmac((enum pki_hash)hash, (struct text){
	    (const char *)key, n }, (struct text){ (const char *)in.p, in.n },
	    ret, err));
}

int
pkcs12_mac(struct tmpl_run *run, const struct pkcs12_mac *mac,
    struct der in, const struct pkcs12_password *password, uint8_t *ret,
    size_t *ret_n, struct err *err)
{
	struct kdf k = { .run = run, .password = password->bmp,
		.salt = mac->salt, .iterations = mac->iterations };
	struct der oid = mac->algorithm[0].bytes;
	uint8_t key[PKI_HASH_MAX];
	int rc;

	if (pkcs12_is(oid, OID_PBMAC1))
		return (pbmac1(run, mac->algorithm[1].whole, in,
		    password->utf8, ret, ret_n, err));
	if (pkcs12_is(oid, OID_SHA1))
		k.hash = PKI_SHA1;
	else if (pkcs12_is(oid, OID_SHA256))
		k.hash = PKI_SHA256;
	else if (pkcs12_is(oid, OID_SHA512))
		k.hash = PKI_SHA512;
	else
		return (pkcs12_unsupported("MAC digest algorithm not "
		    "supported: ", oid, "", err));
	*ret_n = sizes[k.hash].digest;
	if (derive(&k, 3, key, *ret_n, err) == -1)
		return (-1);
	rc = pki_hmac(k.hash, (struct text){ (const char *)key, *ret_n },
	    (struct text){ (const char *)in.p, in.n }, ret, err);
	secret_wipe(key, sizeof(key));
	return (rc);
}
