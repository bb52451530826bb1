/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "kube/config_internal.h"

/* A kubeconfig is client-go's (tools/clientcmd/api/v1/types.go). */

/* --- files ---------------------------------------------------------------- */

int
kube_config_read(int dirfd, const char *name, struct buf *out,
    struct err *err)
{
	cleanup_close int fd = openat(dirfd, name,
	    O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd == -1)
		return (err_sys(err, "%s", name));
	if (file_read_fd(fd, out, err) == -1)
		return (err_wrap(err, "%s", name));
	return (0);
}

size_t
kube_config_trim(const char *s, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", s[len - 1]) != NULL)
		len--;
	return (len);
}

int
kube_config_token(const struct buf *text, struct secret **ret,
    struct err *err)
{
	size_t len = kube_config_trim(buf_str(text), text->len);

	for (size_t i = 0; i < len; i++)
		if (text->data[i] <= ' ' || text->data[i] == 0x7f)
			return (err_set(err, ERR_INVALID,
			    "the token is not one word"));
	if (len == 0)
		return (err_set(err, ERR_INVALID, "the token is empty"));
	*ret = secret_new(text->data, len);
	return (0);
}

/* --- kubeconfig ----------------------------------------------------------- */

static const char *
text(const struct json *obj, const char *key)
{
	return (str_or(json_str(json_get(obj, key)), ""));
}

/* {name, WHAT: {…}} of that name in a list; NULL. */
static const struct json *
named(const struct json *root, const char *list, const char *name,
    const char *what)
{
	const struct json *j = json_first(json_get(root, list));

	for (; j != NULL; j = json_next(j))
		if (str_eq(json_str(json_get(j, "name")), name))
			return (json_get(j, what));
	return (NULL);
}

static int
read_path(const char *field, const char *path, int files, struct buf *out,
    struct err *err)
{
#ifndef WEAKEN_kubeconfig_files
	if (!files)
		return (err_set(err, ERR_INVALID, "%s: names a file of this "
		    "machine: write its content into %s", field,
		    strcmp(field, "tokenFile") == 0 ? "token" :
		    "the field of the same name with -data"));
#endif
	if (path[0] != '/')
		return (err_set(err, ERR_INVALID, "%s: %s: is not absolute: "
		    "write the whole path, or its content into %s-data",
		    field, path, field));
	if (kube_config_read(AT_FDCWD, path, out, err) == 0)
		return (0);
	err_wrap(err, "%s", field);
	if (err != NULL && err->sys == EACCES)
		err_set(err, err->kind, "%s: put its content into the "
		    "kubeconfig (kubectl config view --flatten): jobs may not "
		    "read that file", err_msg(err));
	return (-1);
}

/* FIELD-data (base64), or the file that FIELD names; 0 none, 1 there. */
static int
data_or_file(const struct json *obj, const char *field, int files,
    struct buf *out, struct err *err)
{
	cleanup_free char *inline_name = str_fmt("%s-data", field);
	const char *data = text(obj, inline_name), *path = text(obj, field);

	if (data[0] != '\0') {
		if (codec_b64_decode(out, data, strlen(data), CODEC_B64_STD,
		    NULL) == -1 || !buf_ok(out))
			return (err_set(err, ERR_INVALID,
			    "%s: is not base64", inline_name));
		return (1);
	}
	if (path[0] == '\0')
		return (0);
	return (read_path(field, path, files, out, err) == -1 ? -1 : 1);
}

static const struct {
	const char *where, *field, *remedy;
} refused[] = {
	{ "user", "exec", "nobody starts a program here: use a token, or "
	    "client-certificate-data and client-key-data" },
	{ "user", "auth-provider", "use a token, or client-certificate-data "
	    "and client-key-data" },
	{ "user", "username", "the API server takes no passwords: use a "
	    "token" },
	{ "user", "password", "the API server takes no passwords: use a "
	    "token" },
	{ "user", "as", "impersonation is not for an agent" },
	{ "cluster", "proxy-url", "use HTTPS_PROXY" },
};

static int
check_refused(const struct json *cluster, const struct json *user,
    struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const struct json *at = refused[i].where[0] == 'u' ? user :
		    cluster;

		if (json_get(at, refused[i].field) != NULL &&
		    !json_is(json_get(at, refused[i].field), JSON_NULL))
			return (err_set(err, ERR_INVALID, "%s.%s: is not "
			    "supported: %s", refused[i].where,
			    refused[i].field, refused[i].remedy));
	}
	if (json_bool(json_get(cluster, "insecure-skip-tls-verify"), 0))
		return (err_set(err, ERR_INVALID, "cluster.insecure-skip-tls-"
		    "verify: is not supported: give the CA in "
		    "certificate-authority-data"));
	return (0);
}

static int
take_cluster(const struct json *cluster, int files, struct kube_config *c,
    struct err *err)
{
	cleanup_buf struct buf ca = BUF_PLAIN(KUBE_CONFIG_MAX);
	const char *server = text(cluster, "server");
	size_t len = strlen(server);
	int rc;

	while (len > 0 && server[len - 1] == '/')
		len--;
	if (strncmp(server, "https://", 8) != 0)
		return (err_set(err, ERR_INVALID,
		    "cluster.server: is not an https:// URL"));
	c->server = str_ndup(server, len);
	if ((rc = data_or_file(cluster, "certificate-authority", files, &ca,
	    err)) == -1)
		return (err_wrap(err, "cluster"));
	if (rc == 1)
		c->ca_pem = buf_take(&ca);
	if (text(cluster, "tls-server-name")[0] != '\0')
		c->tls_server_name = str_dup(text(cluster, "tls-server-name"));
	return (0);
}

static int
take_user_token(const struct json *user, int files, struct kube_config *c,
    struct err *err)
{
	cleanup_buf struct buf token = BUF_SECRET(KUBE_CONFIG_MAX);
	const char *path = text(user, "tokenFile");

	/* as client-go: the file wins */
	if (path[0] == '\0')
		buf_adds(&token, text(user, "token"));
	else if (read_path("tokenFile", path, files, &token, err) == -1)
		return (-1);
	return (token.len == 0 ? 0 : kube_config_token(&token, &c->token,
	    err));
}

static int
take_user(const struct json *user, int files, struct kube_config *c,
    struct err *err)
{
	cleanup_buf struct buf cert = BUF_PLAIN(KUBE_CONFIG_MAX);
	cleanup_buf struct buf key = BUF_SECRET(KUBE_CONFIG_MAX);
	int a, b;

	if ((a = data_or_file(user, "client-certificate", files, &cert,
	    err)) == -1 ||
	    (b = data_or_file(user, "client-key", files, &key, err)) == -1 ||
	    take_user_token(user, files, c, err) == -1)
		return (err_wrap(err, "user"));
	if (a != b)
		return (err_set(err, ERR_INVALID, "user: client-certificate "
		    "and client-key go together"));
	if (a == 1) {
		c->cert_pem = buf_take(&cert);
		c->key_pem = secret_from_buf(&key);
	}
	if (a == 0 && c->token == NULL)
		return (err_set(err, ERR_INVALID, "user: neither token nor "
		    "client-certificate-data is there"));
	return (0);
}

static int
take_context(const struct json *root, int files, struct kube_config *c,
    struct err *err)
{
	const char *current = text(root, "current-context");
	const struct json *context, *cluster, *user;

	if (current[0] == '\0')
		return (err_set(err, ERR_INVALID, "current-context: is "
		    "missing: kubectl config use-context"));
	context = named(root, "contexts", current, "context");
	cluster = named(root, "clusters", text(context, "cluster"), "cluster");
	user = named(root, "users", text(context, "user"), "user");
	if (context == NULL || cluster == NULL || user == NULL)
		return (err_set(err, ERR_INVALID, "contexts: \"%s\", its "
		    "cluster or its user is not there", current));
	c->ns = str_dup(str_or(text(context, "namespace"), "default"));
	if (check_refused(cluster, user, err) == -1 ||
	    take_cluster(cluster, files, c, err) == -1)
		return (-1);
	return (take_user(user, files, c, err));
}

int
kube_config_parse(const char *s, size_t len, int files,
    struct kube_config *ret, struct err *err)
{
	struct kube_config c = { 0 };
	struct yaml_docs docs = { 0 };
	int rc;

	*ret = c;
	if (yaml_read(s, len, &docs, err) == -1)
		return (err_wrap(err, "kubeconfig"));
	rc = docs.n == 1 ? take_context(docs.v[0].root, files, &c, err) :
	    err_set(err, ERR_INVALID, "%zu documents where one was due",
	    docs.n);
	yaml_docs_clear(&docs);
	if (rc == -1) {
		kube_config_clear(&c);
		return (err_wrap(err, "kubeconfig"));
	}
	*ret = c;
	return (0);
}

int
kube_config_text(const char *s, size_t len, struct kube_config *ret,
    struct err *err)
{
	return (kube_config_parse(s, len, 0, ret, err));
}
