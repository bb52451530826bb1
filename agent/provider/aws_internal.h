/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_AWS_INTERNAL_H
#define PROVIDER_AWS_INTERNAL_H

#include "auth/aws_login.h"
#include "net/http.h"
#include "provider/provider.h"

/*
 * The parts of the aws provider: aws.c (settings, open, credentials),
 * aws_call.c (one operation: sign, send, errors), and a file for each service.
 */
struct aws_service {
	const char *name;	/* of spec.provider.aws.service */
	const char *sdk;	/* in error texts: "Secrets Manager" */
	const char *id;		/* of the host and the signature */
	const char *target;	/* before the operation in X-Amz-Target */
	int (*get)(struct provider_conn *c, const struct remote_ref *ref,
	    struct secret **ret, struct err *err);
	int (*find)(struct provider_conn *c, const struct find_ref *ref,
	    struct kv *ret, struct err *err);
	void (*want)(struct provider_conn *c, const struct remote_ref *refs,
	    size_t n);
};

extern const struct aws_service aws_secrets_manager, aws_parameter_store;

struct provider_conn {
	struct provider_env *env;
	const struct json *spec;
	const struct aws_service *service;
	const char *prefix;	/* "" none */
	char *host_header;
	struct http_client *http;
	struct aws_login login;
	unsigned attempts;	/* of one operation */
	uint32_t pause_ms;	/* between them; 0: the SDK's back-off */
	struct aws_creds base;	/* of the store's secretRef or token */
	struct secret *web_token;	/* of auth.jwt; NULL */
	char *web_role;
	struct aws_creds creds;	/* what requests are signed with */
	int ready;		/* … once they are there */
	struct err failed;	/* or why they cannot be had */
	struct strmap *memo;	/* service's own key -> struct secret */
	char code[64];		/* of the last refusal */
};

/* aws_ready: credentials are there, log in when they are not.  One attempt a
 * connection. */
int aws_ready(struct provider_conn *c, struct err *err);

/**
 * aws_call(c, op, in, ret, err):
 * One operation of the service; *ret is the answer's body.  Throttled and
 * failed attempts are repeated as the SDK does.  The error has the SDK's words,
 * without the request's id; c->code is the error's code then.
 */
int aws_call(struct provider_conn *c, const char *op, const struct json *in,
    struct secret **ret, struct err *err);

/* --- pure, fuzz targets -------------------------------------------------- */

/* aws_text(body, name, ret): the string at a gjson path; NULL when it is absent
 * or null. */
struct secret *aws_text(const struct secret *body, const char *path);
/* aws_property(value, property, key, ret, err): as ESO's GetSecret. */
int aws_property(const struct secret *value, const char *property,
    const char *key, struct secret **ret, struct err *err);
/* aws_tags(body, list, ret, err): [{"Key","Value"}] as a JSON object. */
int aws_tags(const struct secret *body, const char *list,
    struct secret **ret, struct err *err);
/* aws_each(body, list, cb, arg, ret_next, err): every element of an array, and
 * NextToken (the caller's, NULL none).  LIMIT beyond AWS_PAGE_ITEMS_MAX. */
#define AWS_PAGE_ITEMS_MAX 1000
int aws_each(const struct secret *body, const char *list,
    int (*cb)(void *arg, const struct secret *element, struct err *err),
    void *arg, char **ret_next, struct err *err);

/* aws_pages(c, op, in, list, cb, arg, err): aws_call and aws_each until there
 * is no NextToken; LIMIT beyond AWS_PAGES_MAX, or when one comes twice. */
#define AWS_PAGES_MAX 1000
int aws_pages(struct provider_conn *c, const char *op, struct json *in,
    const char *list,
    int (*cb)(void *arg, const struct secret *element, struct err *err),
    void *arg, struct err *err);

#endif
