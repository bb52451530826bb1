/* SPDX-License-Identifier: Apache-2.0 */
#include "base/codec.h"
#include "value/tmpl_case.h"
#include "value/tmpl_case_internal.h"

static int
is_in(const struct case_range *t, size_t n, uint32_t r)
{
	size_t lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (r < t[mid].first)
			hi = mid;
		else if (r > t[mid].last)
			lo = mid + 1;
		else
			return ((r - t[mid].first) % t[mid].stride == 0);
	}
	return (0);
}

int
case_is_upper(uint32_t rune)
{
	return (is_in(case_upper, case_nupper, rune));
}

int
case_is_lower(uint32_t rune)
{
	return (is_in(case_lower, case_nlower, rune));
}

int
case_is_title(uint32_t rune)
{
	return (is_in(case_title, case_ntitle, rune));
}

int
case_is_punct(uint32_t rune)
{
	return (is_in(case_punct, case_npunct, rune));
}

int
case_is_space(uint32_t rune)
{
	switch (rune) {
	case '\t': case '\n': case '\v': case '\f': case '\r': case ' ':
	case 0x85: case 0xa0: case 0x1680: case 0x2028: case 0x2029:
	case 0x202f: case 0x205f: case 0x3000:
		return (1);
	default:
		return (rune >= 0x2000 && rune <= 0x200a);
	}
}

enum { TO_UPPER, TO_LOWER, TO_TITLE };

static uint32_t
map(uint32_t r, int to)
{
	size_t lo = 0, hi = case_nmaps, mid;

	while (lo < hi) {
		const struct case_map *m;

		mid = (lo + hi) / 2;
		m = &case_maps[mid];
		if (r < m->first)
			hi = mid;
		else if (r > m->last)
			lo = mid + 1;
		else if (m->delta[to] == CASE_PAIR)
			return (m->first + (((r - m->first) & ~1u) |
			    (to & 1)));
		else
			return ((uint32_t)((int32_t)r + m->delta[to]));
	}
	return (r);
}

uint32_t
case_to_upper(uint32_t rune)
{
	if (rune < 0x80)
		return (rune >= 'a' && rune <= 'z' ? rune - 32 : rune);
	return (map(rune, TO_UPPER));
}

uint32_t
case_to_lower(uint32_t rune)
{
	if (rune < 0x80)
		return (rune >= 'A' && rune <= 'Z' ? rune + 32 : rune);
	return (map(rune, TO_LOWER));
}

uint32_t
case_to_title(uint32_t rune)
{
	if (rune < 0x80)
		return (rune >= 'a' && rune <= 'z' ? rune - 32 : rune);
	return (map(rune, TO_TITLE));
}

void
case_each(const char *s, size_t n, uint32_t (*to)(uint32_t), struct buf *out)
{
	size_t i, len;
	uint32_t r;

	for (i = 0; i < n; i += len) {
		len = utf8_next(s + i, n - i, &r);
		utf8_add(out, to(r));
	}
}

size_t
case_last_rune(const char *s, size_t n, uint32_t *ret)
{
	size_t back;

	for (back = 2; back <= 4 && back <= n; back++)
		if (((unsigned char)s[n - back] & 0xc0) != 0x80 &&
		    utf8_next(s + n - back, back, ret) == back)
			return (back);
	if (n == 0) {
		*ret = 0xfffd;
		return (0);
	}
	*ret = (unsigned char)s[n - 1];
	if (*ret >= 0x80)
		*ret = 0xfffd;
	return (1);
}

void
case_trim_space(const char **s, size_t *n)
{
	size_t len;
	uint32_t r;

	while ((len = utf8_next(*s, *n, &r)) != 0 && case_is_space(r)) {
		*s += len;
		*n -= len;
	}
	while ((len = case_last_rune(*s, *n, &r)) != 0 && case_is_space(r))
		*n -= len;
}
