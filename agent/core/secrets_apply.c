/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/secrets_internal.h"
#include "seal/box.h"

/*
 * One apply job: fork, wait for the child's one-time key, open the records one
 * after another, seal the request to that key, take the answers as they come.
 * What is written is chosen when the child is there: a newer content that has
 * come meanwhile goes along.
 */
#define DEADLINE_MS 60000
#define DEADLINE_ITEM_MS 1000
#define START_SPACE_MS 1000

static void
apply_free(struct apply *a)
{
	size_t i;

	for (i = 0; i < a->nitems; i++)
		free(a->wrote[i].target);
	a->secrets->njobs--;
	a->secrets->nstarting -= a->asked == 0;
	free(a);
}

static void
give_back(struct apply *a, const struct err *lost)
{
	struct item *item;
	size_t i;

	for (i = 0; i < a->nitems; i++) {
		item = STEAL(a->items[i]);
		if (item && lost)
			secrets_lost(a->secrets->core, item, lost);
		else if (item)
			item->secret.state = SECRET_IDLE;
	}
}

static void
apply_fail(struct apply *a, const struct err *why)
{
	log_warn("apply job: %s", err_msg(why));
	job_stop(a->job);
	give_back(a, why);
	apply_free(a);
}

/* --- the request ---------------------------------------------------------- */

static struct item *
next_item(struct secrets *s)
{
	struct item *item = TAILQ_FIRST(&s->queue[0]);

	return (item ? item : TAILQ_FIRST(&s->queue[1]));
}

static void
collect(struct apply *a)
{
	cleanup_err struct err err = ERR_INIT;
	struct secrets *s = a->secrets;
	struct item *item;
	int urgent;

	while (a->nitems < JOB_ITEMS_MAX &&
	    a->plain.len < SECRETS_REQUEST_MAX && (item = next_item(s))) {
		urgent = item->secret.urgent ? 0 : 1;
		TAILQ_REMOVE(&s->queue[urgent], item, secret.next);
		item->secret.state = SECRET_IDLE;
		s->nqueued--;
		if (secrets_item_add(a, item, &err) == -1) {
			secrets_lost(s->core, item, &err);
			err_clear(&err);
		}
	}
}

/* Opened, written, sealed: each clear copy is wiped before the next step's
 * result leaves this function. */
static int
send_request(struct apply *a, const uint8_t *child_key, struct err *err)
{
	cleanup_buf struct buf clear = BUF_SECRET(JOB_FRAME_MAX);
	cleanup_buf struct buf sealed = BUF_PLAIN(JOB_FRAME_MAX);
	struct job_apply m = { .server = a->empty };
	size_t i, at = 0;
	int rc = -1;

	a->plain = (struct buf)BUF_SECRET(JOB_FRAME_MAX);
	a->request = mem_array(JOB_ITEMS_MAX, sizeof(*a->request));
	collect(a);
	for (i = 0; i < a->nitems; i++) {
		a->request[i].payload = (const uint8_t *)a->plain.data + at;
		at += a->request[i].payload_len;
	}
	m.items = a->request;
	m.nitems = a->nitems;
	job_apply_write(&m, &clear);
	if (buf_finish(&a->plain, "apply request", err) == 0 &&
	    buf_finish(&clear, "apply request", err) == 0)
		rc = box_seal(child_key, clear.data, clear.len, &sealed, err);
	buf_clear(&a->plain);
	free(STEAL(a->request));
	if (rc == 0)
		rc = job_send(a->job, JOB_APPLY, sealed.data, sealed.len, NULL,
		    0, err);
	return (rc);
}

/* --- the answers ---------------------------------------------------------- */

static int
on_hello(struct apply *a, const struct frame *frame, struct err *err)
{
	if (a->asked || frame->body.len != JOB_KEY_LEN)
		return (err_set(err, ERR_TRANSIENT, "job broke the protocol"));
	a->asked = 1;
	a->secrets->nstarting--;
	return (send_request(a, (const uint8_t *)frame->body.data, err));
}

static int
on_applied(struct apply *a, const struct frame *frame, struct err *err)
{
	struct job_applied m;

	if (job_applied_read(&m, frame, err) == -1)
		return (-1);
	if (m.index >= a->nitems || !a->items[m.index]) {
		job_applied_clear(&m);
		return (err_set(err, ERR_TRANSIENT, "job broke the protocol"));
	}
	secrets_result(a->secrets->core, STEAL(a->items[m.index]),
	    &a->wrote[m.index], &m);
	job_applied_clear(&m);
	return (0);
}

static void
on_frame(void *arg, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	struct apply *a = arg;
	int rc;

	switch (frame->type) {
	case JOB_HELLO:
		rc = on_hello(a, frame, &err);
		break;
	case JOB_APPLIED:
		rc = on_applied(a, frame, &err);
		break;
	case JOB_DONE:
		err_set(&err, ERR_TRANSIENT, "job gave no answer");
		job_finish(a->job);
		give_back(a, &err);
		apply_free(a);
		return;
	default:
		rc = err_set(&err, ERR_TRANSIENT, "job sent frame %u",
		    frame->type);
		break;
	}
	if (rc == -1)
		apply_fail(a, &err);
}

static void
on_end(void *arg, enum job_end why, const struct err *err)
{
	struct apply *a = arg;

	if (why != JOB_END_CLOSED)
		log_warn("apply job: %s", err_msg(err));
	/* Nothing was taken out of the queue: not again at once. */
	if (why != JOB_END_CLOSED && !a->asked)
		schedule_in(a->secrets->core->schedule,
		    &a->secrets->pump_due, START_SPACE_MS);
	give_back(a, why == JOB_END_CLOSED ? NULL : err);
	apply_free(a);
}

static const struct job_events apply_events = { on_frame, on_end };

int
apply_start(struct secrets *s, struct err *err)
{
	size_t n = s->nqueued < JOB_ITEMS_MAX ? s->nqueued : JOB_ITEMS_MAX;
	struct apply *a = mem_alloc(sizeof(*a));

	/* Who is slow here is the API server: its jobs stall for each other
	 * alone. */
	if (jobs_start(s->core->jobs, JOB_KIND_APPLY, "the API server",
	    (uint32_t)(DEADLINE_MS + n * DEADLINE_ITEM_MS), &apply_events, a,
	    &a->job, err) == -1) {
		free(a);
		return (-1);
	}
	a->secrets = s;
	s->njobs++;
	s->nstarting++;
	return (0);
}
