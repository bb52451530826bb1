/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/codec.h"
#include "value/gostr.h"
#include "value/tmpl_text.h"

/* Encodings: sprig's strings.go.  What cannot be decoded gives the text of the
 * error as the result. */

static struct text
arg(const struct tmpl_call *c)
{
	return (text_of(&c->v[0]));
}

static int
give(struct tmpl_call *c, struct buf *out, struct tv *ret, struct err *err)
{
	return (tv_buf(c->run, out, ret, err));
}

static int
corrupt(struct tmpl_call *c, const char *what, size_t at, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	buf_addf(&out, "illegal %s data at input byte %zu", what, at);
	return (give(c, &out, ret, err));
}

static int
fn_b64enc(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	codec_b64_encode(&out, arg(c).p, arg(c).n, CODEC_B64_STD, 1);
	return (give(c, &out, ret, err));
}

static int
fn_b64dec(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	size_t bad;

	if (codec_b64_decode(&out, arg(c).p, arg(c).n, CODEC_B64_STD,
	    &bad) == -1 && buf_ok(&out))
		return (corrupt(c, "base64", bad, ret, err));
	return (give(c, &out, ret, err));
}

/* --- base 32 ------------------------------------------------------------ */

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static int
fn_b32enc(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct text s = arg(c);
	uint64_t group;
	size_t i, take;

	for (; s.n > 0; s.p += take, s.n -= take) {
		take = s.n < 5 ? s.n : 5;
		for (group = 0, i = 0; i < 5; i++)
			group = group << 8 | (i < take ?
			    (unsigned char)s.p[i] : 0u);
		for (i = 0; i < 8; i++)
			buf_addc(&out, i * 5 < take * 8 ?
			    base32[group >> (35 - 5 * i) & 31] : '=');
	}
	return (give(c, &out, ret, err));
}

/* The padding behind ${have} digits: as much as is missing, at least. */
static int
padding32(const char *s, size_t left, size_t total, size_t have, size_t *bad)
{
	size_t k;

	*bad = total;
	if (left + have < 7)
		return (-1);
	for (k = 0; k < 7 - have; k++) {
		*bad = total - left + k - 1;
		if (k < left && s[k] != '=')
			return (-1);
	}
	*bad = total - left - 1;
	return (have == 3 || have == 6 ? -1 : 0);
}

/* encoding/base32's decode of ${s} without line ends. */
static int
decode32(const char *s, size_t n, struct buf *out, size_t *bad)
{
	size_t total = n, have = 8, i;
	uint64_t group;
	const char *digit;

	while (n > 0 && have == 8) {
		for (group = 0, have = 0; have < 8; have++) {
			*bad = total - have;
			if (n == 0)
				return (-1);
			s++;
			n--;
			if (s[-1] == '=' && have >= 2 && n < 8) {
				if (padding32(s, n, total, have, bad) == -1)
					return (-1);
				break;
			}
			*bad = total - n - 1;
			digit = memchr(base32, s[-1], 32);
			if (digit == NULL)
				return (-1);
			group = group << 5 | (uint64_t)(digit - base32);
		}
		group <<= 5 * (8 - have);
		for (i = 0; i < have * 5 / 8; i++)
			buf_addc(out, (char)(group >> (32 - 8 * i)));
	}
	return (0);
}

static int
fn_b32dec(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	cleanup_buf struct buf in = tmpl_buf(c->run);
	struct text s = arg(c);
	size_t i, bad;

	for (i = 0; i < s.n; i++)
		if (s.p[i] != '\r' && s.p[i] != '\n')
			buf_addc(&in, s.p[i]);
	if (buf_finish(&in, "the memory of a template", err) == -1)
		return (-1);
	if (decode32(buf_str(&in), in.len, &out, &bad) == -1)
		return (corrupt(c, "base32", bad, ret, err));
	return (give(c, &out, ret, err));
}

/* --- hexadecimal -------------------------------------------------------- */

static int
hex_value(unsigned char ch)
{
	if (ch >= '0' && ch <= '9')
		return (ch - '0');
	ch |= 0x20;
	return (ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1);
}

/* hex.InvalidByteError: the byte as if it were a rune, %#U. */
static int
bad_hex(struct tmpl_call *c, unsigned char ch, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	buf_addf(&out, "encoding/hex: invalid byte: U+%04X", ch);
	if (gostr_is_print(ch)) {
		buf_adds(&out, " '");
		utf8_add(&out, ch);
		buf_addc(&out, '\'');
	}
	return (give(c, &out, ret, err));
}

static int
fn_hexdec(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct text s = arg(c);
	size_t i;

	for (i = 0; i < s.n; i++) {
		int v = hex_value((unsigned char)s.p[i]);

		/* Of an odd last digit too. */
		if (v < 0)
			return (bad_hex(c, (unsigned char)s.p[i], ret, err));
		if (i % 2 == 1)
			buf_addc(&out, (char)(hex_value(
			    (unsigned char)s.p[i - 1]) << 4 | v));
	}
	if (s.n % 2 == 1) {
		*ret = tv_str("encoding/hex: odd length hex string");
		return (0);
	}
	return (give(c, &out, ret, err));
}

#define S &tt_string

const struct tmpl_func tmpl_funcs_encoding[] = {
	{ "b64enc", fn_b64enc, S, 1, { S }, NULL },
	{ "b64dec", fn_b64dec, S, 1, { S }, NULL },
	{ "b32enc", fn_b32enc, S, 1, { S }, NULL },
	{ "b32dec", fn_b32dec, S, 1, { S }, NULL },
	{ "hexdec", fn_hexdec, S, 1, { S }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
