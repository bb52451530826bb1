/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_YAML_INTERNAL_H
#define BASE_YAML_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/yaml.h"

/*
 * From text to JSON in steps, each in a file of its own: yaml_stream.c takes
 * the documents apart, yaml_quick.c reads the plain ones, yaml.c lets libyaml
 * make a tree of nodes of the others, yaml_resolve.c says what a scalar is, and
 * yaml_decode.c follows aliases and merges into JSON.  After sigs.k8s.io/yaml
 * v1.4.0 (goyaml.v2), function for function where it matters.
 */

#define YAML_TAG "tag:yaml.org,2002:"

enum yt_kind { YT_SCALAR, YT_SEQUENCE, YT_MAPPING, YT_ALIAS };

/* Nodes refer to each other by number + 1; 0 is none. */
struct yt_node {
	enum yt_kind kind;
	uint8_t implicit;	/* a plain scalar without a tag */
	uint8_t busy;		/* an alias that is being followed */
	int line;		/* from 1 */
	char *tag;		/* or NULL */
	char *text;		/* a scalar's, NUL-terminated */
	size_t len;
	uint32_t first;		/* children: elements; or key, value, … */
	uint32_t last;
	uint32_t next;
	uint32_t target;	/* of an alias */
};

struct yt {
	struct yt_node *v;
	size_t n;
	size_t cap;
};

static inline struct yt_node *
yt_at(const struct yt *t, uint32_t number)
{
	return (&t->v[number - 1]);
}

enum yv_kind { YV_NULL, YV_BOOL, YV_INT, YV_UINT, YV_FLOAT, YV_TIME, YV_TEXT };

struct yv {
	enum yv_kind kind;
	union {
		int b;
		int64_t i;
		uint64_t u;	/* above INT64_MAX */
		double d;	/* infinite and NaN too */
	};
};

/* yaml_resolve(text, len, ret): what a plain scalar without a tag is. */
void yaml_resolve(const char *text, size_t len, struct yv *ret);
/* yaml_print_float(n, single, out): Go's strconv.FormatFloat(n, 'g', -1, 64),
 * or 32 when ${single}, with .inf, -.inf and .nan. */
void yaml_print_float(double n, int single, struct buf *out);
/* yaml_plain_ok(s): a reader takes the unquoted text for a string. */
int yaml_plain_ok(const char *s);

/* What a file has cost so far. */
struct yaml_cost {
	size_t decodes;
	size_t aliased;		/* of them, below an alias */
	size_t bytes;		/* of text in the result */
};

/* yaml_decode(t, root, doc, cost, err): doc->root and doc->dups. */
int yaml_decode(const struct yt *t, uint32_t root, struct yaml_doc *doc,
    struct yaml_cost *cost, struct err *err);

/* Aliases included. */
#define YAML_BYTES_MAX ((size_t)YAML_INPUT_MAX)

/* yaml_parse(text, len, line, ret, cost, err): all documents of a text whose
 * first line has the number ${line}, by libyaml; ${cost} goes on. */
int yaml_parse(const char *text, size_t len, int line, struct yaml_docs *ret,
    struct yaml_cost *cost, struct err *err);
/* yaml_quick(s, len, line, heads, ret_line, cost): the one document of a piece
 * of a stream when it is a plain one: the same tree, with the same lines, as
 * libyaml's way gives; NULL when it is not, which says nothing about it.  With
 * ${heads} (a list that ends with NULL) the root has members of these names
 * alone.  *ret_line: the document's. */
struct json *yaml_quick(const char *s, size_t len, int line,
    const char *const *heads, int *ret_line, struct yaml_cost *cost);
/* yaml_quick_print(j, out): yaml_print's text of a plain tree; 0, with
 * nothing added, when it is not one. */
int yaml_quick_print(const struct json *j, struct buf *out);
void yaml_emit(const struct json *j, struct buf *out);	/* by libyaml */

/* yaml_keys_sort(keys, n): in the order of goyaml.v2/sorter.go. */
void yaml_keys_sort(const struct json **members, size_t n);

#endif
