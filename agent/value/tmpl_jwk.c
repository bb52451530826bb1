/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/doc.h"
#include "value/tmpl_jwk.h"
#include "value/tmpl_key.h"
#include "value/tmpl_pem.h"
#include "value/tmpl_pki_num.h"

/*
 * Two passes, as jwx goes: a hint (which kind of key, is there a "d"?), read
 * as encoding/json reads into a struct, and then the fields, by their exact
 * names, in the order of the document.
 */
enum kind { RSA_PUBLIC, RSA_PRIVATE, EC_PUBLIC, EC_PRIVATE, OKP_PUBLIC,
	OKP_PRIVATE, SYMMETRIC };

/* Bytes that the fields hold. */
enum field { F_D, F_DP, F_DQ, F_E, F_N, F_P, F_Q, F_QI, F_X, F_Y, F_K,
	F_CRV, FIELDS };

static const char *const field_names[FIELDS] = { [F_D] = "d", [F_DP] = "dp",
	[F_DQ] = "dq", [F_E] = "e", [F_N] = "n", [F_P] = "p", [F_Q] = "q",
	[F_QI] = "qi", [F_X] = "x", [F_Y] = "y", [F_K] = "k",
	[F_CRV] = "crv" };

#define BIT(f) (1u << (f))

static const struct {
	const char *go, *kty, *raw;	/* jwx's type, Go's type of the key */
	unsigned int fields;
	enum field required[5];		/* in jwx's order; F_K ends */
} kinds[] = {
	[RSA_PUBLIC] = { "*jwk.rsaPublicKey", "RSA", "*rsa.PublicKey",
	    BIT(F_E) | BIT(F_N), { F_E, F_N, FIELDS } },
	[RSA_PRIVATE] = { "*jwk.rsaPrivateKey", "RSA", "*rsa.PrivateKey",
	    BIT(F_E) | BIT(F_N) | BIT(F_D) | BIT(F_DP) | BIT(F_DQ) |
	    BIT(F_P) | BIT(F_Q) | BIT(F_QI), { F_D, F_E, F_N, FIELDS } },
	[EC_PUBLIC] = { "*jwk.ecdsaPublicKey", "EC", "*ecdsa.PublicKey",
	    BIT(F_CRV) | BIT(F_X) | BIT(F_Y), { F_CRV, F_X, F_Y, FIELDS } },
	[EC_PRIVATE] = { "*jwk.ecdsaPrivateKey", "EC", "*ecdsa.PrivateKey",
	    BIT(F_CRV) | BIT(F_D) | BIT(F_X) | BIT(F_Y),
	    { F_CRV, F_D, F_X, F_Y, FIELDS } },
	[OKP_PUBLIC] = { "*jwk.okpPublicKey", "OKP", "PublicKey",
	    BIT(F_CRV) | BIT(F_X), { F_CRV, F_X, FIELDS } },
	[OKP_PRIVATE] = { "*jwk.okpPrivateKey", "OKP", "PrivateKey",
	    BIT(F_CRV) | BIT(F_D) | BIT(F_X), { F_CRV, F_D, F_X, FIELDS } },
	[SYMMETRIC] = { "*jwk.symmetricKey", "oct", "[]uint8", BIT(F_K),
	    { F_K, FIELDS } },
};

struct jwk {
	enum kind kind;
	struct text v[FIELDS];		/* p NULL: it is not there */
};

/* --- encoding/json ------------------------------------------------------ */

static const char *
json_name(const struct doc *d)
{
	static const char *const names[] = { [DOC_FALSE] = "bool",
		[DOC_TRUE] = "bool", [DOC_NUMBER] = "number",
		[DOC_STRING] = "string", [DOC_ARRAY] = "array",
		[DOC_OBJECT] = "object" };

	return (names[d->type]);
}

static int
wrong_type(const struct doc *d, const char *type, struct err *err)
{
	return (err_set(err, ERR_INVALID, "json: cannot unmarshal %s into Go "
	    "value of type %s", json_name(d), type));
}

static int
unescape(struct tmpl_run *run, const struct doc *d, struct text *ret,
    struct err *err)
{
	cleanup_buf struct buf text = tmpl_buf(run);
	struct tv v;

	doc_string(d, &text);
	if (tv_buf(run, &text, &v, err) == -1)
		return (-1);
	*ret = text_of(&v);
	return (0);
}

/* Decode into a string; null gives "". */
static int
decode_string(struct tmpl_run *run, const struct doc *d, const char *type,
    struct text *ret, struct err *err)
{
	*ret = (struct text){ "", 0 };
	if (d->type == DOC_NULL)
		return (0);
	if (d->type != DOC_STRING)
		return (wrong_type(d, type, err));
	return (unescape(run, d, ret, err));
}

/* json.Unmarshal into a []${elem}. */
static int
decode_strings(const struct doc *d, const char *list, const char *elem,
    struct err *err)
{
	struct doc one;
	size_t at = 0;
	int rc = 0;

	if (d->type == DOC_NULL)
		return (0);
	if (d->type != DOC_ARRAY)
		return (wrong_type(d, list, err));
	while (rc == 0 && doc_next(d, &at, NULL, &one))
		if (one.type != DOC_STRING && one.type != DOC_NULL)
			rc = wrong_type(&one, elem, err);
	return (rc);
}

/* --- the hint ----------------------------------------------------------- */

/* foldName: letters in any case, and the Kelvin sign is a K. */
static int
folds_to(struct text s, const char *name)
{
	static const char kelvin[] = "\xe2\x84\xaa";

	for (; *name != '\0'; name++) {
		size_t n = 1;

		if (*name == 'k' && s.n >= 3 && memcmp(s.p, kelvin, 3) == 0)
			n = 3;
		else if (s.n == 0 || (s.p[0] | 0x20) != *name)
			return (0);
		s.p += n;
		s.n -= n;
	}
	return (s.n == 0);
}

/* What stays of the first wrong type, which Go remembers while it goes on. */
static void
wrong_hint(const struct doc *d, struct err *first)
{
	if (first->kind == ERR_NONE)
		err_set(first, ERR_INVALID, "json: cannot unmarshal %s into "
		    "Go struct field .kty of type string", json_name(d));
}

static int
read_hint(struct tmpl_run *run, const struct doc *d, struct text *kty,
    int *private, struct err *err)
{
	cleanup_err struct err first = ERR_INIT;
	struct doc raw, value;
	struct text key;
	size_t at = 0;

	*kty = (struct text){ "", 0 };
	*private = 0;
	if (d->type == DOC_NULL)
		return (0);
	if (d->type != DOC_OBJECT)
		return (wrong_type(d, "struct { Kty string \"json:\\\"kty\\\""
		    "\"; D json.RawMessage \"json:\\\"d\\\"\" }", err));
	while (doc_next(d, &at, &raw, &value)) {
		if (tmpl_steps(run, 1, err) == -1 ||
		    unescape(run, &raw, &key, err) == -1)
			return (-1);
		if (folds_to(key, "d"))
			*private = 1;
		if (!folds_to(key, "kty") || value.type == DOC_NULL)
			continue;
		if (value.type != DOC_STRING)
			wrong_hint(&value, &first);
		else if (unescape(run, &value, kty, err) == -1)
			return (-1);
	}
	return (first.kind == ERR_NONE ? 0 : err_move(err, &first));
}

/* --- fields ------------------------------------------------------------- */

/* base64.RawURLEncoding and RawStdEncoding: no padding at all. */
static int
decode_raw(struct tmpl_run *run, struct text s, enum codec_b64 alphabet,
    struct buf *out)
{
	cleanup_buf struct buf padded = tmpl_buf(run);
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '=')
			return (-1);
		if (s.p[i] != '\r' && s.p[i] != '\n')
			buf_addc(&padded, s.p[i]);
	}
	if (padded.len % 4 == 1)
		return (-1);
	while (padded.len % 4 != 0 && buf_ok(&padded))
		buf_addc(&padded, '=');
	return (codec_b64_decode(out, buf_str(&padded), padded.len, alphabet,
	    NULL));
}

/* The encoding is guessed from what is in the text. */
static int
decode_base64(struct tmpl_run *run, struct text s, struct text *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(run);
	int raw = s.n == 0 || s.p[s.n - 1] != '=', rc;
	enum codec_b64 alphabet = CODEC_B64_URL;
	struct tv v;
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] == '+' || s.p[i] == '/')
			alphabet = CODEC_B64_STD;
	rc = raw ? decode_raw(run, s, alphabet, &out) :
	    codec_b64_decode(&out, s.p, s.n, alphabet, NULL);
	if (rc == -1 && buf_ok(&out))
		return (err_set(err, ERR_INVALID,
		    "expected base64 encoded []byte (string)"));
	if (tv_buf(run, &out, &v, err) == -1)
		return (-1);
	*ret = text_of(&v);
	return (0);
}

static int
read_bytes(struct tmpl_run *run, const struct doc *d, struct text *ret,
    struct err *err)
{
	struct text s;

	if (decode_string(run, d, "string", &s, err) == -1)
		return (err_wrap(err, "error reading next value"));
	return (decode_base64(run, s, ret, err));
}

/* What every key may have besides; nothing of it is used. */
static int
read_common(struct tmpl_run *run, struct text key, const struct doc *d,
    int *known, struct err *err)
{
	static const char *const strings[] = { "kid", "use", "x5t",
		"x5t#S256", "x5u" };
	struct text ignored;
	size_t i;

	*known = 1;
	if (text_is(key, "alg"))
		return (decode_string(run, d, "string", &ignored, err));
	if (text_is(key, "key_ops"))
		return (decode_strings(d, "jwk.KeyOperationList",
		    "jwk.KeyOperation", err));
	if (text_is(key, "x5c"))
		return (decode_strings(d, "[]string", "string", err) == -1 ?
		    err_wrap(err, "failed to unmarshal certificate chain") :
		    0);
	for (i = 0; i < ARRAY_LEN(strings); i++)
		if (text_is(key, strings[i]))
			return (decode_string(run, d, "string", &ignored,
			    err) == -1 ? err_wrap(err,
			    "error reading next value") : 0);
	*known = 0;
	return (0);
}

static int
check_kty(struct tmpl_run *run, const struct jwk *k, const struct doc *d,
    struct err *err)
{
	struct text kty;

	if (decode_string(run, d, "string", &kty, err) == -1)
		return (err_wrap(err,
		    "error reading token: error reading next value"));
	if (text_is(kty, kinds[k->kind].kty))
		return (0);
	return (err_set(err, ERR_INVALID, "invalid kty value for RSAPublicKey "
	    "(%.*s)", (int)kty.n, kty.p));
}

static int
read_field(struct tmpl_run *run, struct jwk *k, struct text key,
    const struct doc *d, struct err *err)
{
	int i, rc, known = 1;

	if (text_is(key, "kty"))
		return (check_kty(run, k, d, err));
	for (i = 0; i < FIELDS; i++)
		if (text_is(key, field_names[i]) &&
		    (kinds[k->kind].fields & BIT(i)) != 0)
			break;
	if (i == F_CRV)
		rc = decode_string(run, d, "jwa.EllipticCurveAlgorithm",
		    &k->v[i], err);
	else if (i < FIELDS)
		rc = read_bytes(run, d, &k->v[i], err);
	else
		rc = read_common(run, key, d, &known, err);
	if (rc == -1)
		return (err_wrap(err, "failed to decode value for key %.*s",
		    (int)key.n, key.p));
	if (known || doc_floats(d, err) == 0)
		return (0);
	return (err_wrap(err, "could not decode field %.*s: failed to decode "
	    "field %.*s", (int)key.n, key.p, (int)key.n, key.p));
}

static int
read_fields(struct tmpl_run *run, const struct doc *d, struct jwk *k,
    struct err *err)
{
	struct doc raw, value;
	struct text key;
	size_t at = 0, i;

	while (doc_next(d, &at, &raw, &value))
		if (tmpl_steps(run, 1 + value.len / 64, err) == -1 ||
		    unescape(run, &raw, &key, err) == -1 ||
		    read_field(run, k, key, &value, err) == -1)
			return (-1);
	for (i = 0; kinds[k->kind].required[i] != FIELDS; i++)
		if (k->v[kinds[k->kind].required[i]].p == NULL)
			return (err_set(err, ERR_INVALID, "required field %s "
			    "is missing",
			    field_names[kinds[k->kind].required[i]]));
	return (0);
}

/* jwk.ParseKey */
static int
parse(struct tmpl_run *run, struct text json, struct jwk *k, struct err *err)
{
	struct text kty;
	struct doc d;
	int private;
	size_t i;

	memset(k, 0, sizeof(*k));
	if (doc_first(json.p, json.n, &d, err) == -1 ||
	    read_hint(run, &d, &kty, &private, err) == -1)
		return (err_wrap(err,
		    "failed to unmarshal JSON into key hint"));
	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (text_is(kty, kinds[i].kty))
			break;
	if (i == ARRAY_LEN(kinds))
		return (err_set(err, ERR_INVALID, "invalid key type from JSON "
		    "(%.*s)", (int)kty.n, kty.p));
	k->kind = (enum kind)(i + (i != SYMMETRIC && private));
	if (read_fields(run, &d, k, err) == -1)
		return (err_wrap(err, "failed to unmarshal JSON into key (%s)",
		    kinds[k->kind].go));
	return (0);
}

/* --- Raw: Go's own key -------------------------------------------------- */

static int
bad_curve(const struct jwk *k, struct err *err)
{
	return (err_set(err, ERR_INVALID, "failed to build public key: "
	    "invalid curve algorithm %.*s", (int)k->v[F_CRV].n,
	    k->v[F_CRV].p));
}

static int
find_curve(const struct jwk *k, enum key_curve *ret, struct err *err)
{
	static const char *const names[CURVES] = { [CURVE_P224] = "",
		[CURVE_P256] = "P-256", [CURVE_P384] = "P-384",
		[CURVE_P521] = "P-521" };
	int i;

	for (i = CURVE_P256; i < CURVES; i++) {
		if (text_is(k->v[F_CRV], names[i])) {
			*ret = (enum key_curve)i;
			return (0);
		}
	}
	return (bad_curve(k, err));
}

static struct text
without_zeros(struct text s)
{
	for (; s.n > 0 && s.p[0] == 0; s.p++, s.n--)
		;
	return (s);
}

static int
bits_of(struct text s)
{
	int bits;

	s = without_zeros(s);
	if (s.n == 0)
		return (0);
	for (bits = 8; ((unsigned char)s.p[0] >> (bits - 1)) == 0; bits--)
		;
	return (s.n > 1 << 20 ? 1 << 23 : (int)(s.n - 1) * 8 + bits);
}

/* big.Int.Int64 of big-endian bytes: the low 64 bits. */
static int64_t
low_bits(struct text s)
{
	uint64_t v = 0;
	size_t i;

	for (i = s.n > 8 ? s.n - 8 : 0; i < s.n; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return ((int64_t)v);
}

/* ${s} right-aligned in ${n} bytes. */
static void
align(uint8_t *to, size_t n, struct text s)
{
	s = without_zeros(s);
	memset(to, 0, n);
	if (s.n > 0)
		memcpy(to + n - s.n, s.p, s.n);
}

/* pointFromAffine of x and y. */
static int
make_point(struct tmpl_run *run, const struct jwk *k, enum key_curve curve,
    struct text *ret, struct err *err)
{
	static const int bits[CURVES] = { 224, 256, 384, 521 };
	size_t size = key_curve_size(curve);
	uint8_t *p;

	if (bits_of(k->v[F_X]) > bits[curve] ||
	    bits_of(k->v[F_Y]) > bits[curve])
		return (err_set(err, ERR_INVALID, "overflowing coordinate"));
	if ((p = tmpl_alloc(run, 1 + 2 * size, err)) == NULL)
		return (-1);
	p[0] = 4;
	align(p + 1, size, k->v[F_X]);
	align(p + 1 + size, size, k->v[F_Y]);
	*ret = (struct text){ (const char *)p, 1 + 2 * size };
	return (0);
}

static int
make_scalar(struct tmpl_run *run, const struct jwk *k, struct key *ret,
    struct err *err)
{
	static const int bits[CURVES] = { 224, 256, 384, 521 };
	size_t size = key_curve_size(ret->curve);
	uint8_t *p = tmpl_alloc(run, size, err);

	if (p == NULL)
		return (-1);
	if (bits_of(k->v[F_D]) > bits[ret->curve])
		return (err_set(err, ERR_INVALID,
		    "ecdsa: private key scalar too large"));
	if (bits_of(k->v[F_D]) == 0)
		return (err_set(err, ERR_INVALID,
		    "ecdsa: private key scalar is zero or negative"));
	align(p, size, k->v[F_D]);
	ret->secret = (struct text){ (const char *)p, size };
	return (0);
}

/* The checks of MarshalPKCS8PrivateKey on an EC key, in its order; that the
 * point is the scalar's is not among them. */
static int
make_ec(struct tmpl_run *run, const struct jwk *k, struct key *ret,
    struct err *err)
{
	ret->kind = KEY_EC;
	if (make_point(run, k, ret->curve, &ret->point, err) == -1 ||
	    make_scalar(run, k, ret, err) == -1 ||
	    pki_ec_check(ret->curve, ret->point, err) == -1 ||
	    pki_ec_scalar(ret->curve, ret->secret, err) == -1)
		return (err_wrap(err, "x509: failed to marshal EC private key "
		    "while building PKCS#8"));
	return (0);
}

static int
okp_bad(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "failed to build public key: %s",
	    what));
}

/* buildOKPPrivateKey */
static int
check_okp(const struct jwk *k, struct err *err)
{
	int ed = text_is(k->v[F_CRV], "Ed25519");
	uint8_t public[32];

	if (k->v[F_D].n == 0)
		return (okp_bad("cannot use empty seed", err));
	if (!ed && !text_is(k->v[F_CRV], "X25519"))
		return (bad_curve(k, err));
	if (k->v[F_D].n != 32)
		return (ed ? okp_bad("wrong private key size", err) :
		    err_set(err, ERR_INVALID, "failed to build public key: "
		    "unable to construct x25519 private key from seed: "
		    "unexpected seed size: %zu", k->v[F_D].n));
	if (pki_25519_public(ed ? KEY_ED25519 : KEY_X25519,
	    (const uint8_t *)k->v[F_D].p, public, err) == -1)
		return (-1);
	if (k->v[F_X].n != 32 || memcmp(k->v[F_X].p, public, 32) != 0)
		return (okp_bad("invalid x value given d value", err));
	return (0);
}

/* What Raw itself refuses; ${curve} is set for EC. */
static int
materialize(struct tmpl_run *run, const struct jwk *k, enum key_curve *curve,
    struct err *err)
{
	if (tmpl_steps(run, 500, err) == -1)
		return (-1);
	switch (k->kind) {
	case EC_PUBLIC:
	case EC_PRIVATE:
		return (find_curve(k, curve, err));
	case OKP_PRIVATE:
		return (check_okp(k, err));
	case OKP_PUBLIC:
		return (text_is(k->v[F_CRV], "Ed25519") ||
		    text_is(k->v[F_CRV], "X25519") ? 0 : bad_curve(k, err));
	default:
		return (0);
	}
}

/* A key that crypto/x509 has no form for. */
static int
unsupported(const struct jwk *k, const char *what, struct err *err)
{
	const char *package = k->kind != OKP_PUBLIC &&
	    k->kind != OKP_PRIVATE ? "" : text_is(k->v[F_CRV], "Ed25519") ?
	    "ed25519." : "x25519.";

	return (err_set(err, ERR_INVALID, "x509: %s: %s%s", what, package,
	    kinds[k->kind].raw));
}

static int
print_public(struct tmpl_run *run, const struct jwk *k, enum key_curve curve,
    struct buf *out, struct err *err)
{
	struct text point;

	if (k->kind == RSA_PUBLIC) {
		key_print_rsa_public(k->v[F_N], low_bits(k->v[F_E]), out);
	} else if (k->kind == EC_PUBLIC) {
		if (make_point(run, k, curve, &point, err) == -1 ||
		    pki_ec_check(curve, point, err) == -1)
			return (-1);
		key_print_ec_public(curve, point, out);
	} else if (k->kind == OKP_PUBLIC && text_is(k->v[F_CRV], "Ed25519")) {
		key_print_ed25519_public(k->v[F_X], out);
	} else {
		return (unsupported(k, "unsupported public key type", err));
	}
	return (tmpl_check(run, out, err));
}

static struct text
or_none(struct text s)
{
	return (s.p == NULL ? (struct text){ "", 0 } : s);
}

static int
print_private(struct tmpl_run *run, const struct jwk *k,
    enum key_curve curve, struct buf *out, struct err *err)
{
	struct key key = { .kind = KEY_RSA, .curve = curve };

	if (k->kind == RSA_PRIVATE) {
		key.rsa = (struct key_rsa){ .e = low_bits(k->v[F_E]),
			.n = k->v[F_N], .d = k->v[F_D],
			.p = or_none(k->v[F_P]), .q = or_none(k->v[F_Q]),
			.dp = or_none(k->v[F_DP]), .dq = or_none(k->v[F_DQ]),
			.qinv = or_none(k->v[F_QI]) };
	} else if (k->kind == EC_PRIVATE) {
		if (make_ec(run, k, &key, err) == -1)
			return (-1);
	} else if (k->kind == OKP_PRIVATE &&
	    text_is(k->v[F_CRV], "Ed25519")) {
		key.kind = KEY_ED25519;
		key.secret = k->v[F_D];
	} else {
		return (unsupported(k, "unknown key type while marshaling "
		    "PKCS#8", err));
	}
	return (key_print_pkcs8(run, &key, out, err));
}

static int
print(struct tmpl_run *run, struct text json, int private, struct buf *out,
    struct err *err)
{
	cleanup_buf struct buf der = tmpl_buf(run);
	enum key_curve curve = CURVE_P256;
	struct jwk k;

	if (parse(run, json, &k, err) == -1 ||
	    materialize(run, &k, &curve, err) == -1 ||
	    (private ? print_private(run, &k, curve, &der, err) :
	    print_public(run, &k, curve, &der, err)) == -1)
		return (-1);
	pem_encode(private ? "PRIVATE KEY" : "PUBLIC KEY", buf_str(&der),
	    der.len, out);
	return (0);
}

int
jwk_print_public(struct tmpl_run *run, struct text json, struct buf *out,
    struct err *err)
{
	return (print(run, json, 0, out, err));
}

int
jwk_print_private(struct tmpl_run *run, struct text json, struct buf *out,
    struct err *err)
{
	return (print(run, json, 1, out, err));
}
