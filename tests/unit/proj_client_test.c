/* SPDX-License-Identifier: Apache-2.0 */
/* The client of fsproj, against the real one in a child and false ones. */
#include <sys/statvfs.h>

#include "fsproj_harness.h"

#define CLEAN_AFTER_MS 150
#include "agent/proj/proj.c"

static struct loop *loop;
static struct proj *proj;
static pid_t child;

/* What the callbacks saw. */
static struct {
	int done;
	struct err err;
	size_t filled;
	int fd;
	char list[1024];
	size_t listed;
	int stop_at;	/* stop the loop after so many */
} saw;

static void
start_fsproj(int *ret_sock)
{
	struct peer p;

	peer_start(&p);
	child = p.pid;
	*ret_sock = p.sock;
}

static int
setup(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	int sock;

	(void)state;
	memset(&saw, 0, sizeof(saw));
	saw.stop_at = 1;
	start_fsproj(&sock);
	loop = loop_new(&err);
	assert_non_null(loop);
	assert_int_equal(proj_new(loop, sock, &proj, &err), 0);
	return (0);
}

static int
teardown(void **state)
{
	int status;

	(void)state;
	proj_free(proj);
	loop_free(loop);
	err_clear(&saw.err);
	if (child)
		waitpid(child, &status, 0);
	while (umount2(TARGET, MNT_DETACH) == 0)
		continue;
	rmdir(TARGET);
	return (0);
}

static void
on_done(void *arg, const struct err *err)
{
	(void)arg;
	err_clear(&saw.err);
	if (err)
		err_set(&saw.err, err->kind, "%s", err_msg(err));
	if (++saw.done == saw.stop_at)
		loop_stop(loop);
}

static void
on_list(void *arg, const struct proj_found *found, size_t n,
    const struct err *err)
{
	size_t i;

	(void)arg;
	saw.listed = n;
	for (i = 0; i < n && n < 5; i++)
		sprintf(saw.list + strlen(saw.list), "%s %s %d\n",
		    found[i].place == PROJ_HOST ? "host" : "volume",
		    found[i].path, (int)found[i].generation);
	on_done(NULL, err);
}

static void
on_bound(void *arg, int fd, const struct err *err)
{
	(void)arg;
	saw.fd = fd;
	on_done(NULL, err);
}

/* Writes "fileN" and as many dots as are missing. */
static const struct proj_file *filling;

static int
fill(void *arg, size_t i, int fd, struct err *err)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "file%zu", i);

	(void)err;
	assert_ptr_equal(arg, &saw);
	while ((size_t)n < filling[i].size)
		text[n++] = '.';
	assert_int_equal(write(fd, text, filling[i].size), filling[i].size);
	saw.filled++;
	return (0);
}

static int
fill_fails(void *arg, size_t i, int fd, struct err *err)
{
	if (i == 1)
		return (err_set(err, ERR_TAMPER, "the record is damaged"));
	return (fill(arg, i, fd, err));
}

static int
fill_short(void *arg, size_t i, int fd, struct err *err)
{
	(void)arg, (void)err;
	assert_int_equal(write(fd, "x", i == 0), i == 0);
	return (0);
}

static const struct proj_target volume = { PROJ_VOLUME, TARGET, 0, 0, 0755, 0 };
static const struct proj_target host = { PROJ_HOST, HOST "/h", 0, 0, 0755, 0 };

static const struct proj_file some[] = {
	{ "user", 0644, 0, 0, 8 },
	{ "tls/key", 0600, 1000, 1000, 10 },
};

static void
write_files(const struct proj_target *t, const struct proj_file *files,
    size_t n, proj_fill_fn fn)
{
	cleanup_err struct err err = ERR_INIT;

	filling = files;
	assert_int_equal(proj_write(proj, t, files, n, fn, on_done, &saw,
	    &err), 0);
}

static void
run_until(int done)
{
	if (saw.done >= done)
		return;
	saw.stop_at = done;
	loop_run(loop);
	assert_int_equal(saw.done, done);
}

static void
test_write_swap_clean(void **state)
{
	struct loop_timer *t;

	(void)state;
	write_files(&volume, some, 2, fill);
	assert_int_equal(saw.done, 0);
	run_until(1);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_int_equal(saw.filled, 2);
	assert_string_equal(slurp(TARGET "/user"), "file0...");
	assert_string_equal(slurp(TARGET "/tls/key"), "file1.....");
	write_files(&volume, some, 1, fill);
	run_until(2);
	assert_int_equal(generations_in(TARGET), 2);
	assert_int_equal(access(TARGET "/tls", F_OK), -1);
	/* the generation before goes by itself, a moment later */
	t = loop_timer_new(loop, (void (*)(void *))loop_stop, loop);
	loop_timer_start(t, CLEAN_AFTER_MS / 2);
	loop_run(loop);
	assert_int_equal(generations_in(TARGET), 2);
	loop_timer_start(t, CLEAN_AFTER_MS);
	loop_run(loop);
	assert_int_equal(generations_in(TARGET), 1);
	loop_timer_free(t);
	assert_int_equal(proj_degraded(proj) & PROJ_HOST_ON_DISK, 0);
}

static void
pass(uint64_t ms)
{
	struct loop_timer *t = loop_timer_new(loop, (void (*)(void *))loop_stop,
	    loop);

	loop_timer_start(t, ms);
	loop_run(loop);
	loop_timer_free(t);
}

static void
remove_target(const struct proj_target *t)
{
	int before = saw.done;

	assert_int_equal(proj_remove(proj, t, on_done, &saw, NULL), 0);
	run_until(before + 1);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_int_equal(access(t->path, F_OK), -1);
}

static uint64_t
room_of(const char *path)
{
	struct statvfs st;

	assert_int_equal(statvfs(path, &st), 0);
	assert_true(st.f_flag & ST_RDONLY);
	return (st.f_blocks * st.f_frsize);
}

/* A volume lies in store for the next target that is new. */
static void
test_store(void **state)
{
	struct proj_target first = volume, next = volume, group = volume;
	struct stat st;

	(void)state;
	first.fresh = next.fresh = group.fresh = 1;
	next.path = PODS "/p1/next";
	group.path = PODS "/p1/group";
	group.gid = 5;
	write_files(&first, some, 2, fill);
	assert_int_equal(saw.filled, 0);
	run_until(1);
	assert_true(room_of(TARGET) < STORE_SIZE);
	pass(30);
	assert_int_equal(proj->nstore, 2);
	/* It is filled at once, and then no different from another. */
	write_files(&next, some, 2, fill);
	assert_int_equal(saw.filled, 4);
	assert_int_equal(proj->nstore, 0);
	run_until(2);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_int_equal(room_of(next.path), STORE_SIZE);
	assert_string_equal(slurp(PODS "/p1/next/tls/key"), "file1.....");
	assert_int_equal(stat(PODS "/p1/next/tls/key", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(generations_in(next.path), 1);
	/* Not for what asks for another root. */
	pass(30);
	assert_int_equal(proj->nstore, 2);
	write_files(&group, some, 2, fill);
	run_until(3);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_true(room_of(group.path) < STORE_SIZE);
	assert_int_equal(stat(group.path, &st), 0);
	assert_int_equal(st.st_gid, 5);
	/* The target was not new after all: written as if nothing had been in
	 * store. */
	pass(30);
	assert_int_equal(proj->nstore, 2);
	write_files(&first, some, 1, fill);
	run_until(4);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_int_equal(generations_in(TARGET), 2);
	assert_int_equal(access(TARGET "/tls", F_OK), -1);
	assert_string_equal(slurp(TARGET "/user"), "file0...");
	/* Whatever else is asked takes it away; it comes back. */
	pass(30);
	remove_target(&next);
	remove_target(&group);
	pass(30);
	assert_int_equal(proj->nstore, 2);
	write_files(&next, some, 2, fill_fails);
	run_until(7);
	assert_int_equal(saw.err.kind, ERR_TAMPER);
	assert_int_equal(access(next.path, F_OK), -1);
}

/* fsproj is told where it goes before the files are known. */
static void
test_store_is_aimed(void **state)
{
	struct proj_target next = volume, other = volume;

	(void)state;
	next.fresh = other.fresh = 1;
	next.path = PODS "/p1/next";
	other.path = PODS "/p1/other";
	proj_aim(proj, &next);		/* nothing is in store */
	write_files(&other, some, 2, fill);
	proj_aim(proj, &next);		/* there is something to do */
	run_until(1);
	assert_null(proj->aim);
	remove_target(&other);
	proj_lull(proj);		/* no need to wait */
	run_until(2);
	remove_target(&other);
	pass(30);
	assert_int_equal(proj->nstore, 2);
	proj_aim(proj, &volume);	/* may stand there */
	assert_null(proj->aim);
	proj_aim(proj, &next);
	assert_string_equal(proj->aim, next.path);
	write_files(&next, some, 2, fill);
	assert_int_equal(proj->first->asked, FSPROJ_COMMIT);
	run_until(4);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_int_equal(room_of(next.path), STORE_SIZE);
	/* Something else came: it is made from the beginning, and what was
	 * prepared leaves nothing behind. */
	remove_target(&next);
	pass(30);
	proj_aim(proj, &next);
	pass(30);
	assert_int_equal(access(next.path, F_OK), 0);
	write_files(&other, some, 2, fill);
	run_until(6);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_true(room_of(other.path) < STORE_SIZE);
	assert_int_equal(access(next.path, F_OK), -1);
}

/* A new volume is made as soon as who waited has gone, else a moment later;
 * with as many files as there lately were. */
static void
test_store_learns(void **state)
{
	static struct proj_file files[STORE_FILES + 1];
	struct proj_target next = volume;
	char names[STORE_FILES + 1][8];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		files[i] = (struct proj_file){ names[i], 0644, 0, 0, 8 };
	}
	next.fresh = 1;
	for (i = 0; i < STOCK_PATIENCE + 3; i++) {
		write_files(&next, files, i == 0 ? 5 : i == 1 ?
		    STORE_FILES + 1 : 3, fill);
		run_until((int)(2 * i) + 1);
		assert_int_equal(saw.err.kind, ERR_NONE);
		assert_int_equal(proj->stock, i > STOCK_PATIENCE ? 4 : 5);
		remove_target(&next);
		proj_lull(proj);
		assert_int_equal(proj->first->asked, FSPROJ_STORE);
		while (proj->first)
			pass(1);
		assert_int_equal(proj->nstore, proj->stock);
	}
}

static void
test_many_files(void **state)
{
	static struct proj_file files[300];
	static char many[300][40];
	size_t i;

	(void)state;
	for (i = 0; i < 300; i++) {
		snprintf(many[i], sizeof(many[i]), "d%zu/e/f%zu", i % 7, i);
		files[i] = (struct proj_file){ many[i], 0640, 0, 5, 20 };
	}
	write_files(&volume, files, 300, fill);
	run_until(1);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_int_equal(saw.filled, 300);
	assert_string_equal(slurp(TARGET "/d4/e/f298"),
	    "file298.............");
	/* twice, so that both generations find room */
	write_files(&volume, files, 300, fill);
	run_until(2);
	assert_int_equal(saw.err.kind, ERR_NONE);
	/* and none at all */
	write_files(&volume, NULL, 0, fill);
	run_until(3);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_string_equal(names_in(TARGET "/..data/"), "");
}

static int
fill_large(void *arg, size_t i, int fd, struct err *err)
{
	static char megabyte[1 << 20];

	(void)arg, (void)i;
	if (write(fd, megabyte, sizeof(megabyte)) != sizeof(megabyte))
		return (err_sys(err, "write"));
	return (0);
}

/* Written twice: both generations find room, in a volume that was small. */
static void
test_room_for_large_files(void **state)
{
	static const struct proj_file one = { "big", 0600, 0, 0, 1 << 20 };
	struct proj_target small = volume;
	struct stat st;
	int i;

	(void)state;
	write_files(&volume, some, 2, fill);
	run_until(1);
	for (i = 0; i < 3; i++) {
		write_files(&volume, &one, 1, fill_large);
		run_until(2 + i);
		assert_int_equal(saw.err.kind, ERR_NONE);
	}
	assert_int_equal(stat(TARGET "/big", &st), 0);
	assert_int_equal(st.st_size, 1 << 20);
	/* and a ceiling is one */
	small.path = PODS "/p1/small";
	small.size_max = 64 << 10;
	write_files(&small, &one, 1, fill_large);
	run_until(5);
	assert_int_not_equal(saw.err.kind, ERR_NONE);
	assert_int_equal(access(small.path, F_OK), -1);
}

static void
test_fill_fails(void **state)
{
	(void)state;
	write_files(&volume, some, 2, fill);
	run_until(1);
	write_files(&volume, some, 2, fill_fails);
	run_until(2);
	assert_int_equal(saw.err.kind, ERR_TAMPER);
	assert_non_null(strstr(saw.err.msg, "the record is damaged"));
	assert_int_equal(generations_in(TARGET), 1);
	write_files(&volume, some, 2, fill_short);
	run_until(3);
	assert_int_equal(saw.err.kind, ERR_INTERNAL);
	assert_string_equal(slurp(TARGET "/user"), "file0...");
	/* and the next one works */
	write_files(&volume, some, 2, fill);
	run_until(4);
	assert_int_equal(saw.err.kind, ERR_NONE);
}

static void
test_refused_at_once(void **state)
{
	static const struct proj_file bad[] = {
		{ "../x", 0644, 0, 0, 1 }, { "..data", 0644, 0, 0, 1 },
		{ "/x", 0644, 0, 0, 1 }, { "x", 01777, 0, 0, 1 },
		{ "x", 0644, (uid_t)-1, 0, 1 }, { "", 0644, 0, 0, 1 },
	};
	static const struct proj_target relative = { PROJ_VOLUME, "x", 0, 0,
		0755, 0 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_err struct err err = ERR_INIT;

		assert_int_equal(proj_write(proj, &volume, &bad[i], 1, fill,
		    on_done, &saw, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_non_null(strstr(err.msg, TARGET));
	}
	assert_int_equal(proj_write(proj, &relative, some, 1, fill, on_done,
	    &saw, NULL), -1);
	assert_int_equal(saw.done, 0);
	/* what only fsproj can know comes with the callback */
	{
		const struct proj_target outside = { PROJ_VOLUME, "/etc/x", 0,
			0, 0755, 0 };

		write_files(&outside, some, 2, fill);
		run_until(1);
		assert_int_equal(saw.err.kind, ERR_INVALID);
		assert_non_null(strstr(saw.err.msg, "/etc/x"));
	}
}

static void
test_list_remove_bind(void **state)
{
	(void)state;
	write_files(&volume, some, 2, fill);
	write_files(&host, some, 2, fill);
	assert_int_equal(proj_list(proj, on_list, NULL, NULL), 0);
	run_until(3);
	assert_string_equal(saw.list, "volume " TARGET " 1\nhost " HOST
	    "/h 1\n");
	assert_int_equal(proj_remove(proj, &volume, on_done, NULL, NULL), 0);
	assert_int_equal(proj_remove(proj, &host, on_done, NULL, NULL), 0);
	assert_int_equal(proj_remove(proj, &host, on_done, NULL, NULL), 0);
	assert_int_equal(proj_bind(proj, PLUG "/d/s.sock", on_bound, NULL,
	    NULL), 0);
	run_until(7);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_true(saw.fd >= 0);
	assert_int_equal(access(PLUG "/d/s.sock", F_OK), 0);
	close(saw.fd);
	assert_int_equal(access(TARGET, F_OK), -1);
	assert_int_equal(proj_bind(proj, "/etc/s.sock", on_bound, NULL, NULL),
	    0);
	run_until(8);
	assert_int_equal(saw.fd, -1);
	assert_int_equal(saw.err.kind, ERR_INVALID);
}

/* A list longer than one frame. */
static void
test_long_list(void **state)
{
	enum { N = 300 };
	char path[64];
	struct proj_target t = host;
	int i;

	(void)state;
	t.path = path;
	for (i = 0; i < N; i++) {
		snprintf(path, sizeof(path), HOST "/many/n%d", i);
		write_files(&t, NULL, 0, fill);
	}
	run_until(N);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_int_equal(proj_list(proj, on_list, NULL, NULL), 0);
	run_until(N + 1);
	assert_int_equal(saw.listed, N);
	for (i = 0; i < N; i++) {
		snprintf(path, sizeof(path), HOST "/many/n%d", i);
		assert_int_equal(proj_remove(proj, &t, on_done, NULL, NULL),
		    0);
	}
	run_until(2 * N + 1);
	assert_int_equal(saw.err.kind, ERR_NONE);
}

static void
test_dies_and_comes_back(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	int sock;

	(void)state;
	write_files(&volume, some, 2, fill);
	run_until(1);
	kill(child, SIGSTOP);
	write_files(&volume, some, 2, fill);
	assert_int_equal(proj_remove(proj, &host, on_done, NULL, NULL), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	run_until(3);
	assert_int_equal(saw.err.kind, ERR_TRANSIENT);
	assert_false(proj_connected(proj));
	assert_int_equal(proj_write(proj, &volume, some, 2, fill, on_done,
	    &saw, &err), -1);
	assert_int_equal(err.kind, ERR_TRANSIENT);
	start_fsproj(&sock);
	assert_int_equal(proj_replace(proj, sock, &err), 0);
	assert_true(proj_connected(proj));
	write_files(&volume, some, 2, fill);
	run_until(4);
	assert_int_equal(saw.err.kind, ERR_NONE);
	assert_string_equal(slurp(TARGET "/user"), "file0...");
}

/* Operations that wait fail once and first when the client goes. */
static void
test_free_with_operations(void **state)
{
	(void)state;
	write_files(&volume, some, 2, fill);
	write_files(&host, some, 2, fill);
	assert_int_equal(proj_list(proj, on_list, NULL, NULL), 0);
	proj_free(proj);
	proj = NULL;
	assert_int_equal(saw.done, 3);
	assert_int_equal(saw.err.kind, ERR_TRANSIENT);
}

static void
free_in_callback(void *arg, const struct err *err)
{
	(void)arg;
	on_done(NULL, err);
	proj_free(proj);
	proj = NULL;
}

static void
write_in_callback(void *arg, const struct err *err)
{
	static int times;

	(void)arg;
	if (++times < 5)
		assert_int_equal(proj_write(proj, &volume, some, 2, fill,
		    write_in_callback, &saw, NULL), 0);
	on_done(NULL, err);
}

static void
test_callbacks_may_do_anything(void **state)
{
	(void)state;
	filling = some;
	assert_int_equal(proj_write(proj, &volume, some, 2, fill,
	    write_in_callback, &saw, NULL), 0);
	run_until(5);
	assert_int_equal(proj_write(proj, &volume, some, 2, fill,
	    free_in_callback, &saw, NULL), 0);
	assert_int_equal(proj_list(proj, on_list, NULL, NULL), 0);
	saw.stop_at = 7;
	loop_run(loop);
	assert_int_equal(saw.done, 7);
	assert_null(proj);
}

/* A false fsproj: whatever it says, the operation fails and that is all. */
static void
test_malformed_answers(void **state)
{
	const struct fsproj_reply good = { .head = { FSPROJ_MAGIC,
		FSPROJ_VERSION, FSPROJ_HELLO, sizeof(good), 1 } };
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++) {
		cleanup_err struct err err = ERR_INIT;
		char frame[sizeof(good) + 64] = { 0 };
		struct fsproj_reply r = good;
		struct proj *p;
		size_t len = sizeof(r);
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv),
		    0);
		assert_int_equal(proj_new(loop, sv[0], &p, &err), 0);
		saw.done = 0;
		assert_int_equal(proj_list(p, on_list, NULL, NULL), 0);
		switch (i) {
		case 0: len = 5; break;
		case 1: r.head.magic++; break;
		case 2: r.head.serial = 7; break;
		case 3: r.head.type = FSPROJ_LIST; break;
		case 4: r.text_len = 1; break;
		case 5: r.text_len = UINT32_MAX; break;
		case 6: r.fds = 1; break;
		default:	/* a text with a NUL in it */
			r.text_len = 4;
			r.head.len = (uint32_t)(len += 4);
			memcpy(frame + len - 4, "/a\0c", 4);
		}
		memcpy(frame, &r, sizeof(r));
		assert_int_equal(send(sv[1], frame, len, 0), len);
		saw.stop_at = 1;
		loop_run(loop);
		assert_int_equal(saw.done, 1);
		assert_int_equal(saw.err.kind, ERR_TRANSIENT);
		assert_false(proj_connected(p));
		proj_free(p);
		close(sv[1]);
	}
}

static void
test_path_check(void **state)
{
	static const char *const bad[] = { "", ".", "..", "/a", "a/", "a//b",
		"a/./b", "a/../b", "../a", "..data", "..x/y", "..nodeseal",
		"..nodeseal/status.json", "a\nb", "a\177", "caf\351",
		"\300\257", "\302\205" };
	static const char *const good[] = { "a", ".a", "a..b", "a/..b",
	    "caf\303\251/x", "tls.crt" };
	char name[1200], deep[80];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_err struct err err = ERR_INIT;

		assert_int_equal(proj_path_check(bad[i], &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
	}
	for (i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(proj_path_check(good[i], NULL), 0);
	memset(name, 'x', 255);
	name[255] = '\0';
	assert_int_equal(proj_path_check(name, NULL), 0);
	strcpy(name + 255, "x");
	assert_int_equal(proj_path_check(name, NULL), -1);
	for (i = 0; i < 1025; i++)
		name[i] = i % 200 == 199 ? '/' : 'x';
	name[1024] = '\0';
	assert_int_equal(proj_path_check(name, NULL), 0);
	strcpy(name + 1024, "x");
	assert_int_equal(proj_path_check(name, NULL), -1);
	for (i = 0; i < 65; i++)
		deep[i] = i % 2 ? '/' : 'x';
	deep[63] = '\0';
	assert_int_equal(proj_path_check(deep, NULL), 0);
	deep[63] = '/';
	deep[65] = '\0';
	assert_int_equal(proj_path_check(deep, NULL), -1);
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

/* For information: what a publish of five files takes from here. */
static void
test_publish_time(void **state)
{
	enum { N = 200 };
	static double took[N];
	static const struct proj_file five[] = {
		{ "a", 0644, 0, 0, 32 }, { "b", 0644, 0, 0, 32 },
		{ "c", 0644, 0, 0, 32 }, { "d", 0644, 0, 0, 32 },
		{ "e", 0644, 0, 0, 32 },
	};
	struct timespec a, b;
	int i;

	(void)state;
	for (i = 0; i < N; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		write_files(&volume, five, 5, fill);
		run_until(2 * i + 1);
		clock_gettime(CLOCK_MONOTONIC, &b);
		took[i] = (double)(b.tv_sec - a.tv_sec) * 1e6 +
		    (double)(b.tv_nsec - a.tv_nsec) / 1e3;
		assert_int_equal(saw.err.kind, ERR_NONE);
		assert_int_equal(proj_remove(proj, &volume, on_done, NULL,
		    NULL), 0);
		run_until(2 * i + 2);
	}
	qsort(took, N, sizeof(took[0]), by_size);
	print_message("publish of five files: p50 %.0f us\n", took[N / 2]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_write_swap_clean), T(test_many_files),
		T(test_room_for_large_files), T(test_fill_fails),
		T(test_refused_at_once), T(test_list_remove_bind),
		T(test_long_list), T(test_dies_and_comes_back),
		T(test_free_with_operations),
		T(test_callbacks_may_do_anything), T(test_malformed_answers),
		T(test_store),
		T(test_store_is_aimed),
		T(test_store_learns),
		cmocka_unit_test(test_path_check), T(test_publish_time),
	};

	harness_enter();
	return (cmocka_run_group_tests_name("proj_client", tests, NULL,
	    NULL));
}
