/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "ipc/frame.h"

void
wire_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, sizeof(v));
}

void
wire_u32(struct buf *b, uint32_t v)
{
	buf_add(b, &v, sizeof(v));
}

void
wire_u64(struct buf *b, uint64_t v)
{
	buf_add(b, &v, sizeof(v));
}

void
wire_bytes(struct buf *b, const void *data, size_t len)
{
	if (len > UINT32_MAX) {
		b->failed = 1;
		return;
	}
	wire_u32(b, (uint32_t)len);
	buf_add(b, data, len);
}

void
wire_str(struct buf *b, const char *s)
{
	wire_bytes(b, s, s ? strlen(s) : 0);
}

void
wire_init(struct wire *w, const void *data, size_t len)
{
	w->at = data;
	w->left = len;
	w->bad = 0;
}

/* Borrow ${n} bytes; NULL, and bad for good, beyond the end. */
static const uint8_t *
borrow(struct wire *w, size_t n)
{
	const uint8_t *at = w->at;

#ifdef WEAKEN_FRAME_BOUNDS
	if (w->bad || w->left == 0) {
#else
	if (w->bad || n > w->left) {
#endif
		w->bad = 1;
		return (NULL);
	}
	w->at += n;
	w->left -= n;
	return (at);
}

static void
get(struct wire *w, void *ret, size_t n)
{
	const uint8_t *at = borrow(w, n);

	if (at)
		memcpy(ret, at, n);
}

uint8_t
wire_get_u8(struct wire *w)
{
	uint8_t v = 0;

	get(w, &v, sizeof(v));
	return (v);
}

uint32_t
wire_get_u32(struct wire *w)
{
	uint32_t v = 0;

	get(w, &v, sizeof(v));
	return (v);
}

uint64_t
wire_get_u64(struct wire *w)
{
	uint64_t v = 0;

	get(w, &v, sizeof(v));
	return (v);
}

const uint8_t *
wire_get_bytes(struct wire *w, size_t *ret_len)
{
	uint32_t len = wire_get_u32(w);
	const uint8_t *at = borrow(w, len);

	*ret_len = at ? len : 0;
	return (at);
}

char *
wire_get_str(struct wire *w)
{
	const uint8_t *at;
	size_t len;

	at = wire_get_bytes(w, &len);
	if (at && memchr(at, '\0', len)) {
		w->bad = 1;
		len = 0;
	}
	return (str_ndup((const char *)at, len));
}

int
wire_done(const struct wire *w, const char *what, struct err *err)
{
	if (w->bad)
		return (err_set(err, ERR_INVALID, "%s: malformed frame", what));
	if (w->left)
		return (err_set(err, ERR_INVALID,
		    "%s: %zu bytes too many in a frame", what, w->left));
	return (0);
}
