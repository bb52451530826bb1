/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/report_internal.h"

/* What changes together is looked at once. */
#define GATHER_MS 1000

/* --- made and unmade ---------------------------------------------------- */

static void
told_free(void *p)
{
	struct told *t = p;

	free(t->status);
	free(t->failure);
	free(t);
}

static void
on_due(void *arg)
{
	struct report *r = arg;

	report_ready(r);
	if (!r->wire.facts)
		return;
	report_stores(r);
	report_projections(r);
	report_node(r);
}

struct report *
report_new(struct core *c, const struct report_wire *w)
{
	struct report *r = mem_alloc(sizeof(*r));

	r->core = c;
	r->wire = *w;
	r->items = strmap_new(told_free);
	r->stores = strmap_new(free);
	r->projections = strmap_new(free);
	r->problems = strmap_new(free);
	r->events = strmap_new(report_gathered_free);
	r->ready_since = schedule_wall(c->schedule);
	if (w->facts)
		r->disconnected = str_dup("not connected yet");
	due_init(&r->events_due, report_events_flush, r);
	due_init(&r->due, on_due, r);
	due_init(&r->node_due, report_node, r);
	return (r);
}

void
report_free(struct report *r)
{
	if (!r)
		return;
	schedule_cancel(r->core->schedule, &r->events_due);
	schedule_cancel(r->core->schedule, &r->due);
	schedule_cancel(r->core->schedule, &r->node_due);
	strmap_free(r->items);
	strmap_free(r->stores);
	strmap_free(r->projections);
	strmap_free(r->problems);
	strmap_free(r->events);
	free(r->disconnected);
	free(r->node_said);
	free(r->node_times);
	free(r);
}

struct told *
report_told(struct report *r, const struct item *item)
{
	struct told *t = strmap_get(r->items, item->key);

	if (t)
		return (t);
	t = mem_alloc(sizeof(*t));
	strmap_put(r->items, item->key, t);
	return (t);
}

void
report_gone(struct report *r, const struct item *item)
{
	if (r)
		strmap_del(r->items, item->key);
}

/* --- frames out --------------------------------------------------------- */

static const char *const kinds[REPORT_KINDS] = { "ExternalSecret",
	"SecretStore", "ClusterSecretStore", "HostProjection", "NodeSeal" };

uint64_t
report_send(struct report *r, enum report_kind kind, const char *ns,
    const char *name, const char *uid, const char *status, int urgent)
{
	cleanup_buf struct buf b = BUF_PLAIN(LINK_FRAME_MAX);
	struct link_report m = { .tag = ++r->tag * 10 + kind,
		.kind = str_dup(kinds[kind]),
		.ns = str_dup(ns), .name = str_dup(name),
		.uid = str_dup(str_or(uid, "")), .status = str_dup(status),
		.urgent = (uint8_t)(urgent != 0) };

	link_report_write(&m, &b);
	if (buf_ok(&b))
		r->wire.send(r->wire.arg, LINK_REPORT, &b);
	link_report_clear(&m);
	return (r->tag * 10 + kind);
}

/* --- ExternalSecrets ---------------------------------------------------- */

static void
failure_event(struct report *r, const struct item *item, struct told *t)
{
	const char *text = str_or(item->event_text,
	    str_or(item->error, item->message));

	if (item_ready(item)) {
		free(STEAL(t->failure));
		return;
	}
	if (str_eq(text, t->failure))
		return;
	free(t->failure);
	t->failure = str_dup(text);
	report_event(r, item, 1, "UpdateFailed", text);
}

static void
stale_event(struct report *r, const struct item *item, struct told *t)
{
	int stale = age_stale(r->core, item);
	cleanup_free char *at = report_time(item->synced_at);
	cleanup_free char *text = str_fmt("the value of %s is served, from %s",
	    at, age_source(item));

	if (stale && !t->stale)
		report_event(r, item, 1, item->origin == ITEM_FROM_BUNDLE ?
		    "ServedFromBundle" : "ServedFromCache", text);
	t->stale = stale;
}

/* What a status says, without what moves by itself: nothing is sent twice while
 * the watch has not shown it yet. */
static char *
signature(const struct core *c, const struct item *item, const char *bound)
{
	int ready = item_ready(item);

	return (str_fmt("%d|%d|%s|%s|%lld|%s|%s", ready, age_stale(c, item),
	    item->reason, item->message,
	    ready ? (long long)item->synced_at / 1000 : 0,
	    ready ? str_or(item->version, "") : "", str_or(bound, "")));
}

static void
status_send(struct report *r, const struct item *item, struct told *t)
{
	struct report_facts f = { .lease = NULL };
	cleanup_free char *sign = NULL, *status = NULL;
	const struct entry *e = sync_entry(r->core, item);

	r->wire.facts(r->wire.arg, item, &f);
	sign = signature(r->core, item, f.bound);
	if (str_eq(sign, t->status))
		return;
	status = report_es_status(r->core, item, &f);
	if (!status)
		return;
	free(t->status);
	t->status = STEAL(sign);
	if (item_ready(item))
		t->refreshed_s = item->synced_at / 1000;
	t->tag = report_send(r, REPORT_ES, item->ns, item->name,
	    e && e->es ? e->es->meta.uid : NULL, status,
	    item->waiting || item->priority == PRIORITY_WAITING);
}

void
report_item(struct report *r, struct item *item)
{
	struct told *t;

	if (!r || item->outcome == 0 || item->outcome == JOB_SKIPPED ||
	    !sync_entry(r->core, item))
		return;
	t = report_told(r, item);
	failure_event(r, item, t);
	stale_event(r, item, t);
	status_send(r, item, t);
	report_touch(r);
}

void
report_attempt(struct report *r, const struct item *item)
{
	struct told *t;

	if (!r)
		return;
	report_touch(r);
	t = report_told(r, item);
	if (item->tried_at == t->seen_at || item->outcome == 0)
		return;
	t->seen_at = item->tried_at;
	t->calls++;
	t->errors += !item_ready(item);
	t->took_ms = item->tried_at - item->began_at;
}

/* --- from link ---------------------------------------------------------- */

/* It is said again with the next change. */
static void
forget_tag(struct report *r, uint64_t tag)
{
	struct told *t;
	size_t i;

	if (tag % 10 == REPORT_NODE)
		free(STEAL(r->node_said));
	if (tag % 10 != REPORT_ES)
		return;
	for (i = strmap_next(r->items, 0); i; i = strmap_next(r->items, i)) {
		t = strmap_val(r->items, i);
		if (t->tag == tag)
			free(STEAL(t->status));
	}
}

/* One line for all of a kind: they fail for the same reason. */
void
report_reported(struct report *r, const struct link_reported *m)
{
	cleanup_free char *key = NULL;

	if (!r || m->tag % 10 >= REPORT_KINDS)
		return;
	key = str_fmt("report/%s", kinds[m->tag % 10]);
	/* 404: the object is gone, and its report with it. */
	if (*m->error && m->http_status != 404) {
		if (!strmap_has(r->problems, key))
			log_warn("report: %s", m->error);
		report_problem(r, key, m->error);
	} else if (!*m->error)
		report_problem(r, key, "");
	if (*m->error)
		forget_tag(r, m->tag);
}

void
report_problem(struct report *r, const char *key, const char *text)
{
	if (!r || str_eq(strmap_get(r->problems, key), *text ? text : NULL))
		return;
	if (*text)
		strmap_put(r->problems, key, str_dup(text));
	else
		strmap_del(r->problems, key);
	report_touch(r);
}

const char *
report_problem_line(const struct report *r, size_t i)
{
	size_t at;

	if (!r)
		return (NULL);
	if (r->disconnected && i-- == 0)
		return (r->disconnected);
	for (at = strmap_next(r->problems, 0); at;
	    at = strmap_next(r->problems, at))
		if (i-- == 0)
			return (strmap_val(r->problems, at));
	return (NULL);
}

void
report_state(struct report *r, int connected, const char *problem)
{
	if (!r)
		return;
	free(r->disconnected);
	r->disconnected = connected ? NULL : str_fmt("API server: %s",
	    str_or(problem, "not connected"));
	report_touch(r);
}

void
report_again(struct report *r)
{
	struct item *item;
	struct told *t;
	size_t i;

	if (!r)
		return;
	strmap_free(r->stores);
	strmap_free(r->projections);
	r->stores = strmap_new(free);
	r->projections = strmap_new(free);
	free(STEAL(r->node_said));
	r->node_at = 0;
	r->ready_said = 0;
	for (i = strmap_next(r->core->items, 0); i;
	    i = strmap_next(r->core->items, i)) {
		item = strmap_val(r->core->items, i);
		t = strmap_get(r->items, item->key);
		if (!t || !t->status)
			continue;
		free(STEAL(t->status));
		status_send(r, item, t);
	}
	report_touch(r);
}

/* --- ready -------------------------------------------------------------- */

/* What it waits for when objects were not read. */
static char *
why_not_synced(const struct report *r)
{
	const char *line = report_problem_line(r, 0);

	return (str_fmt("the objects were not read once%s%s",
	    line ? ": " : "", str_or(line, "")));
}

char *
report_why_not_ready(const struct report *r)
{
	const struct core *c = r->core;

	if (core_ready(c))
		return (NULL);
	if (!c->synced)
		return (why_not_synced(r));
	return (str_dup("fsproj is not connected"));
}

void
report_ready(struct report *r)
{
	cleanup_buf struct buf b = BUF_PLAIN(LINK_FRAME_MAX);
	cleanup_free char *why = NULL;
	struct link_words m = { .on = 0 };
	int ready;

	if (!r)
		return;
	why = report_why_not_ready(r);
	ready = !why;
	if (ready != r->ready) {
		r->ready = ready;
		r->ready_since = schedule_wall(r->core->schedule);
		report_touch(r);
	} else if (ready && r->ready_said)
		return;
	r->ready_said = 1;
	m.on = (uint8_t)ready;
	m.a = str_dup(str_or(why, ""));
	m.b = str_dup("");
	m.c = str_dup("");
	link_words_write(&m, &b);
	link_words_clear(&m);
	if (buf_ok(&b))
		r->wire.send(r->wire.arg, LINK_READY, &b);
}

int
report_scrape(const struct report *r, const struct frame *f, struct err *err)
{
	cleanup_buf struct buf text = BUF_PLAIN(LINK_WORDS_MAX);
	cleanup_buf struct buf out = BUF_PLAIN(LINK_FRAME_MAX);
	char none[] = "";
	struct link_words m;
	uint64_t tag;

	if (link_words_read(&m, f, err) == -1)
		return (-1);
	tag = m.tag;
	link_words_clear(&m);
	report_metrics(r, &text);
	m = (struct link_words){ .tag = tag, .a = str_dup(buf_str(&text)),
	    .b = none, .c = none };
	link_words_write(&m, &out);
	free(m.a);
	r->wire.send(r->wire.arg, LINK_SCRAPED, &out);
	return (0);
}

void
report_touch(struct report *r)
{
	if (r && !r->due.pos)
		schedule_in(r->core->schedule, &r->due, GATHER_MS);
}
