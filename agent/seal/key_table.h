/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_KEY_TABLE_H
#define SEAL_KEY_TABLE_H

#include "base/json.h"
#include "seal/key_slots.h"
#include "seal/key_source.h"

/*
 * <state>/keyslots on its disk, and what opens it: the same code in the agent,
 * when it starts, and in `nodeseal key`.  Whoever writes holds the state
 * directory's lock (key_table_lock), or is the agent that does.
 */
struct key_table {
	int dir;		/* the state directory; borrowed */
	struct key_slots slots;
	uint8_t *root;		/* 32 bytes fit for keys; borrowed */
	uint8_t *material;	/* another 32; borrowed, wiped after use */
	uint32_t opened;	/* the slot that opened it; 0: closed */
	enum slot_type source;	/* its type */
	struct key_counter counter;	/* of the TPM, when that was asked */
	char *passed;		/* which sources did not open, and why */
};

/* A source with what key_source_open gave for it. */
struct key_way {
	struct key_source source;
	int fd;			/* borrowed */
};

/* key_table_lock(dir, err): for as long as the descriptor (or a copy of it) is
 * open; TRANSIENT when an agent or another `nodeseal key` has it. */
int key_table_lock(int dir, struct err *err);

/* key_table_load(t, ret_new, err): read the file; *ret_new, and no slots, when
 * there is none. */
int key_table_load(struct key_table *t, int *ret_new, struct err *err);
/* key_table_open(t, ways, n, err): any that opens a slot will do; in t->passed
 * what the ones before it said.  Fails with what the last one said; TAMPER at
 * once. */
int key_table_open(struct key_table *t, const struct key_way *ways, size_t n,
    struct err *err);
/* key_table_new(t): a new node, open, without a slot. */
void key_table_new(struct key_table *t);
/* key_table_has(t, s): a slot for just this source. */
const struct key_slot *key_table_has(const struct key_table *t,
    const struct key_source *s);
/* key_table_add(t, w, now, err): a slot for the source; ${now} wall ms; not
 * saved.  key_table_put: the same, saved; INVALID when the source has one.
 * key_table_remove: without that slot, saved; INVALID for the last one; a TPM's
 * counter goes with its last slot when its way is among ${ways}.  After a
 * failure of these two all is as before. */
int key_table_add(struct key_table *t, const struct key_way *w, int64_t now,
    struct err *err);
int key_table_put(struct key_table *t, const struct key_way *w, int64_t now,
    struct err *err);
int key_table_remove(struct key_table *t, uint32_t id,
    const struct key_way *ways, size_t n, struct err *err);
/* key_table_save(t, err): old or new, whatever dies when. */
int key_table_save(struct key_table *t, struct err *err);
void key_table_clear(struct key_table *t);

/**
 * key_table_rotate(t, ways, n, now, next, err):
 * A new root key, saved, and in t->root afterwards; ${next}: 32 bytes fit for
 * keys, to work in.  Every slot is made anew from its source, so each must be
 * among ${ways}; INVALID names the one that is not.  The one before stays in
 * the table (key_slots_before) until key_table_rotated, so that what is sealed
 * by either opens whatever dies when.  On failure all is as before.  INVALID
 * also while another rotation has not come to its end.
 * key_table_rotated(t, epoch, epoch_at, err): all is sealed anew: forget the
 * one before, take over the epoch, save.
 */
int key_table_rotate(struct key_table *t, const struct key_way *ways,
    size_t n, int64_t now, uint8_t next[static SLOTS_ROOT_LEN],
    struct err *err);
int key_table_rotated(struct key_table *t, uint32_t epoch, int64_t epoch_at,
    struct err *err);

/* key_table_json(t): what may be said of it: {node, strength, epoch, rotating,
 * slots: [{id, source, strength, created, opened}]}; "node" is its id, no
 * secret.  The caller's. */
struct json *key_table_json(const struct key_table *t);

/* key_slots_weakest(s): what a thief of the disk is up against: any slot
 * opens, so it is the weakest. */
enum slot_type key_slots_weakest(const struct key_slots *s);

#endif
