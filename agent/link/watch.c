/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/random.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "link/watch.h"
#include "net/retry.h"

#define PAGE 100		/* objects; halved when they are too large */
#define PAGE_BYTES (8u << 20)
#define LINE_MAX_BYTES (8u << 20)
#define RETRY_MIN_MS 250u
#define RETRY_MAX_MS 30000u
/* Refused, or there is no such kind: somebody has to do something first. */
#define WAIT_MIN_MS 2000u
#define WAIT_MAX_MS 30000u
/* client-go's reflector: 5 to 10 minutes, so that servers may be drained. */
#define WATCH_MIN_S 300u
/* A watch that ended sooner was none. */
#define SHORT_MS 1000
#define GRACE_MS 30000u

struct known {
	unsigned round;		/* of the list that named it last */
	uint8_t digest[WATCH_KNOWN];
};

struct watch {
	struct loop *loop;
	struct api *api;
	const struct kube_resource *resource;
	char *ns, *name, *field_selector, *label_selector;
	int meta, from_cache;
	const struct watch_handlers *h;
	void *arg;
	struct api_call *call;
	struct loop_timer *timer;
	struct strmap *known;		/* struct known by "ns/name" */
	char *version;			/* go on from here; NULL: list */
	char *next_page;		/* NULL: the first */
	unsigned page, round, failures;
	int listed, any_version;
	int troubled;			/* a problem was told */
	int expired;			/* the watch said 410 */
	int64_t began;			/* boot ms; the watch */
	int progress;			/* it brought something */
	int *freed;
};

static void
begin(struct watch *w);

/* --- questions ------------------------------------------------------------ */

static void
add_param(struct buf *q, const char *name, const char *value)
{
	if (q->len > 0)
		buf_addc(q, '&');
	buf_adds(q, name);
	buf_addc(q, '=');
	codec_query_escape(q, value, strlen(value));
}

static void
add_number(struct buf *q, const char *name, unsigned long n)
{
	cleanup_free char *text = str_fmt("%lu", n);

	add_param(q, name, text);
}

static void
add_selectors(const struct watch *w, struct buf *q)
{
	if (w->field_selector != NULL)
		add_param(q, "fieldSelector", w->field_selector);
	if (w->label_selector != NULL)
		add_param(q, "labelSelector", w->label_selector);
}

/* A list from the server's cache takes no pages, and must not be older than
 * what we have seen. */
static void
add_page(const struct watch *w, struct buf *q)
{
	if (w->from_cache && !w->any_version) {
		add_param(q, "resourceVersion", str_or(w->version, "0"));
		return;
	}
	add_number(q, "limit", w->page);
	if (w->next_page != NULL)
		add_param(q, "continue", w->next_page);
}

static uint32_t
watch_seconds(void)
{
	uint32_t chance = 0;

	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(chance))
		return (WATCH_MIN_S);
	return (WATCH_MIN_S + chance % WATCH_MIN_S);
}

/* --- answers -------------------------------------------------------------- */

static int64_t
now_ms(void)
{
	const struct clock *c = clock_system();

	return (c->boot_ms(c));
}

static void
again_in(struct watch *w, uint32_t ms)
{
	loop_timer_start(w->timer, ms);
}

static void
well(struct watch *w)
{
	w->failures = 0;
	if (!w->troubled)
		return;
	w->troubled = 0;
	w->h->problem(w->arg, NULL);
}

/* Told when it is for somebody to see to, or when it lasts. */
static void
trouble(struct watch *w, const struct err *err)
{
	/* A line that is away is api's to tell, and to wait for. */
	int line = err->sys == ECONNREFUSED || err->sys == ETIMEDOUT;
	int waits = err->kind == ERR_DENIED || err->kind == ERR_NOTFOUND ||
	    err->kind == ERR_INVALID || err->kind == ERR_LIMIT;

	if (line) {
		again_in(w, 0);
		return;
	}
	again_in(w, waits ?
	    retry_jitter_ms(w->failures, WAIT_MIN_MS, WAIT_MAX_MS) :
	    retry_jitter_ms(w->failures, RETRY_MIN_MS, RETRY_MAX_MS));
	w->failures++;
	if (!waits && w->failures < 4)
		return;
	w->troubled = 1;
	w->h->problem(w->arg, err);
}

static char *
key_of(const char *ns, const char *name)
{
	return (str_fmt("%s/%s", ns, name));
}

/* 1 when the callee freed the watch. */
static int
tell_object(struct watch *w, struct json *o)
{
	const char *ns = str_or(json_str(json_path(o, "metadata.namespace")),
	    "");
	const char *name = json_str(json_path(o, "metadata.name"));
	cleanup_free char *key = NULL, *at = NULL, *called = NULL;
	struct known *k;
	int freed = 0;

	if (str_or(name, "")[0] == '\0')
		return (0);
	key = key_of(ns, name);
	at = str_dup(ns);
	called = str_dup(name);
	if ((k = strmap_get(w->known, key)) == NULL) {
		k = mem_alloc(sizeof(*k));
		strmap_put(w->known, key, k);
	}
	k->round = w->round;
	w->freed = &freed;
	w->h->object(w->arg, o, at, called, k->digest);
	if (!freed)
		w->freed = NULL;
	return (freed);
}

/* ${key} is a copy; 1 when the callee freed the watch. */
static int
tell_gone(struct watch *w, const char *key)
{
	const char *slash = strchr(key, '/');
	cleanup_free char *ns = str_ndup(key, (size_t)(slash - key));
	int freed = 0;

	strmap_del(w->known, key);
	w->freed = &freed;
	w->h->gone(w->arg, ns, slash + 1);
	if (!freed)
		w->freed = NULL;
	return (freed);
}

/* What the list did not name is no more. */
static int
tell_missing(struct watch *w)
{
	size_t i = strmap_next(w->known, 0);

	while (i != 0) {
		cleanup_free char *key = NULL;
		const struct known *k = strmap_val(w->known, i);

		if (k->round == w->round) {
			i = strmap_next(w->known, i);
			continue;
		}
		key = str_dup(strmap_key(w->known, i));
		if (tell_gone(w, key))
			return (1);
		i = strmap_next(w->known, i);
	}
	return (0);
}

static void
set_version(struct watch *w, const char *version)
{
	if (str_or(version, "")[0] == '\0')
		return;
	free(w->version);
	w->version = str_dup(version);
}

static void
list_anew(struct watch *w)
{
	free(w->next_page);
	w->next_page = NULL;
	free(w->version);
	w->version = NULL;
}

/* --- the list ------------------------------------------------------------- */

static void
list_complete(struct watch *w, const char *version)
{
	int freed = 0;

	if (tell_missing(w))
		return;
	/* Whole pages of objects came and went. */
	malloc_trim(0);
	set_version(w, version);
	w->listed = 1;
	w->any_version = 0;
	w->freed = &freed;
	well(w);
	if (!freed)
		w->h->listed(w->arg);
	if (freed)
		return;
	w->freed = NULL;
	begin(w);
}

static void
page_came(struct watch *w, const struct json *body)
{
	const char *more = json_str(json_path(body, "metadata.continue"));
	struct json *o, *next;

	if (w->next_page == NULL)
		w->round++;
	for (o = json_first(json_get(body, "items")); o != NULL; o = next) {
		next = json_next(o);
		if (tell_object(w, o))
			return;
	}
	free(w->next_page);
	w->next_page = str_or(more, "")[0] == '\0' ? NULL : str_dup(more);
	if (w->next_page != NULL)
		begin(w);
	else
		list_complete(w, json_str(json_path(body,
		    "metadata.resourceVersion")));
}

/* What an answer means, or that there was none. */
static void
reason(const struct watch *w, const char *verb, int status,
    const struct json *body, const struct err *err, struct err *ret)
{
	if (status != 0) {
		kube_refused(w->resource, verb, w->ns, str_or(w->name, ""),
		    status, body, ret);
		/* As a line that is away. */
		if (status == 401)
			ret->sys = ECONNREFUSED;
		return;
	}
	err_set(ret, err->kind, "%s %s: %s", verb, w->resource->plural,
	    err_msg(err));
	ret->sys = err->sys;
}

static void
list_failed(struct watch *w, int status, const struct json *body,
    const struct err *err)
{
	cleanup_err struct err why = ERR_INIT;

	/* The pages' snapshot was compacted away, or another server does not
	 * know the version yet: once more from the beginning. */
	if (status == 410 || (status == 504 && w->from_cache)) {
		list_anew(w);
		w->any_version = 1;
	}
	if (status == 0 && err->kind == ERR_LIMIT && w->page > 1) {
		w->page /= 2;
		list_anew(w);
		w->any_version = 1;
		again_in(w, 0);
		return;
	}
	reason(w, "list", status, body, err, &why);
	trouble(w, &why);
}

static void
on_list(void *arg, int status, const struct json *body,
    uint32_t retry_after_ms, const struct err *err)
{
	const struct json *items = json_get(body, "items");
	struct watch *w = arg;

	(void)retry_after_ms;	/* api waits for everybody */
	w->call = NULL;
	/* An empty list of metadata has null items (Kubernetes 1.35). */
	if (status == 200 && (json_is(items, JSON_ARRAY) ||
	    json_is(items, JSON_NULL)))
		page_came(w, body);
	else
		list_failed(w, status == 200 ? 500 : status, body, err);
}

static const struct api_handlers list_handlers = { NULL, on_list };

static void
list(struct watch *w)
{
	cleanup_buf struct buf q = BUF_PLAIN(64u << 10);
	cleanup_free char *path = NULL;
	struct api_request r = { .method = "GET", .verb = "list",
		.resource = w->resource->plural, .max = PAGE_BYTES,
		.accept = w->meta ? KUBE_ACCEPT_META_LIST : NULL };

	add_page(w, &q);
	add_selectors(w, &q);
	path = kube_path(w->resource, w->ns, NULL, NULL, buf_str(&q));
	r.path = path;
	w->call = api_start(w->api, &r, &list_handlers, w);
}

/* --- the watch ------------------------------------------------------------ */

/* Nobody knows what it would have said: the watch begins anew behind what was
 * understood. */
static void
not_an_event(struct watch *w)
{
	cleanup_err struct err why = ERR_INIT;

	api_cancel(w->call);
	w->call = NULL;
	err_set(&why, ERR_TRANSIENT, "watch %s: an event that is no JSON",
	    w->resource->plural);
	trouble(w, &why);
}

/* An event is one line. */
static void
on_line(void *arg, const char *text, size_t len)
{
	struct watch *w = arg;
	cleanup_json struct json *e = json_parse(text, len, NULL);
	struct json *o = json_get(e, "object");
	const char *type = str_or(json_str(json_get(e, "type")), "");
	cleanup_free char *version = str_dup(json_str(json_path(o,
	    "metadata.resourceVersion")));

	if (e == NULL) {
		not_an_event(w);
		return;
	}
	if (str_eq(type, "ERROR")) {
		w->expired = json_num(json_get(o, "code"), 0) == 410;
		w->progress = 0;
		w->began = now_ms();
		return;
	}
	w->progress = 1;
	well(w);
	if (str_eq(type, "DELETED")) {
		cleanup_free char *key = key_of(str_or(json_str(json_path(o,
		    "metadata.namespace")), ""), str_or(json_str(json_path(o,
		    "metadata.name")), ""));

		if (strmap_has(w->known, key) && tell_gone(w, key))
			return;
	} else if (str_eq(type, "ADDED") || str_eq(type, "MODIFIED")) {
		if (tell_object(w, o))
			return;
	} else if (!str_eq(type, "BOOKMARK"))
		return;
	set_version(w, version);
}

static void
on_watch(void *arg, int status, const struct json *body,
    uint32_t retry_after_ms, const struct err *err)
{
	struct watch *w = arg;
	cleanup_err struct err why = ERR_INIT;
	int lived = w->progress || now_ms() - w->began >= SHORT_MS;

	(void)retry_after_ms;
	w->call = NULL;
	if (status == 410 || w->expired) {
		log_debug("watch %s: the version is too old: listing again",
		    w->resource->plural);
		list_anew(w);
		w->any_version = 1;
		again_in(w, retry_jitter_ms(0, RETRY_MIN_MS, RETRY_MAX_MS));
		return;
	}
	/* The end of its time, or a connection that broke: go on, at once
	 * where it was a watch at all. */
	if ((status == 200 || (status == 0 && err->kind == ERR_TRANSIENT)) &&
	    lived) {
		begin(w);
		return;
	}
	if (status == 200)
		err_set(&why, ERR_TRANSIENT, "watch %s: it ended at once",
		    w->resource->plural);
	else
		reason(w, "watch", status, body, err, &why);
	trouble(w, &why);
}

static const struct api_handlers watch_handlers = { on_line, on_watch };

static void
go_on(struct watch *w)
{
	cleanup_buf struct buf q = BUF_PLAIN(64u << 10);
	cleanup_free char *path = NULL;
	uint32_t seconds = watch_seconds();
	struct api_request r = { .method = "GET", .verb = "watch",
		.resource = w->resource->plural, .max = LINE_MAX_BYTES,
		.timeout_ms = seconds * 1000 + GRACE_MS,
		.accept = w->meta ? KUBE_ACCEPT_META : NULL };

	add_param(&q, "watch", "1");
	add_param(&q, "allowWatchBookmarks", "true");
	add_param(&q, "resourceVersion", w->version);
	add_number(&q, "timeoutSeconds", seconds);
	add_selectors(w, &q);
	path = kube_path(w->resource, w->ns, NULL, NULL, buf_str(&q));
	r.path = path;
	w->began = now_ms();
	w->progress = 0;
	w->expired = 0;
	w->call = api_start(w->api, &r, &watch_handlers, w);
}

static void
begin(struct watch *w)
{
	if (w->version != NULL && w->listed && w->next_page == NULL)
		go_on(w);
	else
		list(w);
}

static void
on_timer(void *arg)
{
	begin(arg);
}

/* --- made and unmade ------------------------------------------------------ */

struct watch *
watch_new(struct loop *l, struct api *a, const struct watch_spec *spec,
    const struct watch_handlers *h, void *arg)
{
	struct watch *w = mem_alloc(sizeof(*w));

	w->loop = l;
	w->api = a;
	w->resource = spec->resource;
	w->ns = str_dup(spec->ns);
	w->name = str_dup(spec->name);
	w->field_selector = spec->name != NULL ?
	    str_fmt("metadata.name=%s", spec->name) :
	    str_dup(spec->field_selector);
	w->label_selector = str_dup(spec->label_selector);
	w->meta = spec->meta;
	w->from_cache = spec->from_cache;
	w->h = h;
	w->arg = arg;
	w->page = PAGE;
	w->known = strmap_new(free);
	w->timer = loop_timer_new(l, on_timer, w);
	again_in(w, 0);
	return (w);
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	if (w->freed != NULL)
		*w->freed = 1;
	api_cancel(w->call);
	loop_timer_free(w->timer);
	strmap_free(w->known);
	free(w->version);
	free(w->next_page);
	free(w->ns);
	free(w->name);
	free(w->field_selector);
	free(w->label_selector);
	free(w);
}

int
watch_listed(const struct watch *w)
{
	return (w->listed);
}

int
watch_knows_any(const struct watch *w)
{
	return (strmap_len(w->known) > 0);
}

void
watch_again(struct watch *w)
{
	api_cancel(w->call);
	w->call = NULL;
	strmap_free(w->known);
	w->known = strmap_new(free);
	list_anew(w);
	w->listed = 0;
	w->failures = 0;
	again_in(w, 0);
}
