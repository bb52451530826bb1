/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/client.h"
#include "net/url.h"
#include "provider/kubernetes_internal.h"
#include "provider/registry.h"
#include "provider/settings.h"
#include "value/regex.h"

/*
 * Secrets of a (remote) cluster: ESO 2.9.0 providers/v1/kubernetes.  Otherwise
 * than there: a server without a scheme is https, a kubeconfig in authRef runs
 * no program, opens no file and trusts no server blindly, and a token always
 * names its audience (provider_token).
 */
#define REF SET_SECRET_REF

static const struct setting settings[] = {
	{ "server", SET_OBJECT, 0, NULL, NULL, "the API server" },
	{ "server.url", SET_STRING, 0, "kubernetes.default", NULL,
	    "https://HOST:PORT" },
	{ "server.caBundle", SET_PEM, 0, NULL, NULL, "CA certificates" },
	{ "server.caProvider", SET_CA_REF, 0, NULL, NULL, "where they are" },
	{ "remoteNamespace", SET_LABEL, 0, "default", NULL,
	    "where the Secrets are" },
	{ "auth", SET_OBJECT, SET_ONE, NULL, NULL, "who asks" },
	{ "auth.cert", SET_OBJECT, 0, NULL, NULL, "a client certificate" },
	{ "auth.cert.clientCert", REF, SET_REQUIRED, NULL, NULL, "" },
	{ "auth.cert.clientKey", REF, SET_REQUIRED, NULL, NULL, "" },
	{ "auth.token", SET_OBJECT, 0, NULL, NULL, "a token" },
	{ "auth.token.bearerToken", REF, SET_REQUIRED, NULL, NULL, "" },
	{ "auth.serviceAccount", SET_ACCOUNT_REF, 0, NULL, NULL,
	    "whose token asks; with audiences" },
	{ "authRef", REF, 0, NULL, NULL, "a kubeconfig" },
	{ 0 }
};

#define LIST_PAGE "100"
#define PAGES_MAX 1000
#define WORDS_MAX 1024

/* One Secret that was asked for: there, or not. */
struct answer {
	struct json *secret;
	struct err why;
};

struct provider_conn {
	struct provider_env *env;
	struct kube_client *client;
	const struct kube_resource *res;
	const char *ns;			/* remoteNamespace */
	struct strmap *memo;		/* name -> struct answer */
	struct err down;		/* it cannot be reached */
};

static const char *
text(const struct json *obj, const char *path)
{
	return (str_or(json_str(json_path(obj, path)), ""));
}

static const struct json *
member(const struct json *spec, const char *path)
{
	const struct json *v = json_path(spec, path);

	return (json_is(v, JSON_NULL) ? NULL : v);
}

/* --- ValidateStore -------------------------------------------------------- */

#define FIELD "spec.provider.kubernetes."

static void
check_selector(const struct store *store, const char *path, const char *what,
    struct findings *f)
{
	const struct json *ref = member(store->spec, path);
	cleanup_free char *field = str_fmt(FIELD "%s", path);

	if (ref == NULL)
		return;
	if (text(ref, "name")[0] == '\0')
		findings_reject(f, FINDING_WEBHOOK, ref, field,
		    "%s.Name cannot be empty", what);
	else if (text(ref, "key")[0] == '\0')
		findings_reject(f, FINDING_WEBHOOK, ref, field,
		    "%s.Key cannot be empty", what);
	else if (store->meta.kind == OBJ_CLUSTER_SECRET_STORE &&
	    member(ref, "namespace") == NULL)
		findings_reject(f, FINDING_WEBHOOK, ref, field,
		    "cluster scope requires namespace");
	else
		settings_check_ref(store, ref, field, "", f);
}

static void
check(const struct store *store, struct findings *f)
{
	const struct json *ca = member(store->spec, "server.caProvider");
	int cluster = store->meta.kind == OBJ_CLUSTER_SECRET_STORE;

	if (ca != NULL && cluster && member(ca, "namespace") == NULL)
		findings_reject(f, FINDING_WEBHOOK, ca, FIELD
		    "server.caProvider", "CAProvider.namespace must not be "
		    "empty with ClusterSecretStore");
	if (ca != NULL && !cluster && member(ca, "namespace") != NULL)
		findings_reject(f, FINDING_WEBHOOK, ca, FIELD
		    "server.caProvider", "CAProvider.namespace must be empty "
		    "with SecretStore");
	check_selector(store, "auth.cert.clientCert", "ClientCert", f);
	check_selector(store, "auth.token.bearerToken", "BearerToken", f);
	settings_check_ref(store, member(store->spec,
	    "auth.serviceAccount"), FIELD "auth.serviceAccount", "", f);
}

static char *
server_url(const struct store *store)
{
	const char *url = str_or(text(store->spec, "server.url"),
	    "kubernetes.default");

	return (strstr(url, "://") != NULL ? str_dup(url) :
	    str_fmt("https://%s", url));
}

static char *
host(const struct store *store)
{
	cleanup_free char *url = server_url(store);
	cleanup_url struct url u = { 0 };

	if (member(store->spec, "authRef") != NULL ||
	    url_parse(url, &u, NULL) == -1)
		return (NULL);
	return (url_host_port(&u));
}

/* --- getAuth -------------------------------------------------------------- */

static char *
secret_text(const struct secret *s)
{
	return (str_ndup((const char *)secret_data(s), secret_len(s)));
}

static int
auth_cert(struct provider_env *env, const struct json *cert,
    struct kube_config *c, struct err *err)
{
	cleanup_secret struct secret *pem = NULL;

	if (provider_secret(env, member(cert, "clientCert"), NULL, &pem,
	    err) == -1)
		return (err_wrap(err, "could not fetch client key and cert: "
		    "unable to fetch client certificate"));
	if (provider_secret(env, member(cert, "clientKey"), NULL, &c->key_pem,
	    err) == -1)
		return (err_wrap(err, "could not fetch client key and cert: "
		    "unable to fetch client key"));
	c->cert_pem = secret_text(pem);
	return (0);
}

static int
auth_of(struct provider_env *env, const struct json *auth,
    struct kube_config *c, struct err *err)
{
	const struct json *v;

	if ((v = member(auth, "token")) != NULL) {
		if (provider_secret(env, member(v, "bearerToken"), NULL,
		    &c->token, err) == -1)
			return (err_wrap(err, "could not fetch "
			    "Auth.Token.BearerToken"));
	} else if ((v = member(auth, "serviceAccount")) != NULL) {
		if (provider_token(env, v, NULL, NULL, &c->token, err) == -1)
			return (err_wrap(err, "could not fetch "
			    "Auth.ServiceAccount"));
	} else if ((v = member(auth, "cert")) != NULL) {
		return (auth_cert(env, v, c, err));
	} else {
		return (err_set(err, ERR_INVALID, "no auth provider given"));
	}
	return (0);
}

static int
kubeconfig_of(struct provider_env *env, const struct json *ref,
    struct kube_config *c, struct err *err)
{
	cleanup_secret struct secret *s = NULL;

	if (provider_secret(env, ref, NULL, &s, err) == -1)
		return (-1);
	return (kube_config_text((const char *)secret_data(s), secret_len(s),
	    c, err));
}

static int
config_of(struct provider_env *env, struct kube_config *c, struct err *err)
{
	const struct json *spec = env->store->spec;

	if (member(spec, "authRef") != NULL)
		return (kubeconfig_of(env, member(spec, "authRef"), c, err));
	c->server = server_url(env->store);
	if (provider_ca(env, member(spec, "server.caBundle"),
	    member(spec, "server.caProvider"), &c->ca_pem, err) == -1)
		return (-1);
	if (member(spec, "auth") == NULL)
		return (0);
	return (auth_of(env, member(spec, "auth"), c, err));
}

static void
answer_free(void *arg)
{
	struct answer *a = arg;

	json_free(a->secret);
	err_clear(&a->why);
	free(a);
}

static int
k8s_open(struct provider_env *env, struct provider_conn **ret,
    struct err *err)
{
	cleanup_kube_config struct kube_config config = { 0 };
	struct kube_client *client;
	struct provider_conn *c;

	if (env->store->spec == NULL)
		return (err_set(err, ERR_INVALID,
		    "no store type or wrong store type"));
	if (config_of(env, &config, err) == -1)
		return (err_wrap(err, "failed to prepare auth"));
	if (kube_client_new(&config, env->timeout_ms, &client, err) == -1)
		return (err_wrap(err, "error configuring clientset"));
	c = mem_alloc(sizeof(*c));
	c->env = env;
	c->client = client;
	c->res = kube_resource_find("Secret");
	c->ns = str_or(text(env->store->spec, "remoteNamespace"), "default");
	c->memo = strmap_new(answer_free);
	*ret = c;
	return (0);
}

static void
k8s_close(struct provider_conn *c)
{
	if (c == NULL)
		return;
	kube_client_free(c->client);
	strmap_free(c->memo);
	err_clear(&c->down);
	free(c);
}

/* --- requests ------------------------------------------------------------- */

static enum err_kind
kind_of(int status)
{
	if (status == 401 || status == 403)
		return (ERR_DENIED);
	if (status == 404)
		return (ERR_NOTFOUND);
	return (status == 408 || status == 409 || status == 429 ||
	    status >= 500 ? ERR_TRANSIENT : ERR_INVALID);
}

/* client-go's error is the Status' message; what else came is not repeated. */
static int
refused(const struct kube_answer *a, struct err *err)
{
	cleanup_json struct json *body = kube_answer_json(a);
	cleanup_free char *words = str_dup(str_or(json_str(json_get(body,
	    "message")), ""));

	for (char *p = words; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	if (words[0] == '\0' || !str_eq(json_str(json_get(body, "kind")),
	    "Status"))
		return (err_set(err, kind_of(a->status), "an error on the "
		    "server (status %d) has prevented the request from "
		    "succeeding", a->status));
	return (err_set(err, kind_of(a->status), "%.*s", WORDS_MAX, words));
}

/* An answer of 200 or 201, or -1. */
static int
ask(struct provider_conn *c, const struct kube_request *req,
    struct kube_answer *ret, struct err *err)
{
	unsigned before = kube_client_requests(c->client);
	struct err own = ERR_INIT;
	int rc;

	*ret = (struct kube_answer){ .body = BUF_SECRET(0) };
	if (c->down.kind != ERR_NONE) {
		provider_blame(c->env, kube_client_host(c->client), 0, 0);
		return (err_set(err, c->down.kind, "%s", err_msg(&c->down)));
	}
	rc = kube_do(c->client, req, ret, &own);
	c->env->requests += kube_client_requests(c->client) - before;
	if (rc == 0 && (ret->status == 200 || ret->status == 201))
		return (0);
	provider_blame(c->env, kube_client_host(c->client), ret->status,
	    ret->retry_after_ms);
	if (rc == 0) {
		refused(ret, &own);
		provider_ours(c->env, "kubernetes: %s %.*s: %d", req->method,
		    (int)strcspn(req->path, "?"), req->path, ret->status);
	} else {
		provider_ours(c->env, "kubernetes: %s", err_msg(&own));
		/* nobody waits for it once a key */
		err_set(&c->down, own.kind, "%s", err_msg(&own));
	}
	return (err_move(err, &own));
}

static struct json *
get_json(struct provider_conn *c, const char *path, struct err *err)
{
	cleanup_kube_answer struct kube_answer a = { .body = BUF_SECRET(0) };
	struct kube_request req = { .method = "GET", .path = path };
	struct json *j;

	if (ask(c, &req, &a, err) == -1)
		return (NULL);
	if ((j = kube_answer_json(&a)) == NULL)
		err_set(err, ERR_INVALID, "the API server's answer is not "
		    "JSON");
	return (j);
}

/* Each once, whether it is there or not. */
static const struct json *
get_secret(struct provider_conn *c, const char *name, struct err *err)
{
	cleanup_free char *path = kube_path(c->res, c->ns, name, NULL, NULL);
	struct answer *a = strmap_get(c->memo, name);

	if (name[0] == '\0') {
		err_set(err, ERR_INVALID, "resource name may not be empty");
		return (NULL);
	}
	if (a == NULL) {
		a = mem_alloc(sizeof(*a));
		a->secret = get_json(c, path, &a->why);
		strmap_put(c->memo, name, a);
	}
	if (a->secret == NULL)
		err_set(err, a->why.kind, "%s", err_msg(&a->why));
	return (a->secret);
}

/* --- the three reads ------------------------------------------------------ */

static int
k8s_get(struct provider_conn *c, const struct remote_ref *ref,
    struct secret **ret, struct err *err)
{
	const struct json *secret = get_secret(c, ref->key, err);
	cleanup_buf struct buf out = BUF_SECRET(K8S_VALUE_MAX);

	if (secret == NULL || k8s_value(secret, ref, &out, err) == -1 ||
	    buf_finish(&out, "the value", err) == -1)
		return (-1);
	*ret = secret_from_buf(&out);
	return (0);
}

static int
k8s_get_map(struct provider_conn *c, const struct remote_ref *ref,
    struct kv *ret, struct err *err)
{
	struct err own = ERR_INIT;
	const struct json *secret = get_secret(c, ref->key, &own);

	if (secret != NULL)
		return (k8s_values(secret, ref, ret, err));
	if (own.kind == ERR_NOTFOUND)
		err_set(&own, ERR_NOTFOUND, PROVIDER_NO_SECRET);
	return (err_move(err, &own));
}

static int
take_page(const struct json *page, const struct regex *re, struct kv *ret,
    struct err *err)
{
	const struct json *s = json_first(json_get(page, "items"));

	for (; s != NULL; s = json_next(s)) {
		const char *name = text(s, "metadata.name");
		struct buf out = BUF_SECRET(K8S_VALUE_MAX);

		if (re != NULL && !regex_match(re, name, strlen(name)))
			continue;
		if (k8s_whole(s, &out, err) == -1 ||
		    buf_finish(&out, "the Secret", err) == -1) {
			buf_clear(&out);
			return (-1);
		}
		kv_put(ret, name, secret_from_buf(&out));
	}
	return (0);
}

static int
list(struct provider_conn *c, const char *selector, const struct regex *re,
    struct kv *ret, struct err *err)
{
	cleanup_free char *next = str_dup("");

	for (int i = 0; i < PAGES_MAX; i++) {
		cleanup_free char *query = str_fmt("limit=" LIST_PAGE "%s%s%s",
		    selector, next[0] != '\0' ? "&continue=" : "", next);
		cleanup_free char *path = kube_path(c->res, c->ns, NULL, NULL,
		    query);
		cleanup_json struct json *page = get_json(c, path, err);

		if (page == NULL)
			return (err_wrap(err, "unable to list secrets"));
		if (take_page(page, re, ret, err) == -1)
			return (-1);
		free(next);
		next = k8s_escape(text(page, "metadata.continue"));
		if (next[0] == '\0')
			return (0);
	}
	return (err_set(err, ERR_LIMIT, "unable to list secrets: more than %d "
	    "pages of " LIST_PAGE, PAGES_MAX));
}

static int
find_by_tags(struct provider_conn *c, const struct find_ref *ref,
    struct kv *ret, struct err *err)
{
	cleanup_free char *selector = NULL;

	if (k8s_selector(ref->tags, &selector, err) == -1)
		return (err_wrap(err, "unable to validate selector tags"));
	return (list(c, selector, NULL, ret, err));
}

static int
find_by_name(struct provider_conn *c, const struct find_ref *ref,
    struct kv *ret, struct err *err)
{
	struct regex *re = NULL;
	int rc;

	if (regex_new(ref->name_regexp, strlen(ref->name_regexp), &re,
	    err) == -1)
		return (err_wrap(err, "could not compile find.name.regexp "
		    "[%s]", ref->name_regexp));
	rc = list(c, "", re, ret, err);
	regex_free(re);
	return (rc);
}

static int
k8s_find(struct provider_conn *c, const struct find_ref *ref, struct kv *ret,
    struct err *err)
{
	cleanup_buf struct buf dump = BUF_PLAIN(64u << 10);
	enum value_conversion how;
	int rc;

	if (ref->tags == NULL && ref->name_regexp == NULL) {
		provider_find_text(ref, &dump);
		return (err_set(err, ERR_INVALID, "unexpected find operator: "
		    "%s", buf_str(&dump)));
	}
	rc = ref->tags != NULL ? find_by_tags(c, ref, ret, err) :
	    find_by_name(c, ref, ret, err);
	/* ESO converts here and once more in its controller. */
	if (rc == -1 || value_conversion_parse(ref->conversion, &how) == -1)
		return (rc);
	return (value_convert_keys(ret, how, err));
}

/* --- the store's condition ------------------------------------------------ */

static struct json *
review(struct provider_conn *c, const char *plural, const char *kind,
    struct json *spec, struct err *err)
{
	cleanup_kube_answer struct kube_answer a = { .body = BUF_SECRET(0) };
	cleanup_free char *path = str_fmt("/apis/authorization.k8s.io/v1/%s",
	    plural);
	cleanup_json struct json *obj = json_new_object();
	cleanup_secret struct secret *body = NULL;
	struct buf b = BUF_SECRET(64u << 10);
	struct kube_request req = { .method = "POST", .path = path,
		.content_type = "application/json" };

	json_set_str(obj, "apiVersion", "authorization.k8s.io/v1");
	json_set_str(obj, "kind", kind);
	json_set(obj, "spec", spec);
	json_print(obj, &b, 0);
	req.body = body = secret_from_buf(&b);
	if (ask(c, &req, &a, err) == -1) {
		err_wrap(err, "could not verify if client is valid");
		return (NULL);
	}
	return (kube_answer_json(&a));
}

static int
by_rules(struct provider_conn *c, struct err *err)
{
	struct json *spec = json_new_object();
	cleanup_json struct json *answer = NULL;

	json_set_str(spec, "namespace", c->ns);
	answer = review(c, "selfsubjectrulesreviews",
	    "SelfSubjectRulesReview", spec, err);
	if (answer == NULL && err->kind != ERR_NONE)
		return (-1);
	return (k8s_rules_allow(answer));
}

static int
by_access(struct provider_conn *c, struct err *err)
{
	struct json *spec = json_new_object(), *what = json_new_object();
	cleanup_json struct json *answer = NULL;

	json_set_str(what, "resource", "secrets");
	json_set_str(what, "namespace", c->ns);
	json_set_str(what, "verb", "get");
	json_set(spec, "resourceAttributes", what);
	answer = review(c, "selfsubjectaccessreviews",
	    "SelfSubjectAccessReview", spec, err);
	if (answer == NULL && err->kind != ERR_NONE)
		return (-1);
	return (json_bool(json_path(answer, "status.allowed"), 0));
}

static int
is_referent(const struct store *store)
{
	static const char *const refs[] = { "auth.cert.clientCert",
		"auth.cert.clientKey", "auth.serviceAccount",
		"auth.token.bearerToken" };

	for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
		const struct json *ref = member(store->spec, refs[i]);

		if (ref != NULL && member(ref, "namespace") == NULL)
			return (store->meta.kind == OBJ_CLUSTER_SECRET_STORE);
	}
	return (0);
}

static int
k8s_validate(struct provider_conn *c, struct err *err)
{
	struct err own = ERR_INIT;
	int may;

	if (is_referent(c->env->store))
		return (1);
	may = by_rules(c, &own);
	if (may == 0)
		may = by_access(c, &own);
	if (may == 0)
		err_set(&own, ERR_DENIED,
		    "client is not allowed to get secrets");
	return (may == 1 ? 0 : err_move(err, &own));
}

const struct provider provider_kubernetes = {
	.name = "kubernetes",
	.metric = "Kubernetes",
	.settings = settings,
	.check = check,
	.host = host,
	.open = k8s_open,
	.get = k8s_get,
	.get_map = k8s_get_map,
	.find = k8s_find,
	.validate = k8s_validate,
	.close = k8s_close,
};
