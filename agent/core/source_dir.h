/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SOURCE_DIR_H
#define CORE_SOURCE_DIR_H

#include "base/loop.h"
#include "core/catalog.h"
#include "core/jobs.h"
#include "core/schedule.h"
#include "core/source.h"

/*
 * A folder of manifests (INTERFACES.md §1, --manifests): every *.yaml, *.yml,
 * *.json directly in it, watched with inotify.  A file that does not parse
 * keeps its last good objects; a folder that is away (removed, unmounted)
 * keeps all of them until it is back.
 *
 * Core can open nothing: somebody else (the keeper; a test) opens the folder
 * and its files.  The ask functions start that, the answers come back by
 * source_dir_folder and source_dir_file.
 */
struct source_dir_config {
	struct loop *loop;
	struct schedule *schedule;
	struct jobs *jobs;
	struct keys *keys;
	struct catalog *catalog;
	const char *dir;		/* for messages; copied */
	int (*ask_folder)(void *arg, struct err *err);
	int (*ask_file)(void *arg, const char *name, struct err *err);
	void *ask_arg;
	struct source_events events;
};

/* source_dir_new: asks for the folder at once, on the next turn. */
struct source *source_dir_new(const struct source_dir_config *config);

/* The folder, as opened; all descriptors are taken over. */
struct source_folder {
	int dir;		/* for listing; -1: away */
	int notify;		/* inotify; its first watch is the folder, a
				 * second one (if any) the folder's parent */
	int mounts;		/* /proc/self/mountinfo, or -1 */
	const char *why;	/* it is away */
};
void source_dir_folder(struct source *s, const struct source_folder *f);
/* source_dir_file: ${fd} (taken over), or -1 and ${why}. */
void source_dir_file(struct source *s, const char *name, int fd,
    const char *why);

/* --- between source_dir.c and source_dir_watch.c ------------------------ */

struct dir_watch;
enum dir_event {
	DIR_FILE,		/* something about the file ${name} */
	DIR_ALL,		/* read everything anew */
	DIR_AWAY,		/* the folder is not there: ${name} says why */
	DIR_ASK			/* ask for the folder */
};
typedef void (*dir_event_fn)(void *arg, enum dir_event what,
    const char *name);
struct dir_watch *dir_watch_new(struct loop *l, struct schedule *s,
    const char *dir, dir_event_fn cb, void *arg);
void dir_watch_take(struct dir_watch *w, const struct source_folder *f);
/* dir_watch_fd(w): the folder, for readdir; -1 when away. */
int dir_watch_fd(const struct dir_watch *w);
/* dir_watch_unmounted(w): the folder was unmounted and is not mounted again:
 * that it is empty means nothing. */
int dir_watch_unmounted(const struct dir_watch *w);
void dir_watch_free(struct dir_watch *w);

#endif
