/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/bundle_internal.h"
#include "tests/unit/seal_bundle.h"

/*
 * Bytes that claim to be a bundle; or, behind a first byte that is odd, the
 * messages of one that is signed and sealed as it should be: what an issuer who
 * has lost his mind sends.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t room[BUNDLE_MESSAGE_MAX];

/* Each message behind its length in a byte, times 8. */
static void
messages_write(struct bundle_maker *m, const uint8_t *data, size_t size)
{
	struct bundle_writer w;
	size_t n;

	if (bundle_begin(&w, &m->head, m->nodes, bundle_maker_put, &m->out,
	    NULL) == -1)
		abort();
	while (size > 1) {
		cleanup_buf struct buf b = BUF_PLAIN(4096);

		n = 8u * *data++;
		size--;
		n = n < size ? n : size;
		buf_add(&b, data, n);
		if (n && data[0] < BUNDLE_FINAL)
			w.counts[data[0]]++;
		if (bundle_push(&w, &b, 0, NULL) == -1)
			abort();
		data += n;
		size -= n;
	}
	if (bundle_finish(&w, m->seed, NULL) == -1)
		abort();
}

static void
import(struct bundle_maker *m, const uint8_t *data, size_t size, int ours)
{
	struct bundle_known known = { .sequence = 1 };
	struct bundle_reader r;
	struct bundle_message msg;
	struct bundle b;

	if (bundle_read(&b, data, size, NULL) == -1)
		return;
	bundle_check(&b.head, &known, BUNDLE_NOW, NULL);
	/* The seeds were signed by this issuer, for other nodes. */
	if (bundle_verify(&b, m->issuer, NULL) == 0 && bundle_open(&b, &r,
	    m->nodes, bundle_maker_unbox, m, NULL) == 0) {
		if (!ours)
			abort();
		while (bundle_next(&b, &r, room, sizeof(room), &msg, NULL) ==
		    1) {
			if (msg.len && (msg.data < room || msg.data +
			    msg.len > room + sizeof(room)))
				abort();
			bundle_message_clear(&msg);
		}
		bundle_reader_end(&r);
	}
	bundle_clear(&b);
}

/* What an importer makes of times and sequences, whatever they are. */
static void
judge(const uint8_t *data, size_t size)
{
	struct bundle_known known = { .sequence = 7 };
	struct bundle_head h = { .mode = BUNDLE_FULL };
	int64_t times[4];

	if (size < sizeof(times) + 2)
		return;
	memcpy(times, data, sizeof(times));
	h.not_before = times[0];
	h.not_after = times[1];
	h.sequence = (uint64_t)times[2];
	h.mode = data[sizeof(times)] & 1 ? BUNDLE_DELTA : BUNDLE_FULL;
	known.revoked = (data[sizeof(times)] & 6) == 6;
	h.id[0] = data[sizeof(times)] & 8;
	h.previous[0] = data[sizeof(times) + 1] & 1;
	if (bundle_check(&h, &known, times[3], NULL) == 0 &&
	    (times[3] >= h.not_after || h.sequence <= known.sequence))
		abort();
	if (!bundle_mode_name(h.mode))
		abort();
}

/* Names and a value that are what was given, on the other side too. */
static void
round_trip(struct bundle_maker *m, const uint8_t *data, size_t size)
{
	static const enum bundle_type types[] = { BUNDLE_OBJECT, BUNDLE_VALUE,
		BUNDLE_KEEP, BUNDLE_REVOKE };
	cleanup_free char *name = str_ndup((const char *)data + 1,
	    size > 17 ? 16 : size - 1);
	cleanup_free char *head = str_ndup((const char *)data + 1, size - 1);
	struct bundle_message msg = { .type = types[data[0] % 4], .kind = name,
		.ns = name, .name = name, .head = head, .data = data,
		.len = data[0] & 128 ? (size_t)2 << 20 : size };
	cleanup_free uint8_t *big = data[0] & 128 ? mem_alloc(msg.len) : NULL;
	struct bundle_writer w;

	if (big)
		msg.data = big;
	if (bundle_begin(&w, &m->head, m->nodes, bundle_maker_put, &m->out,
	    NULL) == -1)
		abort();
	if (bundle_add(&w, &msg, NULL) == -1) {
		bundle_writer_end(&w);
		return;
	}
	if (bundle_finish(&w, m->seed, NULL) == -1)
		abort();
	import(m, (const uint8_t *)m->out.data, m->out.len, 1);
}

static void
keys(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf text = BUF_SECRET(BUNDLE_KEY_FILE_MAX);
	uint8_t key[BUNDLE_KEY_LEN], back[BUNDLE_KEY_LEN];
	char hex[BUNDLE_HEX_LEN];

	bundle_issuer_parse((const char *)data, size, 0, key, NULL);
	bundle_issuer_parse((const char *)data, size, 1, key, NULL);
	bundle_issuer_make(key);
	bundle_issuer_text(key, 1, &text);
	if (bundle_issuer_parse(buf_str(&text), text.len, 1, back, NULL) ==
	    -1 || memcmp(key, back, sizeof(key)) != 0)
		abort();
	bundle_hex(key, hex);
	if (bundle_unhex(hex, back, NULL) == -1 ||
	    memcmp(key, back, BUNDLE_ID_LEN) != 0 ||
	    bundle_unhex(hex + 1, back, NULL) == 0)
		abort();
	if (size >= BUNDLE_PEEK_LEN)
		bundle_peek(data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bundle_maker m;

	if (size < 2)
		return (0);
	bundle_maker_init(&m);
	if (data[0] & 1) {
		messages_write(&m, data + 1, size - 1);
		import(&m, (const uint8_t *)m.out.data, m.out.len, 1);
	} else if (data[0] & 2) {
		keys(data + 1, size - 1);
		judge(data + 1, size - 1);
	} else if (data[0] & 4)
		round_trip(&m, data + 1, size - 1);
	else
		import(&m, data + 1, size - 1, 0);
	bundle_maker_clear(&m);
	return (0);
}
