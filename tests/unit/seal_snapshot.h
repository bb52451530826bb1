/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SEAL_SNAPSHOT_H
#define TESTS_UNIT_SEAL_SNAPSHOT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/snapshot.h"

/* A small sealed file with one of everything. */
static uint8_t root[RECORD_KEY_LEN] = { 1, 2, 3 };
static uint8_t scratch[SNAPSHOT_SCRATCH];

static inline struct record
record_make(const char *ns, const char *name, const char *plain)
{
	struct record_header h = { .kind = RECORD_PAYLOAD, .ns = ns,
		.name = name, .generation = 3, .version = "1-abc",
		.fetched_at = 1795467323000, .source = "live" };
	struct record r;

	assert_int_equal(record_seal(root, &h, (const uint8_t *)plain,
	    strlen(plain), &r, NULL), 0);
	return (r);
}

static inline struct snapshot
snapshot_make(uint64_t generation, size_t nvalues)
{
	struct snapshot s = { .head = { .epoch = 1, .generation = generation,
		.node = { 7 }, .cluster = { 8 }, .counter = 5,
		.highwater_ms = 1795467323000, .boot_id = { 9 },
		.boot_ms = 11 } };
	size_t i;

	s.ns = mem_array(1, sizeof(*s.ns));
	s.nns = 1;
	s.ns[0].ns = str_dup("default");
	memset(s.ns[0].salt, 4, sizeof(s.ns[0].salt));
	s.objects = mem_array(1, sizeof(*s.objects));
	s.nobjects = 1;
	s.objects[0] = (struct snapshot_object){ str_dup("bundle:1"),
	    str_dup("ExternalSecret"), str_dup("default"), str_dup("app"),
	    str_dup("{\"kind\":\"ExternalSecret\"}"), str_dup(""),
	    record_make("default", "body", "{}") };
	s.values = mem_array(nvalues, sizeof(*s.values));
	s.nvalues = nvalues;
	for (i = 0; i < nvalues; i++) {
		cleanup_free char *name = str_fmt("app-%zu", i);

		s.values[i] = (struct snapshot_value){ record_make("default",
		    name, "hunter2"), 999, 1000 + (int64_t)i, 2000,
		    3000, 2, 4000 };
	}
	s.tombs = mem_array(1, sizeof(*s.tombs));
	s.ntombs = 1;
	s.tombs[0] = (struct snapshot_tomb){ str_dup("default"),
	    str_dup("gone"), str_dup("on-denied"), 5000 };
	s.issuers = mem_array(1, sizeof(*s.issuers));
	s.nissuers = 1;
	s.issuers[0] = (struct snapshot_issuer){ { 6 }, { 7 }, { 8 },
	    42, 6000, 7000, 1 };
	return (s);
}

static inline void
sealed(uint64_t generation, size_t nvalues, struct buf *out)
{
	struct snapshot s = snapshot_make(generation, nvalues);

	assert_int_equal(snapshot_write(root, &s, scratch, out, NULL), 0);
	snapshot_clear(&s);
}

#endif
