/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "seal/file.h"

#define TMP ".tmp"		/* behind the name that it will have */

/* --- writing ----------------------------------------------------------- */

static char *
temporary(const char *name)
{
	return (str_fmt(".%s" TMP, name));
}

/* A whole new file on the disk under a name that nobody reads. */
static int
write_new(int dir, const char *tmp, const void *data, size_t len,
    struct err *err)
{
	cleanup_close int fd = -1;

	if (unlinkat(dir, tmp, 0) == -1 && errno != ENOENT)
		return (err_sys(err, "%s", tmp));
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd == -1)
		return (err_sys(err, "%s", tmp));
	if (file_write_all(fd, data, len, err) == -1)
		return (err_wrap(err, "%s", tmp));
	/* Once: what a failed fsync has lost, a second one does not find. */
#ifndef WEAKEN_SEAL_FSYNC
	if (fsync(fd) == -1)
		return (err_sys(err, "%s: fsync", tmp));
#endif
	return (0);
}

static int
dir_sync(int dir, struct err *err)
{
#ifndef WEAKEN_SEAL_DIRSYNC
	if (fsync(dir) == -1)
		return (err_sys(err, "fsync of the directory"));
#else
	(void)dir;
	(void)err;
#endif
	return (0);
}

/* The present file becomes the one before, by a link: at no time is there
 * none. */
static int
keep_previous(int dir, struct err *err)
{
	cleanup_free char *tmp = temporary(SEAL_FILE_PREV);

	if (unlinkat(dir, tmp, 0) == -1 && errno != ENOENT)
		return (err_sys(err, "%s", tmp));
	if (linkat(dir, SEAL_FILE, dir, tmp, 0) == -1)
		return (errno == ENOENT ? 0 : err_sys(err, SEAL_FILE_PREV));
	if (renameat(dir, tmp, dir, SEAL_FILE_PREV) == -1)
		return (err_sys(err, SEAL_FILE_PREV));
	/* Two names of one file: then rename does nothing. */
	unlinkat(dir, tmp, 0);
	return (0);
}

static int
replace(int dir, const char *name, const void *data, size_t len, int keep,
    struct err *err)
{
	cleanup_free char *tmp = temporary(name);

#ifdef WEAKEN_SEAL_TORN
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC, 0600);

	(void)keep;
	return (fd == -1 ? err_sys(err, "%s", name) :
	    file_write_all(fd, data, len, err));
#endif
	if (write_new(dir, tmp, data, len, err) == -1 ||
	    (keep && keep_previous(dir, err) == -1)) {
		unlinkat(dir, tmp, 0);
		return (-1);
	}
	if (renameat(dir, tmp, dir, name) == -1) {
		err_sys(err, "%s", name);
		unlinkat(dir, tmp, 0);
		return (-1);
	}
	return (dir_sync(dir, err));
}

/* --- the witness ------------------------------------------------------- */

/* Two rows of one size, each whole in one sector: the older one is written
 * over, so that a write that tears leaves the other. */
#define ROW 256

struct row {
	char magic[8];
	uint8_t node[SNAPSHOT_ID_LEN];
	uint64_t generation;
	uint8_t sum[16];
};
_Static_assert(sizeof(struct row) <= ROW, "row");

static const char row_magic[8] = { 'N', 'S', 'W', 'I', 'T', 'N', 0, 1 };

static void
row_sum(const struct row *r, uint8_t *out)
{
	crypto_generichash(out, sizeof(r->sum), (const uint8_t *)r,
	    offsetof(struct row, sum), NULL, 0);
}

/* The row's generation of this node, 0 none; *ret_odd when it is neither a row
 * nor empty. */
static uint64_t
row_read(int fd, int i, const uint8_t *node, int *ret_odd)
{
	uint8_t sum[16];
	struct row r;
	ssize_t n = pread(fd, &r, sizeof(r), (off_t)i * ROW);

	if (n == 0)
		return (0);
	if (n == sizeof(r))
		row_sum(&r, sum);
	if (n != sizeof(r) || memcmp(r.magic, row_magic, 8) != 0 ||
	    memcmp(sum, r.sum, sizeof(sum)) != 0) {
		*ret_odd = 1;
		return (0);
	}
	return (memcmp(r.node, node, SNAPSHOT_ID_LEN) == 0 ? r.generation : 0);
}

static int
witness_write(int fd, const struct snapshot_head *h, struct err *err)
{
	struct row r = { .generation = h->generation };
	int odd = 0, at;

	if (fd == -1)
		return (0);
	at = row_read(fd, 0, h->node, &odd) > row_read(fd, 1, h->node, &odd);
	memcpy(r.magic, row_magic, sizeof(r.magic));
	memcpy(r.node, h->node, sizeof(r.node));
	row_sum(&r, r.sum);
	if (pwrite(fd, &r, sizeof(r), (off_t)at * ROW) != sizeof(r) ||
	    fdatasync(fd) == -1)
		return (err_sys(err, "witness"));
	return (0);
}

/* The highest generation that it knows of, 0 none; *ret_odd when no row of it
 * can be read although there is something. */
static uint64_t
witness_read(int fd, const uint8_t *node, int *ret_odd)
{
	uint64_t a, b;

	*ret_odd = 0;
	if (fd == -1)
		return (0);
	a = row_read(fd, 0, node, ret_odd);
	b = row_read(fd, 1, node, ret_odd);
	/* A torn row beside a whole one is what a power cut leaves. */
	if (a || b)
		*ret_odd = 0;
	return (a > b ? a : b);
}

int
seal_file_replace(int dir, const char *name, const void *data, size_t len,
    struct err *err)
{
	return (replace(dir, name, data, len, 0, err));
}

int
seal_file_write(const struct seal_place *p, const void *data, size_t len,
    const struct snapshot_head *head, struct err *err)
{
	if (replace(p->dir, SEAL_FILE, data, len, 1, err) == -1)
		return (err_wrap(err, "sealed file"));
	return (witness_write(p->witness, head, err));
}

/* --- reading ----------------------------------------------------------- */

const char *
seal_state_name(enum seal_state s)
{
	static const char *const names[] = { "ok", "empty", "partial",
		"foreign", "tampered", "rolled-back" };

	return (names[s]);
}

/* Whoever may write beside us may also put an older file there. */
static int
check_rights(int fd, const char *name, int is_dir, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return (err_sys(err, "%s", name));
	if (!is_dir && (!S_ISREG(st.st_mode) || st.st_size > SNAPSHOT_MAX))
		return (err_set(err, ERR_DENIED, "%s: no regular file of at "
		    "most %u bytes: move it away", name, SNAPSHOT_MAX));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return (err_set(err, ERR_DENIED, "%s: belongs to user %u: "
		    "chown it to %u", name, (unsigned)st.st_uid,
		    (unsigned)geteuid()));
	if (st.st_mode & (is_dir ? 022 : 077))
		return (err_set(err, ERR_DENIED, "%s: mode %03o lets others "
		    "in: chmod %s", name, (unsigned)st.st_mode & 0777,
		    is_dir ? "0700" : "0600"));
	return (0);
}

struct candidate {
	const char *name;
	int there, whole, by_before;
	struct err err;			/* why it is not whole */
	struct snapshot s;
	int64_t mtime;
	size_t bytes;
};

struct loader {
	const struct seal_place *p;
	const struct seal_trust *t;
	uint64_t known;		/* highest generation of any witness */
	struct seal_loaded *out;
};

static int
ours(const struct loader *l, const struct snapshot_head *h, struct err *err)
{
	if (memcmp(h->node, l->t->node, SNAPSHOT_ID_LEN) != 0)
		return (err_set(err, ERR_DENIED, "it is another node's"));
	if (memcmp(h->cluster, l->t->cluster, SNAPSHOT_ID_LEN) != 0)
		return (err_set(err, ERR_DENIED, "it is of another cluster"));
	return (0);
}

/* By the root key, or by the one before it. */
static int
open_it(const struct loader *l, struct candidate *c, const struct buf *b)
{
	const struct seal_trust *t = l->t;

	if (snapshot_read(t->root, b->data, b->len, t->scratch, &c->s,
	    &c->err) == 0)
		return (0);
	if (c->err.kind != ERR_DENIED || !t->before)
		return (-1);
	c->by_before = 1;
	err_clear(&c->err);
	return (snapshot_read(t->before, b->data, b->len, t->scratch, &c->s,
	    &c->err));
}

/* -1 only for what no other file makes good. */
static int
look(struct loader *l, struct candidate *c, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	cleanup_close int fd = openat(l->p->dir, c->name, O_RDONLY |
	    O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd == -1 && errno == ENOENT)
		return (0);
	if (fd == -1)
		return (err_sys(err, "%s", c->name));
	if (check_rights(fd, c->name, 0, err) == -1)
		return (-1);
	c->there = 1;
	if (fstat(fd, &st) == 0)
		c->mtime = st.st_mtim.tv_sec * 1000ll;
	if (file_read_fd(fd, &b, &c->err) == -1)
		return (0);
	c->bytes = b.len;
	if (open_it(l, c, &b) == -1)
		return (0);
	if (ours(l, &c->s.head, &c->err) == -1)
		snapshot_clear(&c->s);
	else
		c->whole = 1;
	return (0);
}

static void
say(struct seal_loaded *out, enum seal_state state, char *problem)
{
	out->state = state;
	free(out->problem);
	out->problem = problem;
}

static void
quarantine(const struct loader *l, const char *name)
{
	renameat(l->p->dir, name, l->p->dir, SEAL_FILE_QUARANTINE);
	fsync(l->p->dir);
}

static void
take(struct seal_loaded *out, struct candidate *c)
{
	out->snapshot = c->s;
	memset(&c->s, 0, sizeof(c->s));
	out->sealed_at = c->mtime;
	out->bytes = c->bytes;
	out->by_before = c->by_before;
}

/* Why it is an old one, the caller's; NULL when it is not. */
static char *
older(const struct loader *l, const struct candidate *c, unsigned allow)
{
	const struct snapshot_head *h = &c->s.head;
	const struct seal_trust *t = l->t;

	(void)t;
#ifndef WEAKEN_SEAL_GENERATION
	if (h->generation + allow < l->known)
		return (str_fmt("generation %" PRIu64 " came back, %" PRIu64
		    " is known to exist", h->generation, l->known));
#endif
#ifndef WEAKEN_TPM_COUNTER
	if (t->counted && h->counter + allow < t->counter)
		return (str_fmt("it is older than the TPM's counter knows "
		    "(%" PRIu64 ", and that one says %" PRIu64 ")",
		    h->counter, t->counter));
#endif
#ifndef WEAKEN_SEAL_EPOCH
	if (h->epoch + allow < t->min_epoch)
		return (str_fmt("it is of key epoch %u, and that ended with "
		    "%u", h->epoch, t->min_epoch));
#endif
	return (NULL);
}

static void
judge_whole(struct loader *l, struct candidate *c)
{
	cleanup_free char *why = older(l, c, 0);

	if (!why) {
		take(l->out, c);
		say(l->out, SEAL_OK, NULL);
		return;
	}
	say(l->out, SEAL_ROLLED_BACK, str_fmt("%s: %s: kept aside as %s",
	    c->name, why, SEAL_FILE_QUARANTINE));
	quarantine(l, c->name);
}

static void
judge_damaged(struct loader *l, struct candidate *c, struct candidate *prev)
{
	const char *why = err_msg(&c->err);
	cleanup_free char *old = prev->whole ? older(l, prev, 1) : NULL;

	if (c->err.kind == ERR_DENIED || c->err.kind == ERR_INVALID) {
		say(l->out, SEAL_FOREIGN, str_fmt("%s: %s: kept aside as %s",
		    c->name, why, SEAL_FILE_QUARANTINE));
	} else if (prev->whole && !old) {
		take(l->out, prev);
		say(l->out, SEAL_PARTIAL, str_fmt("%s: %s: the one before it "
		    "is served, the damaged one kept aside as %s", c->name,
		    why, SEAL_FILE_QUARANTINE));
	} else
		say(l->out, SEAL_TAMPERED, str_fmt("%s: %s: kept aside as %s",
		    c->name, why, SEAL_FILE_QUARANTINE));
	quarantine(l, c->name);
}

static void
judge(struct loader *l, struct candidate *c, struct candidate *prev)
{
	if (c->whole)
		judge_whole(l, c);
	else if (c->there)
		judge_damaged(l, c, prev);
	else if (l->known)
		say(l->out, SEAL_ROLLED_BACK, str_fmt("%s is gone, generation "
		    "%" PRIu64 " is known to exist", c->name, l->known));
	else
		say(l->out, SEAL_EMPTY, NULL);
}

static void
leftovers(const struct seal_place *p)
{
	static const char *const names[] = { SEAL_FILE, SEAL_FILE_PREV };
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		cleanup_free char *tmp = temporary(names[i]);

		unlinkat(p->dir, tmp, 0);
	}
}

static uint64_t
highest(uint64_t known, const struct candidate *c)
{
	return (c->whole && c->s.head.generation > known ?
	    c->s.head.generation : known);
}

int
seal_file_load(const struct seal_place *p, const struct seal_trust *trust,
    struct seal_loaded *ret, struct err *err)
{
	struct candidate c = { .name = SEAL_FILE };
	struct candidate prev = { .name = SEAL_FILE_PREV };
	struct loader l = { p, trust, trust->min_generation, ret };
	uint64_t known;
	int rc, odd;

	memset(ret, 0, sizeof(*ret));
	if (check_rights(p->dir, "the state directory", 1, err) == -1)
		return (-1);
	leftovers(p);
	known = witness_read(p->witness, trust->node, &odd);
	if (known > l.known)
		l.known = known;
	rc = look(&l, &c, err);
	if (rc == 0 && !c.whole)
		rc = look(&l, &prev, err);
	if (rc == 0) {
		ret->generation = highest(highest(l.known, &c), &prev);
		judge(&l, &c, &prev);
		if (!ret->problem && odd)
			ret->problem = str_dup("the witness cannot be read: "
			    "an older file would not be noticed");
	}
	snapshot_clear(&c.s);
	snapshot_clear(&prev.s);
	err_clear(&c.err);
	err_clear(&prev.err);
	return (rc);
}

void
seal_loaded_clear(struct seal_loaded *l)
{
	snapshot_clear(&l->snapshot);
	free(STEAL(l->problem));
}
