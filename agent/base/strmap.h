/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_STRMAP_H
#define BASE_STRMAP_H

#include <stddef.h>

/*
 * A map from byte strings to pointers: open hashing with a per-process random
 * seed (keys come from tenants), iteration in order of insertion, keys copied.
 * Values are the caller's unless a destructor was given.
 */
struct strmap;

struct strmap *strmap_new(void (*free_value)(void *));	/* NULL: borrowed */
void strmap_free(struct strmap *m);			/* NULL is fine */
void strmap_cleanup(struct strmap **m);
/* strmap_put: replaces (and destroys) an old value, keeping its place. */
void strmap_put(struct strmap *m, const char *key, void *value);
void *strmap_get(const struct strmap *m, const char *key);	/* or NULL */
int strmap_has(const struct strmap *m, const char *key);
/* strmap_del: destroy and forget; 1 when there was one, else 0. */
int strmap_del(struct strmap *m, const char *key);
/* strmap_take: forget without destroying; the value, or NULL. */
void *strmap_take(struct strmap *m, const char *key);
size_t strmap_len(const struct strmap *m);

/* Iteration: for (i = strmap_next(m, 0); i; i = strmap_next(m, i)).  The map
 * may be changed only by deleting the current entry. */
size_t strmap_next(const struct strmap *m, size_t i);
const char *strmap_key(const struct strmap *m, size_t i);
void *strmap_val(const struct strmap *m, size_t i);

/* strmap_sorted(m, ret_n): the keys in byte order as a malloc'd array of
 * borrowed strings; the caller frees the array. */
const char **strmap_sorted(const struct strmap *m, size_t *ret_n);

#define cleanup_strmap __attribute__((cleanup(strmap_cleanup)))

#endif
