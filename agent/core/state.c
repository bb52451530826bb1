/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/bundle.h"
#include "core/core.h"
#include "core/state.h"
#include "core/state_objects.h"

/* A burst is one write: this long after its first change, then a second apart,
 * and when it does not end, five (flash wears). */
#define GATHER_MS 200
#define SPACE_MS 1000
#define LONG_SPACE_MS 5000
#define RECENT 2
#define TIMES_MS (60 * 60 * 1000)
#define RETRY_MS 30000

struct state_write {
	struct core *core;
	struct buf data;
	struct snapshot_head head;
	struct err err, count_err;
	uint64_t counter;	/* of the TPM, afterwards */
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

int64_t
state_now(const struct state *s)
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
	int64_t ago = schedule_now(s->core->schedule) - state_now(s);

	item->synced_at = v->synced_wall;
	item->synced_boot = v->synced_at + ago;
	item->denied = v->denied;
	item->denied_at = v->denied_since + ago;
	item->failing = v->failed_since != 0;
	item->failing_since = v->failed_since + ago;
	item->failures = item->failing;
	item->tried_at = schedule_now(s->core->schedule);
}

/* What was of a bundle still is; of one that nobody answers for any more it is
 * no one's. */
static void
bundled_restore(struct core *c, struct item *item,
    const struct record_header *h)
{
	struct bundle_issuer *i = bundle_of_source(c->bundles, h->source);

	if (i && !i->revoked && i->sequence) {
		bundle_serve(c->bundles, item, i, item->synced_at);
		age_settle(c, item);
	} else if (strncmp(h->source, BUNDLE_SOURCE,
	    strlen(BUNDLE_SOURCE)) == 0) {
		cache_drop(&c->cache, &item->content);
		item->outcome = 0;
		free(STEAL(item->version));
	}
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
		bundled_restore(c, item, &h);
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
	bundles_restore(c->bundles, &s->loaded.snapshot);
	state_objects_restore(c, &s->loaded.snapshot);
	for (i = 0; i < s->loaded.snapshot.nvalues; i++)
		value_restore(s, &s->loaded.snapshot.values[i]);
	if (s->loaded.snapshot.nvalues)
		log_info("sealed cache: %zu values of generation %llu",
		    s->loaded.snapshot.nvalues,
		    (unsigned long long)s->generation);
	seal_loaded_clear(&s->loaded);
	state_keys_restored(s);
}

static int
file_load(struct state *s, struct err *err)
{
	struct seal_loaded *l = &s->loaded;
	struct seal_trust t;
	size_t i;

	if (state_trust(s, &t, err) == -1 ||
	    seal_file_load(&s->place, &t, l, err) == -1)
		return (-1);
	s->generation = l->generation;
	s->sealed_at = l->sealed_at;
	s->bytes = l->bytes;
	s->records = l->snapshot.nvalues;
	for (i = 0; i < l->snapshot.nns; i++)
		keys_salt_put(s->core->keys, l->snapshot.ns[i].ns,
		    l->snapshot.ns[i].salt);
	clock_anchor(s, l->bytes ? &l->snapshot.head : NULL);
	state_keys_use(s, l);
	say(s, l->state, l->problem);
	return (0);
}

static void on_due(void *arg);

void
state_open(struct core *c, const struct state_fds *fds)
{
	cleanup_err struct err err = ERR_INIT;
	struct state *s = mem_alloc(sizeof(*s));

	c->state = s;
	s->core = c;
	s->place.dir = fds->dir;
	s->place.witness = fds->witness;
	s->tpm_fd = -1;
	due_init(&s->due, on_due, s);
	boot_id_read(s);
	clock_anchor(s, NULL);
	if (state_unlock(s, fds, &err) == -1 || file_load(s, &err) == -1) {
		/* Nothing there is touched: a key may come back. */
		s->open = 0;
		say(s, err.kind == ERR_TAMPER ? SEAL_TAMPERED :
		    s->place.dir == -1 ? SEAL_EMPTY : SEAL_FOREIGN,
		    err_msg(&err));
	}
	if (s->place.witness == -1)
		core_degraded("no witness: an older sealed file would not be "
		    "noticed");
}

/* --- writing ------------------------------------------------------------ */

static void
value_add(struct state *s, const struct item *item, struct snapshot *out)
{
	int64_t ahead = state_now(s) - schedule_now(s->core->schedule);

	out->values[out->nvalues++] = (struct snapshot_value){
	    .record = item->content->record, .synced_wall = item->synced_at,
	    .synced_at = item->synced_boot + ahead,
	    .failed_since = item->failing ? item->failing_since + ahead : 0,
	    .denied = item->denied, .denied_since = item->denied_at + ahead,
	    .not_after = item->issuer ? item->issuer->not_after : 0 };
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
	int tpm = key_slots_weakest(&s->table.slots) >= SLOT_TPM2;
	size_t i;

	state_objects_collect(c, out, on_ns, &n);
	out->values = mem_array(strmap_len(c->items), sizeof(*out->values));
	s->kept_out = 0;
	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (!item->content)
			continue;
		if (!age_may_seal(c, item, tpm)) {
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
	struct snapshot out = { .head = {
		.generation = s->generation + 1,
		.highwater_ms = state_now(s),
		.boot_ms = schedule_now(s->core->schedule) } };
	struct keys *k = s->core->keys;
	int rc;

	memcpy(out.head.node, s->table.slots.node, SNAPSHOT_ID_LEN);
	state_keys_head(s, &out.head);
	memcpy(out.head.boot_id, s->boot_id, SNAPSHOT_ID_LEN);
	collect(s, &out);
	bundles_collect(s->core->bundles, &out);
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
	struct state *s = w->core->state;

	if (seal_file_write(&s->place, w->data.data, w->data.len, &w->head,
	    &w->err) == 0)
		state_keys_count(s, &w->head, &w->counter, &w->count_err);
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
		s->counter = w->counter;
		if (w->count_err.kind)
			log_warn("sealed cache: %s", err_msg(&w->count_err));
		state_keys_wrote(s, &w->head);
		if (s->dirty)
			state_touch(c);
	}
	buf_clear(&w->data);
	err_clear(&w->err);
	err_clear(&w->count_err);
	free(w);
}

static void
write_begin(struct state *s)
{
	struct state_write *w = mem_alloc(sizeof(*w));
	int64_t now = schedule_now(s->core->schedule);

	w->core = s->core;
	w->counter = s->counter;
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

	if (!s->writing && state_keys_due(s) == 0)
		write_begin(s);
}

static int64_t
soonest(const struct state *s)
{
	int64_t now = schedule_now(s->core->schedule), at;

	/* Somebody waits for the end of a rotation, and there are two. */
	if (s->turning)
		return (now);
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

int
state_is_durable(const struct core *c)
{
	const struct state *s = c->state;

	return (!s || !s->open || (!s->dirty && !s->writing));
}

int64_t
state_clock(const struct core *c)
{
	return (c->state ? state_now(c->state) : schedule_wall(c->schedule));
}

void
state_not_before(struct core *c, int64_t ms)
{
	int64_t behind = ms - state_clock(c);

	if (!c->state || behind <= 0)
		return;
	log_warn("this node's clock is %lld s behind a bundle's: it is set "
	    "forward", (long long)(behind / 1000));
	c->state->node_ms += behind;
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
	state_keys_close(s);
	free(s->problem);
	free(s->write_problem);
	if (s->place.dir != -1)
		close(s->place.dir);
	if (s->place.witness != -1)
		close(s->place.witness);
	free(s);
}

/* --- status ------------------------------------------------------------- */

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
