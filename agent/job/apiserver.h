/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_APISERVER_H
#define JOB_APISERVER_H

#include "base/err.h"
#include "kube/config.h"

/*
 * Who we are to the API server, in children of the zygote.  The keeper's
 * descriptors are in the zygote; it never reads them.
 */

/* apiserver_found(): once, before anything else is opened: which of the
 * descriptors the keeper gave us.  Their numbers mean nothing otherwise.
 * Returns the account's folder, for Landlock; 0 none. */
int apiserver_found(void);
/* apiserver_close(): no such descriptor is open any more.  What every child
 * that is not to speak to the API server does first. */
void apiserver_close(void);

/**
 * apiserver_config(server, ret, err):
 * Read the account or the kubeconfig, then apiserver_close, also after a
 * failure.  ${server}: of a job's request, "" for what the environment or the
 * kubeconfig says.  ${ret} holds nothing after a failure.
 */
int apiserver_config(const char *server, struct kube_config *ret,
    struct err *err);

#endif
