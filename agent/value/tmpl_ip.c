/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "value/gostr.h"
#include "value/tmpl_ip.h"

/* parseAddrError: ${at} without a p: not said where. */
static int
fail(struct text in, const char *what, struct text at, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);

	buf_adds(&text, "ParseAddr(");
	gostr_quote(in.p, in.n, &text);
	buf_adds(&text, "): ");
	buf_adds(&text, what);
	if (at.n > 0) {
		buf_adds(&text, " (at ");
		gostr_quote(at.p, at.n, &text);
		buf_addc(&text, ')');
	}
	return (err_set(err, ERR_INVALID, "%s", text.data));
}

static const struct text nowhere = { NULL, 0 };

static int
parse4(struct text in, struct text s, uint8_t *fields, struct err *err)
{
	size_t i, digits = 0;
	int value = 0, pos = 0;

	for (i = 0; i < s.n; i++) {
		struct text at = { s.p + i, s.n - i };

		if (s.p[i] >= '0' && s.p[i] <= '9') {
			if (digits == 1 && value == 0)
				return (fail(in, "IPv4 field has octet with "
				    "leading zero", nowhere, err));
			value = value * 10 + (s.p[i] - '0');
			digits++;
			if (value > 255)
				return (fail(in, "IPv4 field has value >255",
				    nowhere, err));
			continue;
		}
		if (s.p[i] != '.')
			return (fail(in, "unexpected character", at, err));
		if (i == 0 || i == s.n - 1 || s.p[i - 1] == '.')
			return (fail(in, "IPv4 field must have at least one "
			    "digit", at, err));
		if (pos == 3)
			return (fail(in, "IPv4 address too long", nowhere,
			    err));
		fields[pos++] = (uint8_t)value;
		value = 0;
		digits = 0;
	}
	if (pos < 3)
		return (fail(in, "IPv4 address too short", nowhere, err));
	fields[3] = (uint8_t)value;
	return (0);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	c |= 0x20;
	return (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
}

/* One group of hexadecimal digits: its length, or -1. */
static int
group(struct text in, struct text s, uint32_t *value, struct err *err)
{
	size_t n;

	for (n = 0, *value = 0; n < s.n && hex_digit(s.p[n]) >= 0; n++) {
		*value = *value << 4 | (uint32_t)hex_digit(s.p[n]);
		if (n > 3)
			return (fail(in, "each group must have 4 or less "
			    "digits", s, err));
	}
	if (n == 0)
		return (fail(in, "each colon-separated field must have at "
		    "least one digit", s, err));
	return ((int)n);
}

static int
trailing4(struct text in, struct text s, int at, int ellipsis,
    uint8_t *bytes, struct err *err)
{
	if (ellipsis < 0 && at != 12)
		return (fail(in, "embedded IPv4 address must replace the final"
		    " 2 fields of the address", s, err));
	if (at + 4 > 16)
		return (fail(in, "too many hex fields to fit an embedded IPv4 "
		    "at the end of the address", s, err));
	return (parse4(in, s, bytes + at, err));
}

/* What follows a group: the end, a colon, or the ellipsis. */
static int
between(struct text in, struct text *s, int at, int *ellipsis,
    struct err *err)
{
	if (s->p[0] != ':')
		return (fail(in, "unexpected character, want colon", *s,
		    err));
	if (s->n == 1)
		return (fail(in, "colon must be followed by more characters",
		    *s, err));
	s->p++;
	s->n--;
	if (s->p[0] != ':')
		return (0);
	if (*ellipsis >= 0)
		return (fail(in, "multiple :: in address", *s, err));
	*ellipsis = at;
	s->p++;
	s->n--;
	return (0);
}

static int
groups(struct text in, struct text s, int ellipsis, uint8_t *bytes,
    struct err *err)
{
	uint32_t value;
	int i = 0, n;

	while (i < 16) {
		if ((n = group(in, s, &value, err)) == -1)
			return (-1);
		if ((size_t)n < s.n && s.p[n] == '.') {
			if (trailing4(in, s, i, ellipsis, bytes, err) == -1)
				return (-1);
			s.n = 0;
			i += 4;
			break;
		}
		bytes[i++] = (uint8_t)(value >> 8);
		bytes[i++] = (uint8_t)value;
		s.p += n;
		s.n -= (size_t)n;
		if (s.n == 0)
			break;
		if (between(in, &s, i, &ellipsis, err) == -1)
			return (-1);
		if (s.n == 0)
			break;
	}
	if (s.n > 0)
		return (fail(in, "trailing garbage after address", s, err));
	if (i == 16)
		return (ellipsis < 0 ? 0 : fail(in, "the :: must expand to at "
		    "least one field of zeros", nowhere, err));
	if (ellipsis < 0)
		return (fail(in, "address string too short", nowhere, err));
	memmove(bytes + ellipsis + 16 - i, bytes + ellipsis,
	    (size_t)(i - ellipsis));
	memset(bytes + ellipsis, 0, (size_t)(16 - i));
	return (0);
}

static int
parse6(struct text in, struct ip *ret, struct err *err)
{
	const char *percent = memchr(in.p, '%', in.n);
	struct text s = in;

	if (percent != NULL) {
		s.n = (size_t)(percent - in.p);
		ret->has_zone = 1;
		if (s.n + 1 == in.n)
			return (fail(in, "zone must be a non-empty string",
			    nowhere, err));
	}
	if (s.n < 2 || s.p[0] != ':' || s.p[1] != ':')
		return (groups(in, s, -1, ret->bytes, err));
	s.p += 2;
	s.n -= 2;
	return (s.n == 0 ? 0 : groups(in, s, 0, ret->bytes, err));
}

int
ip_parse(struct text s, struct ip *ret, struct err *err)
{
	size_t i;

	*ret = (struct ip){ .is4 = 0 };
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '.') {
			ret->is4 = 1;
			return (parse4(s, s, ret->bytes, err));
		}
		if (s.p[i] == ':')
			return (parse6(s, ret, err));
		if (s.p[i] == '%')
			return (fail(s, "missing IPv6 address", nowhere,
			    err));
	}
	return (fail(s, "unable to parse IP", nowhere, err));
}

/* --- printing ----------------------------------------------------------- */

static unsigned int
word_at(const uint8_t *p, size_t i)
{
	return ((unsigned int)p[2 * i] << 8 | p[2 * i + 1]);
}

/* The longest run of zero groups, two at least; the first of equals. */
static size_t
zeros(const uint8_t *p, size_t *ret_len)
{
	size_t i, j, at = 8;

	for (i = 0, *ret_len = 1; i < 8; i++) {
		for (j = i; j < 8 && word_at(p, j) == 0; j++)
			;
		if (j - i > *ret_len) {
			at = i;
			*ret_len = j - i;
		}
	}
	return (at);
}

void
ip_print(const uint8_t *p, size_t n, struct buf *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t i, run, at;

	if (n == 16 && memcmp(p, mapped, sizeof(mapped)) == 0) {
		p += 12;
		n = 4;
	}
	if (n == 4) {
		buf_addf(out, "%d.%d.%d.%d", p[0], p[1], p[2], p[3]);
		return;
	}
	at = zeros(p, &run);
	for (i = 0; i < 8; i++) {
		if (i == at) {
			buf_adds(out, "::");
			i += run;
			if (i >= 8)
				break;
		} else if (i > 0) {
			buf_addc(out, ':');
		}
		buf_addf(out, "%x", word_at(p, i));
	}
}
