/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/report_internal.h"

#define GATHER_MS 1000
#define MESSAGE_MAX 1000
/* Kinds of events that wait; more is a fault somewhere. */
#define GATHERED_MAX 512

void
report_gathered_free(void *p)
{
	struct gathered *g = p;
	size_t i;

	link_event_clear(&g->first);
	for (i = 0; i < ARRAY_LEN(g->others); i++)
		free(g->others[i]);
	free(g);
}

static struct gathered *
gathered_new(const char *kind, const char *ns, const char *name,
    const char *uid, int warning, const char *reason, const char *message)
{
	struct gathered *g = mem_alloc(sizeof(*g));

	g->first = (struct link_event){ .kind = str_dup(kind),
		.ns = str_dup(ns), .name = str_dup(name),
		.uid = str_dup(str_or(uid, "")),
		.warning = (uint8_t)(warning != 0),
		.reason = str_dup(reason),
		.message = str_ndup(message, report_cut(message,
		MESSAGE_MAX)) };
	return (g);
}

static void
another(struct gathered *g, const char *name)
{
	if (g->n < ARRAY_LEN(g->others))
		g->others[g->n] = str_dup(name);
	g->n++;
}

void
report_event_on(struct report *r, const char *kind, const char *ns,
    const char *name, const char *uid, int warning, const char *reason,
    const char *message)
{
	struct gathered *g;
	unsigned i, places = warning ? REPORT_WARNINGS : 1;
	struct core *c = r->core;

	if (!r->events_due.pos)
		schedule_in(c->schedule, &r->events_due, GATHER_MS);
	for (i = 0; i < places; i++) {
		cleanup_free char *key = str_fmt("%s|%s|%s|%u", kind, ns,
		    reason, i);

		g = strmap_get(r->events, key);
		if (!g && strmap_len(r->events) < GATHERED_MAX) {
			strmap_put(r->events, key, gathered_new(kind, ns, name,
			    uid, warning, reason, message));
			return;
		}
		if (g && str_eq(g->first.name, name)) {
			/* The newest of one object. */
			free(g->first.message);
			g->first.message = str_ndup(message,
			    report_cut(message, MESSAGE_MAX));
			return;
		}
	}
	if (g)
		another(g, name);
}

void
report_event(struct report *r, const struct item *item, int warning,
    const char *reason, const char *message)
{
	const struct entry *e;

	if (!r)
		return;
	e = sync_entry(r->core, item);
	report_event_on(r, "ExternalSecret", item->ns, item->name,
	    e && e->es ? e->es->meta.uid : NULL, warning, reason, message);
}

static void
event_send(struct report *r, struct gathered *g)
{
	cleanup_buf struct buf text = BUF_PLAIN(4 * MESSAGE_MAX);
	cleanup_buf struct buf b = BUF_PLAIN(LINK_FRAME_MAX);
	size_t i;

	buf_adds(&text, g->first.message);
	if (g->n) {
		buf_addf(&text, " (and %zu more:", g->n);
		for (i = 0; i < g->n && i < ARRAY_LEN(g->others); i++)
			buf_addf(&text, "%s %s", i ? "," : "", g->others[i]);
		buf_adds(&text, g->n > ARRAY_LEN(g->others) ? ", …)" : ")");
		free(g->first.message);
		g->first.message = buf_take(&text);
	}
	link_event_write(&g->first, &b);
	if (buf_ok(&b))
		r->wire.send(r->wire.arg, LINK_EVENT, &b);
}

void
report_events_flush(void *arg)
{
	struct report *r = arg;
	size_t i;

	for (i = strmap_next(r->events, 0); i;
	    i = strmap_next(r->events, i))
		event_send(r, strmap_val(r->events, i));
	strmap_free(r->events);
	r->events = strmap_new(report_gathered_free);
}
