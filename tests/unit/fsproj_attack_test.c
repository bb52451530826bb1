/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody hostile may try: names (F2), frames, symbolic links swapped
 * under our feet (F1), system calls (X1).  Controls: WEAKEN_NAME, WEAKEN_PATH,
 * WEAKEN_FOREIGN, WEAKEN_SECCOMP, WEAKEN_PEER.
 */
#include "fsproj_harness.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

static struct peer peer;
static struct got got;

static int
start(void **state)
{
	(void)state;
	peer_start(&peer);
	return (0);
}

static int
stop_clean(void **state)
{
	(void)state;
	assert_int_equal(peer_stop(&peer), 0);
	return (0);
}

/* --- names -------------------------------------------------------------- */

static void
test_hostile_names(void **state)
{
	static char long_component[300], long_name[1100], deep[80];
	const struct {
		const char *what, *name;
	} bad[] = {
		{ "empty", "" }, { "dot", "." }, { "dot dot", ".." },
		{ "CVE-2020-8567", "../../../../etc/passwd" },
		{ "CVE-2020-8568", "../../p2/mount/x" },
		{ "inner", "a/../b" }, { "inner out", "a/../../b" },
		{ "absolute", "/etc/passwd" }, { "slash", "/" },
		{ "empty component", "a//b" }, { "trailing", "a/" },
		{ "dot component", "a/./b" }, { "trailing dots", "a/.." },
		{ "..data", "..data" }, { "in ..data", "..data/x" },
		{ "..data_tmp", "..data_tmp" }, { "..x", "..x" },
		{ "a generation", "..2026_11_23_20_35_23.123456789.1/x" },
		{ "close to ours", "..nodeseal2/x" },
		{ "newline", "a\nb" }, { "escape", "\033[31m" },
		{ "DEL", "a\177" }, { "Latin-1", "caf\351" },
		{ "overlong UTF-8", "\300\257" },
		{ "surrogate", "\355\240\200" },
		{ "too high", "\364\220\200\200" }, { "cut UTF-8", "a\303" },
		{ "C1 control", "\302\205" },
		{ "component of 256", long_component },
		{ "name of 1025", long_name }, { "33 deep", deep },
	};
	const char *const good[] = { "a", ".a", "a..b", "a/..b",
	    "x", "a b", "caf\303\251", "\360\237\224\221", "..nodeseal/s" };
	size_t i;

	(void)state;
	memset(long_component, 'x', 256);
	for (i = 0; i < 1025; i++)
		long_name[i] = i % 200 == 199 ? '/' : 'x';
	for (i = 0; i < 66; i++)
		deep[i] = i % 2 ? '/' : 'x';
	deep[65] = '\0';
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct file f = { bad[i].name, "x", 0644, 0, 0 };
		int rc = peer_write(&peer, &got, FSPROJ_VOLUME, TARGET, &f, 1);

		if (rc != FSPROJ_INVALID)
			print_message("name \"%s\": %d\n", bad[i].what, rc);
		assert_int_equal(rc, FSPROJ_INVALID);
		assert_int_equal(mounts_on(TARGET), 0);
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct file f = { good[i], "x", 0644, 0, 0 };

		assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME,
		    TARGET, &f, 1), FSPROJ_OK);
	}
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    TARGET), FSPROJ_OK);
}

/* --- frames ------------------------------------------------------------- */

static int
ask_begin(struct fsproj_request q)
{
	q.head.type = FSPROJ_BEGIN;
	return (peer_ask(&peer, &got, q, TARGET, NULL, 0));
}

static void
test_hostile_numbers(void **state)
{
	static const struct file f = { "a", "", 0644, 0, 0 };
	struct file g = f;
	struct fsproj_request ok = { .place = FSPROJ_VOLUME, .size = 65536,
		.inodes = 64, .dir_mode = 0755, .files = 1, .next = 1 }, q;

	(void)state;
#define REFUSED(field, value) do {					\
	q = ok;								\
	q.field = (value);						\
	assert_int_not_equal(ask_begin(q), FSPROJ_OK);			\
} while (0)
	REFUSED(place, 0);
	REFUSED(place, 3);
	REFUSED(dir_mode, 01755);
	REFUSED(gid, UINT32_MAX);
	REFUSED(size, 0);		/* tmpfs: no bound at all */
	REFUSED(size, FSPROJ_SIZE_MAX + 1);
	REFUSED(size, UINT64_MAX);
	REFUSED(inodes, 0);
	REFUSED(inodes, UINT32_MAX);
	REFUSED(files, FSPROJ_FILES_MAX + 1);
	REFUSED(next, 0);
	REFUSED(next, 2);
	REFUSED(next, FSPROJ_BATCH + 1);
	/* out of turn */
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, &f, 1), FSPROJ_INVALID);
	assert_int_equal(ask_begin(ok), FSPROJ_OK);
	close(got.fds[0]);
	assert_int_equal(ask_begin(ok), FSPROJ_INVALID);
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, NULL, 0), FSPROJ_INVALID);
	/* modes and owners of files */
	for (g.mode = 01000; g.mode; g.mode = g.mode == 01000 ? 04755 :
	    g.mode == 04755 ? UINT32_MAX : 0) {
		assert_int_equal(ask_begin(ok), FSPROJ_OK);
		close(got.fds[0]);
		assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
		    .head.type = FSPROJ_COMMIT }, NULL, &g, 1),
		    FSPROJ_INVALID);
	}
	g = f;
	g.uid = UINT32_MAX;
	assert_int_equal(ask_begin(ok), FSPROJ_OK);
	close(got.fds[0]);
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, &g, 1), FSPROJ_INVALID);
	assert_int_equal(access(TARGET, F_OK), -1);
}

/* Every length of a good frame, every byte of it turned: an answer each time,
 * and the same process at the end. */
static void
test_hostile_frames(void **state)
{
	static uint64_t frame[128], bad[128];
	static char zeros[FSPROJ_REQUEST_MAX + 4096];
	const struct file f[2] = { { "a", "", 0644, 0, 0 },
		{ "b/c", "", 0644, 0, 0 } };
	struct fsproj_request q = { .head.type = FSPROJ_REMOVE,
		.place = FSPROJ_VOLUME };
	int types[] = { FSPROJ_REMOVE, FSPROJ_COMMIT, FSPROJ_BIND };
	size_t len, i, t;

	(void)state;
	for (t = 0; t < 3; t++) {
		q.head.type = (uint16_t)types[t];
		q.place = t == 0 ? FSPROJ_VOLUME : 0;
		len = frame_build(frame, q, t == 1 ? NULL : PODS "/x/y",
		    f, t == 1 ? 2 : 0);
		for (i = 1; i <= len; i++) {
			assert_int_equal(peer_send(&peer, frame, i), 0);
			assert_int_equal(peer_recv(&peer, &got), 0);
		}
		for (i = 0; i < len * 3; i++) {
			memcpy(bad, frame, len);
			((unsigned char *)bad)[i / 3] ^= (unsigned char []){
			    0xff, 0x01, 0x80 }[i % 3];
			assert_int_equal(peer_send(&peer, bad, len), 0);
			assert_int_equal(peer_recv(&peer, &got), 0);
			if (got.fixed.fds)
				close(got.fds[0]);
		}
	}
	assert_int_equal(peer_send(&peer, zeros, sizeof(zeros)), 0);
	assert_int_equal(peer_recv(&peer, &got), 0);
	assert_int_equal(got.fixed.status, FSPROJ_INVALID);
	assert_string_equal(names_in(PODS), "p1 ");
	assert_int_equal(peer_path(&peer, &got, FSPROJ_HELLO, 0, NULL), 0);
}

/* A NUL inside a name is a length that lies. */
static void
test_nul_in_name(void **state)
{
	static uint64_t frame[128];
	struct file f = { "aXb", "", 0644, 0, 0 };
	size_t len;

	(void)state;
	assert_int_equal(peer_begin(&peer, &got, FSPROJ_VOLUME, TARGET, 1), 0);
	close(got.fds[0]);
	len = frame_build(frame, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, &f, 1);
	*(char *)memchr(frame, 'X', len) = '\0';
	assert_int_equal(peer_send(&peer, frame, len), 0);
	assert_int_equal(peer_recv(&peer, &got), 0);
	assert_int_equal(got.fixed.status, FSPROJ_INVALID);
	assert_int_equal(access(TARGET, F_OK), -1);
}

/* --- races -------------------------------------------------------------- */

/*
 * Every component of a target in turn is exchanged with a symbolic link that
 * leads to /mnt/outside, where the rest of the path exists as well: whoever
 * follows it works there.  One processor is the attacker's.
 */
#define OUTSIDE "/mnt/outside"

static struct {
	char name[128], evil[128];	/* what changes places */
	volatile unsigned long exchanges, attempts;
	volatile int stop;
} attack;

/* So many exchanges a component, at least; with an argument: that many. */
static unsigned long exchanges = 5000;

/* Two threads on one processor hardly race. */
static void
run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *
exchange(void *arg)
{
	volatile int pause;

	run_on(1);
	while (!attack.stop) {
		if (syscall(SYS_renameat2, AT_FDCWD, attack.name, AT_FDCWD,
		    attack.evil, RENAME_EXCHANGE) == 0)
			attack.exchanges++;
		/* at changing distances, so as to meet every moment */
		for (pause = (int)(attack.attempts++ * 37 % 1009); pause > 0;
		    pause--)
			continue;
	}
	return (arg);
}

static int last_status;

static int
keep_status(struct fsproj *s)
{
	last_status = (int)s->reply.status;
	return (0);
}

static int
handle(struct fsproj *s, struct fsproj_request q, const char *path,
    const struct file *f)
{
	static uint64_t frame[1024];
	size_t len = frame_build(frame, q, path, f, f ? 1 : 0);

	fsproj_handle(s, frame, len);
	return (last_status);
}

static int
write_at(struct fsproj *s, uint32_t place, const char *path)
{
	static const struct file f = { "d/f", "", 0644, 0, 0 };
	struct fsproj_request q = { .head.type = FSPROJ_BEGIN, .place = place,
		.dir_mode = 0755, .files = 1, .next = 1 };
	const struct fsproj_request end = { .head.type = FSPROJ_COMMIT };

	if (place == FSPROJ_VOLUME)
		q.size = q.inodes = 65536;
	return (handle(s, q, path, NULL) == FSPROJ_OK ?
	    handle(s, end, NULL, &f) : last_status);
}

/* The same from the store, when nothing is there yet. */
static int
place_at(struct fsproj *s, const char *path)
{
	static const struct file f = { "d/f", "", 0644, 0, 0 };
	const struct fsproj_request store = { .head.type = FSPROJ_STORE,
		.dir_mode = 0755, .size = 65536, .inodes = 64, .files = 2,
		.next = 2 }, put = { .head.type = FSPROJ_PLACE },
		end = { .head.type = FSPROJ_COMMIT };

	handle(s, store, NULL, NULL);
	handle(s, put, path, NULL);
	return (handle(s, end, NULL, &f));
}

static int
ask_at(struct fsproj *s, uint16_t type, uint32_t place, const char *path)
{
	return (handle(s, (struct fsproj_request){ .head.type = type,
	    .place = place }, path, NULL));
}

static void
server_init(struct fsproj *s, uint32_t place, const char *root, char *list)
{
	fsproj_init(s);
	s->send = keep_status;
	strcpy(list, root);
	assert_int_equal(roots_add(s->roots, (enum root_use)place, list), 0);
}

/* One component in one place, and what stands outside. */
struct race {
	uint32_t place;
	int removing;		/* what is outside must stay, not stay empty */
	struct fsproj server, keeper;	/* the victim; who fills the outside */
	char list[2][64];
	char target[128];
	char outside[128];	/* where the target is beyond the link */
	char before[192];	/* its generation before the current one */
	unsigned long done, refused, escaped;
};

/* Two generations of ours, which a victim that strays would take for his. */
static void
fill_outside(struct race *r)
{
	char data[192];

	if (!r->removing)
		return;
	assert_int_equal(write_at(&r->keeper, r->place, r->outside), 0);
	snprintf(data, sizeof(data), "%s/..data", r->outside);
	snprintf(r->before, sizeof(r->before), "%s/%.63s", r->outside,
	    link_of(data));
	assert_int_equal(write_at(&r->keeper, r->place, r->outside), 0);
}

/* Only what stands outside by right stands there. */
static void
check_outside(struct race *r)
{
	char cmd[320], data[192];

	snprintf(data, sizeof(data), "%s/..data", r->outside);
	if (r->removing ? access(r->before, F_OK) == 0 &&
	    access(data, F_OK) == 0 : access(data, F_OK) == -1)
		return;
	r->escaped++;
	umount2(r->outside, MNT_DETACH);
	snprintf(cmd, sizeof(cmd), "rm -rf %s/* %s/..?*", r->outside,
	    r->outside);
	if (system(cmd) != 0)
		fail();
	fill_outside(r);
}

/* The attacker may get stuck: with a volume on his link's place, or with his
 * link replaced in the middle of a swap. */
static void
restore(int component)
{
	umount2(attack.evil, UMOUNT_NOFOLLOW | MNT_DETACH);
	if (component == 5) {
		unlink(attack.name);
		unlink(attack.evil);
		if (symlink(OUTSIDE "/x", attack.evil) == -1)
			unlink(attack.name);
	}
}

static void
count_answer(struct race *r, int status)
{
	if (status == FSPROJ_OK)
		r->done++;
	else
		r->refused++;
	check_outside(r);
}

/* Publish and swap, clean and remove, until there were enough exchanges, and
 * enough answers of both kinds.  A volume's own name is busy most of the time:
 * there the attempts count. */
static void
race_on(struct race *r, int component)
{
	int attempts = component == 4 && r->place == FSPROJ_VOLUME, turn = 0;
	time_t end = time(NULL) + 10 + (time_t)(exchanges / 5000);

	while (((attempts ? attack.attempts : attack.exchanges) < exchanges ||
	    r->done < 20 || r->refused < 20) && r->escaped < 20 &&
	    time(NULL) < end) {
		if (r->place == FSPROJ_VOLUME && turn++ % 2)
			count_answer(r, place_at(&r->server, r->target));
		else
			count_answer(r, write_at(&r->server, r->place,
			    r->target));
		count_answer(r, write_at(&r->server, r->place, r->target));
		count_answer(r, ask_at(&r->server, FSPROJ_CLEAN, r->place,
		    r->target));
		count_answer(r, ask_at(&r->server, FSPROJ_REMOVE, r->place,
		    r->target));
		restore(component);
	}
}

static void
remove_arena(const char *root)
{
	char cmd[64];
	struct mount_line l;

	while (mount_next(&l, 1) == 1) {
		int found = 0;

		do
			if (strncmp(l.path, root, strlen(root)) == 0 ||
			    strncmp(l.path, OUTSIDE, strlen(OUTSIDE)) == 0)
				found = umount2(l.path, MNT_DETACH) == 0;
		while (!found && mount_next(&l, 0) == 1);
		if (!found)
			break;
	}
	snprintf(cmd, sizeof(cmd), "rm -rf %s " OUTSIDE, root);
	if (system(cmd) != 0)
		fail();
}

/* ${component} 1 to 4 of a/b/c/in; 5 is in/..data. */
static unsigned long
race(uint32_t place, int removing, int component)
{
	static const char *const above[] = { "", "a/", "a/b/", "a/b/c/",
		"a/b/c/in/" };
	static const char *const part[] = { "a", "b", "c", "in", "..data" };
	static const char *const rest[] = { "/b/c/in", "/c/in", "/in", "", "" };
	static const char root[] = "/mnt/race";
	struct race *r = calloc(1, sizeof(*r));
	unsigned long escaped;
	cpu_set_t before;
	pthread_t attacker;
	char cmd[512];

	assert_non_null(r);
	r->place = place;
	r->removing = removing;
	memset(&attack, 0, sizeof(attack));
	snprintf(attack.name, sizeof(attack.name), "%s/%s%s", root,
	    above[component - 1], part[component - 1]);
	snprintf(attack.evil, sizeof(attack.evil), "%s/%sevil", root,
	    above[component - 1]);
	snprintf(r->target, sizeof(r->target), "%s/a/b/c/in", root);
	snprintf(r->outside, sizeof(r->outside), OUTSIDE "/x%s",
	    rest[component - 1]);
	snprintf(cmd, sizeof(cmd), "mkdir -p %s %s && ln -s " OUTSIDE "/x %s",
	    r->target, r->outside, attack.evil);
	assert_int_equal(system(cmd), 0);
	server_init(&r->server, place, root, r->list[0]);
	server_init(&r->keeper, place, OUTSIDE, r->list[1]);
	fill_outside(r);
	assert_int_equal(pthread_create(&attacker, NULL, exchange, NULL), 0);
	sched_getaffinity(0, sizeof(before), &before);
	run_on(0);
	race_on(r, component);
	attack.stop = 1;
	sched_setaffinity(0, sizeof(before), &before);
	pthread_join(attacker, NULL);
	print_message("%-6s %lu exchanges: %lu done, %lu refused, "
	    "%lu escaped\n", part[component - 1], attack.exchanges, r->done,
	    r->refused, r->escaped);
	/* otherwise there was no race */
	assert_true(r->escaped || (r->done > 0 && r->refused > 0));
	assert_true(r->escaped || (place == FSPROJ_VOLUME && component == 4) ||
	    attack.exchanges >= exchanges);
	escaped = r->escaped;
	free(r);
	remove_arena(root);
	return (escaped);
}

static unsigned long
race_all(uint32_t place, int removing, int components)
{
	unsigned long escaped = 0;
	int i;

	for (i = 1; i <= components; i++)
		escaped += race(place, removing, i);
	return (escaped);
}

static void
test_symlink_race_host(void **state)
{
	(void)state;
	assert_int_equal(race_all(FSPROJ_HOST, 0, 5), 0);
}

static void
test_symlink_race_volume(void **state)
{
	(void)state;
	assert_int_equal(race_all(FSPROJ_VOLUME, 0, 4), 0);
}

static void
test_removal_race_host(void **state)
{
	(void)state;
	assert_int_equal(race_all(FSPROJ_HOST, 1, 5), 0);
}

static void
test_removal_race_volume(void **state)
{
	(void)state;
	assert_int_equal(race_all(FSPROJ_VOLUME, 1, 4), 0);
}

/* --- rights ------------------------------------------------------------- */

static const char *
status_line(pid_t pid, const char *key)
{
	static char line[256];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			break;
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	return (line + strlen(key) + 1);
}

static void
test_rights_are_gone(void **state)
{
	unsigned long long kept = KEPT;

	(void)state;
	assert_int_equal(peer_path(&peer, &got, FSPROJ_HELLO, 0, NULL), 0);
	assert_int_equal(strtoull(status_line(peer.pid, "CapPrm:"), NULL, 16),
	    kept);
	assert_int_equal(strtoull(status_line(peer.pid, "CapEff:"), NULL, 16),
	    kept);
	assert_int_equal(strtoull(status_line(peer.pid, "CapBnd:"), NULL, 16),
	    kept);
	assert_int_equal(strtoull(status_line(peer.pid, "CapInh:"), NULL, 16),
	    0);
	assert_int_equal(atoi(status_line(peer.pid, "NoNewPrivs:")), 1);
	assert_int_equal(atoi(status_line(peer.pid, "Seccomp:")), 2);
}

#if defined(__x86_64__)
/* What a taken-over process might call.  The tracer puts the number in at the
 * next entry; the filter looks at it after that. */
static void
test_other_calls_kill(void **state)
{
	static const struct {
		unsigned long nr, arg;
	} calls[] = {
		{ SYS_execve, 0 }, { SYS_ptrace, 0 }, { SYS_mount, 0 },
		{ SYS_bpf, 0 }, { SYS_keyctl, 0 }, { SYS_clone, 0 },
		{ SYS_socket, AF_INET }, { SYS_socket, AF_PACKET },
		{ SYS_connect, 0 }, { SYS_setns, 0 }, { SYS_unshare, 0 },
		{ SYS_pivot_root, 0 }, { SYS_init_module, 0 },
		{ SYS_read | 0x40000000, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct user_regs_struct regs;
		struct peer p;
		int status;

		peer_start(&p);
		assert_int_equal(peer_path(&p, &got, FSPROJ_HELLO, 0, NULL),
		    0);
		assert_int_equal(ptrace(PTRACE_ATTACH, p.pid, 0, 0), 0);
		waitpid(p.pid, &status, 0);
		ptrace(PTRACE_SYSCALL, p.pid, 0, 0);
		waitpid(p.pid, &status, 0);
		assert_int_equal(ptrace(PTRACE_GETREGS, p.pid, 0, &regs), 0);
		regs.orig_rax = calls[i].nr;
		regs.rdi = calls[i].arg;
		regs.rsi = SOCK_STREAM;
		regs.rdx = 0;
		assert_int_equal(ptrace(PTRACE_SETREGS, p.pid, 0, &regs), 0);
		ptrace(PTRACE_CONT, p.pid, 0, 0);
		close(p.sock);
		waitpid(p.pid, &status, 0);
		if (WIFSTOPPED(status)) {
			kill(p.pid, SIGKILL);
			waitpid(p.pid, NULL, 0);
		}
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			print_message("system call %lu lives\n", calls[i].nr);
		assert_true(WIFSIGNALED(status) &&
		    WTERMSIG(status) == SIGSYS);
	}
}
#endif

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop_clean)

/* With a number: so many exchanges of each component in the races; 1000000 is
 * F1 of security-offline.md, a few minutes. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_hostile_names), T(test_hostile_numbers),
		T(test_hostile_frames), T(test_nul_in_name),
		cmocka_unit_test(test_symlink_race_host),
		cmocka_unit_test(test_symlink_race_volume),
		cmocka_unit_test(test_removal_race_host),
		cmocka_unit_test(test_removal_race_volume),
		T(test_rights_are_gone),
#if defined(__x86_64__)
		cmocka_unit_test(test_other_calls_kill),
#endif
	};

	harness_enter();
	if (argc > 1)
		exchanges = strtoul(argv[1], NULL, 10);
	return (cmocka_run_group_tests_name("fsproj_attack", tests, NULL,
	    NULL));
}
