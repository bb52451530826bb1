/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_PIPELINE_INTERNAL_H
#define JOB_PIPELINE_INTERNAL_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strmap.h"
#include "job/pipeline.h"
#include "model/external_secret.h"
#include "model/store.h"
#include "provider/provider.h"
#include "value/kv.h"

/*
 * Inside the pipeline: External Secrets Operator 2.9.0's reconcile
 * (pkg/controllers/externalsecret/externalsecret_controller*.go), cut where it
 * talks to the API server.  Error texts are its texts; the functions below name
 * the Go function that they follow.
 */
#define LABEL_MANAGED "reconcile.external-secrets.io/managed"
#define LABEL_OWNER "reconcile.external-secrets.io/created-by"
#define ANNOTATION_HASH "reconcile.external-secrets.io/data-hash"
#define ES_GROUP "external-secrets.io"

/* Text of errors that may be long: lists of refused keys, templates. */
#define ERROR_TEXT_MAX (1u << 20)

/* --- stores (pipeline_store.c) ------------------------------------------ */

/* One store of the manifests, parsed once; its connections below. */
struct pipeline_store {
	struct store *store;
	const struct provider *driver;	/* NULL when not built */
	char *refused;			/* REJECT findings, or NULL */
	char *unsupported;		/* why there is no driver, or NULL */
	int referent;			/* identity depends on the namespace */
};

/* One connection: a store, and the namespace where that matters. */
struct pipeline_conn {
	struct pipeline_store *ps;
	char *ns;
	struct provider_env env;
	struct provider_conn *conn;	/* NULL when it could not be opened */
	int usable;			/* the floodgate's verdict */
	const char *reason, *message;	/* of the store's condition */
	char *why;			/* what failed, in our words; NULL */
	enum err_kind why_kind;
};

/* Parsed templates are kept: many ExternalSecrets are cut from one cloth. */
#define PARSED_TEMPLATES 128
#define PARSED_TEXT_MAX 8192		/* of one that is kept, bytes */

struct pipeline {
	struct pipeline_options opts;
	const struct objects *objects;
	struct strmap *stores;		/* object key -> pipeline_store */
	struct strmap *conns;		/* + ns -> pipeline_conn */
	struct strmap *orphans;		/* "ns/owner label" -> struct names */
	const struct job_name *expected;	/* borrowed */
	size_t nexpected;
	struct tmpl *parsed[PARSED_TEMPLATES];
};

struct names {
	char **v;
	size_t n;
};
void names_add(struct names *l, const char *s);
void names_free(void *l);

/* One ExternalSecret on its way. */
struct run {
	struct pipeline *p;
	const struct external_secret *es;
	struct pipeline_result *r;
	struct pipeline_conn *used;	/* last connection, for blame */
	int no_secret;			/* the failure was ESO's NoSecretErr */
};

/* finding_text: "field: what: remedy"; the caller's. */
char *finding_text(const struct finding *f);
/* pipeline_store_get: the store of a reference, or NULL when it does not
 * exist; ${ns} "" never finds a namespaced one. */
struct pipeline_store *pipeline_store_get(struct pipeline *p,
    const struct store_ref *ref, const char *ns);
void pipeline_store_free(void *ps);
void pipeline_conn_free(void *c);
/* store_connect: clientmanager.Get: everything between a reference and a
 * connection that may be used, with ESO's errors. */
int store_connect(struct run *run, const struct store_ref *ref,
    struct pipeline_conn **ret, struct err *err);
/* class_skips: shouldSkipUnmanagedStore: 1 when ESO would leave it alone. */
int class_skips(struct run *run);
/* store_refusal: the text for which an API server would have refused one of
 * the stores that ${es} uses (the caller's), or NULL. */
char *store_refusal(struct run *run);

/* pipeline_want(p, c): tell a new connection what will be read from it. */
void pipeline_want(struct pipeline *p, struct pipeline_conn *c);

/* --- generators (pipeline_generator.c) ---------------------------------- */

/* generator_resolve: resolvers.GeneratorRef.  *ret_kind: the kind that makes
 * the value, *ret_spec: its spec (may be NULL), *ret_obj: the object. */
int generator_resolve(struct run *run, const struct generator_ref *ref,
    const char **ret_kind, const struct json **ret_spec,
    const struct json **ret_obj, struct err *err);
int generator_values(struct run *run, const struct generator_ref *ref,
    struct kv *ret, struct err *err);

/* --- the provider's data (pipeline_data.c) ------------------------------ */

/* data_fetch: GetProviderSecretData. */
int data_fetch(struct run *run, struct kv *ret, struct err *err);

/* --- the Secret (ksecret*.c) -------------------------------------------- */

struct owner_ref {
	char *api_version, *kind, *name, *uid;
	int controller;			/* -1 absent, else 0 or 1 */
};

struct ksecret {
	char *name, *type;
	int immutable;			/* -1 absent, else 0 or 1 */
	struct strmap *labels, *annotations;	/* to char *, owned */
	struct kv data;
	struct owner_ref *owners;
	size_t nowners;
	char **finalizers;
	size_t nfinalizers;
	const struct json *managed_fields;	/* borrowed */
};

void ksecret_init(struct ksecret *s, const char *name);
/* ksecret_parse: an existing Secret as the API server would hold it (type
 * defaulted, stringData merged).  INVALID for data that is no base64. */
int ksecret_parse(const struct json *obj, const char *name,
    struct ksecret *ret, struct err *err);
void ksecret_copy(struct ksecret *dst, const struct ksecret *src);
void owner_clear(struct owner_ref *o);
void ksecret_clear(struct ksecret *s);
/* ksecret_copy_meta: labels, annotations, owners and finalizers of ${src}. */
void ksecret_copy_meta(struct ksecret *dst, const struct ksecret *src);
/* equality.Semantic.DeepEqual of the metadata, and of the rest. */
int ksecret_meta_equal(const struct ksecret *a, const struct ksecret *b);
int ksecret_rest_equal(const struct ksecret *a, const struct ksecret *b);
/* ksecret_managed: keys below ${path} ("f:data", "f:metadata.f:labels") that
 * field manager ${manager} owns, without "f:". */
void ksecret_managed(const struct ksecret *s, const char *manager,
    const char *outer, const char *inner, struct names *ret);
/* ksecret_validate: the API server's ValidateSecret (k8s.io/kubernetes
 * pkg/apis/core/validation), after ValidateSecretUpdate's part when ${old} is
 * not NULL; errors as `Secret "x" is invalid: …`. */
int ksecret_validate(const struct ksecret *s, const struct ksecret *old,
    struct err *err);

/* maps of text */
void text_put(struct strmap *m, const char *key, const char *value);
struct strmap *text_map(void);
void text_merge(struct strmap *dst, const struct strmap *src);

/* --- hashes (hash.c) ---------------------------------------------------- */

/* hash_data: esutils.ObjectHash of a map[string][]byte: hex SHA3-224 of Go's
 * %+v; hash_text: of a string.  The caller's. */
char *hash_data(const struct kv *data);
char *hash_text(const char *s);
char *hash_tree(const struct json *j);	/* %+v of a decoded document */

/* --- templates (template.c, template_path.c) ---------------------------- */

/* pipeline_transform: rewrite_transform_fn (value/rewrite.h): the other seam to
 * an engine.  It never has delimiters of its own. */
int pipeline_transform(void *arg, const char *text, const char *const *keys,
    size_t n, struct buf *outs, size_t *ret_bad, struct err *err);
/* pipeline_templates_forget: what was parsed. */
void pipeline_templates_forget(struct pipeline *p);
/* pipeline_template_check: parse alone; INVALID with Go's text, and the byte
 * at which it stands. */
int pipeline_template_check(const struct pipeline_options *opts,
    const char *name, const char *text, size_t len, size_t *ret_at,
    struct err *err);
/* template_apply: ApplyTemplate. */
int template_apply(struct run *run, struct ksecret *secret,
    const struct kv *data, struct err *err);
/* template_manifest: renderTemplatedManifest on a generic target. */
int template_manifest(struct run *run, struct json *obj,
    const struct kv *data, struct err *err);

/* --- applying (pipeline_apply.c, pipeline_manifest.c) ------------------- */

/* manager_for_data, manager_for_metadata: the field manager of an
 * ExternalSecret, as the two packages of ESO compute it.  The caller's. */
char *manager_for_data(const char *name);
char *manager_for_metadata(const char *name);
char *owner_label(const struct external_secret *es);
/* owner_apply: applyOwnership. */
int owner_apply(const struct external_secret *es, struct ksecret *s,
    struct err *err, int *ret_why);
enum { OWNER_FINE = 0, OWNER_OTHER_ES, OWNER_OTHER_CONTROLLER };

/* ksecret_publish: hand over: ${s} is empty but for its name afterwards. */
void ksecret_publish(struct pipeline_result *r, struct ksecret *s);
void target_reconcile(struct run *run);
void manifest_reconcile(struct run *run);

/* marks: markAsDone, markAsFailed. */
void run_done(struct run *run, enum job_outcome outcome, const char *reason,
    const char *message);
void run_failed(struct run *run, const char *reason, const char *message,
    const struct err *err);
void run_event(struct run *run, const char *reason);
/* pipeline_kind(err): what a failure is to core: a store to which no connection
 * came about has not answered, whatever kept it; so one whose certificate is
 * refused is away as well, and another try may meet another one. */
enum err_kind pipeline_kind(const struct err *err);

#endif
