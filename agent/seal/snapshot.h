/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_SNAPSHOT_H
#define SEAL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "seal/record.h"

/*
 * The bytes of the sealed file: everything that a node needs to go on without
 * its network, as one block (reference security-offline.md d.3).  Pure: bytes
 * in, bytes out; what touches a disk is seal/file.h.
 *
 *	clear head, all of it associated data of what follows:
 *	  magic "NSEAL\0\0\1" | format u16 | suite u16 | head length u32 |
 *	  epoch u32 | generation u64 | cluster[16] | node[16] | counter u64 |
 *	  clock high-water u64 | boot id[16] | boot clock u64 | file salt[32] |
 *	  commit[32]
 *	then crypto_secretstream_xchacha20poly1305 under K_stream: a MANIFEST
 *	(counts), then NS*, OBJECT*, RECORD*, TOMB*, ISSUER*, each a message of
 *	its own behind its length, then FINAL (TAG_FINAL) with the counts again
 *	and a BLAKE2b of all messages before.
 *
 * Canonical.  commit = BLAKE2b(K_stream, "commit" | head before it) is checked
 * first: XChaCha20-Poly1305 does not commit to its key.  The head ends in an
 * unkeyed sum of itself, so that a flip there is not taken for another's file.
 * Records inside are those of seal/record.h as they lie in RAM, sealed a second
 * time by their namespace's key: reading verifies the set and opens no value.
 * Messages are padded (to 64 bytes, and larger ones to 4 KiB but for RECORD,
 * whose record has a size class of its own), so that the file tells counts and
 * size classes, and no name.
 */
#define SNAPSHOT_FORMAT 2	/* 1 knew less of issuers, and had none */
#define SNAPSHOT_MAX (512u << 20)
#define SNAPSHOT_SALT_LEN 16
#define SNAPSHOT_ID_LEN 16
/* Room for keys and for the stream's state, in memory that is fit for keys. */
#define SNAPSHOT_SCRATCH 512

struct snapshot_head {
	uint32_t epoch;
	uint64_t generation;
	uint8_t cluster[SNAPSHOT_ID_LEN], node[SNAPSHOT_ID_LEN];
	uint64_t counter;	/* of the TPM, 0 without one */
	int64_t highwater_ms;	/* the node's own clock (core/state.h) */
	uint8_t boot_id[SNAPSHOT_ID_LEN];
	int64_t boot_ms;	/* CLOCK_BOOTTIME when highwater_ms was taken */
};

/* K_ns = BLAKE2b(KEK_e, "ns" | len | ns | salt): forgetting the salt forgets
 * the namespace. */
struct snapshot_ns {
	char *ns;
	uint8_t salt[SNAPSHOT_SALT_LEN];
};

/* An object that no local file holds (from a bundle, from the API server). */
struct snapshot_object {
	char *origin;		/* "bundle:ID", "api" */
	char *kind, *ns, *name;
	char *head;		/* JSON of model/head.h */
	char *rejected;
	struct record body;	/* RECORD_BODY; data NULL when there is none */
};

/* A value and what is known of its age. */
struct snapshot_value {
	struct record record;		/* RECORD_PAYLOAD */
	int64_t synced_wall;		/* wall ms of the last success */
	int64_t synced_at;		/* the same on the node's own clock,
					 * highwater_ms's, as all that follow */
	int64_t failed_since;		/* of the first failure in a row, 0 */
	int64_t denied_since;		/* of the first 401/403 in a row, 0 */
	uint32_t denied;		/* how many of them counted */
	int64_t not_after;		/* of a bundle, 0: none */
};

/* Withdrawn: must not come back from an older file. */
struct snapshot_tomb {
	char *ns, *name;
	char *reason;
	int64_t at;		/* wall ms */
};

/* What a bundle's issuer has done on this node (seal/bundle.h). */
struct snapshot_issuer {
	uint8_t key_id[SNAPSHOT_ID_LEN];
	uint8_t key[RECORD_KEY_LEN];	/* public; zeros: not known */
	uint8_t last[SNAPSHOT_ID_LEN];	/* his last bundle's id … */
	uint64_t sequence;	/* … and sequence, 0 none */
	int64_t issued_at, not_after;	/* of it, wall ms */
	uint8_t revoked;
};

struct snapshot {
	struct snapshot_head head;
	struct snapshot_ns *ns;
	size_t nns;
	struct snapshot_object *objects;
	size_t nobjects;
	struct snapshot_value *values;
	size_t nvalues;
	struct snapshot_tomb *tombs;
	size_t ntombs;
	struct snapshot_issuer *issuers;
	size_t nissuers;
};

void snapshot_clear(struct snapshot *s);	/* frees all that it holds */

/**
 * snapshot_write(root, s, scratch, out, err):
 * Append the file's bytes.  ${root} is the node's root key (seal/key_slots.h);
 * ${scratch} SNAPSHOT_SCRATCH bytes fit for keys, wiped afterwards.  A salt for
 * the file is made anew each time.  LIMIT beyond SNAPSHOT_MAX.
 */
int snapshot_write(const uint8_t root[static RECORD_KEY_LEN],
    const struct snapshot *s, uint8_t scratch[static SNAPSHOT_SCRATCH],
    struct buf *out, struct err *err);

/* snapshot_peek(data, len, head, ret_format, err): the clear head alone,
 * unverified: which format, whose file.  TAMPER when it is no sealed file. */
int snapshot_peek(const void *data, size_t len, struct snapshot_head *head,
    unsigned *ret_format, struct err *err);

/**
 * snapshot_read(root, data, len, scratch, ret, err):
 * Verify everything, then give it.  Kinds of failure: INVALID a newer format
 * or an unknown suite; DENIED another key's file (its commit does not fit, and
 * the head is whole); TAMPER anything else: a flip, a cut, a splice, more
 * bytes, another order, two records of one name.  Nothing is given then.
 */
int snapshot_read(const uint8_t root[static RECORD_KEY_LEN],
    const void *data, size_t len, uint8_t scratch[static SNAPSHOT_SCRATCH],
    struct snapshot *ret, struct err *err);

/* snapshot_epoch_key(root, epoch, out): KEK_e; snapshot_ns_key: K_ns. */
void snapshot_epoch_key(const uint8_t root[static RECORD_KEY_LEN],
    uint32_t epoch, uint8_t out[static RECORD_KEY_LEN]);
void snapshot_ns_key(const uint8_t kek[static RECORD_KEY_LEN], const char *ns,
    const uint8_t salt[static SNAPSHOT_SALT_LEN],
    uint8_t out[static RECORD_KEY_LEN]);

#endif
