/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ITEM_H
#define CORE_ITEM_H

#include <sys/queue.h>

#include "base/err.h"
#include "core/cache.h"
#include "core/claims.h"
#include "core/schedule.h"
#include "ipc/job.h"

/*
 * One ExternalSecret that somebody here claims: when it is due, what its last
 * fetch said, what is cached of it.
 */
enum item_state {
	ITEM_IDLE,		/* waits for its time, or for a change */
	ITEM_QUEUED,		/* due: in the plan */
	ITEM_RUNNING		/* in a job */
};

/* The order of jobs: pods that wait, first syncs, refreshes. */
enum item_priority { PRIORITY_WAITING, PRIORITY_FIRST, PRIORITY_REFRESH,
	PRIORITIES };

/* Where the content is from: fetched by this process, restored from the sealed
 * file and not refreshed since, or a bundle's. */
enum item_origin { ITEM_FROM_STORE, ITEM_FROM_SEAL, ITEM_FROM_BUNDLE };
/* What its age has done to it (core/age.h): served; no longer served, the files
 * and the record stay; gone, from files too. */
enum item_gone { ITEM_HELD, ITEM_EXPIRED, ITEM_WITHDRAWN };

/* Its Kubernetes Secret, as this process knows it (core/secrets.h). */
enum secret_state { SECRET_IDLE, SECRET_QUEUED, SECRET_RUNNING };

struct item_secret {
	enum secret_state state;
	TAILQ_ENTRY(item) next;
	int urgent;		/* in which queue */
	int again;		/* something changed while it was running */
	int known;		/* what follows is of our last write here */
	int deleted;		/* it was a delete */
	uint8_t hash[RECORD_HASH_LEN];	/* of the content */
	char *target, *version;
	char *data_hash;	/* as annotated */
	int creation;		/* enum es_creation, of then */
	int64_t fixed_at;	/* boot ms of the last drift put right, 0 */
	char *seen;		/* resourceVersion in our watch, "" when there
				 * is none; NULL not watched */
	int64_t seen_until;	/* boot ms; till then it may be another
				 * node's doing */
	int failed;		/* the last write; the item says why */
	unsigned failures;	/* in a row */
	struct due due;
};

struct core;
struct delivery;
struct group;

struct item {
	struct core *core;	/* its owner, for the timers */
	char *key;		/* "ns/name" */
	char *ns, *name;
	struct claims claims;
	int64_t unclaimed_at;	/* boot ms, when there is no claim */
	unsigned waiting;	/* publishes and pods that wait for it */
	int64_t waits_since;	/* boot ms, of the pods */
	struct delivery **users;	/* told of every news; borrowed */
	size_t nusers;

	enum item_state state;
	enum item_priority priority;
	struct group *group;	/* when queued */
	TAILQ_ENTRY(item) next;	/* in the group's list */
	struct due due;
	struct due claims_due;
	int again;		/* something changed while it was running */
	int yielded;		/* a job of it was stopped for a slow one */
	unsigned failures;	/* in a row */
	int64_t began_at;	/* boot ms of the last attempt's begin … */
	int64_t tried_at;	/* … and of its end */

	enum job_outcome outcome;	/* of the last attempt; 0 none yet */
	char *reason, *message, *error;	/* error: NULL when none */
	char *event_text;	/* ESO's, of the last failure; NULL none */
	char *reported;		/* what the source was told last, NULL */
	enum err_kind err_kind;
	char *version;		/* synced; NULL never */
	char *uid;		/* of the object, NULL not known */
	char *running_version;	/* of the spec that the job was given */
	int64_t synced_at;	/* wall ms of the last success, 0 never */
	int64_t synced_boot;	/* the same in boot ms, may be negative */
	int failing;		/* the last refresh that was due has failed … */
	int64_t failing_since;	/* … since then, boot ms, may be negative */
	unsigned denied;	/* answers of 401 or 403 that count */
	int64_t denied_at;	/* of the last of them, boot ms */
	int said_stale;		/* in the log and by an event */
	enum item_origin origin;
	struct bundle_issuer *issuer;	/* of ITEM_FROM_BUNDLE; borrowed */
	enum item_gone gone;
	struct due age_due;
	struct content *content;	/* NULL: nothing is cached */
	/* See core/lease.c, wall ms, 0 none: the first word that was taken
	 * before any look of our own; the last that was another's. */
	int64_t lease_since, shared_at;
	struct item_secret secret;
};

struct item *item_new(const char *ns, const char *name);
/* The content is dropped by the owner of the cache before. */
void item_free(struct item *i);
/* item_say(i, reason, message, error): copies; ${error} may be NULL. */
void item_say(struct item *i, const char *reason, const char *message,
    const char *error);
/* item_ready(i): the last attempt succeeded, its Secret included; item_fetched:
 * whatever became of the Secret. */
int item_ready(const struct item *i);
int item_fetched(const struct item *i);

#endif
