/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sandbox.h"
#include "ipc/job.h"
#include "job/fetch.h"
#include "job/pipeline.h"
#include "job/sealed.h"
#include "model/payload.h"
#include "seal/stream.h"

#define SEND_TIMEOUT_MS 30000
#define REQUEST_TIMEOUT_MS 30000

/* --- what resolve jobs brought -------------------------------------------- */

#define RESOLVED_MAX 8192	/* of all resolve jobs for one fetch */

struct resolved {
	char *object;
	struct secret *body;	/* NULL: not there, and why */
	enum err_kind kind;
	char *why;
};

/* The request and what came before it, nothing of it looked at yet. */
struct request {
	struct locked keys, plain;
	size_t len;
	struct stream stream;	/* of the resolve job whose turn it is */
	int streaming;
	struct resolved *resolved;
	size_t nresolved;
};

static void
request_clear(struct request *r)
{
	locked_free(&r->keys);
	locked_free(&r->plain);
	stream_end(&r->stream);
	for (size_t i = 0; i < r->nresolved; i++) {
		free(r->resolved[i].object);
		secret_free(r->resolved[i].body);
		free(r->resolved[i].why);
	}
	free(r->resolved);
}

static int
take_key(struct request *r, const struct frame *f, struct err *err)
{
	r->streaming = 1;
	return (stream_accept(&r->stream, r->keys.data, r->keys.data +
	    BOX_KEY_LEN, f->body.data, f->body.len, err));
}

static int
open_body(struct request *r, const struct job_resolved *m,
    struct secret **ret, struct err *err)
{
	cleanup_buf struct buf plain = BUF_SECRET(JOB_ITEM_MAX);
	char *to;

	if (m->body_len < STREAM_OVERHEAD)
		return (err_set(err, ERR_TAMPER, "a body is too short"));
	to = buf_space(&plain, m->body_len - STREAM_OVERHEAD);
	if (to == NULL)
		return (err_set(err, ERR_LIMIT, "a body is too large"));
	if (stream_open(&r->stream, m->body, m->body_len, (uint8_t *)to,
	    err) == -1)
		return (-1);
	plain.len = m->body_len - STREAM_OVERHEAD;
	*ret = secret_from_buf(&plain);
	return (0);
}

static int
take_resolved(struct request *r, const struct frame *f, struct err *err)
{
	struct resolved *v;
	struct job_resolved m;
	int rc = 0;

	if (!r->streaming || r->nresolved == RESOLVED_MAX)
		return (err_set(err, ERR_INVALID, "a frame too many"));
	if (job_resolved_read(&m, f, err) == -1)
		return (-1);
	r->resolved = mem_grow(r->resolved, r->nresolved + 1,
	    sizeof(*r->resolved));
	v = &r->resolved[r->nresolved++];
	*v = (struct resolved){ STEAL(m.object), NULL,
	    (enum err_kind)m.err_kind, STEAL(m.error) };
	if (m.body != NULL)
		rc = open_body(r, &m, &v->body, err);
	job_resolved_clear(&m);
	return (rc);
}

/* 1: that was the request. */
static int
take(struct request *r, const struct frame *f, struct err *err)
{
	switch (f->type) {
	case JOB_KEY:
		return (take_key(r, f, err));
	case JOB_RESOLVED:
		return (take_resolved(r, f, err));
	case JOB_FETCH:
		return (sealed_open(&r->keys, f, &r->plain, &r->len,
		    err) == -1 ? -1 : 1);
	default:
		return (err_set(err, ERR_INVALID, "no request"));
	}
}

static int
receive(int fd, struct request *r, struct err *err)
{
	struct frame f;
	int rc;

	frame_init(&f, JOB_FRAME_MAX);
	do {
		rc = frame_recv(fd, &f, REQUEST_TIMEOUT_MS, err);
		if (rc == 0)
			rc = err_set(err, ERR_INVALID, "no request");
		else if (rc == 1)
			rc = take(r, &f, err);
	} while (rc == 0);
	frame_clear(&f);
	stream_end(&r->stream);
	locked_free(&r->keys);
	return (rc == 1 ? 0 : err_wrap(err, "fetch"));
}

static int
parse_resolved(const struct request *r, struct objects *objects,
    struct err *err)
{
	for (size_t i = 0; i < r->nresolved; i++) {
		const struct resolved *v = &r->resolved[i];
		struct json *obj;

		if (v->body == NULL) {
			objects_lack(objects, v->object, v->kind, v->why);
			continue;
		}
		obj = json_parse((const char *)secret_data(v->body),
		    secret_len(v->body), err);
		if (obj == NULL || objects_put(objects, obj, "", err) == -1)
			return (err_wrap(err, "fetch: a resolved object"));
	}
	return (0);
}

static int
parse_bodies(const struct job_fetch *m, struct objects *objects,
    struct err *err)
{
	size_t i;

	for (i = 0; i < m->nbodies; i++) {
		struct json *obj = json_parse((const char *)m->bodies[i].data,
		    m->bodies[i].len, err);

		if (obj == NULL)
			return (err_wrap(err, "fetch: object %zu", i));
		if (objects_put(objects, obj, "default", err) == -1)
			return (err_wrap(err, "fetch: object %zu", i));
	}
	return (0);
}

/* --- answers ------------------------------------------------------------ */

/* Borrowed views of a result, for payload_write: the Secret, or files that
 * have none. */
static struct payload_entry *
text_entries(const struct strmap *m, size_t *ret_n)
{
	struct payload_entry *v;
	size_t i, n = 0;

	v = mem_array(m == NULL ? 0 : strmap_len(m), sizeof(*v));
	for (i = m == NULL ? 0 : strmap_next(m, 0); i != 0;
	    i = strmap_next(m, i)) {
		const char *value = strmap_val(m, i);

		v[n].key = strmap_key(m, i);
		v[n].keylen = (uint32_t)strlen(v[n].key);
		v[n].value = (const uint8_t *)value;
		v[n].len = (uint32_t)strlen(value);
		n++;
	}
	*ret_n = n;
	return (v);
}

static struct payload_entry *
data_entries(const struct kv *data, size_t *ret_n)
{
	struct payload_entry *v;
	size_t i, n = 0;

	v = mem_array(kv_len(data), sizeof(*v));
	for (i = strmap_next(data->map, 0); i != 0;
	    i = strmap_next(data->map, i)) {
		const struct secret *value = strmap_val(data->map, i);

		v[n].key = strmap_key(data->map, i);
		v[n].keylen = (uint32_t)strlen(v[n].key);
		v[n].value = secret_data(value);
		v[n].len = (uint32_t)secret_len(value);
		n++;
	}
	*ret_n = n;
	return (v);
}

static int
seal_payload(const struct pipeline_result *r, struct stream *stream,
    struct buf *out, struct err *err)
{
	cleanup_buf struct buf plain = BUF_SECRET(PAYLOAD_MAX);
	struct payload p = { 0 };
	int rc;

	if (r->has_files) {
		p.type = "Opaque";
		p.data = data_entries(&r->files, &p.ndata);
	} else {
		p.immutable = r->immutable == 1;
		p.type = str_or(r->type, "Opaque");
		p.labels = text_entries(r->labels, &p.nlabels);
		p.annotations = text_entries(r->annotations, &p.nannotations);
		p.data = data_entries(&r->data, &p.ndata);
	}
	p.typelen = (uint32_t)strlen(p.type);
	rc = payload_write(&p, &plain, err);
	payload_clear(&p);
	if (rc == 0)
		rc = stream_seal(stream, plain.data, plain.len, out, err);
	return (rc);
}

static char *
copy(const char *s)
{
	return (str_dup(s != NULL ? s : ""));
}

/* A result that cannot be handed over has failed after all. */
static void
spoil(struct job_item *item, const struct err *err)
{
	item->outcome = JOB_FAILED;
	item->err_kind = err->kind;
	free(item->reason);
	free(item->message);
	free(item->event_text);
	free(item->error);
	item->reason = copy("SecretSyncedError");
	item->message = copy("could not update secret");
	item->event_text = copy(err_msg(err));
	item->error = copy(err_msg(err));
}

int
fetch_answer(int fd, uint32_t index, const struct pipeline_result *r,
    struct stream *stream, struct err *err)
{
	cleanup_buf struct buf out = BUF_PLAIN(JOB_ITEM_MAX);
	cleanup_err struct err why = ERR_INIT;
	struct buf box = BUF_PLAIN(JOB_ITEM_MAX);
	struct job_item item = { .index = index, .outcome = r->outcome,
		.err_kind = r->err_kind,
		.http_status = (uint32_t)r->http_status,
		.retry_after_ms = r->retry_after_ms };
	int rc;

	item.host = copy(r->host);
	item.store = copy(r->store);
	item.reason = copy(r->rejected != NULL ? "Rejected" : r->reason);
	item.message = copy(r->rejected != NULL ? r->rejected : r->message);
	item.event_text = r->rejected != NULL ? copy(r->rejected) :
	    pipeline_own_words(r->error != NULL ? r->error : "", r->err_kind);
	item.error = copy(r->rejected != NULL ? r->rejected : r->ours);
	/* another kind than a Secret has no files; the Secret in the result is
	 * then somebody else's */
	if (r->outcome == JOB_READY && r->manifest != NULL) {
		item.outcome = JOB_UNCHANGED_NONE;
	} else if (r->no_files != NULL) {
		err_set(&why, ERR_INVALID, "%s", r->no_files);
		spoil(&item, &why);
	} else if (r->has_files || (r->outcome == JOB_READY &&
	    r->has_secret)) {
		if (seal_payload(r, stream, &box, &why) == -1) {
			spoil(&item, &why);
			buf_clear(&box);
		} else {
			item.payload_len = box.len;
			item.payload = (uint8_t *)buf_take(&box);
		}
	}
	job_item_write(&item, &out);
	job_item_clear(&item);
	rc = buf_finish(&out, "item", err);
	return (rc == -1 ? -1 : frame_send(fd, JOB_ITEM, out.data, out.len,
	    NULL, 0, SEND_TIMEOUT_MS, err));
}

static int
finish(int fd, const struct pipeline *p, struct err *err)
{
	cleanup_buf struct buf out = BUF_PLAIN(JOB_FRAME_MAX);
	struct job_done done;
	int rc;

	pipeline_done(p, &done);
	job_done_write(&done, &out);
	job_done_clear(&done);
	rc = buf_finish(&out, "end of the job", err);
	return (rc == -1 ? -1 : frame_send(fd, JOB_DONE, out.data, out.len,
	    NULL, 0, SEND_TIMEOUT_MS, err));
}

/* --- the job ------------------------------------------------------------ */

static int
send_key(int fd, struct stream *stream, const uint8_t *core_key,
    struct err *err)
{
	cleanup_buf struct buf hello = BUF_PLAIN(STREAM_HELLO_LEN);

	if (stream_begin(stream, core_key, &hello, err) == -1)
		return (-1);
	return (frame_send(fd, JOB_KEY, hello.data, hello.len, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

static int
run_items(int fd, const struct job_fetch *m, const struct objects *objects,
    struct err *err)
{
	struct pipeline_options opts = {
		.class_name = m->class_name,
		.claim_unclassed = (m->flags & JOB_CLAIM_UNCLASSED) != 0,
		.allow_ambient = (m->flags & JOB_AMBIENT_IDENTITY) != 0,
		.generic_targets = (m->flags & JOB_GENERIC_TARGETS) != 0,
		.delim_left = m->delim_left,
		.delim_right = m->delim_right,
		.timeout_ms = m->timeout_ms,
		.files = 1,
		.targets_unknown = (m->flags & JOB_TARGETS_UNKNOWN) != 0,
	};
	struct pipeline *p = pipeline_new(&opts, objects);
	struct stream stream;
	size_t i;
	int rc;

	pipeline_expect(p, m->items, m->nitems);
	rc = send_key(fd, &stream, m->core_key, err);
	for (i = 0; i < m->nitems && rc == 0; i++) {
		struct pipeline_result r;

		pipeline_run(p, m->items[i].ns, m->items[i].name, &r);
		rc = fetch_answer(fd, (uint32_t)i, &r, &stream, err);
		pipeline_result_clear(&r);
	}
	if (rc == 0)
		rc = finish(fd, p, err);
	stream_end(&stream);
	pipeline_free(p);
	return (rc);
}

static const char *const readable[] = {
	"/etc", "/run/systemd/resolve", "/lib", "/usr/lib",
	"/usr/share/ca-certificates", "/usr/share/zoneinfo",
	NULL
};
static const char *const readable_ambient[] = {
	"/etc", "/run/systemd/resolve", "/lib", "/usr/lib",
	"/usr/share/ca-certificates", "/usr/share/zoneinfo",
	"/var/run/secrets", "/run/secrets", NULL
};

int
fetch_job(int fd, int require_sandbox, struct err *err)
{
	struct sandbox_paths paths = { .read = readable };
	struct request r = { .len = 0 };
	struct job_fetch m = { 0 };
	struct objects objects;
	int rc = -1;

	objects_init(&objects);
	if (sealed_hello(fd, &r.keys, err) == -1 ||
	    receive(fd, &r, err) == -1 ||
	    job_fetch_read(&m, r.plain.data, r.len, err) == -1)
		goto done;
	if (m.flags & JOB_AMBIENT_IDENTITY)
		paths.read = readable_ambient;
	if (sandbox_enter(SANDBOX_FETCH, &paths, require_sandbox, NULL,
	    err) == -1 || parse_bodies(&m, &objects, err) == -1 ||
	    parse_resolved(&r, &objects, err) == -1)
		goto done;
	rc = run_items(fd, &m, &objects, err);
done:
	request_clear(&r);
	job_fetch_clear(&m);
	objects_clear(&objects);
	return (rc);
}
