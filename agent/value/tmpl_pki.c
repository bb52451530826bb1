/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_case.h"
#include "value/tmpl_chain.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_jwk.h"
#include "value/tmpl_pem.h"
#include "value/tmpl_pkcs12.h"
#include "value/tmpl_pki_cipher.h"
#include "value/tmpl_pki_num.h"

/* ESO's own functions for keys and certificates: runtime/template/v2/
 * {pkcs12,pem,jwk,decrypt}.go of v2.9.0. */

static struct text
arg(const struct tmpl_call *c, size_t i)
{
	return (text_of(&c->v[i]));
}

static const struct text empty = { "", 0 };

/* What Go says of a block that was not found and is used all the same. */
static int
nil_block(struct err *err)
{
	return (err_set(err, ERR_INVALID, "runtime error: invalid memory "
	    "address or nil pointer dereference"));
}

static struct der
der_of(struct text s)
{
	return ((struct der){ (const uint8_t *)s.p, s.n });
}

/* --- out of PKCS #12 ---------------------------------------------------- */

static int
key_of(struct tmpl_call *c, struct text password, struct text data,
    struct tv *ret, struct err *err)
{
	cleanup_buf struct buf der = tmpl_buf(c->run);
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct pkcs12 p;

	if (pkcs12_read(c->run, password, data, &p, err) == -1)
		return (pkcs12_panicked(err) ? -1 : err_wrap(err,
		    "unable to decode pkcs12 with password"));
	if (key_print_pkcs8(c->run, &p.key, &der, err) == -1)
		return (-1);
	pem_encode("PRIVATE KEY", der.data, der.len, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_pkcs12_key(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (key_of(c, empty, arg(c, 0), ret, err));
}

static int
fn_pkcs12_key_pass(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (key_of(c, arg(c, 0), arg(c, 1), ret, err));
}

/* Ordered where they are one chain, else as they stand in the file. */
static int
certs_of(struct tmpl_call *c, struct text password, struct text data,
    struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	cleanup_err struct err ignored = ERR_INIT;
	struct pkcs12 p;
	struct chain chain;

	if (pkcs12_read(c->run, password, data, &p, err) == -1)
		return (pkcs12_panicked(err) ? -1 : err_wrap(err,
		    "unable to decode pkcs12 certificate with password"));
	chain = (struct chain){ p.certs, p.n };
	if (chain_order(c->run, &chain, &ignored) == -1 &&
	    ignored.kind != ERR_INVALID)
		return (err_move(err, &ignored));
	chain_print(chain.v, chain.n, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_pkcs12_cert(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (certs_of(c, empty, arg(c, 0), ret, err));
}

static int
fn_pkcs12_cert_pass(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (certs_of(c, arg(c, 0), arg(c, 1), ret, err));
}

/* --- into PKCS #12 ------------------------------------------------------ */

/* parseCaCerts: as many as there are until the text is used up: what follows
 * the last one is a block that is missing. */
static int
read_certs(struct tmpl_run *run, struct text pem, int all, struct chain *ret,
    struct err *err)
{
	struct pem_block block;
	struct text rest = pem;
	size_t n = 1;
	int found;

	while (pem_decode(run, &rest, &block, NULL) == 1)
		n++;
	ret->n = 0;
	ret->v = tmpl_alloc(run, n * sizeof(*ret->v), err);
	if (ret->v == NULL)
		return (-1);
	do {
		found = pem_decode(run, &pem, &block, err);
		if (found != 1)
			return (found == -1 ? -1 : nil_block(err));
		if (x509_parse(run, der_of(block.bytes), &ret->v[ret->n],
		    err) == -1)
			return (-1);
		ret->n++;
	} while (all && pem.n > 0);
	return (0);
}

static int
give_base64(struct tmpl_call *c, const struct buf *der, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	codec_b64_encode(&out, der->data, der->len, CODEC_B64_STD, 1);
	return (tv_buf(c->run, &out, ret, err));
}

static int
to_pkcs12(struct tmpl_call *c, int all, struct text password, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf der = tmpl_buf(c->run);
	struct text key = arg(c, 1);
	struct pem_block block;
	struct chain chain;
	struct pkcs12 p;
	int found;

	if (read_certs(c->run, arg(c, 0), all, &chain, err) == -1)
		return (-1);
	found = pem_decode(c->run, &key, &block, err);
	if (found != 1)
		return (found == -1 ? -1 : nil_block(err));
	p.certs = chain.v;
	p.n = chain.n;
	if (key_parse(c->run, der_of(block.bytes), &p.key, err) == -1 ||
	    pkcs12_print(c->run, &p, password, &der, err) == -1)
		return (-1);
	return (give_base64(c, &der, ret, err));
}

static int
fn_to_pkcs12(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (to_pkcs12(c, 0, empty, ret, err));
}

static int
fn_to_pkcs12_pass(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (to_pkcs12(c, 0, arg(c, 2), ret, err));
}

static int
fn_full_to_pkcs12(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (to_pkcs12(c, 1, empty, ret, err));
}

static int
fn_full_to_pkcs12_pass(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (to_pkcs12(c, 1, arg(c, 2), ret, err));
}

static int
to_truststore(struct tmpl_call *c, struct text password, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf der = tmpl_buf(c->run);
	struct chain chain = { NULL, 0 };

	if (arg(c, 0).n > 0 &&
	    read_certs(c->run, arg(c, 0), 1, &chain, err) == -1)
		return (-1);
	if (pkcs12_print_trust(c->run, chain.v, chain.n, password, &der,
	    err) == -1)
		return (-1);
	return (give_base64(c, &der, ret, err));
}

static int
fn_to_truststore(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (to_truststore(c, empty, ret, err));
}

static int
fn_to_truststore_pass(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (to_truststore(c, arg(c, 1), ret, err));
}

/* --- PEM ---------------------------------------------------------------- */

/* strings.EqualFold */
static int
equal_fold(struct text a, struct text b)
{
	uint32_t x, y;
	size_t n;

	while (a.n > 0 && b.n > 0) {
		n = utf8_next(a.p, a.n, &x);
		a.p += n;
		a.n -= n;
		n = utf8_next(b.p, b.n, &y);
		b.p += n;
		b.n -= n;
		if (x != y && case_to_lower(case_to_upper(x)) !=
		    case_to_lower(case_to_upper(y)))
			return (0);
	}
	return (a.n == 0 && b.n == 0);
}

/* trimJunk: from the first BEGIN on. */
static struct text
trim_junk(struct text s)
{
	int64_t at = text_find(s, (struct text){ "-----BEGIN", 10 });

	return (at < 0 ? s : (struct text){ s.p + at, s.n - (size_t)at });
}

static int
fn_filter_pem(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct text rest = trim_junk(arg(c, 1));
	struct pem_block block;
	int found;

	while ((found = pem_decode(c->run, &rest, &block, err)) == 1)
		if (equal_fold(block.type, arg(c, 0)) &&
		    pem_print(c->run, &block, &out, err) == -1)
			return (-1);
	if (found == -1)
		return (-1);
	if (out.len == 0 && rest.n > 0)
		return (err_set(err, ERR_INVALID,
		    "error filtering pem: found junk"));
	return (tv_buf(c->run, &out, ret, err));
}

/* Those of the chain that are asked for: where they start, how many. */
static size_t
select_certs(const struct chain *c, struct text what, size_t *at)
{
	size_t n = 0;

	*at = 0;
	if (text_is(what, "leaf"))
		return (!chain_is_root(&c->v[0]));
	if (text_is(what, "root")) {
		*at = c->n - 1;
		return (chain_is_root(&c->v[*at]) != 0);
	}
	if (text_is(what, "intermediate"))
		for (*at = 1; *at + n < c->n &&
		    !chain_is_root(&c->v[*at + n]); n++)
			;
	return (n);
}

static int
fn_filter_chain(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct chain chain;
	size_t at, n;

	if (chain_read(c->run, arg(c, 1), &chain, err) == -1 ||
	    chain_order(c->run, &chain, err) == -1)
		return (-1);
	n = select_certs(&chain, arg(c, 0), &at);
	chain_print(chain.v + at, n, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_cert_sans(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct text pem = trim_junk(arg(c, 0));
	struct pem_block block;
	struct x509 x;
	int found = pem_decode(c->run, &pem, &block, err);

	if (found == -1)
		return (-1);
	if (found == 0)
		return (err_set(err, ERR_INVALID,
		    "failed to decode PEM block"));
	if (x509_parse(c->run, der_of(block.bytes), &x, err) == -1)
		return (err_wrap(err, "failed to parse certificate"));
	return (x509_sans(c->run, &x, ret, err));
}

/* --- JSON Web Keys ------------------------------------------------------ */

static int
fn_jwk_public(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (jwk_print_public(c->run, arg(c, 0), &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_jwk_private(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (jwk_print_private(c->run, arg(c, 0), &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

/* --- RSA ---------------------------------------------------------------- */

/* XOR ${out} with MGF1 of ${seed}, for which there is room in ${scratch}, and
 * for four bytes more. */
static void
mask(enum pki_hash hash, const uint8_t *seed, size_t seed_n, uint8_t *out,
    size_t n, uint8_t *scratch)
{
	uint8_t digest[PKI_HASH_MAX];
	uint32_t counter = 0;
	size_t i, at, len;

	memcpy(scratch, seed, seed_n);
	for (at = 0; at < n; at += len, counter++) {
		for (i = 0; i < 4; i++)
			scratch[seed_n + i] = (uint8_t)(counter >>
			    (24 - 8 * i));
		len = pki_hash(hash, scratch, seed_n + 4, digest);
		for (i = 0; i < len && at + i < n; i++)
			out[at + i] ^= digest[i];
	}
	secret_wipe(digest, sizeof(digest));
}

/* Without a branch on what is in it, as Go: where the message starts, or 0. */
static size_t
unpad(const uint8_t *em, size_t n, const uint8_t *label, size_t h)
{
	unsigned int bad = em[0], looking = 1, one;
	size_t i, at = 0;

	for (i = 0; i < h; i++)
		bad |= (unsigned int)(em[1 + h + i] ^ label[i]);
	for (i = 1 + 2 * h; i < n; i++) {
		one = em[i] == 1;
		at |= ((size_t)0 - (looking & one)) & (i + 1);
		looking &= !one;
		bad |= looking & (em[i] != 0);
	}
	return (bad != 0 || looking ? 0 : at);
}

/* EME-OAEP-DECODE; the message lies in ${em}; ${scratch} is as long, and four
 * bytes more. */
static int
decode_oaep(enum pki_hash hash, uint8_t *em, size_t n, uint8_t *scratch,
    struct text *ret)
{
	uint8_t label[PKI_HASH_MAX];
	size_t at, h = pki_hash(hash, "", 0, label);

	mask(hash, em + 1 + h, n - 1 - h, em + 1, h, scratch);
	mask(hash, em + 1, h, em + 1 + h, n - 1 - h, scratch);
	at = unpad(em, n, label, h);
	*ret = (struct text){ (const char *)em + at, n - at };
	return (at == 0 ? -1 : 0);
}

static int
decrypt(struct tmpl_call *c, enum pki_hash hash, const struct key *key,
    struct tv *ret, struct err *err)
{
	static const char *const failed = "error decrypting data with RSA: "
	    "crypto/rsa: decryption error";
	size_t n = key->rsa.n.n, h = hash == PKI_SHA1 ? 20 :
	    hash == PKI_SHA256 ? 32 : 64;
	int bits = pki_rsa_bits(key->rsa.n), rc;
	struct text in = arg(c, 2), out;
	uint8_t *em;

	if (bits < 1024)
		return (err_set(err, ERR_INVALID, "error decrypting data with "
		    "RSA: crypto/rsa: %d-bit keys are insecure (see "
		    "https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)",
		    bits));
	if (in.n > n || n < 2 * h + 2)
		return (err_set(err, ERR_INVALID, "%s", failed));
	/* Some microseconds at 2048 bits, and it grows with the cube. */
	if (tmpl_steps(c->run, (uint64_t)n * n / 16, err) == -1 ||
	    (em = tmpl_alloc(c->run, 2 * n + 4, err)) == NULL)
		return (-1);
	rc = pki_rsa_private(&key->rsa, in, em, err);
	if (rc == -1)
		return (-1);
	if (rc == 1 || decode_oaep(hash, em, n, em + n, &out) == -1)
		return (err_set(err, ERR_INVALID, "%s", failed));
	return (tv_text(c->run, out.p, out.n, ret, err));
}

static int
fn_rsa_decrypt(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	enum pki_hash hash = text_is(arg(c, 1), "SHA1") ? PKI_SHA1 :
	    text_is(arg(c, 1), "SHA512") ? PKI_SHA512 : PKI_SHA256;
	struct text pem = arg(c, 3);
	struct pem_block block;
	struct key key;
	int found;

	if (text_is(arg(c, 0), "None")) {
		*ret = c->v[2];
		return (0);
	}
	if (!text_is(arg(c, 0), "RSA-OAEP"))
		return (err_set(err, ERR_INVALID, "decryption scheme %.*s is "
		    "not supported", (int)arg(c, 0).n, arg(c, 0).p));
	found = pem_decode(c->run, &pem, &block, err);
	if (found == -1)
		return (-1);
	if (found == 0)
		return (err_set(err, ERR_INVALID,
		    "failed to decode PEM block"));
	if (key_parse(c->run, der_of(block.bytes), &key, err) == -1)
		return (err_wrap(err, "could not parse private key"));
	if (key.kind != KEY_RSA)
		return (err_set(err, ERR_INVALID,
		    "could not parse RSA private key"));
	return (decrypt(c, hash, &key, ret, err));
}

#define S &tt_string

const struct tmpl_func tmpl_funcs_pki[] = {
	{ "pkcs12key", fn_pkcs12_key, S, 1, { S }, NULL },
	{ "pkcs12keyPass", fn_pkcs12_key_pass, S, 2, { S, S }, NULL },
	{ "pkcs12cert", fn_pkcs12_cert, S, 1, { S }, NULL },
	{ "pkcs12certPass", fn_pkcs12_cert_pass, S, 2, { S, S }, NULL },
	{ "pemToPkcs12", fn_to_pkcs12, S, 2, { S, S }, NULL },
	{ "pemToPkcs12Pass", fn_to_pkcs12_pass, S, 3, { S, S, S }, NULL },
	{ "fullPemToPkcs12", fn_full_to_pkcs12, S, 2, { S, S }, NULL },
	{ "fullPemToPkcs12Pass", fn_full_to_pkcs12_pass, S, 3, { S, S, S },
	    NULL },
	{ "pemTruststoreToPKCS12", fn_to_truststore, S, 1, { S }, NULL },
	{ "pemTruststoreToPKCS12Pass", fn_to_truststore_pass, S, 2, { S, S },
	    NULL },
	{ "filterPEM", fn_filter_pem, S, 2, { S, S }, NULL },
	{ "filterCertChain", fn_filter_chain, S, 2, { S, S }, NULL },
	{ "certSANs", fn_cert_sans, &tt_strings, 1, { S }, NULL },
	{ "jwkPublicKeyPem", fn_jwk_public, S, 1, { S }, NULL },
	{ "jwkPrivateKeyPem", fn_jwk_private, S, 1, { S }, NULL },
	{ "rsaDecrypt", fn_rsa_decrypt, S, 4, { S, S, S, S }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
