/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strmap.h"
#include "core/catalog.h"

/* All entries of one key, the winner first. */
struct place {
	struct entry **v;
	size_t n;
	uint64_t generation;	/* of the winner, as last announced */
	uint8_t hash[RECORD_HASH_LEN];
	int rejected;
};

/* What one origin holds: keys of its entries. */
struct origin {
	char *name;
	struct strmap *keys;
};

struct catalog {
	struct strmap *places;		/* key -> struct place */
	struct strmap *origins;		/* name -> struct origin */
	struct strmap *changes;		/* keys; NULL none */
	uint64_t generation;
};

static void
place_free(void *p)
{
	struct place *pl = p;
	size_t i;

	for (i = 0; i < pl->n; i++)
		entry_free(pl->v[i]);
	free(pl->v);
	free(pl);
}

static void
origin_free(void *p)
{
	struct origin *o = p;

	strmap_free(o->keys);
	free(o->name);
	free(o);
}

struct catalog *
catalog_new(void)
{
	struct catalog *c = mem_alloc(sizeof(*c));

	c->places = strmap_new(place_free);
	c->origins = strmap_new(origin_free);
	return (c);
}

void
catalog_free(struct catalog *c)
{
	if (!c)
		return;
	strmap_free(c->places);
	strmap_free(c->origins);
	strmap_free(c->changes);
	free(c);
}

static void
note_change(struct catalog *c, const char *key)
{
	if (!c->changes)
		c->changes = strmap_new(NULL);
	strmap_put(c->changes, key, NULL);
}

/* After a change among a key's entries: is the winner another one now?  The
 * generation never repeats, so that a deleted object that comes back is new. */
static void
settle(struct catalog *c, const char *key, struct place *p)
{
	struct entry *e;

	if (p->n == 0) {
		note_change(c, key);
		strmap_del(c->places, key);
		return;
	}
	e = p->v[0];
	if (p->generation == 0 || p->rejected != (*e->rejected != '\0') ||
	    memcmp(p->hash, e->hash, sizeof(p->hash)) != 0) {
		p->generation = ++c->generation;
		memcpy(p->hash, e->hash, sizeof(p->hash));
		p->rejected = *e->rejected != '\0';
		note_change(c, key);
	}
	e->generation = p->generation;
	if (e->es && !e->versioned)
		e->es->meta.generation = (int64_t)p->generation;
}

static void
place_remove(struct catalog *c, const char *key, const char *origin)
{
	struct place *p = strmap_get(c->places, key);
	size_t i;

	for (i = 0; p && i < p->n; i++) {
		if (!str_eq(p->v[i]->origin, origin))
			continue;
		entry_free(p->v[i]);
		memmove(&p->v[i], &p->v[i + 1],
		    (--p->n - i) * sizeof(*p->v));
		return;
	}
}

static void
place_add(struct catalog *c, struct entry *e)
{
	struct place *p = strmap_get(c->places, e->key);
	size_t i = 0;

	if (!p) {
		p = mem_alloc(sizeof(*p));
		strmap_put(c->places, e->key, p);
	}
	while (i < p->n && strcmp(p->v[i]->origin, e->origin) < 0)
		i++;
	p->v = mem_grow(p->v, p->n + 1, sizeof(*p->v));
	memmove(&p->v[i + 1], &p->v[i], (p->n++ - i) * sizeof(*p->v));
	p->v[i] = e;
}

static void
settle_all(struct catalog *c, const struct strmap *keys)
{
	struct place *p;
	size_t i;

	for (i = strmap_next(keys, 0); i; i = strmap_next(keys, i)) {
		p = strmap_get(c->places, strmap_key(keys, i));
		if (p)
			settle(c, strmap_key(keys, i), p);
	}
}

static struct origin *
origin_get(struct catalog *c, const char *name)
{
	struct origin *o = strmap_get(c->origins, name);

	if (o)
		return (o);
	o = mem_alloc(sizeof(*o));
	o->name = str_dup(name);
	strmap_put(c->origins, name, o);
	return (o);
}

void
catalog_replace(struct catalog *c, const char *name, struct entry **v,
    size_t n)
{
	struct strmap *keys = strmap_new(NULL), *before = NULL;
	struct origin *o = origin_get(c, name);
	size_t i;

	before = o->keys;
	o->keys = keys;
	for (i = before ? strmap_next(before, 0) : 0; i;
	    i = strmap_next(before, i))
		place_remove(c, strmap_key(before, i), o->name);
	for (i = 0; i < n; i++) {
		if (strmap_has(keys, v[i]->key)) {
			entry_free(v[i]);
			continue;
		}
		strmap_put(keys, v[i]->key, NULL);
		v[i]->origin = o->name;
		place_add(c, v[i]);
	}
	if (before)
		settle_all(c, before);
	settle_all(c, keys);
	strmap_free(before);
	if (n == 0)
		strmap_del(c->origins, name);
}

void
catalog_put(struct catalog *c, const char *name, struct entry *e)
{
	struct origin *o = origin_get(c, name);

	if (!o->keys)
		o->keys = strmap_new(NULL);
	strmap_put(o->keys, e->key, NULL);
	e->origin = o->name;
	e->versioned = 1;
	place_remove(c, e->key, o->name);
	place_add(c, e);
	settle(c, e->key, strmap_get(c->places, e->key));
}

void
catalog_drop(struct catalog *c, const char *name, const char *key)
{
	struct origin *o = strmap_get(c->origins, name);
	cleanup_free char *copy = str_dup(key);

	/* The key may be the entry's own. */
	if (!o || !o->keys || !strmap_del(o->keys, copy))
		return;
	place_remove(c, copy, o->name);
	settle(c, copy, strmap_get(c->places, copy));
}

const struct strmap *
catalog_keys(const struct catalog *c, const char *name)
{
	const struct origin *o = strmap_get(c->origins, name);

	return (o ? o->keys : NULL);
}

void
catalog_renew(struct catalog *c, const char *prefix)
{
	struct place *p;
	const char *key;
	size_t i;

	for (i = strmap_next(c->places, 0); i; i = strmap_next(c->places, i)) {
		key = strmap_key(c->places, i);
		if (strncmp(key, prefix, strlen(prefix)) != 0)
			continue;
		p = strmap_val(c->places, i);
		p->generation = 0;
		settle(c, key, p);
	}
}

struct strmap *
catalog_take_changes(struct catalog *c)
{
	return (STEAL(c->changes));
}

const struct entry *
catalog_find(const struct catalog *c, const char *key)
{
	const struct place *p = strmap_get(c->places, key);

	return (p ? p->v[0] : NULL);
}

const struct entry *
catalog_get(const struct catalog *c, const char *kind_name, const char *ns,
    const char *name)
{
	cleanup_free char *key = object_key(kind_name, ns, name);

	return (catalog_find(c, key));
}

const struct entry *
catalog_own(const struct catalog *c, const char *origin, const char *key)
{
	const struct place *p = strmap_get(c->places, key);
	size_t i;

	for (i = 0; p && i < p->n; i++)
		if (str_eq(p->v[i]->origin, origin))
			return (p->v[i]);
	return (NULL);
}

size_t
catalog_next(const struct catalog *c, size_t i)
{
	return (strmap_next(c->places, i));
}

const struct entry *
catalog_at(const struct catalog *c, size_t i)
{
	const struct place *p = strmap_val(c->places, i);

	return (p->v[0]);
}

size_t
catalog_len(const struct catalog *c)
{
	return (strmap_len(c->places));
}

void
catalog_each_shadowed(const struct catalog *c, void (*cb)(void *arg,
    const struct entry *hidden, const struct entry *winner), void *arg)
{
	const struct place *p;
	size_t i, k;

	for (i = strmap_next(c->places, 0); i; i = strmap_next(c->places, i)) {
		p = strmap_val(c->places, i);
		for (k = 1; k < p->n; k++)
			cb(arg, p->v[k], p->v[0]);
	}
}

/* What was announced was announced under the old hash. */
static int
place_reseal(struct place *p, struct keys *k, struct err *err)
{
	int same = p->n && memcmp(p->hash, p->v[0]->hash,
	    RECORD_HASH_LEN) == 0;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->v[i]->body.data && keys_reseal(k, &p->v[i]->body,
		    p->v[i]->hash, err) == -1)
			return (err_wrap(err, "%s", p->v[i]->key));
	if (same)
		memcpy(p->hash, p->v[0]->hash, RECORD_HASH_LEN);
	return (0);
}

int
catalog_reseal(struct catalog *c, struct keys *k, struct err *err)
{
	size_t i;

	for (i = strmap_next(c->places, 0); i; i = strmap_next(c->places, i))
		if (place_reseal(strmap_val(c->places, i), k, err) == -1)
			return (-1);
	return (0);
}
