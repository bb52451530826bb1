/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_GJSON_INTERNAL_H
#define VALUE_GJSON_INTERNAL_H

#include <stdint.h>

#include "base/buf.h"
#include "value/gjson.h"

/*
 * The inside of gjson.  The model is tidwall/gjson v1.18.0 with
 * tidwall/match v1.1.1 and tidwall/pretty v1.2.0, whose answers on malformed
 * documents and paths are kept: each step says where it looks tolerant on
 * purpose.  Everything works on spans of the document, of the path, or of
 * text that struct gj keeps until the end.
 */
struct span {
	const char *p;
	size_t n;
};

/* gjson's Type, in its order; GJ_NULL with an empty raw: does not exist. */
enum gj_type { GJ_NULL, GJ_FALSE, GJ_NUMBER, GJ_STRING, GJ_TRUE, GJ_JSON };

struct gj_value {
	enum gj_type type;
	struct span raw, str;
	double num;
};

/* A text made on the way (unescaped, joined, …). */
struct gj_kept {
	struct gj_kept *below;
	struct buf buf;
};

/*
 * One gjson_get.  work counts down with every byte looked at or written, so
 * that paths that multiply the document ([@this,@this]|[@this,@this]|… or
 * nested @dig) end in bounded time and memory; steps bounds the stack.
 */
struct gj {
	struct gj_kept *kept;
	size_t work;
	size_t memory;		/* bytes left for kept texts */
	int depth;		/* gj_get inside gj_get */
	int steps;		/* objects and arrays entered */
	int failed;		/* a bound was hit: nothing exists */
};

/* Bytes of texts made on the way: this, and eight times the document. */
#define GJ_MEMORY_MIN ((size_t)16 << 20)
#define GJ_MEMORY_MAX ((size_t)256 << 20)

/* --- gjson.c ----------------------------------------------------------- */

/* gj_charge(g, n): take n from the work; 0 when it is used up. */
int gj_charge(struct gj *g, size_t n);
/* gj_keep(g, b): b's bytes, kept to the end of the call (b is empty then). */
struct span gj_keep(struct gj *g, struct buf *b);
/* What was kept since the mark is wiped and freed. */
struct gj_kept *gj_mark(const struct gj *g);
void gj_release(struct gj *g, struct gj_kept *mark);
/* A buffer for text to keep. */
struct buf gj_buf(const struct gj *g);

struct gj_value gj_get(struct gj *g, struct span json, struct span path);
int gj_exists(const struct gj_value *v);
/* gjson.Result.String() */
void gj_string(const struct gj_value *v, struct buf *out);
/* raw, or what String() gives where raw is empty */
void gj_add_raw(const struct gj_value *v, struct buf *out);

static inline struct span
span_from(struct span s, size_t at)
{
	if (at > s.n)
		at = s.n;
	return ((struct span){ at ? s.p + at : s.p, s.n - at });
}

static inline struct span
span_to(struct span s, size_t end)
{
	return ((struct span){ s.p, end < s.n ? end : s.n });
}

static inline struct span
span_of(struct span s, size_t from, size_t to)
{
	return (span_from(span_to(s, to), from));
}

int span_is(struct span s, const char *text);
int span_eq(struct span a, struct span b);
int span_cmp(struct span a, struct span b);
struct span span_trim(struct span s);	/* bytes up to the space, both ends */

/* --- gjson_scan.c ------------------------------------------------------ */

/* Of a string whose opening quote is at - 1: the offset behind its closing
 * quote, raw with the quotes; 0 when it does not end. */
int gj_scan_string(struct span s, size_t at, size_t *ret_end,
    struct span *ret_raw, int *ret_escaped);
size_t gj_scan_number(struct span s, size_t at);
size_t gj_scan_word(struct span s, size_t at);
/* Behind the bracket that closes the one at ${at}.  s.n + 1, not s.n, when
 * the text ends inside a string: the array walk tells these apart. */
size_t gj_scan_nested(struct span s, size_t at);
/* The same for path arguments; a leading quote means a string alone. */
struct span gj_squash(struct span s);
struct span gj_unescape(struct gj *g, struct span s);
/* The text of a raw string, quotes off. */
struct span gj_unquote(struct gj *g, struct span raw, int escaped);
double gj_number(struct span raw);
int gj_parse_bool(struct span s, int *ret);	/* of ToLower; 0 not one */
/* gjson.Parse: the first value of the text */
struct gj_value gj_parse(struct gj *g, struct span json);
/* parseAny: the next value at or after *at, past anything else */
int gj_next(struct gj *g, struct span s, size_t *at, struct gj_value *ret);

/* Result.ForEach; start zeroed but for ${of}.  1 while there is one more. */
struct gj_each {
	struct gj_value of;
	size_t at;
	int state;		/* 0 fresh, 1 object, 2 array, 3 over */
	struct gj_value key;	/* GJ_NULL when of is no container */
	struct gj_value value;
};
int gj_each(struct gj *g, struct gj_each *e);
int gj_is_array(const struct gj_value *v);
int gj_is_object(const struct gj_value *v);

/* --- gjson_path.c ------------------------------------------------------ */

struct gj_object_path {
	struct span part, path, pipe;
	int piped, wild, more;
};

struct gj_array_path {
	struct span part, path, pipe;
	int piped, more, all_of, counts;	/* all_of: "#.…"; counts: '#' */
	struct span all_of_key;
	struct {
		int on, all;
		struct span path, op, value;
	} query;
};

struct gj_object_path gj_object_path(struct gj *g, struct span path);
struct gj_array_path gj_array_path(struct gj *g, struct span path);
/* 1 when a pipe outside of brackets splits the path */
int gj_split_pipe(struct span path, struct span *ret_left,
    struct span *ret_right);
int gj_is_modifier(struct span name);

struct gj_selector {
	struct span name, path;
};
/* gj_selectors(path, at, ret): the next selector of a multipath; *at starts
 * at 1.  1 one more follows, 2 the last (*at behind the bracket), 0 no end. */
int gj_selectors(struct span path, size_t *at, struct gj_selector *ret);

/* --- gjson_walk.c ------------------------------------------------------ */

struct gj_walk {
	struct gj *g;
	struct span json;
	struct gj_value value;
	struct span pipe;
	int piped;
};

size_t gj_walk_object(struct gj_walk *w, size_t at, struct span path,
    int *ret_hit);
size_t gj_walk_array(struct gj_walk *w, size_t at, struct span path,
    int *ret_hit);

/* --- gjson_match.c ----------------------------------------------------- */

int gj_query_matches(struct gj *g, const struct gj_array_path *rp,
    struct gj_value value);
/* tidwall/match: * and ? over runes, \ escapes */
int gj_wildcard(struct gj *g, struct span str, struct span pattern);
/* utf8.DecodeLastRune: its length, 0 for an empty text */
size_t gj_last_rune(struct span s, uint32_t *ret);

/* --- gjson_mod.c, gjson_pretty.c --------------------------------------- */

/* 1 when path starts with a known modifier: its result and the path left. */
int gj_modifier(struct gj *g, struct span json, struct span path,
    struct span *ret_json, struct span *ret_path);
struct span gj_mod_pretty(struct gj *g, struct span json, struct span arg);
struct span gj_mod_ugly(struct gj *g, struct span json, struct span arg);
/* Result.Bool(), Result.Int() */
int gj_bool(const struct gj_value *v);
int64_t gj_int(const struct gj_value *v);

#endif
