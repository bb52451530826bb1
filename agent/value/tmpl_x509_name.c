/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/tmpl_x509.h"

/* Distinguished names: crypto/x509's parseName and crypto/x509/pkix's
 * Name.String(). */

enum { NUMERIC = 0x12, PRINTABLE = 0x13, T61 = 0x14, IA5 = 0x16, BMP = 0x1e };

static uint32_t
unit(struct der s, size_t i)
{
	return ((uint32_t)(s.p[i] << 8 | s.p[i + 1]));
}

/* UCS-2 without what UTF-16 keeps for itself; a final NUL goes. */
static int
valid_bmp(struct der s)
{
	size_t i;

	if (s.n % 2 != 0)
		return (0);
	if (s.n >= 2 && unit(s, s.n - 2) == 0)
		s.n -= 2;
	for (i = 0; i < s.n; i += 2)
		if (unit(s, i) >= 0xfffe ||
		    (unit(s, i) >= 0xfdd0 && unit(s, i) <= 0xfdef) ||
		    (unit(s, i) >= 0xd800 && unit(s, i) <= 0xdfff))
			return (0);
	return (1);
}

static int
is_printable(uint8_t c, const char *also)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' &&
	    strchr(also, c) != NULL));
}

/* What a string must not hold, or NULL. */
static const char *
bad_string(int tag, struct der s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (tag == PRINTABLE && !is_printable(s.p[i],
		    " '()+,-./:=?*&"))
			return ("invalid PrintableString");
		if (tag == IA5 && s.p[i] >= 0x80)
			return ("invalid IA5String");
		if (tag == NUMERIC && (s.p[i] < '0' || s.p[i] > '9') &&
		    s.p[i] != ' ')
			return ("invalid NumericString");
	}
	if (tag == DER_UTF8 && !utf8_valid((const char *)s.p, s.n))
		return ("invalid UTF-8 string");
	return (tag == BMP && !valid_bmp(s) ? "invalid BMPString" : NULL);
}

struct attribute {
	struct der oid, value;
	int tag;
};

static int
read_attribute(struct der s, struct attribute *ret, struct err *err)
{
	static const char known[] = { DER_UTF8, NUMERIC, PRINTABLE, T61, IA5,
		BMP, '\0' };
	const char *why;

	if (x509_read_oid(&s, &ret->oid) == -1)
		return (x509_bad("invalid RDNSequence: invalid attribute type",
		    err));
	ret->tag = s.n > 0 ? s.p[0] : 0;
	if (der_read(&s, DER_ANY, &ret->value, NULL) == -1)
		return (x509_bad("invalid RDNSequence: invalid attribute "
		    "value", err));
	if (ret->tag == 0 || strchr(known, ret->tag) == NULL)
		return (err_set(err, ERR_INVALID, "x509: invalid RDNSequence: "
		    "invalid attribute value: unsupported string type: %d",
		    ret->tag));
	if ((why = bad_string(ret->tag, ret->value)) != NULL)
		return (err_set(err, ERR_INVALID, "x509: invalid RDNSequence: "
		    "invalid attribute value: %s", why));
	return (0);
}

int
x509_name(struct der name, struct err *err)
{
	struct attribute a;
	struct der set, one;

	while (name.n > 0) {
		if (der_read(&name, DER_SET, &set, NULL) == -1)
			return (x509_bad("invalid RDNSequence", err));
		while (set.n > 0) {
			if (der_read(&set, DER_SEQUENCE, &one, NULL) == -1)
				return (x509_bad("invalid RDNSequence: "
				    "invalid attribute", err));
			if (read_attribute(one, &a, err) == -1)
				return (-1);
		}
	}
	return (0);
}

/* --- printing ----------------------------------------------------------- */

/* All attributes of a name that was checked, across its sets. */
struct walk {
	struct der name, set;
};

static int
next_attribute(struct walk *w, struct attribute *ret)
{
	struct der one;

	while (w->set.n == 0) {
		if (der_read(&w->name, DER_SET, &w->set, NULL) == -1)
			return (0);
	}
	return (der_read(&w->set, DER_SEQUENCE, &one, NULL) == 0 &&
	    read_attribute(one, ret, NULL) == 0);
}

/* As UTF-8. */
static void
add_value(const struct attribute *a, struct buf *out)
{
	struct der s = a->value;
	size_t i;

	if (a->tag == BMP && s.n >= 2 && unit(s, s.n - 2) == 0)
		s.n -= 2;
	if (a->tag == BMP)
		for (i = 0; i < s.n; i += 2)
			utf8_add(out, unit(s, i));
	else if (a->tag == T61)
		for (i = 0; i < s.n; i++)
			utf8_add(out, s.p[i]);
	else
		buf_add(out, s.p, s.n);
}

static void
add_escaped(const struct attribute *a, struct buf *out)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);
	size_t i;

	add_value(a, &text);
	for (i = 0; i < text.len; i++) {
		char c = text.data[i];

		if ((c != '\0' && strchr(",+\"\\<>;", c) != NULL) ||
		    (c == ' ' && (i == 0 || i == text.len - 1)) ||
		    (c == '#' && i == 0))
			buf_addc(out, '\\');
		buf_addc(out, c);
	}
}

/* An attribute without a name of its own: "1.2.3=#" and asn1.Marshal. */
static void
add_other(const struct attribute *a, struct buf *out)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);
	cleanup_buf struct buf der = BUF_SECRET(SIZE_MAX);
	int tag = PRINTABLE;
	size_t i;

	add_value(a, &text);
	for (i = 0; i < text.len; i++)
		if (!is_printable((uint8_t)text.data[i], " '()+,-./:=?"))
			tag = DER_UTF8;
	der_add(&der, tag, buf_str(&text), text.len);
	der_print_oid(a->oid, out);
	buf_adds(out, "=#");
	codec_hex_encode(out, der.data, der.len);
}

/* The fields of pkix.Name, last of ToRDNSequence first. */
static const struct {
	const char *name;
	uint8_t arc;			/* 2.5.4.N */
	int single;			/* the last one counts */
} fields[] = {
	{ "SERIALNUMBER", 5, 1 }, { "CN", 3, 1 }, { "OU", 11, 0 },
	{ "O", 10, 0 }, { "POSTALCODE", 17, 0 }, { "STREET", 9, 0 },
	{ "L", 7, 0 }, { "ST", 8, 0 }, { "C", 6, 0 },
};

static int
is_field(const struct attribute *a, size_t i)
{
	return (a->oid.n == 3 && a->oid.p[0] == 0x55 && a->oid.p[1] == 4 &&
	    a->oid.p[2] == fields[i].arc);
}

static void
add_single(struct der name, size_t i, struct buf *out)
{
	struct walk w = { name, { NULL, 0 } };
	struct attribute a, last = { .tag = 0 };

	while (next_attribute(&w, &a))
		if (is_field(&a, i))
			last = a;
	if (last.tag == 0 || last.value.n == 0 || (last.tag == BMP &&
	    last.value.n == 2 && unit(last.value, 0) == 0))
		return;
	if (out->len > 0)
		buf_addc(out, ',');
	buf_adds(out, fields[i].name);
	buf_addc(out, '=');
	add_escaped(&last, out);
}

static void
add_list(struct der name, size_t i, struct buf *out)
{
	struct walk w = { name, { NULL, 0 } };
	struct attribute a;
	int first = 1;

	while (next_attribute(&w, &a)) {
		if (!is_field(&a, i))
			continue;
		if (!first)
			buf_addc(out, '+');
		else if (out->len > 0)
			buf_addc(out, ',');
		first = 0;
		buf_adds(out, fields[i].name);
		buf_addc(out, '=');
		add_escaped(&a, out);
	}
}

static int
is_other(const struct attribute *a)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(fields); i++)
		if (is_field(a, i))
			return (0);
	return (1);
}

/* The others, the last one first. */
static void
add_others(struct der name, struct buf *out)
{
	struct walk w = { name, { NULL, 0 } };
	cleanup_free struct attribute *v = NULL;
	struct attribute a;
	size_t n = 0;

	while (next_attribute(&w, &a))
		n += is_other(&a) != 0;
	v = mem_array(n, sizeof(*v));
	w = (struct walk){ name, { NULL, 0 } };
	for (n = 0; next_attribute(&w, &a);)
		if (is_other(&a))
			v[n++] = a;
	while (n-- > 0) {
		if (out->len > 0)
			buf_addc(out, ',');
		add_other(&v[n], out);
	}
}

void
x509_subject(const struct x509 *x, struct buf *out)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);
	size_t i;

	for (i = 0; i < ARRAY_LEN(fields); i++) {
		if (fields[i].single)
			add_single(x->subject, i, &text);
		else
			add_list(x->subject, i, &text);
	}
	add_others(x->subject, &text);
	buf_add(out, buf_str(&text), text.len);
}
