/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "core/keys.h"
#include "seal/stream.h"

struct keys_stream {
	struct stream stream;
	int used;
};

/* The largest value, its padding and the keys. */
#define ARENA_SIZE (BUNDLE_MESSAGE_MAX + 16384 + SNAPSHOT_SCRATCH + \
    sizeof(struct bundle_reader) + \
	KEYS_STREAMS_MAX * sizeof(struct keys_stream))

struct keys {
	struct arena *arena;
	uint8_t *root;		/* the node's, or zeros */
	uint8_t *next, *material;
	uint8_t *kek;		/* of the epoch; of the process without one */
	uint8_t *kek_old;	/* before the last turn */
	uint8_t *scratch;
	uint8_t *hash;		/* key of the content hash */
	uint8_t *ns;		/* the namespace's key, for a moment */
	uint8_t *sk;
	struct keys_stream *streams;
	struct bundle_reader *reader;
	struct strmap *salts;	/* of namespaces */
	uint8_t pk[BOX_KEY_LEN];
	size_t empty;		/* mark behind the keys */
	uint64_t serial;
};

int
keys_new(struct keys **ret, struct err *err)
{
	struct keys *k = mem_alloc(sizeof(*k));

	if (seal_init(err) == -1 ||
	    arena_open(ARENA_SIZE, &k->arena, err) == -1) {
		free(k);
		return (err_wrap(err, "keys"));
	}
	k->root = arena_alloc(k->arena, RECORD_KEY_LEN);
	k->next = arena_alloc(k->arena, RECORD_KEY_LEN);
	k->material = arena_alloc(k->arena, RECORD_KEY_LEN);
	k->kek = arena_alloc(k->arena, RECORD_KEY_LEN);
	k->kek_old = arena_alloc(k->arena, RECORD_KEY_LEN);
	k->scratch = arena_alloc(k->arena, SNAPSHOT_SCRATCH);
	k->hash = arena_alloc(k->arena, RECORD_KEY_LEN);
	k->ns = arena_alloc(k->arena, RECORD_KEY_LEN);
	k->sk = arena_alloc(k->arena, BOX_KEY_LEN);
	k->streams = arena_alloc(k->arena,
	    KEYS_STREAMS_MAX * sizeof(*k->streams));
	k->reader = arena_alloc(k->arena, sizeof(*k->reader));
	k->salts = strmap_new(free);
	record_random(k->kek, RECORD_KEY_LEN);
	memcpy(k->kek_old, k->kek, RECORD_KEY_LEN);
	record_derive(k->kek, 1, "nsa-hash", k->hash);
	box_keypair(k->pk, k->sk);
	k->empty = arena_mark(k->arena);
	*ret = k;
	return (0);
}

void
keys_free(struct keys *k)
{
	if (!k)
		return;
	arena_close(k->arena);
	strmap_free(k->salts);
	free(k);
}

uint8_t *
keys_root(struct keys *k)
{
	return (k->root);
}

uint8_t *
keys_next(struct keys *k)
{
	return (k->next);
}

uint8_t *
keys_material(struct keys *k)
{
	return (k->material);
}

uint8_t *
keys_scratch(struct keys *k)
{
	return (k->scratch);
}

void
keys_use_root(struct keys *k, uint32_t epoch)
{
	snapshot_epoch_key(k->root, epoch, k->kek);
	memcpy(k->kek_old, k->kek, RECORD_KEY_LEN);
	/* The same in each epoch: equal content is known as such. */
	record_derive(k->root, 2, "nsa-indx", k->hash);
}

void
keys_salt_put(struct keys *k, const char *ns,
    const uint8_t salt[static SNAPSHOT_SALT_LEN])
{
	uint8_t *copy = mem_alloc(SNAPSHOT_SALT_LEN);

	memcpy(copy, salt, SNAPSHOT_SALT_LEN);
	strmap_put(k->salts, ns, copy);
}

const uint8_t *
keys_salt(struct keys *k, const char *ns)
{
	uint8_t salt[SNAPSHOT_SALT_LEN];

	if (!strmap_has(k->salts, ns)) {
		record_random(salt, sizeof(salt));
		keys_salt_put(k, ns, salt);
	}
	return (strmap_get(k->salts, ns));
}

/* Into k->ns, for a moment. */
static void
ns_key(struct keys *k, const uint8_t *kek, const char *ns)
{
	ns = ns ? ns : "";
	snapshot_ns_key(kek, ns, keys_salt(k, ns), k->ns);
}

const uint8_t *
keys_public(const struct keys *k)
{
	return (k->pk);
}

const char *
keys_degraded(const struct keys *k)
{
	return (arena_degraded(k->arena));
}

void
keys_close(struct keys *k)
{
	k->serial++;
	arena_release(k->arena, k->empty);
	secret_wipe(k->ns, RECORD_KEY_LEN);
}

uint64_t
keys_serial(const struct keys *k)
{
	return (k->serial);
}

/* --- what jobs send -------------------------------------------------- */

int
keys_stream_new(struct keys *k, const void *hello, size_t len,
    struct keys_stream **ret, struct err *err)
{
	struct keys_stream *s = k->streams;

	while (s < k->streams + KEYS_STREAMS_MAX && s->used)
		s++;
	if (s == k->streams + KEYS_STREAMS_MAX)
		return (err_set(err, ERR_LIMIT, "more than %d jobs send at a "
		    "time", KEYS_STREAMS_MAX));
	if (stream_accept(&s->stream, k->pk, k->sk, hello, len, err) == -1)
		return (-1);
	s->used = 1;
	*ret = s;
	return (0);
}

void
keys_stream_free(struct keys_stream *s)
{
	if (!s)
		return;
	stream_end(&s->stream);
	s->used = 0;
}

static int
seal_open(struct keys *k, struct record_header *h, const uint8_t *plain,
    size_t len, struct record *ret, struct err *err)
{
	ns_key(k, k->kek, h->ns);
	return (record_seal(k->ns, h, plain, len, ret, err));
}

int
keys_take(struct keys *k, struct keys_stream *from, struct record_header *h,
    const uint8_t *box, size_t len, const uint8_t *old_hash,
    keys_check_fn check, void *arg, struct record *ret, int *ret_changed,
    struct err *err)
{
	size_t plen = len < STREAM_OVERHEAD ? 0 : len - STREAM_OVERHEAD;
	uint8_t *plain;
	int rc = 0;

	keys_close(k);
	if (!from)
		return (err_set(err, ERR_TAMPER, "sealed under no key"));
	if (plen > RECORD_PLAIN_MAX)
		return (err_set(err, ERR_LIMIT,
		    "%zu bytes, more than %u", plen, RECORD_PLAIN_MAX));
	plain = arena_alloc(k->arena, plen);
	if (!plain)
		return (err_set(err, ERR_INTERNAL, "no room in the arena"));
	*ret_changed = 0;
	if (stream_open(&from->stream, box, len, plain, err) == -1 ||
	    (check && check(arg, plain, plen, err) == -1)) {
		rc = -1;
		goto out;
	}
	record_hash(k->hash, plain, plen, h->hash);
#ifndef WEAKEN_UNCHANGED
	if (old_hash && memcmp(old_hash, h->hash, RECORD_HASH_LEN) == 0)
		goto out;
#else
	(void)old_hash;
#endif
	rc = seal_open(k, h, plain, plen, ret, err);
	*ret_changed = rc == 0;
out:
	keys_close(k);
	return (rc);
}

/* --- what bundles bring --------------------------------------------------- */

uint8_t *
keys_room(struct keys *k, size_t size)
{
	keys_close(k);
	return (arena_alloc(k->arena, size));
}

struct bundle_reader *
keys_reader(struct keys *k)
{
	return (k->reader);
}

int
keys_put(struct keys *k, struct record_header *h, const uint8_t *plain,
    size_t len, keys_check_fn check, void *arg, struct record *ret,
    struct err *err)
{
	int rc = check(arg, plain, len, err);

	if (rc == 0) {
		record_hash(k->hash, plain, len, h->hash);
		rc = seal_open(k, h, plain, len, ret, err);
	}
	keys_close(k);
	return (rc);
}

static int
open_under(struct keys *k, const uint8_t *kek, const struct record *r,
    const struct record_header *expect, const uint8_t **ret_plain,
    size_t *ret_len, struct err *err)
{
	size_t size = record_plain_max(r) + 4;
	uint8_t *out;
	int rc;

	keys_close(k);
	out = arena_alloc(k->arena, size);
	if (!out)
		return (err_set(err, ERR_INTERNAL, "no room in the arena"));
	ns_key(k, kek, expect->ns);
	rc = record_open(k->ns, r, expect, out, size, ret_plain, ret_len, err);
	secret_wipe(k->ns, RECORD_KEY_LEN);
	if (rc == -1)
		keys_close(k);
	return (rc);
}

int
keys_open(struct keys *k, const struct record *r,
    const struct record_header *expect, const uint8_t **ret_plain,
    size_t *ret_len, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;

	if (open_under(k, k->kek, r, expect, ret_plain, ret_len, &why) == 0)
		return (0);
	/* A delivery that began before a turn holds what was sealed then. */
	if (memcmp(k->kek, k->kek_old, RECORD_KEY_LEN) != 0 &&
	    open_under(k, k->kek_old, r, expect, ret_plain, ret_len,
	    NULL) == 0)
		return (0);
	return (err_move(err, &why));
}

/* --- other keys ------------------------------------------------------ */

void
keys_before(struct keys *k, const uint8_t root[static RECORD_KEY_LEN],
    uint32_t epoch)
{
	snapshot_epoch_key(root, epoch, k->kek_old);
}

void
keys_turn(struct keys *k, uint32_t epoch)
{
	memcpy(k->kek_old, k->kek, RECORD_KEY_LEN);
	snapshot_epoch_key(k->root, epoch, k->kek);
	record_derive(k->root, 2, "nsa-indx", k->hash);
}

int
keys_reseal(struct keys *k, struct record *r,
    uint8_t hash[static RECORD_HASH_LEN], struct err *err)
{
	struct record_header h;
	struct record new = { NULL, 0 };
	const uint8_t *plain;
	size_t len;
	int rc;

	if (record_head(r, &h, err) == -1)
		return (-1);
	rc = keys_open(k, r, &h, &plain, &len, err);
	if (rc == 0) {
		record_hash(k->hash, plain, len, h.hash);
		rc = seal_open(k, &h, plain, len, &new, err);
	}
	keys_close(k);
	if (rc == 0) {
		memcpy(hash, h.hash, RECORD_HASH_LEN);
		record_clear(r);
		*r = new;
	}
	record_header_clear(&h);
	return (rc);
}
