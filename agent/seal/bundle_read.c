/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "ipc/frame.h"
#include "seal/bundle_internal.h"

static int
damaged(struct err *err, const char *what)
{
	return (err_set(err, ERR_TAMPER, "content: %s: no issuer writes this",
	    what));
}

int
bundle_read(struct bundle *b, const void *data, size_t len, struct err *err)
{
	size_t least;

	memset(b, 0, sizeof(*b));
	b->data = data;
	b->len = len;
	if (len > BUNDLE_MAX)
		return (err_set(err, ERR_LIMIT, "length: %zu bytes, more than "
		    "%u", len, BUNDLE_MAX));
	if (bundle_head_read(&b->head, data, len, &b->head_len, err) == -1)
		return (-1);
	b->boxes = b->data + bundle_head_boxes(&b->head);
	least = b->head_len + BUNDLE_STREAM_HEAD + BUNDLE_SIGNATURE_LEN;
	if (len >= least)
		return (0);
	bundle_clear(b);
	return (err_set(err, ERR_TAMPER, "length: %zu bytes are there, at "
	    "least %zu belong to it: it is cut", len, least));
}

void
bundle_clear(struct bundle *b)
{
	bundle_head_clear(&b->head);
	memset(b, 0, sizeof(*b));
}

int
bundle_verify(struct bundle *b, const uint8_t issuer[static BUNDLE_KEY_LEN],
    struct err *err)
{
	size_t len = b->len - BUNDLE_SIGNATURE_LEN;
	crypto_sign_state st;

	crypto_sign_init(&st);
	crypto_sign_update(&st, (const uint8_t *)BUNDLE_SIGNED,
	    strlen(BUNDLE_SIGNED));
	crypto_sign_update(&st, b->data, len);
#ifndef WEAKEN_BUNDLE_SIGNATURE
	if (crypto_sign_final_verify(&st, b->data + len, issuer) != 0)
		return (err_set(err, ERR_TAMPER, "signature: it does not fit: "
		    "the bundle was altered, cut or damaged on its way"));
#else
	(void)issuer;
#endif
	b->verified = 1;
	return (0);
}

/* --- opening ------------------------------------------------------------ */

void
bundle_reader_end(struct bundle_reader *r)
{
	secret_wipe(r, sizeof(*r));
	seal_forget();
}

static const uint8_t *
box_of(const struct bundle *b, const uint8_t *node)
{
	uint8_t id[BUNDLE_ID_LEN];
	size_t i;

	bundle_key_id(node, id);
	for (i = 0; i < b->head.nrecipients; i++)
		if (memcmp(b->head.recipients + i * BUNDLE_ID_LEN, id,
		    BUNDLE_ID_LEN) == 0)
			return (b->boxes + i * BUNDLE_RECIPIENT_LEN +
			    BUNDLE_ID_LEN);
	return (NULL);
}

static int
commit_check(const struct bundle *b, const struct bundle_reader *r,
    struct err *err)
{
#ifndef WEAKEN_BUNDLE_COMMIT
	uint8_t commit[BUNDLE_COMMIT_LEN];

	bundle_commit(r->dek, b->data, b->head_len, commit);
	if (sodium_memcmp(commit, b->data + BUNDLE_COMMIT_AT,
	    BUNDLE_COMMIT_LEN) != 0)
		return (err_set(err, ERR_TAMPER, "recipient: what was sealed "
		    "to this node is not the key of this bundle"));
#else
	(void)b;
	(void)r;
	(void)err;
#endif
	return (0);
}

int
bundle_open(const struct bundle *b, struct bundle_reader *r,
    const uint8_t node[static BUNDLE_KEY_LEN], bundle_unbox_fn unbox,
    void *arg, struct err *err)
{
	const uint8_t *box;

	memset(r, 0, sizeof(*r));
	if (!b->verified)
		return (err_set(err, ERR_INTERNAL, "a bundle is verified "
		    "before it is opened"));
	box = box_of(b, node);
	if (!box)
		return (err_set(err, ERR_DENIED, "recipient: it is for %zu "
		    "other node%s, not for this one", b->head.nrecipients,
		    b->head.nrecipients == 1 ? "" : "s"));
	if (unbox(arg, box, BUNDLE_BOX_LEN, r->dek, err) == -1)
		return (err_wrap(err, "recipient"));
	if (commit_check(b, r, err) == -1) {
		bundle_reader_end(r);
		return (-1);
	}
	crypto_generichash(r->aad, BUNDLE_AAD_LEN, b->data, b->head_len, NULL,
	    0);
	crypto_secretstream_xchacha20poly1305_init_pull(
	    (void *)r->stream, b->data + b->head_len, r->dek);
	secret_wipe(r->dek, sizeof(r->dek));
	r->at = b->head_len + BUNDLE_STREAM_HEAD;
	return (0);
}

/* --- messages ----------------------------------------------------------- */

void
bundle_message_clear(struct bundle_message *m)
{
	free(m->kind);
	free(m->ns);
	free(m->name);
	free(m->head);
	memset(m, 0, sizeof(*m));
}

static int
pull(const struct bundle *b, struct bundle_reader *r, uint8_t *room,
    size_t size, size_t *ret_len, uint8_t *ret_tag, struct err *err)
{
	size_t end = b->len - BUNDLE_SIGNATURE_LEN;
	unsigned long long len;
	uint32_t box;
	int rc;

	if (end - r->at < sizeof(box))
		return (damaged(err, "its end is missing"));
	memcpy(&box, b->data + r->at, sizeof(box));
	r->at += sizeof(box);
	if (box > end - r->at || box < BUNDLE_STREAM_TAG ||
	    box - BUNDLE_STREAM_TAG > size)
		return (damaged(err, "length of a message"));
	rc = crypto_secretstream_xchacha20poly1305_pull((void *)r->stream,
	    room, &len, ret_tag, b->data + r->at, box, r->aad,
	    BUNDLE_AAD_LEN);
	seal_forget();
	if (rc != 0)
		return (damaged(err, "a message does not open"));
	r->at += box;
	*ret_len = (size_t)len;
	return (0);
}

/* Zeros, less than a step. */
static int
padding_check(const struct wire *w, struct err *err)
{
	size_t i;

	if (w->bad || w->left >= BUNDLE_COARSE)
		return (damaged(err, "form of a message"));
	for (i = 0; i < w->left; i++)
		if (w->at[i])
			return (damaged(err, "padding"));
	return (0);
}

static void
fields_read(struct wire *w, struct bundle_message *m)
{
	m->ns = wire_get_str(w);
	m->name = wire_get_str(w);
	if (m->type == BUNDLE_OBJECT) {
		m->kind = wire_get_str(w);
		m->head = wire_get_str(w);
	} else if (m->type == BUNDLE_VALUE) {
		m->fetched_at = (int64_t)wire_get_u64(w);
		m->data = wire_get_bytes(w, &m->len);
	}
}

static int
final_read(const struct bundle *b, struct bundle_reader *r, struct wire *w,
    struct err *err)
{
	uint32_t bad = 0;
	int i;

	for (i = BUNDLE_OBJECT; i < BUNDLE_FINAL; i++)
		bad |= wire_get_u32(w) ^ r->counts[i];
	if (padding_check(w, err) == -1)
		return (-1);
	if (bad || r->at != b->len - BUNDLE_SIGNATURE_LEN)
		return (damaged(err, "its counts"));
	return (0);
}

static int
message_read(const struct bundle *b, struct bundle_reader *r, uint8_t tag,
    struct wire *w, struct bundle_message *m, struct err *err)
{
	enum bundle_type type = (enum bundle_type)wire_get_u8(w);
	int last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;

	if (type < BUNDLE_OBJECT || type > BUNDLE_FINAL || (tag && !last) ||
	    last != (type == BUNDLE_FINAL))
		return (damaged(err, "kind of a message"));
	if (last)
		return (final_read(b, r, w, err));
	r->counts[type]++;
	if (r->total++ >= BUNDLE_MESSAGES_MAX)
		return (damaged(err, "number of its messages"));
	m->type = type;
	fields_read(w, m);
	if (padding_check(w, err) == -1)
		return (-1);
	return (1);
}

int
bundle_next(const struct bundle *b, struct bundle_reader *r, uint8_t *room,
    size_t size, struct bundle_message *m, struct err *err)
{
	struct wire w;
	size_t len = 0;
	uint8_t tag = 0;
	int rc;

	memset(m, 0, sizeof(*m));
	if (pull(b, r, room, size, &len, &tag, err) == -1)
		return (-1);
	wire_init(&w, room, len);
	rc = message_read(b, r, tag, &w, m, err);
	if (rc == -1) {
		bundle_message_clear(m);
		secret_wipe(room, len);
	}
	return (rc);
}
