/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "auth/aws_login.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/url.h"

#define STS_VERSION "2011-06-15"
#define WEB_SESSION "external-secrets-provider-aws"
#define FORM "application/x-www-form-urlencoded; charset=utf-8"
#define FORM_MAX (64u << 10)
#define TOKEN_MAX (64u << 10)
#define IMDS "http://169.254.169.254"
#define IMDS_ROLE "/latest/meta-data/iam/security-credentials/"
#define IMDS_TIMEOUT_MS 2000u
#define CONTAINER "AWS_CONTAINER_"
#define CONTAINER_HOST "http://169.254.170.2"

void
aws_login_clear(struct aws_login *l)
{
	free(STEAL(l->host));
}

/* --- endpoints ----------------------------------------------------------- */

/* aws-sdk-go-v2 internal/endpoints/awsrulesfn/partitions.json. */
static const struct {
	const char *prefix, *suffix;
} partitions[] = {
	{ "cn-", "amazonaws.com.cn" },
	{ "us-isob-", "sc2s.sgov.gov" },
	{ "us-isof-", "csp.hci.ic.gov" },
	{ "us-iso-", "c2s.ic.gov" },
	{ "eu-isoe-", "cloud.adc-e.uk" },
	{ "eusc-", "amazonaws.eu" },
	{ "", "amazonaws.com" },
};

static char *
upper(const char *s)
{
	char *copy = str_dup(s);

	for (char *p = copy; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	return (copy);
}

char *
aws_endpoint(const char *service, const char *region)
{
	cleanup_free char *name = upper(service);
	cleanup_free char *variable = str_fmt("AWS_%s_ENDPOINT", name);
	const char *own = getenv(variable);
	size_t i = 0;

	if (own != NULL && *own != '\0')
		return (str_dup(own));
	while (strncmp(region, partitions[i].prefix,
	    strlen(partitions[i].prefix)) != 0)
		i++;
	return (str_fmt("https://%s.%s.%s", service, region,
	    partitions[i].suffix));
}

char *
aws_host_header(const char *url)
{
	cleanup_url struct url u = { 0 };
	char *host, *port;

	if (url_parse(url, &u, NULL) == -1)
		return (NULL);
	host = url_host_port(&u);
	if (u.port == (u.tls ? 443 : 80) && (port = strrchr(host, ':')))
		*port = '\0';
	return (host);
}

/* --- answers ------------------------------------------------------------- */

/* The text between <name> and </name>, the five entities decoded. */
static int
xml_text(const char *body, size_t len, const char *name, struct buf *out)
{
	static const struct {
		const char *name;
		char c;
	} entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
		{ "&quot;", '"' }, { "&apos;", '\'' } };
	cleanup_free char *open = str_fmt("<%s>", name);
	const char *at = memmem(body, len, open, strlen(open)), *end;
	size_t i, n;

	if (at == NULL)
		return (-1);
	at += strlen(open);
#ifdef WEAKEN_AWS_BOUNDS
	end = strchr(at, '<');
#else
	end = memchr(at, '<', len - (size_t)(at - body));
#endif
	if (end == NULL)
		return (-1);
	while (at < end) {
		for (i = 0; i < ARRAY_LEN(entities); i++) {
			n = strlen(entities[i].name);
			if (n <= (size_t)(end - at) &&
			    memcmp(at, entities[i].name, n) == 0)
				break;
		}
		if (i < ARRAY_LEN(entities)) {
			buf_addc(out, entities[i].c);
			at += n;
		} else
			buf_addc(out, *at++);
	}
	return (0);
}

static int
incomplete(struct aws_creds *c, struct err *err)
{
	aws_creds_clear(c);
	return (err_set(err, ERR_INVALID,
	    "the answer holds no complete credentials"));
}

/* Each part by its name; -1 when the answer has none. */
static int
take_parts(struct aws_creds *ret, int (*part)(const char *body, size_t len,
    const char *name, struct buf *out), const char *body, size_t len,
    const char *const names[4], struct err *err)
{
	struct buf b[4];
	int64_t ms;
	size_t i;
	int have = 1;

	*ret = (struct aws_creds){ 0 };
	for (i = 0; i < 4; i++) {
		b[i] = (struct buf)BUF_SECRET(TOKEN_MAX);
		if (part(body, len, names[i], &b[i]) == -1)
			have = have && i >= 2;
	}
	if (have && b[0].len > 0 && b[1].len > 0) {
		ret->key_id = str_dup(buf_str(&b[0]));
		ret->secret = secret_from_buf(&b[1]);
		if (b[2].len > 0)
			ret->token = secret_from_buf(&b[2]);
		if (time_parse_rfc3339(buf_str(&b[3]), &ms) == 0)
			ret->expires = ms / 1000;
	}
	for (i = 0; i < 4; i++)
		buf_clear(&b[i]);
	return (ret->key_id != NULL ? 0 : incomplete(ret, err));
}

static int
json_part(const char *body, size_t len, const char *name, struct buf *out)
{
	cleanup_json struct json *j = json_parse(body, len, NULL);
	const char *s = json_str(json_get(j, name));

	if (s == NULL)
		return (-1);
	buf_adds(out, s);
	return (0);
}

int
aws_parse_sts(const char *body, size_t len, struct aws_creds *ret,
    struct err *err)
{
	static const char *const names[] = { "AccessKeyId", "SecretAccessKey",
		"SessionToken", "Expiration" };

	return (take_parts(ret, xml_text, body, len, names, err));
}

int
aws_parse_container(const char *body, size_t len, struct aws_creds *ret,
    struct err *err)
{
	static const char *const names[] = { "AccessKeyId", "SecretAccessKey",
		"Token", "Expiration" };

	return (take_parts(ret, json_part, body, len, names, err));
}

void
aws_parse_error(const char *body, size_t len, char **ret_code,
    char **ret_message)
{
	static const char *const codes[] = { "__type", "code", "Code" };
	static const char *const messages[] = { "message", "Message" };
	int (*part)(const char *, size_t, const char *, struct buf *) =
	    len > 0 && body[0] == '<' ? xml_text : json_part;
	struct buf code = BUF_PLAIN(1024), message = BUF_PLAIN(4096);
	const char *name;
	size_t i;

	for (i = 0; i < ARRAY_LEN(codes) && code.len == 0; i++)
		(void)part(body, len, codes[i], &code);
	for (i = 0; i < ARRAY_LEN(messages) && message.len == 0; i++)
		(void)part(body, len, messages[i], &message);
	/* "com.amazonaws.x#Name", "Name:http://…" */
	name = strrchr(buf_str(&code), '#');
	name = name != NULL ? name + 1 : buf_str(&code);
	*ret_code = str_ndup(name, strcspn(name, ":"));
	*ret_message = str_dup(buf_str(&message));
	buf_clear(&code);
	buf_clear(&message);
}

/* --- STS ------------------------------------------------------------------ */

static void
field(struct buf *form, const char *name, const void *value, size_t len)
{
	buf_addf(form, "%s%s=", form->len > 0 ? "&" : "", name);
	codec_query_escape(form, value, len);
}

static void
text_field(struct buf *form, const char *name, const char *value)
{
	field(form, name, value, strlen(value));
}

static int64_t
now_s(const struct aws_login *l)
{
	return (clock_system()->wall_ms(clock_system()) / 1000 + l->skew_s);
}

static int
sts_refused(struct aws_login *l, const char *op,
    const struct http_response *r, struct err *err)
{
	cleanup_free char *code = NULL, *message = NULL;

	aws_parse_error(buf_str(&r->body), r->body.len, &code, &message);
	l->http_status = r->status;
	l->retry_after_ms = r->retry_after_ms;
	return (err_set(err, r->status >= 500 || r->status == 429 ?
	    ERR_TRANSIENT : ERR_DENIED, "operation error STS: %s, https "
	    "response error StatusCode: %d, RequestID: , api error %s: %s", op,
	    r->status, str_or(code, "UnknownError"), message));
}

/* One request; ${from} NULL: unsigned. */
static int
sts(struct aws_login *l, const char *op, const struct aws_creds *from,
    const struct buf *form, struct aws_creds *ret, struct err *err)
{
	cleanup_free char *url = aws_endpoint("sts", l->region);
	cleanup_free char *host = aws_host_header(url);
	cleanup_secret struct secret *body = secret_new(form->data, form->len);
	cleanup_secret struct secret *authorization = NULL;
	struct http_client *c = NULL;
	struct http_response resp;
	char date[AWS_DATE_LEN];
	struct http_header h[3] = { { "X-Amz-Date", date, NULL } };
	struct http_request req = { .method = "POST", .path = "/",
		.headers = h, .body = body, .content_type = FORM };
	struct aws_request sign = { .method = "POST", .host = host,
		.path = "/", .query = "", .content_type = FORM,
		.body = form->data, .len = form->len, .now_s = now_s(l) };
	int rc = -1;

	if (http_client_new(url, &l->http, &c, err) == -1)
		return (err_wrap(err, "STS"));
	if (from != NULL) {
		if (aws_sign(from, l->region, "sts", &sign, date,
		    &authorization, err) == -1)
			goto done;
		req.nheaders = from->token != NULL ? 3 : 2;
		h[1] = (struct http_header){ "Authorization", NULL,
			authorization };
		h[2] = (struct http_header){ "X-Amz-Security-Token", NULL,
			from->token };
	}
	l->logins++;
	free(l->host);
	l->host = str_dup(http_client_host(c));
	rc = http_do(c, &req, &resp, err);
	if (rc == 0 && resp.status != 200)
		rc = sts_refused(l, op, &resp, err);
	else if (rc == 0)
		rc = aws_parse_sts(buf_str(&resp.body), resp.body.len, ret,
		    err);
	http_response_clear(&resp);
done:
	http_client_free(c);
	return (rc);
}

static void
begin(struct buf *form, const char *op, const char *role,
    const char *session)
{
	text_field(form, "Action", op);
	text_field(form, "Version", STS_VERSION);
	text_field(form, "RoleArn", role);
	text_field(form, "RoleSessionName", session);
}

int
aws_web_identity(struct aws_login *l, const char *role_arn,
    const struct secret *token, struct aws_creds *ret, struct err *err)
{
	cleanup_buf struct buf form = BUF_SECRET(FORM_MAX);

	begin(&form, "AssumeRoleWithWebIdentity", role_arn, WEB_SESSION);
	field(&form, "WebIdentityToken", secret_data(token),
	    secret_len(token));
	if (buf_finish(&form, "request to STS", err) == -1 || sts(l,
	    "AssumeRoleWithWebIdentity", NULL, &form, ret, err) == -1)
		return (err_wrap(err,
		    "failed to retrieve credentials"));
	return (0);
}

static void
role_options(struct buf *form, const struct aws_role *role)
{
	const struct json *j;
	unsigned n;

	if (role->external_id[0] != '\0')
		text_field(form, "ExternalId", role->external_id);
	for (j = json_first(role->tags), n = 1; j != NULL;
	    j = json_next(j), n++) {
		cleanup_free char *k = str_fmt("Tags.member.%u.Key", n);
		cleanup_free char *v = str_fmt("Tags.member.%u.Value", n);

		text_field(form, k, str_or(json_str(json_get(j, "key")), ""));
		text_field(form, v, str_or(json_str(json_get(j, "value")),
		    ""));
	}
	for (j = json_first(role->transitive), n = 1; j != NULL;
	    j = json_next(j), n++) {
		cleanup_free char *k = str_fmt("TransitiveTagKeys.member.%u",
		    n);

		text_field(form, k, str_or(json_str(j), ""));
	}
}

int
aws_assume_role(struct aws_login *l, const struct aws_creds *from,
    const struct aws_role *role, struct aws_creds *ret, struct err *err)
{
	cleanup_free char *session = str_fmt("nodeseal-%lld",
	    (long long)now_s(l));
	cleanup_buf struct buf form = BUF_SECRET(FORM_MAX);

	begin(&form, "AssumeRole", role->arn, session);
	text_field(&form, "DurationSeconds", "900");
	role_options(&form, role);
	if (buf_finish(&form, "request to STS", err) == -1 ||
	    sts(l, "AssumeRole", from, &form, ret, err) == -1)
		return (err_wrap(err,
		    "failed to retrieve credentials"));
	return (0);
}

/* --- the node's own identity --------------------------------------------- */

static struct secret *
secret_of_variable(const char *name)
{
	const char *v = getenv(name);

	return (v != NULL && *v != '\0' ? secret_new(v, strlen(v)) : NULL);
}

static int
from_environment(struct aws_creds *ret)
{
	const char *id = getenv("AWS_ACCESS_KEY_ID");

	*ret = (struct aws_creds){ 0 };
	if (id == NULL || *id == '\0')
		return (-1);
	ret->secret = secret_of_variable("AWS_SECRET_ACCESS_KEY");
	if (ret->secret == NULL)
		return (-1);
	ret->key_id = str_dup(id);
	ret->token = secret_of_variable("AWS_SESSION_TOKEN");
	return (0);
}

static int
read_token(const char *path, struct secret **ret, struct err *err)
{
	cleanup_buf struct buf b = BUF_SECRET(TOKEN_MAX);

	if (file_read(path, &b, err) == -1)
		return (-1);
	while (b.len > 0 && (b.data[b.len - 1] == '\n' ||
	    b.data[b.len - 1] == '\r'))
		b.len--;
	*ret = secret_new(b.data, b.len);
	return (0);
}

/* One GET or PUT of a metadata service. */
static int
ask(struct aws_login *l, const char *origin, const char *method,
    const char *path, const struct http_header *h, struct http_response *ret,
    struct err *err)
{
	struct http_options o = { .connect_timeout_ms = IMDS_TIMEOUT_MS,
		.timeout_ms = IMDS_TIMEOUT_MS, .response_max = TOKEN_MAX };
	struct http_request req = { .method = method, .path = path,
		.headers = h, .nheaders = h == NULL ? 0 : 1 };
	struct http_client *c = NULL;
	int rc;

	*ret = (struct http_response){ .body = BUF_SECRET(0) };
	if (http_client_new(origin, &o, &c, err) == -1)
		return (-1);
	l->logins++;
	rc = http_do(c, &req, ret, err);
	http_client_free(c);
	if (rc == 0 && ret->status != 200) {
		l->http_status = ret->status;
		rc = err_set(err, ERR_DENIED, "%s %s%s: %d", method, origin,
		    path, ret->status);
	}
	return (rc);
}

/* The SDKs ask https, loopback, and the addresses of ECS and EKS only. */
static int
container_host_ok(const char *uri)
{
	static const char *const hosts[] = { "http://127.0.0.1",
		"http://localhost", "http://[::1]", CONTAINER_HOST,
		"http://169.254.170.23", "http://[fd00:ec2::23]" };
	size_t i, n;

	if (strncasecmp(uri, "https://", 8) == 0)
		return (1);
	for (i = 0; i < ARRAY_LEN(hosts); i++) {
		n = strlen(hosts[i]);
		if (strncmp(uri, hosts[i], n) == 0 && (uri[n] == '/' ||
		    uri[n] == ':' || uri[n] == '\0'))
			return (1);
	}
	return (0);
}

static int
from_container(struct aws_login *l, struct aws_creds *ret, struct err *err)
{
	const char *relative = getenv(CONTAINER "CREDENTIALS_RELATIVE_URI");
	const char *full = getenv(CONTAINER "CREDENTIALS_FULL_URI");
	const char *file = getenv(CONTAINER "AUTHORIZATION_TOKEN_FILE");
	cleanup_free char *uri = relative != NULL ? str_fmt("%s%s",
	    CONTAINER_HOST, relative) : str_dup(str_or(full, ""));
	cleanup_free char *origin = NULL;
	cleanup_secret struct secret *token = NULL;
	struct http_header h = { "Authorization", NULL, NULL };
	struct http_response r;
	const char *path;
	int rc;

	if (!container_host_ok(uri))
		return (err_set(err, ERR_DENIED,
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor "
		    "an address of the container's own"));
	if (file != NULL ? read_token(file, &token, err) == -1 : 0)
		return (-1);
	if (token == NULL)
		token = secret_of_variable(CONTAINER "AUTHORIZATION_TOKEN");
	h.secret = token;
	path = strstr(uri, "://") + 3;
	path += strcspn(path, "/");
	origin = str_ndup(uri, (size_t)(path - uri));
	rc = ask(l, origin, "GET", *path != '\0' ? path : "/",
	    token != NULL ? &h : NULL, &r, err);
	if (rc == 0)
		rc = aws_parse_container(buf_str(&r.body), r.body.len, ret,
		    err);
	http_response_clear(&r);
	return (rc);
}

static int
from_imds(struct aws_login *l, struct aws_creds *ret, struct err *err)
{
	static const struct http_header ttl = {
		"X-aws-ec2-metadata-token-ttl-seconds", "300", NULL };
	cleanup_secret struct secret *token = NULL;
	cleanup_free char *path = NULL;
	struct http_header h = { "X-aws-ec2-metadata-token", NULL, NULL };
	struct http_response r;
	int rc;

	rc = ask(l, IMDS, "PUT", "/latest/api/token", &ttl, &r, err);
	if (rc == 0)
		token = secret_from_buf(&r.body);
	http_response_clear(&r);
	if (rc == -1)
		return (-1);
	h.secret = token;
	rc = ask(l, IMDS, "GET", IMDS_ROLE, &h, &r, err);
	if (rc == 0)
		path = str_fmt("%s%.*s", IMDS_ROLE,
		    (int)strcspn(buf_str(&r.body), "\r\n"),
		    buf_str(&r.body));
	http_response_clear(&r);
	if (rc == -1)
		return (-1);
	rc = ask(l, IMDS, "GET", path, &h, &r, err);
	if (rc == 0)
		rc = aws_parse_container(buf_str(&r.body), r.body.len, ret,
		    err);
	http_response_clear(&r);
	return (rc);
}

/* The order of config.LoadDefaultConfig. */
int
aws_ambient(struct aws_login *l, struct aws_creds *ret, struct err *err)
{
	const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = getenv("AWS_ROLE_ARN");
	cleanup_secret struct secret *token = NULL;

	if (from_environment(ret) == 0)
		return (0);
	aws_creds_clear(ret);
	if (file != NULL && role != NULL)
		return (read_token(file, &token, err) == -1 ? -1 :
		    aws_web_identity(l, role, token, ret, err));
	if (getenv(CONTAINER "CREDENTIALS_RELATIVE_URI") != NULL ||
	    getenv(CONTAINER "CREDENTIALS_FULL_URI") != NULL)
		return (from_container(l, ret, err));
	return (from_imds(l, ret, err));
}
