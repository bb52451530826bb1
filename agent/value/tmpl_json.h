/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_JSON_H
#define VALUE_TMPL_JSON_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"

/* encoding/json (Go 1.26) from and to the values of a template. */

#define TMPL_JSON_HTML 1	/* escape < > & */
#define TMPL_JSON_PRETTY 2	/* MarshalIndent(v, "", "  ") */
#define TMPL_JSON_POINTER 4	/* as Encode(&v): cycles are counted so */

/**
 * tmpl_json_print(run, v, flags, out, err):
 * Marshal.  INVALID with Go's text ("json: unsupported value: NaN"), LIMIT at
 * a ceiling; ${out} may then hold a part.
 */
int tmpl_json_print(struct tmpl_run *run, const struct tv *v, int flags,
    struct buf *out, struct err *err);

/**
 * tmpl_json_parse(run, text, len, ret, err):
 * Unmarshal into an interface {}: map[string]interface {}, []interface {},
 * float64.  INVALID with Go's text; where only a number does not fit, *${ret}
 * is set all the same, with nil in its place, as Go leaves it (else nil).
 */
int tmpl_json_parse(struct tmpl_run *run, const char *text, size_t len,
    struct tv *ret, struct err *err);

#endif
