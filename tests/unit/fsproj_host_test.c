/* SPDX-License-Identifier: Apache-2.0 */
/* Host directories and sockets: beneath the roots, and nothing of others. */
#include "fsproj_harness.h"

#define WEB HOST "/web/tls"

static struct peer peer;
static struct got got, item;

static const struct file two[] = {
	{ "cert.pem", "CERT", 0644, 0, 0 },
	{ "d/key.pem", "KEY", 0600, 33, 33 },
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
	assert_int_equal(peer_stop(&peer), 0);
	return (0);
}

static int
write_to(const char *path)
{
	return (peer_write(&peer, &got, FSPROJ_HOST, path, two, 2));
}

static int
remove_at(const char *path)
{
	return (peer_path(&peer, &got, FSPROJ_REMOVE, FSPROJ_HOST, path));
}

static void
test_layout_and_life(void **state)
{
	char expect[256];
	struct stat st;

	(void)state;
	assert_int_equal(write_to(WEB), FSPROJ_OK);
	snprintf(expect, sizeof(expect), "%s ..data cert.pem d ",
	    link_of(WEB "/..data"));
	assert_string_equal(names_in(WEB), expect);
	assert_string_equal(slurp(WEB "/cert.pem"), "CERT");
	assert_string_equal(slurp(WEB "/d/key.pem"), "KEY");
	assert_int_equal(stat(WEB "/d/key.pem", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, 33);
	assert_int_equal(mounts_on(WEB), 0);
	assert_int_equal(write_to(WEB), FSPROJ_OK);
	assert_int_equal(got.fixed.flags, FSPROJ_F_SWAPPED);
	assert_int_equal(generations_in(WEB), 2);
	assert_int_equal(peer_path(&peer, &got, FSPROJ_CLEAN, FSPROJ_HOST,
	    WEB), FSPROJ_OK);
	assert_int_equal(generations_in(WEB), 1);
	/* a second one beneath the same parent */
	assert_int_equal(write_to(HOST "/web/other"), FSPROJ_OK);
	assert_int_equal(peer_list(&peer, &got, &item), 2);
	assert_int_equal(remove_at(WEB), FSPROJ_OK);
	assert_int_equal(access(WEB, F_OK), -1);
	assert_int_equal(access(HOST "/web/other/cert.pem", F_OK), 0);
	assert_int_equal(remove_at(HOST "/web/other"), FSPROJ_OK);
	assert_string_equal(names_in(HOST), "");
	assert_int_equal(remove_at(HOST "/web/other"), FSPROJ_OK);
	assert_int_equal(peer_list(&peer, &got, &item), 0);
}

/* Nothing that is not ours is removed, replaced or hidden. */
static void
test_foreign_things_stay(void **state)
{
	(void)state;
	mkdir(HOST "/admin", 0750);
	mkdir(HOST "/admin/..2026_11_23_20_35_23.123456789", 0755);
	close(open(HOST "/admin/note", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(symlink("note", HOST "/admin/link"), 0);
	assert_int_equal(write_to(HOST "/admin"), FSPROJ_OK);
	assert_int_equal(write_to(HOST "/admin"), FSPROJ_OK);
	assert_int_equal(remove_at(HOST "/admin"), FSPROJ_OK);
	assert_string_equal(names_in(HOST "/admin"),
	    "..2026_11_23_20_35_23.123456789 link note ");
	/* a file where a link must go */
	close(open(HOST "/admin/cert.pem", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(write_to(HOST "/admin"), FSPROJ_DENIED);
	assert_non_null(strstr(got.text, "cert.pem"));
	assert_string_equal(names_in(HOST "/admin"),
	    "..2026_11_23_20_35_23.123456789 cert.pem link note ");
	unlink(HOST "/admin/cert.pem");
	/* somebody else's ..data, as the kubelet makes it */
	assert_int_equal(symlink("..2026_11_23_20_35_23.123456789",
	    HOST "/admin/..data"), 0);
	assert_int_equal(symlink("..data/x", HOST "/admin/x"), 0);
	assert_int_equal(write_to(HOST "/admin"), FSPROJ_DENIED);
	assert_int_equal(remove_at(HOST "/admin"), FSPROJ_DENIED);
	assert_string_equal(names_in(HOST "/admin"),
	    "..2026_11_23_20_35_23.123456789 ..data link note x ");
	/* an empty directory that an admin made stays too */
	mkdir(HOST "/made", 0700);
	assert_int_equal(write_to(HOST "/made"), FSPROJ_OK);
	assert_int_equal(remove_at(HOST "/made"), FSPROJ_OK);
	assert_int_equal(access(HOST "/made", F_OK), 0);
}

static void
test_abort(void **state)
{
	(void)state;
	assert_int_equal(peer_begin(&peer, &got, FSPROJ_HOST, HOST "/ab", 2),
	    0);
	got_fill(&got, two);
	/* the names go in, then a name that cannot */
	assert_int_equal(peer_ask(&peer, &got, (struct fsproj_request){
	    .head.type = FSPROJ_COMMIT }, NULL, (struct file[]){ two[0],
	    two[0] }, 2), FSPROJ_INVALID);
	assert_string_equal(names_in(HOST "/ab"), "");
	assert_int_equal(remove_at(HOST "/ab"), FSPROJ_OK);
}

static void
test_overlong_and_outside(void **state)
{
	(void)state;
	assert_int_equal(write_to(HOST), FSPROJ_INVALID);
	assert_int_equal(write_to(PODS "/x"), FSPROJ_INVALID);
	assert_int_equal(write_to(HOST "/../x"), FSPROJ_INVALID);
	assert_int_equal(symlink(PLUG, HOST "/out"), 0);
	assert_int_not_equal(write_to(HOST "/out"), FSPROJ_OK);
	assert_int_not_equal(write_to(HOST "/out/x"), FSPROJ_OK);
	assert_string_equal(names_in(PLUG), "");
	unlink(HOST "/out");
}

/* The root of host projections, when it is on a disk.  The machine's own root
 * file system serves as one, if it is. */
static void
test_disk_roots(void **state)
{
	char dir[] = "/var/tmp/fsproj-XXXXXX", path[64], note[64];
	struct statfs fs;
	struct peer other;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (statfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC) {
		rmdir(dir);
		skip();		/* /tmp is in RAM: no disk here */
	}
	snprintf(path, sizeof(path), "%s/a", dir);
	snprintf(note, sizeof(note), "%s/note", dir);
	close(open(note, O_CREAT | O_WRONLY, 0600));
	peer_start_with(&other, (const char *[]){ "--host-dirs", dir, NULL });
	assert_int_equal(peer_write(&other, &got, FSPROJ_HOST, path, two, 2),
	    FSPROJ_DENIED);
	assert_non_null(strstr(got.text, "not empty"));
	assert_int_equal(mounts_on(dir), 0);
	unlink(note);
	assert_int_equal(peer_write(&other, &got, FSPROJ_HOST, path, two, 2),
	    FSPROJ_OK);
	assert_int_equal(mounts_on(dir), 1);
	assert_non_null(strstr(mount_line_of(dir), "nosuid,nodev,noexec"));
	assert_non_null(strstr(mount_line_of(dir), "tmpfs nodeseal-host"));
	/* a root is no volume */
	assert_int_equal(peer_list(&other, &got, &item), 1);
	peer_stop(&other);
	/* the next process finds it */
	peer_start_with(&other, (const char *[]){ "--host-dirs", dir, NULL });
	assert_int_equal(peer_write(&other, &got, FSPROJ_HOST, path, two, 2),
	    FSPROJ_OK);
	assert_int_equal(mounts_on(dir), 1);
	peer_stop(&other);
	umount(dir);
	/* or it stays on the disk, when that was asked for */
	peer_start_with(&other, (const char *[]){ "--host-dirs", dir,
	    "--host-dirs-on-disk", NULL });
	assert_int_equal(peer_write(&other, &got, FSPROJ_HOST, path, two, 2),
	    FSPROJ_OK);
	assert_int_equal(mounts_on(dir), 0);
	assert_int_equal(peer_path(&other, &got, FSPROJ_HELLO, 0, NULL), 0);
	assert_true(got.fixed.flags & FSPROJ_F_HOST_ON_DISK);
	assert_int_equal(peer_path(&other, &got, FSPROJ_REMOVE, FSPROJ_HOST,
	    path), FSPROJ_OK);
	peer_stop(&other);
	assert_int_equal(rmdir(dir), 0);
}

static void
connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
}

static void
test_bind(void **state)
{
	const char *path = PLUG "/csi.nodeseal.dev/csi.sock";
	struct peer other;
	struct stat st;
	int fd, again;

	(void)state;
	peer_start_with(&other, (const char *[]){ "--peer-uid", "65532",
	    NULL });
	assert_int_equal(peer_path(&other, &got, FSPROJ_BIND, 0, path), 0);
	assert_int_equal(got.fixed.fds, 1);
	fd = got.fds[0];
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	assert_int_equal(st.st_uid, 65532);
	connect_to(path);
	/* an old one is replaced, and only a socket is */
	close(fd);
	assert_int_equal(peer_path(&other, &got, FSPROJ_BIND, 0, path), 0);
	again = got.fds[0];
	connect_to(path);
	close(again);
	assert_string_equal(names_in(PLUG "/csi.nodeseal.dev"), "csi.sock ");
	close(open(PLUG "/file", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(peer_path(&other, &got, FSPROJ_BIND, 0,
	    PLUG "/file"), FSPROJ_DENIED);
	assert_int_equal(symlink("file", PLUG "/link"), 0);
	assert_int_equal(peer_path(&other, &got, FSPROJ_BIND, 0,
	    PLUG "/link"), FSPROJ_DENIED);
	assert_int_equal(peer_path(&other, &got, FSPROJ_BIND, 0,
	    PODS "/x.sock"), FSPROJ_INVALID);
	/* what a killed bind left is no obstacle, another's file is one */
	assert_int_equal(rename(path, PLUG "/csi.nodeseal.dev/"
	    ".nodeseal-bind"), 0);
	assert_int_equal(peer_path(&other, &got, FSPROJ_BIND, 0, path), 0);
	close(got.fds[0]);
	assert_int_equal(symlink("file", PLUG "/.nodeseal-bind"), 0);
	assert_int_equal(peer_path(&other, &got, FSPROJ_BIND, 0,
	    PLUG "/new.sock"), FSPROJ_DENIED);
	peer_stop(&other);
}

/* --socket: root and --peer-uid may come, one after another. */
static void
test_socket_peers(void **state)
{
	const char *path = "/mnt/fsproj.sock";
	char pods[] = PODS, *argv[] = { (char []){ "nodeseal-fsproj" },
		(char []){ "--socket" }, (char []){ "/mnt/fsproj.sock" },
		(char []){ "--peer-uid" }, (char []){ "1234" },
		(char []){ "--pods-dir" }, pods, NULL };
	static const uid_t uids[] = { 0, 1234, 4321, 0 };
	int served[4];
	pid_t pid = fork();
	size_t i;

	(void)state;
	if (pid == 0) {
		close(peer.sock);
		_exit(fsproj_main(7, argv));
	}
	while (access(path, F_OK) == -1)
		usleep(1000);
	/* so that the third gets as far as the credentials */
	usleep(20000);
	chmod(path, 0666);
	for (i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			struct sockaddr_un sun = { .sun_family = AF_UNIX };
			struct peer p = { 0 };

			strcpy(sun.sun_path, path);
			p.sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);
			_exit(setresuid(uids[i], uids[i], uids[i]) ||
			    connect(p.sock, (struct sockaddr *)&sun,
			    sizeof(sun)) || peer_path(&p, &got, FSPROJ_HELLO,
			    0, NULL) != FSPROJ_OK);
		}
		waitpid(child, &status, 0);
		served[i] = status == 0;
	}
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(served[0] && served[1] && served[3]);
	assert_false(served[2]);
}

/* In a container it is the first process: a signal without a handler would not
 * reach it. */
static void
test_ends_as_first_process(void **state)
{
	int status, tries = 0;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		struct peer first;

		if (unshare(CLONE_NEWPID) == -1)
			_exit(2);
		peer_start(&first);
		if (peer_path(&first, &got, FSPROJ_HELLO, 0, NULL) != 0 ||
		    kill(first.pid, SIGTERM) == -1)
			_exit(3);
		while (waitpid(first.pid, &status, WNOHANG) == 0) {
			if (++tries > 2000) {
				kill(first.pid, SIGKILL);
				_exit(4);
			}
			usleep(1000);
		}
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --peer-dirs: made or taken over before anything else, never by a link. */
static void
test_peer_dirs(void **state)
{
	struct peer other;
	struct stat st;
	int status;

	(void)state;
	mkdir("/mnt/there", 0755);
	peer_start_with(&other, (const char *[]){ "--peer-uid", "65532",
	    "--peer-dirs", (char []){ "/mnt/there:/mnt/new" }, NULL });
	assert_int_equal(peer_path(&other, &got, FSPROJ_HELLO, 0, NULL), 0);
	assert_int_equal(peer_stop(&other), 0);
	assert_int_equal(stat("/mnt/there", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_uid, 65532);
	assert_int_equal(stat("/mnt/new", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_gid, 65532);
	assert_int_equal(symlink("/mnt/plug", "/mnt/link"), 0);
	peer_start_with(&other, (const char *[]){ "--peer-uid", "65532",
	    "--peer-dirs", (char []){ "/mnt/link" }, NULL });
	assert_int_equal(waitpid(other.pid, &status, 0), other.pid);
	close(other.sock);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_int_equal(stat(PLUG, &st), 0);
	assert_int_equal(st.st_uid, 0);
	unlink("/mnt/link");
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_layout_and_life), T(test_foreign_things_stay),
		T(test_abort), T(test_overlong_and_outside),
		T(test_disk_roots), T(test_bind), T(test_socket_peers),
		T(test_peer_dirs), T(test_ends_as_first_process),
	};

	harness_enter();
	return (cmocka_run_group_tests_name("fsproj_host", tests, NULL, NULL));
}
