/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/record.h"
#include "seal/snapshot.h"

static uint8_t key[RECORD_KEY_LEN];
static const struct record_header head = {
	.kind = RECORD_PAYLOAD, .ns = "team-a", .ns_uid = "u1", .name = "web",
	.uid = "u2", .generation = 7, .store = "SecretStore/team-a/prod",
	.version = "3-abc", .fetched_at = 1795467323000, .source = "live",
};

static void
make(const struct record_header *h, const char *text, struct record *r)
{
	cleanup_err struct err err = ERR_INIT;

	assert_int_equal(record_seal(key, h, (const uint8_t *)text,
	    strlen(text), r, &err), 0);
}

static int
open_it(const struct record *r, const struct record_header *expect, char *text,
    size_t *ret_len)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free uint8_t *out = NULL;
	const uint8_t *plain;
	size_t i, len, size = record_plain_max(r) + 4;

	out = mem_alloc(size);
	memset(out, 0xee, size);
	if (record_open(key, r, expect, out, size, &plain, &len, &err) == -1) {
		assert_int_equal(err.kind, ERR_TAMPER);
		for (i = 0; i < size; i++)
			if (out[i] != 0xee)
				assert_int_equal(out[i], 0);
		return (-1);
	}
	if (text)
		memcpy(text, plain, len);
	if (ret_len)
		*ret_len = len;
	return (0);
}

static void
test_round_trip(void **state)
{
	static const size_t sizes[] = { 0, 1, 59, 60, 61, 64, 4091, 4092, 4093,
		8188, 8189, 100000, 1u << 20, RECORD_PLAIN_MAX };
	size_t i, len;

	(void)state;
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_free uint8_t *plain = mem_alloc(sizes[i]);
		cleanup_free char *back = mem_alloc(sizes[i]);
		struct record r = { 0 };

		memset(plain, 'x', sizes[i]);
		assert_int_equal(record_seal(key, &head, plain, sizes[i], &r,
		    &err), 0);
		assert_true(record_plain_max(&r) >= sizes[i]);
		assert_true(record_plain_max(&r) < sizes[i] + 4096 + 64);
		if (sizes[i] <= 4092)
			assert_true(record_plain_max(&r) < sizes[i] + 64);
		assert_int_equal(open_it(&r, &head, back, &len), 0);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(back, plain, sizes[i]);
		record_clear(&r);
		assert_null(r.data);
	}
}

static void
test_too_large(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free uint8_t *plain = mem_alloc(RECORD_PLAIN_MAX + 1);
	struct record r = { 0 };

	(void)state;
	assert_int_equal(record_seal(key, &head, plain, RECORD_PLAIN_MAX + 1,
	    &r, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_null(r.data);
}

static void
test_head(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct record_header h;
	struct record r = { 0 };

	(void)state;
	make(&head, "value", &r);
	assert_int_equal(record_head(&r, &h, &err), 0);
	assert_int_equal(h.kind, RECORD_PAYLOAD);
	assert_string_equal(h.ns, "team-a");
	assert_string_equal(h.ns_uid, "u1");
	assert_string_equal(h.name, "web");
	assert_string_equal(h.uid, "u2");
	assert_int_equal(h.generation, 7);
	assert_string_equal(h.store, "SecretStore/team-a/prod");
	assert_string_equal(h.version, "3-abc");
	assert_int_equal(h.fetched_at, 1795467323000);
	assert_string_equal(h.source, "live");
	record_header_clear(&h);
	record_clear(&r);
}

/* Every bit of every byte, every length: none opens.  Control: -DWEAKEN_AAD
 * lets a flip in the header through. */
static void
test_flips(void **state)
{
	struct record r = { 0 };
	size_t i;
	int bit;

	(void)state;
	make(&head, "a value of some length, so that it takes a step", &r);
	for (i = 0; i < r.len; i++) {
		for (bit = 0; bit < 8; bit++) {
			r.data[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(open_it(&r, NULL, NULL, NULL), -1);
			r.data[i] ^= (uint8_t)(1 << bit);
		}
	}
	assert_int_equal(open_it(&r, NULL, NULL, NULL), 0);
	record_clear(&r);
}

static void
test_cuts(void **state)
{
	struct record r = { 0 }, longer = { 0 };
	size_t len;

	(void)state;
	make(&head, "value", &r);
	for (len = 0; len < r.len; len++) {
		struct record cut = { mem_dup(r.data, len), len };

		assert_int_equal(open_it(&cut, NULL, NULL, NULL), -1);
		record_clear(&cut);
	}
	longer.len = r.len + 1;
	longer.data = mem_alloc(longer.len);
	memcpy(longer.data, r.data, r.len);
	assert_int_equal(open_it(&longer, NULL, NULL, NULL), -1);
	record_clear(&longer);
	record_clear(&r);
}

/* The ciphertext of one name behind the header of another. */
static void
test_splice(void **state)
{
	struct record_header other = head;
	struct record a = { 0 }, b = { 0 };

	(void)state;
	other.name = "wex";		/* the same length as "web" */
	make(&head, "value", &a);
	make(&other, "stolen", &b);
	assert_int_equal(a.len, b.len);
	assert_int_equal(open_it(&b, &head, NULL, NULL), -1);
	/* nonce, ciphertext and tag of the smallest class */
	memcpy(a.data + a.len - 24 - 64 - 16, b.data + b.len - 24 - 64 - 16,
	    24 + 64 + 16);
	assert_int_equal(open_it(&a, &head, NULL, NULL), -1);
	record_clear(&a);
	record_clear(&b);
}

static void
test_expect(void **state)
{
	struct record_header e = head;
	struct record r = { 0 };

	(void)state;
	make(&head, "value", &r);
	e.generation = 99;		/* not compared */
	assert_int_equal(open_it(&r, &e, NULL, NULL), 0);
	e.uid = "again";
	assert_int_equal(open_it(&r, &e, NULL, NULL), -1);
	e = head;
	e.ns = NULL;
	assert_int_equal(open_it(&r, &e, NULL, NULL), -1);
	e = head;
	e.kind = RECORD_BODY;
	assert_int_equal(open_it(&r, &e, NULL, NULL), -1);
	record_clear(&r);
}

static void
test_wrong_key(void **state)
{
	struct record r = { 0 };

	(void)state;
	make(&head, "value", &r);
	key[0] ^= 1;
	assert_int_equal(open_it(&r, &head, NULL, NULL), -1);
	key[0] ^= 1;
	record_clear(&r);
}

static void
test_small_room(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct record r = { 0 };
	const uint8_t *plain;
	uint8_t out[63];
	size_t len;

	(void)state;
	make(&head, "value", &r);
	assert_int_equal(record_open(key, &r, NULL, out, sizeof(out), &plain,
	    &len, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	record_clear(&r);
}

static void
test_derive(void **state)
{
	uint8_t a[RECORD_KEY_LEN], b[RECORD_KEY_LEN], c[RECORD_KEY_LEN];

	(void)state;
	record_derive(key, 1, "nsa-test", a);
	record_derive(key, 2, "nsa-test", b);
	assert_memory_not_equal(a, b, sizeof(a));
	record_derive(key, 1, "nsa-test", c);
	assert_memory_equal(a, c, sizeof(a));
	record_hash(key, (const uint8_t *)"x", 1, a);
	record_hash(b, (const uint8_t *)"x", 1, c);
	memcpy(b, c, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

/* Words of ${secret} in what the last call left on the stack.  It calls
 * nothing, so as not to walk over it. */
static __attribute__((noinline)) int
left_on_stack(const uint8_t *secret, size_t len)
{
	const volatile uint64_t *at = (const volatile uint64_t *)
	    ((uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)7);
	uint64_t word;
	int found = 0;

	for (size_t i = 2; i < 700; i++)
		for (size_t k = 0; k + 8 <= len; k++) {
			__builtin_memcpy(&word, secret + k, 8);
			found += at[-(long)i] == word;
		}
	return (found);
}

/* Control: -DWEAKEN_STACK. */
static void
test_nothing_stays_on_the_stack(void **state)
{
	uint8_t plain[100], secret[RECORD_KEY_LEN], out[RECORD_HASH_LEN];
	int value, keys;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();		/* its frames are elsewhere */
#endif
	record_random(plain, sizeof(plain));
	record_random(secret, sizeof(secret));
	record_hash(secret, plain, sizeof(plain), out);
	value = left_on_stack(plain, sizeof(plain));
	snapshot_ns_key(secret, "shop", secret, out);
	keys = left_on_stack(secret, sizeof(secret));
	assert_int_equal(value, 0);
	assert_int_equal(keys, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_splice),
		cmocka_unit_test(test_expect),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_small_room),
		cmocka_unit_test(test_derive),
		cmocka_unit_test(test_nothing_stays_on_the_stack),
	};

	if (seal_init(NULL) == -1)
		return (1);
	record_random(key, sizeof(key));
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
