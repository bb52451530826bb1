/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "base/yaml.h"
#include "model/host_projection.h"

/*
 * The schema of record and the parser say the same: every field of the CRD is
 * one that hp_parse knows, required where it says so, and the other way round
 * nothing that the parser takes is missing there.  Run from the top of the
 * tree, as make does.
 */

static void
load(const char *path, struct yaml_docs *docs)
{
	cleanup_err struct err err = ERR_INIT;
	FILE *fp = fopen(path, "re");
	struct buf b = BUF_PLAIN(1u << 20);
	size_t n;

	if (fp == NULL)
		fail_msg("%s: not here; run from the top of the tree", path);
	do {
		char *at = buf_space(&b, 4096);

		n = fread(at, 1, 4096, fp);
		b.len += n;
	} while (n > 0);
	fclose(fp);
	if (yaml_read(b.data, b.len, docs, &err) == -1)
		fail_msg("%s: %s", path, err_msg(&err));
	buf_clear(&b);
	assert_int_equal(docs->n, 1);
	assert_int_equal(docs->v[0].ndups, 0);
}

static const struct json *
schema_of(const struct yaml_docs *docs)
{
	const struct json *version =
	    json_first(json_path(docs->v[0].root, "spec.versions"));

	assert_non_null(version);
	return (json_path(version, "schema.openAPIV3Schema"));
}

/* A value that passes: patterns here all take "600" or "a". */
static struct json *
sample(const struct json *schema, const char *name)
{
	const char *type = json_str(json_get(schema, "type"));
	struct json *out;

	if (strcmp(type, "object") == 0) {
		out = json_new_object();
		for (const struct json *p =
		    json_first(json_get(schema, "properties")); p != NULL;
		    p = json_next(p))
			json_set(out, json_key(p), sample(p, json_key(p)));
		return (out);
	}
	if (strcmp(type, "array") == 0) {
		out = json_new_array();
		json_push(out, sample(json_get(schema, "items"), name));
		return (out);
	}
	if (strcmp(type, "boolean") == 0)
		return (json_new_bool(1));
	if (strcmp(type, "integer") == 0)
		return (json_new_num(5));
	return (json_new_str(strcmp(name, "mode") == 0 ? "600" : "a"));
}

static struct json *
sample_object(const struct json *schema)
{
	struct json *obj = json_new_object(), *meta = json_new_object();

	json_set_str(meta, "name", "h");
	json_set_str(obj, "apiVersion", "nodeseal.dev/v1alpha1");
	json_set_str(obj, "kind", "HostProjection");
	json_set(obj, "metadata", meta);
	json_set(obj, "spec", sample(json_path(schema, "properties.spec"),
	    "spec"));
	return (obj);
}

static void
test_same_fields(void **state)
{
	struct yaml_docs docs = { 0 };
	struct host_projection *hp;
	struct findings f = { 0 };
	struct json *obj;

	(void)state;
	load("crds/hostprojections.nodeseal.dev.yaml", &docs);
	obj = sample_object(schema_of(&docs));
	assert_int_equal(hp_parse(obj, "d", &hp, &f, NULL), 0);
	for (size_t i = 0; i < f.n; i++)
		print_error("%s: %s\n", f.v[i].field, f.v[i].what);
	assert_int_equal(f.n, 0);
	/* Each value arrived: the parser has no field that the CRD lacks. */
	assert_string_equal(hp->path, "a");
	assert_int_equal(hp->mode, 0600);
	assert_int_equal(hp->uid, 5);
	assert_int_equal(hp->gid, 5);
	assert_int_equal(hp->sources[0].optional, 1);
	assert_string_equal(hp->sources[0].items[0].key, "a");
	assert_int_equal(hp->sources[0].items[0].mode, 0600);
	hp_free(hp);
	json_free(obj);
	yaml_docs_clear(&docs);
}

/* What the CRD requires, the parser misses by name. */
static void
test_same_required(void **state)
{
	struct yaml_docs docs = { 0 };
	const struct json *req;

	(void)state;
	load("crds/hostprojections.nodeseal.dev.yaml", &docs);
	req = json_path(schema_of(&docs), "properties.spec.required");
	assert_int_equal(json_len(req), 2);
	for (const struct json *r = json_first(req); r != NULL;
	    r = json_next(r)) {
		struct json *obj = sample_object(schema_of(&docs));
		cleanup_free char *where = str_fmt("spec.%s", json_str(r));
		struct findings f = { 0 };
		struct host_projection *hp;

		json_set(json_get(obj, "spec"), json_str(r), NULL);
		assert_int_equal(hp_parse(obj, "d", &hp, &f, NULL), 0);
		assert_true(found(&f, FINDING_REJECT, where,
		    "Required value"));
		findings_clear(&f);
		hp_free(hp);
		json_free(obj);
	}
	yaml_docs_clear(&docs);
}

/* A node's entry in a list belongs to that node's field manager. */
static void
test_map_lists(void **state)
{
	struct yaml_docs docs = { 0 };
	const struct json *nodes;

	(void)state;
	load("crds/hostprojections.nodeseal.dev.yaml", &docs);
	nodes = json_path(schema_of(&docs),
	    "properties.status.properties.nodes");
	assert_string_equal(json_str(json_get(nodes,
	    "x-kubernetes-list-type")), "map");
	assert_string_equal(json_str(json_first(json_get(nodes,
	    "x-kubernetes-list-map-keys"))), "name");
	yaml_docs_clear(&docs);
	load("crds/nodeseals.nodeseal.dev.yaml", &docs);
	assert_string_equal(json_str(json_path(docs.v[0].root, "spec.scope")),
	    "Cluster");
	for (const struct json *p = json_first(json_path(schema_of(&docs),
	    "properties.status.properties")); p != NULL; p = json_next(p))
		if (str_eq(json_str(json_get(p, "type")), "array") &&
		    strcmp(json_key(p), "conditions") != 0)
			assert_int_equal(json_num(json_get(p, "maxItems"), 0),
			    50);
	yaml_docs_clear(&docs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_fields),
		cmocka_unit_test(test_same_required),
		cmocka_unit_test(test_map_lists),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
