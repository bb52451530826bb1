/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Frames between our own processes, over AF_UNIX stream sockets: a fixed head
 * in host byte order (both ends are one machine), then len bytes, and up to
 * FRAME_FDS descriptors that travel with the head's first byte.  A head with
 * another magic or version, a length above the receiver's ceiling, or
 * unexpected descriptors is INVALID and the connection is of no more use.
 */
#define FRAME_MAGIC 0x314c534eu		/* "NSL1" */
#define FRAME_VERSION 1
#define FRAME_FDS 16

struct frame_head {
	uint32_t magic;
	uint16_t version;
	uint16_t type;		/* meaning belongs to the channel */
	uint32_t len;
	uint32_t nfds;
};

struct frame {
	uint16_t type;
	struct buf body;	/* a secret buffer: wiped when cleared */
	int fds[FRAME_FDS];	/* owned; -1 when taken */
	size_t nfds;
};

void frame_init(struct frame *f, size_t max);
void frame_clear(struct frame *f);	/* closes descriptors left in it */
#define cleanup_frame __attribute__((cleanup(frame_clear)))

/**
 * frame_send(fd, type, body, len, fds, nfds, timeout_ms, err):
 * Send one frame, waiting at most ${timeout_ms} in all (-1: for ever).  The
 * descriptors stay the caller's.  EPIPE never raises a signal.
 */
int frame_send(int fd, uint16_t type, const void *body, size_t len,
    const int *fds, size_t nfds, int timeout_ms, struct err *err);

/**
 * frame_recv(fd, f, timeout_ms, err):
 * Receive one frame into the initialised ${f} (cleared first, ceiling kept).
 * 1 on a frame, 0 on end of file at a frame's border, -1 on failure (a stream
 * that ends inside a frame is TRANSIENT, a time-out TRANSIENT with sys
 * ETIMEDOUT).
 */
int frame_recv(int fd, struct frame *f, int timeout_ms, struct err *err);

/* The same for a descriptor on the loop (O_NONBLOCK): keep one reader a
 * connection, call frame_reader_step on readiness until it returns 0. */
struct frame_reader {
	struct frame_head head;
	size_t have;		/* bytes of the head, then of the body */
	int in_body;
	struct frame frame;
};

void frame_reader_init(struct frame_reader *r, size_t max);
void frame_reader_clear(struct frame_reader *r);
/* 1: r->frame is complete (use it before the next step); 0: would block;
 * -1: failure; -1 with kind NOTFOUND: end of file at a frame's border. */
int frame_reader_step(struct frame_reader *r, int fd, struct err *err);

/*
 * Fields in a body: fixed-width numbers and length-prefixed bytes, read back
 * with every length checked.  A reader that ran over its end, or found
 * a string with a NUL inside, is bad for good: check wire_done once.
 */
void wire_u8(struct buf *b, uint8_t v);
void wire_u32(struct buf *b, uint32_t v);
void wire_u64(struct buf *b, uint64_t v);
void wire_bytes(struct buf *b, const void *data, size_t len);
void wire_str(struct buf *b, const char *s);	/* NULL becomes "" */

struct wire {
	const uint8_t *at;
	size_t left;
	int bad;
};

void wire_init(struct wire *w, const void *data, size_t len);
uint8_t wire_get_u8(struct wire *w);
uint32_t wire_get_u32(struct wire *w);
uint64_t wire_get_u64(struct wire *w);
/* Borrowed from the frame; NULL and 0 when bad. */
const uint8_t *wire_get_bytes(struct wire *w, size_t *ret_len);
/* A copy, NUL-terminated (the caller's); "" when bad. */
char *wire_get_str(struct wire *w);
/* wire_done(w, what, err): 0 when all was read and nothing was bad. */
int wire_done(const struct wire *w, const char *what, struct err *err);

#endif
