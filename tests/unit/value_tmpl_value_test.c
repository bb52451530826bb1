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
#include "value/tmpl_run.h"

/* Values, maps, memory and numbers of the template engine by themselves. */

static struct tmpl_run *
new_run(size_t memory)
{
	struct tmpl_run *run = mem_alloc(sizeof(*run));

	run->pool.max = memory;
	run->steps_max = 1000000;
	run->depth_max = 100;
	run->seed = 4711;
	return (run);
}

static void
free_run(struct tmpl_run *run)
{
	pool_clear(&run->pool);
	free(run);
}

/* --- maps ----------------------------------------------------------------- */

#define KEYS 500

/* In order, each key once, chained both ways, what is there is found. */
static void
check_map(const struct tmap *m, const int *there)
{
	const struct tment *e, *before = NULL;
	size_t n = 0, want = 0;
	char key[16];
	int i;

	for (e = tmap_first(m); e != NULL; before = e, e = e->next, n++) {
		assert_ptr_equal(e->prev, before);
		if (before != NULL)
			assert_true(strcmp(before->key, e->key) < 0);
	}
	for (i = 0; i < KEYS; i++) {
		const struct tv *v;

		snprintf(key, sizeof(key), "k%d", i);
		v = tmap_get(m, key, strlen(key));
		assert_int_equal(v != NULL, there[i] != 0);
		if (v != NULL)
			assert_int_equal(v->u.i, there[i]);
		want += there[i] != 0;
	}
	assert_int_equal(n, want);
	assert_int_equal(tmap_len(m), want);
}

static void
test_map(void **state)
{
	struct tmpl_run *run = new_run(16u << 20);
	int there[KEYS] = { 0 }, i, k;
	uint32_t x = 1;
	struct tv map;
	char key[16];

	(void)state;
	assert_int_equal(tv_new_map(run, &tt_map, &map, NULL), 0);
	for (i = 0; i < 4000; i++) {
		x = x * 1664525 + 1013904223;
		k = (int)(x >> 8) % KEYS;
		snprintf(key, sizeof(key), "k%d", k);
		if (x >> 30 == 0) {
			tmap_del(map.u.m, key, strlen(key));
			there[k] = 0;
		} else {
			const char *copy = pool_copy(&run->pool, key,
			    strlen(key), NULL);

			there[k] = i + 1;
			assert_int_equal(tmap_set(run, map.u.m, copy,
			    strlen(key), tv_int(i + 1), NULL), 0);
		}
		if (i % 500 == 0)
			check_map(map.u.m, there);
	}
	check_map(map.u.m, there);
	assert_true(tmap_first(map.u.m)->value.iface);
	assert_null(tmap_get(NULL, "k", 1));
	assert_int_equal(tmap_len(NULL), 0);
	assert_null(tmap_first(NULL));
	free_run(run);
}

/* Keys that come sorted make no deep tree: 100,000 of them take no time. */
static void
test_map_sorted(void **state)
{
	struct tmpl_run *run = new_run(64u << 20);
	struct tv map, text;
	char key[16];
	int i;

	(void)state;
	assert_int_equal(tv_new_map(run, &tt_smap, &map, NULL), 0);
	for (i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "%08d", i);
		assert_int_equal(tv_text(run, key, 8, &text, NULL), 0);
		assert_int_equal(tmap_set(run, map.u.m, text.u.s.p, 8, text,
		    NULL), 0);
	}
	assert_int_equal(tmap_len(map.u.m), 100000);
	assert_string_equal(tmap_first(map.u.m)->next->key, "00000001");
	assert_false(tmap_first(map.u.m)->value.iface);
	free_run(run);
}

/* --- memory --------------------------------------------------------------- */

static void
test_memory(void **state)
{
	struct tmpl_run *run = new_run(1u << 16);
	cleanup_err struct err err = ERR_INIT;
	struct buf b = tmpl_buf(run);
	struct tv v;
	char *p;
	int i;

	(void)state;
	p = tmpl_alloc(run, 1000, &err);
	assert_non_null(p);
	assert_int_equal((uintptr_t)p % 16, 0);
	for (i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	assert_null(tmpl_alloc(run, 1u << 17, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err_msg(&err), "65536 bytes of memory"));
	assert_null(tmpl_alloc(run, SIZE_MAX, NULL));
	assert_null(pool_copy(&run->pool, "x", SIZE_MAX, NULL));
	assert_int_equal(tv_list(run, &tt_anys, 1u << 20, &v, NULL), -1);
	while (buf_ok(&b))
		buf_addc(&b, 'x');
	err_clear(&err);
	assert_int_equal(tv_buf(run, &b, &v, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_null(b.data);
	while (tmpl_alloc(run, 100, NULL) != NULL)
		;
	assert_true(run->pool.used <= 1u << 16);
	free_run(run);
}

static void
test_ceilings(void **state)
{
	struct tmpl_run *run = new_run(1u << 16);
	cleanup_err struct err err = ERR_INIT;
	int i;

	(void)state;
	for (i = 0; i < 3 * 100; i++)
		assert_int_equal(tmpl_enter(run, NULL), 0);
	assert_int_equal(tmpl_enter(run, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	tmpl_leave(run);
	assert_int_equal(tmpl_enter(run, NULL), 0);
	assert_int_equal(tmpl_steps(run, 1000000, NULL), 0);
	assert_int_equal(tmpl_steps(run, 0, NULL), 0);
	err_clear(&err);
	assert_int_equal(tmpl_steps(run, 1, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(tmpl_steps(run, UINT64_MAX, NULL), -1);
	free_run(run);
}

/* A map in itself can be made, printed and compared, up to a ceiling. */
static void
test_cycle(void **state)
{
	struct tmpl_run *run = new_run(16u << 20);
	struct buf out = BUF_SECRET(1u << 20);
	cleanup_err struct err err = ERR_INIT;
	struct tv a, b;
	int same;

	(void)state;
	assert_int_equal(tv_new_map(run, &tt_map, &a, NULL), 0);
	assert_int_equal(tv_new_map(run, &tt_map, &b, NULL), 0);
	assert_int_equal(tmap_set(run, a.u.m, "x", 1, b, NULL), 0);
	assert_int_equal(tmap_set(run, b.u.m, "x", 1, a, NULL), 0);
	assert_int_equal(tmpl_print(run, &a, &out, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	err_clear(&err);
	assert_int_equal(tv_equal(run, &a, &b, &same, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(run->depth, 0);
	buf_clear(&out);
	free_run(run);
}

/* --- values --------------------------------------------------------------- */

static void
test_equal(void **state)
{
	struct tmpl_run *run = new_run(16u << 20);
	struct tv nil_list = tv_zero(&tt_anys), list, m1, m2, v;
	int same = -1;

	(void)state;
	assert_int_equal(tv_list(run, &tt_anys, 0, &list, NULL), 0);
	assert_int_equal(tv_equal(run, &nil_list, &list, &same, NULL), 0);
	assert_int_equal(same, 0);	/* reflect: nil is not empty */
	assert_int_equal(tv_equal(run, &list, &list, &same, NULL), 0);
	assert_int_equal(same, 1);
	assert_int_equal(tv_new_map(run, &tt_map, &m1, NULL), 0);
	assert_int_equal(tv_new_map(run, &tt_map, &m2, NULL), 0);
	tmap_set(run, m1.u.m, "a", 1, list, NULL);
	tmap_set(run, m2.u.m, "a", 1, list, NULL);
	assert_int_equal(tv_equal(run, &m1, &m2, &same, NULL), 0);
	assert_int_equal(same, 1);
	tmap_set(run, m2.u.m, "b", 1, tv_nil(), NULL);
	assert_int_equal(tv_equal(run, &m1, &m2, &same, NULL), 0);
	assert_int_equal(same, 0);
	v = tv_int64(1);
	list = tv_int(1);
	assert_int_equal(tv_equal(run, &list, &v, &same, NULL), 0);
	assert_int_equal(same, 0);
	free_run(run);
}

static void
test_truth(void **state)
{
	struct tv all[] = { tv_nil(), tv_bool(0), tv_int(0), tv_float(0),
		tv_str(""), tv_zero(&tt_anys), tv_zero(&tt_map),
		tv_zero(&tt_semver), tv_bool(1), tv_int(-1), tv_float(0.5),
		tv_str("0"), { .type = &tt_complex128, .u.c = { 0, 1 } },
		tv_zero(&tt_certificate) };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(tv_truth(&all[i]), i >= 8);
	for (i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(tv_is_nil(&all[i]), i == 0 || (i >= 5 &&
		    i <= 7));
	assert_string_equal(tt_kind(NULL), "invalid");
	assert_string_equal(tt_kind(&tt_map), "map");
	assert_string_equal(tt_kind(&tt_semver), "ptr");
}

/* --- numbers -------------------------------------------------------------- */

static void
test_integers(void **state)
{
	static const struct {
		const char *s;
		int base, rc;
		int64_t want;
	} all[] = {
		{ "0", 0, 0, 0 }, { "-0", 0, 0, 0 }, { "+7", 0, 0, 7 },
		{ "0x1F", 0, 0, 31 }, { "0b11", 0, 0, 3 },
		{ "0o17", 0, 0, 15 }, { "017", 0, 0, 15 }, { "08", 0, -1, 0 },
		{ "1_000", 0, 0, 1000 }, { "1_000", 10, -1, 0 },
		{ "_1", 0, -1, 0 }, { "1__0", 0, -1, 0 }, { "1_", 0, -1, 0 },
		{ "0x_1", 0, 0, 1 }, { "0_1", 0, 0, 1 }, { "", 0, -1, 0 },
		{ "-", 0, -1, 0 }, { "0x", 0, -1, 0 }, { "010", 10, 0, 10 },
		{ "1.5", 0, -1, 0 }, { " 1", 0, -1, 0 },
		{ "9223372036854775807", 10, 0, INT64_MAX },
		{ "9223372036854775808", 10, 1, INT64_MAX },
		{ "-9223372036854775808", 10, 0, INT64_MIN },
		{ "-9223372036854775809", 10, 1, INT64_MIN },
		{ "99999999999999999999999x", 10, 1, INT64_MAX },
		{ "zz", 36, 0, 1295 }, { "ff", 16, 0, 255 },
	};
	int64_t got;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(all); i++) {
		int rc = tmpl_parse_int(all[i].s, strlen(all[i].s),
		    all[i].base, &got);

		if (rc != all[i].rc || got != all[i].want)
			fail_msg("%s: %d, %lld", all[i].s, rc,
			    (long long)got);
	}
}

static void
test_floats(void **state)
{
	static const struct {
		double f;
		char fmt;
		int precision;
		const char *want;
	} all[] = {
		{ 0, 'g', -1, "0" }, { 1e20, 'g', -1, "1e+20" },
		{ 123456, 'g', -1, "123456" }, { 1e6, 'g', -1, "1e+06" },
		{ 0.0001, 'g', -1, "0.0001" }, { 0.00001, 'g', -1, "1e-05" },
		{ 1e21, 'f', -1, "1000000000000000000000" },
		{ -1.5, 'f', -1, "-1.5" }, { 0.5, 'f', 0, "0" },
		{ 1.5, 'f', 0, "2" }, { 2.675, 'f', 2, "2.67" },
		{ 0, 'e', -1, "0e+00" }, { 123.456, 'e', -1, "1.23456e+02" },
		{ 0, 'e', 3, "0.000e+00" }, { 100, 'G', 2, "1E+02" },
		{ 100, 'g', 3, "100" }, { 1e300, 'g', 4, "1e+300" },
		{ 1, 'b', -1, "4503599627370496p-52" },
		{ 3.5, 'x', -1, "0x1.cp+01" }, { 0, 'x', -1, "0x0p+00" },
		{ 3.99, 'x', 0, "0x1p+02" }, { 1, 'X', 3, "0X1.000P+00" },
		{ 5e-324, 'g', -1, "5e-324" }, { 5e-324, 'x', -1,
		    "0x1p-1074" }, { 9007199254740993.0, 'f', -1,
		    "9007199254740992" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(all); i++) {
		cleanup_buf struct buf b = BUF_PLAIN(4096);

		tmpl_float(all[i].f, all[i].fmt, all[i].precision, &b);
		assert_string_equal(buf_str(&b), all[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_map_sorted),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_cycle),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_truth),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_floats),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
