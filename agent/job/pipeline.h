/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_PIPELINE_H
#define JOB_PIPELINE_H

#include "base/err.h"
#include "ipc/job.h"
#include "model/object.h"
#include "value/kv.h"

/*
 * The pipeline: from manifests to what the Secret would contain.  A pure
 * function but for the provider's answers: the agent's fetch job, `nodeseal
 * render` and the tests run the same code.
 */
struct pipeline_options {
	const char *class_name;
	int claim_unclassed;
	int allow_ambient;
	int generic_targets;
	const char *delim_left, *delim_right;	/* "" default */
	uint32_t timeout_ms;
	int files;		/* files are made, too: see the result */
	int targets_unknown;	/* nobody knows what is in a target Secret: the
				 * result is what we write of it */
};

struct pipeline;	/* connections to stores, kept over many items */

/* objects are borrowed and must outlive the pipeline. */
struct pipeline *pipeline_new(const struct pipeline_options *opts,
    const struct objects *objects);
/* Closes every connection (revoking logins) and frees. */
void pipeline_free(struct pipeline *p);

/* pipeline_expect(p, names, n): these will be run, in all likelihood; borrowed
 * until the pipeline is freed. */
void pipeline_expect(struct pipeline *p, const struct job_name *names,
    size_t n);

struct pipeline_result {
	enum job_outcome outcome;
	int written;		/* ESO would create or update the Secret */
	char *target;		/* name of the Secret */
	char *type;		/* of the Secret */
	int immutable;		/* -1 absent, else 0 or 1 */
	char **owners;		/* "Kind/name", or "Kind/name controller" */
	size_t nowners;
	char **finalizers;
	size_t nfinalizers;
	struct json *manifest;	/* target.manifest's object, NULL */
	struct strmap *labels, *annotations;	/* to char *, owned */
	struct kv data;
	int has_secret;		/* the fields above are the Secret afterwards */
	/* Where ESO makes no Secret (creationPolicy None, or Merge without
	 * one) and options ask for files: what a new one would hold, or why it
	 * could not be made. */
	int has_files;
	struct kv files;
	char *no_files;
	char *ready_status, *reason, *message;	/* Ready condition; NULL none */
	char *error;		/* ESO's UpdateFailed text, NULL */
	char *ours;		/* store, request, status, no value; NULL */
	char *rejected;		/* field: text, when JOB_REJECTED */
	char *binding;		/* status.binding.name, NULL */
	char **events;		/* reasons, in order */
	size_t nevents;
	enum err_kind err_kind;
	int http_status;
	uint32_t retry_after_ms;
	char *host, *store;	/* that failed; NULL */
};

/* pipeline_own_words(msg, kind): what may be said of a failure outside of this
 * process: a template's last words, which may quote a value, are left out.
 * The caller's. */
char *pipeline_own_words(const char *msg, enum err_kind kind);

/* pipeline_run(p, ns, name, ret): one ExternalSecret; never fails as a call,
 * failures are in the result.  pipeline_result_clear frees (and wipes). */
void pipeline_run(struct pipeline *p, const char *ns, const char *name,
    struct pipeline_result *ret);
/* pipeline_run_object: the same of an object that is not among those of
 * pipeline_new. */
void pipeline_run_object(struct pipeline *p, const struct json *obj,
    const char *ns, const char *name, struct pipeline_result *ret);
void pipeline_result_clear(struct pipeline_result *r);
/* pipeline_done(p, ret): counters and conditions of the stores used so far */
void pipeline_done(const struct pipeline *p, struct job_done *ret);

#endif
