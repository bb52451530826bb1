/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/strmap.h"
#include "ipc/job.h"
#include "job/apiserver.h"
#include "job/apply.h"
#include "job/apply_internal.h"
#include "job/sealed.h"
#include "kube/client.h"

#define SEND_TIMEOUT_MS 30000
#define REQUEST_TIMEOUT_MS 30000
#define WRITE_TIMEOUT_MS 10000
/* A connection for so many items, and no more than these: four jobs at a time
 * are then 16. */
#define CONNECTION_ITEMS 16
#define CONNECTIONS_MAX 4
#define BODY_MAX (4u << 20)
#define DELETED "secret deleted due to DeletionPolicy=Delete"

/* Workers, each with a connection of its own, take the items in turn. */
struct applier {
	int fd;
	const struct job_apply *m;
	const struct kube_resource *secret;
	struct kube_config config;
	pthread_mutex_t lock;	/* of what is below, and of the socket */
	size_t next;
	struct err down;	/* the API server does not answer */
	struct err broken;	/* core does not listen */
};

/* One item at work. */
struct work {
	struct kube_client *client;
	const struct kube_resource *secret;
	const struct job_apply_item *item;
	struct job_applied *ret;
	char *query;		/* fieldManager=… */
};

/* --- one request ---------------------------------------------------------- */

static int
is_missing(const struct work *w, int status, const struct json *answer)
{
	/* a namespace that is not there answers so too */
	return (status == 404 && (w->item->op == JOB_APPLY_MERGE ||
	    w->item->op == JOB_APPLY_DELETE) && str_eq(json_str(json_path(
	    answer, "details.kind")), "secrets"));
}

/* 0 with metadata in ${ret_meta} (NULL: there is no such Secret), or -1 with
 * ret filled. */
static int
write_secret(struct work *w, const char *verb, const char *content_type,
    const char *query, struct buf *body, int *ret_status,
    struct json **ret_meta)
{
	cleanup_kube_answer struct kube_answer a = { .body = BUF_SECRET(0) };
	cleanup_secret struct secret *s = secret_from_buf(body);
	cleanup_free char *path = kube_path(w->secret, w->item->ns,
	    w->item->target, NULL, query);
	cleanup_err struct err err = ERR_INIT;
	struct kube_request req = {
		.method = strcmp(verb, "delete") == 0 ? "DELETE" : "PATCH",
		.path = path, .accept = KUBE_ACCEPT_META,
		.content_type = content_type, .body = s };
	cleanup_json struct json *answer = NULL;
	int rc = kube_do(w->client, &req, &a, &err);

	*ret_status = a.status;
	*ret_meta = NULL;
	w->ret->retry_after_ms = a.retry_after_ms;
	answer = rc == 0 ? kube_answer_json(&a) : NULL;
	if (rc == 0 && a.status < 300 && json_is(answer, JSON_OBJECT)) {
		*ret_meta = STEAL(answer);
		return (0);
	}
	if (rc == 0 && is_missing(w, a.status, answer))
		return (0);
	if (rc == 0 && a.status < 300)
		err_set(&err, ERR_INVALID, "API server: the answer is no "
		    "object");
	else if (rc == 0)
		kube_refused(w->secret, verb, w->item->ns, w->item->target,
		    a.status, answer, &err);
	apply_failed(w->item, a.status, answer, &err, w->ret);
	return (-1);
}

static void
take_facts(struct work *w, const struct json *meta)
{
	free(w->ret->version);
	free(w->ret->uid);
	w->ret->version = str_dup(str_or(json_str(json_path(meta,
	    "metadata.resourceVersion")), ""));
	w->ret->uid = str_dup(str_or(json_str(json_path(meta,
	    "metadata.uid")), ""));
}

static void
done(struct work *w, enum job_applied_outcome outcome, const char *reason,
    const char *message, const char *event)
{
	w->ret->outcome = outcome;
	w->ret->reason = str_dup(reason);
	w->ret->message = str_dup(message);
	w->ret->event_text = str_dup(event);
}

/* --- writing -------------------------------------------------------------- */

/* 1 there was something to take away, 0 not, -1 failed. */
static int
clean(struct work *w, const struct payload *p, struct json **meta)
{
	struct buf patch = BUF_SECRET(BODY_MAX);
	int status;

	if (!apply_leftovers(w->item, p, *meta, &patch)) {
		buf_clear(&patch);
		return (0);
	}
	json_free(STEAL(*meta));
	if (write_secret(w, "patch", KUBE_TYPE_MERGE, w->query, &patch,
	    &status, meta) == -1)
		return (-1);
	return (1);
}

static void
put(struct work *w, const struct payload *p)
{
	int merge = w->item->op == JOB_APPLY_MERGE, status, cleaned;
	cleanup_free char *forced = str_fmt("%s&force=true", w->query);
	cleanup_json struct json *meta = NULL;
	struct buf body = BUF_SECRET(BODY_MAX);

	apply_body(w->item, p, &body);
	if (write_secret(w, "patch", merge ? KUBE_TYPE_MERGE :
	    KUBE_TYPE_APPLY, merge ? w->query : forced, &body, &status,
	    &meta) == -1)
		return;
	if (meta == NULL) {
		done(w, JOB_APPLIED_MISSING, "SecretMissing", "secret will "
		    "not be created due to CreationPolicy=Merge", "");
		return;
	}
	cleaned = status == 201 ? 0 : clean(w, p, &meta);
	if (cleaned == -1)
		return;
	take_facts(w, meta);
	w->ret->hash = apply_hash(p);
	if (status == 201)
		done(w, JOB_APPLIED_CREATED, "SecretSynced", "secret synced",
		    "secret created");
	else if (cleaned == 0 && w->item->last_version[0] != '\0' &&
	    strcmp(w->ret->version, w->item->last_version) == 0)
		done(w, JOB_APPLIED_UNCHANGED, "SecretSynced",
		    "secret synced", "");
	else
		done(w, JOB_APPLIED_UPDATED, "SecretSynced", "secret synced",
		    "secret updated");
}

/* --- deleting ------------------------------------------------------------- */

/* Nothing but what was looked at. */
static void
preconditions(const struct job_applied *seen, struct buf *out)
{
	cleanup_json struct json *o = json_new_object();
	struct json *pre = json_new_object();

	json_set_str(o, "apiVersion", "v1");
	json_set_str(o, "kind", "DeleteOptions");
	json_set_str(pre, "uid", seen->uid);
	json_set_str(pre, "resourceVersion", seen->version);
	json_set(o, "preconditions", pre);
	json_print(o, out, 0);
}

/* Whose it is, an empty patch says: it changes nothing, and the policy lets it
 * through for what is ours alone. */
static void
take_away(struct work *w)
{
	struct buf body = BUF_SECRET(BODY_MAX);
	cleanup_json struct json *meta = NULL, *gone = NULL;
	cleanup_err struct err err = ERR_INIT;
	int status;

	buf_adds(&body, "{}");
	if (write_secret(w, "patch", KUBE_TYPE_MERGE, w->query, &body,
	    &status, &meta) == -1)
		return;
	if (meta != NULL && !apply_owned(meta, w->item->uid)) {
		err_set(&err, ERR_DENIED, "it is not owned by ExternalSecret "
		    "%s", w->item->name);
		apply_failed(w->item, 0, NULL, &err, w->ret);
		return;
	}
	if (meta != NULL) {
		take_facts(w, meta);
		preconditions(w->ret, &body);
		if (write_secret(w, "delete", "application/json", NULL, &body,
		    &status, &gone) == -1)
			return;
	}
	done(w, JOB_APPLIED_DELETED, "SecretDeleted", DELETED,
	    meta != NULL ? DELETED : "");
}

/* --- one item ------------------------------------------------------------- */

static char *
manager_query(const char *name)
{
	cleanup_free char *manager = apply_manager(name);
	struct buf b = BUF_PLAIN(4096);

	/* there is no unknown field to be looked for */
	buf_adds(&b, "fieldValidation=Ignore&fieldManager=");
	codec_query_escape(&b, manager, strlen(manager));
	return (buf_take(&b));
}

static void
apply_item(struct work *w)
{
	cleanup_err struct err err = ERR_INIT;
	struct payload p;

	w->query = manager_query(w->item->name);
	if (w->item->op == JOB_APPLY_DELETE) {
		take_away(w);
	} else if (payload_read(&p, w->item->payload, w->item->payload_len,
	    &err) == -1) {
		apply_failed(w->item, 0, NULL, &err, w->ret);
	} else {
		put(w, &p);
		payload_clear(&p);
	}
	free(w->query);
}

static int
send_applied(struct applier *a, const struct job_applied *m, struct err *err)
{
	cleanup_buf struct buf out = BUF_PLAIN(JOB_FRAME_MAX);

	job_applied_write(m, &out);
	if (buf_finish(&out, "applied item", err) == -1)
		return (-1);
	return (frame_send(a->fd, JOB_APPLIED, out.data, out.len, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

/* --- workers -------------------------------------------------------------- */

/* 1 with an item, 0: there is no more.  ${ret_down}: do not even try. */
static int
take(struct applier *a, uint32_t *ret_index, struct err *ret_down)
{
	int more;

	pthread_mutex_lock(&a->lock);
	more = a->next < a->m->nitems && a->broken.kind == ERR_NONE;
	if (more)
		*ret_index = (uint32_t)a->next++;
	if (a->down.kind != ERR_NONE)
		err_set(ret_down, a->down.kind, "%s", err_msg(&a->down));
	pthread_mutex_unlock(&a->lock);
	return (more);
}

static void
give(struct applier *a, struct job_applied *m)
{
	pthread_mutex_lock(&a->lock);
	/* nobody waits for it once an item */
	if (m->outcome == JOB_APPLIED_FAILED && m->http_status == 0 &&
	    m->err_kind == ERR_TRANSIENT && a->down.kind == ERR_NONE)
		err_set(&a->down, ERR_TRANSIENT, "%s", m->error);
	if (a->broken.kind == ERR_NONE)
		(void)send_applied(a, m, &a->broken);
	pthread_mutex_unlock(&a->lock);
	job_applied_clear(m);
}

/* A worker and its connection. */
struct lane {
	struct applier *a;
	struct kube_client *client;
	pthread_t thread;
};

static void *
worker(void *arg)
{
	struct lane *lane = arg;
	struct applier *a = lane->a;
	uint32_t i;

	for (;;) {
		cleanup_err struct err down = ERR_INIT;
		struct job_applied m = { 0 };
		struct work w = { .client = lane->client,
			.secret = a->secret, .ret = &m };

		if (!take(a, &i, &down))
			return (NULL);
		m.index = i;
		w.item = &a->m->items[i];
		if (down.kind != ERR_NONE)
			apply_failed(w.item, 0, NULL, &down, &m);
		else
			apply_item(&w);
		give(a, &m);
	}
}

/* What libraries and maps make once a process is made before there are
 * threads: trust with the first client, the seed with the first map. */
static size_t
open_lanes(struct applier *a, struct lane *lanes)
{
	size_t n = 0, want = a->m->nitems / CONNECTION_ITEMS + 1;

	strmap_free(strmap_new(NULL));
	for (; n < want && n < CONNECTIONS_MAX; n++) {
		lanes[n].a = a;
		if (kube_client_new(&a->config, WRITE_TIMEOUT_MS,
		    &lanes[n].client, n == 0 ? &a->down : NULL) == -1)
			break;
	}
	return (n);
}

/* The first worker is this thread; a thread that cannot be had is no loss. */
static int
run(struct applier *a, struct err *err)
{
	struct lane lanes[CONNECTIONS_MAX] = { { .a = a } };
	size_t have = open_lanes(a, lanes), n = 1;

	while (n < have && pthread_create(&lanes[n].thread, NULL, worker,
	    &lanes[n]) == 0)
		n++;
	worker(&lanes[0]);
	while (n > 1)
		pthread_join(lanes[--n].thread, NULL);
	for (n = 0; n < have; n++)
		kube_client_free(lanes[n].client);
	err_clear(&a->down);
	if (a->broken.kind != ERR_NONE)
		return (err_move(err, &a->broken));
	return (frame_send(a->fd, JOB_DONE, NULL, 0, NULL, 0, SEND_TIMEOUT_MS,
	    err));
}

/* --- the job -------------------------------------------------------------- */

/* Files of the network alone: what says who we are has been read. */
static const char *const readable[] = {
	"/etc", "/run/systemd/resolve", "/lib", "/usr/lib",
	"/usr/share/ca-certificates", NULL
};

static int
receive(int fd, struct locked *plain, size_t *ret_len, struct err *err)
{
	cleanup_locked struct locked keys = { 0 };
	struct frame f;
	int rc = -1;

	frame_init(&f, JOB_FRAME_MAX);
	if (sealed_hello(fd, &keys, err) == 0) {
		rc = frame_recv(fd, &f, REQUEST_TIMEOUT_MS, err);
		if (rc == 1 && f.type == JOB_APPLY)
			rc = sealed_open(&keys, &f, plain, ret_len, err);
		else if (rc != -1)
			rc = err_set(err, ERR_INVALID, "no request");
	}
	frame_clear(&f);
	return (rc);
}

int
apply_job(int fd, int require_sandbox, struct err *err)
{
	cleanup_locked struct locked plain = { 0 };
	struct sandbox_paths paths = { .read = readable };
	struct applier a = { .fd = fd, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct job_apply m = { 0 };
	size_t len;
	int rc = -1;

	if (receive(fd, &plain, &len, err) == 0 &&
	    job_apply_read(&m, plain.data, len, err) == 0 &&
	    apiserver_config(m.server, &a.config, err) == 0 &&
	    sandbox_enter(SANDBOX_KUBE, &paths, require_sandbox, NULL,
	    err) == 0) {
		a.m = &m;
		a.secret = kube_resource_find("Secret");
		rc = run(&a, err);
	}
	apiserver_close();
	kube_config_clear(&a.config);
	job_apply_clear(&m);
	return (rc == -1 ? err_wrap(err, "apply job") : 0);
}
