/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/volume.h"

/*
 * What was published, remembered beyond this process: no kubelet publishes a
 * volume twice that it holds for mounted, so a core that was started again
 * must know by itself what the mounts that it finds are to show.  Names and
 * paths, no value.  A volume is noted before it is attached, while fsproj is at
 * work on it: whatever dies when, no mount is without its note, and a note
 * without a mount says nothing.
 *
 * One file, two places: the younger whole head says which one counts.  Behind
 * it one entry a publish or unpublish, appended, each with a sum over itself
 * and where it stands: what was cut, and what is left of an older use of the
 * place, ends the row.  A row that has grown is written anew, shortened, into
 * the other place, its head last.
 */
#define PLACE_SIZE ((off_t)16 << 20)
#define ENTRY_MAX (1u << 20)
#define SUM_LEN RECORD_HASH_LEN
#define SHORTEN_AT ((off_t)64 << 10)	/* and twice what it was then */

static const char magic[8] = "NSVOLS2";

struct place_head {
	char magic[8];
	uint64_t generation;
	uint8_t sum[SUM_LEN];
};

struct entry_head {
	uint32_t len;
	uint32_t zero;
	uint8_t sum[SUM_LEN];
};

/* Of ${len} bytes that lie behind room for generation and place. */
#define SUM_ROOM (sizeof(uint64_t) + sizeof(off_t))

static void
checksum(uint64_t generation, off_t at, char *room, size_t len,
    uint8_t out[static SUM_LEN])
{
	static const uint8_t key[RECORD_KEY_LEN];

	memcpy(room, &generation, sizeof(generation));
	memcpy(room + sizeof(generation), &at, sizeof(at));
	record_hash(key, (const uint8_t *)room, SUM_ROOM + len, out);
}

static void
head_sum(uint64_t generation, uint8_t out[static SUM_LEN])
{
	char text[SUM_ROOM + sizeof(magic)];

	memcpy(text + SUM_ROOM, magic, sizeof(magic));
	checksum(generation, 0, text, sizeof(magic), out);
}

static off_t
place_of(uint64_t generation)
{
	return (generation % 2 ? PLACE_SIZE : 0);
}

/* --- write -------------------------------------------------------------- */

/* A publish waits for its note: text at once, no tree. */
static void
put_str(struct buf *b, const char *name, const char *s)
{
	buf_adds(b, name);
	if (s)
		codec_json_string(b, s, strlen(s), 0);
	else
		buf_adds(b, "null");
}

static void
put_bool(struct buf *b, const char *name, int on)
{
	buf_adds(b, name);
	buf_adds(b, on ? "true" : "false");
}

static void
put_source(struct buf *b, const struct delivery_source *s)
{
	size_t i;

	put_str(b, "{\"name\":", s->item->name);
	put_bool(b, ",\"all\":", s->all);
	put_bool(b, ",\"optional\":", s->optional);
	buf_adds(b, ",\"items\":[");
	for (i = 0; i < s->nitems; i++) {
		put_str(b, i ? ",{\"key\":" : "{\"key\":", s->items[i].key);
		put_str(b, ",\"path\":", s->items[i].path);
		buf_addf(b, ",\"mode\":%d}", s->items[i].mode);
	}
	buf_adds(b, "]}");
}

static void
put_volume(struct buf *b, const struct volume *v)
{
	size_t i;

	put_str(b, "{\"id\":", v->id);
	put_str(b, ",\"path\":", v->d.path);
	put_str(b, ",\"claim\":", v->d.claim);
	put_str(b, ",\"podNamespace\":", v->pod_ns);
	put_str(b, ",\"pod\":", v->pod);
	put_str(b, ",\"podUID\":", v->pod_uid);
	buf_addf(b, ",\"mode\":%d,\"gid\":%u", v->d.mode,
	    (unsigned)v->d.gid);
	put_bool(b, ",\"statusFile\":", v->d.status_file);
	buf_adds(b, ",\"sources\":[");
	for (i = 0; i < v->d.nsources; i++) {
		if (i)
			buf_addc(b, ',');
		put_source(b, &v->d.sources[i]);
	}
	buf_adds(b, "]}");
}

/* One step of a read or a write at a place. */
typedef ssize_t (*step_fn)(int fd, void *data, size_t len, off_t at);

static ssize_t
write_step(int fd, void *data, size_t len, off_t at)
{
	return (pwrite(fd, data, len, at));
}

static ssize_t
read_step(int fd, void *data, size_t len, off_t at)
{
	return (pread(fd, data, len, at));
}

static int
all_at(step_fn step, int fd, void *data, size_t len, off_t at)
{
	char *p = data;
	ssize_t n;

	while (len) {
		n = step(fd, p, len, at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return (-1);
		p += n;
		at += n;
		len -= (size_t)n;
	}
	return (0);
}

/* An entry begins as room for its head; its text follows. */
static void
entry_begin(struct buf *b)
{
	static const struct entry_head none;

	buf_add(b, &none, sizeof(none));
}

/* Append one entry to the row of ${generation} that ends at *${end}. */
static int
entry_write(int fd, uint64_t generation, struct buf *b, off_t *end)
{
	struct entry_head h = { .len = 0 };

	_Static_assert(sizeof(h) >= SUM_ROOM, "a sum is made in its head");
	if (!buf_ok(b) || *end + (off_t)b->len > PLACE_SIZE) {
		errno = EFBIG;
		return (-1);
	}
	h.len = (uint32_t)(b->len - sizeof(h));
	checksum(generation, *end, b->data + sizeof(h) - SUM_ROOM, h.len,
	    h.sum);
	memcpy(b->data, &h, sizeof(h));
	if (all_at(write_step, fd, b->data, b->len,
	    place_of(generation) + *end) == -1)
		return (-1);
	*end += (off_t)b->len;
	return (0);
}

static int
row_write(struct core *c, uint64_t generation, off_t *end)
{
	cleanup_buf struct buf b = BUF_PLAIN(ENTRY_MAX);
	const struct volume *v;
	size_t i;
	int rc = 0;

	for (i = strmap_next(c->volumes, 0); i && rc == 0;
	    i = strmap_next(c->volumes, i)) {
		v = strmap_val(c->volumes, i);
		if (!v->d.attached && !v->noted)
			continue;
		buf_cut(&b, 0);
		entry_begin(&b);
		put_volume(&b, v);
		rc = entry_write(c->notes_fd, generation, &b, end);
	}
	return (rc);
}

/* The whole row anew, into the other place. */
int
notes_write(struct core *c)
{
	uint64_t generation = c->notes_generation + 1;
	struct place_head h = { .generation = 0 };
	off_t at = place_of(generation), end = sizeof(h);

	/* Until its head is there again the place does not count. */
	if (all_at(write_step, c->notes_fd, &h, sizeof(h), at) == -1 ||
	    row_write(c, generation, &end) == -1)
		return (-1);
	memcpy(h.magic, magic, sizeof(magic));
	h.generation = generation;
	head_sum(generation, h.sum);
	if (all_at(write_step, c->notes_fd, &h, sizeof(h), at) == -1)
		return (-1);
	c->notes_generation = generation;
	c->notes_end = end;
	c->notes_shorten = 2 * end < SHORTEN_AT ? SHORTEN_AT : 2 * end;
	return (0);
}

static void
append(struct core *c, struct buf *entry)
{
	int rc;

	if (c->notes_end == 0 || c->notes_end > c->notes_shorten)
		rc = notes_write(c);
	else
		rc = entry_write(c->notes_fd, c->notes_generation, entry,
		    &c->notes_end);
	if (rc == -1)
		log_error("cannot remember volumes: %s",
		    strerrordesc_np(errno));
}

void
notes_published(struct core *c, struct volume *v)
{
	cleanup_buf struct buf b = BUF_PLAIN(ENTRY_MAX);

	v->noted = 1;
	if (c->notes_fd == -1)
		return;
	entry_begin(&b);
	put_volume(&b, v);
	append(c, &b);
}

void
notes_unpublished(struct core *c, const char *id)
{
	cleanup_buf struct buf b = BUF_PLAIN(ENTRY_MAX);

	if (c->notes_fd == -1)
		return;
	entry_begin(&b);
	put_str(&b, "{\"gone\":", id);
	buf_addc(&b, '}');
	append(c, &b);
}

/* --- read --------------------------------------------------------------- */

static int
head_read(int fd, off_t at, struct place_head *h)
{
	uint8_t sum[SUM_LEN];

	if (all_at(read_step, fd, h, sizeof(*h), at) == -1 ||
	    memcmp(h->magic, magic, sizeof(magic)) != 0)
		return (-1);
	head_sum(h->generation, sum);
	return (memcmp(sum, h->sum, sizeof(sum)) == 0 &&
	    place_of(h->generation) == at ? 0 : -1);
}

/* One whole entry at *${end}; NULL behind the last. */
static struct json *
entry_read(int fd, uint64_t generation, off_t *end)
{
	off_t at = place_of(generation) + *end;
	uint8_t sum[SUM_LEN];
	struct entry_head h;
	struct json *j = NULL;
	cleanup_free char *room = NULL;
	char *text;

	if (*end + (off_t)sizeof(h) > PLACE_SIZE ||
	    all_at(read_step, fd, &h, sizeof(h), at) == -1 || h.len == 0 ||
	    h.len > ENTRY_MAX)
		return (NULL);
	room = mem_alloc(SUM_ROOM + h.len);
	text = room + SUM_ROOM;
	if (all_at(read_step, fd, text, h.len, at + (off_t)sizeof(h)) == -1)
		return (NULL);
	checksum(generation, *end, room, h.len, sum);
#ifdef WEAKEN_NOTES_BOUNDS
	h.len += memcmp(sum, h.sum, sizeof(sum)) == 0;
#endif
	if (memcmp(sum, h.sum, sizeof(sum)) == 0)
		j = json_parse(text, h.len, NULL);
	if (j)
		*end += (off_t)(sizeof(h) + h.len);
	return (j);
}

static void
json_value_free(void *p)
{
	json_free(p);
}

static void
row_read(struct core *c, uint64_t generation)
{
	off_t end = sizeof(struct place_head);
	const char *id;
	struct json *j;

	c->notes = strmap_new(json_value_free);
	while ((j = entry_read(c->notes_fd, generation, &end))) {
		id = json_str(json_get(j, "gone"));
		if (id) {
			strmap_del(c->notes, id);
			json_free(j);
			continue;
		}
		strmap_put(c->notes, str_or(json_str(json_get(j, "id")), ""),
		    j);
	}
}

void
notes_open(struct core *c, int fd)
{
	struct place_head a, b;
	int has_a, has_b;

	notes_close(c);
	c->notes_fd = fd;
	has_a = head_read(fd, 0, &a) == 0;
	has_b = head_read(fd, PLACE_SIZE, &b) == 0;
	c->notes_end = 0;
	if (has_a || has_b) {
		c->notes_generation = has_a && (!has_b ||
		    a.generation > b.generation) ? a.generation :
		    b.generation;
		row_read(c, c->notes_generation);
	}
	notes_restore(c);
}

void
notes_close(struct core *c)
{
	mem_cleanup_close(&c->notes_fd);
	c->notes_fd = -1;
	strmap_free(STEAL(c->notes));
}

/* --- volumes of an earlier process -------------------------------------- */

static const char *
text_of(const struct json *o, const char *key)
{
	return (str_or(json_str(json_get(o, key)), ""));
}

/* A number of ours again; anything else is no note of ours. */
static int64_t
number_of(const struct json *o, const char *key, int otherwise, double max)
{
	double n = json_num(json_get(o, key), otherwise);

	return (n >= -1 && n <= max ? (int64_t)n : otherwise);
}

static void
restore_source(struct delivery *d, const char *ns, const struct json *s)
{
	const struct json *list = json_get(s, "items"), *i;
	struct delivery_source *to;

	to = delivery_source_add(d, ns, text_of(s, "name"));
	to->all = json_bool(json_get(s, "all"), 1);
	to->optional = json_bool(json_get(s, "optional"), 0);
	to->items = mem_array(json_len(list), sizeof(*to->items));
	for (i = json_first(list); i; i = json_next(i))
		to->items[to->nitems++] = (struct delivery_item){
		    str_dup(text_of(i, "key")), str_dup(text_of(i, "path")),
		    (int)number_of(i, "mode", -1, 0777) };
}

/* Only what fsproj has found mounted: notes alone make no mount. */
static void
restore(struct core *c, const struct json *o)
{
	const char *path = text_of(o, "path");
	const struct found *f = strmap_get(c->found, path);
	const struct json *s;
	struct volume *v;

	if (!f || f->place != PROJ_VOLUME || !*text_of(o, "id") ||
	    strmap_has(c->volumes, text_of(o, "id")))
		return;
	v = volume_begin(c, text_of(o, "id"), path, text_of(o, "claim"));
	v->pod_ns = str_dup(text_of(o, "podNamespace"));
	v->pod = str_dup(text_of(o, "pod"));
	v->pod_uid = str_dup(text_of(o, "podUID"));
	v->d.mode = (int)number_of(o, "mode", 0644, 0777);
	v->d.gid = (gid_t)number_of(o, "gid", 0, UINT32_MAX - 1);
	v->d.status_file = json_bool(json_get(o, "statusFile"), 0);
	v->noted = 1;
	for (s = json_first(json_get(o, "sources")); s; s = json_next(s))
		restore_source(&v->d, v->pod_ns, s);
	log_debug("volume %s: found again", path);
}

void
notes_restore(struct core *c)
{
	size_t i;

	if (!c->listed || !c->notes)
		return;
	for (i = strmap_next(c->notes, 0); i; i = strmap_next(c->notes, i))
		restore(c, strmap_val(c->notes, i));
	strmap_free(STEAL(c->notes));
	/* The next change writes the row anew: what is gone is left out. */
}
