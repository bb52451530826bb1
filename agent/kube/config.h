/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBE_CONFIG_H
#define KUBE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * Where the API server is and who we are to it: the in-cluster account or a
 * kubeconfig (its current context: server, certificate-authority(-data),
 * tls-server-name, client-certificate(-data), client-key(-data), token,
 * tokenFile; exec, auth-provider, username/password, proxy-url and
 * insecure-skip-tls-verify are refused, naming the field and the remedy).
 */
struct kube_config {
	char *server;		/* https://HOST[:PORT][/PREFIX] */
	char *ca_pem;		/* NULL: the system's */
	char *tls_server_name;	/* NULL: the URL's host */
	struct secret *token;	/* NULL: by certificate */
	char *cert_pem;		/* NULL: by token */
	struct secret *key_pem;
	char *ns;		/* our own namespace, "default" when unknown */
};

#define KUBE_CONFIG_MAX (1u << 20)	/* bytes of a kubeconfig, a CA, … */

/**
 * kube_config_account(dirfd, server, ret, err):
 * The account in the folder ${dirfd} (token, ca.crt, namespace) at ${server}
 * (NULL or "": kube_config_server).  The kubelet replaces the token in time:
 * read it anew before kube_token_claims' end of the one at hand.  ${ret} is
 * initialised here in every case and holds nothing after a failure.
 */
int kube_config_account(int dirfd, const char *server,
    struct kube_config *ret, struct err *err);
/* kube_config_file(fd, ret, err): the kubeconfig ${fd} from its beginning,
 * which does not move ${fd}.  Files that it names must be absolute: nobody
 * knows its folder here. */
int kube_config_file(int fd, struct kube_config *ret, struct err *err);
/* kube_config_text: the same of its text, somebody else's: no file that it
 * names is opened.  A fuzz target. */
int kube_config_text(const char *text, size_t len, struct kube_config *ret,
    struct err *err);
void kube_config_clear(struct kube_config *c);
#define cleanup_kube_config __attribute__((cleanup(kube_config_clear)))

/* kube_config_server(): https://… of KUBERNETES_SERVICE_HOST and _PORT, the
 * caller's; NULL outside of a cluster. */
char *kube_config_server(void);

/* kube_config_address: what an HTTP client is to be told: the base URL, whose
 * host is the name that the certificate is for, and http_options' connect_to
 * (NULL: none).  The caller's. */
int kube_config_address(const struct kube_config *c, char **ret_url,
    char **ret_connect_to, struct err *err);

/* kube_token_claims: of the account's token, unverified (it is our own): the
 * node that it is bound to and when it ends (wall s); "" and 0 when absent.
 * The strings are the caller's. */
void kube_token_claims(const struct secret *token, char **ret_node,
    char **ret_node_uid, char **ret_pod_uid, int64_t *ret_expires);

/*
 * kube_token_self: whose it is ("" when it is no service account's) and which
 * audiences it has: they are the API server's own.  Free with
 * kube_self_clear.  NULL as ${token}: nobody's.
 */
struct kube_self {
	char *ns, *account;
	char **audiences;
	size_t naudiences;
};
void kube_token_self(const struct secret *token, struct kube_self *ret);
void kube_self_clear(struct kube_self *s);

#endif
