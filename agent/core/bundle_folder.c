/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/bundle.h"
#include "core/source_dir.h"
#include "core/state.h"
#include "ipc/bundle.h"
#include "ipc/keeper.h"

/*
 * Folders of bundles: --bundles, which the keeper opens and inotify watches,
 * and the inbox below the state directory, which core lists once.  What came
 * together is imported in the order of its sequences, so that a delta finds
 * what it goes upon.
 */
#define FILES_MAX 64
#define GATHER_MS 100
#define RETRY_MS 30000

enum file_state { FILE_NEW, FILE_IMPORTED, FILE_REFUSED };

struct file {
	struct bundle_folder *folder;
	char *name;
	int dirty, asked;
	int spent;		/* of the inbox: to be taken away */
	int fd;			/* -1 none */
	struct bundle_import *import;
	enum file_state state;
	char *error;		/* NULL fine */
	uint64_t sequence;	/* as its head says */
};

struct bundle_folder {
	struct bundles *b;
	char *path;
	struct dir_watch *watch;	/* NULL: the inbox */
	int dir;			/* the inbox's; -1 */
	struct file *v[FILES_MAX];
	size_t n;
	char *away;
	int more;			/* there are too many */
	struct due due;
};

static struct schedule *
sched(const struct bundle_folder *f)
{
	return (f->b->core->schedule);
}

static void
file_say(struct file *f, enum file_state state, const char *error)
{
	if (error && !str_eq(f->error, error))
		log_error("bundle %s: %s; what was imported before is served",
		    f->name, error);
	f->state = state;
	free(f->error);
	f->error = str_dup(error);
}

static void
file_free(struct file *f)
{
	if (f->import)
		bundle_import_cancel(f->import);
	mem_cleanup_close(&f->fd);
	free(f->error);
	free(f->name);
	free(f);
}

static int
is_bundle(const char *name)
{
	size_t len = strlen(name), n = strlen(BUNDLE_SUFFIX);

	return (*name != '.' && len > n &&
	    strcmp(name + len - n, BUNDLE_SUFFIX) == 0);
}

static struct file *
file_get(struct bundle_folder *d, const char *name)
{
	struct file *f;
	size_t i;

	for (i = 0; i < d->n; i++)
		if (str_eq(d->v[i]->name, name))
			return (d->v[i]);
	d->more = d->n == FILES_MAX;
	if (d->more)
		return (NULL);
	f = mem_alloc(sizeof(*f));
	f->folder = d;
	f->name = str_dup(name);
	f->fd = -1;
	d->v[d->n++] = f;
	return (f);
}

static void
file_drop(struct bundle_folder *d, size_t i)
{
	file_free(d->v[i]);
	memmove(&d->v[i], &d->v[i + 1], (--d->n - i) * sizeof(d->v[0]));
}

/* --- importing ---------------------------------------------------------- */

/* It is in the sealed file before it is gone from here. */
static void
inbox_remove(struct bundle_folder *d, struct file *f)
{
	if (f->state == FILE_IMPORTED && !state_is_durable(d->b->core)) {
		schedule_in(sched(d), &d->due, GATHER_MS);
		return;
	}
	f->spent = 0;
	if (unlinkat(d->dir, f->name, 0) == -1)
		log_warn("%s/%s: %s", d->path, f->name, strerror(errno));
}

static uint64_t
peek(int fd)
{
	uint8_t head[BUNDLE_PEEK_LEN];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	return (n == (ssize_t)sizeof(head) ? bundle_peek(head) : 0);
}

static void
on_imported(void *arg, const char *text, const struct err *err)
{
	struct file *f = arg;

	(void)text;
	f->import = NULL;
	file_say(f, err ? FILE_REFUSED : FILE_IMPORTED, err ? err_msg(err) :
	    NULL);
	if (err && err_reaction(err->kind)->retry) {
		f->dirty = 1;
		schedule_in(sched(f->folder), &f->folder->due, RETRY_MS);
	} else if (!f->folder->watch) {
		f->spent = 1;
		inbox_remove(f->folder, f);
	}
}

static int
by_sequence(const void *a, const void *b)
{
	const struct file *const *x = a, *const *y = b;

	if ((*x)->sequence != (*y)->sequence)
		return ((*x)->sequence < (*y)->sequence ? -1 : 1);
	return (strcmp((*x)->name, (*y)->name));
}

/* All that were asked for are here. */
static void
import_all(struct bundle_folder *d)
{
	struct file *ready[FILES_MAX];
	size_t i, n = 0;

	for (i = 0; i < d->n; i++)
		if (d->v[i]->asked)
			return;
	for (i = 0; i < d->n; i++)
		if (d->v[i]->fd != -1 && !d->v[i]->import)
			ready[n++] = d->v[i];
	qsort(ready, n, sizeof(*ready), by_sequence);
	for (i = 0; i < n; i++)
		ready[i]->import = bundle_import(d->b,
		    fd_steal(&ready[i]->fd), 1, on_imported, ready[i]);
}

/* ${fd} is taken over. */
static void
file_opened(struct file *f, int fd)
{
	cleanup_close int file = fd;
	struct stat st;

	if (fstat(file, &st) == -1 || !S_ISREG(st.st_mode))
		file_say(f, FILE_REFUSED, "not a regular file");
	else if (st.st_size > (off_t)BUNDLE_MAX)
		file_say(f, FILE_REFUSED, "length: larger than a bundle may "
		    "be");
	else {
		mem_cleanup_close(&f->fd);
		f->sequence = peek(file);
		f->fd = fd_steal(&file);
	}
}

static void
ask(struct bundle_folder *d, struct file *f)
{
	cleanup_err struct err err = ERR_INIT;

	f->dirty = 0;
	if (core_tell_keeper(d->b->core, KEEPER_BUNDLE, f->name, &err) == -1)
		file_say(f, FILE_REFUSED, err_msg(&err));
	else
		f->asked = 1;
}

static void
inbox_open(struct bundle_folder *d, struct file *f)
{
	int fd = openat(d->dir, f->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK | O_NOCTTY);

	f->dirty = 0;
	if (fd == -1)
		file_say(f, FILE_REFUSED, strerror(errno));
	else
		file_opened(f, fd);
}

static void
on_due(void *arg)
{
	struct bundle_folder *d = arg;
	size_t i;

	for (i = 0; i < d->n; i++) {
		if (d->v[i]->spent)
			inbox_remove(d, d->v[i]);
		if (!d->v[i]->dirty || d->v[i]->asked || d->v[i]->import)
			continue;
		if (d->watch)
			ask(d, d->v[i]);
		else
			inbox_open(d, d->v[i]);
	}
	import_all(d);
}

static void
mark(struct bundle_folder *d, const char *name)
{
	struct file *f = is_bundle(name) ? file_get(d, name) : NULL;

	if (!f)
		return;
	f->dirty = 1;
	schedule_in(sched(d), &d->due, GATHER_MS);
}

/* --- what is there ------------------------------------------------------ */

static int
is_there(int dir, const char *name)
{
	struct stat st;

	return (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    errno != ENOENT);
}

static void
list(struct bundle_folder *d, int from)
{
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	size_t i;

	if (!dir) {
		mem_cleanup_close(&fd);
		return;
	}
	for (i = d->n; i-- > 0;)
		if (!is_there(from, d->v[i]->name))
			file_drop(d, i);
	d->more = 0;
	rewinddir(dir);
	while ((e = readdir(dir)))
		mark(d, e->d_name);
	closedir(dir);
}

static void
away(struct bundle_folder *d, const char *why)
{
	if (why && !str_eq(why, d->away))
		log_warn("%s: %s", d->path, why);
	free(d->away);
	d->away = str_dup(why);
}

static void
on_watch(void *arg, enum dir_event what, const char *name)
{
	cleanup_err struct err err = ERR_INIT;
	struct bundle_folder *d = arg;

	switch (what) {
	case DIR_ASK:
		if (core_tell_keeper(d->b->core, KEEPER_BUNDLES, "",
		    &err) == -1)
			dir_watch_take(d->watch, &(struct source_folder){
			    -1, -1, -1, err_msg(&err) });
		break;
	case DIR_AWAY:
		away(d, name);
		break;
	case DIR_ALL:
		away(d, NULL);
		list(d, dir_watch_fd(d->watch));
		break;
	case DIR_FILE:
		mark(d, name);
		break;
	}
}

void
bundle_folder_opened(struct bundle_folder *d,
    const struct source_folder *opened)
{
	dir_watch_take(d->watch, opened);
}

void
bundle_folder_file(struct bundle_folder *d, const char *name, int fd,
    const char *why)
{
	cleanup_close int file = fd;
	struct file *f;
	size_t i;

	for (i = 0; i < d->n && !str_eq(d->v[i]->name, name); i++)
		continue;
	if (i == d->n || !d->v[i]->asked)
		return;
	f = d->v[i];
	f->asked = 0;
	if (file != -1)
		file_opened(f, fd_steal(&file));
	else if (is_there(dir_watch_fd(d->watch), name))
		file_say(f, FILE_REFUSED, str_or(why, "cannot be opened"));
	else
		file_drop(d, i);
	import_all(d);
}

int
bundle_folder_at(const struct bundle_folder *d, size_t n,
    const char **ret_name, const char **ret_state, const char **ret_error)
{
	static const char *const states[] = { "new", "imported", "refused" };

	*ret_state = states[FILE_REFUSED];
	*ret_name = d->path;
	if (n < d->n) {
		*ret_name = d->v[n]->name;
		*ret_state = states[d->v[n]->state];
		*ret_error = str_or(d->v[n]->error, "");
		return (1);
	}
	n -= d->n;
	*ret_error = d->away ? d->away : "more than 64 bundles, the others "
	    "are not read: take old ones away";
	return (n == 0 && (d->away || d->more));
}

/* --- made and unmade ---------------------------------------------------- */

struct bundle_folder *
bundle_folder_new(struct bundles *b, const char *dir)
{
	struct bundle_folder *d = mem_alloc(sizeof(*d));

	d->b = b;
	d->path = str_dup(dir);
	d->dir = -1;
	due_init(&d->due, on_due, d);
	d->watch = dir_watch_new(b->core->loop, sched(d), dir, on_watch, d);
	return (d);
}

struct bundle_folder *
bundle_inbox_new(struct bundles *b, int state_dir)
{
	int dir = openat(state_dir, BUNDLE_INBOX, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC | O_NOFOLLOW);
	struct bundle_folder *d;

	if (dir == -1)
		return (NULL);
	d = mem_alloc(sizeof(*d));
	d->b = b;
	d->path = str_dup(BUNDLE_INBOX);
	d->dir = dir;
	due_init(&d->due, on_due, d);
	list(d, dir);
	return (d);
}

void
bundle_folder_free(struct bundle_folder *d)
{
	if (!d)
		return;
	schedule_cancel(sched(d), &d->due);
	dir_watch_free(d->watch);
	mem_cleanup_close(&d->dir);
	while (d->n)
		file_drop(d, d->n - 1);
	free(d->away);
	free(d->path);
	free(d);
}
