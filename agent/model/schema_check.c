/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "model/schema_internal.h"

#define WORDS_MAX (64u << 10)

char *
field_path_text(const struct field_path *p)
{
	struct buf b = BUF_PLAIN(4096);
	const struct field_path *chain[32];
	size_t n = 0;

	for (; p != NULL && n < ARRAY_LEN(chain); p = p->up)
		chain[n++] = p;
	while (n-- > 0) {
		if (chain[n]->name == NULL) {
			buf_addf(&b, "[%zu]", chain[n]->index);
			continue;
		}
		if (b.len > 0)
			buf_addc(&b, '.');
		buf_adds(&b, chain[n]->name);
	}
	return (buf_take(&b));
}

/* Go's strconv.Quote, but for rare unprintable runes beyond Latin-1. */
static int
is_plain(uint32_t r)
{
	return (r >= 0xa1 && r != 0xad && !(r >= 0x2000 && r <= 0x200f) &&
	    !(r >= 0x2028 && r <= 0x202f) && !(r >= 0x205f && r <= 0x206f) &&
	    r != 0x3000 && !(r >= 0xd800 && r <= 0xf8ff) && r != 0xfeff &&
	    !(r >= 0xfff0 && r <= 0xfffb) && r < 0xe0000);
}

static void
quote_rune(struct buf *out, uint32_t r)
{
	static const char from[] = "\"\\\a\b\f\n\r\t\v", to[] = "\"\\abfnrtv";
	const char *p = r > 0 && r < 0x80 ? strchr(from, (int)r) : NULL;

	if (p != NULL)
		buf_addf(out, "\\%c", to[p - from]);
	else if (r < 0x20 || r == 0x7f)
		buf_addf(out, "\\x%02x", (unsigned)r);
	else if (r < 0x7f || is_plain(r))
		utf8_add(out, r);
	else
		buf_addf(out, r < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)r);
}

void
go_quote(struct buf *out, const char *s)
{
	size_t left = strlen(s);

	buf_addc(out, '"');
	while (left > 0) {
		uint32_t r;
		size_t n = utf8_next(s, left, &r);

		if (r == 0xfffd && n == 1)
			buf_addf(out, "\\x%02x", (unsigned char)*s);
		else
			quote_rune(out, r);
		s += n;
		left -= n;
	}
	buf_addc(out, '"');
}

/* --- did you mean -------------------------------------------------------- */

#define NAME_MAX_LEN 64

static char
low(char c)
{
	return (c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
}

/* Damerau-Levenshtein (neighbours swapped count as one), without case. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[3][NAME_MAX_LEN + 1], la = strlen(a), lb = strlen(b);

	if (la > NAME_MAX_LEN || lb > NAME_MAX_LEN)
		return (NAME_MAX_LEN);
	for (size_t j = 0; j <= lb; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *cur = row[i % 3], *up = row[(i + 2) % 3];
		const size_t *upup = row[(i + 1) % 3];

		cur[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t d = up[j - 1] + (low(a[i - 1]) != low(b[j - 1]));

			if (up[j] + 1 < d)
				d = up[j] + 1;
			if (cur[j - 1] + 1 < d)
				d = cur[j - 1] + 1;
			if (i > 1 && j > 1 && low(a[i - 1]) == low(b[j - 2]) &&
			    low(a[i - 2]) == low(b[j - 1]) &&
			    upup[j - 2] + 1 < d)
				d = upup[j - 2] + 1;
			cur[j] = d;
		}
	}
	return (row[la % 3][lb]);
}

const char *
schema_nearest(const char *name, const void *table, size_t stride, size_t n)
{
	const char *best = NULL;
	size_t least = strlen(name) / 3 + 1;

	for (size_t i = 0; i < n; i++) {
		const char *candidate =
		    *(const char *const *)((const char *)table + i * stride);
		size_t d = distance(name, candidate);

		if (d < least || (best == NULL && d == least)) {
			best = candidate;
			least = d;
		}
	}
	return (best);
}

static void
unknown(const struct record *r, const struct json *v,
    const struct field_path *path, struct findings *f)
{
	struct field_path at = { path, json_key(v), 0 };
	cleanup_free char *where = NULL, *remedy = NULL;
	const char *near;

	if (f->n == FINDINGS_MAX)
		return;		/* looking for neighbours costs time */
	where = field_path_text(&at);
	near = schema_nearest(json_key(v), r->fields, sizeof(*r->fields),
	    r->nfields);
	remedy = near != NULL ? str_fmt("did you mean \"%s\"?", near) :
	    str_dup("remove it: the API server would drop it");
	findings_add(f, FINDING_WARN, v, where, remedy, "unknown field");
}

/* --- refusals ------------------------------------------------------------ */

/* "PATH in body WHAT", after "Invalid value: VALUE: ". */
static void
refuse(const struct field_path *path, const struct json *node,
    struct findings *f, const char *value, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void
refuse(const struct field_path *path, const struct json *node,
    struct findings *f, const char *value, const char *fmt, ...)
{
	cleanup_free char *where = field_path_text(path);
	struct buf b = BUF_PLAIN(WORDS_MAX);
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	buf_addf(&b, "Invalid value: %s: %s in body %s", value, where, what);
	findings_reject(f, FINDING_SCHEMA, node, where, "%s", buf_str(&b));
	buf_clear(&b);
}

static const char *
type_name(const struct json *v)
{
	switch (json_type(v)) {
	case JSON_NULL:
		return ("null");
	case JSON_FALSE:
	case JSON_TRUE:
		return ("boolean");
	case JSON_NUMBER:
		return (json_num(v, 0) == floor(json_num(v, 0)) ? "integer" :
		    "number");
	case JSON_STRING:
		return ("string");
	case JSON_ARRAY:
		return ("array");
	default:
		return ("object");
	}
}

static void
refuse_type(const struct field_path *path, const struct json *v,
    const char *wanted, struct findings *f)
{
	cleanup_free char *got = str_fmt("\"%s\"", type_name(v));

	if (f == NULL || f->n == FINDINGS_MAX)
		return;
	refuse(path, v, f, got, "must be of type %s: %s", wanted, got);
	/* YAML's `8080` and `yes` are the usual mistake. */
	if (strcmp(wanted, "string") == 0 && json_len(v) == 0 &&
	    !json_is(v, JSON_NULL)) {
		free(f->v[f->n - 1].remedy);
		f->v[f->n - 1].remedy = str_dup("put it in quotes");
	}
}

void
schema_required(const struct field_path *path, const struct json *obj,
    struct findings *f)
{
	cleanup_free char *where = field_path_text(path);

	findings_reject(f, FINDING_SCHEMA, obj, where, "Required value");
}

static size_t
runes(const char *s)
{
	size_t n = 0, left = strlen(s);

	for (uint32_t r; left > 0; n++) {
		size_t k = utf8_next(s, left, &r);

		s += k;
		left -= k;
	}
	return (n);
}

/* Length below, length above, pattern: the first that fails speaks
 * (kube-openapi stringValidator). */
static void
check_text(const struct text_rule *rule, const struct json *v,
    const struct field_path *path, struct findings *f)
{
	cleanup_buf struct buf q = BUF_PLAIN(WORDS_MAX);
	const char *s = json_str(v);
	size_t n = runes(s);
	int is_short = n < (size_t)rule->min;

	if (rule->max > 0 && n > (size_t)rule->max) {
		cleanup_free char *where = field_path_text(path);

		findings_reject(f, FINDING_SCHEMA, v, where, "Too long: may "
		    "not be more than %d bytes", rule->max);
		return;
	}
	if (!is_short && (rule->matches == NULL || rule->matches(s)))
		return;
	go_quote(&q, s);
	if (is_short)
		refuse(path, v, f, buf_str(&q),
		    "should be at least %d chars long", rule->min);
	else if (rule->format != NULL)
		refuse(path, v, f, buf_str(&q), "must be of type %s: %s",
		    rule->format, buf_str(&q));
	else
		refuse(path, v, f, buf_str(&q), "should match '%s'",
		    rule->pattern);
}

static void
check_choice(const struct text_rule *rule, const struct json *v,
    const struct field_path *path, struct findings *f)
{
	cleanup_buf struct buf b = BUF_PLAIN(WORDS_MAX);
	cleanup_free char *where = NULL;
	const char *s = json_str(v);

	for (size_t i = 0; s != NULL && rule->choices[i] != NULL; i++)
		if (strcmp(rule->choices[i], s) == 0)
			return;
	where = field_path_text(path);
	buf_adds(&b, "Unsupported value: ");
	if (s != NULL)
		go_quote(&b, s);
	else
		json_print(v, &b, 0);
	for (size_t i = 0; rule->choices[i] != NULL; i++) {
		buf_adds(&b, i == 0 ? ": supported values: " : ", ");
		go_quote(&b, rule->choices[i]);
	}
	findings_reject(f, FINDING_SCHEMA, v, where, "%s", buf_str(&b));
}

static void
check_rule(const struct field *fd, const struct json *v,
    const struct field_path *path, struct findings *f)
{
	if (f == NULL || fd->rule == NULL)
		return;
	if (json_str(v) != NULL)
		check_text(fd->rule, v, path, f);
	if (fd->rule->choices != NULL)
		check_choice(fd->rule, v, path, f);
}

/* --- types --------------------------------------------------------------- */

int
schema_int(const struct json *v)
{
	double d = json_num(v, 0);

	if (d >= INT32_MAX)
		return (INT32_MAX);
	return (d <= INT32_MIN ? INT32_MIN : (int)d);
}

static const char *
wanted(const struct field *fd)
{
	switch (fd->type) {
	case FIELD_BOOL:
		return ("boolean");
	case FIELD_INT:
		return ("integer");
	case FIELD_TEXTS:
	case FIELD_OBJECTS:
		return ("array");
	case FIELD_MAP:
	case FIELD_OBJECT:
	case FIELD_JSON:
		return ("object");
	case FIELD_KNOWN:
		return (fd->flags & FIELD_INT_OR_TEXT ? "integer,string" : "");
	default:
		return ("string");
	}
}

/* A whole number passes as an integer, whatever it was written as. */
static int
type_ok(const struct field *fd, const struct json *v)
{
	const char *have = type_name(v), *want = wanted(fd);

	if (want[0] == '\0' || strcmp(have, want) == 0)
		return (1);
	return ((fd->flags & FIELD_INT_OR_TEXT) &&
	    (strcmp(have, "integer") == 0 || strcmp(have, "string") == 0));
}

/* All our integers are int32. */
static void
check_int(const struct json *v, const struct field_path *path,
    struct findings *f)
{
	cleanup_free char *value = str_fmt("%.0f", json_num(v, 0));

	if (json_num(v, 0) > INT32_MAX)
		refuse(path, v, f, value,
		    "should be less than or equal to %d", INT32_MAX);
	if (json_num(v, 0) < INT32_MIN)
		refuse(path, v, f, value,
		    "should be greater than or equal to %d", INT32_MIN);
}

/* The members of a map or the elements of a list of texts. */
static void
check_texts(const struct field *fd, const struct json *v,
    const struct field_path *path, struct findings *f)
{
	size_t i = 0;

	for (const struct json *e = json_first(v); e != NULL;
	    e = json_next(e), i++) {
		struct field_path at = { path, json_key(e), i };

		if (fd->type == FIELD_MAP && json_is(e, JSON_NULL))
			continue;
		if (!json_is(e, JSON_STRING))
			refuse_type(&at, e, "string", f);
		else if (fd->type == FIELD_TEXTS)
			check_rule(fd, e, &at, f);
	}
}

static int
check_list(const struct field *fd, const struct json *v,
    const struct field_path *path, struct findings *f)
{
	size_t n = json_len(v);

	if (n > RECORD_LIST_MAX) {
		cleanup_free char *where = field_path_text(path);

		findings_reject(f, FINDING_OURS, v, where,
		    "%zu elements, more than %d", n, RECORD_LIST_MAX);
		return (0);
	}
	if (f != NULL && n < (size_t)fd->min_items) {
		char value[16];

		snprintf(value, sizeof(value), "%zu", n);
		refuse(path, v, f, value, "should have at least %d items",
		    fd->min_items);
	}
	return (1);
}

int
schema_check_field(const struct field *fd, const struct json *v,
    const struct field_path *path, struct findings *f)
{
	if (!type_ok(fd, v)) {
		refuse_type(path, v, wanted(fd), f);
		if (fd->rule != NULL && fd->rule->choices != NULL && f != NULL)
			check_choice(fd->rule, v, path, f);
		return (0);
	}
	if (fd->type == FIELD_TEXTS || fd->type == FIELD_OBJECTS) {
		if (!check_list(fd, v, path, f))
			return (0);
	}
	if (fd->type == FIELD_INT && f != NULL)
		check_int(v, path, f);
	if (fd->type == FIELD_TEXTS || fd->type == FIELD_MAP)
		check_texts(fd, v, path, f);
	else
		check_rule(fd, v, path, f);
	return (1);
}

/* --- objects ------------------------------------------------------------- */

static int
is_known(const struct record *r, const char *key)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (r->fields[i].name[0] == key[0] &&
		    strcmp(r->fields[i].name, key) == 0)
			return (1);
	return (0);
}

/* Counted are the members that the API server keeps: known, not null. */
static void
check_props(const struct record *r, const struct json *obj,
    const struct field_path *path, struct findings *f)
{
	char value[24];
	size_t n = 0;

	for (size_t i = 0; i < r->nfields; i++) {
		const struct json *v = json_get(obj, r->fields[i].name);

		n += v != NULL && !json_is(v, JSON_NULL);
	}
	snprintf(value, sizeof(value), "%zu", n);
	if (n < (size_t)r->min_props)
		refuse(path, obj, f, value,
		    "should have at least %d properties", r->min_props);
	if (r->max_props > 0 && n > (size_t)r->max_props) {
		cleanup_free char *where = field_path_text(path);

		findings_reject(f, FINDING_SCHEMA, obj, where, "Too many: %s: "
		    "must have at most %d %s", value, r->max_props,
		    r->max_props == 1 ? "item" : "items");
	}
}

int
schema_check_object(const struct record *r, const struct json *obj,
    const struct field_path *path, struct findings *f)
{
	if (!json_is(obj, JSON_OBJECT)) {
		if (obj != NULL)
			refuse_type(path, obj, "object", f);
		return (0);
	}
	if (f == NULL)
		return (1);
	for (const struct json *v = json_first(obj); v != NULL;
	    v = json_next(v))
		if (!is_known(r, json_key(v)))
			unknown(r, v, path, f);
	if (r->min_props > 0 || r->max_props > 0)
		check_props(r, obj, path, f);
	return (1);
}
