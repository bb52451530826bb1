/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GENERATOR_GENERATOR_H
#define GENERATOR_GENERATOR_H

#include "base/err.h"
#include "base/json.h"
#include "model/schema.h"
#include "value/kv.h"

/*
 * Generated values: one file a kind, one exported const struct, one line in
 * registry.c (External Secrets Operator 2.9: generators/v1).
 */
struct generator {
	const char *kind;		/* "Password" */
	const char *cluster_key;	/* ClusterGenerator: spec.generator */
	const struct record *spec;	/* what the CRD allows */
	/* generate: ${spec} is the object's spec, NULL when absent.  Errors
	 * have ESO's words behind "error using generator: ". */
	int (*generate)(const struct json *spec, struct kv *ret,
	    struct err *err);
};

/* generator_find(kind): NULL when not built. */
const struct generator *generator_find(const char *kind);
/* generator_check(kind, obj, f): what the API server would refuse in the spec
 * of this generator, and fields that it would drop; "ClusterGenerator" too.
 * Nothing for a kind that is not built. */
void generator_check(const char *kind, const struct json *obj,
    struct findings *f);
/* generator_known(kind): one of the kinds that ESO 2.9 has? */
int generator_known(const char *kind);

#endif
