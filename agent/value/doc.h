/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_DOC_H
#define VALUE_DOC_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * Walking a raw JSON document without parsing it into a tree, so that number
 * forms, key order and white space survive, and the conversions from a JSON
 * value to the bytes of a Secret's key, in the four families of External
 * Secrets Operator (eso.md 4.4).
 */
enum doc_type { DOC_NONE, DOC_NULL, DOC_FALSE, DOC_TRUE, DOC_NUMBER,
	DOC_STRING, DOC_ARRAY, DOC_OBJECT };

/* A value inside a document: borrowed, exactly its bytes (no space around). */
struct doc {
	enum doc_type type;
	const char *raw;
	size_t len;
};

#define DOC_DEPTH_MAX 10000	/* encoding/json's; nothing here recurses */

/**
 * doc_parse(text, len, ret, err):
 * Check that ${text} is one valid JSON document (RFC 8259, as encoding/json's
 * scanner: depth to DOC_DEPTH_MAX, anything behind it is an error) and give
 * its value.  INVALID with encoding/json's words ("invalid character 'x' …",
 * "unexpected end of JSON input").  All other functions of this header trust
 * that the document was checked.
 */
int doc_parse(const char *text, size_t len, struct doc *ret, struct err *err);

/**
 * doc_first(text, len, ret, err):
 * The first value of ${text}, whatever follows it, as encoding/json's Decoder
 * reads one: its words at the end of the text are "unexpected EOF", and "EOF"
 * where there is nothing.
 */
int doc_first(const char *text, size_t len, struct doc *ret, struct err *err);

/* Members and elements in document order: start with *at = 0; 0 at the end.
 * The key of a member is raw, with its quotes. */
int doc_next(const struct doc *container, size_t *at, struct doc *ret_key,
    struct doc *ret_value);
/* doc_string(d, out): the unescaped text of a DOC_STRING (lone surrogates and
 * bad UTF-8 become U+FFFD, as encoding/json). */
void doc_string(const struct doc *d, struct buf *out);
/* doc_member(obj, key, ret): the last member of that name: 1 found, 0 not. */
int doc_member(const struct doc *obj, const char *key, size_t keylen,
    struct doc *ret);

enum doc_family {
	DOC_RAW_MESSAGE,	/* A: strings unquoted, null "", else raw */
	DOC_GET_BYTE_VALUE,	/* B: numbers by float64 'f' -1, containers by
				 * doc_marshal */
	DOC_GET_BYTE_VALUE_NUMBER, /* B with json.Number: numbers verbatim */
	DOC_STRING_MAP,		/* C: strings, null ""; else an error */
	DOC_VERBATIM		/* D: raw, quotes kept */
};

/* doc_value(d, family, out, err): the bytes of one value. */
int doc_value(const struct doc *d, enum doc_family family, struct buf *out,
    struct err *err);

/* doc_marshal(d, out, html, number): print anew as encoding/json.Marshal of
 * the decoded interface{} does: keys sorted, compact, floats by Go's rules
 * ('f' or 'e' beyond 1e21 / below 1e-6), or numbers verbatim when
 * ${number} (json.Number); html: escape < > &. */
void doc_marshal(const struct doc *d, struct buf *out, int html, int number);

/* doc_floats(d, err): INVALID with encoding/json's words when a number in
 * ${d} does not fit a float64 ("json: cannot unmarshal number 1e999 into Go
 * value of type float64"): to ask before a doc_marshal without ${number}. */
int doc_floats(const struct doc *d, struct err *err);

/* doc_print_float(v, out): strconv.FormatFloat(v, 'f', -1, 64). */
void doc_print_float(double v, struct buf *out);

#endif
