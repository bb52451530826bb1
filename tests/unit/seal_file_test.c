/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/seal_place.h"

/*
 * The sealed file on a disk.  Controls: -DWEAKEN_SEAL_GENERATION (rollback);
 * what dies in the middle is tests/unit/seal_crash_test.c.
 */
static int
setup(void **state)
{
	(void)state;
	place_make();
	return (0);
}

static int
teardown(void **state)
{
	static const char *const names[] = { SEAL_FILE, SEAL_FILE_PREV,
		SEAL_FILE_QUARANTINE, "old" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(place.dir, names[i], 0);
	unlinkat(parent, "witness", 0);
	unlinkat(parent, "state", AT_REMOVEDIR);
	close(place.dir);
	close(place.witness);
	close(parent);
	return (rmdir(dir));
}

static void
put(uint64_t generation)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	struct snapshot s = snapshot_make(generation, 2);

	assert_int_equal(snapshot_write(root, &s, scratch, &b, NULL), 0);
	assert_int_equal(seal_file_write(&place, b.data, b.len, &s.head,
	    NULL), 0);
	snapshot_clear(&s);
}

/* What comes of loading: the state and the generation that is given. */
static enum seal_state
load(uint64_t *ret_generation, const char *problem)
{
	struct seal_loaded l;
	enum seal_state state;

	struct seal_trust t = trust(node, 0);

	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	state = l.state;
	*ret_generation = l.snapshot.head.generation;
	assert_int_equal(l.snapshot.nvalues, *ret_generation ? 2 : 0);
	if (problem) {
		assert_non_null(l.problem);
		assert_non_null(strstr(l.problem, problem));
	} else {
		assert_null(l.problem);
	}
	seal_loaded_clear(&l);
	return (state);
}

static int
there(const char *name)
{
	return (faccessat(place.dir, name, F_OK, 0) == 0);
}

static void
damage(const char *name)
{
	cleanup_close int fd = openat(place.dir, name, O_RDWR | O_CLOEXEC);
	uint8_t c;

	assert_int_equal(pread(fd, &c, 1, 300), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, 300), 1);
}

static void
test_written_and_read(void **state)
{
	uint64_t g;

	(void)state;
	assert_int_equal(load(&g, NULL), SEAL_EMPTY);
	put(1);
	assert_int_equal(load(&g, NULL), SEAL_OK);
	assert_int_equal(g, 1);
	assert_false(there(SEAL_FILE_PREV));
	put(2);
	put(3);
	assert_int_equal(load(&g, NULL), SEAL_OK);
	assert_int_equal(g, 3);
	assert_true(there(SEAL_FILE_PREV));
	assert_false(there("." SEAL_FILE ".tmp"));
	assert_false(there("." SEAL_FILE_PREV ".tmp"));
}

static void
test_the_one_before(void **state)
{
	uint64_t g;

	(void)state;
	put(1);
	put(2);
	damage(SEAL_FILE);
	assert_int_equal(load(&g, "the one before it is served"),
	    SEAL_PARTIAL);
	assert_int_equal(g, 1);
	assert_true(there(SEAL_FILE_QUARANTINE));
	assert_false(there(SEAL_FILE));
	/* The next file is newer than all that were. */
	put(3);
	assert_int_equal(load(&g, NULL), SEAL_OK);
}

static void
test_both_damaged(void **state)
{
	uint64_t g;

	(void)state;
	put(1);
	put(2);
	damage(SEAL_FILE);
	damage(SEAL_FILE_PREV);
	assert_int_equal(load(&g, "damaged"), SEAL_TAMPERED);
	assert_int_equal(g, 0);
	assert_true(there(SEAL_FILE_QUARANTINE));
}

/* S5: an older copy put back; the file taken away. */
static void
test_rollback(void **state)
{
	uint64_t g;

	(void)state;
	put(1);
	assert_int_equal(linkat(place.dir, SEAL_FILE, place.dir, "old", 0),
	    0);
	put(2);
	put(3);
	assert_int_equal(renameat(place.dir, "old", place.dir, SEAL_FILE),
	    0);
	assert_int_equal(load(&g, "generation 1 came back, 3 is known"),
	    SEAL_ROLLED_BACK);
	assert_int_equal(g, 0);
	assert_false(there(SEAL_FILE));
	assert_int_equal(load(&g, "is gone, generation 3"),
	    SEAL_ROLLED_BACK);
}

/* With the newest damaged, no older file than the one before it will do. */
static void
test_rollback_of_the_one_before(void **state)
{
	uint64_t g;

	(void)state;
	put(1);
	assert_int_equal(linkat(place.dir, SEAL_FILE, place.dir, "old", 0),
	    0);
	put(2);
	put(3);
	damage(SEAL_FILE);
	assert_int_equal(renameat(place.dir, "old", place.dir,
	    SEAL_FILE_PREV), 0);
	assert_int_equal(load(&g, "damaged"), SEAL_TAMPERED);
	assert_int_equal(g, 0);
}

static void
test_known_elsewhere(void **state)
{
	struct seal_loaded l;

	(void)state;
	put(5);
	struct seal_trust t = trust(node, 6);

	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	assert_int_equal(l.state, SEAL_ROLLED_BACK);
	assert_int_equal(l.generation, 6);
	seal_loaded_clear(&l);
}

/* The TPM's counter and the table's epoch: older ones are refused, one that is
 * ahead is what a death in the middle leaves; the file before the newest may be
 * one behind.  The head is counter 5, epoch 1.  Controls: -DWEAKEN_TPM_COUNTER,
 * -DWEAKEN_SEAL_EPOCH. */
static enum seal_state
against(uint64_t counter, uint32_t epoch, const char *says)
{
	struct seal_trust t = trust(node, 0);
	enum seal_state state;
	struct seal_loaded l;

	t.counted = 1;
	t.counter = counter;
	t.min_epoch = epoch;
	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	state = l.state;
	if (says) {
		assert_non_null(l.problem);
		assert_non_null(strstr(l.problem, says));
	}
	seal_loaded_clear(&l);
	return (state);
}

static void
test_counter_and_epoch(void **state)
{
	(void)state;
	put(5);
	assert_int_equal(against(5, 1, NULL), SEAL_OK);
	assert_int_equal(against(4, 0, NULL), SEAL_OK);
	put(6);
	damage(SEAL_FILE);
	assert_int_equal(against(6, 2, NULL), SEAL_PARTIAL);
	put(7);
	assert_int_equal(against(6, 1, "counter"), SEAL_ROLLED_BACK);
	assert_false(there(SEAL_FILE));
	put(8);
	assert_int_equal(against(5, 2, "epoch"), SEAL_ROLLED_BACK);
}

static uint8_t next_root[RECORD_KEY_LEN] = { 9 };

/* While the root key is being rotated, files by both open. */
static void
test_root_before(void **state)
{
	struct seal_trust t = trust(node, 0);
	struct seal_loaded l;

	(void)state;
	put(5);
	t.root = next_root;
	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	assert_int_equal(l.state, SEAL_FOREIGN);
	seal_loaded_clear(&l);
	put(6);
	t.before = root;
	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	assert_int_equal(l.state, SEAL_OK);
	assert_int_equal(l.by_before, 1);
	seal_loaded_clear(&l);
	t.root = root;
	t.before = next_root;
	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	assert_int_equal(l.state, SEAL_OK);
	assert_int_equal(l.by_before, 0);
	seal_loaded_clear(&l);
}

static void
test_foreign(void **state)
{
	struct seal_loaded l;
	uint8_t other[16] = { 99 };
	uint64_t g;

	(void)state;
	put(5);
	struct seal_trust t = trust(other, 0);

	assert_int_equal(seal_file_load(&place, &t, &l, NULL), 0);
	assert_int_equal(l.state, SEAL_FOREIGN);
	assert_non_null(strstr(l.problem, "another node"));
	seal_loaded_clear(&l);
	assert_true(there(SEAL_FILE_QUARANTINE));
	assert_false(there(SEAL_FILE));
	put(6);
	root[0] ^= 1;
	assert_int_equal(load(&g, "sealed by another key"), SEAL_FOREIGN);
	root[0] ^= 1;
}

/* S8: a newer version has been here. */
static void
test_downgrade(void **state)
{
	cleanup_close int fd = -1;
	uint8_t newer = SNAPSHOT_FORMAT + 1;
	uint64_t g;

	(void)state;
	put(5);
	fd = openat(place.dir, SEAL_FILE, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &newer, 1, 8), 1);
	assert_int_equal(load(&g, "newer than this version's"),
	    SEAL_FOREIGN);
	assert_true(there(SEAL_FILE_QUARANTINE));
}

static void
refused(const char *part)
{
	cleanup_err struct err err = ERR_INIT;
	struct seal_loaded l;

	struct seal_trust t = trust(node, 0);

	assert_int_equal(seal_file_load(&place, &t, &l, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_non_null(strstr(err_msg(&err), part));
	seal_loaded_clear(&l);
}

static void
test_rights(void **state)
{
	uint64_t g;

	(void)state;
	put(1);
	assert_int_equal(fchmodat(place.dir, SEAL_FILE, 0644, 0), 0);
	refused("chmod 0600");
	assert_int_equal(fchmodat(place.dir, SEAL_FILE, 0600, 0), 0);
	assert_int_equal(fchmod(place.dir, 0770), 0);
	refused("chmod 0700");
	assert_int_equal(fchmod(place.dir, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(place.dir, SEAL_FILE, 12345, 0, 0),
		    0);
		refused("belongs to user 12345");
		assert_int_equal(fchownat(place.dir, SEAL_FILE, 0, 0, 0), 0);
	}
	assert_int_equal(load(&g, NULL), SEAL_OK);
	unlinkat(place.dir, SEAL_FILE, 0);
	assert_int_equal(mkfifoat(place.dir, SEAL_FILE, 0600), 0);
	refused("no regular file");
}

/* A witness that nobody can read hides nothing, and is said; one torn row
 * leaves the other. */
static void
test_witness(void **state)
{
	uint64_t g;

	(void)state;
	put(4);
	put(5);
	assert_int_equal(pwrite(place.witness, "junk", 4, 0), 4);
	assert_int_equal(load(&g, NULL), SEAL_OK);
	assert_int_equal(pwrite(place.witness, "junk", 4, 256), 4);
	assert_int_equal(load(&g, "witness"), SEAL_OK);
	assert_int_equal(g, 5);
	assert_int_equal(ftruncate(place.witness, 0), 0);
	assert_int_equal(load(&g, NULL), SEAL_OK);
	put(6);
	put(7);
	assert_int_equal(load(&g, NULL), SEAL_OK);
	assert_int_equal(g, 7);
}

/* A directory in which nothing can be written: the last good file stays. */
static void
test_no_room(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	struct snapshot_head h = { .generation = 2 };
	uint64_t g;

	(void)state;
	put(1);
	sealed(2, 1, &b);
	assert_int_equal(mkdirat(place.dir, "." SEAL_FILE ".tmp", 0700), 0);
	assert_int_equal(seal_file_write(&place, b.data, b.len, &h, &err),
	    -1);
	assert_int_equal(unlinkat(place.dir, "." SEAL_FILE ".tmp",
	    AT_REMOVEDIR), 0);
	assert_int_equal(load(&g, NULL), SEAL_OK);
	assert_int_equal(g, 1);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_written_and_read),
		T(test_the_one_before),
		T(test_both_damaged),
		T(test_rollback),
		T(test_rollback_of_the_one_before),
		T(test_known_elsewhere),
		T(test_counter_and_epoch),
		T(test_root_before),
		T(test_foreign),
		T(test_downgrade),
		T(test_rights),
		T(test_witness),
		T(test_no_room),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
