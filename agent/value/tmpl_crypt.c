/* SPDX-License-Identifier: Apache-2.0 */
#include <crypt.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_crypt.h"
#include "value/tmpl_pki_cipher.h"
#include "value/tmpl_rand.h"

#define COST 10

/* $2a$ of libcrypt guards against an old mistake and so differs from Go's for
 * some passwords; its $2b$ is what Go calls $2a$. */
int
crypt_bcrypt(struct text password, struct buf *out, struct err *err)
{
	struct crypt_data *data;
	char key[73], salt[16], setting[64];
	const char *hash;
	int rc = -1;

	if (memchr(password.p, '\0', password.n) != NULL)
		return (err_set(err, ERR_INVALID,
		    "bcrypt: the password holds a NUL"));
	if (tmpl_rand(salt, sizeof(salt), err) == -1)
		return (-1);
	memcpy(key, password.p, password.n);
	key[password.n] = '\0';
	data = mem_alloc(sizeof(*data));
	if (crypt_gensalt_rn("$2b$", COST, salt, sizeof(salt), setting,
	    sizeof(setting)) != NULL &&
	    (hash = crypt_rn(key, setting, data, sizeof(*data))) != NULL) {
		buf_adds(out, "$2a");
		buf_adds(out, hash + 3);
		rc = 0;
	}
	secret_wipe(key, sizeof(key));
	secret_wipe(data, sizeof(*data));
	mem_cleanup_free(&data);
	return (rc == 0 ? 0 : err_set(err, ERR_INTERNAL, "bcrypt failed"));
}

/* --- derived passwords -------------------------------------------------- */

static const struct {
	const char *type;
	const char *templates[22];
} types[] = {
	{ "maximum", { "anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno" } },
	{ "long", { "CvcvnoCvcvCvcv", "CvcvCvcvnoCvcv", "CvcvCvcvCvcvno",
	    "CvccnoCvcvCvcv", "CvccCvcvnoCvcv", "CvccCvcvCvcvno",
	    "CvcvnoCvccCvcv", "CvcvCvccnoCvcv", "CvcvCvccCvcvno",
	    "CvcvnoCvcvCvcc", "CvcvCvcvnoCvcc", "CvcvCvcvCvccno",
	    "CvccnoCvccCvcv", "CvccCvccnoCvcv", "CvccCvccCvcvno",
	    "CvcvnoCvccCvcc", "CvcvCvccnoCvcc", "CvcvCvccCvccno",
	    "CvccnoCvcvCvcc", "CvccCvcvnoCvcc", "CvccCvcvCvccno" } },
	{ "medium", { "CvcnoCvc", "CvcCvcno" } },
	{ "short", { "Cvcn" } },
	{ "basic", { "aaanaaan", "aannaaan", "aaannaaa" } },
	{ "pin", { "nnnn" } },
};

#define UPPER "AEIOUBCDFGHJKLMNPQRSTVWXYZ"
#define LETTERS "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"

static const struct {
	char class;
	const char *chars;
} classes[] = {
	{ 'V', "AEIOU" }, { 'C', "BCDFGHJKLMNPQRSTVWXYZ" },
	{ 'v', "aeiou" }, { 'c', "bcdfghjklmnpqrstvwxyz" },
	{ 'A', UPPER }, { 'a', LETTERS }, { 'n', "0123456789" },
	{ 'o', "@&%?,=[]_:-+*$#!'^~;()/." },
	{ 'x', LETTERS "0123456789!@#$%^&*()" },
};

static const char *const *
templates_of(struct text type)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(types); i++)
		if (text_is(type, types[i].type))
			return (types[i].templates);
	return (NULL);
}

int
derived_known(struct text type)
{
	return (templates_of(type) != NULL);
}

static void
add_number(struct buf *out, uint64_t n)
{
	int shift;

	for (shift = 24; shift >= 0; shift -= 8)
		buf_addc(out, (char)(n >> shift));
}

/* The algorithm's name, a length and ${t}. */
static void
add_scope(struct buf *out, struct text t)
{
	buf_adds(out, "com.lyndir.masterpassword");
	add_number(out, t.n);
	buf_add(out, t.p, t.n);
}

static const char *
chars_of(char class)
{
	size_t i;

	for (i = 0; classes[i].class != class;)
		i++;
	return (classes[i].chars);
}

static void
add_password(const char *const *templates, const uint8_t *seed,
    struct buf *out)
{
	const char *template, *chars;
	size_t i, n = 0;

	while (templates[n] != NULL)
		n++;
	template = templates[seed[0] % n];
	for (i = 0; template[i] != '\0'; i++) {
		chars = chars_of(template[i]);
		buf_addc(out, chars[seed[i + 1] % strlen(chars)]);
	}
}

int
derived_password(const struct derived *d, struct buf *out, struct err *err)
{
	cleanup_buf struct buf salt = BUF_SECRET(SIZE_MAX);
	cleanup_buf struct buf site = BUF_SECRET(SIZE_MAX);
	uint8_t key[64], seed[PKI_HASH_MAX];
	int rc = -1;

	add_scope(&salt, d->user);
	add_scope(&site, d->site);
	add_number(&site, d->counter);
	if (pki_scrypt(d->password, (struct text){ salt.data, salt.len }, key,
	    err) == 0 && pki_hmac(PKI_SHA256, (struct text){
	    (const char *)key, sizeof(key) }, (struct text){ site.data,
	    site.len }, seed, err) == 0) {
		add_password(templates_of(d->type), seed, out);
		rc = 0;
	}
	secret_wipe(key, sizeof(key));
	secret_wipe(seed, sizeof(seed));
	return (rc);
}
