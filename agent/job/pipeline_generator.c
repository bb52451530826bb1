/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "generator/generator.h"
#include "job/pipeline_internal.h"

/* runtime/esutils/resolvers/generator.go */

#define GENERATOR_GROUP "generators.external-secrets.io"
#define UNABLE "unable to get generator: "

/* The API server's "not found" of a generator, with the kind's plural, unless
 * something else was in the way. */
static int
absent(const struct run *run, const char *kind, const char *ns,
    const char *name, struct err *err)
{
	cleanup_free char *plural = str_fmt("%ss", kind);
	char *p;

	for (p = plural; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return (objects_why(run->p->objects, kind, ns, name, err,
	    UNABLE "%s." GENERATOR_GROUP " \"%s\" not found", plural, name));
}

/* schema.ParseGroupVersion, and the two checks behind it. */
static int
check_group(const struct generator_ref *ref, struct err *err)
{
	const char *slash = strchr(ref->api_version, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - ref->api_version);
	const char *version = slash == NULL ? ref->api_version : slash + 1;

	if (slash != NULL && strchr(version, '/') != NULL)
		return (err_set(err, ERR_INVALID, UNABLE "terminal error: "
		    "generatorRef has invalid APIVersion: unexpected "
		    "GroupVersion string: %s", ref->api_version));
	if (len != strlen(GENERATOR_GROUP) || strncmp(ref->api_version,
	    GENERATOR_GROUP, len) != 0)
		return (err_set(err, ERR_INVALID, UNABLE "terminal error: "
		    "generatorRef may only reference the generators group, "
		    "but got %.*s", (int)len, ref->api_version));
	if (strcmp(version, "v1alpha1") != 0 ||
	    (!generator_known(ref->kind) &&
	    strcmp(ref->kind, "ClusterGenerator") != 0))
		return (err_set(err, ERR_INVALID, UNABLE "terminal error: "
		    "generatorRef references unknown GVK %s, Kind=%s",
		    ref->api_version, ref->kind));
	return (0);
}

/* A ClusterGenerator wraps the spec of another kind. */
static int
unwrap(const struct json *obj, const char **ret_kind,
    const struct json **ret_spec, struct err *err)
{
	const char *kind = str_or(json_str(json_path(obj, "spec.kind")), "");
	const struct generator *g = generator_find(kind);
	const struct json *all = json_path(obj, "spec.generator");

	if (!generator_known(kind))
		return (err_set(err, ERR_INVALID, UNABLE "terminal error: "
		    "invalid ClusterGenerator: unknown kind %s", kind));
	*ret_kind = kind;
	*ret_spec = g == NULL ? NULL : json_get(all, g->cluster_key);
	if (g != NULL && !json_is(*ret_spec, JSON_OBJECT))
		return (err_set(err, ERR_INVALID, UNABLE "terminal error: "
		    "invalid ClusterGenerator: when kind is %s, %c%s must be "
		    "set", kind, toupper((unsigned char)g->cluster_key[0]),
		    g->cluster_key + 1));
	return (0);
}

int
generator_resolve(struct run *run, const struct generator_ref *ref,
    const char **ret_kind, const struct json **ret_spec,
    const struct json **ret_obj, struct err *err)
{
	const char *ns = run->es->meta.ns;
	const struct json *obj;

	if (check_group(ref, err) == -1)
		return (-1);
	if (strcmp(ref->kind, "ClusterGenerator") == 0)
		ns = "";
	obj = objects_get(run->p->objects, ref->kind, ns, ref->name);
	if (obj == NULL)
		return (absent(run, ref->kind, ns, ref->name, err));
	*ret_obj = obj;
	if (ns[0] == '\0')
		return (unwrap(obj, ret_kind, ret_spec, err));
	*ret_kind = ref->kind;
	*ret_spec = json_get(obj, "spec");
	return (0);
}

int
generator_values(struct run *run, const struct generator_ref *ref,
    struct kv *ret, struct err *err)
{
	const struct json *spec, *obj;
	const struct generator *g;
	const char *kind;

	if (generator_resolve(run, ref, &kind, &spec, &obj, err) == -1)
		return (-1);
	if ((g = generator_find(kind)) == NULL)
		return (err_set(err, ERR_INVALID, "generator \"%s\" is not "
		    "supported by this version: use a store or one of Fake, "
		    "Password, UUID", kind));
	if (g->generate(spec, ret, err) == -1)
		return (err_wrap(err, "error using generator"));
	return (0);
}
