/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "kube/resource.h"
#include "link/event.h"

#define RECENT_MAX 512
#define RECENT_MS (10 * 60 * 1000)
#define CALLS_MAX EVENTS_BURST
#define ANSWER_MAX ((size_t)1 << 20)

/* An event that may still grow. */
struct recent {
	char *name;		/* of the Event */
	char *first;		/* firstTimestamp */
	uint32_t count;
	int64_t last;		/* boot ms */
};

struct call {
	struct events *owner;
	struct api_call *call;	/* NULL: free */
	char *what;
};

struct events {
	struct api *api;
	const struct clock *clock;
	char *node;
	struct strmap *recent;	/* what it says -> struct recent */
	struct call calls[CALLS_MAX];
	double tokens;
	int64_t filled_at;
	uint64_t serial, sent, dropped, failed;
};

static void
recent_free(void *p)
{
	struct recent *r = p;

	free(r->name);
	free(r->first);
	free(r);
}

struct events *
events_new(struct loop *l, struct api *a, const struct clock *clock,
    const char *node)
{
	struct events *e = mem_alloc(sizeof(*e));
	size_t i;

	(void)l;
	e->api = a;
	e->clock = clock;
	e->node = str_dup(node);
	e->recent = strmap_new(recent_free);
	e->tokens = EVENTS_BURST;
	e->filled_at = clock->boot_ms(clock);
	for (i = 0; i < CALLS_MAX; i++)
		e->calls[i].owner = e;
	return (e);
}

void
events_free(struct events *e)
{
	size_t i;

	if (!e)
		return;
	for (i = 0; i < CALLS_MAX; i++) {
		if (e->calls[i].call)
			api_cancel(e->calls[i].call);
		free(e->calls[i].what);
	}
	strmap_free(e->recent);
	free(e->node);
	free(e);
}

/* --- may it ---------------------------------------------------------- */

static int
take_token(struct events *e)
{
	int64_t now = e->clock->boot_ms(e->clock);

	e->tokens += (double)(now - e->filled_at) / EVENTS_SPACE_MS;
	if (e->tokens > EVENTS_BURST)
		e->tokens = EVENTS_BURST;
	e->filled_at = now;
	if (e->tokens < 1)
		return (0);
	e->tokens -= 1;
	return (1);
}

static struct call *
free_call(struct events *e)
{
	size_t i;

	for (i = 0; i < CALLS_MAX; i++)
		if (!e->calls[i].call)
			return (&e->calls[i]);
	return (NULL);
}

static void
sweep(struct events *e, int64_t now)
{
	const struct recent *r;
	size_t i;

	for (i = strmap_next(e->recent, 0); i;
	    i = strmap_next(e->recent, i)) {
		r = strmap_val(e->recent, i);
		if (now - r->last > RECENT_MS)
			strmap_del(e->recent, strmap_key(e->recent, i));
	}
}

/* --- texts ----------------------------------------------------------- */

/* The names that ESO's controllers have for their recorders. */
static const char *
component(const char *kind)
{
	if (str_eq(kind, "ExternalSecret"))
		return ("external-secrets");
	if (str_eq(kind, "SecretStore"))
		return ("secret-store");
	return (str_eq(kind, "ClusterSecretStore") ? "cluster-secret-store" :
	    "nodeseal");
}

/* At most EVENT_MESSAGE_MAX bytes (the API server's limit), not in the middle
 * of a character. */
static size_t
message_len(const char *s)
{
	size_t len = strlen(s);

	if (len <= EVENT_MESSAGE_MAX)
		return (len);
	for (len = EVENT_MESSAGE_MAX; len &&
	    ((unsigned char)s[len] & 0xc0) == 0x80; len--)
		continue;
	return (len);
}

static struct json *
object_of(const struct link_event *m, const struct kube_resource *res)
{
	struct json *o = json_new_object();
	cleanup_free char *version = *res->group ? str_fmt("%s/%s",
	    res->group, res->version) : str_dup(res->version);

	json_set_str(o, "apiVersion", version);
	json_set_str(o, "kind", m->kind);
	json_set_str(o, "name", m->name);
	if (*m->ns)
		json_set_str(o, "namespace", m->ns);
	if (*m->uid)
		json_set_str(o, "uid", m->uid);
	return (o);
}

static struct json *
event_json(const struct events *e, const struct link_event *m,
    const struct kube_resource *res, const struct recent *r, const char *ns)
{
	struct json *o = json_new_object(), *meta = json_new_object();
	struct json *source = json_new_object();

	json_set_str(o, "apiVersion", "v1");
	json_set_str(o, "kind", "Event");
	json_set_str(meta, "name", r->name);
	json_set_str(meta, "namespace", ns);
	json_set(o, "metadata", meta);
	json_set(o, "involvedObject", object_of(m, res));
	json_set_str(o, "reason", m->reason);
	json_set(o, "message", json_new_strn(m->message,
	    message_len(m->message)));
	json_set_str(o, "type", m->warning ? "Warning" : "Normal");
	json_set_str(source, "component", component(m->kind));
	json_set_str(source, "host", e->node);
	json_set(o, "source", source);
	json_set_str(o, "reportingComponent", component(m->kind));
	json_set_str(o, "reportingInstance", e->node);
	json_set_str(o, "firstTimestamp", r->first);
	json_set_str(o, "lastTimestamp", r->first);
	json_set_num(o, "count", 1);
	return (o);
}

static struct json *
again_json(const struct recent *r, const char *now)
{
	struct json *o = json_new_object();

	json_set_num(o, "count", r->count);
	json_set_str(o, "lastTimestamp", now);
	return (o);
}

/* --- requests -------------------------------------------------------- */

static void
on_done(void *arg, int status, const struct json *body,
    uint32_t retry_after_ms, const struct err *err)
{
	struct call *c = arg;
	cleanup_err struct err why = ERR_INIT;

	(void)retry_after_ms;
	c->call = NULL;
	if (status >= 200 && status <= 299)
		return;
	c->owner->failed++;
	if (status)
		kube_refused(kube_resource_find("Event"), "create", "", "",
		    status, body, &why);
	log_debug("event %s: %s", c->what, err_msg(status ? &why : err));
	/* Perhaps it is gone (an hour old): the next one is new. */
	strmap_del(c->owner->recent, c->what);
}

static const struct api_handlers handlers = { NULL, on_done };

static void
start(struct events *e, struct call *c, const char *what, const char *method,
    const char *path, const struct json *body)
{
	struct buf text = BUF_PLAIN((size_t)64 << 10);
	int create = str_eq(method, "POST");
	struct api_request q = { .method = method,
		.verb = create ? "create" : "patch", .resource = "events",
		.path = path, .accept = KUBE_ACCEPT_META, .type = create ?
		"application/json" : KUBE_TYPE_MERGE, .max = ANSWER_MAX };

	json_print(body, &text, 0);
	q.body = buf_str(&text);
	free(c->what);
	c->what = str_dup(what);
	e->sent++;
	c->call = api_start(e->api, &q, &handlers, c);
	buf_clear(&text);
}

static struct recent *
recent_new(struct events *e, const struct link_event *m, const char *now)
{
	struct recent *r = mem_alloc(sizeof(*r));

	/* As client-go: the object's name and a number that is never twice. */
	r->name = str_fmt("%.200s.%llx%04llx", m->name,
	    (unsigned long long)e->clock->wall_ms(e->clock),
	    (unsigned long long)(e->serial++ & 0xffff));
	r->first = str_dup(now);
	return (r);
}

static void
send_event(struct events *e, struct call *c, const struct link_event *m,
    const struct kube_resource *res, const char *what)
{
	const struct kube_resource *events = kube_resource_find("Event");
	const char *ns = *m->ns ? m->ns : "default";
	struct recent *r = strmap_get(e->recent, what);
	cleanup_buf struct buf now = BUF_PLAIN(64);
	cleanup_json struct json *body = NULL;
	cleanup_free char *path = NULL;

	time_rfc3339(&now, e->clock->wall_ms(e->clock));
	if (r) {
		r->count++;
		body = again_json(r, now.data);
		path = kube_path(events, ns, r->name, NULL, NULL);
	} else {
		r = recent_new(e, m, now.data);
		r->count = 1;
		body = event_json(e, m, res, r, ns);
		path = kube_path(events, ns, NULL, NULL, NULL);
		strmap_put(e->recent, what, r);
	}
	r->last = e->clock->boot_ms(e->clock);
	start(e, c, what, r->count > 1 ? "PATCH" : "POST", path, body);
}

void
events_put(struct events *e, const struct link_event *m)
{
	const struct kube_resource *res = kube_resource_find(m->kind);
	cleanup_free char *what = str_fmt("%s/%s/%s/%s/%d/%s/%s", m->kind,
	    m->ns, m->name, m->uid, m->warning, m->reason, m->message);
	struct call *c = free_call(e);

	sweep(e, e->clock->boot_ms(e->clock));
	if (!res || !c || !api_connected(e->api) || !take_token(e) ||
	    (strmap_len(e->recent) >= RECENT_MAX &&
	    !strmap_has(e->recent, what))) {
		e->dropped++;
		return;
	}
	send_event(e, c, m, res, what);
}

void
events_metrics(const struct events *e, struct buf *b)
{
	buf_addf(b, "# HELP nodeseal_events_total Events, by what became of "
	    "them.\n# TYPE nodeseal_events_total counter\n"
	    "nodeseal_events_total{result=\"sent\"} %llu\n"
	    "nodeseal_events_total{result=\"refused\"} %llu\n"
	    "nodeseal_events_total{result=\"dropped\"} %llu\n",
	    (unsigned long long)(e->sent - e->failed),
	    (unsigned long long)e->failed, (unsigned long long)e->dropped);
}
