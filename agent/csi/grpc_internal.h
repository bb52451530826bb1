/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CSI_GRPC_INTERNAL_H
#define CSI_GRPC_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "csi/grpc.h"

/*
 * Between grpc.c (the session over nghttp2), grpc_head.c (request heads, pure)
 * and grpc_listener.c (sessions on the loop).
 */
#define GRPC_HEADERS_MAX 16384	/* a request's header list, RFC 9113 §6.5.2 */
#define GRPC_PATH_MAX 255
#define GRPC_TEXT_MAX 1000	/* grpc-message on the wire, encoded */
#define GRPC_BUDGET_MAX (32u << 20)	/* request bytes held, a listener */
#define GRPC_NOISE_BURST 1000	/* frames that move no request forward … */
#define GRPC_NOISE_RATE 100	/* … and as many a second after that */
#define GRPC_CONTINUATIONS_MAX 4	/* behind one HEADERS */

/* What a request's headers said so far. */
struct grpc_head {
	size_t size;		/* of the list, 32 added a field */
	unsigned seen;		/* GRPC_SEEN_… */
	unsigned malformed:1, regular:1, post:1, grpc:1, encoded:1, path_long:1,
	    timeout_bad:1;
	int64_t timeout_ms;	/* -1: none */
	char path[GRPC_PATH_MAX + 1];
	char method[16];	/* what else than POST */
	char type[48];		/* what else than application/grpc */
	char encoding[16];	/* what else than identity */
};

/* How to end a stream whose headers are not those of a call. */
struct grpc_verdict {
	int reset;		/* HTTP/2 error code for RST_STREAM, or 0 */
	int status;		/* HTTP */
	enum grpc_code code;
	char text[384];
};

enum { GRPC_RESET_PROTOCOL = 1, GRPC_RESET_CALM = 11 };	/* RFC 9113 §7 */

void grpc_head_init(struct grpc_head *h);
/**
 * grpc_head_add(h, name, name_len, value, value_len):
 * One decoded header field.  nghttp2's own checks are off, because they refuse
 * the raw socket path that kubelets before 1.26 send as :authority; so this
 * holds what RFC 9113 §8.2 and §8.3 ask of a request: lower-case names, pseudo
 * headers first, known and once each, nothing that belongs to a connection, no
 * control characters.  :authority may be any other text, or empty.
 */
void grpc_head_add(struct grpc_head *h, const uint8_t *name, size_t name_len,
    const uint8_t *value, size_t value_len);
/**
 * grpc_head_judge(h, methods, ret_method, ret):
 * The method that is called; or -1 with ${ret}, in grpc-go's order and words:
 * reset, 415, timeout, 405, malformed path, unknown service or method, unknown
 * compression.
 */
int grpc_head_judge(const struct grpc_head *h,
    const struct grpc_method *methods, const struct grpc_method **ret_method,
    struct grpc_verdict *ret);
/* grpc_timeout_parse: "1S", "119999870u"; milliseconds rounded up, or -1. */
int64_t grpc_timeout_parse(const uint8_t *s, size_t len);
/* grpc_text_encode: percent-encoding of grpc-message, cut between characters
 * so that it stays within GRPC_TEXT_MAX. */
void grpc_text_encode(struct buf *out, const char *text);

/* Request bytes that all sessions of a listener hold together. */
struct grpc_budget {
	size_t used, max;
};

/* The session asks to be written out: a reply came from outside of
 * grpc_session_in.  May free the session. */
void grpc_session_set_wake(struct grpc_session *s, void (*wake)(void *),
    void *arg);
void grpc_session_set_budget(struct grpc_session *s, struct grpc_budget *b);
void grpc_session_set_clock(struct grpc_session *s, const struct clock *c);
/* grpc_session_tick(s): answer DEADLINE_EXCEEDED where it is due; returns the
 * milliseconds until the next one, -1 when there is none. */
int64_t grpc_session_tick(struct grpc_session *s);
/**
 * grpc_session_ages(s, ret_stuck, ret_idle):
 * On the session's clock: since when the oldest call that waits for the peer
 * does so (its request is not whole, or its answer has not left), and since
 * when there is no call at all.  INT64_MAX where that is not so.
 */
void grpc_session_ages(const struct grpc_session *s, int64_t *ret_stuck,
    int64_t *ret_idle);

/* How long a listener bears with a connection, milliseconds. */
struct grpc_patience {
	uint32_t stuck_ms;	/* until a request is whole, an answer taken */
	uint32_t idle_ms;	/* no call at all */
	size_t connections;
};
/* For tests; the default is 30 s, 5 min, GRPC_CONNECTIONS_MAX. */
void grpc_listener_set_patience(struct grpc_listener *l,
    const struct grpc_patience *p);
size_t grpc_listener_connections(const struct grpc_listener *l);

#endif
