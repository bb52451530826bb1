/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_REGEX_H
#define VALUE_REGEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Go's regexp over RE2 (Debian libre2-dev), behind one small C++ file: linear
 * in the input whatever the pattern.
 *
 * Why RE2: the same authors, semantics and Unicode tables as Go's, two orders
 * of magnitude faster than a Pike machine of our own would be, and a DFA with
 * a ceiling on its memory.  PCRE2's matcher with groups backtracks, its DFA
 * matcher has neither groups nor leftmost-first.  What RE2 has not is here:
 * Go's syntax and error texts, U+FFFD for bad UTF-8, expansion, the rules for
 * empty matches.
 *
 * Known differences: the classes \p{Cn}, \p{C} and \P{LC} within brackets; an
 * alternative that prefers the empty match, repeated behind something else
 * (x(?:|a+)*), and lazy upon greedy upon lazy ((?:(?:a??)*)+?), where RE2 takes
 * more than Go; "expression too large" comes earlier: beyond 128 KiB of
 * pattern, 65,536 instructions by Go's count, 500 classes \p{Lu}, 16 MiB of
 * RE2's memory, 4 Mi instructions times groups.
 *
 * One search is linear; a search for all matches may be quadratic in the text
 * when each one looks to its end and comes back (a.*b|a), as in Go.  So rows of
 * searches have a ceiling that grows with the text alone, struct regex_work.
 */
struct regex;
struct regex_text;

/* What searches may still take of the processor's time: all of them, and those
 * of one text. */
struct regex_work {
	uint64_t left_us, row_us;
	uint64_t cpu_us, tick_ns;	/* when it was last looked at */
};

/* What one search may cost at worst, bytes times instructions: an automaton
 * that does not fit goes through all of them at each byte. */
#define REGEX_SEARCH_MAX ((uint64_t)1 << 33)
#define REGEX_WORK_US 10000000

/* regex_new(pattern, len, ret, err): regexp.Compile.  INVALID with Go's text:
 * "error parsing regexp: missing closing ): `…`". */
int regex_new(const char *pattern, size_t len, struct regex **ret,
    struct err *err);
/* regex_error_at(pattern, len): the byte at which a pattern that regex_new
 * refuses is wrong. */
size_t regex_error_at(const char *pattern, size_t len);
void regex_free(struct regex *re);
void regex_work_start(struct regex_work *w);	/* REGEX_WORK_US to spend */
/* regex_row(re, len, w, err): before searches of a text of ${len} bytes: they
 * have 200 ms and 10 µs a byte.  LIMIT when one alone could cost more than
 * REGEX_SEARCH_MAX. */
int regex_row(const struct regex *re, size_t len, struct regex_work *w,
    struct err *err);
/* regex_work_on(w, err): before a search: 0, or -1 and LIMIT. */
int regex_work_on(struct regex_work *w, struct err *err);
/* regex_match: MatchString, unanchored: 1 or 0. */
int regex_match(const struct regex *re, const char *s, size_t len);
size_t regex_groups(const struct regex *re);	/* NumSubexp */
const char *regex_group_name(const struct regex *re, size_t i); /* "" none */
/* regex_find(re, s, len, at, loc): leftmost match at or after byte ${at}:
 * loc holds 2 * (groups + 1) offsets (-1: group did not take part).  1 or 0. */
int regex_find(const struct regex *re, const char *s, size_t len, size_t at,
    long *loc);
/* The same over many searches of one text, which is looked through for bad
 * UTF-8 only once.  ${s} is borrowed until regex_text_free. */
struct regex_text *regex_text_new(const char *s, size_t len);
void regex_text_free(struct regex_text *t);
int regex_find_in(const struct regex *re, const struct regex_text *t,
    size_t at, long *loc);
/* regex_expand(re, repl, repl_len, s, loc, out): regexp.Expand: ${repl} with
 * $1, ${name} and $$ replaced from a match of ${s}. */
void regex_expand(const struct regex *re, const char *repl, size_t repl_len,
    const char *s, const long *loc, struct buf *out);
/* ReplaceAllString with Go's $1 ${name} expansion, or literal, as a row of
 * searches.  0, or -1 and LIMIT, with a part in ${out}. */
int regex_replace(const struct regex *re, const char *s, size_t len,
    const char *repl, size_t repl_len, int literal, struct regex_work *w,
    struct buf *out, struct err *err);

#endif
