/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/object.h"

/* --- kinds --------------------------------------------------------------- */

struct kind_row {
	const char *api_version, *kind_name;	/* NULL: any kind */
	enum object_kind kind;
	int cluster;		/* has no namespace */
};

/* First match wins; a group without its version ends in "/". */
static const struct kind_row kinds[] = {
	{ "external-secrets.io/v1", "ExternalSecret", OBJ_EXTERNAL_SECRET, 0 },
	{ "external-secrets.io/v1", "SecretStore", OBJ_SECRET_STORE, 0 },
	{ "external-secrets.io/v1", "ClusterSecretStore",
	    OBJ_CLUSTER_SECRET_STORE, 1 },
	{ "external-secrets.io/", "ClusterSecretStore", OBJ_NOT_SERVED, 1 },
	{ "external-secrets.io/", "ClusterExternalSecret", OBJ_NOT_SERVED, 1 },
	{ "external-secrets.io/", "ClusterPushSecret", OBJ_NOT_SERVED, 1 },
	{ "external-secrets.io/", NULL, OBJ_NOT_SERVED, 0 },
	{ "generators.external-secrets.io/v1alpha1", "GeneratorState",
	    OBJ_OTHER, 0 },
	{ "generators.external-secrets.io/v1alpha1", "ClusterGenerator",
	    OBJ_GENERATOR, 1 },
	{ "generators.external-secrets.io/v1alpha1", NULL, OBJ_GENERATOR, 0 },
	{ "generators.external-secrets.io/", NULL, OBJ_NOT_SERVED, 0 },
	{ "v1", "Secret", OBJ_SECRET, 0 },
	{ "v1", "ConfigMap", OBJ_CONFIG_MAP, 0 },
	{ "v1", "Namespace", OBJ_NAMESPACE, 1 },
	{ "v1", "ServiceAccount", OBJ_SERVICE_ACCOUNT, 0 },
	{ "nodeseal.dev/v1alpha1", "HostProjection", OBJ_HOST_PROJECTION, 0 },
	{ "nodeseal.dev/", "NodeSeal", OBJ_OTHER, 1 },
	{ "nodeseal.dev/", NULL, OBJ_NOT_SERVED, 0 },
	/* Neighbours in a manifest that would otherwise get a namespace. */
	{ "v1", "Node", OBJ_OTHER, 1 },
	{ "v1", "PersistentVolume", OBJ_OTHER, 1 },
	{ "rbac.authorization.k8s.io/", "ClusterRole", OBJ_OTHER, 1 },
	{ "rbac.authorization.k8s.io/", "ClusterRoleBinding", OBJ_OTHER, 1 },
	{ "apiextensions.k8s.io/", NULL, OBJ_OTHER, 1 },
	{ "storage.k8s.io/", NULL, OBJ_OTHER, 1 }
};

static int
version_is(const char *have, const char *want)
{
	size_t n = strlen(want);

	if (want[n - 1] == '/')
		return (strncmp(have, want, n) == 0);
	return (strcmp(have, want) == 0);
}

static const struct kind_row *
kind_find(const char *api_version, const char *kind_name)
{
	static const struct kind_row other = { "", NULL, OBJ_OTHER, 0 };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (version_is(api_version, kinds[i].api_version) &&
		    (kinds[i].kind_name == NULL ||
		    strcmp(kind_name, kinds[i].kind_name) == 0))
			return (&kinds[i]);
	return (&other);
}

/* --- metadata ------------------------------------------------------------ */

static void
free_text(void *p)
{
	free(p);
}

static struct strmap *
text_map(const struct json *j)
{
	struct strmap *m = strmap_new(free_text);

	if (!json_is(j, JSON_OBJECT))
		return (m);
	for (const struct json *v = json_first(j); v != NULL; v = json_next(v))
		if (json_str(v) != NULL)
			strmap_put(m, json_key(v), str_dup(json_str(v)));
	return (m);
}

static const char *
text_at(const struct json *obj, const char *key)
{
	return (json_is(obj, JSON_OBJECT) ?
	    str_or(json_str(json_get(obj, key)), "") : "");
}

static int64_t
whole_at(const struct json *obj, const char *key)
{
	double d = json_is(obj, JSON_OBJECT) ?
	    json_num(json_get(obj, key), 0) : 0;

	return (d > 0 && d < 9e15 ? (int64_t)d : 0);
}

int
object_meta_parse(const struct json *obj, const char *ns,
    struct object_meta *ret, struct err *err)
{
	const struct json *meta = NULL;
	const struct kind_row *row;

	if (!json_is(obj, JSON_OBJECT))
		return (err_set(err, ERR_INVALID, "not an object"));
	if (text_at(obj, "kind")[0] == '\0')
		return (err_set(err, ERR_INVALID, "no kind"));
	meta = json_get(obj, "metadata");
	if (text_at(meta, "name")[0] == '\0')
		return (err_set(err, ERR_INVALID, "%s: no metadata.name",
		    text_at(obj, "kind")));
	row = kind_find(text_at(obj, "apiVersion"), text_at(obj, "kind"));
	*ret = (struct object_meta){
		.kind = row->kind,
		.api_version = str_dup(text_at(obj, "apiVersion")),
		.kind_name = str_dup(text_at(obj, "kind")),
		.ns = str_dup(row->cluster ? "" :
		    str_or(text_at(meta, "namespace"), ns == NULL ? "" : ns)),
		.name = str_dup(text_at(meta, "name")),
		.uid = str_dup(text_at(meta, "uid")),
		.generation = whole_at(meta, "generation"),
		.labels = text_map(json_get(meta, "labels")),
		.annotations = text_map(json_get(meta, "annotations")),
	};
	return (0);
}

void
object_meta_clear(struct object_meta *m)
{
	free(m->api_version);
	free(m->kind_name);
	free(m->ns);
	free(m->name);
	free(m->uid);
	strmap_free(m->labels);
	strmap_free(m->annotations);
	*m = (struct object_meta){ 0 };
}

char *
object_key(const char *kind_name, const char *ns, const char *name)
{
	size_t k = strlen(kind_name), n = strlen(ns), m = strlen(name);
	char *key = mem_alloc(k + n + m + 3);

	memcpy(key, kind_name, k);
	key[k] = '/';
	memcpy(key + k + 1, ns, n);
	key[k + n + 1] = '/';
	memcpy(key + k + n + 2, name, m);
	return (key);
}
