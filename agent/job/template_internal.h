/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_TEMPLATE_INTERNAL_H
#define JOB_TEMPLATE_INTERNAL_H

#include "job/pipeline_internal.h"

/*
 * Where rendered text goes: a Secret, or the document of a generic target
 * (runtime/template/v2/template.go: applyToTarget and below).  One of the two
 * is set.
 */
struct template_target {
	struct ksecret *secret;
	struct json *obj;
};

/**
 * pipeline_template(p, name, text, len, data, out, err):
 * ESO's execute: parse ${text} and run it with ${data}, missing keys being
 * errors; append the result to ${out}.  ${name} is the template's name in error
 * texts.
 */
int pipeline_template(struct pipeline *p, const char *name, const char *text,
    size_t len, const struct kv *data, struct buf *out, struct err *err);

/* target_put: applyToTarget: one rendered value under ${key}. */
int target_put(const struct template_target *t, const char *where,
    const char *key, const struct secret *value, struct err *err);
/* target_is_map: labels, annotations or data, in any case. */
int target_is_map(const char *where);
/* target_put_tree: applyParsedToPath; takes ${tree}. */
int target_put_tree(const struct template_target *t, const char *where,
    struct json *tree, struct err *err);

#endif
