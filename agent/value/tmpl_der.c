/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "value/tmpl_der.h"

/* --- cryptobyte --------------------------------------------------------- */

/* The length of the header; *len is that of the content.  0: it is no DER. */
static size_t
header(struct der s, size_t *len)
{
	size_t i, octets;

	if (s.n < 2 || (s.p[0] & 0x1f) == 0x1f)
		return (0);
	*len = s.p[1];
	if (*len < 0x80)
		return (2);
	octets = *len & 0x7f;
	if (octets == 0 || octets > 4 || s.n < 2 + octets || s.p[2] == 0)
		return (0);
	for (*len = 0, i = 0; i < octets; i++)
		*len = *len << 8 | s.p[2 + i];
	return (*len < 0x80 ? 0 : 2 + octets);
}

int
der_read(struct der *s, int tag, struct der *ret, struct der *whole)
{
	size_t len, head = header(*s, &len);
	struct der inner;

	if (head == 0 || len > s->n - head ||
	    (tag != DER_ANY && s->p[0] != tag))
		return (-1);
	inner = (struct der){ s->p + head, len };
	if (whole != NULL)
		*whole = (struct der){ s->p, head + len };
	s->p += head + len;
	s->n -= head + len;
	*ret = inner;
	return (0);
}

int
der_peek(struct der s, int tag)
{
	return (s.n > 0 && s.p[0] == tag);
}

int
der_valid_integer(struct der s)
{
	if (s.n < 2)
		return (s.n == 1);
	return (!(s.p[0] == 0 && (s.p[1] & 0x80) == 0) &&
	    !(s.p[0] == 0xff && (s.p[1] & 0x80) != 0));
}

int
der_valid_oid(struct der s)
{
	size_t i, at = 0;
	uint32_t v = 0;

	if (s.n == 0 || (s.p[s.n - 1] & 0x80) != 0)
		return (0);
	for (i = 0; i < s.n; i++) {
		if (at == 5 || v >= 1u << 24 || (at == 0 && s.p[i] == 0x80))
			return (0);
		v = v << 7 | (s.p[i] & 0x7f);
		at++;
		if ((s.p[i] & 0x80) == 0) {
			at = 0;
			v = 0;
		}
	}
	return (1);
}

int
der_valid_bits(struct der s)
{
	unsigned int padding;

	if (s.n == 0 || s.p[0] > 7)
		return (0);
	padding = s.p[0];
	if (s.n == 1)
		return (padding == 0);
	return ((s.p[s.n - 1] & ((1u << padding) - 1)) == 0);
}

int
der_same(struct der a, struct der b)
{
	return (a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
}

void
der_print_oid(struct der s, struct buf *out)
{
	uint64_t v = 0, first;
	int more = 0;
	size_t i;

	for (i = 0; i < s.n; i++) {
		v = v << 7 | (s.p[i] & 0x7f);
		if ((s.p[i] & 0x80) != 0)
			continue;
		if (!more) {
			first = v < 80 ? v / 40 : 2;
			buf_addf(out, "%" PRIu64 ".", first);
			v -= 40 * first;
		} else {
			buf_addc(out, '.');
		}
		buf_addf(out, "%" PRIu64, v);
		v = 0;
		more = 1;
	}
}

/* --- writing ------------------------------------------------------------ */

static void
add_header(struct buf *out, int tag, size_t n)
{
	int bytes = 1;

	buf_addc(out, (char)tag);
	if (n < 0x80) {
		buf_addc(out, (char)n);
		return;
	}
	while (bytes < 4 && n >> (8 * bytes) != 0)
		bytes++;
	buf_addc(out, (char)(0x80 | bytes));
	while (bytes-- > 0)
		buf_addc(out, (char)(n >> (8 * bytes)));
}

void
der_add(struct buf *out, int tag, const void *p, size_t n)
{
	add_header(out, tag, n);
	buf_add(out, p, n);
}

void
der_wrap(struct buf *out, int tag, size_t from)
{
	cleanup_buf struct buf inner = BUF_SECRET(SIZE_MAX);

	if (out->len < from)
		return;
	buf_add(&inner, buf_str(out) + from, out->len - from);
	buf_cut(out, from);
	der_add(out, tag, buf_str(&inner), inner.len);
}
