/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "value/tmpl_zone.h"
#include "value/tmpl_zone_rule.h"

#define FILE_MAX (256 * 1024)
#define KEPT_MAX 16

struct zone {
	const char *name;
	size_t n;
	int64_t offset;
	int dst;
};

struct change {
	int64_t when;
	uint8_t zone;
};

struct location {
	const char *name;
	size_t n;
	const struct zone *zones;	/* none: UTC */
	size_t nzones;
	const struct change *changes;
	size_t nchanges;
	const char *rule;	/* "CET-1CEST,M3.5.0,M10.5.0/3", or "" */
	char *file;
};

const struct location zone_utc = { .name = "UTC", .n = 3 };

const char *
zone_name(const struct location *l, size_t *ret_n)
{
	*ret_n = l->n;
	return (l->name);
}

int
zone_equal(const struct location *a, const struct location *b)
{
	if (a == b)
		return (1);
	return (a->nzones == 1 && b->nzones == 1 && a->n == b->n &&
	    a->zones[0].offset == b->zones[0].offset &&
	    memcmp(a->name, b->name, a->n) == 0);
}

/* --- looking up --------------------------------------------------------- */

/* lookupFirstZone: what holds before the first change. */
static const struct zone *
first_zone(const struct location *l)
{
	size_t i;
	int used = 0;

	for (i = 0; i < l->nchanges && !used; i++)
		used = l->changes[i].zone == 0;
	if (!used)
		return (&l->zones[0]);
	if (l->nchanges > 0 && l->zones[l->changes[0].zone].dst)
		for (i = l->changes[0].zone; i > 0; i--)
			if (!l->zones[i - 1].dst)
				return (&l->zones[i - 1]);
	for (i = 0; i < l->nzones; i++)
		if (!l->zones[i].dst)
			return (&l->zones[i]);
	return (&l->zones[0]);
}

static void
at_zone(const struct zone *z, int64_t start, int64_t end, struct zone_at *ret)
{
	*ret = (struct zone_at){ z->name, z->n, z->offset, start, end,
		z->dst };
}

void
zone_lookup(const struct location *l, int64_t sec, struct zone_at *ret)
{
	size_t lo = 0, hi = l->nchanges, mid;
	int64_t end = INT64_MAX;

	if (l->nzones == 0) {
		*ret = (struct zone_at){ "UTC", 3, 0, INT64_MIN, INT64_MAX,
			0 };
		return;
	}
	if (hi == 0 || sec < l->changes[0].when) {
		at_zone(first_zone(l), INT64_MIN,
		    hi > 0 ? l->changes[0].when : INT64_MAX, ret);
		return;
	}
	while (hi - lo > 1) {
		mid = (lo + hi) / 2;
		if (sec < l->changes[mid].when) {
			end = l->changes[mid].when;
			hi = mid;
		} else {
			lo = mid;
		}
	}
	if (lo == l->nchanges - 1 && *l->rule != '\0' &&
	    zone_rule(l->rule, l->changes[lo].when, sec, ret) == 0)
		return;
	at_zone(&l->zones[l->changes[lo].zone], l->changes[lo].when, end,
	    ret);
}

int
zone_lookup_name(const struct location *l, const char *name, size_t n,
    int64_t unix_sec, int64_t *ret_offset)
{
	struct zone_at at;
	size_t i, found = l->nzones;

	for (i = l->nzones; i > 0; i--) {
		const struct zone *z = &l->zones[i - 1];

		if (z->n != n || memcmp(z->name, name, n) != 0)
			continue;
		found = i - 1;
	}
	for (i = found; i < l->nzones; i++) {
		const struct zone *z = &l->zones[i];

		if (z->n != n || memcmp(z->name, name, n) != 0)
			continue;
		zone_lookup(l, unix_sec - z->offset, &at);
		if (at.n == n && memcmp(at.name, name, n) == 0) {
			*ret_offset = at.offset;
			return (1);
		}
	}
	if (found == l->nzones)
		return (0);
	*ret_offset = l->zones[found].offset;
	return (1);
}

/* --- making ------------------------------------------------------------- */

int
zone_fixed(struct tmpl_run *run, const char *name, size_t n, int64_t offset,
    const struct location **ret, struct err *err)
{
	struct {
		struct location l;
		struct zone zone;
		struct change change;
	} *f;

	if ((f = tmpl_alloc(run, sizeof(*f), err)) == NULL)
		return (-1);
	f->zone = (struct zone){ name, n, offset, 0 };
	f->change.when = INT64_MIN;
	f->l = (struct location){ .name = name, .n = n, .zones = &f->zone,
		.nzones = 1, .changes = &f->change, .nchanges = 1,
		.rule = "" };
	*ret = &f->l;
	return (0);
}

/* A file as it is read: p moves, and is NULL once it ran out. */
struct reader {
	const unsigned char *p;
	size_t n;
};

static const unsigned char *
take(struct reader *r, size_t n)
{
	const unsigned char *at = r->p;

	if (at == NULL || n > r->n) {
		r->p = NULL;
		r->n = 0;
		return (NULL);
	}
	r->p += n;
	r->n -= n;
	return (at);
}

static int64_t
big(const unsigned char *p, size_t size)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < size; i++)
		v = v << 8 | p[i];
	return (size == 4 ? (int32_t)v : (int64_t)v);
}

/* The counts of a header, in its order. */
enum { N_UTC, N_STD, N_LEAP, N_TIME, N_ZONE, N_CHAR, N_COUNTS };

static int
read_counts(struct reader *r, size_t *n)
{
	const unsigned char *p = take(r, 4 * N_COUNTS);
	int64_t v;
	int i;

	for (i = 0; p != NULL && i < N_COUNTS; i++) {
		v = big(p + 4 * i, 4);
		if (v < 0 || v > FILE_MAX)
			return (-1);
		n[i] = (size_t)v;
	}
	return (p == NULL ? -1 : 0);
}

/* Leaves the reader at the body to use and gives the size of its times: of a
 * file with two bodies the second, which has 64 bits. */
static size_t
read_header(struct reader *r, size_t *n)
{
	const unsigned char *p = take(r, 20);
	char version;

	if (p == NULL || memcmp(p, "TZif", 4) != 0)
		return (0);
	version = (char)p[4];
	if ((version != '\0' && version != '2' && version != '3') ||
	    read_counts(r, n) == -1)
		return (0);
	if (version == '\0')
		return (4);
	take(r, n[N_TIME] * 5 + n[N_ZONE] * 6 + n[N_CHAR] + n[N_LEAP] * 8 +
	    n[N_STD] + n[N_UTC] + 20);
	return (read_counts(r, n) == -1 ? 0 : 8);
}

static int
fill_zones(struct location *l, const unsigned char *p, size_t count,
    const unsigned char *names, size_t nnames)
{
	struct zone *z = mem_array(count, sizeof(*z));
	size_t i;

	l->zones = z;
	l->nzones = count;
	for (i = 0; i < count; i++, p += 6) {
		if (p[5] >= nnames)
			return (-1);
		z[i].offset = big(p, 4);
		z[i].dst = p[4] != 0;
		z[i].name = (const char *)names + p[5];
		z[i].n = strnlen(z[i].name, nnames - p[5]);
	}
	return (0);
}

static int
fill_changes(struct location *l, const unsigned char *times, size_t size,
    const unsigned char *zones, size_t count)
{
	struct change *c = mem_array(count + 1, sizeof(*c));
	size_t i;

	l->changes = c;
	l->nchanges = count > 0 ? count : 1;
	c[0].when = INT64_MIN;
	for (i = 0; i < count; i++) {
		if (zones[i] >= l->nzones)
			return (-1);
		c[i].when = big(times + i * size, size);
		c[i].zone = zones[i];
	}
	return (0);
}

/* LoadLocationFromTZData; the file is NUL-terminated and belongs to ${l}. */
static int
parse(struct location *l, size_t len)
{
	struct reader r = { (const unsigned char *)l->file, len };
	const unsigned char *times, *index, *zones, *names;
	size_t n[N_COUNTS], size = read_header(&r, n);

	if (size == 0)
		return (-1);
	times = take(&r, n[N_TIME] * size);
	index = take(&r, n[N_TIME]);
	zones = take(&r, n[N_ZONE] * 6);
	names = take(&r, n[N_CHAR]);
	take(&r, n[N_LEAP] * (size + 4) + n[N_STD] + n[N_UTC]);
	if (r.p == NULL || n[N_ZONE] == 0)
		return (-1);
	l->rule = "";
	if (r.n > 2 && r.p[0] == '\n' && r.p[r.n - 1] == '\n') {
		l->file[len - 1] = '\0';
		l->rule = (const char *)r.p + 1;
	}
	if (fill_zones(l, zones, n[N_ZONE], names, n[N_CHAR]) == -1)
		return (-1);
	return (fill_changes(l, times, size, index, n[N_TIME]));
}

/* --- files -------------------------------------------------------------- */

static void
location_free(struct location *l)
{
	if (l == NULL)
		return;
	free((void *)(uintptr_t)l->zones);
	free((void *)(uintptr_t)l->changes);
	free((void *)(uintptr_t)l->name);
	free(l->file);
	free(l);
}

/* The whole file, or -1. */
static int
read_file(const char *name, struct buf *out)
{
	cleanup_close int dir = open("/usr/share/zoneinfo",
	    O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = dir == -1 ? -1 : openat(dir, name,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = 1;
	char *at;

	while (fd != -1 && n > 0) {
		if ((at = buf_space(out, 4096)) == NULL)
			return (-1);
		if ((n = read(fd, at, 4096)) > 0) {
			out->len += (size_t)n;
			out->data[out->len] = '\0';
		}
	}
	return (fd == -1 || n == -1 ? -1 : 0);
}

static struct location *
load(const char *name, size_t n)
{
	cleanup_buf struct buf file = BUF_PLAIN(FILE_MAX);
	struct location *l;
	size_t len;

	if (n > 255 || memchr(name, '\0', n) != NULL)
		return (NULL);
	l = mem_alloc(sizeof(*l));
	l->name = str_ndup(name, n);
	l->n = n;
	if (read_file(l->name, &file) == -1 || file.len == 0) {
		location_free(l);
		return (NULL);
	}
	len = file.len;
	l->file = buf_take(&file);
	if (parse(l, len) == -1) {
		location_free(l);
		return (NULL);
	}
	return (l);
}

const struct location *
zone_load(const char *name, size_t n)
{
	static struct location *kept[KEPT_MAX];
	static size_t next;
	struct location *l;
	size_t i;

	if (n == 0 || (n == 3 && memcmp(name, "UTC", 3) == 0) ||
	    (n == 5 && memcmp(name, "Local", 5) == 0))
		return (&zone_utc);
	if (name[0] == '/' || name[0] == '\\' ||
	    memmem(name, n, "..", 2) != NULL)
		return (&zone_utc);
	for (i = 0; i < KEPT_MAX; i++)
		if (kept[i] != NULL && kept[i]->n == n &&
		    memcmp(kept[i]->name, name, n) == 0)
			return (kept[i]);
	if ((l = load(name, n)) == NULL)
		return (&zone_utc);
	i = next++ % KEPT_MAX;
	location_free(kept[i]);
	kept[i] = l;
	return (l);
}
