/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SEAL_BUNDLE_H
#define TESTS_SEAL_BUNDLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/bundle.h"
#include "seal/record.h"

/* Bundles made by hand, for tests and fuzzing. */
#define BUNDLE_NOW 1795467323000LL

struct bundle_maker {
	uint8_t seed[BUNDLE_SEED_LEN], issuer[BUNDLE_KEY_LEN];
	uint8_t nodes[2 * BUNDLE_KEY_LEN];	/* ours is the first */
	uint8_t sk[BUNDLE_KEY_LEN];
	struct bundle_head head;
	struct buf out;
};

static inline void
bundle_maker_init(struct bundle_maker *m)
{
	uint8_t other[BUNDLE_KEY_LEN];

	memset(m, 0, sizeof(*m));
	memset(m->seed, 7, sizeof(m->seed));
	bundle_issuer_public(m->seed, m->issuer);
	box_keypair(m->nodes, m->sk);
	box_keypair(m->nodes + BUNDLE_KEY_LEN, other);
	m->out = (struct buf)BUF_PLAIN(BUNDLE_MAX);
	m->head = (struct bundle_head){ .issued_at = BUNDLE_NOW,
		.not_before = BUNDLE_NOW,
		.not_after = BUNDLE_NOW + 24 * 3600 * 1000, .sequence = 5,
		.mode = BUNDLE_FULL, .nrecipients = 1 };
	record_random(m->head.id, BUNDLE_ID_LEN);
	bundle_key_id(m->issuer, m->head.issuer);
}

static inline void
bundle_maker_clear(struct bundle_maker *m)
{
	bundle_head_clear(&m->head);
	buf_clear(&m->out);
}

static inline int
bundle_maker_put(void *arg, const void *data, size_t len, struct err *err)
{
	buf_add(arg, data, len);
	return (buf_finish(arg, "bundle", err));
}

static inline int
bundle_maker_unbox(void *arg, const void *box, size_t len, uint8_t *out,
    struct err *err)
{
	const struct bundle_maker *m = arg;

	return (box_open(m->nodes, m->sk, box, len, out, err));
}

/* One object, ${n} values of ${size} bytes, one kept, one revoked. */
static inline int
bundle_maker_write(struct bundle_maker *m, size_t n, size_t size,
    struct err *err)
{
	static char kind[] = "ExternalSecret", ns[] = "shop", name[64],
	    head[] = "{\"kind\":\"ExternalSecret\"}";
	struct bundle_message msg = { .type = BUNDLE_OBJECT, .kind = kind,
		.ns = ns, .name = name, .head = head,
		.fetched_at = BUNDLE_NOW };
	cleanup_free char *value = mem_alloc(size + 1);
	struct bundle_writer w;
	size_t i;
	int rc;

	memset(value, 'v', size);
	buf_clear(&m->out);
	free(STEAL(m->head.recipients));
	rc = bundle_begin(&w, &m->head, m->nodes, bundle_maker_put, &m->out,
	    err);
	strcpy(name, "object");
	rc = rc == 0 ? bundle_add(&w, &msg, err) : rc;
	msg.data = (const uint8_t *)value;
	msg.len = size;
	msg.type = BUNDLE_VALUE;
	for (i = 0; i < n && rc == 0; i++) {
		snprintf(name, sizeof(name), "value-%zu", i);
		rc = bundle_add(&w, &msg, err);
	}
	msg.type = BUNDLE_KEEP;
	rc = rc == 0 ? bundle_add(&w, &msg, err) : rc;
	msg.type = BUNDLE_REVOKE;
	rc = rc == 0 ? bundle_add(&w, &msg, err) : rc;
	return (rc == 0 ? bundle_finish(&w, m->seed, err) : rc);
}

#endif
