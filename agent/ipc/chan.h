/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_CHAN_H
#define IPC_CHAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "ipc/frame.h"

/*
 * Frames over a stream socket on the loop, both ways, never blocking.  What
 * the peer does not read is queued, up to a ceiling.
 */
struct chan;

struct chan_events {
	/* The frame is the callee's until it returns (or frees the channel);
	 * descriptors that it wants it takes (fd_steal). */
	void (*frame)(void *arg, struct frame *f);
	/* Once: kind NOTFOUND at a clean end of the stream.  Nothing more is
	 * called afterwards; the channel is still the owner's to free. */
	void (*end)(void *arg, const struct err *err);
};

/**
 * chan_new(l, fd, frame_max, events, arg, ret, err):
 * ${fd} is taken over, on failure too; ${events} is borrowed.
 */
int chan_new(struct loop *l, int fd, size_t frame_max,
    const struct chan_events *events, void *arg, struct chan **ret,
    struct err *err);
/* chan_send: ${body} is copied, ${fds} are taken over (closed when sent, or
 * at once on failure).  LIMIT when the peer has too much to read. */
int chan_send(struct chan *c, uint16_t type, const void *body, size_t len,
    int *fds, size_t nfds, struct err *err);
/* chan_free: fine inside the channel's own callbacks. */
void chan_free(struct chan *c);

#endif
