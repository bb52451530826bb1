/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/mem.h"
#include "base/strmap.h"

/*
 * Entries stand in an array in order of insertion; a table of slots with
 * linear probing holds their numbers + 1 (0 empty).  A deleted entry keeps its
 * slot, without a key, until the table is built anew: iteration by number
 * stays valid over a deletion.
 */
struct entry {
	char *key;		/* NULL: deleted */
	void *value;
	uint64_t hash;
};

struct strmap {
	void (*free_value)(void *);
	struct entry *entries;
	size_t n;		/* entries used, deleted ones too */
	size_t live;
	size_t cap;
	uint32_t *slots;
	size_t nslots;		/* power of two, or 0 */
};

static uint64_t seed[2];

static void
seed_once(void)
{
	struct timespec ts;

	if (seed[0])
		return;
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(seed)) {
		/* Only early at boot: better than a fixed seed. */
		clock_gettime(CLOCK_MONOTONIC, &ts);
		seed[0] ^= (uint64_t)ts.tv_nsec << 20;
		seed[1] ^= (uint64_t)(uintptr_t)&ts;
	}
	seed[0] |= 1;
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPROUND(v) do {						\
	(v)[0] += (v)[1]; (v)[1] = ROTL((v)[1], 13);			\
	(v)[1] ^= (v)[0]; (v)[0] = ROTL((v)[0], 32);			\
	(v)[2] += (v)[3]; (v)[3] = ROTL((v)[3], 16); (v)[3] ^= (v)[2];	\
	(v)[0] += (v)[3]; (v)[3] = ROTL((v)[3], 21); (v)[3] ^= (v)[0];	\
	(v)[2] += (v)[1]; (v)[1] = ROTL((v)[1], 17);			\
	(v)[1] ^= (v)[2]; (v)[2] = ROTL((v)[2], 32);			\
} while (0)

/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"), the
 * usual choice where keys come from somebody who would like collisions. */
static uint64_t
hash_key(const char *key, size_t len)
{
	uint64_t v[4] = {
		seed[0] ^ 0x736f6d6570736575ULL,
		seed[1] ^ 0x646f72616e646f6dULL,
		seed[0] ^ 0x6c7967656e657261ULL,
		seed[1] ^ 0x7465646279746573ULL };
	uint64_t m;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&m, key + i, 8);
		v[3] ^= m;
		SIPROUND(v);
		v[0] ^= m;
	}
	m = 0;
	memcpy(&m, key + i, len - i);
	m |= (uint64_t)len << 56;
	v[3] ^= m;
	SIPROUND(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	SIPROUND(v);
	SIPROUND(v);
	SIPROUND(v);
	return (v[0] ^ v[1] ^ v[2] ^ v[3]);
}

struct strmap *
strmap_new(void (*free_value)(void *))
{
	struct strmap *m = mem_alloc(sizeof(*m));

	seed_once();
	m->free_value = free_value;
	return (m);
}

void
strmap_free(struct strmap *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->n; i++) {
		if (!m->entries[i].key)
			continue;
		free(m->entries[i].key);
		if (m->free_value)
			m->free_value(m->entries[i].value);
	}
	free(m->entries);
	free(m->slots);
	free(m);
}

void
strmap_cleanup(struct strmap **m)
{
	strmap_free(*m);
	*m = NULL;
}

static void
slot_put(struct strmap *m, size_t number)
{
	size_t at = m->entries[number].hash & (m->nslots - 1);

	while (m->slots[at])
		at = (at + 1) & (m->nslots - 1);
	m->slots[at] = (uint32_t)(number + 1);
}

/* Called from strmap_put only, so that iterators never see entries move. */
static void
rebuild(struct strmap *m)
{
	size_t i, kept = 0;

	for (i = 0; i < m->n; i++)
		if (m->entries[i].key)
			m->entries[kept++] = m->entries[i];
	m->n = kept;
	if (m->n * 2 >= m->cap) {
		m->cap = m->cap ? m->cap * 2 : 8;
		m->entries = mem_grow(m->entries, m->cap, sizeof(struct entry));
		free(m->slots);
		m->nslots = m->cap * 2;
		m->slots = mem_array(m->nslots, sizeof(uint32_t));
	} else
		memset(m->slots, 0, m->nslots * sizeof(uint32_t));
	for (i = 0; i < m->n; i++)
		slot_put(m, i);
}

static struct entry *
find(const struct strmap *m, const char *key)
{
	size_t at, len = strlen(key);
	struct entry *e;
	uint64_t h;

	if (m->nslots == 0)
		return (NULL);
	h = hash_key(key, len);
	for (at = h & (m->nslots - 1); m->slots[at];
	    at = (at + 1) & (m->nslots - 1)) {
		e = &m->entries[m->slots[at] - 1];
		if (e->hash == h && e->key && strcmp(e->key, key) == 0)
			return (e);
	}
	return (NULL);
}

void
strmap_put(struct strmap *m, const char *key, void *value)
{
	struct entry *e = find(m, key);
	void *old;

	if (e) {
		old = e->value;
		e->value = value;
		if (m->free_value && old != value)
			m->free_value(old);
		return;
	}
	if (m->n == m->cap)
		rebuild(m);
	e = &m->entries[m->n];
	e->key = str_dup(key);
	e->value = value;
	e->hash = hash_key(key, strlen(key));
	slot_put(m, m->n++);
	m->live++;
}

void *
strmap_get(const struct strmap *m, const char *key)
{
	struct entry *e = find(m, key);

	return (e ? e->value : NULL);
}

int
strmap_has(const struct strmap *m, const char *key)
{
	return (find(m, key) != NULL);
}

void *
strmap_take(struct strmap *m, const char *key)
{
	struct entry *e = find(m, key);
	void *value;

	if (!e)
		return (NULL);
	value = e->value;
	/* ${key} may be the entry's own. */
	free(STEAL(e->key));
	e->value = NULL;
	m->live--;
	return (value);
}

int
strmap_del(struct strmap *m, const char *key)
{
	void *value;

	if (!strmap_has(m, key))
		return (0);
	value = strmap_take(m, key);
	if (m->free_value)
		m->free_value(value);
	return (1);
}

size_t
strmap_len(const struct strmap *m)
{
	return (m ? m->live : 0);
}

size_t
strmap_next(const struct strmap *m, size_t i)
{
	/* i is the number + 1 of the entry before. */
	for (; i < m->n; i++)
		if (m->entries[i].key)
			return (i + 1);
	return (0);
}

const char *
strmap_key(const struct strmap *m, size_t i)
{
	return (m->entries[i - 1].key);
}

void *
strmap_val(const struct strmap *m, size_t i)
{
	return (m->entries[i - 1].value);
}

static int
compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return (strcmp(*x, *y));
}

const char **
strmap_sorted(const struct strmap *m, size_t *ret_n)
{
	const char **keys = mem_array(m->live, sizeof(*keys));
	size_t i, n = 0;

	for (i = strmap_next(m, 0); i; i = strmap_next(m, i))
		keys[n++] = strmap_key(m, i);
	qsort(keys, n, sizeof(*keys), compare);
	*ret_n = n;
	return (keys);
}
