/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"
#include "ipc/chan.h"
#include "link/api.h"
#include "link/event.h"
#include "link/httpd.h"
#include "link/outbox.h"
#include "link/report.h"

/*
 * The program's state, and what its parts ask of each other.  One thread, one
 * loop; nothing here blocks.  Without an API server (--manifests with --listen)
 * there is no more than the metrics server.
 */
struct scopes;
struct pods;
struct metas;
struct node;
struct objects;

struct link_options {
	const char *node;		/* our node's name */
	const char *listen;		/* "ADDR:PORT"; NULL: none */
	int core_fd, account_fd, kubeconfig_fd;	/* -1: none */
};

struct link {
	const struct link_options *options;
	struct loop *loop;
	struct chan *core;
	struct outbox *out;
	struct api *api;		/* NULL: there is none */
	struct reports *reports;
	struct events *events;
	struct httpd *httpd;		/* NULL: none (yet) */
	struct loop_timer *listen_timer;
	struct objects *stores, *projections;	/* of the whole cluster */
	struct scopes *scopes;
	struct pods *pods;
	struct metas *metas;
	struct node *node;
	int synced;			/* LINK_SYNCED was sent */
	int ready;			/* core's word, and why not */
	char *why;
};

/* link_main(o, err): until core is gone, or SIGTERM. */
int link_main(const struct link_options *o, struct err *err);

/* --- serve.c: /metrics and the probes ----------------------------------- */
/* serve_begin: the server on --listen, now or as soon as the port is free.  -1
 * when that is no address. */
int serve_begin(struct link *l, struct err *err);
/* serve_ready: LINK_READY. */
void serve_ready(struct link *l, int ready, const char *why);

/* link_listed(l): one more list is complete; LINK_SYNCED when all are. */
void link_listed(struct link *l);

/* --- objects.c: lists that core has of the API server ------------------- */
/* objects_new: ${ns} "" for all.  A kind that is ${optional} does not keep the
 * agent from being ready where its CRD is missing or RBAC refuses it. */
struct objects *objects_new(struct link *l, const char *kind, const char *ns,
    int optional);
void objects_free(struct objects *o);	/* LINK_UNWATCHED */
int objects_ready(const struct objects *o);	/* told, or cannot be had */

/* --- scope.c: the namespaces that matter here --------------------------- */
struct scopes *scopes_new(struct link *l);
void scopes_free(struct scopes *s);
/* scopes_claim: a pod refers to something in that namespace; scopes_drop: no
 * longer.  scopes_want: LINK_WANT. */
void scopes_claim(struct scopes *s, const char *ns);
void scopes_drop(struct scopes *s, const char *ns);
void scopes_want(struct scopes *s, const char *ns, int on);
/* scopes_generator: an ExternalSecret there refers to one of that kind. */
void scopes_generator(struct scopes *s, const char *ns, const char *kind);
/* scopes_namespaces: labels of namespaces are asked for from now on. */
void scopes_namespaces(struct scopes *s);
int scopes_ready(const struct scopes *s);

/* --- pods.c ------------------------------------------------------------- */
struct pods *pods_new(struct link *l);
void pods_free(struct pods *p);
int pods_ready(const struct pods *p);
/* pod_read: what ${o}, a Pod, says; link_pod_clear it. */
struct link_pod;
void pod_read(const struct json *o, struct link_pod *ret);

/* --- metas.c: Secrets and ConfigMaps, metadata alone -------------------- */
struct metas *metas_new(struct link *l);
void metas_free(struct metas *m);
void metas_want(struct metas *m, const char *kind, const char *ns,
    const char *name, int on);

/* --- node.c: our own Node ----------------------------------------------- */
struct node *node_new(struct link *l);
void node_free(struct node *n);
/* node_connected: the line came (again): the server may be another version. */
void node_connected(struct node *n);

#endif
