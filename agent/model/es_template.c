/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "model/es_internal.h"

/* spec.target.template (eso.md 1.2). */

#define RECORD(table, ...) { .fields = (table), \
	.nfields = ARRAY_LEN(table), __VA_ARGS__ }

/* --- templateFrom[] ------------------------------------------------------ */

static const char *const scopes[] = { "Values", "KeysAndValues", NULL };
static const struct text_rule rule_scope = { .choices = scopes };

static const struct field item_fields[] = {
	{ .name = "key", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = offsetof(struct template_item, key),
	    .rule = &rule_secret_key },
	{ .name = "templateAs", .type = FIELD_TEXT,
	    .at = offsetof(struct template_item, as), .value = "Values",
	    .rule = &rule_scope },
};
static const struct record item = RECORD(item_fields,
	.size = sizeof(struct template_item));

#define AT(m) offsetof(struct template_from, m)
static const struct field ref_fields[] = {
	{ .name = "items", .type = FIELD_OBJECTS, .flags = FIELD_REQUIRED,
	    .at = AT(items), .count_at = AT(nitems), .record = &item },
	{ .name = "name", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(name), .rule = &rule_subdomain },
};
static const struct record ref = RECORD(ref_fields,
	.size = sizeof(struct template_from));

/* The whole entry, as it is checked … */
static const struct field from_fields[] = {
	{ .name = "configMap", .type = FIELD_OBJECT, .flags = FIELD_CHECK,
	    .record = &ref },
	{ .name = "literal", .type = FIELD_TEXT, .flags = FIELD_CHECK },
	{ .name = "secret", .type = FIELD_OBJECT, .flags = FIELD_CHECK,
	    .record = &ref },
	{ .name = "target", .type = FIELD_TEXT, .at = AT(target),
	    .value = "Data" },
	{ .name = "valuesDecodingStrategy", .type = FIELD_TEXT,
	    .at = AT(decoding), .rule = &es_rule_decoding },
};
static const struct record from = RECORD(from_fields,
	.size = sizeof(struct template_from));

/* … and the parts of one of ours, which are freed. */
static const struct field part_fields[] = {
	{ .name = "", .type = FIELD_TEXT, .at = AT(kind) },
	{ .name = "", .type = FIELD_TEXT, .at = AT(literal),
	    .flags = FIELD_NULL },
	{ .name = "", .type = FIELD_TEXT, .at = AT(target) },
	{ .name = "", .type = FIELD_TEXT, .at = AT(decoding) },
	{ .name = "", .type = FIELD_OBJECT, .at = 0, .record = &ref },
};
#undef AT
static const struct record part = RECORD(part_fields,
	.size = sizeof(struct template_from));

static void
add_part(struct es_template *t, const struct json *entry, const char *kind,
    const struct json *what)
{
	struct template_from *p;

	t->from = mem_grow(t->from, t->nfrom + 1, sizeof(*t->from));
	p = &t->from[t->nfrom++];
	*p = (struct template_from){ 0 };
	record_parse(&from, entry, NULL, p, NULL);
	p->kind = str_dup(kind);
	if (json_str(what) != NULL)
		p->literal = str_dup(json_str(what));
	record_parse(&ref, json_is(what, JSON_OBJECT) ? what : NULL, NULL, p,
	    NULL);
}

/* pkg/controllers/templating/parser.go MergeTemplateFrom: configMap, secret,
 * literal, whichever are there. */
void
es_template_from(struct es_template *t, const struct json *list)
{
	if (!json_is(list, JSON_ARRAY) || json_len(list) > RECORD_LIST_MAX)
		return;
	for (const struct json *e = json_first(list); e != NULL;
	    e = json_next(e)) {
		size_t before = t->nfrom;

		if (!json_is(e, JSON_OBJECT))
			continue;
		if (json_is(json_get(e, "configMap"), JSON_OBJECT))
			add_part(t, e, "ConfigMap", json_get(e, "configMap"));
		if (json_is(json_get(e, "secret"), JSON_OBJECT))
			add_part(t, e, "Secret", json_get(e, "secret"));
		if (json_str(json_get(e, "literal")) != NULL)
			add_part(t, e, "", json_get(e, "literal"));
		if (t->nfrom == before)
			add_part(t, e, "", NULL);
	}
}

void
es_template_clear(struct es_template *t)
{
	for (size_t i = 0; t != NULL && i < t->nfrom; i++)
		record_free_fields(&part, &t->from[i]);
	if (t != NULL) {
		free(t->from);
		t->from = NULL;
		t->nfrom = 0;
	}
}

/* --- the template -------------------------------------------------------- */

static const char *const engines[] = { "v2", NULL };
static const char *const merges[] = { "Replace", "Merge", NULL };
static const struct text_rule rule_engine = { .choices = engines };
static const struct text_rule rule_merge = { .choices = merges };

#define AT(m) offsetof(struct es_template, m)
static const struct field metadata_fields[] = {
	{ .name = "annotations", .type = FIELD_MAP, .at = AT(annotations) },
	{ .name = "finalizers", .type = FIELD_TEXTS, .at = AT(finalizers),
	    .count_at = AT(nfinalizers) },
	{ .name = "labels", .type = FIELD_MAP, .at = AT(labels) },
};
static const struct record metadata = RECORD(metadata_fields);

static const struct field template_fields[] = {
	{ .name = "data", .type = FIELD_MAP, .at = AT(data) },
	{ .name = "engineVersion", .type = FIELD_TEXT,
	    .at = AT(engine_version), .value = "v2", .rule = &rule_engine },
	{ .name = "mergePolicy", .type = FIELD_TEXT, .at = AT(merge_policy),
	    .value = "Replace", .rule = &rule_merge },
	{ .name = "metadata", .type = FIELD_OBJECT, .at = 0,
	    .record = &metadata },
	{ .name = "templateFrom", .type = FIELD_OBJECTS, .flags = FIELD_CHECK,
	    .record = &from },
	{ .name = "type", .type = FIELD_TEXT, .at = AT(type) },
};
#undef AT
const struct record es_record_template = RECORD(template_fields,
	.size = sizeof(struct es_template));
