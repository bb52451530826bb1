/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/retry.h"
#include "provider/aws_internal.h"
#include "value/gjson.h"

/*
 * One operation of an AWS service with the JSON 1.1 protocol, and its answers.
 */
#define JSON_TYPE "application/x-amz-json-1.1"
#define BODY_MAX (1u << 20)
#define VALUE_MAX (8u << 20)
#define PAUSE_MIN_MS 250u	/* the SDK: up to 20 s, a job has less */
#define PAUSE_MAX_MS 4000u
#define SKEW_S 240		/* beyond it, a clock is said to be wrong */

/* aws-sdk-go-v2 aws/retry/standard.go: DefaultThrottleErrorCodes and
 * DefaultRetryableErrorCodes. */
static const char *const worth_retrying[] = {
	"Throttling", "ThrottlingException", "ThrottledException",
	"RequestThrottledException", "TooManyRequestsException",
	"ProvisionedThroughputExceededException",
	"TransactionInProgressException", "RequestLimitExceeded",
	"BandwidthLimitExceeded", "LimitExceededException",
	"RequestThrottled", "SlowDown", "PriorRequestNotComplete",
	"EC2ThrottledException", "RequestTimeout", "RequestTimeoutException",
};

/* Those that the SDK has a type for: no "api error" before them. */
static const char *const modeled[] = {
	"DecryptionFailure", "InternalServiceError",
	"InvalidNextTokenException", "InvalidParameterException",
	"InvalidRequestException", "ResourceNotFoundException",
	"InternalServerError", "InvalidKeyId", "ParameterNotFound",
	"ParameterVersionNotFound", "InvalidFilterKey",
	"InvalidFilterOption", "InvalidFilterValue", "InvalidNextToken",
	"InvalidResourceId", "InvalidResourceType",
};

static int
is_among(const char *code, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(code, v[i]) == 0)
			return (1);
	return (0);
}

static int
is_throttled(const char *code)
{
	return (is_among(code, worth_retrying, ARRAY_LEN(worth_retrying)));
}

static void
pause_for(const struct provider_conn *c, unsigned attempt,
    uint32_t retry_after_ms)
{
	uint32_t ms = c->pause_ms > 0 ? c->pause_ms : retry_wait_ms(attempt,
	    PAUSE_MIN_MS, PAUSE_MAX_MS, retry_after_ms);
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* --- one attempt --------------------------------------------------------- */

static int
attempt(struct provider_conn *c, const char *target, const struct buf *body,
    struct http_response *resp, struct err *err)
{
	cleanup_secret struct secret *authorization = NULL;
	cleanup_secret struct secret *sent = secret_new(body->data, body->len);
	char date[AWS_DATE_LEN];
	struct http_header h[] = { { "X-Amz-Target", target, NULL },
		{ "X-Amz-Date", date, NULL }, { "Authorization", NULL, NULL },
		{ "X-Amz-Security-Token", NULL, c->creds.token } };
	struct http_request req = { .method = "POST", .path = "/",
		.headers = h, .nheaders = c->creds.token != NULL ? 4 : 3,
		.body = sent, .content_type = JSON_TYPE };
	struct aws_request sign = { .method = "POST", .path = "/",
		.query = "", .host = c->host_header,
		.content_type = JSON_TYPE, .target = target,
		.body = body->data, .len = body->len };

	sign.now_s = clock_system()->wall_ms(clock_system()) / 1000 +
	    c->login.skew_s;
	*resp = (struct http_response){ .body = BUF_SECRET(0) };
	if (aws_sign(&c->creds, c->login.region, c->service->id, &sign, date,
	    &authorization, err) == -1)
		return (-1);
	h[2].secret = authorization;
	return (http_do(c->http, &req, resp, err));
}

/* --- refusals ------------------------------------------------------------ */

/* Our clock is wrong by more than AWS bears: from now on, theirs. */
static int
learn_skew(struct provider_conn *c, const struct http_response *r)
{
	int64_t now = clock_system()->wall_ms(clock_system()) / 1000, skew;

	if (r->date_s == 0 || (r->status != 400 && r->status != 403))
		return (0);
	skew = r->date_s - now;
	if (llabs(skew - c->login.skew_s) < SKEW_S)
		return (0);
	c->login.skew_s = skew;
	return (1);
}

static enum err_kind
kind_of(int status, const char *code)
{
	if (is_throttled(code) || status == 429 || status >= 500)
		return (ERR_TRANSIENT);
	if (strcmp(code, "ResourceNotFoundException") == 0 ||
	    strcmp(code, "ParameterNotFound") == 0)
		return (ERR_NOTFOUND);
	if (status == 401 || status == 403 ||
	    strstr(code, "AccessDenied") != NULL ||
	    strstr(code, "UnrecognizedClient") != NULL ||
	    strstr(code, "ExpiredToken") != NULL ||
	    strstr(code, "InvalidSignature") != NULL)
		return (ERR_DENIED);
	return (ERR_INVALID);
}

/* What the policy of offline values goes by: AWS refuses with 400. */
static int
status_of(int status, enum err_kind kind, const char *code)
{
	if (kind == ERR_DENIED && status == 400)
		return (403);
	return (is_throttled(code) ? 429 : status);
}

static int
refused(struct provider_conn *c, const char *op, unsigned tries,
    const struct http_response *r, struct err *err)
{
	cleanup_free char *code = NULL, *message = NULL, *often = str_dup("");
	enum err_kind kind;
	int own;

	aws_parse_error(buf_str(&r->body), r->body.len, &code, &message);
	snprintf(c->code, sizeof(c->code), "%s", code);
	own = is_among(code, modeled, ARRAY_LEN(modeled));
	kind = kind_of(r->status, code);
	if (tries > 1) {
		free(often);
		often = str_fmt("exceeded maximum number of attempts, %u, ",
		    tries);
	}
	provider_blame(c->env, http_client_host(c->http),
	    status_of(r->status, kind, code), r->retry_after_ms);
	provider_ours(c->env, "aws: %s %s: %d %s", c->service->sdk, op,
	    r->status, code);
	return (err_set(err, kind, "operation error %s: %s, %shttps response "
	    "error StatusCode: %d, RequestID: , %s%s: %s", c->service->sdk, op,
	    often, r->status, own ? "" : "api error ",
	    str_or(code, "UnknownError"), message));
}

static int
unreached(struct provider_conn *c, const char *op, struct err *err)
{
	provider_blame(c->env, http_client_host(c->http), 0, 0);
	provider_ours(c->env, "aws: %s", err_msg(err));
	return (err_wrap(err, "operation error %s: %s, request send failed",
	    c->service->sdk, op));
}

/* 1: try again. */
static int
worth_another(struct provider_conn *c, const struct http_response *r,
    unsigned tried)
{
	cleanup_free char *code = NULL, *message = NULL;

	if (tried >= c->attempts)
		return (0);
	aws_parse_error(buf_str(&r->body), r->body.len, &code, &message);
	if (is_throttled(code) || r->status >= 500 || r->status == 429) {
		pause_for(c, tried - 1, r->retry_after_ms);
		return (1);
	}
	return (learn_skew(c, r));
}

int
aws_call(struct provider_conn *c, const char *op, const struct json *in,
    struct secret **ret, struct err *err)
{
	cleanup_free char *target = str_fmt("%s.%s", c->service->target, op);
	cleanup_buf struct buf body = BUF_PLAIN(BODY_MAX);
	struct http_response resp;
	unsigned tried = 0;
	int rc;

	c->code[0] = '\0';
	if (aws_ready(c, err) == -1)
		return (-1);
	json_print(in, &body, 0);
	if (buf_finish(&body, "request to AWS", err) == -1)
		return (-1);
	for (;;) {
		c->env->requests++;
		rc = attempt(c, target, &body, &resp, err);
		tried++;
		if (rc == -1 || resp.status == 200 ||
		    !worth_another(c, &resp, tried))
			break;
		http_response_clear(&resp);
	}
	if (rc == -1)
		unreached(c, op, err);
	else if (resp.status != 200)
		rc = refused(c, op, tried > 1 && tried == c->attempts ? tried :
		    1, &resp, err);
	else
		*ret = secret_from_buf(&resp.body);
	http_response_clear(&resp);
	return (rc);
}

/* --- answers ------------------------------------------------------------- */

struct secret *
aws_text(const struct secret *body, const char *path)
{
	struct buf out = BUF_SECRET(VALUE_MAX);
	struct gjson g;
	struct secret *s = NULL;

	gjson_get((const char *)secret_data(body), secret_len(body), path,
	    &g);
	if (g.type == DOC_STRING) {
		gjson_string(&g, &out);
		s = secret_from_buf(&out);
	}
	gjson_clear(&g);
	buf_clear(&out);
	return (s);
}

/* 1 found. */
static int
look(const struct secret *value, const char *path, struct buf *out)
{
	struct gjson g;
	int there;

	gjson_get((const char *)secret_data(value), secret_len(value), path,
	    &g);
	there = g.type != DOC_NONE;
	if (there)
		gjson_string(&g, out);
	gjson_clear(&g);
	return (there);
}

static char *
escaped_dots(const char *property)
{
	struct buf out = BUF_PLAIN(BODY_MAX);

	for (; *property != '\0'; property++) {
		if (*property == '.')
			buf_addc(&out, '\\');
		buf_addc(&out, *property);
	}
	return (buf_take(&out));
}

int
aws_property(const struct secret *value, const char *property,
    const char *key, struct secret **ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(VALUE_MAX);
	cleanup_free char *literal = escaped_dots(property);

	if ((strchr(property, '.') == NULL || !look(value, literal, &out)) &&
	    !look(value, property, &out))
		return (err_set(err, ERR_INVALID,
		    "key %s does not exist in secret %s", property, key));
	if (buf_finish(&out, "the value", err) == -1)
		return (-1);
	*ret = secret_from_buf(&out);
	return (0);
}

static int
parse(const struct secret *body, const char *list, struct doc *ret_list,
    struct doc *ret_all, struct err *err)
{
	if (doc_parse((const char *)secret_data(body), secret_len(body),
	    ret_all, err) == -1)
		return (err_wrap(err, "the answer of AWS"));
	*ret_list = (struct doc){ DOC_NONE, NULL, 0 };
	if (ret_all->type == DOC_OBJECT)
		doc_member(ret_all, list, strlen(list), ret_list);
	return (0);
}

int
aws_tags(const struct secret *body, const char *list, struct secret **ret,
    struct err *err)
{
	cleanup_json struct json *tags = json_new_object();
	cleanup_buf struct buf plain = BUF_SECRET(VALUE_MAX);
	cleanup_buf struct buf out = BUF_SECRET(VALUE_MAX);
	struct doc all, d, key, element, sorted;
	size_t at = 0;

	if (parse(body, list, &d, &all, err) == -1)
		return (-1);
	while (d.type == DOC_ARRAY && doc_next(&d, &at, &key, &element)) {
		cleanup_json struct json *t = json_parse(element.raw,
		    element.len, NULL);
		const char *name = json_str(json_get(t, "Key"));

		if (name != NULL)
			json_set_str(tags, name, str_or(json_str(json_get(t,
			    "Value")), ""));
	}
	json_print(tags, &plain, 0);
	if (buf_finish(&plain, "tags", err) == -1 ||
	    doc_parse(plain.data, plain.len, &sorted, err) == -1)
		return (-1);
	doc_marshal(&sorted, &out, 1, 1);
	if (buf_finish(&out, "tags", err) == -1)
		return (-1);
	*ret = secret_from_buf(&out);
	return (0);
}

int
aws_each(const struct secret *body, const char *list,
    int (*cb)(void *arg, const struct secret *element, struct err *err),
    void *arg, char **ret_next, struct err *err)
{
	cleanup_secret struct secret *next = NULL;
	struct doc all, d, key, element;
	size_t at = 0, n = 0;

	if (parse(body, list, &d, &all, err) == -1)
		return (-1);
	while (d.type == DOC_ARRAY && doc_next(&d, &at, &key, &element)) {
		cleanup_secret struct secret *s = secret_new(element.raw,
		    element.len);

		if (n++ == AWS_PAGE_ITEMS_MAX)
			return (err_set(err, ERR_LIMIT,
			    "AWS: more than %d items in a page",
			    AWS_PAGE_ITEMS_MAX));
		if (cb(arg, s, err) == -1)
			return (-1);
	}
	next = aws_text(body, "NextToken");
	*ret_next = next == NULL || secret_len(next) == 0 ? NULL :
	    str_ndup((const char *)secret_data(next), secret_len(next));
	return (0);
}

int
aws_pages(struct provider_conn *c, const char *op, struct json *in,
    const char *list,
    int (*cb)(void *arg, const struct secret *element, struct err *err),
    void *arg, struct err *err)
{
	cleanup_free char *next = NULL;

	for (unsigned n = 0; n < AWS_PAGES_MAX; n++) {
		cleanup_secret struct secret *body = NULL;
		cleanup_free char *before = STEAL(next);

		if (before != NULL)
			json_set_str(in, "NextToken", before);
		if (aws_call(c, op, in, &body, err) == -1 ||
		    aws_each(body, list, cb, arg, &next, err) == -1)
			return (-1);
		if (next == NULL)
			return (0);
		if (before != NULL && strcmp(before, next) == 0)
			return (err_set(err, ERR_LIMIT, "AWS: %s gives the "
			    "same page again and again", op));
	}
	return (err_set(err, ERR_LIMIT, "AWS: %s gives more than %d pages",
	    op, AWS_PAGES_MAX));
}
