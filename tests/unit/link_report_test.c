/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/event.h"
#include "link/report.h"

/*
 * Statuses and events on their way to an API server that is the test itself.
 */
struct api_call {
	struct api_call *next;
	const struct api_handlers *h;
	void *arg;
	char *method, *path, *type, *body, *what;
};

static struct api_call *calls;		/* under way, oldest first */
static size_t ncalls, most, total;
static int connected = 1;

struct api_call *
api_start(struct api *a, const struct api_request *r,
    const struct api_handlers *h, void *arg)
{
	struct api_call *c = mem_alloc(sizeof(*c)), **at;

	(void)a;
	c->h = h;
	c->arg = arg;
	c->method = str_dup(r->method);
	c->path = str_dup(r->path);
	c->type = str_dup(r->type);
	c->body = str_dup(r->body);
	c->what = str_fmt("%s %s", r->verb, r->resource);
	for (at = &calls; *at; at = &(*at)->next)
		continue;
	*at = c;
	total++;
	if (++ncalls > most)
		most = ncalls;
	return (c);
}

static void
call_take(struct api_call *c)
{
	struct api_call **at;

	for (at = &calls; *at != c; at = &(*at)->next)
		assert_non_null(*at);
	*at = c->next;
	ncalls--;
}

static void
call_free(struct api_call *c)
{
	free(c->method);
	free(c->path);
	free(c->type);
	free(c->body);
	free(c->what);
	free(c);
}

void
api_cancel(struct api_call *c)
{
	call_take(c);
	call_free(c);
}

int
api_connected(const struct api *a)
{
	(void)a;
	return (connected);
}

/* The rest of link/api.h is not asked here. */
static void
answer(struct api_call *c, int status, uint32_t retry_after_ms)
{
	cleanup_json struct json *body = json_parse("{\"message\":\"words\"}",
	    19, NULL);
	cleanup_err struct err err = ERR_INIT;

	call_take(c);
	if (!status)
		err_set(&err, ERR_TRANSIENT, "away");
	c->h->done(c->arg, status, status ? body : NULL, retry_after_ms,
	    status ? NULL : &err);
	call_free(c);
}

/* --- the scene ------------------------------------------------------- */

struct scene {
	struct loop *loop;
	struct loop_timer *stop;
	struct reports *r;
	struct events *e;
	struct clock_manual clock;
	int told;
	uint64_t last_tag;
	uint32_t last_status;
	char *last_error;
};

static void
on_stop(void *arg)
{
	loop_stop(arg);
}

static void
spin(struct scene *s, unsigned ms)
{
	loop_timer_start(s->stop, ms);
	loop_run(s->loop);
}

static void
on_reported(void *arg, const struct link_reported *m)
{
	struct scene *s = arg;

	s->told++;
	s->last_tag = m->tag;
	s->last_status = m->http_status;
	free(s->last_error);
	s->last_error = str_dup(m->error);
}

static int
setup(void **state)
{
	struct scene *s = mem_alloc(sizeof(*s));

	log_init("test", LOG_LEVEL_ERROR, LOG_TEXT);
	most = total = 0;
	connected = 1;
	s->loop = loop_new(NULL);
	s->stop = loop_timer_new(s->loop, on_stop, s->loop);
	clock_manual_init(&s->clock, 1000, 1795467323000LL);
	s->r = reports_new(s->loop, NULL, "node1", on_reported, s);
	s->e = events_new(s->loop, NULL, &s->clock.clock, "node1");
	*state = s;
	return (0);
}

static int
teardown(void **state)
{
	struct scene *s = *state;

	reports_free(s->r);
	events_free(s->e);
	assert_null(calls);
	free(s->last_error);
	loop_timer_free(s->stop);
	loop_free(s->loop);
	free(s);
	return (0);
}

#define READY "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"," \
	"\"reason\":\"Valid\",\"message\":\"m\"," \
	"\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]}"

static void
put(struct scene *s, uint64_t tag, const char *kind, const char *ns,
    const char *name, const char *status, int urgent)
{
	struct link_report m = { .tag = tag, .kind = str_dup(kind),
		.ns = str_dup(ns), .name = str_dup(name), .uid = str_dup("u1"),
		.status = str_dup(status), .urgent = (uint8_t)urgent };

	reports_put(s->r, &m);
	link_report_clear(&m);
}

static void
put_es(struct scene *s, uint64_t tag, const char *name, int urgent)
{
	put(s, tag, "ExternalSecret", "shop", name, "{\"conditions\":[]}",
	    urgent);
}

/* --- reports --------------------------------------------------------- */

static void
test_merge_patch(void **state)
{
	struct scene *s = *state;

	put_es(s, 7, "db", 0);
	/* Never from inside of put. */
	assert_int_equal(total, 0);
	spin(s, 5);
	assert_int_equal(total, 1);
	assert_string_equal(calls->method, "PATCH");
	assert_string_equal(calls->what, "patch externalsecrets/status");
	assert_string_equal(calls->path, "/apis/external-secrets.io/v1/"
	    "namespaces/shop/externalsecrets/db/status?fieldManager=nodeseal");
	assert_string_equal(calls->type, "application/merge-patch+json");
	assert_string_equal(calls->body, "{\"metadata\":{\"uid\":\"u1\"},"
	    "\"status\":{\"conditions\":[]}}");
	assert_false(reports_idle(s->r));
	answer(calls, 200, 0);
	assert_int_equal(s->told, 1);
	assert_int_equal(s->last_tag, 7);
	assert_string_equal(s->last_error, "");
	assert_true(reports_idle(s->r));
}

static void
test_nodeseal_is_made_when_missing(void **state)
{
	struct scene *s = *state;

	put(s, 1, "NodeSeal", "", "node1", "{\"ready\":true}", 0);
	spin(s, 5);
	assert_string_equal(calls->path, "/apis/nodeseal.dev/v1alpha1/"
	    "nodeseals/node1/status?fieldManager=nodeseal&force=true");
	assert_string_equal(calls->type, "application/apply-patch+yaml");
	answer(calls, 404, 0);
	assert_string_equal(calls->path, "/apis/nodeseal.dev/v1alpha1/"
	    "nodeseals/node1?fieldManager=nodeseal&force=true");
	assert_null(strstr(calls->body, "status"));
	answer(calls, 201, 0);
	assert_non_null(strstr(calls->path, "/status?"));
	assert_non_null(strstr(calls->body, "\"ready\":true"));
	assert_int_equal(s->told, 0);
	answer(calls, 200, 0);
	assert_int_equal(s->told, 1);
	/* Gone again at once: that is an answer, not a loop. */
	put(s, 2, "NodeSeal", "", "node1", "{\"ready\":true}", 0);
	spin(s, 5);
	answer(calls, 404, 0);
	answer(calls, 201, 0);
	answer(calls, 404, 0);
	assert_int_equal(s->last_status, 404);
	assert_int_equal(total, 6);
}

static void
test_projection_has_its_own_manager(void **state)
{
	struct scene *s = *state;

	put(s, 1, "HostProjection", "shop", "web", "{\"nodes\":[]}", 0);
	spin(s, 5);
	assert_string_equal(calls->path, "/apis/nodeseal.dev/v1alpha1/"
	    "namespaces/shop/hostprojections/web/status?"
	    "fieldManager=nodeseal/node1&force=true");
	assert_non_null(strstr(calls->body, "\"namespace\":\"shop\""));
	answer(calls, 200, 0);
}

static void
test_urgent_first_and_bounded(void **state)
{
	struct scene *s = *state;
	char name[32];
	int i;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "es-%d", i);
		put_es(s, 1, name, i >= 95);
	}
	spin(s, 5);
	assert_int_equal(ncalls, REPORTS_PARALLEL);
	assert_non_null(strstr(calls->path, "/es-95/"));
	while (calls)
		answer(calls, 200, 0);
	assert_int_equal(most, REPORTS_PARALLEL);
	assert_int_equal(s->told, 100);
	assert_int_equal(total, 100);
}

static void
test_newest_replaces(void **state)
{
	struct scene *s = *state;

	put_es(s, 1, "db", 0);
	put_es(s, 2, "db", 0);
	spin(s, 5);
	assert_int_equal(total, 1);
	/* Under way: these wait, and again the newest alone is sent. */
	put_es(s, 3, "db", 0);
	put(s, 4, "ExternalSecret", "shop", "db", "{\"binding\":{}}", 0);
	spin(s, 5);
	assert_int_equal(total, 1);
	answer(calls, 200, 0);
	assert_int_equal(s->last_tag, 2);
	assert_non_null(strstr(calls->body, "binding"));
	answer(calls, 200, 0);
	assert_int_equal(s->last_tag, 4);
	assert_int_equal(s->told, 2);
}

static void
test_tried_again(void **state)
{
	static const int statuses[] = { 0, 429, 500, 503 };
	struct scene *s = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(statuses); i++) {
		put_es(s, i, "db", 0);
		spin(s, 5);
		total = 0;
		answer(calls, statuses[i], 0);
		/* Not at once, and no word yet. */
		spin(s, 100);
		assert_int_equal(total, 0);
		assert_int_equal(s->told, (int)i);
		spin(s, 1100);
		assert_int_equal(total, 1);
		answer(calls, 200, 0);
		assert_int_equal(s->told, (int)i + 1);
	}
}

static void
test_newer_one_keeps_the_wait(void **state)
{
	struct scene *s = *state;

	put_es(s, 1, "db", 0);
	spin(s, 5);
	answer(calls, 503, 0);
	put_es(s, 2, "db", 1);
	spin(s, 100);
	assert_null(calls);
	spin(s, 1100);
	answer(calls, 200, 0);
	assert_int_equal(s->told, 1);
	assert_int_equal(s->last_tag, 2);
}

static void
test_final_answers(void **state)
{
	static const int statuses[] = { 403, 404, 422, 400 };
	struct scene *s = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(statuses); i++) {
		put_es(s, i, "db", 0);
		spin(s, 5);
		answer(calls, statuses[i], 0);
		assert_int_equal(s->told, (int)i + 1);
		assert_int_equal(s->last_status, (uint32_t)statuses[i]);
		assert_non_null(strstr(s->last_error, "shop/db"));
		assert_true(reports_idle(s->r));
	}
	put_es(s, 9, "db", 0);
	spin(s, 5);
	answer(calls, 409, 0);
	assert_non_null(calls);		/* once more at once */
	answer(calls, 409, 0);
	assert_int_equal(s->last_status, 409);
}

/* A second node that comes to the same verdict writes nothing. */
static void
test_stores_seen(void **state)
{
	static const char seen_text[] = "{\"conditions\":[{\"type\":\"Other\","
	    "\"status\":\"True\"},{\"type\":\"Ready\",\"status\":\"True\","
	    "\"reason\":\"Valid\",\"message\":\"m\",\"lastTransitionTime\":"
	    "\"2020-01-01T00:00:00Z\"}]}";
	cleanup_json struct json *seen = json_parse(seen_text,
	    sizeof(seen_text) - 1, NULL);
	struct scene *s = *state;

	reports_seen(s->r, "SecretStore", "shop", "vault", seen);
	put(s, 1, "SecretStore", "shop", "vault", READY, 0);
	spin(s, 5);
	assert_int_equal(total, 0);
	assert_int_equal(s->told, 1);
	assert_string_equal(s->last_error, "");
	/* Another message: the time stays, and so does the other one. */
	put(s, 2, "SecretStore", "shop", "vault", "{\"conditions\":[{\"type\":"
	    "\"Ready\",\"status\":\"True\",\"reason\":\"Valid\",\"message\":"
	    "\"n\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]}", 0);
	spin(s, 5);
	assert_non_null(strstr(calls->body, "2020-01-01T00:00:00Z"));
	assert_non_null(strstr(calls->body, "\"Other\""));
	answer(calls, 200, 0);
	reports_seen(s->r, "SecretStore", "shop", "vault", NULL);
	put(s, 3, "SecretStore", "shop", "vault", READY, 0);
	spin(s, 5);
	assert_non_null(strstr(calls->body, "2026-01-01T00:00:00Z"));
}

static void
test_unknown_kind(void **state)
{
	struct scene *s = *state;

	put(s, 1, "Teapot", "", "x", "{}", 0);
	spin(s, 5);
	assert_int_equal(total, 0);
	assert_string_equal(s->last_error, "this is no status");
	put(s, 1, "ExternalSecret", "a", "x", "{", 0);
	spin(s, 5);
	assert_int_equal(total, 0);
}

/* --- events ---------------------------------------------------------- */

static void
event(struct scene *s, const char *kind, const char *ns, const char *message)
{
	struct link_event m = { .kind = str_dup(kind), .ns = str_dup(ns),
		.name = str_dup("db"), .uid = str_dup("u1"), .warning = 1,
		.reason = str_dup("UpdateFailed"),
		.message = str_dup(message) };

	events_put(s->e, &m);
	link_event_clear(&m);
}

static void
test_event(void **state)
{
	struct scene *s = *state;
	cleanup_json struct json *o = NULL;

	event(s, "ExternalSecret", "shop", "no");
	assert_string_equal(calls->method, "POST");
	assert_string_equal(calls->path, "/api/v1/namespaces/shop/events");
	o = json_parse(calls->body, strlen(calls->body), NULL);
	assert_string_equal(json_str(json_path(o, "involvedObject.kind")),
	    "ExternalSecret");
	assert_string_equal(json_str(json_path(o, "involvedObject.uid")),
	    "u1");
	assert_string_equal(json_str(json_path(o,
	    "involvedObject.apiVersion")), "external-secrets.io/v1");
	assert_string_equal(json_str(json_get(o, "type")), "Warning");
	assert_string_equal(json_str(json_get(o, "reason")), "UpdateFailed");
	assert_string_equal(json_str(json_path(o, "source.component")),
	    "external-secrets");
	assert_string_equal(json_str(json_path(o, "source.host")), "node1");
	answer(calls, 201, 0);
}

static void
test_event_series(void **state)
{
	struct scene *s = *state;
	cleanup_json struct json *o = NULL;

	event(s, "ExternalSecret", "shop", "no");
	answer(calls, 201, 0);
	event(s, "ExternalSecret", "shop", "no");
	assert_string_equal(calls->method, "PATCH");
	o = json_parse(calls->body, strlen(calls->body), NULL);
	assert_int_equal((int)json_num(json_get(o, "count"), 0), 2);
	assert_int_equal(json_len(o), 2);
	/* It has expired at the server: the next one is new. */
	answer(calls, 404, 0);
	event(s, "ExternalSecret", "shop", "no");
	assert_string_equal(calls->method, "POST");
	answer(calls, 201, 0);
	/* Ten minutes later, too. */
	s->clock.boot += 11 * 60 * 1000;
	event(s, "ExternalSecret", "shop", "no");
	assert_string_equal(calls->method, "POST");
	answer(calls, 201, 0);
	event(s, "ClusterSecretStore", "", "other");
	assert_string_equal(calls->path, "/api/v1/namespaces/default/events");
	answer(calls, 201, 0);
}

static void
test_events_are_bounded(void **state)
{
	struct scene *s = *state;
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	cleanup_json struct json *o = NULL;
	char text[3000], message[32];
	const char *got;
	int i;

	for (i = 0; i < 200; i++) {
		snprintf(message, sizeof(message), "no %d", i);
		event(s, "ExternalSecret", "shop", message);
		if (calls)
			answer(calls, 201, 0);
	}
	assert_int_equal(total, EVENTS_BURST);
	s->clock.boot += 3 * EVENTS_SPACE_MS;
	for (i = 0; i < 10; i++) {
		snprintf(message, sizeof(message), "later %d", i);
		event(s, "ExternalSecret", "shop", message);
		if (calls)
			answer(calls, 201, 0);
	}
	assert_int_equal(total, EVENTS_BURST + 3);
	events_metrics(s->e, &b);
	assert_non_null(strstr(buf_str(&b),
	    "nodeseal_events_total{result=\"dropped\"} 157\n"));
	/* Cut before a character, not in it. */
	s->clock.boot += EVENTS_SPACE_MS;
	for (i = 0; i + 3 < (int)sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	event(s, "ExternalSecret", "shop", text);
	o = json_parse(calls->body, strlen(calls->body), NULL);
	got = json_str(json_get(o, "message"));
	assert_int_equal(strlen(got), 1023);
	assert_string_equal(got + 1020, "\xe2\x82\xac");
	answer(calls, 201, 0);
	/* Without a line there is nothing to wait for. */
	s->clock.boot += 60 * EVENTS_SPACE_MS;
	connected = 0;
	event(s, "ExternalSecret", "shop", "away");
	assert_null(calls);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_merge_patch),
		T(test_nodeseal_is_made_when_missing),
		T(test_projection_has_its_own_manager),
		T(test_urgent_first_and_bounded),
		T(test_newest_replaces),
		T(test_tried_again),
		T(test_newer_one_keeps_the_wait),
		T(test_final_answers),
		T(test_stores_seen),
		T(test_unknown_kind),
		T(test_event),
		T(test_event_series),
		T(test_events_are_bounded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
