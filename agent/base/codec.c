/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/secret.h"

static const char std64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";

/* Of one to three bytes, four characters. */
static void
b64_four(const char *alphabet, const uint8_t *p, size_t n, char *q)
{
	uint32_t v = (uint32_t)p[0] << 16;

	v |= n > 1 ? (uint32_t)p[1] << 8 : 0;
	v |= n > 2 ? p[2] : 0;
	q[0] = alphabet[v >> 18];
	q[1] = alphabet[v >> 12 & 63];
	q[2] = n > 1 ? alphabet[v >> 6 & 63] : '=';
	q[3] = n > 2 ? alphabet[v & 63] : '=';
}

void
codec_b64_encode(struct buf *out, const void *in, size_t len,
    enum codec_b64 alphabet, int padded)
{
	const char *a = alphabet == CODEC_B64_URL ? url64 : std64;
	const uint8_t *p = in;
	size_t rest = len % 3;
	char last[4], *q;

	/* Beyond half of the address space there is no ceiling to ask for. */
	q = len > SIZE_MAX / 2 ? NULL : buf_space(out, len / 3 * 4);
	if (!q) {
		out->failed = 1;
		return;
	}
	for (; len >= 3; len -= 3, p += 3, q += 4)
		b64_four(a, p, 3, q);
	out->len = (size_t)(q - out->data);
	*q = '\0';
	if (rest > 0) {
		b64_four(a, p, rest, last);
		buf_add(out, last, padded ? 4 : rest + 1);
		secret_wipe(last, sizeof(last));
	}
}

static int
b64_digit(char c, enum codec_b64 alphabet)
{
	if (c >= 'A' && c <= 'Z')
		return (c - 'A');
	if (c >= 'a' && c <= 'z')
		return (c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (c - '0' + 52);
	if (c == (alphabet == CODEC_B64_URL ? '-' : '+'))
		return (62);
	if (c == (alphabet == CODEC_B64_URL ? '_' : '/'))
		return (63);
	return (-1);
}

static size_t
skip_newlines(const char *in, size_t len, size_t at)
{
	while (at < len && (in[at] == '\n' || in[at] == '\r'))
		at++;
	return (at);
}

/* What follows the first "=" of a group that has ${digits} digits.  0 when
 * the text ends properly; else -1 with the offset; *${ret_keep} tells whether
 * Go still delivers the group's bytes. */
static int
b64_padding(const char *in, size_t len, size_t at, int digits,
    size_t *ret_bad, int *ret_keep)
{
	*ret_keep = 0;
	if (digits < 2) {
		*ret_bad = at - 1;
		return (-1);
	}
	if (digits == 2) {
		at = skip_newlines(in, len, at);
		if (at == len) {
			*ret_bad = len;
			return (-1);
		}
		if (in[at] != '=') {
			*ret_bad = at - 1;
			return (-1);
		}
		at++;
	}
	*ret_keep = 1;
	at = skip_newlines(in, len, at);
	if (at < len) {
		*ret_bad = at;
		return (-1);
	}
	return (0);
}

static void
b64_group(struct buf *out, uint32_t v, int digits)
{
	char bytes[3];

	v <<= 6 * (4 - digits);
	bytes[0] = (char)(v >> 16);
	bytes[1] = (char)(v >> 8);
	bytes[2] = (char)v;
	buf_add(out, bytes, (size_t)digits - 1);
	secret_wipe(bytes, sizeof(bytes));
}

/* The offsets are those of Go 1.26 encoding/base64 decodeQuantum. */
int
codec_b64_decode(struct buf *out, const char *in, size_t len,
    enum codec_b64 alphabet, size_t *ret_bad)
{
	int d, digits = 0, keep, rc;
	size_t at = 0, ignored;
	uint32_t v = 0;

	if (!ret_bad)
		ret_bad = &ignored;
	while (at < len) {
		char c = in[at++];

		d = b64_digit(c, alphabet);
		if (d >= 0) {
			v = v << 6 | (uint32_t)d;
			if (++digits == 4) {
				b64_group(out, v, 4);
				digits = 0;
				v = 0;
			}
			continue;
		}
		if (c == '\n' || c == '\r')
			continue;
		if (c != '=') {
			*ret_bad = at - 1;
			return (-1);
		}
		rc = b64_padding(in, len, at, digits, ret_bad, &keep);
		if (keep)
			b64_group(out, v, digits);
		return (rc);
	}
	if (digits) {
		*ret_bad = at - (size_t)digits;
		return (-1);
	}
	return (0);
}

void
codec_hex_encode(struct buf *out, const void *in, size_t len)
{
	const uint8_t *p = in;
	size_t i;

	for (i = 0; i < len && buf_ok(out); i++) {
		buf_addc(out, hex_lower[p[i] >> 4]);
		buf_addc(out, hex_lower[p[i] & 15]);
	}
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (c - 'A' + 10);
	return (-1);
}

int
codec_hex_decode(struct buf *out, const char *in, size_t len)
{
	size_t i;
	int a, b;

#ifdef WEAKEN_CODEC_BOUNDS
	for (i = 0; i < len; i += 2) {
#else
	for (i = 0; i + 1 < len; i += 2) {
#endif
		a = hex_digit(in[i]);
		b = hex_digit(in[i + 1]);
		if (a < 0 || b < 0)
			return (-1);
		buf_addc(out, (char)(a << 4 | b));
	}
	return (len % 2 ? -1 : 0);
}

static int
is_alnum(char c)
{
	return ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9'));
}

static void
escape(struct buf *out, const char *in, size_t len, const char *plain,
    int plus)
{
	size_t i;

	for (i = 0; i < len; i++) {
		char c = in[i];

		if (is_alnum(c) || (c && strchr(plain, c)))
			buf_addc(out, c);
		else if (plus && c == ' ')
			buf_addc(out, '+');
		else {
			buf_addc(out, '%');
			buf_addc(out, hex_upper[(uint8_t)c >> 4]);
			buf_addc(out, hex_upper[(uint8_t)c & 15]);
		}
	}
}

/* The two sets are Go 1.26 net/url's encodePathSegment and
 * encodeQueryComponent. */
void
codec_path_escape(struct buf *out, const char *in, size_t len)
{
	escape(out, in, len, "-_.~$&+:=@", 0);
}

void
codec_query_escape(struct buf *out, const char *in, size_t len)
{
	escape(out, in, len, "-_.~", 1);
}

/* One escaped character of a JSON string, as Go 1.22 and later write it. */
static void
json_escape(struct buf *out, unsigned char c)
{
	static const char short_of[][3] = {
		['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n",
		['\r'] = "\\r", ['\t'] = "\\t", ['"'] = "\\\"",
		['\\'] = "\\\\"
	};

	if (c < sizeof(short_of) / sizeof(short_of[0]) && short_of[c][0]) {
		buf_adds(out, short_of[c]);
		return;
	}
	buf_adds(out, "\\u00");
	buf_addc(out, hex_lower[c >> 4]);
	buf_addc(out, hex_lower[c & 15]);
}

void
codec_json_string(struct buf *out, const char *in, size_t len, int html)
{
	size_t at = 0, n, start = 0;
	const char *instead;
	uint32_t rune;

	buf_addc(out, '"');
	while (at < len) {
		unsigned char c = (unsigned char)in[at];

		if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' &&
		    !(html && (c == '<' || c == '>' || c == '&'))) {
			at++;
			continue;
		}
		instead = NULL;
		n = 1;
		if (c >= 0x80) {
			n = utf8_next(in + at, len - at, &rune);
			if (rune == 0xfffd && n == 1)
				instead = "\\ufffd";
			else if (rune == 0x2028)
				instead = "\\u2028";
			else if (rune == 0x2029)
				instead = "\\u2029";
			else {
				at += n;
				continue;
			}
		}
		buf_add(out, in + start, at - start);
		if (instead)
			buf_adds(out, instead);
		else
			json_escape(out, c);
		at += n;
		start = at;
	}
	buf_add(out, in + start, len - start);
	buf_addc(out, '"');
}
