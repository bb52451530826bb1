/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CSI_GRPC_H
#define CSI_GRPC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * The gRPC gate: the only file that knows nghttp2.  Server side, unary calls
 * only.  Written against reference/csi.md §5.  grpc_session is the core: bytes
 * in, bytes out, no descriptor; grpc_listener puts sessions on the loop.
 */
enum grpc_code {
	GRPC_OK = 0, GRPC_CANCELED = 1, GRPC_UNKNOWN = 2,
	GRPC_INVALID_ARGUMENT = 3, GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5, GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7, GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9, GRPC_ABORTED = 10,
	GRPC_UNIMPLEMENTED = 12, GRPC_INTERNAL = 13, GRPC_UNAVAILABLE = 14
};

#define GRPC_MESSAGE_MAX (4u << 20)	/* a request, bytes */
#define GRPC_STREAMS_MAX 250		/* open streams a connection */
#define GRPC_CONNECTIONS_MAX 512	/* a listener */

struct grpc_call;	/* one stream, alive until answered or orphaned */

struct grpc_method {
	const char *path;	/* "/csi.v1.Node/NodePublishVolume" */
	/* Called once the whole request message is there.  Must lead to exactly
	 * one grpc_reply or grpc_fail, now or later. */
	void (*handle)(void *arg, struct grpc_call *call, const uint8_t *msg,
	    size_t len);
};

/* Until the peer's deadline; INT64_MAX: none; 0: passed, or the peer is gone */
int64_t grpc_call_left_ms(const struct grpc_call *call);
/* Both end the call; safe when the peer is gone. */
void grpc_reply(struct grpc_call *call, const uint8_t *msg, size_t len);
void grpc_fail(struct grpc_call *call, enum grpc_code code, const char *msg);

struct grpc_session;
/* methods: terminated by a NULL path; borrowed, as arg. */
struct grpc_session *grpc_session_new(const struct grpc_method *methods,
    void *arg, struct err *err);
/* -1: the connection is beyond repair and must be closed. */
int grpc_session_in(struct grpc_session *s, const uint8_t *data, size_t len,
    struct err *err);
/* Append what wants to go out (at most 64 KiB a call); 0 when none. */
size_t grpc_session_out(struct grpc_session *s, struct buf *out);
int grpc_session_done(const struct grpc_session *s);
void grpc_session_goaway(struct grpc_session *s);
/* Calls still waiting are orphaned: their replies go nowhere. */
void grpc_session_free(struct grpc_session *s);

/*
 * grpc_listener_new takes ${fd} over on success.  A listener closes peers other
 * than root and our own uid, connections whose request or answer does not get
 * on, and idle ones.  It must not be freed from within a handler.
 */
struct grpc_listener;
int grpc_listener_new(struct loop *loop, int fd,
    const struct grpc_method *methods, void *arg, struct grpc_listener **ret,
    struct err *err);
void grpc_listener_free(struct grpc_listener *l);
/* grpc_listener_on_left(l, left): left(arg of grpc_listener_new) runs whenever
 * a connection has closed; it must not free the listener. */
void grpc_listener_on_left(struct grpc_listener *l, void (*left)(void *arg));

#endif
