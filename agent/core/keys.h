/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_KEYS_H
#define CORE_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strmap.h"
#include "seal/bundle.h"
#include "seal/record.h"
#include "seal/snapshot.h"

/*
 * The keys of this process and the one place where a value lies open: the
 * arena.  Records are sealed under a key of their namespace (snapshot_ns_key),
 * derived from the node's root key of an epoch, so that RAM and the sealed file
 * hold the same record; without a root key, from one that ends with the process
 * (reference security-offline.md d.1).  No key ever leaves the arena.
 */
struct keys;

int keys_new(struct keys **ret, struct err *err);
void keys_free(struct keys *k);

/* keys_root(k): 32 bytes for the root key; keys_next(k): 32 for another one,
 * while it is being rotated; keys_material(k): 32 for what opens a slot;
 * keys_scratch(k): SNAPSHOT_SCRATCH bytes for who works with them. */
uint8_t *keys_root(struct keys *k);
uint8_t *keys_next(struct keys *k);
uint8_t *keys_material(struct keys *k);
uint8_t *keys_scratch(struct keys *k);
/* keys_use_root(k, epoch): from now on everything is derived from the root key.
 * Before anything was sealed. */
void keys_use_root(struct keys *k, uint32_t epoch);
/* keys_turn(k, epoch): from now on all is sealed under this epoch of what is
 * in keys_root now.  What was sealed before still opens, until the next turn;
 * keys_before(k, root, epoch): so does what was sealed under this.
 * keys_reseal(k, r, hash, err): bring such a record to the present keys, in its
 * place; ${hash} gets its new keyed hash.  TAMPER leaves it as it was. */
void keys_turn(struct keys *k, uint32_t epoch);
void keys_before(struct keys *k, const uint8_t root[static RECORD_KEY_LEN],
    uint32_t epoch);
int keys_reseal(struct keys *k, struct record *r,
    uint8_t hash[static RECORD_HASH_LEN], struct err *err);
/* keys_salt_put(k, ns, salt): a namespace's salt, from the sealed file.
 * keys_salt(k, ns): made when it is new; borrowed. */
void keys_salt_put(struct keys *k, const char *ns,
    const uint8_t salt[static SNAPSHOT_SALT_LEN]);
const uint8_t *keys_salt(struct keys *k, const char *ns);

/* keys_public(k): 32 bytes, to which jobs seal their streams' keys. */
const uint8_t *keys_public(const struct keys *k);
/* keys_degraded(k): why the keys are less protected than they could be. */
const char *keys_degraded(const struct keys *k);

/* What one job sends sealed (seal/stream.h); its key lies in the arena. */
struct keys_stream;

/**
 * keys_stream_new(k, hello, len, ret, err):
 * The other end of a job's stream, from its first bytes; TAMPER when they are
 * not for us, LIMIT beyond KEYS_STREAMS_MAX at a time.
 */
#define KEYS_STREAMS_MAX 128
int keys_stream_new(struct keys *k, const void *hello, size_t len,
    struct keys_stream **ret, struct err *err);
void keys_stream_free(struct keys_stream *s);	/* wipes; NULL is fine */

/* Looks at an open value before it is accepted; 0 or -1. */
typedef int (*keys_check_fn)(void *arg, const uint8_t *plain, size_t len,
    struct err *err);

/**
 * keys_take(k, from, h, box, len, old_hash, check, arg, ret, ret_changed, err):
 * Open ${box}, the next message of the job's stream ${from}, in the arena, let
 * ${check} (may be NULL) look at it, and seal it again as the record ${ret}
 * under the key of ${h}->ns.  h->hash is filled in.  When it equals
 * ${old_hash} (may be NULL) nothing is sealed: *ret_changed is 0 and ${ret}
 * untouched.  TAMPER when it does not open, or ${from} is NULL.
 */
int keys_take(struct keys *k, struct keys_stream *from,
    struct record_header *h, const uint8_t *box, size_t len,
    const uint8_t *old_hash, keys_check_fn check, void *arg,
    struct record *ret, int *ret_changed, struct err *err);

/**
 * keys_put(k, h, plain, len, check, arg, ret, err):
 * As keys_take, of a value that lies open in the arena already: ${plain} is in
 * keys_room.  keys_room(k, size): room in the arena, closing what was open, to
 * be had until the next call that opens something; NULL when there is none.
 * keys_reader(k): where a bundle's keys lie while it is read.
 */
int keys_put(struct keys *k, struct record_header *h, const uint8_t *plain,
    size_t len, keys_check_fn check, void *arg, struct record *ret,
    struct err *err);
uint8_t *keys_room(struct keys *k, size_t size);
struct bundle_reader *keys_reader(struct keys *k);

/**
 * keys_open(k, r, expect, ret_plain, ret_len, err):
 * Open a record in the arena (closing what was open).  The plaintext is there
 * until keys_close, or until the next keys_open or keys_take; keys_serial
 * changes with each of them.
 */
int keys_open(struct keys *k, const struct record *r,
    const struct record_header *expect, const uint8_t **ret_plain,
    size_t *ret_len, struct err *err);
void keys_close(struct keys *k);
uint64_t keys_serial(const struct keys *k);

#endif
