/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/job.h"
#include "ipc/job_internal.h"

#define HEAD_MAX_LEN (4u << 20)		/* an object without its values */
#define STORES_MAX 1024

/* --- zygote -------------------------------------------------------------- */

void
job_fork_write(const struct job_fork *m, struct buf *out)
{
	wire_u32(out, (uint32_t)m->kind);
	wire_u64(out, m->id);
	wire_u32(out, m->deadline_ms);
}

int
job_fork_read(struct job_fork *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_fork){ 0 };
	if (job_begin(&w, f, ZYGOTE_FORK, err) == -1)
		return (-1);
	m->kind = (enum job_kind)job_get_word(&w, JOB_KIND_APPLY);
	m->id = wire_get_u64(&w);
	m->deadline_ms = wire_get_u32(&w);
	return (wire_done(&w, "fork request", err));
}

void
job_exit_write(const struct job_exit *m, struct buf *out)
{
	wire_u64(out, m->id);
	wire_u32(out, m->status);
}

int
job_exit_read(struct job_exit *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_exit){ 0 };
	if (job_begin(&w, f, ZYGOTE_EXIT, err) == -1)
		return (-1);
	m->id = wire_get_u64(&w);
	m->status = wire_get_u32(&w);
	return (wire_done(&w, "exit report", err));
}

/* --- read ---------------------------------------------------------------- */

void
job_read_write(const struct job_read *m, struct buf *out)
{
	wire_str(out, m->name);
	wire_bytes(out, m->core_key, JOB_KEY_LEN);
}

int
job_read_read(struct job_read *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_read){ 0 };
	if (job_begin(&w, f, JOB_READ, err) == -1)
		return (-1);
	m->name = job_get_text(&w, NAME_MAX_LEN);
	job_get_key(&w, m->core_key);
	if (wire_done(&w, "read request", err) == 0)
		return (0);
	job_read_clear(m);
	return (-1);
}

void
job_read_clear(struct job_read *m)
{
	free(m->name);
	*m = (struct job_read){ 0 };
}

void
job_object_write(const struct job_object *m, struct buf *out)
{
	wire_str(out, m->kind);
	wire_str(out, m->ns);
	wire_str(out, m->name);
	wire_str(out, m->head);
	wire_bytes(out, m->body, m->body_len);
	job_put_text(out, m->rejected, TEXT_MAX_LEN);
}

int
job_object_read(struct job_object *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_object){ 0 };
	if (job_begin(&w, f, JOB_OBJECT, err) == -1)
		return (-1);
	m->kind = job_get_text(&w, NAME_MAX_LEN);
	m->ns = job_get_text(&w, NAME_MAX_LEN);
	m->name = job_get_text(&w, NAME_MAX_LEN);
	m->head = job_get_text(&w, HEAD_MAX_LEN);
	m->body = job_get_copy(&w, JOB_FRAME_MAX, &m->body_len);
	m->rejected = job_get_text(&w, TEXT_MAX_LEN);
	if (wire_done(&w, "object", err) == 0)
		return (0);
	job_object_clear(m);
	return (-1);
}

void
job_object_clear(struct job_object *m)
{
	free(m->kind);
	free(m->ns);
	free(m->name);
	free(m->head);
	free(m->body);
	free(m->rejected);
	*m = (struct job_object){ 0 };
}

void
job_finding_write(const struct job_finding *m, struct buf *out)
{
	wire_u32(out, m->line);
	wire_u8(out, m->fatal ? 1 : 0);
	wire_str(out, m->object);
	job_put_text(out, m->text, TEXT_MAX_LEN);
}

int
job_finding_read(struct job_finding *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_finding){ 0 };
	if (job_begin(&w, f, JOB_FINDING, err) == -1)
		return (-1);
	m->line = wire_get_u32(&w);
	m->fatal = wire_get_u8(&w);
	if (m->fatal > 1)
		w.bad = 1;
	m->object = job_get_text(&w, NAME_MAX_LEN);
	m->text = job_get_text(&w, TEXT_MAX_LEN);
	if (wire_done(&w, "finding", err) == 0)
		return (0);
	job_finding_clear(m);
	return (-1);
}

void
job_finding_clear(struct job_finding *m)
{
	free(m->object);
	free(m->text);
	*m = (struct job_finding){ 0 };
}

/* --- fetch --------------------------------------------------------------- */

void
job_fetch_write(const struct job_fetch *m, struct buf *out)
{
	wire_bytes(out, m->core_key, JOB_KEY_LEN);
	wire_u32(out, m->flags);
	wire_str(out, m->class_name);
	wire_str(out, m->delim_left);
	wire_str(out, m->delim_right);
	wire_u32(out, m->timeout_ms);
	wire_u32(out, (uint32_t)m->nbodies);
	for (size_t i = 0; i < m->nbodies; i++)
		wire_bytes(out, m->bodies[i].data, m->bodies[i].len);
	wire_u32(out, (uint32_t)m->nitems);
	for (size_t i = 0; i < m->nitems; i++) {
		wire_str(out, m->items[i].ns);
		wire_str(out, m->items[i].name);
	}
}

static void
get_bodies(struct job_fetch *m, struct wire *w)
{
	size_t n = job_get_count(w, BODIES_MAX, sizeof(uint32_t));

	if (n == 0)
		return;
	m->bodies = mem_array(n, sizeof(*m->bodies));
	m->nbodies = n;
	for (size_t i = 0; i < n; i++)
		m->bodies[i].data = wire_get_bytes(w, &m->bodies[i].len);
}

static void
get_items(struct job_fetch *m, struct wire *w)
{
	size_t n = job_get_count(w, JOB_ITEMS_MAX, 2 * sizeof(uint32_t));

	if (n == 0)
		return;
	m->items = mem_array(n, sizeof(*m->items));
	m->nitems = n;
	for (size_t i = 0; i < n; i++) {
		m->items[i].ns = job_get_text(w, NAME_MAX_LEN);
		m->items[i].name = job_get_text(w, NAME_MAX_LEN);
	}
}

int
job_fetch_read(struct job_fetch *m, const uint8_t *data, size_t len,
    struct err *err)
{
	struct wire w;

	*m = (struct job_fetch){ 0 };
	wire_init(&w, data, len);
	job_get_key(&w, m->core_key);
	m->flags = wire_get_u32(&w);
	if (m->flags & ~(uint32_t)(JOB_CLAIM_UNCLASSED | JOB_GENERIC_TARGETS |
	    JOB_AMBIENT_IDENTITY | JOB_TARGETS_UNKNOWN))
		w.bad = 1;
	m->class_name = job_get_text(&w, NAME_MAX_LEN);
	m->delim_left = job_get_text(&w, NAME_MAX_LEN);
	m->delim_right = job_get_text(&w, NAME_MAX_LEN);
	m->timeout_ms = wire_get_u32(&w);
	get_bodies(m, &w);
	get_items(m, &w);
	if (wire_done(&w, "fetch request", err) == 0)
		return (0);
	job_fetch_clear(m);
	return (-1);
}

void
job_fetch_clear(struct job_fetch *m)
{
	free(m->class_name);
	free(m->delim_left);
	free(m->delim_right);
	free(m->bodies);
	for (size_t i = 0; i < m->nitems; i++) {
		free(m->items[i].ns);
		free(m->items[i].name);
	}
	free(m->items);
	*m = (struct job_fetch){ 0 };
}

/* --- results ------------------------------------------------------------- */

void
job_item_write(const struct job_item *m, struct buf *out)
{
	wire_u32(out, m->index);
	wire_u32(out, (uint32_t)m->outcome);
	wire_u32(out, m->err_kind);
	wire_u32(out, m->http_status);
	wire_u32(out, m->retry_after_ms);
	wire_str(out, m->host);
	wire_str(out, m->store);
	wire_str(out, m->reason);
	job_put_text(out, m->message, TEXT_MAX_LEN);
	job_put_text(out, m->event_text, TEXT_MAX_LEN);
	job_put_text(out, m->error, TEXT_MAX_LEN);
	wire_u8(out, m->payload != NULL);
	wire_bytes(out, m->payload, m->payload != NULL ? m->payload_len : 0);
}

static void
get_payload(struct job_item *m, struct wire *w)
{
	uint8_t there = wire_get_u8(w);

	m->payload = job_get_copy(w, JOB_ITEM_MAX, &m->payload_len);
	if (there == 0 && m->payload_len == 0) {
		free(m->payload);
		m->payload = NULL;
	} else if (there != 1)
		w->bad = 1;
}

int
job_item_read(struct job_item *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_item){ 0 };
	if (job_begin(&w, f, JOB_ITEM, err) == -1)
		return (-1);
	m->index = wire_get_u32(&w);
	m->outcome = (enum job_outcome)job_get_word(&w, JOB_REJECTED);
	m->err_kind = wire_get_u32(&w);
	if (m->index >= JOB_ITEMS_MAX || m->err_kind >= ERR_KINDS)
		w.bad = 1;
	m->http_status = wire_get_u32(&w);
	m->retry_after_ms = wire_get_u32(&w);
	m->host = job_get_text(&w, NAME_MAX_LEN);
	m->store = job_get_text(&w, NAME_MAX_LEN);
	m->reason = job_get_text(&w, NAME_MAX_LEN);
	m->message = job_get_text(&w, TEXT_MAX_LEN);
	m->event_text = job_get_text(&w, TEXT_MAX_LEN);
	m->error = job_get_text(&w, TEXT_MAX_LEN);
	get_payload(m, &w);
	if (wire_done(&w, "item", err) == 0)
		return (0);
	job_item_clear(m);
	return (-1);
}

void
job_item_clear(struct job_item *m)
{
	free(m->host);
	free(m->store);
	free(m->reason);
	free(m->message);
	free(m->event_text);
	free(m->error);
	free(m->payload);
	*m = (struct job_item){ 0 };
}

void
job_done_write(const struct job_done *m, struct buf *out)
{
	wire_u32(out, (uint32_t)m->nstores);
	for (size_t i = 0; i < m->nstores; i++) {
		const struct job_done_store *s = &m->stores[i];

		wire_str(out, s->store);
		wire_u32(out, s->requests);
		wire_u32(out, s->logins);
		wire_u8(out, s->valid ? 1 : 0);
		wire_str(out, s->reason);
		job_put_text(out, s->message, TEXT_MAX_LEN);
	}
}

static void
get_done_store(struct job_done_store *s, struct wire *w)
{
	s->store = job_get_text(w, NAME_MAX_LEN);
	s->requests = wire_get_u32(w);
	s->logins = wire_get_u32(w);
	s->valid = wire_get_u8(w);
	if (s->valid > 1)
		w->bad = 1;
	s->reason = job_get_text(w, NAME_MAX_LEN);
	s->message = job_get_text(w, TEXT_MAX_LEN);
}

int
job_done_read(struct job_done *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_done){ 0 };
	if (job_begin(&w, f, JOB_DONE, err) == -1)
		return (-1);
	m->nstores = job_get_count(&w, STORES_MAX, 21);
	if (m->nstores > 0)
		m->stores = mem_array(m->nstores, sizeof(*m->stores));
	for (size_t i = 0; i < m->nstores; i++)
		get_done_store(&m->stores[i], &w);
	if (wire_done(&w, "end of a job", err) == 0)
		return (0);
	job_done_clear(m);
	return (-1);
}

void
job_done_clear(struct job_done *m)
{
	for (size_t i = 0; i < m->nstores; i++) {
		free(m->stores[i].store);
		free(m->stores[i].reason);
		free(m->stores[i].message);
	}
	free(m->stores);
	*m = (struct job_done){ 0 };
}
