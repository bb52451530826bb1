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
 *	       -> JOB_FETCH {struct job_fetch sealed to that key}
 *	       <- JOB_KEY, JOB_ITEM*, JOB_DONE {struct job_done}
 * JOB_KEY is the start of a stream to core's key (seal/stream.h), whose
 * messages are the bodies and payloads that follow, in their order.  A child
 * that ends without JOB_DONE has failed; what it sent before holds.
 */
enum job_kind { JOB_KIND_READ = 1, JOB_KIND_RESOLVE, JOB_KIND_FETCH,
	JOB_KIND_APPLY };

enum job_frame {
	ZYGOTE_FORK = 1, ZYGOTE_KILL, ZYGOTE_EXIT,
	JOB_READ = 16, JOB_OBJECT, JOB_FINDING, JOB_DONE,
	JOB_HELLO, JOB_FETCH, JOB_ITEM, JOB_KEY
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

enum { JOB_CLAIM_UNCLASSED = 1, JOB_GENERIC_TARGETS = 2,
	JOB_AMBIENT_IDENTITY = 4 };

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

#endif
