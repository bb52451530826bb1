/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * Linked into every unit test: CASE=test_name build/test/unit/program runs
 * the cases that fit the pattern alone.
 */
static void __attribute__((constructor))
choose(void)
{
	const char *pattern = getenv("CASE");

	if (pattern != NULL && *pattern != '\0')
		cmocka_set_test_filter(pattern);
}
