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

	if (head == 0 || len > s->n - head ||
	    (tag != DER_ANY && s->p[0] != tag))
		return (-1);
	if (whole != NULL)
		*whole = (struct der){ s->p, head + len };
	*ret = (struct der){ s->p + head, len };
	s->p += head + len;
	s->n -= head + len;
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

/* --- encoding/asn1 ------------------------------------------------------ */

struct field {
	int tag;			/* 0: the end */
	const char *type;		/* reflect's Name() */
};

static const struct key_struct {
	const char *name;
	struct field fields[10];
} structs[] = {
	[DER_PKCS8] = { "pkcs8", { { DER_INTEGER, "int" },
	    { DER_SEQUENCE, "AlgorithmIdentifier" }, { DER_OCTETS, "" } } },
	[DER_PKCS1] = { "pkcs1PrivateKey", { { DER_INTEGER, "int" },
	    { DER_INTEGER, "" }, { DER_INTEGER, "int" }, { DER_INTEGER, "" },
	    { DER_INTEGER, "" }, { DER_INTEGER, "" }, } },
	[DER_EC] = { "ecPrivateKey", { { DER_INTEGER, "int" },
	    { DER_OCTETS, "" } } },
};

static int
syntax(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "asn1: syntax error: %s", what));
}

/* What a reader of lengths returns after an error was set. */
static size_t
none(int failed)
{
	(void)failed;
	return (0);
}

/* parseTagAndLength: how long the header is; 0 and an error. */
static size_t
tag_and_length(struct der s, uint32_t *tag, size_t *len, struct err *err)
{
	size_t at = 1, octets;

	*tag = s.p[0] & 0x1f;
	if (*tag == 0x1f)
		return (none(syntax("unexpected high tag", err)));
	if (s.n < 2)
		return (none(syntax("truncated tag or length", err)));
	*len = s.p[at++];
	if ((*len & 0x80) == 0)
		return (at);
	octets = *len & 0x7f;
	if (octets == 0)
		return (none(syntax("indefinite length found (not DER)",
		    err)));
	for (*len = 0; octets > 0; octets--) {
		if (at >= s.n)
			return (none(syntax("truncated tag or length",
			    err)));
		if (*len >= 1 << 23)
			return (none(err_set(err, ERR_INVALID, "asn1: "
			    "structure error: length too large")));
		*len = *len << 8 | s.p[at++];
		if (*len == 0)
			return (none(err_set(err, ERR_INVALID, "asn1: "
			    "structure error: superfluous leading zeros in "
			    "length")));
	}
	if (*len < 0x80)
		return (none(err_set(err, ERR_INVALID,
		    "asn1: structure error: non-minimal length")));
	return (at);
}

/* parseField of one that is not optional.  ${at} counts from the start of the
 * struct that holds it. */
static size_t
read_field(struct der s, size_t at, int want, const char *type,
    struct der *ret, struct err *err)
{
	struct der rest = { s.p + at, s.n - at };
	uint32_t tag;
	size_t len = 0, head;

	if (rest.n == 0)
		return (none(syntax("sequence truncated", err)));
	if ((head = tag_and_length(rest, &tag, &len, err)) == 0)
		return (0);
	if (rest.p[0] != want)
		return (none(err_set(err, ERR_INVALID, "asn1: structure "
		    "error: tags don't match (%d vs {class:%d tag:%" PRIu32
		    " length:%zu isCompound:%s}) {optional:false explicit:"
		    "false application:false private:false defaultValue:<nil> "
		    "tag:<nil> stringType:0 timeType:0 set:false omitEmpty:"
		    "false} %s @%zu", want & 0x1f, rest.p[0] >> 6, tag, len,
		    rest.p[0] & 0x20 ? "true" : "false", type, at + head)));
	if (len > rest.n - head)
		return (none(syntax("data truncated", err)));
	*ret = (struct der){ rest.p + head, len };
	return (at + head + len);
}

size_t
der_check_key(const void *p, size_t n, enum der_key kind, struct err *err)
{
	const struct key_struct *k = &structs[kind];
	struct der s = { p, n }, inner, value;
	const struct field *f;
	size_t end, at = 0;

	end = read_field(s, 0, DER_SEQUENCE, k->name, &inner, err);
	for (f = k->fields; f->tag != 0 && end != 0; f++) {
		at = read_field(inner, at, f->tag, f->type, &value, err);
		if (at == 0)
			return (0);
		if (f->tag == DER_INTEGER && !der_valid_integer(value)) {
			err_set(err, ERR_INVALID, "asn1: structure error: %s",
			    value.n == 0 ? "empty integer" :
			    "integer not minimally-encoded");
			return (0);
		}
	}
	return (end);
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
	buf_add(&inner, out->data + from, out->len - from);
	buf_cut(out, from);
	der_add(out, tag, buf_str(&inner), inner.len);
}
