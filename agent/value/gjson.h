/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_GJSON_H
#define VALUE_GJSON_H

#include <stddef.h>

#include "base/buf.h"
#include "value/doc.h"

/*
 * tidwall/gjson's path language over raw text (v1.18, the version ESO 2.9
 * vendors): keys, indices, * and ?, escapes, #, queries #(…) and #(…)# with
 * == != < <= > >= % !% and nesting, multipaths {…} […], | pipes, literals !…,
 * .. JSON lines, and the built-in modifiers.  As gjson it tolerates malformed
 * documents without reading out of bounds.
 */
struct gjson {
	enum doc_type type;	/* DOC_NONE: does not exist */
	struct buf raw;		/* secret: gjson's Raw */
	struct buf str;		/* secret: of a DOC_STRING, its text */
	double num;		/* of a DOC_NUMBER */
	int limited;		/* a bound was hit: type is DOC_NONE */
};

/*
 * Bounds that gjson itself does not have.  Work counts bytes looked at and
 * written (a plain path costs the document once), so that a path that
 * multiplies the document ends too.
 */
#define GJSON_DEPTH_MAX 64	/* nesting of paths in paths */
#define GJSON_STEPS_MAX 1500	/* parts of a path, nesting of @pretty … */
#define GJSON_WORK_FACTOR 2048	/* times (document + path + 1024) … */
#define GJSON_WORK_MAX ((size_t)1 << 30)	/* … but never more */

/**
 * gjson_get(json, len, path, ret):
 * gjson.Get.  ${ret} is initialised here and the caller's (gjson_clear).
 * Existence is type != DOC_NONE.
 */
void gjson_get(const char *json, size_t len, const char *path,
    struct gjson *ret);
/* gjson_string(g, out): gjson.Result.String(). */
void gjson_string(const struct gjson *g, struct buf *out);
void gjson_clear(struct gjson *g);

#endif
