/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_LINK_H
#define IPC_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/frame.h"

/*
 * What core and nodeseal-link say to each other, over one SOCK_STREAM pair that
 * the keeper makes (KEEPER_LINK to core, KEEPER_CHILD_FD in link).  When either
 * is started again, everything starts anew: core forgets which lists are
 * complete but keeps what it holds, link lists again, core repeats its wants.
 *
 * No secret value travels here.  Objects go through a read job, as files of
 * manifests do: link puts them, as they came but for status and metadata's
 * managedFields and resourceVersion (a status that is written is no change of
 * the object), into a memfd (sealed against writing) that core hands on unread.
 *
 * link -> core:
 *	LINK_STATE	{struct link_state} the line to the API server
 *	LINK_NODE	{struct link_node} facts of the own Node
 *	LINK_RELIST	{kind, ns} a whole list of that kind in that namespace
 *			("" cluster-wide or cluster-scoped) follows
 *	LINK_OBJECTS	{kind, ns} + memfd: {"kind":"List","items":[…]}, at most
 *			LINK_OBJECTS_MAX bytes; new or changed ones
 *	LINK_GONE	{kind, ns, name}
 *	LINK_LISTED	{kind, ns} what was not named since LINK_RELIST is gone;
 *			when link has to list again by itself (410, a line that
 *			was away) it tells the differences alone, as OBJECTS and
 *			GONE
 *	LINK_UNWATCHED	{kind, ns} no longer watched (no claim there, or
 *			refused): what is held of it is as it was
 *	LINK_LEASE	{struct link_lease} status of an ExternalSecret that is
 *			held, as it is now; comes after its object
 *	LINK_POD	{struct link_pod} a pod of this node, new or changed
 *	LINK_POD_GONE	{ns, name, uid}
 *	    (pods are listed with kind "Pod", ns "")
 *	LINK_META	{struct link_meta} a Secret or ConfigMap that core
 *			asked to have watched: metadata alone
 *	LINK_SYNCED	{} every list that was wanted at the start is complete
 *	LINK_REPORTED	{struct link_reported} the end of a LINK_REPORT
 *	LINK_SCRAPE	{u64 tag} somebody asks for /metrics
 *	LINK_PROBLEM	{key, text} a lasting fault, for status and the
 *			NodeSeal ("" : it is over): a verb on a resource that
 *			RBAC refuses and the tier that grants it, a kind whose
 *			CRD is missing, …
 * core -> link:
 *	LINK_WANT	{u8 on, ns} a claim of core's own needs that namespace
 *			(a publish, a HostProjection, a restored claim); pods'
 *			namespaces are link's own business.  HostProjections
 *			come from all namespaces, generators of a kind once an
 *			ExternalSecret refers to one
 *	LINK_WATCH	{u8 on, kind, ns, name} metadata of that Secret or
 *			ConfigMap; name "" all Secrets of the namespace with
 *			nodeseal.dev/managed.  LINK_UNWATCHED with a name
 *			says that it cannot be had
 *	LINK_REPORT	{struct link_report} write a status; reports of one
 *			object replace each other while they wait
 *	LINK_EVENT	{struct link_event}
 *	LINK_READY	{u8 ready, why} for /readyz
 *	LINK_SCRAPED	{u64 tag, text} the agent's part of /metrics, in the
 *			text format
 */
enum link_frame {
	LINK_STATE = 1, LINK_NODE, LINK_RELIST, LINK_OBJECTS, LINK_GONE,
	LINK_LISTED, LINK_UNWATCHED, LINK_LEASE, LINK_POD, LINK_POD_GONE,
	LINK_META, LINK_SYNCED, LINK_REPORTED, LINK_SCRAPE, LINK_PROBLEM,
	LINK_WANT = 64, LINK_WATCH, LINK_REPORT, LINK_EVENT, LINK_READY,
	LINK_SCRAPED
};

#define LINK_FRAME_MAX (8u << 20)
#define LINK_OBJECTS_MAX (4u << 20)	/* then another frame */
#define LINK_STATUS_MAX (1u << 20)	/* a status, or its conditions */
#define LINK_WORDS_MAX (4u << 20)	/* one text of struct link_words */
#define LINK_LABELS_MAX 1024
#define LINK_VOLUMES_MAX 1024		/* of one pod */
#define LINK_SECRETS_MAX 8192		/* of one pod */

struct link_state {
	uint8_t connected;
	char *server;		/* URL */
	char *problem;		/* "" while connected */
};

/* Of the own token's claims and, where RBAC lets it, the Node object. */
struct link_node {
	char *name, *uid;	/* uid "" unknown */
	char **labels;		/* "k=v" */
	size_t nlabels;
	uint8_t has_labels;	/* 0: could not be read */
	uint8_t version_minor;	/* of the API server's 1.x */
};

/* One list, one object. */
struct link_name {
	char *kind, *ns, *name;
};

/* A CSI volume of ours in a pod. */
struct link_volume {
	char *volume, *driver;
	char *external_secrets;	/* the attribute, unparsed */
};

struct link_pod {
	char *ns, *name, *uid;
	char *service_account;
	uint8_t waits;		/* not started, or a container in
				 * CreateContainerConfigError: its Secrets are
				 * first in the queue */
	uint8_t over;		/* Succeeded or Failed: claims nothing */
	struct link_volume *volumes;
	size_t nvolumes;
	char **secrets;		/* names it refers to, sorted, no doubles */
	size_t nsecrets;
};

struct link_lease {
	char *ns, *name, *uid;
	int64_t refreshed_at;	/* wall ms; 0: no refreshTime */
	char *synced_version;	/* "" none */
	uint8_t ready;		/* of condition Ready: 0 False, 1 True,
				 * 2 there is none */
	char *conditions;	/* status.conditions as JSON, "[]" */
	char *binding;		/* status.binding.name, "" */
};

struct link_meta {
	char *kind, *ns, *name;
	uint8_t exists;
	char *uid, *version;	/* resourceVersion */
	uint8_t managed;	/* nodeseal.dev/managed is there */
	char *hash;		/* of the annotation
				 * reconcile.external-secrets.io/data-hash
				 * ("" none) */
	char *owner_uid;	/* of the controller reference, "" */
};

/* A merge patch of the status subresource; a NodeSeal is applied (server-side,
 * made when it is missing), a HostProjection's entry of status.nodes too, by a
 * manager a node. */
struct link_report {
	uint64_t tag;
	char *kind, *ns, *name, *uid;
	char *status;		/* the value of "status", JSON */
	uint8_t urgent;		/* a pod waits: before others */
};

struct link_reported {
	uint64_t tag;
	uint32_t http_status;	/* 0: no answer */
	char *error;		/* "" done */
};

struct link_event {
	char *kind, *ns, *name, *uid;
	uint8_t warning;
	char *reason, *message;	/* cut to 1,024 bytes by link */
};

/*
 * Writers append a body to ${out}, cut a text or a list that is longer than it
 * may be, and leave a status or conditions out ("") that are; readers want the
 * frame of their type, give INVALID for anything else, for a length or count
 * out of its bounds, a text that is too long, secrets out of order, and leave
 * an empty ${m} then.
 */
void link_state_write(const struct link_state *m, struct buf *out);
int link_state_read(struct link_state *m, const struct frame *f,
    struct err *err);
void link_state_clear(struct link_state *m);
void link_node_write(const struct link_node *m, struct buf *out);
int link_node_read(struct link_node *m, const struct frame *f,
    struct err *err);
void link_node_clear(struct link_node *m);
/* For RELIST, OBJECTS, GONE, LISTED, UNWATCHED; POD_GONE has its uid in
 * kind. */
void link_name_write(const struct link_name *m, struct buf *out);
int link_name_read(struct link_name *m, const struct frame *f,
    struct err *err);
void link_name_clear(struct link_name *m);
void link_pod_write(const struct link_pod *m, struct buf *out);
int link_pod_read(struct link_pod *m, const struct frame *f,
    struct err *err);
void link_pod_clear(struct link_pod *m);
void link_lease_write(const struct link_lease *m, struct buf *out);
int link_lease_read(struct link_lease *m, const struct frame *f,
    struct err *err);
void link_lease_clear(struct link_lease *m);
void link_meta_write(const struct link_meta *m, struct buf *out);
int link_meta_read(struct link_meta *m, const struct frame *f,
    struct err *err);
void link_meta_clear(struct link_meta *m);
void link_report_write(const struct link_report *m, struct buf *out);
int link_report_read(struct link_report *m, const struct frame *f,
    struct err *err);
void link_report_clear(struct link_report *m);
void link_reported_write(const struct link_reported *m, struct buf *out);
int link_reported_read(struct link_reported *m, const struct frame *f,
    struct err *err);
void link_reported_clear(struct link_reported *m);
void link_event_write(const struct link_event *m, struct buf *out);
int link_event_read(struct link_event *m, const struct frame *f,
    struct err *err);
void link_event_clear(struct link_event *m);

/* The small ones: PROBLEM {key, text}; WANT {on, ns}; WATCH {on, kind, ns,
 * name}; READY {on, why}; SCRAPE, SCRAPED {tag, text}.  Unused fields empty. */
struct link_words {
	uint8_t on;
	uint64_t tag;
	char *a, *b, *c;
};
void link_words_write(const struct link_words *m, struct buf *out);
int link_words_read(struct link_words *m, const struct frame *f,
    struct err *err);
void link_words_clear(struct link_words *m);

#endif
