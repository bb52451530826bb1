/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "value/tmpl_pki_cipher.h"

static int
internal(const char *what, struct err *err)
{
	ERR_clear_error();
	return (err_set(err, ERR_INTERNAL, "OpenSSL: %s failed", what));
}

static const EVP_MD *
digest_of(enum pki_hash hash)
{
	return (hash == PKI_SHA1 ? EVP_sha1() : hash == PKI_SHA256 ?
	    EVP_sha256() : EVP_sha512());
}

size_t
pki_hash(enum pki_hash hash, const void *p, size_t n,
    uint8_t out[static PKI_HASH_MAX])
{
	unsigned int len = 0;

	EVP_Digest(p, n, out, &len, digest_of(hash), NULL);
	return (len);
}

int
pki_hash_again(enum pki_hash hash, uint64_t times,
    uint8_t out[static PKI_HASH_MAX], struct err *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md = digest_of(hash);
	size_t n = (size_t)EVP_MD_get_size(md);
	int ok = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1;

	for (; ok && times > 0; times--)
		ok = EVP_DigestUpdate(ctx, out, n) == 1 &&
		    EVP_DigestFinal_ex(ctx, out, NULL) == 1 &&
		    EVP_DigestInit_ex(ctx, NULL, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return (ok ? 0 : internal("a digest", err));
}

int
pki_hmac(enum pki_hash hash, struct text key, struct text in,
    uint8_t out[static PKI_HASH_MAX], struct err *err)
{
	/* NULL would be the key of the call before. */
	const char *p = key.n > 0 ? key.p : "";
	unsigned int len = PKI_HASH_MAX;

	if (key.n > INT_MAX || HMAC(digest_of(hash), p, (int)key.n,
	    (const unsigned char *)in.p, in.n, out, &len) == NULL)
		return (internal("HMAC", err));
	return (0);
}

int
pki_pbkdf2(enum pki_hash hash, struct text password, struct text salt,
    int64_t iterations, uint8_t *out, size_t n, struct err *err)
{
	int times = iterations < 1 ? 1 : (int)iterations;

	if (password.n > INT_MAX || salt.n > INT_MAX || n > INT_MAX ||
	    iterations > INT_MAX || PKCS5_PBKDF2_HMAC(password.n > 0 ?
	    password.p : "", (int)password.n, (const unsigned char *)
	    (salt.n > 0 ? salt.p : ""), (int)salt.n, times, digest_of(hash),
	    (int)n, out) != 1)
		return (internal("PBKDF2", err));
	return (0);
}

int
pki_scrypt(struct text password, struct text salt, uint8_t out[static 64],
    struct err *err)
{
	if (EVP_PBE_scrypt(password.p, password.n, (const uint8_t *)salt.p,
	    salt.n, 32768, 8, 2, 128 << 20, out, 64) != 1)
		return (internal("scrypt", err));
	return (0);
}

int
pki_cbc(enum pki_cipher cipher, int encrypt, const uint8_t *key,
    const uint8_t *iv, const void *in, size_t n, uint8_t *out,
    struct err *err)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *type = cipher == PKI_AES128 ? EVP_aes_128_cbc() :
	    cipher == PKI_AES192 ? EVP_aes_192_cbc() :
	    cipher == PKI_AES256 ? EVP_aes_256_cbc() : EVP_des_ede3_cbc();
	int rc = -1, len;

	if (ctx != NULL && n <= INT32_MAX && EVP_CipherInit_ex(ctx, type,
	    NULL, key, iv, encrypt) == 1 && EVP_CIPHER_CTX_set_padding(ctx,
	    0) == 1 && EVP_CipherUpdate(ctx, out, &len, in, (int)n) == 1 &&
	    (size_t)len == n)
		rc = 0;
	EVP_CIPHER_CTX_free(ctx);
	return (rc == -1 ? internal("a cipher", err) : 0);
}
