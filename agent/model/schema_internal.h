/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_SCHEMA_INTERNAL_H
#define MODEL_SCHEMA_INTERNAL_H

#include "model/schema.h"

/* schema_check_object: is it an object with names that we know, as many as it
 * may have?  0 when it is no object and must not be looked into. */
int schema_check_object(const struct record *r, const struct json *obj,
    const struct field_path *path, struct findings *f);
/* schema_check_field: type, then text and list rules.  0 when the type is
 * wrong: there is no value to take. */
int schema_check_field(const struct field *fd, const struct json *v,
    const struct field_path *path, struct findings *f);
void schema_required(const struct field_path *path, const struct json *obj,
    struct findings *f);
/* schema_int: a number as an int32, cut at its ends. */
int schema_int(const struct json *v);

#endif
