/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_EXTERNAL_SECRET_H
#define MODEL_EXTERNAL_SECRET_H

#include "model/object.h"
#include "model/offline.h"

/*
 * external-secrets.io/v1 ExternalSecret, field for field (eso.md 1.2), with the
 * defaults that the CRD and ESO's code apply.  Strings are owned, never NULL
 * ("" for absent) unless said otherwise.
 */
enum es_creation { ES_OWNER, ES_ORPHAN, ES_MERGE, ES_CREATE_OR_MERGE,
	ES_NONE };
enum es_deletion { ES_RETAIN, ES_DELETE, ES_DELETION_MERGE };
enum es_refresh { ES_PERIODIC, ES_CREATED_ONCE, ES_ON_CHANGE };

struct store_ref {
	char *name;
	char *kind;	/* "SecretStore" or "ClusterSecretStore" */
};

struct generator_ref {
	char *api_version;
	char *kind;
	char *name;	/* "" when there is no generator */
};

/* remoteRef of data[] and dataFrom[].extract.  The policy words are kept as
 * written ("" absent), as ESO compares text. */
struct remote_ref {
	char *key;
	char *property;
	char *version;
	char *conversion;	/* Default, Unicode */
	char *decoding;		/* Auto, Base64, Base64URL, None */
	char *metadata_policy;	/* None, Fetch */
	char *null_byte;	/* Ignore, Fail */
};

struct find_ref {
	char *path;		/* NULL when absent */
	char *name_regexp;	/* NULL when find.name is absent */
	struct strmap *tags;	/* to char *; NULL when absent */
	char *conversion, *decoding, *null_byte;
};

enum rewrite_kind { REWRITE_REGEXP, REWRITE_TRANSFORM, REWRITE_MERGE };

struct rewrite_op {
	enum rewrite_kind kind;
	char *source, *target;		/* regexp */
	char *template_text;		/* transform */
	char *into;			/* merge … */
	char **priority;
	size_t npriority;
	char *priority_policy;		/* Strict, IgnoreNotFound */
	char *conflict_policy;		/* Error, Ignore */
	char *strategy;			/* Extract, JSON */
};

struct es_data {
	char *secret_key;
	struct remote_ref remote;
	int has_source;
	struct store_ref store;		/* of sourceRef; name "" when none */
	struct generator_ref generator;
};

enum es_from_kind { ES_FROM_EXTRACT, ES_FROM_FIND, ES_FROM_GENERATOR,
	ES_FROM_NOTHING };

/* When several are given (a webhook refuses that), kind is what ESO would do:
 * find before extract before a generator. */
struct es_data_from {
	enum es_from_kind kind;
	struct remote_ref extract;
	struct find_ref find;
	struct rewrite_op *rewrite;
	size_t nrewrite;
	struct store_ref store;
	struct generator_ref generator;
};

struct template_item {
	char *key;
	char *as;		/* Values, KeysAndValues */
};

/* An entry that holds several of configMap, secret, literal becomes several
 * here, in the order in which ESO merges them (that order).  One that holds
 * none stays, with kind "" and literal NULL: nothing to do. */
struct template_from {
	char *kind;		/* "ConfigMap", "Secret", "" for a literal */
	char *name;
	struct template_item *items;
	size_t nitems;
	char *literal;		/* NULL when absent */
	char *target;		/* "Data" by default */
	char *decoding;		/* valuesDecodingStrategy */
};

struct es_template {
	char *type;
	char *engine_version;	/* "v2" */
	char *merge_policy;	/* Replace, Merge */
	struct strmap *data;		/* to char *; NULL when absent */
	struct strmap *labels;		/* to char *; NULL when absent */
	struct strmap *annotations;	/* to char *; NULL when absent */
	char **finalizers;
	size_t nfinalizers;
	struct template_from *from;
	size_t nfrom;
};

struct sync_window {
	char *kind;		/* allow, deny */
	struct { char *schedule; int64_t duration_ms; } *windows;
	size_t n;
};

struct external_secret {
	struct object_meta meta;
	char *meta_hash;		/* of a head (model/head.h); else "" */
	struct store_ref store;		/* spec.secretStoreRef */
	char *target_name;		/* target.name, else metadata.name */
	enum es_creation creation;
	enum es_deletion deletion;
	int immutable;
	char *manifest_api_version, *manifest_kind;	/* "" when a Secret */
	struct es_template *tmpl;	/* NULL when absent */
	enum es_refresh refresh;
	int64_t refresh_interval_ms;	/* default 1h */
	struct sync_window window;	/* n == 0: none */
	struct offline_policy offline;	/* of its annotations alone */
	struct es_data *data;
	size_t ndata;
	struct es_data_from *from;
	size_t nfrom;
};

/**
 * es_parse(obj, ns, ret, findings, err):
 * Parse one object of kind OBJ_EXTERNAL_SECRET.  Schema and admission rules
 * that it breaks (all of eso.md 1.2 "Admission checks", enums, patterns,
 * required fields, types) are REJECT findings, with ESO's webhook text or the
 * API server's where ESO has none; unknown fields WARN with the nearest known
 * name as remedy.  Fails only when nothing usable can be made of it.
 * ${findings} may be NULL.
 */
int es_parse(const struct json *obj, const char *ns,
    struct external_secret **ret, struct findings *findings, struct err *err);
void es_free(struct external_secret *es);	/* NULL is fine */

/* es_stores(es, cb, arg): every store that it refers to, each once, spec's
 * first. */
void es_stores(const struct external_secret *es,
    void (*cb)(void *arg, const struct store_ref *ref), void *arg);

/* es_synced_version(es): "<generation>-<hash>" as ESO's
 * status.syncedResourceVersion (eso.md 1.6; ESO 2.9.0 pkg/controllers/util,
 * GetResourceVersion); the caller's. */
char *es_synced_version(const struct external_secret *es);
/* es_meta_hash(m): its second half: hex SHA3-224 of Go's %+v of
 * {annotations labels}; the caller's. */
char *es_meta_hash(const struct object_meta *m);

#endif
