/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "csi/grpc_internal.h"
#include "tests/tools/grpc_client.h"

/*
 * grpc_session alone: an nghttp2 client, or frames written by hand, against
 * it, in memory.
 */
struct fix {
	struct grpc_session *s;
	struct clock_manual clock;
	struct gc g;
	struct grpc_call *held[300];
	size_t nheld, handled;
	size_t last_len;
	uint8_t last_sum;
	int woken;
	size_t chunk;		/* bytes a feed; 0: all at once */
};

static void
echo(void *arg, struct grpc_call *call, const uint8_t *msg, size_t len)
{
	struct fix *f = arg;
	size_t i;

	f->handled++;
	f->last_len = len;
	for (f->last_sum = 0, i = 0; i < len; i++)
		f->last_sum = (uint8_t)(f->last_sum + msg[i]);
	grpc_reply(call, msg, len < 60000 ? len : 60000);
}

static void
hold(void *arg, struct grpc_call *call, const uint8_t *msg, size_t len)
{
	struct fix *f = arg;

	(void)msg;
	(void)len;
	f->handled++;
	f->held[f->nheld++] = call;
}

static void
refuse(void *arg, struct grpc_call *call, const uint8_t *msg, size_t len)
{
	struct fix *f = arg;
	char *text = mem_alloc(len + 1);

	f->handled++;
	memcpy(text, msg, len);
	grpc_fail(call, GRPC_INVALID_ARGUMENT, text);
	free(text);
}

static const struct grpc_method methods[] = {
	{ "/t.v1.Echo/Echo", echo },
	{ "/t.v1.Echo/Hold", hold },
	{ "/t.v1.Echo/Refuse", refuse },
	{ NULL, NULL }
};

static void
on_wake(void *arg)
{
	((struct fix *)arg)->woken++;
}

static int
setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	clock_manual_init(&f->clock, 1000000, 0);
	f->s = grpc_session_new(methods, f, NULL);
	grpc_session_set_clock(f->s, &f->clock.clock);
	grpc_session_set_wake(f->s, on_wake, f);
	gc_open(&f->g);
	*state = f;
	return (f->s == NULL);
}

static int
teardown(void **state)
{
	struct fix *f = *state;
	size_t i;

	grpc_session_free(f->s);
	for (i = 0; i < f->nheld; i++)
		if (f->held[i])
			grpc_reply(f->held[i], NULL, 0);
	gc_close(&f->g);
	free(f);
	return (0);
}

static int
feed(struct fix *f, const uint8_t *data, size_t len)
{
	size_t n, i;

	for (i = 0; i < len; i += n) {
		n = f->chunk && f->chunk < len - i ? f->chunk : len - i;
		if (grpc_session_in(f->s, data + i, n, NULL) == -1)
			return (-1);
	}
	return (0);
}

/* A client's raw bytes, and in ${out} what comes back. */
static void
exchange(struct fix *f, const struct buf *in, struct buf *out)
{
	assert_int_equal(feed(f, (const uint8_t *)in->data, in->len), 0);
	while (grpc_session_out(f->s, out))
		;
}

/* Both ways until nothing moves. */
static int
pump(struct fix *f)
{
	cleanup_buf struct buf out = BUF_PLAIN(1u << 20);
	const uint8_t *data;
	ssize_t n;
	int moved;

	do {
		moved = 0;
		while ((n = nghttp2_session_mem_send(f->g.ng, &data)) > 0) {
			moved = 1;
			if (feed(f, data, (size_t)n) == -1)
				return (-1);
		}
		while (grpc_session_out(f->s, &out)) {
			moved = 1;
			assert_true(out.len <= 65536);
			assert_true(nghttp2_session_mem_recv(f->g.ng,
			    (uint8_t *)out.data, out.len) >= 0);
			buf_cut(&out, 0);
		}
	} while (moved);
	return (0);
}

static unsigned char *
framed(const void *msg, size_t len)
{
	unsigned char *p = calloc(1, len + 5);

	p[1] = (unsigned char)(len >> 24);
	p[2] = (unsigned char)(len >> 16);
	p[3] = (unsigned char)(len >> 8);
	p[4] = (unsigned char)len;
	if (len)
		memcpy(p + 5, msg, len);
	return (p);
}

static void
answered(const struct gc_call *c, int code)
{
	assert_null(gc_check(c));
	assert_int_equal(c->code, code);
}

/* --- ordinary calls ----------------------------------------------------- */

static void
test_settings_first(void **state)
{
	struct fix *f = *state;
	cleanup_buf struct buf out = BUF_PLAIN(1u << 20);

	/* Before the client has said a word. */
	assert_true(grpc_session_out(f->s, &out) >= 9);
	assert_int_equal(out.data[3], NGHTTP2_SETTINGS);
	assert_int_equal(out.data[4], 0);
}

static void
test_echo(void **state)
{
	struct fix *f = *state;
	unsigned char *p = framed("hello", 5);
	struct gc_call *c;

	c = gc_start(&f->g, "/t.v1.Echo/Echo", "localhost", "5S", p, 10);
	pump(f);
	answered(c, 0);
	assert_int_equal(c->body_len, 10);
	assert_memory_equal(c->body + 5, "hello", 5);
	assert_int_equal(f->g.settings, 1);
	assert_int_equal(f->woken, 0);	/* answered inside: no wake */
	free(p);
}

static void
test_empty_message(void **state)
{
	struct fix *f = *state;
	unsigned char *p = framed("", 0);
	struct gc_call *c;

	c = gc_start(&f->g, "/t.v1.Echo/Echo", "localhost", NULL, p, 5);
	pump(f);
	answered(c, 0);
	assert_int_equal(c->body_len, 5);
	free(p);
}

static void
test_byte_by_byte(void **state)
{
	struct fix *f = *state;
	unsigned char *p = framed("hello", 5);
	struct gc_call *c[3];
	int i;

	f->chunk = 1;
	for (i = 0; i < 3; i++)
		c[i] = gc_start(&f->g, "/t.v1.Echo/Echo", "localhost", "5S", p,
		    10);
	pump(f);
	for (i = 0; i < 3; i++)
		answered(c[i], 0);
	free(p);
}

/* kubelet < 1.26 raw, registration today encoded, the usual one, none. */
static void
test_authority(void **state)
{
	static const char *const forms[] = {
		"/var/lib/kubelet/plugins_registry/csi.nodeseal.dev-reg.sock",
		"%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fx-reg.sock",
		"localhost", "", NULL
	};
	struct fix *f = *state;
	unsigned char *p = framed("x", 1);
	struct gc_call *c;
	size_t i;

	for (i = 0; i < ARRAY_LEN(forms); i++) {
		c = gc_start(&f->g, "/t.v1.Echo/Echo", forms[i], "1S", p, 6);
		pump(f);
		answered(c, 0);
	}
	free(p);
}

static void
test_many_streams(void **state)
{
	struct fix *f = *state;
	unsigned char *p = framed("hello", 5);
	size_t i;

	for (i = 0; i < 200; i++)
		gc_start(&f->g, i % 2 ? "/t.v1.Echo/Hold" : "/t.v1.Echo/Echo",
		    "localhost", NULL, p, 10);
	pump(f);
	assert_int_equal(f->nheld, 100);
	while (f->nheld)
		grpc_reply(f->held[--f->nheld], (const uint8_t *)"late", 4);
	assert_int_equal(f->woken, 100);
	pump(f);
	for (i = 0; i < 200; i++)
		answered(&f->g.calls[i], 0);
	free(p);
}

static void
test_stream_limit(void **state)
{
	struct fix *f = *state;
	unsigned char *p = framed("", 0);
	size_t i;

	for (i = 0; i < 260; i++)
		gc_start(&f->g, "/t.v1.Echo/Hold", "localhost", NULL, p, 5);
	pump(f);
	/* The client knows our ceiling and keeps ten back. */
	assert_int_equal(f->nheld, GRPC_STREAMS_MAX);
	for (i = 0; i < GRPC_STREAMS_MAX; i++) {
		grpc_reply(f->held[i], NULL, 0);
		f->held[i] = NULL;
	}
	pump(f);
	assert_int_equal(f->nheld, 260);
	free(p);
}

static void
test_error_text(void **state)
{
	static const char text[] = "h\xc3\xa9llo % \n \x01 \xff end";
	struct fix *f = *state;
	unsigned char *p = framed(text, sizeof(text) - 1), *big;
	struct gc_call *c;
	char *many = mem_alloc(5001);

	c = gc_start(&f->g, "/t.v1.Echo/Refuse", "localhost", NULL, p,
	    sizeof(text) + 4);
	pump(f);
	answered(c, GRPC_INVALID_ARGUMENT);
	assert_string_equal(c->text, text);
	/* Long ones are cut between characters, below 1 KiB on the wire. */
	memset(many, 'a', 5000);
	memcpy(many + 998, "\xc3\xa9", 2);
	big = framed(many, 5000);
	c = gc_start(&f->g, "/t.v1.Echo/Refuse", "localhost", NULL, big, 5005);
	pump(f);
	answered(c, GRPC_INVALID_ARGUMENT);
	assert_int_equal(strlen(c->text), 998);
	free(p);
	free(big);
	free(many);
}

static void
test_unknown(void **state)
{
	static const struct {
		const char *path, *text;
	} t[] = {
		{ "/csi.v1.Controller/CreateVolume",
		    "unknown service csi.v1.Controller" },
		{ "/t.v1.Echo/Nope",
		    "unknown method Nope for service t.v1.Echo" },
		{ "/t.v1.Echo", "malformed method name: \"/t.v1.Echo\"" },
		{ "nothing", "malformed method name: \"nothing\"" },
		{ "/t.v1.Echo/Ech", "unknown method Ech for service "
		    "t.v1.Echo" },
	};
	struct fix *f = *state;
	unsigned char *p = framed("", 0);
	struct gc_call *c;
	size_t i;

	for (i = 0; i < ARRAY_LEN(t); i++) {
		c = gc_start(&f->g, t[i].path, "localhost", NULL, p, 5);
		pump(f);
		answered(c, GRPC_UNIMPLEMENTED);
		assert_int_equal(c->http, 200);
		assert_string_equal(c->text, t[i].text);
	}
	assert_int_equal(f->handled, 0);
	free(p);
}

/* --- the message -------------------------------------------------------- */

static void
test_message_limit(void **state)
{
	struct fix *f = *state;
	unsigned char *p = calloc(1, (4u << 20) + 6);
	struct gc_call *c;

	memset(p + 5, 7, (4u << 20) + 1);
	p[1] = 0;
	p[2] = 0x40;		/* 4 MiB exactly */
	c = gc_start(&f->g, "/t.v1.Echo/Echo", "localhost", NULL, p,
	    (4u << 20) + 5);
	pump(f);
	answered(c, 0);
	assert_int_equal(f->last_len, 4u << 20);
	p[4] = 1;		/* one more: refused from its prefix */
	c = gc_start(&f->g, "/t.v1.Echo/Echo", "localhost", NULL, p,
	    (4u << 20) + 6);
	pump(f);
	answered(c, GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(f->handled, 1);
	assert_true(c->pos < (4u << 20) + 6);	/* told to stop sending */
	free(p);
}

static void
test_prefix_lies(void **state)
{
	static const struct {
		const char *raw;
		size_t len;
		int code;
	} t[] = {
		{ "", 0, GRPC_INTERNAL },
		{ "\0\0", 2, GRPC_INTERNAL },
		{ "\0\0\0\0\5abc", 8, GRPC_INTERNAL },	/* too short */
		{ "\0\0\0\0\1ab", 7, GRPC_INTERNAL },	/* more behind */
		{ "\0\0\0\0\0\0\0\0\0\0", 10, GRPC_INTERNAL },	/* two */
		{ "\1\0\0\0\1a", 6, GRPC_INTERNAL },	/* compressed */
		{ "\2\0\0\0\1a", 6, GRPC_INTERNAL },
		{ "\0\377\377\377\377a", 6, GRPC_RESOURCE_EXHAUSTED },
	};
	struct fix *f = *state;
	struct gc_call *c;
	size_t i;

	for (f->chunk = 0; f->chunk < 3; f->chunk++)
		for (i = 0; i < ARRAY_LEN(t); i++) {
			c = gc_start(&f->g, "/t.v1.Echo/Echo", "localhost",
			    NULL, (const unsigned char *)t[i].raw, t[i].len);
			pump(f);
			answered(c, t[i].code);
		}
	assert_int_equal(f->handled, 0);
}

/* --- frames by hand ----------------------------------------------------- */

#define MAGIC "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static void
frame(struct buf *b, int type, int flags, uint32_t stream, const void *data,
    size_t len)
{
	uint8_t hd[9] = { (uint8_t)(len >> 16), (uint8_t)(len >> 8),
	    (uint8_t)len, (uint8_t)type, (uint8_t)flags,
	    (uint8_t)(stream >> 24), (uint8_t)(stream >> 16),
	    (uint8_t)(stream >> 8), (uint8_t)stream };

	buf_add(b, hd, 9);
	buf_add(b, data, len);
}

static void
hello(struct buf *b)
{
	buf_adds(b, MAGIC);
	frame(b, NGHTTP2_SETTINGS, 0, 0, "", 0);
}

/* "name\0value\0…" as literals without indexing. */
static void
block(struct buf *b, const char *fields, size_t len)
{
	const char *end = fields + len;
	size_t n;
	int i;

	while (fields < end) {
		buf_addc(b, 0);
		for (i = 0; i < 2; i++) {
			n = strlen(fields);
			assert_true(n < 127);
			buf_addc(b, (char)n);
			buf_add(b, fields, n);
			fields += n + 1;
		}
	}
}

#define GOOD ":method\0POST\0:scheme\0http\0:path\0/t.v1.Echo/Echo\0"
#define TYPE "content-type\0application/grpc\0"

/* Scan the server's bytes for a frame type on a stream; its payload's first
 * four bytes as a number, -1 when there is none. */
static int64_t
find_frame(const struct buf *b, int type, uint32_t stream)
{
	const uint8_t *p = (const uint8_t *)b->data;
	size_t i = 0, len;
	uint32_t id;

	while (i + 9 <= b->len) {
		len = (size_t)p[i] << 16 | (size_t)p[i + 1] << 8 | p[i + 2];
		id = (uint32_t)(p[i + 5] & 127) << 24 |
		    (uint32_t)p[i + 6] << 16 | (uint32_t)p[i + 7] << 8 |
		    p[i + 8];
		if (p[i + 3] == type && id == stream)
			return (len < 4 ? 0 : (int64_t)p[i + 9] << 24 |
			    p[i + 10] << 16 | p[i + 11] << 8 | p[i + 12]);
		i += 9 + len;
	}
	return (-1);
}

/* Three requests that stop one byte short fill the budget; a fourth finds no
 * room and says so; what is let go is counted back. */
static void
test_budget(void **state)
{
	struct fix *f = *state;
	struct grpc_budget b = { 0, 3000 };
	cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf out = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
	uint8_t msg[1004] = { 0, 0, 0, 1000 >> 8, 1000 & 255 };
	uint32_t id;

	grpc_session_set_budget(f->s, &b);
	hello(&in);
	block(&hb, GOOD TYPE, sizeof(GOOD TYPE) - 1);
	for (id = 1; id < 9; id += 2) {
		frame(&in, NGHTTP2_HEADERS, 4, id, hb.data, hb.len);
		frame(&in, NGHTTP2_DATA, 0, id, msg, sizeof(msg));
	}
	exchange(f, &in, &out);
	assert_int_equal(b.used, 3 * 999);
	assert_int_equal(find_frame(&out, NGHTTP2_HEADERS, 5), -1);
	assert_true(find_frame(&out, NGHTTP2_HEADERS, 7) >= 0);
	buf_cut(&in, 0);
	frame(&in, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\10", 4);
	frame(&in, NGHTTP2_DATA, 1, 3, "z", 1);
	assert_int_equal(feed(f, (uint8_t *)in.data, in.len), 0);
	assert_int_equal(f->handled, 1);
	assert_int_equal(b.used, 999);
	grpc_session_free(f->s);
	f->s = NULL;
	assert_int_equal(b.used, 0);
}

static void
test_malformed(void **state)
{
	static const struct {
		const char *fields;
		size_t len;
	} t[] = {
#define F(s) { s, sizeof(s) - 1 }
		F(":method\0POST\0:scheme\0http\0" TYPE),	/* no path */
		F(":scheme\0http\0:path\0/t.v1.Echo/Echo\0" TYPE),
		F(":method\0POST\0:path\0/t.v1.Echo/Echo\0" TYPE),
		F(":method\0POST\0:scheme\0http\0:path\0\0" TYPE),
		F(GOOD ":path\0/t.v1.Echo/Echo\0" TYPE),	/* twice */
		F(GOOD ":authority\0a\0:authority\0b\0" TYPE),
		F(GOOD TYPE ":authority\0late\0"),
		F(GOOD ":status\0" "200\0" TYPE),
		F(GOOD ":\0x\0" TYPE),
		F(GOOD "\0x\0" TYPE),
		F(GOOD "Content-Type\0application/grpc\0"),
		F(GOOD TYPE "connection\0close\0"),
		F(GOOD TYPE "transfer-encoding\0chunked\0"),
		F(GOOD TYPE "upgrade\0h2c\0"),
		F(GOOD TYPE "te\0gzip\0"),
		F(GOOD TYPE "x\0a\nb\0"),
		F(GOOD TYPE "x y\0a\0"),
		F(GOOD TYPE TYPE),
		F(GOOD TYPE "grpc-timeout\0" "1S\0grpc-timeout\0" "2S\0"),
#undef F
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(t); i++) {
		cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
		cleanup_buf struct buf out = BUF_PLAIN(1u << 20);
		cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
		struct fix *f;

		teardown(state);
		setup(state);
		f = *state;
		hello(&in);
		block(&hb, t[i].fields, t[i].len);
		frame(&in, NGHTTP2_HEADERS, 4, 1, hb.data, hb.len);
		frame(&in, NGHTTP2_DATA, 1, 1, "\0\0\0\0\0", 5);
		/* The connection and the next stream are fine. */
		buf_cut(&hb, 0);
		block(&hb, GOOD TYPE, sizeof(GOOD TYPE) - 1);
		frame(&in, NGHTTP2_HEADERS, 4, 3, hb.data, hb.len);
		frame(&in, NGHTTP2_DATA, 1, 3, "\0\0\0\0\0", 5);
		exchange(f, &in, &out);
		if (find_frame(&out, NGHTTP2_RST_STREAM, 1) !=
		    NGHTTP2_PROTOCOL_ERROR)
			fail_msg("case %zu was not reset", i);
		assert_int_equal(f->handled, 1);
		assert_true(find_frame(&out, NGHTTP2_DATA, 3) >= 0);
	}
}

static int
answer_of(void **state, const char *fields, size_t len, struct gc_call *ret)
{
	cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf out = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
	struct fix *f;
	struct gc_call *c;
	unsigned char p[5] = { 0 };
	const uint8_t *data;

	teardown(state);
	setup(state);
	f = *state;
	/* A stream of the same id for the client that decodes the answer. */
	c = gc_start(&f->g, "/x/y", "localhost", NULL, p, 5);
	while (nghttp2_session_mem_send(f->g.ng, &data) > 0)
		;
	hello(&in);
	block(&hb, fields, len);
	frame(&in, NGHTTP2_HEADERS, 4, 1, hb.data, hb.len);
	frame(&in, NGHTTP2_DATA, 1, 1, p, 5);
	exchange(f, &in, &out);
	assert_true(nghttp2_session_mem_recv(f->g.ng, (uint8_t *)out.data,
	    out.len) > 0);
	*ret = *c;
	return (f->handled == 1);
}

#define ANSWER(s) answer_of(state, s, sizeof(s) - 1, &c)

static void
test_http_errors(void **state)
{
	struct gc_call c;

	assert_false(ANSWER(":method\0GET\0:scheme\0http\0:path\0"
	    "/t.v1.Echo/Echo\0" TYPE));
	assert_int_equal(c.http, 405);
	assert_int_equal(c.code, GRPC_INTERNAL);
	assert_false(ANSWER(GOOD "content-type\0application/json\0"));
	assert_int_equal(c.http, 415);
	assert_int_equal(c.code, GRPC_INVALID_ARGUMENT);
	assert_false(ANSWER(GOOD));
	assert_int_equal(c.http, 415);
	assert_false(ANSWER(GOOD "content-type\0application/grpcx\0"));
	assert_int_equal(c.http, 415);
	assert_true(ANSWER(GOOD "content-type\0application/grpc+proto\0"));
	assert_int_equal(c.code, 0);
	assert_true(ANSWER(GOOD "content-type\0application/grpc;a=b\0"));
	assert_false(ANSWER(GOOD TYPE "grpc-timeout\0" "5x\0"));
	assert_int_equal(c.code, GRPC_INTERNAL);
	assert_false(ANSWER(GOOD TYPE "grpc-encoding\0gzip\0"));
	assert_int_equal(c.code, GRPC_UNIMPLEMENTED);
	assert_true(ANSWER(GOOD TYPE "grpc-encoding\0identity\0"));
	/* Unknown metadata and a host are nobody's business. */
	assert_true(ANSWER(GOOD TYPE "host\0a\0x-trace-bin\0AAA=\0"));
}

static void
test_header_list_limit(void **state)
{
	cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf out = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
	struct fix *f = *state;
	int i;

	hello(&in);
	block(&hb, GOOD TYPE, sizeof(GOOD TYPE) - 1);
	/* 400 fields of 42: beyond 16 KiB as HTTP/2 counts. */
	for (i = 0; i < 400; i++)
		block(&hb, "aaaaa\0bbbbb\0", 12);
	frame(&in, NGHTTP2_HEADERS, 5, 1, hb.data, hb.len);
	exchange(f, &in, &out);
	assert_int_equal(find_frame(&out, NGHTTP2_RST_STREAM, 1),
	    NGHTTP2_ENHANCE_YOUR_CALM);
	assert_int_equal(f->handled, 0);
}

/* CVE-2024-28182's shape. */
static void
test_continuation_flood(void **state)
{
	cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
	struct fix *f = *state;
	int i;

	hello(&in);
	block(&hb, GOOD TYPE, sizeof(GOOD TYPE) - 1);
	frame(&in, NGHTTP2_HEADERS, 1, 1, hb.data, hb.len);
	assert_int_equal(feed(f, (uint8_t *)in.data, in.len), 0);
	buf_cut(&in, 0);
	frame(&in, NGHTTP2_CONTINUATION, 0, 1, "", 0);
	for (i = 0; i < GRPC_CONTINUATIONS_MAX; i++)
		assert_int_equal(feed(f, (uint8_t *)in.data, in.len), 0);
	assert_int_equal(feed(f, (uint8_t *)in.data, in.len), -1);
	assert_int_equal(f->handled, 0);
}

static int
flood(struct fix *f, const struct buf *one, int n)
{
	cleanup_buf struct buf out = BUF_PLAIN(1u << 22);
	int i;

	for (i = 0; i < n; i++) {
		if (feed(f, (uint8_t *)one->data, one->len) == -1)
			return (-1);
		while (grpc_session_out(f->s, &out))
			;
		if (find_frame(&out, NGHTTP2_GOAWAY, 0) >= 0) {
			assert_true(grpc_session_done(f->s));
			return (i);
		}
		buf_cut(&out, 0);
	}
	return (n);
}

static void
test_noise(void **state)
{
	static const struct {
		int type, flags;
		uint32_t stream;
		const char *data;
		size_t len;
	} t[] = {
		{ NGHTTP2_PING, 0, 0, "abcdefgh", 8 },
		{ NGHTTP2_SETTINGS, 0, 0, "", 0 },
		{ NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4 },
		{ NGHTTP2_PRIORITY, 0, 5, "\0\0\0\0\1", 5 },
		{ NGHTTP2_DATA, 0, 1, "", 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(t); i++) {
		cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
		cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
		struct fix *f;

		teardown(state);
		setup(state);
		f = *state;
		hello(&in);
		block(&hb, GOOD TYPE, sizeof(GOOD TYPE) - 1);
		frame(&in, NGHTTP2_HEADERS, 4, 1, hb.data, hb.len);
		assert_int_equal(feed(f, (uint8_t *)in.data, in.len), 0);
		buf_cut(&in, 0);
		frame(&in, t[i].type, t[i].flags, t[i].stream, t[i].data,
		    t[i].len);
		/* As fast as the bucket refills: for ever. */
		f->clock.boot += 10000;
		assert_int_equal(flood(f, &in, 900), 900);
		f->clock.boot += 10000;
		assert_int_equal(flood(f, &in, 900), 900);
		/* Faster: not for long. */
		if (flood(f, &in, 2000) >= 2000)
			fail_msg("frame type %d may flood", t[i].type);
	}
}

/* CVE-2023-44487: open and reset, again and again. */
static void
test_rapid_reset(void **state)
{
	cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf out = BUF_PLAIN(1u << 24);
	cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
	struct fix *f = *state;
	uint32_t id;

	hello(&in);
	assert_int_equal(feed(f, (uint8_t *)in.data, in.len), 0);
	block(&hb, GOOD TYPE, sizeof(GOOD TYPE) - 1);
	for (id = 1; id < 6000; id += 2) {
		buf_cut(&in, 0);
		frame(&in, NGHTTP2_HEADERS, 4, id, hb.data, hb.len);
		frame(&in, NGHTTP2_RST_STREAM, 0, id, "\0\0\0\10", 4);
		exchange(f, &in, &out);
		if (grpc_session_done(f->s))
			break;
	}
	assert_true(id > 1800 && id < 2200);
	assert_true(find_frame(&out, NGHTTP2_GOAWAY, 0) >= 0);
}

static void
test_garbage(void **state)
{
	struct fix *f = *state;

	assert_int_equal(grpc_session_in(f->s,
	    (const uint8_t *)"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27,
	    NULL), -1);
}

/* HEADERS without a byte are a request too, a malformed one. */
static void
test_empty_headers(void **state)
{
	cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf out = BUF_PLAIN(1u << 20);
	struct fix *f = *state;

	hello(&in);
	frame(&in, NGHTTP2_HEADERS, 4, 1, "", 0);
	frame(&in, NGHTTP2_DATA, 1, 1, "\0\0\0\0\0", 5);
	exchange(f, &in, &out);
	assert_int_equal(find_frame(&out, NGHTTP2_RST_STREAM, 1),
	    NGHTTP2_PROTOCOL_ERROR);
	assert_int_equal(f->handled, 0);
}

static void
test_trailers_without_end(void **state)
{
	cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf out = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
	struct fix *f = *state;

	hello(&in);
	block(&hb, GOOD TYPE, sizeof(GOOD TYPE) - 1);
	frame(&in, NGHTTP2_HEADERS, 4, 1, hb.data, hb.len);
	buf_cut(&hb, 0);
	block(&hb, "x\0y\0", 4);
	frame(&in, NGHTTP2_HEADERS, 4, 1, hb.data, hb.len);
	exchange(f, &in, &out);
	assert_int_equal(find_frame(&out, NGHTTP2_RST_STREAM, 1),
	    NGHTTP2_PROTOCOL_ERROR);
}

/* --- waiting ------------------------------------------------------------ */

static void
test_deadline(void **state)
{
	struct fix *f = *state;
	unsigned char *p = framed("", 0);
	struct gc_call *c, *d;

	c = gc_start(&f->g, "/t.v1.Echo/Hold", "localhost", "1500m", p, 5);
	d = gc_start(&f->g, "/t.v1.Echo/Hold", "localhost", NULL, p, 5);
	pump(f);
	assert_int_equal(f->nheld, 2);
	assert_int_equal(grpc_call_left_ms(f->held[0]), 1500);
	assert_true(grpc_call_left_ms(f->held[1]) == INT64_MAX);
	f->clock.boot += 1000;
	assert_int_equal(grpc_session_tick(f->s), 500);
	f->clock.boot += 500;
	assert_int_equal(grpc_session_tick(f->s), -1);
	pump(f);
	answered(c, GRPC_DEADLINE_EXCEEDED);
	assert_int_equal(grpc_call_left_ms(f->held[0]), 0);
	/* The handler comes late: nobody hears it. */
	grpc_fail(f->held[0], GRPC_UNAVAILABLE, "late");
	grpc_reply(f->held[1], NULL, 0);
	f->held[0] = f->held[1] = NULL;
	pump(f);
	answered(c, GRPC_DEADLINE_EXCEEDED);
	answered(d, 0);
	free(p);
}

/* A request that never becomes whole gives its stream back, too. */
static void
test_deadline_partial(void **state)
{
	cleanup_buf struct buf in = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf out = BUF_PLAIN(1u << 20);
	cleanup_buf struct buf hb = BUF_PLAIN(1u << 20);
	struct fix *f = *state;
	int64_t stuck, idle;

	hello(&in);
	block(&hb, GOOD TYPE "grpc-timeout\0" "10m\0",
	    sizeof(GOOD TYPE "grpc-timeout\0" "10m\0") - 1);
	frame(&in, NGHTTP2_HEADERS, 4, 1, hb.data, hb.len);
	frame(&in, NGHTTP2_DATA, 0, 1, "\0\0\0\0\11ab", 7);
	assert_int_equal(feed(f, (uint8_t *)in.data, in.len), 0);
	grpc_session_ages(f->s, &stuck, &idle);
	assert_int_equal(stuck, 1000000);
	assert_true(idle == INT64_MAX);
	f->clock.boot += 10;
	assert_int_equal(grpc_session_tick(f->s), -1);
	while (grpc_session_out(f->s, &out))
		;
	assert_int_equal(find_frame(&out, NGHTTP2_RST_STREAM, 1),
	    NGHTTP2_NO_ERROR);
	assert_true(find_frame(&out, NGHTTP2_HEADERS, 1) >= 0);
	grpc_session_ages(f->s, &stuck, &idle);
	assert_true(stuck == INT64_MAX);
	assert_int_equal(idle, 1000010);
}

static void
test_cancel(void **state)
{
	struct fix *f = *state;
	unsigned char *p = framed("", 0);
	struct gc_call *c, *d;

	c = gc_start(&f->g, "/t.v1.Echo/Hold", "localhost", "10S", p, 5);
	d = gc_start(&f->g, "/t.v1.Echo/Hold", "localhost", "10S", p, 5);
	pump(f);
	nghttp2_submit_rst_stream(f->g.ng, 0, c->stream, NGHTTP2_CANCEL);
	pump(f);
	assert_int_equal(grpc_call_left_ms(f->held[0]), 0);
	grpc_reply(f->held[0], (const uint8_t *)"x", 1);
	/* And the peer that dies with a call open. */
	grpc_session_free(f->s);
	f->s = NULL;
	assert_int_equal(grpc_call_left_ms(f->held[1]), 0);
	grpc_fail(f->held[1], GRPC_INTERNAL, "x");
	f->held[0] = f->held[1] = NULL;
	assert_int_equal(d->code, -1);
	free(p);
}

static void
test_goaway(void **state)
{
	struct fix *f = *state;
	unsigned char *p = framed("", 0);
	struct gc_call *c;

	c = gc_start(&f->g, "/t.v1.Echo/Hold", "localhost", "10S", p, 5);
	pump(f);
	grpc_session_goaway(f->s);
	pump(f);
	assert_int_equal(f->g.goaways, 1);
	assert_int_equal(f->g.goaway_code, NGHTTP2_NO_ERROR);
	assert_false(grpc_session_done(f->s));
	grpc_reply(f->held[0], NULL, 0);
	f->held[0] = NULL;
	pump(f);
	answered(c, 0);
	assert_true(grpc_session_done(f->s));
	free(p);
}

static void
test_timeout_forms(void **state)
{
	static const struct {
		const char *s;
		int64_t ms;
	} t[] = {
		{ "1H", 3600000 }, { "2M", 120000 }, { "3S", 3000 },
		{ "4m", 4 }, { "119999870u", -1 }, { "11999987u", 12000 },
		{ "1n", 1 }, { "0S", 0 }, { "99999999H", 359999996400000 },
		{ "", -1 }, { "S", -1 }, { "1", -1 }, { "1s", -1 },
		{ "-1S", -1 }, { "1.5S", -1 }, { " 1S", -1 }, { "1S ", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(t); i++)
		assert_true(grpc_timeout_parse((const uint8_t *)t[i].s,
		    strlen(t[i].s)) == t[i].ms);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_settings_first), T(test_echo), T(test_empty_message),
		T(test_byte_by_byte), T(test_authority), T(test_many_streams),
		T(test_stream_limit), T(test_error_text), T(test_unknown),
		T(test_message_limit), T(test_prefix_lies), T(test_budget),
		T(test_malformed), T(test_http_errors),
		T(test_header_list_limit), T(test_continuation_flood),
		T(test_noise), T(test_rapid_reset), T(test_garbage),
		T(test_empty_headers), T(test_trailers_without_end),
		T(test_deadline),
		T(test_deadline_partial), T(test_cancel), T(test_goaway),
		T(test_timeout_forms),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
