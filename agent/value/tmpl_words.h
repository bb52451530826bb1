/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_WORDS_H
#define VALUE_TMPL_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * What sprig takes from Masterminds/goutils v1.1.1 and huandu/xstrings v1.5.0:
 * words, cases and lines.  All append to ${out}.
 */

/* goutils.WrapCustom(s, width, newline, longwords); newline "" is LF. */
void words_wrap(const char *s, size_t n, int64_t width, const char *newline,
    size_t newline_n, int long_words, struct buf *out);
/* goutils.AbbreviateFull(s, offset, width), ${width} at least 4, at least 7
 * where ${offset} is above 4. */
void words_abbreviate(const char *s, size_t n, int64_t offset, int64_t width,
    struct buf *out);
/* goutils: byte by byte, each byte taken for a rune of Latin-1. */
void words_initials(const char *s, size_t n, struct buf *out);
void words_no_space(const char *s, size_t n, struct buf *out);
/* goutils, rune by rune. */
void words_swap_case(const char *s, size_t n, struct buf *out);
void words_uncapitalize(const char *s, size_t n, struct buf *out);
/* strings.Title */
void words_title(const char *s, size_t n, struct buf *out);
/* xstrings.ToPascalCase */
void words_camel(const char *s, size_t n, struct buf *out);
/* xstrings.ToSnakeCase, ToKebabCase: ${connector} is '_' or '-'. */
void words_snake(const char *s, size_t n, char connector, struct buf *out);

#endif
