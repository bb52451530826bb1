/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/key_slots.h"

/*
 * Bytes that claim to be a table of key slots; what can be read is written with
 * a MAC and read again, changed, and tried with keys that fit and keys that do
 * not.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t one[32] = { 2 }, two[32] = { 3 };
/* Of the table at hand, where one of its slots opens. */
static uint8_t root[32];

static void
try_all(struct key_slots *s)
{
	uint8_t got[32], pk[32], sk[32];

	for (size_t i = 0; i < s->n; i++) {
		slot_type_name(s->v[i].type);
		slot_type_strength(s->v[i].type);
		if (key_slots_open(s, &s->v[i], two, got, NULL) == 0)
			abort();
		/* That one fits the seeds. */
		if (key_slots_open(s, &s->v[i], one, got, NULL) == 0)
			memcpy(root, got, sizeof(root));
	}
	key_slots_before(s, root, got, NULL);
	key_slots_box(s, root, pk, sk, NULL);
}

/* A slot of ours beside what is there, then everything under another key. */
static void
change(struct key_slots *s, uint32_t pick)
{
	struct key_slot v = { .type = SLOT_FILE, .label = str_dup("ours") };
	uint8_t next[32], got[32];
	cleanup_buf struct buf b = BUF_PLAIN(SLOTS_FILE_MAX);
	struct key_slots again;

	if (key_slots_add(s, root, one, &v, NULL) == -1)
		free(v.label);
	else if (key_slots_write(s, root, &b, NULL) == 0) {
		if (key_slots_read(&again, b.data, b.len, NULL) == -1 ||
		    key_slots_open(&again, &again.v[again.n - 1], one, got,
		    NULL) == -1 || memcmp(got, root, 32) != 0)
			abort();
		try_all(&again);
		key_slots_clear(&again);
	}
	key_slots_remove(s, pick, NULL);
	if (key_slots_rotate(s, root, next, NULL) == 0) {
		if (key_slots_before(s, next, got, NULL) == -1 ||
		    memcmp(got, root, 32) != 0)
			abort();
		key_slots_rotated(s);
	}
}

/* A new node, where the bytes are none. */
static void
fresh(void)
{
	struct key_slots s;

	key_slots_make(&s, root);
	change(&s, 1);
	key_slots_clear(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_slots s;
	uint32_t pick;

	if (seal_init(NULL) == -1)
		return (0);
	if (key_slots_read(&s, data, size, NULL) == -1) {
		fresh();
		return (0);
	}
	pick = s.next_id ? s.next_id - 1 : 0;
	memset(root, 1, sizeof(root));
	try_all(&s);
	change(&s, pick);
	key_slots_clear(&s);
	return (0);
}
