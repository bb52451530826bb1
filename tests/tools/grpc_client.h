/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TOOLS_GRPC_CLIENT_H
#define TESTS_TOOLS_GRPC_CLIENT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

/*
 * The client's side of a unary call, over nghttp2 and as strict as grpc-go
 * about answers: bytes in, bytes out, for the tool and for unit tests.
 */
#ifndef GC_CALLS
#define GC_CALLS 300
#endif

struct gc_call {
	int32_t stream;
	const unsigned char *msg;	/* prefix and message, borrowed */
	size_t len, pos;
	int http, code;			/* -1 until they came */
	unsigned headers;		/* HEADERS frames of the answer */
	int no_end;			/* never says that msg is all */
	int ended_on_data, closed;
	uint32_t reset;			/* of RST_STREAM, or close */
	char text[2048];
	char type[64];
	unsigned char *body;
	size_t body_len;
};

struct gc {
	nghttp2_session *ng;
	struct gc_call calls[GC_CALLS];
	size_t n, settings, goaways;
	uint32_t goaway_code;
};

static struct gc_call *
gc_find(struct gc *g, int32_t stream)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		if (g->calls[i].stream == stream)
			return (&g->calls[i]);
	return (NULL);
}

static int
gc_unhex(int c)
{
	return (c >= '0' && c <= '9' ? c - '0' :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1);
}

static void
gc_decode(char *out, size_t size, const unsigned char *s, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len && n + 1 < size; i++) {
		if (s[i] == '%' && i + 2 < len && gc_unhex(s[i + 1]) >= 0 &&
		    gc_unhex(s[i + 2]) >= 0) {
			out[n++] = (char)(gc_unhex(s[i + 1]) * 16 +
			    gc_unhex(s[i + 2]));
			i += 2;
		} else
			out[n++] = (char)s[i];
	}
	out[n] = '\0';
}

static int
gc_on_header(nghttp2_session *ng, const nghttp2_frame *f,
    const uint8_t *name, size_t nlen, const uint8_t *value, size_t vlen,
    uint8_t flags, void *arg)
{
	struct gc_call *c = gc_find(arg, f->hd.stream_id);
	char num[16];

	(void)ng;
	(void)flags;
	if (!c)
		return (0);
	snprintf(num, sizeof(num), "%.*s", (int)vlen, (const char *)value);
	if (nlen == 7 && memcmp(name, ":status", 7) == 0)
		c->http = atoi(num);
	else if (nlen == 11 && memcmp(name, "grpc-status", 11) == 0)
		c->code = atoi(num);
	else if (nlen == 12 && memcmp(name, "grpc-message", 12) == 0)
		gc_decode(c->text, sizeof(c->text), value, vlen);
	else if (nlen == 12 && memcmp(name, "content-type", 12) == 0)
		snprintf(c->type, sizeof(c->type), "%.*s", (int)vlen,
		    (const char *)value);
	return (0);
}

static int
gc_on_data(nghttp2_session *ng, uint8_t flags, int32_t stream,
    const uint8_t *data, size_t len, void *arg)
{
	struct gc_call *c = gc_find(arg, stream);

	(void)ng;
	(void)flags;
	if (!c)
		return (0);
	c->body = realloc(c->body, c->body_len + len);
	if (!c->body)
		abort();
	memcpy(c->body + c->body_len, data, len);
	c->body_len += len;
	return (0);
}

static int
gc_on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct gc *g = arg;
	struct gc_call *c = gc_find(g, f->hd.stream_id);

	(void)ng;
	if (f->hd.type == NGHTTP2_SETTINGS &&
	    !(f->hd.flags & NGHTTP2_FLAG_ACK))
		g->settings++;
	if (f->hd.type == NGHTTP2_GOAWAY) {
		g->goaways++;
		g->goaway_code = f->goaway.error_code;
	}
	if (!c)
		return (0);
	if (f->hd.type == NGHTTP2_HEADERS)
		c->headers++;
	if (f->hd.type == NGHTTP2_DATA &&
	    (f->hd.flags & NGHTTP2_FLAG_END_STREAM))
		c->ended_on_data = 1;
	return (0);
}

static int
gc_on_close(nghttp2_session *ng, int32_t stream, uint32_t code, void *arg)
{
	struct gc_call *c = gc_find(arg, stream);

	(void)ng;
	if (c) {
		c->closed = 1;
		c->reset = code;
	}
	return (0);
}

static ssize_t
gc_read(nghttp2_session *ng, int32_t stream, uint8_t *to, size_t len,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct gc_call *c = gc_find(arg, stream);

	(void)ng;
	(void)source;
	if (!c)
		return (NGHTTP2_ERR_CALLBACK_FAILURE);
	if (len > c->len - c->pos)
		len = c->len - c->pos;
	memcpy(to, c->msg + c->pos, len);
	c->pos += len;
	if (c->pos == c->len && c->no_end && len == 0)
		return (NGHTTP2_ERR_DEFERRED);
	if (c->pos == c->len && !c->no_end)
		*flags = NGHTTP2_DATA_FLAG_EOF;
	return ((ssize_t)len);
}

static void
gc_open(struct gc *g)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *option;

	memset(g, 0, sizeof(*g));
	nghttp2_session_callbacks_new(&cb);
	nghttp2_option_new(&option);
	nghttp2_session_callbacks_set_on_header_callback(cb, gc_on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb,
	    gc_on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, gc_on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb,
	    gc_on_close);
	nghttp2_session_client_new2(&g->ng, cb, g, option);
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(option);
	nghttp2_submit_settings(g->ng, NGHTTP2_FLAG_NONE, NULL, 0);
}

static void
gc_close(struct gc *g)
{
	size_t i;

	nghttp2_session_del(g->ng);
	for (i = 0; i < g->n; i++)
		free(g->calls[i].body);
}

static nghttp2_nv
gc_nv(const char *name, const char *value)
{
	union {
		const char *s;
		uint8_t *u;
	} n = { .s = name }, v = { .s = value };

	return ((nghttp2_nv){ n.u, v.u, strlen(name), strlen(value), 0 });
}

/* ${framed}: prefix and message, kept by the caller until the call is over.
 * authority and timeout may be NULL: not sent. */
static struct gc_call *
gc_start(struct gc *g, const char *path, const char *authority,
    const char *timeout, const unsigned char *framed, size_t len)
{
	nghttp2_data_provider provider = { { .ptr = NULL }, gc_read };
	struct gc_call *c = &g->calls[g->n];
	nghttp2_nv nv[8];
	size_t n = 0;

	if (g->n == GC_CALLS)
		abort();
	memset(c, 0, sizeof(*c));
	c->http = c->code = -1;
	c->msg = framed;
	c->len = len;
	nv[n++] = gc_nv(":method", "POST");
	nv[n++] = gc_nv(":scheme", "http");
	nv[n++] = gc_nv(":path", path);
	if (authority)
		nv[n++] = gc_nv(":authority", authority);
	nv[n++] = gc_nv("content-type", "application/grpc");
	nv[n++] = gc_nv("te", "trailers");
	nv[n++] = gc_nv("user-agent", "nodeseal-tests");
	if (timeout)
		nv[n++] = gc_nv("grpc-timeout", timeout);
	c->stream = nghttp2_submit_request(g->ng, NULL, nv, n, &provider,
	    NULL);
	if (c->stream < 0)
		abort();
	g->n++;
	return (c);
}

/* Would grpc-go take this as a whole answer?  NULL, or why not. */
static const char *
gc_check(const struct gc_call *c)
{
	size_t len;

	if (!c->closed)
		return ("no answer");
	if (c->http == -1)
		return ("reset without an answer");
	if (c->reset && c->reset != NGHTTP2_NO_ERROR)
		return ("reset");
	if (strcmp(c->type, "application/grpc") != 0)
		return ("unexpected content-type");
	if (c->ended_on_data)
		return ("server closed the stream without sending trailers");
	if (c->code == -1)
		return ("no grpc-status");
	if (c->code != 0)
		return (c->headers == 1 && c->body_len == 0 ? NULL :
		    "an error that is not Trailers-Only");
	if (c->headers != 2)
		return ("not HEADERS, DATA, HEADERS");
	if (c->body_len < 5 || c->body[0])
		return ("no message");
	len = (size_t)c->body[1] << 24 | (size_t)c->body[2] << 16 |
	    (size_t)c->body[3] << 8 | c->body[4];
	return (len == c->body_len - 5 ? NULL : "message length");
}

#endif
