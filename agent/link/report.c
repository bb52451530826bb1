/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "kube/resource.h"
#include "link/report.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000
#define ANSWER_MAX ((size_t)1 << 20)	/* metadata, or a Status */
#define MANAGER "nodeseal"

/* What is asked of the API server for one object, step by step. */
enum step { STEP_STATUS, STEP_CREATE };

struct entry {
	struct reports *owner;
	char *key;		/* "Kind/ns/name" */
	struct link_report m;	/* waiting or under way */
	struct link_report next;	/* came meanwhile; kind NULL: none */
	TAILQ_ENTRY(entry) link;
	struct entry_list *list;	/* it is in, NULL: under way */
	struct api_call *call;
	enum step step;
	int created, conflicted;
	unsigned failures;
	int64_t not_before;	/* boot ms, when it is put off */
};
TAILQ_HEAD(entry_list, entry);

struct reports {
	struct api *api;
	const struct clock *clock;
	char *manager_node;	/* of a HostProjection's entry */
	void (*reported)(void *arg, const struct link_reported *m);
	void *arg;
	struct loop_timer *timer;
	struct strmap *entries;		/* key -> struct entry */
	struct strmap *seen;		/* key -> struct json, of stores */
	struct entry_list urgent, plain, later;
	size_t running;
	uint64_t sent, done, failed, replaced, spared;
};

static void pump(struct reports *r);

/* --- made and unmade ------------------------------------------------- */

static void
entry_free(void *p)
{
	struct entry *e = p;

	if (e->call)
		api_cancel(e->call);
	link_report_clear(&e->m);
	if (e->next.kind)
		link_report_clear(&e->next);
	free(e->key);
	free(e);
}

static void
seen_free(void *p)
{
	json_free(p);
}

static void
on_timer(void *arg)
{
	pump(arg);
}

struct reports *
reports_new(struct loop *l, struct api *a, const char *node,
    void (*reported)(void *arg, const struct link_reported *m), void *arg)
{
	struct reports *r = mem_alloc(sizeof(*r));

	r->api = a;
	r->clock = clock_system();
	r->manager_node = str_fmt(MANAGER "/%.100s", node);
	r->reported = reported;
	r->arg = arg;
	r->timer = loop_timer_new(l, on_timer, r);
	r->entries = strmap_new(entry_free);
	r->seen = strmap_new(seen_free);
	TAILQ_INIT(&r->urgent);
	TAILQ_INIT(&r->plain);
	TAILQ_INIT(&r->later);
	return (r);
}

void
reports_free(struct reports *r)
{
	if (!r)
		return;
	strmap_free(r->entries);
	strmap_free(r->seen);
	loop_timer_free(r->timer);
	free(r->manager_node);
	free(r);
}

/* --- queue ----------------------------------------------------------- */

static int64_t
now_ms(const struct reports *r)
{
	return (r->clock->boot_ms(r->clock));
}

static void
leave(struct entry *e)
{
	if (e->list)
		TAILQ_REMOVE(e->list, e, link);
	e->list = NULL;
}

static void
enqueue(struct entry *e, struct entry_list *list)
{
	leave(e);
	e->list = list;
	TAILQ_INSERT_TAIL(list, e, link);
}

static void
wait_turn(struct entry *e)
{
	enqueue(e, e->m.urgent ? &e->owner->urgent : &e->owner->plain);
}

static void
tell(struct reports *r, uint64_t tag, int status, const char *error)
{
	struct link_reported m = { .tag = tag,
		.http_status = (uint32_t)status, .error = str_dup(error) };

	if (*error)
		r->failed++;
	else
		r->done++;
	r->reported(r->arg, &m);
	link_reported_clear(&m);
}

/* ${e} has been told of, or replaced: what came meanwhile has its turn. */
static void
over(struct entry *e)
{
	struct reports *r = e->owner;

	if (!e->next.kind) {
		leave(e);
		strmap_del(r->entries, e->key);
		return;
	}
	link_report_clear(&e->m);
	e->m = e->next;
	memset(&e->next, 0, sizeof(e->next));
	e->step = STEP_STATUS;
	e->created = e->conflicted = 0;
	e->failures = 0;
	wait_turn(e);
}

/* It waits by itself; who waits for nobody's answer goes first. */
static void
put_off(struct entry *e, uint32_t retry_after_ms)
{
	int64_t wait = RETRY_FIRST_MS << (e->failures < 6 ? e->failures : 6);

	if (e->next.kind) {
		e->owner->replaced++;
		over(e);
		return;
	}
	if (wait > RETRY_MAX_MS)
		wait = RETRY_MAX_MS;
	if (wait < retry_after_ms)
		wait = retry_after_ms;
	e->failures++;
	e->not_before = now_ms(e->owner) + wait;
	enqueue(e, &e->owner->later);
}

/* --- bodies ---------------------------------------------------------- */

static int
is_applied(const struct entry *e)
{
	return (str_eq(e->m.kind, "NodeSeal") ||
	    str_eq(e->m.kind, "HostProjection"));
}

static struct json *
condition_find(const struct json *status, const char *type)
{
	struct json *c;

	for (c = json_first(json_get(status, "conditions")); c;
	    c = json_next(c))
		if (str_eq(json_str(json_get(c, "type")), type))
			return (c);
	return (NULL);
}

static int
same_text(const struct json *a, const struct json *b, const char *key)
{
	return (str_eq(json_str(json_get(a, key)),
	    json_str(json_get(b, key))));
}

/*
 * Of a store: what is there keeps its time, and others' conditions stay.
 * Nonzero when nothing is left to say: several nodes say the same.
 */
static int
settle_with_seen(const struct entry *e, struct json *status)
{
	const struct json *seen = strmap_get(e->owner->seen, e->key), *c, *old;
	struct json *ready = condition_find(status, "Ready"), *list;

	old = condition_find(seen, "Ready");
	if (!ready || !old)
		return (0);
	if (same_text(ready, old, "status")) {
		if (same_text(ready, old, "reason") &&
		    same_text(ready, old, "message") &&
		    same_text(status, seen, "capabilities"))
			return (1);
		json_set_str(ready, "lastTransitionTime",
		    json_str(json_get(old, "lastTransitionTime")));
	}
	list = json_get(status, "conditions");
	for (c = json_first(json_get(seen, "conditions")); c;
	    c = json_next(c))
		if (!str_eq(json_str(json_get(c, "type")), "Ready"))
			json_push(list, json_copy(c));
	return (0);
}

static struct json *
head_of(const struct entry *e, const struct kube_resource *res)
{
	struct json *o = json_new_object(), *meta = json_new_object();

	if (is_applied(e)) {
		cleanup_free char *version = str_fmt("%s/%s", res->group,
		    res->version);

		json_set_str(o, "apiVersion", version);
		json_set_str(o, "kind", res->kind);
		json_set_str(meta, "name", e->m.name);
		if (res->namespaced)
			json_set_str(meta, "namespace", e->m.ns);
	}
	/* An object of the same name that was made anew is another one. */
	if (*e->m.uid)
		json_set_str(meta, "uid", e->m.uid);
	json_set(o, "metadata", meta);
	return (o);
}

/* NULL: nothing to say, or *ret_bad. */
static char *
body_of(const struct entry *e, const struct kube_resource *res, int *ret_bad)
{
	cleanup_json struct json *status = json_parse(e->m.status,
	    strlen(e->m.status), NULL);
	cleanup_json struct json *o = head_of(e, res);
	struct buf b = BUF_PLAIN(LINK_FRAME_MAX);

	*ret_bad = !status;
	if (!status || (!is_applied(e) && settle_with_seen(e, status)))
		return (NULL);
	if (e->step == STEP_STATUS)
		json_set(o, "status", STEAL(status));
	json_print(o, &b, 0);
	*ret_bad = !buf_ok(&b);
	if (*ret_bad)
		buf_clear(&b);
	return (*ret_bad ? NULL : buf_take(&b));
}

/* --- one request ----------------------------------------------------- */

static const struct kube_resource *
resource_of(const struct entry *e)
{
	return (kube_resource_find(e->m.kind));
}

static void
final(struct entry *e, int status, const struct json *body)
{
	cleanup_err struct err err = ERR_INIT;

	kube_refused(resource_of(e), "patch", e->m.ns, e->m.name, status, body,
	    &err);
	err_wrap(&err, "status of %s %s%s%s", e->m.kind, e->m.ns,
	    *e->m.ns ? "/" : "", e->m.name);
	tell(e->owner, e->m.tag, status, err_msg(&err));
	over(e);
}

static void
succeeded(struct entry *e, int status)
{
	if (e->step == STEP_CREATE) {
		e->step = STEP_STATUS;
		e->created = 1;
		wait_turn(e);
		return;
	}
	tell(e->owner, e->m.tag, status, "");
	over(e);
}

static void
on_done(void *arg, int status, const struct json *body,
    uint32_t retry_after_ms, const struct err *err)
{
	struct entry *e = arg;
	struct reports *r = e->owner;

	e->call = NULL;
	r->running--;
	if (err && status == 0)
		log_debug("report of %s: %s", e->key, err_msg(err));
	if (status >= 200 && status <= 299) {
		succeeded(e, status);
	} else if (status == 409 && !e->conflicted) {
		e->conflicted = 1;
		wait_turn(e);
	} else if (status == 404 && str_eq(e->m.kind, "NodeSeal") &&
	    !e->created) {
		e->step = STEP_CREATE;
		e->created = 1;
		wait_turn(e);
	} else if (status == 0 || status == 401 || status == 408 ||
	    status == 429 || status >= 500) {
		put_off(e, retry_after_ms);
	} else
		final(e, status, body);
	pump(r);
}

static const struct api_handlers handlers = { NULL, on_done };

static char *
path_of(const struct entry *e, const struct kube_resource *res)
{
	const char *query = "fieldManager=" MANAGER;
	cleanup_free char *own = NULL;

	if (str_eq(e->m.kind, "NodeSeal"))
		query = "fieldManager=" MANAGER "&force=true";
	else if (str_eq(e->m.kind, "HostProjection")) {
		/* A node's name is DNS: nothing in it needs an escape. */
		own = str_fmt("fieldManager=%s&force=true",
		    e->owner->manager_node);
		query = own;
	}
	return (kube_path(res, e->m.ns, e->m.name,
	    e->step == STEP_CREATE ? NULL : "status", query));
}

static void
send_one(struct entry *e, const char *body)
{
	const struct kube_resource *res = resource_of(e);
	cleanup_free char *path = path_of(e, res);
	cleanup_free char *name = str_fmt("%s%s", res->plural,
	    e->step == STEP_CREATE ? "" : "/status");
	struct api_request q = { .method = "PATCH", .verb = "patch",
		.resource = name, .path = path, .accept = KUBE_ACCEPT_META,
		.type = is_applied(e) ? KUBE_TYPE_APPLY : KUBE_TYPE_MERGE,
		.body = body, .max = ANSWER_MAX };

	e->owner->running++;
	e->owner->sent++;
	e->call = api_start(e->owner->api, &q, &handlers, e);
}

static void
begin(struct entry *e)
{
	const struct kube_resource *res = resource_of(e);
	cleanup_free char *body = NULL;
	int bad = !res;

	leave(e);
	if (res)
		body = body_of(e, res, &bad);
	if (body) {
		send_one(e, body);
		return;
	}
	if (!bad)
		e->owner->spared++;
	tell(e->owner, e->m.tag, bad ? 0 : 200, bad ? "this is no status" :
	    "");
	over(e);
}

/* --- the pump -------------------------------------------------------- */

/* Those whose time has come go back to their queue; the timer for the rest. */
static void
wake(struct reports *r)
{
	int64_t now = now_ms(r), next = INT64_MAX;
	struct entry *e, *following;

	for (e = TAILQ_FIRST(&r->later); e; e = following) {
		following = TAILQ_NEXT(e, link);
		if (e->not_before <= now)
			wait_turn(e);
		else if (e->not_before < next)
			next = e->not_before;
	}
	if (next != INT64_MAX)
		loop_timer_start(r->timer, (uint64_t)(next - now));
}

static void
pump(struct reports *r)
{
	struct entry *e;

	wake(r);
	while (r->running < REPORTS_PARALLEL) {
		e = TAILQ_FIRST(&r->urgent);
		if (!e)
			e = TAILQ_FIRST(&r->plain);
		if (!e)
			return;
		begin(e);
	}
}

static void
copy(struct link_report *to, const struct link_report *m)
{
	*to = (struct link_report){ .tag = m->tag, .kind = str_dup(m->kind),
		.ns = str_dup(m->ns), .name = str_dup(m->name),
		.uid = str_dup(m->uid), .status = str_dup(m->status),
		.urgent = m->urgent };
}

void
reports_put(struct reports *r, const struct link_report *m)
{
	cleanup_free char *key = str_fmt("%s/%s/%s", m->kind, m->ns, m->name);
	struct entry *e = strmap_get(r->entries, key);

	if (!e && strmap_len(r->entries) >= REPORTS_WAITING) {
		tell(r, m->tag, 0, "too many reports wait already");
		return;
	}
	if (e && !e->list) {
		/* Under way: this one is next. */
		if (e->next.kind) {
			r->replaced++;
			link_report_clear(&e->next);
		}
		copy(&e->next, m);
		return;
	}
	if (e) {
		r->replaced++;
		link_report_clear(&e->m);
		e->step = STEP_STATUS;
	} else {
		e = mem_alloc(sizeof(*e));
		e->owner = r;
		e->key = STEAL(key);
		strmap_put(r->entries, e->key, e);
	}
	copy(&e->m, m);
	if (e->list != &r->later)
		wait_turn(e);
	/* What waits for its time keeps it: the server asked for that. */
	if (!TAILQ_EMPTY(&r->urgent) || !TAILQ_EMPTY(&r->plain))
		loop_timer_start(r->timer, 0);
}

void
reports_seen(struct reports *r, const char *kind, const char *ns,
    const char *name, const struct json *status)
{
	cleanup_free char *key = str_fmt("%s/%s/%s", kind, ns, name);

	if (status)
		strmap_put(r->seen, key, json_copy(status));
	else
		strmap_del(r->seen, key);
}

int
reports_idle(const struct reports *r)
{
	return (strmap_len(r->entries) == 0);
}

void
reports_metrics(const struct reports *r, struct buf *b)
{
	buf_addf(b, "# HELP nodeseal_reports_total Statuses, by what became "
	    "of them.\n# TYPE nodeseal_reports_total counter\n"
	    "nodeseal_reports_total{result=\"written\"} %llu\n"
	    "nodeseal_reports_total{result=\"refused\"} %llu\n"
	    "nodeseal_reports_total{result=\"replaced\"} %llu\n"
	    "nodeseal_reports_total{result=\"spared\"} %llu\n"
	    "# HELP nodeseal_report_requests_total Requests for them.\n"
	    "# TYPE nodeseal_report_requests_total counter\n"
	    "nodeseal_report_requests_total %llu\n"
	    "# HELP nodeseal_reports_waiting Statuses that wait or are under "
	    "way.\n# TYPE nodeseal_reports_waiting gauge\n"
	    "nodeseal_reports_waiting %zu\n",
	    (unsigned long long)(r->done - r->spared),
	    (unsigned long long)r->failed, (unsigned long long)r->replaced,
	    (unsigned long long)r->spared, (unsigned long long)r->sent,
	    strmap_len(r->entries));
}
