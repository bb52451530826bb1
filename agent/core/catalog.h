/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CATALOG_H
#define CORE_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "core/keys.h"
#include "ipc/job.h"
#include "model/external_secret.h"
#include "model/host_projection.h"
#include "model/store.h"

/*
 * The objects that sources have brought: heads parsed, bodies sealed.  An
 * object may come from several origins (files); the first origin by name wins
 * and the others wait in its shadow.
 */
struct catalog;

struct object_ref {
	char *kind, *ns, *name;	/* ns "": of the ExternalSecret that uses it */
	char **audiences;	/* of a ServiceAccountToken */
	size_t naudiences;
};

struct entry {
	char *key;		/* "Kind/ns/name" */
	char *kind_name, *ns, *name;
	char *origin;		/* borrowed from the catalog once in it */
	int versioned;		/* its own metadata.generation counts */
	char *head;		/* as it came, where it is to be kept; NULL */
	enum object_kind kind;
	uint64_t generation;	/* ours: grows with each change of content */
	uint8_t hash[RECORD_HASH_LEN];
	struct record body;
	char *rejected;		/* why it cannot be used, "" when it can */
	struct external_secret *es;	/* by kind; NULL when rejected */
	struct store *store;
	struct host_projection *hp;
	struct object_ref *refs;
	size_t nrefs;
	char *host;		/* provider of a store, "" unknown */
	int bundled;		/* from a bundle: a head without a body, its
				 * value is not fetched but brought */
};

/**
 * entry_new(k, from, m, old, ret, err):
 * An entry from what a read job sent: the body, the next message of ${from},
 * is sealed anew, the head parsed.  ${old} (may be NULL) is the entry of the
 * same key and origin before: of an unchanged body its record is copied
 * instead of sealing again.
 */
int entry_new(struct keys *k, struct keys_stream *from,
    const struct job_object *m, const struct entry *old, struct entry **ret,
    struct err *err);
/**
 * entry_restore(kind_name, ns, name, head, rejected, body, ret, err):
 * An entry as it was sealed: ${head} is kept in it, ${body} is taken over when
 * it succeeds.  Nobody opens it before it is used.
 */
int entry_restore(const char *kind_name, const char *ns, const char *name,
    const char *head, const char *rejected, struct record *body,
    struct entry **ret, struct err *err);
/* entry_bundled(kind, ns, name, head, ret, err): an entry without a body. */
int entry_bundled(const char *kind, const char *ns, const char *name,
    const char *head, struct entry **ret, struct err *err);
void entry_free(struct entry *e);
/* entry_open: the body's plaintext, as keys_open. */
int entry_open(struct keys *k, const struct entry *e,
    const uint8_t **ret_plain, size_t *ret_len, struct err *err);

struct catalog *catalog_new(void);
void catalog_free(struct catalog *c);
/* catalog_renew(c, prefix): all whose key begins so count as changed. */
void catalog_renew(struct catalog *c, const char *prefix);

/**
 * catalog_replace(c, origin, v, n):
 * These ${n} entries (taken over; two of one key: the first) are all that
 * ${origin} holds from now on.  What differs from before is a change.
 */
void catalog_replace(struct catalog *c, const char *origin, struct entry **v,
    size_t n);
/* An origin whose objects come and go one by one (the API server), and have
 * versions of their own.  catalog_put: ${e}, taken over, stands in the place
 * of what ${origin} had of its key.  catalog_drop: it has none of that key.
 * catalog_keys: of all that it has; NULL when nothing. */
void catalog_put(struct catalog *c, const char *origin, struct entry *e);
void catalog_drop(struct catalog *c, const char *origin, const char *key);
const struct strmap *catalog_keys(const struct catalog *c,
    const char *origin);
/* catalog_take_changes(c): the keys whose winning content has changed, come
 * or gone since the last call (a set, the caller's), NULL when none. */
struct strmap *catalog_take_changes(struct catalog *c);

/* catalog_get: the winning entry, or NULL. */
const struct entry *catalog_get(const struct catalog *c, const char *kind_name,
    const char *ns, const char *name);
const struct entry *catalog_find(const struct catalog *c, const char *key);
/* catalog_own(c, origin, key): the entry that this origin holds, or NULL. */
const struct entry *catalog_own(const struct catalog *c, const char *origin,
    const char *key);
/* Iteration over the winners, as strmap's. */
size_t catalog_next(const struct catalog *c, size_t i);
const struct entry *catalog_at(const struct catalog *c, size_t i);
size_t catalog_len(const struct catalog *c);
/* catalog_reseal(c, k, err): bring all bodies to the present keys (keys_turn);
 * that changes nothing.  Stops at the first that does not open. */
int catalog_reseal(struct catalog *c, struct keys *k, struct err *err);
/* catalog_each_shadowed: every entry that another origin hides. */
void catalog_each_shadowed(const struct catalog *c,
    void (*cb)(void *arg, const struct entry *hidden,
    const struct entry *winner), void *arg);

#endif
