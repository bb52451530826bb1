/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_INTERNAL_H
#define BASE_JSON_INTERNAL_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

/* replace(arg, at): the four hex digits at offset ${at} are to be "fffd". */
struct json_edits {
	void (*replace)(void *arg, size_t at);
	void *arg;
};

/* json_scan(text, len, edits, err): 0 when the text is one RFC 8259 document
 * within the limits of json_parse. */
int json_scan(const char *text, size_t len, const struct json_edits *edits,
    struct err *err);

/* json_print_num(n, out): as encoding/json prints a float64; integral numbers
 * below 2^63 with all their digits. */
void json_print_num(double n, struct buf *out);

/* json_append(obj, key, v): json_set for a key that is known to be new. */
void json_append(struct json *obj, const char *key, struct json *v);

/* A line number that travels with a node that yaml.c made; 0 for others. */
void json_set_line(struct json *j, int line);
int json_line(const struct json *j);

#endif
