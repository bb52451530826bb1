/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/queue.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/readjob.h"
#include "core/source_link.h"

/* Far beyond what link has under way: each block is a memfd of ours. */
#define OPS_MAX 65536
#define BLOCKS_MAX 512
/* While more is coming, changes are taken this often. */
#define COMMIT_MS 100

/* What waits for its turn. */
struct op {
	TAILQ_ENTRY(op) next;
	uint16_t type;		/* enum link_frame */
	struct link_name name;
	struct link_lease lease;
	int fd;			/* of LINK_OBJECTS, else -1 */
	unsigned failures;
};

/* A list that is coming in. */
struct list {
	struct strmap *seen;	/* keys */
	int torn;		/* something of it could not be read */
};

struct source_link {
	struct source source;	/* first */
	struct source_link_config config;
	TAILQ_HEAD(, op) queue;
	size_t nops, nblocks;
	int advancing;
	struct read_job *job;	/* of the first op */
	struct due retry_due, commit_due;
	struct strmap *lists;	/* "Kind/ns" -> struct list */
	struct strmap *complete;	/* "Kind/ns" */
	struct strmap *problems;	/* key -> char * */
	int synced;		/* has said so */
	int current;		/* on this line everything was listed */
};

static void advance(struct source_link *s);

/* --- lists ---------------------------------------------------------------- */

static void
list_free(void *p)
{
	struct list *l = p;

	strmap_free(l->seen);
	free(l);
}

static char *
list_key(const struct link_name *m)
{
	return (str_fmt("%s/%s", m->kind, m->ns));
}

static void
list_begin(struct source_link *s, const struct link_name *m)
{
	cleanup_free char *key = list_key(m);
	struct list *l = mem_alloc(sizeof(*l));

	l->seen = strmap_new(NULL);
	strmap_put(s->lists, key, l);
}

static int
is_of(const struct entry *e, const struct link_name *m)
{
	return (str_eq(e->kind_name, m->kind) &&
	    (!*m->ns || str_eq(e->ns, m->ns)));
}

/* What the list has not named is gone. */
static void
list_end(struct source_link *s, const struct link_name *m)
{
	cleanup_free char *key = list_key(m);
	cleanup_free const char **keys = NULL;
	struct list *l = strmap_get(s->lists, key);
	struct catalog *c = s->config.catalog;
	const struct strmap *held = catalog_keys(c, SOURCE_LINK_ORIGIN);
	const struct entry *e;
	size_t i, n = 0;

	if (!l)
		return;
	if (held && !l->torn)
		keys = strmap_sorted(held, &n);
	for (i = 0; i < n; i++) {
		e = catalog_own(c, SOURCE_LINK_ORIGIN, keys[i]);
		if (e && is_of(e, m) && !strmap_has(l->seen, e->key)) {
			cleanup_free char *gone = str_dup(e->key);

			catalog_drop(c, SOURCE_LINK_ORIGIN, gone);
		}
	}
	strmap_del(s->lists, key);
	strmap_put(s->complete, key, NULL);
}

static void
see(struct source_link *s, const struct entry *e)
{
	cleanup_free char *own = str_fmt("%s/%s", e->kind_name, e->ns);
	cleanup_free char *wide = str_fmt("%s/", e->kind_name);
	struct list *l = strmap_get(s->lists, own);

	if (l)
		strmap_put(l->seen, e->key, NULL);
	l = *e->ns ? strmap_get(s->lists, wide) : NULL;
	if (l)
		strmap_put(l->seen, e->key, NULL);
}

/* --- what is done with an op ---------------------------------------------- */

static void
on_commit(void *arg)
{
	struct source_link *s = arg;

	s->config.events.changed(s->config.events.arg);
}

static void
commit_soon(struct source_link *s)
{
	if (TAILQ_EMPTY(&s->queue))
		schedule_in(s->config.schedule, &s->commit_due, 0);
	else if (!s->commit_due.pos)
		schedule_in(s->config.schedule, &s->commit_due, COMMIT_MS);
}

static void
op_free(struct source_link *s, struct op *op)
{
	TAILQ_REMOVE(&s->queue, op, next);
	s->nops--;
	s->nblocks -= op->type == LINK_OBJECTS;
	mem_cleanup_close(&op->fd);
	link_name_clear(&op->name);
	link_lease_clear(&op->lease);
	free(op);
}

static void
say_synced(struct source_link *s)
{
	if (s->synced)
		return;
	s->synced = 1;
	s->config.events.synced(s->config.events.arg);
}

static void
do_listed(struct source_link *s, const struct link_name *m)
{
	list_end(s, m);
	/* Before anybody decides that what he looks for does not exist. */
	on_commit(s);
	s->config.listed(s->config.arg, m->kind, m->ns);
}

static void
do_gone(struct source_link *s, const struct link_name *m)
{
	cleanup_free char *key = object_key(m->kind, m->ns, m->name);
	cleanup_free char *list = list_key(m);
	struct list *l = strmap_get(s->lists, list);

	catalog_drop(s->config.catalog, SOURCE_LINK_ORIGIN, key);
	if (l)
		strmap_del(l->seen, key);
	commit_soon(s);
}

static void
do_lease(struct source_link *s, struct link_lease *m)
{
	/* Its object's change first. */
	on_commit(s);
	s->config.lease(s->config.arg, m);
}

static void
op_do(struct source_link *s, struct op *op)
{
	cleanup_free char *key = NULL;

	switch (op->type) {
	case LINK_RELIST:
		list_begin(s, &op->name);
		break;
	case LINK_LISTED:
		do_listed(s, &op->name);
		break;
	case LINK_GONE:
		do_gone(s, &op->name);
		break;
	case LINK_UNWATCHED:
		key = list_key(&op->name);
		strmap_del(s->lists, key);
		strmap_del(s->complete, key);
		break;
	case LINK_LEASE:
		do_lease(s, &op->lease);
		break;
	default:
		s->current = 1;
		on_commit(s);
		say_synced(s);
		s->config.current(s->config.arg);
		break;
	}
}

/* --- blocks of objects ---------------------------------------------------- */

static void
tear(struct source_link *s)
{
	size_t i;

#ifdef WEAKEN_LIST_TORN
	return;
#endif
	for (i = strmap_next(s->lists, 0); i; i = strmap_next(s->lists, i))
		((struct list *)strmap_val(s->lists, i))->torn = 1;
}

static void
on_retry(void *arg)
{
	struct source_link *s = arg;

	advance(s);
}

static void
op_retry(struct source_link *s, struct op *op, const char *why)
{
	log_warn("objects of the API server: %s", why);
	schedule_in(s->config.schedule, &s->retry_due,
	    schedule_backoff_ms(++op->failures));
}

static void
take(struct source_link *s, struct read_result *r)
{
	size_t i;

	for (i = 0; i < r->nwarnings; i++)
		log_debug("objects of the API server: %s", r->warnings[i]);
	for (i = 0; i < r->n; i++) {
		see(s, r->v[i]);
		catalog_put(s->config.catalog, SOURCE_LINK_ORIGIN, r->v[i]);
	}
	r->n = 0;
	/* One object that is no use does not cost the others; what is held of
	 * it stays. */
	if (r->fatal) {
		log_error("objects of the API server: %s", r->fatal);
		tear(s);
	}
	source_link_problem(&s->source, "objects", str_or(r->fatal, ""));
}

static void
on_read(void *arg, struct read_result *r)
{
	struct source_link *s = arg;
	struct op *op = TAILQ_FIRST(&s->queue);

	s->job = NULL;
	if (r->fatal && r->retry)
		op_retry(s, op, r->fatal);
	else {
		take(s, r);
		op_free(s, op);
		commit_soon(s);
	}
	read_result_clear(r);
	advance(s);
	s->config.events.room(s->config.events.arg);
}

/* The descriptor stays ours: the job may have to be started again. */
static void
read_begin(struct source_link *s, struct op *op)
{
	const struct source_link_config *c = &s->config;
	cleanup_err struct err err = ERR_INIT;
	int fd = fcntl(op->fd, F_DUPFD_CLOEXEC, 0);

	if (fd == -1 || lseek(op->fd, 0, SEEK_SET) == -1)
		err_sys(&err, "block of objects");
	else if (read_start(c->jobs, c->keys, c->catalog, SOURCE_LINK_ORIGIN,
	    fd_steal(&fd), on_read, s, &s->job, &err) == 0) {
		read_keep_heads(s->job);
		return;
	}
	mem_cleanup_close(&fd);
	op_retry(s, op, err_msg(&err));
}

/* Do what can be done; the first op that has to wait stops the row. */
static void
advance(struct source_link *s)
{
	struct op *op;

	/* Whoever is told of something may ask for more. */
	if (s->advancing)
		return;
	s->advancing = 1;
	while (!s->job && !s->retry_due.pos && (op = TAILQ_FIRST(&s->queue))) {
		if (op->type == LINK_OBJECTS) {
			if (jobs_room(s->config.jobs))
				read_begin(s, op);
			break;
		}
		op_do(s, op);
		op_free(s, op);
	}
	s->advancing = 0;
}

/* --- from link ------------------------------------------------------------ */

int
source_link_frame(struct source *source, struct frame *f, struct err *err)
{
	struct source_link *s = (struct source_link *)source;
	struct op *op;

	if (s->nops == OPS_MAX || s->nblocks == BLOCKS_MAX)
		return (err_set(err, ERR_LIMIT, "link sends more than is "
		    "taken"));
	op = mem_alloc(sizeof(*op));
	op->fd = -1;
	op->type = f->type;
	TAILQ_INSERT_TAIL(&s->queue, op, next);
	s->nops++;
	s->nblocks += op->type == LINK_OBJECTS;
	if (f->type == LINK_LEASE) {
		if (link_lease_read(&op->lease, f, err) == -1)
			goto fail;
	} else if (f->type != LINK_SYNCED &&
	    link_name_read(&op->name, f, err) == -1)
		goto fail;
	if (f->type == LINK_OBJECTS) {
		if (f->nfds != 1) {
			err_set(err, ERR_INVALID, "objects without a file");
			goto fail;
		}
		op->fd = fd_steal(&f->fds[0]);
	}
	advance(s);
	return (0);
fail:
	op_free(s, op);
	return (-1);
}

static void
drop_all(struct source_link *s)
{
	if (s->job)
		read_cancel(STEAL(s->job));
	while (!TAILQ_EMPTY(&s->queue))
		op_free(s, TAILQ_FIRST(&s->queue));
	schedule_cancel(s->config.schedule, &s->retry_due);
}

void
source_link_lost(struct source *source)
{
	struct source_link *s = (struct source_link *)source;

	drop_all(s);
	strmap_free(s->lists);
	strmap_free(s->complete);
	s->lists = strmap_new(list_free);
	s->complete = strmap_new(NULL);
	s->current = 0;
	commit_soon(s);
}

void
source_link_offline(struct source *source)
{
	struct source_link *s = (struct source_link *)source;

	if (s->synced || !catalog_keys(s->config.catalog, SOURCE_LINK_ORIGIN))
		return;
	log_warn("the API server is away: beginning with the objects of the "
	    "sealed cache");
	say_synced(s);
}

void
source_link_problem(struct source *source, const char *key, const char *text)
{
	struct source_link *s = (struct source_link *)source;

	if (*text)
		strmap_put(s->problems, key, str_dup(text));
	else
		strmap_del(s->problems, key);
}

/* --- the interface -------------------------------------------------------- */

/* The API server says by itself what has changed. */
static void
link_reread(struct source *s)
{
	(void)s;
}

static int
link_pump(struct source *source)
{
	struct source_link *s = (struct source_link *)source;
	const struct op *op;

	advance(s);
	op = TAILQ_FIRST(&s->queue);
	return (op && op->type == LINK_OBJECTS && !s->job &&
	    !s->retry_due.pos);
}

static void
link_report(struct source *source, const struct item *item)
{
	struct source_link *s = (struct source_link *)source;

	s->config.report(s->config.arg, item);
}

static void
problem(struct json *list, const char *what, const char *text)
{
	struct json *o = json_new_object();

	json_set_str(o, "file", what);
	json_set_str(o, "error", text);
	json_push(list, o);
}

static struct json *
link_problems(const struct source *source)
{
	const struct source_link *s = (const struct source_link *)source;
	const struct catalog *c = s->config.catalog;
	struct json *out = json_new_array();
	const struct entry *e;
	size_t i;

	for (i = strmap_next(s->problems, 0); i;
	    i = strmap_next(s->problems, i))
		problem(out, strmap_key(s->problems, i),
		    strmap_val(s->problems, i));
	for (i = catalog_next(c, 0); i; i = catalog_next(c, i)) {
		e = catalog_at(c, i);
		if (*e->rejected)
			problem(out, e->key, e->rejected);
	}
	return (out);
}

static int
link_whole(const struct source *source)
{
	const struct source_link *s = (const struct source_link *)source;

	/* It is about HostProjections: what else is refused does not matter. */
	return (s->current && TAILQ_EMPTY(&s->queue) &&
	    !strmap_len(s->lists) &&
	    source->ops->has_list(source, "HostProjection", ""));
}

static int
link_has_list(const struct source *source, const char *kind, const char *ns)
{
	const struct source_link *s = (const struct source_link *)source;
	cleanup_free char *own = str_fmt("%s/%s", kind, ns);
	cleanup_free char *wide = str_fmt("%s/", kind);

	return (strmap_has(s->complete, own) ||
	    strmap_has(s->complete, wide));
}

static void
link_free(struct source *source)
{
	struct source_link *s = (struct source_link *)source;

	drop_all(s);
	schedule_cancel(s->config.schedule, &s->commit_due);
	strmap_free(s->lists);
	strmap_free(s->complete);
	strmap_free(s->problems);
	free(s);
}

static const struct source_ops link_ops = { link_reread, link_pump,
	link_report, link_problems, link_whole, link_has_list, link_free };

struct source *
source_link_new(const struct source_link_config *config)
{
	struct source_link *s = mem_alloc(sizeof(*s));

	s->source.ops = &link_ops;
	s->config = *config;
	TAILQ_INIT(&s->queue);
	s->lists = strmap_new(list_free);
	s->complete = strmap_new(NULL);
	s->problems = strmap_new(free);
	due_init(&s->retry_due, on_retry, s);
	due_init(&s->commit_due, on_commit, s);
	return (&s->source);
}
