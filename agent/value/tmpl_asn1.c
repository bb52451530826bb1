/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "value/tmpl_asn1.h"

static const struct asn1_field algorithm_fields[] = {
	{ .kind = ASN1_OID }, { .kind = ASN1_RAW, .flags = ASN1_OPTIONAL },
};
const struct asn1_struct asn1_algorithm = ASN1_OF("AlgorithmIdentifier",
    algorithm_fields);

enum { UNIVERSAL = 0, CONTEXT = 2 };

static int
syntax(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "asn1: syntax error: %s", what));
}

static int
structure(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "asn1: structure error: %s", what));
}

/* --- the header of an element ------------------------------------------- */

struct head {
	int class;
	uint32_t tag;
	size_t len;
	int compound;
};

/* parseBase128Int */
static int
base128(struct der s, size_t *at, uint32_t *ret, struct err *err)
{
	uint64_t v = 0;
	int i;

	for (i = 0; *at < s.n; i++) {
		uint8_t b = s.p[*at];

		if (i == 5)
			return (structure("base 128 integer too large", err));
		if (i == 0 && b == 0x80)
			return (syntax("integer is not minimally encoded",
			    err));
		v = v << 7 | (b & 0x7f);
		(*at)++;
		if ((b & 0x80) == 0) {
			*ret = (uint32_t)v;
			return (v > INT32_MAX ? structure("base 128 integer "
			    "too large", err) : 0);
		}
	}
	return (syntax("truncated base 128 integer", err));
}

static int
long_length(struct der s, size_t *at, size_t octets, size_t *ret,
    struct err *err)
{
	size_t len;

	if (octets == 0)
		return (syntax("indefinite length found (not DER)", err));
	for (len = 0; octets > 0; octets--) {
		if (*at >= s.n)
			return (syntax("truncated tag or length", err));
		if (len >= 1 << 23)
			return (structure("length too large", err));
		len = len << 8 | s.p[(*at)++];
		if (len == 0)
			return (structure("superfluous leading zeros in "
			    "length", err));
	}
	*ret = len;
	return (len < 0x80 ? structure("non-minimal length", err) : 0);
}

/* parseTagAndLength; there is at least one byte at *at. */
static int
read_head(struct der s, size_t *at, struct head *h, struct err *err)
{
	uint8_t b = s.p[(*at)++];

	h->class = b >> 6;
	h->compound = (b & 0x20) != 0;
	h->tag = b & 0x1f;
	if (h->tag == 0x1f) {
		if (base128(s, at, &h->tag, err) == -1)
			return (-1);
		if (h->tag < 0x1f)
			return (syntax("non-minimal tag", err));
	}
	if (*at >= s.n)
		return (syntax("truncated tag or length", err));
	h->len = s.p[(*at)++];
	if ((h->len & 0x80) == 0)
		return (0);
	return (long_length(s, at, h->len & 0x7f, &h->len, err));
}

/* --- scalars ------------------------------------------------------------ */

static int
check_integer(struct der s, struct err *err)
{
	if (s.n == 0)
		return (structure("empty integer", err));
	return (der_valid_integer(s) ? 0 :
	    structure("integer not minimally-encoded", err));
}

static int
read_int(struct der s, int64_t *ret, struct err *err)
{
	uint64_t v;
	size_t i;

	if (check_integer(s, err) == -1)
		return (-1);
	if (s.n > 8)
		return (structure("integer too large", err));
	v = (s.p[0] & 0x80) != 0 ? UINT64_MAX : 0;
	for (i = 0; i < s.n; i++)
		v = v << 8 | s.p[i];
	*ret = (int64_t)v;
	return (0);
}

static int
check_oid(struct der s, struct err *err)
{
	size_t at = 0;
	uint32_t v;

	if (s.n == 0)
		return (syntax("zero length OBJECT IDENTIFIER", err));
	while (at < s.n)
		if (base128(s, &at, &v, err) == -1)
			return (-1);
	return (0);
}

static int
check_bits(struct der s, struct err *err)
{
	if (s.n == 0)
		return (syntax("zero length BIT STRING", err));
	return (der_valid_bits(s) ? 0 :
	    syntax("invalid padding bits in BIT STRING", err));
}

/* --- fields ------------------------------------------------------------- */

static int read_field(struct der s, size_t *at, const struct asn1_field *f,
    struct asn1_value **ret, struct err *err);

/* How many values a field gives. */
static size_t
values_of(const struct asn1_field *f)
{
	size_t i, n = 0;

	if (f->kind != ASN1_STRUCT)
		return (1);
	for (i = 0; i < f->type->n; i++)
		n += values_of(&f->type->fields[i]);
	return (n);
}

/* reflect's Name() of the field's type; pointers and slices have none. */
static const char *
type_name(const struct asn1_field *f)
{
	static const char *const names[] = { [ASN1_INT] = "int",
		[ASN1_BIG] = "", [ASN1_OID] = "ObjectIdentifier",
		[ASN1_OCTETS] = "", [ASN1_BITS] = "BitString",
		[ASN1_RAW] = "RawValue", [ASN1_SLICE] = "" };

	return (f->kind == ASN1_STRUCT ? f->type->name : names[f->kind]);
}

static const struct {
	uint32_t tag;
	int compound;
} universal[] = {
	[ASN1_INT] = { 2, 0 }, [ASN1_BIG] = { 2, 0 }, [ASN1_OID] = { 6, 0 },
	[ASN1_OCTETS] = { 4, 0 }, [ASN1_BITS] = { 3, 0 },
	[ASN1_RAW] = { 0, 0 }, [ASN1_STRUCT] = { 16, 1 },
	[ASN1_SLICE] = { 16, 1 },
};

/* setDefaultValue: an optional field may be absent. */
static int
absent(const struct asn1_field *f, struct asn1_value **ret)
{
	if ((f->flags & ASN1_OPTIONAL) == 0)
		return (0);
	(*ret)->i = f->preset;
	*ret += values_of(f);
	return (1);
}

/* Where Go prints the address of the tag, there is one here too. */
static int
mismatch(const struct asn1_field *f, uint32_t want, const struct head *h,
    size_t at, struct err *err)
{
	return (err_set(err, ERR_INVALID, "asn1: structure error: tags don't "
	    "match (%" PRIu32 " vs {class:%d tag:%" PRIu32 " length:%zu "
	    "isCompound:%s}) {optional:false explicit:%s application:false "
	    "private:false defaultValue:<nil> tag:%s stringType:0 timeType:0 "
	    "set:%s omitEmpty:false} %s @%zu", want, h->class, h->tag, h->len,
	    h->compound ? "true" : "false", f->flags & ASN1_EXPLICIT ?
	    "true" : "false", f->flags & (ASN1_EXPLICIT | ASN1_TAGGED) ?
	    "0xc000012090" : "<nil>", f->flags & ASN1_IS_SET ? "true" :
	    "false", type_name(f), at));
}

/* 1: go on with ${h}; 0: the field is absent. */
static int
open_explicit(struct der s, size_t *at, const struct asn1_field *f,
    struct head *h, struct asn1_value **ret, struct err *err)
{
	if (*at == s.n)
		return (structure("explicit tag has no child", err));
	if (h->class != CONTEXT || h->tag != (uint32_t)f->tag ||
	    (h->len > 0 && !h->compound))
		return (absent(f, ret) ? 0 :
		    structure("explicitly tagged member didn't match", err));
	if (f->kind == ASN1_RAW)
		return (1);
	if (h->len == 0)
		return (structure("zero length explicit tag was not an "
		    "asn1.Flag", err));
	return (read_head(s, at, h, err) == -1 ? -1 : 1);
}

static int
matches(const struct asn1_field *f, const struct head *h, uint32_t *want)
{
	int tagged = (f->flags & (ASN1_TAGGED | ASN1_EXPLICIT)) == ASN1_TAGGED;

	*want = tagged ? (uint32_t)f->tag : f->flags & ASN1_IS_SET ? 17 :
	    universal[f->kind].tag;
	if (f->kind == ASN1_RAW && !tagged)
		return (1);
	return (h->class == (tagged ? CONTEXT : UNIVERSAL) &&
	    h->tag == *want && (f->kind == ASN1_RAW ||
	    h->compound == universal[f->kind].compound));
}

static int
read_struct(struct der s, const struct asn1_struct *type,
    struct asn1_value **ret, struct err *err)
{
	size_t i, at = 0;

	for (i = 0; i < type->n; i++)
		if (read_field(s, &at, &type->fields[i], ret, err) == -1)
			return (-1);
	return (0);
}

/* parseSequenceOf: the headers of all first. */
static int
check_slice(struct der s, const struct asn1_struct *type, struct err *err)
{
	const struct asn1_field elem = { .kind = ASN1_STRUCT, .type = type };
	struct asn1_value scratch[ASN1_VALUES_MAX], *into;
	struct head h;
	size_t at = 0;

	while (at < s.n) {
		if (read_head(s, &at, &h, err) == -1)
			return (-1);
		if (h.class != UNIVERSAL || !h.compound || h.tag != 16)
			return (structure("sequence tag mismatch", err));
		if (h.len > s.n - at)
			return (syntax("truncated sequence", err));
		at += h.len;
	}
	for (at = 0; at < s.n;) {
		into = scratch;
		if (read_field(s, &at, &elem, &into, err) == -1)
			return (-1);
	}
	return (0);
}

static int
read_content(const struct asn1_field *f, struct der s,
    struct asn1_value **ret, struct err *err)
{
	struct asn1_value *v = *ret;

	if (f->kind == ASN1_STRUCT)
		return (read_struct(s, f->type, ret, err));
	v->bytes = s;
	(*ret)++;
	switch (f->kind) {
	case ASN1_INT:
		return (read_int(s, &v->i, err));
	case ASN1_BIG:
		return (check_integer(s, err));
	case ASN1_OID:
		return (check_oid(s, err));
	case ASN1_BITS:
		return (check_bits(s, err));
	case ASN1_SLICE:
		return (check_slice(s, f->type, err));
	default:
		return (0);
	}
}

/* parseField */
static int
read_field(struct der s, size_t *at, const struct asn1_field *f,
    struct asn1_value **ret, struct err *err)
{
	size_t start = *at;
	uint32_t want;
	struct head h;
	int rc;

	if (*at == s.n)
		return (absent(f, ret) ? 0 : syntax("sequence truncated",
		    err));
	if (read_head(s, at, &h, err) == -1)
		return (-1);
	if (f->flags & ASN1_EXPLICIT) {
		rc = open_explicit(s, at, f, &h, ret, err);
		if (rc == 0)
			*at = start;
		if (rc != 1)
			return (rc);
	}
	if (!matches(f, &h, &want)) {
		if (!absent(f, ret))
			return (mismatch(f, want, &h, *at, err));
		*at = start;
		return (0);
	}
	if (h.len > s.n - *at)
		return (syntax("data truncated", err));
	*at += h.len;
	(*ret)->tag = h.tag;
	(*ret)->whole = (struct der){ s.p + start, *at - start };
	return (read_content(f, (struct der){ s.p + *at - h.len, h.len }, ret,
	    err));
}

int
asn1_read(struct der *s, const struct asn1_field *field,
    struct asn1_value *ret, struct err *err)
{
	size_t at = 0;

	memset(ret, 0, values_of(field) * sizeof(*ret));
	if (read_field(*s, &at, field, &ret, err) == -1)
		return (-1);
	s->p += at;
	s->n -= at;
	return (0);
}
