/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_REGEX_INTERNAL_H
#define VALUE_REGEX_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/regex_re2.h"

/* --- regex_syntax.c, regex_class.c: Go's syntax, RE2's spelling --------- */

/*
 * Patterns are read as Go's regexp/syntax (1.26) reads them, so that what it
 * refuses is refused with its words, and written anew for RE2: groups lose
 * their names (RE2 of Debian 12 knows no (?<n> and refuses a name that is
 * there twice, Go takes both), every other literal is spelled \x{…}.
 */
#define REGEX_PATTERN_MAX (128 * 1024)
#define REGEX_CLASSES_MAX 500	/* \p{…}; Go's ceiling is 26,000 */

struct regex_syntax {
	const char *s;		/* the pattern */
	size_t n;
	size_t at;
	struct buf out;		/* for RE2 */
	char **names;		/* of the groups from 1; "" without a name */
	size_t ngroups;
	size_t nclasses;
	int fold;		/* (?i) */
	int inside_runes;	/* \B was there */
	size_t error_at;
	struct err *err;
};

/* regex_translate: 0, or -1 and INVALID with Go's text.  Out and names are
 * the caller's either way (regex_syntax_clear). */
int regex_translate(const char *pattern, size_t len, struct regex_syntax *ret,
    struct err *err);
void regex_syntax_clear(struct regex_syntax *p);

/* The steps that both files share: each reads at p->at and moves it. */
int regex_fail(struct regex_syntax *p, const char *what, size_t from,
    size_t to);
int regex_rune(struct regex_syntax *p, uint32_t *ret);
int regex_check_utf8(struct regex_syntax *p, size_t from, size_t to);
int regex_escape(struct regex_syntax *p, uint32_t *ret);
void regex_add_rune(struct regex_syntax *p, uint32_t rune);
/* 1 took a class like \d or \p{Han}, 0 there is none, -1 error. */
int regex_class_escape(struct regex_syntax *p, int in_brackets);
int regex_brackets(struct regex_syntax *p);

#endif
