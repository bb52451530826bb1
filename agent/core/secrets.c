/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/lease.h"
#include "core/pods.h"
#include "core/report.h"
#include "core/secrets.h"
#include "core/secrets_internal.h"

/* Results of one fetch job come one by one: they share an apply job. */
#define GATHER_MS 20

/* --- must it be written? -------------------------------------------------- */

static enum job_apply_op
op_of(const struct item *item, const struct entry *e)
{
	if (item->outcome == JOB_DELETED)
		return (JOB_APPLY_DELETE);
	switch (e->es->creation) {
	case ES_OWNER:
		return (JOB_APPLY_OWNER);
	case ES_ORPHAN:
		return (JOB_APPLY_ORPHAN);
	case ES_MERGE:
		return (JOB_APPLY_MERGE);
	default:
		return (JOB_APPLY_CREATE_OR_MERGE);
	}
}

/* The item holds what a Secret would contain, of the object as it is now.  What
 * JOB_UNCHANGED_NONE left (creationPolicy None, nothing at the provider) may be
 * for files alone. */
static int
may_write(const struct core *c, const struct item *item,
    const struct entry *e)
{
	cleanup_free char *version = NULL;

	if (!c->secrets || !e || !e->es || *e->rejected ||
	    e->es->creation == ES_NONE || *e->es->manifest_kind)
		return (0);
#ifndef WEAKEN_SECRETS_FILES
	if (!item_makes_secret(item))
		return (0);
#endif
	if (item->outcome == JOB_DELETED)
		return (1);
	if (item->outcome == JOB_UNCHANGED_NONE || !item->content ||
	    item->gone != ITEM_HELD || lease_is_newer(c, item, e))
		return (0);
	version = es_synced_version(e->es);
	return (str_eq(item->version, version));
}

/* What another node of ours may just have done: its lease will say so. */
static int
may_be_anothers(const struct core *c, const struct item *item,
    const struct entry *e)
{
	return (item->secret.seen_until > schedule_now(c->schedule) &&
	    (*item->secret.seen || e->es->deletion == ES_DELETE));
}

static int
has_drifted(const struct core *c, const struct item *item,
    const struct entry *e)
{
	const struct item_secret *s = &item->secret;

	if (!s->seen || !s->known || s->deleted || may_be_anothers(c, item, e))
		return (0);
	/* A missing one comes back at once where ESO does that. */
	if (!*s->seen)
		return (e->es->creation == ES_OWNER ||
		    e->es->creation == ES_CREATE_OR_MERGE);
	return (e->es->creation != ES_ORPHAN && !str_eq(s->seen, s->version));
}

/* ${refreshed}: a time at which drift that nobody can see is put right. */
static int
must_write(const struct core *c, const struct item *item,
    const struct entry *e, int refreshed)
{
	const struct item_secret *s = &item->secret;

	if (s->failed || !s->known || s->creation != (int)e->es->creation ||
	    !str_eq(s->target, e->es->target_name))
		return (1);
	if (item->outcome == JOB_DELETED)
		return (!s->deleted);
	if (s->deleted || memcmp(s->hash, item->content->hash,
	    sizeof(s->hash)) != 0)
		return (1);
#ifdef WEAKEN_SECRETS_SAME
	return (refreshed);
#endif
	return (s->seen ? has_drifted(c, item, e) : refreshed);
}

/* --- the queue ------------------------------------------------------------ */

static void
dequeue(struct secrets *s, struct item *item)
{
	if (item->secret.state != SECRET_QUEUED)
		return;
	TAILQ_REMOVE(&s->queue[item->secret.urgent ? 0 : 1], item,
	    secret.next);
	item->secret.state = SECRET_IDLE;
	s->nqueued--;
}

static void
enqueue(struct secrets *s, struct item *item)
{
	struct item_secret *is = &item->secret;
	int urgent = item->waiting != 0;

	schedule_cancel(s->core->schedule, &is->due);
	if (is->state == SECRET_QUEUED && is->urgent == urgent)
		return;
	dequeue(s, item);
	is->urgent = urgent;
	is->state = SECRET_QUEUED;
	TAILQ_INSERT_TAIL(&s->queue[urgent ? 0 : 1], item, secret.next);
	s->nqueued++;
	if (!s->pump_due.pos)
		schedule_in(s->core->schedule, &s->pump_due,
		    urgent ? 0 : GATHER_MS);
}

int
secrets_settle(struct core *c, struct item *item, int refreshed)
{
	const struct entry *e = sync_entry(c, item);
	struct item_secret *is = &item->secret;

	if (!may_write(c, item, e)) {
		if (c->secrets && is->state != SECRET_RUNNING)
			secrets_forget(c, item);
		return (0);
	}
	if (is->state == SECRET_RUNNING) {
		is->again = 1;
		return (1);
	}
	if (!must_write(c, item, e, refreshed)) {
		dequeue(c->secrets, item);
		return (0);
	}
	/* It waits for another try, or for a change. */
	if (is->failed && !refreshed)
		return (1);
	enqueue(c->secrets, item);
	return (1);
}

void
secrets_urgent(struct core *c, struct item *item)
{
	const struct entry *e = sync_entry(c, item);

	if (!may_write(c, item, e) || item->secret.state == SECRET_RUNNING)
		return;
	if (item->secret.state == SECRET_QUEUED || must_write(c, item, e, 0))
		enqueue(c->secrets, item);
}

void
secrets_forget(struct core *c, struct item *item)
{
	struct item_secret *is = &item->secret;

	if (!c->secrets)
		return;
	dequeue(c->secrets, item);
	schedule_cancel(c->schedule, &is->due);
	is->known = is->failed = 0;
	is->failures = 0;
	free(STEAL(is->target));
	free(STEAL(is->version));
	free(STEAL(is->data_hash));
}

void
secrets_due(void *arg)
{
	struct item *item = arg;

	if (!item->secret.failed)
		item->secret.fixed_at = schedule_now(item->core->schedule);
	secrets_settle(item->core, item, item->secret.failed);
}

const char *
secrets_bound(const struct item *item)
{
	const struct item_secret *s = &item->secret;

	return (s->known && !s->deleted && s->version ? s->target : NULL);
}

/* --- one item of a request ------------------------------------------------ */

/* The payload is copied out of the arena into the request's secret buffer; -1
 * costs this item alone. */
int
secrets_item_add(struct apply *a, struct item *item, struct err *err)
{
	struct core *c = a->secrets->core;
	const struct entry *e = sync_entry(c, item);
	struct job_apply_item *m = &a->request[a->nitems];
	const uint8_t *plain;
	size_t len;

	memset(m, 0, sizeof(*m));
	m->op = op_of(item, e);
	if (m->op != JOB_APPLY_DELETE) {
		if (content_bytes(c->keys, item->content, &plain, &len,
		    err) == -1)
			return (-1);
		buf_add(&a->plain, plain, len);
		keys_close(c->keys);
		m->payload_len = len;
	}
	m->ns = item->ns;
	m->name = item->name;
	m->uid = e->es->meta.uid;
	m->target = e->es->target_name;
	m->last_version = item->secret.known && item->secret.version ?
	    item->secret.version : a->empty;
	a->wrote[a->nitems] = (struct wrote){ .creation =
	    (int)e->es->creation, .deleted = m->op == JOB_APPLY_DELETE,
	    .target = str_dup(e->es->target_name) };
	if (!a->wrote[a->nitems].deleted)
		memcpy(a->wrote[a->nitems].hash, item->content->hash,
		    RECORD_HASH_LEN);
	a->items[a->nitems++] = item;
	item->secret.state = SECRET_RUNNING;
	item->secret.again = 0;
	return (0);
}

/* --- how it ended --------------------------------------------------------- */

static void
settled(struct core *c, struct item *item)
{
	/* Its claims may have ended meanwhile, its content changed. */
	if (!secrets_settle(c, item, 0) || item->secret.failed)
		core_report(c, item);
	deliver_news(c, item);
}

static void
remember(struct item *item, struct wrote *w, const struct job_applied *m)
{
	struct item_secret *is = &item->secret;

	free(is->target);
	free(is->version);
	free(is->data_hash);
	is->known = 1;
	is->deleted = w->deleted;
	memcpy(is->hash, w->hash, sizeof(is->hash));
	is->target = STEAL(w->target);
	is->creation = w->creation;
	is->version = str_dup(*m->version ? m->version : NULL);
	is->data_hash = str_dup(m->hash);
	is->failed = 0;
	is->failures = 0;
}

/* Somebody else's Secret, or what the API server will never take: only a change
 * helps, as with ESO (eso.md 2.4). */
static int
is_final(const struct job_applied *m)
{
	return (m->err_kind == ERR_INVALID);
}

static void
write_failed(struct core *c, struct item *item, const struct job_applied *m)
{
	struct item_secret *is = &item->secret;
	int64_t wait;

	is->failed = 1;
	is->failures++;
	if (is_final(m))
		return;
	wait = schedule_backoff_ms(is->failures);
	if (wait < (int64_t)m->retry_after_ms)
		wait = m->retry_after_ms;
	schedule_in(c->schedule, &is->due, wait);
}

/* ESO's (eso.md 1.7); what failed is the report's own business. */
static void
say_event(struct core *c, const struct item *item,
    enum job_applied_outcome outcome)
{
	switch (outcome) {
	case JOB_APPLIED_CREATED:
		report_event(c->report, item, 0, "Created", "secret created");
		break;
	case JOB_APPLIED_UPDATED:
		report_event(c->report, item, 0, "Updated", "secret updated");
		break;
	case JOB_APPLIED_DELETED:
		report_event(c->report, item, 0, "Deleted", "secret deleted "
		    "due to DeletionPolicy=Delete");
		break;
	default:
		break;
	}
}

void
secrets_result(struct core *c, struct item *item, struct wrote *w,
    const struct job_applied *m)
{
	struct item_secret *is = &item->secret;

	is->state = SECRET_IDLE;
	/* While the provider is away the condition is about that. */
	if (item_fetched(item)) {
		item_say(item, m->reason, m->message,
		    *m->error ? m->error : NULL);
		if (m->outcome == JOB_APPLIED_FAILED)
			item->event_text = str_dup(*m->event_text ?
			    m->event_text : m->error);
	}
	say_event(c, item, m->outcome);
	if (m->outcome == JOB_APPLIED_FAILED)
		write_failed(c, item, m);
	else
		remember(item, w, m);
	/* What we have seen since may be of before this write. */
	if (is->seen && m->outcome != JOB_APPLIED_FAILED) {
		free(is->seen);
		is->seen = str_dup(str_or(is->version, ""));
	}
	settled(c, item);
}

void
secrets_lost(struct core *c, struct item *item, const struct err *err)
{
	char reason[] = "SecretSyncedError", none[] = "";
	char message[] = "could not update secret";
	cleanup_free char *error = str_dup(err_msg(err));
	struct job_applied m = { .outcome = JOB_APPLIED_FAILED,
		.err_kind = ERR_TRANSIENT, .reason = reason,
		.message = message, .event_text = none, .error = error };

	secrets_result(c, item, NULL, &m);
}

/* --- what our watch shows ------------------------------------------------- */

struct meta_of {
	struct core *core;
	const struct link_meta *m;
};

static void
meta_item(void *arg, const char *key)
{
	struct meta_of *of = arg;
	struct core *c = of->core;
	struct item *item = strmap_get(c->items, key);
	int64_t now = schedule_now(c->schedule), at;
	struct item_secret *is;
	const struct entry *e;

	if (!item)
		return;
	is = &item->secret;
	e = sync_entry(c, item);
	free(is->seen);
	is->seen = str_dup(of->m->exists ? of->m->version : "");
	is->seen_until = of->m->exists && str_eq(of->m->hash,
	    is->data_hash) ? 0 : now + SECRETS_OTHERS_MS;
	if (is->state != SECRET_IDLE || is->failed || !may_write(c, item, e))
		return;
	at = is->fixed_at ? is->fixed_at + SECRETS_DRIFT_MS : now;
	if (may_be_anothers(c, item, e) && at < is->seen_until)
		at = is->seen_until;
	else if (!has_drifted(c, item, e))
		return;
	if (at > now) {
		schedule_at(c->schedule, &is->due, at);
		return;
	}
	is->fixed_at = now;
	enqueue(c->secrets, item);
}

void
secrets_meta(struct core *c, const struct link_meta *m)
{
	struct meta_of of = { c, m };

	if (c->secrets && str_eq(m->kind, "Secret"))
		pods_each_of(c->pods, m->ns, m->name, meta_item, &of);
}

void
secrets_unwatched(struct core *c, const char *ns)
{
	struct item *item;
	size_t i;

	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (!ns || str_eq(item->ns, ns))
			free(STEAL(item->secret.seen));
	}
}

/* --- starting ------------------------------------------------------------- */

static void
on_pump(void *arg)
{
	struct secrets *s = arg;

	sync_pump(s->core);
}

void
secrets_pump(struct core *c)
{
	cleanup_err struct err err = ERR_INIT;
	struct secrets *s = c->secrets;

	while (s && s->nqueued > s->nstarting * JOB_ITEMS_MAX &&
	    !s->pump_due.pos && s->njobs < SECRETS_JOBS &&
	    jobs_room(c->jobs)) {
		if (apply_start(s, &err) == 0)
			continue;
		log_warn("apply job: %s", err_msg(&err));
		schedule_in(c->schedule, &s->pump_due, 1000);
		return;
	}
}

struct secrets *
secrets_new(struct core *c)
{
	struct secrets *s = mem_alloc(sizeof(*s));

	s->core = c;
	TAILQ_INIT(&s->queue[0]);
	TAILQ_INIT(&s->queue[1]);
	due_init(&s->pump_due, on_pump, s);
	return (s);
}

void
secrets_free(struct secrets *s)
{
	if (!s)
		return;
	schedule_cancel(s->core->schedule, &s->pump_due);
	free(s);
}
