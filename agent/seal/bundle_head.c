/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "ipc/frame.h"
#include "seal/bundle_internal.h"

static const char magic[8] = { 'N', 'S', 'B', 'N', 'D', 'L', 0, 1 };

const char *
bundle_mode_name(enum bundle_mode m)
{
	return (m == BUNDLE_DELTA ? "delta" : "full");
}

void
bundle_head_clear(struct bundle_head *h)
{
	free(h->issuers);
	free(h->revoked_issuers);
	free(h->revoked);
	free(h->recipients);
	memset(h, 0, sizeof(*h));
}

void
bundle_key_id(const uint8_t key[static BUNDLE_KEY_LEN],
    uint8_t id[static BUNDLE_ID_LEN])
{
	crypto_generichash(id, BUNDLE_ID_LEN, key, BUNDLE_KEY_LEN, NULL, 0);
}

void
bundle_hex(const uint8_t id[static BUNDLE_ID_LEN],
    char out[static BUNDLE_HEX_LEN])
{
	sodium_bin2hex(out, BUNDLE_HEX_LEN, id, BUNDLE_ID_LEN);
}

int
bundle_unhex(const char *text, uint8_t id[static BUNDLE_ID_LEN],
    struct err *err)
{
	size_t len = 0;

	if (sodium_hex2bin(id, BUNDLE_ID_LEN, text, strlen(text), NULL, &len,
	    NULL) != 0 || len != BUNDLE_ID_LEN)
		return (err_set(err, ERR_INVALID, "%s: not an id of %d "
		    "hexadecimal digits", text, 2 * BUNDLE_ID_LEN));
	return (0);
}

/* --- writing ------------------------------------------------------------ */

static void
zeros(struct buf *out, size_t n)
{
	char *at = buf_space(out, n);

	if (!at)
		return;
	memset(at, 0, n + 1);
	out->len += n;
}

void
bundle_head_write(const struct bundle_head *h, struct buf *out)
{
	uint16_t format = BUNDLE_FORMAT, suite = BUNDLE_SUITE;
	size_t i;

	buf_add(out, magic, sizeof(magic));
	buf_add(out, &format, sizeof(format));
	buf_add(out, &suite, sizeof(suite));
	wire_u32(out, (uint32_t)(bundle_head_boxes(h) +
	    h->nrecipients * BUNDLE_RECIPIENT_LEN));
	buf_add(out, h->id, BUNDLE_ID_LEN);
	buf_add(out, h->issuer, BUNDLE_ID_LEN);
	buf_add(out, h->previous, BUNDLE_ID_LEN);
	wire_u64(out, (uint64_t)h->issued_at);
	wire_u64(out, (uint64_t)h->not_before);
	wire_u64(out, (uint64_t)h->not_after);
	wire_u64(out, h->sequence);
	wire_u8(out, (uint8_t)h->mode);
	wire_u8(out, (uint8_t)h->nissuers);
	wire_u8(out, (uint8_t)h->nrevoked_issuers);
	wire_u8(out, (uint8_t)h->nrevoked);
	wire_u32(out, (uint32_t)h->nrecipients);
	zeros(out, BUNDLE_COMMIT_LEN);
	buf_add(out, h->issuers, h->nissuers * BUNDLE_KEY_LEN);
	buf_add(out, h->revoked_issuers, h->nrevoked_issuers * BUNDLE_ID_LEN);
	buf_add(out, h->revoked, h->nrevoked * BUNDLE_ID_LEN);
	for (i = 0; i < h->nrecipients; i++) {
		buf_add(out, h->recipients + i * BUNDLE_ID_LEN,
		    BUNDLE_ID_LEN);
		zeros(out, BUNDLE_BOX_LEN);
	}
}

size_t
bundle_head_boxes(const struct bundle_head *h)
{
	return (BUNDLE_FIXED_LEN + h->nissuers * BUNDLE_KEY_LEN +
	    (h->nrevoked_issuers + h->nrevoked) * BUNDLE_ID_LEN);
}

void
bundle_commit(const uint8_t dek[static BUNDLE_KEY_LEN], const uint8_t *head,
    size_t len, uint8_t out[static BUNDLE_COMMIT_LEN])
{
	static const uint8_t none[BUNDLE_COMMIT_LEN];
	crypto_generichash_state st;

	crypto_generichash_init(&st, dek, BUNDLE_KEY_LEN, BUNDLE_COMMIT_LEN);
	crypto_generichash_update(&st, (const uint8_t *)"commit", 6);
	crypto_generichash_update(&st, head, BUNDLE_COMMIT_AT);
	crypto_generichash_update(&st, none, sizeof(none));
	crypto_generichash_update(&st, head + BUNDLE_FIXED_LEN,
	    len - BUNDLE_FIXED_LEN);
	crypto_generichash_final(&st, out, BUNDLE_COMMIT_LEN);
	secret_wipe(&st, sizeof(st));
	seal_forget();
}

/* --- reading ------------------------------------------------------------ */

static int
cut(struct err *err, size_t have, size_t want)
{
	return (err_set(err, ERR_TAMPER, "length: %zu bytes are there, the "
	    "head speaks of at least %zu: it is cut or damaged", have, want));
}

static void
fixed(struct wire *w, void *out, size_t n)
{
	memcpy(out, w->at, n);
	w->at += n;
	w->left -= n;
}

static uint8_t *
list(struct wire *w, size_t n, size_t size)
{
	uint8_t *out = mem_array(n, size);

	fixed(w, out, n * size);
	return (out);
}

uint64_t
bundle_peek(const uint8_t head[static BUNDLE_PEEK_LEN])
{
	uint64_t sequence;

	memcpy(&sequence, head + BUNDLE_PEEK_LEN - sizeof(sequence),
	    sizeof(sequence));
	return (memcmp(head, magic, sizeof(magic)) == 0 ? sequence : 0);
}

/* The fixed part; the counts are bounded here. */
static int
fixed_read(struct bundle_head *h, struct wire *w, uint32_t *ret_len,
    struct err *err)
{
	*ret_len = wire_get_u32(w);
	fixed(w, h->id, BUNDLE_ID_LEN);
	fixed(w, h->issuer, BUNDLE_ID_LEN);
	fixed(w, h->previous, BUNDLE_ID_LEN);
	h->issued_at = (int64_t)wire_get_u64(w);
	h->not_before = (int64_t)wire_get_u64(w);
	h->not_after = (int64_t)wire_get_u64(w);
	h->sequence = wire_get_u64(w);
	h->mode = (enum bundle_mode)wire_get_u8(w);
	h->nissuers = wire_get_u8(w);
	h->nrevoked_issuers = wire_get_u8(w);
	h->nrevoked = wire_get_u8(w);
	h->nrecipients = wire_get_u32(w);
	if (h->mode != BUNDLE_FULL && h->mode != BUNDLE_DELTA)
		return (err_set(err, ERR_TAMPER, "mode: %d is neither full "
		    "nor delta: it is damaged", (int)h->mode));
	if (h->nissuers > BUNDLE_LIST_MAX ||
	    h->nrevoked_issuers > BUNDLE_LIST_MAX ||
	    h->nrevoked > BUNDLE_LIST_MAX || h->nrecipients == 0 ||
	    h->nrecipients > BUNDLE_RECIPIENTS_MAX)
		return (err_set(err, ERR_TAMPER, "head: counts that no issuer "
		    "writes: it is damaged"));
	return (0);
}

static void
lists_read(struct bundle_head *h, struct wire *w)
{
	size_t i;

	w->at += BUNDLE_COMMIT_LEN;
	w->left -= BUNDLE_COMMIT_LEN;
	h->issuers = list(w, h->nissuers, BUNDLE_KEY_LEN);
	h->revoked_issuers = list(w, h->nrevoked_issuers, BUNDLE_ID_LEN);
	h->revoked = list(w, h->nrevoked, BUNDLE_ID_LEN);
	h->recipients = mem_array(h->nrecipients, BUNDLE_ID_LEN);
	for (i = 0; i < h->nrecipients; i++)
		memcpy(h->recipients + i * BUNDLE_ID_LEN,
		    w->at + i * BUNDLE_RECIPIENT_LEN, BUNDLE_ID_LEN);
}

static int
start_read(struct wire *w, const uint8_t *data, size_t len, struct err *err)
{
	uint16_t format, suite;

	if (len < sizeof(magic) || memcmp(data, magic, sizeof(magic)) != 0)
		return (err_set(err, ERR_INVALID, "magic: this is no bundle"));
	if (len < BUNDLE_FIXED_LEN)
		return (cut(err, len, BUNDLE_FIXED_LEN));
	wire_init(w, data, BUNDLE_FIXED_LEN);
	w->at += sizeof(magic);
	w->left -= sizeof(magic);
	fixed(w, &format, sizeof(format));
	fixed(w, &suite, sizeof(suite));
	if (format != BUNDLE_FORMAT || suite != BUNDLE_SUITE)
		return (err_set(err, ERR_INVALID, "format: %u.%u is not this "
		    "version's %u.%u", format, suite, BUNDLE_FORMAT,
		    BUNDLE_SUITE));
	return (0);
}

int
bundle_head_read(struct bundle_head *h, const uint8_t *data, size_t len,
    size_t *ret_len, struct err *err)
{
	struct wire w;
	uint32_t said;
	size_t want;

	memset(h, 0, sizeof(*h));
	if (start_read(&w, data, len, err) == -1 ||
	    fixed_read(h, &w, &said, err) == -1)
		return (-1);
	want = bundle_head_boxes(h) + h->nrecipients * BUNDLE_RECIPIENT_LEN;
	if (said != want)
		return (err_set(err, ERR_TAMPER, "head: its length is not "
		    "that of its lists: it is damaged"));
#ifndef WEAKEN_BUNDLE_BOUNDS
	if (len < want)
		return (cut(err, len, want));
#endif
	w.left = want - (size_t)(w.at - data);
	lists_read(h, &w);
	*ret_len = want;
	return (0);
}

/* --- what may be imported ----------------------------------------------- */

static int
bad_time(struct err *err, const char *field, const char *what, int64_t then,
    int64_t now)
{
	cleanup_buf struct buf a = BUF_PLAIN(64), b = BUF_PLAIN(64);

	time_rfc3339(&a, then);
	time_rfc3339(&b, now);
	return (err_set(err, ERR_INVALID, "%s: %s %s, by this node's clock it "
	    "is %s", field, what, buf_str(&a), buf_str(&b)));
}

static int
check_times(const struct bundle_head *h, int64_t now, struct err *err)
{
	/* Subtracted without overflow: both are of this era. */
	if (h->not_before < 0 || h->not_after <= h->not_before ||
	    h->not_after - h->not_before > BUNDLE_VALID_MAX_MS)
		return (err_set(err, ERR_INVALID, "not_after: a bundle is "
		    "valid for 90 days at most, this one says %lld hours",
		    (long long)((h->not_after - (h->not_before < 0 ? 0 :
		    h->not_before)) / 3600000)));
#ifndef WEAKEN_BUNDLE_EXPIRY
	if (now >= h->not_after)
		return (bad_time(err, "not_after", "it expired at",
		    h->not_after, now));
#endif
	if (now < h->not_before - BUNDLE_SKEW_MS)
		return (bad_time(err, "not_before", "it is valid from",
		    h->not_before, now));
	return (0);
}

static int
check_sequence(const struct bundle_head *h, const struct bundle_known *known,
    struct err *err)
{
	char have[BUNDLE_HEX_LEN], want[BUNDLE_HEX_LEN];

#ifndef WEAKEN_BUNDLE_SEQUENCE
	if (known->sequence && memcmp(h->id, known->last,
	    BUNDLE_ID_LEN) == 0)
		return (err_set(err, ERR_INVALID, "sequence: this bundle was "
		    "imported already"));
	if (h->sequence <= known->sequence)
		return (err_set(err, ERR_INVALID, "sequence: %llu is not "
		    "above %llu, which this node has of this issuer: it is "
		    "an older bundle", (unsigned long long)h->sequence,
		    (unsigned long long)known->sequence));
#endif
	if (h->mode != BUNDLE_DELTA ||
	    memcmp(h->previous, known->last, BUNDLE_ID_LEN) == 0)
		return (0);
	bundle_hex(h->previous, want);
	bundle_hex(known->last, have);
	return (err_set(err, ERR_INVALID, "previous: this delta goes upon "
	    "bundle %s, and this node has %s: import that one first, or a "
	    "full one", want, known->sequence ? have : "none"));
}

int
bundle_check(const struct bundle_head *h, const struct bundle_known *known,
    int64_t now_ms, struct err *err)
{
#ifndef WEAKEN_BUNDLE_REVOKED
	char hex[BUNDLE_HEX_LEN];

	bundle_hex(h->issuer, hex);
	if (known->revoked)
		return (err_set(err, ERR_DENIED, "issuer: %s was revoked",
		    hex));
#endif
	if (check_times(h, now_ms, err) == -1)
		return (-1);
	return (check_sequence(h, known, err));
}
