/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/regex_internal.h"

#define REPEAT_MAX 1000
#define HEIGHT_MAX 1000
/* Instructions by Go's count.  Go's own ceiling is 3,355,443; but RE2 takes
 * time quadratic in a row of optional pieces (a?a?a?…), a second at this. */
#define SIZE_LIMIT 65536
#define SIZE_LIMIT_GO 3355443

/* What Go's limits want to know of a piece of the expression. */
struct piece {
	long copies;		/* of the innermost thing, by nested {n} */
	long size;		/* compiled instructions */
	long height;
};

/* An open parenthesis (or the whole): alternatives so far, the current one's
 * pieces so far, and its last piece, which a repetition applies to. */
struct level {
	int fold;		/* outside: (?i) ends with the parenthesis */
	int captures;
	size_t nalternatives, npieces;
	struct piece alternatives, pieces, last;
	int has_last;
};

struct parser {
	struct regex_syntax *p;
	struct level *levels;
	size_t depth, cap;
	size_t repeat_at;	/* of the repetition just read */
	int repeated;
};

int
regex_fail(struct regex_syntax *p, const char *what, size_t from, size_t to)
{
	/* Go's texts show the whole where it is no piece of it. */
	p->error_at = from == 0 ? p->at : from;
	return (err_set(p->err, ERR_INVALID, "error parsing regexp: %s: "
	    "`%.*s`", what, (int)(to - from), p->s + from));
}

int
regex_check_utf8(struct regex_syntax *p, size_t from, size_t to)
{
	uint32_t rune;
	size_t n;

	for (; from < to; from += n) {
		n = utf8_next(p->s + from, to - from, &rune);
		if (rune == 0xfffd && n == 1)
			return (regex_fail(p, "invalid UTF-8", from, to));
	}
	return (0);
}

/* At the end of the pattern: U+FFFD, and p->at stays. */
int
regex_rune(struct regex_syntax *p, uint32_t *ret)
{
	size_t n = utf8_next(p->s + p->at, p->n - p->at, ret);

	if (*ret == 0xfffd && n == 1)
		return (regex_fail(p, "invalid UTF-8", p->at, p->n));
	p->at += n;
	return (0);
}

static int
is_alnum(uint32_t c)
{
	return ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z'));
}

void
regex_add_rune(struct regex_syntax *p, uint32_t rune)
{
	if (is_alnum(rune))
		buf_addc(&p->out, (char)rune);
	else
		buf_addf(&p->out, "\\x{%x}", (unsigned)rune);
}

/* --- escapes of one character -------------------------------------------- */

static int
unhex(uint32_t c)
{
	if (c >= '0' && c <= '9')
		return ((int)(c - '0'));
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f' && c < 0x80)
		return ((int)((c | 0x20) - 'a' + 10));
	return (-1);
}

/* Behind \x: 1 read, 0 not hexadecimal, -1 bad UTF-8. */
static int
escape_hex(struct regex_syntax *p, uint32_t *ret)
{
	uint32_t c, d, r = 0;
	int digits;

	if (p->at >= p->n)
		return (0);
	if (regex_rune(p, &c) == -1)
		return (-1);
	if (c != '{') {
		if (regex_rune(p, &d) == -1)
			return (-1);
		if (unhex(c) < 0 || unhex(d) < 0)
			return (0);
		*ret = (uint32_t)(unhex(c) * 16 + unhex(d));
		return (1);
	}
	for (digits = 0;; digits = 1) {
		if (p->at >= p->n)
			return (0);
		if (regex_rune(p, &c) == -1)
			return (-1);
		if (c == '}')
			break;
		if (unhex(c) < 0)
			return (0);
		r = r * 16 + (uint32_t)unhex(c);
		if (r > 0x10ffff)
			return (0);
	}
	*ret = r;
	return (digits);
}

static int
is_octal(const struct regex_syntax *p)
{
	return (p->at < p->n && p->s[p->at] >= '0' && p->s[p->at] <= '7');
}

static uint32_t
escape_octal(struct regex_syntax *p, uint32_t first)
{
	uint32_t r = first - '0';
	int i;

	for (i = 1; i < 3 && is_octal(p); i++)
		r = r * 8 + (uint32_t)(p->s[p->at++] - '0');
	return (r);
}

int
regex_escape(struct regex_syntax *p, uint32_t *ret)
{
	static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
	size_t start = p->at++;
	const char *l;
	uint32_t c;
	int r = 0;

	if (p->at >= p->n)
		return (regex_fail(p, "trailing backslash at end of "
		    "expression", p->n, p->n));
	if (regex_rune(p, &c) == -1)
		return (-1);
	l = c < 0x80 && c ? strchr(letters, (int)c) : NULL;
	if (c == 'x') {
		r = escape_hex(p, ret);
	} else if (c == '0' || (c >= '1' && c <= '7' && is_octal(p))) {
		*ret = escape_octal(p, c);
		r = 1;
	} else if (l) {
		*ret = (uint32_t)values[l - letters];
		r = 1;
	} else if (c < 0x80 && !is_alnum(c)) {
		*ret = c;
		r = 1;
	}
	if (r == 0)
		return (regex_fail(p, "invalid escape sequence", start,
		    p->at));
	return (r == -1 ? -1 : 0);
}

/* --- pieces and levels --------------------------------------------------- */

static long
larger(long a, long b)
{
	return (a > b ? a : b);
}

static void
join(struct piece *to, const struct piece *from)
{
	to->copies = larger(to->copies, from->copies);
	to->size += from->size;
	to->height = larger(to->height, from->height);
}

/* The last piece is out of a repetition's reach. */
static void
settle(struct level *l)
{
	if (!l->has_last)
		return;
	join(&l->pieces, &l->last);
	l->npieces++;
	l->has_last = 0;
}

static int
check_piece(struct parser *ps, const struct piece *x, long limit)
{
	if (x->size > limit)
		return (regex_fail(ps->p, "expression too large", 0,
		    ps->p->n));
	if (x->height > HEIGHT_MAX)
		return (regex_fail(ps->p, "expression nests too deeply", 0,
		    ps->p->n));
	return (0);
}

static int
push(struct parser *ps, struct piece x)
{
	struct level *l = &ps->levels[ps->depth - 1];

	settle(l);
	l->last = x;
	l->has_last = 1;
	x.size += l->pieces.size + l->alternatives.size;
	return (check_piece(ps, &x, SIZE_LIMIT));
}

static int
push_one(struct parser *ps)
{
	return (push(ps, (struct piece){ 1, 1, 1 }));
}

/* An alternative is complete. */
static void
end_alternative(struct level *l)
{
	struct piece x;

	settle(l);
	x = l->pieces;
	if (l->npieces == 0)
		x = (struct piece){ 1, 1, 1 };
	else if (l->npieces > 1)
		x.height++;
	join(&l->alternatives, &x);
	l->nalternatives++;
	l->npieces = 0;
	l->pieces = (struct piece){ 0, 0, 0 };
}

static void
open_level(struct parser *ps, int fold, int captures)
{
	if (ps->depth == ps->cap) {
		ps->cap = ps->cap ? ps->cap * 2 : 16;
		ps->levels = mem_grow(ps->levels, ps->cap,
		    sizeof(*ps->levels));
	}
	memset(&ps->levels[ps->depth], 0, sizeof(*ps->levels));
	ps->levels[ps->depth].fold = fold;
	ps->levels[ps->depth].captures = captures;
	ps->depth++;
}

static int
close_level(struct parser *ps)
{
	struct level *l = &ps->levels[ps->depth - 1];
	struct piece x;

	if (ps->depth < 2)
		return (regex_fail(ps->p, "unexpected )", 0, ps->p->n));
	end_alternative(l);
	x = l->alternatives;
	if (l->nalternatives > 1) {
		x.size += (long)l->nalternatives - 1;
		x.height++;
	}
	if (l->captures) {
		x.size += 2;
		x.height++;
	}
	ps->p->fold = l->fold;
	ps->depth--;
	buf_addc(&ps->p->out, ')');
	ps->p->at++;
	return (push(ps, x));
}

static void
add_group(struct regex_syntax *p, const char *name, size_t len)
{
	/* At powers of two. */
	if ((p->ngroups & (p->ngroups - 1)) == 0)
		p->names = mem_grow(p->names, p->ngroups ? p->ngroups * 2 : 1,
		    sizeof(*p->names));
	p->names[p->ngroups++] = str_ndup(name, len);
}

static int
is_group_name(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (s[i] != '_' && !is_alnum((unsigned char)s[i]))
			return (0);
	return (n > 0);
}

/* (?P<name> or (?<name>; ${name} is where the name starts. */
static int
open_named(struct parser *ps, size_t name)
{
	struct regex_syntax *p = ps->p;
	const char *end = memchr(p->s + p->at, '>', p->n - p->at);
	size_t len;

	if (!end) {
		if (regex_check_utf8(p, p->at, p->n) == -1)
			return (-1);
		return (regex_fail(p, "invalid named capture", p->at, p->n));
	}
	len = (size_t)(end - p->s) - name;
	if (regex_check_utf8(p, name, name + len) == -1)
		return (-1);
	if (!is_group_name(p->s + name, len))
		return (regex_fail(p, "invalid named capture", p->at,
		    name + len + 1));
	add_group(p, p->s + name, len);
	open_level(ps, p->fold, 1);
	buf_addc(&p->out, '(');
	p->at = name + len + 1;
	return (0);
}

/* (?i-s) or (?i-s: */
static int
open_flags(struct parser *ps)
{
	struct regex_syntax *p = ps->p;
	int fold = p->fold, sign = 1, saw = 0;
	size_t start = p->at;
	uint32_t c;

	for (p->at += 2; p->at < p->n;) {
		if (regex_rune(p, &c) == -1)
			return (-1);
		if (c == 'i')
			fold = sign > 0;
		if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
			saw = 1;
		} else if (c == '-' && sign > 0) {
			sign = -1;
			saw = 0;
		} else if ((c == ':' || c == ')') && (sign > 0 || saw)) {
			buf_add(&p->out, p->s + start, p->at - start);
			if (c == ':')
				open_level(ps, p->fold, 0);
			p->fold = fold;
			return (0);
		} else {
			break;
		}
	}
	return (regex_fail(p, "invalid or unsupported Perl syntax", start,
	    p->at));
}

static int
open_paren(struct parser *ps)
{
	struct regex_syntax *p = ps->p;
	const char *t = p->s + p->at;
	size_t left = p->n - p->at;

	if (left > 4 && memcmp(t, "(?P<", 4) == 0)
		return (open_named(ps, p->at + 4));
	if (left > 3 && memcmp(t, "(?<", 3) == 0)
		return (open_named(ps, p->at + 3));
	if (left >= 2 && t[1] == '?')
		return (open_flags(ps));
	add_group(p, "", 0);
	open_level(ps, p->fold, 1);
	buf_addc(&p->out, '(');
	p->at++;
	return (0);
}

/* --- repetitions --------------------------------------------------------- */

#define COUNT_TOO_LARGE (-1)
#define COUNT_NONE (-2)

/* A number without a leading zero; -1 when it is too large, -2 none. */
static long
read_count(const struct regex_syntax *p, size_t *at)
{
	const char *s = p->s;
	size_t i = *at;
	long n = 0;

	if (i >= p->n || s[i] < '0' || s[i] > '9')
		return (COUNT_NONE);
	if (i + 1 < p->n && s[i] == '0' && s[i + 1] >= '0' && s[i + 1] <= '9')
		return (COUNT_NONE);
	for (; i < p->n && s[i] >= '0' && s[i] <= '9'; i++)
		if (n != COUNT_TOO_LARGE)
			n = n >= 100000000 ? COUNT_TOO_LARGE :
			    n * 10 + (s[i] - '0');
	*at = i;
	return (n);
}

/* {2}, {2,} (max -1) or {2,5} at ${at}: the offset behind, or 0. */
static size_t
read_braces(const struct regex_syntax *p, size_t at, long *min, long *max)
{
	at++;
	*min = read_count(p, &at);
	if (*min == COUNT_NONE || at >= p->n)
		return (0);
	*max = *min;
	if (p->s[at] == ',') {
		at++;
		if (at >= p->n)
			return (0);
		*max = -1;
		if (p->s[at] != '}') {
			*max = read_count(p, &at);
			if (*max == COUNT_NONE)
				return (0);
			if (*max == COUNT_TOO_LARGE)
				*min = COUNT_TOO_LARGE;
		}
	}
	if (at >= p->n || p->s[at] != '}')
		return (0);
	return (at + 1);
}

static void
repeat_piece(struct piece *x, char op, long min, long max)
{
	long m = max < 0 ? min : max;

	x->height++;
	if (op == '*') {
		x->size += 2;
	} else if (op != '{') {
		x->size += 1;
	} else {
		if (max == 0)
			x->copies = 0;
		else if (m > 0)
			x->copies = m * larger(1, x->copies);
		if (max < 0)
			x->size = min ? 1 + min * x->size : 2 + x->size;
		else
			x->size = larger(1, max * x->size + max - min);
	}
}

/* The operator stands at ${start} and ends before p->at. */
static int
repeat(struct parser *ps, size_t start, long min, long max)
{
	struct regex_syntax *p = ps->p;
	struct level *l = &ps->levels[ps->depth - 1];
	char op = p->s[start];

	if (p->at < p->n && p->s[p->at] == '?')
		p->at++;
	if (ps->repeated)
		return (regex_fail(p, "invalid nested repetition operator",
		    ps->repeat_at, p->at));
	if (!l->has_last)
		return (regex_fail(p, "missing argument to repetition "
		    "operator", start, p->at));
	repeat_piece(&l->last, op, min, max);
	/* Go's order: what is too large for it is not called a bad count. */
	if (check_piece(ps, &l->last, SIZE_LIMIT_GO) == -1)
		return (-1);
	if (op == '{' && (min >= 2 || max >= 2) &&
	    l->last.copies > REPEAT_MAX)
		return (regex_fail(p, "invalid repeat count", start, p->at));
	if (check_piece(ps, &l->last, SIZE_LIMIT) == -1)
		return (-1);
	buf_add(&p->out, p->s + start, p->at - start);
	ps->repeat_at = start;
	return (0);
}

/* 1 a repetition was read, 0 the brace is a literal, -1 error. */
static int
braces(struct parser *ps)
{
	struct regex_syntax *p = ps->p;
	size_t start = p->at, end;
	long min, max;

	end = read_braces(p, start, &min, &max);
	if (!end) {
		regex_add_rune(p, '{');
		p->at++;
		return (push_one(ps) == -1 ? -1 : 0);
	}
	p->at = end;
	if (min < 0 || min > REPEAT_MAX || max > REPEAT_MAX ||
	    (max >= 0 && min > max))
		return (regex_fail(p, "invalid repeat count", start, end));
	return (repeat(ps, start, min, max) == -1 ? -1 : 1);
}

/* --- the rest ------------------------------------------------------------ */

static int
literal(struct parser *ps)
{
	uint32_t c;

	if (regex_rune(ps->p, &c) == -1)
		return (-1);
	regex_add_rune(ps->p, c);
	return (push_one(ps));
}

/* \Q…\E */
static int
quoted(struct parser *ps)
{
	struct regex_syntax *p = ps->p;
	size_t n = p->n, end;
	const char *e;

	p->at += 2;
	e = memmem(p->s + p->at, n - p->at, "\\E", 2);
	end = e ? (size_t)(e - p->s) : n;
	p->n = end;
	while (p->at < end)
		if (literal(ps) == -1)
			return (-1);
	p->n = n;
	p->at = e ? end + 2 : n;
	return (0);
}

static int
backslash(struct parser *ps)
{
	struct regex_syntax *p = ps->p;
	uint32_t c;
	int r;

	if (p->n - p->at >= 2) {
		switch (p->s[p->at + 1]) {
		case 'A': case 'b': case 'B': case 'z':
			p->inside_runes |= p->s[p->at + 1] == 'B';
			buf_add(&p->out, p->s + p->at, 2);
			p->at += 2;
			return (push_one(ps));
		case 'C':
			return (regex_fail(p, "invalid escape sequence",
			    p->at, p->at + 2));
		case 'Q':
			return (quoted(ps));
		default:
			break;
		}
	}
	r = regex_class_escape(p, 0);
	if (r == 0) {
		if (regex_escape(p, &c) == -1)
			return (-1);
		regex_add_rune(p, c);
	}
	return (r == -1 ? -1 : push_one(ps));
}

static int
token(struct parser *ps)
{
	struct regex_syntax *p = ps->p;
	char c = p->s[p->at];

	switch (c) {
	case '(':
		return (open_paren(ps));
	case ')':
		return (close_level(ps));
	case '|':
		end_alternative(&ps->levels[ps->depth - 1]);
		buf_addc(&p->out, c);
		p->at++;
		return (0);
	case '^': case '$': case '.':
		buf_addc(&p->out, c);
		p->at++;
		return (push_one(ps));
	case '[':
		return (regex_brackets(p) == -1 ? -1 : push_one(ps));
	case '\\':
		return (backslash(ps));
	default:
		return (literal(ps));
	}
}

static int
next(struct parser *ps)
{
	struct regex_syntax *p = ps->p;
	size_t start = p->at;
	int r;

	switch (p->s[start]) {
	case '*': case '+': case '?':
		p->at++;
		r = repeat(ps, start, 0, 0) == -1 ? -1 : 1;
		break;
	case '{':
		r = braces(ps);
		break;
	default:
		r = token(ps);
		break;
	}
	ps->repeated = r == 1;
	return (r);
}

int
regex_translate(const char *pattern, size_t len, struct regex_syntax *ret,
    struct err *err)
{
	struct parser ps = { ret, NULL, 0, 0, 0, 0 };
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	ret->s = pattern;
	ret->n = len;
	ret->err = err;
	ret->out = (struct buf)BUF_PLAIN(len * 12 + 64);
	if (len > REGEX_PATTERN_MAX)
		return (err_set(err, ERR_LIMIT, "error parsing regexp: "
		    "expression too large: %zu bytes", len));
	open_level(&ps, 0, 0);
	while (r != -1 && ret->at < len)
		r = next(&ps);
	if (r != -1 && ps.depth > 1)
		r = regex_fail(ret, "missing closing )", 0, len);
	if (r != -1) {
		end_alternative(&ps.levels[0]);
		r = buf_finish(&ret->out, "regular expression", err);
	}
	free(ps.levels);
	return (r == -1 ? -1 : 0);
}

void
regex_syntax_clear(struct regex_syntax *p)
{
	size_t i;

	for (i = 0; i < p->ngroups; i++)
		free(p->names[i]);
	free(p->names);
	p->names = NULL;
	p->ngroups = 0;
	buf_clear(&p->out);
}
