/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "model/external_secret.h"
#include "model/host_projection.h"
#include "model/schema.h"
#include "model/store.h"

static const struct field metadata_fields[] = {
	{ .name = "annotations", .type = FIELD_KNOWN },
	{ .name = "creationTimestamp", .type = FIELD_KNOWN },
	{ .name = "deletionGracePeriodSeconds", .type = FIELD_KNOWN },
	{ .name = "deletionTimestamp", .type = FIELD_KNOWN },
	{ .name = "finalizers", .type = FIELD_KNOWN },
	{ .name = "generateName", .type = FIELD_KNOWN },
	{ .name = "generation", .type = FIELD_KNOWN },
	{ .name = "labels", .type = FIELD_KNOWN },
	{ .name = "managedFields", .type = FIELD_KNOWN },
	{ .name = "name", .type = FIELD_KNOWN },
	{ .name = "namespace", .type = FIELD_KNOWN },
	{ .name = "ownerReferences", .type = FIELD_KNOWN },
	{ .name = "resourceVersion", .type = FIELD_KNOWN },
	{ .name = "selfLink", .type = FIELD_KNOWN },
	{ .name = "uid", .type = FIELD_KNOWN },
};
const struct record object_metadata = {
	.fields = metadata_fields, .nfields = ARRAY_LEN(metadata_fields)
};

/* Core kinds, as far as references read them. */
static const struct field secret_fields[] = {
	{ .name = "apiVersion", .type = FIELD_KNOWN },
	{ .name = "data", .type = FIELD_MAP },
	{ .name = "immutable", .type = FIELD_BOOL },
	{ .name = "kind", .type = FIELD_KNOWN },
	{ .name = "metadata", .type = FIELD_OBJECT,
	    .record = &object_metadata },
	{ .name = "stringData", .type = FIELD_MAP },
	{ .name = "type", .type = FIELD_TEXT },
};
static const struct field config_map_fields[] = {
	{ .name = "apiVersion", .type = FIELD_KNOWN },
	{ .name = "binaryData", .type = FIELD_MAP },
	{ .name = "data", .type = FIELD_MAP },
	{ .name = "immutable", .type = FIELD_BOOL },
	{ .name = "kind", .type = FIELD_KNOWN },
	{ .name = "metadata", .type = FIELD_OBJECT,
	    .record = &object_metadata },
};
static const struct record secret = {
	.fields = secret_fields, .nfields = ARRAY_LEN(secret_fields)
};
static const struct record config_map = {
	.fields = config_map_fields, .nfields = ARRAY_LEN(config_map_fields)
};

#define ANNOTATIONS_MAX (256u << 10)	/* bytes; TotalAnnotationSizeLimitB */

/* apimachinery pkg/api/validation/objectmeta.go, and meta/v1/validation for
 * labels; names of our kinds are DNS-1123 subdomains, namespaces labels. */

static void
reject(struct findings *f, const struct json *node, const char *field,
    const char *value, char *why)
{
	cleanup_free char *own = why;
	cleanup_buf struct buf q = BUF_PLAIN(64u << 10);

	if (own == NULL)
		return;
	go_quote(&q, value);
	findings_reject(f, FINDING_API, node, field, "Invalid value: %s: %s",
	    buf_str(&q), own);
}

static void
check_labels(const struct json *meta, const struct object_meta *m,
    struct findings *f)
{
	const struct json *node = json_get(meta, "labels");

	for (size_t i = strmap_next(m->labels, 0); i != 0;
	    i = strmap_next(m->labels, i)) {
		const char *key = strmap_key(m->labels, i);
		const char *value = strmap_val(m->labels, i);

		reject(f, node, "metadata.labels", key, name_label_key(key));
		reject(f, node, "metadata.labels", value,
		    name_label_value(value));
	}
}

static void
check_annotations(const struct json *meta, const struct object_meta *m,
    struct findings *f)
{
	const struct json *node = json_get(meta, "annotations");
	size_t total = 0;

	for (size_t i = strmap_next(m->annotations, 0); i != 0;
	    i = strmap_next(m->annotations, i)) {
		const char *key = strmap_key(m->annotations, i);
		cleanup_free char *lower = str_dup(key);

		for (char *p = lower; *p != '\0'; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p - 'A' + 'a');
		reject(f, node, "metadata.annotations", key,
		    name_label_key(lower));
		total += strlen(key) +
		    strlen(strmap_val(m->annotations, i));
	}
	if (total > ANNOTATIONS_MAX)
		findings_reject(f, FINDING_API, node, "metadata.annotations",
		    "Too long: may not be more than %u bytes",
		    ANNOTATIONS_MAX);
}

/* A label that is a number in YAML: the API server cannot even decode it. */
static void
check_map_types(const struct json *meta, const char *key, struct findings *f)
{
	const struct json *map = json_get(meta, key);

	if (!json_is(map, JSON_OBJECT))
		return;
	for (const struct json *v = json_first(map); v != NULL;
	    v = json_next(v)) {
		cleanup_free char *where = NULL;

		if (json_is(v, JSON_STRING) || json_is(v, JSON_NULL))
			continue;
		where = str_fmt("metadata.%s.%s", key, json_key(v));
		findings_add(f, FINDING_REJECT, v, where, "put it in quotes",
		    "must be text");
	}
}

void
object_meta_check(const struct json *obj, const struct object_meta *m,
    struct findings *f)
{
	const struct json *meta = json_get(obj, "metadata");
	const struct json *name = json_get(meta, "name");

	if (f == NULL)
		return;
	reject(f, name, "metadata.name", m->name,
	    m->kind == OBJ_NAMESPACE ? name_dns_label_problem(m->name) :
	    name_subdomain_problem(m->name));
	if (m->ns[0] != '\0')
		reject(f, json_get(meta, "namespace"), "metadata.namespace",
		    m->ns, name_dns_label_problem(m->ns));
	check_map_types(meta, "labels", f);
	check_map_types(meta, "annotations", f);
	check_labels(meta, m, f);
	check_annotations(meta, m, f);
}

/* --- one object of any kind ---------------------------------------------- */

static int
check_parsed(const struct json *obj, const char *ns, enum object_kind kind,
    struct findings *f, struct err *err)
{
	struct external_secret *es = NULL;
	struct host_projection *hp = NULL;
	struct store *store = NULL;
	int r;

	if (kind == OBJ_EXTERNAL_SECRET)
		r = es_parse(obj, ns, &es, f, err);
	else if (kind == OBJ_HOST_PROJECTION)
		r = hp_parse(obj, ns, &hp, f, err);
	else
		r = store_parse(obj, ns, &store, f, err);
	es_free(es);
	hp_free(hp);
	store_free(store);
	return (r);
}

static void
say_not_served(const struct object_meta *m, const struct json *obj,
    struct findings *f)
{
	int old = strcmp(m->kind_name, "ExternalSecret") == 0 ||
	    strcmp(m->kind_name, "SecretStore") == 0 ||
	    strcmp(m->kind_name, "ClusterSecretStore") == 0;

	findings_add(f, FINDING_WARN, obj, "", old ?
	    "write apiVersion: external-secrets.io/v1" : "", old ?
	    "%s of version %s is not served" : "%s (%s) is not served by a "
	    "node's agent", m->kind_name, m->api_version);
}

int
object_check(const struct json *obj, const char *ns, struct findings *f,
    struct err *err)
{
	struct object_meta m;
	int r = 0;

	if (object_meta_parse(obj, ns, &m, err) == -1)
		return (-1);
	switch (m.kind) {
	case OBJ_EXTERNAL_SECRET:
	case OBJ_HOST_PROJECTION:
	case OBJ_SECRET_STORE:
	case OBJ_CLUSTER_SECRET_STORE:
		r = check_parsed(obj, ns, m.kind, f, err);
		break;
	case OBJ_NOT_SERVED:
		say_not_served(&m, obj, f);
		break;
	case OBJ_OTHER:
		findings_add(f, FINDING_WARN, obj, "", "", "%s (%s) is not "
		    "ours; ignored", m.kind_name, m.api_version);
		break;
	default:
		object_meta_check(obj, &m, f);
		if (m.kind == OBJ_SECRET)
			record_parse(&secret, obj, NULL, NULL, f);
		else if (m.kind == OBJ_CONFIG_MAP)
			record_parse(&config_map, obj, NULL, NULL, f);
	}
	object_meta_clear(&m);
	return (r);
}
