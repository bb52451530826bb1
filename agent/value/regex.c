/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/gostr.h"
#include "value/regex.h"
#include "value/regex_internal.h"

struct regex {
	void *re2;
	char **names;
	size_t ngroups;
	int inside_runes;	/* \B is in it: see find_between_runes */
};

/*
 * Go reads a byte that is no UTF-8 as U+FFFD, RE2 matches nothing there.  So
 * it gets a text with U+FFFD in place of such bytes, and offsets are mapped
 * back: map[i] is the place of that text's byte i in the original.
 */
struct regex_text {
	const char *s;
	size_t len;
	struct buf clean;
	size_t *map;		/* NULL: the text is good as it is */
};

int
regex_new(const char *pattern, size_t len, struct regex **ret, struct err *err)
{
	struct regex_syntax syntax;
	struct regex *re;
	int r = -1;

	if (regex_translate(pattern, len, &syntax, err) == -1)
		goto out;
	re = mem_alloc(sizeof(*re));
	re->re2 = re2_new(buf_str(&syntax.out), syntax.out.len);
	if (!re->re2) {
		err_set(err, ERR_INVALID, "error parsing regexp: expression "
		    "too large: `%.*s`", (int)len, pattern);
		free(re);
		goto out;
	}
	re->names = STEAL(syntax.names);
	re->ngroups = syntax.ngroups;
	re->inside_runes = syntax.inside_runes;
	syntax.ngroups = 0;
	*ret = re;
	r = 0;
out:
	regex_syntax_clear(&syntax);
	return (r);
}

size_t
regex_error_at(const char *pattern, size_t len)
{
	struct regex_syntax syntax;

	regex_translate(pattern, len, &syntax, NULL);
	regex_syntax_clear(&syntax);
	return (syntax.error_at);
}

void
regex_free(struct regex *re)
{
	size_t i;

	if (!re)
		return;
	re2_free(re->re2);
	for (i = 0; i < re->ngroups; i++)
		free(re->names[i]);
	free(re->names);
	free(re);
}

size_t
regex_groups(const struct regex *re)
{
	return (re->ngroups);
}

const char *
regex_group_name(const struct regex *re, size_t i)
{
	return (i >= 1 && i <= re->ngroups ? re->names[i - 1] : "");
}

/* --- work ---------------------------------------------------------------- */

static uint64_t
clock_ns(clockid_t which)
{
	struct timespec ts;

	clock_gettime(which, &ts);
	return ((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
}

void
regex_work_start(struct regex_work *w)
{
	w->left_us = w->row_us = REGEX_WORK_US;
	w->tick_ns = clock_ns(CLOCK_MONOTONIC_COARSE);
	w->cpu_us = clock_ns(CLOCK_THREAD_CPUTIME_ID) / 1000;
}

static uint64_t
minus(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : 0);
}

/* The coarse clock costs next to nothing and moves every few milliseconds;
 * the processor's own costs a system call. */
static void
look(struct regex_work *w)
{
	uint64_t tick = clock_ns(CLOCK_MONOTONIC_COARSE), cpu;

	if (tick == w->tick_ns)
		return;
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) / 1000;
#ifndef WEAKEN_REGEX_WORK
	w->left_us = minus(w->left_us, cpu - w->cpu_us);
	w->row_us = minus(w->row_us, cpu - w->cpu_us);
#endif
	w->tick_ns = tick;
	w->cpu_us = cpu;
}

int
regex_row(const struct regex *re, size_t len, struct regex_work *w,
    struct err *err)
{
	look(w);
	w->row_us = 200000 + 10 * (uint64_t)len;
	if ((uint64_t)len <= REGEX_SEARCH_MAX / re2_size(re->re2))
		return (0);
	return (err_set(err, ERR_LIMIT, "regular expression: too large for a "
	    "text of %zu bytes", len));
}

int
regex_work_on(struct regex_work *w, struct err *err)
{
	look(w);
	if (w->left_us > 0 && w->row_us > 0)
		return (0);
	return (err_set(err, ERR_LIMIT, "regular expression: looking for all "
	    "matches takes too long"));
}

/* --- text ---------------------------------------------------------------- */

static void
text_clean(struct regex_text *t)
{
	size_t at, n, i;
	uint32_t rune;

	t->clean = (struct buf)BUF_SECRET(t->len * 3);
	t->map = mem_array(t->len * 3 + 1, sizeof(*t->map));
	for (at = 0; at < t->len; at += n) {
		n = utf8_next(t->s + at, t->len - at, &rune);
		i = t->clean.len;
		utf8_add(&t->clean, rune);
		for (; i < t->clean.len; i++)
			t->map[i] = at;
	}
	t->map[t->clean.len] = t->len;
}

static void
text_init(struct regex_text *t, const char *s, size_t len)
{
	memset(t, 0, sizeof(*t));
	t->s = s ? s : "";
	t->len = len;
#ifndef WEAKEN_REGEX_UTF8
	if (!utf8_valid(t->s, len))
		text_clean(t);
#endif
}

static void
text_clear(struct regex_text *t)
{
	buf_clear(&t->clean);
	free(t->map);
}

struct regex_text *
regex_text_new(const char *s, size_t len)
{
	struct regex_text *t = mem_alloc(sizeof(*t));

	text_init(t, s, len);
	return (t);
}

void
regex_text_free(struct regex_text *t)
{
	if (!t)
		return;
	text_clear(t);
	free(t);
}

/* The clean text's offset of the rune at (or behind) ${at}. */
static size_t
clean_offset(const struct regex_text *t, size_t at)
{
	size_t low = 0, high = t->clean.len, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (t->map[mid] < at)
			low = mid + 1;
		else
			high = mid;
	}
	return (low);
}

/* RE2 sees \B between any two bytes that are no word's, within a rune too;
 * nothing but an empty match can start there.  Go looks between runes. */
static int
find_between_runes(const struct regex *re, const char *s, size_t len,
    size_t at, size_t n, long *loc)
{
	/* No place asked for: the automaton stops at the first match. */
	while (re2_find(re->re2, s, len, at, n, loc)) {
		if (n == 0 || !re->inside_runes)
			return (1);
		at = (size_t)loc[0];
		if (at >= len || (s[at] & 0xc0) != 0x80)
			return (1);
		while (at < len && (s[at] & 0xc0) == 0x80)
			at++;
	}
	return (0);
}

static int
find_n(const struct regex *re, const struct regex_text *t, size_t at,
    size_t n, long *loc)
{
	size_t i;

	if (at > t->len)
		return (0);
	if (!t->map)
		return (find_between_runes(re, t->s, t->len, at, n, loc));
	if (!find_between_runes(re, t->clean.data, t->clean.len,
	    clean_offset(t, at), n, loc))
		return (0);
	for (i = 0; i < 2 * n; i++)
		if (loc[i] >= 0)
			loc[i] = (long)t->map[loc[i]];
	return (1);
}

int
regex_find_in(const struct regex *re, const struct regex_text *t, size_t at,
    long *loc)
{
	return (find_n(re, t, at, re->ngroups + 1, loc));
}

int
regex_find(const struct regex *re, const char *s, size_t len, size_t at,
    long *loc)
{
	struct regex_text t;
	int r;

	text_init(&t, s, len);
	r = regex_find_in(re, &t, at, loc);
	text_clear(&t);
	return (r);
}

int
regex_match(const struct regex *re, const char *s, size_t len)
{
	struct regex_text t;
	long none[2];
	int r;

	text_init(&t, s, len);
	r = find_n(re, &t, 0, re->inside_runes ? 1 : 0, none);
	text_clear(&t);
	return (r);
}

/* --- $1 and ${name} ------------------------------------------------------ */

/* "name" or "{name}" behind the dollar: bytes taken, 0 when malformed. */
static size_t
extract(const char *s, size_t len, const char **ret_name, size_t *ret_len)
{
	size_t brace = len && s[0] == '{', at = brace, n;
	uint32_t rune;

	for (; at < len; at += n) {
		n = utf8_next(s + at, len - at, &rune);
		if (!rune_is_letter(rune) && !gostr_is_digit(rune) &&
		    rune != '_')
			break;
	}
	*ret_name = s + brace;
	*ret_len = at - brace;
	if (*ret_len == 0)
		return (0);
	if (!brace)
		return (at);
	return (at < len && s[at] == '}' ? at + 1 : 0);
}

/* The number that a name is, -1 when it is none. */
static long
group_number(const char *name, size_t len)
{
	long n = 0;
	size_t i;

	if (name[0] == '0' && len > 1)
		return (-1);
	for (i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9' || n >= 100000000)
			return (-1);
		n = n * 10 + (name[i] - '0');
	}
	return (n);
}

/* The group meant: of equal names the first that took part; -1 none. */
static long
group_index(const struct regex *re, const char *name, size_t len,
    const long *loc)
{
	long n = group_number(name, len);
	size_t i;

#ifdef WEAKEN_REGEX_GROUPS
	if (n >= 0)
		return (loc[2 * n] >= 0 ? n : -1);
#endif
	if (n >= 0)
		return ((size_t)n <= re->ngroups && loc[2 * n] >= 0 ? n : -1);
	for (i = 1; i <= re->ngroups; i++)
		if (strlen(re->names[i - 1]) == len && loc[2 * i] >= 0 &&
		    memcmp(re->names[i - 1], name, len) == 0)
			return ((long)i);
	return (-1);
}

void
regex_expand(const struct regex *re, const char *repl, size_t repl_len,
    const char *s, const long *loc, struct buf *out)
{
	const char *end = repl + repl_len, *dollar, *name;
	size_t n, len;
	long g;

	while (repl < end) {
		dollar = memchr(repl, '$', (size_t)(end - repl));
		if (!dollar)
			break;
		buf_add(out, repl, (size_t)(dollar - repl));
		repl = dollar + 1;
		if (repl < end && *repl == '$') {
			buf_addc(out, '$');
			repl++;
			continue;
		}
		n = extract(repl, (size_t)(end - repl), &name, &len);
		if (n == 0) {
			/* Malformed: the dollar is text. */
			buf_addc(out, '$');
			continue;
		}
		g = group_index(re, name, len, loc);
		if (g >= 0)
			buf_add(out, s + loc[2 * g],
			    (size_t)(loc[2 * g + 1] - loc[2 * g]));
		repl += n;
	}
	buf_add(out, repl, (size_t)(end - repl));
}

/* Past a match, and always by one character at least. */
static size_t
advance(const struct regex_text *t, size_t at, size_t match_end)
{
	uint32_t rune;
	size_t width = utf8_next(t->s + at, t->len - at, &rune);

	if (at + width > match_end)
		return (at + width);
	return (at + 1 > match_end ? at + 1 : match_end);
}

int
regex_replace(const struct regex *re, const char *s, size_t len,
    const char *repl, size_t repl_len, int literal, struct regex_work *w,
    struct buf *out, struct err *err)
{
	size_t n = literal ? 1 : re->ngroups + 1, at = 0, last = 0;
	cleanup_free long *loc = mem_array(2 * n, sizeof(*loc));
	struct regex_text t;
	int rc = regex_row(re, len, w, err);

	text_init(&t, s, len);
	while (rc == 0 && at <= len && (rc = regex_work_on(w, err)) == 0 &&
	    find_n(re, &t, at, n, loc) && buf_ok(out)) {
		buf_add(out, t.s + last, (size_t)loc[0] - last);
		/* Not for an empty match right behind another match. */
		if ((size_t)loc[1] > last || loc[0] == 0) {
			if (literal)
				buf_add(out, repl, repl_len);
			else
				regex_expand(re, repl, repl_len, t.s, loc,
				    out);
		}
		last = (size_t)loc[1];
		at = advance(&t, at, last);
	}
	buf_add(out, t.s + last, len - last);
	text_clear(&t);
	return (rc);
}
