/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/codec.h"
#include "base/secret.h"
#include "value/tmpl_certs.h"
#include "value/tmpl_crypt.h"
#include "value/tmpl_pki_cipher.h"
#include "value/tmpl_rand.h"
#include "value/tmpl_text.h"

/* Hashes, passwords, ciphers and random values: sprig's crypto.go, without
 * keys and certificates (tmpl_certs.c). */

static struct text
arg(const struct tmpl_call *c, size_t i)
{
	return (text_of(&c->v[i]));
}

/* --- hashes ------------------------------------------------------------- */

static int
sum(struct tmpl_call *c, enum pki_hash hash, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	uint8_t digest[PKI_HASH_MAX];
	size_t n = pki_hash(hash, arg(c, 0).p, arg(c, 0).n, digest);

	codec_hex_encode(&out, digest, n);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_sha1(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (sum(c, PKI_SHA1, ret, err));
}

static int
fn_sha256(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (sum(c, PKI_SHA256, ret, err));
}

static int
fn_sha512(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (sum(c, PKI_SHA512, ret, err));
}

static int
fn_adler32(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(16);
	struct text s = arg(c, 0);
	uint32_t a = 1, b = 0;
	size_t i;

	for (i = 0; i < s.n; i++) {
		a = (a + (unsigned char)s.p[i]) % 65521;
		b = (b + a) % 65521;
	}
	buf_addf(&out, "%" PRIu32, b << 16 | a);
	return (tv_buf(c->run, &out, ret, err));
}

/* --- passwords ---------------------------------------------------------- */

/* Work that takes as long as so many steps. */
#define STEPS_BCRYPT 100000
#define STEPS_SCRYPT 500000

static int
add_bcrypt(struct tmpl_call *c, struct text password, struct buf *out,
    struct err *err)
{
	if (password.n > 72) {
		buf_adds(out, "failed to encrypt string with bcrypt: bcrypt: "
		    "password length exceeds 72 bytes");
		return (0);
	}
	if (tmpl_steps(c->run, STEPS_BCRYPT, err) == -1)
		return (-1);
	return (crypt_bcrypt(password, out, err));
}

static int
fn_bcrypt(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (add_bcrypt(c, arg(c, 0), &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_htpasswd(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct text user = arg(c, 0), password = arg(c, 1);
	uint8_t digest[PKI_HASH_MAX];

	if (user.n > 0 && memchr(user.p, ':', user.n) != NULL) {
		buf_adds(&out, "invalid username: ");
		buf_add(&out, user.p, user.n);
		return (tv_buf(c->run, &out, ret, err));
	}
	buf_add(&out, user.p, user.n);
	buf_addc(&out, ':');
	if (text_is(arg(c, 2), "sha")) {
		buf_adds(&out, "{SHA}");
		codec_b64_encode(&out, digest, pki_hash(PKI_SHA1, password.p,
		    password.n, digest), CODEC_B64_STD, 1);
	} else if (add_bcrypt(c, password, &out, err) == -1) {
		return (-1);
	}
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_derive_password(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct derived d = { (uint32_t)c->v[0].u.u, arg(c, 1), arg(c, 2),
		arg(c, 3), arg(c, 4) };

	if (!derived_known(d.type)) {
		buf_adds(&out, "cannot find password template ");
		buf_add(&out, d.type.p, d.type.n);
		return (tv_buf(c->run, &out, ret, err));
	}
	if (tmpl_steps(c->run, STEPS_SCRYPT, err) == -1 ||
	    derived_password(&d, &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

/* --- AES ---------------------------------------------------------------- */

#define BLOCK 16

static void
make_key(struct text password, uint8_t key[static 32])
{
	memset(key, 0, 32);
	memcpy(key, password.p, password.n < 32 ? password.n : 32);
}

static int
fn_encrypt_aes(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct text plain = arg(c, 1);
	size_t padding = BLOCK - plain.n % BLOCK;
	uint8_t key[32], *text;
	int rc = -1;

	*ret = tv_str("");
	if (plain.n == 0)
		return (0);
	/* The vector, the plain text and its padding; then in place. */
	text = tmpl_alloc(c->run, BLOCK + plain.n + padding, err);
	if (text == NULL || tmpl_rand(text, BLOCK, err) == -1)
		return (-1);
	memcpy(text + BLOCK, plain.p, plain.n);
	memset(text + BLOCK + plain.n, (int)padding, padding);
	make_key(arg(c, 0), key);
	if (pki_cbc(PKI_AES256, 1, key, text, text + BLOCK, plain.n + padding,
	    text + BLOCK, err) == 0) {
		codec_b64_encode(&out, text, BLOCK + plain.n + padding,
		    CODEC_B64_STD, 1);
		rc = tv_buf(c->run, &out, ret, err);
	}
	secret_wipe(key, sizeof(key));
	return (rc);
}

/* The slices that Go takes of what it decoded, with its panics: of ${n} bytes
 * in a buffer for as many as ${chars} characters of base 64 can be. */
static int
check_encrypted(size_t n, size_t chars, struct err *err)
{
	size_t capacity = chars / 4 * 3;

	if (capacity < BLOCK)
		return (err_set(err, ERR_INVALID, "runtime error: slice bounds"
		    " out of range [:16] with capacity %zu", capacity));
	if (n < BLOCK)
		return (err_set(err, ERR_INVALID, "runtime error: slice bounds"
		    " out of range [16:%zu]", n));
	if (n % BLOCK != 0)
		return (err_set(err, ERR_INVALID,
		    "crypto/cipher: input not full blocks"));
	if (n == BLOCK)
		return (err_set(err, ERR_INVALID,
		    "runtime error: index out of range [-1]"));
	return (0);
}

static int
decrypt(struct tmpl_call *c, const struct tv *text, struct tv *ret,
    struct err *err)
{
	size_t n = text->u.s.n - BLOCK, padding;
	const uint8_t *in = (const uint8_t *)text->u.s.p;
	uint8_t key[32], *out = tmpl_alloc(c->run, n + 1, err);
	int rc;

	if (out == NULL)
		return (-1);
	make_key(arg(c, 0), key);
	rc = pki_cbc(PKI_AES256, 0, key, in, in + BLOCK, n, out, err);
	secret_wipe(key, sizeof(key));
	if (rc == -1)
		return (-1);
	padding = out[n - 1];
	if (padding > n)
		return (err_set(err, ERR_INVALID, "runtime error: slice bounds"
		    " out of range [:-%zu]", padding - n));
	*ret = tv_strn((const char *)out, n - padding);
	return (0);
}

static int
fn_decrypt_aes(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf raw = tmpl_buf(c->run);
	struct text in = arg(c, 1);
	struct tv text;
	size_t bad;

	*ret = tv_str("");
	if (in.n == 0)
		return (0);
	if (codec_b64_decode(&raw, in.p, in.n, CODEC_B64_STD, &bad) == -1 &&
	    buf_ok(&raw))
		return (err_set(err, ERR_INVALID,
		    "illegal base64 data at input byte %zu", bad));
	if (tv_buf(c->run, &raw, &text, err) == -1 ||
	    check_encrypted(text.u.s.n, in.n, err) == -1)
		return (-1);
	return (decrypt(c, &text, ret, err));
}

/* --- random ------------------------------------------------------------- */

static int
fn_rand_bytes(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	int64_t n = c->v[0].u.i;
	void *raw;

	/* The end of a process's memory for Go. */
	if (n < 0 || n > (int64_t)1 << 48)
		return (err_set(err, ERR_INVALID,
		    "runtime error: makeslice: len out of range"));
	if ((raw = tmpl_alloc(c->run, (size_t)n + 1, err)) == NULL ||
	    tmpl_rand(raw, (size_t)n, err) == -1)
		return (-1);
	codec_b64_encode(&out, raw, (size_t)n, CODEC_B64_STD, 1);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_uuidv4(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(64);
	uint8_t raw[16];
	size_t i;

	if (tmpl_rand(raw, sizeof(raw), err) == -1)
		return (-1);
	raw[6] = (raw[6] & 0x0f) | 0x40;
	raw[8] = (raw[8] & 0x3f) | 0x80;
	for (i = 0; i < sizeof(raw); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_addc(&out, '-');
		codec_hex_encode(&out, &raw[i], 1);
	}
	return (tv_buf(c->run, &out, ret, err));
}

static const struct tt tt_hash_algorithm = { .kind = TK_STRING,
	.name = "sprig.HashAlgorithm" };

#define I &tt_int
#define S &tt_string

#define C &tt_certificate
#define L &tt_anys

const struct tmpl_func tmpl_funcs_crypto[] = {
	{ "sha1sum", fn_sha1, S, 1, { S }, NULL },
	{ "sha256sum", fn_sha256, S, 1, { S }, NULL },
	{ "sha512sum", fn_sha512, S, 1, { S }, NULL },
	{ "adler32sum", fn_adler32, S, 1, { S }, NULL },
	{ "bcrypt", fn_bcrypt, S, 1, { S }, NULL },
	{ "htpasswd", fn_htpasswd, S, 3, { S, S, &tt_hash_algorithm }, NULL },
	{ "derivePassword", fn_derive_password, S, 5,
	    { &tt_uint32, S, S, S, S }, NULL },
	{ "encryptAES", fn_encrypt_aes, S, 2, { S, S }, NULL },
	{ "decryptAES", fn_decrypt_aes, S, 2, { S, S }, NULL },
	{ "randBytes", fn_rand_bytes, S, 1, { I }, NULL },
	{ "uuidv4", fn_uuidv4, S, 0, { NULL }, NULL },
	{ "genPrivateKey", certs_private_key, S, 1, { S }, NULL },
	{ "buildCustomCert", certs_build, C, 2, { S, S }, NULL },
	{ "genCA", certs_ca, C, 2, { S, I }, NULL },
	{ "genCAWithKey", certs_ca_with_key, C, 3, { S, I, S }, NULL },
	{ "genSelfSignedCert", certs_self, C, 4, { S, L, L, I }, NULL },
	{ "genSelfSignedCertWithKey", certs_self_with_key, C, 5,
	    { S, L, L, I, S }, NULL },
	{ "genSignedCert", certs_signed, C, 5, { S, L, L, I, C }, NULL },
	{ "genSignedCertWithKey", certs_signed_with_key, C, 6,
	    { S, L, L, I, C, S }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
