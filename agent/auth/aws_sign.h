/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_AWS_SIGN_H
#define AUTH_AWS_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * AWS Signature Version 4, header form (AWS General Reference, "Create a signed
 * AWS API request").
 */
struct aws_creds {
	char *key_id;
	struct secret *secret;
	struct secret *token;	/* of a session; NULL none */
	int64_t expires;	/* wall s; 0 never */
};
void aws_creds_clear(struct aws_creds *c);

#define AWS_DATE_LEN 17		/* 20150830T123600Z and a NUL */

struct aws_request {
	const char *method;
	const char *host;	/* as the Host header has it */
	const char *path;	/* absolute, already encoded; "/" */
	const char *query;	/* canonical: sorted and encoded; "" none */
	const char *content_type;	/* NULL none */
	const char *target;	/* X-Amz-Target; NULL none */
	const void *body;
	size_t len;
	int64_t now_s;		/* the time to sign for */
};

/**
 * aws_sign(c, region, service, r, ret_date, ret_authorization, err):
 * The X-Amz-Date and Authorization headers of ${r}.  Signed are host,
 * content-type, x-amz-date, and x-amz-security-token and x-amz-target where
 * there are any: send these with the same values.  INTERNAL when OpenSSL fails.
 */
int aws_sign(const struct aws_creds *c, const char *region,
    const char *service, const struct aws_request *r,
    char ret_date[static AWS_DATE_LEN], struct secret **ret_authorization,
    struct err *err);

#endif
