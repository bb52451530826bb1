/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/lease.h"
#include "core/line.h"
#include "core/pods.h"
#include "core/refs.h"
#include "core/report.h"
#include "core/resolve.h"
#include "core/secrets.h"
#include "core/source_link.h"
#include "ipc/chan.h"

/* A burst of claims is one look. */
#define SETTLE_MS 50

struct line {
	struct core *core;
	struct chan *chan;	/* NULL: no link */
	int connected;		/* link has the API server */
	char *problem;		/* why not, NULL before it has said */
	struct link_node node;
	int has_node;
	struct strmap *wants;	/* namespaces, as link was told */
	struct strmap *watches;	/* "Kind/ns/name", as link was told */
	struct strmap *versions;	/* of references: key -> char * */
	struct due settle_due, offline_due;
};

/* --- to link -------------------------------------------------------------- */

void
line_send(struct core *c, uint16_t type, const struct buf *body)
{
	cleanup_err struct err err = ERR_INIT;
	struct line *l = c->line;

	if (!l || !l->chan)
		return;
	if (!buf_ok(body) || chan_send(l->chan, type, body->data, body->len,
	    NULL, 0, &err) == -1)
		log_warn("to link: %s", err.kind ? err_msg(&err) :
		    "too long");
}

static void
say(struct line *l, uint16_t type, int on, char *a, char *b, char *name)
{
	cleanup_buf struct buf out = BUF_PLAIN(LINK_FRAME_MAX);
	char none[] = "";
	struct link_words m = { .on = on != 0, .a = a, .b = b ? b : none,
		.c = name ? name : none };

	link_words_write(&m, &out);
	line_send(l->core, type, &out);
}

static void
say_watch(struct line *l, int on, const char *key)
{
	const char *ns = strchr(key, '/') + 1, *name = strchr(ns, '/') + 1;
	cleanup_free char *a = str_ndup(key, strcspn(key, "/"));
	cleanup_free char *b = str_ndup(ns, strcspn(ns, "/"));
	cleanup_free char *n = str_dup(name);

	say(l, LINK_WATCH, on, a, b, n);
}

static void
say_want(struct line *l, int on, const char *ns)
{
	cleanup_free char *copy = str_dup(ns);

	say(l, LINK_WANT, on, copy, NULL, NULL);
}

/* The new set in the place of the old one: what differs is said. */
static void
exchange(struct line *l, struct strmap **set, struct strmap *now,
    void (*tell)(struct line *l, int on, const char *key))
{
	struct strmap *before = *set;
	size_t i;

	for (i = strmap_next(now, 0); i; i = strmap_next(now, i))
		if (!strmap_has(before, strmap_key(now, i)))
			tell(l, 1, strmap_key(now, i));
	for (i = strmap_next(before, 0); i; i = strmap_next(before, i))
		if (!strmap_has(now, strmap_key(before, i)))
			tell(l, 0, strmap_key(before, i));
	strmap_free(before);
	*set = now;
}

/* --- what core wants to see ----------------------------------------------- */

static int
is_watchable(const char *key)
{
	return (strncmp(key, "Secret/", 7) == 0 ||
	    strncmp(key, "ConfigMap/", 10) == 0);
}

static void
watches_of(const struct core *c, const struct item *item,
    struct strmap *watches)
{
	cleanup_strmap struct strmap *refs = strmap_new(NULL);
	const struct entry *e = sync_entry(c, item);
	size_t i;

	if (item_makes_secret(item)) {
		cleanup_free char *all = str_fmt("Secret/%s/", item->ns);

		strmap_put(watches, all, NULL);
	}
	if (!e || !item->claims.n)
		return;
	refs_add(c->catalog, e, refs);
	for (i = strmap_next(refs, 0); i; i = strmap_next(refs, i))
		if (is_watchable(strmap_key(refs, i)))
			strmap_put(watches, strmap_key(refs, i), NULL);
}

static void
on_settle(void *arg)
{
	struct line *l = arg;
	struct core *c = l->core;
	struct strmap *wants = strmap_new(NULL), *watches = strmap_new(NULL);
	const struct item *item;
	size_t i;

	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		strmap_put(wants, item->ns, NULL);
		watches_of(c, item, watches);
	}
	exchange(l, &l->wants, wants, say_want);
	exchange(l, &l->watches, watches, say_watch);
}

void
line_settle(struct core *c)
{
	struct line *l = c->line;

	if (l && !l->settle_due.pos)
		schedule_in(c->schedule, &l->settle_due, SETTLE_MS);
}

/* Link was started (again), and knows nothing. */
static void
say_all(struct line *l)
{
	strmap_free(l->wants);
	strmap_free(l->watches);
	l->wants = strmap_new(NULL);
	l->watches = strmap_new(NULL);
	on_settle(l);
}

/* --- references ----------------------------------------------------------- */

void
line_resolved(struct core *c, const char *key, const char *version)
{
	if (c->line && is_watchable(key))
		strmap_put(c->line->versions, key, str_dup(version));
}

static void
reference_seen(struct line *l, const struct link_meta *m)
{
	cleanup_free char *key = object_key(m->kind, m->ns, m->name);
	const char *before = strmap_get(l->versions, key);
	const char *now = m->exists ? m->version : "";

	/* Nobody has used it yet: there is nothing to be refreshed. */
	if (!before || str_eq(before, now))
		return;
	log_info("%s has changed: who refers to it is refreshed", key);
	strmap_put(l->versions, key, str_dup(now));
	sync_reference(l->core, key);
}

/* --- from link ------------------------------------------------------------ */

static void
on_offline(void *arg)
{
	struct line *l = arg;

	if (!l->connected)
		source_link_offline(l->core->source);
}

static int
take_state(struct line *l, const struct frame *f, struct err *err)
{
	struct link_state m;

	if (link_state_read(&m, f, err) == -1)
		return (-1);
	l->connected = m.connected;
	free(l->problem);
	l->problem = m.connected ? NULL : STEAL(m.problem);
	report_state(l->core->report, m.connected, l->problem);
	if (!m.connected && !l->offline_due.pos)
		schedule_in(l->core->schedule, &l->offline_due,
		    LINE_OFFLINE_MS);
	link_state_clear(&m);
	return (0);
}

static int
take_node(struct line *l, const struct frame *f, struct err *err)
{
	struct core *c = l->core;
	struct link_node m;
	const char *eq;
	size_t i;

	if (link_node_read(&m, f, err) == -1)
		return (-1);
	link_node_clear(&l->node);
	l->node = m;
	l->has_node = 1;
	if (!m.has_labels)
		return (0);
	strmap_free(c->node_labels);
	c->node_labels = strmap_new(free);
	for (i = 0; i < m.nlabels; i++) {
		eq = strchr(m.labels[i], '=');
		if (!eq)
			continue;
		cleanup_free char *key = str_ndup(m.labels[i],
		    (size_t)(eq - m.labels[i]));

		strmap_put(c->node_labels, key, str_dup(eq + 1));
	}
	hosts_selected(c);
	return (0);
}

static int
take_pod(struct line *l, const struct frame *f, struct err *err)
{
	struct link_pod m;

	if (link_pod_read(&m, f, err) == -1)
		return (-1);
	pods_put(l->core->pods, &m);
	return (0);
}

/* Of pods the lists go by another way than objects. */
static int
take_list(struct line *l, struct frame *f, struct err *err)
{
	struct link_name m;
	int pods;

	if (link_name_read(&m, f, err) == -1)
		return (-1);
	pods = str_eq(m.kind, "Pod");
	if (f->type == LINK_UNWATCHED && str_eq(m.kind, "Secret") && !*m.name)
		secrets_unwatched(l->core, m.ns);
	if (f->type == LINK_POD_GONE)
		pods_gone(l->core->pods, m.kind);
	else if (pods && f->type == LINK_RELIST)
		pods_relist(l->core->pods);
	else if (pods && f->type == LINK_LISTED)
		pods_listed(l->core->pods);
	link_name_clear(&m);
	if (f->type == LINK_POD_GONE || pods)
		return (0);
	return (source_link_frame(l->core->source, f, err));
}

static int
take_meta(struct line *l, const struct frame *f, struct err *err)
{
	struct link_meta m;

	if (link_meta_read(&m, f, err) == -1)
		return (-1);
	secrets_meta(l->core, &m);
	reference_seen(l, &m);
	link_meta_clear(&m);
	return (0);
}

static int
take_problem(struct line *l, const struct frame *f, struct err *err)
{
	struct link_words m;

	if (link_words_read(&m, f, err) == -1)
		return (-1);
	report_problem(l->core->report, m.a, m.b);
	source_link_problem(l->core->source, m.a, m.b);
	link_words_clear(&m);
	return (0);
}

static int
take_reported(struct line *l, const struct frame *f, struct err *err)
{
	struct link_reported m;

	if (link_reported_read(&m, f, err) == -1)
		return (-1);
	report_reported(l->core->report, &m);
	link_reported_clear(&m);
	return (0);
}

static int
take(struct line *l, struct frame *f, struct err *err)
{
	switch (f->type) {
	case LINK_STATE:
		return (take_state(l, f, err));
	case LINK_NODE:
		return (take_node(l, f, err));
	case LINK_RELIST:
	case LINK_LISTED:
	case LINK_UNWATCHED:
	case LINK_POD_GONE:
		return (take_list(l, f, err));
	case LINK_OBJECTS:
	case LINK_GONE:
	case LINK_LEASE:
	case LINK_SYNCED:
		return (source_link_frame(l->core->source, f, err));
	case LINK_POD:
		return (take_pod(l, f, err));
	case LINK_META:
		return (take_meta(l, f, err));
	case LINK_PROBLEM:
		return (take_problem(l, f, err));
	case LINK_REPORTED:
		return (take_reported(l, f, err));
	case LINK_SCRAPE:
		return (report_scrape(l->core->report, f, err));
	default:
		return (err_set(err, ERR_INVALID, "frame of unknown type %u",
		    f->type));
	}
}

/* --- the line itself ------------------------------------------------------ */

static void
lost(struct line *l, const char *why)
{
	chan_free(STEAL(l->chan));
	l->connected = 0;
	free(l->problem);
	l->problem = str_fmt("link is away: %s", why);
	source_link_lost(l->core->source);
	report_state(l->core->report, 0, l->problem);
	secrets_unwatched(l->core, NULL);
	if (!l->offline_due.pos)
		schedule_in(l->core->schedule, &l->offline_due,
		    LINE_OFFLINE_MS);
}

static void
on_frame(void *arg, struct frame *f)
{
	cleanup_err struct err err = ERR_INIT;
	struct line *l = arg;

	if (take(l, f, &err) == 0)
		return;
	/* The keeper starts another one. */
	log_error("from link: %s", err_msg(&err));
	lost(l, err_msg(&err));
}

static void
on_end(void *arg, const struct err *err)
{
	struct line *l = arg;

	log_warn("link is gone: %s", err_msg(err));
	lost(l, err_msg(err));
}

static const struct chan_events line_events = { on_frame, on_end };

int
line_arrived(struct core *c, int fd, struct err *err)
{
	struct line *l = c->line;

	if (!l) {
		mem_cleanup_close(&fd);
		return (err_set(err, ERR_INVALID, "nobody asked for a link"));
	}
	if (l->chan)
		lost(l, "it was started again");
	if (chan_new(c->loop, fd, LINK_FRAME_MAX, &line_events, l, &l->chan,
	    err) == -1)
		return (err_wrap(err, "link"));
	say_all(l);
	report_again(c->report);
	report_ready(c->report);
	return (0);
}

const struct link_node *
line_node(const struct core *c)
{
	return (c->line && c->line->has_node ? &c->line->node : NULL);
}

const char *
line_problem(const struct core *c)
{
	const struct line *l = c->line;

	if (!l || l->connected)
		return (NULL);
	return (str_or(l->problem, "link has not spoken yet"));
}

/* --- news of the source --------------------------------------------------- */

static void
on_changed(void *arg)
{
	sync_commit(arg);
}

static void
on_synced(void *arg)
{
	sync_synced(arg);
}

static void
on_room(void *arg)
{
	sync_pump(arg);
}

static void
on_listed(void *arg, const char *kind, const char *ns)
{
	(void)kind;
	sync_listed(arg, ns);
}

static void
on_current(void *arg)
{
	sync_current(arg);
}

static void
on_lease(void *arg, struct link_lease *m)
{
	lease_take(arg, m);
}

/* Who has files alone does not speak for the Secret while others do. */
static int
is_anothers(const struct core *c, const struct item *item)
{
	const struct link_lease *m = lease_of(c, item->key);
	const struct entry *e = sync_entry(c, item);

	return (m && *m->binding && e && e->es && !item_makes_secret(item) &&
	    m->refreshed_at + 2 * e->es->refresh_interval_ms >
	    schedule_wall(c->schedule));
}

static void
on_report(void *arg, const struct item *item)
{
	struct core *c = arg;

	if (item_ready(item))
		log_debug("ExternalSecret %s: %s", item->key, item->message);
	else
		log_warn("ExternalSecret %s: %s: %s%s%s", item->key,
		    str_or(item->reason, "not ready"), item->message,
		    item->error ? ": " : "", str_or(item->error, ""));
	if (!is_anothers(c, item))
		report_item(c->report, sync_item(c, item->ns, item->name));
}

static void
on_send(void *arg, uint16_t type, const struct buf *body)
{
	line_send(arg, type, body);
}

static void
on_facts(void *arg, const struct item *item, struct report_facts *ret)
{
	ret->lease = lease_of(arg, item->key);
	ret->bound = secrets_bound(item);
}

struct line *
line_new(struct core *c)
{
	struct source_link_config config = { .schedule = c->schedule,
		.jobs = c->jobs, .keys = c->keys, .catalog = c->catalog,
		.events = { on_changed, on_synced, on_room, c },
		.listed = on_listed, .current = on_current,
		.lease = on_lease, .report = on_report,
		.arg = c };
	const struct report_wire wire = { on_send, on_facts, c };
	struct line *l = mem_alloc(sizeof(*l));

	l->core = c;
	l->wants = strmap_new(NULL);
	l->watches = strmap_new(NULL);
	l->versions = strmap_new(free);
	due_init(&l->settle_due, on_settle, l);
	due_init(&l->offline_due, on_offline, l);
	c->line = l;
	c->source = source_link_new(&config);
	c->pods = pods_new(c);
	c->secrets = secrets_new(c);
	c->leases = leases_new();
	c->report = report_new(c, &wire);
	schedule_in(c->schedule, &l->offline_due, LINE_OFFLINE_MS);
	return (l);
}

void
line_free(struct line *l)
{
	if (!l)
		return;
	chan_free(l->chan);
	schedule_cancel(l->core->schedule, &l->settle_due);
	schedule_cancel(l->core->schedule, &l->offline_due);
	strmap_free(l->wants);
	strmap_free(l->watches);
	strmap_free(l->versions);
	if (l->has_node)
		link_node_clear(&l->node);
	free(l->problem);
	free(l);
}
