/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "csi/grpc_internal.h"

/*
 * HTTP/2 and gRPC bytes into a session.  Input is a small program, so that
 * mutations keep frames whole: see the operations below; the first byte is
 * the size of the pieces that the session gets, each in memory of its own.
 */
#define HELD_MAX 64

struct in {
	const uint8_t *p;
	size_t left;
};

struct run {
	struct grpc_session *s;
	struct clock_manual clock;
	struct grpc_budget budget;
	struct grpc_call *held[HELD_MAX];
	size_t nheld, chunk;
	int dead;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t
next(struct in *in)
{
	if (in->left == 0)
		return (0);
	in->left--;
	return (*in->p++);
}

static void
echo(void *arg, struct grpc_call *call, const uint8_t *msg, size_t len)
{
	(void)arg;
	grpc_reply(call, msg, len < 4096 ? len : 4096);
}

static void
hold(void *arg, struct grpc_call *call, const uint8_t *msg, size_t len)
{
	struct run *r = arg;

	(void)msg;
	if (grpc_call_left_ms(call) < 0)
		abort();
	if (r->nheld == HELD_MAX || len > 100)
		grpc_fail(call, GRPC_RESOURCE_EXHAUSTED, "full");
	else
		r->held[r->nheld++] = call;
}

static const struct grpc_method methods[] = {
	{ "/f.v1.F/Echo", echo },
	{ "/f.v1.F/Hold", hold },
	{ NULL, NULL }
};

static void
feed(struct run *r, const uint8_t *data, size_t len)
{
	uint8_t *copy;
	size_t n;

	for (; len && !r->dead; data += n, len -= n) {
		n = r->chunk && r->chunk < len ? r->chunk : len;
		copy = malloc(n);
		memcpy(copy, data, n);
		r->dead = grpc_session_in(r->s, copy, n, NULL) == -1;
		free(copy);
	}
}

static void
frame(struct run *r, int type, int flags, uint32_t stream, const uint8_t *p,
    size_t len)
{
	uint8_t f[9 + 4096] = { (uint8_t)(len >> 16), (uint8_t)(len >> 8),
	    (uint8_t)len, (uint8_t)type, (uint8_t)flags, 0, 0,
	    (uint8_t)(stream >> 8), (uint8_t)stream };

	if (len)
		memcpy(f + 9, p, len);
	feed(r, f, 9 + len);
}

static size_t
field(uint8_t *out, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value);

	out[0] = 0;
	out[1] = (uint8_t)n;
	memcpy(out + 2, name, n);
	out[2 + n] = (uint8_t)v;
	memcpy(out + 3 + n, value, v);
	return (3 + n + v);
}

static void
op_request(struct run *r, struct in *in)
{
	static const char *const paths[] = { "/f.v1.F/Echo", "/f.v1.F/Hold",
	    "/f.v1.F/None", "/g/None", "f", "/f" };
	static const char *const times[] = { "1S", "5m", "0n", "99999999H",
	    "1x", "", "3M", "12u" };
	uint32_t stream = next(in);
	uint8_t how = next(in), b[512];
	size_t n = 0;

	n += field(b + n, ":method", how & 64 && how & 1 ? "GET" : "POST");
	n += field(b + n, ":scheme", "http");
	n += field(b + n, ":path", paths[how % 6]);
	n += field(b + n, "content-type", "application/grpc");
	if (how & 32)
		n += field(b + n, "grpc-timeout", times[next(in) % 8]);
	frame(r, 1, how & 128 ? 5 : 4, stream, b, n);
}

static void
op_fields(struct run *r, struct in *in)
{
	static const char *const names[] = { ":method", ":scheme", ":path",
	    ":authority", "content-type", "grpc-timeout", "grpc-encoding",
	    "te", "connection", "host", "X", ":status", "x y", "" };
	static const char *const values[] = { "POST", "http", "/f.v1.F/Echo",
	    "application/grpc", "application/grpc+proto", "identity", "gzip",
	    "trailers", "5S", "/var/lib/x.sock", "a\nb", "", "text/html" };
	uint8_t b[2048];
	uint32_t stream = next(in);
	size_t n = 0, i, count = next(in) % 14;

	for (i = 0; i < count; i++) {
		uint8_t k = next(in), v = next(in);

		n += field(b + n, names[k % ARRAY_LEN(names)],
		    values[v % ARRAY_LEN(values)]);
	}
	frame(r, 1, next(in) | 4, stream, b, n);
}

static void
op_data(struct run *r, struct in *in)
{
	uint32_t stream = next(in);
	uint8_t how = next(in), b[600] = { 0 };
	size_t n = next(in), claim = n;

	if (how & 2)
		claim += next(in);
	if (how & 4)
		b[0] = next(in);
	if (how & 8)
		b[1] = next(in);
	b[3] = (uint8_t)(claim >> 8);
	b[4] = (uint8_t)claim;
	memset(b + 5, 'm', n);
	frame(r, 0, how & 1, stream, b, 5 + n);
}

static void
op_raw(struct run *r, struct in *in, int framed)
{
	int type = framed ? next(in) % 12 : 0, flags = framed ? next(in) : 0;
	uint32_t stream = framed ? next(in) : 0;
	size_t n = next(in);

	if (n > in->left)
		n = in->left;
	if (framed)
		frame(r, type, flags, stream, in->p, n);
	else
		feed(r, in->p, n);
	in->p += n;
	in->left -= n;
}

static void
op_reply(struct run *r, struct in *in)
{
	char text[256];
	struct grpc_call *c;
	size_t n = next(in), i;

	if (r->nheld == 0)
		return;
	c = r->held[--r->nheld];
	if (n & 1) {
		n = n < in->left ? n : in->left;
		for (i = 0; i < n; i++)
			text[i] = (char)next(in);
		text[n] = '\0';
		grpc_fail(c, GRPC_UNAVAILABLE, text);
	} else
		grpc_reply(c, in->p, n < in->left ? n : in->left);
}

static void
op_out(struct run *r)
{
	struct buf out = BUF_PLAIN(1u << 17);

	while (!r->dead && grpc_session_out(r->s, &out)) {
		if (out.len > 65536 || !buf_ok(&out))
			abort();
		buf_cut(&out, 0);
	}
	buf_clear(&out);
}

static void
step(struct run *r, struct in *in)
{
	switch (next(in) % 10) {
	case 0:
		op_request(r, in);
		break;
	case 1:
		op_data(r, in);
		break;
	case 2:
		op_fields(r, in);
		break;
	case 3:
		op_raw(r, in, 1);
		break;
	case 4:
		op_raw(r, in, 0);
		break;
	case 5:
		r->clock.boot += next(in) * 10;
		if (!r->dead && grpc_session_tick(r->s) < -1)
			abort();
		break;
	case 6:
		op_reply(r, in);
		break;
	case 7:
		op_out(r);
		break;
	case 8:
		if (!r->dead && next(in) % 8 == 0)
			grpc_session_goaway(r->s);
		break;
	case 9:
		frame(r, 3, 0, next(in), (const uint8_t *)"\0\0\0\10", 4);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct in in = { data, size };
	struct run r = { .budget.max = 700 };
	int64_t stuck, idle;
	int i;

	clock_manual_init(&r.clock, 5000, 0);
	r.s = grpc_session_new(methods, &r, NULL);
	grpc_session_set_clock(r.s, &r.clock.clock);
	grpc_session_set_budget(r.s, &r.budget);
	i = next(&in);
	r.chunk = i & 127;
	if (!(i & 128)) {
		feed(&r, magic, sizeof(magic) - 1);
		frame(&r, 4, 0, 0, NULL, 0);
	}
	for (i = 0; i < 400 && in.left; i++)
		step(&r, &in);
	grpc_session_ages(r.s, &stuck, &idle);
	if (r.budget.used > r.budget.max)
		abort();
	op_out(&r);
	if (!r.dead)
		(void)grpc_session_done(r.s);
	grpc_session_free(r.s);
	if (r.budget.used != 0)
		abort();
	while (r.nheld)
		grpc_fail(r.held[--r.nheld], GRPC_UNAVAILABLE, "late");
	return (0);
}
