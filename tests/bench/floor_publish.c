/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under a publish: the bare kernel work of one volume with five
 * files, by one process that asks nobody and checks nothing.  Prints the p50
 * in microseconds.
 *
 *	floor_publish [ITERATIONS]
 */
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
#define WARM_UP 50

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

/* mkdir, fsopen … fsmount, five files with ..data and links, move_mount. */
static void
publish(const char *target)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	char name[16], to[32];
	int fs, mnt, gen, fd, i;

	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs == -1 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "262144", 0) ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "64", 0) ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		die("fsopen");
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID |
	    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	close(fs);
	if (mnt == -1 || mkdirat(mnt, "..gen", 0755) ||
	    (gen = openat(mnt, "..gen", O_PATH | O_CLOEXEC)) == -1)
		die("fsmount");
	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "key%d", i);
		fd = openat(gen, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
		    0644);
		if (fd == -1 || write(fd, "0123456789abcdef0123456789abcdef",
		    32) != 32 || fchmod(fd, 0644) || fchown(fd, 0, 0))
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
	if (mkdir(target, 0750) ||
	    mount_setattr(mnt, "", AT_EMPTY_PATH, &ro, sizeof(ro)) ||
	    move_mount(mnt, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH))
		die("move_mount");
	close(mnt);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

int
main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1000, i;
	double *took;

	if (n < 1 || n > 1000000)
		return (2);
	took = calloc((size_t)n, sizeof(*took));
	if (!took || unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("floor", "/mnt", "tmpfs", 0, NULL))
		die("a mount namespace of our own (root?)");
	umask(022);
	for (i = -WARM_UP; i < n; i++) {
		double start = now_us();

		publish("/mnt/mount");
		if (i >= 0)
			took[i] = now_us() - start;
		if (umount2("/mnt/mount", MNT_DETACH) || rmdir("/mnt/mount"))
			die("umount");
	}
	qsort(took, (size_t)n, sizeof(*took), compare);
	printf("%.1f\n", took[n / 2]);
	free(took);
	return (0);
}
