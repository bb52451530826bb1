/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sandbox.h"
#include "ipc/job.h"
#include "job/apiserver.h"
#include "job/resolve.h"
#include "kube/client.h"
#include "model/object.h"
#include "seal/stream.h"

#define SEND_TIMEOUT_MS 30000
#define REQUEST_TIMEOUT_MS 10000	/* of one request */
#define TOKEN_SECONDS 600		/* longer than any job lives */
#define OBJECT_MAX (JOB_ITEM_MAX - 65536)

struct resolver {
	int fd;
	struct stream stream;	/* to the fetch child */
	struct kube_client *client;
	struct kube_self self;	/* whom the agent itself is */
	struct err down;	/* the API server does not answer */
};

/* --- what goes out -------------------------------------------------------- */

static int
answer(struct resolver *r, struct job_resolved *m, const char *text,
    size_t len, struct err *err)
{
	struct buf box = BUF_PLAIN(JOB_ITEM_MAX);
	cleanup_buf struct buf out = BUF_PLAIN(JOB_FRAME_MAX);

	if (text != NULL && stream_seal(&r->stream, text, len, &box,
	    err) == -1) {
		buf_clear(&box);
		return (-1);
	}
	m->body_len = box.len;
	m->body = text != NULL ? (uint8_t *)buf_take(&box) : NULL;
	job_resolved_write(m, &out);
	if (buf_finish(&out, "resolved object", err) == -1)
		return (-1);
	return (frame_send(r->fd, JOB_RESOLVED, out.data, out.len, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

static void
failed(struct job_resolved *m, const struct err *why)
{
	m->err_kind = why->kind;
	m->error = str_dup(err_msg(why));
}

/* --- objects -------------------------------------------------------------- */

/* Kinds that a store, a template or a generator may refer to. */
static int
may_want(const char *kind)
{
	static const char *const kinds[] = { "Secret", "ConfigMap",
		"ServiceAccount", "Fake", "Password", "UUID" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i], kind) == 0)
			return (1);
	return (0);
}

/* An object that is not what was asked for is the server's fault. */
static int
check_object(const struct json *obj, const struct job_want *want,
    struct err *err)
{
	struct object_meta m;
	int same;

	if (obj == NULL || object_meta_parse(obj, want->ns, &m, NULL) == -1)
		return (err_set(err, ERR_INVALID, "API server: the answer is "
		    "no object"));
	same = strcmp(m.kind_name, want->kind) == 0 &&
	    strcmp(m.ns, want->ns) == 0 && strcmp(m.name, want->name) == 0;
	object_meta_clear(&m);
	if (!same)
		return (err_set(err, ERR_INVALID, "API server: the answer is "
		    "another object"));
	return (0);
}

static int
get_object(struct resolver *r, const struct job_want *want,
    struct job_resolved *m, struct kube_answer *a, struct err *err)
{
	const struct kube_resource *res = kube_resource_find(want->kind);
	cleanup_json struct json *obj = NULL;
	int rc;

	if (!may_want(want->kind) || res == NULL)
		return (err_set(err, ERR_INVALID, "%s: nothing refers to this "
		    "kind", want->kind));
	rc = kube_get(r->client, res, want->ns, want->name, a, err);
	m->http_status = (uint32_t)a->status;
	if (rc == -1)
		return (-1);
	obj = kube_answer_json(a);
	if (check_object(obj, want, err) == -1)
		return (-1);
	if (a->body.len > OBJECT_MAX)
		return (err_set(err, ERR_LIMIT, "the object is larger than %u "
		    "bytes", OBJECT_MAX));
	m->version = str_dup(str_or(json_str(json_path(obj,
	    "metadata.resourceVersion")), ""));
	return (0);
}

/* --- tokens --------------------------------------------------------------- */

/* What the admission policy refuses too: said here in the store's words, and
 * held where the policy is not installed. */
static int
token_allowed(const struct resolver *r, const struct job_want *want,
    struct err *err)
{
	if (want->naudiences == 0)
		return (err_set(err, ERR_INVALID, "names no audience: without "
		    "one the token would be good for the API server: add "
		    "audiences to the reference, and to the store's role"));
#ifndef WEAKEN_token_self
	if (strcmp(want->ns, r->self.ns) == 0 &&
	    strcmp(want->name, r->self.account) == 0)
		return (err_set(err, ERR_DENIED, "is the agent's own account, "
		    "whose tokens serve no store"));
#endif
#ifndef WEAKEN_token_audience
	for (size_t i = 0; i < want->naudiences; i++)
		for (size_t k = 0; k < r->self.naudiences; k++)
			if (strcmp(want->audiences[i],
			    r->self.audiences[k]) == 0)
				return (err_set(err, ERR_DENIED, "audience %s "
				    "is the API server's own", want->
				    audiences[i]));
#endif
	if (want->pod_uid[0] == '\0' && want->node_uid[0] == '\0')
		return (err_set(err, ERR_INVALID, "there is neither a pod of "
		    "this account nor a Node to bind the token to: the "
		    "agent's own token names no node (a pod's does, from "
		    "Kubernetes 1.30 on)"));
	return (0);
}

static void
token_object(const struct job_want *want, const struct secret *token,
    struct buf *out)
{
	cleanup_json struct json *obj = json_new_object();
	struct json *meta = json_new_object(), *aud = json_new_array();

	json_set_str(obj, "apiVersion", "v1");
	json_set_str(obj, "kind", OBJECT_TOKEN);
	json_set_str(meta, "namespace", want->ns);
	json_set_str(meta, "name", want->name);
	json_set(obj, "metadata", meta);
	for (size_t i = 0; i < want->naudiences; i++)
		json_push(aud, json_new_str(want->audiences[i]));
	json_set(obj, "audiences", aud);
	json_set_str(obj, "token", (const char *)secret_data(token));
	json_print(obj, out, 0);
}

static int
get_token(struct resolver *r, const struct job_want *want,
    struct job_resolved *m, struct buf *out, struct err *err)
{
	cleanup_free const char **audiences = mem_array(want->naudiences,
	    sizeof(*audiences));
	int by_pod = want->pod_uid[0] != '\0', status = 0, rc;
	struct kube_token_spec spec = { .audiences = audiences,
		.naudiences = want->naudiences, .seconds = TOKEN_SECONDS,
		.bound_kind = by_pod ? "Pod" : "Node",
		.bound_name = by_pod ? want->pod : want->node,
		.bound_uid = by_pod ? want->pod_uid : want->node_uid };
	cleanup_secret struct secret *token = NULL;

	if (token_allowed(r, want, err) == -1)
		return (-1);
	for (size_t i = 0; i < want->naudiences; i++)
		audiences[i] = want->audiences[i];
	rc = kube_token(r->client, want->ns, want->name, &spec, &token,
	    &status, err);
	m->http_status = (uint32_t)status;
	if (rc == -1)
		return (-1);
	token_object(want, token, out);
	return (buf_finish(out, "the token", err));
}

/* --- one want ------------------------------------------------------------- */

static char *
want_key(const struct job_want *want)
{
	cleanup_free const char **audiences = NULL;

	if (strcmp(want->kind, OBJECT_TOKEN) != 0)
		return (object_key(want->kind, want->ns, want->name));
	audiences = mem_array(want->naudiences, sizeof(*audiences));
	for (size_t i = 0; i < want->naudiences; i++)
		audiences[i] = want->audiences[i];
	return (object_token_key(want->ns, want->name, audiences,
	    want->naudiences));
}

static int
resolve(struct resolver *r, uint32_t index, const struct job_want *want,
    struct err *err)
{
	cleanup_kube_answer struct kube_answer a = { .body = BUF_SECRET(0) };
	cleanup_buf struct buf token = BUF_SECRET(OBJECT_MAX);
	cleanup_err struct err why = ERR_INIT;
	struct job_resolved m = { .index = index, .object = want_key(want) };
	int is_token = strcmp(want->kind, OBJECT_TOKEN) == 0, rc;
	const struct buf *body = is_token ? &token : &a.body;

	if (r->down.kind != ERR_NONE)
		rc = err_set(&why, r->down.kind, "%s", err_msg(&r->down));
	else
		rc = is_token ? get_token(r, want, &m, &token, &why) :
		    get_object(r, want, &m, &a, &why);
	if (rc == -1) {
		failed(&m, &why);
		/* nobody waits for it once a want */
		if (m.http_status == 0 && why.kind == ERR_TRANSIENT)
			err_move(&r->down, &why);
	}
	rc = answer(r, &m, rc == 0 ? buf_str(body) : NULL, body->len, err);
	job_resolved_clear(&m);
	return (rc);
}

/* --- the job -------------------------------------------------------------- */

/* Files of the network alone: what says who we are has been read. */
static const char *const readable[] = {
	"/etc", "/run/systemd/resolve", "/lib", "/usr/lib",
	"/usr/share/ca-certificates", NULL
};

static int
send_key(struct resolver *r, const uint8_t *key, struct err *err)
{
	cleanup_buf struct buf hello = BUF_PLAIN(STREAM_HELLO_LEN);

	if (stream_begin(&r->stream, key, &hello, err) == -1)
		return (-1);
	return (frame_send(r->fd, JOB_KEY, hello.data, hello.len, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

static int
resolve_all(struct resolver *r, const struct job_resolve *m,
    struct kube_config *config, struct err *err)
{
	int rc = kube_client_new(config, REQUEST_TIMEOUT_MS, &r->client, err);

	kube_token_self(config->token, &r->self);
	kube_config_clear(config);
	if (rc == 0)
		rc = send_key(r, m->fetch_key, err);
	for (size_t i = 0; i < m->nwants && rc == 0; i++)
		rc = resolve(r, (uint32_t)i, &m->wants[i], err);
	stream_end(&r->stream);
	kube_client_free(r->client);
	kube_self_clear(&r->self);
	err_clear(&r->down);
	if (rc == 0)
		rc = frame_send(r->fd, JOB_DONE, NULL, 0, NULL, 0,
		    SEND_TIMEOUT_MS, err);
	return (rc);
}

int
resolve_job(int fd, int require_sandbox, struct err *err)
{
	cleanup_kube_config struct kube_config config = { 0 };
	struct sandbox_paths paths = { .read = readable };
	struct resolver r = { .fd = fd };
	struct job_resolve m = { 0 };
	struct frame f;
	int rc = -1;

	frame_init(&f, JOB_FRAME_MAX);
	if (frame_recv(fd, &f, SEND_TIMEOUT_MS, err) != 1) {
		if (err->kind == ERR_NONE)
			err_set(err, ERR_INVALID, "no request");
	} else if (job_resolve_read(&m, &f, err) == 0 &&
	    apiserver_config(m.server, &config, err) == 0 &&
	    sandbox_enter(SANDBOX_KUBE, &paths, require_sandbox, NULL,
	    err) == 0) {
		rc = resolve_all(&r, &m, &config, err);
	}
	apiserver_close();
	job_resolve_clear(&m);
	frame_clear(&f);
	return (rc == -1 ? err_wrap(err, "resolve job") : 0);
}
