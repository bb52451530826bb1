/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/value_tmpl_fn.h"
#include "tests/unit/value_vector.h"

static int
check(const struct vector *v)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	cleanup_err struct err err = ERR_INIT;
	char *text = vector_exact(v, 1);
	int rc = fn_render(text, v->len[1], &out, &err), good;

	good = vector_is(v, 0, v->field[1], rc == 0 ? "ok" : "error",
	    rc == 0 ? 2 : 5);
	if (rc == 0)
		good &= vector_is(v, 2, v->field[1], buf_str(&out), out.len);
	else
		good &= vector_is(v, 2, v->field[1], err_msg(&err),
		    strlen(err_msg(&err))) && err.kind == ERR_INVALID;
	free(text);
	return (good);
}

/* As External Secrets Operator's own functions, byte for byte. */
static void
test_vectors(void **state)
{
	struct vector v;
	int bad = 0, n = 0;

	(void)state;
	assert_true(vector_open(&v, "tests/vector/value/tmpl_fn.tsv"));
	for (; vector_next(&v); n++)
		bad += !check(&v);
	assert_true(n > 2000);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
