/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/seal_calls.h"
#include "tests/unit/seal_rotation.h"

/*
 * A rotation of the root key and of its epoch that dies or fails anywhere: the
 * table opens, and with it the file (reference security-offline.md S10).  What
 * a power cut does to it is seal_power_test.  Control: -DWEAKEN_ROTATE_BEFORE.
 */
static int
loads(int *ret_rotating)
{
	cleanup_err struct err err = ERR_INIT;
	enum seal_state state = rotation_load(&place, ret_rotating, &err);

	if (state != SEAL_OK)
		print_message("%s\n", err_msg(&err));
	return (state == SEAL_OK);
}

static void
again(void **state)
{
	key_table_clear(&table);
	calls_teardown(state);
	calls_setup(state);
}

static int
died_at(int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		calls = 0;
		die_at = n;
		_exit(rotation_try() == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	return (WEXITSTATUS(status));
}

static void
test_dies_anywhere(void **state)
{
	int n, middle = 0, rotating = 0;

	for (n = 1;; n++) {
		again(state);
		rotation_begin();
		if (died_at(n) == 0)
			break;
		assert_true(loads(&rotating));
		middle += rotating;
	}
	print_message("%d places, %d in the middle\n", n - 1, middle);
	assert_true(loads(&rotating));
	assert_false(rotating);
	assert_true(middle > 15 && n > middle + 3);
}

/* A table that could not be saved is as before, in memory too. */
static void
test_fails_anywhere(void **state)
{
	uint8_t was[32];
	int n, rotating;

	for (n = 1;; n++) {
		again(state);
		rotation_begin();
		memcpy(was, table_root, sizeof(was));
		calls = 0;
		fail_at = n;
		fail_errno = n % 2 ? EIO : ENOSPC;
		if (rotation_try() == 0 && calls < fail_at)
			break;
		fail_at = 0;
		assert_true(loads(&rotating));
		/* The next write finds keys that open. */
		assert_int_equal(seal_one(&table, 9, 2), 0);
		assert_true(loads(&rotating));
	}
	assert_true(n > 20);
}

static void
test_old_files_do_not_open(void **state)
{
	struct seal_trust t;
	struct seal_loaded l;
	uint8_t was[32];

	(void)state;
	rotation_begin();
	memcpy(was, table_root, sizeof(was));
	rotation_do();
	assert_memory_not_equal(was, table_root, sizeof(was));
	t = trust(table.slots.node, 0);
	t.root = was;
	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	assert_int_equal(l.state, SEAL_FOREIGN);
	seal_loaded_clear(&l);
	assert_int_equal(table.slots.epoch, 2);
	assert_int_equal(table.slots.epoch_at, 7);
}

/* What is under way is not begun again, and no slot is lost on the way. */
static void
test_refused(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct key_way w;

	(void)state;
	rotation_begin();
	assert_int_equal(key_way(&w), 0);
	assert_int_equal(key_table_rotate(&table, &w, 0, 6, next_root, &err),
	    -1);
	assert_non_null(strstr(err_msg(&err), "node.key"));
	assert_int_equal(table.slots.n, 1);
	assert_null(table.slots.before);
	assert_int_equal(key_table_rotate(&table, &w, 1, 6, next_root, NULL),
	    0);
	assert_int_equal(key_table_rotate(&table, &w, 1, 6, next_root, &err),
	    -1);
	assert_non_null(strstr(err_msg(&err), "its end"));
	way_end(&w);
}

static void
test_put_and_remove(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct key_way w;
	int rotating;

	(void)state;
	rotation_begin();
	assert_int_equal(key_way(&w), 0);
	assert_int_equal(key_table_put(&table, &w, 6, &err), -1);
	assert_non_null(strstr(err_msg(&err), "already"));
	assert_int_equal(key_table_remove(&table, 1, NULL, 0, &err), -1);
	assert_non_null(strstr(err_msg(&err), "the last one"));
	free(w.source.arg);
	w.source.arg = str_dup("/another/name");
	/* The disk fails: nothing has changed. */
	calls = 0;
	fail_at = 3;
	fail_errno = EIO;
	assert_int_equal(key_table_put(&table, &w, 6, &err), -1);
	assert_int_equal(table.slots.n, 1);
	fail_at = 0;
	assert_int_equal(key_table_put(&table, &w, 6, NULL), 0);
	assert_int_equal(table.slots.n, 2);
	calls = 0;
	fail_at = 3;
	assert_int_equal(key_table_remove(&table, 1, NULL, 0, &err), -1);
	assert_int_equal(table.slots.n, 2);
	fail_at = 0;
	assert_int_equal(key_table_remove(&table, 1, NULL, 0, NULL), 0);
	assert_int_equal(table.slots.n, 1);
	/* By its kind, where the name is another. */
	assert_true(loads(&rotating));
	way_end(&w);
}

static int
teardown(void **state)
{
	key_table_clear(&table);
	return (calls_teardown(state));
}

#define T(t) cmocka_unit_test_setup_teardown(t, calls_setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_dies_anywhere),
		T(test_fails_anywhere),
		T(test_old_files_do_not_open),
		T(test_refused),
		T(test_put_and_remove),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
