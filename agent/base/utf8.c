/* SPDX-License-Identifier: Apache-2.0 */
#include "base/codec.h"
#include "base/unicode_internal.h"

#define RUNE_BAD 0xfffdu

/* How many bytes the lead byte ${c} announces and the range that the second
 * must be in (table 3-7 of the Unicode standard: no overlong forms, no
 * surrogates, nothing above U+10FFFF); 0 for what cannot lead. */
static size_t
lead(unsigned char c, unsigned char *ret_low, unsigned char *ret_high)
{
	*ret_low = 0x80;
	*ret_high = 0xbf;
	if (c < 0xc2 || c > 0xf4)
		return (0);
	if (c < 0xe0)
		return (2);
	if (c < 0xf0) {
		if (c == 0xe0)
			*ret_low = 0xa0;
		if (c == 0xed)
			*ret_high = 0x9f;
		return (3);
	}
	if (c == 0xf0)
		*ret_low = 0x90;
	if (c == 0xf4)
		*ret_high = 0x8f;
	return (4);
}

size_t
utf8_next(const char *s, size_t len, uint32_t *ret_rune)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned char low, high;
	uint32_t rune;
	size_t n, i;

	*ret_rune = RUNE_BAD;
	if (len == 0)
		return (0);
	if (p[0] < 0x80) {
		*ret_rune = p[0];
		return (1);
	}
	n = lead(p[0], &low, &high);
	if (n == 0 || n > len || p[1] < low || p[1] > high)
		return (1);
	rune = p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return (1);
		rune = rune << 6 | (p[i] & 0x3f);
	}
	*ret_rune = rune;
	return (n);
}

void
utf8_add(struct buf *out, uint32_t r)
{
	char b[4];
	size_t n;

	if (r > 0x10ffff || (r >= 0xd800 && r <= 0xdfff))
		r = RUNE_BAD;
	if (r < 0x80) {
		buf_addc(out, (char)r);
		return;
	}
	n = r < 0x800 ? 2 : r < 0x10000 ? 3 : 4;
	b[0] = (char)(0xf0u << (4 - n) | r >> 6 * (n - 1));
	b[1] = (char)(0x80 | (r >> 6 * (n - 2) & 0x3f));
	b[2] = (char)(0x80 | (n > 2 ? r >> 6 * (n - 3) & 0x3f : 0));
	b[3] = (char)(0x80 | (r & 0x3f));
	buf_add(out, b, n);
}

int
utf8_valid(const char *s, size_t len)
{
	uint32_t rune;
	size_t n;

	for (; len > 0; s += n, len -= n) {
		n = utf8_next(s, len, &rune);
		if (n == 1 && rune == RUNE_BAD)
			return (0);
	}
	return (1);
}

static int
in_table(uint32_t rune, const struct unicode_range *v, size_t n)
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (rune < v[mid].first)
			high = mid;
		else if (rune - v[mid].first >= v[mid].count)
			low = mid + 1;
		else
			return (1);
	}
	return (0);
}

int
rune_is_letter(uint32_t rune)
{
	return (in_table(rune, unicode_letters, unicode_nletters));
}

int
rune_is_number(uint32_t rune)
{
	return (in_table(rune, unicode_numbers, unicode_nnumbers));
}
