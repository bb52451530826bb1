/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/core_internal.h"
#include "core/refs.h"
#include "core/resolve.h"
#include "seal/box.h"

/*
 * One fetch job: fork, wait for the child's one-time key, let a resolve job
 * seal to it what the API server holds, seal the bodies to it, take the items
 * as they come.
 */
#define REQUEST_MAX ((size_t)32 << 20)	/* of bodies, in the clear */
#define DEADLINE_MS 60000
#define DEADLINE_ITEM_MS 2000

struct fetch {
	struct core *core;
	struct job *job;
	struct item **items;	/* NULL once answered */
	size_t nitems, left;
	char **stores;		/* of the group */
	size_t nstores;
	int asked;		/* its key has come */
	uint8_t child_key[JOB_KEY_LEN];
	struct strmap *keys;	/* of the bodies that it needs */
	struct resolve *resolve;	/* NULL: nothing to resolve */
	struct keys_stream *stream;	/* NULL: its key has not come */
};

static void
fetch_free(struct fetch *f)
{
	result_probe_end(f->core, f->stores, f->nstores);
	resolve_free(f->resolve);
	strmap_free(f->keys);
	keys_stream_free(f->stream);
	plan_stores_free(f->stores, f->nstores);
	free(f->items);
	free(f);
}

/* Why a job gave no answer, and to whom it spoke. */
static void
name_stores(const struct fetch *f, const struct err *why, struct err *ret)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	const char *name;
	size_t i;

	err_set(ret, why->kind, "%s", err_msg(why));
	for (i = 0; i < f->nstores; i++) {
		name = strrchr(f->stores[i], '/');
		buf_addf(&b, "%s%.*s %s", i ? ", " : "",
		    (int)strcspn(f->stores[i], "/"), f->stores[i],
		    name ? name + 1 : "");
	}
	if (b.len)
		err_wrap(ret, "%s", buf_str(&b));
}

/* Give back what has no answer. */
static void
fetch_give_back(struct fetch *f, const struct err *lost)
{
	struct item *item;
	size_t i;

	for (i = 0; i < f->nitems; i++) {
		item = STEAL(f->items[i]);
		if (item && lost)
			result_lost(f->core, item, lost);
		else if (item)
			result_again(f->core, item);
	}
	f->left = 0;
}

/* --- the request -------------------------------------------------------- */

/* Bodies in one secret buffer, opened one after another. */
struct request {
	struct core *core;
	struct buf plain;
	size_t *ends;
	size_t n, room;
};

static void
add_body(struct request *r, const struct entry *e)
{
	cleanup_err struct err err = ERR_INIT;
	const uint8_t *plain;
	size_t len;

	if (r->n == r->room || entry_open(r->core->keys, e, &plain, &len,
	    &err) == -1) {
		/* The job says what it misses; we, why. */
		log_error("fetch: %s: %s", e->key, err_msg(&err));
		return;
	}
	buf_add(&r->plain, plain, len);
	keys_close(r->core->keys);
	r->ends[r->n++] = r->plain.len;
}

static void
wanted(const struct core *c, const struct item *item, struct strmap *keys)
{
	const struct entry *e = sync_entry(c, item);
	cleanup_free char *target = NULL;

	if (!e || !e->es)
		return;
	strmap_put(keys, e->key, NULL);
	refs_add(c->catalog, e, keys);
	/* In a cluster nobody reads what is in a target. */
	if (c->line)
		return;
	target = object_key("Secret", e->ns, e->es->target_name);
	strmap_put(keys, target, NULL);
}

/* How large the bodies of ${keys} can be, without opening them. */
static size_t
weight(const struct core *c, const struct strmap *keys, size_t from)
{
	const struct entry *e;
	size_t i, sum = 0;

	for (i = strmap_next(keys, from); i; i = strmap_next(keys, i)) {
		e = catalog_find(c->catalog, strmap_key(keys, i));
		sum += e ? e->body.len : 0;
	}
	return (sum);
}

/* The keys of all bodies that the items need.  What would make the request
 * too large goes back into the queue, but never the first. */
static struct strmap *
collect(struct fetch *f)
{
	struct strmap *keys = strmap_new(NULL);
	size_t i, sum = 0, last = 0, k;

	for (i = 0; i < f->nitems; i++) {
		if (i && sum > REQUEST_MAX) {
			result_again(f->core, STEAL(f->items[i]));
			f->left--;
			continue;
		}
		wanted(f->core, f->items[i], keys);
		sum += weight(f->core, keys, last);
		for (k = last; (k = strmap_next(keys, k));)
			last = k;
	}
	return (keys);
}

static void
open_bodies(struct request *r, const struct strmap *keys)
{
	const struct entry *e;
	size_t i;

	r->room = strmap_len(keys);
	r->ends = mem_array(r->room, sizeof(*r->ends));
	for (i = strmap_next(keys, 0); i; i = strmap_next(keys, i)) {
		e = catalog_find(r->core->catalog, strmap_key(keys, i));
		if (e)
			add_body(r, e);
	}
}

static void
name_items(const struct fetch *f, struct job_fetch *m)
{
	size_t i;

	m->nitems = f->nitems;
	m->items = mem_array(f->nitems, sizeof(*m->items));
	for (i = 0; i < f->nitems; i++) {
		m->items[i].ns = f->items[i]->ns;
		m->items[i].name = f->items[i]->name;
	}
}

static void
drop_given_back(struct fetch *f)
{
	size_t i, n = 0;

	for (i = 0; i < f->nitems; i++)
		if (f->items[i])
			f->items[n++] = f->items[i];
	f->nitems = n;
}

static uint32_t
flags(const struct run_config *cfg)
{
	return ((cfg->manifests ? 0 : JOB_TARGETS_UNKNOWN) |
	    (cfg->claim_unclassed || cfg->manifests ?
	    JOB_CLAIM_UNCLASSED : 0) |
	    (cfg->generic_targets ? JOB_GENERIC_TARGETS : 0) |
	    (cfg->allow_ambient_identity ? JOB_AMBIENT_IDENTITY : 0));
}

static void
request_write(const struct fetch *f, const struct request *r,
    struct buf *out)
{
	const struct run_config *cfg = f->core->cfg;
	struct job_fetch m = { .flags = flags(cfg),
		.class_name = cfg->class_name, .delim_left = cfg->delim_left,
		.delim_right = cfg->delim_right, .nbodies = r->n,
		.timeout_ms = f->core->fetch_timeout_ms };
	size_t i, at = 0;

	memcpy(m.core_key, keys_public(f->core->keys), JOB_KEY_LEN);
	m.bodies = mem_array(r->n, sizeof(*m.bodies));
	for (i = 0; i < r->n; i++) {
		m.bodies[i].data = (const uint8_t *)r->plain.data + at;
		m.bodies[i].len = r->ends[i] - at;
		at = r->ends[i];
	}
	name_items(f, &m);
	job_fetch_write(&m, out);
	free(m.items);
	free(m.bodies);
}

/* Opened, written, sealed: each clear copy is wiped before the next step's
 * result leaves this function. */
static int
send_request(struct fetch *f, struct err *err)
{
	struct request r = { .core = f->core,
		.plain = BUF_SECRET(JOB_FRAME_MAX) };
	cleanup_buf struct buf clear = BUF_SECRET(JOB_FRAME_MAX);
	cleanup_buf struct buf sealed = BUF_PLAIN(JOB_FRAME_MAX);
	int rc = -1;

	open_bodies(&r, f->keys);
	request_write(f, &r, &clear);
	if (buf_finish(&r.plain, "fetch request", err) == 0 &&
	    buf_finish(&clear, "fetch request", err) == 0)
		rc = box_seal(f->child_key, clear.data, clear.len, &sealed,
		    err);
	buf_clear(&r.plain);
	free(r.ends);
	if (rc == 0)
		rc = job_send(f->job, JOB_FETCH, sealed.data, sealed.len, NULL,
		    0, err);
	return (rc);
}

/* --- the answers -------------------------------------------------------- */

static void
fetch_fail(struct fetch *f, const struct err *why)
{
	cleanup_err struct err err = ERR_INIT;

	name_stores(f, why, &err);
	log_warn("fetch job: %s", err_msg(&err));
	job_stop(f->job);
	fetch_give_back(f, &err);
	fetch_free(f);
}

static int
on_pass(void *arg, const struct frame *frame, struct err *err)
{
	struct fetch *f = arg;

	return (job_send(f->job, frame->type, frame->body.data,
	    frame->body.len, NULL, 0, err));
}

static void
on_resolved(void *arg, const struct err *why)
{
	cleanup_err struct err err = ERR_INIT;
	struct fetch *f = arg;

	if (why)
		err_set(&err, why->kind, "references: %s", err_msg(why));
	if (why || send_request(f, &err) == -1)
		fetch_fail(f, &err);
}

static const struct resolve_events resolve_events = { on_pass, on_resolved };

static int
on_hello(struct fetch *f, const struct frame *frame, struct err *err)
{
	if (f->asked || frame->body.len != JOB_KEY_LEN)
		return (err_set(err, ERR_TRANSIENT, "job broke the protocol"));
	f->asked = 1;
	memcpy(f->child_key, frame->body.data, JOB_KEY_LEN);
	f->keys = collect(f);
	drop_given_back(f);
	if (resolve_start(f->core, f->keys, f->child_key, &resolve_events, f,
	    &f->resolve, err) == -1)
		return (-1);
	return (f->resolve ? 0 : send_request(f, err));
}

static int
on_key(struct fetch *f, const struct frame *frame, struct err *err)
{
	if (!f->asked || f->stream)
		return (err_set(err, ERR_TRANSIENT, "job broke the protocol"));
	return (keys_stream_new(f->core->keys, frame->body.data,
	    frame->body.len, &f->stream, err));
}

/* An item that failed for want of what could not be resolved says why; that is
 * no fault of its store. */
static void
blame_resolve(struct fetch *f, const struct item *item, struct job_item *m)
{
	cleanup_strmap struct strmap *keys = NULL;
	const struct resolve_failure *why = NULL;
	size_t i;

	if (m->outcome != JOB_FAILED || !f->resolve)
		return;
	keys = strmap_new(NULL);
	wanted(f->core, item, keys);
	for (i = strmap_next(keys, 0); i && !why; i = strmap_next(keys, i))
		why = resolve_failed(f->resolve, strmap_key(keys, i));
	if (!why)
		return;
	m->err_kind = why->kind;
	m->http_status = 0;
	*m->store = '\0';
	free(m->error);
	m->error = str_dup(why->text);
}

/* 1: the job is over, the fetch is gone. */
static int
on_item(struct fetch *f, const struct frame *frame, struct err *err)
{
	struct job_item m;
	struct item *item;

	if (job_item_read(&m, frame, err) == -1)
		return (-1);
	if (!f->asked || m.index >= f->nitems || !f->items[m.index]) {
		job_item_clear(&m);
		return (err_set(err, ERR_TRANSIENT, "job broke the protocol"));
	}
	item = STEAL(f->items[m.index]);
	f->left--;
	blame_resolve(f, item, &m);
	result_item(f->core, item, f->stream, &m);
	job_item_clear(&m);
	/* A store that does not answer: no use to try the others one by
	 * one; they wait for the probe. */
	if (f->left && result_stop(f->core, f->stores, f->nstores)) {
		job_stop(f->job);
		fetch_give_back(f, NULL);
		fetch_free(f);
		return (1);
	}
	return (0);
}

static int
on_done(struct fetch *f, const struct frame *frame, struct err *err)
{
	cleanup_err struct err silent = ERR_INIT;
	cleanup_err struct err at = ERR_INIT;
	struct job_done m;

	if (job_done_read(&m, frame, err) == -1)
		return (-1);
	result_stores(f->core, &m);
	job_done_clear(&m);
	err_set(&silent, ERR_TRANSIENT, "job gave no answer");
	name_stores(f, &silent, &at);
	job_finish(f->job);
	fetch_give_back(f, &at);
	fetch_free(f);
	return (1);
}

static void
on_frame(void *arg, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	struct fetch *f = arg;
	int rc;

	switch (frame->type) {
	case JOB_HELLO:
		rc = on_hello(f, frame, &err);
		break;
	case JOB_KEY:
		rc = on_key(f, frame, &err);
		break;
	case JOB_ITEM:
		rc = on_item(f, frame, &err);
		break;
	case JOB_DONE:
		rc = on_done(f, frame, &err);
		break;
	default:
		rc = err_set(&err, ERR_TRANSIENT, "job sent frame %u",
		    frame->type);
		break;
	}
	if (rc == -1)
		fetch_fail(f, &err);
}

static void
on_end(void *arg, enum job_end why, const struct err *err)
{
	cleanup_err struct err at = ERR_INIT;
	struct fetch *f = arg;

	if (why == JOB_END_YIELD)
		fetch_give_back(f, NULL);
	else if (why != JOB_END_CLOSED) {
		name_stores(f, err, &at);
		log_warn("fetch job: %s", err_msg(&at));
		fetch_give_back(f, &at);
	}
	fetch_free(f);
}

static const struct job_events fetch_events = { on_frame, on_end };

/* --- start -------------------------------------------------------------- */

static void
note_versions(struct fetch *f)
{
	const struct entry *e;
	size_t i;

	for (i = 0; i < f->nitems; i++) {
		e = sync_entry(f->core, f->items[i]);
		free(f->items[i]->running_version);
		f->items[i]->running_version =
		    e && e->es ? es_synced_version(e->es) : str_dup("");
		f->items[i]->again = 0;
		f->items[i]->began_at = schedule_now(f->core->schedule);
	}
}

int
fetch_start(struct core *c, struct group *g, size_t max, struct err *err)
{
	struct fetch *f = mem_alloc(sizeof(*f));
	size_t i, n = max < g->nitems ? max : g->nitems;
	uint32_t deadline = (uint32_t)(DEADLINE_MS + n * DEADLINE_ITEM_MS);

	if (jobs_start(c->jobs, JOB_KIND_FETCH, g->host, deadline,
	    &fetch_events, f, &f->job, err) == -1) {
		free(f);
		return (-1);
	}
	f->core = c;
	f->nstores = g->nstores;
	f->stores = mem_array(g->nstores, sizeof(*f->stores));
	for (i = 0; i < g->nstores; i++)
		f->stores[i] = str_dup(g->stores[i]);
	f->items = mem_array(n, sizeof(*f->items));
	f->nitems = plan_take(c->plan, g, f->items, n);
	f->left = f->nitems;
	note_versions(f);
	result_probe(c, f->stores, f->nstores);
	return (0);
}
