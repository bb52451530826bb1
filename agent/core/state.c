/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "core/age.h"
#include "core/core.h"
#include "core/state.h"
#include "core/state_objects.h"
#include "seal/key_source.h"

/* A burst is one write: this long after its first change, then a second apart,
 * and when it does not end, five (flash wears). */
#define GATHER_MS 200
#define SPACE_MS 1000
#define LONG_SPACE_MS 5000
#define RECENT 3
#define TIMES_MS (60 * 60 * 1000)
#define RETRY_MS 30000

static const uint8_t no_cluster[SNAPSHOT_ID_LEN];

struct state_write {
	struct core *core;
	struct buf data;
	struct snapshot_head head;
	struct err err;
	size_t records;
};

static void
say(struct state *s, enum seal_state found, const char *problem)
{
	s->found = found;
	free(s->problem);
	s->problem = str_dup(problem);
	if (problem)
		log_error("sealed cache: %s", problem);
}

/* --- the root key ------------------------------------------------------- */

static int
slots_save(struct state *s, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(SLOTS_FILE_MAX);

	if (key_slots_write(&s->slots, keys_root(s->core->keys), &b, err) ==
	    -1)
		return (-1);
	return (seal_file_replace(s->place.dir, SLOTS_FILE, b.data, b.len,
	    err));
}

/* The table, *ret_new when there is none. */
static int
slots_load(struct state *s, int *ret_new, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(SLOTS_FILE_MAX);
	cleanup_close int fd = openat(s->place.dir, SLOTS_FILE, O_RDONLY |
	    O_CLOEXEC | O_NOFOLLOW);

	*ret_new = fd == -1 && errno == ENOENT;
	if (*ret_new)
		return (0);
	if (fd == -1)
		return (err_sys(err, SLOTS_FILE));
	if (file_read_fd(fd, &b, err) == -1)
		return (err_wrap(err, SLOTS_FILE));
	return (key_slots_read(&s->slots, b.data, b.len, err));
}

/* Where the material of a slot lies for a moment: the scratch. */
static int
slot_open(struct state *s, const struct key_source *src, int fd,
    struct err *err)
{
	uint8_t *material = keys_scratch(s->core->keys);
	size_t i;
	int rc = -1;

	err_set(err, ERR_DENIED, "no key slot is for %s",
	    slot_type_name(src->type));
	for (i = 0; i < s->slots.n && rc == -1; i++) {
		if (s->slots.v[i].type != src->type)
			continue;
		err_clear(err);
		if (key_source_material(src, fd, &s->slots.v[i], material,
		    err) == 0)
			rc = key_slots_open(&s->slots, &s->slots.v[i],
			    material, keys_root(s->core->keys), err);
	}
	secret_wipe(material, SLOTS_ROOT_LEN);
	return (rc);
}

static int
slot_add(struct state *s, const struct key_source *src, int fd,
    struct err *err)
{
	uint8_t *material = keys_scratch(s->core->keys);
	struct key_slot slot = { .type = src->type,
		.created = schedule_wall(s->core->schedule),
		.label = str_dup(src->arg) };
	int rc = key_source_material(src, fd, &slot, material, err);

	if (rc == 0)
		rc = key_slots_add(&s->slots, keys_root(s->core->keys),
		    material, &slot, err);
	secret_wipe(material, SLOTS_ROOT_LEN);
	free(slot.label);
	free(slot.params);
	return (rc);
}

static int
has_slot(const struct state *s, const struct key_source *src)
{
	size_t i;

	for (i = 0; i < s->slots.n; i++)
		if (s->slots.v[i].type == src->type &&
		    str_eq(s->slots.v[i].label, src->arg))
			return (1);
	return (0);
}

/* The sources that could be opened, in the order of the words. */
struct sources {
	struct key_source v[KEY_SOURCES_MAX];
	int fds[KEY_SOURCES_MAX];
	size_t n;
};

/* Any that opens will do. */
static int
unlock(struct state *s, const struct sources *src, struct err *err)
{
	size_t i;

	for (i = 0; i < src->n && !s->open; i++) {
		err_clear(err);
		if (slot_open(s, &src->v[i], src->fds[i], err) == 0) {
			s->open = 1;
			s->source = src->v[i].type;
		} else if (err->kind == ERR_TAMPER)
			return (-1);
	}
	if (s->open)
		return (0);
	if (src->n == 0)
		err_set(err, ERR_DENIED, "none of --key-source could be "
		    "opened");
	return (-1);
}

/* Each source of the words has its slot. */
static int
complete(struct state *s, const struct sources *src, struct err *err)
{
	size_t i, before = s->slots.n;

	for (i = 0; i < src->n; i++)
		if (!has_slot(s, &src->v[i]) &&
		    slot_add(s, &src->v[i], src->fds[i], err) == -1)
			return (-1);
	return (s->slots.n == before ? 0 : slots_save(s, err));
}

static int
root_open(struct state *s, const struct sources *src, struct err *err)
{
	int is_new;

	if (slots_load(s, &is_new, err) == -1)
		return (-1);
	if (!is_new)
		return (unlock(s, src, err) == -1 ? -1 :
		    complete(s, src, err));
	if (src->n == 0)
		return (err_set(err, ERR_DENIED, "none of --key-source could "
		    "be opened"));
	key_slots_make(&s->slots, keys_root(s->core->keys));
	if (complete(s, src, err) == -1)
		return (-1);
	s->open = 1;
	s->source = src->v[0].type;
	return (0);
}

/* --- the node's clock --------------------------------------------------- */

/* Once, before the sandbox; zeros when it cannot be read. */
static void
boot_id_read(struct state *s)
{
	static const uint8_t key[RECORD_KEY_LEN];
	cleanup_buf struct buf b = BUF_PLAIN(64);
	uint8_t hash[RECORD_HASH_LEN];

	if (file_read("/proc/sys/kernel/random/boot_id", &b, NULL) == -1)
		return;
	record_hash(key, (const uint8_t *)b.data, b.len, hash);
	memcpy(s->boot_id, hash, sizeof(s->boot_id));
}

static int64_t
node_now(const struct state *s)
{
	return (s->node_ms + schedule_now(s->core->schedule) - s->node_boot);
}

/* In the same boot only the boot clock counts; over a reboot the wall clock,
 * but never back. */
static void
clock_anchor(struct state *s, const struct snapshot_head *h)
{
	int64_t wall = schedule_wall(s->core->schedule);
	static const uint8_t none[SNAPSHOT_ID_LEN];

	s->node_boot = schedule_now(s->core->schedule);
	s->node_ms = wall;
	if (!h)
		return;
	if (memcmp(s->boot_id, none, sizeof(none)) != 0 &&
	    memcmp(s->boot_id, h->boot_id, sizeof(none)) == 0 &&
	    s->node_boot >= h->boot_ms)
		s->node_ms = h->highwater_ms + s->node_boot - h->boot_ms;
	else if (h->highwater_ms > wall)
		s->node_ms = h->highwater_ms;
}

/* --- what comes back ---------------------------------------------------- */

static void
times_restore(struct state *s, struct item *item,
    const struct snapshot_value *v)
{
	int64_t ago = schedule_now(s->core->schedule) - node_now(s);

	item->synced_at = v->synced_wall;
	item->synced_boot = v->synced_at + ago;
	item->denied = v->denied;
	item->denied_at = v->denied_since + ago;
	item->failing = v->failed_since != 0;
	item->failing_since = v->failed_since + ago;
	item->failures = item->failing;
	item->tried_at = schedule_now(s->core->schedule);
}

/* A value that is held already is newer than any file. */
static void
value_restore(struct state *s, struct snapshot_value *v)
{
	cleanup_err struct err err = ERR_INIT;
	struct core *c = s->core;
	struct record_header h;
	struct item *item;

	if (record_head(&v->record, &h, &err) == -1) {
		log_error("sealed cache: %s", err_msg(&err));
		return;
	}
	item = sync_restored(c, h.ns, h.name);
	if (!item->content && cache_restore(&c->cache, &h, &v->record,
	    &item->content, &err) == -1) {
		log_error("sealed cache: %s: %s", item->key, err_msg(&err));
		s->found = SEAL_PARTIAL;
		free(s->problem);
		s->problem = str_fmt("%s: %s", item->key, err_msg(&err));
	} else if (!item->version) {
		item->version = str_dup(h.version);
		item->outcome = JOB_READY;
		item->origin = ITEM_FROM_SEAL;
		item_say(item, "ServedFromCache", "served from the sealed "
		    "cache", NULL);
		times_restore(s, item, v);
	}
	record_header_clear(&h);
}

void
state_restore(struct core *c)
{
	struct state *s = c->state;
	size_t i;

	if (!s)
		return;
	state_objects_restore(c, &s->loaded.snapshot);
	for (i = 0; i < s->loaded.snapshot.nvalues; i++)
		value_restore(s, &s->loaded.snapshot.values[i]);
	if (s->loaded.snapshot.nvalues)
		log_info("sealed cache: %zu values of generation %llu",
		    s->loaded.snapshot.nvalues,
		    (unsigned long long)s->generation);
	seal_loaded_clear(&s->loaded);
}

static int
file_load(struct state *s, struct err *err)
{
	struct keys *k = s->core->keys;
	struct seal_loaded *l = &s->loaded;
	size_t i;

	if (seal_file_load(&s->place, keys_root(k), s->slots.node, no_cluster,
	    0, keys_scratch(k), l, err) == -1)
		return (-1);
	s->generation = l->generation;
	s->sealed_at = l->sealed_at;
	s->bytes = l->bytes;
	s->records = l->snapshot.nvalues;
	keys_use_root(k, s->slots.epoch);
	for (i = 0; i < l->snapshot.nns; i++)
		keys_salt_put(k, l->snapshot.ns[i].ns, l->snapshot.ns[i].salt);
	clock_anchor(s, l->bytes ? &l->snapshot.head : NULL);
	say(s, l->state, l->problem);
	return (0);
}

static void on_due(void *arg);

static void
sources_take(struct state *s, const struct state_fds *fds,
    struct sources *src)
{
	const struct run_config *cfg = s->core->cfg;
	size_t i;

	src->n = 0;
	for (i = 0; i < cfg->nkey_sources; i++) {
		if (fds->sources[i] == -1)
			continue;
		if (key_source_parse(cfg->key_sources[i], &src->v[src->n],
		    NULL) == -1) {
			close(fds->sources[i]);
			continue;
		}
		src->fds[src->n++] = fds->sources[i];
	}
}

void
state_open(struct core *c, const struct state_fds *fds)
{
	cleanup_err struct err err = ERR_INIT;
	struct state *s = mem_alloc(sizeof(*s));
	struct sources src;

	c->state = s;
	s->core = c;
	s->place.dir = fds->dir;
	s->place.witness = fds->witness;
	due_init(&s->due, on_due, s);
	boot_id_read(s);
	clock_anchor(s, NULL);
	sources_take(s, fds, &src);
	if (s->place.dir == -1) {
		say(s, SEAL_EMPTY, "no state directory: values are in memory "
		    "alone");
	} else if (root_open(s, &src, &err) == -1 ||
	    file_load(s, &err) == -1) {
		/* Nothing there is touched: a key may come back. */
		s->open = 0;
		say(s, err.kind == ERR_TAMPER ? SEAL_TAMPERED : SEAL_FOREIGN,
		    err_msg(&err));
	}
	if (s->place.witness == -1)
		core_degraded("no witness: an older sealed file would not be "
		    "noticed");
	while (src.n) {
		close(src.fds[--src.n]);
		key_source_clear(&src.v[src.n]);
	}
}

/* --- writing ------------------------------------------------------------ */

static void
value_add(struct state *s, const struct item *item, struct snapshot *out)
{
	int64_t ahead = node_now(s) - schedule_now(s->core->schedule);

	out->values[out->nvalues++] = (struct snapshot_value){
	    .record = item->content->record, .synced_wall = item->synced_at,
	    .synced_at = item->synced_boot + ahead,
	    .failed_since = item->failing ? item->failing_since + ahead : 0,
	    .denied = item->denied, .denied_since = item->denied_at + ahead };
}

static void
ns_add(struct core *c, struct strmap *seen, const char *ns,
    struct snapshot *out)
{
	struct snapshot_ns *n;

	if (strmap_has(seen, ns))
		return;
	strmap_put(seen, ns, NULL);
	out->ns = mem_grow(out->ns, out->nns + 1, sizeof(*out->ns));
	n = &out->ns[out->nns++];
	n->ns = str_dup(ns);
	memcpy(n->salt, keys_salt(c->keys, ns), SNAPSHOT_SALT_LEN);
}

struct namespaces {
	struct core *core;
	struct strmap *seen;
	struct snapshot *out;
};

static void
on_ns(void *arg, const char *ns)
{
	struct namespaces *n = arg;

	ns_add(n->core, n->seen, ns, n->out);
}

/* The records are borrowed. */
static void
collect(struct state *s, struct snapshot *out)
{
	cleanup_strmap struct strmap *seen = strmap_new(NULL);
	struct core *c = s->core;
	struct namespaces n = { c, seen, out };
	const struct item *item;
	size_t i;

	state_objects_collect(c, out, on_ns, &n);
	out->values = mem_array(strmap_len(c->items), sizeof(*out->values));
	s->kept_out = 0;
	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (!item->content)
			continue;
		if (!age_may_seal(c, item, s->source == SLOT_TPM2)) {
			s->kept_out++;
			continue;
		}
		value_add(s, item, out);
		ns_add(c, seen, item->ns, out);
	}
}

static int
build(struct state *s, struct state_write *w)
{
	struct snapshot out = { .head = { .epoch = s->slots.epoch,
		.generation = s->generation + 1,
		.highwater_ms = node_now(s),
		.boot_ms = schedule_now(s->core->schedule) } };
	struct keys *k = s->core->keys;
	int rc;

	memcpy(out.head.node, s->slots.node, SNAPSHOT_ID_LEN);
	memcpy(out.head.boot_id, s->boot_id, SNAPSHOT_ID_LEN);
	collect(s, &out);
	rc = snapshot_write(keys_root(k), &out, keys_scratch(k), &w->data,
	    &w->err);
	w->head = out.head;
	w->records = out.nvalues;
	free(STEAL(out.values));
	out.nvalues = 0;
	state_objects_let_go(&out);
	snapshot_clear(&out);
	return (rc);
}

/* In the worker: bytes and descriptors, no key. */
static void
write_work(void *arg)
{
	struct state_write *w = arg;

	seal_file_write(&w->core->state->place, w->data.data, w->data.len,
	    &w->head, &w->err);
}

static void
write_said(struct state *s, const char *problem)
{
	free(s->write_problem);
	s->write_problem = str_dup(problem);
	if (problem)
		log_error("sealed cache: %s", problem);
}

static void
write_done(void *arg)
{
	struct state_write *w = arg;
	struct core *c = w->core;
	struct state *s = c->state;

	s->writing = NULL;
	if (w->err.kind) {
		write_said(s, err_msg(&w->err));
		s->failures++;
		s->dirty = 1;
		schedule_in(c->schedule, &s->due, RETRY_MS);
	} else {
		write_said(s, NULL);
		if (s->found == SEAL_EMPTY)
			s->found = SEAL_OK;
		s->failures = 0;
		s->generation = w->head.generation;
		s->sealed_at = schedule_wall(c->schedule);
		s->bytes = w->data.len;
		s->records = w->records;
		if (s->dirty)
			state_touch(c);
	}
	buf_clear(&w->data);
	err_clear(&w->err);
	free(w);
}

static void
write_begin(struct state *s)
{
	struct state_write *w = mem_alloc(sizeof(*w));
	int64_t now = schedule_now(s->core->schedule);

	w->core = s->core;
	w->data = (struct buf)BUF_PLAIN(SNAPSHOT_MAX);
	s->recent = now - s->written_at > LONG_SPACE_MS ? 1 : s->recent + 1;
	s->written_at = now;
	s->dirty = 0;
	s->writing = w;
	if (build(s, w) == -1 || loop_work(s->core->loop, write_work,
	    write_done, w, &w->err) == -1)
		write_done(w);
}

static void
on_due(void *arg)
{
	struct state *s = arg;

	if (!s->writing)
		write_begin(s);
}

static int64_t
soonest(const struct state *s)
{
	int64_t now = schedule_now(s->core->schedule), at;

	if (!s->written_at || now - s->written_at > LONG_SPACE_MS)
		return (now + GATHER_MS);
	at = s->written_at + (s->recent < RECENT ? SPACE_MS : LONG_SPACE_MS);
	return (at < now + GATHER_MS ? now + GATHER_MS : at);
}

static void
by(struct state *s, int64_t at)
{
	if (!s->due.pos || s->due.at > at)
		schedule_at(s->core->schedule, &s->due, at);
}

void
state_touch(struct core *c)
{
	struct state *s = c->state;

	if (!s || !s->open)
		return;
	s->dirty = 1;
	if (!s->writing && !s->failures)
		by(s, soonest(s));
}

void
state_news(struct core *c)
{
	struct state *s = c->state;

	if (!s || !s->open)
		return;
	if (s->seen != c->cache.generation ||
	    s->seen_records != c->cache.records) {
		s->seen = c->cache.generation;
		s->seen_records = c->cache.records;
		state_touch(c);
	} else if (!s->writing && !s->due.pos)
		by(s, (s->written_at ? s->written_at :
		    schedule_now(c->schedule)) + TIMES_MS);
}

void
state_flush(struct core *c)
{
	struct state *s = c->state;

	if (!s || !s->open)
		return;
	loop_work_wait(c->loop);
	if (s->dirty || s->due.pos)
		write_begin(s);
	loop_work_wait(c->loop);
}

void
state_close(struct core *c)
{
	struct state *s = STEAL(c->state);

	if (!s)
		return;
	schedule_cancel(c->schedule, &s->due);
	seal_loaded_clear(&s->loaded);
	key_slots_clear(&s->slots);
	free(s->problem);
	free(s->write_problem);
	if (s->place.dir != -1)
		close(s->place.dir);
	if (s->place.witness != -1)
		close(s->place.witness);
	free(s);
}

/* --- the node's own key --------------------------------------------------- */

static int
key_there(const struct state *s, struct err *err)
{
	if (s && s->open)
		return (0);
	return (err_set(err, ERR_NOTFOUND, "no --key-source has opened the "
	    "node's key"));
}

int
state_node_key(const struct core *c, uint8_t pk[static NODE_KEY_LEN],
    struct err *err)
{
	uint8_t *sk = keys_scratch(c->keys);
	int rc;

	if (key_there(c->state, err) == -1)
		return (-1);
	rc = key_slots_box(&c->state->slots, keys_root(c->keys), pk, sk, err);
	secret_wipe(sk, NODE_KEY_LEN);
	return (rc);
}

int
state_unbox(struct core *c, const void *box, size_t len, uint8_t *out,
    struct err *err)
{
	if (key_there(c->state, err) == -1)
		return (-1);
	return (node_key_open(&c->state->slots, keys_root(c->keys), box, len,
	    keys_scratch(c->keys), out, err));
}

/* --- status ------------------------------------------------------------- */

const char *
state_key_source(const struct core *c)
{
	return (c->state && c->state->open ?
	    slot_type_name(c->state->source) : "memory");
}

struct json *
state_json(const struct core *c)
{
	static const struct state nothing;
	const struct state *s = c->state ? c->state : &nothing;
	cleanup_free char *kept = NULL;
	cleanup_buf struct buf at = BUF_PLAIN(64);
	struct json *o = json_new_object();
	enum seal_state found = s->found;

	if (!s->open && !s->problem)
		found = SEAL_EMPTY;
	if (s->open && s->found == SEAL_OK && s->kept_out) {
		found = SEAL_PARTIAL;
		kept = str_fmt("%zu values are in memory alone: their policy "
		    "keeps them out of the sealed file", s->kept_out);
	}
	if (s->sealed_at)
		time_rfc3339(&at, s->sealed_at);
	json_set_str(o, "state", seal_state_name(found));
	json_set_str(o, "problem", s->write_problem ? s->write_problem :
	    s->problem ? s->problem : kept);
	json_set_num(o, "records", (double)c->cache.records);
	json_set_num(o, "generation", (double)s->generation);
	json_set_str(o, "sealedAt", s->sealed_at ? at.data : NULL);
	json_set_num(o, "bytes", (double)(s->open ? s->bytes :
	    c->cache.bytes));
	return (o);
}
