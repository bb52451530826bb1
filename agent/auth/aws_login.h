/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_AWS_LOGIN_H
#define AUTH_AWS_LOGIN_H

#include "auth/aws_sign.h"
#include "base/json.h"
#include "net/http.h"

/*
 * Where AWS credentials come from (ESO 2.9.0 providers/v1/aws/auth/auth.go):
 * static keys, a service account's token for a role, or, only where the node's
 * own identity may serve stores, the chain of AWS's SDKs (environment, a
 * container's endpoint as EKS Pod Identity has it, IMDSv2); then the roles one
 * after another.  Nothing here knows stores.
 */
struct aws_role {
	const char *arn;
	const char *external_id;	/* "" none */
	const struct json *tags;	/* [{key, value}]; NULL none */
	const struct json *transitive;	/* ["key"]; NULL none */
};

struct aws_login {
	const char *region;
	struct http_options http;	/* for the service that is asked */
	unsigned logins;		/* requests made; counted here */
	int64_t skew_s;			/* its clock against ours, learned */
	/* Of the last failure: who was asked, and what it said. */
	char *host;
	int http_status;
	uint32_t retry_after_ms;
};
void aws_login_clear(struct aws_login *l);

/* aws_web_identity: AssumeRoleWithWebIdentity, unsigned. */
int aws_web_identity(struct aws_login *l, const char *role_arn,
    const struct secret *token, struct aws_creds *ret, struct err *err);
/* aws_assume_role: AssumeRole, signed by ${from}. */
int aws_assume_role(struct aws_login *l, const struct aws_creds *from,
    const struct aws_role *role, struct aws_creds *ret, struct err *err);
/* aws_ambient: the node's own identity; DENIED when there is none. */
int aws_ambient(struct aws_login *l, struct aws_creds *ret, struct err *err);

/* aws_endpoint(service, region): "https://service.region.amazonaws.com", of the
 * region's partition, or what AWS_<SERVICE>_ENDPOINT says; the caller's. */
char *aws_endpoint(const char *service, const char *region);
/* aws_host_header(url): "host" or "host:port" as curl sends it, the caller's;
 * NULL for what is no URL. */
char *aws_host_header(const char *url);

/* Pure; fuzz targets.  aws_parse_sts: Credentials of an STS answer (XML);
 * aws_parse_container: of a container's or IMDS's (JSON).  INVALID when one is
 * missing. */
int aws_parse_sts(const char *body, size_t len, struct aws_creds *ret,
    struct err *err);
int aws_parse_container(const char *body, size_t len, struct aws_creds *ret,
    struct err *err);
/* aws_parse_error(body, len, ret_code, ret_message): of a JSON or XML error;
 * the caller's, "" when absent. */
void aws_parse_error(const char *body, size_t len, char **ret_code,
    char **ret_message);

#endif
