/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_RESOLVE_H
#define CORE_RESOLVE_H

#include "core/core_internal.h"

/*
 * What a fetch job needs and the catalog does not hold, asked of the API
 * server by a resolve job: Secrets, ConfigMaps, generators, Namespaces, tokens
 * of service accounts (DESIGN.md §2, "Keep the rights apart").  Its answers are
 * sealed to the fetch child and passed on unread.
 */
struct resolve;

struct resolve_failure {
	enum err_kind kind;
	char *text;
};

struct resolve_events {
	/* A frame for the fetch child, as it came. */
	int (*pass)(void *arg, const struct frame *f, struct err *err);
	/* Once, not before resolve_start has returned; ${err} NULL: all was
	 * answered. */
	void (*done)(void *arg, const struct err *err);
};

/**
 * resolve_start(c, keys, child_key, events, arg, ret, err):
 * ${keys}: a set of catalog keys, references to tokens as resolve_token_key
 * makes them.  *ret is NULL when nothing of it is wanted of the API server, and
 * always with --manifests.  ${events} is borrowed.
 */
int resolve_start(struct core *c, const struct strmap *keys,
    const uint8_t *child_key, const struct resolve_events *events, void *arg,
    struct resolve **ret, struct err *err);
/* resolve_failed(r, key): why that one could not be had, NULL it could. */
const struct resolve_failure *resolve_failed(const struct resolve *r,
    const char *key);
/* resolve_free: stops it; done() does not run.  NULL is fine. */
void resolve_free(struct resolve *r);

/* resolve_token_key(ns, ref): "ServiceAccountToken/NS/NAME?AUDIENCE,…". */
char *resolve_token_key(const char *ns, const struct object_ref *ref);
/* resolve_is_wanted(key): of a kind that is not listed but asked for. */
int resolve_is_wanted(const char *key);

#endif
