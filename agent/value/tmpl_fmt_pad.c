/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/secret.h"
#include "value/gostr.h"
#include "value/tmpl_fmt.h"

/* src/fmt/format.go of Go 1.26: flags, width and precision. */

#define RUNE_MAX 0x10ffff

void
fmt_clear_flags(struct fmt *f)
{
	f->wid_present = f->prec_present = f->minus = f->plus = 0;
	f->sharp = f->space = f->zero = f->plus_v = f->sharp_v = 0;
	f->wid = f->prec = 0;
}

static int
rune_count(const char *s, size_t n)
{
	uint32_t rune;
	size_t at;
	int count = 0;

	for (at = 0; at < n && count <= 1000000; count++)
		at += utf8_next(s + at, n - at, &rune);
	return (count);
}

void
fmt_padding(struct fmt *f, int n)
{
	char *at;

	if (n <= 0 || (at = buf_space(f->out, (size_t)n)) == NULL)
		return;
	memset(at, f->zero && !f->minus ? '0' : ' ', (size_t)n);
	at[n] = '\0';
	f->out->len += (size_t)n;
}

void
fmt_pad(struct fmt *f, const char *s, size_t n)
{
	int width;

	if (!f->wid_present || f->wid == 0) {
		buf_add(f->out, s, n);
		return;
	}
	width = f->wid - rune_count(s, n);
	if (!f->minus)
		fmt_padding(f, width);
	buf_add(f->out, s, n);
	if (f->minus)
		fmt_padding(f, width);
}

void
fmt_pads(struct fmt *f, const char *s)
{
	fmt_pad(f, s, strlen(s));
}

/* A number's own zeros are not the padding's. */
static void
pad_without_zero(struct fmt *f, const char *s, size_t n)
{
	uint8_t zero = f->zero;

	f->zero = 0;
	fmt_pad(f, s, n);
	f->zero = zero;
}

/* --- integers ------------------------------------------------------------- */

/* The digits of u, to the left of ${end}; how many. */
static int
digits_of(uint64_t u, unsigned base, int upper, char *end)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0;

	do {
		*--end = set[u % base];
		u /= base;
		n++;
	} while (u != 0);
	return (n);
}

static void
add_prefix(const struct fmt *f, unsigned base, uint32_t verb, int upper,
    int leading_zero, struct buf *num)
{
	if (verb == 'O')
		buf_adds(num, "0o");
	if (!f->sharp)
		return;
	if (base == 2)
		buf_adds(num, "0b");
	else if (base == 16)
		buf_adds(num, upper ? "0X" : "0x");
	else if (base == 8 && !leading_zero)
		buf_addc(num, '0');
}

void
fmt_integer(struct fmt *f, uint64_t u, unsigned base, int is_signed,
    uint32_t verb, int upper)
{
	int negative = is_signed && (int64_t)u < 0, prec = 0, n, i;
	cleanup_buf struct buf num = BUF_SECRET(1u << 22);
	char text[64];

	if (negative)
		u = 0 - u;
	if (base == 10 && !f->wid_present && !f->prec_present && !f->plus &&
	    !f->space) {
		n = digits_of(u, base, 0, text + sizeof(text));
		if (negative)
			text[sizeof(text) - (size_t)++n] = '-';
		buf_add(f->out, text + sizeof(text) - n, (size_t)n);
		return;
	}
	if (f->prec_present) {
		prec = f->prec;
		if (prec == 0 && u == 0) {
			uint8_t zero = f->zero;

			f->zero = 0;
			fmt_padding(f, f->wid);
			f->zero = zero;
			return;
		}
	} else if (f->zero && !f->minus && f->wid_present) {
		prec = f->wid;
		if (negative || f->plus || f->space)
			prec--;
	}
	n = digits_of(u, base, upper, text + sizeof(text));
	if (negative)
		buf_addc(&num, '-');
	else if (f->plus)
		buf_addc(&num, '+');
	else if (f->space)
		buf_addc(&num, ' ');
	add_prefix(f, base, verb, upper, n < prec ||
	    text[sizeof(text) - (size_t)n] == '0', &num);
	for (i = n; i < prec; i++)
		buf_addc(&num, '0');
	buf_add(&num, text + sizeof(text) - n, (size_t)n);
	pad_without_zero(f, num.data, num.len);
}

void
fmt_unicode(struct fmt *f, uint64_t u)
{
	cleanup_buf struct buf num = BUF_SECRET(1u << 22);
	char text[64];
	int prec = 4, n, i;

	if (f->prec_present && f->prec > 4)
		prec = f->prec;
	n = digits_of(u, 16, 1, text + sizeof(text));
	buf_adds(&num, "U+");
	for (i = n; i < prec; i++)
		buf_addc(&num, '0');
	buf_add(&num, text + sizeof(text) - n, (size_t)n);
	if (f->sharp && u <= RUNE_MAX && gostr_is_print((uint32_t)u)) {
		buf_adds(&num, " '");
		utf8_add(&num, (uint32_t)u);
		buf_addc(&num, '\'');
	}
	pad_without_zero(f, num.data, num.len);
}

/* --- text ----------------------------------------------------------------- */

static size_t
truncated(const struct fmt *f, const char *s, size_t n)
{
	uint32_t rune;
	size_t at = 0;
	int left = f->prec;

	if (!f->prec_present)
		return (n);
	while (at < n && left-- > 0)
		at += utf8_next(s + at, n - at, &rune);
	return (at);
}

void
fmt_string(struct fmt *f, const char *s, size_t n)
{
	fmt_pad(f, s, truncated(f, s, n));
}

void
fmt_hex(struct fmt *f, const char *s, size_t n, int upper)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	size_t i, width;

	if (f->prec_present && (size_t)f->prec < n)
		n = (size_t)f->prec;
	if (n == 0) {
		if (f->wid_present)
			fmt_padding(f, f->wid);
		return;
	}
	width = 2 * n;
	if (f->space)
		width = (f->sharp ? 2 * width : width) + n - 1;
	else if (f->sharp)
		width += 2;
	if (f->wid_present && (size_t)f->wid > width && !f->minus)
		fmt_padding(f, f->wid - (int)width);
	for (i = 0; i < n; i++) {
		if (f->space && i > 0)
			buf_addc(f->out, ' ');
		if (f->sharp && (f->space || i == 0))
			buf_adds(f->out, upper ? "0X" : "0x");
		buf_addc(f->out, set[(unsigned char)s[i] >> 4]);
		buf_addc(f->out, set[(unsigned char)s[i] & 15]);
	}
	if (f->wid_present && (size_t)f->wid > width && f->minus)
		fmt_padding(f, f->wid - (int)width);
}

/* strconv.CanBackquote */
static int
can_backquote(const char *s, size_t n)
{
	uint32_t rune;
	size_t at = 0, wid;

	while (at < n) {
		wid = utf8_next(s + at, n - at, &rune);
		at += wid;
		if (wid > 1) {
			if (rune == 0xfeff)
				return (0);
			continue;
		}
		if (rune == 0xfffd || (rune < ' ' && rune != '\t') ||
		    rune == '`' || rune == 0x7f)
			return (0);
	}
	return (1);
}

static void
rune_ascii(uint32_t rune, char quote, struct buf *out)
{
	if (rune < 0x80)
		gostr_rune(rune, quote, out);
	else if (rune < 0x10000)
		buf_addf(out, "\\u%04x", rune);
	else
		buf_addf(out, "\\U%08x", rune);
}

/* strconv.QuoteToASCII */
static void
quote_ascii(const char *s, size_t n, struct buf *out)
{
	uint32_t rune;
	size_t at = 0, wid;

	buf_addc(out, '"');
	for (; at < n; at += wid) {
		wid = utf8_next(s + at, n - at, &rune);
		if (wid == 1 && rune == 0xfffd)
			buf_addf(out, "\\x%02x", (unsigned char)s[at]);
		else
			rune_ascii(rune, '"', out);
	}
	buf_addc(out, '"');
}

void
fmt_quote(struct fmt *f, const char *s, size_t n)
{
	cleanup_buf struct buf text = tmpl_buf(f->run);

	n = truncated(f, s, n);
	if (f->sharp && can_backquote(s, n)) {
		buf_addc(&text, '`');
		buf_add(&text, s, n);
		buf_addc(&text, '`');
	} else if (f->plus) {
		quote_ascii(s, n, &text);
	} else {
		gostr_quote(s, n, &text);
	}
	if (tmpl_check(f->run, &text, f->err) == -1) {
		f->rc = -1;
		return;
	}
	fmt_pad(f, text.data, text.len);
}

void
fmt_char(struct fmt *f, uint64_t c, int quoted)
{
	uint32_t rune = c > RUNE_MAX || (c >= 0xd800 && c <= 0xdfff) ?
	    0xfffd : (uint32_t)c;
	cleanup_buf struct buf text = BUF_SECRET(64);

	if (quoted) {
		buf_addc(&text, '\'');
		if (f->plus)
			rune_ascii(rune, '\'', &text);
		else
			gostr_rune(rune, '\'', &text);
		buf_addc(&text, '\'');
	} else {
		utf8_add(&text, rune);
	}
	fmt_pad(f, text.data, text.len);
}

/* --- floats --------------------------------------------------------------- */

/* '#': a point always, and the zeros that the format leaves out. */
static void
add_sharp(struct buf *num, char verb, int prec)
{
	cleanup_buf struct buf tail = BUF_SECRET(16);
	int digits = 0, point = 0, nonzero = 0;
	size_t i;

	if (strchr("gGx", verb) != NULL)
		digits = prec == -1 ? 6 : prec;
	for (i = 1; i < num->len; i++) {
		char c = num->data[i];

		if (c == '.') {
			point = 1;
			continue;
		}
		if (c == 'p' || c == 'P' || ((c == 'e' || c == 'E') &&
		    verb != 'x' && verb != 'X')) {
			buf_adds(&tail, num->data + i);
			buf_cut(num, i);
			break;
		}
		nonzero |= c != '0';
		if (nonzero)
			digits--;
	}
	if (!point) {
		if (num->len == 2 && num->data[1] == '0')
			digits--;
		buf_addc(num, '.');
	}
	while (digits-- > 0)
		buf_addc(num, '0');
	buf_add(num, buf_str(&tail), tail.len);
}

void
fmt_float(struct fmt *f, double v, char verb, int prec)
{
	cleanup_buf struct buf num = BUF_SECRET(1u << 22);
	char sign;

	if (f->prec_present)
		prec = f->prec;
	/* num[0] is the sign, always. */
	buf_addc(&num, '+');
	tmpl_float(v, verb, prec, &num);
	if (num.data[1] == '-' || num.data[1] == '+') {
		num.data[0] = num.data[1];
		memmove(num.data + 1, num.data + 2, num.len - 1);
		num.len--;
	}
	if (f->space && num.data[0] == '+' && !f->plus)
		num.data[0] = ' ';
	if (num.data[1] == 'I' || num.data[1] == 'N') {
		int bare = num.data[1] == 'N' && !f->space && !f->plus;

		/* Go keeps the plus of an infinity here. */
		pad_without_zero(f, num.data + bare, num.len - (size_t)bare);
		return;
	}
	if (f->sharp && verb != 'b')
		add_sharp(&num, verb, prec);
	sign = num.data[0];
	if (!f->plus && sign == '+') {
		fmt_pad(f, num.data + 1, num.len - 1);
	} else if (f->zero && !f->minus && f->wid_present &&
	    (size_t)f->wid > num.len) {
		buf_addc(f->out, sign);
		fmt_padding(f, f->wid - (int)num.len);
		buf_add(f->out, num.data + 1, num.len - 1);
	} else {
		fmt_pad(f, num.data, num.len);
	}
}
