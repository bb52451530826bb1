/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "ipc/frame.h"
#include "seal/bundle_internal.h"
#include "seal/record.h"

#define HEAD_MAX (1u << 20)

static crypto_secretstream_xchacha20poly1305_state *
stream_of(struct bundle_writer *w)
{
	return ((void *)w->stream);
}

static crypto_sign_state *
sign_of(struct bundle_writer *w)
{
	return ((void *)w->sign);
}

void
bundle_writer_end(struct bundle_writer *w)
{
	secret_wipe(w, sizeof(*w));
	seal_forget();
}

/* Out, and into the signature. */
static int
put(struct bundle_writer *w, const void *data, size_t len, struct err *err)
{
	w->written += len;
	if (w->written > BUNDLE_MAX - BUNDLE_SIGNATURE_LEN)
		return (err_set(err, ERR_LIMIT, "the bundle is larger than "
		    "%u MiB: make several, of fewer ExternalSecrets each",
		    BUNDLE_MAX >> 20));
	crypto_sign_update(sign_of(w), data, len);
	return (w->put(w->arg, data, len, err));
}

/* The data key to each of the nodes. */
static int
boxes_make(const struct bundle_head *h, const uint8_t *nodes,
    const uint8_t *dek, struct buf *head, struct err *err)
{
	size_t at = bundle_head_boxes(h) + BUNDLE_ID_LEN, i;

	for (i = 0; i < h->nrecipients; i++) {
		cleanup_buf struct buf box = BUF_PLAIN(BUNDLE_BOX_LEN);

		if (box_seal(nodes + i * BUNDLE_KEY_LEN, dek, BUNDLE_KEY_LEN,
		    &box, err) == -1)
			return (err_wrap(err, "recipient %zu", i + 1));
		memcpy(head->data + at, box.data, box.len);
		at += BUNDLE_RECIPIENT_LEN;
	}
	return (0);
}

static int
head_put(struct bundle_writer *w, const struct bundle_head *h,
    const uint8_t *nodes, const uint8_t *dek, struct err *err)
{
	cleanup_buf struct buf head = BUF_PLAIN(HEAD_MAX);
	uint8_t start[BUNDLE_STREAM_HEAD];

	bundle_head_write(h, &head);
	if (buf_finish(&head, "the bundle's head", err) == -1 ||
	    boxes_make(h, nodes, dek, &head, err) == -1)
		return (-1);
	bundle_commit(dek, (const uint8_t *)head.data, head.len,
	    (uint8_t *)head.data + BUNDLE_COMMIT_AT);
	crypto_generichash(w->aad, BUNDLE_AAD_LEN, (const uint8_t *)head.data,
	    head.len, NULL, 0);
	crypto_secretstream_xchacha20poly1305_init_push(stream_of(w), start,
	    dek);
	crypto_sign_init(sign_of(w));
	crypto_sign_update(sign_of(w), (const uint8_t *)BUNDLE_SIGNED,
	    strlen(BUNDLE_SIGNED));
	if (put(w, head.data, head.len, err) == -1)
		return (-1);
	return (put(w, start, sizeof(start), err));
}

int
bundle_begin(struct bundle_writer *w, struct bundle_head *h,
    const uint8_t *nodes, bundle_put_fn out, void *arg, struct err *err)
{
	uint8_t dek[BUNDLE_KEY_LEN];
	size_t i;
	int rc;

	memset(w, 0, sizeof(*w));
	w->put = out;
	w->arg = arg;
	if (h->nrecipients == 0 || h->nrecipients > BUNDLE_RECIPIENTS_MAX ||
	    h->nissuers > BUNDLE_LIST_MAX ||
	    h->nrevoked_issuers > BUNDLE_LIST_MAX ||
	    h->nrevoked > BUNDLE_LIST_MAX)
		return (err_set(err, ERR_LIMIT, "a bundle is for 1 to %d "
		    "nodes, and names %d issuers or bundles at most",
		    BUNDLE_RECIPIENTS_MAX, BUNDLE_LIST_MAX));
	h->recipients = mem_array(h->nrecipients, BUNDLE_ID_LEN);
	for (i = 0; i < h->nrecipients; i++)
		bundle_key_id(nodes + i * BUNDLE_KEY_LEN,
		    h->recipients + i * BUNDLE_ID_LEN);
	record_random(dek, sizeof(dek));
	rc = head_put(w, h, nodes, dek, err);
	secret_wipe(dek, sizeof(dek));
	seal_forget();
	return (rc);
}

/* --- messages ----------------------------------------------------------- */

int
bundle_push(struct bundle_writer *w, struct buf *m, uint8_t tag,
    struct err *err)
{
	cleanup_buf struct buf out = BUF_PLAIN(BUNDLE_MESSAGE_MAX + 64);
	size_t step = m->len <= BUNDLE_COARSE ? BUNDLE_FINE : BUNDLE_COARSE;
	size_t pad = (step - m->len % step) % step;
	char *at = buf_space(m, pad);

	if (at) {
		memset(at, 0, pad);
		m->len += pad;
	}
	if (!at || buf_finish(m, "message", err) == -1 ||
	    m->len > BUNDLE_MESSAGE_MAX)
		return (err_set(err, ERR_LIMIT, "larger than %u bytes",
		    BUNDLE_MESSAGE_MAX));
	wire_u32(&out, (uint32_t)(m->len + BUNDLE_STREAM_TAG));
	at = buf_space(&out, m->len + BUNDLE_STREAM_TAG);
	crypto_secretstream_xchacha20poly1305_push(stream_of(w),
	    (uint8_t *)at, NULL, (const uint8_t *)m->data, m->len, w->aad,
	    BUNDLE_AAD_LEN, tag);
	out.len += m->len + BUNDLE_STREAM_TAG;
	return (put(w, out.data, out.len, err));
}

static void
message_write(const struct bundle_message *m, struct buf *b)
{
	wire_u8(b, (uint8_t)m->type);
	wire_str(b, m->ns);
	wire_str(b, m->name);
	if (m->type == BUNDLE_OBJECT) {
		wire_str(b, m->kind);
		wire_str(b, m->head);
	} else if (m->type == BUNDLE_VALUE) {
		wire_u64(b, (uint64_t)m->fetched_at);
		wire_bytes(b, m->data, m->len);
	}
}

int
bundle_add(struct bundle_writer *w, const struct bundle_message *m,
    struct err *err)
{
	cleanup_buf struct buf b = BUF_SECRET(BUNDLE_MESSAGE_MAX +
	    BUNDLE_COARSE);
	uint32_t all = 0, i;

	for (i = 0; i <= BUNDLE_FINAL; i++)
		all += w->counts[i];
	if (all >= BUNDLE_MESSAGES_MAX)
		return (err_set(err, ERR_LIMIT, "a bundle holds %d objects "
		    "and values at most", BUNDLE_MESSAGES_MAX));
	if (strlen(str_or(m->ns, "")) > BUNDLE_NAME_MAX ||
	    strlen(str_or(m->name, "")) > BUNDLE_NAME_MAX ||
	    strlen(str_or(m->head, "")) > BUNDLE_HEAD_JSON_MAX)
		return (err_set(err, ERR_LIMIT, "%s/%s: its name or head is "
		    "too large for a bundle", m->ns, m->name));
	w->counts[m->type]++;
	message_write(m, &b);
	if (bundle_push(w, &b, 0, err) == -1)
		return (err_wrap(err, "%s/%s", m->ns, m->name));
	return (0);
}

static int
sign(struct bundle_writer *w, const uint8_t *seed, struct err *err)
{
	uint8_t pk[BUNDLE_KEY_LEN], sk[crypto_sign_SECRETKEYBYTES];
	uint8_t signature[BUNDLE_SIGNATURE_LEN];

	crypto_sign_seed_keypair(pk, sk, seed);
	crypto_sign_final_create(sign_of(w), signature, NULL, sk);
	secret_wipe(sk, sizeof(sk));
	return (w->put(w->arg, signature, sizeof(signature), err));
}

int
bundle_finish(struct bundle_writer *w,
    const uint8_t seed[static BUNDLE_SEED_LEN], struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	int i, rc;

	wire_u8(&b, BUNDLE_FINAL);
	for (i = BUNDLE_OBJECT; i < BUNDLE_FINAL; i++)
		wire_u32(&b, w->counts[i]);
	rc = bundle_push(w, &b,
	    crypto_secretstream_xchacha20poly1305_TAG_FINAL, err);
	if (rc == 0)
		rc = sign(w, seed, err);
	bundle_writer_end(w);
	return (rc);
}
