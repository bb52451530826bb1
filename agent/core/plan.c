/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/plan.h"

#define KEY_MAX 65536
#define BLOCKED PRIORITIES	/* the list behind the others */

TAILQ_HEAD(group_list, group);

struct plan {
	struct strmap *groups;		/* key -> struct group */
	struct group_list lists[PRIORITIES + 1];
	size_t nitems;
};

static void
group_free(struct group *g)
{
	plan_stores_free(g->stores, g->nstores);
	free(g->blocked_on);
	free(g->host);
	free(g->key);
	free(g);
}

struct plan *
plan_new(void)
{
	struct plan *p = mem_alloc(sizeof(*p));
	int i;

	p->groups = strmap_new(NULL);
	for (i = 0; i <= PRIORITIES; i++)
		TAILQ_INIT(&p->lists[i]);
	return (p);
}

void
plan_free(struct plan *p)
{
	size_t i;

	if (!p)
		return;
	for (i = strmap_next(p->groups, 0); i; i = strmap_next(p->groups, i))
		group_free(strmap_val(p->groups, i));
	strmap_free(p->groups);
	free(p);
}

/* --- keys --------------------------------------------------------------- */

struct collect {
	const char *ns;
	char **v;
	size_t n;
};

static void
collect_store(void *arg, const struct store_ref *ref)
{
	struct collect *c = arg;
	int cluster = strcmp(ref->kind, "ClusterSecretStore") == 0;

	c->v = mem_grow(c->v, c->n + 1, sizeof(*c->v));
	c->v[c->n++] = object_key(ref->kind, cluster ? "" : c->ns, ref->name);
}

char **
plan_stores(const struct external_secret *es, size_t *ret_n)
{
	struct collect c = { es->meta.ns, NULL, 0 };

	es_stores(es, collect_store, &c);
	*ret_n = c.n;
	return (c.v);
}

void
plan_stores_free(char **v, size_t n)
{
	while (n)
		free(v[--n]);
	free(v);
}

/* Credentials that a ClusterSecretStore takes from the namespace of whoever
 * uses it (a reference without one) are another identity in each namespace. */
static int
is_referent(const struct entry *store)
{
	size_t i;

	if (!store || store->kind != OBJ_CLUSTER_SECRET_STORE)
		return (0);
	for (i = 0; i < store->nrefs; i++)
		if (!*store->refs[i].ns)
			return (1);
	return (0);
}

static int
compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return (strcmp(*x, *y));
}

static char *
group_key(const struct catalog *c, const struct external_secret *es,
    char **stores, size_t n)
{
	cleanup_buf struct buf b = BUF_PLAIN(KEY_MAX);
	cleanup_free char **sorted = NULL;
	int referent = 0;
	size_t i;

	sorted = mem_array(n, sizeof(*sorted));
	if (n)
		memcpy(sorted, stores, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	for (i = 0; i < n; i++) {
		buf_adds(&b, sorted[i]);
		buf_addc(&b, '\n');
		referent |= is_referent(catalog_find(c, sorted[i]));
	}
	if (referent)
		buf_adds(&b, es->meta.ns);
	/* Too many stores for one key: a group of its own. */
	if (!buf_ok(&b))
		return (str_fmt("%s/%s", es->meta.ns, es->meta.name));
	return (str_dup(buf_str(&b)));
}

/* --- groups ------------------------------------------------------------- */

static void
group_host(struct group *g, const struct entry *store)
{
	/* Without a host of its own (the fake provider, a store that is not
	 * there) a group stalls for itself alone. */
	free(g->host);
	g->host = str_dup(store && *store->host ? store->host : g->key);
}

static struct group *
group_get(struct plan *p, const struct catalog *c,
    const struct external_secret *es)
{
	size_t n;
	char **stores = plan_stores(es, &n);
	char *key = group_key(c, es, stores, n);
	struct group *g = strmap_get(p->groups, key);
	const struct entry *first = n ? catalog_find(c, stores[0]) : NULL;
	int i;

	if (g) {
		plan_stores_free(stores, n);
		free(key);
		group_host(g, first);
		return (g);
	}
	g = mem_alloc(sizeof(*g));
	g->key = key;
	g->stores = stores;
	g->nstores = n;
	group_host(g, first);
	for (i = 0; i < PRIORITIES; i++)
		TAILQ_INIT(&g->items[i]);
	g->list = -1;
	strmap_put(p->groups, key, g);
	return (g);
}

static void
group_list_remove(struct plan *p, struct group *g)
{
	if (g->list >= 0)
		TAILQ_REMOVE(&p->lists[g->list], g, next);
	g->list = -1;
}

/* Into the list of its most urgent item; it keeps its place where that does
 * not change. */
static void
group_settle(struct plan *p, struct group *g)
{
	int list = 0;

	if (g->nitems == 0) {
		group_list_remove(p, g);
		strmap_del(p->groups, g->key);
		group_free(g);
		return;
	}
	while (TAILQ_EMPTY(&g->items[list]))
		list++;
	if (g->blocked_on)
		list = BLOCKED;
	if (list == g->list)
		return;
	group_list_remove(p, g);
	TAILQ_INSERT_TAIL(&p->lists[list], g, next);
	g->list = list;
}

static void
unlink_item(struct plan *p, struct item *item)
{
	struct group *g = item->group;

	TAILQ_REMOVE(&g->items[item->priority], item, next);
	item->group = NULL;
	item->state = ITEM_IDLE;
	g->nitems--;
	p->nitems--;
}

void
plan_add(struct plan *p, const struct catalog *c, struct item *item,
    const struct external_secret *es, enum item_priority priority)
{
	struct group *g;

	if (item->state == ITEM_QUEUED) {
		if (priority >= item->priority)
			return;
		g = item->group;
		TAILQ_REMOVE(&g->items[item->priority], item, next);
	} else {
		g = group_get(p, c, es);
		g->nitems++;
		p->nitems++;
	}
	item->group = g;
	item->state = ITEM_QUEUED;
	item->priority = priority;
	TAILQ_INSERT_TAIL(&g->items[priority], item, next);
	group_settle(p, g);
}

void
plan_remove(struct plan *p, struct item *item)
{
	struct group *g = item->group;

	if (item->state != ITEM_QUEUED)
		return;
	unlink_item(p, item);
	group_settle(p, g);
}

size_t
plan_len(const struct plan *p)
{
	return (p->nitems);
}

struct group *
plan_next(struct plan *p)
{
	int i;

	for (i = 0; i < PRIORITIES; i++)
		if (!TAILQ_EMPTY(&p->lists[i]))
			return (TAILQ_FIRST(&p->lists[i]));
	return (NULL);
}

void
plan_block(struct plan *p, struct group *g, const char *what)
{
	free(g->blocked_on);
	g->blocked_on = str_dup(what);
	group_settle(p, g);
}

static size_t
unblock(struct plan *p, const char *what)
{
	struct group *g, *after;
	size_t n = 0;

	for (g = TAILQ_FIRST(&p->lists[BLOCKED]); g; g = after) {
		after = TAILQ_NEXT(g, next);
		if (what && !str_eq(g->blocked_on, what))
			continue;
		free(STEAL(g->blocked_on));
		group_settle(p, g);
		n++;
	}
	return (n);
}

size_t
plan_unblock(struct plan *p, const char *what)
{
	return (unblock(p, what));
}

void
plan_unblock_all(struct plan *p)
{
	unblock(p, NULL);
}

size_t
plan_take(struct plan *p, struct group *g, struct item **out, size_t max)
{
	struct item *item;
	size_t n = 0;
	int i;

	for (i = 0; i < PRIORITIES; i++) {
		while (n < max && (item = TAILQ_FIRST(&g->items[i]))) {
			unlink_item(p, item);
			item->state = ITEM_RUNNING;
			out[n++] = item;
		}
	}
	group_settle(p, g);
	return (n);
}
