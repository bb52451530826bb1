/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline.h"
#include "job/pipeline_internal.h"

/* The frame around one reconcile: admission, class, target, verdict. */

/* Secrets with a created-by label, by namespace and label. */
static void
index_orphans(struct pipeline *p)
{
	const struct json *obj, *meta;
	const char *label, *ns;
	struct names *l;
	size_t i;

	for (i = strmap_next(p->objects->by_key, 0); i != 0;
	    i = strmap_next(p->objects->by_key, i)) {
		cleanup_free char *key = NULL;

		if (strncmp(strmap_key(p->objects->by_key, i), "Secret/",
		    7) != 0)
			continue;
		obj = strmap_val(p->objects->by_key, i);
		meta = json_get(obj, "metadata");
		label = json_str(json_get(json_get(meta, "labels"),
		    LABEL_OWNER));
		if (label == NULL)
			continue;
		/* the key's own namespace: the object may name none */
		ns = strmap_key(p->objects->by_key, i) + 7;
		key = str_fmt("%.*s/%s", (int)strcspn(ns, "/"), ns, label);
		if ((l = strmap_get(p->orphans, key)) == NULL) {
			l = mem_alloc(sizeof(*l));
			strmap_put(p->orphans, key, l);
		}
		names_add(l, str_or(json_str(json_get(meta, "name")), ""));
	}
}

struct pipeline *
pipeline_new(const struct pipeline_options *opts,
    const struct objects *objects)
{
	struct pipeline *p = mem_alloc(sizeof(*p));

	p->opts = *opts;
	p->objects = objects;
	p->stores = strmap_new(pipeline_store_free);
	p->conns = strmap_new(pipeline_conn_free);
	p->orphans = strmap_new(names_free);
	index_orphans(p);
	return (p);
}

void
pipeline_expect(struct pipeline *p, const struct job_name *names, size_t n)
{
	p->expected = names;
	p->nexpected = n;
}

void
pipeline_free(struct pipeline *p)
{
	if (p == NULL)
		return;
	strmap_free(p->conns);
	strmap_free(p->stores);
	strmap_free(p->orphans);
	pipeline_templates_forget(p);
	free(p);
}

/* --- verdicts ----------------------------------------------------------- */

void
run_event(struct run *run, const char *reason)
{
	struct pipeline_result *r = run->r;

	r->events = mem_grow(r->events, r->nevents + 1, sizeof(*r->events));
	r->events[r->nevents++] = str_dup(reason);
}

static void
set_ready(struct pipeline_result *r, enum job_outcome outcome,
    const char *status, const char *reason, const char *message)
{
	r->outcome = outcome;
	r->ready_status = str_dup(status);
	r->reason = str_dup(reason);
	r->message = str_dup(message);
}

void
run_done(struct run *run, enum job_outcome outcome, const char *reason,
    const char *message)
{
	set_ready(run->r, outcome, "True", reason, message);
}

/* Go's time.Parse and its like quote what they cannot read, range what it
 * cannot walk; bounds speak of numbers alone. */
char *
pipeline_own_words(const char *msg, enum err_kind kind)
{
	const char *at = strstr(msg, ": executing "), *end;

#ifdef WEAKEN_TEMPLATE_WORDS
	at = NULL;
#endif
	if (at == NULL || kind == ERR_LIMIT)
		return (str_dup(msg));
	end = strstr(at, ">: ");
	if (end == NULL)
		end = strstr(at + 2, ": ");
	if (end == NULL)
		return (str_dup(msg));
	return (str_fmt("%.*s: failed (why may quote a value: nodeseal render "
	    "says it)", (int)(end - msg + (*end == '>')), msg));
}

enum err_kind
pipeline_kind(const struct err *err)
{
#ifdef WEAKEN_TLS_CIRCUIT
	return (err->kind);
#endif
	return (err->sys == ECONNREFUSED ? ERR_TRANSIENT : err->kind);
}

/* What core may know of a failure at a store: who, where, what; no body. */
static void
blame(struct run *run, const struct err *err)
{
	struct pipeline_result *r = run->r;
	const struct pipeline_conn *c = run->used;
	const struct object_meta *m;

	r->err_kind = pipeline_kind(err);
	r->ours = pipeline_own_words(err_msg(err), err->kind);
	if (c == NULL || err->kind == ERR_NONE)
		return;
	m = &c->ps->store->meta;
	r->store = object_key(m->kind_name, m->ns, m->name);
	r->http_status = c->env.http_status;
	r->retry_after_ms = c->env.retry_after_ms;
	r->host = str_dup(c->env.host);
	if (c->env.ours != NULL) {
		free(r->ours);
		r->ours = str_fmt("%s %s: %s", m->kind_name, m->name,
		    c->env.ours);
	}
	if (!c->usable && c->why != NULL) {
		free(r->ours);
		r->ours = str_fmt("%s %s: %s", m->kind_name, m->name, c->why);
	}
}

void
run_failed(struct run *run, const char *reason, const char *message,
    const struct err *err)
{
	run_event(run, "UpdateFailed");
	set_ready(run->r, JOB_FAILED, "False", reason, message);
	run->r->error = str_dup(err_msg(err));
	blame(run, err);
}

static void
refuse(struct pipeline_result *r, char *text)
{
	r->outcome = JOB_REJECTED;
	r->err_kind = ERR_INVALID;
	r->rejected = text;
}

/* --- one ExternalSecret ------------------------------------------------- */

/* The Secret as it stands, for those whom nobody touches. */
static void
keep_existing(struct run *run)
{
	const struct json *obj = objects_get(run->p->objects, "Secret",
	    run->es->meta.ns, run->r->target);
	struct ksecret s;

	if (obj == NULL || ksecret_parse(obj, run->r->target, &s, NULL) == -1)
		return;
	ksecret_publish(run->r, &s);
	ksecret_clear(&s);
}

static void
reconcile(struct run *run)
{
	char *text = store_refusal(run);

	if (text != NULL) {
		refuse(run->r, text);
	} else if (class_skips(run)) {
		run->r->outcome = JOB_SKIPPED;
		keep_existing(run);
	} else if (run->es->manifest_kind[0] != '\0') {
		keep_existing(run);
		manifest_reconcile(run);
	} else {
		target_reconcile(run);
	}
}

void
pipeline_run(struct pipeline *p, const char *ns, const char *name,
    struct pipeline_result *ret)
{
	pipeline_run_object(p, objects_get(p->objects, "ExternalSecret", ns,
	    name), ns, name, ret);
}

void
pipeline_run_object(struct pipeline *p, const struct json *obj,
    const char *ns, const char *name, struct pipeline_result *ret)
{
	cleanup_err struct err err = ERR_INIT;
	struct external_secret *es = NULL;
	struct findings f = { 0 };
	struct run run = { .p = p, .r = ret };
	char *text;

	memset(ret, 0, sizeof(*ret));
	kv_init(&ret->data);
	kv_init(&ret->files);
	ret->immutable = -1;
	if (obj == NULL) {
		err_set(&err, ERR_NOTFOUND, "ExternalSecret %s/%s was not "
		    "sent", ns, name);
		run_failed(&run, "SecretSyncedError",
		    "could not get secret data from provider", &err);
		return;
	}
	if (es_parse(obj, ns, &es, &f, &err) == -1) {
		refuse(ret, str_dup(err_msg(&err)));
	} else if ((text = findings_refusal(&f, &es->meta,
	    NULL)) != NULL) {
		refuse(ret, text);
	} else {
		run.es = es;
		ret->target = str_dup(es->target_name);
		reconcile(&run);
	}
	findings_clear(&f);
	es_free(es);
}

static void
strings_free(char **v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void
pipeline_result_clear(struct pipeline_result *r)
{
	free(r->target);
	free(r->type);
	strmap_free(r->labels);
	strmap_free(r->annotations);
	kv_clear(&r->data);
	kv_clear(&r->files);
	free(r->no_files);
	json_free(r->manifest);
	strings_free(r->owners, r->nowners);
	strings_free(r->finalizers, r->nfinalizers);
	strings_free(r->events, r->nevents);
	free(r->ready_status);
	free(r->reason);
	free(r->message);
	free(r->error);
	free(r->ours);
	free(r->rejected);
	free(r->binding);
	free(r->host);
	free(r->store);
	memset(r, 0, sizeof(*r));
}

void
pipeline_done(const struct pipeline *p, struct job_done *ret)
{
	const struct pipeline_conn *c;
	struct job_done_store *s;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->stores = mem_array(strmap_len(p->conns), sizeof(*ret->stores));
	for (i = strmap_next(p->conns, 0); i != 0;
	    i = strmap_next(p->conns, i)) {
		const struct object_meta *m;

		c = strmap_val(p->conns, i);
		m = &c->ps->store->meta;
		s = &ret->stores[ret->nstores++];
		s->store = object_key(m->kind_name, m->ns, m->name);
		s->requests = c->env.requests;
		s->logins = c->env.logins;
		s->valid = (uint8_t)c->usable;
		s->reason = str_dup(c->reason);
		s->message = str_dup(c->message);
	}
}
