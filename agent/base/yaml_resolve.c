/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num_internal.h"
#include "base/yaml_internal.h"

/* goyaml.v2/resolve.go, resolveMapList; "<<" is there too, but no hint leads to
 * it, so that it is text wherever it is not a key. */
static const struct word {
	const char *text;
	enum yv_kind kind;
	double value;
} words[] = {
	{ "y", YV_BOOL, 1 }, { "Y", YV_BOOL, 1 },
	{ "yes", YV_BOOL, 1 }, { "Yes", YV_BOOL, 1 }, { "YES", YV_BOOL, 1 },
	{ "true", YV_BOOL, 1 }, { "True", YV_BOOL, 1 }, { "TRUE", YV_BOOL, 1 },
	{ "on", YV_BOOL, 1 }, { "On", YV_BOOL, 1 }, { "ON", YV_BOOL, 1 },
	{ "n", YV_BOOL, 0 }, { "N", YV_BOOL, 0 },
	{ "no", YV_BOOL, 0 }, { "No", YV_BOOL, 0 }, { "NO", YV_BOOL, 0 },
	{ "false", YV_BOOL, 0 }, { "False", YV_BOOL, 0 },
	{ "FALSE", YV_BOOL, 0 },
	{ "off", YV_BOOL, 0 }, { "Off", YV_BOOL, 0 }, { "OFF", YV_BOOL, 0 },
	{ "", YV_NULL, 0 }, { "~", YV_NULL, 0 }, { "null", YV_NULL, 0 },
	{ "Null", YV_NULL, 0 }, { "NULL", YV_NULL, 0 },
	{ ".nan", YV_FLOAT, NAN }, { ".NaN", YV_FLOAT, NAN },
	{ ".NAN", YV_FLOAT, NAN },
	{ ".inf", YV_FLOAT, INFINITY }, { ".Inf", YV_FLOAT, INFINITY },
	{ ".INF", YV_FLOAT, INFINITY }, { "+.inf", YV_FLOAT, INFINITY },
	{ "+.Inf", YV_FLOAT, INFINITY }, { "+.INF", YV_FLOAT, INFINITY },
	{ "-.inf", YV_FLOAT, -INFINITY }, { "-.Inf", YV_FLOAT, -INFINITY },
	{ "-.INF", YV_FLOAT, -INFINITY },
};

static int
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

static int
find_word(const char *s, struct yv *ret)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (*s != *words[i].text || strcmp(s, words[i].text) != 0)
			continue;
		ret->kind = words[i].kind;
		if (ret->kind == YV_BOOL)
			ret->b = words[i].value > 0;
		else if (ret->kind == YV_FLOAT)
			ret->d = words[i].value;
		return (1);
	}
	return (0);
}

/* Digits to the end of the text; -1 when there is none, or another character,
 * or more than 64 bits. */
static int
read_uint(const char *s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned d;

	if (!*s)
		return (-1);
	for (; *s; s++) {
		if (is_digit(*s))
			d = (unsigned)(*s - '0');
		else if ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'f')
			d = (unsigned)((*s | 0x20) - 'a') + 10;
		else
			return (-1);
		if (d >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, d, &v))
			return (-1);
	}
	*ret = v;
	return (0);
}

/* strconv's base 0: 0x, 0o, 0b and a leading 0. */
static int
read_prefixed(const char *s, uint64_t *ret)
{
	if (s[0] != '0' || !s[1])
		return (read_uint(s, 10, ret));
	switch (s[1] | 0x20) {
	case 'x':
		return (read_uint(s + 2, 16, ret));
	case 'o':
		return (read_uint(s + 2, 8, ret));
	case 'b':
		return (read_uint(s + 2, 2, ret));
	default:
		return (read_uint(s + 1, 8, ret));
	}
}

static int
signed_value(uint64_t u, int negative, struct yv *ret)
{
	if (negative ? u > (uint64_t)INT64_MAX + 1 : u > INT64_MAX)
		return (0);
	ret->kind = YV_INT;
	ret->i = negative ? (int64_t)(0 - u) : (int64_t)u;
	return (1);
}

static int
find_int(const char *s, struct yv *ret)
{
	int sign = *s == '-' || *s == '+';
	uint64_t u;

	if (read_prefixed(s + sign, &u) == 0) {
		if (signed_value(u, *s == '-', ret))
			return (1);
		if (!sign) {
			ret->kind = YV_UINT;
			ret->u = u;
			return (1);
		}
		return (0);
	}
	/* What goyaml adds for 0b lets a sign stand behind it. */
	if (s[0] == '0' && s[1] == 'b' && (s[2] == '-' || s[2] == '+') &&
	    read_uint(s + 3, 2, &u) == 0)
		return (signed_value(u, s[2] == '-', ret));
	return (0);
}

static const char *
skip_digits(const char *s)
{
	while (is_digit(*s))
		s++;
	return (s);
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? to the end. */
static int
find_float(const char *s, struct yv *ret)
{
	const char *at = s + (*s == '-' || *s == '+'), *digits = at;

	at = skip_digits(at);
	if (at == digits && (*at != '.' || !is_digit(at[1])))
		return (0);
	if (*at == '.')
		at = skip_digits(at + 1);
	if (*at == 'e' || *at == 'E') {
		at += at[1] == '-' || at[1] == '+' ? 2 : 1;
		if (!is_digit(*at))
			return (0);
		at = skip_digits(at);
	}
	if (*at)
		return (0);
	ret->d = strtod(s, NULL);
	if (!isfinite(ret->d))
		return (0);
	ret->kind = YV_FLOAT;
	return (1);
}

/* One or two digits, at most ${max}. */
static int
short_number(const char **s, int max, int *ret)
{
	if (!is_digit(**s))
		return (-1);
	*ret = *(*s)++ - '0';
	if (is_digit(**s))
		*ret = *ret * 10 + *(*s)++ - '0';
	return (*ret > max ? -1 : 0);
}

static int
skip_char(const char **s, char c)
{
	if (**s != c)
		return (-1);
	(*s)++;
	return (0);
}

static int
skip_zone(const char *s)
{
	int hours, minutes;

	if (strcmp(s, "Z") == 0)
		return (0);
	if ((*s != '+' && *s != '-') || strlen(s) != 6 || s[3] != ':' ||
	    !is_digit(s[2]) || !is_digit(s[5]))
		return (-1);
	s++;
	if (short_number(&s, 24, &hours) == -1 || skip_char(&s, ':') == -1 ||
	    short_number(&s, 60, &minutes) == -1)
		return (-1);
	return (0);
}

/* The time of day and, behind a T, the zone. */
static int
is_time_of_day(const char *s, int zone)
{
	int n;

	if (short_number(&s, 23, &n) == -1 || skip_char(&s, ':') == -1 ||
	    short_number(&s, 59, &n) == -1 || skip_char(&s, ':') == -1 ||
	    short_number(&s, 59, &n) == -1)
		return (0);
	if ((*s == '.' || *s == ',') && is_digit(s[1]))
		s = skip_digits(s + 1);
	return (zone ? skip_zone(s) == 0 : *s == '\0');
}

static int
days_in(int year, int month)
{
	if (month == 2)
		return ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ?
		    29 : 28);
	return (month == 4 || month == 6 || month == 9 || month == 11 ?
	    30 : 31);
}

/* resolve.go, parseTimestamp with allowedTimestampFormats. */
static int
is_timestamp(const char *s)
{
	int year = 0, month, day, i;

	for (i = 0; i < 4; i++) {
		if (!is_digit(s[i]))
			return (0);
		year = year * 10 + s[i] - '0';
	}
	s += 4;
	if (skip_char(&s, '-') == -1 || short_number(&s, 12, &month) == -1 ||
	    skip_char(&s, '-') == -1 || short_number(&s, 31, &day) == -1 ||
	    month < 1 || day < 1 || day > days_in(year, month))
		return (0);
	switch (*s) {
	case '\0':
		return (1);
	case 'T':
	case 't':
		return (is_time_of_day(s + 1, 1));
	case ' ':
		/* Go's layouts take any number of spaces for one. */
		return (is_time_of_day(s + strspn(s, " "), 0));
	default:
		return (0);
	}
}

/* The text without underscores; NULL when ${strict} and one of them is not
 * between two digits. */
static char *
without_underscores(const char *s, int strict)
{
	char *plain = str_dup(s), *to = plain;
	const char *at;

	for (at = s; *at; at++) {
		if (*at != '_')
			*to++ = *at;
		else if (strict && (!is_digit(at[1]) || !is_digit(at[-1]))) {
			free(plain);
			return (NULL);
		}
	}
	*to = '\0';
	return (plain);
}

static void
find_number(const char *s, struct yv *ret)
{
	cleanup_free char *plain = NULL;

	/* What begins with a point goes to strconv.ParseFloat as it is, which
	 * takes underscores between digits. */
	plain = without_underscores(s, *s == '.');
	if (plain && (*s == '.' || !find_int(plain, ret)))
		find_float(plain, ret);
}

void
yaml_resolve(const char *text, size_t len, struct yv *ret)
{
	ret->kind = YV_TEXT;
	if (strlen(text) != len)
		return;
	/* Most texts begin as nothing else does. */
	if (len > 0 && !strchr("+-.0123456789~<=nNyYtTfFoO", *text))
		return;
	if (len <= 5 && find_word(text, ret))
		return;
	if (is_timestamp(text))
		ret->kind = YV_TIME;
	else if (is_digit(*text) || *text == '+' || *text == '-' ||
	    *text == '.')
		find_number(text, ret);
}

/* encode.go, base60float:
 * ^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$ */
static int
is_base60(const char *s)
{
	int parts = 0;

	s += *s == '-' || *s == '+';
	if (!is_digit(*s))
		return (0);
	while (is_digit(*s) || *s == '_')
		s++;
	for (; *s == ':'; parts++) {
		s++;
		if (!is_digit(*s))
			return (0);
		s += *s <= '5' && is_digit(s[1]) ? 2 : 1;
	}
	if (parts == 0)
		return (0);
	if (*s == '.')
		for (s++; is_digit(*s) || *s == '_'; s++)
			continue;
	return (*s == '\0');
}

int
yaml_plain_ok(const char *s)
{
	struct yv v;

	yaml_resolve(s, strlen(s), &v);
	return (v.kind == YV_TEXT && !is_base60(s));
}

void
yaml_print_float(double n, int single, struct buf *out)
{
	struct num shortest;

	if (single)
		n = (double)(float)n;
	if (!isfinite(n)) {
		buf_adds(out, isnan(n) ? ".nan" : n < 0 ? "-.inf" : ".inf");
		return;
	}
	num_digits(n, single, &shortest);
	if (shortest.exponent < -4 || shortest.exponent >= 6)
		num_print_exp(&shortest, 2, out);
	else
		num_print_fixed(&shortest, out);
}
