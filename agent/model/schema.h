/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "model/object.h"

/*
 * A CRD's schema as tables.  One table of fields per object type says what
 * the API server would accept (its refusals come out as REJECT findings in its
 * own words: k8s.io/kube-openapi pkg/validation, apimachinery
 * pkg/util/validation/field), which names are unknown (WARN), and where each
 * value goes in a C struct.  The same table frees the struct.
 *
 * null counts as absent, as in the API server
 * (apiextensions defaulting.PruneNonNullableNullsWithoutDefaults).
 */
enum field_type {
	FIELD_TEXT,	/* char * */
	FIELD_CHOICE,	/* int: the choice's code */
	FIELD_BOOL,	/* int */
	FIELD_INT,	/* int; an int32 */
	FIELD_DURATION,	/* int64_t, ms; Go reads it (metav1.Duration) */
	FIELD_MAP,	/* struct strmap * to char *; NULL when absent */
	FIELD_TEXTS,	/* char ** and a size_t */
	FIELD_OBJECT,	/* a struct in place, or FIELD_POINTER */
	FIELD_OBJECTS,	/* an array of structs and a size_t */
	FIELD_JSON,	/* struct json *, a copy; NULL when absent */
	FIELD_KNOWN	/* a name that is all right; not looked at */
};

enum {
	FIELD_REQUIRED = 1,
	FIELD_NULL = 2,		/* absent without a default: NULL, not "" */
	FIELD_POINTER = 4,	/* FIELD_OBJECT: allocated; NULL when absent */
	FIELD_CHECK = 8,	/* only checked, kept nowhere */
	FIELD_INT_OR_TEXT = 16	/* FIELD_KNOWN: must be one of the two */
};

#define RECORD_LIST_MAX 8192	/* elements of a list */

/* What a text must look like. */
struct text_rule {
	const char *pattern;	/* as the CRD writes it; NULL: any */
	const char *format;	/* in its place, OpenAPI's name; NULL */
	int (*matches)(const char *s);
	int min, max;		/* in runes; max 0: none */
	const char *const *choices;	/* ends with NULL; NULL: any */
	const int *codes;	/* FIELD_CHOICE; NULL: the index */
};

struct record;

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t at;		/* offset in the struct */
	size_t count_at;	/* lists: of the size_t.  FIELD_OBJECT: of an
				 * int that says "was there"; 0: none */
	const struct text_rule *rule;
	const char *value;	/* the default; NULL: none */
	const struct record *record;
	int min_items;
};

struct record {
	const struct field *fields;
	size_t nfields;
	size_t size;		/* of the struct; elements of FIELD_OBJECTS */
	int min_props, max_props;	/* 0: none */
	/* What a table cannot say; after the fields.  May be NULL. */
	void (*done)(void *base, const struct json *obj);
};

/* Where we are, as a chain up the stack: "spec.data[1].remoteRef". */
struct field_path {
	const struct field_path *up;
	const char *name;	/* NULL: an element */
	size_t index;
};

/* field_path_text(p): the caller's. */
char *field_path_text(const struct field_path *p);

/**
 * record_parse(r, obj, path, base, f):
 * Check ${obj} and fill the struct at ${base}, which was zero; afterwards
 * every field has a value, whatever was wrong with the object.  ${base} NULL:
 * check alone.  ${f} NULL: fill alone.  A ${obj} that is no object leaves the
 * values of an absent one and is a finding.
 */
void record_parse(const struct record *r, const struct json *obj,
    const struct field_path *path, void *base, struct findings *f);
/* record_free_fields(r, base): free what record_parse made; zeroes. */
void record_free_fields(const struct record *r, void *base);

/* The names below metadata; checked, kept by object_meta_parse. */
extern const struct record object_metadata;
/* metav1.LabelSelector; checked only. */
extern const struct record selector_record;

/* The API server's words.  go_quote: Go's %q. */
void go_quote(struct buf *out, const char *s);
/* schema_nearest(name, table, stride, n): the one of n names that a typist most
 * likely meant, or NULL.  ${table} is an array whose elements, ${stride} bytes
 * each, begin with a const char *. */
const char *schema_nearest(const char *name, const void *table, size_t stride,
    size_t n);

/* --- names, as Kubernetes checks them ------------------------------------ */

extern const struct text_rule rule_subdomain;	/* DNS-1123, 1 to 253 */
extern const struct text_rule rule_label;	/* DNS-1123, 1 to 63 */
extern const struct text_rule rule_secret_key;	/* 1 to 253 */
/* format: byte.  Base64 on one line (kube-openapi govalidator.IsBase64). */
extern const struct text_rule rule_byte;

int name_is_subdomain(const char *s);	/* pattern alone, no length */
int name_is_label(const char *s);
int name_is_secret_key(const char *s);
int name_is_base64(const char *s);
/* name_label_key(s), name_label_value(s): what apimachinery's IsLabelKey and
 * IsLabelValue complain about first (the caller's), or NULL. */
char *name_label_key(const char *s);
char *name_label_value(const char *s);
/* name_subdomain_problem(s): IsDNS1123Subdomain's complaint, or NULL. */
char *name_subdomain_problem(const char *s);
char *name_dns_label_problem(const char *s);

#endif
