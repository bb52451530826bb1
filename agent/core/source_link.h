/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SOURCE_LINK_H
#define CORE_SOURCE_LINK_H

#include "core/catalog.h"
#include "core/jobs.h"
#include "core/source.h"
#include "ipc/link.h"

/*
 * The API server as a source of objects: what link sends (ipc/link.h), taken
 * in its order.  A read job parses each block of objects; what comes behind a
 * block waits for it.  Objects are of the origin SOURCE_LINK_ORIGIN.
 */
#define SOURCE_LINK_ORIGIN "api"

struct source_link_config {
	struct schedule *schedule;
	struct jobs *jobs;
	struct keys *keys;
	struct catalog *catalog;
	struct source_events events;
	/* A list is complete: "" for cluster-wide ones.  The catalog's changes
	 * have been announced before. */
	void (*listed)(void *arg, const char *kind, const char *ns);
	/* On this line everything was listed once. */
	void (*current)(void *arg);
	/* The lease of an object that is in the catalog by now; what it
	 * holds is the callee's. */
	void (*lease)(void *arg, struct link_lease *m);
	void (*report)(void *arg, const struct item *item);
	void *arg;
};

struct source *source_link_new(const struct source_link_config *config);

/**
 * source_link_frame(s, f, err):
 * LINK_RELIST, LINK_OBJECTS, LINK_GONE, LINK_LISTED, LINK_UNWATCHED,
 * LINK_LEASE or LINK_SYNCED.  -1 when the line is of no more use: INVALID for
 * what is no such frame, LIMIT when more waits than is good.
 */
int source_link_frame(struct source *s, struct frame *f, struct err *err);

/* source_link_lost(s): the line has ended: what waits is dropped, no list is
 * complete any more; what is held is kept. */
void source_link_lost(struct source *s);

/* source_link_offline(s): the API server is away, and what was sealed must do:
 * says `synced` when nothing has been yet and the catalog holds anything. */
void source_link_offline(struct source *s);

/* source_link_problem(s, key, text): for ops->problems; "" ends it. */
void source_link_problem(struct source *s, const char *key, const char *text);

#endif
