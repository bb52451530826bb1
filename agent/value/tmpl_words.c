/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "value/gostr.h"
#include "value/tmpl_case.h"
#include "value/tmpl_words.h"

/* --- goutils ------------------------------------------------------------ */

/* One line of the result; returns where the next one starts. */
static size_t
wrap_line(const char *s, size_t n, size_t at, size_t width, int long_words,
    struct buf *out, int *more)
{
	const char *space = memrchr(s + at, ' ', width + 1);
	size_t end = at + width;

	*more = 1;
	if (space == NULL && long_words) {
		buf_add(out, s + at, width);
		return (end);
	}
	if (space == NULL && (space = memchr(s + end, ' ', n - end)) == NULL) {
		*more = 0;
		buf_add(out, s + at, n - at);
		return (n);
	}
	end = (size_t)(space - s);
	buf_add(out, s + at, end - at);
	return (end + 1);
}

void
words_wrap(const char *s, size_t n, int64_t width, const char *newline,
    size_t newline_n, int long_words, struct buf *out)
{
	size_t at = 0;
	int more;

	if (newline_n == 0) {
		newline = "\n";
		newline_n = 1;
	}
	if (width < 1)
		width = 1;
	while (n - at > (uint64_t)width) {
		if (s[at] == ' ') {
			at++;
			continue;
		}
		at = wrap_line(s, n, at, (size_t)width, long_words, out,
		    &more);
		if (more)
			buf_add(out, newline, newline_n);
	}
	buf_add(out, s + at, n - at);
}

void
words_abbreviate(const char *s, size_t n, int64_t offset, int64_t width,
    struct buf *out)
{
	int64_t len = (int64_t)n;

	if (len <= width) {
		buf_add(out, s, n);
		return;
	}
	if (offset > len)
		offset = len;
	if (len - offset < width - 3)
		offset = len - (width - 3);
	if (offset <= 4) {
		buf_add(out, s, (size_t)(width - 3));
		buf_adds(out, "...");
		return;
	}
	buf_adds(out, "...");
	if (offset + width - 3 < len)
		words_abbreviate(s + offset, n - (size_t)offset, 0, width - 3,
		    out);
	else
		buf_add(out, s + (len - (width - 3)), (size_t)(width - 3));
}

void
words_initials(const char *s, size_t n, struct buf *out)
{
	int gap = 1;
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t r = (unsigned char)s[i];

		if (case_is_space(r)) {
			gap = 1;
		} else if (gap) {
			utf8_add(out, r);
			gap = 0;
		}
	}
}

void
words_no_space(const char *s, size_t n, struct buf *out)
{
	size_t i, spaces = 0;

	for (i = 0; i < n; i++)
		spaces += case_is_space((unsigned char)s[i]) != 0;
	if (spaces == 0) {
		buf_add(out, s, n);
		return;
	}
	for (i = 0; i < n; i++)
		if (!case_is_space((unsigned char)s[i]))
			utf8_add(out, (unsigned char)s[i]);
}

void
words_swap_case(const char *s, size_t n, struct buf *out)
{
	int space = 1;
	size_t i, len;
	uint32_t r;

	for (i = 0; i < n; i += len) {
		len = utf8_next(s + i, n - i, &r);
		if (case_is_upper(r) || case_is_title(r)) {
			r = case_to_lower(r);
			space = 0;
		} else if (case_is_lower(r)) {
			r = space ? case_to_title(r) : case_to_upper(r);
			space = 0;
		} else {
			space = case_is_space(r);
		}
		utf8_add(out, r);
	}
}

void
words_uncapitalize(const char *s, size_t n, struct buf *out)
{
	int first = 1;
	size_t i, len;
	uint32_t r;

	for (i = 0; i < n; i += len) {
		len = utf8_next(s + i, n - i, &r);
		if (case_is_space(r)) {
			first = 1;
		} else if (first) {
			r = case_to_lower(r);
			first = 0;
		}
		utf8_add(out, r);
	}
}

static int
is_separator(uint32_t r)
{
	if (r < 0x80)
		return (!((r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') ||
		    (r >= 'A' && r <= 'Z') || r == '_'));
	if (rune_is_letter(r) || gostr_is_digit(r))
		return (0);
	return (case_is_space(r));
}

void
words_title(const char *s, size_t n, struct buf *out)
{
	uint32_t r, before = ' ';
	size_t i, len;

	for (i = 0; i < n; i += len) {
		len = utf8_next(s + i, n - i, &r);
		utf8_add(out, is_separator(before) ? case_to_title(r) : r);
		before = r;
	}
}

/* --- xstrings ----------------------------------------------------------- */

static int
is_connector(uint32_t r)
{
	return (r == '-' || r == '_' || case_is_space(r));
}

/* The first rune that is no connector, in upper case; what comes before it is
 * printed.  Returns its end. */
static size_t
camel_head(const char *s, size_t n, uint32_t *r, int *was_upper,
    struct buf *out)
{
	size_t i = 0;

	while (i < n) {
		i += utf8_next(s + i, n - i, r);
		if (!is_connector(*r)) {
			*was_upper = case_is_upper(*r);
			*r = case_to_upper(*r);
			return (i);
		}
		utf8_add(out, *r);
	}
	return (i);
}

void
words_camel(const char *s, size_t n, struct buf *out)
{
	uint32_t r = 0, before;
	int was_upper = 0;
	size_t i;

	if (n == 0)
		return;
	/* A trailing connector is printed twice when there is nothing else:
	 * the original does. */
	for (i = camel_head(s, n, &r, &was_upper, out); i < n;) {
		before = r;
		i += utf8_next(s + i, n - i, &r);
		if (is_connector(r) && is_connector(before)) {
			utf8_add(out, before);
			continue;
		}
		if (is_connector(before)) {
			was_upper = case_is_upper(r);
			r = case_to_upper(r);
			continue;
		}
		if (was_upper && case_is_upper(r))
			r = case_to_lower(r);
		else
			was_upper = 0;
		utf8_add(out, before);
	}
	utf8_add(out, r);
}

enum word { W_INVALID, W_NUMBER, W_UPPER, W_ALPHA, W_CONNECTOR, W_PUNCT,
	W_OTHER };

struct words {
	const char *s;			/* what is left */
	size_t n;
	enum word type;			/* of the current word */
	const char *word;
	size_t word_n;
};

/* The next rune that is not U+FFFD; ${before} at the end.  *len counts the
 * bytes up to and with it. */
static uint32_t
next_valid(const char *s, size_t n, uint32_t before, size_t *len)
{
	uint32_t r;
	size_t size;

	for (*len = 0; *len < n;) {
		size = utf8_next(s + *len, n - *len, &r);
		*len += size;
		if (r != 0xfffd)
			return (r);
	}
	return (before);
}

/* A letter, but none of the common CJK ideographs. */
static int
is_alphabet(uint32_t r)
{
	return (rune_is_letter(r) && !(r >= 0x4e00 && r <= 0x9fcc) &&
	    !(r >= 0x3400 && r <= 0x4d85) && !(r >= 0x20000 && r <= 0x2b81d));
}

static int
is_lower_alphabet(uint32_t r)
{
	return (is_alphabet(r) && !case_is_upper(r));
}

static int
is_other(uint32_t r)
{
	return (!is_connector(r) && !is_alphabet(r) && !rune_is_number(r) &&
	    !case_is_punct(r));
}

/* As far as ${in} holds from ${at} on. */
static size_t
run_of(const struct words *w, size_t at, uint32_t r, int (*in)(uint32_t))
{
	size_t len;

	while (at < w->n) {
		r = next_valid(w->s + at, w->n - at, r, &len);
		if (!in(r))
			break;
		at += len;
	}
	return (at);
}

/* What starts with a capital: "HTTP" before "Status", "Status", or "H". */
static size_t
upper_word(const struct words *w, size_t at, uint32_t r)
{
	size_t len, last;

	if (at == w->n)
		return (at);
	r = next_valid(w->s + at, w->n - at, r, &len);
	if (!case_is_upper(r))
		return (is_alphabet(r) ?
		    run_of(w, at + len, r, is_lower_alphabet) : at);
	do {
		last = len;
		at += len;
		if (at == w->n)
			return (at);
		r = next_valid(w->s + at, w->n - at, r, &len);
	} while (case_is_upper(r));
	return (is_alphabet(r) ? at - last : at);
}

static void
next_word(struct words *w)
{
	size_t at;
	uint32_t r;

	w->word = w->s;
	r = next_valid(w->s, w->n, 0xfffd, &at);
	if (r == 0xfffd) {
		w->type = W_INVALID;
	} else if (is_connector(r)) {
		w->type = W_CONNECTOR;
		at = run_of(w, at, r, is_connector);
	} else if (case_is_punct(r)) {
		w->type = W_PUNCT;
		at = run_of(w, at, r, case_is_punct);
	} else if (case_is_upper(r)) {
		w->type = W_UPPER;
		at = upper_word(w, at, r);
	} else if (is_alphabet(r)) {
		w->type = W_ALPHA;
		at = run_of(w, at, r, is_lower_alphabet);
	} else if (rune_is_number(r)) {
		w->type = W_NUMBER;
		at = run_of(w, at, r, rune_is_number);
	} else {
		w->type = W_OTHER;
		at = run_of(w, at, r, is_other);
	}
	w->word_n = at;
	w->s += at;
	w->n -= at;
}

static void
add_lower(const struct words *w, char connector, struct buf *out)
{
	size_t i, len;
	uint32_t r;

	if (w->type != W_UPPER && w->type != W_CONNECTOR) {
		buf_add(out, w->word, w->word_n);
		return;
	}
	for (i = 0; i < w->word_n; i += len) {
		len = utf8_next(w->word + i, w->word_n - i, &r);
		if (is_connector(r))
			buf_addc(out, connector);
		else
			utf8_add(out, case_is_upper(r) ? case_to_lower(r) : r);
	}
}

/* Letters and numbers that follow a number belong to it: "20xOK". */
static void
after_number(struct words *w, char connector, struct buf *out)
{
	while (w->type == W_ALPHA || w->type == W_NUMBER) {
		add_lower(w, connector, out);
		next_word(w);
	}
	if (w->type != W_INVALID && w->type != W_PUNCT &&
	    w->type != W_CONNECTOR)
		buf_addc(out, connector);
}

/* Between a word of letters (or of anything else) and what follows it. */
static void
after_word(struct words *w, char connector, struct buf *out)
{
	struct words number;

	if (w->type != W_NUMBER) {
		if (w->type != W_CONNECTOR && w->type != W_PUNCT)
			buf_addc(out, connector);
		return;
	}
	if (w->n == 0)
		return;
	number = *w;
	next_word(w);
	/* "Bld4Floor": the number ends its word. */
	if (w->type != W_ALPHA) {
		add_lower(&number, connector, out);
		if (w->type != W_CONNECTOR && w->type != W_PUNCT)
			buf_addc(out, connector);
		return;
	}
	/* "HTTP2xx": it starts one. */
	buf_addc(out, connector);
	add_lower(&number, connector, out);
	after_number(w, connector, out);
}

void
words_snake(const char *s, size_t n, char connector, struct buf *out)
{
	struct words w = { .s = s, .n = n }, before;

	if (n == 0)
		return;
	next_word(&w);
	while (w.n > 0) {
		before = w;
		if (w.type != W_CONNECTOR)
			add_lower(&w, connector, out);
		next_word(&w);
		switch (before.type) {
		case W_NUMBER:
			after_number(&w, connector, out);
			break;
		case W_CONNECTOR:
			add_lower(&before, connector, out);
			break;
		case W_PUNCT:
			break;
		default:
			after_word(&w, connector, out);
		}
	}
	add_lower(&w, connector, out);
}
