/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/seal_calls.h"

#include "tests/unit/seal_rotation.h"

/*
 * Power cuts (reference security-offline.md S2): kill -9 leaves what was
 * written, a power cut only what was synced.  The writer's calls are logged;
 * for every prefix of the log, every subset of the names that no directory
 * sync has made durable, and file contents that are dropped, whole or torn at
 * 512 and 4096 bytes where no fsync has, a directory is made as the disk would
 * hold it, and read as at the next start.  Controls: -DWEAKEN_SEAL_FSYNC,
 * -DWEAKEN_SEAL_DIRSYNC.
 */
#define FILES_MAX 64
#define NAMES_MAX 16
#define PENDING_MAX 6

enum torn { DROPPED, WHOLE, TORN_512, TORN_4096, TORN_KINDS };

struct file {
	ino_t ino;
	uint8_t *synced, *all;
	size_t nsynced, nall;
};

struct name {
	char name[64];
	ino_t ino;
};

/* What the disk holds for certain, and what it may hold. */
struct disk {
	struct file files[FILES_MAX];
	size_t nfiles;
	struct name names[NAMES_MAX];
	size_t nnames;
	const struct call *pending[CALLS_MAX];
	size_t npending;
	ino_t witness;
};

static unsigned long states;

/* --- the model ------------------------------------------------------- */

static struct file *
file_of(struct disk *d, ino_t ino)
{
	for (size_t i = 0; i < d->nfiles; i++)
		if (d->files[i].ino == ino)
			return (&d->files[i]);
	assert_true(d->nfiles < FILES_MAX);
	d->files[d->nfiles].ino = ino;
	return (&d->files[d->nfiles++]);
}

static void
put_bytes(struct file *f, const uint8_t *data, size_t len, off_t at)
{
	size_t from = at == -1 ? f->nall : (size_t)at;

	if (from + len > f->nall) {
		f->all = mem_grow(f->all, from + len, 1);
		memset(f->all + f->nall, 0, from + len - f->nall);
		f->nall = from + len;
	}
	memcpy(f->all + from, data, len);
}

static void
sync_bytes(struct file *f)
{
	free(f->synced);
	f->synced = f->nall ? mem_dup(f->all, f->nall) : NULL;
	f->nsynced = f->nall;
}

static void
unname(struct disk *d, const char *name)
{
	for (size_t i = 0; i < d->nnames; i++)
		if (strcmp(d->names[i].name, name) == 0) {
			d->names[i] = d->names[--d->nnames];
			return;
		}
}

static void
name_it(struct disk *d, const char *name, ino_t ino)
{
	unname(d, name);
	assert_true(d->nnames < NAMES_MAX);
	snprintf(d->names[d->nnames].name, 64, "%s", name);
	d->names[d->nnames++].ino = ino;
}

static void
apply(struct disk *d, const struct call *c)
{
	switch (c->kind) {
	case CALL_CREATE:
		name_it(d, c->a, c->ino);
		break;
	case CALL_LINK:
		name_it(d, c->b, c->ino);
		break;
	case CALL_RENAME:
		/* Two names of one file: nothing happens. */
		for (size_t i = 0; i < d->nnames; i++)
			if (strcmp(d->names[i].name, c->b) == 0 &&
			    d->names[i].ino == c->ino)
				return;
		unname(d, c->a);
		name_it(d, c->b, c->ino);
		break;
	default:
		unname(d, c->a);
	}
}

static void
take(struct disk *d, const struct call *c)
{
	switch (c->kind) {
	case CALL_WRITE:
		put_bytes(file_of(d, c->ino), c->data, c->len, c->at);
		break;
	case CALL_SYNC:
		sync_bytes(file_of(d, c->ino));
		break;
	case CALL_DIRSYNC:
		for (size_t i = 0; i < d->npending; i++)
			apply(d, d->pending[i]);
		d->npending = 0;
		break;
	default:
		if (c->kind == CALL_CREATE)
			file_of(d, c->ino);
		d->pending[d->npending++] = c;
	}
}

/* --- what is there before -------------------------------------------- */

static void
load_file(struct disk *d, int fd)
{
	cleanup_buf struct buf b = BUF_PLAIN(1 << 20);
	struct stat st;
	struct file *f;
	ssize_t n;

	assert_int_equal(fstat(fd, &st), 0);
	f = file_of(d, st.st_ino);
	assert_non_null(buf_space(&b, (size_t)st.st_size + 1));
	n = pread(fd, b.data, (size_t)st.st_size, 0);
	assert_int_equal(n, st.st_size);
	put_bytes(f, (uint8_t *)b.data, (size_t)n, 0);
	sync_bytes(f);
}

static void
load_disk(struct disk *d)
{
	static const char *const names[] = { SEAL_FILE, SEAL_FILE_PREV,
		SLOTS_FILE };
	struct stat st;

	memset(d, 0, sizeof(*d));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup_close int fd = openat(place.dir, names[i], O_RDONLY);

		if (fd == -1)
			continue;
		load_file(d, fd);
		held[nheld++] = dup(fd);
		name_it(d, names[i], inode_at(place.dir, names[i]));
	}
	load_file(d, place.witness);
	assert_int_equal(fstat(place.witness, &st), 0);
	d->witness = st.st_ino;
}

static void
free_disk(struct disk *d)
{
	for (size_t i = 0; i < d->nfiles; i++) {
		free(d->files[i].synced);
		free(d->files[i].all);
	}
}

/* --- a directory as the disk may hold it ----------------------------- */

static void
content(const struct file *f, enum torn how, struct buf *out)
{
	size_t unit = how == TORN_512 ? 512 : 4096, n;

	if (how == DROPPED) {
		buf_add(out, f->synced, f->nsynced);
		return;
	}
	n = how == WHOLE ? f->nall : f->nall / 2 / unit * unit;
	if (how != WHOLE && f->nsynced == f->nall)
		n = f->nall;		/* nothing of it is in the air */
	buf_add(out, f->all, n);
	/* Blocks that were never written read as zeros. */
	for (; n < f->nall; n++)
		buf_addc(out, 0);
}

static void
make_file(int at, const char *name, const struct file *f, enum torn how)
{
	cleanup_buf struct buf b = BUF_PLAIN(1 << 20);
	cleanup_close int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC, 0600);

	/* An fsync makes the whole file durable: only what came behind it can
	 * be lost. */
	if (f->nsynced == f->nall && (!f->nall ||
	    memcmp(f->synced, f->all, f->nall) == 0))
		how = WHOLE;
	content(f, how, &b);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf_str(&b), b.len), b.len);
}

static struct seal_place
make_disk(struct disk *d, unsigned mask, enum torn how)
{
	struct disk now = *d;
	struct seal_place p;
	size_t i;

	for (i = 0; i < d->npending; i++)
		if (mask & 1u << i)
			apply(&now, d->pending[i]);
	assert_int_equal(mkdirat(parent, "cut", 0700), 0);
	p.dir = openat(parent, "cut", O_RDONLY | O_DIRECTORY);
	for (i = 0; i < now.nnames; i++)
		make_file(p.dir, now.names[i].name,
		    file_of(d, now.names[i].ino), how);
	make_file(parent, "cut.witness", file_of(d, d->witness), how);
	p.witness = openat(parent, "cut.witness", O_RDWR);
	return (p);
}

static void
unmake(struct seal_place *p)
{
	static const char *const names[] = { SEAL_FILE, SEAL_FILE_PREV,
		SEAL_FILE_QUARANTINE, SLOTS_FILE, "." SEAL_FILE ".tmp",
		"." SEAL_FILE_PREV ".tmp", "." SLOTS_FILE ".tmp" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(p->dir, names[i], 0);
	close(p->dir);
	close(p->witness);
	assert_int_equal(unlinkat(parent, "cut", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(parent, "cut.witness", 0), 0);
}

/* Every disk that a cut after the first ${n} calls may leave. */
static void
cut_after(struct disk *d, size_t n, void (*check)(const struct seal_place *p,
    const char *what, size_t n))
{
	assert_true(d->npending <= PENDING_MAX);
	for (unsigned mask = 0; mask < 1u << d->npending; mask++)
		for (enum torn how = DROPPED; how < TORN_KINDS; how++) {
			struct seal_place p = make_disk(d, mask, how);
			cleanup_free char *what = str_fmt("after %zu calls, "
			    "names %x, contents %d", n, mask, (int)how);

			check(&p, what, n);
			unmake(&p);
			states++;
		}
}

/* ${write} is logged and cut anywhere. */
static void
cut_anywhere(void (*begin)(void), void (*change)(void),
    void (*check)(const struct seal_place *p, const char *what, size_t n))
{
	struct disk d;
	size_t i;

	begin();
	load_disk(&d);
	recording = 1;
	change();
	recording = 0;
	cut_after(&d, 0, check);
	for (i = 0; i < nlog; i++) {
		take(&d, &log_[i]);
		cut_after(&d, i + 1, check);
	}
	free_disk(&d);
}

/* --- the sealed file ------------------------------------------------- */

static void
put(uint64_t generation)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	struct snapshot s = snapshot_make(generation, 40);

	assert_int_equal(snapshot_write(root, &s, scratch, &b, NULL), 0);
	assert_true(b.len > 3 * 4096);
	assert_int_equal(seal_file_write(&place, b.data, b.len, &s.head,
	    NULL), 0);
	snapshot_clear(&s);
}

static void
put_old(void)
{
	put(4);
	put(5);
}

static void
put_new(void)
{
	put(6);
}

/* Old or new, and new once the write has said so. */
static void
check_file(const struct seal_place *p, const char *what, size_t n)
{
	struct seal_trust t = trust(node, 0);
	struct seal_loaded l;
	uint64_t g;

	assert_int_equal(seal_file_load(p, &t, &l, NULL), 0);
	g = l.snapshot.head.generation;
	if (l.state != SEAL_OK)
		fail_msg("%s: state %s: %s", what, seal_state_name(l.state),
		    str_or(l.problem, ""));
	if (g != 6 && (g != 5 || n == nlog))
		fail_msg("%s: generation %d", what, (int)g);
	seal_loaded_clear(&l);
}

static void
test_any_cut(void **state)
{
	(void)state;
	states = 0;
	cut_anywhere(put_old, put_new, check_file);
	print_message("%zu calls, %lu disks\n", nlog, states);
	assert_true(states > 100);
}

/* --- a rotation ------------------------------------------------------ */

/* The table opens, and with it the file. */
static void
check_rotation(const struct seal_place *p, const char *what, size_t n)
{
	cleanup_err struct err err = ERR_INIT;
	int rotating;
	enum seal_state got = rotation_load(p, &rotating, &err);

	if (got != SEAL_OK)
		fail_msg("%s: state %s: %s", what, seal_state_name(got),
		    err_msg(&err));
	if (n == nlog)
		assert_false(rotating);
}

static void
test_rotation_cut(void **state)
{
	(void)state;
	states = 0;
	cut_anywhere(rotation_begin, rotation_do, check_rotation);
	print_message("%zu calls, %lu disks\n", nlog, states);
	assert_true(states > 300);
	key_table_clear(&table);
}

#define T(t) cmocka_unit_test_setup_teardown(t, calls_setup, calls_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_any_cut),
		T(test_rotation_cut),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
