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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf text = BUF_PLAIN(256);
	struct bundle_maker m;
	uint8_t key[BUNDLE_KEY_LEN];

	if (size == 0)
		return (0);
	bundle_maker_init(&m);
	if (data[0] & 1) {
		messages_write(&m, data + 1, size - 1);
		import(&m, (const uint8_t *)m.out.data, m.out.len, 1);
	} else {
		import(&m, data + 1, size - 1, 0);
		bundle_issuer_parse((const char *)data + 1, size - 1,
		    data[0] & 2, key, NULL);
	}
	bundle_maker_clear(&m);
	return (0);
}
