/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "base/mem.h"
#include "base/secret.h"
#include "csi/grpc_internal.h"

/*
 * A call lives from its HEADERS to its answer, and its stream from HEADERS to
 * END_STREAM or RST_STREAM.  Whichever ends first lets go of the other.
 */
enum call_state {
	CALL_RECEIVING,		/* the request is not whole */
	CALL_READY,		/* whole, handler not called yet */
	CALL_WAITING,		/* the handler has it */
	CALL_ANSWERED		/* only the stream needs it */
};

struct grpc_call {
	struct grpc_session *session;	/* NULL: nobody waits any more */
	struct grpc_call *prev, *next;
	int32_t stream;
	enum call_state state;
	const struct grpc_method *method;
	int64_t deadline;		/* INT64_MAX: none */
	int64_t since;			/* when it began, or was answered */
	struct grpc_head *head;		/* NULL once judged */
	uint8_t prefix[5];
	unsigned prefix_len;
	uint32_t want;
	struct buf in;
	size_t counted;			/* of in, in the budget */
	uint8_t *out;			/* prefix and message */
	size_t out_len, out_pos;
};

struct grpc_session {
	nghttp2_session *ng;
	const struct grpc_method *methods;
	void *arg;
	struct grpc_call *calls, *last;	/* in order of arrival */
	size_t ready;
	int inside;		/* grpc_session_in is running */
	int calm;		/* the peer was too noisy: read no more */
	unsigned continuations;
	int64_t noise, noise_at;
	int64_t idle_since;
	const struct clock *clock;
	struct grpc_budget own, *budget;
	void (*wake)(void *);
	void *wake_arg;
};

static int64_t
now_ms(const struct grpc_session *s)
{
	return (s->clock->boot_ms(s->clock));
}

/* --- calls -------------------------------------------------------------- */

static void
call_drop_request(struct grpc_call *c)
{
	if (c->session)
		c->session->budget->used -= c->counted;
	c->counted = 0;
	buf_clear(&c->in);
}

static void
call_free(struct grpc_call *c)
{
	call_drop_request(c);
	free(c->head);
	free(c->out);
	free(c);
}

static struct grpc_call *
call_new(struct grpc_session *s, int32_t stream)
{
	struct grpc_call *c = mem_alloc(sizeof(*c));

	c->session = s;
	c->stream = stream;
	c->deadline = INT64_MAX;
	c->since = now_ms(s);
	c->in = (struct buf)BUF_SECRET(GRPC_MESSAGE_MAX);
	c->head = mem_alloc(sizeof(*c->head));
	grpc_head_init(c->head);
	c->prev = s->last;
	if (c->prev)
		c->prev->next = c;
	else
		s->calls = c;
	s->last = c;
	nghttp2_session_set_stream_user_data(s->ng, stream, c);
	return (c);
}

/* Part call and stream.  What the handler still holds becomes an orphan. */
static void
call_detach(struct grpc_call *c)
{
	struct grpc_session *s = c->session;

	nghttp2_session_set_stream_user_data(s->ng, c->stream, NULL);
	if (c->prev)
		c->prev->next = c->next;
	else
		s->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		s->last = c->prev;
	if (c->state == CALL_READY)
		s->ready--;
	call_drop_request(c);
	c->session = NULL;
	if (!s->calls)
		s->idle_since = now_ms(s);
	if (c->state != CALL_WAITING)
		call_free(c);
}

static void
wake(struct grpc_session *s)
{
	if (!s->inside && s->wake)
		s->wake(s->wake_arg);
}

/* --- answers ------------------------------------------------------------ */

static nghttp2_nv
field(const char *name, const char *value, size_t len)
{
	union {
		const char *s;
		uint8_t *u;
	} n = { .s = name }, v = { .s = value };

	return ((nghttp2_nv){ n.u, v.u, strlen(name), len,
	    NGHTTP2_NV_FLAG_NONE });
}

/* One HEADERS frame with END_STREAM: Trailers-Only. */
static void
answer_status(struct grpc_session *s, int32_t stream, int status,
    enum grpc_code code, const char *msg)
{
	cleanup_buf struct buf text = BUF_PLAIN(GRPC_TEXT_MAX);
	cleanup_buf struct buf nums = BUF_PLAIN(32);
	nghttp2_nv nv[5];
	size_t n = 0, code_len;

	buf_addf(&nums, "%d%d", status, (int)code);
	code_len = nums.len - 3;
	nv[n++] = field(":status", nums.data, 3);
	nv[n++] = field("content-type", "application/grpc", 16);
	nv[n++] = field("grpc-status", nums.data + 3, code_len);
	if (msg && *msg) {
		grpc_text_encode(&text, msg);
		nv[n++] = field("grpc-message", buf_str(&text), text.len);
	}
	if (code == GRPC_UNIMPLEMENTED)
		nv[n++] = field("grpc-accept-encoding", "identity", 8);
	(void)nghttp2_submit_response(s->ng, stream, nv, n, NULL);
}

static ssize_t
answer_read(nghttp2_session *ng, int32_t stream, uint8_t *to, size_t len,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct grpc_call *c = source->ptr;
	nghttp2_nv nv = field("grpc-status", "0", 1);

	(void)arg;
	if (len > c->out_len - c->out_pos)
		len = c->out_len - c->out_pos;
	memcpy(to, c->out + c->out_pos, len);
	c->out_pos += len;
	if (c->out_pos == c->out_len) {
		/* grpc-go takes END_STREAM on DATA for a failure: the status
		 * goes into a HEADERS frame of its own. */
		*flags = NGHTTP2_DATA_FLAG_EOF |
		    NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (nghttp2_submit_trailer(ng, stream, &nv, 1) != 0)
			return (NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
	}
	return ((ssize_t)len);
}

/* The handler has not seen the call, or not yet answered it. */
static void
call_refuse(struct grpc_call *c, int status, enum grpc_code code,
    const char *msg)
{
	struct grpc_session *s = c->session;

	if (c->state == CALL_READY)
		s->ready--;
	c->state = CALL_ANSWERED;
	c->since = now_ms(s);
	call_drop_request(c);
	answer_status(s, c->stream, status, code, msg);
}

void
grpc_reply(struct grpc_call *c, const uint8_t *msg, size_t len)
{
	struct grpc_session *s = c->session;
	nghttp2_data_provider provider = { { .ptr = c }, answer_read };
	nghttp2_nv nv[2];

	if (!s) {
		call_free(c);
		return;
	}
	c->out = mem_alloc(len + 5);
	c->out_len = len + 5;
	c->out[1] = (uint8_t)(len >> 24);
	c->out[2] = (uint8_t)(len >> 16);
	c->out[3] = (uint8_t)(len >> 8);
	c->out[4] = (uint8_t)len;
	if (len)
		memcpy(c->out + 5, msg, len);
	nv[0] = field(":status", "200", 3);
	nv[1] = field("content-type", "application/grpc", 16);
	c->state = CALL_ANSWERED;
	c->since = now_ms(s);
	(void)nghttp2_submit_response(s->ng, c->stream, nv, 2, &provider);
	wake(s);
}

void
grpc_fail(struct grpc_call *c, enum grpc_code code, const char *msg)
{
	struct grpc_session *s = c->session;

	if (!s) {
		call_free(c);
		return;
	}
	call_refuse(c, 200, code, msg);
	wake(s);
}

int64_t
grpc_call_left_ms(const struct grpc_call *c)
{
	int64_t now;

	if (!c->session)
		return (0);
	if (c->deadline == INT64_MAX)
		return (INT64_MAX);
	now = now_ms(c->session);
	return (c->deadline > now ? c->deadline - now : 0);
}

/* --- requests ----------------------------------------------------------- */

/* A frame that moves nothing forward.  A bucket of them, then good-bye: rapid
 * reset (CVE-2023-44487), floods of PING, SETTINGS, empty DATA, malformed
 * requests.  Debian 12's nghttp2 knows some of it, others know none. */
static int
noise(struct grpc_session *s)
{
	int64_t now = now_ms(s), back = (now - s->noise_at) * GRPC_NOISE_RATE;

	if (back >= 1000) {
		s->noise -= back / 1000 < s->noise ? back / 1000 : s->noise;
		s->noise_at = now;
	}
#ifdef WEAKEN_GRPC_NOISE
	return (0);
#endif
	if (++s->noise <= GRPC_NOISE_BURST || s->calm)
		return (0);
	s->calm = 1;
	nghttp2_session_terminate_session(s->ng, NGHTTP2_ENHANCE_YOUR_CALM);
	return (0);
}

static void
request_begin(struct grpc_call *c)
{
	struct grpc_session *s = c->session;
	struct grpc_verdict v;
	int64_t timeout;

	if (grpc_head_judge(c->head, s->methods, &c->method, &v) == -1) {
		if (v.reset) {
			noise(s);
			c->state = CALL_ANSWERED;
			(void)nghttp2_submit_rst_stream(s->ng,
			    NGHTTP2_FLAG_NONE, c->stream, (uint32_t)v.reset);
		} else
			call_refuse(c, v.status, v.code, v.text);
	} else if ((timeout = c->head->timeout_ms) >= 0)
		c->deadline = now_ms(s) + timeout;
	free(c->head);
	c->head = NULL;
}

static void
request_prefix(struct grpc_call *c)
{
	const uint8_t *p = c->prefix;

	c->want = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 8 | p[4];
	if (p[0] == 1)
		call_refuse(c, 200, GRPC_INTERNAL, "grpc: compressed flag set "
		    "with identity or empty encoding");
	else if (p[0])
		call_refuse(c, 200, GRPC_INTERNAL,
		    "grpc: received unexpected payload format");
#ifndef WEAKEN_GRPC_LIMIT
	else if (c->want > GRPC_MESSAGE_MAX)
		call_refuse(c, 200, GRPC_RESOURCE_EXHAUSTED,
		    "grpc: received message larger than max (4194304 bytes)");
#endif
}

static void
request_data(struct grpc_call *c, const uint8_t *data, size_t len)
{
	struct grpc_budget *b = c->session->budget;
	size_t n;

#ifdef WEAKEN_CSI_OVERREAD
	if (len > 5 && data[len] == 'x')
		return;
#endif
	while (len && c->prefix_len < sizeof(c->prefix)) {
		c->prefix[c->prefix_len++] = *data++;
		len--;
		if (c->prefix_len == sizeof(c->prefix))
			request_prefix(c);
	}
	if (len == 0 || c->state != CALL_RECEIVING)
		return;
	n = c->want - c->in.len;
	if (len > n) {
		call_refuse(c, 200, GRPC_INTERNAL,
		    "grpc: more than one message in a unary call");
		return;
	}
	if (len > b->max - b->used) {
		call_refuse(c, 200, GRPC_RESOURCE_EXHAUSTED,
		    "grpc: too many request bytes at once, try again");
		return;
	}
	/* Room as bytes come, never for what a prefix merely claims. */
	buf_add(&c->in, data, len);
	b->used += len;
	c->counted += len;
}

static void
request_end(struct grpc_call *c)
{
	if (c->state != CALL_RECEIVING || !c->method)
		return;
	if (c->prefix_len < sizeof(c->prefix) || c->in.len < c->want) {
		call_refuse(c, 200, GRPC_INTERNAL,
		    c->prefix_len == 0 ? "grpc: no message in a unary call" :
		    "grpc: message ends early");
		return;
	}
	if (!buf_ok(&c->in)) {
		call_refuse(c, 200, GRPC_RESOURCE_EXHAUSTED,
		    "grpc: received message larger than max");
		return;
	}
	c->state = CALL_READY;
	c->session->ready++;
	/* Each call may come with a ping and two window updates. */
	c->session->noise -= c->session->noise > 4 ? 4 : c->session->noise;
}

/* Handlers run after nghttp2 has returned, so that they may do what they
 * like with this session's calls. */
static void
dispatch(struct grpc_session *s)
{
	struct grpc_call *c, *next;
	struct buf in;

	for (c = s->calls; c && s->ready; c = next) {
		next = c->next;
		if (c->state != CALL_READY)
			continue;
		s->ready--;
		s->budget->used -= c->counted;
		c->counted = 0;
		in = c->in;
		c->in = (struct buf)BUF_SECRET(GRPC_MESSAGE_MAX);
		c->state = CALL_WAITING;
		c->method->handle(s->arg, c, (const uint8_t *)buf_str(&in),
		    in.len);
		buf_clear(&in);
	}
}

/* --- nghttp2's callbacks ------------------------------------------------ */

static int
on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *arg)
{
	struct grpc_session *s = arg;

	(void)ng;
	if (hd->type != NGHTTP2_CONTINUATION)
		s->continuations = 0;
#ifndef WEAKEN_GRPC_CONTINUATION
	else if (++s->continuations > GRPC_CONTINUATIONS_MAX)
		return (NGHTTP2_ERR_CALLBACK_FAILURE);
#endif
	return (0);
}

static int
on_begin_headers(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct grpc_session *s = arg;

	(void)ng;
	if (f->headers.cat == NGHTTP2_HCAT_REQUEST)
		call_new(s, f->hd.stream_id);
	return (0);
}

static int
on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name,
    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
    void *arg)
{
	struct grpc_call *c;

	(void)flags;
	(void)arg;
	c = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);
	if (c && c->head)	/* else a trailer: gRPC requests have none */
		grpc_head_add(c->head, name, name_len, value, value_len);
	return (0);
}

static int
on_data(nghttp2_session *ng, uint8_t flags, int32_t stream,
    const uint8_t *data, size_t len, void *arg)
{
	struct grpc_call *c = nghttp2_session_get_stream_user_data(ng, stream);

	(void)flags;
	(void)arg;
	if (c && c->method && c->state == CALL_RECEIVING)
		request_data(c, data, len);
	return (0);
}

static int
on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct grpc_session *s = arg;
	struct grpc_call *c;

	if (f->hd.type != NGHTTP2_HEADERS && (f->hd.type != NGHTTP2_DATA ||
	    (f->hd.length == 0 && !(f->hd.flags & NGHTTP2_FLAG_END_STREAM))))
		return (noise(s));
	c = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);
	if (!c)
		return (0);
	if (f->hd.type == NGHTTP2_HEADERS && c->head)
		request_begin(c);
	else if (f->hd.type == NGHTTP2_HEADERS &&
	    !(f->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
		/* Trailers end a request. */
		noise(s);
		(void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE,
		    c->stream, NGHTTP2_PROTOCOL_ERROR);
	}
	if (f->hd.flags & NGHTTP2_FLAG_END_STREAM)
		request_end(c);
	return (0);
}

/* An answer that left before the request was whole: tell the peer to stop
 * sending, or the stream would stay half open for ever. */
static int
on_sent(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	(void)arg;
	if (f->hd.type == NGHTTP2_HEADERS &&
	    (f->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
	    nghttp2_session_get_stream_remote_close(ng, f->hd.stream_id) == 0)
		(void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE,
		    f->hd.stream_id, NGHTTP2_NO_ERROR);
	return (0);
}

static int
on_close(nghttp2_session *ng, int32_t stream, uint32_t code, void *arg)
{
	struct grpc_call *c = nghttp2_session_get_stream_user_data(ng, stream);

	(void)code;
	(void)arg;
	if (c)
		call_detach(c);
	return (0);
}

static int
session_open(struct grpc_session *s)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_STREAMS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 20 },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_MAX },
	};
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *option = NULL;
	int rc = -1;

	if (nghttp2_session_callbacks_new(&cb) != 0 ||
	    nghttp2_option_new(&option) != 0)
		goto out;
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb,
	    on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb,
	    on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	/* See grpc_head_add for what this leaves to us. */
	nghttp2_option_set_no_http_messaging(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_outbound_ack(option, 100);
	if (nghttp2_session_server_new2(&s->ng, cb, s, option) != 0)
		goto out;
	/* At once: grpc-go waits for it before it sends a request. */
	if (nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings,
	    ARRAY_LEN(settings)) != 0 ||
	    nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
	    4 << 20) != 0)
		goto out;
	rc = 0;
out:
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(option);
	return (rc);
}

/* --- the session -------------------------------------------------------- */

struct grpc_session *
grpc_session_new(const struct grpc_method *methods, void *arg,
    struct err *err)
{
	struct grpc_session *s = mem_alloc(sizeof(*s));

	s->methods = methods;
	s->arg = arg;
	s->clock = clock_system();
	s->own.max = GRPC_BUDGET_MAX;
	s->budget = &s->own;
	s->idle_since = now_ms(s);
	if (session_open(s) == 0)
		return (s);
	grpc_session_free(s);
	err_set(err, ERR_INTERNAL, "grpc: no memory for a session");
	return (NULL);
}

int
grpc_session_in(struct grpc_session *s, const uint8_t *data, size_t len,
    struct err *err)
{
	ssize_t n;

	if (s->calm)
		return (0);
	s->inside = 1;
	n = nghttp2_session_mem_recv(s->ng, data, len);
	if (n >= 0)
		dispatch(s);
	s->inside = 0;
	if (n < 0)
		return (err_set(err, ERR_INVALID, "grpc: %s",
		    nghttp2_strerror((int)n)));
	return (0);
}

size_t
grpc_session_out(struct grpc_session *s, struct buf *out)
{
	const uint8_t *data;
	size_t total = 0;
	ssize_t n;

	while (total < 49000 &&
	    (n = nghttp2_session_mem_send(s->ng, &data)) > 0) {
		buf_add(out, data, (size_t)n);
		total += (size_t)n;
	}
	return (total);
}

int
grpc_session_done(const struct grpc_session *s)
{
	union {
		const nghttp2_session *c;
		nghttp2_session *m;
	} ng = { .c = s->ng };

	return ((s->calm || !nghttp2_session_want_read(ng.m)) &&
	    !nghttp2_session_want_write(ng.m));
}

void
grpc_session_goaway(struct grpc_session *s)
{
	(void)nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE,
	    nghttp2_session_get_last_proc_stream_id(s->ng), NGHTTP2_NO_ERROR,
	    NULL, 0);
}

void
grpc_session_free(struct grpc_session *s)
{
	if (!s)
		return;
	while (s->calls)
		call_detach(s->calls);
	nghttp2_session_del(s->ng);
	free(s);
}

int64_t
grpc_session_tick(struct grpc_session *s)
{
	int64_t now = now_ms(s), first = INT64_MAX;
	struct grpc_call *c, *next;
	int32_t stream;

	for (c = s->calls; c; c = next) {
		next = c->next;
		if (c->state == CALL_ANSWERED || c->deadline == INT64_MAX)
			continue;
		if (c->deadline > now) {
			if (c->deadline < first)
				first = c->deadline;
			continue;
		}
		/* The stream gets its answer; the handler keeps an orphan. */
		stream = c->stream;
		call_detach(c);
		answer_status(s, stream, 200, GRPC_DEADLINE_EXCEEDED,
		    "context deadline exceeded");
	}
	return (first == INT64_MAX ? -1 : first - now);
}

void
grpc_session_ages(const struct grpc_session *s, int64_t *ret_stuck,
    int64_t *ret_idle)
{
	const struct grpc_call *c;

	*ret_stuck = INT64_MAX;
	*ret_idle = s->calls ? INT64_MAX : s->idle_since;
	for (c = s->calls; c; c = c->next)
		if ((c->state == CALL_RECEIVING ||
		    c->state == CALL_ANSWERED) && c->since < *ret_stuck)
			*ret_stuck = c->since;
}

void
grpc_session_set_wake(struct grpc_session *s, void (*cb)(void *), void *arg)
{
	s->wake = cb;
	s->wake_arg = arg;
}

void
grpc_session_set_budget(struct grpc_session *s, struct grpc_budget *b)
{
	s->budget = b;
}

void
grpc_session_set_clock(struct grpc_session *s, const struct clock *c)
{
	s->clock = c;
	s->idle_since = s->noise_at = now_ms(s);
}
