/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/line.h"
#include "core/pods.h"
#include "core/resolve.h"

/* The fetch child waits 30 s for its request. */
#define DEADLINE_MS 25000
/* From this version on the API server binds a token to a Node. */
#define NODE_TOKENS_MINOR 33

struct resolve {
	struct core *core;
	struct job *job;	/* NULL: over */
	const struct resolve_events *events;
	void *arg;
	struct job_want *wants;
	char **keys;		/* of the wants */
	size_t nwants, answered;
	struct strmap *failures;	/* key -> struct resolve_failure */
	struct due done_due;	/* nothing had to be asked after all */
};

static void
failure_free(void *p)
{
	struct resolve_failure *f = p;

	free(f->text);
	free(f);
}

static void
fail(struct resolve *r, const char *key, enum err_kind kind, const char *text)
{
	struct resolve_failure *f = mem_alloc(sizeof(*f));

	f->kind = kind;
	f->text = str_dup(text);
	strmap_put(r->failures, key, f);
}

static void
want_clear(struct job_want *w)
{
	free(w->kind);
	free(w->ns);
	free(w->name);
	while (w->naudiences)
		free(w->audiences[--w->naudiences]);
	free(w->audiences);
	free(w->pod);
	free(w->pod_uid);
	free(w->node);
	free(w->node_uid);
}

void
resolve_free(struct resolve *r)
{
	if (!r)
		return;
	if (r->job)
		job_stop(r->job);
	schedule_cancel(r->core->schedule, &r->done_due);
	while (r->nwants) {
		want_clear(&r->wants[--r->nwants]);
		free(r->keys[r->nwants]);
	}
	free(r->wants);
	free(r->keys);
	strmap_free(r->failures);
	free(r);
}

/* --- keys ----------------------------------------------------------------- */

char *
resolve_token_key(const char *ns, const struct object_ref *ref)
{
	cleanup_buf struct buf b = BUF_PLAIN(65536);
	size_t i;

	buf_addf(&b, JOB_KIND_TOKEN "/%s/%s?", ns, ref->name);
	for (i = 0; i < ref->naudiences; i++)
		buf_addf(&b, "%s%s", i ? "," : "", ref->audiences[i]);
	return (str_dup(buf_ok(&b) ? buf_str(&b) : ""));
}

int
resolve_is_wanted(const char *key)
{
	static const char *const listed[] = { "ExternalSecret", "SecretStore",
		"ClusterSecretStore", "HostProjection" };
	size_t i, n = strcspn(key, "/");

	for (i = 0; i < ARRAY_LEN(listed); i++)
		if (strlen(listed[i]) == n &&
		    strncmp(key, listed[i], n) == 0)
			return (0);
	return (1);
}

/* --- wants ---------------------------------------------------------------- */

/* The pod of that account whose token it is, or this Node. */
static int
token_bind(struct resolve *r, struct job_want *w, struct err *err)
{
	const struct link_pod *pod = pods_of_account(r->core->pods, w->ns,
	    w->name);
	const struct link_node *node = line_node(r->core);

	if (pod) {
		w->pod = str_dup(pod->name);
		w->pod_uid = str_dup(pod->uid);
		return (0);
	}
	if (node && node->version_minor &&
	    node->version_minor < NODE_TOKENS_MINOR)
		return (err_set(err, ERR_DENIED, "serviceAccountRef: no pod "
		    "of service account %s/%s runs on this node, and a token "
		    "can be bound to a Node only from Kubernetes 1.%d on; "
		    "this API server is 1.%u", w->ns, w->name,
		    NODE_TOKENS_MINOR, (unsigned)node->version_minor));
	if (!node || !*node->uid)
		return (err_set(err, ERR_TRANSIENT, "serviceAccountRef: no "
		    "pod of service account %s/%s runs on this node, and the "
		    "Node's uid is not known", w->ns, w->name));
	w->node = str_dup(node->name);
	w->node_uid = str_dup(node->uid);
	return (0);
}

static void
audiences_split(struct job_want *w, const char *text)
{
	size_t n;

	w->audiences = mem_array(JOB_AUDIENCES_MAX, sizeof(*w->audiences));
	for (; *text && w->naudiences < JOB_AUDIENCES_MAX;
	    text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		w->audiences[w->naudiences++] = str_ndup(text, n);
	}
}

static void
want_add(struct resolve *r, const char *key)
{
	cleanup_err struct err err = ERR_INIT;
	const char *ns = strchr(key, '/') + 1, *name = strchr(ns, '/') + 1;
	size_t len = strcspn(name, "?");
	struct job_want w = { .kind = str_ndup(key, strcspn(key, "/")),
		.ns = str_ndup(ns, strcspn(ns, "/")) };
	int token = str_eq(w.kind, JOB_KIND_TOKEN);

	w.name = token ? str_ndup(name, len) : str_dup(name);
	if (token) {
		audiences_split(&w, name[len] ? name + len + 1 : "");
		if (token_bind(r, &w, &err) == -1) {
			fail(r, key, err.kind, err_msg(&err));
			want_clear(&w);
			return;
		}
	}
	if (r->nwants == JOB_WANTS_MAX) {
		fail(r, key, ERR_LIMIT, "too many references in one job");
		want_clear(&w);
		return;
	}
	r->keys[r->nwants] = str_dup(key);
	r->wants[r->nwants++] = w;
}

static void
wants_make(struct resolve *r, const struct strmap *keys)
{
	size_t i, n = strmap_len(keys);

	r->wants = mem_array(n, sizeof(*r->wants));
	r->keys = mem_array(n, sizeof(*r->keys));
	for (i = strmap_next(keys, 0); i; i = strmap_next(keys, i))
		if (resolve_is_wanted(strmap_key(keys, i)) &&
		    !catalog_find(r->core->catalog, strmap_key(keys, i)))
			want_add(r, strmap_key(keys, i));
}

/* --- the job -------------------------------------------------------------- */

static void
finish(struct resolve *r, const struct err *err)
{
	r->job = NULL;
	r->events->done(r->arg, err);
}

static int
on_resolved(struct resolve *r, const struct frame *f, struct err *err)
{
	struct job_resolved m;

	if (job_resolved_read(&m, f, err) == -1)
		return (-1);
	if (m.index >= r->nwants) {
		job_resolved_clear(&m);
		return (err_set(err, ERR_TRANSIENT, "job broke the protocol"));
	}
	r->answered++;
	if (m.err_kind)
		fail(r, r->keys[m.index], (enum err_kind)m.err_kind, m.error);
	line_resolved(r->core, r->keys[m.index], m.version);
	job_resolved_clear(&m);
	return (r->events->pass(r->arg, f, err));
}

static void
on_frame(void *arg, struct frame *f)
{
	cleanup_err struct err err = ERR_INIT;
	struct resolve *r = arg;
	int rc;

	switch (f->type) {
	case JOB_KEY:
		rc = r->events->pass(r->arg, f, &err);
		break;
	case JOB_RESOLVED:
		rc = on_resolved(r, f, &err);
		break;
	case JOB_DONE:
		rc = r->answered == r->nwants ? 0 :
		    err_set(&err, ERR_TRANSIENT, "job broke the protocol");
		if (rc == -1)
			break;
		job_finish(r->job);
		finish(r, NULL);
		return;
	default:
		rc = err_set(&err, ERR_TRANSIENT, "job sent frame %u",
		    f->type);
		break;
	}
	if (rc == 0)
		return;
	job_stop(r->job);
	finish(r, &err);
}

static void
on_end(void *arg, enum job_end why, const struct err *err)
{
	struct resolve *r = arg;

	/* Whoever waits for us is being freed, too. */
	if (why == JOB_END_CLOSED)
		r->job = NULL;
	else
		finish(r, err);
}

static const struct job_events resolve_job = { on_frame, on_end };

static void
on_nothing(void *arg)
{
	struct resolve *r = arg;

	r->events->done(r->arg, NULL);
}

static int
begin(struct resolve *r, const uint8_t *child_key, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(JOB_FRAME_MAX);
	char server[] = "";
	struct job_resolve m = { .server = server, .wants = r->wants,
		.nwants = r->nwants };

	memcpy(m.fetch_key, child_key, JOB_KEY_LEN);
	job_resolve_write(&m, &b);
	if (buf_finish(&b, "resolve request", err) == -1 ||
	    jobs_start(r->core->jobs, JOB_KIND_RESOLVE, "the API server",
	    DEADLINE_MS, &resolve_job, r, &r->job, err) == -1)
		return (-1);
	return (job_send(r->job, JOB_RESOLVE, b.data, b.len, NULL, 0, err));
}

int
resolve_start(struct core *c, const struct strmap *keys,
    const uint8_t *child_key, const struct resolve_events *events, void *arg,
    struct resolve **ret, struct err *err)
{
	struct resolve *r;

	*ret = NULL;
	if (!c->line)
		return (0);
	r = mem_alloc(sizeof(*r));
	r->core = c;
	r->events = events;
	r->arg = arg;
	r->failures = strmap_new(failure_free);
	due_init(&r->done_due, on_nothing, r);
	wants_make(r, keys);
	if (r->nwants == 0 && strmap_len(r->failures) == 0) {
		resolve_free(r);
		return (0);
	}
	if (r->nwants == 0)
		schedule_in(c->schedule, &r->done_due, 0);
	else if (begin(r, child_key, err) == -1) {
		resolve_free(r);
		return (-1);
	}
	*ret = r;
	return (0);
}

const struct resolve_failure *
resolve_failed(const struct resolve *r, const char *key)
{
	return (strmap_get(r->failures, key));
}
