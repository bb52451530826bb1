/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/secret.h"
#include "value/num.h"

/* What strtod is handed is copied, because it wants a NUL and Go allows
 * underscores; a number longer than this goes through the heap. */
#define SHORT_NUMBER 128

struct scan {
	const char *s;
	size_t len;
	size_t at;
	int hex;
	int underscores;
};

static char
lower(char c)
{
	return (c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
}

static int
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

static int
is_hex(char c)
{
	return (is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'));
}

/* Go allows an underscore between digits and behind a base prefix only. */
static int
underscores_ok(const char *s, size_t len)
{
	char saw = '^';
	size_t i = 0;
	int hex = 0;

	if (len >= 1 && (s[0] == '-' || s[0] == '+')) {
		s++;
		len--;
	}
	if (len >= 2 && s[0] == '0' && (lower(s[1]) == 'b' ||
	    lower(s[1]) == 'o' || lower(s[1]) == 'x')) {
		i = 2;
		saw = '0';
		hex = lower(s[1]) == 'x';
	}
	for (; i < len; i++) {
		if (is_digit(s[i]) || (hex && is_hex(s[i]))) {
			saw = '0';
		} else if (s[i] == '_') {
			if (saw != '0')
				return (0);
			saw = '_';
		} else {
			if (saw == '_')
				return (0);
			saw = '!';
		}
	}
	return (saw != '_');
}

/* The mantissa's digits; 0 when there is none. */
static int
scan_mantissa(struct scan *p)
{
	int dot = 0, digits = 0;

	for (; p->at < p->len; p->at++) {
		char c = p->s[p->at];

		if (c == '_') {
			p->underscores = 1;
		} else if (c == '.') {
			if (dot)
				break;
			dot = 1;
		} else if (is_digit(c) || (p->hex && is_hex(c))) {
			digits = 1;
		} else {
			break;
		}
	}
	return (digits);
}

static int
scan_exponent(struct scan *p)
{
	char want = p->hex ? 'p' : 'e';

	if (p->at >= p->len || lower(p->s[p->at]) != want)
		return (!p->hex);
	p->at++;
	if (p->at < p->len && (p->s[p->at] == '+' || p->s[p->at] == '-'))
		p->at++;
	if (p->at >= p->len || !is_digit(p->s[p->at]))
		return (0);
	for (; p->at < p->len; p->at++) {
		if (p->s[p->at] == '_')
			p->underscores = 1;
		else if (!is_digit(p->s[p->at]))
			break;
	}
	return (1);
}

/* Is the whole of s a number as Go spells it? */
static int
is_number(const char *s, size_t len)
{
	struct scan p = { s, len, 0, 0, 0 };

	if (len && (s[0] == '+' || s[0] == '-'))
		p.at = 1;
	if (p.at + 2 < len && s[p.at] == '0' && lower(s[p.at + 1]) == 'x') {
		p.hex = 1;
		p.at += 2;
	}
	if (!scan_mantissa(&p) || !scan_exponent(&p) || p.at != len)
		return (0);
	return (!p.underscores || underscores_ok(s, len));
}

static int
parse_special(const char *s, size_t len, double *ret)
{
	double sign = 1;

	if (len == 3 && strncasecmp(s, "nan", 3) == 0) {
		*ret = NAN;
		return (1);
	}
	if (len && (s[0] == '+' || s[0] == '-')) {
		sign = s[0] == '-' ? -1 : 1;
		s++;
		len--;
	}
	if ((len == 3 && strncasecmp(s, "inf", 3) == 0) ||
	    (len == 8 && strncasecmp(s, "infinity", 8) == 0)) {
		*ret = sign * INFINITY;
		return (1);
	}
	return (0);
}

int
num_parse(const char *s, size_t len, double *ret)
{
	char small[SHORT_NUMBER], *text = small;
	size_t i, n = 0;

	*ret = 0;
	if (len == 0)
		return (-1);
	if (parse_special(s, len, ret))
		return (0);
	if (!is_number(s, len))
		return (-1);
	if (len >= sizeof(small))
		text = mem_alloc(len + 1);
	for (i = 0; i < len; i++)
		if (s[i] != '_')
			text[n++] = s[i];
	text[n] = '\0';
	*ret = strtod(text, NULL);
	secret_wipe(text, n);
	if (text != small)
		free(text);
	return (isinf(*ret) ? 1 : 0);
}

/* Shortest decimal digits that read back as v (finite, not zero): digits
 * without a dot into digits[], value = 0.DIGITS * 10^(*ret_point). */
#define DIGITS_MAX NUM_DIGITS_MAX
struct digits {
	char d[DIGITS_MAX + 1];
	size_t n;
	int point;
};

static int
try_digits(double v, int n, struct digits *ret)
{
	char text[40];
	size_t i, k = 0;
	int exponent;

	snprintf(text, sizeof(text), "%.*e", n - 1, v);
	for (i = 0; text[i] && text[i] != 'e'; i++)
		if (text[i] != '.' && k < DIGITS_MAX)
			ret->d[k++] = text[i];
	exponent = text[i] == 'e' ? atoi(text + i + 1) : 0;
	ret->n = k;
	ret->point = exponent + 1;
	i = strtod(text, NULL) == v;
	secret_wipe(text, sizeof(text));
	return ((int)i);
}

/*
 * Below a power of two the doubles lie twice as dense as above it, so that
 * the nearest decimal of n digits may read back as the neighbour below while
 * the next decimal up reads back as v: Go finds that one.
 */
static int
try_digits_up(double v, struct digits *io)
{
	struct digits up = *io;
	char text[48];
	size_t i = up.n;
	int same;

	while (i > 0 && up.d[i - 1] == '9')
		up.d[--i] = '0';
	if (i == 0)
		return (0);
	up.d[i - 1]++;
	snprintf(text, sizeof(text), "0.%.*se%d", (int)up.n, up.d, up.point);
	same = strtod(text, NULL) == v;
	secret_wipe(text, sizeof(text));
	if (same)
		*io = up;
	return (same);
}

static void
shortest(double v, struct digits *ret)
{
	int n;

	/* 15 digits survive the way through any normal double, so that fewer
	 * are tried only where precision runs out. */
	for (n = v < 2.3e-308 ? 1 : 15; n < DIGITS_MAX; n++)
		if (try_digits(v, n, ret) || try_digits_up(v, ret))
			break;
	if (n == DIGITS_MAX)
		try_digits(v, n, ret);
	while (ret->n > 1 && ret->d[ret->n - 1] == '0')
		ret->n--;
}

size_t
num_shortest(double v, char *digits, int *ret_point)
{
	struct digits d;

	shortest(v, &d);
	memcpy(digits, d.d, d.n);
	*ret_point = d.point;
	return (d.n);
}

static void
add_zeros(struct buf *out, int n)
{
	while (n-- > 0)
		buf_addc(out, '0');
}

static void
print_plain(const struct digits *d, struct buf *out)
{
	int n = (int)d->n;

	if (d->point <= 0) {
		buf_adds(out, "0.");
		add_zeros(out, -d->point);
		buf_add(out, d->d, d->n);
	} else if (d->point >= n) {
		buf_add(out, d->d, d->n);
		add_zeros(out, d->point - n);
	} else {
		buf_add(out, d->d, (size_t)d->point);
		buf_addc(out, '.');
		buf_add(out, d->d + d->point, d->n - (size_t)d->point);
	}
}

static void
print_exponent(const struct digits *d, struct buf *out)
{
	char text[16];
	int e = d->point - 1;

	buf_addc(out, d->d[0]);
	if (d->n > 1) {
		buf_addc(out, '.');
		buf_add(out, d->d + 1, d->n - 1);
	}
	/* encoding/json writes e-7, not e-07, and never e+7. */
	snprintf(text, sizeof(text), "e%c%d", e < 0 ? '-' : '+', abs(e));
	buf_adds(out, text);
}

static void
print(double v, struct buf *out, int json)
{
	struct digits d;

	if (signbit(v)) {
		buf_addc(out, '-');
		v = -v;
	}
	if (v == 0) {
		buf_addc(out, '0');
		return;
	}
	shortest(v, &d);
	if (json && (v < 1e-6 || v >= 1e21))
		print_exponent(&d, out);
	else
		print_plain(&d, out);
	secret_wipe(&d, sizeof(d));
}

void
num_print(double v, struct buf *out)
{
	if (isnan(v))
		buf_adds(out, "NaN");
	else if (isinf(v))
		buf_adds(out, v < 0 ? "-Inf" : "+Inf");
	else
		print(v, out, 0);
}

void
num_print_json(double v, struct buf *out)
{
	print(v, out, 1);
}
