/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * The JSON gate: the only file that knows cJSON.  For API objects and
 * settings, not for secret documents (numbers are doubles here; value/ walks
 * raw text instead).  struct json is cJSON's node under another name.
 */
struct json;

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING,
	JSON_ARRAY, JSON_OBJECT };

#define JSON_DEPTH_MAX 64

/**
 * json_parse(text, len, err):
 * Parse one document of exactly ${len} bytes (white space around it is fine,
 * anything else behind it is INVALID, nesting beyond JSON_DEPTH_MAX is LIMIT).
 * What a C string cannot hold or UTF-8 does not know becomes U+FFFD: \u0000,
 * lone surrogates, malformed bytes (encoding/json does so with the last two).
 * The tree is the caller's (json_free).  NULL on failure, the message says
 * line and column, never text from the document.
 */
struct json *json_parse(const char *text, size_t len, struct err *err);
void json_free(struct json *j);		/* wipes strings; NULL is fine */
void json_cleanup(struct json **j);
struct json *json_copy(const struct json *j);

/* All readers accept NULL for "absent" and answer as for an absent node. */
enum json_type json_type(const struct json *j);
int json_is(const struct json *j, enum json_type t);	/* 0 for NULL pointer */
/* json_get(obj, key): the last member of that name (as encoding/json), else
 * NULL.  JSON null members are returned, not hidden. */
struct json *json_get(const struct json *obj, const char *key);
/* json_path(obj, "spec.target.name"): get along dots; NULL where it breaks */
struct json *json_path(const struct json *obj, const char *dotted);
const char *json_str(const struct json *j);	/* NULL unless a string */
double json_num(const struct json *j, double otherwise);
int json_bool(const struct json *j, int otherwise);
size_t json_len(const struct json *j);		/* members or elements */
struct json *json_first(const struct json *j);	/* child, or NULL */
struct json *json_next(const struct json *j);	/* sibling, or NULL */
const char *json_key(const struct json *j);	/* of a member, else NULL */

struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_str(const char *s);
struct json *json_new_strn(const char *s, size_t len);
struct json *json_new_num(double n);
/* json_set_digits(num, digits, len): what a double does not hold of a number:
 * it is printed with these digits (json_print, yaml_print); NULL takes them
 * away. */
void json_set_digits(struct json *num, const char *digits, size_t len);
const char *json_digits(const struct json *num);	/* or NULL */
struct json *json_new_bool(int b);
struct json *json_new_null(void);
/* The parent takes ownership of v.  json_set replaces an older member; v ==
 * NULL removes it. */
void json_set(struct json *obj, const char *key, struct json *v);
void json_set_str(struct json *obj, const char *key,
    const char *s);				/* NULL: null */
void json_set_num(struct json *obj, const char *key, double n);
void json_set_bool(struct json *obj, const char *key, int b);
void json_push(struct json *arr, struct json *v);
/* json_take(obj, key): detach and hand over, or NULL. */
struct json *json_take(struct json *obj, const char *key);

/* json_print(j, out, indent): compact when indent is 0, else that many spaces
 * a level.  Members in their order.  Integral numbers print as integers. */
void json_print(const struct json *j, struct buf *out, int indent);

#define cleanup_json __attribute__((cleanup(json_cleanup)))

#endif
