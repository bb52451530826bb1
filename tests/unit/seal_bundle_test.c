/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"
#include "seal_bundle.h"

static uint8_t room[BUNDLE_MESSAGE_MAX];

/* Read it all, as an importer does: how many messages; -1. */
static int
read_all(struct bundle_maker *m, const void *data, size_t len,
    struct err *err)
{
	struct bundle_reader r = { .at = 0 };
	struct bundle_message msg;
	struct bundle b;
	int rc, n = 0;

	if (bundle_read(&b, data, len, err) == -1)
		return (-1);
	rc = bundle_verify(&b, m->issuer, err);
	if (rc == 0)
		rc = bundle_open(&b, &r, m->nodes, bundle_maker_unbox, m, err);
	if (rc == 0) {
		while ((rc = bundle_next(&b, &r, room, sizeof(room), &msg,
		    err)) == 1) {
			bundle_message_clear(&msg);
			n++;
		}
	}
	bundle_reader_end(&r);
	bundle_clear(&b);
	return (rc == -1 ? -1 : n);
}

static void
test_round_trip(void **state)
{
	struct bundle_reader r;
	struct bundle_message msg;
	struct bundle_maker m;
	struct bundle b;

	(void)state;
	bundle_maker_init(&m);
	assert_int_equal(bundle_maker_write(&m, 2, 100, NULL), 0);
	assert_null(memmem(m.out.data, m.out.len, "vvvvvvvv", 8));
	assert_null(memmem(m.out.data, m.out.len, "shop", 4));
	assert_null(memmem(m.out.data, m.out.len, "value-", 6));
	assert_int_equal(bundle_read(&b, m.out.data, m.out.len, NULL), 0);
	assert_int_equal(b.head.sequence, 5);
	assert_int_equal(b.head.mode, BUNDLE_FULL);
	assert_memory_equal(b.head.id, m.head.id, BUNDLE_ID_LEN);
	assert_int_equal(bundle_verify(&b, m.issuer, NULL), 0);
	assert_int_equal(bundle_open(&b, &r, m.nodes, bundle_maker_unbox, &m,
	    NULL), 0);
	assert_int_equal(bundle_next(&b, &r, room, sizeof(room), &msg, NULL),
	    1);
	assert_int_equal(msg.type, BUNDLE_OBJECT);
	assert_string_equal(msg.kind, "ExternalSecret");
	assert_string_equal(msg.name, "object");
	assert_string_equal(msg.head, "{\"kind\":\"ExternalSecret\"}");
	bundle_message_clear(&msg);
	assert_int_equal(bundle_next(&b, &r, room, sizeof(room), &msg, NULL),
	    1);
	assert_int_equal(msg.type, BUNDLE_VALUE);
	assert_string_equal(msg.name, "value-0");
	assert_int_equal(msg.fetched_at, BUNDLE_NOW);
	assert_int_equal(msg.len, 100);
	assert_int_equal(msg.data[99], 'v');
	bundle_message_clear(&msg);
	bundle_reader_end(&r);
	bundle_clear(&b);
	assert_int_equal(read_all(&m, m.out.data, m.out.len, NULL), 5);
	bundle_maker_clear(&m);
}

static void
test_every_flip_and_cut(void **state)
{
	struct bundle_maker m;
	size_t i;

	(void)state;
	bundle_maker_init(&m);
	assert_int_equal(bundle_maker_write(&m, 1, 10, NULL), 0);
	for (i = 0; i < m.out.len; i++) {
		cleanup_err struct err err = ERR_INIT;

		m.out.data[i] ^= 1;
		assert_int_equal(read_all(&m, m.out.data, m.out.len, &err),
		    -1);
		/* Its first bytes say what it is at all. */
		assert_int_equal(err.kind, i < 12 ? ERR_INVALID : ERR_TAMPER);
		m.out.data[i] ^= 1;
	}
	for (i = 0; i < m.out.len; i++) {
		/* Of its own size: what lies behind it is not ours. */
		void *copy = mem_dup(m.out.data, i);

		assert_int_equal(read_all(&m, copy, i, NULL), -1);
		free(copy);
	}
	buf_addc(&m.out, 0);
	assert_int_equal(read_all(&m, m.out.data, m.out.len, NULL), -1);
	bundle_maker_clear(&m);
}

/* Nothing of it is decrypted before its signature was found good. */
static int opened;

static int
count_unbox(void *arg, const void *box, size_t len, uint8_t *out,
    struct err *err)
{
	opened++;
	return (bundle_maker_unbox(arg, box, len, out, err));
}

static void
test_verified_first(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct bundle_reader r;
	struct bundle_maker m;
	struct bundle b;

	(void)state;
	bundle_maker_init(&m);
	assert_int_equal(bundle_maker_write(&m, 1, 10, NULL), 0);
	assert_int_equal(bundle_read(&b, m.out.data, m.out.len, NULL), 0);
	assert_int_equal(bundle_open(&b, &r, m.nodes, count_unbox, &m, NULL),
	    -1);
	m.issuer[0] ^= 1;
	assert_int_equal(bundle_verify(&b, m.issuer, &err), -1);
	assert_int_equal(err.kind, ERR_TAMPER);
	assert_non_null(strstr(err_msg(&err), "signature"));
	assert_int_equal(bundle_open(&b, &r, m.nodes, count_unbox, &m, NULL),
	    -1);
	assert_int_equal(opened, 0);
	bundle_clear(&b);
	bundle_maker_clear(&m);
}

static void
test_recipients(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct bundle_maker m;
	uint8_t ours[BUNDLE_KEY_LEN];

	(void)state;
	bundle_maker_init(&m);
	m.head.nrecipients = 2;
	assert_int_equal(bundle_maker_write(&m, 1, 10, NULL), 0);
	assert_int_equal(read_all(&m, m.out.data, m.out.len, NULL), 4);
	/* Only for the other one. */
	m.head.nrecipients = 1;
	memcpy(ours, m.nodes, sizeof(ours));
	memcpy(m.nodes, m.nodes + BUNDLE_KEY_LEN, BUNDLE_KEY_LEN);
	assert_int_equal(bundle_maker_write(&m, 1, 10, NULL), 0);
	memcpy(m.nodes, ours, sizeof(ours));
	assert_int_equal(read_all(&m, m.out.data, m.out.len, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_non_null(strstr(err_msg(&err), "recipient"));
	bundle_maker_clear(&m);
}

/* An issuer that tells two nodes different things under one signature. */
static int
other_key(void *arg, const void *box, size_t len, uint8_t *out,
    struct err *err)
{
	if (bundle_maker_unbox(arg, box, len, out, err) == -1)
		return (-1);
	out[0] ^= 1;
	return (0);
}

static void
test_commit(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct bundle_reader r;
	struct bundle_maker m;
	struct bundle b;

	(void)state;
	bundle_maker_init(&m);
	assert_int_equal(bundle_maker_write(&m, 1, 10, NULL), 0);
	assert_int_equal(bundle_read(&b, m.out.data, m.out.len, NULL), 0);
	assert_int_equal(bundle_verify(&b, m.issuer, NULL), 0);
	assert_int_equal(bundle_open(&b, &r, m.nodes, other_key, &m, &err),
	    -1);
	assert_int_equal(err.kind, ERR_TAMPER);
	bundle_clear(&b);
	bundle_maker_clear(&m);
}

static void
refused(const struct bundle_head *h, const struct bundle_known *k,
    int64_t now, const char *field)
{
	cleanup_err struct err err = ERR_INIT;

	assert_int_equal(bundle_check(h, k, now, &err), -1);
	assert_int_equal(strncmp(err_msg(&err), field, strlen(field)), 0);
}

static void
test_what_may_be_imported(void **state)
{
	struct bundle_known k = { .sequence = 0 };
	struct bundle_maker m;
	struct bundle_head *h = &m.head;

	(void)state;
	bundle_maker_init(&m);
	assert_int_equal(bundle_check(h, &k, BUNDLE_NOW, NULL), 0);
	assert_int_equal(bundle_check(h, &k, h->not_after - 1, NULL), 0);
	refused(h, &k, h->not_after, "not_after: it expired at");
	refused(h, &k, BUNDLE_NOW - BUNDLE_SKEW_MS - 1, "not_before: ");
	k.sequence = 4;
	assert_int_equal(bundle_check(h, &k, BUNDLE_NOW, NULL), 0);
	k.sequence = 5;
	refused(h, &k, BUNDLE_NOW, "sequence: 5 is not above 5");
	k.sequence = 6;
	refused(h, &k, BUNDLE_NOW, "sequence: 5 is not above 6");
	memcpy(k.last, h->id, BUNDLE_ID_LEN);
	k.sequence = 5;
	refused(h, &k, BUNDLE_NOW, "sequence: this bundle was imported");
	k.sequence = 4;
	memset(k.last, 1, BUNDLE_ID_LEN);
	h->mode = BUNDLE_DELTA;
	refused(h, &k, BUNDLE_NOW, "previous: ");
	memset(h->previous, 1, BUNDLE_ID_LEN);
	assert_int_equal(bundle_check(h, &k, BUNDLE_NOW, NULL), 0);
	k.revoked = 1;
	refused(h, &k, BUNDLE_NOW, "issuer: ");
	k.revoked = 0;
	h->not_after = h->not_before + BUNDLE_VALID_MAX_MS + 1;
	refused(h, &k, BUNDLE_NOW, "not_after: a bundle is valid for 90 days");
	h->not_before = -1;
	h->not_after = INT64_MAX;
	refused(h, &k, BUNDLE_NOW, "not_after: ");
	h->not_after = INT64_MIN;
	refused(h, &k, BUNDLE_NOW, "not_after: ");
	bundle_maker_clear(&m);
}

static void
test_lists(void **state)
{
	struct bundle_maker m;
	struct bundle b;

	(void)state;
	bundle_maker_init(&m);
	m.head.nissuers = m.head.nrevoked = 2;
	m.head.nrevoked_issuers = 1;
	m.head.issuers = mem_dup("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 64);
	m.head.revoked = mem_dup("ccccccccccccccccdddddddddddddddd", 32);
	m.head.revoked_issuers = mem_dup("eeeeeeeeeeeeeeee", 16);
	assert_int_equal(bundle_maker_write(&m, 1, 10, NULL), 0);
	assert_int_equal(read_all(&m, m.out.data, m.out.len, NULL), 4);
	assert_int_equal(bundle_read(&b, m.out.data, m.out.len, NULL), 0);
	assert_int_equal(b.head.nissuers, 2);
	assert_memory_equal(b.head.issuers + BUNDLE_KEY_LEN, "bbbb", 4);
	assert_memory_equal(b.head.revoked + BUNDLE_ID_LEN, "dddd", 4);
	assert_memory_equal(b.head.revoked_issuers, "eeee", 4);
	bundle_clear(&b);
	m.head.nrecipients = 0;
	assert_int_equal(bundle_maker_write(&m, 1, 10, NULL), -1);
	bundle_maker_clear(&m);
}

static void
test_sizes(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct bundle_maker m;

	(void)state;
	bundle_maker_init(&m);
	assert_int_equal(bundle_maker_write(&m, 3, 3u << 19, NULL), 0);
	assert_int_equal(read_all(&m, m.out.data, m.out.len, NULL), 6);
	assert_int_equal(bundle_maker_write(&m, 1, BUNDLE_MESSAGE_MAX, &err),
	    -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err_msg(&err), "shop/value-0"));
	err_clear(&err);
	assert_int_equal(bundle_maker_write(&m, 50, 3u << 19, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err_msg(&err), "64 MiB"));
	bundle_maker_clear(&m);
}

static void
test_issuer_keys(void **state)
{
	uint8_t seed[BUNDLE_SEED_LEN], key[BUNDLE_KEY_LEN], back[32];
	cleanup_buf struct buf text = BUF_PLAIN(256), sec = BUF_SECRET(256);
	cleanup_err struct err err = ERR_INIT;
	char hex[BUNDLE_HEX_LEN];

	(void)state;
	bundle_issuer_make(seed);
	bundle_issuer_public(seed, key);
	bundle_issuer_text(key, 0, &text);
	bundle_issuer_text(seed, 1, &sec);
	assert_int_equal(bundle_issuer_parse(text.data, text.len, 0, back,
	    NULL), 0);
	assert_memory_equal(back, key, sizeof(key));
	assert_int_equal(bundle_issuer_parse(sec.data, sec.len, 1, back,
	    NULL), 0);
	assert_memory_equal(back, seed, sizeof(seed));
	assert_int_equal(bundle_issuer_parse(sec.data, sec.len, 0, back,
	    &err), -1);
	assert_non_null(strstr(err_msg(&err), "public one"));
	err_clear(&err);
	assert_int_equal(bundle_issuer_parse(text.data, text.len, 1, back,
	    &err), -1);
	assert_non_null(strstr(err_msg(&err), "secret one"));
	assert_int_equal(bundle_issuer_parse(text.data, text.len - 6, 0, back,
	    NULL), -1);
	assert_int_equal(bundle_issuer_parse("", 0, 0, back, NULL), -1);
	bundle_key_id(key, back);
	bundle_hex(back, hex);
	assert_int_equal(bundle_unhex(hex, back + 16, NULL), 0);
	assert_memory_equal(back, back + 16, 16);
	hex[31] = 0;
	assert_int_equal(bundle_unhex(hex, back, NULL), -1);
	assert_int_equal(bundle_unhex("zz", back, NULL), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_flip_and_cut),
		cmocka_unit_test(test_verified_first),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_commit),
		cmocka_unit_test(test_what_may_be_imported),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_issuer_keys),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
