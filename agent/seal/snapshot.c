/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/strmap.h"
#include "ipc/frame.h"
#include "seal/box.h"
#include "seal/snapshot.h"

/* Numbers lie in the machine's order, as ipc/frame.h writes them: a sealed file
 * never leaves its machine, and all that we build for are little-endian. */
#define SUITE 1			/* BLAKE2b, XChaCha20-Poly1305 */
#define SALT_LEN 32
#define SUM_LEN 16		/* unkeyed: a flip is no foreign key */
#define COMMIT_LEN 32
#define HEAD_LEN (8 + 2 + 2 + 4 + 4 + 8 + 16 + 16 + 8 + 8 + 16 + 8 + \
    SALT_LEN + COMMIT_LEN + SUM_LEN)
#define STREAM_HEAD crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define STREAM_TAG crypto_secretstream_xchacha20poly1305_ABYTES
#define MESSAGE_MAX (4u << 20)	/* a record and its names */
#define FINE 64			/* steps of padding up to … */
#define COARSE 4096		/* … this, and steps of this from there on */

static const char magic[8] = { 'N', 'S', 'E', 'A', 'L', 0, 0, 1 };

enum message { M_MANIFEST = 1, M_NS, M_OBJECT, M_VALUE, M_TOMB, M_ISSUER,
	M_FINAL };

/* What lies in ${scratch}. */
struct keys {
	uint8_t kek[RECORD_KEY_LEN];
	uint8_t stream_key[RECORD_KEY_LEN];
	crypto_secretstream_xchacha20poly1305_state stream;
};
_Static_assert(sizeof(struct keys) <= SNAPSHOT_SCRATCH, "scratch");

struct sealer {
	struct keys *k;
	struct buf *out;
	const uint8_t *head;		/* associated data */
	crypto_generichash_state sum;	/* of all messages so far */
	uint8_t digest[32];		/* in FINAL: it, at its end */
};

/* --- keys -------------------------------------------------------------- */

void
snapshot_epoch_key(const uint8_t root[static RECORD_KEY_LEN], uint32_t epoch,
    uint8_t out[static RECORD_KEY_LEN])
{
	record_derive(root, (1ull << 32) + epoch, "nsa-epch", out);
}

void
snapshot_ns_key(const uint8_t kek[static RECORD_KEY_LEN], const char *ns,
    const uint8_t salt[static SNAPSHOT_SALT_LEN],
    uint8_t out[static RECORD_KEY_LEN])
{
	crypto_generichash_state st;
	uint32_t len = (uint32_t)strlen(ns);

	crypto_generichash_init(&st, kek, RECORD_KEY_LEN, RECORD_KEY_LEN);
	crypto_generichash_update(&st, (const uint8_t *)"ns", 2);
	crypto_generichash_update(&st, (const uint8_t *)&len, sizeof(len));
	crypto_generichash_update(&st, (const uint8_t *)ns, len);
	crypto_generichash_update(&st, salt, SNAPSHOT_SALT_LEN);
	crypto_generichash_final(&st, out, RECORD_KEY_LEN);
	secret_wipe(&st, sizeof(st));
	seal_forget();
}

/* K_stream of a file: ${salt} is the file's. */
static void
derive(struct keys *k, const uint8_t *root, uint32_t epoch,
    const uint8_t *salt)
{
	crypto_generichash_state st;

	snapshot_epoch_key(root, epoch, k->kek);
	crypto_generichash_init(&st, k->kek, RECORD_KEY_LEN, RECORD_KEY_LEN);
	crypto_generichash_update(&st, (const uint8_t *)"stream", 6);
	crypto_generichash_update(&st, salt, SALT_LEN);
	crypto_generichash_final(&st, k->stream_key, RECORD_KEY_LEN);
	secret_wipe(&st, sizeof(st));
}

static void
commit_make(const struct keys *k, const uint8_t *head, uint8_t *out)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, k->stream_key, RECORD_KEY_LEN,
	    COMMIT_LEN);
	crypto_generichash_update(&st, (const uint8_t *)"commit", 6);
	crypto_generichash_update(&st, head, HEAD_LEN - COMMIT_LEN - SUM_LEN);
	crypto_generichash_final(&st, out, COMMIT_LEN);
	secret_wipe(&st, sizeof(st));
}

/* --- the clear head ---------------------------------------------------- */

static void
head_write(const struct snapshot_head *h, const uint8_t *salt, struct buf *b)
{
	uint16_t format = SNAPSHOT_FORMAT, suite = SUITE;

	buf_add(b, magic, sizeof(magic));
	buf_add(b, &format, sizeof(format));
	buf_add(b, &suite, sizeof(suite));
	wire_u32(b, HEAD_LEN);
	wire_u32(b, h->epoch);
	wire_u64(b, h->generation);
	buf_add(b, h->cluster, sizeof(h->cluster));
	buf_add(b, h->node, sizeof(h->node));
	wire_u64(b, h->counter);
	wire_u64(b, (uint64_t)h->highwater_ms);
	buf_add(b, h->boot_id, sizeof(h->boot_id));
	wire_u64(b, (uint64_t)h->boot_ms);
	buf_add(b, salt, SALT_LEN);
}

static void
copy_bytes(struct wire *w, void *out, size_t n)
{
	memcpy(out, w->at, n);
	w->at += n;
	w->left -= n;
}

int
snapshot_peek(const void *data, size_t len, struct snapshot_head *h,
    unsigned *ret_format, struct err *err)
{
	uint8_t sum[SUM_LEN];
	uint16_t format, suite;
	char start[sizeof(magic)];
	struct wire w;

	if (len < HEAD_LEN || memcmp(data, magic, sizeof(magic)) != 0)
		return (err_set(err, ERR_TAMPER, "no sealed file"));
	wire_init(&w, data, HEAD_LEN);
	copy_bytes(&w, start, sizeof(start));
	copy_bytes(&w, &format, sizeof(format));
	copy_bytes(&w, &suite, sizeof(suite));
	*ret_format = format;
	if (format > SNAPSHOT_FORMAT)
		return (err_set(err, ERR_INVALID, "format %u is newer than "
		    "this version's %u", format, SNAPSHOT_FORMAT));
	crypto_generichash(sum, SUM_LEN, data, HEAD_LEN - SUM_LEN, NULL, 0);
	if (wire_get_u32(&w) != HEAD_LEN || memcmp(sum, (const uint8_t *)data +
	    HEAD_LEN - SUM_LEN, SUM_LEN) != 0)
		return (err_set(err, ERR_TAMPER, "its head is damaged"));
	if (format == 0 || suite != SUITE)
		return (err_set(err, ERR_INVALID, "unknown suite %u", suite));
	h->epoch = wire_get_u32(&w);
	h->generation = wire_get_u64(&w);
	copy_bytes(&w, h->cluster, sizeof(h->cluster));
	copy_bytes(&w, h->node, sizeof(h->node));
	h->counter = wire_get_u64(&w);
	h->highwater_ms = (int64_t)wire_get_u64(&w);
	copy_bytes(&w, h->boot_id, sizeof(h->boot_id));
	h->boot_ms = (int64_t)wire_get_u64(&w);
	return (0);
}

/* --- writing ----------------------------------------------------------- */

/* One message: its padding is part of it.  A record's size is a class already,
 * which coarse steps would make larger by half. */
static int
push(struct sealer *s, struct buf *m, uint8_t tag, struct err *err)
{
	size_t step = m->len <= COARSE || m->data[0] == M_VALUE ? FINE :
	    COARSE;
	size_t pad = (step - m->len % step) % step;
	unsigned long long len;
	char *at = pad ? buf_space(m, pad) : m->data;
	char *out;

	if (pad && at) {
		memset(at, 0, pad);
		m->len += pad;
	}
	if (buf_finish(m, "message", err) == -1)
		return (-1);
	if (tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL)
		crypto_generichash_update(&s->sum, (uint8_t *)m->data, m->len);
	wire_u32(s->out, (uint32_t)(m->len + STREAM_TAG));
	out = buf_space(s->out, m->len + STREAM_TAG);
	if (!out)
		return (buf_finish(s->out, "sealed file", err));
	crypto_secretstream_xchacha20poly1305_push(&s->k->stream,
	    (uint8_t *)out, &len, (uint8_t *)m->data, m->len, s->head,
	    HEAD_LEN, tag);
	s->out->len += len;
	buf_cut(m, 0);
	return (0);
}

static void
counts_write(const struct snapshot *s, enum message type, struct buf *m)
{
	wire_u8(m, type);
	wire_u32(m, (uint32_t)s->nns);
	wire_u32(m, (uint32_t)s->nobjects);
	wire_u32(m, (uint32_t)s->nvalues);
	wire_u32(m, (uint32_t)s->ntombs);
	wire_u32(m, (uint32_t)s->nissuers);
}

static void
object_write(const struct snapshot_object *o, struct buf *m)
{
	wire_u8(m, M_OBJECT);
	wire_str(m, o->origin);
	wire_str(m, o->kind);
	wire_str(m, o->ns);
	wire_str(m, o->name);
	wire_str(m, o->head);
	wire_str(m, o->rejected);
	wire_bytes(m, o->body.data, o->body.len);
}

static void
value_write(const struct snapshot_value *v, struct buf *m)
{
	wire_u8(m, M_VALUE);
	wire_u64(m, (uint64_t)v->synced_wall);
	wire_u64(m, (uint64_t)v->synced_at);
	wire_u64(m, (uint64_t)v->failed_since);
	wire_u64(m, (uint64_t)v->denied_since);
	wire_u32(m, v->denied);
	wire_u64(m, (uint64_t)v->not_after);
	wire_bytes(m, v->record.data, v->record.len);
}

static void
one_write(const struct snapshot *s, enum message type, size_t i,
    struct buf *m)
{
	switch (type) {
	case M_NS:
		wire_u8(m, M_NS);
		wire_str(m, s->ns[i].ns);
		buf_add(m, s->ns[i].salt, SNAPSHOT_SALT_LEN);
		break;
	case M_OBJECT:
		object_write(&s->objects[i], m);
		break;
	case M_VALUE:
		value_write(&s->values[i], m);
		break;
	case M_TOMB:
		wire_u8(m, M_TOMB);
		wire_str(m, s->tombs[i].ns);
		wire_str(m, s->tombs[i].name);
		wire_str(m, s->tombs[i].reason);
		wire_u64(m, (uint64_t)s->tombs[i].at);
		break;
	default:
		wire_u8(m, M_ISSUER);
		buf_add(m, s->issuers[i].key_id, SNAPSHOT_ID_LEN);
		buf_add(m, s->issuers[i].key, RECORD_KEY_LEN);
		buf_add(m, s->issuers[i].last, SNAPSHOT_ID_LEN);
		wire_u64(m, s->issuers[i].sequence);
		wire_u64(m, (uint64_t)s->issuers[i].issued_at);
		wire_u64(m, (uint64_t)s->issuers[i].not_after);
		wire_u8(m, s->issuers[i].revoked);
	}
}

static size_t
count_of(const struct snapshot *s, enum message type)
{
	switch (type) {
	case M_NS:
		return (s->nns);
	case M_OBJECT:
		return (s->nobjects);
	case M_VALUE:
		return (s->nvalues);
	case M_TOMB:
		return (s->ntombs);
	default:
		return (s->nissuers);
	}
}

static int
messages_write(struct sealer *z, const struct snapshot *s, struct err *err)
{
	const uint8_t last = crypto_secretstream_xchacha20poly1305_TAG_FINAL;
	cleanup_buf struct buf m = BUF_PLAIN(MESSAGE_MAX);
	int type;
	size_t i;

	counts_write(s, M_MANIFEST, &m);
	if (push(z, &m, 0, err) == -1)
		return (-1);
	for (type = M_NS; type <= M_ISSUER; type++)
		for (i = 0; i < count_of(s, (enum message)type); i++) {
			one_write(s, (enum message)type, i, &m);
			if (push(z, &m, 0, err) == -1)
				return (-1);
		}
	counts_write(s, M_FINAL, &m);
	crypto_generichash_final(&z->sum, z->digest, sizeof(z->digest));
	buf_add(&m, z->digest, sizeof(z->digest));
	return (push(z, &m, last, err));
}

int
snapshot_write(const uint8_t root[static RECORD_KEY_LEN],
    const struct snapshot *s, uint8_t scratch[static SNAPSHOT_SCRATCH],
    struct buf *out, struct err *err)
{
	cleanup_buf struct buf head = BUF_PLAIN(HEAD_LEN);
	struct sealer z = { .k = (struct keys *)(void *)scratch, .out = out };
	uint8_t salt[SALT_LEN], commit[COMMIT_LEN], sum[SUM_LEN];
	uint8_t start[STREAM_HEAD];
	int rc;

	record_random(salt, sizeof(salt));
	derive(z.k, root, s->head.epoch, salt);
	head_write(&s->head, salt, &head);
	commit_make(z.k, (const uint8_t *)head.data, commit);
	buf_add(&head, commit, sizeof(commit));
	crypto_generichash(sum, SUM_LEN, (const uint8_t *)head.data, head.len,
	    NULL, 0);
	buf_add(&head, sum, sizeof(sum));
	crypto_secretstream_xchacha20poly1305_init_push(&z.k->stream, start,
	    z.k->stream_key);
	crypto_generichash_init(&z.sum, NULL, 0, sizeof(z.digest));
	buf_add(out, head.data, head.len);
	buf_add(out, start, sizeof(start));
	z.head = (const uint8_t *)head.data;
	rc = messages_write(&z, s, err);
	secret_wipe(scratch, SNAPSHOT_SCRATCH);
	seal_forget();
	return (rc);
}

/* --- reading ----------------------------------------------------------- */

struct opener {
	struct keys *k;
	const uint8_t *head;
	const uint8_t *at;
	size_t left;
	crypto_generichash_state sum;
	uint8_t *plain;		/* the message, padding and all */
	size_t cap, len;
};

static int
damaged(struct err *err, const char *what)
{
	return (err_set(err, ERR_TAMPER, "it is damaged or was altered (%s)",
	    what));
}

static int
pull(struct opener *o, uint8_t expect, struct err *err)
{
	unsigned long long len;
	uint32_t box;
	uint8_t tag;

	if (o->left < sizeof(box))
		return (damaged(err, "its end is missing"));
	memcpy(&box, o->at, sizeof(box));
	o->at += sizeof(box);
	o->left -= sizeof(box);
	if (box > o->left || box < STREAM_TAG ||
	    box > MESSAGE_MAX + COARSE + STREAM_TAG)
		return (damaged(err, "length of a message"));
	if (box > o->cap) {
		free(o->plain);
		o->plain = mem_array(box, 1);
		o->cap = box;
	}
	if (crypto_secretstream_xchacha20poly1305_pull(&o->k->stream,
	    o->plain, &len, &tag, o->at, box, o->head, HEAD_LEN) != 0 ||
	    tag != expect)
		return (damaged(err, "a message does not open"));
	o->at += box;
	o->left -= box;
	o->len = len;
	if (tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL)
		crypto_generichash_update(&o->sum, o->plain, o->len);
	return (0);
}

/* What is left of a message is padding: zeros, less than a step. */
static int
message_done(const struct wire *w, struct err *err)
{
	size_t i;

	if (w->bad || w->left >= COARSE)
		return (damaged(err, "form of a message"));
	for (i = 0; i < w->left; i++)
		if (w->at[i])
			return (damaged(err, "padding"));
	return (0);
}

static int
message_begin(struct opener *o, enum message type, struct wire *w,
    struct err *err)
{
	if (pull(o, type == M_FINAL ?
	    crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0, err) == -1)
		return (-1);
	wire_init(w, o->plain, o->len);
	if (wire_get_u8(w) != type)
		return (damaged(err, "order of the messages"));
	return (0);
}

static void
bytes_read(struct wire *w, uint8_t *out, size_t n)
{
#ifndef WEAKEN_SNAPSHOT_BOUNDS
	if (w->left < n)
		w->bad = 1;
	else
#endif
		copy_bytes(w, out, n);
}

static struct record
record_read(struct wire *w)
{
	struct record r = { NULL, 0 };
	const uint8_t *data = wire_get_bytes(w, &r.len);

	if (data && r.len) {
		r.data = mem_array(r.len, 1);
		memcpy(r.data, data, r.len);
	}
	return (r);
}

static void
object_read(struct wire *w, struct snapshot_object *o)
{
	o->origin = wire_get_str(w);
	o->kind = wire_get_str(w);
	o->ns = wire_get_str(w);
	o->name = wire_get_str(w);
	o->head = wire_get_str(w);
	o->rejected = wire_get_str(w);
	o->body = record_read(w);
}

static void
value_read(struct wire *w, struct snapshot_value *v)
{
	v->synced_wall = (int64_t)wire_get_u64(w);
	v->synced_at = (int64_t)wire_get_u64(w);
	v->failed_since = (int64_t)wire_get_u64(w);
	v->denied_since = (int64_t)wire_get_u64(w);
	v->denied = wire_get_u32(w);
	v->not_after = (int64_t)wire_get_u64(w);
	v->record = record_read(w);
}

static void
one_read(struct snapshot *s, enum message type, struct wire *w)
{
	struct snapshot_tomb *t;
	struct snapshot_issuer *i;

	switch (type) {
	case M_NS:
		s->ns[s->nns].ns = wire_get_str(w);
		bytes_read(w, s->ns[s->nns++].salt, SNAPSHOT_SALT_LEN);
		break;
	case M_OBJECT:
		object_read(w, &s->objects[s->nobjects++]);
		break;
	case M_VALUE:
		value_read(w, &s->values[s->nvalues++]);
		break;
	case M_TOMB:
		t = &s->tombs[s->ntombs++];
		t->ns = wire_get_str(w);
		t->name = wire_get_str(w);
		t->reason = wire_get_str(w);
		t->at = (int64_t)wire_get_u64(w);
		break;
	default:
		i = &s->issuers[s->nissuers++];
		bytes_read(w, i->key_id, SNAPSHOT_ID_LEN);
		bytes_read(w, i->key, RECORD_KEY_LEN);
		bytes_read(w, i->last, SNAPSHOT_ID_LEN);
		i->sequence = wire_get_u64(w);
		i->issued_at = (int64_t)wire_get_u64(w);
		i->not_after = (int64_t)wire_get_u64(w);
		i->revoked = wire_get_u8(w);
	}
}

/* How many of each there are; no file can hold more than its bytes. */
struct counts {
	uint32_t n[M_ISSUER + 1];
};

static int
counts_read(struct opener *o, enum message type, struct counts *c,
    struct wire *w, struct err *err)
{
	int i;

	if (message_begin(o, type, w, err) == -1)
		return (-1);
	for (i = M_NS; i <= M_ISSUER; i++) {
		c->n[i] = wire_get_u32(w);
		if (type == M_MANIFEST && c->n[i] > o->left / STREAM_TAG)
			return (damaged(err, "counts"));
	}
	return (0);
}

static void
room(struct snapshot *s, const struct counts *c)
{
	s->ns = mem_array(c->n[M_NS], sizeof(*s->ns));
	s->objects = mem_array(c->n[M_OBJECT], sizeof(*s->objects));
	s->values = mem_array(c->n[M_VALUE], sizeof(*s->values));
	s->tombs = mem_array(c->n[M_TOMB], sizeof(*s->tombs));
	s->issuers = mem_array(c->n[M_ISSUER], sizeof(*s->issuers));
}

static int
final_read(struct opener *o, const struct counts *want, struct err *err)
{
	uint8_t digest[32], got[32];
	struct counts c;
	struct wire w;

	crypto_generichash_final(&o->sum, digest, sizeof(digest));
	if (counts_read(o, M_FINAL, &c, &w, err) == -1)
		return (-1);
	bytes_read(&w, got, sizeof(got));
	if (message_done(&w, err) == -1)
		return (-1);
	if (memcmp(&c.n[M_NS], &want->n[M_NS],
	    sizeof(c.n) - M_NS * sizeof(c.n[0])) != 0 ||
	    memcmp(digest, got, sizeof(got)) != 0 || o->left)
		return (damaged(err, "its end"));
	return (0);
}

static int
messages_read(struct opener *o, struct snapshot *s, struct err *err)
{
	struct counts c = { { 0 } };
	struct wire w;
	uint32_t i;
	int type;

	if (counts_read(o, M_MANIFEST, &c, &w, err) == -1 ||
	    message_done(&w, err) == -1)
		return (-1);
	room(s, &c);
	for (type = M_NS; type <= M_ISSUER; type++)
		for (i = 0; i < c.n[type]; i++) {
			if (message_begin(o, (enum message)type, &w, err) ==
			    -1)
				return (-1);
			one_read(s, (enum message)type, &w);
			if (message_done(&w, err) == -1)
				return (-1);
		}
	return (final_read(o, &c, err));
}

/* Two records of one name, or one that is none, were sealed by no version of
 * this program. */
static int
values_check(const struct snapshot *s, struct err *err)
{
	cleanup_strmap struct strmap *seen = strmap_new(NULL);
	size_t i;

	for (i = 0; i < s->nvalues; i++) {
		struct record_header h;
		cleanup_free char *key = NULL;

		if (record_head(&s->values[i].record, &h, err) == -1)
			return (err_wrap(err, "record"));
		key = str_fmt("%s/%s", h.ns, h.name);
		record_header_clear(&h);
		if (strmap_has(seen, key))
			return (damaged(err, "two records of one name"));
		strmap_put(seen, key, NULL);
	}
	return (0);
}

static int
open_all(struct opener *o, const uint8_t *root, struct snapshot *s,
    struct err *err)
{
	const uint8_t *salt = o->head + HEAD_LEN - SUM_LEN - COMMIT_LEN -
	    SALT_LEN;
	uint8_t commit[COMMIT_LEN];

	derive(o->k, root, s->head.epoch, salt);
	commit_make(o->k, o->head, commit);
	if (sodium_memcmp(commit, salt + SALT_LEN, COMMIT_LEN) != 0)
		return (err_set(err, ERR_DENIED, "it was sealed by another "
		    "key"));
	if (o->left < STREAM_HEAD)
		return (damaged(err, "its end is missing"));
	if (crypto_secretstream_xchacha20poly1305_init_pull(&o->k->stream,
	    o->at, o->k->stream_key) != 0)
		return (damaged(err, "start of the stream"));
	o->at += STREAM_HEAD;
	o->left -= STREAM_HEAD;
	crypto_generichash_init(&o->sum, NULL, 0, 32);
	if (messages_read(o, s, err) == -1)
		return (-1);
	return (values_check(s, err));
}

int
snapshot_read(const uint8_t root[static RECORD_KEY_LEN], const void *data,
    size_t len, uint8_t scratch[static SNAPSHOT_SCRATCH],
    struct snapshot *ret, struct err *err)
{
	struct opener o = { .k = (struct keys *)(void *)scratch, .head = data };
	struct snapshot s = { .nns = 0 };
	unsigned format;
	int rc;

	if (snapshot_peek(data, len, &s.head, &format, err) == -1)
		return (-1);
	o.at = o.head + HEAD_LEN;
	o.left = len - HEAD_LEN;
	rc = open_all(&o, root, &s, err);
	secret_wipe(scratch, SNAPSHOT_SCRATCH);
	seal_forget();
	free(o.plain);
	if (rc == -1)
		snapshot_clear(&s);
	else
		*ret = s;
	return (rc);
}

void
snapshot_clear(struct snapshot *s)
{
	size_t i;

	for (i = 0; i < s->nns; i++)
		free(s->ns[i].ns);
	for (i = 0; i < s->nobjects; i++) {
		free(s->objects[i].origin);
		free(s->objects[i].kind);
		free(s->objects[i].ns);
		free(s->objects[i].name);
		free(s->objects[i].head);
		free(s->objects[i].rejected);
		record_clear(&s->objects[i].body);
	}
	for (i = 0; i < s->nvalues; i++)
		record_clear(&s->values[i].record);
	for (i = 0; i < s->ntombs; i++) {
		free(s->tombs[i].ns);
		free(s->tombs[i].name);
		free(s->tombs[i].reason);
	}
	free(s->ns);
	free(s->objects);
	free(s->values);
	free(s->tombs);
	free(s->issuers);
	memset(s, 0, sizeof(*s));
}
