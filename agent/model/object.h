/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_OBJECT_H
#define MODEL_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strmap.h"

/*
 * What every resource has: a kind, a name, metadata.  And what is wrong with
 * one: findings, the same list for the agent's conditions and for `check`.
 */
enum object_kind {
	OBJ_OTHER = 0,		/* not ours; ignored with a finding */
	OBJ_EXTERNAL_SECRET,	/* external-secrets.io/v1 */
	OBJ_SECRET_STORE,
	OBJ_CLUSTER_SECRET_STORE,
	OBJ_GENERATOR,		/* generators.external-secrets.io/v1alpha1 */
	OBJ_SECRET,		/* v1 */
	OBJ_CONFIG_MAP,
	OBJ_NAMESPACE,
	OBJ_SERVICE_ACCOUNT,
	OBJ_HOST_PROJECTION,	/* nodeseal.dev/v1alpha1 */
	OBJ_NOT_SERVED		/* ClusterExternalSecret, PushSecret,
				 * ClusterPushSecret, old API versions */
};

struct object_meta {
	enum object_kind kind;
	char *api_version;
	char *kind_name;	/* as written */
	char *ns;		/* "" for cluster scope */
	char *name;
	char *uid;		/* "" when none was given */
	int64_t generation;
	struct strmap *labels;		/* to char *, owned; never NULL */
	struct strmap *annotations;	/* to char *, owned; never NULL */
};

/**
 * object_meta_parse(obj, ns, ret, err):
 * Read apiVersion, kind and metadata.  ${ns} is the namespace for namespaced
 * objects that name none; cluster-scoped kinds get "".  INVALID without kind
 * or name.  object_meta_clear frees.
 */
int object_meta_parse(const struct json *obj, const char *ns,
    struct object_meta *ret, struct err *err);
void object_meta_clear(struct object_meta *m);

/* object_key(kind_name, ns, name): "Kind/ns/name", the caller's. */
char *object_key(const char *kind_name, const char *ns, const char *name);

/*
 * Findings.  level REJECT: the CRD's schema or ESO's webhook would refuse the
 * object; ERROR: it cannot work; WARN: it works, but probably not as meant
 * (unknown field, duplicate key, not served).
 */
enum finding_level { FINDING_WARN, FINDING_ERROR, FINDING_REJECT };

/* Who would refuse it, in the order in which a cluster asks them. */
enum finding_by {
	FINDING_OURS = 0,	/* nobody but us */
	FINDING_API,		/* the API server's rules for metadata */
	FINDING_SCHEMA,		/* the CRD's schema */
	FINDING_DECODE,		/* ESO cannot read it into its Go type */
	FINDING_WEBHOOK		/* ESO's validating webhook */
};

#define FINDINGS_MAX 256	/* what comes after is not kept */

struct finding {
	enum finding_level level;
	enum finding_by by;
	char *field;		/* "spec.data[1].remoteRef.key"; "" whole */
	char *what;		/* what is wrong */
	char *remedy;		/* what to do; "" when what says it all */
	const struct json *node; /* for its line, borrowed; may be NULL */
};

struct findings {
	struct finding *v;
	size_t n;
};

void findings_add(struct findings *f, enum finding_level level,
    const struct json *node, const char *field, const char *remedy,
    const char *what_fmt, ...) __attribute__((format(printf, 6, 7)));
/* findings_reject: a REJECT on somebody's behalf; what says it all. */
void findings_reject(struct findings *f, enum finding_by by,
    const struct json *node, const char *field, const char *what_fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The first finding of at least that level, or NULL. */
const struct finding *findings_first(const struct findings *f,
    enum finding_level level);
void findings_clear(struct findings *f);

/**
 * findings_refusal(f, m, ret_by):
 * The text with which a cluster would refuse the object, the caller's; NULL
 * when it would not.  The first who objects speaks alone: the API server and
 * the CRD's schema in one sentence (`ExternalSecret.external-secrets.io "es" is
 * invalid: spec.x: …`; several in brackets), then decoding (its first
 * error), then the webhook (a line an error), then our own rules (likewise,
 * with field and remedy).
 * ${ret_by} may be NULL.  For core kinds the sentence has no head.
 */
char *findings_refusal(const struct findings *f, const struct object_meta *m,
    enum finding_by *ret_by);
/* "api", "crd-schema", "decode", "webhook", "nodeseal". */
const char *finding_by_name(enum finding_by by);

/**
 * object_check(obj, ns, findings, err):
 * Everything that can be said about one object of any kind by itself: metadata
 * as the API server checks it, then the kind's own parser.  INVALID when it
 * is no object with a kind and a name.
 */
int object_check(const struct json *obj, const char *ns, struct findings *f,
    struct err *err);
/* object_meta_check(obj, m, findings): names, labels, annotations; the part
 * of object_check that es_parse and the others do themselves. */
void object_meta_check(const struct json *obj, const struct object_meta *m,
    struct findings *f);

/*
 * A service account's token among objects: a kind that no API server has,
 * {"kind":"ServiceAccountToken","metadata":{namespace,name},"audiences":[…],
 * "token":"…"}.  An account has one for each set of audiences, so that they are
 * part of the key.
 */
#define OBJECT_TOKEN "ServiceAccountToken"

/* object_token_key(ns, name, audiences, n): the caller's. */
char *object_token_key(const char *ns, const char *name,
    const char *const *audiences, size_t n);

/*
 * A set of objects by key, as read from files, or as sent to a fetch job:
 * whole JSON documents, owned; and of some that are not there, why.
 */
struct objects {
	struct strmap *by_key;	/* object_key() -> struct json * */
	struct strmap *why;	/* object_key() -> struct err * */
};

void objects_init(struct objects *o);
void objects_clear(struct objects *o);
/* objects_put: takes ownership of ${obj}; replaces an older one. */
int objects_put(struct objects *o, struct json *obj, const char *ns,
    struct err *err);
const struct json *objects_get(const struct objects *o, const char *kind_name,
    const char *ns, const char *name);
const struct json *objects_get_key(const struct objects *o, const char *key);
/* objects_lack(o, key, kind, msg): the object of that key was asked for, and
 * this is why it is not there. */
void objects_lack(struct objects *o, const char *key, enum err_kind kind,
    const char *msg);
/**
 * objects_why(o, kind_name, ns, name, err, fmt, ...):
 * Of an object that is not there: what objects_lack said of it, else NOTFOUND
 * with the text.  Returns -1.  objects_why_key: the same by its key.
 */
int objects_why(const struct objects *o, const char *kind_name,
    const char *ns, const char *name, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
int objects_why_key(const struct objects *o, const char *key, struct err *err,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
