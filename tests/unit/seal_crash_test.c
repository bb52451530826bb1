/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/seal_place.h"

#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * What dies in the middle of writing the sealed file, and in which order it
 * reaches the disk.  This program's own write, fsync and rename stand before
 * libc's: they count, note and end the process.  Controls: -DWEAKEN_SEAL_TORN,
 * -DWEAKEN_SEAL_FSYNC, -DWEAKEN_SEAL_DIRSYNC.
 */
static int calls, die_at;	/* 0: never */
static char order[512];

static void
note(const char *what, const char *name)
{
	size_t n = strlen(order);

	snprintf(order + n, sizeof(order) - n, "%s%s%s;", what,
	    *name ? " " : "", name);
}

static int
dies_now(void)
{
	return (++calls == die_at);
}

ssize_t
write(int fd, const void *data, size_t len)
{
	if (dies_now()) {
		/* half of it, as a full disk or kill -9 leaves it */
		syscall(SYS_write, fd, data, len / 2);
		_exit(9);
	}
	return (syscall(SYS_write, fd, data, len));
}

int
fsync(int fd)
{
	struct stat st;

	if (dies_now())
		_exit(9);
	note(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? "sync-dir" :
	    "sync", "");
	return ((int)syscall(SYS_fsync, fd));
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (dies_now()) {
		syscall(SYS_pwrite64, fd, data, len / 2, at);
		_exit(9);
	}
	note("witness", "");
	return (syscall(SYS_pwrite64, fd, data, len, at));
}

int
fdatasync(int fd)
{
	if (dies_now())
		_exit(9);
	note("sync-witness", "");
	return ((int)syscall(SYS_fdatasync, fd));
}

int
renameat(int from, const char *a, int to, const char *b)
{
	if (dies_now())
		_exit(9);
	note("rename", b);
	return ((int)syscall(SYS_renameat2, from, a, to, b, 0));
}

int
linkat(int from, const char *a, int to, const char *b, int flags)
{
	if (dies_now())
		_exit(9);
	return ((int)syscall(SYS_linkat, from, a, to, b, flags));
}

/* --- places ------------------------------------------------------------- */

static int
setup(void **state)
{
	(void)state;
	place_make();
	calls = die_at = 0;
	order[0] = '\0';
	return (0);
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	close(place.dir);
	close(place.witness);
	close(parent);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	return (0);
}

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
		teardown(state);
		setup(state);
	}
	print_message("%d places: %lu times old, %lu new\n", n - 1, old, new);
	assert_true(old > 3 && new > 2);
}

/* Durable before it is named, named before it is witnessed. */
static void
test_order(void **state)
{
	const char *named, *witnessed;

	(void)state;
	assert_int_equal(put(1), 0);
	order[0] = '\0';
	assert_int_equal(put(2), 0);
	named = strstr(order, "rename " SEAL_FILE ";");
	witnessed = strstr(order, "witness;");
	assert_non_null(named);
	assert_non_null(witnessed);
	assert_int_equal(strncmp(order, "sync;", 5), 0);
	assert_ptr_equal(strstr(named, "sync-dir;"),
	    strchr(named, ';') + 1);
	assert_true(witnessed > strstr(named, "sync-dir;"));
	assert_non_null(strstr(witnessed, "sync-witness;"));
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_dies_anywhere),
		T(test_order),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
