/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "model/payload.h"

static struct payload_entry
entry(const char *key, const char *value)
{
	return ((struct payload_entry){ .key = key,
		.keylen = (uint32_t)strlen(key),
		.value = (const uint8_t *)value,
		.len = (uint32_t)strlen(value) });
}

static void
sample(struct payload *p, struct payload_entry data[3],
    struct payload_entry labels[1])
{
	data[0] = entry("b", "2");
	data[1] = entry("", "empty name");
	data[2] = entry("a.crt", "");
	labels[0] = entry("app", "web");
	*p = (struct payload){ .immutable = 1, .type = "Opaque", .typelen = 6,
		.data = data, .ndata = 3, .labels = labels, .nlabels = 1 };
}

static void
test_round_trip(void **state)
{
	struct payload_entry data[3], labels[1];
	cleanup_buf struct buf out = BUF_SECRET(PAYLOAD_MAX);
	struct payload p, q;

	(void)state;
	sample(&p, data, labels);
	assert_int_equal(payload_write(&p, &out, NULL), 0);
	assert_int_equal(payload_read(&q, (uint8_t *)out.data, out.len, NULL),
	    0);
	assert_int_equal(q.immutable, 1);
	assert_memory_equal(q.type, "Opaque", 6);
	assert_int_equal(q.nlabels, 1);
	assert_int_equal(q.nannotations, 0);
	assert_int_equal(q.ndata, 3);
	assert_int_equal(q.data[0].keylen, 0);
	assert_memory_equal(q.data[1].key, "a.crt", 5);
	assert_int_equal(q.data[1].len, 0);
	assert_memory_equal(q.data[2].value, "2", 1);
	/* Nothing was copied. */
	assert_true((const char *)q.data[2].value > out.data &&
	    (const char *)q.data[2].value < out.data + out.len);
	assert_ptr_equal(payload_find(&q, "b"), &q.data[2]);
	assert_null(payload_find(&q, "a.cr"));
	assert_non_null(payload_find(&p, "b"));
	payload_clear(&q);
	payload_clear(&q);
}

static void
test_equal_bytes(void **state)
{
	struct payload_entry one[3], two[3], labels[1], swap;
	cleanup_buf struct buf a = BUF_SECRET(PAYLOAD_MAX);
	cleanup_buf struct buf b = BUF_SECRET(PAYLOAD_MAX);
	struct payload p, q;

	(void)state;
	sample(&p, one, labels);
	assert_int_equal(payload_write(&p, &a, NULL), 0);
	sample(&q, two, labels);
	swap = two[0];
	two[0] = two[2];
	two[2] = swap;
	assert_int_equal(payload_write(&q, &b, NULL), 0);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

/* Every cut, every single changed byte: refused, or whole in itself. */
static void
test_damage(void **state)
{
	struct payload_entry data[3], labels[1];
	cleanup_buf struct buf out = BUF_SECRET(PAYLOAD_MAX);
	struct payload p, q;

	(void)state;
	sample(&p, data, labels);
	assert_int_equal(payload_write(&p, &out, NULL), 0);
	for (size_t n = 0; n < out.len; n++) {
		/* Its own block, so that a step too far is seen. */
		cleanup_free uint8_t *cut = malloc(n == 0 ? 1 : n);
		cleanup_err struct err err = ERR_INIT;

		memcpy(cut, out.data, n);
		assert_int_equal(payload_read(&q, cut, n, &err), -1);
		assert_int_equal(err.kind, ERR_TAMPER);
	}
	for (size_t i = 0; i < out.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			cleanup_free uint8_t *copy = malloc(out.len);

			memcpy(copy, out.data, out.len);
			copy[i] ^= (uint8_t)(1 << bit);
			if (payload_read(&q, copy, out.len, NULL) == 0)
				payload_clear(&q);
		}
	buf_addc(&out, 'x');
	assert_int_equal(payload_read(&q, (uint8_t *)out.data, out.len, NULL),
	    -1);
}

/* Lengths that lie: just beyond the end, and far beyond.  The control is
 * -DWEAKEN_PAYLOAD_LENGTH: the last value's length is believed. */
static void
test_lying_lengths(void **state)
{
	static const uint8_t last[] = "NSP1\0\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\1\0\0\0\1\0\0\0a\4\0\0\0xyz";
	static const uint32_t lies[] = { 4, 5, 100, 0x7fffffff, 0xffffffff };
	cleanup_free uint8_t *tail = malloc(sizeof(last) - 1);
	struct payload q;

	(void)state;
	memcpy(tail, last, sizeof(last) - 1);
	assert_int_equal(payload_read(&q, tail, sizeof(last) - 1, NULL), -1);
	tail[26] = 3;
	assert_int_equal(payload_read(&q, tail, sizeof(last) - 1, NULL), 0);
	payload_clear(&q);
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		cleanup_free uint8_t *block = malloc(12);

		memcpy(block, "NSP1\0", 5);
		memcpy(block + 5, &lies[i], 4);
		memcpy(block + 9, "abc", 3);
		assert_int_equal(payload_read(&q, block, 12, NULL), -1);
		/* … and as a count of labels. */
		memset(block + 5, 0, 4);
		memcpy(block + 8, &lies[i], 4);
		assert_int_equal(payload_read(&q, block, 12, NULL), -1);
	}
}

/* Out of order or twice: nobody of us wrote that. */
static void
test_order(void **state)
{
	static const uint8_t twice[] = "NSP1\0\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\2\0\0\0\1\0\0\0a\0\0\0\0\1\0\0\0a\0\0\0";
	static const uint8_t falling[] = "NSP1\0\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\2\0\0\0\1\0\0\0b\0\0\0\0\1\0\0\0a\0\0\0";
	static const uint8_t rising[] = "NSP1\0\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\2\0\0\0\1\0\0\0a\0\0\0\0\1\0\0\0b\0\0\0";
	struct payload q;

	(void)state;
	assert_int_equal(payload_read(&q, twice, sizeof(twice), NULL), -1);
	assert_int_equal(payload_read(&q, falling, sizeof(falling), NULL), -1);
	assert_int_equal(payload_read(&q, rising, sizeof(rising), NULL), 0);
	payload_clear(&q);
}

static void
test_limits(void **state)
{
	cleanup_free char *big = mem_alloc(PAYLOAD_VALUES_MAX + 2);
	struct payload_entry e = { .key = "k", .keylen = 1,
		.value = (uint8_t *)big, .len = PAYLOAD_VALUES_MAX };
	struct payload_entry same[2] = { entry("k", "1"), entry("k", "2") };
	struct payload_entry *many;
	struct payload p = { .data = &e, .ndata = 1 };
	cleanup_buf struct buf out = BUF_SECRET(PAYLOAD_MAX);
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	/* A Secret may hold exactly a mebibyte. */
	assert_int_equal(payload_write(&p, &out, &err), 0);
	buf_clear(&out);
	e.len++;
	assert_int_equal(payload_write(&p, &out, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err_msg(&err),
	    "data: Too long: may not be more than 1048576 bytes");
	p = (struct payload){ .data = same, .ndata = 2 };
	buf_clear(&out);
	assert_int_equal(payload_write(&p, &out, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	many = mem_array(PAYLOAD_KEYS_MAX + 1, sizeof(*many));
	p = (struct payload){ .data = many, .ndata = PAYLOAD_KEYS_MAX + 1 };
	buf_clear(&out);
	assert_int_equal(payload_write(&p, &out, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	free(many);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_equal_bytes),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lying_lengths),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_limits),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
