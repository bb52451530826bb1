/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/volume.h"

/*
 * What was published, remembered beyond this process: no kubelet publishes a
 * volume twice that it holds for mounted, so a core that was started again
 * must know by itself what the mounts that it finds are to show.  Names and
 * paths, no value.
 *
 * Two places in one file, written in turns; each whole place has a checksum, and
 * the younger whole one counts.  A write that was cut leaves the other.
 */
#define PLACE_SIZE ((off_t)8 << 20)
#define TEXT_MAX ((size_t)PLACE_SIZE - sizeof(struct place_head))

struct place_head {
	char magic[8];
	uint64_t generation;
	uint64_t len;
	uint8_t sum[RECORD_HASH_LEN];	/* over the rest, this field zero */
};

static const char magic[8] = "NSVOLS1";

static void
checksum(const struct place_head *h, const char *text,
    uint8_t out[static RECORD_HASH_LEN])
{
	static const uint8_t key[RECORD_KEY_LEN];
	cleanup_buf struct buf b = BUF_PLAIN(2 * PLACE_SIZE);
	struct place_head clear = *h;

	memset(clear.sum, 0, sizeof(clear.sum));
	buf_add(&b, &clear, sizeof(clear));
	buf_add(&b, text, h->len);
	record_hash(key, (const uint8_t *)b.data, b.len, out);
}

/* --- write -------------------------------------------------------------------------- */

static struct json *
items_json(const struct delivery_source *s)
{
	struct json *list = json_new_array(), *o;
	size_t i;

	for (i = 0; i < s->nitems; i++) {
		o = json_new_object();
		json_set_str(o, "key", s->items[i].key);
		json_set_str(o, "path", s->items[i].path);
		json_set_num(o, "mode", s->items[i].mode);
		json_push(list, o);
	}
	return (list);
}

static struct json *
volume_json(const struct volume *v)
{
	struct json *o = json_new_object(), *list = json_new_array(), *s;
	size_t i;

	json_set_str(o, "id", v->id);
	json_set_str(o, "path", v->d.path);
	json_set_str(o, "claim", v->d.claim);
	json_set_str(o, "podNamespace", v->pod_ns);
	json_set_str(o, "pod", v->pod);
	json_set_str(o, "podUID", v->pod_uid);
	json_set_num(o, "mode", v->d.mode);
	json_set_num(o, "gid", v->d.gid);
	json_set_bool(o, "statusFile", v->d.status_file);
	for (i = 0; i < v->d.nsources; i++) {
		s = json_new_object();
		json_set_str(s, "name", v->d.sources[i].item->name);
		json_set_bool(s, "all", v->d.sources[i].all);
		json_set_bool(s, "optional", v->d.sources[i].optional);
		json_set(s, "items", items_json(&v->d.sources[i]));
		json_push(list, s);
	}
	json_set(o, "sources", list);
	return (o);
}

static void
notes_text(const struct core *c, struct buf *out)
{
	cleanup_json struct json *list = json_new_array();
	const struct volume *v;
	size_t i;

	for (i = strmap_next(c->volumes, 0); i;
	    i = strmap_next(c->volumes, i)) {
		v = strmap_val(c->volumes, i);
		if (v->d.attached)
			json_push(list, volume_json(v));
	}
	json_print(list, out, 0);
}

static int
write_at(int fd, const void *data, size_t len, off_t at)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = pwrite(fd, p, len, at);
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

void
notes_write(struct core *c)
{
	cleanup_buf struct buf text = BUF_PLAIN(TEXT_MAX);
	struct place_head h = { .generation = c->notes_generation + 1 };
	off_t at = h.generation % 2 ? PLACE_SIZE : 0;

	if (c->notes_fd == -1)
		return;
	notes_text(c, &text);
	if (!buf_ok(&text)) {
		log_error("too many volumes to remember them");
		return;
	}
	memcpy(h.magic, magic, sizeof(magic));
	h.len = text.len;
	checksum(&h, text.data, h.sum);
	if (write_at(c->notes_fd, text.data, text.len,
	    at + (off_t)sizeof(h)) == -1 ||
	    write_at(c->notes_fd, &h, sizeof(h), at) == -1)
		log_error("cannot remember volumes: %s",
		    strerrordesc_np(errno));
	else
		c->notes_generation = h.generation;
}

static void
on_notes(void *arg)
{
	notes_write(arg);
}

void
notes_change(struct core *c)
{
	if (c->notes_fd != -1 && !c->notes_due.pos)
		schedule_in(c->schedule, &c->notes_due, 0);
}

/* --- read ----------------------------------------------------------------------------- */

static int
read_at(int fd, void *data, size_t len, off_t at)
{
	char *p = data;
	ssize_t n;

	while (len) {
		n = pread(fd, p, len, at);
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

/* The text of a whole place (the caller's), or NULL. */
static char *
place_read(int fd, off_t at, struct place_head *h)
{
	uint8_t sum[RECORD_HASH_LEN];
	char *text;

	if (read_at(fd, h, sizeof(*h), at) == -1 ||
	    memcmp(h->magic, magic, sizeof(magic)) != 0 || h->len > TEXT_MAX)
		return (NULL);
	text = mem_alloc(h->len + 1);
	if (read_at(fd, text, h->len, at + (off_t)sizeof(*h)) == 0) {
		checksum(h, text, sum);
		if (memcmp(sum, h->sum, sizeof(sum)) == 0)
			return (text);
	}
	free(text);
	return (NULL);
}

void
notes_open(struct core *c, int fd)
{
	struct place_head h[2] = { { .generation = 0 }, { .generation = 0 } };
	char *text[2];
	int young;

	notes_close(c);
	c->notes_fd = fd;
	text[0] = place_read(fd, 0, &h[0]);
	text[1] = place_read(fd, PLACE_SIZE, &h[1]);
	young = !text[0] || (text[1] && h[1].generation > h[0].generation);
	if (text[young]) {
		c->notes_generation = h[young].generation;
		c->notes = json_parse(text[young], h[young].len, NULL);
	}
	free(text[0]);
	free(text[1]);
	notes_restore(c);
}

void
notes_close(struct core *c)
{
	mem_cleanup_close(&c->notes_fd);
	c->notes_fd = -1;
	json_free(STEAL(c->notes));
}

/* --- volumes of an earlier process ------------------------------------------------------- */

static const char *
text_of(const struct json *o, const char *key)
{
	return (str_or(json_str(json_get(o, key)), ""));
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
		    (int)json_num(json_get(i, "mode"), -1) };
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
	v->d.mode = (int)json_num(json_get(o, "mode"), 0644);
	v->d.gid = (gid_t)json_num(json_get(o, "gid"), 0);
	v->d.status_file = json_bool(json_get(o, "statusFile"), 0);
	for (s = json_first(json_get(o, "sources")); s; s = json_next(s))
		restore_source(&v->d, v->pod_ns, s);
	log_debug("volume %s: found again", path);
}

void
notes_restore(struct core *c)
{
	const struct json *o;

	if (!c->listed || !c->notes)
		return;
	for (o = json_first(c->notes); o; o = json_next(o))
		restore(c, o);
	json_free(STEAL(c->notes));
	notes_change(c);
}

void
notes_init(struct core *c)
{
	c->notes_fd = -1;
	due_init(&c->notes_due, on_notes, c);
}
