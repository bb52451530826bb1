/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_internal.h"

/*
 * The check before cJSON.  cJSON takes what RFC 8259 does not (01, "1.", raw
 * control characters, a byte order mark), ends a string at \u0000 and at a
 * malformed \u without a word, and refuses a lone surrogate.  So it is only
 * given what this scanner has passed: strict JSON whose depth is bounded, with
 * those escapes replaced by \ufffd.
 */
#define NUMBER_MAX 63	/* cJSON copies a number into 64 bytes */

struct scan {
	const char *text;
	size_t len;
	size_t at;
	size_t depth;
	const struct json_edits *edits;
	const char *why;
	enum err_kind kind;
};

static int scan_value(struct scan *s);

static int
bad(struct scan *s, enum err_kind kind, const char *why)
{
	s->kind = kind;
	s->why = why;
	return (-1);
}

static int
peek(const struct scan *s)
{
#ifdef WEAKEN_JSON_BOUNDS
	return ((unsigned char)s->text[s->at]);
#endif
	return (s->at < s->len ? (unsigned char)s->text[s->at] : -1);
}

static void
skip_space(struct scan *s)
{
	int c;

	while ((c = peek(s)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		s->at++;
}

static int
is_digit(int c)
{
	return (c >= '0' && c <= '9');
}

static int
scan_digits(struct scan *s)
{
	if (!is_digit(peek(s)))
		return (bad(s, ERR_INVALID, "malformed number"));
	while (is_digit(peek(s)))
		s->at++;
	return (0);
}

static int
scan_number(struct scan *s)
{
	char copy[NUMBER_MAX + 1];
	size_t start = s->at, n;

	if (peek(s) == '-')
		s->at++;
	if (peek(s) == '0')
		s->at++;
	else if (scan_digits(s) == -1)
		return (-1);
	if (peek(s) == '.') {
		s->at++;
		if (scan_digits(s) == -1)
			return (-1);
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		s->at++;
		if (peek(s) == '+' || peek(s) == '-')
			s->at++;
		if (scan_digits(s) == -1)
			return (-1);
	}
	n = s->at - start;
	if (n > NUMBER_MAX)
		return (bad(s, ERR_LIMIT, "number is too long"));
	memcpy(copy, s->text + start, n);
	copy[n] = '\0';
	if (!isfinite(strtod(copy, NULL)))
		return (bad(s, ERR_INVALID, "number is out of range"));
	return (0);
}

/* The four hex digits at ${at}, or -1. */
static long
hex4(const struct scan *s, size_t at)
{
	long v = 0;
	size_t i;
	int c;

	if (s->len - at < 4)
		return (-1);
	for (i = 0; i < 4; i++) {
		c = (unsigned char)s->text[at + i];
		if (is_digit(c))
			v = v * 16 + c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v * 16 + (c | 0x20) - 'a' + 10;
		else
			return (-1);
	}
	return (v);
}

/* at "u" of "\uXXXX" */
static int
scan_unicode(struct scan *s)
{
	long code = hex4(s, s->at + 1), low;

	if (code < 0)
		return (bad(s, ERR_INVALID, "malformed \\u escape"));
	if (code >= 0xd800 && code < 0xdc00 && s->len - s->at > 10 &&
	    s->text[s->at + 5] == '\\' && s->text[s->at + 6] == 'u') {
		low = hex4(s, s->at + 7);
		if (low >= 0xdc00 && low < 0xe000) {
			s->at += 11;
			return (0);
		}
	}
	if (code == 0 || (code >= 0xd800 && code < 0xe000))
		s->edits->replace(s->edits->arg, s->at + 1);
	s->at += 5;
	return (0);
}

static int
scan_string(struct scan *s)
{
	int c;

	s->at++;
	for (;;) {
		c = peek(s);
		if (c == -1)
			return (bad(s, ERR_INVALID, "unexpected end"));
		if (c < 0x20)
			return (bad(s, ERR_INVALID,
			    "control character in a string"));
		s->at++;
		if (c == '"')
			return (0);
		if (c != '\\')
			continue;
		c = peek(s);
		if (c == 'u') {
			if (scan_unicode(s) == -1)
				return (-1);
		} else if (c > 0 && strchr("\"\\/bfnrt", c))
			s->at++;
		else
			return (bad(s, ERR_INVALID, "malformed escape"));
	}
}

static int
scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if (s->len - s->at < n || memcmp(s->text + s->at, word, n) != 0)
		return (bad(s, ERR_INVALID, "unexpected character"));
	s->at += n;
	return (0);
}

static int
scan_member_key(struct scan *s)
{
	skip_space(s);
	if (peek(s) != '"')
		return (bad(s, ERR_INVALID, peek(s) == -1 ? "unexpected end" :
		    "expected a quoted member name"));
	if (scan_string(s) == -1)
		return (-1);
	skip_space(s);
	if (peek(s) != ':')
		return (bad(s, ERR_INVALID, "expected \":\""));
	s->at++;
	return (0);
}

/* An object ('}') or an array (']'). */
static int
scan_container(struct scan *s, int close)
{
#ifndef WEAKEN_JSON_DEPTH
	if (++s->depth > JSON_DEPTH_MAX)
		return (bad(s, ERR_LIMIT, "nested too deeply"));
#endif
	s->at++;
	skip_space(s);
	if (peek(s) == close) {
		s->at++;
		s->depth--;
		return (0);
	}
	for (;;) {
		if (close == '}' && scan_member_key(s) == -1)
			return (-1);
		if (scan_value(s) == -1)
			return (-1);
		skip_space(s);
		if (peek(s) == close)
			break;
		if (peek(s) != ',')
			return (bad(s, ERR_INVALID, peek(s) == -1 ?
			    "unexpected end" : "expected \",\" or the end of "
			    "the object or array"));
		s->at++;
	}
	s->at++;
	s->depth--;
	return (0);
}

static int
scan_value(struct scan *s)
{
	int c;

	skip_space(s);
	c = peek(s);
	switch (c) {
	case '{':
		return (scan_container(s, '}'));
	case '[':
		return (scan_container(s, ']'));
	case '"':
		return (scan_string(s));
	case 't':
		return (scan_word(s, "true"));
	case 'f':
		return (scan_word(s, "false"));
	case 'n':
		return (scan_word(s, "null"));
	case -1:
		return (bad(s, ERR_INVALID, "unexpected end"));
	default:
		if (c == '-' || is_digit(c))
			return (scan_number(s));
		return (bad(s, ERR_INVALID, "unexpected character"));
	}
}

static int
fail(const struct scan *s, struct err *err)
{
	size_t line = 1, column = 1, i;

	for (i = 0; i < s->at; i++, column++)
		if (s->text[i] == '\n') {
			line++;
			column = 0;
		}
	return (err_set(err, s->kind, "JSON, line %zu, column %zu: %s", line,
	    column, s->why));
}

int
json_scan(const char *text, size_t len, const struct json_edits *edits,
    struct err *err)
{
	struct scan s = { .text = text, .len = len, .edits = edits };

	if (scan_value(&s) == -1)
		return (fail(&s, err));
	skip_space(&s);
	if (s.at < s.len) {
		bad(&s, ERR_INVALID, "more behind the end of the document");
		return (fail(&s, err));
	}
	return (0);
}
