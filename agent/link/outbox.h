/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_OUTBOX_H
#define LINK_OUTBOX_H

#include "base/buf.h"
#include "base/loop.h"
#include "ipc/chan.h"
#include "ipc/link.h"

/*
 * What goes to core, in its order.  Objects that come one after another share
 * a memfd, for a read job; what else is sent waits for them.
 */
struct outbox;

/* outbox_new: ${c} is borrowed; failed is called once when core does not take
 * what it is sent. */
struct outbox *outbox_new(struct loop *l, struct chan *c,
    void (*failed)(void *arg), void *arg);
void outbox_free(struct outbox *o);
/* outbox_close: core is gone, or we go: what is put in is dropped. */
void outbox_close(struct outbox *o);

/* outbox_object: the JSON text of one object, copied.  outbox_lease: behind the
 * objects that are waiting, without sending them at once. */
void outbox_object(struct outbox *o, const char *kind, const char *ns,
    const char *text, size_t len);
void outbox_lease(struct outbox *o, const struct link_lease *m);

void outbox_frame(struct outbox *o, uint16_t type, const struct buf *body);
/* The common ones. */
void outbox_name(struct outbox *o, uint16_t type, const char *kind,
    const char *ns, const char *name);
/* outbox_problem: told when it is another than the last of that key; NULL: it
 * is over. */
void outbox_problem(struct outbox *o, const char *key, const char *text);

#endif
