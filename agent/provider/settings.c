/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/schema.h"
#include "provider/registry.h"
#include "provider/settings.h"

/*
 * A driver's flat table of settings becomes the model's tables of fields, which
 * check a manifest in the API server's words; and says where references are.
 */
#define DEPTH_MAX 16

/* --- types of ESO's own (eso.md, abbreviations) -------------------------- */

static const struct field secret_ref_fields[] = {
	{ .name = "name", .type = FIELD_TEXT, .flags = FIELD_CHECK,
	    .rule = &rule_subdomain },
	{ .name = "namespace", .type = FIELD_TEXT, .flags = FIELD_CHECK,
	    .rule = &rule_label },
	{ .name = "key", .type = FIELD_TEXT, .flags = FIELD_CHECK,
	    .rule = &rule_secret_key },
};
static const struct record secret_ref = {
	.fields = secret_ref_fields, .nfields = ARRAY_LEN(secret_ref_fields),
};

static const char *const ca_types[] = { "Secret", "ConfigMap", NULL };
static const struct text_rule ca_type = { .choices = ca_types };
static const struct field ca_ref_fields[] = {
	{ .name = "type", .type = FIELD_TEXT, .rule = &ca_type,
	    .flags = FIELD_CHECK | FIELD_REQUIRED },
	{ .name = "name", .type = FIELD_TEXT, .rule = &rule_subdomain,
	    .flags = FIELD_CHECK | FIELD_REQUIRED },
	{ .name = "key", .type = FIELD_TEXT, .flags = FIELD_CHECK,
	    .rule = &rule_secret_key },
	{ .name = "namespace", .type = FIELD_TEXT, .flags = FIELD_CHECK,
	    .rule = &rule_label },
};
static const struct record ca_ref = {
	.fields = ca_ref_fields, .nfields = ARRAY_LEN(ca_ref_fields),
};

static const struct field account_ref_fields[] = {
	{ .name = "name", .type = FIELD_TEXT, .rule = &rule_subdomain,
	    .flags = FIELD_CHECK | FIELD_REQUIRED },
	{ .name = "namespace", .type = FIELD_TEXT, .flags = FIELD_CHECK,
	    .rule = &rule_label },
	{ .name = "audiences", .type = FIELD_TEXTS, .flags = FIELD_CHECK },
};
static const struct record account_ref = {
	.fields = account_ref_fields, .nfields = ARRAY_LEN(account_ref_fields),
};

/* --- from settings to records -------------------------------------------- */

/* Everything that was made for one check. */
struct arena_list {
	void **v;
	size_t n;
};

static void *
keep(struct arena_list *all, void *p)
{
	all->v = mem_grow(all->v, all->n + 1, sizeof(*all->v));
	all->v[all->n++] = p;
	return (p);
}

static enum field_type
field_type(enum setting_type t)
{
	switch (t) {
	case SET_BOOL:
		return (FIELD_BOOL);
	case SET_INT:
		return (FIELD_INT);
	case SET_STRING_LIST:
		return (FIELD_TEXTS);
	case SET_STRING_MAP:
		return (FIELD_MAP);
	case SET_LIST:
		return (FIELD_OBJECTS);
	case SET_SECRET_REF:
	case SET_CA_REF:
	case SET_ACCOUNT_REF:
	case SET_OBJECT:
		return (FIELD_OBJECT);
	case SET_ANY:
		return (FIELD_KNOWN);
	default:
		return (FIELD_TEXT);
	}
}

/* "v1|v2" as a rule. */
static const struct text_rule *
words_rule(const char *words, struct arena_list *all)
{
	struct text_rule *rule = keep(all, mem_alloc(sizeof(*rule)));
	char *copy = keep(all, str_dup(words)), *save = NULL, *w;
	const char **list = keep(all, mem_array(strlen(words) + 2,
	    sizeof(*list)));
	size_t n = 0;

	for (w = strtok_r(copy, "|", &save); w != NULL;
	    w = strtok_r(NULL, "|", &save))
		list[n++] = w;
	rule->choices = list;
	return (rule);
}

/* The name of a setting directly below ${prefix}, or NULL. */
static const char *
child_name(const struct setting *s, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(s->path, prefix, len) != 0 || s->path[len] == '\0' ||
	    strpbrk(s->path + len, ".[") != NULL)
		return (NULL);
	return (s->path + len);
}

static struct record *record_below(const struct setting *table,
    const char *prefix, int depth, struct arena_list *all);

static const struct record *
record_of(const struct setting *table, const struct setting *s, int depth,
    struct arena_list *all)
{
	struct record *r;

	switch (s->type) {
	case SET_SECRET_REF:
		return (&secret_ref);
	case SET_CA_REF:
		return (&ca_ref);
	case SET_ACCOUNT_REF:
		return (&account_ref);
	case SET_OBJECT:
		r = record_below(table, keep(all, str_fmt("%s.", s->path)),
		    depth, all);
		r->min_props = r->max_props = s->flags & SET_ONE ? 1 : 0;
		return (r);
	case SET_LIST:
		return (record_below(table, keep(all, str_fmt("%s[].",
		    s->path)), depth, all));
	default:
		return (NULL);
	}
}

static struct record *
record_below(const struct setting *table, const char *prefix, int depth,
    struct arena_list *all)
{
	struct record *r = keep(all, mem_alloc(sizeof(*r)));
	struct field *fields;
	size_t n = 0;

	for (const struct setting *s = table; s->path != NULL; s++)
		n++;
	fields = keep(all, mem_array(n + 1, sizeof(*fields)));
	r->fields = fields;
	for (const struct setting *s = table; s->path != NULL; s++) {
		struct field *f = &fields[r->nfields];

		f->name = child_name(s, prefix);
		if (f->name == NULL)
			continue;
		f->type = field_type(s->type);
		f->flags = FIELD_CHECK | (s->flags & SET_REQUIRED ?
		    FIELD_REQUIRED : 0u);
		f->value = s->type == SET_ACCOUNT_REF ? NULL : s->def;
		f->rule = s->words ? words_rule(s->words, all) :
		    s->type == SET_PEM ? &rule_byte :
		    s->type == SET_LABEL ? &rule_label : NULL;
		if (depth < DEPTH_MAX)
			f->record = record_of(table, s, depth + 1, all);
		r->nfields++;
	}
	return (r);
}

/* --- the check ----------------------------------------------------------- */

static void
check_unbuilt(const struct store *store, struct findings *f)
{
	const char *near = schema_nearest(store->provider, provider_names,
	    sizeof(provider_names[0]), provider_nnames);
	cleanup_free char *field = str_fmt("spec.provider.%s",
	    store->provider);
	cleanup_free char *remedy = near != NULL ?
	    str_fmt("did you mean \"%s\"?", near) : str_dup("");

	if (provider_known(store->provider))
		findings_add(f, FINDING_ERROR, store->spec, field,
		    "this version has aws, vault, openBao, kubernetes and "
		    "fake",
		    "provider "
		    "\"%s\" is not supported by this version",
		    store->provider);
	else
		findings_add(f, FINDING_ERROR, store->spec, field, remedy,
		    "provider \"%s\" is not supported by this version: "
		    "External Secrets does not know it either",
		    store->provider);
}

void
provider_check(const struct store *store, struct findings *f)
{
	const struct provider *p = provider_find(store->provider);
	struct field_path spec = { NULL, "spec", 0 };
	struct field_path provider = { &spec, "provider", 0 };
	struct field_path key = { &provider, store->provider, 0 };
	struct arena_list all = { 0 };

	if (f == NULL || store->provider[0] == '\0')
		return;
	if (p == NULL) {
		check_unbuilt(store, f);
		return;
	}
	record_parse(record_below(p->settings, "", 0, &all), store->spec,
	    &key, NULL, f);
	for (size_t i = 0; i < all.n; i++)
		free(all.v[i]);
	free(all.v);
	if (p->check != NULL)
		p->check(store, f);
}

/* --- for the drivers' own rules ------------------------------------------ */

int
settings_check_ref(const struct store *store, const struct json *ref,
    const char *field, const char *phrase, struct findings *f)
{
	const char *ns = json_str(json_get(ref, "namespace"));

	if (!json_is(ref, JSON_OBJECT) || ns == NULL ||
	    store->meta.kind == OBJ_CLUSTER_SECRET_STORE ||
	    strcmp(ns, store->meta.ns) == 0)
		return (0);
	findings_reject(f, FINDING_WEBHOOK, ref, field, "%s%snamespace should "
	    "either be empty or match the namespace of the SecretStore for a "
	    "namespaced SecretStore", phrase, phrase[0] != '\0' ? ": " : "");
	return (-1);
}

/* --- references ---------------------------------------------------------- */

struct ref_walk {
	const struct store *store;
	const struct setting *setting;
	provider_ref_fn *cb;
	void *arg;
};

const char **
settings_audiences(const struct json *ref, const struct json *more,
    const char *def, size_t *ret_n)
{
	const struct json *own = json_get(ref, "audiences"), *j;
	const char **v = mem_array(json_len(own) + json_len(more) + 1,
	    sizeof(*v));
	size_t n = 0;

	for (j = json_first(own); j != NULL; j = json_next(j))
		v[n++] = str_or(json_str(j), "");
	for (j = json_first(more); j != NULL; j = json_next(j))
		v[n++] = str_or(json_str(j), "");
	if (!json_is(more, JSON_ARRAY) && def != NULL)
		v[n++] = def;
	*ret_n = n;
	return (v);
}

/* ${beside}: the object that has the reference. */
static void
report(const struct ref_walk *w, const struct json *ref,
    const struct json *beside)
{
	const char *ns = json_str(json_get(ref, "namespace"));
	struct provider_ref r = { .kind = "Secret",
		.name = json_str(json_get(ref, "name")) };
	cleanup_free const char **audiences = NULL;

	if (r.name == NULL || *r.name == '\0')
		return;
	if (w->setting->type == SET_CA_REF &&
	    str_eq(json_str(json_get(ref, "type")), "ConfigMap"))
		r.kind = "ConfigMap";
	if (w->setting->type == SET_ACCOUNT_REF) {
		r.kind = OBJECT_TOKEN;
		audiences = settings_audiences(ref, json_get(beside,
		    "audiences"), w->setting->def, &r.naudiences);
		r.audiences = audiences;
	}
	if (w->store->meta.kind != OBJ_CLUSTER_SECRET_STORE)
		ns = w->store->meta.ns;
	r.ns = ns != NULL ? ns : "";
	w->cb(w->arg, &r);
	if (w->setting->flags & SET_ACCOUNT_OBJECT) {
		r = (struct provider_ref){ .kind = "ServiceAccount",
			.ns = r.ns, .name = r.name };
		w->cb(w->arg, &r);
	}
}

/* Along "a.b[].c": every element of a list on the way. */
static void
walk(const struct ref_walk *w, const struct json *at, const char *path)
{
	size_t len = strcspn(path, ".[");
	cleanup_free char *name = str_ndup(path, len);
	const struct json *v = json_get(at, name);

	if (v == NULL)
		return;
	if (path[len] == '\0') {
		report(w, v, at);
		return;
	}
	if (path[len] == '.') {
		walk(w, v, path + len + 1);
		return;
	}
	if (json_is(v, JSON_ARRAY) && strncmp(path + len, "[].", 3) == 0)
		for (v = json_first(v); v != NULL; v = json_next(v))
			walk(w, v, path + len + 3);
}

void
provider_refs(const struct store *store, provider_ref_fn *cb, void *arg)
{
	const struct provider *p = provider_find(store->provider);
	struct ref_walk w = { .store = store, .cb = cb, .arg = arg };

	if (p == NULL)
		return;
	for (const struct setting *s = p->settings; s->path != NULL; s++) {
		if ((s->type != SET_SECRET_REF && s->type != SET_CA_REF &&
		    s->type != SET_ACCOUNT_REF) || s->flags & SET_UNBUILT)
			continue;
		w.setting = s;
		walk(&w, store->spec, s->path);
	}
}
