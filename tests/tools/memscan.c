/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for secrets in the memory of other processes.
 *
 * usage: memscan FILE PID…
 * FILE: a marker a line, 12 bytes or more, which begin at random.  Every
 * readable mapping of each process is read through /proc/PID/mem and searched
 * for the beginning (8 bytes; 16 for hex) of each marker as it is, in base64
 * at each of the three alignments, in hex of both cases, and as JSON escapes
 * it.  Prints a line "PID FORM ADDRESS MAPPING LINE" for each hit, and last
 * "N hits in M bytes"; exits 1 when there is any, 2 when it cannot look.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (1u << 20)
#define KEY_MAX 16
#define FILTER_BITS 20
#define MARKER_MIN 12
#define HITS_SHOWN 40

struct key {
	uint64_t first;		/* its first 8 bytes */
	char bytes[KEY_MAX];
	size_t len;
	const char *form;
	unsigned line;
};

static struct key *keys;
static size_t nkeys, room;
static uint8_t filter[1u << (FILTER_BITS - 3)];
static unsigned long long hits, total;

static uint64_t
load(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return (v);
}

static size_t
bit_of(uint64_t v)
{
	return ((size_t)((v * 0x9e3779b97f4a7c15u) >> (64 - FILTER_BITS)));
}

static void
add(const char *form, unsigned line, const char *bytes, size_t len)
{
	struct key *k;

	if (nkeys == room) {
		room = room ? room * 2 : 1024;
		keys = realloc(keys, room * sizeof(*keys));
		if (keys == NULL)
			exit(2);
	}
	k = &keys[nkeys++];
	memcpy(k->bytes, bytes, len);
	k->len = len;
	k->form = form;
	k->line = line;
	k->first = load(bytes);
	filter[bit_of(k->first) / 8] |= (uint8_t)(1 << bit_of(k->first) % 8);
}

/* Eight letters of base64: six bytes, wherever the text itself begins. */
static void
add_base64(const char *m, size_t skip, const char *form, unsigned line)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = (const uint8_t *)m + skip;
	char out[8];

	for (int i = 0; i < 2; i++, p += 3) {
		uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

		for (int k = 0; k < 4; k++)
			out[4 * i + k] = set[v >> (18 - 6 * k) & 63];
	}
	add(form, line, out, sizeof(out));
}

static void
add_hex(const char *m, const char *digits, const char *form, unsigned line)
{
	char out[KEY_MAX];

	for (int i = 0; i < KEY_MAX; i++)
		out[i] = digits[(uint8_t)m[i / 2] >> (i % 2 ? 0 : 4) & 15];
	add(form, line, out, sizeof(out));
}

static void
add_json(const char *m, size_t len, unsigned line)
{
	char out[2 * KEY_MAX];
	size_t n = 0;

	for (size_t i = 0; i < len && n < 8; i++) {
		if (m[i] == '"' || m[i] == '\\')
			out[n++] = '\\';
		out[n++] = m[i];
	}
	if (memcmp(out, m, 8) != 0)
		add("json", line, out, 8);
}

static int
compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	return (x->first < y->first ? -1 : x->first > y->first);
}

static int
read_markers(const char *path)
{
	FILE *f = fopen(path, "re");
	char m[4096];
	unsigned line = 0;

	if (f == NULL)
		return (-1);
	while (fgets(m, sizeof(m), f) != NULL) {
		size_t len = strcspn(m, "\n");

		m[len] = '\0';
		line++;
		if (len < MARKER_MIN)
			continue;
		add("raw", line, m, 8);
		add_base64(m, 0, "base64", line);
		add_base64(m, 1, "base64+1", line);
		add_base64(m, 2, "base64+2", line);
		add_hex(m, "0123456789abcdef", "hex", line);
		add_hex(m, "0123456789ABCDEF", "HEX", line);
		add_json(m, len, line);
	}
	fclose(f);
	qsort(keys, nkeys, sizeof(*keys), compare);
	return (nkeys > 0 ? 0 : -1);
}

static void
look_up(int pid, const char *where, uint64_t address, const char *at,
    size_t left)
{
	uint64_t v = load(at);
	size_t low = 0, high = nkeys;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (keys[mid].first < v)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < nkeys && keys[low].first == v; low++) {
		const struct key *k = &keys[low];

		if (left < k->len || memcmp(at, k->bytes, k->len) != 0)
			continue;
		if (hits++ < HITS_SHOWN)
			printf("%d %s %llx %s %u\n", pid, k->form,
			    (unsigned long long)address, where, k->line);
	}
}

static void
scan_range(int pid, int mem, uint64_t from, uint64_t to, const char *where)
{
	static char buf[CHUNK + KEY_MAX];
	size_t kept = 0;

	while (from < to) {
		size_t want = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t n = pread(mem, buf + kept, want, (off_t)from);
		size_t have;

		if (n <= 0)
			return;		/* memfd_secret, vvar: not even us */
		total += (unsigned long long)n;
		have = kept + (size_t)n;
		for (size_t i = 0; i + 8 <= have; i++) {
			size_t bit = bit_of(load(buf + i));

			/* What is near the end is seen again, whole. */
			if (i + KEY_MAX > have && from + (size_t)n < to)
				break;
			if (filter[bit / 8] >> bit % 8 & 1)
				look_up(pid, where, from - kept + i, buf + i,
				    have - i);
		}
		from += (size_t)n;
		kept = have < KEY_MAX - 1 ? have : KEY_MAX - 1;
		memmove(buf, buf + have - kept, kept);
	}
}

static int
scan(int pid)
{
	char path[64], line[1024], rights[8], where[512];
	unsigned long long from, to;
	FILE *maps;
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (mem == -1 || maps == NULL) {
		fprintf(stderr, "memscan: %d: %s\n", pid, strerror(errno));
		return (-1);
	}
	while (fgets(line, sizeof(line), maps) != NULL) {
		strcpy(where, "anonymous");
		if (sscanf(line, "%llx-%llx %7s %*s %*s %*s %511s", &from, &to,
		    rights, where) >= 3 && rights[0] == 'r')
			scan_range(pid, mem, from, to, where);
	}
	fclose(maps);
	close(mem);
	return (0);
}

int
main(int argc, char **argv)
{
	if (argc < 3 || read_markers(argv[1]) == -1) {
		fprintf(stderr, "usage: memscan FILE PID...\n");
		return (2);
	}
	for (int i = 2; i < argc; i++)
		if (scan(atoi(argv[i])) == -1)
			return (2);
	printf("%llu hits in %llu bytes\n", hits, total);
	return (hits > 0);
}
