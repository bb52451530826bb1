/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_cast.h"
#include "value/tmpl_semver.h"

/* Versions: sprig's semver.go, and the methods of what it gives. */

static const struct semver *
self(const struct tmpl_call *c)
{
	return (c->self.u.p);
}

static struct tv
uint64_of(uint64_t u)
{
	return ((struct tv){ .type = &tt_uint64, .u.u = u });
}

static struct tv
string_of(struct text t)
{
	return (tv_strn(t.p == NULL ? "" : t.p, t.n));
}

/* The struct's fields, not exported, for %d and for comparing. */
static void
show(struct semver *v)
{
	v->fields[0] = uint64_of(v->major);
	v->fields[1] = uint64_of(v->minor);
	v->fields[2] = uint64_of(v->patch);
	v->fields[3] = string_of(v->pre);
	v->fields[4] = string_of(v->metadata);
	v->fields[5] = string_of(v->original);
}

static int
give(struct tmpl_run *run, const struct tt *type, const struct semver *v,
    struct tv *ret, struct err *err)
{
	struct semver *copy = tmpl_alloc(run, sizeof(*copy), err);

	if (copy == NULL)
		return (-1);
	*copy = *v;
	show(copy);
	*ret = (struct tv){ .type = type, .u.p = copy };
	return (0);
}

static int
version_string(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	(void)run, (void)err;
	semver_print(v->u.p, out);
	return (0);
}

static int
same_text(struct text a, struct text b)
{
	return (a.n == b.n && text_find(a, b) == 0);
}

static int
version_equal(const struct tv *a, const struct tv *b)
{
	const struct semver *x = a->u.p, *y = b->u.p;

	return (x->major == y->major && x->minor == y->minor &&
	    x->patch == y->patch && same_text(x->pre, y->pre) &&
	    same_text(x->metadata, y->metadata) &&
	    same_text(x->original, y->original));
}

/* --- methods ------------------------------------------------------------ */

static int
give_text(struct text t, struct tv *ret)
{
	*ret = string_of(t);
	return (0);
}

static int
f_major(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = uint64_of(self(c)->major);
	return (0);
}

static int
f_minor(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = uint64_of(self(c)->minor);
	return (0);
}

static int
f_patch(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = uint64_of(self(c)->patch);
	return (0);
}

static int
f_prerelease(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	return (give_text(self(c)->pre, ret));
}

static int
f_metadata(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	return (give_text(self(c)->metadata, ret));
}

static int
f_original(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	return (give_text(self(c)->original, ret));
}

static int
f_string(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	semver_print(self(c), &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
marshal(struct tmpl_call *c, const char *quote, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	size_t i;

	buf_adds(&out, quote);
	semver_print(self(c), &out);
	buf_adds(&out, quote);
	if (tv_list(c->run, &tt_bytes, out.len, ret, err) == -1)
		return (-1);
	for (i = 0; i < out.len; i++)
		ret->u.l.v[i].u.u = (unsigned char)out.data[i];
	return (0);
}

static int
f_marshal_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (marshal(c, "\"", ret, err));
}

static int
f_marshal_text(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (marshal(c, "", ret, err));
}

/* A new version, whose original text is it with the old one's "v". */
static int
derive(struct tmpl_call *c, struct semver v, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct tv text;

	if (v.original.n > 0 && v.original.p[0] == 'v')
		buf_addc(&out, 'v');
	semver_print(&v, &out);
	if (tv_buf(c->run, &out, &text, err) == -1)
		return (-1);
	v.original = text_of(&text);
	return (give(c->run, tt_semver.elem, &v, ret, err));
}

enum part { MAJOR, MINOR, PATCH };

static int
increment(struct tmpl_call *c, enum part part, struct tv *ret,
    struct err *err)
{
	struct semver v = *self(c);

	if (part == MAJOR)
		v.major++;
	if (part == MINOR)
		v.minor++;
	/* A prerelease is before its release: that is the next patch. */
	if (part == PATCH && v.pre.n == 0)
		v.patch++;
	if (part == MAJOR)
		v.minor = 0;
	if (part != PATCH)
		v.patch = 0;
	v.pre = (struct text){ "", 0 };
	v.metadata = v.pre;
	return (derive(c, v, ret, err));
}

static int
f_inc_major(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (increment(c, MAJOR, ret, err));
}

static int
f_inc_minor(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (increment(c, MINOR, ret, err));
}

static int
f_inc_patch(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (increment(c, PATCH, ret, err));
}

static int
f_set_prerelease(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct semver v = *self(c);
	const char *bad;

	v.pre = text_of(&c->v[0]);
	if (v.pre.n > 0 && (bad = semver_bad_pre(v.pre)) != NULL)
		return (err_set(err, ERR_INVALID, "%s", bad));
	return (derive(c, v, ret, err));
}

static int
f_set_metadata(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct semver v = *self(c);
	const char *bad;

	v.metadata = text_of(&c->v[0]);
	if (v.metadata.n > 0 &&
	    (bad = semver_bad_metadata(v.metadata)) != NULL)
		return (err_set(err, ERR_INVALID, "%s", bad));
	return (derive(c, v, ret, err));
}

/* -1, 0, 1; nil panics in Go. */
static int
compare(struct tmpl_call *c, int *order, struct err *err)
{
	if (c->self.u.p == NULL || c->v[0].u.p == NULL)
		return (err_set(err, ERR_INVALID, "%s", cast_nil_pointer));
	*order = semver_compare(self(c), c->v[0].u.p);
	return (0);
}

static int
f_compare(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int order = 0;

	if (compare(c, &order, err) == -1)
		return (-1);
	*ret = tv_int(order);
	return (0);
}

#define COMPARE(name, op)						\
static int								\
name(struct tmpl_call *c, struct tv *ret, struct err *err)		\
{									\
	int order = 0;						\
									\
	if (compare(c, &order, err) == -1)				\
		return (-1);						\
	*ret = tv_bool(order op 0);					\
	return (0);							\
}

COMPARE(f_less_than, <)
COMPARE(f_less_than_equal, <=)
COMPARE(f_greater_than, >)
COMPARE(f_greater_than_equal, >=)

static int
f_equal(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int same = c->self.u.p == c->v[0].u.p;

	(void)err;
	if (!same && c->self.u.p != NULL && c->v[0].u.p != NULL)
		same = semver_compare(self(c), c->v[0].u.p) == 0;
	*ret = tv_bool(same);
	return (0);
}

#define B &tt_bool
#define S &tt_string
#define U &tt_uint64
#define V &tt_semver
#define STRUCT &tt_version

static const struct tt tt_version;

/* Those of a pointer alone come first. */
static const struct tmpl_func methods[] = {
	{ "Compare", f_compare, &tt_int, 1, { V }, NULL },
	{ "Equal", f_equal, B, 1, { V }, NULL },
	{ "GreaterThan", f_greater_than, B, 1, { V }, NULL },
	{ "GreaterThanEqual", f_greater_than_equal, B, 1, { V }, NULL },
	{ "LessThan", f_less_than, B, 1, { V }, NULL },
	{ "LessThanEqual", f_less_than_equal, B, 1, { V }, NULL },
	{ "Original", f_original, S, 0, { NULL }, NULL },
#define POINTERS 7
	{ "IncMajor", f_inc_major, STRUCT, 0, { NULL }, NULL },
	{ "IncMinor", f_inc_minor, STRUCT, 0, { NULL }, NULL },
	{ "IncPatch", f_inc_patch, STRUCT, 0, { NULL }, NULL },
	{ "Major", f_major, U, 0, { NULL }, NULL },
	{ "MarshalJSON", f_marshal_json, &tt_bytes, 0, { NULL }, NULL },
	{ "MarshalText", f_marshal_text, &tt_bytes, 0, { NULL }, NULL },
	{ "Metadata", f_metadata, S, 0, { NULL }, NULL },
	{ "Minor", f_minor, U, 0, { NULL }, NULL },
	{ "Patch", f_patch, U, 0, { NULL }, NULL },
	{ "Prerelease", f_prerelease, S, 0, { NULL }, NULL },
	{ "SetMetadata", f_set_metadata, STRUCT, 1, { S }, NULL },
	{ "SetPrerelease", f_set_prerelease, STRUCT, 1, { S }, NULL },
	{ "String", f_string, S, 0, { NULL }, NULL },
	{ "Value", f_string, &tt_any, 0, { NULL }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};

static const char *const fields[] = { "major", "minor", "patch", "pre",
	"metadata", "original", NULL };
static const struct tt tt_version = { .kind = TK_STRUCT,
	.name = "semver.Version", .fields = fields,
	.methods = methods + POINTERS, .string = version_string };
const struct tt tt_semver = { .kind = TK_PTR, .name = "*semver.Version",
	.elem = &tt_version, .methods = methods, .string = version_string,
	.equal = version_equal };

/* --- functions ---------------------------------------------------------- */

static int
fn_semver(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct semver v;

	if (semver_parse(text_of(&c->v[0]), &v, err) == -1)
		return (-1);
	return (give(c->run, &tt_semver, &v, ret, err));
}

static int
fn_semver_compare(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int fits;

	if (semver_check(c->run, text_of(&c->v[0]), text_of(&c->v[1]), &fits,
	    err) == -1)
		return (-1);
	*ret = tv_bool(fits);
	return (0);
}

const struct tmpl_func tmpl_funcs_semver[] = {
	{ "semver", fn_semver, V, 1, { S }, NULL },
	{ "semverCompare", fn_semver_compare, B, 2, { S, S }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
