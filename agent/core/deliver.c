/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/deliver.h"
#include "core/deliver_files.h"

/* A swap takes away the generation before last: two of them in quick
 * succession would take a generation from under a reader who has just begun
 * (a reader under load lost one in 3 million reads). */
#define SWAP_SPACE_MS 1000

struct writing {
	struct delivery *d;
	struct file_list *list;
	uint8_t *print;		/* becomes d->have */
	size_t print_len;
};

static void
on_retry(void *arg)
{
	struct delivery *d = arg;

	d->news(d);
}

void
delivery_init(struct delivery *d, struct core *c, enum proj_place place,
    const char *path, const char *claim)
{
	d->core = c;
	d->place = place;
	d->path = str_dup(path);
	d->claim = str_dup(claim);
	due_init(&d->retry_due, on_retry, d);
}

struct delivery_source *
delivery_source_add(struct delivery *d, const char *ns, const char *name)
{
	struct delivery_source *s;
	struct item *item;

	d->sources = mem_grow(d->sources, d->nsources + 1,
	    sizeof(*d->sources));
	s = &d->sources[d->nsources++];
	memset(s, 0, sizeof(*s));
	item = sync_claim(d->core, ns, name, d->claim, CLAIM_FOREVER);
	item->users = mem_grow(item->users, item->nusers + 1,
	    sizeof(*item->users));
	item->users[item->nusers++] = d;
	s->item = item;
	return (s);
}

/* --- what is there, what should be -------------------------------------- */

/* A new delivery wants an ExternalSecret that still exists; one that is out
 * keeps what it has. */
static int
has_content(const struct delivery *d, const struct delivery_source *s)
{
	const struct entry *e;

	if (s->item->outcome == JOB_DELETED)
		return (1);
	if (d->attached && s->item->gone == ITEM_WITHDRAWN)
		return (1);	/* the files go */
	if (!s->item->content)
		return (0);
	if (d->attached)
		return (1);
	if (!age_may_mount(d->core, s->item, NULL))
		return (0);
	e = sync_entry(d->core, s->item);
	return (e && e->es && !*e->rejected);
}

const struct delivery_source *
delivery_waits_for(const struct delivery *d)
{
	size_t i;

	for (i = 0; i < d->nsources; i++)
		if (!d->sources[i].optional &&
		    !has_content(d, &d->sources[i]))
			return (&d->sources[i]);
	return (NULL);
}

/* Everything that the files depend on beside the delivery's own settings: for
 * each source whether it has a content and its hash, and its state where that
 * is shown. */
static uint8_t *
print_make(const struct delivery *d, size_t *ret_len)
{
	size_t one = RECORD_HASH_LEN + 2, i;
	uint8_t *p = mem_alloc(d->nsources * one), *at = p;
	const struct item *item;

	for (i = 0; i < d->nsources; i++, at += one) {
		item = d->sources[i].item;
		at[0] = item->content != NULL;
		if (item->content)
			memcpy(at + 2, item->content->hash, RECORD_HASH_LEN);
		if (d->status_file)
			at[1] = (uint8_t)((item->failing ? 1 : 0) |
			    (age_stale(d->core, item) ? 2 : 0) |
			    (item->origin << 2));
	}
	*ret_len = d->nsources * one;
	return (p);
}

/* --- writing ------------------------------------------------------------ */

static enum delivery_state
failed(struct delivery *d, struct err *err)
{
	if (!str_eq(err_msg(&d->error), err_msg(err)))
		log_warn("%s: %s", d->path, err_msg(err));
	err_move(&d->error, err);
	d->failures++;
	if (err_reaction(d->error.kind)->retry ||
	    d->error.kind == ERR_INTERNAL)
		schedule_in(d->core->schedule, &d->retry_due,
		    schedule_backoff_ms(d->failures));
	return (DELIVERY_FAILED);
}

static int
on_fill(void *arg, size_t i, int fd, struct err *err)
{
	struct writing *w = arg;

	if (file_list_fill(w->list, i, fd, err) == -1)
		return (-1);
	/* By a descriptor: the path may lie in folders that are closed to
	 * us. */
	if (i + 1 == w->list->n) {
		file_list_shut(w->list);
		if (fstatvfs(fd, &w->d->room) == -1)
			w->d->room.f_blocks = 0;
	}
	return (0);
}

static void
succeeded(struct delivery *d, struct writing *w)
{
	free(d->have);
	d->have = STEAL(w->print);
	d->have_len = w->print_len;
	if (d->attached)
		d->swapped_at = schedule_now(d->core->schedule);
	d->attached = 1;
	d->generation++;
	d->nfiles = w->list->n;
	d->published_at = schedule_wall(d->core->schedule);
	d->failures = 0;
	err_clear(&d->error);
}

static void
writing_free(struct writing *w)
{
	file_list_free(w->list);
	free(w->print);
	free(w);
}

static void
on_done(void *arg, const struct err *err)
{
	struct writing *w = arg;
	struct delivery *d = w->d;
	struct err copy = ERR_INIT;

	d->busy = 0;
	if (!err)
		succeeded(d, w);
	else {
		err_set(&copy, err->kind, "%s", err_msg(err));
		failed(d, &copy);
	}
	if (d->again && !d->removing) {
		d->again = 0;
		delivery_update(d);
	}
	/* Whoever waits is told first; then there is time to clean up. */
	d->settled(d);
	writing_free(w);
}

static enum delivery_state
write_start(struct delivery *d, uint8_t *print, size_t print_len)
{
	const struct proj_target target = { .place = d->place,
		.path = d->path, .gid = d->gid, .dir_mode = 0755,
		.fresh = d->place == PROJ_VOLUME && !d->attached };
	const struct projector *out = d->core->projector;
	struct writing *w = mem_alloc(sizeof(*w));
	struct err err = ERR_INIT;

	w->d = d;
	w->print = print;
	w->print_len = print_len;
	if (d->core->proj)
		out->aim(d->core->proj, &target);
	if (file_list_make(d, &w->list, &err) == -1)
		goto fail;
	if (!d->core->proj) {
		err_set(&err, ERR_TRANSIENT, "fsproj is not connected");
		goto fail;
	}
	if (out->write(d->core->proj, &target, w->list->files, w->list->n,
	    on_fill, on_done, w, &err) == -1)
		goto fail;
	/* Not filled at once: nothing stays open until then. */
	file_list_shut(w->list);
	d->busy = 1;
	return (DELIVERY_BUSY);
fail:
	writing_free(w);
	return (failed(d, &err));
}

enum delivery_state
delivery_update(struct delivery *d)
{
	uint8_t *print;
	size_t len;

	if (d->busy) {
		d->again = 1;
		return (DELIVERY_BUSY);
	}
	schedule_cancel(d->core->schedule, &d->retry_due);
	if (delivery_waits_for(d))
		return (DELIVERY_WAITS);
	print = print_make(d, &len);
#ifndef WEAKEN_UNCHANGED
	if (d->have && d->have_len == len && memcmp(d->have, print, len) == 0) {
		free(print);
		return (DELIVERY_CURRENT);
	}
#endif
#ifndef WEAKEN_SWAPSPACE
	if (d->swapped_at && schedule_now(d->core->schedule) <
	    d->swapped_at + SWAP_SPACE_MS) {
		free(print);
		schedule_at(d->core->schedule, &d->retry_due,
		    d->swapped_at + SWAP_SPACE_MS);
		return (DELIVERY_LATER);
	}
#endif
	return (write_start(d, print, len));
}

/* --- the end ------------------------------------------------------------ */

static void
user_remove(struct item *item, const struct delivery *d)
{
	size_t i;

	for (i = 0; i < item->nusers; i++) {
		if (item->users[i] != d)
			continue;
		memmove(&item->users[i], &item->users[i + 1],
		    (--item->nusers - i) * sizeof(*item->users));
		return;
	}
}

static void
source_clear(struct delivery_source *s)
{
	while (s->nitems) {
		free(s->items[--s->nitems].key);
		free(s->items[s->nitems].path);
	}
	free(s->items);
}

void
delivery_let_go(struct delivery *d, int64_t until)
{
	struct delivery_source *s;

	while (d->nsources) {
		s = &d->sources[--d->nsources];
		user_remove(s->item, d);
		if (until)
			sync_claim(d->core, s->item->ns, s->item->name,
			    d->claim, until);
		else
			sync_unclaim(d->core, s->item, d->claim);
		source_clear(s);
	}
}

void
delivery_clear(struct delivery *d)
{
	delivery_let_go(d, 0);
	schedule_cancel(d->core->schedule, &d->retry_due);
	free(d->sources);
	free(d->have);
	free(d->path);
	free(d->claim);
	err_clear(&d->error);
}

void
deliver_news(struct core *c, struct item *item)
{
	size_t i;

	(void)c;
	/* Backwards: one that is told may take itself off the list. */
	for (i = item->nusers; i-- > 0;)
		if (i < item->nusers)
			item->users[i]->news(item->users[i]);
}
