/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "value/gostr.h"
#include "value/tmpl_case.h"
#include "value/tmpl_cast.h"
#include "value/tmpl_rand.h"
#include "value/tmpl_text.h"
#include "value/tmpl_words.h"

/* Strings: sprig's strings.go and functions.go. */

static struct text
arg(const struct tmpl_call *c, size_t i)
{
	return (text_of(&c->v[i]));
}

static int
give(struct text t, struct tv *ret)
{
	*ret = tv_strn(t.p, t.n);
	return (0);
}

static int
fn_hello(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)c, (void)err;
	*ret = tv_str("Hello!");
	return (0);
}

/* --- one string in, one out --------------------------------------------- */

typedef void text_filter(const char *s, size_t n, struct buf *out);

static int
filter(struct tmpl_call *c, text_filter *f, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	f(c->v[0].u.s.p, c->v[0].u.s.n, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static void
to_upper(const char *s, size_t n, struct buf *out)
{
	case_each(s, n, case_to_upper, out);
}

static void
to_lower(const char *s, size_t n, struct buf *out)
{
	case_each(s, n, case_to_lower, out);
}

static void
to_snake(const char *s, size_t n, struct buf *out)
{
	words_snake(s, n, '_', out);
}

static void
to_kebab(const char *s, size_t n, struct buf *out)
{
	words_snake(s, n, '-', out);
}

#define FILTER(name, f)							\
static int								\
name(struct tmpl_call *c, struct tv *ret, struct err *err)		\
{									\
	return (filter(c, f, ret, err));				\
}

FILTER(fn_upper, to_upper)
FILTER(fn_lower, to_lower)
FILTER(fn_title, words_title)
FILTER(fn_untitle, words_uncapitalize)
FILTER(fn_swapcase, words_swap_case)
FILTER(fn_nospace, words_no_space)
FILTER(fn_initials, words_initials)
FILTER(fn_snakecase, to_snake)
FILTER(fn_kebabcase, to_kebab)
FILTER(fn_camelcase, words_camel)

static int
fn_trim(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct text t = arg(c, 0);

	(void)err;
	case_trim_space(&t.p, &t.n);
	return (give(t, ret));
}

/* --- parts of strings --------------------------------------------------- */

static int
fn_trim_all(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	/* Each rune is looked for in all of the set. */
	if (tmpl_steps(c->run, (uint64_t)arg(c, 0).n * arg(c, 1).n / 256,
	    err) == -1)
		return (-1);
	return (give(text_trim(arg(c, 1), arg(c, 0)), ret));
}

static int
has_prefix(struct text s, struct text prefix)
{
	return (s.n >= prefix.n && (prefix.n == 0 ||
	    memcmp(s.p, prefix.p, prefix.n) == 0));
}

static int
has_suffix(struct text s, struct text suffix)
{
	return (s.n >= suffix.n && (suffix.n == 0 ||
	    memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0));
}

static int
fn_trim_prefix(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct text s = arg(c, 1), prefix = arg(c, 0);

	(void)err;
	if (has_prefix(s, prefix)) {
		s.p += prefix.n;
		s.n -= prefix.n;
	}
	return (give(s, ret));
}

static int
fn_trim_suffix(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct text s = arg(c, 1), suffix = arg(c, 0);

	(void)err;
	if (has_suffix(s, suffix))
		s.n -= suffix.n;
	return (give(s, ret));
}

static int
fn_has_prefix(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(has_prefix(arg(c, 1), arg(c, 0)));
	return (0);
}

static int
fn_has_suffix(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(has_suffix(arg(c, 1), arg(c, 0)));
	return (0);
}

static int
fn_contains(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(text_find(arg(c, 1), arg(c, 0)) >= 0);
	return (0);
}

static int
fn_trunc(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t want = c->v[0].u.i, n = (int64_t)c->v[1].u.s.n;
	struct text t = arg(c, 1);

	(void)err;
	if (want < 0 && n + want > 0) {
		t.p += n + want;
		t.n = (size_t)-want;
	} else if (want >= 0 && n > want) {
		t.n = (size_t)want;
	}
	return (give(t, ret));
}

static int
fn_substr(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t start = c->v[0].u.i, end = c->v[1].u.i;
	struct text t = arg(c, 2);

	if (start >= 0 && (end < 0 || end > (int64_t)t.n))
		end = (int64_t)t.n;
	if (text_cut(t, start, end, &t, err) == -1)
		return (-1);
	return (give(t, ret));
}

static int
fn_abbrev(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (c->v[0].u.i < 4)
		return (give(arg(c, 1), ret));
	words_abbreviate(c->v[1].u.s.p, c->v[1].u.s.n, 0, c->v[0].u.i, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_abbrevboth(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	int64_t left = c->v[0].u.i, right = c->v[1].u.i;

	if (right < 4 || (left > 0 && right < 7))
		return (give(arg(c, 2), ret));
	words_abbreviate(c->v[2].u.s.p, c->v[2].u.s.n, left, right, &out);
	return (tv_buf(c->run, &out, ret, err));
}

/* --- longer strings ----------------------------------------------------- */

static int
fn_repeat(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (text_repeat(arg(c, 1), c->v[0].u.i, &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_replace(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	text_replace(arg(c, 2), arg(c, 0), arg(c, 1), &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
indent(struct tmpl_call *c, const char *head, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	cleanup_buf struct buf pad = tmpl_buf(c->run);

	buf_adds(&out, head);
	buf_adds(&pad, "\n");
	if (text_repeat((struct text){ " ", 1 }, c->v[0].u.i, &pad,
	    err) == -1 ||
	    buf_finish(&pad, "the memory of a template", err) == -1)
		return (-1);
	buf_add(&out, pad.data + 1, pad.len - 1);
	text_replace(arg(c, 1), (struct text){ "\n", 1 },
	    (struct text){ pad.data, pad.len }, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_indent(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (indent(c, "", ret, err));
}

static int
fn_nindent(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (indent(c, "\n", ret, err));
}

static int
fn_wrap(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	words_wrap(c->v[1].u.s.p, c->v[1].u.s.n, c->v[0].u.i, "", 0, 0, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_wrap_with(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	words_wrap(c->v[2].u.s.p, c->v[2].u.s.n, c->v[0].u.i, c->v[1].u.s.p,
	    c->v[1].u.s.n, 1, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_plural(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	return (give(arg(c, c->v[2].u.i == 1 ? 0 : 1), ret));
}

/* --- any values --------------------------------------------------------- */

static int
fn_quote(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct tv s;
	size_t i, n = 0;

	for (i = 0; i < c->n; i++) {
		if (cast_is_nil(&c->v[i]))
			continue;
		if (cast_string(c->run, &c->v[i], &s, err) == -1)
			return (-1);
		if (n++ > 0)
			buf_addc(&out, ' ');
		gostr_quote(s.u.s.p, s.u.s.n, &out);
	}
	return (tv_buf(c->run, &out, ret, err));
}

/* ${quote}%v${quote} of each, with a space between. */
static int
print_each(struct tmpl_call *c, const char *quote, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	size_t i, n = 0;

	for (i = 0; i < c->n; i++) {
		if (cast_is_nil(&c->v[i]))
			continue;
		if (n++ > 0)
			buf_addc(&out, ' ');
		buf_adds(&out, quote);
		if (tmpl_print(c->run, &c->v[i], &out, err) == -1)
			return (-1);
		buf_adds(&out, quote);
	}
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_squote(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (print_each(c, "'", ret, err));
}

static int
fn_cat(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (print_each(c, "", ret, err));
}

static int
fn_to_string(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (cast_string(c->run, &c->v[0], ret, err));
}

static int
fn_to_strings(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (cast_strings(c->run, &c->v[0], ret, err));
}

static int
fn_join(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct text sep = arg(c, 0);
	struct tv list;
	size_t i;

	if (cast_strings(c->run, &c->v[1], &list, err) == -1)
		return (-1);
	for (i = 0; i < list.u.l.n; i++) {
		if (i > 0)
			buf_add(&out, sep.p, sep.n);
		buf_add(&out, list.u.l.v[i].u.s.p, list.u.l.v[i].u.s.n);
	}
	return (tv_buf(c->run, &out, ret, err));
}

/* --- split -------------------------------------------------------------- */

static int
fn_split_list(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (text_split(c->run, arg(c, 1), arg(c, 0), -1, ret, err));
}

/* The parts as _0, _1, … */
static int
split_map(struct tmpl_call *c, struct text s, int64_t n, struct tv *ret,
    struct err *err)
{
	struct tv parts, key;
	size_t i;

	if (text_split(c->run, s, arg(c, 0), n, &parts, err) == -1 ||
	    tv_new_map(c->run, &tt_smap, ret, err) == -1)
		return (-1);
	for (i = 0; i < parts.u.l.n; i++) {
		cleanup_buf struct buf name = BUF_PLAIN(32);

		buf_addf(&name, "_%zu", i);
		if (tv_text(c->run, name.data, name.len, &key, err) == -1 ||
		    tmap_set(c->run, ret->u.m, key.u.s.p, key.u.s.n,
		    parts.u.l.v[i], err) == -1)
			return (-1);
	}
	return (0);
}

static int
fn_split(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (split_map(c, arg(c, 1), -1, ret, err));
}

static int
fn_splitn(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (split_map(c, arg(c, 2), c->v[1].u.i, ret, err));
}

/* --- random ------------------------------------------------------------- */

static const char letters_digits[] = "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static int
random_text(struct tmpl_call *c, const char *alphabet, size_t n,
    struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (c->v[0].u.i > 0 && tmpl_rand_chars((size_t)c->v[0].u.i, alphabet,
	    n, &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_rand_alpha_num(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (random_text(c, letters_digits, 62, ret, err));
}

static int
fn_rand_alpha(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (random_text(c, letters_digits, 52, ret, err));
}

static int
fn_rand_numeric(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (random_text(c, letters_digits + 52, 10, ret, err));
}

static int
fn_rand_ascii(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	char printable[95];
	size_t i;

	for (i = 0; i < sizeof(printable); i++)
		printable[i] = (char)(' ' + i);
	return (random_text(c, printable, sizeof(printable), ret, err));
}

static int
fn_shuffle(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct text s = arg(c, 0);
	uint32_t *runes, swap;
	size_t i, n = 0;
	uint64_t j;

	if (tmpl_steps(c->run, s.n, err) == -1 || (runes = tmpl_alloc(c->run,
	    (s.n + 1) * sizeof(*runes), err)) == NULL)
		return (-1);
	for (i = 0; i < s.n; n++)
		i += utf8_next(s.p + i, s.n - i, &runes[n]);
	for (i = n; i > 1; i--) {
		if (tmpl_rand_below(i, &j, err) == -1)
			return (-1);
		swap = runes[i - 1];
		runes[i - 1] = runes[j];
		runes[j] = swap;
	}
	for (i = 0; i < n; i++)
		utf8_add(&out, runes[i]);
	return (tv_buf(c->run, &out, ret, err));
}

#define S &tt_string
#define I &tt_int

const struct tmpl_func tmpl_funcs_strings[] = {
	{ "hello", fn_hello, S, 0, { NULL }, NULL },
	{ "abbrev", fn_abbrev, S, 2, { I, S }, NULL },
	{ "abbrevboth", fn_abbrevboth, S, 3, { I, I, S }, NULL },
	{ "trunc", fn_trunc, S, 2, { I, S }, NULL },
	{ "trim", fn_trim, S, 1, { S }, NULL },
	{ "upper", fn_upper, S, 1, { S }, NULL },
	{ "lower", fn_lower, S, 1, { S }, NULL },
	{ "title", fn_title, S, 1, { S }, NULL },
	{ "untitle", fn_untitle, S, 1, { S }, NULL },
	{ "substr", fn_substr, S, 3, { I, I, S }, NULL },
	{ "repeat", fn_repeat, S, 2, { I, S }, NULL },
	{ "trimall", fn_trim_all, S, 2, { S, S }, NULL },
	{ "trimAll", fn_trim_all, S, 2, { S, S }, NULL },
	{ "trimSuffix", fn_trim_suffix, S, 2, { S, S }, NULL },
	{ "trimPrefix", fn_trim_prefix, S, 2, { S, S }, NULL },
	{ "nospace", fn_nospace, S, 1, { S }, NULL },
	{ "initials", fn_initials, S, 1, { S }, NULL },
	{ "randAlphaNum", fn_rand_alpha_num, S, 1, { I }, NULL },
	{ "randAlpha", fn_rand_alpha, S, 1, { I }, NULL },
	{ "randAscii", fn_rand_ascii, S, 1, { I }, NULL },
	{ "randNumeric", fn_rand_numeric, S, 1, { I }, NULL },
	{ "swapcase", fn_swapcase, S, 1, { S }, NULL },
	{ "shuffle", fn_shuffle, S, 1, { S }, NULL },
	{ "snakecase", fn_snakecase, S, 1, { S }, NULL },
	{ "camelcase", fn_camelcase, S, 1, { S }, NULL },
	{ "kebabcase", fn_kebabcase, S, 1, { S }, NULL },
	{ "wrap", fn_wrap, S, 2, { I, S }, NULL },
	{ "wrapWith", fn_wrap_with, S, 3, { I, S, S }, NULL },
	{ "contains", fn_contains, &tt_bool, 2, { S, S }, NULL },
	{ "hasPrefix", fn_has_prefix, &tt_bool, 2, { S, S }, NULL },
	{ "hasSuffix", fn_has_suffix, &tt_bool, 2, { S, S }, NULL },
	{ "quote", fn_quote, S, 0, { NULL }, &tt_any },
	{ "squote", fn_squote, S, 0, { NULL }, &tt_any },
	{ "cat", fn_cat, S, 0, { NULL }, &tt_any },
	{ "indent", fn_indent, S, 2, { I, S }, NULL },
	{ "nindent", fn_nindent, S, 2, { I, S }, NULL },
	{ "replace", fn_replace, S, 3, { S, S, S }, NULL },
	{ "plural", fn_plural, S, 3, { S, S, I }, NULL },
	{ "toString", fn_to_string, S, 1, { &tt_any }, NULL },
	{ "toStrings", fn_to_strings, &tt_strings, 1, { &tt_any }, NULL },
	{ "join", fn_join, S, 2, { S, &tt_any }, NULL },
	{ "split", fn_split, &tt_smap, 2, { S, S }, NULL },
	{ "splitList", fn_split_list, &tt_strings, 2, { S, S }, NULL },
	{ "splitn", fn_splitn, &tt_smap, 3, { S, I, S }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
