/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "value/doc.h"
#include "value/doc_internal.h"
#include "value/gostr.h"

/*
 * encoding/json's scanner: the same documents accepted, the same words for
 * the others.  Go feeds one space after the last byte to end a number; inside
 * a literal or an escape that space is itself the invalid character, hence
 * peek_or_space.
 */
struct check {
	const char *s;
	size_t len;
	size_t at;
	struct err *err;
	size_t depth;
	uint8_t is_object[DOC_DEPTH_MAX / 8 + 1];
};

static int
bad_char(struct check *c, char ch, const char *context)
{
	struct buf quoted = BUF_PLAIN(16);

	if (ch == '"')
		buf_addc(&quoted, '"');
	else
		gostr_rune((unsigned char)ch, '\'', &quoted);
	err_set(c->err, ERR_INVALID, "invalid character '%s' %s",
	    buf_str(&quoted), context);
	buf_clear(&quoted);
	return (-1);
}

static int
bad_end(struct check *c)
{
	return (err_set(c->err, ERR_INVALID, "unexpected end of JSON input"));
}

static char
peek_or_space(const struct check *c)
{
	return (c->at < c->len ? c->s[c->at] : ' ');
}

/* Skip white space; 0 at the end of the text. */
static int
skip_space(struct check *c)
{
	for (; c->at < c->len; c->at++) {
		char ch = c->s[c->at];

		if (ch != ' ' && ch != '\t' && ch != '\n' && ch != '\r')
			return (1);
	}
	return (0);
}

static int
is_hex(char ch)
{
	return ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f') ||
	    (ch >= 'A' && ch <= 'F'));
}

static int
check_escape(struct check *c)
{
	char ch = peek_or_space(c);
	int i;

	if (ch != 'u') {
		if (!strchr("bfnrt\\/\"", ch) || ch == '\0')
			return (bad_char(c, ch, "in string escape code"));
		c->at++;
		return (0);
	}
	c->at++;
	for (i = 0; i < 4; i++, c->at++)
		if (!is_hex(peek_or_space(c)))
			return (bad_char(c, peek_or_space(c),
			    "in \\u hexadecimal character escape"));
	return (0);
}

static int
check_string(struct check *c)
{
	c->at++;
#ifdef WEAKEN_DOC_BOUNDS
	while (c->at <= c->len) {
#else
	while (c->at < c->len) {
#endif
		char ch = c->s[c->at];

		if (ch == '"') {
			c->at++;
			return (0);
		}
		if ((unsigned char)ch < 0x20)
			return (bad_char(c, ch, "in string literal"));
		c->at++;
		if (ch == '\\' && check_escape(c) == -1)
			return (-1);
	}
	return (bad_end(c));
}

static int
check_word(struct check *c, const char *word)
{
	char context[48];
	size_t i;

	for (i = 0; word[i]; i++, c->at++)
		if (peek_or_space(c) != word[i]) {
			snprintf(context, sizeof(context),
			    "in literal %s (expecting '%c')", word, word[i]);
			return (bad_char(c, peek_or_space(c), context));
		}
	return (0);
}

static int
is_digit(char ch)
{
	return (ch >= '0' && ch <= '9');
}

static int
check_digits(struct check *c, const char *context)
{
	if (!is_digit(peek_or_space(c)))
		return (bad_char(c, peek_or_space(c), context));
	while (is_digit(peek_or_space(c)))
		c->at++;
	return (0);
}

static int
check_number(struct check *c)
{
	if (peek_or_space(c) == '-')
		c->at++;
	if (peek_or_space(c) == '0')
		c->at++;
	else if (check_digits(c, "in numeric literal") == -1)
		return (-1);
	if (peek_or_space(c) == '.') {
		c->at++;
		if (check_digits(c, "after decimal point in numeric literal") ==
		    -1)
			return (-1);
	}
	if (peek_or_space(c) == 'e' || peek_or_space(c) == 'E') {
		c->at++;
		if (peek_or_space(c) == '+' || peek_or_space(c) == '-')
			c->at++;
		return (check_digits(c, "in exponent of numeric literal"));
	}
	return (0);
}

static int
push(struct check *c, int object)
{
	uint8_t bit;

#ifndef WEAKEN_DOC_DEPTH
	if (c->depth >= DOC_DEPTH_MAX)
		return (bad_char(c, object ? '{' : '[',
		    "exceeded max depth"));
#endif
	bit = (uint8_t)(1 << (c->depth % 8));
	if (object)
		c->is_object[c->depth / 8] |= bit;
	else
		c->is_object[c->depth / 8] &= (uint8_t)~bit;
	c->depth++;
	c->at++;
	return (0);
}

static int
in_object(const struct check *c)
{
	size_t top = c->depth - 1;

	return ((c->is_object[top / 8] >> (top % 8)) & 1);
}

static int
check_key(struct check *c)
{
	if (!skip_space(c))
		return (bad_end(c));
	if (c->s[c->at] != '"')
		return (bad_char(c, c->s[c->at],
		    "looking for beginning of object key string"));
	if (check_string(c) == -1)
		return (-1);
	if (!skip_space(c))
		return (bad_end(c));
	if (c->s[c->at] != ':')
		return (bad_char(c, c->s[c->at], "after object key"));
	c->at++;
	return (0);
}

/* Close what a value ended: 1 when another value is to follow, 0 when the
 * document is complete. */
static int
check_after(struct check *c)
{
	while (c->depth) {
		int object = in_object(c);
		char ch;

		if (!skip_space(c))
			return (bad_end(c));
		ch = c->s[c->at];
		if (ch != ',' && ch != (object ? '}' : ']'))
			return (bad_char(c, ch, object ?
			    "after object key:value pair" :
			    "after array element"));
		c->at++;
		if (ch == ',')
			return (object && check_key(c) == -1 ? -1 : 1);
		c->depth--;
	}
	return (0);
}

/* Enter a container: 1 when a value is to follow, 0 when it was empty. */
static int
check_open(struct check *c, int object)
{
	if (push(c, object) == -1)
		return (-1);
	if (!skip_space(c))
		return (bad_end(c));
	if (c->s[c->at] == (object ? '}' : ']')) {
		c->at++;
		c->depth--;
		return (0);
	}
	return (object && check_key(c) == -1 ? -1 : 1);
}

static int
check_scalar(struct check *c)
{
	switch (c->s[c->at]) {
	case '"':
		return (check_string(c));
	case 't':
		return (check_word(c, "true"));
	case 'f':
		return (check_word(c, "false"));
	case 'n':
		return (check_word(c, "null"));
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		return (check_number(c));
	default:
		return (bad_char(c, c->s[c->at],
		    "looking for beginning of value"));
	}
}

static int
check_document(struct check *c)
{
	int more = 1;

	while (more == 1) {
		char ch;

		if (!skip_space(c))
			return (bad_end(c));
		ch = c->s[c->at];
		if (ch == '{' || ch == '[')
			more = check_open(c, ch == '{');
		else
			more = check_scalar(c);
		if (more == 0)
			more = check_after(c);
	}
	return (more);
}

/* The first value, behind which c->at is then; *start is where it begins. */
static int
check_first(struct check *c, const char *text, size_t len, size_t *start,
    struct err *err)
{
	c->s = text;
	c->len = len;
	c->at = 0;
	c->err = err;
	c->depth = 0;
	if (!skip_space(c))
		return (bad_end(c));
	*start = c->at;
	return (check_document(c));
}

static void
give(const struct check *c, size_t start, struct doc *ret)
{
	ret->type = doc_type_at(c->s, c->len, start);
	ret->raw = c->s + start;
	ret->len = c->at - start;
}

int
doc_parse(const char *text, size_t len, struct doc *ret, struct err *err)
{
	size_t start = 0, end;
	struct check c;

	if (check_first(&c, text, len, &start, err) == -1)
		return (-1);
	end = c.at;
	if (skip_space(&c))
		return (bad_char(&c, text[c.at], "after top-level value"));
	c.at = end;
	give(&c, start, ret);
	return (0);
}

int
doc_first(const char *text, size_t len, struct doc *ret, struct err *err)
{
	size_t start = len;
	struct check c;

	if (check_first(&c, text, len, &start, err) == 0) {
		give(&c, start, ret);
		return (0);
	}
	if (start == len)
		return (err_set(err, ERR_INVALID, "EOF"));
	return (c.at < len ? -1 : err_set(err, ERR_INVALID,
	    "unexpected EOF"));
}
