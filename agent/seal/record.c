/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "seal/box.h"
#include "seal/record.h"

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN crypto_aead_xchacha20poly1305_ietf_ABYTES
#define PRE_LEN 8		/* magic and header length */
#define CLASS_LEN 2
#define LEN_LEN 4		/* the length inside the plaintext */
#define HEADER_MAX 65536
#define FINE 64			/* steps of padding up to … */
#define COARSE 4096		/* … this, and steps of this from there on */
#define NFINE (COARSE / FINE)
#define CLASSES (NFINE + (RECORD_PLAIN_MAX + LEN_LEN) / COARSE)

_Static_assert(RECORD_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    "key");

static const uint8_t magic[4] = { 'N', 'S', 'R', '1' };

/* --- numbers and strings of the header: little-endian, length-prefixed --- */

static void
put_number(struct buf *b, uint64_t v, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		buf_addc(b, (char)(v >> (8 * i)));
}

static void
put_str(struct buf *b, const char *s)
{
	size_t len = s ? strlen(s) : 0;

	put_number(b, len, 4);
	if (len)
		buf_add(b, s, len);
}

struct cursor {
	const uint8_t *at;
	size_t left;
	int bad;
};

static uint64_t
get_number(struct cursor *c, size_t bytes)
{
	uint64_t v = 0;
	size_t i;

	if (c->left < bytes) {
		c->bad = 1;
		return (0);
	}
	for (i = 0; i < bytes; i++)
		v |= (uint64_t)c->at[i] << (8 * i);
	c->at += bytes;
	c->left -= bytes;
	return (v);
}

/* A string with a NUL inside would be two names: the one that is signed and
 * the one that is read. */
static char *
get_str(struct cursor *c)
{
	size_t len = get_number(c, 4);
	char *s;

	if (c->bad || len > c->left || memchr(c->at, 0, len)) {
		c->bad = 1;
		return (str_dup(""));
	}
	s = str_ndup((const char *)c->at, len);
	c->at += len;
	c->left -= len;
	return (s);
}

/* --- size classes ------------------------------------------------------- */

static size_t
class_of(size_t len)
{
	size_t need = len + LEN_LEN;

	if (need <= COARSE)
		return ((need + FINE - 1) / FINE - 1);
	return (NFINE + (need - COARSE + COARSE - 1) / COARSE - 1);
}

static size_t
class_size(size_t class)
{
	if (class < NFINE)
		return ((class + 1) * FINE);
	return ((class - NFINE + 2) * COARSE);
}

/* --- where the parts of a record lie ------------------------------------ */

struct parts {
	struct cursor header;
	size_t aad_len;		/* all before the nonce */
	size_t padded;		/* size of the padded plaintext */
	uint8_t *nonce;
	uint8_t *cipher;	/* padded + TAG_LEN bytes */
};

static int
record_split(const struct record *r, struct parts *p)
{
	struct cursor c = { r->data, r->len, 0 };
	size_t hlen, class;

	if (r->len < PRE_LEN || memcmp(r->data, magic, sizeof(magic)) != 0)
		return (-1);
	get_number(&c, 4);
	hlen = get_number(&c, 4);
#ifdef WEAKEN_RECORD_BOUNDS
	if (hlen > HEADER_MAX)
#else
	if (hlen > HEADER_MAX || hlen > c.left)
#endif
		return (-1);
	p->header = (struct cursor){ c.at, hlen, 0 };
	c.at += hlen;
	c.left -= hlen;
	class = get_number(&c, CLASS_LEN);
	if (c.bad || class >= CLASSES)
		return (-1);
	p->padded = class_size(class);
	if (c.left != NONCE_LEN + p->padded + TAG_LEN)
		return (-1);
	p->aad_len = r->len - c.left;
	p->nonce = r->data + p->aad_len;
	p->cipher = p->nonce + NONCE_LEN;
	return (0);
}

static void
header_write(const struct record_header *h, struct buf *b)
{
	put_number(b, h->kind, 1);
	put_str(b, h->ns);
	put_str(b, h->ns_uid);
	put_str(b, h->name);
	put_str(b, h->uid);
	put_number(b, h->generation, 8);
	put_str(b, h->store);
	put_str(b, h->version);
	put_number(b, (uint64_t)h->fetched_at, 8);
	put_str(b, h->source);
	buf_add(b, h->hash, RECORD_HASH_LEN);
}

static void
header_read(struct cursor *c, struct record_header *h)
{
	h->kind = (enum record_kind)get_number(c, 1);
	h->ns = get_str(c);
	h->ns_uid = get_str(c);
	h->name = get_str(c);
	h->uid = get_str(c);
	h->generation = get_number(c, 8);
	h->store = get_str(c);
	h->version = get_str(c);
	h->fetched_at = (int64_t)get_number(c, 8);
	h->source = get_str(c);
	if (c->bad || c->left != RECORD_HASH_LEN)
		c->bad = 1;
	else
		memcpy(h->hash, c->at, RECORD_HASH_LEN);
	if (h->kind != RECORD_PAYLOAD && h->kind != RECORD_BODY)
		c->bad = 1;
}

/* --- seal and open ------------------------------------------------------ */

static unsigned long long
aad_len(size_t len)
{
#ifdef WEAKEN_AAD
	(void)len;
	return (0);
#else
	return (len);
#endif
}

int
record_seal(const uint8_t key[static RECORD_KEY_LEN],
    const struct record_header *h, const uint8_t *plain, size_t len,
    struct record *ret, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(HEADER_MAX);
	size_t padded, head;
	uint8_t *p, *at;
	size_t i;

	if (len > RECORD_PLAIN_MAX)
		return (err_set(err, ERR_LIMIT,
		    "value of %zu bytes is larger than %u bytes", len,
		    RECORD_PLAIN_MAX));
	header_write(h, &b);
	if (buf_finish(&b, "record header", err) == -1)
		return (-1);
	padded = class_size(class_of(len));
	head = PRE_LEN + b.len + CLASS_LEN;
	p = mem_alloc(head + NONCE_LEN + padded + TAG_LEN);
	memcpy(p, magic, sizeof(magic));
	for (i = 0; i < 4; i++)
		p[4 + i] = (uint8_t)(b.len >> (8 * i));
	memcpy(p + PRE_LEN, b.data, b.len);
	for (i = 0; i < CLASS_LEN; i++)
		p[head - CLASS_LEN + i] = (uint8_t)(class_of(len) >> (8 * i));
	randombytes_buf(p + head, NONCE_LEN);
	/* Encrypted where it lies: no second copy of the plaintext to wipe. */
	at = p + head + NONCE_LEN;
	for (i = 0; i < LEN_LEN; i++)
		at[i] = (uint8_t)(len >> (8 * i));
	if (len)
		memcpy(at + LEN_LEN, plain, len);
	crypto_aead_xchacha20poly1305_ietf_encrypt(at, NULL, at, padded, p,
	    aad_len(head), NULL, p + head, key);
	seal_forget();
	ret->data = p;
	ret->len = head + NONCE_LEN + padded + TAG_LEN;
	return (0);
}

size_t
record_plain_max(const struct record *r)
{
	struct parts p;

	return (record_split(r, &p) == -1 ? 0 : p.padded - LEN_LEN);
}

static int
same(const char *a, const char *b)
{
	return (strcmp(a ? a : "", b ? b : "") == 0);
}

/* Is it the record that the caller means? */
static int
header_expect(const struct parts *p, const struct record_header *expect)
{
	struct record_header h = { .kind = 0 };
	struct cursor c = p->header;
	int ok;

	header_read(&c, &h);
	ok = !c.bad && (!expect || (h.kind == expect->kind &&
	    same(h.ns, expect->ns) && same(h.name, expect->name) &&
	    same(h.uid, expect->uid)));
	record_header_clear(&h);
	return (ok ? 0 : -1);
}

int
record_open(const uint8_t key[static RECORD_KEY_LEN], const struct record *r,
    const struct record_header *expect, uint8_t *out, size_t out_size,
    const uint8_t **ret_plain, size_t *ret_len, struct err *err)
{
	struct parts p;
	size_t len = 0, i;
	int rc;

	if (record_split(r, &p) == -1)
		return (err_set(err, ERR_TAMPER, "record is malformed"));
	if (header_expect(&p, expect) == -1)
		return (err_set(err, ERR_TAMPER,
		    "record belongs to another object"));
	if (out_size < p.padded)
		return (err_set(err, ERR_LIMIT, "record of %zu bytes has no "
		    "room in %zu", p.padded, out_size));
	rc = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL,
	    p.cipher, p.padded + TAG_LEN, r->data, aad_len(p.aad_len),
	    p.nonce, key);
	seal_forget();
	if (rc == -1) {
		secret_wipe(out, p.padded);
		return (err_set(err, ERR_TAMPER, "record does not open"));
	}
	for (i = 0; i < LEN_LEN; i++)
		len |= (size_t)out[i] << (8 * i);
	if (len > p.padded - LEN_LEN) {
		secret_wipe(out, p.padded);
		return (err_set(err, ERR_TAMPER, "record has a wrong length"));
	}
	*ret_plain = out + LEN_LEN;
	*ret_len = len;
	return (0);
}

int
record_head(const struct record *r, struct record_header *h, struct err *err)
{
	struct record_header head = { .kind = 0 };
	struct parts p;

	if (record_split(r, &p) == -1)
		return (err_set(err, ERR_TAMPER, "record is malformed"));
	header_read(&p.header, &head);
	if (p.header.bad) {
		record_header_clear(&head);
		return (err_set(err, ERR_TAMPER, "record header is malformed"));
	}
	*h = head;
	return (0);
}

/* The strings of a header that was read are ours, whatever the type says. */
static void
str_free(const char **s)
{
	void *p;

	memcpy(&p, s, sizeof(p));
	free(p);
	*s = NULL;
}

void
record_header_clear(struct record_header *h)
{
	str_free(&h->ns);
	str_free(&h->ns_uid);
	str_free(&h->name);
	str_free(&h->uid);
	str_free(&h->store);
	str_free(&h->version);
	str_free(&h->source);
}

void
record_clear(struct record *r)
{
	if (r->data)
		secret_wipe(r->data, r->len);
	free(r->data);
	r->data = NULL;
	r->len = 0;
}

/* --- keys --------------------------------------------------------------- */

void
record_hash(const uint8_t key[static RECORD_KEY_LEN], const uint8_t *plain,
    size_t len, uint8_t out[static RECORD_HASH_LEN])
{
	crypto_generichash(out, RECORD_HASH_LEN, plain, len, key,
	    RECORD_KEY_LEN);
	seal_forget();
}

void
record_derive(const uint8_t key[static RECORD_KEY_LEN], uint64_t id,
    const char context[static 8], uint8_t out[static RECORD_KEY_LEN])
{
	crypto_kdf_blake2b_derive_from_key(out, RECORD_KEY_LEN, id, context,
	    key);
	seal_forget();
}

void
record_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}
