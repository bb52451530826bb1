/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/readjob.h"

#define DEADLINE_MS 30000

struct read_job {
	struct job *job;
	struct keys *keys;
	struct keys_stream *stream;	/* NULL: its key has not come */
	const struct catalog *catalog;
	char *name;
	void (*done)(void *arg, struct read_result *r);
	void *arg;
	struct read_result result;
	size_t cap;
	int keep_heads;
};

void
read_result_clear(struct read_result *r)
{
	while (r->n)
		entry_free(r->v[--r->n]);
	free(STEAL(r->v));
	while (r->nwarnings)
		free(r->warnings[--r->nwarnings]);
	free(STEAL(r->fatal));
}

static void
read_free(struct read_job *r)
{
	read_result_clear(&r->result);
	keys_stream_free(r->stream);
	free(r->name);
	free(r);
}

/* The job is over: hand out what there is. */
static void
finish(struct read_job *r)
{
	struct read_result result = r->result;

	memset(&r->result, 0, sizeof(r->result));
	r->done(r->arg, &result);
	read_free(r);
}

static void
fail(struct read_job *r, const char *why, int retry)
{
	if (!r->result.fatal)
		r->result.fatal = str_dup(why);
	r->result.retry = retry;
}

static int
on_key(struct read_job *r, const struct frame *frame, struct err *err)
{
	if (r->stream)
		return (err_set(err, ERR_TRANSIENT, "a second key"));
	return (keys_stream_new(r->keys, frame->body.data, frame->body.len,
	    &r->stream, err));
}

static int
on_object(struct read_job *r, const struct frame *frame, struct err *err)
{
	struct read_result *to = &r->result;
	struct job_object m;
	struct entry *e;
	char *key;
	int rc;

	if (to->n == READ_OBJECTS_MAX)
		return (err_set(err, ERR_LIMIT, "more than %d objects in one "
		    "file", READ_OBJECTS_MAX));
	if (job_object_read(&m, frame, err) == -1)
		return (-1);
	key = object_key(m.kind, m.ns, m.name);
	rc = entry_new(r->keys, r->stream, &m,
	    catalog_own(r->catalog, r->name, key), &e, err);
	free(key);
	if (rc == 0 && r->keep_heads)
		e->head = STEAL(m.head);
	job_object_clear(&m);
	if (rc == -1)
		return (-1);
	if (to->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 8;
		to->v = mem_grow(to->v, r->cap, sizeof(*to->v));
	}
	to->v[to->n++] = e;
	return (0);
}

static int
on_finding(struct read_job *r, const struct frame *frame, struct err *err)
{
	struct read_result *to = &r->result;
	struct job_finding m;
	char *text;

	if (job_finding_read(&m, frame, err) == -1)
		return (-1);
	text = str_fmt("line %u: %s%s%s", m.line, m.object,
	    *m.object ? ": " : "", m.text);
	if (m.fatal)
		fail(r, text, 0);
	else if (to->nwarnings < READ_WARNINGS_MAX)
		to->warnings[to->nwarnings++] = STEAL(text);
	free(text);
	job_finding_clear(&m);
	return (0);
}

static void
on_frame(void *arg, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	struct read_job *r = arg;

	switch (frame->type) {
	case JOB_KEY:
		if (on_key(r, frame, &err) == 0)
			return;
		break;
	case JOB_OBJECT:
		if (on_object(r, frame, &err) == 0)
			return;
		break;
	case JOB_FINDING:
		if (on_finding(r, frame, &err) == 0)
			return;
		break;
	case JOB_DONE:
		job_finish(r->job);
		finish(r);
		return;
	default:
		err_set(&err, ERR_TRANSIENT, "read job sent frame %u",
		    frame->type);
		break;
	}
	fail(r, err_msg(&err), err.kind == ERR_TRANSIENT);
	job_stop(r->job);
	finish(r);
}

static void
on_end(void *arg, enum job_end why, const struct err *err)
{
	struct read_job *r = arg;

	(void)why;
	fail(r, err_msg(err), 1);
	finish(r);
}

static const struct job_events read_events = { on_frame, on_end };

static int
send_read(struct read_job *r, int *fd, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(65536);
	struct job_read m = { .name = r->name };

	memcpy(m.core_key, keys_public(r->keys), JOB_KEY_LEN);
	job_read_write(&m, &b);
	if (buf_finish(&b, "read request", err) == -1)
		return (-1);
	return (job_send(r->job, JOB_READ, b.data, b.len, fd, 1, err));
}

int
read_start(struct jobs *jobs, struct keys *keys,
    const struct catalog *catalog, const char *name, int fd,
    void (*done)(void *arg, struct read_result *r), void *arg,
    struct read_job **ret, struct err *err)
{
	cleanup_free char *slot = str_fmt("file %s", name);
	cleanup_close int file = fd;
	struct read_job *r = mem_alloc(sizeof(*r));

	r->keys = keys;
	r->catalog = catalog;
	r->name = str_dup(name);
	r->done = done;
	r->arg = arg;
	/* A file that takes long stalls for itself alone. */
	if (jobs_start(jobs, JOB_KIND_READ, slot, DEADLINE_MS, &read_events, r,
	    &r->job, err) == -1) {
		read_free(r);
		return (-1);
	}
	if (send_read(r, &file, err) == -1) {
		job_stop(r->job);
		read_free(r);
		return (-1);
	}
	*ret = r;
	return (0);
}

void
read_keep_heads(struct read_job *r)
{
	r->keep_heads = 1;
}

void
read_cancel(struct read_job *r)
{
	job_stop(r->job);
	read_free(r);
}
