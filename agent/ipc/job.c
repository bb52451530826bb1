/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/job.h"

/* Ceilings of what one text may be; longer is a frame that nobody of us
 * sent. */
#define NAME_MAX_LEN 4096		/* names, kinds, delimiters, hosts */
#define TEXT_MAX_LEN (256u << 10)	/* messages; ESO's quote templates */
#define HEAD_MAX_LEN (4u << 20)		/* an object without its values */
#define BODIES_MAX 65536
#define STORES_MAX 1024

/* --- fields -------------------------------------------------------------- */

static int
begin(struct wire *w, const struct frame *f, enum job_frame type,
    struct err *err)
{
	if (f->type != (uint16_t)type)
		return (err_set(err, ERR_INVALID,
		    "a frame of type %u where %u was due", f->type,
		    (unsigned)type));
	wire_init(w, f->body.data, f->body.len);
	return (0);
}

static char *
get_text(struct wire *w, size_t max)
{
	char *s = wire_get_str(w);

	if (strlen(s) <= max)
		return (s);
	w->bad = 1;
	s[0] = '\0';
	return (s);
}

static uint8_t *
get_copy(struct wire *w, size_t max, size_t *ret_len)
{
	const uint8_t *p = wire_get_bytes(w, ret_len);

	if (p != NULL && *ret_len <= max)
		return (mem_dup(p, *ret_len));
	w->bad = 1;
	*ret_len = 0;
	return (NULL);
}

static void
get_key(struct wire *w, uint8_t key[static JOB_KEY_LEN])
{
	size_t len;
	const uint8_t *p = wire_get_bytes(w, &len);

#ifdef WEAKEN_JOB_BOUNDS
	if (p != NULL)
#else
	if (p != NULL && len == JOB_KEY_LEN)
#endif
		memcpy(key, p, JOB_KEY_LEN);
	else
		w->bad = 1;
}

/* A count is believed when its elements, ${least} bytes each, can be there. */
static size_t
get_count(struct wire *w, size_t max, size_t least)
{
	uint32_t n = wire_get_u32(w);

	if (n <= max && n <= w->left / least)
		return (n);
	w->bad = 1;
	return (0);
}

/* A text of ours that grew too long is cut, between runes: better than a frame
 * that the other side refuses. */
static void
put_text(struct buf *out, const char *s, size_t max)
{
	size_t len = s == NULL ? 0 : strlen(s);

	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	wire_bytes(out, s == NULL ? "" : s, len);
}

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
	uint32_t kind;

	*m = (struct job_fork){ 0 };
	if (begin(&w, f, ZYGOTE_FORK, err) == -1)
		return (-1);
	kind = wire_get_u32(&w);
	m->id = wire_get_u64(&w);
	m->deadline_ms = wire_get_u32(&w);
	if (kind < JOB_KIND_READ || kind > JOB_KIND_APPLY)
		w.bad = 1;
	m->kind = (enum job_kind)kind;
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
	if (begin(&w, f, ZYGOTE_EXIT, err) == -1)
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
	if (begin(&w, f, JOB_READ, err) == -1)
		return (-1);
	m->name = get_text(&w, NAME_MAX_LEN);
	get_key(&w, m->core_key);
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
	put_text(out, m->rejected, TEXT_MAX_LEN);
}

int
job_object_read(struct job_object *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_object){ 0 };
	if (begin(&w, f, JOB_OBJECT, err) == -1)
		return (-1);
	m->kind = get_text(&w, NAME_MAX_LEN);
	m->ns = get_text(&w, NAME_MAX_LEN);
	m->name = get_text(&w, NAME_MAX_LEN);
	m->head = get_text(&w, HEAD_MAX_LEN);
	m->body = get_copy(&w, JOB_FRAME_MAX, &m->body_len);
	m->rejected = get_text(&w, TEXT_MAX_LEN);
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
	put_text(out, m->text, TEXT_MAX_LEN);
}

int
job_finding_read(struct job_finding *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_finding){ 0 };
	if (begin(&w, f, JOB_FINDING, err) == -1)
		return (-1);
	m->line = wire_get_u32(&w);
	m->fatal = wire_get_u8(&w);
	if (m->fatal > 1)
		w.bad = 1;
	m->object = get_text(&w, NAME_MAX_LEN);
	m->text = get_text(&w, TEXT_MAX_LEN);
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
	size_t n = get_count(w, BODIES_MAX, sizeof(uint32_t));

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
	size_t n = get_count(w, JOB_ITEMS_MAX, 2 * sizeof(uint32_t));

	if (n == 0)
		return;
	m->items = mem_array(n, sizeof(*m->items));
	m->nitems = n;
	for (size_t i = 0; i < n; i++) {
		m->items[i].ns = get_text(w, NAME_MAX_LEN);
		m->items[i].name = get_text(w, NAME_MAX_LEN);
	}
}

int
job_fetch_read(struct job_fetch *m, const uint8_t *data, size_t len,
    struct err *err)
{
	struct wire w;

	*m = (struct job_fetch){ 0 };
	wire_init(&w, data, len);
	get_key(&w, m->core_key);
	m->flags = wire_get_u32(&w);
	if (m->flags & ~(uint32_t)(JOB_CLAIM_UNCLASSED | JOB_GENERIC_TARGETS |
	    JOB_AMBIENT_IDENTITY))
		w.bad = 1;
	m->class_name = get_text(&w, NAME_MAX_LEN);
	m->delim_left = get_text(&w, NAME_MAX_LEN);
	m->delim_right = get_text(&w, NAME_MAX_LEN);
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
	put_text(out, m->message, TEXT_MAX_LEN);
	put_text(out, m->event_text, TEXT_MAX_LEN);
	put_text(out, m->error, TEXT_MAX_LEN);
	wire_u8(out, m->payload != NULL);
	wire_bytes(out, m->payload, m->payload != NULL ? m->payload_len : 0);
}

static void
get_payload(struct job_item *m, struct wire *w)
{
	uint8_t there = wire_get_u8(w);

	m->payload = get_copy(w, JOB_ITEM_MAX, &m->payload_len);
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
	uint32_t outcome;

	*m = (struct job_item){ 0 };
	if (begin(&w, f, JOB_ITEM, err) == -1)
		return (-1);
	m->index = wire_get_u32(&w);
	outcome = wire_get_u32(&w);
	m->err_kind = wire_get_u32(&w);
	if (m->index >= JOB_ITEMS_MAX || outcome < JOB_READY ||
	    outcome > JOB_REJECTED || m->err_kind >= ERR_KINDS)
		w.bad = 1;
	m->outcome = (enum job_outcome)outcome;
	m->http_status = wire_get_u32(&w);
	m->retry_after_ms = wire_get_u32(&w);
	m->host = get_text(&w, NAME_MAX_LEN);
	m->store = get_text(&w, NAME_MAX_LEN);
	m->reason = get_text(&w, NAME_MAX_LEN);
	m->message = get_text(&w, TEXT_MAX_LEN);
	m->event_text = get_text(&w, TEXT_MAX_LEN);
	m->error = get_text(&w, TEXT_MAX_LEN);
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
		put_text(out, s->message, TEXT_MAX_LEN);
	}
}

static void
get_done_store(struct job_done_store *s, struct wire *w)
{
	s->store = get_text(w, NAME_MAX_LEN);
	s->requests = wire_get_u32(w);
	s->logins = wire_get_u32(w);
	s->valid = wire_get_u8(w);
	if (s->valid > 1)
		w->bad = 1;
	s->reason = get_text(w, NAME_MAX_LEN);
	s->message = get_text(w, TEXT_MAX_LEN);
}

int
job_done_read(struct job_done *m, const struct frame *f, struct err *err)
{
	struct wire w;

	*m = (struct job_done){ 0 };
	if (begin(&w, f, JOB_DONE, err) == -1)
		return (-1);
	m->nstores = get_count(&w, STORES_MAX, 21);
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
