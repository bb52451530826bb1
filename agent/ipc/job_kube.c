/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/job_internal.h"

/* The messages of the jobs that speak to the API server. */

#define OBJECT_MAX_LEN ((JOB_AUDIENCES_MAX + 3) * (NAME_MAX_LEN + 1))

/* --- resolve: what is wanted --------------------------------------------- */

static void
put_want(struct buf *out, const struct job_want *v)
{
	wire_str(out, v->kind);
	wire_str(out, v->ns);
	wire_str(out, v->name);
	wire_u32(out, (uint32_t)v->naudiences);
	for (size_t i = 0; i < v->naudiences; i++)
		wire_str(out, v->audiences[i]);
	wire_str(out, v->pod);
	wire_str(out, v->pod_uid);
	wire_str(out, v->node);
	wire_str(out, v->node_uid);
}

static void
get_want(struct job_want *v, struct wire *w)
{
	v->kind = job_get_text(w, NAME_MAX_LEN);
	v->ns = job_get_text(w, NAME_MAX_LEN);
	v->name = job_get_text(w, NAME_MAX_LEN);
	v->naudiences = job_get_count(w, JOB_AUDIENCES_MAX, sizeof(uint32_t));
	v->audiences = mem_array(v->naudiences, sizeof(*v->audiences));
	for (size_t i = 0; i < v->naudiences; i++)
		v->audiences[i] = job_get_text(w, NAME_MAX_LEN);
	v->pod = job_get_text(w, NAME_MAX_LEN);
	v->pod_uid = job_get_text(w, NAME_MAX_LEN);
	v->node = job_get_text(w, NAME_MAX_LEN);
	v->node_uid = job_get_text(w, NAME_MAX_LEN);
}

static void
clear_want(struct job_want *v)
{
	free(v->kind);
	free(v->ns);
	free(v->name);
	for (size_t i = 0; i < v->naudiences; i++)
		free(v->audiences[i]);
	free(v->audiences);
	free(v->pod);
	free(v->pod_uid);
	free(v->node);
	free(v->node_uid);
}

void
job_resolve_write(const struct job_resolve *m, struct buf *out)
{
	wire_bytes(out, m->fetch_key, JOB_KEY_LEN);
	wire_str(out, m->server);
	wire_u32(out, (uint32_t)m->nwants);
	for (size_t i = 0; i < m->nwants; i++)
		put_want(out, &m->wants[i]);
}

int
job_resolve_read(struct job_resolve *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_resolve){ 0 };
	if (job_begin(&w, f, JOB_RESOLVE, err) == -1)
		return (-1);
	job_get_key(&w, m->fetch_key);
	m->server = job_get_text(&w, NAME_MAX_LEN);
	m->nwants = job_get_count(&w, JOB_WANTS_MAX, 8 * sizeof(uint32_t));
	m->wants = mem_array(m->nwants, sizeof(*m->wants));
	for (size_t i = 0; i < m->nwants; i++)
		get_want(&m->wants[i], &w);
	if (wire_done(&w, "resolve request", err) == 0)
		return (0);
	job_resolve_clear(m);
	return (-1);
}

void
job_resolve_clear(struct job_resolve *m)
{
	free(m->server);
	for (size_t i = 0; i < m->nwants; i++)
		clear_want(&m->wants[i]);
	free(m->wants);
	*m = (struct job_resolve){ 0 };
}

/* --- resolve: what there is ---------------------------------------------- */

void
job_resolved_write(const struct job_resolved *m, struct buf *out)
{
	wire_u32(out, m->index);
	wire_str(out, m->object);
	wire_u32(out, m->err_kind);
	wire_u32(out, m->http_status);
	job_put_text(out, m->error, TEXT_MAX_LEN);
	wire_str(out, m->version);
	wire_bytes(out, m->body, m->body != NULL ? m->body_len : 0);
}

/* A body there is exactly where nothing failed. */
int
job_resolved_read(struct job_resolved *m, const struct frame *f,
    struct err *err)
{
	struct wire w;

	*m = (struct job_resolved){ 0 };
	if (job_begin(&w, f, JOB_RESOLVED, err) == -1)
		return (-1);
	m->index = wire_get_u32(&w);
	m->object = job_get_text(&w, OBJECT_MAX_LEN);
	m->err_kind = wire_get_u32(&w);
	m->http_status = wire_get_u32(&w);
	m->error = job_get_text(&w, TEXT_MAX_LEN);
	m->version = job_get_text(&w, NAME_MAX_LEN);
	m->body = job_get_copy(&w, JOB_ITEM_MAX, &m->body_len);
	if (m->index >= JOB_WANTS_MAX || m->err_kind >= ERR_KINDS ||
	    (m->err_kind == ERR_NONE) != (m->body_len > 0))
		w.bad = 1;
	if (m->body_len == 0) {
		free(m->body);
		m->body = NULL;
	}
	if (wire_done(&w, "resolved object", err) == 0)
		return (0);
	job_resolved_clear(m);
	return (-1);
}

void
job_resolved_clear(struct job_resolved *m)
{
	free(m->object);
	free(m->error);
	free(m->version);
	free(m->body);
	*m = (struct job_resolved){ 0 };
}

/* --- apply --------------------------------------------------------------- */

void
job_apply_write(const struct job_apply *m, struct buf *out)
{
	wire_str(out, m->server);
	wire_u32(out, (uint32_t)m->nitems);
	for (size_t i = 0; i < m->nitems; i++) {
		const struct job_apply_item *v = &m->items[i];

		wire_u32(out, (uint32_t)v->op);
		wire_str(out, v->ns);
		wire_str(out, v->name);
		wire_str(out, v->uid);
		wire_str(out, v->target);
		wire_str(out, v->last_version);
		wire_bytes(out, v->payload,
		    v->payload != NULL ? v->payload_len : 0);
	}
}

static void
get_apply_item(struct job_apply_item *v, struct wire *w)
{
	v->op = (enum job_apply_op)job_get_word(w, JOB_APPLY_DELETE);
	v->ns = job_get_text(w, NAME_MAX_LEN);
	v->name = job_get_text(w, NAME_MAX_LEN);
	v->uid = job_get_text(w, NAME_MAX_LEN);
	v->target = job_get_text(w, NAME_MAX_LEN);
	v->last_version = job_get_text(w, NAME_MAX_LEN);
	v->payload = wire_get_bytes(w, &v->payload_len);
	if (v->payload_len > JOB_ITEM_MAX)
		w->bad = 1;
}

int
job_apply_read(struct job_apply *m, const uint8_t *data, size_t len,
    struct err *err)
{
	struct wire w;

	*m = (struct job_apply){ 0 };
	wire_init(&w, data, len);
	m->server = job_get_text(&w, NAME_MAX_LEN);
	m->nitems = job_get_count(&w, JOB_ITEMS_MAX, 7 * sizeof(uint32_t));
	m->items = mem_array(m->nitems, sizeof(*m->items));
	for (size_t i = 0; i < m->nitems; i++)
		get_apply_item(&m->items[i], &w);
	if (wire_done(&w, "apply request", err) == 0)
		return (0);
	job_apply_clear(m);
	return (-1);
}

void
job_apply_clear(struct job_apply *m)
{
	free(m->server);
	for (size_t i = 0; i < m->nitems; i++) {
		struct job_apply_item *v = &m->items[i];

		free(v->ns);
		free(v->name);
		free(v->uid);
		free(v->target);
		free(v->last_version);
	}
	free(m->items);
	*m = (struct job_apply){ 0 };
}

void
job_applied_write(const struct job_applied *m, struct buf *out)
{
	wire_u32(out, m->index);
	wire_u32(out, (uint32_t)m->outcome);
	wire_u32(out, m->err_kind);
	wire_u32(out, m->http_status);
	wire_u32(out, m->retry_after_ms);
	wire_str(out, m->reason);
	job_put_text(out, m->message, TEXT_MAX_LEN);
	job_put_text(out, m->event_text, TEXT_MAX_LEN);
	job_put_text(out, m->error, TEXT_MAX_LEN);
	wire_str(out, m->version);
	wire_str(out, m->uid);
	wire_str(out, m->hash);
}

int
job_applied_read(struct job_applied *m, const struct frame *f,
    struct err *err)
{
	struct wire w;

	*m = (struct job_applied){ 0 };
	if (job_begin(&w, f, JOB_APPLIED, err) == -1)
		return (-1);
	m->index = wire_get_u32(&w);
	m->outcome = (enum job_applied_outcome)job_get_word(&w,
	    JOB_APPLIED_FAILED);
	m->err_kind = wire_get_u32(&w);
	if (m->index >= JOB_ITEMS_MAX || m->err_kind >= ERR_KINDS)
		w.bad = 1;
	m->http_status = wire_get_u32(&w);
	m->retry_after_ms = wire_get_u32(&w);
	m->reason = job_get_text(&w, NAME_MAX_LEN);
	m->message = job_get_text(&w, TEXT_MAX_LEN);
	m->event_text = job_get_text(&w, TEXT_MAX_LEN);
	m->error = job_get_text(&w, TEXT_MAX_LEN);
	m->version = job_get_text(&w, NAME_MAX_LEN);
	m->uid = job_get_text(&w, NAME_MAX_LEN);
	m->hash = job_get_text(&w, NAME_MAX_LEN);
	if (wire_done(&w, "applied item", err) == 0)
		return (0);
	job_applied_clear(m);
	return (-1);
}

void
job_applied_clear(struct job_applied *m)
{
	free(m->reason);
	free(m->message);
	free(m->event_text);
	free(m->error);
	free(m->version);
	free(m->uid);
	free(m->hash);
	*m = (struct job_applied){ 0 };
}
