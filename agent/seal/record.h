/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_RECORD_H
#define SEAL_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * One record: the form in which a value rests, in RAM now and in the sealed
 * file later (reference security-offline.md d.3).  One block of bytes:
 *
 *	"NSR1" | u32 header length | header | u16 size class | nonce[24] |
 *	ciphertext and tag of (u32 plaintext length | plaintext | zero padding)
 *
 * XChaCha20-Poly1305-IETF; everything before the nonce is its associated data,
 * so that a record cannot be moved to another name, namespace or generation.
 * Padding: 64-byte steps to 4 KiB, then 4 KiB steps.
 * The header is canonical and length-prefixed, and is readable without a key.
 */
#define RECORD_KEY_LEN 32
#define RECORD_HASH_LEN 32
#define RECORD_PLAIN_MAX ((3u << 19) + 4096)	/* model's PAYLOAD_MAX fits */

enum record_kind { RECORD_PAYLOAD = 1,	/* an ExternalSecret's result */
	RECORD_BODY = 2 };		/* an object's whole JSON */

struct record_header {
	enum record_kind kind;
	const char *ns, *ns_uid;	/* NULL reads as "" */
	const char *name, *uid;
	uint64_t generation;		/* ours: counts changes of content */
	const char *store;		/* "Kind/ns/name", for policy */
	const char *version;		/* synced version of the object */
	int64_t fetched_at;		/* wall ms */
	const char *source;		/* "live", or a bundle's id */
	uint8_t hash[RECORD_HASH_LEN];	/* keyed hash of the plaintext */
};

/* A record in the heap. */
struct record {
	uint8_t *data;
	size_t len;
};

/**
 * record_seal(key, h, plain, len, ret, err):
 * Seal ${plain}; the hash in ${h} is written as it is (record_hash makes it).
 * ${ret} is the caller's (record_clear).
 */
int record_seal(const uint8_t key[static RECORD_KEY_LEN],
    const struct record_header *h, const uint8_t *plain, size_t len,
    struct record *ret, struct err *err);
/* record_plain_len(r): upper bound of the plaintext's size, from the class. */
size_t record_plain_max(const struct record *r);
/**
 * record_open(key, r, expect, out, out_size, ret_len, err):
 * Verify and open into ${out} (at least record_plain_max bytes + 4; typically
 * the arena); the plaintext starts at *ret_plain inside ${out}.  ${expect}
 * (may be NULL): kind, ns, name and uid must be the same.  TAMPER on any
 * difference; ${out} is wiped then.
 */
int record_open(const uint8_t key[static RECORD_KEY_LEN],
    const struct record *r, const struct record_header *expect,
    uint8_t *out, size_t out_size, const uint8_t **ret_plain, size_t *ret_len,
    struct err *err);
/* record_head(r, h, err): read the clear header; strings are malloc'd copies,
 * freed by record_header_clear.  TAMPER when malformed. */
int record_head(const struct record *r, struct record_header *h,
    struct err *err);
void record_header_clear(struct record_header *h);
void record_clear(struct record *r);

/* record_hash(key, plain, len, out): BLAKE2b keyed hash. */
void record_hash(const uint8_t key[static RECORD_KEY_LEN],
    const uint8_t *plain, size_t len, uint8_t out[static RECORD_HASH_LEN]);

/* record_derive(key, id, context, out): crypto_kdf_blake2b subkey (8-byte
 * context). */
void record_derive(const uint8_t key[static RECORD_KEY_LEN], uint64_t id,
    const char context[static 8], uint8_t out[static RECORD_KEY_LEN]);
/* record_random(out, len): from the kernel. */
void record_random(void *out, size_t len);

#endif
