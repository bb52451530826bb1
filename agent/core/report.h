/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include "core/core_internal.h"
#include "ipc/link.h"

/*
 * What a cluster is told of this node (INTERFACES.md §5, reference eso.md 1.4
 * and 1.7): statuses of ExternalSecrets and stores as ESO writes them, this
 * node's NodeSeal, its entry in HostProjections, events, metrics.  Names,
 * reasons, times and counts; never a value.
 *
 * One struct report lives in core while its source is link (core->report), or
 * while link serves /metrics of a folder (core/scrape.h); else it is NULL, and
 * every function here takes NULL and does nothing.  Who makes it gives it a
 * wire; what goes out are frames of ipc/link.h (LINK_REPORT, LINK_EVENT,
 * LINK_READY, LINK_SCRAPED).
 */
struct report;

/* What the source knows of an ExternalSecret beside the item; borrowed. */
struct report_facts {
	const struct link_lease *lease;	/* as the API server shows it, NULL
					 * unknown */
	const char *bound;	/* the Secret that holds its value (status.
				 * binding.name), NULL none of ours */
};

struct report_wire {
	/* A frame for link; ${body} is borrowed.  Without a link it is
	 * dropped: report_again comes when there is one. */
	void (*send)(void *arg, uint16_t type, const struct buf *body);
	/* *ret is zeroed before.  NULL: there is no cluster, only somebody who
	 * scrapes. */
	void (*facts)(void *arg, const struct item *item,
	    struct report_facts *ret);
	void *arg;
};

struct report *report_new(struct core *c, const struct report_wire *w);
void report_free(struct report *r);

/**
 * report_item(r, item):
 * The item's last attempt has ended and what follows from it is done (its
 * Secret is written, or failed to be: reason and message in the item are those
 * of the condition): its status is written when it differs from the lease's,
 * an UpdateFailed event is made when the failure is a new one.  Ready=False and
 * Stale are written only when nobody's refreshTime is younger than the interval
 * and REPORT_GRACE_MS; a success only when nobody else wrote one in the last
 * half of an interval.  An item that nobody may write of (not ours, no object)
 * is left alone.
 */
#define REPORT_GRACE_MS 60000
void report_item(struct report *r, struct item *item);
/* report_attempt: one attempt has ended (metrics). */
void report_attempt(struct report *r, const struct item *item);
/* report_gone: the item is forgotten. */
void report_gone(struct report *r, const struct item *item);

/**
 * report_event(r, item, warning, reason, message):
 * An event on an ExternalSecret: Created, Updated, Deleted (eso.md 1.7), ….
 * They gather for a second: of those of one namespace with one reason, one
 * event goes out, on the first object, naming the number of others and a few of
 * them; up to REPORT_WARNINGS Warnings go out each for itself.
 */
#define REPORT_WARNINGS 3
void report_event(struct report *r, const struct item *item, int warning,
    const char *reason, const char *message);

/* report_touch(r): what a store's status, a HostProjection's entry or the
 * NodeSeal shows may have changed: they are compared within a second and sent
 * where they differ from what was sent last.  The NodeSeal at most every 10 s,
 * and every 30 min when only times and counts of requests have moved; nothing
 * is sent while nothing happens. */
void report_touch(struct report *r);
/* report_published: a CSI volume was published ${ms} after it was asked for. */
void report_published(struct report *r, int64_t ms);

/* From link. */
void report_reported(struct report *r, const struct link_reported *m);
/* report_problem(r, key, text): LINK_PROBLEM; "" ends it.  In `degraded` of
 * status and NodeSeal. */
void report_problem(struct report *r, const char *key, const char *text);
/* The i-th of them, NULL behind the last. */
const char *report_problem_line(const struct report *r, size_t i);
/* report_state: LINK_STATE; ${problem} "" while connected. */
void report_state(struct report *r, int connected, const char *problem);
/* report_again(r): link is there (again): everything is said anew. */
void report_again(struct report *r);
/* report_ready(r): whether core is ready may have changed: LINK_READY. */
void report_ready(struct report *r);

/* --- the texts ---------------------------------------------------------- */

/**
 * report_es_status(c, item, facts):
 * The new members of "status" as JSON (conditions whole; refreshTime,
 * syncedResourceVersion and binding after a success), the caller's; NULL when
 * there is nothing to write.  A condition keeps its lastTransitionTime while
 * its status is the same.
 */
char *report_es_status(const struct core *c, const struct item *item,
    const struct report_facts *facts);
/* report_store_status: of the store of that catalog key; NULL when nothing is
 * known.  lastTransitionTime is now: link keeps the one that is there when the
 * status is. */
char *report_store_status(const struct core *c, const char *key);
/* report_nodeseal(c): the NodeSeal's status, the caller's; nothing of it is
 * longer than the schema allows. */
struct json *report_nodeseal(const struct core *c);
/* report_projection_status: {"nodes":[this node's entry]}; NULL when there is
 * no such projection here. */
char *report_projection_status(const struct core *c, const char *key);
/* report_metrics: the agent's part of /metrics, in Prometheus' text format
 * 0.0.4.  At most REPORT_SERIES objects of a kind have series of their own;
 * nodeseal_series_left_out counts the rest. */
#define REPORT_SERIES 2000
void report_metrics(const struct report *r, struct buf *out);
/* report_scrape: LINK_SCRAPE is answered with LINK_SCRAPED. */
int report_scrape(const struct report *r, const struct frame *f,
    struct err *err);

#endif
