/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_JOB_H
#define IPC_JOB_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/frame.h"

/*
 * What core, the zygote and a job say to each other.
 *
 * core <-> zygote (one socket):
 *	-> ZYGOTE_FORK {u32 kind, u64 id, u32 deadline_ms} + the child's end of
 *	   a new socket pair; the child lives at most deadline_ms
 *	-> ZYGOTE_KILL {u64 id}
 *	<- ZYGOTE_EXIT {u64 id, u32 wait status}
 * core <-> child (the pair):
 *	read:  -> JOB_READ {struct job_read} + the file, open for reading
 *	       <- JOB_KEY, JOB_OBJECT*, JOB_FINDING*, JOB_DONE
 *	fetch: <- JOB_HELLO {32 bytes: the child's one-time public key}
 *	       -> (JOB_KEY, JOB_RESOLVED*)* as resolve jobs gave them, unread
 *	       -> JOB_FETCH {struct job_fetch sealed to that key}
 *	       <- JOB_KEY, JOB_ITEM*, JOB_DONE {struct job_done}
 *	resolve (API server): -> JOB_RESOLVE {struct job_resolve}
 *	       <- JOB_KEY (a stream to the fetch child's key), JOB_RESOLVED*,
 *	          one for each want in their order, JOB_DONE {}
 *	apply (API server): <- JOB_HELLO
 *	       -> JOB_APPLY {struct job_apply sealed to that key}
 *	       <- JOB_APPLIED*, JOB_DONE {}
 * JOB_KEY is the start of a stream to core's key (seal/stream.h), whose
 * messages are the bodies and payloads that follow, in their order.  A child
 * that ends without JOB_DONE has failed; what it sent before holds.
 */
enum job_kind { JOB_KIND_READ = 1, JOB_KIND_RESOLVE, JOB_KIND_FETCH,
	JOB_KIND_APPLY };

enum job_frame {
	ZYGOTE_FORK = 1, ZYGOTE_KILL, ZYGOTE_EXIT,
	JOB_READ = 16, JOB_OBJECT, JOB_FINDING, JOB_DONE,
	JOB_HELLO, JOB_FETCH, JOB_ITEM, JOB_KEY,
	JOB_RESOLVE, JOB_RESOLVED, JOB_APPLY, JOB_APPLIED
};

#define JOB_KEY_LEN 32
#define JOB_FRAME_MAX (64u << 20)	/* a fetch request with its objects */
#define JOB_ITEM_MAX (2u << 20)
#define JOB_ITEMS_MAX 256

struct job_fork {
	enum job_kind kind;
	uint64_t id;
	uint32_t deadline_ms;
};
void job_fork_write(const struct job_fork *m, struct buf *out);
int job_fork_read(struct job_fork *m, const struct frame *f, struct err *err);

struct job_exit {
	uint64_t id;
	uint32_t status;	/* as waitpid gives it */
};
void job_exit_write(const struct job_exit *m, struct buf *out);
int job_exit_read(struct job_exit *m, const struct frame *f, struct err *err);

struct job_read {
	char *name;		/* of the file, for messages */
	uint8_t core_key[JOB_KEY_LEN];
};
void job_read_write(const struct job_read *m, struct buf *out);
int job_read_read(struct job_read *m, const struct frame *f, struct err *err);
void job_read_clear(struct job_read *m);

/* One object of a file.  head: JSON (model/head.h); body: the whole object as
 * JSON, a message of the job's stream. */
struct job_object {
	char *kind, *ns, *name;
	char *head;
	uint8_t *body;		/* owned */
	size_t body_len;
	char *rejected;		/* first REJECT finding's text, "" when none */
};
void job_object_write(const struct job_object *m, struct buf *out);
int job_object_read(struct job_object *m, const struct frame *f,
    struct err *err);
void job_object_clear(struct job_object *m);

/* A file that does not parse, an object that is no object: fatal when the
 * file's last good objects are to be kept. */
struct job_finding {
	uint32_t line;
	uint8_t fatal;
	char *object;		/* "ns/name" or "" */
	char *text;
};
void job_finding_write(const struct job_finding *m, struct buf *out);
int job_finding_read(struct job_finding *m, const struct frame *f,
    struct err *err);
void job_finding_clear(struct job_finding *m);

/* JOB_TARGETS_UNKNOWN: in a cluster nobody reads what is in a target Secret:
 * the payload is what we write, Merge and CreateOrMerge included, and apply
 * finds out the rest. */
enum { JOB_CLAIM_UNCLASSED = 1, JOB_GENERIC_TARGETS = 2,
	JOB_AMBIENT_IDENTITY = 4, JOB_TARGETS_UNKNOWN = 8 };

/* One body: the bytes are borrowed from the sealed record or the frame. */
struct job_body {
	const uint8_t *data;	/* JSON of a whole object */
	size_t len;
};

struct job_name {
	char *ns, *name;
};

struct job_fetch {
	uint8_t core_key[JOB_KEY_LEN];	/* the answer's stream goes to it */
	uint32_t flags;
	char *class_name;
	char *delim_left, *delim_right;	/* "" for the default */
	struct job_body *bodies;	/* stores, ExternalSecrets, refs */
	size_t nbodies;
	struct job_name *items;		/* the ExternalSecrets to produce */
	size_t nitems;
	uint32_t timeout_ms;		/* of one request to the provider */
};
/* ${out} is a secret buffer; what _read gives points into ${data}. */
void job_fetch_write(const struct job_fetch *m, struct buf *out);
int job_fetch_read(struct job_fetch *m, const uint8_t *data, size_t len,
    struct err *err);
void job_fetch_clear(struct job_fetch *m);

enum job_outcome {
	JOB_READY = 1,		/* payload is the Secret's content */
	JOB_UNCHANGED_NONE,	/* ready, no Secret to write: creationPolicy
				 * None and SecretMissing, where the payload is
				 * for files alone; Retain with empty data, and
				 * manifests, which have none */
	JOB_DELETED,		/* deletionPolicy Delete: nothing is left */
	JOB_FAILED,
	JOB_SKIPPED,		/* not ours */
	JOB_REJECTED
};

/* The store's side of an item, so that core can tell whom to leave alone. */
struct job_item {
	uint32_t index;		/* into job_fetch.items */
	enum job_outcome outcome;
	uint32_t err_kind;	/* enum err_kind of the failure */
	uint32_t http_status;	/* 0 when none was seen */
	uint32_t retry_after_ms;
	char *host;		/* host:port that failed, "" */
	char *store;		/* "Kind/ns/name" that failed, "" */
	char *reason;		/* of the Ready condition */
	char *message;		/* of the Ready condition, ESO's */
	char *event_text;	/* ESO's UpdateFailed text without what may
				 * quote a value, "" */
	char *error;		/* ours: store, request, status; never a body */
	uint8_t *payload;	/* a message of the stream; NULL when none */
	size_t payload_len;
};
void job_item_write(const struct job_item *m, struct buf *out);
int job_item_read(struct job_item *m, const struct frame *f, struct err *err);
void job_item_clear(struct job_item *m);

/* Per store used by the job. */
struct job_done_store {
	char *store;		/* "Kind/ns/name" */
	uint32_t requests;	/* all requests but logins */
	uint32_t logins;
	uint8_t valid;		/* client could be made and used */
	char *reason, *message;	/* of the store's condition */
};
struct job_done {
	struct job_done_store *stores;
	size_t nstores;
};
void job_done_write(const struct job_done *m, struct buf *out);
int job_done_read(struct job_done *m, const struct frame *f, struct err *err);
void job_done_clear(struct job_done *m);

/* --- resolve: what a store, a template or a generator refers to ---------- */

/*
 * kind, ns, name of an object to get; or kind "ServiceAccountToken": a token
 * for that account by TokenRequest, bound to the pod when pod_uid is there,
 * else to the node (node_uid), with these audiences, for an hour at most.  It
 * comes back as {"kind":"ServiceAccountToken","metadata":{namespace,name},
 * "audiences":[…],"token":"…"}.
 */
#define JOB_KIND_TOKEN "ServiceAccountToken"
#define JOB_AUDIENCES_MAX 16
#define JOB_WANTS_MAX 1024
struct job_want {
	char *kind, *ns, *name;
	char **audiences;
	size_t naudiences;
	char *pod, *pod_uid;
	char *node, *node_uid;
};

struct job_resolve {
	uint8_t fetch_key[JOB_KEY_LEN];
	char *server;			/* "" : of the kubeconfig */
	struct job_want *wants;
	size_t nwants;
};
void job_resolve_write(const struct job_resolve *m, struct buf *out);
int job_resolve_read(struct job_resolve *m, const struct frame *f,
    struct err *err);
void job_resolve_clear(struct job_resolve *m);

/* The object as JSON, a message of the stream; none, and why: NOTFOUND, DENIED
 * (text: verb, resource, namespace, and the tier that grants it), … */
struct job_resolved {
	uint32_t index;			/* into wants */
	char *object;			/* its key (model/object.h) */
	uint32_t err_kind;		/* ERR_NONE: body is there */
	uint32_t http_status;
	char *error;			/* "" */
	char *version;			/* resourceVersion, "" */
	uint8_t *body;			/* owned; NULL */
	size_t body_len;
};
void job_resolved_write(const struct job_resolved *m, struct buf *out);
int job_resolved_read(struct job_resolved *m, const struct frame *f,
    struct err *err);
void job_resolved_clear(struct job_resolved *m);

/* --- apply: Kubernetes Secrets ------------------------------------------- */

enum job_apply_op {
	JOB_APPLY_OWNER = 1,	/* server-side apply, controller reference */
	JOB_APPLY_ORPHAN,	/* the same without the reference */
	JOB_APPLY_MERGE,	/* merge patch: what is missing stays so */
	JOB_APPLY_CREATE_OR_MERGE,
	JOB_APPLY_DELETE	/* deletionPolicy Delete; ours alone */
};

struct job_apply_item {
	enum job_apply_op op;
	char *ns, *name, *uid;	/* the ExternalSecret */
	char *target;		/* the Secret */
	char *last_version;	/* resourceVersion that our last write here
				 * answered, "" none: an apply that answers
				 * with it was a no-op, another one shows
				 * drift */
	const uint8_t *payload;	/* model/payload.h; borrowed */
	size_t payload_len;
};

struct job_apply {
	char *server;		/* as job_resolve */
	struct job_apply_item *items;
	size_t nitems;
};
/* As job_fetch: ${out} is a secret buffer, _read points into ${data}. */
void job_apply_write(const struct job_apply *m, struct buf *out);
int job_apply_read(struct job_apply *m, const uint8_t *data, size_t len,
    struct err *err);
void job_apply_clear(struct job_apply *m);

enum job_applied_outcome {
	JOB_APPLIED_CREATED = 1, JOB_APPLIED_UPDATED, JOB_APPLIED_UNCHANGED,
	JOB_APPLIED_DELETED,
	JOB_APPLIED_MISSING,	/* Merge without a Secret */
	JOB_APPLIED_FAILED
};

struct job_applied {
	uint32_t index;
	enum job_applied_outcome outcome;
	uint32_t err_kind, http_status, retry_after_ms;
	char *reason;		/* of the Ready condition, ESO's */
	char *message;		/* of the Ready condition, ESO's */
	char *event_text;	/* ESO's event text */
	char *error;		/* ours, "" */
	char *version;		/* the Secret's resourceVersion, "" */
	char *uid;		/* the Secret's, "" */
	char *hash;		/* of what was written, "" */
};
void job_applied_write(const struct job_applied *m, struct buf *out);
int job_applied_read(struct job_applied *m, const struct frame *f,
    struct err *err);
void job_applied_clear(struct job_applied *m);

#endif
