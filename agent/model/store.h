/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_STORE_H
#define MODEL_STORE_H

#include "model/object.h"
#include "model/offline.h"

/* SecretStore and ClusterSecretStore (eso.md 1.4). */
struct store_condition {
	struct json *selector;	/* namespaceSelector, owned; NULL absent */
	char **namespaces;
	size_t nnamespaces;
	char **regexes;
	size_t nregexes;
};

struct store {
	struct object_meta meta;
	char *controller;	/* class; "" for none */
	char *provider;		/* the one key of spec.provider; "" none */
	struct json *spec;	/* spec.provider.<key>, owned; may be NULL */
	int max_retries;	/* retrySettings; -1 when absent */
	char *retry_interval;	/* "" when absent */
	int has_retry;		/* retrySettings is there, whatever is in it */
	int64_t refresh_interval_ms;	/* 0: the default of 5 min */
	struct store_condition *conditions;
	size_t nconditions;
	struct offline_policy offline;	/* ceiling for all users */
};

/* store_parse: as es_parse, for both kinds.  What is below spec.provider.<key>
 * is the driver's to check (provider/provider.h). */
int store_parse(const struct json *obj, const char *ns, struct store **ret,
    struct findings *findings, struct err *err);
void store_free(struct store *s);

/* store_provider_known: every key that ESO 2.9.0 knows below spec.provider. */
int store_provider_known(const char *key);
/* store_check_regexes(s, check, f): spec.conditions[].namespaceRegexes, which
 * the webhook compiles.  ${check} is value/regex's compiler (a floor above):
 * 0, or -1 with Go's text. */
void store_check_regexes(const struct store *s,
    int (*check)(const char *pattern, struct err *err), struct findings *f);

/* store_is_ours: class rule of DESIGN.md §5. */
int store_is_ours(const struct store *s, const char *class_name,
    int claim_unclassed);

/* selector_check(selector, err): INVALID with the text of apimachinery's
 * LabelSelectorAsSelector for an operator it does not know, or values that do
 * not fit the operator; selector_match calls such a selector no match. */
int selector_check(const struct json *selector, struct err *err);

/**
 * selector_match(selector, labels): a Kubernetes LabelSelector (matchLabels,
 * matchExpressions In NotIn Exists DoesNotExist) against labels (to char *).
 * NULL and {} match everything.
 */
int selector_match(const struct json *selector, const struct strmap *labels);

#endif
