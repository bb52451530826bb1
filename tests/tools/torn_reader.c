/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader that trusts nobody: reads a projected directory over and over, one
 * generation at a time (it opens ..data once and reads below that), and wants
 * every file of a generation to hold the same bytes.
 *
 * usage: torn_reader DIR
 * Until SIGTERM; then prints "reads N generations M torn T last TEXT" and
 * exits 1 when anything was torn or went missing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTENT_MAX 65536

static volatile sig_atomic_t over;

static void
stop(int signo)
{
	(void)signo;
	over = 1;
}

/* The content of one file; -1 when it cannot be read whole. */
static ssize_t
content(int dir, const char *name, char *out)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return (-1);
	n = read(fd, out, CONTENT_MAX);
	close(fd);
	return (n);
}

/* All files of one generation: 1 the same, 0 a mix, -1 it was removed while
 * we read, which the projection's grace of 10 s must prevent. */
static int
generation(int fd, char *first, ssize_t *first_len)
{
	static char other[CONTENT_MAX];
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int rc = 1;

	*first_len = -1;
	while (rc == 1 && (e = readdir(d)) != NULL) {
		ssize_t n;

		if (e->d_name[0] == '.')
			continue;
		n = content(fd, e->d_name, *first_len < 0 ? first : other);
		if (n < 0)
			rc = -1;
		else if (*first_len < 0)
			*first_len = n;
		else if (n != *first_len ||
		    memcmp(first, other, (size_t)n) != 0)
			rc = 0;
	}
	closedir(d);
	return (*first_len < 0 && rc == 1 ? -1 : rc);
}

int
main(int argc, char **argv)
{
	static char now[CONTENT_MAX], last[CONTENT_MAX];
	struct sigaction sa = { .sa_handler = stop };
	unsigned long reads = 0, generations = 0, torn = 0;
	ssize_t len, last_len = -1;
	char path[4096];

	if (argc != 2)
		return (2);
	sigaction(SIGTERM, &sa, NULL);
	snprintf(path, sizeof(path), "%s/..data", argv[1]);
	while (!over) {
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd == -1 || generation(fd, now, &len) != 1) {
			torn++;
			continue;
		}
		/* One of several readers, and not alone on the machine. */
		if (reads++ % 8 == 0)
			usleep(200);
		if (len != last_len || memcmp(now, last, (size_t)len) != 0) {
			generations++;
			memcpy(last, now, (size_t)len);
			last_len = len;
		}
	}
	printf("reads %lu generations %lu torn %lu last %.*s\n", reads,
	    generations, torn, last_len > 40 ? 40 : (int)last_len, last);
	return (torn > 0 || reads == 0);
}
