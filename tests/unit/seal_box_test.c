/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "seal/box.h"

static uint8_t pk[BOX_KEY_LEN], sk[BOX_KEY_LEN];

static void
test_round_trip(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	uint8_t back[5];

	(void)state;
	buf_adds(&out, "before");
	assert_int_equal(box_seal(pk, "value", 5, &out, &err), 0);
	assert_int_equal(out.len, 6 + 5 + BOX_OVERHEAD);
	assert_memory_equal(out.data, "before", 6);
	assert_int_equal(box_open(pk, sk, out.data + 6, out.len - 6, back,
	    &err), 0);
	assert_memory_equal(back, "value", 5);
}

static void
test_empty(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	uint8_t back[1] = { 7 };

	(void)state;
	assert_int_equal(box_seal(pk, "", 0, &out, &err), 0);
	assert_int_equal(box_open(pk, sk, out.data, out.len, back, &err), 0);
	assert_int_equal(back[0], 7);
}

static void
test_flips(void **state)
{
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	uint8_t back[5];
	size_t i;

	(void)state;
	assert_int_equal(box_seal(pk, "value", 5, &out, NULL), 0);
	for (i = 0; i < out.len; i++) {
		cleanup_err struct err err = ERR_INIT;

		out.data[i] ^= 0x40;
		memset(back, 0xee, sizeof(back));
		assert_int_equal(box_open(pk, sk, out.data, out.len, back,
		    &err), -1);
		assert_int_equal(err.kind, ERR_TAMPER);
		assert_int_equal(back[0], 0);
		out.data[i] ^= 0x40;
	}
	for (i = 0; i < out.len; i++)
		assert_int_equal(box_open(pk, sk, out.data, i, back, NULL), -1);
}

static void
test_ceiling(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf out = BUF_PLAIN(50);

	(void)state;
	assert_int_equal(box_seal(pk, "value", 5, &out, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void
test_bad_key(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	static const uint8_t zero[BOX_KEY_LEN];

	(void)state;
	assert_int_equal(box_seal(zero, "value", 5, &out, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_int_equal(out.len, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_bad_key),
	};

	if (seal_init(NULL) == -1)
		return (1);
	box_keypair(pk, sk);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
