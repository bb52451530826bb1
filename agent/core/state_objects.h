/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_STATE_OBJECTS_H
#define CORE_STATE_OBJECTS_H

#include "core/core_internal.h"
#include "seal/snapshot.h"

/*
 * The API server's objects in the sealed file: with them a node starts while
 * the API server is away, and knows the ExternalSecret that a new pod names.
 */

/* state_objects_collect: into out->objects; all but that array is borrowed
 * from the catalog (state_objects_let_go before ${out} is cleared).  ns(arg,
 * namespace) is called for each: its salt must be in the file. */
void state_objects_collect(const struct core *c, struct snapshot *out,
    void (*ns)(void *arg, const char *name), void *arg);
void state_objects_let_go(struct snapshot *out);
/* state_objects_restore(c, s): into the catalog; their bodies are taken over.
 * One that cannot be read is left out, and the log says so.  They are known
 * (c->restored), not changed: nobody is fetched anew for them. */
void state_objects_restore(struct core *c, struct snapshot *s);

#endif
