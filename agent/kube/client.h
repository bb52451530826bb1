/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBE_CLIENT_H
#define KUBE_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "kube/config.h"
#include "kube/resource.h"

/*
 * Single requests to an API server, blocking, over one connection: what jobs
 * and the provider `kubernetes` need.  Link has a client of its own.
 */
struct kube_client;

#define KUBE_ANSWER_MAX (16u << 20)	/* a page of Secrets, too */

/* kube_client_new(c, timeout_ms, ret, err): connects with the first request;
 * ${timeout_ms} for one request, its retries included; 0: 30 s.  Copies what it
 * needs of ${c}.  INVALID for a URL or PEM that is none. */
int kube_client_new(const struct kube_config *c, uint32_t timeout_ms,
    struct kube_client **ret, struct err *err);
void kube_client_free(struct kube_client *c);
void kube_client_cleanup(struct kube_client **c);
#define cleanup_kube_client __attribute__((cleanup(kube_client_cleanup)))
const char *kube_client_host(const struct kube_client *c);
unsigned kube_client_requests(const struct kube_client *c);

struct kube_request {
	const char *method;
	const char *path;	/* kube_path */
	const char *accept;	/* NULL: application/json */
	const char *content_type;
	const struct secret *body;	/* NULL: none */
};

struct kube_answer {
	int status;
	uint32_t retry_after_ms;
	struct buf body;	/* secret */
};

/* kube_do(c, req, ret, err): 0 with an answer of any status; -1 as http_do.
 * ${ret} is initialised here in every case. */
int kube_do(struct kube_client *c, const struct kube_request *req,
    struct kube_answer *ret, struct err *err);
void kube_answer_clear(struct kube_answer *a);
#define cleanup_kube_answer __attribute__((cleanup(kube_answer_clear)))

/* kube_answer_json(a): the body's tree, the caller's; NULL: it is none. */
struct json *kube_answer_json(const struct kube_answer *a);

/**
 * kube_get(c, r, ns, name, ret, err):
 * One object, as it came.  -1 as kube_do and kube_refused; ret->status says
 * which answer it was, 0 none.
 */
int kube_get(struct kube_client *c, const struct kube_resource *r,
    const char *ns, const char *name, struct kube_answer *ret,
    struct err *err);

/**
 * kube_token(c, ns, account, spec, ret, ret_status, err):
 * A TokenRequest.  NOTFOUND, DENIED as kube_refused; INVALID naming the API
 * server's version where it cannot bind a token to a Node.
 */
struct kube_token_spec {
	const char *const *audiences;
	size_t naudiences;
	uint32_t seconds;	/* 600 at least */
	const char *bound_kind;	/* "Pod", "Node"; NULL: not bound */
	const char *bound_name, *bound_uid;
};
int kube_token(struct kube_client *c, const char *ns, const char *account,
    const struct kube_token_spec *spec, struct secret **ret, int *ret_status,
    struct err *err);

#endif
