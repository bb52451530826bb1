/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_H
#define VALUE_TMPL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/kv.h"

/*
 * Go's text/template with the functions of External Secrets Operator's v2
 * engine (eso.md 3): the one front of the engine.
 */
struct tmpl;

struct tmpl_options {
	const char *left, *right;	/* delimiters; NULL or "": {{ and }} */
	int missing_key_error;		/* Option("missingkey=error") */
	/* Ceilings; 0 takes the default.  Crossing one is LIMIT. */
	uint64_t steps_max;		/* nodes evaluated: 10,000,000 */
	uint32_t depth_max;		/* of calls and of parentheses: 1,000 */
	size_t out_max;			/* of the result, bytes: 16 MiB */
	size_t memory_max;		/* of values while it runs: 256 MiB */
	size_t *error_at;		/* NULL, or takes the byte of the text
					 * at which it does not parse */
};

/**
 * tmpl_parse(name, text, len, opts, ret, err):
 * template.New(name).Parse(text).  INVALID with Go's text (`template:
 * NAME:LINE: function "x" not defined`).  ${opts} may be NULL.  The tree is the
 * caller's (tmpl_free) and may be run often.
 */
int tmpl_parse(const char *name, const char *text, size_t len,
    const struct tmpl_options *opts, struct tmpl **ret, struct err *err);
/**
 * tmpl_run(t, data, out, err):
 * Execute with data = map[string]string of the keys.  INVALID with Go's text
 * (`template: NAME:LINE:COL: executing "NAME" at <…>: …`), LIMIT at a ceiling.
 * ${out} is a secret buffer; on failure it may hold a part.
 */
int tmpl_run(const struct tmpl *t, const struct kv *data, struct buf *out,
    struct err *err);
/* tmpl_is(t, name, text, len): whether ${t} was parsed from just that. */
int tmpl_is(const struct tmpl *t, const char *name, const char *text,
    size_t len);
void tmpl_free(struct tmpl *t);	/* NULL is fine */

#endif
