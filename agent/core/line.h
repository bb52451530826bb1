/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_LINE_H
#define CORE_LINE_H

#include "core/core_internal.h"
#include "ipc/link.h"

/*
 * Core's end of the line to nodeseal-link (ipc/link.h): takes frames to whom
 * they concern, says what core wants to see, and says it anew when link was
 * started again.
 */
struct line;

/* How long the API server may be away at the start before the sealed objects
 * must do. */
#define LINE_OFFLINE_MS 3000

/* line_new(c): with the source of objects, pods, secrets and reports, which
 * become c->source, …; the line itself comes with line_arrived. */
struct line *line_new(struct core *c);
void line_free(struct line *l);			/* NULL is fine */
/* line_arrived: KEEPER_LINK; ${fd} is taken over. */
int line_arrived(struct core *c, int fd, struct err *err);
/* line_send(c, type, body): a frame for link; dropped without one. */
void line_send(struct core *c, uint16_t type, const struct buf *body);

/* line_settle(c): the set of items, their claims or what they refer to has
 * changed: what core wants of link is looked at again soon. */
void line_settle(struct core *c);
/* line_resolved: that object was read in this version; "" it is not there. */
void line_resolved(struct core *c, const char *key, const char *version);
/* line_node(c): facts of this Node, NULL when none have come. */
const struct link_node *line_node(const struct core *c);
/* line_problem(c): why there is no API server, NULL when there is; borrowed. */
const char *line_problem(const struct core *c);

#endif
