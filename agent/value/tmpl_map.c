/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "value/tmpl_run.h"

/*
 * A treap: a tree ordered by key whose shape comes from random ranks, so that
 * no order of insertion makes it deep.  The entries are also chained in order:
 * walking needs neither recursion nor a sort.
 */
struct tmap {
	struct tment *root, *first;
	size_t n;
	const struct tt *elem;
};

static int
compare(const char *a, size_t alen, const struct tment *b)
{
	size_t n = alen < b->len ? alen : b->len;
	int c = n == 0 ? 0 : memcmp(a, b->key, n);

	if (c != 0)
		return (c);
	return (alen < b->len ? -1 : alen > b->len);
}

/* xorshift64*: the seed is what matters, and it is random. */
static uint64_t
next_rank(struct tmpl_run *run)
{
	uint64_t x = run->seed;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	run->seed = x;
	return (x * 0x2545f4914f6cdd1dULL);
}

int
tv_new_map(struct tmpl_run *run, const struct tt *type, struct tv *ret,
    struct err *err)
{
	struct tmap *m = tmpl_alloc(run, sizeof(*m), err);

	if (m == NULL)
		return (-1);
	m->elem = type->elem;
	*ret = (struct tv){ .type = type, .u.m = m };
	return (0);
}

/* The entry, or NULL and its neighbour in order before it. */
static struct tment *
find(const struct tmap *m, const char *key, size_t n, struct tment **prev)
{
	struct tment *e = m->root;
	int c;

	*prev = NULL;
	while (e != NULL && (c = compare(key, n, e)) != 0) {
		if (c > 0)
			*prev = e;
		e = c < 0 ? e->left : e->right;
	}
	return (e);
}

const struct tv *
tmap_get(const struct tmap *m, const char *key, size_t n)
{
	struct tment *prev, *e;

	if (m == NULL || (e = find(m, key, n, &prev)) == NULL)
		return (NULL);
	return (&e->value);
}

/* Where the rank of ${fresh} is the highest below: what stands there is split
 * by its key. */
static void
insert(struct tmap *m, struct tment *fresh)
{
	struct tment **at = &m->root, **l = &fresh->left, **r = &fresh->right;
	struct tment *e;

	while (*at != NULL && (*at)->rank >= fresh->rank)
		at = compare(fresh->key, fresh->len, *at) < 0 ? &(*at)->left :
		    &(*at)->right;
	for (e = *at; e != NULL;) {
		if (compare(fresh->key, fresh->len, e) < 0) {
			*r = e;
			r = &e->left;
			e = *r;
		} else {
			*l = e;
			l = &e->right;
			e = *l;
		}
	}
	*l = NULL;
	*r = NULL;
	*at = fresh;
}

int
tmap_set(struct tmpl_run *run, struct tmap *m, const char *key, size_t n,
    struct tv value, struct err *err)
{
	struct tment *prev, *e = find(m, key, n, &prev);

	value = m->elem == &tt_any ? tv_elem(value) : value;
	if (e != NULL) {
		e->value = value;
		return (0);
	}
	if ((e = tmpl_alloc(run, sizeof(*e), err)) == NULL)
		return (-1);
	*e = (struct tment){ .key = key, .len = n, .value = value,
		.rank = next_rank(run), .prev = prev };
	e->next = prev == NULL ? m->first : prev->next;
	if (e->next != NULL)
		e->next->prev = e;
	if (prev == NULL)
		m->first = e;
	else
		prev->next = e;
	insert(m, e);
	m->n++;
	return (0);
}

/* Its two subtrees grow together in its place; its own next stays, for whoever
 * stands on it. */
void
tmap_del(struct tmap *m, const char *key, size_t n)
{
	struct tment **at, *l, *r, *gone;
	int c;

	if (m == NULL)
		return;
	for (at = &m->root; *at != NULL && (c = compare(key, n, *at)) != 0;)
		at = c < 0 ? &(*at)->left : &(*at)->right;
	if ((gone = *at) == NULL)
		return;
	for (l = gone->left, r = gone->right; l != NULL && r != NULL;) {
		if (l->rank > r->rank) {
			*at = l;
			at = &l->right;
			l = *at;
		} else {
			*at = r;
			at = &r->left;
			r = *at;
		}
	}
	*at = l != NULL ? l : r;
	if (gone->next != NULL)
		gone->next->prev = gone->prev;
	if (gone->prev != NULL)
		gone->prev->next = gone->next;
	else
		m->first = gone->next;
	m->n--;
}

size_t
tmap_len(const struct tmap *m)
{
	return (m == NULL ? 0 : m->n);
}

const struct tment *
tmap_first(const struct tmap *m)
{
	return (m == NULL ? NULL : m->first);
}
