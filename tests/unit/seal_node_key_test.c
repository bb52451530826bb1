/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "seal/node_key.h"

/* The node's key as people carry it, and what is sealed to it. */
static const uint8_t key[32] = { 0xff, 1, 2, 3, [31] = 0x80 };

static void
test_text(void **state)
{
	cleanup_free char *text = node_key_text(key);
	uint8_t pk[32];
	char *p;

	(void)state;
	assert_int_equal(strlen(text), 4 + 14 * 5);
	assert_int_equal(strncmp(text, "nsk1 zw0g 4", 11), 0);
	assert_int_equal(node_key_parse(text, pk, NULL), 0);
	assert_memory_equal(pk, key, 32);
	/* As somebody writes down what he hears. */
	for (p = text; *p; p++) {
		if (*p == ' ')
			*p = '-';
		else if (*p == '0')
			*p = 'O';
		else if (*p == '1' && p != text + 3)
			*p = 'l';
		else if (*p >= 'a' && *p <= 'z')
			*p -= 'a' - 'A';
	}
	memset(pk, 0, sizeof(pk));
	assert_int_equal(node_key_parse(text, pk, NULL), 0);
	assert_memory_equal(pk, key, 32);
}

/* Every letter changed into every other, and two that are exchanged. */
static void
test_slips(void **state)
{
	static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
	cleanup_free char *text = node_key_text(key);
	cleanup_err struct err err = ERR_INIT;
	size_t i, j, slips = 0;
	uint8_t pk[32];
	char was;

	(void)state;
	for (i = 5; text[i]; i++) {
		was = text[i];
		if (was == ' ')
			continue;
		for (j = 0; j < 32; j++) {
			if (letters[j] == was)
				continue;
			text[i] = letters[j];
			assert_int_equal(node_key_parse(text, pk, &err), -1);
			assert_non_null(strstr(err_msg(&err), "slip"));
			slips++;
		}
		text[i] = was;
	}
	assert_int_equal(slips, 56 * 31);
	assert_int_equal(node_key_parse("", pk, &err), -1);
	assert_non_null(strstr(err_msg(&err), "nodeseal pubkey"));
	text[7] = '!';
	assert_int_equal(node_key_parse(text, pk, &err), -1);
	assert_non_null(strstr(err_msg(&err), "letter 3"));
	text[40] = '\0';
	assert_int_equal(node_key_parse(text, pk, NULL), -1);
}

static void
test_fingerprint(void **state)
{
	uint8_t other[32];
	cleanup_free char *a = node_key_fingerprint(key);

	(void)state;
	assert_int_equal(strlen(a), 5 * 4 + 4);
	memcpy(other, key, 32);
	other[31] ^= 1;
	cleanup_free char *b = node_key_fingerprint(other);

	assert_string_not_equal(a, b);
}

static void
test_sealed_to_the_node(void **state)
{
	cleanup_buf struct buf box = BUF_PLAIN(1024);
	cleanup_err struct err err = ERR_INIT;
	uint8_t root[32], root2[32], pk[32], sk[32], out[8];
	struct key_slots s, other;

	(void)state;
	key_slots_make(&s, root);
	key_slots_make(&other, root2);
	assert_int_equal(key_slots_box(&s, root, pk, sk, NULL), 0);
	assert_int_equal(box_seal(pk, "for you", 8, &box, NULL), 0);
	assert_int_equal(node_key_open(&s, root, box.data, box.len, sk, out,
	    NULL), 0);
	assert_string_equal((char *)out, "for you");
	assert_int_equal(sk[0] | sk[31], 0);
	assert_int_equal(node_key_open(&other, root2, box.data, box.len, sk,
	    out, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_int_equal(node_key_open(&s, root, box.data, 20, sk, out, &err),
	    -1);
	key_slots_clear(&s);
	key_slots_clear(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_slips),
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_sealed_to_the_node),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
