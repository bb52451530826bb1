/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/config_internal.h"
#include "net/url.h"

/* Where the API server is, from a pod's account or an open kubeconfig. */

/* --- the account ---------------------------------------------------------- */

char *
kube_config_server(void)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");

	if (host == NULL || host[0] == '\0' || port == NULL ||
	    port[0] == '\0')
		return (NULL);
	if (strchr(host, ':') != NULL)
		return (str_fmt("https://[%s]:%s", host, port));
	return (str_fmt("https://%s:%s", host, port));
}

static int
read_account(int dirfd, struct kube_config *c, struct err *err)
{
	cleanup_buf struct buf token = BUF_SECRET(KUBE_CONFIG_MAX);
	cleanup_buf struct buf ca = BUF_PLAIN(KUBE_CONFIG_MAX);
	cleanup_buf struct buf ns = BUF_PLAIN(4096);

	if (kube_config_read(dirfd, "token", &token, err) == -1 ||
	    kube_config_token(&token, &c->token, err) == -1 ||
	    kube_config_read(dirfd, "ca.crt", &ca, err) == -1)
		return (-1);
	c->ca_pem = buf_take(&ca);
	if (kube_config_read(dirfd, "namespace", &ns, NULL) == 0)
		c->ns = str_ndup(buf_str(&ns), kube_config_trim(buf_str(&ns),
		    ns.len));
	else
		c->ns = str_dup("default");
	return (0);
}

int
kube_config_account(int dirfd, const char *server, struct kube_config *ret,
    struct err *err)
{
	struct kube_config c = { 0 };

	*ret = c;
	c.server = str_or(server, NULL) != NULL ? str_dup(server) :
	    kube_config_server();
	if (c.server == NULL)
		err_set(err, ERR_INVALID, "KUBERNETES_SERVICE_HOST and "
		    "KUBERNETES_SERVICE_PORT are not set: give --kubeconfig "
		    "outside of a pod");
	else if (read_account(dirfd, &c, err) == 0) {
		*ret = c;
		return (0);
	}
	kube_config_clear(&c);
	return (err_wrap(err, "the pod's account"));
}

int
kube_config_address(const struct kube_config *c, char **ret_url,
    char **ret_connect_to, struct err *err)
{
	cleanup_url struct url u = { 0 };
	const char *port;

	*ret_connect_to = NULL;
	if (c->tls_server_name == NULL) {
		*ret_url = str_dup(c->server);
		return (0);
	}
	if (url_parse(c->server, &u, err) == -1)
		return (-1);
	*ret_connect_to = url_host_port(&u);
	port = strrchr(*ret_connect_to, ':');
	*ret_url = str_fmt("https://%s%s%s", c->tls_server_name,
	    port != NULL ? port : "", u.path);
	return (0);
}

void
kube_config_clear(struct kube_config *c)
{
	free(c->server);
	free(c->ca_pem);
	free(c->tls_server_name);
	secret_free(c->token);
	free(c->cert_pem);
	secret_free(c->key_pem);
	free(c->ns);
	*c = (struct kube_config){ 0 };
}

/* --- an open kubeconfig --------------------------------------------------- */

int
kube_config_file(int fd, struct kube_config *ret, struct err *err)
{
	cleanup_buf struct buf s = BUF_SECRET(KUBE_CONFIG_MAX);
	ssize_t n = 0;
	char *to;

	*ret = (struct kube_config){ 0 };
	/* several processes share the descriptor, and with it its place */
	while ((to = buf_space(&s, 4096)) != NULL &&
	    (n = pread(fd, to, 4096, (off_t)s.len)) > 0)
		s.len += (size_t)n;
	if (n == -1)
		return (err_sys(err, "kubeconfig"));
	if (buf_finish(&s, "the kubeconfig", err) == -1)
		return (-1);
	return (kube_config_parse(buf_str(&s), s.len, 1, ret, err));
}
