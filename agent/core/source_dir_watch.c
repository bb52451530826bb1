/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/inotify.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/source_dir.h"

/*
 * inotify(7) on the folder tells about its files, and about its own end; on
 * its parent, when the name comes to mean another folder; and
 * /proc/self/mountinfo, which polls as an error on every change of the mounts
 * (proc(5)), when something is mounted over it, which inotify never tells.
 * Only while the folder is away does a slow timer ask.
 */
#define AWAY_MS 1000
#define MOUNTS_MS 500
#define SELF_GONE (IN_UNMOUNT | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)

struct dir_watch {
	struct loop *loop;
	struct schedule *schedule;
	char *dir;
	const char *name;	/* last component of dir */
	int fd;			/* inotify; -1 none */
	struct loop_fd *watch;
	int mounts;
	struct loop_fd *mounts_watch;
	int dirfd;
	dev_t dev;
	ino_t ino;
	int stale;		/* the watch is of no more use */
	int mounted;		/* the folder is the root of a mount */
	int unmounted;		/* it was one, and what is here now is not */
	struct due ask_due;
	dir_event_fn cb;
	void *arg;
};

static void
let_go(struct dir_watch *w)
{
	loop_fd_free(STEAL(w->watch));
	loop_fd_free(STEAL(w->mounts_watch));
	mem_cleanup_close(&w->fd);
	mem_cleanup_close(&w->mounts);
	mem_cleanup_close(&w->dirfd);
	w->fd = w->mounts = w->dirfd = -1;
}

static void
ask(struct dir_watch *w)
{
	schedule_in(w->schedule, &w->ask_due, 0);
}

static void
on_ask(void *arg)
{
	struct dir_watch *w = arg;

	if (w->mounts_watch)
		loop_fd_watch(w->mounts_watch, LOOP_WRITE);
	w->cb(w->arg, DIR_ASK, NULL);
}

/* A new file is read when its writer closes it; a symlink and a second name
 * of a file are complete at once.  Where we may not look, it is read early and
 * once more. */
static int
is_unfinished(const struct dir_watch *w, const struct inotify_event *ev)
{
	struct stat st;

	return ((ev->mask & IN_CREATE) &&
	    fstatat(w->dirfd, ev->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink == 1);
}

static void
on_dir_event(struct dir_watch *w, const struct inotify_event *ev)
{
	if (ev->mask & SELF_GONE) {
		w->stale = 1;
		ask(w);
	} else if (ev->len == 0)
		return;
	else if (strncmp(ev->name, "..", 2) == 0)
		/* ..data of a mounted ConfigMap: every file is another. */
		w->cb(w->arg, DIR_ALL, NULL);
	else if (!is_unfinished(w, ev))
		w->cb(w->arg, DIR_FILE, ev->name);
}

static void
on_event(struct dir_watch *w, const struct inotify_event *ev)
{
	if (ev->mask & IN_Q_OVERFLOW) {
		log_info("%s: too many changes at once, reading everything",
		    w->dir);
		/* What was lost may be the folder's own end. */
		w->stale = 1;
		ask(w);
	} else if (ev->wd == 1)
		/* Descriptors of one inotify count from 1 (inotify(7)). */
		on_dir_event(w, ev);
	else if (ev->len && strcmp(ev->name, w->name) == 0)
		ask(w);
}

static void
on_inotify(void *arg, int events)
{
	_Alignas(struct inotify_event) char buf[16384];
	struct dir_watch *w = arg;
	const struct inotify_event *ev;
	ssize_t n, at;

	(void)events;
	while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; at += (ssize_t)(sizeof(*ev) + ev->len)) {
			ev = (const struct inotify_event *)
			    (const void *)(buf + at);
			on_event(w, ev);
		}
	}
}

/* Something was mounted or unmounted somewhere; whoever may look tells whether
 * the name means another folder now. */
static void
on_mounts(void *arg, int events)
{
	struct dir_watch *w = arg;

	(void)events;
	/* Our own volumes are such changes, by the hundred at a boot: watched
	 * again only when we ask.  What happens until then is told then. */
	loop_fd_watch(w->mounts_watch, 0);
	if (!w->ask_due.pos)
		schedule_in(w->schedule, &w->ask_due, MOUNTS_MS);
}

static void
watch_fds(struct dir_watch *w)
{
	w->watch = loop_fd_new(w->loop, w->fd, on_inotify, w, NULL);
	if (w->watch)
		loop_fd_watch(w->watch, LOOP_READ);
	if (w->mounts != -1)
		w->mounts_watch = loop_fd_new(w->loop, w->mounts, on_mounts,
		    w, NULL);
	/* The file is always readable: "writable" waits for the error. */
	if (w->mounts_watch)
		loop_fd_watch(w->mounts_watch, LOOP_WRITE);
}

static int
is_mount(int fd)
{
	struct statx sx;

	return (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx) == 0 &&
	    (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT));
}

static void
close_folder(const struct source_folder *f)
{
	mem_cleanup_close(&f->dir);
	mem_cleanup_close(&f->notify);
	mem_cleanup_close(&f->mounts);
}

void
dir_watch_take(struct dir_watch *w, const struct source_folder *f)
{
	int was_mounted = w->mounted;
	struct stat st;

	if (f->dir == -1 || f->notify == -1 || fstat(f->dir, &st) == -1) {
		close_folder(f);
		let_go(w);
		schedule_in(w->schedule, &w->ask_due, AWAY_MS);
		w->cb(w->arg, DIR_AWAY, str_or(f->why, "not there"));
		return;
	}
	if (w->dirfd != -1 && !w->stale && st.st_dev == w->dev &&
	    st.st_ino == w->ino) {
		close_folder(f);
		return;
	}
	let_go(w);
	w->dirfd = f->dir;
	w->fd = f->notify;
	w->mounts = f->mounts;
	w->dev = st.st_dev;
	w->ino = st.st_ino;
	w->stale = 0;
	w->mounted = is_mount(w->dirfd);
	w->unmounted = !w->mounted && (was_mounted || w->unmounted);
	watch_fds(w);
	w->cb(w->arg, DIR_ALL, NULL);
}

struct dir_watch *
dir_watch_new(struct loop *l, struct schedule *s, const char *dir,
    dir_event_fn cb, void *arg)
{
	struct dir_watch *w = mem_alloc(sizeof(*w));
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	w->dir = str_ndup(dir, len);
	w->name = strrchr(w->dir, '/') ? strrchr(w->dir, '/') + 1 : w->dir;
	w->loop = l;
	w->schedule = s;
	w->fd = w->mounts = w->dirfd = -1;
	w->cb = cb;
	w->arg = arg;
	due_init(&w->ask_due, on_ask, w);
	ask(w);
	return (w);
}

int
dir_watch_fd(const struct dir_watch *w)
{
	return (w->dirfd);
}

int
dir_watch_unmounted(const struct dir_watch *w)
{
	return (w->unmounted);
}

void
dir_watch_free(struct dir_watch *w)
{
	if (!w)
		return;
	schedule_cancel(w->schedule, &w->ask_due);
	let_go(w);
	free(w->dir);
	free(w);
}
