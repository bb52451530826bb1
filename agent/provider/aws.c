/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/url.h"
#include "provider/aws_internal.h"
#include "provider/registry.h"
#include "provider/settings.h"
#include "value/extract.h"
#include "value/regex.h"

/*
 * Amazon's stores: ESO 2.9.0 providers/v1/aws/provider.go and auth/auth.go.
 * Settings, credentials, and which service it is; the services have a file
 * each.
 */
#define ATTEMPTS 3		/* the SDK's, and of retrySettings */
#define ATTEMPTS_MAX 10
#define AUDIENCE "sts.amazonaws.com"
#define ROLE_ANNOTATION "eks.amazonaws.com/role-arn"
#define AUDIENCE_ANNOTATION "eks.amazonaws.com/audience"
#define S SET_STRING
#define REF SET_SECRET_REF

static const struct setting settings[] = {
	{ "service", S, SET_REQUIRED, NULL,
	    "SecretsManager|ParameterStore|CertificateManager",
	    "which store" },
	{ "region", S, SET_REQUIRED, NULL, NULL, "eu-central-1" },
	{ "prefix", S, 0, NULL, NULL, "before every key" },
	{ "role", S, 0, NULL, NULL, "ARN of the role to take on" },
	{ "additionalRoles", SET_STRING_LIST, 0, NULL, NULL,
	    "roles before it, one after another" },
	{ "externalID", S, 0, NULL, NULL, "of the role" },
	{ "sessionTagsPolicy", S, 0, "None", "None|Simple|Custom",
	    "tags with namespace and store" },
	{ "customSessionTags", SET_STRING_MAP, 0, NULL, NULL,
	    "more of them, for Custom" },
	{ "sessionTags", SET_LIST, 0, NULL, NULL, "of the role's session" },
	{ "sessionTags[].key", S, SET_REQUIRED, NULL, NULL, "" },
	{ "sessionTags[].value", S, SET_REQUIRED, NULL, NULL, "" },
	{ "transitiveTagKeys", SET_STRING_LIST, 0, NULL, NULL, "" },
	{ "auth", SET_OBJECT, 0, NULL, NULL, "absent: the node's own "
	    "identity, with --allow-ambient-identity" },
	{ "auth.secretRef", SET_OBJECT, 0, NULL, NULL, "static keys" },
	{ "auth.secretRef.accessKeyIDSecretRef", REF, 0, NULL, NULL, "" },
	{ "auth.secretRef.secretAccessKeySecretRef", REF, 0, NULL, NULL, "" },
	{ "auth.secretRef.sessionTokenSecretRef", REF, 0, NULL, NULL, "" },
	{ "auth.jwt", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.jwt.serviceAccountRef", SET_ACCOUNT_REF, SET_ACCOUNT_OBJECT,
	    AUDIENCE, NULL, "its annotation names the role" },
	{ "secretsManager", SET_OBJECT, 0, NULL, NULL, "for PushSecret" },
	{ "secretsManager.forceDeleteWithoutRecovery", SET_BOOL, 0, NULL,
	    NULL, "" },
	{ "secretsManager.recoveryWindowInDays", SET_INT, 0, NULL, NULL, "" },
	{ 0 }
};

static const struct aws_service *const services[] = {
	&aws_secrets_manager, &aws_parameter_store,
};

static const char *
text(const struct json *obj, const char *key)
{
	return (str_or(json_str(json_path(obj, key)), ""));
}

static const struct json *
member(const struct json *obj, const char *path)
{
	const struct json *v = json_path(obj, path);

	return (json_is(v, JSON_OBJECT) ? v : NULL);
}

/* --- admission ----------------------------------------------------------- */

static int
region_ok(const char *region)
{
	size_t n = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return (n > 0 && n < 64 && region[n] == '\0' && region[0] != '-' &&
	    region[n - 1] != '-');
}

static void
check_push(const struct store *store, struct findings *f)
{
	const struct json *sm = member(store->spec, "secretsManager");
	double days = json_num(json_get(sm, "recoveryWindowInDays"), 0);
	const char *what = NULL;

	if (days != 0 && (days < 7 || days > 30))
		what = "RecoveryWindowInDays must be between 7 and 30 days";
	else if (days != 0 && json_bool(json_get(sm,
	    "forceDeleteWithoutRecovery"), 0))
		what = "ForceDeleteWithoutRecovery conflicts with "
		    "RecoveryWindowInDays";
	if (what != NULL)
		findings_reject(f, FINDING_WEBHOOK, sm,
		    "spec.provider.aws.secretsManager", "invalid "
		    "SecretsManager settings: invalid DeleteSecretInput: %s",
		    what);
}

static void
check(const struct store *store, struct findings *f)
{
	static const struct {
		const char *path, *phrase;
	} refs[] = {
		{ "auth.secretRef.accessKeyIDSecretRef",
		    "invalid Auth.SecretRef.AccessKeyID" },
		{ "auth.secretRef.secretAccessKeySecretRef",
		    "invalid Auth.SecretRef.SecretAccessKey" },
		{ "auth.secretRef.sessionTokenSecretRef",
		    "invalid Auth.SecretRef.SessionToken" },
		{ "auth.jwt.serviceAccountRef",
		    "invalid Auth.JWT.ServiceAccountRef" },
	};
	const struct json *region = json_get(store->spec, "region");

	if (json_is(region, JSON_STRING) && !region_ok(json_str(region)))
		findings_reject(f, FINDING_WEBHOOK, region,
		    "spec.provider.aws.region", "region not found: %s",
		    json_str(region));
	if (strcmp(text(store->spec, "service"), "CertificateManager") == 0)
		findings_add(f, FINDING_ERROR, json_get(store->spec,
		    "service"), "spec.provider.aws.service",
		    "SecretsManager and ParameterStore are there",
		    "CertificateManager is not supported by this version");
	check_push(store, f);
	for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
		cleanup_free char *field = str_fmt("spec.provider.aws.%s",
		    refs[i].path);

		settings_check_ref(store, member(store->spec, refs[i].path),
		    field, refs[i].phrase, f);
	}
}

static char *
aws_host(const struct store *store)
{
	cleanup_url struct url u = { 0 };
	cleanup_free char *url = NULL;

	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		if (strcmp(services[i]->name, text(store->spec,
		    "service")) == 0)
			url = aws_endpoint(services[i]->id, text(store->spec,
			    "region"));
	if (url == NULL || url_parse(url, &u, NULL) == -1)
		return (NULL);
	return (url_host_port(&u));
}

/* --- credentials --------------------------------------------------------- */

static int
read_keys(struct provider_conn *c, const struct json *ref, struct err *err)
{
	const struct json *token = member(ref, "sessionTokenSecretRef");
	cleanup_secret struct secret *id = NULL;

	if (provider_secret(c->env, member(ref, "secretAccessKeySecretRef"),
	    NULL, &c->base.secret, err) == -1)
		return (err_wrap(err,
		    "could not fetch SecretAccessKey secret"));
	if (provider_secret(c->env, member(ref, "accessKeyIDSecretRef"), NULL,
	    &id, err) == -1)
		return (err_wrap(err, "could not fetch accessKeyID secret"));
	if (token != NULL && provider_secret(c->env, token, NULL,
	    &c->base.token, err) == -1)
		return (err_wrap(err, "could not fetch SessionToken secret"));
	c->base.key_id = str_ndup((const char *)secret_data(id),
	    secret_len(id));
	return (0);
}

/* Who asks for the token has not seen the account: another audience than the
 * default stands in the store. */
static int
audience_known(const struct json *ref, const char *wanted)
{
	const struct json *j;

	if (wanted == NULL || strcmp(wanted, AUDIENCE) == 0)
		return (1);
	for (j = json_first(json_get(ref, "audiences")); j != NULL;
	    j = json_next(j))
		if (str_eq(json_str(j), wanted))
			return (1);
	return (0);
}

/* The role that the account's annotation names, and a token for it. */
static int
read_account(struct provider_conn *c, const struct json *ref,
    struct err *err)
{
	const struct store *s = c->env->store;
	const char *own = json_str(json_get(ref, "namespace"));
	const char *ns = s->meta.kind == OBJ_CLUSTER_SECRET_STORE &&
	    own != NULL ? own : c->env->es_namespace;
	const char *name = text(ref, "name");
	const struct json *account = objects_get(c->env->objects,
	    "ServiceAccount", ns, name);
	const struct json *notes = json_path(account, "metadata.annotations");

	if (account == NULL)
		return (objects_why(c->env->objects, "ServiceAccount", ns,
		    name, err, "serviceaccounts \"%s\" not found", name));
	c->web_role = str_dup(str_or(json_str(json_get(notes,
	    ROLE_ANNOTATION)), ""));
	if (c->web_role[0] == '\0')
		return (err_set(err, ERR_INVALID, "an IAM role must be "
		    "associated with service account %s (namespace: %s)",
		    name, ns));
	if (!audience_known(ref, json_str(json_get(notes,
	    AUDIENCE_ANNOTATION))))
		return (err_set(err, ERR_INVALID, "service account %s "
		    "(namespace: %s): annotation %s: \"%s\" is not among the "
		    "token's audiences: add it to auth.jwt.serviceAccountRef."
		    "audiences", name, ns, AUDIENCE_ANNOTATION,
		    json_str(json_get(notes, AUDIENCE_ANNOTATION))));
	return (provider_token(c->env, ref, NULL, AUDIENCE, &c->web_token,
	    err));
}

static int
read_auth(struct provider_conn *c, struct err *err)
{
	const struct json *keys = member(c->spec, "auth.secretRef");
	const struct json *account = member(c->spec,
	    "auth.jwt.serviceAccountRef");

	if (member(c->spec, "auth.jwt") != NULL)
		return (read_account(c, account, err));
	if (keys != NULL)
		return (read_keys(c, keys, err));
	if (c->env->allow_ambient)
		return (0);
	return (err_set(err, ERR_INVALID, "spec.provider.aws.auth is not "
	    "there, and the node's own identity serves no store: name keys or "
	    "a service account, or run with --allow-ambient-identity"));
}

/* Session tags of the policy, in the place of the store's own. */
static struct json *
session_tags(const struct provider_conn *c)
{
	const struct object_meta *m = &c->env->store->meta;
	const char *policy = text(c->spec, "sessionTagsPolicy");
	const struct json *own = json_get(c->spec, "customSessionTags");
	const char *const added[][2] = {
		{ "esoNamespace", c->env->es_namespace },
		{ "esoStoreName", m->name }, { "esoStoreKind", m->kind_name },
	};
	struct json *tags, *t;

	if (strcmp(policy, "Simple") != 0 && strcmp(policy, "Custom") != 0)
		return (json_is(json_get(c->spec, "sessionTags"), JSON_ARRAY) ?
		    json_copy(json_get(c->spec, "sessionTags")) :
		    json_new_array());
	tags = json_new_array();
	for (const struct json *j = strcmp(policy, "Custom") == 0 ?
	    json_first(own) : NULL; j != NULL; j = json_next(j)) {
		t = json_new_object();
		json_set_str(t, "key", json_key(j));
		json_set_str(t, "value", str_or(json_str(j), ""));
		json_push(tags, t);
	}
	for (size_t i = 0; i < ARRAY_LEN(added); i++) {
		t = json_new_object();
		json_set_str(t, "key", added[i][0]);
		json_set_str(t, "value", added[i][1]);
		json_push(tags, t);
	}
	return (tags);
}

/* ${role} in the place of what c->creds are. */
static int
take_on(struct provider_conn *c, const struct aws_role *role,
    struct err *err)
{
	struct aws_creds next;

	if (aws_assume_role(&c->login, &c->creds, role, &next, err) == -1)
		return (-1);
	aws_creds_clear(&c->creds);
	c->creds = next;
	return (0);
}

static int
take_on_roles(struct provider_conn *c, struct err *err)
{
	cleanup_json struct json *tags = session_tags(c);
	struct aws_role role = { .external_id = "" };

	for (const struct json *j = json_first(json_get(c->spec,
	    "additionalRoles")); j != NULL; j = json_next(j)) {
		role.arn = str_or(json_str(j), "");
		if (take_on(c, &role, err) == -1)
			return (-1);
	}
	role.arn = text(c->spec, "role");
	if (role.arn[0] == '\0')
		return (0);
	role.external_id = text(c->spec, "externalID");
	role.tags = tags;
	role.transitive = json_len(tags) > 0 ? json_get(c->spec,
	    "transitiveTagKeys") : NULL;
	return (take_on(c, &role, err));
}

static int
first_creds(struct provider_conn *c, struct err *err)
{
	if (c->web_token != NULL)
		return (aws_web_identity(&c->login, c->web_role, c->web_token,
		    &c->creds, err));
	if (c->base.key_id == NULL)
		return (aws_ambient(&c->login, &c->creds, err));
	c->creds = c->base;
	c->base = (struct aws_creds){ 0 };
	return (0);
}

int
aws_ready(struct provider_conn *c, struct err *err)
{
	unsigned before = c->login.logins;

	if (c->ready)
		return (0);
	if (c->failed.kind != ERR_NONE)
		return (err_set(err, c->failed.kind, "%s",
		    err_msg(&c->failed)));
	c->ready = first_creds(c, &c->failed) == 0 &&
	    take_on_roles(c, &c->failed) == 0;
	c->env->logins += c->login.logins - before;
	if (c->ready)
		return (0);
	provider_blame(c->env, str_or(c->login.host,
	    http_client_host(c->http)), c->login.http_status,
	    c->login.retry_after_ms);
	provider_ours(c->env, "aws: login: %s", err_msg(&c->failed));
	return (err_set(err, c->failed.kind, "%s", err_msg(&c->failed)));
}

/* --- open ---------------------------------------------------------------- */

static void
forget(void *arg)
{
	secret_free(arg);
}

static void
aws_close(struct provider_conn *c)
{
	if (c == NULL)
		return;
	http_client_free(c->http);
	aws_login_clear(&c->login);
	aws_creds_clear(&c->base);
	aws_creds_clear(&c->creds);
	secret_free(c->web_token);
	free(c->web_role);
	free(c->host_header);
	strmap_free(c->memo);
	err_clear(&c->failed);
	free(c);
}

/* retrySettings: attempts, and a fixed time between them. */
static int
retry_options(struct provider_conn *c, struct err *err)
{
	const struct store *s = c->env->store;
	int64_t ms;

	c->attempts = ATTEMPTS;
	if (!s->has_retry)
		return (0);
	if (s->max_retries >= 1)
		c->attempts = s->max_retries < ATTEMPTS_MAX ?
		    (unsigned)s->max_retries : ATTEMPTS_MAX;
	if (s->retry_interval[0] == '\0')
		return (0);
	if (duration_parse(s->retry_interval, &ms, err) == -1)
		return (err_wrap(err, "unable to initialize aws provider"));
	c->pause_ms = ms < 1 ? 1 : ms > 60000 ? 60000 : (uint32_t)ms;
	return (0);
}

static int
open_client(struct provider_conn *c, struct err *err)
{
	cleanup_free char *url = aws_endpoint(c->service->id,
	    c->login.region);
	struct http_options o = { .timeout_ms = c->env->timeout_ms,
		.max_retries = (int)c->attempts - 1,
		.retry_min_ms = c->pause_ms, .retry_max_ms = c->pause_ms,
		.response_max = (size_t)16 << 20 };

	c->login.http = o;
	/* What is refused is judged by its code, in aws_call. */
	o.max_retries = 0;
	c->host_header = aws_host_header(url);
	if (http_client_new(url, &o, &c->http, err) == -1)
		return (err_wrap(err, "unable to create session: the endpoint "
		    "of %s", c->service->sdk));
	return (0);
}

static int
aws_open(struct provider_env *env, struct provider_conn **ret,
    struct err *err)
{
	struct provider_conn *c = mem_alloc(sizeof(*c));
	const char *service = text(env->store->spec, "service");

	c->env = env;
	c->spec = env->store->spec;
	c->prefix = text(c->spec, "prefix");
	c->login.region = text(c->spec, "region");
	c->memo = strmap_new(forget);
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		if (strcmp(services[i]->name, service) == 0)
			c->service = services[i];
	if (c->service == NULL)
		err_set(err, ERR_INVALID, "unknown AWS Provider Service: %s",
		    service);
	else if (read_auth(c, err) == -1)
		err_wrap(err, "unable to create session");
	else if (retry_options(c, err) == 0 && open_client(c, err) == 0) {
		*ret = c;
		return (0);
	}
	aws_close(c);
	return (-1);
}

/* --- operations ---------------------------------------------------------- */

static int
aws_get(struct provider_conn *c, const struct remote_ref *ref,
    struct secret **ret, struct err *err)
{
	return (c->service->get(c, ref, ret, err));
}

static int
aws_get_map(struct provider_conn *c, const struct remote_ref *ref,
    struct kv *ret, struct err *err)
{
	cleanup_secret struct secret *s = NULL;

	if (aws_get(c, ref, &s, err) == -1)
		return (-1);
	if (value_extract((const char *)secret_data(s), secret_len(s),
	    DOC_RAW_MESSAGE, ret, err) == -1)
		return (err_wrap(err, "unable to unmarshal secret %s",
		    ref->key));
	return (0);
}

static int
aws_find(struct provider_conn *c, const struct find_ref *ref, struct kv *ret,
    struct err *err)
{
	return (c->service->find(c, ref, ret, err));
}

static void
aws_want(struct provider_conn *c, const struct remote_ref *refs, size_t n)
{
	c->service->want(c, refs, n);
}

static void
note_referent(void *arg, const struct provider_ref *ref)
{
	if (ref->ns[0] == '\0')
		*(int *)arg = 1;
}

static int
aws_validate(struct provider_conn *c, struct err *err)
{
	int referent = 0;

	provider_refs(c->env->store, note_referent, &referent);
	return (referent ? 1 : aws_ready(c, err));
}

const struct provider provider_aws = {
	.name = "aws",
	.metric = "AWS",
	.settings = settings,
	.check = check,
	.host = aws_host,
	.open = aws_open,
	.want = aws_want,
	.get = aws_get,
	.get_map = aws_get_map,
	.find = aws_find,
	.validate = aws_validate,
	.close = aws_close,
};
