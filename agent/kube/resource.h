/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBE_RESOURCE_H
#define KUBE_RESOURCE_H

#include "base/err.h"
#include "base/json.h"

/*
 * The kinds that we speak about to an API server, their paths, and what its
 * answers mean.
 */
struct kube_resource {
	const char *kind;
	const char *group;	/* "" for core */
	const char *version;
	const char *plural;
	int namespaced;
	/* The tier of daemonset/ that grants what we ask of it. */
	const char *read_tier, *write_tier;
};

const struct kube_resource *kube_resource_find(const char *kind);
/* kube_path(r, ns, name, sub, query): "/apis/…", escaped, the caller's; ns,
 * name, sub and query may be NULL. */
char *kube_path(const struct kube_resource *r, const char *ns,
    const char *name, const char *sub, const char *query);

/* Accept headers. */
#define KUBE_ACCEPT_META \
	"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#define KUBE_ACCEPT_META_LIST \
	"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#define KUBE_TYPE_APPLY "application/apply-patch+yaml"
#define KUBE_TYPE_MERGE "application/merge-patch+json"

/**
 * kube_refused(r, verb, ns, name, status, body, err):
 * What an answer of ${status} above 299 with the Status object ${body} (NULL:
 * none) means: kind NOTFOUND (404), DENIED (401, 403; text: which verb on which
 * resource in which namespace may not be done, and the tier that grants it),
 * TRANSIENT (408, 409, 410, 429, 5xx), INVALID (other 4xx, with the server's
 * message, which for Secrets never quotes data).  Returns -1.
 */
int kube_refused(const struct kube_resource *r, const char *verb,
    const char *ns, const char *name, int status, const struct json *body,
    struct err *err);

#endif
