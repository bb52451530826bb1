/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/queue.h>
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/readjob.h"
#include "core/source_dir.h"

/* What changes together counts together: the first file of a burst is read at
 * once, but nothing of it counts before the burst is over, and what changes
 * again meanwhile is read once more at its end. */
#define BURST_MS 25		/* of quiet … */
#define BURST_MAX_MS 500	/* … but no longer than this */
/* Files that were read together change the catalog together; one that takes
 * long holds up the others no longer than this. */
#define COMMIT_MS 1000
#define FILES_MAX 65536
#define FILE_MAX ((off_t)16 << 20)
#define ASKED_MAX 16		/* files that somebody is opening for us */

struct file {
	TAILQ_ENTRY(file) next;		/* in the queue */
	struct source_dir *dir;
	char *name;
	int dirty;			/* changed since it was queued */
	int queued;
	int asked;			/* its descriptor is on the way … */
	int fd;				/* … or here, and waits for a slot */
	int seen;			/* in the last listing */
	struct read_job *job;
	struct read_result *held;	/* until the burst is over */
	unsigned failures;
	struct due retry_due;
	char *error;
};

struct source_dir {
	struct source source;		/* first */
	struct source_dir_config config;
	char *path;
	struct dir_watch *watch;
	struct strmap *files;		/* name -> struct file */
	TAILQ_HEAD(file_list, file) queue;	/* to be opened */
	struct file_list opened;		/* wait for a slot */
	size_t nasked, nreading;
	int all;			/* list the folder at the next flush */
	int listed;			/* it was listed once */
	int synced;
	char *away;			/* why the folder cannot be read */
	struct due burst_due, commit_due;
	int64_t burst_since;		/* 0: no burst */
};

static struct schedule *
sched(const struct source_dir *d)
{
	return (d->config.schedule);
}

/* --- files -------------------------------------------------------------- */

static void
on_retry(void *arg);

static struct file *
file_get(struct source_dir *d, const char *name)
{
	struct file *f = strmap_get(d->files, name);

	if (f || strmap_len(d->files) >= FILES_MAX)
		return (f);
	f = mem_alloc(sizeof(*f));
	f->dir = d;
	f->name = str_dup(name);
	f->fd = -1;
	due_init(&f->retry_due, on_retry, f);
	strmap_put(d->files, name, f);
	return (f);
}

static void
let_go(struct file *f)
{
	struct read_result *r = STEAL(f->held);

	if (r)
		read_result_clear(r);
	free(r);
}

static void
file_free(void *p)
{
	struct file *f = p;

	if (f->job)
		read_cancel(f->job);
	mem_cleanup_close(&f->fd);
	let_go(f);
	schedule_cancel(sched(f->dir), &f->retry_due);
	free(f->error);
	free(f->name);
	free(f);
}

static void
file_error(struct file *f, const char *error)
{
	if (error && !str_eq(f->error, error))
		log_warn("%s/%s: %s; its last good objects are kept",
		    f->dir->path, f->name, error);
	free(f->error);
	f->error = str_dup(error);
}

static void
enqueue(struct source_dir *d, struct file *f)
{
	f->dirty = 1;
	if (f->queued || f->asked || f->fd != -1 || f->job)
		return;
	f->queued = 1;
	TAILQ_INSERT_TAIL(&d->queue, f, next);
}

/* Changed since it was read, or while it is: in a burst that waits. */
static void
enqueue_dirty(struct source_dir *d, struct file *f)
{
	if (f->dirty && !d->burst_since)
		enqueue(d, f);
}

static void
on_retry(void *arg)
{
	struct file *f = arg;

	enqueue(f->dir, f);
	f->dir->config.events.room(f->dir->config.events.arg);
}

/* The file is gone, and with it what it held. */
static void
file_gone(struct source_dir *d, struct file *f)
{
	catalog_replace(d->config.catalog, f->name, NULL, 0);
	if (f->job) {
		read_cancel(STEAL(f->job));
		d->nreading--;
	}
	if (f->queued)
		TAILQ_REMOVE(&d->queue, f, next);
	if (f->fd != -1)
		TAILQ_REMOVE(&d->opened, f, next);
	d->nasked -= f->asked != 0;
	strmap_del(d->files, f->name);
}

/* --- the catalog's turn ------------------------------------------------- */

static int
is_busy(const struct source_dir *d)
{
	return (!TAILQ_EMPTY(&d->queue) || !TAILQ_EMPTY(&d->opened) ||
	    d->nasked || d->nreading || d->all || d->burst_since);
}

static void
on_commit(void *arg)
{
	struct source_dir *d = arg;
	const struct source_events *ev = &d->config.events;

	if (!d->synced && d->listed && !is_busy(d)) {
		d->synced = 1;
		ev->synced(ev->arg);
	} else
		ev->changed(ev->arg);
}

static void
commit_soon(struct source_dir *d)
{
	if (!is_busy(d))
		schedule_in(sched(d), &d->commit_due, 0);
	else if (!d->commit_due.pos)
		schedule_in(sched(d), &d->commit_due, COMMIT_MS);
}

/* --- reading ------------------------------------------------------------ */

static void
take_result(struct source_dir *d, struct file *f, struct read_result *r)
{
	size_t i;

	for (i = 0; i < r->nwarnings; i++)
		log_warn("%s/%s: %s", d->path, f->name, r->warnings[i]);
	if (r->fatal) {
#ifdef WEAKEN_LASTGOOD
		catalog_replace(d->config.catalog, f->name, NULL, 0);
#endif
		file_error(f, r->fatal);
		return;
	}
	catalog_replace(d->config.catalog, f->name, r->v, r->n);
	r->n = 0;
	file_error(f, NULL);
}

static void
file_was_read(struct source_dir *d, struct file *f, struct read_result *r)
{
	take_result(d, f, r);
	f->failures = r->fatal && r->retry ? f->failures + 1 : 0;
	if (f->failures)
		schedule_in(sched(d), &f->retry_due,
		    schedule_backoff_ms(f->failures));
	read_result_clear(r);
}

static void
on_read(void *arg, struct read_result *r)
{
	struct file *f = arg;
	struct source_dir *d = f->dir;

	f->job = NULL;
	d->nreading--;
	if (d->burst_since) {
		let_go(f);
		f->held = mem_dup(r, sizeof(*r));
	} else
		file_was_read(d, f, r);
	enqueue_dirty(d, f);
	commit_soon(d);
	d->config.events.room(d->config.events.arg);
}

/* The burst is over: what was read in it counts, unless it has changed. */
static void
burst_over(struct source_dir *d, struct file *f)
{
	if (f->held && !f->dirty)
		file_was_read(d, f, f->held);
	let_go(f);
	enqueue_dirty(d, f);
}

static void
file_read_start(struct source_dir *d, struct file *f)
{
	const struct source_dir_config *c = &d->config;
	cleanup_err struct err err = ERR_INIT;

	if (read_start(c->jobs, c->keys, c->catalog, f->name,
	    fd_steal(&f->fd), on_read, f, &f->job, &err) == 0) {
		d->nreading++;
		return;
	}
	file_error(f, err_msg(&err));
	schedule_in(sched(d), &f->retry_due,
	    schedule_backoff_ms(++f->failures));
}

static int
file_check(int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return (err_sys(err, "fstat"));
	if (!S_ISREG(st.st_mode))
		return (err_set(err, ERR_INVALID, "not a regular file"));
	if (st.st_size > FILE_MAX)
		return (err_set(err, ERR_LIMIT, "%lld bytes, more than %lld",
		    (long long)st.st_size, (long long)FILE_MAX));
	return (0);
}

static void
file_ask(struct source_dir *d, struct file *f)
{
	cleanup_err struct err err = ERR_INIT;

	f->dirty = 0;
	schedule_cancel(sched(d), &f->retry_due);
	if (d->config.ask_file(d->config.ask_arg, f->name, &err) == -1) {
		file_error(f, err_msg(&err));
		schedule_in(sched(d), &f->retry_due,
		    schedule_backoff_ms(++f->failures));
		return;
	}
	f->asked = 1;
	d->nasked++;
}

static int
dir_pump(struct source *s)
{
	struct source_dir *d = (struct source_dir *)s;
	struct file *f;

	while (d->nasked < ASKED_MAX && (f = TAILQ_FIRST(&d->queue))) {
		TAILQ_REMOVE(&d->queue, f, next);
		f->queued = 0;
		file_ask(d, f);
	}
	while ((f = TAILQ_FIRST(&d->opened))) {
		if (!jobs_room(d->config.jobs))
			return (1);
		TAILQ_REMOVE(&d->opened, f, next);
		file_read_start(d, f);
	}
	return (0);
}

/* --- listing ------------------------------------------------------------ */

static int
is_manifest(const char *name)
{
	static const char *const ends[] = { ".yaml", ".yml", ".json" };
	size_t i, len = strlen(name), n;

	for (i = 0; i < ARRAY_LEN(ends) && *name != '.'; i++) {
		n = strlen(ends[i]);
		if (len > n && strcmp(name + len - n, ends[i]) == 0)
			return (1);
	}
	return (0);
}

/* Call back for every manifest that the folder holds now. */
static void
list(struct source_dir *d, void (*cb)(void *arg, const char *name), void *arg)
{
	int fd = fcntl(dir_watch_fd(d->watch), F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!dir) {
		mem_cleanup_close(&fd);
		return;
	}
	/* The copy shares its place with the original. */
	rewinddir(dir);
	while ((e = readdir(dir)))
		if (is_manifest(e->d_name))
			cb(arg, e->d_name);
	closedir(dir);
}

struct search {
	const char *name;
	int found;
};

static void
compare_name(void *arg, const char *name)
{
	struct search *s = arg;

	s->found |= strcmp(s->name, name) == 0;
}

static void
see(void *arg, const char *name)
{
	struct file *f = file_get(arg, name);

	if (f)
		f->seen = 1;
	else
		log_error("%s: more than %d manifests, %s is not read",
		    ((struct source_dir *)arg)->path, FILES_MAX, name);
}

static void
set_away(struct source_dir *d, const char *why)
{
	if (why && !str_eq(why, d->away))
		log_warn("%s: %s; the last good objects are kept", d->path,
		    why);
	free(d->away);
	d->away = str_dup(why);
}

static void
read_all(struct source_dir *d)
{
	struct file *f;
	size_t i, n = 0;

	for (i = strmap_next(d->files, 0); i; i = strmap_next(d->files, i)) {
		f = strmap_val(d->files, i);
		f->seen = 0;
		let_go(f);
	}
	list(d, see, d);
	for (i = strmap_next(d->files, 0); i; i = strmap_next(d->files, i))
		n += (size_t)((struct file *)strmap_val(d->files, i))->seen;
	if (n == 0 && dir_watch_unmounted(d->watch) &&
	    strmap_len(d->files)) {
		set_away(d, "was unmounted, and is empty now");
		return;
	}
	set_away(d, NULL);
	d->listed = 1;
	for (i = strmap_next(d->files, 0); i; i = strmap_next(d->files, i)) {
		f = strmap_val(d->files, i);
		if (f->seen)
			enqueue(d, f);
		else
			file_gone(d, f);
	}
}

static void
on_burst(void *arg)
{
	struct source_dir *d = arg;
	size_t i;

	d->burst_since = 0;
	if (d->all && dir_watch_fd(d->watch) != -1) {
		d->all = 0;
		read_all(d);
	} else {
		for (i = strmap_next(d->files, 0); i;
		    i = strmap_next(d->files, i))
			burst_over(d, strmap_val(d->files, i));
	}
	commit_soon(d);
	d->config.events.room(d->config.events.arg);
}

static void
burst(struct source_dir *d, int64_t wait)
{
	int64_t now = schedule_now(sched(d)), at = now + wait;

	if (!d->burst_since)
		d->burst_since = now;
	if (at > d->burst_since + BURST_MAX_MS)
		at = d->burst_since + BURST_MAX_MS;
	schedule_at(sched(d), &d->burst_due, at);
}

static void
file_changed(struct source_dir *d, struct file *f)
{
	int first = !d->burst_since;

	burst(d, BURST_MS);
	f->dirty = 1;
	if (!first)
		return;
	enqueue(d, f);
	d->config.events.room(d->config.events.arg);
}

static void
on_watch(void *arg, enum dir_event what, const char *name)
{
	cleanup_err struct err err = ERR_INIT;
	struct source_dir *d = arg;
	struct file *f;

	switch (what) {
	case DIR_ASK:
		if (d->config.ask_folder(d->config.ask_arg, &err) == -1)
			dir_watch_take(d->watch, &(struct source_folder){
			    -1, -1, -1, err_msg(&err) });
		break;
	case DIR_ALL:
		d->all = 1;
		/* The first read waits for nobody. */
		burst(d, d->listed ? BURST_MS : 0);
		break;
	case DIR_AWAY:
		set_away(d, name);
		break;
	case DIR_FILE:
		if (!is_manifest(name))
			break;
		f = file_get(d, name);
		if (!f)
			break;
		file_changed(d, f);
		break;
	}
}

/* --- answers ------------------------------------------------------------ */

void
source_dir_folder(struct source *s, const struct source_folder *f)
{
	dir_watch_take(((struct source_dir *)s)->watch, f);
}

/* No descriptor: is the file gone, or is it only that nobody can open it? */
static void
file_failed(struct source_dir *d, struct file *f, const char *why)
{
	struct search search = { f->name, 0 };

	list(d, compare_name, &search);
	/* While the folder is away nothing says that its files are gone. */
	if (dir_watch_fd(d->watch) == -1)
		search.found = 1;
	/* In a burst it may be on its way back. */
	if (!search.found && d->burst_since) {
		f->dirty = 1;
		return;
	}
	if (!search.found) {
		file_gone(d, f);
		return;
	}
	file_error(f, why);
	enqueue_dirty(d, f);
}

void
source_dir_file(struct source *s, const char *name, int fd, const char *why)
{
	struct source_dir *d = (struct source_dir *)s;
	struct file *f = strmap_get(d->files, name);
	cleanup_err struct err err = ERR_INIT;
	cleanup_close int file = fd;

	if (!f || !f->asked)
		return;
	f->asked = 0;
	d->nasked--;
	if (file == -1)
		file_failed(d, f, str_or(why, "cannot be opened"));
	else if (file_check(file, &err) == -1)
		file_error(f, err_msg(&err));
	else {
		f->fd = fd_steal(&file);
		TAILQ_INSERT_TAIL(&d->opened, f, next);
	}
	commit_soon(d);
	d->config.events.room(d->config.events.arg);
}

/* --- the interface ------------------------------------------------------ */

static void
dir_reread(struct source *s)
{
	struct source_dir *d = (struct source_dir *)s;

	d->all = 1;
	burst(d, 0);
}

/* Nobody to report to but the log. */
static void
dir_report(struct source *s, const struct item *item)
{
	(void)s;
	if (item_ready(item))
		log_info("ExternalSecret %s: %s", item->key, item->message);
	else
		log_warn("ExternalSecret %s: %s: %s%s%s", item->key,
		    str_or(item->reason, "not ready"), item->message,
		    item->error ? ": " : "", str_or(item->error, ""));
}

static void
problem(struct json *list_, const char *file, const char *error)
{
	struct json *o = json_new_object();

	json_set_str(o, "file", file);
	json_set_str(o, "error", error);
	json_push(list_, o);
}

static void
shadowed(void *arg, const struct entry *hidden, const struct entry *winner)
{
	cleanup_free char *text = str_fmt("%s %s%s%s is in %s already: that "
	    "one is used", hidden->kind_name, hidden->ns,
	    *hidden->ns ? "/" : "", hidden->name, winner->origin);

	problem(arg, hidden->origin, text);
}

static void
rejected(const struct source_dir *d, struct json *out)
{
	const struct catalog *c = d->config.catalog;
	const struct entry *e;
	size_t i;

	for (i = catalog_next(c, 0); i; i = catalog_next(c, i)) {
		e = catalog_at(c, i);
		if (!*e->rejected)
			continue;
		cleanup_free char *text = str_fmt("%s %s%s%s: %s",
		    e->kind_name, e->ns, *e->ns ? "/" : "", e->name,
		    e->rejected);

		problem(out, e->origin, text);
	}
}

static struct json *
dir_problems(const struct source *s)
{
	const struct source_dir *d = (const struct source_dir *)s;
	struct json *out = json_new_array();
	const struct file *f;
	size_t i;

	if (d->away)
		problem(out, d->path, d->away);
	for (i = strmap_next(d->files, 0); i; i = strmap_next(d->files, i)) {
		f = strmap_val(d->files, i);
		if (f->error)
			problem(out, f->name, f->error);
	}
	catalog_each_shadowed(d->config.catalog, shadowed, out);
	rejected(d, out);
	return (out);
}

static int
dir_whole(const struct source *s)
{
	const struct source_dir *d = (const struct source_dir *)s;
	const struct file *f;
	size_t i;

	if (!d->synced || d->away || is_busy(d))
		return (0);
	for (i = strmap_next(d->files, 0); i; i = strmap_next(d->files, i)) {
		f = strmap_val(d->files, i);
		if (f->error)
			return (0);
	}
	return (1);
}

/* Files come all at once. */
static int
dir_has_list(const struct source *s, const char *kind, const char *ns)
{
	(void)s;
	(void)kind;
	(void)ns;
	return (1);
}

static void
dir_free(struct source *s)
{
	struct source_dir *d = (struct source_dir *)s;

	dir_watch_free(d->watch);
	strmap_free(d->files);
	schedule_cancel(sched(d), &d->burst_due);
	schedule_cancel(sched(d), &d->commit_due);
	free(d->away);
	free(d->path);
	free(d);
}

static const struct source_ops dir_ops = { dir_reread, dir_pump, dir_report,
	dir_problems, dir_whole, dir_has_list, dir_free };

struct source *
source_dir_new(const struct source_dir_config *config)
{
	struct source_dir *d = mem_alloc(sizeof(*d));

	d->source.ops = &dir_ops;
	d->config = *config;
	d->path = str_dup(config->dir);
	d->config.dir = d->path;
	d->files = strmap_new(file_free);
	TAILQ_INIT(&d->queue);
	TAILQ_INIT(&d->opened);
	due_init(&d->burst_due, on_burst, d);
	due_init(&d->commit_due, on_commit, d);
	d->watch = dir_watch_new(config->loop, config->schedule, d->path,
	    on_watch, d);
	return (&d->source);
}
