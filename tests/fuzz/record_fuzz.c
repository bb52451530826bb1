/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/record.h"

/*
 * Bytes that claim to be a record: read its head, try to open it, and where
 * the head is readable seal the rest under it and open that again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same record for another name, with another key, in too little room, and
 * with a byte changed. */
static void
refused(const uint8_t *key, struct record *r, const struct record_header *h,
    uint8_t *out, size_t room)
{
	struct record_header other = *h;
	uint8_t sub[RECORD_KEY_LEN], ns[RECORD_KEY_LEN];
	const uint8_t *plain;
	size_t len;

	other.name = "another";
	record_derive(key, 1, "fuzz-key", sub);
	record_derive(key, 2, "fuzz-key", ns);
	if (record_open(key, r, &other, out, room, &plain, &len, NULL) == 0 &&
	    strcmp(h->name, "another") != 0)
		abort();
	if (record_open(sub, r, h, out, room, &plain, &len, NULL) == 0 ||
	    record_open(ns, r, h, out, room, &plain, &len, NULL) == 0 ||
	    record_open(key, r, h, out, 3, &plain, &len, NULL) == 0)
		abort();
	r->data[r->len / 2] ^= 1;
	if (record_open(key, r, h, out, room, &plain, &len, NULL) == 0)
		abort();
}

/* What a stranger sends as a sealed box. */
static void
box(const uint8_t *data, size_t size)
{
	static uint8_t pk[BOX_KEY_LEN], sk[BOX_KEY_LEN], out[256];
	cleanup_buf struct buf sealed = BUF_PLAIN(1u << 16);

	if (pk[0] == 0 && pk[1] == 0)
		box_keypair(pk, sk);
	size = size < sizeof(out) ? size : sizeof(out);
	if (box_open(pk, sk, data, size, out, NULL) == 0)
		abort();
	if (box_seal(pk, data, size, &sealed, NULL) == -1 ||
	    box_open(pk, sk, sealed.data, sealed.len, out, NULL) == -1 ||
	    (size && memcmp(out, data, size) != 0))
		abort();
}

static void
round_trip(const uint8_t *key, const struct record_header *h,
    const uint8_t *data, size_t size)
{
	struct record again = { 0 };
	const uint8_t *plain;
	uint8_t *out;
	size_t len;

	if (record_seal(key, h, data, size, &again, NULL) == -1)
		return;
	out = mem_alloc(record_plain_max(&again) + 4);
	if (record_open(key, &again, h, out, record_plain_max(&again) + 4,
	    &plain, &len, NULL) == -1 || len != size ||
	    (size && memcmp(plain, data, size) != 0))
		abort();
	refused(key, &again, h, out, record_plain_max(&again) + 4);
	free(out);
	record_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[RECORD_KEY_LEN] = { 1 };
	struct record r = { mem_dup(data, size), size };
	struct record_header h;
	const uint8_t *plain;
	uint8_t *out, hash[RECORD_HASH_LEN];
	size_t len, room = record_plain_max(&r) + 4;

	out = mem_alloc(room);
	record_hash(key, data, size, hash);
	if (size % 16 == 0)
		box(data, size);
	if (record_head(&r, &h, NULL) == 0) {
		record_open(key, &r, &h, out, room, &plain, &len, NULL);
		round_trip(key, &h, data, size);
		record_header_clear(&h);
	}
	if (record_open(key, &r, NULL, out, room, &plain, &len, NULL) == 0 &&
	    len > room)
		abort();
	free(out);
	record_clear(&r);
	return (0);
}
