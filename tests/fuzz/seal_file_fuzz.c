/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/file.h"

/*
 * A state directory as somebody may have left it: the file, the one before it
 * and the witness are whole, flipped, cut, absent or foreign bytes; and a write
 * on top of it.  Bytes 0 to 2 say what each is, byte 3 is the place of a flip,
 * byte 4 what others know; the rest are the foreign bytes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t root[RECORD_KEY_LEN] = { 1 }, next_root[32] = { 2 };
static const uint8_t node[16] = { 7 }, cluster[16] = { 8 };
static uint8_t scratch[SNAPSHOT_SCRATCH];
static char dir[64];
static struct seal_place place;
static int parent;

enum { WHOLE, FLIPPED, CUT, ABSENT, FOREIGN, OLDER, OTHERS, KINDS };

static void
place_make(void)
{
	snprintf(dir, sizeof(dir), "/tmp/nodeseal-fuzz-XXXXXX");
	if (mkdtemp(dir) == NULL || (parent = open(dir, O_RDONLY |
	    O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    mkdirat(parent, "state", 0700) == -1)
		abort();
	place.dir = openat(parent, "state", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	place.witness = openat(parent, "witness", O_RDWR | O_CREAT |
	    O_CLOEXEC, 0600);
}

static void
place_end(void)
{
	static const char *const names[] = { SEAL_FILE, SEAL_FILE_PREV,
		SEAL_FILE_QUARANTINE, "cache.other" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(place.dir, names[i], 0);
	close(place.dir);
	close(place.witness);
	if (unlinkat(parent, "witness", 0) == -1 || unlinkat(parent, "state",
	    AT_REMOVEDIR) == -1 || rmdir(dir) == -1)
		abort();
	close(parent);
}

/* A file's bytes: one value. */
static void
sealed(const struct snapshot_head *head, struct buf *out)
{
	struct record_header h = { .kind = RECORD_PAYLOAD, .ns = "default",
		.name = "app", .generation = 1, .source = "live" };
	struct snapshot s = { .head = *head };

	s.values = mem_array(1, sizeof(*s.values));
	if (record_seal(root, &h, (const uint8_t *)"x", 1,
	    &s.values[s.nvalues++].record, NULL) == -1 ||
	    snapshot_write(root, &s, scratch, out, NULL) == -1)
		abort();
	snapshot_clear(&s);
}

static struct snapshot_head
head_of(uint64_t generation)
{
	struct snapshot_head h = { .epoch = 1, .generation = generation,
		.counter = 5 };

	memcpy(h.node, node, sizeof(h.node));
	memcpy(h.cluster, cluster, sizeof(h.cluster));
	return (h);
}

static void
put_file(int at, const char *name, struct buf *whole, unsigned how,
    const uint8_t *data, size_t size, uint8_t place_of)
{
	size_t i = whole->len * place_of / 256, n = whole->len;
	int fd;

	unlinkat(at, name, 0);
	if (how == ABSENT)
		return;
	if (how == FLIPPED)
		whole->data[i] ^= 4;
	if (how == CUT)
		n = i;
	fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || (how == FOREIGN ? write(fd, data, size) !=
	    (ssize_t)size : write(fd, whole->data, n) != (ssize_t)n))
		abort();
	if (place_of == 255 && fchmod(fd, 0644) == -1)
		abort();
	close(fd);
}

static void
one_file(const char *name, unsigned how, uint64_t generation,
    const uint8_t *data, size_t size)
{
	cleanup_buf struct buf b = BUF_PLAIN(1 << 20);
	struct snapshot_head h = head_of(how == OLDER ? generation - 3 :
	    generation);

	if (how == OTHERS)
		h.cluster[0]++;
	sealed(&h, &b);
	put_file(place.dir, name, &b, how, data + 5, size - 5, data[3]);
}

static void
write_on(void)
{
	cleanup_buf struct buf b = BUF_PLAIN(1 << 20);
	struct snapshot_head h = head_of(100);
	struct seal_trust t = { .root = root, .node = node,
		.cluster = cluster, .scratch = scratch };
	struct seal_loaded l;

	sealed(&h, &b);
	if (seal_file_write(&place, b.data, b.len, &h, NULL) == 0 &&
	    seal_file_load(&place, &t, &l, NULL) == 0) {
		if (l.state != SEAL_OK || l.generation != 100)
			abort();
		seal_loaded_clear(&l);
	}
}

static void
load(const uint8_t *data)
{
	struct seal_trust t = { .root = root, .cluster = cluster,
		.node = data[4] & 64 ? cluster : node, .scratch = scratch,
		.min_generation = data[4] & 7 ? data[4] & 15 : 0 };
	struct seal_loaded l;

	t.counted = data[4] & 16;
	t.counter = data[4] & 7;
	t.min_epoch = data[4] & 32 ? 2 : 0;
	if (data[4] & 128) {
		t.before = root;
		t.root = next_root;
	}
	if (seal_file_load(&place, &t, &l, NULL) == -1)
		return;
	seal_state_name(l.state);
	if (l.state == SEAL_OK && (data[0] % KINDS == FLIPPED ||
	    data[0] % KINDS == CUT || l.generation < t.min_generation))
		abort();
	if ((l.state != SEAL_OK && l.state != SEAL_PARTIAL) !=
	    (l.snapshot.nvalues == 0))
		abort();
	seal_loaded_clear(&l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snapshot_head h = head_of(9);

	if (size < 6 || size > 4096 || seal_init(NULL) == -1)
		return (0);
	place_make();
	one_file(SEAL_FILE_PREV, data[1] % KINDS, 8, data, size);
	one_file(SEAL_FILE, data[0] % KINDS, 9, data, size);
	if (data[2] % KINDS == WHOLE) {
		/* As a write leaves it. */
		cleanup_buf struct buf b = BUF_PLAIN(16);

		buf_adds(&b, "x");
		seal_file_replace(place.dir, "cache.other", b.data, b.len,
		    NULL);
		seal_file_write(&place, b.data, b.len, &h, NULL);
		one_file(SEAL_FILE, data[0] % KINDS, 9, data, size);
	} else if (data[2] % KINDS != ABSENT &&
	    pwrite(place.witness, data + 5, size - 5, 0) == -1)
		abort();
	load(data);
	write_on();
	place_end();
	return (0);
}
