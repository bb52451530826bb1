/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Old or new, never torn: readers during a thousand swaps, and kill -9 at
 * every stop at a system call of a publish (from the store, too), a swap, a
 * host write, a clean-up, removals and a bind.  Controls: WEAKEN_INPLACE,
 * WEAKEN_SWEEP.
 */
#include "fsproj_harness.h"

#include <sys/mman.h>
#include <sys/ptrace.h>

#define FILES 8
#define SWAPS 1000

static struct got got;

/* A generation whose every file says its number; odd ones have one more. */
static struct file files[FILES + 1];
static char names[FILES + 1][8], text[16];

static size_t
generation(unsigned n)
{
	size_t i;

	snprintf(text, sizeof(text), "%09u", n);
	for (i = 0; i <= FILES; i++) {
		snprintf(names[i], sizeof(names[i]), i % 2 ? "f%zu" : "d/f%zu",
		    i);
		files[i] = (struct file){ names[i], text, 0644, 0, 0 };
	}
	return (FILES + n % 2);
}

/* What stands in ${target}: its number; -1 torn; -2 nothing, or gone while
 * being read. */
static long
seen_in(const char *target)
{
	char path[256], buf[16];
	long first = -1, n;
	ssize_t len;
	int data, fd, i;

	snprintf(path, sizeof(path), "%s/..data", target);
	data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data == -1)
		return (-2);
	for (i = 0; i <= FILES; i++) {
		snprintf(path, sizeof(path), i % 2 ? "f%d" : "d/f%d", i);
		fd = openat(data, path, O_RDONLY | O_CLOEXEC);
		if (fd == -1 && i == FILES && first % 2 == 0)
			break;
		if (fd == -1) {
			struct stat st;

			/* removed under us, or never whole? */
			n = fstat(data, &st) == 0 && st.st_nlink == 0 ? -2 :
			    -3;
			close(data);
			return (n);
		}
		len = read(fd, buf, sizeof(buf) - 1);
		close(fd);
		buf[len > 0 ? len : 0] = '\0';
		n = len == 9 ? atol(buf) : -1;
		if (i == 0)
			first = n;
		if (n != first || n < 0 || (i == FILES && n % 2 == 0)) {
			close(data);
			return (-1);
		}
	}
	close(data);
	return (first);
}

struct seen {
	volatile int stop;
	unsigned long whole, torn, gone;
};

static void
test_reader_during_swaps(void **state)
{
	struct seen *seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct peer peer;
	pid_t reader;
	unsigned i;

	(void)state;
	peer_start(&peer);
	assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME, TARGET, files,
	    generation(0)), FSPROJ_OK);
	reader = fork();
	if (reader == 0) {
		while (!seen->stop) {
			long n = seen_in(TARGET);

			/* -3 while two swaps went by is being removed: look
			 * again decides nothing here */
			if (n >= 0)
				seen->whole++;
			else if (n == -1)
				seen->torn++;
			else
				seen->gone++;
		}
		_exit(0);
	}
	for (i = 1; i <= SWAPS; i++)
		assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME, TARGET,
		    files, generation(i)), FSPROJ_OK);
	seen->stop = 1;
	waitpid(reader, NULL, 0);
	print_message("%lu whole, %lu torn, %lu gone while reading\n",
	    seen->whole, seen->torn, seen->gone);
	assert_int_equal(seen->torn, 0);
	assert_true(seen->whole > 100);
	assert_int_equal(seen_in(TARGET), SWAPS);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    TARGET), FSPROJ_OK);
	peer_stop(&peer);
	munmap(seen, sizeof(*seen));
}

enum what { PUBLISH, STORED_PUBLISH, SWAP, HOST_SWAP, CLEAN, REMOVE,
	HOST_REMOVE, BIND };

#define SOCK PLUG "/driver/csi.sock"

static uint32_t
place_of(enum what what)
{
	return (what == HOST_SWAP || what == HOST_REMOVE ? FSPROJ_HOST :
	    FSPROJ_VOLUME);
}

static const char *
path_of(enum what what)
{
	return (place_of(what) == FSPROJ_HOST ? HOST "/a/k" : TARGET);
}

/* A publish of ${n} files from the store. */
static int
publish_stored(struct peer *p, size_t n)
{
	if (peer_ask(p, &got, (struct fsproj_request){
	    .head.type = FSPROJ_STORE, .dir_mode = 0755, .size = 256 << 10,
	    .inodes = 512, .files = FSPROJ_BATCH / 4,
	    .next = FSPROJ_BATCH / 4 }, NULL, NULL, 0) != FSPROJ_OK)
		return (-1);
	for (; got.fixed.fds > n; got.fixed.fds--)
		close(got.fds[got.fixed.fds - 1]);
	peer_place(p, TARGET);
	got_fill(&got, files);
	return (peer_ask(p, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, files, n));
}

/* The client of a process that will be killed: 0 when it got its answer. */
static int
client(struct peer *p, enum what what, unsigned n)
{
	uint32_t place = place_of(what);
	const char *path = path_of(what);

	if (what == STORED_PUBLISH)
		return (publish_stored(p, generation(n)));
	if (what == BIND)
		return (peer_path(p, &got, FSPROJ_BIND, 0, SOCK));
	if (what == CLEAN || what == REMOVE || what == HOST_REMOVE)
		return (peer_path(p, &got, what == CLEAN ? FSPROJ_CLEAN :
		    FSPROJ_REMOVE, place, path));
	return (peer_write(p, &got, place, path, files, generation(n)));
}

/* Run ${what} and kill fsproj at its ${n}-th stop.  1: killed, 0: it was done
 * before that. */
static int
kill_at(enum what what, unsigned long n, unsigned number)
{
	struct peer p;
	unsigned long stops = 0;
	int status, killed = 0;
	pid_t asking, pid;

	peer_start(&p);
	assert_int_equal(peer_path(&p, &got, FSPROJ_HELLO, 0, NULL), 0);
	assert_int_equal(ptrace(PTRACE_ATTACH, p.pid, 0, 0), 0);
	assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
	asking = fork();
	if (asking == 0)
		_exit(client(&p, what, number) == FSPROJ_OK ? 0 : 1);
	close(p.sock);
	ptrace(PTRACE_SYSCALL, p.pid, 0, 0);
	while ((pid = waitpid(-1, &status, 0)) > 0) {
		if (pid == asking)
			continue;
		if (!WIFSTOPPED(status))
			break;
		if (++stops == n) {
			kill(p.pid, SIGKILL);
			killed = 1;
		}
		ptrace(PTRACE_SYSCALL, p.pid, 0,
		    WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
	}
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	return (killed);
}

static int
write_now(uint32_t place, const char *path, unsigned n)
{
	struct peer p;
	int rc;

	peer_start(&p);
	rc = peer_write(&p, &got, place, path, files, generation(n));
	peer_stop(&p);
	return (rc);
}

static int
remove_now(uint32_t place, const char *path)
{
	struct peer p;
	int rc;

	peer_start(&p);
	rc = peer_path(&p, &got, FSPROJ_REMOVE, place, path);
	peer_stop(&p);
	return (rc);
}

/* How many projections the next process finds. */
static int
listed_now(void)
{
	static struct got item;
	struct peer p;
	int n;

	peer_start(&p);
	n = peer_list(&p, &got, &item);
	peer_stop(&p);
	return (n);
}

static unsigned long step = 5;

static void
kill_everywhere(enum what what)
{
	uint32_t place = place_of(what);
	const char *path = path_of(what);
	unsigned long n, kills = 0, old = 0, new = 0;
	int removing = what == REMOVE || what == HOST_REMOVE;
	int publishing = what == PUBLISH || what == STORED_PUBLISH;
	long is;

	for (n = 1;; n += removing || what == CLEAN ? 1 : step) {
		if (!publishing)
			assert_int_equal(write_now(place, path, 1), FSPROJ_OK);
		if (what == CLEAN)
			assert_int_equal(write_now(place, path, 2), FSPROJ_OK);
		if (!kill_at(what, n, 2))
			break;
		kills++;
		is = seen_in(path);
		if (publishing)	/* whole, or not there */
			assert_true(is == 2 || (is == -2 &&
			    mounts_on(path) == 0));
		else if (removing)
			assert_true(is == 1 || (is == -2 &&
			    mounts_on(path) == 0));
		else
			assert_true((is == 1 && what != CLEAN) || is == 2);
		assert_int_equal(listed_now(), is > 0);
		old += is != 2;
		new += is == 2;
		/* and the next process goes on */
		assert_int_equal(write_now(place, path, 3), FSPROJ_OK);
		assert_int_equal(seen_in(path), 3);
		assert_in_range(generations_in(path), 1, 2);
		assert_string_equal(names_in(path) + strlen(names_in(path)) -
		    strlen("..data d f1 f3 f5 f7 "),
		    "..data d f1 f3 f5 f7 ");
		assert_int_equal(remove_now(place, path), FSPROJ_OK);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(mounts_on(path), 0);
	}
	remove_now(place, path);
	print_message("%lu kills: %lu times the old state, %lu the new\n",
	    kills, old, new);
	assert_true(kills >= 10);
	if (!removing && what != CLEAN)
		assert_true(old > 0 && new > 0);
}

static void
test_kill_publish(void **state)
{
	(void)state;
	kill_everywhere(PUBLISH);
}

static void
test_kill_stored_publish(void **state)
{
	(void)state;
	kill_everywhere(STORED_PUBLISH);
}

static void
test_kill_swap(void **state)
{
	(void)state;
	kill_everywhere(SWAP);
}

static void
test_kill_host_swap(void **state)
{
	(void)state;
	kill_everywhere(HOST_SWAP);
}

static void
test_kill_clean(void **state)
{
	(void)state;
	kill_everywhere(CLEAN);
}

static void
test_kill_remove(void **state)
{
	(void)state;
	kill_everywhere(REMOVE);
}

static void
test_kill_host_remove(void **state)
{
	(void)state;
	kill_everywhere(HOST_REMOVE);
}

/* The socket is not there or it listens, and the next process replaces what
 * stands there; nothing else stays in the directory. */
static void
test_kill_bind(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = SOCK };
	struct peer p;
	unsigned long n;

	(void)state;
	for (n = 1; kill_at(BIND, n, 0); n++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		peer_start(&p);
		assert_int_equal(peer_path(&p, &got, FSPROJ_BIND, 0, SOCK), 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sun,
		    sizeof(sun)), 0);
		close(fd);
		close(got.fds[0]);
		peer_stop(&p);
		assert_string_equal(names_in(PLUG "/driver"), "csi.sock ");
		if (n % 2)
			unlink(SOCK);
	}
	print_message("%lu kills\n", n - 1);
	assert_true(n > 10);
}

/* With a number: kill at every so many-th stop; 1 is every one, in a few
 * minutes. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_during_swaps),
		cmocka_unit_test(test_kill_publish),
		cmocka_unit_test(test_kill_stored_publish),
		cmocka_unit_test(test_kill_swap),
		cmocka_unit_test(test_kill_host_swap),
		cmocka_unit_test(test_kill_clean),
		cmocka_unit_test(test_kill_remove),
		cmocka_unit_test(test_kill_host_remove),
		cmocka_unit_test(test_kill_bind),
	};

	harness_enter();
	if (argc > 1)
		step = strtoul(argv[1], NULL, 10);
	return (cmocka_run_group_tests_name("fsproj_crash", tests, NULL,
	    NULL));
}
