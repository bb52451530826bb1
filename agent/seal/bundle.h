/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_BUNDLE_H
#define SEAL_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "seal/box.h"

/*
 * Bundles: values and the objects they belong to, for nodes that never meet
 * their provider (reference security-offline.md d.5, with a fixed binary head
 * in the place of CBOR).  Signed by an issuer, encrypted to the keys of one or
 * several nodes, carried by any means.  Pure: bytes in, bytes out.  Numbers are
 * little-endian.
 *
 *	clear head:
 *	  magic "NSBNDL\0\1" | format u16 | suite u16 | head length u32 |
 *	  bundle id[16] | issuer id[16] | previous bundle id[16] |
 *	  issued at u64 | not before u64 | not after u64 | sequence u64 |
 *	  mode u8 | new issuers u8 | revoked issuers u8 | revoked bundles u8 |
 *	  recipients u32 | commit[32]
 *	  new issuers' public keys [32]*, ids of revoked issuers [16]*, ids of
 *	  revoked bundles [16]*, recipients {id of the node's key[16], data key
 *	  in a sealed box to it[80]}*
 *	stream header[24], then messages of secretstream_xchacha20poly1305, each
 *	  behind its length u32: OBJECT*, VALUE*, KEEP*, REVOKE*, FINAL
 *	signature[64]: Ed25519ph over "nsa-bundle-v1" and all bytes before it
 *
 * An id of a key is BLAKE2b-128 of it.  commit = BLAKE2b(data key, "commit" |
 * head with zeros in its place): all recipients read the same.  A hash of the
 * head is associated data of every message, so that nothing of it can be
 * signed anew by another issuer.  Messages are padded as those of
 * seal/snapshot.h: a carrier learns counts and size classes.
 *
 * What a bundle holds is all that its issuer wants this node to have: values
 * that it neither brings nor keeps (KEEP, delta alone) are withdrawn.
 */
#define BUNDLE_FORMAT 1
#define BUNDLE_MAX (64u << 20)
#define BUNDLE_ID_LEN 16
#define BUNDLE_KEY_LEN 32	/* Ed25519 and X25519 public keys alike */
#define BUNDLE_SEED_LEN 32	/* an issuer's secret key */
#define BUNDLE_HEX_LEN (2 * BUNDLE_ID_LEN + 1)
#define BUNDLE_RECIPIENTS_MAX 1024
#define BUNDLE_LIST_MAX 64	/* new issuers, revoked ones, bundles */
#define BUNDLE_MESSAGES_MAX 131072
/* One message: a payload (model/payload.h), its names and its padding. */
#define BUNDLE_MESSAGE_MAX ((3u << 19) + 8192)
#define BUNDLE_HEAD_JSON_MAX (1u << 20)
#define BUNDLE_NAME_MAX 1024
#define BUNDLE_VALID_MAX_MS (90ll * 24 * 3600 * 1000)
/* Two clocks that are both right may differ so much. */
#define BUNDLE_SKEW_MS (5ll * 60 * 1000)

enum bundle_mode { BUNDLE_FULL = 1, BUNDLE_DELTA };
const char *bundle_mode_name(enum bundle_mode m);

struct bundle_head {
	uint8_t id[BUNDLE_ID_LEN];
	uint8_t issuer[BUNDLE_ID_LEN];
	uint8_t previous[BUNDLE_ID_LEN];	/* of a delta; zeros */
	int64_t issued_at, not_before, not_after;	/* wall ms */
	uint64_t sequence;
	enum bundle_mode mode;
	/* Heap arrays, back to back. */
	uint8_t *issuers;		/* BUNDLE_KEY_LEN each */
	uint8_t *revoked_issuers;	/* BUNDLE_ID_LEN each */
	uint8_t *revoked;		/* bundles, likewise */
	uint8_t *recipients;		/* ids of keys, likewise */
	size_t nissuers, nrevoked_issuers, nrevoked, nrecipients;
};
void bundle_head_clear(struct bundle_head *h);

/* bundle_key_id(key, id): of an issuer's or a node's public key. */
void bundle_key_id(const uint8_t key[static BUNDLE_KEY_LEN],
    uint8_t id[static BUNDLE_ID_LEN]);
/* bundle_hex(id, out): for people.  bundle_unhex: INVALID. */
void bundle_hex(const uint8_t id[static BUNDLE_ID_LEN],
    char out[static BUNDLE_HEX_LEN]);
int bundle_unhex(const char *text, uint8_t id[static BUNDLE_ID_LEN],
    struct err *err);

/*
 * Issuers' keys.  A file holds one line: "nodeseal-issuer-secret-1 BASE64" or
 * "nodeseal-issuer-1 BASE64".
 */
#define BUNDLE_KEY_FILE_MAX 4096
/* bundle_issuer_make(seed): fit for keys; bundle_issuer_public: its other
 * half. */
void bundle_issuer_make(uint8_t seed[static BUNDLE_SEED_LEN]);
void bundle_issuer_public(const uint8_t seed[static BUNDLE_SEED_LEN],
    uint8_t key[static BUNDLE_KEY_LEN]);
/* The line; ${out} of the secret one is a secret buffer. */
void bundle_issuer_text(const uint8_t key[static BUNDLE_KEY_LEN],
    int is_secret, struct buf *out);
/* bundle_issuer_parse(text, len, is_secret, key, err): INVALID when it is not
 * such a line, saying so when it is the other half. */
int bundle_issuer_parse(const char *text, size_t len, int is_secret,
    uint8_t key[static BUNDLE_KEY_LEN], struct err *err);

/* --- one bundle, read ---------------------------------------------------- */

struct bundle {
	const uint8_t *data;	/* borrowed */
	size_t len;
	struct bundle_head head;
	size_t head_len;
	const uint8_t *boxes;	/* the recipients, as they lie */
	int verified;		/* bundle_verify has said yes */
};

/* bundle_peek(head): the sequence that its first bytes speak of, to put
 * bundles in order; 0 when they are none's. */
#define BUNDLE_PEEK_LEN 96
uint64_t bundle_peek(const uint8_t head[static BUNDLE_PEEK_LEN]);
/* bundle_read(b, data, len, err): the form and the clear head; nothing of it
 * is to be believed yet.  TAMPER when it is cut or malformed, INVALID when it
 * is no bundle or of a newer format. */
int bundle_read(struct bundle *b, const void *data, size_t len,
    struct err *err);
void bundle_clear(struct bundle *b);
/* bundle_verify(b, issuer, err): the signature, by that public key.  TAMPER. */
int bundle_verify(struct bundle *b,
    const uint8_t issuer[static BUNDLE_KEY_LEN], struct err *err);

/* What a node knows of the issuer. */
struct bundle_known {
	uint64_t sequence;		/* of the last one imported, 0 none */
	uint8_t last[BUNDLE_ID_LEN];	/* its id */
	int revoked;
};
/**
 * bundle_check(h, known, now_ms, err):
 * May it be imported now?  INVALID names the field: not_before, not_after,
 * sequence, previous; DENIED: issuer (revoked).
 */
int bundle_check(const struct bundle_head *h, const struct bundle_known *known,
    int64_t now_ms, struct err *err);

enum bundle_type { BUNDLE_END = 0, BUNDLE_OBJECT, BUNDLE_VALUE, BUNDLE_KEEP,
	BUNDLE_REVOKE, BUNDLE_FINAL };

/* Strings are the message's own; data points into the room it was opened in. */
struct bundle_message {
	enum bundle_type type;
	char *kind;		/* of an object */
	char *ns, *name;
	char *head;		/* of an object: JSON of model/head.h */
	int64_t fetched_at;	/* of a value: wall ms */
	const uint8_t *data;	/* of a value: model/payload.h */
	size_t len;
};
void bundle_message_clear(struct bundle_message *m);

/* Holds keys: lies where its owner's secrets lie. */
struct bundle_reader {
	uint8_t dek[BUNDLE_KEY_LEN];
	uint8_t stream[52];
	uint8_t aad[32];
	size_t at;
	uint32_t counts[BUNDLE_FINAL + 1];
	uint32_t total;
};

/* Opens a sealed box to the node (core/state.h, seal/node_key.h). */
typedef int (*bundle_unbox_fn)(void *arg, const void *box, size_t len,
    uint8_t *out, struct err *err);
/**
 * bundle_open(b, r, node, unbox, arg, err):
 * Begin to read ${b}, which has been verified: not a byte is decrypted before.
 * ${node}: this node's public key.  DENIED ("recipient") when it is for others,
 * TAMPER when its data key is not the one of its head.
 */
int bundle_open(const struct bundle *b, struct bundle_reader *r,
    const uint8_t node[static BUNDLE_KEY_LEN], bundle_unbox_fn unbox,
    void *arg, struct err *err);
/**
 * bundle_next(b, r, room, size, m, err):
 * The next message, opened in ${room} (BUNDLE_MESSAGE_MAX is always enough).
 * 1; 0 behind the last one (the counts were right, nothing follows); -1 TAMPER,
 * ${room} is wiped then.
 */
int bundle_next(const struct bundle *b, struct bundle_reader *r,
    uint8_t *room, size_t size, struct bundle_message *m, struct err *err);
void bundle_reader_end(struct bundle_reader *r);

/* --- one bundle, written ------------------------------------------------- */

typedef int (*bundle_put_fn)(void *arg, const void *data, size_t len,
    struct err *err);

/* Holds keys, as the reader. */
struct bundle_writer {
	_Alignas(16) uint8_t sign[256];
	uint8_t stream[52];
	uint8_t aad[32];
	uint32_t counts[BUNDLE_FINAL + 1];
	size_t written;
	bundle_put_fn put;
	void *arg;
};

/**
 * bundle_begin(w, h, nodes, put, arg, err):
 * Write the head, to h->nrecipients nodes whose public keys lie back to back in
 * ${nodes}; h->recipients is filled in.  What comes out goes to ${put}, piece
 * by piece.
 */
int bundle_begin(struct bundle_writer *w, struct bundle_head *h,
    const uint8_t *nodes, bundle_put_fn put, void *arg, struct err *err);
/* bundle_add(w, m, err): types in the order of the enum.  LIMIT names what is
 * too large. */
int bundle_add(struct bundle_writer *w, const struct bundle_message *m,
    struct err *err);
/* bundle_finish(w, seed, err): the end and the signature; ${w} is wiped. */
int bundle_finish(struct bundle_writer *w,
    const uint8_t seed[static BUNDLE_SEED_LEN], struct err *err);
void bundle_writer_end(struct bundle_writer *w);

#endif
