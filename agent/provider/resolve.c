/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "provider/provider.h"
#include "provider/settings.h"

/*
 * What a store's references stand for: ESO 2.9.0 runtime/esutils/resolvers/
 * secret_ref.go and runtime/esutils/utils.go (FetchCACertFromSource).
 */
#define VALUE_MAX (4u << 20)	/* more than any Kubernetes object */
#define PEM_MARK "-----BEGIN"

void
provider_blame(struct provider_env *env, const char *host, int status,
    uint32_t retry_after_ms)
{
	char *copy = str_dup(host);

	free(env->host);
	env->host = copy;
	env->http_status = status;
	env->retry_after_ms = retry_after_ms;
}

void
provider_ours(struct provider_env *env, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	free(env->ours);
	env->ours = str_dup(text);
}

void
provider_env_clear(struct provider_env *env)
{
	free(env->host);
	free(env->ours);
	env->host = NULL;
	env->ours = NULL;
}

static int
is_cluster(const struct provider_env *env)
{
	return (env->store->meta.kind == OBJ_CLUSTER_SECRET_STORE);
}

static const char *
text(const struct json *obj, const char *key)
{
	return (str_or(json_str(json_get(obj, key)), ""));
}

/* Only a ClusterSecretStore reaches into a namespace that it names. */
static const char *
namespace_of(const struct provider_env *env, const struct json *ref)
{
	const char *named = json_str(json_get(ref, "namespace"));

#ifdef WEAKEN_NAMESPACE
	if (named != NULL)
		return (named);
#endif
	if (is_cluster(env) && named != NULL)
		return (named);
	return (str_or(env->es_namespace, env->store->meta.ns));
}

/* stringData wins over data, as the API server merges it. */
static int
secret_value(const struct json *obj, const char *key, struct secret **ret,
    struct err *err)
{
	const char *plain = json_str(json_get(json_get(obj, "stringData"),
	    key));
	const char *coded = json_str(json_get(json_get(obj, "data"), key));
	cleanup_buf struct buf out = BUF_SECRET(VALUE_MAX);

	if (plain != NULL) {
		*ret = secret_new(plain, strlen(plain));
		return (0);
	}
	if (coded == NULL)
		return (err_set(err, ERR_NOTFOUND,
		    "cannot find secret data for key: \"%s\"", key));
	if (codec_b64_decode(&out, coded, strlen(coded), CODEC_B64_STD,
	    NULL) == -1)
		return (err_set(err, ERR_INVALID,
		    "the value of key \"%s\" is not base64: write it into "
		    "stringData", key));
	if (buf_finish(&out, "the value", err) == -1)
		return (-1);
	*ret = secret_from_buf(&out);
	return (0);
}

int
provider_secret(const struct provider_env *env, const struct json *ref,
    const char *default_key, struct secret **ret, struct err *err)
{
	const char *ns = namespace_of(env, ref), *name = text(ref, "name");
	const char *key = str_or(text(ref, "key"), str_or(default_key, ""));
	const struct json *obj = objects_get(env->objects, "Secret", ns, name);

	if (obj == NULL) {
		objects_why(env->objects, "Secret", ns, name, err,
		    "secrets \"%s\" not found", name);
		return (err_wrap(err, "cannot get Kubernetes secret \"%s\" "
		    "from namespace \"%s\"", name, ns));
	}
	return (secret_value(obj, key, ret, err));
}

int
provider_token(const struct provider_env *env, const struct json *ref,
    const struct json *more, const char *def, struct secret **ret,
    struct err *err)
{
	const char *ns = namespace_of(env, ref), *name = text(ref, "name");
	const struct json *obj;
	const char *token;
	size_t n;
	cleanup_free const char **audiences = settings_audiences(ref, more,
	    def, &n);
	cleanup_free char *key = object_token_key(ns, name, audiences, n);

	obj = objects_get_key(env->objects, key);
	token = json_str(json_get(obj, "token"));
	if (token == NULL) {
		objects_why_key(env->objects, key, err, "no API server gave "
		    "one: put a token into a Secret and name that in "
		    "secretRef");
		return (err_wrap(err, "serviceAccountRef: token of service "
		    "account \"%s\" in namespace \"%s\"", name, ns));
	}
	*ret = secret_new(token, strlen(token));
	return (0);
}

/* --- CA bundles ---------------------------------------------------------- */

/* PEM, or base64 of it once (as the field is in JSON) or twice (as ESO also
 * takes it). */
static int
bundle_pem(const char *s, char **ret_pem, struct err *err)
{
	cleanup_buf struct buf a = BUF_PLAIN(VALUE_MAX);
	cleanup_buf struct buf b = BUF_PLAIN(VALUE_MAX);

	if (strstr(s, PEM_MARK) == NULL) {
		if (codec_b64_decode(&a, s, strlen(s), CODEC_B64_STD,
		    NULL) == -1)
			return (err_set(err, ERR_INVALID,
			    "failed to decode ca bundle: failed to decode "
			    "base64: caBundle is neither PEM nor base64 of "
			    "it"));
		s = buf_str(&a);
	}
	if (strstr(s, PEM_MARK) == NULL) {
		if (codec_b64_decode(&b, s, strlen(s), CODEC_B64_STD,
		    NULL) == -1)
			buf_cut(&b, 0);
		s = buf_str(&b);
	}
	if (strstr(s, PEM_MARK) == NULL)
		return (err_set(err, ERR_INVALID, "failed to decode ca bundle: "
		    "failed to parse the new certificate, not valid pem "
		    "data"));
	*ret_pem = str_dup(s);
	return (0);
}

static int
ca_from_secret(const struct provider_env *env, const struct json *ca,
    char **ret_pem, struct err *err)
{
	cleanup_secret struct secret *v = NULL;

	if (provider_secret(env, ca, NULL, &v, err) == -1)
		return (err_wrap(err, "failed to get cert from secret: "
		    "failed to resolve secret key ref"));
	*ret_pem = str_ndup((const char *)secret_data(v), secret_len(v));
	return (0);
}

static int
ca_from_config_map(const struct provider_env *env, const struct json *ca,
    char **ret_pem, struct err *err)
{
	const char *ns = namespace_of(env, ca), *name = text(ca, "name");
	const struct json *obj = objects_get(env->objects, "ConfigMap", ns,
	    name);
	const char *v = json_str(json_get(json_get(obj, "data"),
	    text(ca, "key")));

	if (obj == NULL) {
		objects_why(env->objects, "ConfigMap", ns, name, err,
		    "configmaps \"%s\" not found", name);
		err_wrap(err, "failed to get caProvider secret %s", name);
	} else if (v == NULL)
		err_set(err, ERR_NOTFOUND, "failed to get caProvider configMap "
		    "%s -> %s", name, text(ca, "key"));
	if (v == NULL)
		return (err_wrap(err, "failed to get cert from configmap"));
	*ret_pem = str_dup(v);
	return (0);
}

static int
ca_namespace(const struct provider_env *env, const struct json *ca,
    struct err *err)
{
	const char *named = json_str(json_get(ca, "namespace"));

	if (is_cluster(env) && named == NULL)
		return (err_set(err, ERR_INVALID,
		    "missing namespace on caProvider secret"));
	if (!is_cluster(env) && named != NULL && strcmp(named,
	    str_or(env->es_namespace, env->store->meta.ns)) != 0)
		return (err_set(err, ERR_INVALID, "namespace should either be "
		    "empty or match the namespace of the SecretStore for a "
		    "namespaced SecretStore"));
	return (0);
}

int
provider_ca(const struct provider_env *env, const struct json *bundle,
    const struct json *ca_provider, char **ret_pem, struct err *err)
{
	const char *pem = str_or(json_str(bundle), NULL), *type;

	*ret_pem = NULL;
	if (pem != NULL)
		return (bundle_pem(pem, ret_pem, err));
	if (!json_is(ca_provider, JSON_OBJECT))
		return (0);
	if (ca_namespace(env, ca_provider, err) == -1)
		return (-1);
	type = text(ca_provider, "type");
	if (strcmp(type, "Secret") == 0)
		return (ca_from_secret(env, ca_provider, ret_pem, err));
	if (strcmp(type, "ConfigMap") == 0)
		return (ca_from_config_map(env, ca_provider, ret_pem, err));
	return (err_set(err, ERR_INVALID, "unsupported CA provider type: %s",
	    type));
}
