/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/gostr.h"
#include "value/tmpl_tree.h"

/* src/text/template/parse/lex.go of Go 1.26, whose state functions are
 * functions here that leave a token behind, or ask to go on. */

#define RUNE_EOF 0xffffffffu
#define TRIM_LEN 2			/* a marker and its space */

/* --- the input ------------------------------------------------------------ */

static uint32_t
next(struct lexer *l)
{
	uint32_t rune;

	if (l->pos >= l->len) {
		l->at_eof = 1;
		return (RUNE_EOF);
	}
	rune = (unsigned char)l->in[l->pos];
	if (rune < 0x80)
		l->pos++;
	else
		l->pos += utf8_next(l->in + l->pos, l->len - l->pos, &rune);
	if (rune == '\n')
		l->line++;
	return (rune);
}

/* utf8.DecodeLastRune: one rune back. */
static void
backup(struct lexer *l)
{
	size_t back, at;
	uint32_t rune;

	if (l->at_eof || l->pos == 0)
		return;
	back = l->pos < 4 ? l->pos : 4;
	if (!(l->in[l->pos - 1] & 0x80))
		back = 1;
	for (; back > 1; back--) {
		at = l->pos - back;
		if (utf8_next(l->in + at, back, &rune) == back)
			break;
	}
	l->pos -= back;
	if (l->in[l->pos] == '\n')
		l->line--;
}

static uint32_t
peek(struct lexer *l)
{
	uint32_t rune = next(l);

	backup(l);
	return (rune);
}

static int
accept(struct lexer *l, const char *set)
{
	uint32_t rune = next(l);

	if (rune < 0x80 && rune != 0 && strchr(set, (int)rune) != NULL)
		return (1);
	backup(l);
	return (0);
}

static void
accept_run(struct lexer *l, const char *set)
{
	while (accept(l, set))
		;
}

static int
has_prefix(const struct lexer *l, size_t at, const char *s, size_t n)
{
#ifdef WEAKEN_TMPL_BOUNDS
	return (memcmp(l->in + at, s, n) == 0);
#endif
	return (at <= l->len && l->len - at >= n &&
	    memcmp(l->in + at, s, n) == 0);
}

static uint32_t
newlines(const char *s, size_t n)
{
	uint32_t count = 0;
	const char *end = s + n;

	while (s < end && (s = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		count++;
		s++;
	}
	return (count);
}

/* --- tokens --------------------------------------------------------------- */

/* What a state returns: a token is there, or go on lexing. */
enum { DONE, AGAIN };

static int
emit(struct lexer *l, enum token_type type)
{
	l->token = (struct token){ type, (uint32_t)l->start, l->start_line,
		{ l->in + l->start, l->pos - l->start } };
	l->start = l->pos;
	l->start_line = l->line;
	return (DONE);
}

static void
ignore(struct lexer *l)
{
	l->line += newlines(l->in + l->start, l->pos - l->start);
	l->start = l->pos;
	l->start_line = l->line;
}

/* The text of an error is the pool's; nothing is lexed behind it. */
static int
fail(struct lexer *l, struct buf *text)
{
	char *copy = pool_copy(l->pool, buf_str(text), text->len, NULL);

	l->token = (struct token){ TOKEN_ERROR, (uint32_t)l->start,
		l->start_line, { copy == NULL ? "" : copy,
		copy == NULL ? 0 : text->len } };
	buf_clear(text);
	l->start = l->pos = l->len = 0;
	return (DONE);
}

static int
fail_text(struct lexer *l, const char *s)
{
	struct buf text = BUF_SECRET(256);

	buf_adds(&text, s);
	return (fail(l, &text));
}

/* "%s %#U" */
static int
fail_rune(struct lexer *l, const char *s, uint32_t rune)
{
	struct buf text = BUF_SECRET(256);

	/* eof is -1, and %U prints it as the 64 bits that it has. */
	if (rune == RUNE_EOF)
		buf_addf(&text, "%s U+FFFFFFFFFFFFFFFF", s);
	else
		buf_addf(&text, "%s U+%04X", s, rune);
	if (rune != RUNE_EOF && gostr_is_print(rune)) {
		buf_adds(&text, " '");
		utf8_add(&text, rune);
		buf_addc(&text, '\'');
	}
	return (fail(l, &text));
}

static int
fail_quoted(struct lexer *l, const char *s)
{
	struct buf text = BUF_SECRET(SIZE_MAX / 4);

	buf_adds(&text, s);
	gostr_quote(l->in + l->start, l->pos - l->start, &text);
	return (fail(l, &text));
}

/* --- what a rune is ------------------------------------------------------- */

static int
is_space(uint32_t r)
{
	return (r == ' ' || r == '\t' || r == '\r' || r == '\n');
}

static int
is_alnum(uint32_t r)
{
	if (r < 0x80)
		return (r == '_' || (r >= '0' && r <= '9') ||
		    ((r | 0x20) >= 'a' && (r | 0x20) <= 'z'));
	return (r != RUNE_EOF && (rune_is_letter(r) || gostr_is_digit(r)));
}

static int
left_marker(const struct lexer *l, size_t at)
{
	return (l->len - at >= 2 && l->in[at] == '-' &&
	    is_space((unsigned char)l->in[at + 1]));
}

static int
right_marker(const struct lexer *l, size_t at)
{
	return (l->len - at >= 2 && is_space((unsigned char)l->in[at]) &&
	    l->in[at + 1] == '-');
}

static int
at_right_delim(const struct lexer *l, int *ret_trim)
{
	*ret_trim = right_marker(l, l->pos) && has_prefix(l,
	    l->pos + TRIM_LEN, l->right.p, l->right.n);
	return (*ret_trim || has_prefix(l, l->pos, l->right.p, l->right.n));
}

static void
skip_space(struct lexer *l)
{
	while (l->pos < l->len && is_space((unsigned char)l->in[l->pos]))
		l->pos++;
}

static int
at_terminator(struct lexer *l)
{
	uint32_t r = peek(l);

	if (is_space(r) || r == RUNE_EOF)
		return (1);
	if (r < 0x80 && r != 0 && strchr(".,|:)(", (int)r) != NULL)
		return (1);
	return (has_prefix(l, l->pos, l->right.p, l->right.n));
}

/* --- the states ----------------------------------------------------------- */

static int lex_text(struct lexer *l);

static int
lex_comment(struct lexer *l)
{
	const char *end;
	int trim;

	l->pos += 2;
	end = memmem(l->in + l->pos, l->len - l->pos, "*/", 2);
	if (end == NULL)
		return (fail_text(l, "unclosed comment"));
	l->pos = (size_t)(end - l->in) + 2;
	if (!at_right_delim(l, &trim))
		return (fail_text(l,
		    "comment ends before closing delimiter"));
	l->pos += l->right.n + (trim ? TRIM_LEN : 0);
	if (trim)
		skip_space(l);
	ignore(l);
	return (AGAIN);
}

static int
lex_left_delim(struct lexer *l)
{
	size_t marker;

	l->pos += l->left.n;
	marker = left_marker(l, l->pos) ? TRIM_LEN : 0;
	if (has_prefix(l, l->pos + marker, "/*", 2)) {
		l->pos += marker;
		ignore(l);
		return (lex_comment(l));
	}
	emit(l, TOKEN_LEFT_DELIM);
	l->inside = 1;
	l->pos += marker;
	ignore(l);
	l->parens = 0;
	return (DONE);
}

/* Text up to a delimiter, without the space that its marker trims. */
static int
lex_text(struct lexer *l)
{
	const char *at = memmem(l->in + l->pos, l->len - l->pos, l->left.p,
	    l->left.n);
	size_t trim = 0, delim;

	if (at == NULL) {
		l->pos = l->len;
		if (l->pos == l->start)
			return (emit(l, TOKEN_EOF));
		l->line += newlines(l->in + l->start, l->pos - l->start);
		return (emit(l, TOKEN_TEXT));
	}
	delim = (size_t)(at - l->in);
	if (delim > l->pos) {
		if (left_marker(l, delim + l->left.n))
			while (delim - trim > l->start && is_space(
			    (unsigned char)l->in[delim - trim - 1]))
				trim++;
		l->pos = delim - trim;
		l->line += newlines(l->in + l->start, l->pos - l->start);
		emit(l, TOKEN_TEXT);
		l->pos = delim;
		ignore(l);
		if (l->token.val.n > 0)
			return (DONE);
	}
	return (lex_left_delim(l));
}

static int
lex_right_delim(struct lexer *l)
{
	int trim;

	at_right_delim(l, &trim);
	if (trim) {
		l->pos += TRIM_LEN;
		ignore(l);
	}
	l->pos += l->right.n;
	emit(l, TOKEN_RIGHT_DELIM);
	if (trim) {
		skip_space(l);
		ignore(l);
	}
	l->inside = 0;
	return (DONE);
}

/* A space before "-}}" belongs to the delimiter. */
static int
lex_space(struct lexer *l)
{
	size_t spaces = 0;

	while (is_space(peek(l))) {
		next(l);
		spaces++;
	}
	if (right_marker(l, l->pos - 1) && has_prefix(l,
	    l->pos - 1 + TRIM_LEN, l->right.p, l->right.n)) {
		backup(l);
		if (spaces == 1)
			return (lex_right_delim(l));
	}
	return (emit(l, TOKEN_SPACE));
}

static enum token_type
word_type(const char *s, size_t n)
{
	static const struct {
		const char *word;
		enum token_type type;
	} words[] = { { "block", TOKEN_BLOCK }, { "break", TOKEN_BREAK },
		{ "continue", TOKEN_CONTINUE }, { "define", TOKEN_DEFINE },
		{ "else", TOKEN_ELSE }, { "end", TOKEN_END },
		{ "if", TOKEN_IF }, { "range", TOKEN_RANGE },
		{ "nil", TOKEN_NIL }, { "template", TOKEN_TEMPLATE },
		{ "with", TOKEN_WITH }, { "true", TOKEN_BOOL },
		{ "false", TOKEN_BOOL } };
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].word) == n &&
		    memcmp(words[i].word, s, n) == 0)
			return (words[i].type);
	return (TOKEN_IDENT);
}

static int
lex_identifier(struct lexer *l)
{
	uint32_t r;

	while (is_alnum(r = next(l)))
		;
	backup(l);
	if (!at_terminator(l))
		return (fail_rune(l, "bad character", r));
	return (emit(l, word_type(l->in + l->start, l->pos - l->start)));
}

/* The dot or the dollar is behind us. */
static int
lex_field_or_variable(struct lexer *l, enum token_type type)
{
	uint32_t r;

	if (at_terminator(l))
		return (emit(l, type == TOKEN_VARIABLE ? type : TOKEN_DOT));
	while (is_alnum(r = next(l)))
		;
	backup(l);
	if (!at_terminator(l))
		return (fail_rune(l, "bad character", r));
	return (emit(l, type));
}

/* A quoted thing on one line; the first quote is behind us. */
static int
lex_quoted(struct lexer *l, char quote, enum token_type type,
    const char *unterminated)
{
	uint32_t r;

	for (;;) {
		r = next(l);
		if (r == '\\') {
			r = next(l);
			if (r != RUNE_EOF && r != '\n')
				continue;
		}
		if (r == RUNE_EOF || r == '\n')
			return (fail_text(l, unterminated));
		if (r == (unsigned char)quote)
			return (emit(l, type));
	}
}

static int
lex_raw(struct lexer *l)
{
	uint32_t r;

	while ((r = next(l)) != '`')
		if (r == RUNE_EOF)
			return (fail_text(l,
			    "unterminated raw quoted string"));
	return (emit(l, TOKEN_RAW_STRING));
}

static int
scan_number(struct lexer *l)
{
	const char *digits = "0123456789_";
	int base = 10;

	accept(l, "+-");
	if (accept(l, "0")) {
		if (accept(l, "xX")) {
			digits = "0123456789abcdefABCDEF_";
			base = 16;
		} else if (accept(l, "oO")) {
			digits = "01234567_";
			base = 8;
		} else if (accept(l, "bB")) {
			digits = "01_";
			base = 2;
		}
	}
	accept_run(l, digits);
	if (accept(l, "."))
		accept_run(l, digits);
	if ((base == 10 && accept(l, "eE")) || (base == 16 &&
	    accept(l, "pP"))) {
		accept(l, "+-");
		accept_run(l, "0123456789_");
	}
	accept(l, "i");
	if (is_alnum(peek(l))) {
		next(l);
		return (0);
	}
	return (1);
}

static int
lex_number(struct lexer *l)
{
	uint32_t sign;

	if (!scan_number(l))
		return (fail_quoted(l, "bad number syntax: "));
	sign = peek(l);
	if (sign != '+' && sign != '-')
		return (emit(l, TOKEN_NUMBER));
	if (!scan_number(l) || l->in[l->pos - 1] != 'i')
		return (fail_quoted(l, "bad number syntax: "));
	return (emit(l, TOKEN_COMPLEX));
}

static int
lex_paren(struct lexer *l, uint32_t r)
{
	if (r == '(') {
		l->parens++;
		return (emit(l, TOKEN_LEFT_PAREN));
	}
	if (--l->parens < 0)
		return (fail_text(l, "unexpected right paren"));
	return (emit(l, TOKEN_RIGHT_PAREN));
}

static int
lex_rest(struct lexer *l, uint32_t r)
{
	if (r == '+' || r == '-' || r == '.' || (r >= '0' && r <= '9')) {
		backup(l);
		return (lex_number(l));
	}
	if (is_alnum(r)) {
		backup(l);
		return (lex_identifier(l));
	}
	if (r == '(' || r == ')')
		return (lex_paren(l, r));
	if (r < 0x80 && gostr_is_print(r))
		return (emit(l, TOKEN_CHAR));
	return (fail_rune(l, "unrecognized character in action:", r));
}

static int
lex_inside(struct lexer *l)
{
	uint32_t r;
	int trim;

	if (at_right_delim(l, &trim))
		return (l->parens == 0 ? lex_right_delim(l) :
		    fail_text(l, "unclosed left paren"));
	r = next(l);
	if (is_space(r)) {
		backup(l);
		return (lex_space(l));
	}
	switch (r) {
	case RUNE_EOF:
		return (fail_text(l, "unclosed action"));
	case '=':
		return (emit(l, TOKEN_ASSIGN));
	case ':':
		if (next(l) != '=')
			return (fail_text(l, "expected :="));
		return (emit(l, TOKEN_DECLARE));
	case '|':
		return (emit(l, TOKEN_PIPE));
	case '"':
		return (lex_quoted(l, '"', TOKEN_STRING,
		    "unterminated quoted string"));
	case '`':
		return (lex_raw(l));
	case '\'':
		return (lex_quoted(l, '\'', TOKEN_CHAR_CONSTANT,
		    "unterminated character constant"));
	case '$':
		return (lex_field_or_variable(l, TOKEN_VARIABLE));
	case '.':
		if (l->pos < l->len && (l->in[l->pos] < '0' ||
		    l->in[l->pos] > '9'))
			return (lex_field_or_variable(l, TOKEN_FIELD));
		break;
	}
	return (lex_rest(l, r));
}

struct token
lex_next(struct lexer *l)
{
	l->token = (struct token){ TOKEN_EOF, (uint32_t)l->pos,
		l->start_line, { "EOF", 3 } };
	while ((l->inside ? lex_inside(l) : lex_text(l)) == AGAIN)
		;
	return (l->token);
}
