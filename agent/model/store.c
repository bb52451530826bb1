/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/head.h"
#include "model/schema.h"
#include "model/store.h"

/* SecretStore and ClusterSecretStore: config/crds/bases of ESO 2.9.0,
 * apis/externalsecrets/v1/secretstore_types.go, secretstore_validator.go. */

#define RECORD(table, ...) { .fields = (table), \
	.nfields = ARRAY_LEN(table), __VA_ARGS__ }

/* --- spec.provider ------------------------------------------------------- */

static const char *const provider_keys[] = { "akeyless", "aws", "azurekv",
	"barbican", "beyondtrust", "beyondtrustworkloadcredentials",
	"bitwardensecretsmanager", "chef", "cloudrusm", "conjur", "crd",
	"delinea", "doppler", "dvls", "fake", "fortanix", "gcpsm", "github",
	"gitlab", "ibm", "infisical", "keepersecurity", "kubernetes",
	"nebiusmysterybox", "ngrok", "onboardbase", "onepassword",
	"onepasswordSDK", "openBao", "oracle", "ovh", "passbolt",
	"passworddepot", "previder", "pulumi", "scaleway", "secretserver",
	"senhasegura", "vault", "volcengine", "webhook",
	"yandexcertificatemanager", "yandexlockbox" };

#define PROVIDERS ARRAY_LEN(provider_keys)

int
store_provider_known(const char *key)
{
	for (size_t i = 0; i < PROVIDERS; i++)
		if (strcmp(provider_keys[i], key) == 0)
			return (1);
	return (0);
}

/* The words that the record mechanism would use for a table of 43 objects;
 * the names are shared with store_provider_known instead. */
static void
unknown_provider(const struct json *v, struct findings *f)
{
	cleanup_free char *where = str_fmt("spec.provider.%s", json_key(v));
	cleanup_free char *remedy = NULL;
	const char *near = schema_nearest(json_key(v), provider_keys,
	    sizeof(provider_keys[0]), PROVIDERS);

	remedy = near == NULL ? str_dup("") :
	    str_fmt("did you mean \"%s\"?", near);
	findings_add(f, FINDING_WARN, v, where, remedy, "unknown field");
}

static void
check_provider_count(const struct json *provider, size_t n, struct findings *f)
{
	if (n == 0)
		findings_reject(f, FINDING_SCHEMA, provider, "spec.provider",
		    "Invalid value: 0: spec.provider in body should have at "
		    "least 1 properties");
	else if (n > 1)
		findings_reject(f, FINDING_SCHEMA, provider, "spec.provider",
		    "Too many: %zu: must have at most 1 item", n);
}

static void
parse_provider(struct store *s, const struct json *provider,
    struct findings *f)
{
	size_t n = 0;

	if (!json_is(provider, JSON_OBJECT))
		return;
	for (const struct json *v = json_first(provider); v != NULL;
	    v = json_next(v)) {
		if (!store_provider_known(json_key(v))) {
			if (f != NULL && f->n < FINDINGS_MAX)
				unknown_provider(v, f);
			continue;
		}
		if (json_is(v, JSON_NULL) ||
		    v != json_get(provider, json_key(v)))
			continue;
		if (n++ == 0) {
			free(s->provider);
			s->provider = str_dup(json_key(v));
			s->spec = json_copy(v);
		}
	}
	check_provider_count(provider, n, f);
}

/* --- the rest of the spec ------------------------------------------------ */

#define AT(m) offsetof(struct store_condition, m)
static const struct field condition_fields[] = {
	{ .name = "namespaceRegexes", .type = FIELD_TEXTS, .at = AT(regexes),
	    .count_at = AT(nregexes) },
	{ .name = "namespaceSelector", .type = FIELD_JSON, .at = AT(selector),
	    .record = &selector_record },
	{ .name = "namespaces", .type = FIELD_TEXTS, .at = AT(namespaces),
	    .count_at = AT(nnamespaces), .rule = &rule_label },
};
#undef AT
static const struct record condition = RECORD(condition_fields,
	.size = sizeof(struct store_condition));

#define AT(m) offsetof(struct store, m)
static const struct field retry_fields[] = {
	{ .name = "maxRetries", .type = FIELD_INT, .at = AT(max_retries) },
	{ .name = "retryInterval", .type = FIELD_TEXT,
	    .at = AT(retry_interval) },
};
static const struct record retry = RECORD(retry_fields);

static const struct field spec_fields[] = {
	{ .name = "conditions", .type = FIELD_OBJECTS, .at = AT(conditions),
	    .count_at = AT(nconditions), .record = &condition },
	{ .name = "controller", .type = FIELD_TEXT, .at = AT(controller) },
	{ .name = "provider", .type = FIELD_JSON,
	    .flags = FIELD_REQUIRED | FIELD_CHECK },
	{ .name = "refreshInterval", .type = FIELD_KNOWN,
	    .flags = FIELD_INT_OR_TEXT },
	{ .name = "retrySettings", .type = FIELD_OBJECT,
	    .count_at = AT(has_retry), .record = &retry },
};
static const struct record spec = RECORD(spec_fields);

static const struct field root_fields[] = {
	{ .name = "apiVersion", .type = FIELD_KNOWN },
	{ .name = "kind", .type = FIELD_KNOWN },
	{ .name = "metadata", .type = FIELD_OBJECT, .flags = FIELD_CHECK,
	    .record = &object_metadata },
	{ .name = "spec", .type = FIELD_OBJECT, .record = &spec },
	{ .name = "status", .type = FIELD_KNOWN },
	{ .name = HEAD_REFS, .type = FIELD_KNOWN },
	{ .name = HEAD_HOST, .type = FIELD_KNOWN },
};
#undef AT
static const struct record root = RECORD(root_fields);

/* SecretStoreSpec.GetRefreshInterval: whole seconds, or a Go duration. */
static void
parse_refresh(struct store *s, const struct json *v, struct findings *f)
{
	static const char field[] = "spec.refreshInterval";
	cleanup_buf struct buf q = BUF_PLAIN(64u << 10);
	cleanup_err struct err err = ERR_INIT;
	const char *text = json_str(v);
	int64_t ms = 0;

	if (json_is(v, JSON_NUMBER)) {
		double secs = json_num(v, 0);

		if (secs < 0)
			findings_reject(f, FINDING_WEBHOOK, v, field, "invalid "
			    "refreshInterval %.0f: must not be negative", secs);
		else
			s->refresh_interval_ms = secs > INT32_MAX ?
			    INT32_MAX * INT64_C(1000) :
			    (int64_t)secs * 1000;
		return;
	}
	if (text == NULL)
		return;
	go_quote(&q, text);
	if (duration_parse(text, &ms, &err) == -1)
		findings_reject(f, FINDING_WEBHOOK, v, field,
		    "invalid refreshInterval %s: %s", buf_str(&q),
		    err_msg(&err));
	else if (ms < 0)
		findings_reject(f, FINDING_WEBHOOK, v, field, "invalid "
		    "refreshInterval %s: must not be negative", buf_str(&q));
	else
		s->refresh_interval_ms = ms;
}

int
store_parse(const struct json *obj, const char *ns, struct store **ret,
    struct findings *f, struct err *err)
{
	struct object_meta meta;
	struct store *s;

	if (object_meta_parse(obj, ns, &meta, err) == -1)
		return (-1);
	if (meta.kind != OBJ_SECRET_STORE &&
	    meta.kind != OBJ_CLUSTER_SECRET_STORE) {
		object_meta_clear(&meta);
		return (err_set(err, ERR_INVALID, "not a store"));
	}
	s = mem_alloc(sizeof(*s));
	s->meta = meta;
	s->max_retries = -1;
	s->provider = str_dup("");
	object_meta_check(obj, &s->meta, f);
	record_parse(&root, obj, NULL, s, f);
	parse_provider(s, json_path(obj, "spec.provider"), f);
	parse_refresh(s, json_path(obj, "spec.refreshInterval"), f);
	offline_parse(s->meta.annotations, json_path(obj,
	    "metadata.annotations"), &s->offline, f);
	*ret = s;
	return (0);
}

void
store_free(struct store *s)
{
	if (s == NULL)
		return;
	record_free_fields(&root, s);
	free(s->provider);
	json_free(s->spec);
	object_meta_clear(&s->meta);
	free(s);
}

void
store_check_regexes(const struct store *s,
    int (*check)(const char *pattern, struct err *err), struct findings *f)
{
	for (size_t c = 0; c < s->nconditions; c++)
		for (size_t r = 0; r < s->conditions[c].nregexes; r++) {
			cleanup_err struct err err = ERR_INIT;
			cleanup_free char *where = NULL;

			if (check(s->conditions[c].regexes[r], &err) == 0)
				continue;
			where = str_fmt("spec.conditions[%zu]."
			    "namespaceRegexes[%zu]", c, r);
			findings_reject(f, FINDING_WEBHOOK, NULL, where,
			    "failed to compile %zuth namespace regex in %zuth "
			    "condition: %s", r, c, err_msg(&err));
		}
}

int
store_is_ours(const struct store *s, const char *class_name,
    int claim_unclassed)
{
	if (s->controller[0] == '\0')
		return (claim_unclassed);
	return (strcmp(s->controller, class_name) == 0);
}
