/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/record.h"

/*
 * Bytes that claim to be a record: read its head, try to open it, and where
 * the head is readable seal the rest under it and open that again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	uint8_t *out;
	size_t len, room = record_plain_max(&r) + 4;

	out = mem_alloc(room);
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
