/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_EXTRACT_H
#define VALUE_EXTRACT_H

#include <stddef.h>

#include "base/err.h"
#include "value/doc.h"
#include "value/kv.h"

/**
 * value_extract(text, len, family, kv, err):
 * What json.Unmarshal into a map and the family's conversion (doc.h) make of
 * a document: the members of an object as keys, over what ${kv} holds; null
 * gives none.  Of equal keys the last counts.  INVALID with encoding/json's
 * words ("json: cannot unmarshal array into Go value of type
 * map[string]json.RawMessage"), ${kv} is then unchanged.
 */
int value_extract(const char *text, size_t len, enum doc_family family,
    struct kv *kv, struct err *err);

/* The text of a JSON key in the form that kv.h holds (malloc'd), and back. */
char *value_key_text(const struct doc *key);
void value_key_bytes(const char *key, struct buf *out);

#define VALUE_JSON_MAX ((size_t)64 << 20)	/* of a document made here */

#endif
