/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/host_projection.h"
#include "model/schema.h"

/* crds/hostprojections.nodeseal.dev.yaml, INTERFACES.md §4. */

#define RECORD(table, ...) { .fields = (table), \
	.nfields = ARRAY_LEN(table), __VA_ARGS__ }

#define PATH_LEN_MAX 1024
#define NAME_LEN_MAX 255

/* What the table reads as text and hp_parse turns into numbers. */
struct raw_item {
	char *key, *path, *mode;
};
struct raw_source {
	char *name;
	struct raw_item *items;
	size_t nitems;
	int optional;
};
struct raw {
	char *path, *mode;
	struct raw_source *sources;
	size_t nsources;
	int uid, gid;
};

/* ^0?[0-7]{1,3}$ */
static int
is_mode(const char *s)
{
	size_t n = strspn(s, "01234567");

	return (s[n] == '\0' && n > 0 && (n <= 3 || (n == 4 && s[0] == '0')));
}

static const struct text_rule rule_mode = {
	.pattern = "^0?[0-7]{1,3}$", .matches = is_mode
};
static const struct text_rule rule_path = { .min = 1, .max = PATH_LEN_MAX };

static const struct field item_fields[] = {
	{ .name = "key", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = offsetof(struct raw_item, key), .rule = &rule_secret_key },
	{ .name = "mode", .type = FIELD_TEXT,
	    .at = offsetof(struct raw_item, mode), .rule = &rule_mode },
	{ .name = "path", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = offsetof(struct raw_item, path), .rule = &rule_path },
};
static const struct record item = RECORD(item_fields,
	.size = sizeof(struct raw_item));

#define AT(m) offsetof(struct raw_source, m)
static const struct field source_fields[] = {
	{ .name = "items", .type = FIELD_OBJECTS, .at = AT(items),
	    .count_at = AT(nitems), .record = &item },
	{ .name = "name", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(name), .rule = &rule_subdomain },
	{ .name = "optional", .type = FIELD_BOOL, .at = AT(optional) },
};
#undef AT
static const struct record source = RECORD(source_fields,
	.size = sizeof(struct raw_source));

#define AT(m) offsetof(struct raw, m)
static const struct field spec_fields[] = {
	{ .name = "externalSecrets", .type = FIELD_OBJECTS,
	    .flags = FIELD_REQUIRED, .at = AT(sources),
	    .count_at = AT(nsources), .record = &source, .min_items = 1 },
	{ .name = "gid", .type = FIELD_INT, .at = AT(gid) },
	{ .name = "mode", .type = FIELD_TEXT, .at = AT(mode),
	    .value = "0600", .rule = &rule_mode },
	{ .name = "nodeSelector", .type = FIELD_JSON, .flags = FIELD_CHECK },
	{ .name = "path", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(path), .rule = &rule_path },
	{ .name = "uid", .type = FIELD_INT, .at = AT(uid) },
};
#undef AT
static const struct record spec = RECORD(spec_fields);

static const struct field root_fields[] = {
	{ .name = "apiVersion", .type = FIELD_KNOWN },
	{ .name = "kind", .type = FIELD_KNOWN },
	{ .name = "metadata", .type = FIELD_OBJECT, .flags = FIELD_CHECK,
	    .record = &object_metadata },
	{ .name = "spec", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
	    .record = &spec },
	{ .name = "status", .type = FIELD_KNOWN },
};
static const struct record root = RECORD(root_fields);

/* --- paths --------------------------------------------------------------- */

/* NULL, or why ${path} may not be written.  Names that begin with two dots
 * belong to the swap of generations ("..data"). */
static const char *
path_problem(const char *path, int absolute_ok)
{
	if (path[0] == '/' && !absolute_ok)
		return ("must be relative");
	path += path[0] == '/';
	for (;;) {
		size_t n = strcspn(path, "/");

		if (n == 0)
			return ("has an empty part");
		if (n > NAME_LEN_MAX)
			return ("has a part longer than 255 bytes");
		if (n == 1 && path[0] == '.')
			return ("has a part \".\"");
		if (n >= 2 && path[0] == '.' && path[1] == '.')
			return ("has a part that begins with \"..\"");
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
				return ("has a control character");
		if (path[n] == '\0')
			return (NULL);
		path += n + 1;
	}
}

static void
check_path(const char *path, int absolute_ok, const char *where,
    const struct json *node, struct findings *f)
{
	const char *why = path[0] == '\0' ? NULL :
	    path_problem(path, absolute_ok);

	if (why != NULL)
		findings_reject(f, FINDING_OURS, node, where, "%s", why);
}

static void
free_text(void *p)
{
	free(p);
}

/* Two files of one name. */
static void
check_item(const struct raw *raw, size_t s, size_t i, struct strmap *seen,
    const struct json *node, struct findings *f)
{
	const char *path = raw->sources[s].items[i].path;
	cleanup_free char *where =
	    str_fmt("spec.externalSecrets[%zu].items[%zu].path", s, i);

	check_path(path, 0, where, node, f);
	if (strmap_has(seen, path))
		findings_reject(f, FINDING_OURS, node, where, "\"%s\" is "
		    "written already by %s", path,
		    (const char *)strmap_get(seen, path));
	else
		strmap_put(seen, path, STEAL(where));
}

/* A file where another needs a folder. */
static void
check_folders(const struct strmap *seen, const char *path,
    const struct json *node, struct findings *f)
{
	cleanup_free char *upper = str_dup(path);

	for (char *p = strrchr(upper, '/'); p != NULL && p > upper;
	    p = strrchr(upper, '/')) {
		*p = '\0';
		if (strmap_has(seen, upper))
			findings_reject(f, FINDING_OURS, node,
			    strmap_get(seen, path), "\"%s\" needs a folder "
			    "where %s writes a file", path,
			    (const char *)strmap_get(seen, upper));
	}
}

static void
check_items(const struct raw *raw, const struct json *node, struct findings *f)
{
	cleanup_strmap struct strmap *seen = strmap_new(free_text);

	for (size_t s = 0; s < raw->nsources; s++)
		for (size_t i = 0; i < raw->sources[s].nitems; i++)
			check_item(raw, s, i, seen, node, f);
	for (size_t i = strmap_next(seen, 0); i != 0; i = strmap_next(seen, i))
		check_folders(seen, strmap_key(seen, i), node, f);
}

/* --- numbers ------------------------------------------------------------- */

static void
check_id(int id, const char *name, const struct json *node, struct findings *f)
{
	if (id < 0)
		findings_reject(f, FINDING_SCHEMA, node, name, "Invalid value: "
		    "%d: %s in body should be greater than or equal to 0", id,
		    name);
}

static int
mode_of(const char *s, int otherwise)
{
	if (s[0] == '\0' || !is_mode(s))
		return (otherwise);
	return ((int)strtol(s, NULL, 8));
}

/* --- nodeSelector -------------------------------------------------------- */

static int
is_label_selector(const struct json *j)
{
	return (json_is(json_get(j, "matchLabels"), JSON_OBJECT) ||
	    json_is(json_get(j, "matchExpressions"), JSON_ARRAY));
}

/* A map of labels, as a pod's nodeSelector, or a LabelSelector: both come out
 * as a LabelSelector. */
static struct json *
parse_selector(const struct json *j, struct findings *f)
{
	const struct field_path up = { NULL, "spec", 0 };
	const struct field_path at = { &up, "nodeSelector", 0 };
	struct json *out, *labels;

	if (!json_is(j, JSON_OBJECT) || json_first(j) == NULL)
		return (NULL);
	if (is_label_selector(j)) {
		record_parse(&selector_record, j, &at, NULL, f);
		return (json_copy(j));
	}
	out = json_new_object();
	labels = json_new_object();
	for (const struct json *v = json_first(j); v != NULL;
	    v = json_next(v)) {
		cleanup_free char *where = NULL;

		json_set(labels, json_key(v), json_copy(v));
		if (json_is(v, JSON_STRING))
			continue;
		where = str_fmt("spec.nodeSelector.%s", json_key(v));
		findings_add(f, FINDING_REJECT, v, where, "put it in quotes",
		    "must be text");
	}
	json_set(out, "matchLabels", labels);
	return (out);
}

/* --- parsing ------------------------------------------------------------- */

static void
take_sources(struct host_projection *hp, struct raw *raw)
{
	hp->nsources = raw->nsources;
	hp->sources = raw->nsources == 0 ? NULL :
	    mem_array(raw->nsources, sizeof(*hp->sources));
	for (size_t s = 0; s < raw->nsources; s++) {
		struct raw_source *from = &raw->sources[s];
		struct host_source *to = &hp->sources[s];

		to->name = STEAL(from->name);
		to->optional = from->optional;
		to->nitems = from->nitems;
		to->items = from->nitems == 0 ? NULL :
		    mem_array(from->nitems, sizeof(*to->items));
		for (size_t i = 0; i < from->nitems; i++)
			to->items[i] = (struct host_item){
				.key = STEAL(from->items[i].key),
				.path = STEAL(from->items[i].path),
				.mode = mode_of(from->items[i].mode, -1),
			};
	}
}

int
hp_parse(const struct json *obj, const char *ns, struct host_projection **ret,
    struct findings *f, struct err *err)
{
	const struct json *body = json_get(obj, "spec");
	struct host_projection *hp;
	struct object_meta meta;
	struct raw raw = { 0 };

	if (object_meta_parse(obj, ns, &meta, err) == -1)
		return (-1);
	if (meta.kind != OBJ_HOST_PROJECTION) {
		object_meta_clear(&meta);
		return (err_set(err, ERR_INVALID, "not a HostProjection"));
	}
	object_meta_check(obj, &meta, f);
	record_parse(&root, obj, NULL, &raw, f);
	check_path(raw.path, 1, "spec.path", json_get(body, "path"), f);
	check_id(raw.uid, "spec.uid", json_get(body, "uid"), f);
	check_id(raw.gid, "spec.gid", json_get(body, "gid"), f);
	if (f != NULL)
		check_items(&raw, json_get(body, "externalSecrets"), f);
	hp = mem_alloc(sizeof(*hp));
	hp->meta = meta;
	hp->path = STEAL(raw.path);
	hp->mode = mode_of(raw.mode, 0600);
	hp->uid = raw.uid < 0 ? 0 : (uint32_t)raw.uid;
	hp->gid = raw.gid < 0 ? 0 : (uint32_t)raw.gid;
	hp->node_selector = parse_selector(json_get(body, "nodeSelector"), f);
	take_sources(hp, &raw);
	record_free_fields(&root, &raw);
	*ret = hp;
	return (0);
}

void
hp_free(struct host_projection *hp)
{
	if (hp == NULL)
		return;
	for (size_t s = 0; s < hp->nsources; s++) {
		for (size_t i = 0; i < hp->sources[s].nitems; i++) {
			free(hp->sources[s].items[i].key);
			free(hp->sources[s].items[i].path);
		}
		free(hp->sources[s].items);
		free(hp->sources[s].name);
	}
	free(hp->sources);
	free(hp->path);
	json_free(hp->node_selector);
	object_meta_clear(&hp->meta);
	free(hp);
}
