/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing COUNT values of 4 KiB and making them durable, against the same
 * number of bytes by write, fsync and rename alone: in turns, ROUNDS times.
 * Prints the microseconds of both, one round a line.
 *
 *	seal_write DIR COUNT ROUNDS
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/file.h"

#define VALUE 4096

static const uint8_t root[RECORD_KEY_LEN] = { 1 };
static uint8_t scratch[SNAPSHOT_SCRATCH];

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

/* Each value is sealed by its namespace's key, then the file is. */
static void
seal_all(size_t count, uint64_t generation, struct buf *out)
{
	struct snapshot s = { .head = { .epoch = 1,
		.generation = generation } };
	uint8_t kek[32], key[32], salt[16] = { 0 }, plain[VALUE];

	snapshot_epoch_key(root, 1, kek);
	s.values = mem_array(count, sizeof(*s.values));
	memset(plain, 'x', sizeof(plain));
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = str_fmt("app-%zu", i);
		struct record_header h = { .kind = RECORD_PAYLOAD,
			.ns = "default", .name = name, .generation = 1,
			.source = "live" };

		snapshot_ns_key(kek, h.ns, salt, key);
		if (record_seal(key, &h, plain, sizeof(plain),
		    &s.values[s.nvalues++].record, NULL) == -1)
			die("record_seal");
	}
	if (snapshot_write(root, &s, scratch, out, NULL) == -1)
		die("snapshot_write");
	snapshot_clear(&s);
}

static double
ours(const struct seal_place *p, size_t count, uint64_t generation,
    size_t *ret_len)
{
	struct snapshot_head h = { .epoch = 1, .generation = generation };
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	double from = now_us();

	seal_all(count, generation, &b);
	if (seal_file_write(p, b.data, b.len, &h, NULL) == -1)
		die("seal_file_write");
	*ret_len = b.len;
	return (now_us() - from);
}

static double
floor_write(int dir, const uint8_t *data, size_t len)
{
	double from = now_us();
	size_t at = 0;
	ssize_t n;
	int fd = openat(dir, "plain.new", O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC, 0600);

	if (fd == -1)
		die("plain.new");
	for (; at < len; at += (size_t)n)
		if ((n = write(fd, data + at, len - at)) == -1)
			die("write");
	if (fsync(fd) == -1 || close(fd) == -1 ||
	    renameat(dir, "plain.new", dir, "plain") == -1)
		die("plain");
	return (now_us() - from);
}

int
main(int argc, char **argv)
{
	struct seal_place p;
	size_t count, rounds, len = 0;
	uint8_t *plain = NULL;
	double us;

	if (argc != 4 || seal_init(NULL) == -1)
		return (2);
	count = (size_t)atol(argv[2]);
	rounds = (size_t)atol(argv[3]);
	p.dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p.dir == -1 || (p.witness = openat(p.dir, "witness", O_RDWR |
	    O_CREAT | O_CLOEXEC, 0600)) == -1)
		die(argv[1]);
	/* Two files are there already, as on a node that lives. */
	for (uint64_t g = 1; g <= rounds + 2; g++) {
		us = ours(&p, count, g, &len);
		if (!plain)
			plain = mem_alloc(len);
		memset(plain, (int)g, len);
		if (g > 2)
			printf("%.1f %.1f\n", us, floor_write(p.dir, plain,
			    len));
	}
	free(plain);
	return (0);
}
