/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_KUBERNETES_INTERNAL_H
#define PROVIDER_KUBERNETES_INTERNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strmap.h"
#include "model/external_secret.h"
#include "value/kv.h"

/*
 * What becomes of a Secret of another cluster: pure, a fuzz target
 * (kubernetes_parse.c).  ESO 2.9.0 providers/v1/kubernetes/client.go.
 */
#define K8S_VALUE_MAX (8u << 20)

/* k8s_whole(secret, out, err): {"key":"text",…}, as JSONMarshal of a
 * map[string]string: bytes that are not UTF-8 become U+FFFD. */
int k8s_whole(const struct json *secret, struct buf *out, struct err *err);
/* k8s_value(secret, ref, out, err): GetSecret behind its request. */
int k8s_value(const struct json *secret, const struct remote_ref *ref,
    struct buf *out, struct err *err);
/* k8s_values(secret, ref, ret, err): GetSecretMap behind its request. */
int k8s_values(const struct json *secret, const struct remote_ref *ref,
    struct kv *ret, struct err *err);

/* k8s_selector(tags, ret, err): "&labelSelector=…", the caller's; INVALID with
 * apimachinery's complaint about a label. */
int k8s_selector(const struct strmap *tags, char **ret, struct err *err);
/* k8s_escape(s): for a query, the caller's. */
char *k8s_escape(const char *s);
/* k8s_rules_allow(review): a SelfSubjectRulesReview that lets one get
 * Secrets. */
int k8s_rules_allow(const struct json *review);

#endif
