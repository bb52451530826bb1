/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SECRETS_INTERNAL_H
#define CORE_SECRETS_INTERNAL_H

#include "core/secrets.h"

/* What secrets.c decides and secrets_apply.c carries out. */
struct secrets {
	struct core *core;
	TAILQ_HEAD(secret_queue, item) queue[2];	/* urgent; others */
	size_t nqueued, njobs;
	size_t nstarting;	/* jobs that have not taken items yet */
	struct due pump_due;
};

/* What a job was given, to be remembered when it has done it. */
struct wrote {
	uint8_t hash[RECORD_HASH_LEN];
	char *target;
	int creation, deleted;
};

/* One apply job. */
struct apply {
	struct secrets *secrets;
	struct job *job;
	struct item *items[JOB_ITEMS_MAX];	/* NULL once answered */
	struct wrote wrote[JOB_ITEMS_MAX];
	size_t nitems;
	int asked;		/* the request has gone out */
	/* While the request is made. */
	struct job_apply_item *request;
	struct buf plain;	/* payloads, one behind the other */
	char empty[1];
};

/* apply_start(s, err): a job for the most urgent items. */
int apply_start(struct secrets *s, struct err *err);
/* secrets_item_add: the next item of the request; its state is RUNNING then. */
int secrets_item_add(struct apply *a, struct item *item, struct err *err);
/* What became of one item; secrets_lost: the job said nothing of it. */
void secrets_result(struct core *c, struct item *item, struct wrote *w,
    const struct job_applied *m);
void secrets_lost(struct core *c, struct item *item, const struct err *err);

#endif
