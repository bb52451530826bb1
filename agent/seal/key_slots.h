/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_KEY_SLOTS_H
#define SEAL_KEY_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * The node's root key and the slots that open it (reference security-offline.md
 * d.1, d.2).  <state>/keyslots holds the root key wrapped once for every key
 * source; any one opens it.  A MAC under a key of the root key covers the whole
 * table.  The node's box key (bundles are sealed to it) has a seed of its own,
 * wrapped by the root key, so that rotating the root key does not change who
 * the node is.
 * Pure bytes; where a source's material comes from is seal/key_source.h.
 */
#define SLOTS_FILE "keyslots"
#define SLOTS_ROOT_LEN 32
#define SLOTS_MAX 8
#define SLOTS_FILE_MAX 65536

enum slot_type { SLOT_FILE = 1, SLOT_PASSPHRASE, SLOT_CREDENTIAL, SLOT_TPM2,
	SLOT_RECOVERY };
/* "file", "passphrase-file", "credential", "tpm2", "recovery". */
const char *slot_type_name(enum slot_type t);
/* What a thief of the disk is up against: "ObfuscationOnly" for a key file
 * beside the sealed file, "Passphrase", "Host", "TPM2". */
const char *slot_type_strength(enum slot_type t);

struct key_slot {
	enum slot_type type;
	uint32_t id;		/* never used again in this file */
	int64_t created;	/* wall ms */
	char *label;		/* path, name or PCRs: what the user said */
	uint8_t *params;	/* salt and costs, or the TPM's blob */
	size_t params_len;
	uint8_t *wrapped;	/* nonce, root key, tag */
	size_t wrapped_len;
};

struct key_slots {
	uint32_t format;	/* in which it was read; the MAC is over that */
	uint8_t node[16];	/* random, once a node */
	uint32_t epoch;		/* of the sealed file's keys */
	int64_t epoch_at;	/* when it began, on the node's own clock; 0:
				 * not known (format 1 did not say) */
	uint32_t next_id;	/* of slots: never given twice */
	struct key_slot *v;
	size_t n;
	uint8_t *seed;		/* nonce, box seed, tag; by the root key */
	size_t seed_len;
	uint8_t mac[32];
	/* While the root key is being rotated: the one before, wrapped by the
	 * present one, so that a file sealed by either opens until the last
	 * step.  NULL otherwise. */
	uint8_t *before;
	size_t before_len;
};

void key_slots_clear(struct key_slots *s);

/* key_slots_read(s, data, len,
 * err): the form alone; the MAC needs the root key.
 * TAMPER when malformed, INVALID a newer format.  Older ones are read, and
 * written anew as the present one. */
int key_slots_read(struct key_slots *s, const void *data, size_t len,
    struct err *err);
/* key_slots_write(s, root, out): with its MAC. */
int key_slots_write(struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN],
    struct buf *out, struct err *err);

/* key_slots_make(s, root): a new node: random root key into ${root} (memory
 * fit for keys), node id, seed; no slot yet. */
void key_slots_make(struct key_slots *s, uint8_t root[static SLOTS_ROOT_LEN]);
/* key_slots_add(s, root, material, slot, err): wrap the root key under
 * ${material} (32 bytes that the source gave); ${slot}'s type, created, label
 * and params are taken over, its id is given.  LIMIT beyond SLOTS_MAX. */
int key_slots_add(struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN],
    const uint8_t material[static 32], struct key_slot *slot, struct err *err);
/* key_slots_remove(s, id): INVALID for the last one. */
int key_slots_remove(struct key_slots *s, uint32_t id, struct err *err);
/* key_slots_open(s, slot, material, root,
 * err): unwrap into ${root} and check the
 * MAC of the table.  DENIED when ${material} does not open the slot; TAMPER
 * when it does and the table's MAC is wrong. */
int key_slots_open(const struct key_slots *s, const struct key_slot *slot,
    const uint8_t material[static 32], uint8_t root[static SLOTS_ROOT_LEN],
    struct err *err);
/* key_slots_rotate(s, root, next, err): ${next} (memory fit for keys) becomes a
 * new root key, ${root} the one before it, and the slots are emptied: add each
 * anew.  key_slots_before: the one before into ${out}; NOTFOUND when there is
 * none.  key_slots_rotated: forget it. */
int key_slots_rotate(struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN],
    uint8_t next[static SLOTS_ROOT_LEN], struct err *err);
int key_slots_before(const struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN],
    uint8_t out[static SLOTS_ROOT_LEN], struct err *err);
void key_slots_rotated(struct key_slots *s);
/* key_slots_box(s, root, pk, sk, err): the node's box key pair. */
int key_slots_box(const struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN],
    uint8_t pk[static 32], uint8_t sk[static 32], struct err *err);

#endif
