/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline_internal.h"

/*
 * spec.target.manifest: another kind instead of a Secret
 * (externalsecret_controller_manifest.go and reconcileGenericTarget).
 */

static const char *
target_kind(const struct run *run)
{
	return (run->es->manifest_kind);
}

static int
is_core_secret(const struct run *run)
{
	return (strcmp(run->es->manifest_api_version, "v1") == 0 &&
	    strcmp(target_kind(run), "Secret") == 0);
}

static void
put_map(struct json *meta, const char *name, const struct strmap *map)
{
	struct json *j = json_get(meta, name);
	size_t i;

	if (!json_is(j, JSON_OBJECT)) {
		j = json_new_object();
		json_set(meta, name, j);
	}
	for (i = map == NULL ? 0 : strmap_next(map, 0); i != 0;
	    i = strmap_next(map, i))
		json_set_str(j, strmap_key(map, i), strmap_val(map, i));
}

static struct json *
data_object(const struct kv *data)
{
	struct json *j = json_new_object();
	size_t i;

	for (i = strmap_next(data->map, 0); i != 0;
	    i = strmap_next(data->map, i)) {
		const struct secret *v = strmap_val(data->map, i);

		json_set(j, strmap_key(data->map, i), json_new_strn(
		    (const char *)secret_data(v), secret_len(v)));
	}
	return (j);
}

static struct json *
new_object(const struct run *run)
{
	struct json *obj = json_new_object(), *meta = json_new_object();
	int plain = strcmp(target_kind(run), "ConfigMap") == 0 ||
	    strcmp(target_kind(run), "Secret") == 0;

	json_set_str(obj, "apiVersion", run->es->manifest_api_version);
	json_set_str(obj, "kind", target_kind(run));
	json_set_str(meta, "name", run->r->target);
	json_set_str(meta, "namespace", run->es->meta.ns);
	json_set(obj, "metadata", meta);
	json_set(obj, plain ? "data" : "spec", json_new_object());
	return (obj);
}

/* createSimpleManifest */
static void
put_data(struct run *run, struct json *obj, const struct kv *data)
{
	struct json *spec;

	if (strcmp(target_kind(run), "ConfigMap") == 0) {
		json_set(obj, "data", data_object(data));
		return;
	}
	spec = json_get(obj, "spec");
	if (!json_is(spec, JSON_OBJECT)) {
		spec = json_new_object();
		json_set(obj, "spec", spec);
	}
	json_set(spec, "data", data_object(data));
}

/* genericTargetContentHash */
static char *
content_hash(const struct json *obj)
{
	const struct json *spec = json_get(obj, "spec");

	return (hash_tree(spec != NULL && !json_is(spec, JSON_NULL) ? spec :
	    json_get(obj, "data")));
}

/* applyOwnership works on a Secret's metadata; carry it over and back. */
static int
put_owner(struct run *run, struct json *meta, struct err *err)
{
	struct ksecret s;
	struct json *list = json_new_array();
	struct json *shell = json_new_object();
	size_t i;
	int why, rc;

	json_set(shell, "metadata", json_copy(meta));
	rc = ksecret_parse(shell, run->r->target, &s, err);
	json_free(shell);
	if (rc == -1) {
		json_free(list);
		return (-1);
	}
	rc = owner_apply(run->es, &s, err, &why);
	for (i = 0; i < s.nowners; i++) {
		struct json *o = json_new_object();

		json_set_str(o, "apiVersion", s.owners[i].api_version);
		if (s.owners[i].controller == 1)
			json_set_bool(o, "blockOwnerDeletion", 1);
		if (s.owners[i].controller != -1)
			json_set_bool(o, "controller", s.owners[i].controller);
		json_set_str(o, "kind", s.owners[i].kind);
		json_set_str(o, "name", s.owners[i].name);
		if (s.owners[i].uid[0] != '\0')
			json_set_str(o, "uid", s.owners[i].uid);
		json_push(list, o);
	}
	if (s.nowners > 0)
		json_set(meta, "ownerReferences", list);
	else
		json_free(list);
	json_set(meta, "labels", NULL);
	put_map(meta, "labels", s.labels);
	ksecret_clear(&s);
	return (rc);
}

/* applyTemplateToManifest; ${base} is merged into, NULL: a new object. */
static struct json *
build(struct run *run, const struct json *base, const struct kv *data,
    struct err *err)
{
	const struct external_secret *es = run->es;
	struct json *obj = base != NULL ? json_copy(base) : new_object(run);
	struct json *meta = json_get(obj, "metadata");
	char *hash;

	put_map(meta, "labels", es->tmpl != NULL ? es->tmpl->labels :
	    es->meta.labels);
	put_map(meta, "annotations", es->tmpl != NULL ?
	    es->tmpl->annotations : es->meta.annotations);
	json_set_str(json_get(meta, "labels"), LABEL_MANAGED, "true");
	if (es->tmpl == NULL)
		put_data(run, obj, data);
	else if (template_manifest(run, obj, data, err) == -1)
		goto fail;
	meta = json_get(obj, "metadata");
	hash = content_hash(obj);
	json_set_str(json_get(meta, "annotations"), ANNOTATION_HASH, hash);
	free(hash);
	if (put_owner(run, meta, err) == -1)
		goto fail;
	return (obj);
fail:
	json_free(obj);
	return (NULL);
}

/* A written core/v1 Secret: the API server drops what a Secret has not. */
static void
publish_secret(struct run *run)
{
	struct pipeline_result *r = run->r;
	struct ksecret s;

	json_set(r->manifest, "spec", NULL);
	if (json_len(json_get(r->manifest, "data")) == 0)
		json_set(r->manifest, "data", NULL);
	if (ksecret_parse(r->manifest, r->target, &s, NULL) == -1)
		return;
	if (json_get(r->manifest, "type") == NULL) {
		free(s.type);
		s.type = str_dup("");
	}
	ksecret_publish(r, &s);
	ksecret_clear(&s);
}

static void
write_object(struct run *run, const struct json *old, const struct kv *data)
{
	cleanup_err struct err err = ERR_INIT;
	enum es_creation policy = run->es->creation;
	struct json *obj = build(run, policy == ES_MERGE ||
	    policy == ES_CREATE_OR_MERGE ? old : NULL, data, &err);

	if (obj == NULL) {
		run_failed(run, "ResourceSyncedError",
		    "could not apply template to manifest", &err);
		return;
	}
	if (policy == ES_NONE) {
		json_free(obj);
		run_done(run, JOB_UNCHANGED_NONE, "ResourceSynced",
		    "secret synced");
		return;
	}
	if (policy == ES_MERGE && old == NULL) {
		json_free(obj);
		run_done(run, JOB_UNCHANGED_NONE, "ResourceMissing",
		    "resource will not be created due to "
		    "CreationPolicy=Merge");
		return;
	}
	run->r->manifest = obj;
	run->r->written = 1;
	run_event(run, old != NULL ? "Updated" : "Created");
	run_done(run, JOB_READY, "ResourceSynced", "secret synced");
	if (is_core_secret(run))
		publish_secret(run);
}

static int
nothing_there(struct run *run)
{
	static const char *const policy[] = { "Owner", "Orphan", "Merge",
		"CreateOrMerge", "None" };
	cleanup_err struct err err = ERR_INIT;

	switch (run->es->deletion) {
	case ES_DELETION_MERGE:
		return (0);
	case ES_RETAIN:
		run_done(run, JOB_UNCHANGED_NONE, "ResourceSynced",
		    "secret retained due to DeletionPolicy=Retain");
		return (1);
	case ES_DELETE:
		break;
	}
	if (run->es->creation != ES_OWNER) {
		err_set(&err, ERR_INVALID, "unable to delete resource: "
		    "creationPolicy=%s is not Owner",
		    policy[run->es->creation]);
		run_failed(run, "ResourceSyncedError",
		    "could not delete resource", &err);
		return (1);
	}
	run_event(run, "Deleted");
	run_done(run, JOB_DELETED, "ResourceDeleted",
	    "secret deleted due to DeletionPolicy=Delete");
	return (1);
}

void
manifest_reconcile(struct run *run)
{
	const struct json *old = objects_get(run->p->objects,
	    target_kind(run), run->es->meta.ns, run->r->target);
	cleanup_err struct err err = ERR_INIT;
	cleanup_kv struct kv data;

	kv_init(&data);
	if (!run->p->opts.generic_targets) {
		err_set(&err, ERR_INVALID, "generic targets are disabled. "
		    "Enable with --unsafe-allow-generic-targets flag");
		run_failed(run, "SecretSyncedError", "invalid generic target",
		    &err);
		return;
	}
	if (data_fetch(run, &data, &err) == -1) {
		run_failed(run, "ResourceSyncedError",
		    "could not get secret data from provider", &err);
		return;
	}
	if (kv_len(&data) > 0 || !nothing_there(run))
		write_object(run, old, &data);
}
