/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/core_internal.h"
#include "core/secrets.h"
#include "core/spread.h"
#include "core/state.h"

/* --- stores and hosts --------------------------------------------------- */

static void
on_probe(void *arg)
{
	struct store_state *s = arg;

	if (plan_unblock(s->core->plan, s->key))
		sync_pump(s->core);
}

struct store_state *
store_state_get(struct core *c, const char *key)
{
	struct store_state *s = strmap_get(c->stores, key);

	if (s)
		return (s);
	s = mem_alloc(sizeof(*s));
	s->key = str_dup(key);
	s->core = c;
	due_init(&s->probe_due, on_probe, s);
	strmap_put(c->stores, key, s);
	return (s);
}

static void
on_bucket(void *arg)
{
	struct host_state *h = arg;
	struct core *c = h->core;

	if (plan_unblock(c->plan, h->host))
		sync_pump(c);
	else if (schedule_now(c->schedule) >= h->bucket.until)
		strmap_del(c->hosts, h->host);
	else
		schedule_at(c->schedule, &h->due, h->bucket.until);
}

static void
host_asked(struct core *c, const char *host, uint32_t retry_after_ms)
{
	struct host_state *h = strmap_get(c->hosts, host);

	if (!*host)
		return;
	if (!h) {
		h = mem_alloc(sizeof(*h));
		h->host = str_dup(host);
		h->core = c;
		due_init(&h->due, on_bucket, h);
		strmap_put(c->hosts, host, h);
	}
	bucket_asked(&h->bucket, schedule_now(c->schedule), retry_after_ms);
	schedule_at(c->schedule, &h->due, h->bucket.not_before);
	log_info("%s asked for patience", host);
}

static void
store_answered(struct core *c, const char *key)
{
	struct store_state *s = strmap_get(c->stores, key);

	if (!s || !circuit_answer(&s->circuit))
		return;
	log_info("store %s answers again", key);
	free(STEAL(s->last_error));
	schedule_cancel(c->schedule, &s->probe_due);
	spread_overdue(c, key);
	if (plan_unblock(c->plan, key))
		schedule_in(c->schedule, &c->pump_due, 0);
}

static void
probe_later(struct core *c, struct store_state *s)
{
	schedule_at(c->schedule, &s->probe_due, s->circuit.probe_at);
}

int
result_stop(const struct core *c, char *const *stores, size_t n)
{
	const struct store_state *s;
	size_t i;

	for (i = 0; i < n; i++) {
		s = strmap_get(c->stores, stores[i]);
		if (s && s->circuit.state == CIRCUIT_OPEN)
			return (1);
	}
	return (0);
}

void
result_probe(struct core *c, char *const *stores, size_t n)
{
	struct store_state *s;
	size_t i;

	for (i = 0; i < n; i++) {
		s = strmap_get(c->stores, stores[i]);
		if (s && s->circuit.state == CIRCUIT_OPEN)
			circuit_probe(&s->circuit);
	}
}

void
result_probe_end(struct core *c, char *const *stores, size_t n)
{
	struct store_state *s;
	size_t i;

	for (i = 0; i < n; i++) {
		s = strmap_get(c->stores, stores[i]);
		if (!s || s->circuit.state != CIRCUIT_HALF_OPEN)
			continue;
		circuit_unsure(&s->circuit, schedule_now(c->schedule));
		probe_later(c, s);
	}
}

static void
store_failed(struct core *c, const struct job_item *m)
{
	struct store_state *s = store_state_get(c, m->store);

	s->errors++;
	free(s->last_error);
	s->last_error = str_dup(str_or(m->error, m->message));
	if (!circuit_failure(&s->circuit, schedule_now(c->schedule)))
		return;
	log_warn("store %s does not answer, next attempt in %lld s: %s",
	    s->key, (long long)s->circuit.delay / 1000, s->last_error);
	probe_later(c, s);
}

static void
all_stores_answered(struct core *c, const struct item *item)
{
	const struct entry *e = sync_entry(c, item);
	char **stores;
	size_t i, n;

	if (!e || !e->es)
		return;
	stores = plan_stores(e->es, &n);
	for (i = 0; i < n; i++)
		store_answered(c, stores[i]);
	plan_stores_free(stores, n);
}

/* What the item's end says about its store: connect errors, time-outs and 5xx
 * count against it, any other answer is an answer. */
static void
judge_store(struct core *c, struct item *item, const struct job_item *m)
{
	if (m->http_status == 429 || m->retry_after_ms)
		host_asked(c, m->host, m->retry_after_ms);
	if (m->outcome != JOB_FAILED)
		all_stores_answered(c, item);
	else if (!*m->store)
		return;
	else if (m->err_kind == ERR_TRANSIENT &&
	    (m->http_status == 0 || m->http_status >= 500))
		store_failed(c, m);
	else if (m->http_status) {
		store_state_get(c, m->store)->errors++;
		store_answered(c, m->store);
	}
}

/* --- items -------------------------------------------------------------- */

static void
ended(struct core *c, struct item *item)
{
	item->state = ITEM_IDLE;
	item->tried_at = schedule_now(c->schedule);
}

static void
failed(struct core *c, struct item *item, enum err_kind kind,
    unsigned http_status)
{
	item->outcome = JOB_FAILED;
	item->err_kind = kind;
	item->failures++;
	age_failed(c, item, http_status);
}

static int
take_payload(struct core *c, struct item *item, struct keys_stream *from,
    const struct job_item *m, struct err *err)
{
	const struct entry *e = sync_entry(c, item);
	char **stores = NULL;
	struct cache_origin o = { .ns = item->ns, .name = item->name,
		.version = item->running_version,
		.fetched_at = schedule_wall(c->schedule) };
	int changed, rc;
	size_t n = 0;

	if (m->outcome == JOB_DELETED) {
		cache_drop(&c->cache, &item->content);
		return (0);
	}
	if (!m->payload && m->outcome == JOB_READY)
		return (err_set(err, ERR_INTERNAL, "ready, but no payload"));
	if (!m->payload)
		return (0);
	if (e && e->es)
		stores = plan_stores(e->es, &n);
	o.store = n ? stores[0] : "";
	rc = cache_store(&c->cache, &o, from, m->payload, m->payload_len,
	    &item->content, &changed, err);
	plan_stores_free(stores, n);
	return (rc);
}

static void
succeeded(struct core *c, struct item *item)
{
	item->failures = 0;
	item->err_kind = ERR_NONE;
	item->synced_at = schedule_wall(c->schedule);
	age_succeeded(c, item);
	free(item->version);
	item->version = STEAL(item->running_version);
}

/* Afterwards: when again, and who wants to know. */
static void
settle(struct core *c, struct item *item)
{
	int again = item->again;

	item->again = 0;
	free(STEAL(item->running_version));
	if (again) {
		/* The change came too late for this job. */
		item->failures = 0;
		if (!item_ready(item))
			item->outcome = 0;
		free(item->version);
		item->version = item->synced_at ? str_dup("*") : NULL;
	}
	age_settle(c, item);
	state_news(c);
	/* What becomes of its Secret is part of its condition. */
	if (!secrets_settle(c, item, item->outcome == JOB_READY ||
	    item->outcome == JOB_DELETED) || !item_fetched(item))
		core_report(c, item);
	sync_schedule(c, item);
	deliver_news(c, item);
}

void
result_item(struct core *c, struct item *item, struct keys_stream *from,
    const struct job_item *m)
{
	cleanup_err struct err err = ERR_INIT;

	ended(c, item);
	judge_store(c, item, m);
	item->outcome = m->outcome;
	item_say(item, m->reason, m->message, *m->error ? m->error : NULL);
	switch (m->outcome) {
	case JOB_READY:
	case JOB_UNCHANGED_NONE:
	case JOB_DELETED:
		if (take_payload(c, item, from, m, &err) == 0) {
			succeeded(c, item);
			break;
		}
		failed(c, item, err.kind, 0);
		item_say(item, "SecretSyncedError",
		    "could not get secret data from provider", err_msg(&err));
		break;
	case JOB_SKIPPED:
	case JOB_REJECTED:
		item->failures = 0;
		item->err_kind = ERR_INVALID;
		break;
	default:
		failed(c, item, (enum err_kind)m->err_kind, m->http_status);
		if (!item->error)
			item_say(item, item->reason, item->message,
			    m->event_text);
		item->event_text = str_dup(m->event_text);
		break;
	}
	settle(c, item);
}

void
result_lost(struct core *c, struct item *item, const struct err *err)
{
	ended(c, item);
	failed(c, item, ERR_TRANSIENT, 0);
	item_say(item, "SecretSyncedError",
	    "could not get secret data from provider", err_msg(err));
	settle(c, item);
}

void
result_again(struct core *c, struct item *item)
{
	const struct entry *e = sync_entry(c, item);

	item->state = ITEM_IDLE;
	free(STEAL(item->running_version));
	item->again = 0;
	if (item->claims.n && e && e->es && !*e->rejected && !e->bundled) {
		schedule_in(c->schedule, &item->due, 0);
		return;
	}
	sync_schedule(c, item);
}

void
result_stores(struct core *c, const struct job_done *done)
{
	const struct job_done_store *d;
	struct store_state *s;
	size_t i;

	for (i = 0; i < done->nstores; i++) {
		d = &done->stores[i];
		if (!catalog_find(c->catalog, d->store))
			continue;
		s = store_state_get(c, d->store);
		s->requests += d->requests;
		s->logins += d->logins;
		s->known = 1;
		s->valid = d->valid;
		free(s->reason);
		free(s->message);
		s->reason = str_dup(d->reason);
		s->message = str_dup(d->message);
	}
}
