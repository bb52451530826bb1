/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CACHE_H
#define CORE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/keys.h"
#include "model/payload.h"
#include "seal/record.h"

/*
 * What was fetched, sealed.  A content is counted: a delivery that is under
 * way keeps the one that it began with while a newer one takes its place.
 */
struct content {
	unsigned refs;
	char *ns, *name;
	uint64_t generation;
	uint8_t hash[RECORD_HASH_LEN];
	size_t keys, size;	/* data entries; bytes of the payload */
	struct record record;
};

/* Totals, for status. */
struct cache {
	struct keys *keys;
	size_t records, bytes;
	uint64_t generation;	/* grows with every record that is written */
};

/* Who the value is of and where it is from; strings are copied into the
 * record's header. */
struct cache_origin {
	const char *ns, *name;
	const char *store, *version;
	int64_t fetched_at;
	const char *source;	/* as the record's; NULL: "live" */
};

/**
 * cache_store(c, origin, from, box, len, slot, ret_changed, err):
 * Take a job's sealed payload, the next message of ${from}, into *${slot}.
 * The same content as there writes and seals nothing: *ret_changed is 0.  A
 * payload that is none is TAMPER and leaves the slot alone.
 */
int cache_store(struct cache *c, const struct cache_origin *origin,
    struct keys_stream *from, const uint8_t *box, size_t len,
    struct content **slot, int *ret_changed, struct err *err);
/**
 * cache_restore(c, h, record, slot, err):
 * Take over a record of the sealed file with its header into the empty
 * *${slot}; it is opened once, to know that it can be.  TAMPER leaves all as
 * it was.
 */
int cache_restore(struct cache *c, const struct record_header *h,
    struct record *record, struct content **slot, struct err *err);
/**
 * cache_make(c, origin, generation, plain, len, ret, err):
 * A content of its own, not in the cache yet, of a payload that lies open in
 * keys_room.  TAMPER when it is none.
 * cache_adopt(c, slot, new): ${new} (taken over) takes the place of what is in
 * *${slot}.
 */
int cache_make(struct cache *c, const struct cache_origin *origin,
    uint64_t generation, const uint8_t *plain, size_t len,
    struct content **ret, struct err *err);
void cache_adopt(struct cache *c, struct content **slot, struct content *new);
/* cache_drop: forget and wipe (when the last delivery lets go). */
void cache_drop(struct cache *c, struct content **slot);

struct content *content_ref(struct content *c);
void content_unref(struct content *c);		/* NULL is fine */
/* content_bytes: the payload's bytes, as keys_open. */
int content_bytes(struct keys *k, const struct content *c,
    const uint8_t **ret_plain, size_t *ret_len, struct err *err);
/* content_open: as keys_open, with the payload read (payload_clear it). */
int content_open(struct keys *k, const struct content *c,
    struct payload *ret, struct err *err);

#endif
