/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "model/es_internal.h"

/* spec.data[] and spec.dataFrom[]: config/crds/bases/external-secrets.io_
 * externalsecrets.yaml of ESO 2.9.0, eso.md 1.2. */

#define RECORD(table, ...) { .fields = (table), \
	.nfields = ARRAY_LEN(table), __VA_ARGS__ }

static const char *const conversions[] = { "Default", "Unicode", NULL };
static const char *const decodings[] = { "Auto", "Base64", "Base64URL", "None",
	NULL };
static const char *const metadata_policies[] = { "None", "Fetch", NULL };
static const char *const null_bytes[] = { "Ignore", "Fail", NULL };

static const struct text_rule rule_conversion = { .choices = conversions };
const struct text_rule es_rule_decoding = { .choices = decodings };
static const struct text_rule rule_metadata = { .choices = metadata_policies };
static const struct text_rule rule_null_byte = { .choices = null_bytes };

/* --- references ---------------------------------------------------------- */

static const char *const store_kinds[] = { "SecretStore", "ClusterSecretStore",
	NULL };
static const struct text_rule rule_store_kind = { .choices = store_kinds };

/* No default for kind: the API server sets none, ESO takes "" for
 * SecretStore; es_parse writes that down. */
#define AT(m) offsetof(struct store_ref, m)
static const struct field store_ref_fields[] = {
	{ .name = "kind", .type = FIELD_TEXT, .at = AT(kind),
	    .rule = &rule_store_kind },
	{ .name = "name", .type = FIELD_TEXT, .at = AT(name),
	    .rule = &rule_subdomain },
};
#undef AT
const struct record es_record_store_ref = RECORD(store_ref_fields,
	.size = sizeof(struct store_ref));

static const char *const generator_kinds[] = { "ACRAccessToken",
	"BeyondtrustWorkloadCredentialsDynamicSecret", "ClusterGenerator",
	"CloudsmithAccessToken", "ECRAuthorizationToken", "Fake",
	"GCRAccessToken", "GithubAccessToken", "GitlabDeployToken",
	"QuayAccessToken", "Password", "SSHKey", "STSSessionToken", "UUID",
	"VaultDynamicSecret", "Webhook", "Grafana", "MFA", NULL };
static const struct text_rule rule_generator_kind = {
	.choices = generator_kinds
};

#define AT(m) offsetof(struct generator_ref, m)
static const struct field generator_ref_fields[] = {
	{ .name = "apiVersion", .type = FIELD_TEXT, .at = AT(api_version),
	    .value = "generators.external-secrets.io/v1alpha1" },
	{ .name = "kind", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(kind), .rule = &rule_generator_kind },
	{ .name = "name", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(name), .rule = &rule_subdomain },
};
#undef AT
static const struct record generator_ref = RECORD(generator_ref_fields,
	.size = sizeof(struct generator_ref));

#define AT(m) offsetof(struct remote_ref, m)
static const struct field remote_ref_fields[] = {
	{ .name = "conversionStrategy", .type = FIELD_TEXT,
	    .at = AT(conversion), .rule = &rule_conversion },
	{ .name = "decodingStrategy", .type = FIELD_TEXT, .at = AT(decoding),
	    .rule = &es_rule_decoding },
	{ .name = "key", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(key) },
	{ .name = "metadataPolicy", .type = FIELD_TEXT,
	    .at = AT(metadata_policy), .rule = &rule_metadata },
	{ .name = "nullBytePolicy", .type = FIELD_TEXT, .at = AT(null_byte),
	    .rule = &rule_null_byte },
	{ .name = "property", .type = FIELD_TEXT, .at = AT(property) },
	{ .name = "version", .type = FIELD_TEXT, .at = AT(version) },
};
#undef AT
static const struct record remote_ref = RECORD(remote_ref_fields,
	.size = sizeof(struct remote_ref));

/* --- data[] -------------------------------------------------------------- */

#define AT(m) offsetof(struct es_data, m)
static const struct field data_source_fields[] = {
	{ .name = "generatorRef", .type = FIELD_OBJECT, .at = AT(generator),
	    .record = &generator_ref },
	{ .name = "storeRef", .type = FIELD_OBJECT, .at = AT(store),
	    .record = &es_record_store_ref },
};
static const struct record data_source = RECORD(data_source_fields,
	.size = sizeof(struct es_data), .min_props = 1, .max_props = 1);

/* sourceRef's own fields lie in the entry itself: its offset is 0. */
static const struct field data_fields[] = {
	{ .name = "remoteRef", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
	    .at = AT(remote), .record = &remote_ref },
	{ .name = "secretKey", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(secret_key), .rule = &rule_secret_key },
	{ .name = "sourceRef", .type = FIELD_OBJECT, .at = 0,
	    .count_at = AT(has_source), .record = &data_source },
};
#undef AT
const struct record es_record_data = RECORD(data_fields,
	.size = sizeof(struct es_data));

/* --- dataFrom[].rewrite -------------------------------------------------- */

static const char *const conflicts[] = { "Ignore", "Error", NULL };
static const char *const priorities[] = { "IgnoreNotFound", "Strict", NULL };
static const char *const strategies[] = { "Extract", "JSON", NULL };
static const struct text_rule rule_conflict = { .choices = conflicts };
static const struct text_rule rule_priority = { .choices = priorities };
static const struct text_rule rule_strategy = { .choices = strategies };

#define AT(m) offsetof(struct rewrite_op, m)
static const struct field merge_fields[] = {
	{ .name = "conflictPolicy", .type = FIELD_TEXT,
	    .at = AT(conflict_policy), .value = "Error",
	    .rule = &rule_conflict },
	{ .name = "into", .type = FIELD_TEXT, .at = AT(into) },
	{ .name = "priority", .type = FIELD_TEXTS, .at = AT(priority),
	    .count_at = AT(npriority) },
	{ .name = "priorityPolicy", .type = FIELD_TEXT,
	    .at = AT(priority_policy), .value = "Strict",
	    .rule = &rule_priority },
	{ .name = "strategy", .type = FIELD_TEXT, .at = AT(strategy),
	    .value = "Extract", .rule = &rule_strategy },
};
static const struct field regexp_fields[] = {
	{ .name = "source", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(source) },
	{ .name = "target", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(target) },
};
static const struct field transform_fields[] = {
	{ .name = "template", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(template_text) },
};
static const struct record merge = RECORD(merge_fields);
static const struct record regexp = RECORD(regexp_fields);
static const struct record transform = RECORD(transform_fields);

static const struct field rewrite_fields[] = {
	{ .name = "merge", .type = FIELD_OBJECT, .record = &merge },
	{ .name = "regexp", .type = FIELD_OBJECT, .record = &regexp },
	{ .name = "transform", .type = FIELD_OBJECT, .record = &transform },
};
#undef AT

static int
has(const struct json *obj, const char *key)
{
	return (json_is(json_get(obj, key), JSON_OBJECT));
}

static void
rewrite_done(void *base, const struct json *obj)
{
	struct rewrite_op *op = base;

	op->kind = has(obj, "regexp") ? REWRITE_REGEXP :
	    has(obj, "transform") ? REWRITE_TRANSFORM : REWRITE_MERGE;
}

static const struct record rewrite = RECORD(rewrite_fields,
	.size = sizeof(struct rewrite_op), .min_props = 1, .max_props = 1,
	.done = rewrite_done);

/* --- dataFrom[] ---------------------------------------------------------- */

#define AT(m) offsetof(struct find_ref, m)
/* find.name: {} is a regexp that matches everything; absent is absent. */
static const struct field find_name_fields[] = {
	{ .name = "regexp", .type = FIELD_TEXT, .flags = FIELD_NULL,
	    .at = AT(name_regexp), .value = "" },
};
static const struct record find_name = RECORD(find_name_fields);

static const struct field find_fields[] = {
	{ .name = "conversionStrategy", .type = FIELD_TEXT,
	    .at = AT(conversion), .rule = &rule_conversion },
	{ .name = "decodingStrategy", .type = FIELD_TEXT, .at = AT(decoding),
	    .rule = &es_rule_decoding },
	{ .name = "name", .type = FIELD_OBJECT, .record = &find_name },
	{ .name = "nullBytePolicy", .type = FIELD_TEXT, .at = AT(null_byte),
	    .rule = &rule_null_byte },
	{ .name = "path", .type = FIELD_TEXT, .flags = FIELD_NULL,
	    .at = AT(path) },
	{ .name = "tags", .type = FIELD_MAP, .at = AT(tags) },
};
#undef AT
static const struct record find = RECORD(find_fields,
	.size = sizeof(struct find_ref));

#define AT(m) offsetof(struct es_data_from, m)
static const struct field from_source_fields[] = {
	{ .name = "generatorRef", .type = FIELD_OBJECT, .at = AT(generator),
	    .record = &generator_ref },
	{ .name = "storeRef", .type = FIELD_OBJECT, .at = AT(store),
	    .record = &es_record_store_ref },
};
static const struct record from_source = RECORD(from_source_fields,
	.size = sizeof(struct es_data_from), .min_props = 1, .max_props = 1);

static const struct field from_fields[] = {
	{ .name = "extract", .type = FIELD_OBJECT, .at = AT(extract),
	    .record = &remote_ref },
	{ .name = "find", .type = FIELD_OBJECT, .at = AT(find),
	    .record = &find },
	{ .name = "rewrite", .type = FIELD_OBJECTS, .at = AT(rewrite),
	    .count_at = AT(nrewrite), .record = &rewrite },
	{ .name = "sourceRef", .type = FIELD_OBJECT, .at = 0,
	    .record = &from_source },
};
#undef AT

static void
from_done(void *base, const struct json *obj)
{
	struct es_data_from *d = base;

	d->kind = has(obj, "find") ? ES_FROM_FIND :
	    has(obj, "extract") ? ES_FROM_EXTRACT :
	    has(json_get(obj, "sourceRef"), "generatorRef") ?
	    ES_FROM_GENERATOR : ES_FROM_NOTHING;
}

const struct record es_record_from = RECORD(from_fields,
	.size = sizeof(struct es_data_from), .done = from_done);
