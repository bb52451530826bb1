/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/seal_calls.h"

/*
 * What dies or fails in the middle of writing the sealed file, and in which
 * order it reaches the disk.  Controls: -DWEAKEN_SEAL_TORN,
 * -DWEAKEN_SEAL_FSYNC, -DWEAKEN_SEAL_DIRSYNC.
 */
static int
put(uint64_t generation)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	struct snapshot s = snapshot_make(generation, 2);
	int rc;

	assert_int_equal(snapshot_write(root, &s, scratch, &b, NULL), 0);
	rc = seal_file_write(&place, b.data, b.len, &s.head, NULL);
	snapshot_clear(&s);
	return (rc);
}

static enum seal_state
load(uint64_t *ret_generation)
{
	struct seal_loaded l;
	enum seal_state state;

	struct seal_trust t = trust(node, 0);

	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	state = l.state;
	*ret_generation = l.snapshot.head.generation;
	seal_loaded_clear(&l);
	return (state);
}

/* Written by a child that dies at its ${n}-th call; 0 when it came to its
 * end. */
static int
died_at(int n, uint64_t generation)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		calls = 0;
		die_at = n;
		_exit(put(generation) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	return (WEXITSTATUS(status));
}

/* --- tests -------------------------------------------------------------- */

/* Old or new, whole, wherever it dies; and the next one is written. */
static void
test_dies_anywhere(void **state)
{
	unsigned long old = 0, new = 0;
	uint64_t g;
	int n;

	for (n = 1;; n++) {
		assert_int_equal(put(5), 0);
		if (died_at(n, 6) == 0)
			break;
		assert_int_equal(load(&g), SEAL_OK);
		assert_true(g == 5 || g == 6);
		old += g == 5;
		new += g == 6;
		assert_int_equal(put(7), 0);
		assert_int_equal(load(&g), SEAL_OK);
		assert_int_equal(g, 7);
		calls_teardown(state);
		calls_setup(state);
	}
	print_message("%d places: %lu times old, %lu new\n", n - 1, old, new);
	assert_true(old > 3 && new > 2);
}

/* The place in the log of a call, -1 none. */
static int
place_of(enum call_kind kind, const char *name, int from)
{
	size_t i;

	for (i = (size_t)from; i < nlog; i++)
		if (log_[i].kind == kind && strcmp(kind == CALL_RENAME ?
		    log_[i].b : log_[i].a, name) == 0)
			return ((int)i);
	return (-1);
}

/* Durable before it is named, named before it is witnessed. */
static void
test_order(void **state)
{
	int sync, named, dirsync, witness;

	(void)state;
	assert_int_equal(put(1), 0);
	recording = 1;
	assert_int_equal(put(2), 0);
	named = place_of(CALL_RENAME, SEAL_FILE, 0);
	sync = place_of(CALL_SYNC, "", 0);
	assert_true(named > 0);
	assert_in_range(sync, 0, named);
	dirsync = place_of(CALL_DIRSYNC, "", 0);
	assert_int_equal(dirsync, named + 1);
	witness = place_of(CALL_WRITE, "", dirsync);
	assert_true(witness > dirsync);
	assert_true(place_of(CALL_SYNC, "", witness) > witness);
}

/* EIO, a full disk, one that is read-only: at every call, the old one stays or
 * the new one is there, what failed is said, nothing is fsynced twice, and the
 * next write is as ever. */
static void
test_fails_anywhere(void **state)
{
	static const int errnos[] = { EIO, ENOSPC, EROFS };
	unsigned long n, said = 0;
	uint64_t g;

	for (n = 1;; n++) {
		calls_teardown(state);
		calls_setup(state);
		assert_int_equal(put(5), 0);
		calls = 0;
		fail_at = (int)n;
		fail_errno = errnos[n % ARRAY_LEN(errnos)];
		if (put(6) == 0 && calls < fail_at)
			break;
		said++;
		assert_int_equal(retried, 0);
		fail_at = 0;
		assert_int_equal(load(&g), SEAL_OK);
		assert_true(g == 5 || g == 6);
		assert_int_equal(faccessat(place.dir, "." SEAL_FILE ".tmp",
		    F_OK, 0), -1);
		assert_int_equal(put(7), 0);
		assert_int_equal(load(&g), SEAL_OK);
		assert_int_equal(g, 7);
	}
	print_message("%lu calls failed\n", said);
	assert_true(said > 6);
}

#define T(t) cmocka_unit_test_setup_teardown(t, calls_setup, calls_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_dies_anywhere),
		T(test_order),
		T(test_fails_anywhere),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
