/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "value/regex.h"
#include "value/tmpl_semver.h"

/* Constraints of Masterminds/semver v3.4.0: its grammar is four regular
 * expressions. */

#define IDENTS "[0-9A-Za-z\\-]+(\\.[0-9A-Za-z\\-]+)*"
#define VERSION "v?([0-9|x|X|\\*]+)(\\.[0-9|x|X|\\*]+)?" \
	"(\\.[0-9|x|X|\\*]+)?(-(" IDENTS "))?(\\+(" IDENTS "))?"
#define OPS "=||!=|>|<|>=|=>|<=|=<|~|~>|\\^"

/* The numbers of the groups. */
enum { RANGE_FROM = 1, RANGE_TO = 11, GROUPS = 2 * 21 };
enum { ONE_OP = 1, ONE_ALL, ONE_MAJOR, ONE_MINOR, ONE_PATCH, ONE_PRE };

enum which { ONE, RANGE, FIND, VALID, WHICH };

static const char *const patterns[WHICH] = {
	[ONE] = "^\\s*(" OPS ")\\s*(" VERSION ")\\s*$",
	[RANGE] = "\\s*(" VERSION ")\\s+-\\s+(" VERSION ")\\s*",
	[FIND] = "(" OPS ")\\s*(" VERSION ")",
	[VALID] = "^(\\s*(" OPS ")\\s*(" VERSION ")\\s*)((?:\\s+|,\\s*)(" OPS
	    ")\\s*(" VERSION ")\\s*)*$",
};

/* Compiled when first needed, kept for the life of the process. */
static const struct regex *
pattern(enum which which)
{
	static struct regex *compiled[WHICH];

	if (compiled[which] == NULL)
		regex_new(patterns[which], strlen(patterns[which]),
		    &compiled[which], NULL);
	return (compiled[which]);
}

struct constraint {
	struct semver con;
	struct text op;
	int dirty, minor_dirty, patch_dirty;
};

static struct text
group(struct text s, const long *loc, int i)
{
	if (loc[2 * i] < 0)
		return ((struct text){ "", 0 });
	return ((struct text){ s.p + loc[2 * i],
	    (size_t)(loc[2 * i + 1] - loc[2 * i]) });
}

/* --- reading ------------------------------------------------------------ */

/* "1.2 - 1.4" to ">= 1.2, <= 1.4 ": the first place that looks like it. */
static int
rewrite_ranges(struct tmpl_run *run, struct text s, struct text *ret,
    struct err *err)
{
	const struct regex *re = pattern(RANGE);
	long loc[GROUPS];
	struct text out = s, whole, made;
	size_t at = 0;
	struct tv v;

	while (at <= s.n && regex_find(re, s.p, s.n, at, loc)) {
		cleanup_buf struct buf b = tmpl_buf(run);
		cleanup_buf struct buf all = tmpl_buf(run);
		int64_t found;

		whole = group(s, loc, 0);
		made = group(s, loc, RANGE_FROM);
		buf_adds(&b, ">= ");
		buf_add(&b, made.p, made.n);
		buf_adds(&b, ", <= ");
		made = group(s, loc, RANGE_TO);
		buf_add(&b, made.p, made.n);
		buf_adds(&b, " ");
		found = text_find(out, whole);
		buf_add(&all, out.p, (size_t)found);
		buf_add(&all, b.data, b.len);
		buf_add(&all, out.p + found + whole.n,
		    out.n - (size_t)found - whole.n);
		if (tmpl_steps(run, 1 + s.n / 64, err) == -1 ||
		    tv_buf(run, &all, &v, err) == -1)
			return (-1);
		out = text_of(&v);
		at = (size_t)loc[1];
	}
	*ret = out;
	return (0);
}

static int
is_x(struct text t)
{
	if (t.n > 0 && t.p[0] == '.') {
		t.p++;
		t.n--;
	}
	return (t.n == 0 || (t.n == 1 && strchr("xX*", t.p[0]) != NULL));
}

/* The version to compare with, its free parts as 0. */
static int
fill(struct tmpl_run *run, struct text s, const long *loc,
    struct constraint *c, struct err *err)
{
	cleanup_buf struct buf b = tmpl_buf(run);
	struct text major = group(s, loc, ONE_MAJOR);
	struct text minor = group(s, loc, ONE_MINOR);
	struct text pre = group(s, loc, ONE_PRE), all;
	struct tv v;

	c->dirty = 1;
	if (is_x(major)) {
		buf_adds(&b, "0.0.0");
	} else if (is_x(minor)) {
		c->minor_dirty = 1;
		buf_add(&b, major.p, major.n);
		buf_adds(&b, ".0.0");
	} else if (is_x(group(s, loc, ONE_PATCH))) {
		c->patch_dirty = 1;
		buf_add(&b, major.p, major.n);
		buf_add(&b, minor.p, minor.n);
		buf_adds(&b, ".0");
	} else {
		c->dirty = 0;
		all = group(s, loc, ONE_ALL);
		buf_add(&b, all.p, all.n);
	}
	if (c->dirty)
		buf_add(&b, pre.p, pre.n);
	if (tv_buf(run, &b, &v, err) == -1)
		return (-1);
	if (semver_parse(text_of(&v), &c->con, NULL) == -1)
		return (err_set(err, ERR_INVALID, "constraint parser error"));
	return (0);
}

static int
improper(struct text s, struct err *err)
{
	return (err_set(err, ERR_INVALID, "improper constraint: %.*s",
	    (int)s.n, s.p));
}

static int
parse_one(struct tmpl_run *run, struct text s, struct constraint *c,
    struct err *err)
{
	long loc[GROUPS];

	*c = (struct constraint){ .dirty = 0 };
	if (tmpl_steps(run, 1, err) == -1)
		return (-1);
	if (!regex_find(pattern(ONE), s.p, s.n, 0, loc))
		return (improper(s, err));
	c->op = group(s, loc, ONE_OP);
	return (fill(run, s, loc, c, err));
}

/* --- checking ----------------------------------------------------------- */

typedef int holds(const struct semver *v, const struct constraint *c);

static int
not_equal(const struct semver *v, const struct constraint *c)
{
	if (c->dirty) {
		if (c->con.major != v->major)
			return (1);
		if (c->con.minor != v->minor && !c->minor_dirty)
			return (1);
		if (c->minor_dirty)
			return (0);
		if (c->con.patch != v->patch && !c->patch_dirty)
			return (1);
		if (c->patch_dirty) {
			struct semver a = { .pre = v->pre };
			struct semver b = { .pre = c->con.pre };

			/* Without a prerelease on one side, that one is
			 * the lesser here. */
			if (a.pre.n == 0 || b.pre.n == 0)
				return (a.pre.n != b.pre.n);
			return (semver_compare(&a, &b) != 0);
		}
	}
	return (semver_compare(v, &c->con) != 0);
}

static int
greater(const struct semver *v, const struct constraint *c)
{
	if (c->dirty) {
		if (v->major != c->con.major)
			return (v->major > c->con.major);
		if (c->minor_dirty)
			return (0);
		if (c->patch_dirty)
			return (v->minor > c->con.minor);
	}
	return (semver_compare(v, &c->con) > 0);
}

static int
less(const struct semver *v, const struct constraint *c)
{
	return (semver_compare(v, &c->con) < 0);
}

static int
greater_equal(const struct semver *v, const struct constraint *c)
{
	return (semver_compare(v, &c->con) >= 0);
}

static int
less_equal(const struct semver *v, const struct constraint *c)
{
	if (!c->dirty)
		return (semver_compare(v, &c->con) <= 0);
	return (v->major < c->con.major || (v->major == c->con.major &&
	    (v->minor <= c->con.minor || c->minor_dirty)));
}

static int
tilde(const struct semver *v, const struct constraint *c)
{
	if (semver_compare(v, &c->con) < 0)
		return (0);
	if (c->con.major == 0 && c->con.minor == 0 && c->con.patch == 0 &&
	    !c->minor_dirty && !c->patch_dirty)
		return (1);
	return (v->major == c->con.major &&
	    (v->minor == c->con.minor || c->minor_dirty));
}

static int
tilde_or_equal(const struct semver *v, const struct constraint *c)
{
	return (c->dirty ? tilde(v, c) : semver_compare(v, &c->con) == 0);
}

static int
caret(const struct semver *v, const struct constraint *c)
{
	if (semver_compare(v, &c->con) < 0)
		return (0);
	if (c->con.major > 0 || c->minor_dirty)
		return (v->major == c->con.major);
	if (v->major > 0)
		return (0);
	if (c->con.minor > 0 || c->patch_dirty)
		return (v->minor == c->con.minor);
	if (v->minor > 0)
		return (0);
	return (v->patch == c->con.patch);
}

static const struct {
	const char *op;
	holds *holds;
} ops[] = {
	{ "", tilde_or_equal }, { "=", tilde_or_equal }, { "!=", not_equal },
	{ ">", greater }, { "<", less }, { ">=", greater_equal },
	{ "=>", greater_equal }, { "<=", less_equal }, { "=<", less_equal },
	{ "~", tilde }, { "~>", tilde }, { "^", caret },
};

static int
check(const struct semver *v, const struct constraint *c)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(ops); i++)
		if (text_is(c->op, ops[i].op))
			return (ops[i].holds(v, c));
	return (0);
}

/* --- all of them -------------------------------------------------------- */

/* What stands between two "||": whether ${v} fits, when there is one. */
static int
check_all(struct tmpl_run *run, struct text s, const struct semver *v,
    int *ret, struct err *err)
{
	struct constraint c;
	long loc[GROUPS];
	size_t at = 0;
	int has_pre = 0, fits = 1;

	if (!regex_match(pattern(VALID), s.p, s.n))
		return (improper(s, err));
	while (at < s.n && regex_find(pattern(FIND), s.p, s.n, at, loc)) {
		if (parse_one(run, group(s, loc, 0), &c, err) == -1)
			return (-1);
		has_pre |= c.con.pre.n > 0;
		if (v != NULL)
			fits &= check(v, &c);
		at = (size_t)loc[1];
	}
	if (v != NULL && v->pre.n > 0 && !has_pre)
		fits = 0;
	*ret |= fits;
	return (0);
}

/* With ${v} NULL only for its errors, which come before the version's. */
static int
each_or(struct tmpl_run *run, struct text s, const struct semver *v,
    int *ret, struct err *err)
{
	static const struct text bars = { "||", 2 };
	struct text part;
	int64_t at;

	*ret = 0;
	do {
		part = s;
		if ((at = text_find(s, bars)) >= 0) {
			part.n = (size_t)at;
			s.p += at + 2;
			s.n -= (size_t)at + 2;
		}
		if (tmpl_steps(run, 1 + part.n / 64, err) == -1 ||
		    check_all(run, part, v, ret, err) == -1)
			return (-1);
	} while (at >= 0);
	return (0);
}

int
semver_check(struct tmpl_run *run, struct text constraint,
    struct text version, int *ret, struct err *err)
{
	struct semver v;

	if (rewrite_ranges(run, constraint, &constraint, err) == -1 ||
	    each_or(run, constraint, NULL, ret, err) == -1 ||
	    semver_parse(version, &v, err) == -1)
		return (-1);
	return (each_or(run, constraint, &v, ret, err));
}
