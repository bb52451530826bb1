/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include <stddef.h>

#include "core/catalog.h"
#include "core/item.h"

/*
 * Due items, grouped by what one login serves: the same set of stores and the
 * same identity.  A group is what a job is made from.
 */
struct plan;

struct group {
	TAILQ_ENTRY(group) next;
	char *key;
	char **stores;		/* "Kind/ns/name", the spec's own first */
	size_t nstores;
	char *host;		/* provider of the first store, else the key */
	TAILQ_HEAD(item_list, item) items[PRIORITIES];
	size_t nitems;
	int list;		/* in which of the plan's lists */
	char *blocked_on;	/* store or host, NULL: ready */
};

struct plan *plan_new(void);
void plan_free(struct plan *p);		/* items are borrowed */

/* plan_add(p, c, item, es, priority): queue; the item's state becomes
 * ITEM_QUEUED.  One that is queued already is only raised. */
void plan_add(struct plan *p, const struct catalog *c, struct item *item,
    const struct external_secret *es, enum item_priority priority);
void plan_remove(struct plan *p, struct item *item);
size_t plan_len(const struct plan *p);		/* items */

/* plan_next(p): the most urgent group that is not blocked, the one that became
 * so first; NULL when none. */
struct group *plan_next(struct plan *p);
/* plan_block(p, g, what): out of plan_next's sight until plan_unblock(what).
 * plan_unblock answers how many groups came back. */
void plan_block(struct plan *p, struct group *g, const char *what);
size_t plan_unblock(struct plan *p, const char *what);
/* plan_unblock_all: after a change of objects. */
void plan_unblock_all(struct plan *p);
/* plan_take(p, g, out, max): take the most urgent items out, at most ${max};
 * their state becomes ITEM_RUNNING.  An empty group is freed. */
size_t plan_take(struct plan *p, struct group *g, struct item **out,
    size_t max);

/* plan_stores(c, es, ret_n): the keys of the stores that ${es} uses, each
 * once, the spec's own first; the caller's (plan_stores_free). */
char **plan_stores(const struct external_secret *es, size_t *ret_n);
void plan_stores_free(char **v, size_t n);

#endif
