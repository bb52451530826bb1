/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"

#define TOP (UINT64_C(1) << 63)

static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 },	/* U+00B5, micro */
	{ "\xce\xbcs", 1000 },	/* U+03BC, mu */
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60 * UINT64_C(1000000000) },
	{ "h", 3600 * UINT64_C(1000000000) },
};

static int
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

/* Go's time.quote: not strconv.Quote. */
static void
quote(struct buf *out, const char *s, size_t len)
{
	size_t i;

	buf_addc(out, '"');
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x80 || c < ' ')
			buf_addf(out, "\\x%02x", c);
		else {
			if (c == '"' || c == '\\')
				buf_addc(out, '\\');
			buf_addc(out, (char)c);
		}
	}
	buf_addc(out, '"');
}

/* A duration longer than this is cut in the message: the text is a user's. */
#define QUOTE_MAX 1024

static int
fail(struct err *err, const char *what, const char *unit, size_t unit_len,
    const char *orig)
{
	cleanup_buf struct buf b = BUF_PLAIN(16 * QUOTE_MAX);

	buf_adds(&b, what);
	if (unit) {
		buf_addc(&b, ' ');
		quote(&b, unit, unit_len < QUOTE_MAX ? unit_len : QUOTE_MAX);
		buf_adds(&b, " in duration");
	}
	buf_addc(&b, ' ');
	quote(&b, orig, strnlen(orig, QUOTE_MAX));
	return (err_set(err, ERR_INVALID, "time: %s", buf_str(&b)));
}

/* Go's leadingInt: -1 on overflow of 2^63. */
static int
leading_int(const char **s, uint64_t *ret)
{
	uint64_t x = 0;

	for (; is_digit(**s); (*s)++) {
		if (x > TOP / 10)
			return (-1);
		x = x * 10 + (uint64_t)(**s - '0');
		if (x > TOP)
			return (-1);
	}
	*ret = x;
	return (0);
}

/* Go's leadingFraction: digits beyond what fits are dropped. */
static void
leading_fraction(const char **s, uint64_t *ret, double *ret_scale)
{
	int overflow = 0;
	uint64_t x = 0, y;
	double scale = 1;

	for (; is_digit(**s); (*s)++) {
		if (overflow)
			continue;
		if (x > (TOP - 1) / 10) {
			overflow = 1;
			continue;
		}
		y = x * 10 + (uint64_t)(**s - '0');
		if (y > TOP) {
			overflow = 1;
			continue;
		}
		x = y;
		scale *= 10;
	}
	*ret = x;
	*ret_scale = scale;
}

static const struct unit *
find_unit(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(units); i++)
		if (strlen(units[i].name) == len &&
		    memcmp(units[i].name, s, len) == 0)
			return (&units[i]);
	return (NULL);
}

/* One "1.5h" of the sum. */
static int
parse_term(const char **s, const char *orig, uint64_t *ret_ns,
    struct err *err)
{
	uint64_t v = 0, f = 0;
	const struct unit *unit;
	const char *start = *s;
	double scale = 1;
	size_t n;
	int any;

	if (leading_int(s, &v) == -1)
		return (fail(err, "invalid duration", NULL, 0, orig));
	any = *s != start;
	if (**s == '.') {
		start = ++*s;
		leading_fraction(s, &f, &scale);
		any |= *s != start;
	}
	if (!any)
		return (fail(err, "invalid duration", NULL, 0, orig));
	for (n = 0; (*s)[n] && (*s)[n] != '.' && !is_digit((*s)[n]); n++)
		continue;
	if (n == 0)
		return (fail(err, "missing unit in duration", NULL, 0, orig));
	unit = find_unit(*s, n);
	if (!unit)
		return (fail(err, "unknown unit", *s, n, orig));
	*s += n;
	if (v > TOP / unit->ns)
		return (fail(err, "invalid duration", NULL, 0, orig));
	v *= unit->ns;
	v += (uint64_t)((double)f * ((double)unit->ns / scale));
	if (v > TOP)
		return (fail(err, "invalid duration", NULL, 0, orig));
	*ret_ns = v;
	return (0);
}

int
duration_parse(const char *s, int64_t *ret_ms, struct err *err)
{
	const char *orig = s;
	uint64_t sum = 0, ns = 0;
	int negative;

	negative = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	if (*s == '\0')
		return (fail(err, "invalid duration", NULL, 0, orig));
	if (strcmp(s, "0") == 0)
		s++;
	while (*s) {
		if (parse_term(&s, orig, &ns, err) == -1)
			return (-1);
		sum += ns;
		if (sum > TOP)
			return (fail(err, "invalid duration", NULL, 0, orig));
	}
	if (sum == TOP && !negative)
		return (fail(err, "invalid duration", NULL, 0, orig));
	*ret_ms = (int64_t)(sum / 1000000) * (negative ? -1 : 1);
	return (0);
}

void
duration_print(struct buf *out, int64_t ms)
{
	uint64_t u = ms < 0 ? -(uint64_t)ms : (uint64_t)ms, sec;
	char frac[8] = "";
	int n;

	if (ms < 0)
		buf_addc(out, '-');
	if (u == 0) {
		buf_adds(out, "0s");
		return;
	}
	if (u < 1000) {
		buf_addf(out, "%dms", (int)u);
		return;
	}
	sec = u / 1000;
	if (u % 1000) {
		n = snprintf(frac, sizeof(frac), ".%03d", (int)(u % 1000));
		while (frac[n - 1] == '0')
			frac[--n] = '\0';
	}
	if (sec >= 3600)
		buf_addf(out, "%lluh", (unsigned long long)(sec / 3600));
	if (sec >= 60)
		buf_addf(out, "%dm", (int)(sec / 60 % 60));
	buf_addf(out, "%d%ss", (int)(sec % 60), frac);
}
