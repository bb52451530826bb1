/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/core_internal.h"
#include "core/volume.h"

/*
 * The file in which core remembers its volumes.  Input: a byte of flags (1:
 * the second place; 2: both; 4: raw bytes behind the head), then entries,
 * divided by line feeds: their sums are right, unless one begins with '!'.
 * Volumes that come back are noted again, and must read the same.
 */
#define PLACE ((off_t)16 << 20)
#define SUM RECORD_HASH_LEN

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct core core;
static struct run_config cfg;
static struct clock_manual now;
static struct loop *loop;

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* --- a file ---------------------------------------------------------- */

static void
sum(uint64_t generation, off_t at, const void *text, size_t len, uint8_t *out)
{
	static const uint8_t key[RECORD_KEY_LEN];
	cleanup_buf struct buf b = BUF_PLAIN(1u << 22);

	buf_add(&b, &generation, sizeof(generation));
	buf_add(&b, &at, sizeof(at));
	buf_add(&b, text, len);
	record_hash(key, (const uint8_t *)b.data, b.len, out);
}

static void
put(int fd, const void *data, size_t len, off_t at)
{
	require(pwrite(fd, data, len, at) == (ssize_t)len);
}

static void
put_head(int fd, uint64_t generation)
{
	static const char magic[8] = "NSVOLS2";
	uint8_t s[SUM];
	off_t at = generation % 2 ? PLACE : 0;

	sum(generation, 0, magic, sizeof(magic), s);
	put(fd, magic, 8, at);
	put(fd, &generation, 8, at + 8);
	put(fd, s, SUM, at + 16);
}

static off_t
put_entry(int fd, uint64_t generation, off_t end, const char *text, size_t len)
{
	uint32_t head[2] = { (uint32_t)len, 0 };
	off_t at = (generation % 2 ? PLACE : 0) + end;
	int wrong = len > 0 && text[0] == '!';
	uint8_t s[SUM];

	sum(generation, end, text, len, s);
	s[0] ^= (uint8_t)wrong;
	put(fd, head, 8, at);
	put(fd, s, SUM, at + 8);
	put(fd, text, len, at + 8 + SUM);
	return (end + 8 + SUM + (off_t)len);
}

static int
make_file(const uint8_t *data, size_t size, unsigned flags)
{
	int fd = memfd_create("notes", MFD_CLOEXEC);
	uint64_t generation = 2 + (flags & 1);
	const char *at = (const char *)data, *end = at + size, *nl;
	off_t row = 16 + SUM;

	put_head(fd, generation);
	if (flags & 2)
		put_head(fd, generation - 1);
	if (flags & 4) {
		put(fd, data, size, (flags & 1 ? PLACE : 0) +
		    (flags & 8 ? 0 : row));
		return (fd);
	}
	for (; at < end; at = nl + 1) {
		nl = memchr(at, '\n', (size_t)(end - at));
		nl = nl ? nl : end;
		row = put_entry(fd, generation, row, at, (size_t)(nl - at));
	}
	return (fd);
}

/* --- a core ---------------------------------------------------------- */

/* Items stay with a core until it ends: it ends now and then. */
static void
start(void)
{
	static unsigned runs;

	if (runs++ % 512)
		return;
	if (loop) {
		core_clear(&core);
		loop_free(loop);
	}
	log_init("fuzz", LOG_LEVEL_ERROR, LOG_TEXT);
	clock_manual_init(&now, 5000, 1795467323000);
	cfg.max_jobs = 1;
	loop = loop_new(NULL);
	require(core_init(&core, &cfg, &now.clock, loop, NULL) == 0);
	core.listed = 1;
}

static void
find_mounts(void)
{
	static const char *const paths[] = { "/a", "/b", "/p/c", "" };
	struct found *f;
	size_t i;

	for (i = 0; i < ARRAY_LEN(paths); i++) {
		f = mem_alloc(sizeof(*f));
		f->place = i == 1 ? PROJ_HOST : PROJ_VOLUME;
		strmap_put(core.found, paths[i], f);
	}
}

static size_t
fits(void)
{
	struct volume *v;
	size_t i, k, n = 0;

	for (i = strmap_next(core.volumes, 0); i;
	    i = strmap_next(core.volumes, i)) {
		v = strmap_val(core.volumes, i);
		require(*v->id && v->d.attached && v->pod_ns && v->pod);
		require(strcmp(strmap_key(core.volumes, i), v->id) == 0);
		n += 1 + v->d.nsources;
		for (k = 0; k < v->d.nsources; k++)
			n += v->d.sources[k].nitems * 1000;
	}
	return (n);
}

static void
forget_volumes(void)
{
	volumes_clear(&core);
	core.volumes = strmap_new(NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct volume *v;
	size_t seen, i;
	int fd, again;

	if (size == 0 || size > 100000)
		return (0);
	start();
	fd = make_file(data + 1, size - 1, data[0]);
	again = dup(fd);
	find_mounts();
	notes_open(&core, fd);
	seen = fits();
	require(notes_write(&core) == 0);
	for (i = strmap_next(core.volumes, 0); i;
	    i = strmap_next(core.volumes, i)) {
		v = strmap_val(core.volumes, i);
		notes_published(&core, v);
	}
	notes_unpublished(&core, "none");
	notes_close(&core);
	forget_volumes();
	find_mounts();
	notes_open(&core, again);
	require(fits() == seen);
	notes_close(&core);
	forget_volumes();
	return (0);
}
