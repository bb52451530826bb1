/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/yaml_internal.h"

/* A key as runes, read forwards; the rune before is asked for only where it
 * would be an ASCII digit, which is one byte. */
struct cursor {
	const char *start;
	const char *at;
	size_t left;
	uint32_t rune;
	size_t width;		/* 0 at the end */
};

static void
look(struct cursor *c)
{
	c->width = utf8_next(c->at, c->left, &c->rune);
}

static void
move(struct cursor *c)
{
	c->at += c->width;
	c->left -= c->width;
	look(c);
}

static int
is_digit(uint32_t r)
{
	return (r >= '0' && r <= '9');
}

/* Digits before the cursor that are not all zeros: a zero here continues a
 * number, and is not the beginning of one. */
static int
inside_number(const struct cursor *c)
{
	const char *p;

	for (p = c->at; p > c->start && is_digit((unsigned char)p[-1]); p--)
		if (p[-1] != '0')
			return (1);
	return (0);
}

/* The number at the cursor behind ${n}, with Go's wrap-around. */
static int64_t
take_number(struct cursor c, uint64_t n, size_t *ret_len)
{
	const char *start = c.at;

	for (; c.width && is_digit(c.rune); move(&c))
		n = n * 10 + (c.rune - '0');
	*ret_len = (size_t)(c.at - start);
	return ((int64_t)n);
}

/* goyaml.v2/sorter.go, keyList.Less, for two strings; digits other than
 * ASCII's do not count as numbers here. */
static int
compare_keys(const char *a, const char *b)
{
	struct cursor x = { a, a, strlen(a), 0, 0 };
	struct cursor y = { b, b, strlen(b), 0, 0 };
	size_t xlen, ylen;
	int64_t xn, yn;
	uint64_t from;
	int xl, yl;

	for (look(&x), look(&y); x.width && y.width && x.rune == y.rune;
	    move(&x), move(&y))
		continue;
	if (!x.width || !y.width)
		return ((x.width != 0) - (y.width != 0));
	xl = rune_is_letter(x.rune);
	yl = rune_is_letter(y.rune);
	if (xl && yl)
		return (x.rune < y.rune ? -1 : 1);
	if (xl || yl)
		return (yl ? -1 : 1);
	from = (x.rune == '0' || y.rune == '0') && inside_number(&x);
	xn = take_number(x, from, &xlen);
	yn = take_number(y, from, &ylen);
	if (xn != yn)
		return (xn < yn ? -1 : 1);
	if (xlen != ylen)
		return (xlen < ylen ? -1 : 1);
	return (x.rune < y.rune ? -1 : 1);
}

static int
compare(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;

	return (compare_keys(json_key(*x), json_key(*y)));
}

void
yaml_keys_sort(const struct json **members, size_t n)
{
	qsort(members, n, sizeof(*members), compare);
}
