/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

static void
test_set_replaces_and_may_use_the_old_text(void **state)
{
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&err, ERR_DENIED, "no %d", 7), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_string_equal(err_msg(&err), "no 7");
	err_set(&err, ERR_LIMIT, "%s, twice %s", err.msg, err.msg);
	assert_string_equal(err_msg(&err), "no 7, twice no 7");
	assert_int_equal(err.sys, 0);
}

static void
test_wrap_keeps_kind_and_sys(void **state)
{
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	err_wrap(&err, "nothing to wrap");
	assert_int_equal(err.kind, ERR_NONE);
	assert_string_equal(err_msg(&err), "");
	errno = ENOENT;
	err_sys(&err, "open %s", "x");
	assert_int_equal(err_wrap(&err, "thing %s", err.msg), -1);
	assert_int_equal(err.kind, ERR_NOTFOUND);
	assert_int_equal(err.sys, ENOENT);
	assert_string_equal(err_msg(&err), "thing open x: No such file or "
	    "directory: open x: No such file or directory");
}

static void
test_sys_kinds(void **state)
{
	static const struct {
		int sys;
		enum err_kind kind;
	} rows[] = {
		{ ENOENT, ERR_NOTFOUND }, { EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED }, { EROFS, ERR_DENIED },
		{ EAGAIN, ERR_TRANSIENT }, { EINTR, ERR_TRANSIENT },
		{ ETIMEDOUT, ERR_TRANSIENT }, { ECONNREFUSED, ERR_TRANSIENT },
		{ ECONNRESET, ERR_TRANSIENT }, { EPIPE, ERR_TRANSIENT },
		{ ENOSPC, ERR_TRANSIENT }, { EMFILE, ERR_LIMIT },
		{ ENFILE, ERR_LIMIT }, { ENOMEM, ERR_LIMIT },
		{ EMSGSIZE, ERR_LIMIT }, { EFBIG, ERR_LIMIT },
		{ ENAMETOOLONG, ERR_LIMIT }, { ELOOP, ERR_LIMIT },
		{ EINVAL, ERR_INVALID }, { ENOTDIR, ERR_INVALID },
		{ EISDIR, ERR_INVALID }, { EEXIST, ERR_INVALID },
		{ EIO, ERR_INTERNAL }, { 99999, ERR_INTERNAL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_err struct err err = ERR_INIT;

		errno = rows[i].sys;
		assert_int_equal(err_sys(&err, "x"), -1);
		assert_int_equal(errno, rows[i].sys);
		assert_int_equal(err.sys, rows[i].sys);
		assert_int_equal(err.kind, rows[i].kind);
	}
}

static void
test_null_is_fine(void **state)
{
	struct err src = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(NULL, ERR_LIMIT, "x"), -1);
	assert_int_equal(err_sys(NULL, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	err_set(&src, ERR_LIMIT, "x");
	assert_int_equal(err_move(NULL, &src), -1);
	assert_null(src.msg);
	err_clear(NULL);
	assert_string_equal(err_msg(NULL), "");
}

static void
test_move(void **state)
{
	cleanup_err struct err dst = ERR_INIT;
	struct err src = ERR_INIT;

	(void)state;
	err_set(&dst, ERR_LIMIT, "old");
	err_set(&src, ERR_TAMPER, "new");
	assert_int_equal(err_move(&dst, &src), -1);
	assert_int_equal(dst.kind, ERR_TAMPER);
	assert_string_equal(dst.msg, "new");
	assert_int_equal(src.kind, ERR_NONE);
	assert_null(src.msg);
	err_move(&dst, &dst);
	assert_string_equal(dst.msg, "new");
}

static void
test_reactions(void **state)
{
	int k;

	(void)state;
	for (k = 0; k < ERR_KINDS; k++)
		assert_non_null(err_reaction((enum err_kind)k)->name);
	assert_int_equal(err_reaction(ERR_TRANSIENT)->retry, 1);
	assert_int_equal(err_reaction(ERR_TRANSIENT)->exit_status, 3);
	assert_int_equal(err_reaction(ERR_TRANSIENT)->grpc_code, 14);
	assert_int_equal(err_reaction(ERR_INVALID)->grpc_code, 3);
	assert_int_equal(err_reaction(ERR_TAMPER)->exit_status, 4);
	assert_string_equal(err_reaction((enum err_kind)77)->name, "internal");
}

static void
test_memory(void **state)
{
	cleanup_free char *a = mem_alloc(0), *b = str_fmt("%s-%d", "x", 3);
	cleanup_free char *c = str_ndup("abcdef", 3), *d = NULL;
	char *stolen;
	int fd = 9;

	(void)state;
	assert_int_equal(a[0], 0);
	assert_string_equal(b, "x-3");
	assert_string_equal(c, "abc");
	assert_null(str_dup(NULL));
	stolen = STEAL(b);
	assert_null(b);
	free(stolen);
	assert_int_equal(fd_steal(&fd), 9);
	assert_int_equal(fd, -1);
	assert_true(str_eq(NULL, NULL) && str_eq("a", "a"));
	assert_false(str_eq("a", NULL) || str_eq(NULL, "a"));
	assert_false(str_eq("a", "b"));
	assert_string_equal(str_or(NULL, "d"), "d");
	assert_string_equal(str_or("", "d"), "d");
	assert_string_equal(str_or("s", "d"), "s");
	d = mem_grow(d, 10, 4);
	memset(d, 7, 40);
	d = mem_grow(d, 100, 4);
	assert_int_equal(d[39], 7);
}

static void
test_buf_ceiling(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(5);
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	assert_null(b.data);
	buf_adds(&b, "abc");
	buf_addf(&b, "%d", 42);
	assert_int_equal(buf_finish(&b, "thing", &err), 0);
	assert_string_equal(buf_str(&b), "abc42");
	buf_addc(&b, 'x');
	buf_add(&b, "", 0);
	assert_false(buf_ok(&b));
	assert_string_equal(buf_str(&b), "abc42");
	assert_int_equal(buf_finish(&b, "thing", &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err_msg(&err), "thing is larger than 5 bytes");
	buf_clear(&b);
	assert_true(buf_ok(&b));
	assert_int_equal(b.max, 5);
}

static void
test_buf_use(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SIZE_MAX), c = BUF_PLAIN(0);
	char *space, *taken;
	size_t i;

	(void)state;
	for (i = 0; i < 10000; i++)
		buf_addf(&b, "%zu,", i % 10);
	assert_int_equal(b.len, 20000);
	assert_int_equal(b.data[b.len], 0);
	buf_cut(&b, 4);
	assert_string_equal(buf_str(&b), "0,1,");
	buf_cut(&b, 100);
	assert_int_equal(b.len, 4);
	space = buf_space(&b, 3);
	memcpy(space, "xyz", 3);
	assert_int_equal(b.len, 4);
	b.len += 3;
	b.data[b.len] = 0;
	taken = buf_take(&b);
	assert_string_equal(taken, "0,1,xyz");
	free(taken);
	assert_int_equal(b.len, 0);
	taken = buf_take(&b);
	assert_string_equal(taken, "");
	free(taken);
	assert_null(buf_space(&b, SIZE_MAX));
	assert_false(buf_ok(&b));
	buf_add(&c, "", 0);
	assert_true(buf_ok(&c));
	assert_non_null(c.data);
	buf_addc(&c, 'x');
	assert_false(buf_ok(&c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_replaces_and_may_use_the_old_text),
		cmocka_unit_test(test_wrap_keeps_kind_and_sys),
		cmocka_unit_test(test_sys_kinds),
		cmocka_unit_test(test_null_is_fine),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_reactions),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_buf_ceiling),
		cmocka_unit_test(test_buf_use),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
