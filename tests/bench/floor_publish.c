/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under a publish: the bare kernel work of one volume with five
 * files, by one process that asks nobody, checks nothing and is told
 * everything: mkdir of the target; fsopen, the five settings that a volume has
 * (source, size, nr_inodes, noswap, mode), fsmount; the generation's directory,
 * five files with content, mode and owner; ..data and five links; read-only;
 * move_mount.  No socket, no other process, no path walked carefully, no
 * nameless file that is given its name later.
 *
 * What makes it comparable: the targets lie in DIR, on the same file system as
 * the agent's (a mkdir takes 1 us on a tmpfs and 20 or more on ext4), each in a
 * directory of its own; a volume stays mounted, as published ones do, so that
 * the next one gets a superblock and pages that nobody has just given back.
 * All is gone with the process: the mounts are in a namespace of its own.
 *
 * Prints the microseconds of each volume, one a line.  Stepped, each waits for
 * a line on stdin, so that publishes and volumes can take turns.
 *
 *	floor_publish DIR COUNT [stepped]
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 5
#define WARM_UP 5

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3);
}

static int
make_tmpfs(int noswap)
{
	int fs, mnt;

	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs == -1 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "source", "floor", 0) ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "262144", 0) ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "64", 0) ||
	    (noswap && fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0)) ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		die("tmpfs");
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID |
	    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	close(fs);
	if (mnt == -1)
		die("fsmount");
	return (mnt);
}

static void
fill(int mnt)
{
	char name[16], to[32];
	int gen, fd, i;

	if (mkdirat(mnt, "..gen", 0755) ||
	    (gen = openat(mnt, "..gen", O_PATH | O_CLOEXEC)) == -1)
		die("generation");
	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "key%d", i);
		fd = openat(gen, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
		    0600);
		if (fd == -1 || write(fd, "value-0", 7) != 7 ||
		    fchown(fd, 0, 0) || fchmod(fd, 0644))
			die("file");
		close(fd);
	}
	if (symlinkat("..gen", mnt, "..data"))
		die("..data");
	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "key%d", i);
		snprintf(to, sizeof(to), "..data/key%d", i);
		if (symlinkat(to, mnt, name))
			die("link");
	}
	close(gen);
}

static double
publish(const char *target, int noswap)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	double start = now_us(), end;
	int mnt = make_tmpfs(noswap);

	fill(mnt);
	if (mkdir(target, 0750) ||
	    mount_setattr(mnt, "", AT_EMPTY_PATH, &ro, sizeof(ro)) ||
	    move_mount(mnt, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH))
		die("move_mount");
	end = now_us();
	close(mnt);
	return (end - start);
}

static int
has_noswap(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), rc;

	rc = fs != -1 &&
	    fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0) == 0;
	close(fs);
	return (rc);
}

static void
own_namespace(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("a mount namespace of our own (root?)");
}

int
main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0, noswap = has_noswap(), i;
	int stepped = argc > 3 && strcmp(argv[3], "stepped") == 0;
	char path[4096], line[16];
	double took;

	if (n < 1 || n > 100000) {
		fputs("usage: floor_publish DIR COUNT [stepped]\n", stderr);
		return (2);
	}
	own_namespace();
	umask(022);
	for (i = 0; i < n + WARM_UP; i++) {
		snprintf(path, sizeof(path), "%s/%d", argv[1], i);
		if (mkdir(path, 0755))
			die(path);
	}
	for (i = 0; i < n + WARM_UP; i++) {
		snprintf(path, sizeof(path), "%s/%d/mount", argv[1], i);
		if (i >= WARM_UP && stepped &&
		    !fgets(line, sizeof(line), stdin))
			return (1);
		took = publish(path, noswap);
		if (i >= WARM_UP && (printf("%.1f\n", took) < 0 ||
		    fflush(stdout)))
			return (1);
	}
	return (0);
}
