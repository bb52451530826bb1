/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: what a pod sees, byte for byte, over their whole life. */
#include "fsproj_harness.h"

static struct peer peer;
static struct got got;

static const struct file three[] = {
	{ "user", "admin", 0644, 0, 0 },
	{ "tls/cert.pem", "CERT", 0444, 0, 2000 },
	{ "tls/keys/a/key.pem", "KEY", 0400, 1000, 2000 },
};

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
	peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME, TARGET);
	/* An orderly end, not a sandbox's or a sanitizer's. */
	assert_int_equal(peer_stop(&peer), 0);
	umount2(TARGET, MNT_DETACH);
	rmdir(TARGET);
	return (0);
}

#define WRITE(files) assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME, \
	TARGET, files, sizeof(files) / sizeof((files)[0])), FSPROJ_OK)

static void
has(const char *path, const char *data, unsigned mode, uid_t uid, gid_t gid)
{
	struct stat st;

	assert_string_equal(slurp(path), data);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | mode);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
	assert_int_equal(st.st_nlink, 1);
}

static void
test_layout(void **state)
{
	char expect[256], data[64];
	struct stat st;

	(void)state;
	WRITE(three);
	assert_int_equal(got.fixed.flags, 0);
	strcpy(data, link_of(TARGET "/..data"));
	assert_int_equal(generation_count(data), 1);
	snprintf(expect, sizeof(expect), "%s ..data tls user ", data);
	assert_string_equal(names_in(TARGET), expect);
	assert_string_equal(names_in(TARGET "/..data/"), "tls user ");
	assert_string_equal(names_in(TARGET "/..data/tls"), "cert.pem keys ");
	assert_string_equal(link_of(TARGET "/user"), "..data/user");
	assert_string_equal(link_of(TARGET "/tls"), "..data/tls");
	has(TARGET "/user", "admin", 0644, 0, 0);
	has(TARGET "/tls/cert.pem", "CERT", 0444, 0, 2000);
	has(TARGET "/tls/keys/a/key.pem", "KEY", 0400, 1000, 2000);
	assert_int_equal(stat(TARGET, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(stat(TARGET "/tls/keys", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
}

static void
test_mount_flags(void **state)
{
	const char *line;
	int fd;

	(void)state;
	WRITE(three);
	line = mount_line_of(TARGET);
	assert_non_null(strstr(line, " ro,nosuid,nodev,noexec,"));
	assert_non_null(strstr(line, " - tmpfs nodeseal rw,"));
	assert_non_null(strstr(line, "size=256k"));
	assert_non_null(strstr(line, "nr_inodes=512"));
	if (!(peer_path(&peer, &got, FSPROJ_HELLO, 0, NULL) == FSPROJ_OK &&
	    (got.fixed.flags & FSPROJ_F_SWAPPABLE)))
		assert_non_null(strstr(mount_line_of(TARGET), "noswap"));
	fd = open(TARGET "/new", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(unlink(TARGET "/user"), -1);
	assert_int_equal(open(TARGET "/user", O_WRONLY), -1);
}

static void
test_swap(void **state)
{
	static const struct file next[] = {
		{ "user", "root", 0600, 7, 8 },
		{ "new/x", "X", 0644, 0, 0 },
	};
	char first[64], expect[512], buf[16];
	int fd;

	(void)state;
	WRITE(three);
	strcpy(first, link_of(TARGET "/..data"));
	fd = open(TARGET "/user", O_RDONLY);
	WRITE(next);
	assert_int_equal(got.fixed.flags, FSPROJ_F_SWAPPED);
	assert_int_equal(generation_count(link_of(TARGET "/..data")), 2);
	/* A reader that was there keeps what it had. */
	assert_int_equal(read(fd, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "admin", 5);
	close(fd);
	has(TARGET "/user", "root", 0600, 7, 8);
	has(TARGET "/new/x", "X", 0644, 0, 0);
	assert_int_equal(access(TARGET "/tls", F_OK), -1);
	/* The one before stays, for whoever is on the way … */
	assert_int_equal(generations_in(TARGET), 2);
	snprintf(expect, sizeof(expect), TARGET "/%s/user", first);
	assert_string_equal(slurp(expect), "admin");
	/* … until somebody asks, and the mount is as it was. */
	assert_int_equal(peer_path(&peer, &got, FSPROJ_CLEAN, FSPROJ_VOLUME,
	    TARGET), FSPROJ_OK);
	assert_int_equal(generations_in(TARGET), 1);
	assert_int_equal(mounts_on(TARGET), 1);
	assert_non_null(strstr(mount_line_of(TARGET),
	    " ro,nosuid,nodev,noexec,"));
	snprintf(expect, sizeof(expect), "%s ..data new user ",
	    link_of(TARGET "/..data"));
	assert_string_equal(names_in(TARGET), expect);
}

static void
test_generations_before_go_with_the_next_swap(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		WRITE(three);
		assert_int_equal(generations_in(TARGET), i ? 2 : 1);
	}
	assert_int_equal(generation_count(link_of(TARGET "/..data")), 5);
}

static void
test_folder_becomes_file(void **state)
{
	static const struct file a[] = { { "x/y", "1", 0644, 0, 0 } };
	static const struct file b[] = { { "x", "2", 0644, 0, 0 } };

	(void)state;
	WRITE(a);
	WRITE(b);
	has(TARGET "/x", "2", 0644, 0, 0);
	WRITE(a);
	has(TARGET "/x/y", "1", 0644, 0, 0);
}

static void
test_empty(void **state)
{
	(void)state;
	WRITE(three);
	assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME, TARGET, NULL,
	    0), FSPROJ_OK);
	assert_string_equal(names_in(TARGET "/..data/"), "");
	assert_int_equal(access(TARGET "/user", F_OK), -1);
	assert_int_equal(mounts_on(TARGET), 1);
	WRITE(three);
	has(TARGET "/user", "admin", 0644, 0, 0);
}

static void
test_many_files(void **state)
{
	static struct file files[300];
	static char names[300][16];
	size_t i;

	(void)state;
	for (i = 0; i < 300; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		files[i] = (struct file){ names[i], names[i], 0640, 0, 5 };
	}
	/* 300 files of a page each want more than peer_begin asks for … */
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_BEGIN, .place = FSPROJ_VOLUME,
	    .dir_mode = 0755, .size = 4 << 20, .inodes = 2048 }, TARGET,
	    NULL, 0), FSPROJ_OK);
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, NULL, 0), FSPROJ_OK);
	/* … and a volume never shrinks. */
	WRITE(files);
	has(TARGET "/f0", "f0", 0640, 0, 5);
	has(TARGET "/f299", "f299", 0640, 0, 5);
	assert_non_null(strstr(mount_line_of(TARGET), "size=4096k"));
}

static void
test_grows(void **state)
{
	struct stat st;

	(void)state;
	WRITE(three);
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_BEGIN, .place = FSPROJ_VOLUME,
	    .dir_mode = 0750, .gid = 77, .size = 8 << 20, .inodes = 4096 },
	    TARGET, NULL, 0), FSPROJ_OK);
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, NULL, 0), FSPROJ_OK);
	assert_non_null(strstr(mount_line_of(TARGET), "size=8192k"));
	assert_int_equal(stat(TARGET, &st), 0);
	assert_int_equal(st.st_gid, 77);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void
test_abort_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(peer_begin(&peer, &got, FSPROJ_VOLUME, TARGET, 3), 0);
	got_fill(&got, three);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_ABORT, 0, NULL), 0);
	assert_int_equal(access(TARGET, F_OK), -1);
	WRITE(three);
	assert_int_equal(peer_begin(&peer, &got, FSPROJ_VOLUME, TARGET, 3), 0);
	got_fill(&got, three);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_ABORT, 0, NULL), 0);
	assert_int_equal(generations_in(TARGET), 1);
	has(TARGET "/user", "admin", 0644, 0, 0);
}

/* A volume is attached whole or not at all: not before COMMIT, and not while
 * somebody could still write. */
static void
test_appears_whole(void **state)
{
	(void)state;
	assert_int_equal(peer_begin(&peer, &got, FSPROJ_VOLUME, TARGET, 1), 0);
	assert_int_equal(mounts_on(TARGET), 0);
	/* the descriptor stays open */
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, three, 1), FSPROJ_TRANSIENT);
	assert_int_equal(mounts_on(TARGET), 0);
	close(got.fds[0]);
	WRITE(three);
}

static int
ask_store(uint32_t n)
{
	return (peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_STORE, .dir_mode = 0755, .size = 256 << 10,
	    .inodes = 64, .files = n, .next = n }, NULL, NULL, 0));
}

static int
ask_place(const char *path, size_t n)
{
	peer_place(&peer, path);
	return (peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, three, n));
}

/* A volume that is filled before it has a target. */
static void
test_store_and_place(void **state)
{
	struct got list, item;
	uint32_t i;

	(void)state;
	/* Nothing is in store; nor is a write that is under way. */
	assert_int_equal(ask_place(TARGET, 0), FSPROJ_INVALID);
	assert_int_equal(peer_begin(&peer, &got, FSPROJ_VOLUME, TARGET, 0), 0);
	assert_int_equal(ask_place(TARGET, 0), FSPROJ_INVALID);
	assert_int_equal(ask_store(6), FSPROJ_OK);
	assert_int_equal(got.fixed.fds, 6);
	got_fill(&got, (struct file[]){ three[0], three[1], three[2], three[0],
	    three[0], three[0] });
	assert_int_equal(ask_place(TARGET, 3), FSPROJ_OK);
	has(TARGET "/user", "admin", 0644, 0, 0);
	assert_int_equal(generations_in(TARGET), 1);
	assert_int_equal(mounts_on(TARGET), 1);
	assert_non_null(strstr(mount_line_of(TARGET), "ro,"));
	/* The next store, and all that is no part of a write, drops it. */
	assert_int_equal(ask_store(2), FSPROJ_OK);
	for (i = 0; i < 2; i++)
		close(got.fds[i]);
	assert_int_equal(peer_list(&peer, &list, &item), 1);
	assert_int_equal(ask_place(PODS "/p1/next", 0), FSPROJ_INVALID);
	/* More names than files, a COMMIT, a target that is taken or lies
	 * elsewhere, a file that is still open: none of them mounts. */
	for (i = 0; i < 5; i++) {
		static const struct { const char *path; size_t n; int rc; }
		    bad[] = {
			{ PODS "/p1/next", 3, FSPROJ_INVALID },
			{ NULL, 2, FSPROJ_INVALID },
			{ TARGET, 2, FSPROJ_TRANSIENT },
			{ "/etc/next", 2, FSPROJ_INVALID },
			{ PODS "/p1/next", 2, FSPROJ_TRANSIENT },
		};

		assert_int_equal(ask_store(2), FSPROJ_OK);
		close(got.fds[0]);
		if (i < 4)
			close(got.fds[1]);
		assert_int_equal(bad[i].path ? ask_place(bad[i].path,
		    bad[i].n) : peer_ask(&peer, &got, (struct fsproj_request){
		    .head.type = FSPROJ_COMMIT }, NULL, three, 2), bad[i].rc);
		if (i == 4)
			close(got.fds[1]);
		assert_int_equal(access(PODS "/p1/next", F_OK), -1);
		assert_int_equal(mounts_on(TARGET), 1);
	}
	has(TARGET "/user", "admin", 0644, 0, 0);
}

static void
test_names_taken_twice(void **state)
{
	static const struct file twice[] = { { "a", "1", 0644, 0, 0 },
		{ "a", "2", 0644, 0, 0 } };
	static const struct file clash[] = { { "a", "1", 0644, 0, 0 },
		{ "a/b", "2", 0644, 0, 0 } };

	(void)state;
	WRITE(three);
	assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME, TARGET, twice,
	    2), FSPROJ_INVALID);
	assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME, TARGET, clash,
	    2), FSPROJ_INVALID);
	assert_int_equal(generations_in(TARGET), 1);
	has(TARGET "/user", "admin", 0644, 0, 0);
}

/* What an earlier process left half done, and what somebody broke. */
static void
test_repairs(void **state)
{
	int fd, mnt;

	(void)state;
	WRITE(three);
	fd = open(TARGET, O_PATH);
	mnt = mount_clone(fd);
	assert_true(mnt >= 0);
	close(fd);
	assert_int_equal(symlinkat("..2026_11_23_20_35_23.123456789.9", mnt,
	    "..data_tmp"), 0);
	assert_int_equal(mkdirat(mnt, "..2026_11_23_20_35_23.123456789.9",
	    0755), 0);
	close(openat(mnt, "..2026_11_23_20_35_23.123456789.9/left",
	    O_CREAT | O_WRONLY, 0600));
	assert_int_equal(unlinkat(mnt, "user", 0), 0);
	assert_int_equal(symlinkat("..data/stale", mnt, "stale"), 0);
	close(mnt);
	WRITE(three);
	assert_string_equal(link_of(TARGET "/user"), "..data/user");
	assert_string_equal(link_of(TARGET "/stale"), "");
	assert_string_equal(link_of(TARGET "/..data_tmp"), "");
	assert_int_equal(generations_in(TARGET), 2);
}

static void
test_list_and_restart(void **state)
{
	static struct got item;

	(void)state;
	WRITE(three);
	WRITE(three);
	kill(peer.pid, SIGKILL);
	peer_stop(&peer);
	peer_start(&peer);
	has(TARGET "/user", "admin", 0644, 0, 0);
	assert_int_equal(peer_list(&peer, &got, &item), 1);
	assert_int_equal(item.fixed.generation, 2);
	assert_int_equal(item.fixed.place, FSPROJ_VOLUME);
	assert_string_equal(item.text, TARGET);
	/* and the new process can go on with it */
	WRITE(three);
	assert_int_equal(mounts_on(TARGET), 1);
	assert_int_equal(generation_count(link_of(TARGET "/..data")), 3);
}

static void
test_remove(void **state)
{
	char buf[8];
	int fd;

	(void)state;
	WRITE(three);
	fd = open(TARGET "/user", O_RDONLY);	/* busy */
	assert_true(fd >= 0);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    TARGET), FSPROJ_OK);
	assert_int_equal(mounts_on(TARGET), 0);
	assert_int_equal(access(TARGET, F_OK), -1);
	assert_int_equal(read(fd, buf, 5), 5);
	close(fd);
	/* again, and without its parent */
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    TARGET), FSPROJ_OK);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    PODS "/gone/mount"), FSPROJ_OK);
	/* mounted twice, by somebody's race: all of ours go */
	WRITE(three);
	assert_int_equal(mount("nodeseal", TARGET, "tmpfs", 0, ""), 0);
	assert_int_equal(mounts_on(TARGET), 2);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    TARGET), FSPROJ_OK);
	assert_int_equal(mounts_on(TARGET), 0);
}

static void
test_leftover_under_the_mount(void **state)
{
	(void)state;
	mkdir(TARGET, 0755);
	close(open(TARGET "/old", O_CREAT | O_WRONLY, 0600));
	WRITE(three);
	assert_int_equal(access(TARGET "/old", F_OK), -1);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    TARGET), FSPROJ_OK);
	assert_int_equal(mounts_on(TARGET), 0);
	assert_int_equal(access(TARGET "/old", F_OK), 0);
	unlink(TARGET "/old");
}

static void
test_foreign_mount(void **state)
{
	(void)state;
	mkdir(TARGET, 0755);
	assert_int_equal(mount("other", TARGET, "tmpfs", 0, ""), 0);
	close(open(TARGET "/theirs", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME, TARGET, three,
	    3), FSPROJ_DENIED);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    TARGET), FSPROJ_DENIED);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_CLEAN, FSPROJ_VOLUME,
	    TARGET), FSPROJ_DENIED);
	assert_int_equal(mounts_on(TARGET), 1);
	assert_string_equal(names_in(TARGET), "theirs ");
	umount(TARGET);
}

static void
test_target_rules(void **state)
{
	static const char *const bad[] = { PODS, PODS "/", "/mnt/other/x",
		PODS "x/mount", PODS "/../host/x", PODS "/p1/../p1/mount",
		PODS "//p1/mount", PODS "/p1/./mount", "mnt/pods/p1/mount" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME, bad[i],
		    three, 3), FSPROJ_INVALID);
		assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE,
		    FSPROJ_VOLUME, bad[i]), FSPROJ_INVALID);
	}
	/* only the last component is made */
	assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME,
	    PODS "/p1/a/b", three, 3), FSPROJ_NOTFOUND);
	assert_int_equal(symlink("/mnt/plug", PODS "/p1/link"), 0);
	assert_int_not_equal(peer_write(&peer, &got, FSPROJ_VOLUME,
	    PODS "/p1/link/x", three, 3), FSPROJ_OK);
	assert_int_not_equal(peer_write(&peer, &got, FSPROJ_VOLUME,
	    PODS "/p1/link", three, 3), FSPROJ_OK);
	assert_string_equal(names_in(PLUG), "");
	unlink(PODS "/p1/link");
	/* straight beneath the root, as csi-sanity does */
	assert_int_equal(peer_write(&peer, &got, FSPROJ_VOLUME,
	    PODS "/target", three, 3), FSPROJ_OK);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_VOLUME,
	    PODS "/target"), FSPROJ_OK);
}

/* Kernels before 6.4 do not know noswap: that is said, and all else works. */
static void
test_without_noswap(void **state)
{
	struct peer old;

	(void)state;
	harness_no_noswap = 1;
	peer_start(&old);
	assert_int_equal(peer_path(&old, &got, FSPROJ_HELLO, 0, NULL), 0);
	assert_true(got.fixed.flags & FSPROJ_F_SWAPPABLE);
	assert_int_equal(peer_write(&old, &got, FSPROJ_VOLUME, TARGET, three,
	    3), FSPROJ_OK);
	assert_null(strstr(mount_line_of(TARGET), "noswap"));
	assert_non_null(strstr(mount_line_of(TARGET), "size=256k"));
	assert_int_equal(peer_write(&old, &got, FSPROJ_VOLUME, TARGET, three,
	    3), FSPROJ_OK);
	/* and it grows there, too */
	assert_int_equal(peer_ask(&old, &got, (struct fsproj_request){
	    .head.type = FSPROJ_BEGIN, .place = FSPROJ_VOLUME,
	    .dir_mode = 0755, .size = 8 << 20, .inodes = 4096 }, TARGET,
	    NULL, 0), FSPROJ_OK);
	assert_int_equal(peer_ask(&old, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, NULL, 0), FSPROJ_OK);
	assert_non_null(strstr(mount_line_of(TARGET), "size=8192k"));
	assert_int_equal(peer_stop(&old), 0);
	harness_no_noswap = 0;
}

/* A kernel without SELinux: the error names the option, nothing is mounted,
 * and what needs no mount goes on. */
static void
test_volume_context(void **state)
{
	struct peer labelled;

	(void)state;
	if (access("/sys/fs/selinux/enforce", F_OK) == 0)
		skip();		/* SELinux is here: it takes the label */
	peer_start_with(&labelled, (const char *[]){ "--volume-context",
	    "system_u:object_r:container_file_t:s0", NULL });
	assert_int_equal(peer_begin(&labelled, &got, FSPROJ_VOLUME, TARGET, 1),
	    FSPROJ_INVALID);
	assert_non_null(strstr(got.text, "--volume-context system_u:"));
	assert_non_null(strstr(got.text, "SELinux"));
	assert_int_equal(mounts_on(TARGET), 0);
	assert_int_equal(access(TARGET, F_OK), -1);
	assert_int_equal(peer_write(&labelled, &got, FSPROJ_HOST, HOST "/x",
	    three, 3), FSPROJ_OK);
	assert_int_equal(peer_path(&labelled, &got, FSPROJ_REMOVE, FSPROJ_HOST,
	    HOST "/x"), FSPROJ_OK);
	assert_int_equal(peer_stop(&labelled), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_layout), T(test_mount_flags), T(test_swap),
		T(test_generations_before_go_with_the_next_swap),
		T(test_folder_becomes_file), T(test_empty),
		T(test_many_files), T(test_grows),
		T(test_abort_leaves_nothing), T(test_appears_whole),
		T(test_store_and_place),
		T(test_names_taken_twice), T(test_repairs),
		T(test_list_and_restart), T(test_remove),
		T(test_leftover_under_the_mount), T(test_foreign_mount),
		T(test_target_rules), T(test_without_noswap),
		T(test_volume_context),
	};

	harness_enter();
	return (cmocka_run_group_tests_name("fsproj_volume", tests, NULL,
	    NULL));
}
