/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/gostr.h"
#include "value/regex.h"
#include "value/tmpl_cast.h"
#include "value/tmpl_text.h"

/*
 * Regular expressions: sprig's regex.go over Go's regexp.  What fails to
 * compile is an error with must, no match in regexMatch, else a panic.
 */

static struct text
arg(const struct tmpl_call *c, size_t i)
{
	return (text_of(&c->v[i]));
}

/* strconv.CanBackquote */
static int
can_backquote(struct text s)
{
	uint32_t r;
	size_t n;

	for (; s.n > 0; s.p += n, s.n -= n) {
		n = utf8_next(s.p, s.n, &r);
		if ((r < ' ' && r != '\t') || r == '`' || r == 0x7f ||
		    r == 0xfeff || (r == 0xfffd && n == 1))
			return (0);
	}
	return (1);
}

/* MustCompile's panic, around the error of Compile. */
static int
panic(struct text pattern, struct err *err)
{
	cleanup_buf struct buf quoted = BUF_SECRET(SIZE_MAX);

	if (err == NULL || err->kind != ERR_INVALID)
		return (-1);
	if (can_backquote(pattern)) {
		buf_addc(&quoted, '`');
		buf_add(&quoted, pattern.p, pattern.n);
		buf_addc(&quoted, '`');
	} else {
		gostr_quote(pattern.p, pattern.n, &quoted);
	}
	return (err_wrap(err, "regexp: Compile(%s)", quoted.data));
}

/*
 * A template that is rendered again and again has the same few patterns: short
 * ones are kept, compiled.
 */
#define KEPT 8
#define KEPT_LENGTH 128

static struct kept {
	char pattern[KEPT_LENGTH];
	size_t n;
	struct regex *re;
} kept[KEPT];

struct compiled {
	struct regex *re;
	int owned;
};

static void
compiled_clear(struct compiled *c)
{
	if (c->owned)
		regex_free(c->re);
}

#define cleanup_compiled __attribute__((cleanup(compiled_clear)))

static int
compile(struct text pattern, struct compiled *ret, struct err *err)
{
	static size_t next;
	struct kept *k;
	size_t i;

	for (i = 0; i < KEPT; i++)
		if (kept[i].re != NULL && kept[i].n == pattern.n &&
		    memcmp(kept[i].pattern, pattern.p, pattern.n) == 0) {
			ret->re = kept[i].re;
			return (0);
		}
	if (regex_new(pattern.p, pattern.n, &ret->re, err) == -1)
		return (-1);
	if (pattern.n > KEPT_LENGTH) {
		ret->owned = 1;
		return (0);
	}
	k = &kept[next++ % KEPT];
	regex_free(k->re);
	memcpy(k->pattern, pattern.p, pattern.n);
	k->n = pattern.n;
	k->re = ret->re;
	return (0);
}

/* --- match and find ----------------------------------------------------- */

static int
fn_must_match(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_compiled struct compiled r = { NULL, 0 };

	if (compile(arg(c, 0), &r, err) == -1 ||
	    regex_row(r.re, arg(c, 1).n, tmpl_regex_work(c->run), err) == -1 ||
	    regex_work_on(tmpl_regex_work(c->run), err) == -1)
		return (-1);
	*ret = tv_bool(regex_match(r.re, arg(c, 1).p, arg(c, 1).n));
	return (0);
}

static int
fn_match(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_err struct err e = ERR_INIT;

	*ret = tv_bool(0);
	if (fn_must_match(c, ret, &e) == -1 && e.kind != ERR_INVALID)
		return (err_move(err, &e));
	return (0);
}

/* All matches one after the other, with Go's rules for empty ones. */
struct walk {
	struct tmpl_run *run;
	const struct regex *re;
	struct regex_text *text;
	struct text s;
	size_t pos;
	long before;			/* end of the last match */
	long *loc;
};

static int
walk_start(struct walk *w, struct tmpl_run *run, const struct regex *re,
    struct text s, struct err *err)
{
	*w = (struct walk){ .run = run, .re = re, .s = s, .before = -1 };
	w->loc = tmpl_alloc(run, 2 * (regex_groups(re) + 1) *
	    sizeof(*w->loc), err);
	if (w->loc == NULL ||
	    regex_row(re, s.n, tmpl_regex_work(run), err) == -1)
		return (-1);
	w->text = regex_text_new(s.p, s.n);
	return (0);
}

/* 1 and loc, 0 at the end, -1. */
static int
walk_next(struct walk *w, struct err *err)
{
	uint32_t rune;
	size_t width;
	int accept;

	while (w->pos <= w->s.n) {
		if (tmpl_steps(w->run, 1, err) == -1 ||
		    regex_work_on(tmpl_regex_work(w->run), err) == -1)
			return (-1);
		if (!regex_find_in(w->re, w->text, w->pos, w->loc))
			return (0);
		accept = 1;
		if ((size_t)w->loc[1] == w->pos) {
			accept = w->loc[0] != w->before;
			width = utf8_next(w->s.p + w->pos, w->s.n - w->pos,
			    &rune);
			w->pos = width > 0 ? w->pos + width : w->s.n + 1;
		} else {
			w->pos = (size_t)w->loc[1];
		}
		w->before = w->loc[1];
		if (accept)
			return (1);
	}
	return (0);
}

/* FindAllString: nil when there is none, else room for ten at least. */
static int
find_all(struct tmpl_call *c, const struct regex *re, struct tv *ret,
    struct err *err)
{
	struct cast_list l = { c->run, tv_zero(&tt_strings) };
	int64_t n = c->v[2].u.i;
	struct walk w;
	int rc = 0;

	if (walk_start(&w, c->run, re, arg(c, 1), err) == -1)
		return (-1);
	while ((n < 0 || (uint64_t)n > l.list.u.l.n) &&
	    (rc = walk_next(&w, err)) == 1) {
		if (l.list.cap == 0 &&
		    cast_list_cap(c->run, &l.list, 10, err) == -1)
			rc = -1;
		if (rc == 1 && cast_list_push(&l, tv_strn(w.s.p + w.loc[0],
		    (size_t)(w.loc[1] - w.loc[0])), err) == -1)
			rc = -1;
		if (rc == -1)
			break;
	}
	regex_text_free(w.text);
	*ret = l.list;
	return (rc == -1 ? -1 : 0);
}

static int
find(struct tmpl_call *c, const struct regex *re, struct tv *ret,
    struct err *err)
{
	struct walk w;
	int rc;

	if (walk_start(&w, c->run, re, arg(c, 1), err) == -1)
		return (-1);
	*ret = tv_str("");
	if ((rc = walk_next(&w, err)) == 1)
		*ret = tv_strn(w.s.p + w.loc[0],
		    (size_t)(w.loc[1] - w.loc[0]));
	regex_text_free(w.text);
	return (rc == -1 ? -1 : 0);
}

/* FindAllStringIndex: pairs of offsets in the pool; how many, or -1. */
static int64_t
find_pairs(struct walk *w, int64_t max, size_t (**ret)[2], struct err *err)
{
	size_t n = 0, room = 0;
	size_t (*pairs)[2] = NULL, (*more)[2];
	int rc = 0;

	while ((max < 0 || (uint64_t)max > n) &&
	    (rc = walk_next(w, err)) == 1) {
		if (n == room) {
			room = room == 0 ? 16 : room * 2;
			more = tmpl_alloc(w->run, room * sizeof(*more), err);
			if (more == NULL)
				return (-1);
			if (n > 0)
				memcpy(more, pairs, n * sizeof(*more));
			pairs = more;
		}
		pairs[n][0] = (size_t)w->loc[0];
		pairs[n++][1] = (size_t)w->loc[1];
	}
	*ret = pairs;
	return (rc == -1 ? -1 : (int64_t)n);
}

/* Split: what is between the matches, ${n} parts at most. */
static int
split_matches(struct cast_list *l, struct walk *w, int64_t n,
    struct err *err)
{
	size_t (*pairs)[2] = NULL;
	size_t begin = 0, end = 0;
	int64_t i, count = find_pairs(w, n, &pairs, err);

	if (count == -1 || cast_list_cap(w->run, &l->list, (size_t)count,
	    err) == -1)
		return (-1);
	for (i = 0; i < count; i++) {
		if (n > 0 && (int64_t)l->list.u.l.n == n - 1)
			break;
		end = pairs[i][0];
		if (pairs[i][1] != 0 && cast_list_push(l,
		    tv_strn(w->s.p + begin, end - begin), err) == -1)
			return (-1);
		begin = pairs[i][1];
	}
	if (end == w->s.n)
		return (0);
	return (cast_list_push(l, tv_strn(w->s.p + begin, w->s.n - begin),
	    err));
}

static int
split(struct tmpl_call *c, const struct regex *re, struct tv *ret,
    struct err *err)
{
	struct cast_list l;
	struct walk w;
	int rc;

	*ret = tv_zero(&tt_strings);
	if (c->v[2].u.i == 0)
		return (0);
	if (cast_list_init(&l, c->run, &tt_strings, err) == -1)
		return (-1);
	if (arg(c, 0).n > 0 && arg(c, 1).n == 0) {
		rc = cast_list_push(&l, tv_str(""), err);
	} else {
		if (walk_start(&w, c->run, re, arg(c, 1), err) == -1)
			return (-1);
		rc = split_matches(&l, &w, c->v[2].u.i, err);
		regex_text_free(w.text);
	}
	*ret = l.list;
	return (rc);
}

/* --- replace ------------------------------------------------------------ */

static int
replace(struct tmpl_call *c, const struct regex *re, int literal,
    struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (tmpl_steps(c->run, arg(c, 1).n / 64, err) == -1)
		return (-1);
	if (regex_replace(re, arg(c, 1).p, arg(c, 1).n, arg(c, 2).p,
	    arg(c, 2).n, literal, tmpl_regex_work(c->run), &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

static int
replace_all(struct tmpl_call *c, const struct regex *re, struct tv *ret,
    struct err *err)
{
	return (replace(c, re, 0, ret, err));
}

static int
replace_literal(struct tmpl_call *c, const struct regex *re, struct tv *ret,
    struct err *err)
{
	return (replace(c, re, 1, ret, err));
}

static int
fn_quote_meta(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct text s = arg(c, 0);
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] != '\0' && strchr("\\.+*?()|[]{}^$", s.p[i]))
			buf_addc(&out, '\\');
		buf_addc(&out, s.p[i]);
	}
	return (tv_buf(c->run, &out, ret, err));
}

/* --- the pairs ---------------------------------------------------------- */

typedef int regex_use(struct tmpl_call *c, const struct regex *re,
    struct tv *ret, struct err *err);

static int
with(struct tmpl_call *c, regex_use *use, int must, struct tv *ret,
    struct err *err)
{
	cleanup_compiled struct compiled r = { NULL, 0 };

	if (compile(arg(c, 0), &r, err) == -1)
		return (must ? -1 : panic(arg(c, 0), err));
	return (use(c, r.re, ret, err));
}

#define PAIR(name, must_name, use)					\
static int								\
name(struct tmpl_call *c, struct tv *ret, struct err *err)		\
{									\
	return (with(c, use, 0, ret, err));				\
}									\
									\
static int								\
must_name(struct tmpl_call *c, struct tv *ret, struct err *err)		\
{									\
	return (with(c, use, 1, ret, err));				\
}

PAIR(fn_find_all, fn_must_find_all, find_all)
PAIR(fn_find, fn_must_find, find)
PAIR(fn_replace_all, fn_must_replace_all, replace_all)
PAIR(fn_replace_literal, fn_must_replace_literal, replace_literal)
PAIR(fn_split, fn_must_split, split)

#define S &tt_string
#define B &tt_bool
#define I &tt_int
#define LIST &tt_strings

const struct tmpl_func tmpl_funcs_regex[] = {
	{ "regexMatch", fn_match, B, 2, { S, S }, NULL },
	{ "mustRegexMatch", fn_must_match, B, 2, { S, S }, NULL },
	{ "regexFindAll", fn_find_all, LIST, 3, { S, S, I }, NULL },
	{ "mustRegexFindAll", fn_must_find_all, LIST, 3, { S, S, I }, NULL },
	{ "regexFind", fn_find, S, 2, { S, S }, NULL },
	{ "mustRegexFind", fn_must_find, S, 2, { S, S }, NULL },
	{ "regexReplaceAll", fn_replace_all, S, 3, { S, S, S }, NULL },
	{ "mustRegexReplaceAll", fn_must_replace_all, S, 3, { S, S, S },
	    NULL },
	{ "regexReplaceAllLiteral", fn_replace_literal, S, 3, { S, S, S },
	    NULL },
	{ "mustRegexReplaceAllLiteral", fn_must_replace_literal, S, 3,
	    { S, S, S }, NULL },
	{ "regexSplit", fn_split, LIST, 3, { S, S, I }, NULL },
	{ "mustRegexSplit", fn_must_split, LIST, 3, { S, S, I }, NULL },
	{ "regexQuoteMeta", fn_quote_meta, S, 1, { S }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
