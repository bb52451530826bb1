/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBE_CONFIG_H
#define KUBE_CONFIG_H

#include "base/err.h"
#include "base/secret.h"

/*
 * Where the API server is and who we are to it: the in-cluster account or a
 * kubeconfig (its current context: server, certificate-authority(-data),
 * tls-server-name, client-certificate(-data), client-key(-data), token,
 * tokenFile; exec, auth-provider, username/password and insecure-skip-tls-verify
 * are refused, naming the field and the remedy).
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

/**
 * kube_config_account(dirfd, server, ret, err):
 * The account in the folder ${dirfd} (token, ca.crt, namespace).  Read it anew
 * when kube_config_stale says so: the kubelet replaces the token in time.
 */
int kube_config_account(int dirfd, const char *server,
    struct kube_config *ret, struct err *err);
/* kube_config_file(fd, ret, err): the kubeconfig ${fd} from its beginning. */
int kube_config_file(int fd, struct kube_config *ret, struct err *err);
void kube_config_clear(struct kube_config *c);

/* kube_config_server(ret): https://… of KUBERNETES_SERVICE_HOST and _PORT, the
 * caller's; NULL outside of a cluster. */
char *kube_config_server(void);

/* kube_token_claims: of the account's token, unverified (it is our own): the
 * node that it is bound to and when it ends (wall s); "" and 0 when absent.
 * The strings are the caller's. */
void kube_token_claims(const struct secret *token, char **ret_node,
    char **ret_node_uid, char **ret_pod_uid, int64_t *ret_expires);

#endif
