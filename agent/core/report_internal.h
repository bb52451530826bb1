/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_REPORT_INTERNAL_H
#define CORE_REPORT_INTERNAL_H

#include "core/report.h"

/* What report*.c share. */

/* What was said of an item, and what it has cost. */
struct told {
	char *status;		/* what was sent last, without transitions */
	char *failure;		/* of the last UpdateFailed event, NULL */
	int stale;		/* an event has said so */
	int64_t refreshed_s;	/* the refreshTime that this process wrote */
	uint64_t tag;		/* of the report under way, 0 none */
	int64_t seen_at;	/* boot ms of the last attempt that counts */
	uint64_t calls, errors;
	int64_t took_ms;
};

/* One kind, reason and namespace of events that gather. */
struct gathered {
	struct link_event first;
	char *others[REPORT_WARNINGS + 2];	/* names, some of them */
	size_t n;		/* objects beside the first */
};

#define PUBLISH_BUCKETS 8

struct report {
	struct core *core;
	struct report_wire wire;
	struct strmap *items;		/* "ns/name" -> struct told */
	struct strmap *stores;		/* key -> char *, what was sent */
	struct strmap *projections;	/* key -> char *, what was sent */
	struct strmap *problems;	/* key -> char * */
	struct strmap *events;		/* -> struct gathered */
	struct due events_due, due, node_due;
	uint64_t tag;			/* see report_send */
	char *disconnected;		/* why, NULL */

	char *node_said, *node_times;	/* of the NodeSeal as sent last */
	int64_t node_at;		/* boot ms, 0 never */
	int ready, ready_said;
	int64_t ready_since;		/* wall ms */

	uint64_t published[PUBLISH_BUCKETS + 1];
	uint64_t published_n;
	int64_t published_ms;
};

struct told *report_told(struct report *r, const struct item *item);
/* report_send: a LINK_REPORT; ${uid} may be NULL.  Its tag, of which the last
 * digit says of which kind it is. */
enum report_kind { REPORT_ES, REPORT_STORE, REPORT_CLUSTER_STORE,
	REPORT_PROJECTION, REPORT_NODE, REPORT_KINDS };
uint64_t report_send(struct report *r, enum report_kind kind, const char *ns,
    const char *name, const char *uid, const char *status, int urgent);
/* report_event_on: as report_event, on any object. */
void report_event_on(struct report *r, const char *kind, const char *ns,
    const char *name, const char *uid, int warning, const char *reason,
    const char *message);
void report_events_flush(void *arg);
void report_gathered_free(void *p);
/* report_why_not_ready: why core is not ready, the caller's; NULL: it is. */
char *report_why_not_ready(const struct report *r);

/* report_stores, report_projections: send what differs. */
void report_stores(struct report *r);
void report_projections(struct report *r);
void report_node(void *arg);

/* report_time: RFC 3339, the caller's. */
char *report_time(int64_t wall_ms);
/* report_cut(text, max): its length, at most ${max} and not in the middle of a
 * character. */
size_t report_cut(const char *text, size_t max);
/* report_text: compact JSON, the caller's. */
char *report_text(const struct json *j);

#endif
