/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_pkcs12.h"
#include "value/tmpl_pki_cipher.h"
#include "value/tmpl_rand.h"

/* go-pkcs12's Modern.Encode and EncodeTrustStore. */

#define ITERATIONS 2048
#define SALT 16
#define BLOCK 16

enum { CONTEXT_0 = 0xa0, IMPLICIT_0 = 0x80, BMP_STRING = 0x1e };

static void
add_oid(struct buf *out, enum pkcs12_oid which)
{
	der_add(out, DER_OID, pkcs12_oids[which].p, pkcs12_oids[which].n);
}

static void
add_iterations(struct buf *out)
{
	static const uint8_t bytes[] = { ITERATIONS >> 8, ITERATIONS & 0xff };

	der_add(out, DER_INTEGER, bytes, sizeof(bytes));
}

static void
add_algorithm(struct buf *out, enum pkcs12_oid which)
{
	size_t from = out->len;

	add_oid(out, which);
	der_wrap(out, DER_SEQUENCE, from);
}

/* --- encryption --------------------------------------------------------- */

struct secrets {
	uint8_t salt[SALT], iv[BLOCK], key[32];
};

/* makePBES2Parameters */
static void
add_pbes2(struct buf *out, const struct secrets *s)
{
	size_t from = out->len, params, inner;

	add_oid(out, OID_PBES2);
	params = inner = out->len;
	add_oid(out, OID_PBKDF2);
	{
		size_t kdf = out->len;

		der_add(out, DER_OCTETS, s->salt, sizeof(s->salt));
		add_iterations(out);
		add_algorithm(out, OID_HMAC_SHA256);
		der_wrap(out, DER_SEQUENCE, kdf);
	}
	der_wrap(out, DER_SEQUENCE, inner);
	inner = out->len;
	add_oid(out, OID_AES256);
	der_add(out, DER_OCTETS, s->iv, sizeof(s->iv));
	der_wrap(out, DER_SEQUENCE, inner);
	der_wrap(out, DER_SEQUENCE, params);
	der_wrap(out, DER_SEQUENCE, from);
}

/* pbEncrypt: the algorithm, then the encrypted bytes under ${tag}. */
static int
add_encrypted(struct tmpl_run *run, const struct buf *plain,
    const struct pkcs12_password *password, int tag, struct buf *out,
    struct err *err)
{
	size_t padding = BLOCK - plain->len % BLOCK, n = plain->len + padding;
	uint8_t *text = tmpl_alloc(run, n, err);
	struct secrets s;
	int rc;

	if (text == NULL || tmpl_steps(run, ITERATIONS, err) == -1 ||
	    tmpl_rand(&s, sizeof(s), err) == -1)
		return (-1);
	memcpy(text, plain->data, plain->len);
	memset(text + plain->len, (int)padding, padding);
	rc = pki_pbkdf2(PKI_SHA256, password->utf8, (struct text){
	    (const char *)s.salt, SALT }, ITERATIONS, s.key, sizeof(s.key),
	    err);
	if (rc == 0)
		rc = pki_cbc(PKI_AES256, 1, s.key, s.iv, text, n, text, err);
	if (rc == 0) {
		add_pbes2(out, &s);
		der_add(out, tag, text, n);
	}
	secret_wipe(&s, sizeof(s));
	return (rc);
}

/* makeSafeContents, encrypted. */
static int
add_encrypted_content(struct tmpl_run *run, const struct buf *bags,
    const struct pkcs12_password *password, struct buf *out,
    struct err *err)
{
	size_t from = out->len, explicit, data, info;

	add_oid(out, OID_ENCRYPTED_DATA);
	explicit = data = out->len;
	der_add(out, DER_INTEGER, "\0", 1);
	info = out->len;
	add_oid(out, OID_DATA);
	if (add_encrypted(run, bags, password, IMPLICIT_0, out, err) == -1)
		return (-1);
	der_wrap(out, DER_SEQUENCE, info);
	der_wrap(out, DER_SEQUENCE, data);
	der_wrap(out, CONTEXT_0, explicit);
	der_wrap(out, DER_SEQUENCE, from);
	return (0);
}

/* And in the clear. */
static void
add_content(const struct buf *bytes, struct buf *out)
{
	size_t from = out->len, explicit;

	add_oid(out, OID_DATA);
	explicit = out->len;
	der_add(out, DER_OCTETS, bytes->data, bytes->len);
	der_wrap(out, CONTEXT_0, explicit);
	der_wrap(out, DER_SEQUENCE, from);
}

/* --- bags --------------------------------------------------------------- */

/* One attribute with one value. */
static void
add_attribute(struct buf *out, enum pkcs12_oid which, int tag, const void *p,
    size_t n)
{
	size_t from = out->len, set;

	add_oid(out, which);
	set = out->len;
	der_add(out, tag, p, n);
	der_wrap(out, DER_SET, set);
	der_wrap(out, DER_SEQUENCE, from);
}

/* localKeyId: the SHA-1 of the leaf. */
static void
add_key_id(struct buf *out, const struct x509 *leaf)
{
	uint8_t hash[PKI_HASH_MAX];
	size_t n = pki_hash(PKI_SHA1, leaf->raw.p, leaf->raw.n, hash);

	add_attribute(out, OID_LOCAL_KEY_ID, DER_OCTETS, hash, n);
}

/* A certificate's bag with ${attributes}, an empty set too. */
static void
add_cert_bag(struct buf *out, const struct x509 *x,
    const struct buf *attributes)
{
	size_t from = out->len, explicit, bag, data;

	add_oid(out, OID_CERT_BAG);
	explicit = bag = out->len;
	add_oid(out, OID_CERT_X509);
	data = out->len;
	der_add(out, DER_OCTETS, x->raw.p, x->raw.n);
	der_wrap(out, CONTEXT_0, data);
	der_wrap(out, DER_SEQUENCE, bag);
	der_wrap(out, CONTEXT_0, explicit);
	der_add(out, DER_SET, buf_str(attributes), attributes->len);
	der_wrap(out, DER_SEQUENCE, from);
}

/* SafeContents with the shrouded key alone. */
static int
key_contents(struct tmpl_run *run, struct pkcs12 *p,
    const struct pkcs12_password *password, struct buf *out,
    struct err *err)
{
	cleanup_buf struct buf key = tmpl_buf(run);
	size_t explicit, info, set;

	if (key_print_pkcs8(run, &p->key, &key, err) == -1)
		return (err_wrap(err, "pkcs12: error encoding PKCS#8 private "
		    "key"));
	add_oid(out, OID_SHROUDED_BAG);
	explicit = info = out->len;
	if (add_encrypted(run, &key, password, DER_OCTETS, out, err) == -1)
		return (-1);
	der_wrap(out, DER_SEQUENCE, info);
	der_wrap(out, CONTEXT_0, explicit);
	set = out->len;
	add_key_id(out, &p->certs[0]);
	der_wrap(out, DER_SET, set);
	der_wrap(out, DER_SEQUENCE, 0);
	der_wrap(out, DER_SEQUENCE, 0);
	return (tmpl_check(run, out, err));
}

static int
cert_contents(struct tmpl_run *run, const struct pkcs12 *p, struct buf *out,
    struct err *err)
{
	cleanup_buf struct buf first = tmpl_buf(run);
	cleanup_buf struct buf none = tmpl_buf(run);
	size_t i;

	add_key_id(&first, &p->certs[0]);
	for (i = 0; i < p->n; i++)
		add_cert_bag(out, &p->certs[i], i == 0 ? &first : &none);
	der_wrap(out, DER_SEQUENCE, 0);
	return (tmpl_check(run, out, err));
}

/* --- the file ----------------------------------------------------------- */

static int
add_mac(struct tmpl_run *run, const struct buf *safe,
    const struct pkcs12_password *password, struct buf *out,
    struct err *err)
{
	const struct asn1_value algorithm[2] = { {
		.bytes = pkcs12_oids[OID_SHA256] } };
	uint8_t salt[SALT], digest[PKI_HASH_MAX];
	struct pkcs12_mac mac = { algorithm, { salt, SALT }, ITERATIONS };
	size_t n, from = out->len, info;

	if (tmpl_rand(salt, SALT, err) == -1 || pkcs12_mac(run, &mac,
	    (struct der){ (const uint8_t *)safe->data, safe->len }, password,
	    digest, &n, err) == -1)
		return (-1);
	info = out->len;
	add_algorithm(out, OID_SHA256);
	der_add(out, DER_OCTETS, digest, n);
	der_wrap(out, DER_SEQUENCE, info);
	der_add(out, DER_OCTETS, salt, SALT);
	add_iterations(out);
	der_wrap(out, DER_SEQUENCE, from);
	return (0);
}

/* The PFX around an authenticated safe. */
static int
print_file(struct tmpl_run *run, struct buf *safe,
    const struct pkcs12_password *password, struct buf *out,
    struct err *err)
{
	size_t from = out->len;

	der_wrap(safe, DER_SEQUENCE, 0);
	if (tmpl_check(run, safe, err) == -1)
		return (-1);
	der_add(out, DER_INTEGER, "\3", 1);
	add_content(safe, out);
	if (add_mac(run, safe, password, out, err) == -1)
		return (-1);
	der_wrap(out, DER_SEQUENCE, from);
	return (tmpl_check(run, out, err));
}

int
pkcs12_print(struct tmpl_run *run, struct pkcs12 *p, struct text password,
    struct buf *out, struct err *err)
{
	cleanup_buf struct buf certs = tmpl_buf(run);
	cleanup_buf struct buf key = tmpl_buf(run);
	cleanup_buf struct buf safe = tmpl_buf(run);
	struct pkcs12_password pw;

	if (pkcs12_password(run, password, &pw, err) == -1 ||
	    cert_contents(run, p, &certs, err) == -1 ||
	    key_contents(run, p, &pw, &key, err) == -1 ||
	    add_encrypted_content(run, &certs, &pw, &safe, err) == -1)
		return (-1);
	add_content(&key, &safe);
	return (print_file(run, &safe, &pw, out, err));
}

/* --- trust stores ------------------------------------------------------- */

/* The two attributes as a SET OF: in the order of their bytes. */
static void
sort_two(struct buf *a, struct buf *b, struct buf *out)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->data, b->data, n);

	if (order > 0 || (order == 0 && a->len > b->len)) {
		struct buf *swap = a;

		a = b;
		b = swap;
	}
	buf_add(out, a->data, a->len);
	buf_add(out, b->data, b->len);
}

static int
add_anchor(struct tmpl_run *run, const struct x509 *x, struct buf *out,
    struct err *err)
{
	cleanup_buf struct buf subject = tmpl_buf(run);
	cleanup_buf struct buf bmp = tmpl_buf(run);
	cleanup_buf struct buf name = tmpl_buf(run);
	cleanup_buf struct buf trust = tmpl_buf(run);
	cleanup_buf struct buf both = tmpl_buf(run);
	struct der any = pkcs12_oids[OID_ANY_USAGE];

	x509_subject(x, &subject);
	if (pkcs12_bmp((struct text){ buf_str(&subject), subject.len }, &bmp,
	    err) == -1)
		return (-1);
	add_attribute(&trust, OID_JAVA_TRUST, DER_OID, any.p, any.n);
	add_attribute(&name, OID_FRIENDLY_NAME, BMP_STRING, buf_str(&bmp),
	    bmp.len);
	if (tmpl_check(run, &name, err) == -1)
		return (-1);
	sort_two(&trust, &name, &both);
	add_cert_bag(out, x, &both);
	return (tmpl_check(run, out, err));
}

int
pkcs12_print_trust(struct tmpl_run *run, const struct x509 *certs, size_t n,
    struct text password, struct buf *out, struct err *err)
{
	cleanup_buf struct buf bags = tmpl_buf(run);
	cleanup_buf struct buf safe = tmpl_buf(run);
	struct pkcs12_password pw;
	size_t i;

	if (pkcs12_password(run, password, &pw, err) == -1)
		return (-1);
	for (i = 0; i < n; i++)
		if (add_anchor(run, &certs[i], &bags, err) == -1)
			return (-1);
	der_wrap(&bags, DER_SEQUENCE, 0);
	if (add_encrypted_content(run, &bags, &pw, &safe, err) == -1)
		return (-1);
	return (print_file(run, &safe, &pw, out, err));
}
