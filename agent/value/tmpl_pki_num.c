/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include "base/mem.h"
#include "value/tmpl_pki_num.h"

/* Of a modulus; OpenSSL's own limit too. */
#define RSA_BITS_MAX 16384

static int
internal(struct err *err)
{
	ERR_clear_error();
	return (err_set(err, ERR_INTERNAL, "OpenSSL: arithmetic failed"));
}

static int
bad(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "%s", what));
}

/* --- numbers ------------------------------------------------------------ */

/* The numbers of one key; wiped when they go. */
struct numbers {
	BN_CTX *ctx;
	BIGNUM *n, *d, *p, *q, *dp, *dq, *qinv;
	BIGNUM *p1, *q1;		/* p - 1, q - 1 */
	BIGNUM *x, *y;			/* scratch */
	int ok;				/* nothing has failed so far */
};

static BIGNUM *
number(struct numbers *s, struct text bytes)
{
	BIGNUM *b = BN_CTX_get(s->ctx);

	if (b == NULL || BN_bin2bn((const unsigned char *)bytes.p,
	    (int)bytes.n, b) == NULL) {
		s->ok = 0;
		return (NULL);
	}
	/* What is secret is not worked on in a time that tells. */
	BN_set_flags(b, BN_FLG_CONSTTIME);
	return (b);
}

static void
numbers_open(struct numbers *s, const struct key_rsa *k)
{
	static const struct text zero = { "", 0 };

	memset(s, 0, sizeof(*s));
	s->ctx = BN_CTX_secure_new();
	s->ok = s->ctx != NULL;
	if (!s->ok)
		return;
	BN_CTX_start(s->ctx);
	s->n = number(s, k->n);
	s->d = number(s, k->d);
	s->p = number(s, k->p);
	s->q = number(s, k->q);
	s->dp = number(s, k->dp);
	s->dq = number(s, k->dq);
	s->qinv = number(s, k->qinv);
	s->p1 = number(s, zero);
	s->q1 = number(s, zero);
	s->x = number(s, zero);
	s->y = number(s, zero);
	s->ok = s->ok && BN_sub(s->p1, s->p, BN_value_one()) &&
	    BN_sub(s->q1, s->q, BN_value_one());
}

/* A context clears what it had given. */
static void
numbers_close(struct numbers *s)
{
	if (s->ctx != NULL)
		BN_CTX_end(s->ctx);
	BN_CTX_free(s->ctx);
	ERR_clear_error();
}

/* --- bigmod ------------------------------------------------------------- */

static int
below(const BIGNUM *a, const BIGNUM *b)
{
	return (BN_cmp(a, b) < 0);
}

/* NewModulus */
static int
modulus(const BIGNUM *m, struct err *err)
{
	return (BN_is_zero(m) || BN_is_one(m) || BN_is_negative(m) ?
	    bad("modulus must be > 1", err) : 0);
}

/* Nat.SetBytes: first what does not fit the modulus' words. */
static int
set_bytes(const BIGNUM *a, const BIGNUM *m, struct err *err)
{
	if ((BN_num_bytes(a) + 7) / 8 > (BN_num_bytes(m) + 7) / 8)
		return (bad("input overflows the modulus size", err));
	return (below(a, m) ? 0 : bad("input overflows the modulus", err));
}

/* --- checkPrivateKey ---------------------------------------------------- */

static int
rsa_bad(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "crypto/rsa: %s", what));
}

static int
check_public(const struct numbers *s, int64_t e, struct err *err)
{
	if (!BN_is_odd(s->n))
		return (rsa_bad("public modulus is even", err));
	if (e < 2)
		return (rsa_bad("public exponent too small or negative", err));
	if ((e & 1) == 0)
		return (rsa_bad("public exponent is even", err));
	return (e > INT32_MAX ? rsa_bad("public exponent too large", err) :
	    0);
}

static int
check_product(struct numbers *s, struct err *err)
{
	if (!below(s->p, s->n) || !below(s->q, s->n))
		return (rsa_bad("invalid prime", err));
	s->ok = BN_mod_mul(s->x, s->p, s->q, s->n, s->ctx);
	return (BN_is_zero(s->x) || !s->ok ? 0 :
	    rsa_bad("p * q != n", err));
}

/* e times ${exp} is 1 modulo ${m}, a prime less one. */
static int
check_exponent(struct numbers *s, const BIGNUM *m, const BIGNUM *exp,
    int64_t e, struct err *err)
{
	if (modulus(m, NULL) == -1)
		return (rsa_bad("invalid prime", err));
	if (!below(exp, m))
		return (rsa_bad("invalid CRT exponent", err));
	s->ok = s->ok && BN_set_word(s->x, (BN_ULONG)e) &&
	    BN_nnmod(s->x, s->x, m, s->ctx) &&
	    BN_mod_mul(s->x, s->x, exp, m, s->ctx);
	return (BN_is_one(s->x) || !s->ok ? 0 :
	    rsa_bad("invalid CRT exponent", err));
}

static int
check_coefficient(struct numbers *s, struct err *err)
{
	s->ok = s->ok && BN_nnmod(s->x, s->q, s->p, s->ctx) &&
	    BN_mod_mul(s->x, s->x, s->qinv, s->p, s->ctx);
	return (BN_is_one(s->x) || !s->ok ? 0 :
	    rsa_bad("invalid CRT coefficient", err));
}

/* d against what was derived of it, and neither too small nor primes too
 * close. */
static int
check_strength(struct numbers *s, struct err *err)
{
	int bits = BN_num_bits(s->n);

	s->ok = s->ok && BN_nnmod(s->x, s->d, s->p1, s->ctx) &&
	    BN_nnmod(s->y, s->d, s->q1, s->ctx);
	if (!s->ok)
		return (0);
	if (BN_cmp(s->x, s->dp) != 0)
		return (rsa_bad("d does not match dP", err));
	if (BN_cmp(s->y, s->dq) != 0)
		return (rsa_bad("d does not match dQ", err));
	if (BN_cmp(s->p, s->q) == 0)
		return (rsa_bad("p == q", err));
	s->ok = BN_sub(s->x, s->p, s->q);
	if (BN_num_bits(s->x) <= bits / 2 - 100)
		return (rsa_bad("|p - q| too small", err));
	return (BN_num_bits(s->d) <= bits / 2 ?
	    rsa_bad("d too small", err) : 0);
}

static int
check_private(struct numbers *s, int64_t e, struct err *err)
{
	if (check_public(s, e, err) == -1 || check_product(s, err) == -1 ||
	    check_exponent(s, s->p1, s->dp, e, err) == -1 ||
	    check_exponent(s, s->q1, s->dq, e, err) == -1 ||
	    check_coefficient(s, err) == -1)
		return (-1);
	return (check_strength(s, err));
}

/* --- Precompute --------------------------------------------------------- */

/* NewPrivateKey: the CRT values of what is there. */
static int
derive(struct numbers *s, struct err *err)
{
	if (modulus(s->p1, err) == -1)
		return (-1);
	s->ok = BN_nnmod(s->dp, s->d, s->p1, s->ctx);
	if (modulus(s->q1, err) == -1)
		return (-1);
	s->ok = s->ok && BN_nnmod(s->dq, s->d, s->q1, s->ctx);
	if (!BN_is_odd(s->p))
		return (rsa_bad("p is even", err));
	/* Fermat, as Go does it: of no prime comes out what it comes out. */
	s->ok = s->ok && BN_nnmod(s->x, s->q, s->p, s->ctx) &&
	    BN_sub(s->y, s->p1, BN_value_one()) &&
	    BN_mod_exp(s->qinv, s->x, s->y, s->p, s->ctx);
	return (0);
}

static int
give(struct tmpl_run *run, const BIGNUM *b, struct text *ret,
    struct err *err)
{
	size_t n = (size_t)BN_num_bytes(b);
	unsigned char *p = tmpl_alloc(run, n + 1, err);

	if (p == NULL)
		return (-1);
	BN_bn2bin(b, p);
	*ret = (struct text){ (const char *)p, n };
	return (0);
}

static int
two_primes(struct tmpl_run *run, struct numbers *s, struct key_rsa *k,
    struct err *err)
{
	int whole = k->dp.n > 0 && k->dq.n > 0 && k->qinv.n > 0;

	if (modulus(s->p, err) == -1 || modulus(s->q, err) == -1 ||
	    set_bytes(s->d, s->n, err) == -1 ||
	    (whole && set_bytes(s->qinv, s->p, err) == -1) ||
	    (!whole && derive(s, err) == -1) ||
	    (s->ok && check_private(s, k->e, err) == -1))
		return (-1);
	if (!s->ok)
		return (internal(err));
	if (whole)
		return (0);
	return (give(run, s->dp, &k->dp, err) == -1 ||
	    give(run, s->dq, &k->dq, err) == -1 ? -1 :
	    give(run, s->qinv, &k->qinv, err));
}

/* ModInverse(a, m): x; a multi-prime key's values are not checked further. */
static int
inverse(struct numbers *s, const BIGNUM *a, const BIGNUM *m, struct err *err)
{
	if (BN_mod_inverse(s->x, a, m, s->ctx) != NULL)
		return (0);
	ERR_clear_error();
	return (rsa_bad("prime factors are not relatively prime", err));
}

/* The exponent and coefficient of one more prime; ${r} is the product of those
 * before it. */
static int
one_more(struct tmpl_run *run, struct numbers *s, struct key_prime *prime,
    BIGNUM *r, struct err *err)
{
	BIGNUM *m = number(s, prime->prime);

	if (m == NULL || !BN_sub(s->y, m, BN_value_one()) ||
	    !BN_nnmod(s->x, s->d, s->y, s->ctx))
		return (internal(err));
	if (give(run, s->x, &prime->exp, err) == -1 ||
	    inverse(s, r, m, err) == -1 ||
	    give(run, s->x, &prime->coeff, err) == -1)
		return (-1);
	s->ok = BN_mul(r, r, m, s->ctx);
	return (s->ok ? 0 : internal(err));
}

/* precomputeLegacy */
static int
more_primes(struct tmpl_run *run, struct numbers *s, struct key_rsa *k,
    struct err *err)
{
	static const struct text zero = { "", 0 };
	BIGNUM *r = number(s, zero);
	size_t i;

	if (set_bytes(s->d, s->n, err) == -1 ||
	    check_public(s, k->e, err) == -1)
		return (-1);
	for (i = 0; i < k->nmore; i++)
		if (k->more[i].prime.n == 1 && k->more[i].prime.p[0] == 1)
			return (rsa_bad("prime factor is <= 1", err));
	if (BN_is_one(s->p) || BN_is_one(s->q))
		return (rsa_bad("prime factor is <= 1", err));
	if (r == NULL || !BN_nnmod(s->dp, s->d, s->p1, s->ctx) ||
	    !BN_nnmod(s->dq, s->d, s->q1, s->ctx))
		return (internal(err));
	if (inverse(s, s->q, s->p, err) == -1 ||
	    give(run, s->dp, &k->dp, err) == -1 ||
	    give(run, s->dq, &k->dq, err) == -1 ||
	    give(run, s->x, &k->qinv, err) == -1)
		return (-1);
	if (!BN_mul(r, s->p, s->q, s->ctx))
		return (internal(err));
	for (i = 0; i < k->nmore; i++)
		if (one_more(run, s, &k->more[i], r, err) == -1)
			return (-1);
	return (0);
}

/* What the work grows with has a ceiling, and costs steps. */
static int
check_sizes(struct tmpl_run *run, const struct key_rsa *k, struct err *err)
{
	const struct text all[] = { k->n, k->d, k->p, k->q, k->dp, k->dq,
		k->qinv };
	size_t i, sum = 0;

	for (i = 0; i < ARRAY_LEN(all); i++) {
#ifndef WEAKEN_TMPL_RSA_BITS
		if (all[i].n > RSA_BITS_MAX / 8)
			return (err_set(err, ERR_LIMIT, "an RSA key has more "
			    "than %d bits", RSA_BITS_MAX));
#endif
		sum += all[i].n;
	}
	for (i = 0; i < k->nmore; i++) {
		sum += k->more[i].prime.n;
		if (sum > 8 * RSA_BITS_MAX / 8)
			return (err_set(err, ERR_LIMIT, "an RSA key has more "
			    "than %d bits", RSA_BITS_MAX));
	}
	return (tmpl_steps(run, 100 + sum, err));
}

int
pki_rsa_check(struct tmpl_run *run, struct key_rsa *k, struct err *err)
{
	struct numbers s;
	int rc;

	if (check_sizes(run, k, err) == -1)
		return (-1);
	numbers_open(&s, k);
	if (!s.ok)
		rc = internal(err);
	else if (modulus(s.n, err) == -1)
		rc = -1;
	else
		rc = k->nmore > 0 ? more_primes(run, &s, k, err) :
		    two_primes(run, &s, k, err);
	numbers_close(&s);
	return (rc);
}

int
pki_rsa_bits(struct text n)
{
	BIGNUM *b = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
	int bits = b == NULL ? 0 : BN_num_bits(b);

	BN_free(b);
	return (bits);
}

int
pki_rsa_private(const struct key_rsa *k, struct text in, uint8_t *out,
    struct err *err)
{
	struct numbers s;
	BIGNUM *c;
	int rc = 0;

	numbers_open(&s, k);
	c = s.ok ? number(&s, in) : NULL;
	if (c == NULL)
		rc = internal(err);
	else if (!below(c, s.n))
		rc = 1;
	else if (!BN_mod_exp_mont_consttime(s.x, c, s.d, s.n, s.ctx, NULL) ||
	    BN_bn2binpad(s.x, out, (int)k->n.n) == -1)
		rc = internal(err);
	numbers_close(&s);
	return (rc);
}

/* --- curves ------------------------------------------------------------- */

static const struct {
	int nid;
	const char *name, *element;	/* in nistec's texts */
} curves[CURVES] = {
	[CURVE_P224] = { NID_secp224r1, "P224", "P224Element" },
	[CURVE_P256] = { NID_X9_62_prime256v1, "P256", "P256 element" },
	[CURVE_P384] = { NID_secp384r1, "P384", "P384Element" },
	[CURVE_P521] = { NID_secp521r1, "P521", "P521Element" },
};

struct curve {
	EC_GROUP *group;
	EC_POINT *point;
	BIGNUM *x, *y;
};

static void
curve_close(struct curve *c)
{
	BN_clear_free(c->x);
	BN_clear_free(c->y);
	EC_POINT_clear_free(c->point);
	EC_GROUP_free(c->group);
	ERR_clear_error();
}

static int
curve_open(struct curve *c, enum key_curve curve, struct text x,
    struct text y)
{
	c->group = EC_GROUP_new_by_curve_name(curves[curve].nid);
	c->point = c->group == NULL ? NULL : EC_POINT_new(c->group);
	c->x = BN_bin2bn((const unsigned char *)x.p, (int)x.n, NULL);
	c->y = BN_bin2bn((const unsigned char *)y.p, (int)y.n, NULL);
	return (c->point != NULL && c->x != NULL && c->y != NULL);
}

static int
check_order(const struct curve *c, struct err *err)
{
	if (BN_cmp(c->x, EC_GROUP_get0_order(c->group)) >= 0)
		return (bad("input overflows the modulus", err));
	return (BN_is_zero(c->x) ? bad("ecdsa: private key is zero", err) :
	    0);
}

/* d times the base: infinity is found before the scalar itself is looked at.
 * (A scalar of a curve's size but above its order never gives a P-521 point
 * that OpenSSL cannot encode.) */
static int
base_mult(struct curve *c, struct text scalar, uint8_t *point,
    struct err *err)
{
	size_t size = 1 + 2 * scalar.n;

	BN_set_flags(c->x, BN_FLG_CONSTTIME);
	if (BN_is_zero(c->x) ||
	    BN_cmp(c->x, EC_GROUP_get0_order(c->group)) == 0)
		return (bad("ecdsa: invalid public key encoding", err));
	if (check_order(c, err) == -1)
		return (-1);
	if (EC_POINT_mul(c->group, c->point, c->x, NULL, NULL, NULL) != 1 ||
	    EC_POINT_point2oct(c->group, c->point,
	    POINT_CONVERSION_UNCOMPRESSED, point, size, NULL) != size)
		return (internal(err));
	return (0);
}

int
pki_ec_public(enum key_curve curve, struct text scalar,
    uint8_t point[static KEY_POINT_MAX], struct err *err)
{
	struct curve c;
	int rc = curve_open(&c, curve, scalar, scalar) ?
	    base_mult(&c, scalar, point, err) : internal(err);

	curve_close(&c);
	return (rc);
}

static int
check_point(const struct curve *c, enum key_curve curve, struct err *err)
{
	const BIGNUM *field = EC_GROUP_get0_field(c->group);

	if (BN_cmp(c->x, field) >= 0 || BN_cmp(c->y, field) >= 0)
		return (err_set(err, ERR_INVALID, "invalid %s encoding",
		    curves[curve].element));
	if (EC_POINT_set_affine_coordinates(c->group, c->point, c->x, c->y,
	    NULL) != 1)
		return (err_set(err, ERR_INVALID, "%s point not on curve",
		    curves[curve].name));
	return (0);
}

int
pki_ec_check(enum key_curve curve, struct text point, struct err *err)
{
	size_t size = key_curve_size(curve);
	struct curve c;
	int rc;

	if (point.n != 1 + 2 * size || point.p[0] != 4)
		return (err_set(err, ERR_INVALID, "invalid %s point encoding",
		    curves[curve].name));
	rc = curve_open(&c, curve, (struct text){ point.p + 1, size },
	    (struct text){ point.p + 1 + size, size }) ?
	    check_point(&c, curve, err) : internal(err);
	curve_close(&c);
	return (rc);
}

int
pki_ec_scalar(enum key_curve curve, struct text scalar, struct err *err)
{
	struct curve c;
	int rc = curve_open(&c, curve, scalar, scalar) ?
	    check_order(&c, err) : internal(err);

	curve_close(&c);
	return (rc);
}

int
pki_25519_public(enum key_kind kind, const uint8_t seed[static 32],
    uint8_t out[static 32], struct err *err)
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(kind == KEY_ED25519 ?
	    EVP_PKEY_ED25519 : EVP_PKEY_X25519, NULL, seed, 32);
	size_t n = 32;
	int ok = k != NULL && EVP_PKEY_get_raw_public_key(k, out, &n) == 1;

	EVP_PKEY_free(k);
	return (ok ? 0 : internal(err));
}
