/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strmap.h"

static int freed;

static void
count_free(void *p)
{
	freed++;
	free(p);
}

static void
test_put_get_del(void **state)
{
	cleanup_strmap struct strmap *m = strmap_new(count_free);
	char *old;

	(void)state;
	freed = 0;
	assert_null(strmap_get(m, "a"));
	assert_int_equal(strmap_del(m, "a"), 0);
	strmap_put(m, "a", str_dup("1"));
	strmap_put(m, "b", str_dup("2"));
	strmap_put(m, "", NULL);
	assert_int_equal(strmap_len(m), 3);
	assert_true(strmap_has(m, ""));
	assert_null(strmap_get(m, ""));
	strmap_put(m, "a", str_dup("3"));
	assert_int_equal(freed, 1);
	assert_string_equal(strmap_get(m, "a"), "3");
	strmap_put(m, "a", strmap_get(m, "a"));
	assert_int_equal(freed, 1);
	old = strmap_take(m, "a");
	assert_string_equal(old, "3");
	free(old);
	assert_int_equal(freed, 1);
	assert_int_equal(strmap_del(m, "b"), 1);
	assert_int_equal(freed, 2);
	assert_null(strmap_take(m, "b"));
	assert_int_equal(strmap_len(m), 1);
	strmap_free(NULL);
}

/* Against an array, through growth, deletion and coming back. */
static void
test_many(void **state)
{
	cleanup_strmap struct strmap *m = strmap_new(NULL);
	static uintptr_t model[5000];
	unsigned x = 12345;
	size_t i, n = 0;
	char key[32];
	int step;

	(void)state;
	memset(model, 0, sizeof(model));
	for (step = 0; step < 200000; step++) {
		x = x * 1103515245 + 12345;
		i = x / 65536 % ARRAY_LEN(model);
		snprintf(key, sizeof(key), "k%zu", i);
		if (x & 0x100) {
			model[i] = (uintptr_t)step + 1;
			strmap_put(m, key, (void *)model[i]);
		} else {
			assert_int_equal(strmap_del(m, key), model[i] != 0);
			model[i] = 0;
		}
	}
	for (i = 0; i < ARRAY_LEN(model); i++) {
		snprintf(key, sizeof(key), "k%zu", i);
		assert_true((uintptr_t)strmap_get(m, key) == model[i]);
		n += model[i] != 0;
	}
	assert_int_equal(strmap_len(m), n);
}

static void
test_order_and_deletion_while_iterating(void **state)
{
	cleanup_strmap struct strmap *m = strmap_new(NULL);
	static const char *const keys[] = { "z", "b", "y", "a", "m" };
	cleanup_free const char **sorted = NULL;
	size_t i, n = 0;

	(void)state;
	for (i = 0; i < ARRAY_LEN(keys); i++)
		strmap_put(m, keys[i], NULL);
	strmap_put(m, "z", m);
	for (i = strmap_next(m, 0); i; i = strmap_next(m, i))
		assert_string_equal(strmap_key(m, i), keys[n++]);
	assert_int_equal(n, 5);
	for (n = 0, i = strmap_next(m, 0); i; i = strmap_next(m, i), n++)
		if (n % 2 == 0)
			strmap_del(m, strmap_key(m, i));
	assert_int_equal(n, 5);
	assert_int_equal(strmap_len(m), 2);
	strmap_put(m, "c", NULL);
	sorted = strmap_sorted(m, &n);
	assert_int_equal(n, 3);
	assert_string_equal(sorted[0], "a");
	assert_string_equal(sorted[1], "b");
	assert_string_equal(sorted[2], "c");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get_del),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_order_and_deletion_while_iterating),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
