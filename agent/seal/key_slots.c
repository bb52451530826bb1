/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "ipc/frame.h"
#include "seal/box.h"
#include "seal/record.h"
#include "seal/key_slots.h"

/* Numbers lie in the machine's order, as in seal/snapshot.c. */
#define FORMAT 2
#define FORMAT_OLD 1		/* without epoch_at */
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define WRAPPED (NONCE + SLOTS_ROOT_LEN + TAG)
#define PARAMS_MAX 8192		/* a TPM's blob */
#define LABEL_MAX 4096
#define MAC_LEN 32

static const char magic[8] = { 'N', 'S', 'S', 'L', 'O', 'T', 0, 1 };

static const struct {
	const char *name, *strength;
} types[] = {
	[SLOT_FILE] = { "file", "ObfuscationOnly" },
	[SLOT_PASSPHRASE] = { "passphrase-file", "Passphrase" },
	[SLOT_CREDENTIAL] = { "credential", "Host" },
	[SLOT_TPM2] = { "tpm2", "TPM2" },
	[SLOT_RECOVERY] = { "recovery", "Recovery" },
};

const char *
slot_type_name(enum slot_type t)
{
	return (types[t].name);
}

const char *
slot_type_strength(enum slot_type t)
{
	return (types[t].strength);
}

/* --- freeing ---------------------------------------------------------- */

static void
slot_clear(struct key_slot *s)
{
	free(s->label);
	free(s->params);
	free(s->wrapped);
	memset(s, 0, sizeof(*s));
}

void
key_slots_clear(struct key_slots *s)
{
	while (s->n)
		slot_clear(&s->v[--s->n]);
	free(s->v);
	free(s->seed);
	free(s->before);
	memset(s, 0, sizeof(*s));
}

/* --- wrapping: 32 bytes under 32 bytes --------------------------------- */

static uint8_t *
wrap(const uint8_t *key, const char context[static 8], const struct buf *aad,
    const uint8_t *clear)
{
	uint8_t *out = mem_array(WRAPPED, 1), sub[RECORD_KEY_LEN];

	record_random(out, NONCE);
	record_derive(key, 1, context, sub);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE, NULL, clear,
	    SLOTS_ROOT_LEN, (const uint8_t *)aad->data, aad->len, NULL, out,
	    sub);
	secret_wipe(sub, sizeof(sub));
	seal_forget();
	return (out);
}

static int
unwrap(const uint8_t *key, const char context[static 8],
    const struct buf *aad, const uint8_t *box, size_t len, uint8_t *clear)
{
	uint8_t sub[RECORD_KEY_LEN];
	int rc;

	if (len != WRAPPED)
		return (-1);
	record_derive(key, 1, context, sub);
	rc = crypto_aead_xchacha20poly1305_ietf_decrypt(clear, NULL, NULL,
	    box + NONCE, len - NONCE, (const uint8_t *)aad->data, aad->len,
	    box, sub);
	secret_wipe(sub, sizeof(sub));
	seal_forget();
	if (rc != 0)
		secret_wipe(clear, SLOTS_ROOT_LEN);
	return (rc);
}

/* What a wrapping is bound to: the node, and all that its slot says. */
static void
slot_aad(const struct key_slots *s, const struct key_slot *v, struct buf *b)
{
	buf_add(b, s->node, sizeof(s->node));
	wire_u8(b, (uint8_t)v->type);
	wire_u32(b, v->id);
	wire_u64(b, (uint64_t)v->created);
	wire_str(b, v->label);
	wire_bytes(b, v->params, v->params_len);
}

/* --- bytes ------------------------------------------------------------ */

static void
body_write(const struct key_slots *s, struct buf *b)
{
	size_t i;

	buf_add(b, magic, sizeof(magic));
	wire_u32(b, s->format);
	buf_add(b, s->node, sizeof(s->node));
	wire_u32(b, s->epoch);
	if (s->format > FORMAT_OLD)
		wire_u64(b, (uint64_t)s->epoch_at);
	wire_u32(b, s->next_id);
	wire_u32(b, (uint32_t)s->n);
	for (i = 0; i < s->n; i++) {
		wire_u8(b, (uint8_t)s->v[i].type);
		wire_u32(b, s->v[i].id);
		wire_u64(b, (uint64_t)s->v[i].created);
		wire_str(b, s->v[i].label);
		wire_bytes(b, s->v[i].params, s->v[i].params_len);
		wire_bytes(b, s->v[i].wrapped, s->v[i].wrapped_len);
	}
	wire_bytes(b, s->seed, s->seed_len);
	wire_bytes(b, s->before, s->before_len);
}

static void
mac_make(const uint8_t *root, const struct buf *body, uint8_t *out)
{
	uint8_t key[RECORD_KEY_LEN];

	record_derive(root, 1, "nsa-slot", key);
	crypto_generichash(out, MAC_LEN, (const uint8_t *)body->data,
	    body->len, key, sizeof(key));
	secret_wipe(key, sizeof(key));
	seal_forget();
}

int
key_slots_write(struct key_slots *s, const uint8_t root[static SLOTS_ROOT_LEN],
    struct buf *out, struct err *err)
{
	cleanup_buf struct buf body = BUF_PLAIN(SLOTS_FILE_MAX - MAC_LEN);

	s->format = FORMAT;
	body_write(s, &body);
	if (buf_finish(&body, SLOTS_FILE, err) == -1)
		return (-1);
	mac_make(root, &body, s->mac);
	buf_add(out, body.data, body.len);
	buf_add(out, s->mac, MAC_LEN);
	return (buf_finish(out, SLOTS_FILE, err));
}

static void
fixed(struct wire *w, void *out, size_t n)
{
#ifndef WEAKEN_SLOTS_BOUNDS
	if (w->left < n) {
		w->bad = 1;
		return;
	}
#endif
	memcpy(out, w->at, n);
	w->at += n;
	w->left -= n;
}

static uint8_t *
copy(struct wire *w, size_t max, size_t *ret_len)
{
	const uint8_t *data = wire_get_bytes(w, ret_len);
	uint8_t *out;

	if (!data || !*ret_len)
		return (NULL);
	if (*ret_len > max) {
		w->bad = 1;
		return (NULL);
	}
	out = mem_array(*ret_len, 1);
	memcpy(out, data, *ret_len);
	return (out);
}

static void
slot_read(struct wire *w, struct key_slot *v)
{
	v->type = (enum slot_type)wire_get_u8(w);
	v->id = wire_get_u32(w);
	v->created = (int64_t)wire_get_u64(w);
	v->label = wire_get_str(w);
	v->params = copy(w, PARAMS_MAX, &v->params_len);
	v->wrapped = copy(w, WRAPPED, &v->wrapped_len);
	if (v->type < SLOT_FILE || v->type > SLOT_RECOVERY ||
	    v->wrapped_len != WRAPPED || strlen(v->label) > LABEL_MAX)
		w->bad = 1;
}

static void
body_read(struct key_slots *s, struct wire *w)
{
	uint32_t i, n;

	fixed(w, s->node, sizeof(s->node));
	s->epoch = wire_get_u32(w);
	if (s->format > FORMAT_OLD)
		s->epoch_at = (int64_t)wire_get_u64(w);
	s->next_id = wire_get_u32(w);
	n = wire_get_u32(w);
	if (n > SLOTS_MAX) {
		w->bad = 1;
		return;
	}
	s->v = mem_array(n, sizeof(*s->v));
	for (i = 0; i < n; i++)
		slot_read(w, &s->v[s->n++]);
	s->seed = copy(w, WRAPPED, &s->seed_len);
	s->before = copy(w, WRAPPED, &s->before_len);
	fixed(w, s->mac, MAC_LEN);
}

int
key_slots_read(struct key_slots *s, const void *data, size_t len,
    struct err *err)
{
	char start[sizeof(magic)] = { 0 };
	struct key_slots new = { .n = 0 };
	struct wire w;
	uint32_t format;

	wire_init(&w, data, len);
	fixed(&w, start, sizeof(start));
	format = wire_get_u32(&w);
	if (w.bad || memcmp(start, magic, sizeof(magic)) != 0)
		return (err_set(err, ERR_TAMPER, "no table of key slots"));
	if (format < FORMAT_OLD || format > FORMAT)
		return (err_set(err, ERR_INVALID, "format %u of the key slots "
		    "is not this version's %u", format, FORMAT));
	new.format = format;
	body_read(&new, &w);
	if (w.bad || w.left || new.n == 0) {
		key_slots_clear(&new);
		return (err_set(err, ERR_TAMPER, "the table of key slots is "
		    "damaged"));
	}
	*s = new;
	return (0);
}

/* --- making and changing ----------------------------------------------- */

static void
node_aad(const struct key_slots *s, struct buf *b)
{
	buf_add(b, s->node, sizeof(s->node));
}

static void
seed_put(struct key_slots *s, const uint8_t *root, const uint8_t *seed)
{
	cleanup_buf struct buf aad = BUF_PLAIN(64);

	node_aad(s, &aad);
	free(s->seed);
	s->seed = wrap(root, "nsa-seed", &aad, seed);
	s->seed_len = WRAPPED;
}

static int
seed_get(const struct key_slots *s, const uint8_t *root, uint8_t *seed,
    struct err *err)
{
	cleanup_buf struct buf aad = BUF_PLAIN(64);

	node_aad(s, &aad);
	if (unwrap(root, "nsa-seed", &aad, s->seed, s->seed_len, seed) != 0)
		return (err_set(err, ERR_TAMPER, "the node's seed does not "
		    "open"));
	return (0);
}

void
key_slots_make(struct key_slots *s, uint8_t root[static SLOTS_ROOT_LEN])
{
	uint8_t seed[SLOTS_ROOT_LEN];

	memset(s, 0, sizeof(*s));
	s->format = FORMAT;
	s->epoch = 1;
	s->next_id = 1;
	record_random(s->node, sizeof(s->node));
	record_random(root, SLOTS_ROOT_LEN);
	record_random(seed, sizeof(seed));
	seed_put(s, root, seed);
	secret_wipe(seed, sizeof(seed));
}

int
key_slots_add(struct key_slots *s, const uint8_t root[static SLOTS_ROOT_LEN],
    const uint8_t material[static 32], struct key_slot *slot, struct err *err)
{
	cleanup_buf struct buf aad = BUF_PLAIN(PARAMS_MAX + 2 * LABEL_MAX);
	struct key_slot *v;

	if (s->n == SLOTS_MAX)
		return (err_set(err, ERR_LIMIT, "%d key slots are the most: "
		    "remove one first", SLOTS_MAX));
	slot->id = s->next_id++;
	slot_aad(s, slot, &aad);
	if (buf_finish(&aad, "slot", err) == -1)
		return (-1);
	s->v = mem_grow(s->v, s->n + 1, sizeof(*s->v));
	v = &s->v[s->n++];
	*v = *slot;
	v->wrapped = wrap(material, "nsa-wrap", &aad, root);
	v->wrapped_len = WRAPPED;
	memset(slot, 0, sizeof(*slot));
	return (0);
}

int
key_slots_remove(struct key_slots *s, uint32_t id, struct err *err)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->v[i].id == id)
			break;
	if (i == s->n)
		return (err_set(err, ERR_NOTFOUND, "there is no key slot %u",
		    id));
	if (s->n == 1)
		return (err_set(err, ERR_INVALID, "key slot %u is the last "
		    "one, nothing could open the cache any more: add another "
		    "first", id));
	slot_clear(&s->v[i]);
	memmove(&s->v[i], &s->v[i + 1], (--s->n - i) * sizeof(*s->v));
	return (0);
}

int
key_slots_open(const struct key_slots *s, const struct key_slot *slot,
    const uint8_t material[static 32], uint8_t root[static SLOTS_ROOT_LEN],
    struct err *err)
{
	cleanup_buf struct buf aad = BUF_PLAIN(PARAMS_MAX + 2 * LABEL_MAX);
	cleanup_buf struct buf body = BUF_PLAIN(SLOTS_FILE_MAX);
	uint8_t mac[MAC_LEN];

	slot_aad(s, slot, &aad);
	if (unwrap(material, "nsa-wrap", &aad, slot->wrapped,
	    slot->wrapped_len, root) != 0)
		return (err_set(err, ERR_DENIED, "key slot %u (%s) does not "
		    "open with what its source gave", slot->id,
		    slot_type_name(slot->type)));
	body_write(s, &body);
	mac_make(root, &body, mac);
#ifndef WEAKEN_SLOTS_MAC
	if (sodium_memcmp(mac, s->mac, MAC_LEN) != 0) {
		secret_wipe(root, SLOTS_ROOT_LEN);
		return (err_set(err, ERR_TAMPER, "the table of key slots was "
		    "altered"));
	}
#endif
	return (0);
}

/* --- rotation, the node's key ------------------------------------------- */

int
key_slots_rotate(struct key_slots *s, const uint8_t root[static SLOTS_ROOT_LEN],
    uint8_t next[static SLOTS_ROOT_LEN], struct err *err)
{
	cleanup_buf struct buf aad = BUF_PLAIN(64);
	uint8_t seed[SLOTS_ROOT_LEN];

	if (seed_get(s, root, seed, err) == -1)
		return (-1);
	record_random(next, SLOTS_ROOT_LEN);
	seed_put(s, next, seed);
	secret_wipe(seed, sizeof(seed));
	node_aad(s, &aad);
	free(s->before);
#ifndef WEAKEN_ROTATE_BEFORE
	s->before = wrap(next, "nsa-befr", &aad, root);
	s->before_len = WRAPPED;
#else
	s->before = NULL;
#endif
	while (s->n)
		slot_clear(&s->v[--s->n]);
	return (0);
}

int
key_slots_before(const struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN],
    uint8_t out[static SLOTS_ROOT_LEN], struct err *err)
{
	cleanup_buf struct buf aad = BUF_PLAIN(64);

	if (!s->before)
		return (err_set(err, ERR_NOTFOUND, "no rotation is under "
		    "way"));
	node_aad(s, &aad);
	if (unwrap(root, "nsa-befr", &aad, s->before, s->before_len, out) !=
	    0)
		return (err_set(err, ERR_TAMPER, "the root key before does "
		    "not open"));
	return (0);
}

void
key_slots_rotated(struct key_slots *s)
{
	free(STEAL(s->before));
	s->before_len = 0;
}

int
key_slots_box(const struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN],
    uint8_t pk[static 32], uint8_t sk[static 32], struct err *err)
{
	uint8_t seed[SLOTS_ROOT_LEN];

	if (seed_get(s, root, seed, err) == -1)
		return (-1);
	crypto_box_seed_keypair(pk, sk, seed);
	secret_wipe(seed, sizeof(seed));
	seal_forget();
	return (0);
}
