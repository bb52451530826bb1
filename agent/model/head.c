/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "model/external_secret.h"
#include "model/head.h"
#include "model/store.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* A new object with the named members of ${obj}, which loses them. */
static struct json *
only(struct json *obj, const char *const *names, size_t n)
{
	struct json *kept = json_new_object();

	for (size_t i = 0; i < n; i++) {
		struct json *v = json_take(obj, names[i]);

		if (v != NULL)
			json_set(kept, names[i], v);
	}
	return (kept);
}

static void
keep_only(struct json *parent, const char *key, const char *const *names,
    size_t n)
{
	struct json *obj = json_get(parent, key);

	if (json_is(obj, JSON_OBJECT))
		json_set(parent, key, only(obj, names, n));
}

static void
drop(struct json *obj, const char *key)
{
	if (json_get(obj, key) != NULL)
		json_set(obj, key, NULL);
}

/* Annotations repeat the whole manifest, managedFields names every key. */
static void
strip_metadata(struct json *head)
{
	struct json *meta = json_get(head, "metadata");

	drop(meta, "managedFields");
	drop(json_get(meta, "annotations"), LAST_APPLIED);
}

static void
strip_external_secret(struct json *head, const struct json *obj)
{
	static const char *const keep[] = { "engineVersion", "mergePolicy",
		"type" };
	struct json *from = json_path(head, "spec.dataFrom");
	struct object_meta m;

	keep_only(json_path(head, "spec.target"), "template", keep,
	    ARRAY_LEN(keep));
	if (json_is(from, JSON_ARRAY))
		for (struct json *e = json_first(from); e != NULL;
		    e = json_next(e))
			drop(e, "rewrite");
	drop(head, HEAD_META_HASH);
	if (object_meta_parse(obj, "", &m, NULL) == 0) {
		cleanup_free char *hash = es_meta_hash(&m);

		json_set_str(head, HEAD_META_HASH, hash);
		object_meta_clear(&m);
	}
}

/* What a user calls nodesealHost is not our word. */
static void
strip_store(struct json *head)
{
	struct json *spec = json_get(head, "spec");
	struct json *bare, *provider = json_get(spec, "provider");

	drop(head, HEAD_REFS);
	drop(head, HEAD_HOST);
	if (provider == NULL)
		return;
	bare = json_new_object();
	for (const struct json *v = json_is(provider, JSON_OBJECT) ?
	    json_first(provider) : NULL; v != NULL; v = json_next(v))
		if (store_provider_known(json_key(v)) &&
		    !json_is(v, JSON_NULL))
			json_set(bare, json_key(v), json_new_object());
	json_set(spec, "provider", bare);
}

static void
strip_generator(struct json *head)
{
	static const char *const keep[] = { "controller" };

	keep_only(head, "spec", keep, ARRAY_LEN(keep));
	drop(head, "status");
}

struct json *
head_make(const struct json *obj, enum object_kind kind)
{
	static const char *const secret_keep[] = { "apiVersion", "kind",
		"metadata", "type" };
	struct json *head, *bare;

	if (!json_is(obj, JSON_OBJECT))
		return (NULL);
	head = json_copy(obj);
	strip_metadata(head);
	switch (kind) {
	case OBJ_EXTERNAL_SECRET:
		strip_external_secret(head, obj);
		break;
	case OBJ_SECRET_STORE:
	case OBJ_CLUSTER_SECRET_STORE:
		strip_store(head);
		break;
	case OBJ_SECRET:
	case OBJ_CONFIG_MAP:
		bare = only(head, secret_keep, ARRAY_LEN(secret_keep));
		json_free(head);
		return (bare);
	case OBJ_GENERATOR:
		strip_generator(head);
		break;
	default:
		break;
	}
	return (head);
}
