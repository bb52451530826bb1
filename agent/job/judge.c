/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "generator/generator.h"
#include "job/judge.h"
#include "job/pipeline_internal.h"
#include "job/template_internal.h"
#include "model/host_projection.h"
#include "value/regex.h"

/* --- where it is -------------------------------------------------------- */

/* An element of a list in the manifest, for its line. */
static const struct json *
element(const struct json *list, size_t i)
{
	const struct json *e = json_first(list);

	while (e != NULL && i-- > 0)
		e = json_next(e);
	return (e);
}

/* The deepest node of "spec.data[1].remoteRef" that there is. */
static const struct json *
node_at(const struct json *obj, const char *field)
{
	const struct json *at = obj, *next;
	char *end;

	while (*field != '\0') {
		size_t n = strcspn(field, ".[");
		cleanup_free char *name = str_ndup(field, n);

		next = n > 0 ? json_get(at, name) : at;
		field += n;
		if (next != NULL && *field == '[') {
			next = element(next, strtoul(field + 1, &end, 10));
			if (*end != ']')
				return (at);
			field = end + 1;
		}
		if (next == NULL)
			return (at);
		at = next;
		field += *field == '.';
	}
	return (at);
}

/* Findings from ${first} on point into a copy, or nowhere. */
static void
place_findings(const struct json *obj, struct findings *f, size_t first)
{
	size_t i;

	for (i = first; i < f->n; i++)
		f->v[i].node = node_at(obj, f->v[i].field);
}

/* --- one object by itself ----------------------------------------------- */

/* Line and column, in characters from 1, of byte ${at} of a value, before what
 * ${err} says. */
static int
place_error(const char *text, size_t at, struct err *err)
{
	size_t i, line = 1, column = 1;

	for (i = 0; i < at && text[i] != '\0'; i++) {
		line += text[i] == '\n';
		if (text[i] == '\n')
			column = 1;
		else
			column += (text[i + 1] & 0xc0) != 0x80;
	}
	return (err_wrap(err, "line %zu, column %zu", line, column));
}

static int
try_regexp(const char *pattern, struct err *err)
{
	struct regex *re = NULL;

	if (regex_new(pattern, strlen(pattern), &re, err) == -1)
		return (place_error(pattern, regex_error_at(pattern,
		    strlen(pattern)), err));
	regex_free(re);
	return (0);
}

static void
judge_regexp(const struct json *obj, const char *pattern, const char *field,
    struct findings *f)
{
	cleanup_err struct err err = ERR_INIT;

	if (try_regexp(pattern, &err) == -1)
		findings_add(f, FINDING_ERROR, obj, field,
		    "correct the pattern (RE2 syntax)", "%s", err_msg(&err));
}

static void
judge_from(const struct json *obj, const struct es_data_from *from, size_t i,
    struct findings *f)
{
	size_t k;

	if (from->kind == ES_FROM_FIND && from->find.name_regexp != NULL) {
		cleanup_free char *field = str_fmt(
		    "spec.dataFrom[%zu].find.name.regexp", i);

		judge_regexp(obj, from->find.name_regexp, field, f);
	}
	for (k = 0; k < from->nrewrite; k++) {
		cleanup_free char *field = str_fmt(
		    "spec.dataFrom[%zu].rewrite[%zu].regexp.source", i, k);

		if (from->rewrite[k].kind == REWRITE_REGEXP)
			judge_regexp(obj, from->rewrite[k].source, field, f);
	}
	if (from->kind == ES_FROM_GENERATOR &&
	    strcmp(from->generator.kind, "ClusterGenerator") != 0 &&
	    generator_find(from->generator.kind) == NULL) {
		cleanup_free char *field = str_fmt("spec.dataFrom[%zu]."
		    "sourceRef.generatorRef.kind", i);

		findings_add(f, FINDING_ERROR, obj, field,
		    "use a store or one of Fake, Password, UUID",
		    "generator \"%s\" is not supported by this version",
		    from->generator.kind);
	}
}

static void
judge_es(const struct manifest *m, struct findings *f)
{
	cleanup_err struct err err = ERR_INIT;
	struct external_secret *es = NULL;
	size_t i, first;

	if (es_parse(m->obj, m->meta.ns, &es, f, &err) == -1) {
		findings_add(f, FINDING_REJECT, m->obj, "", "", "%s",
		    err_msg(&err));
		return;
	}
	first = f->n;
	for (i = 0; i < es->nfrom; i++)
		judge_from(m->obj, &es->from[i], i, f);
	place_findings(m->obj, f, first);
	es_free(es);
}

static void
judge_store(const struct manifest *m, struct findings *f)
{
	cleanup_err struct err err = ERR_INIT;
	struct store *s = NULL;
	size_t first;

	if (store_parse(m->obj, m->meta.ns, &s, f, &err) == -1) {
		findings_add(f, FINDING_REJECT, m->obj, "", "", "%s",
		    err_msg(&err));
		return;
	}
	first = f->n;
	provider_check(s, f);
	store_check_regexes(s, try_regexp, f);
	place_findings(m->obj, f, first);
	store_free(s);
}

static void
judge_hp(const struct manifest *m, struct findings *f)
{
	cleanup_err struct err err = ERR_INIT;
	struct host_projection *hp = NULL;

	if (hp_parse(m->obj, m->meta.ns, &hp, f, &err) == -1)
		findings_add(f, FINDING_REJECT, m->obj, "", "", "%s",
		    err_msg(&err));
	hp_free(hp);
}

static void
judge_generator(const struct manifest *m, struct findings *f)
{
	const char *kind = m->meta.kind_name;

	generator_check(kind, m->obj, f);
	if (strcmp(kind, "ClusterGenerator") == 0)
		kind = str_or(json_str(json_path(m->obj, "spec.kind")), "");
	if (generator_find(kind) == NULL)
		findings_add(f, FINDING_ERROR, m->obj, "kind",
		    "use a store or one of Fake, Password, UUID",
		    "generator \"%s\" is not supported by this version", kind);
}

static void
judge_secret(const struct manifest *m, struct findings *f)
{
	cleanup_err struct err err = ERR_INIT;
	struct ksecret s;

	if (ksecret_parse(m->obj, m->meta.name, &s, &err) == -1)
		findings_add(f, FINDING_REJECT, json_get(m->obj, "data"),
		    "data", "", "%s", err_msg(&err));
	else
		ksecret_clear(&s);
}

void
judge_object(const struct manifest *m, struct findings *f)
{
	switch (m->meta.kind) {
	case OBJ_EXTERNAL_SECRET:
		judge_es(m, f);
		break;
	case OBJ_SECRET_STORE:
	case OBJ_CLUSTER_SECRET_STORE:
		judge_store(m, f);
		break;
	case OBJ_HOST_PROJECTION:
		judge_hp(m, f);
		break;
	case OBJ_GENERATOR:
		judge_generator(m, f);
		break;
	case OBJ_SECRET:
		judge_secret(m, f);
		break;
	case OBJ_NOT_SERVED:
		findings_add(f, FINDING_WARN, json_get(m->obj, "kind"), "kind",
		    strstr(m->meta.api_version, "/v1beta1") != NULL ?
		    "write it as external-secrets.io/v1" :
		    "keep External Secrets Operator for it",
		    "%s %s is not served by a node's agent",
		    m->meta.api_version, m->meta.kind_name);
		break;
	case OBJ_OTHER:
	case OBJ_CONFIG_MAP:
	case OBJ_NAMESPACE:
	case OBJ_SERVICE_ACCOUNT:
		break;
	}
}

char *
judge_text(const struct finding *f)
{
	char *text = finding_text(f), *p;

	for (p = text; (p = strchr(p, '\n')) != NULL;)
		*p = ' ';
	return (text);
}

int
judge_line(const struct manifest *m, const struct finding *f)
{
	int line = f->node == NULL ? 0 : yaml_line(NULL, f->node);

	return (line > 0 ? line : m->line);
}

/* --- names -------------------------------------------------------------- */

struct look {
	const struct manifest *m;
	const struct json *obj;
	const struct objects *objects;
	const struct strmap *kinds;
	struct findings *f;
	const struct external_secret *es;
};

static void
missing(const struct look *l, const struct json *node, const char *field,
    const char *kind, const char *ns, const char *name)
{
	cleanup_free char *remedy = str_fmt("add the %s to the manifests or "
	    "correct the name", kind);

	findings_add(l->f, FINDING_ERROR, node, field, remedy,
	    "there is no %s \"%s\"%s%s%s", kind, name,
	    ns[0] ? " in namespace \"" : "", ns, ns[0] ? "\"" : "");
}

static void
look_store(const struct look *l, const struct store_ref *ref,
    const struct json *node, const char *field)
{
	int cluster = strcmp(ref->kind, "ClusterSecretStore") == 0;
	const char *ns = cluster ? "" : l->m->meta.ns;

	if (objects_get(l->objects, ref->kind, ns, ref->name) == NULL)
		missing(l, node, field, ref->kind, ns, ref->name);
}

static void
look_generator(const struct look *l, const struct generator_ref *ref,
    const struct json *node, const char *field)
{
	int cluster = strcmp(ref->kind, "ClusterGenerator") == 0;
	const char *ns = cluster ? "" : l->m->meta.ns;

	if (objects_get(l->objects, ref->kind, ns, ref->name) == NULL)
		missing(l, node, field, ref->kind, ns, ref->name);
}

static void
look_plain(const struct look *l, const char *kind, const char *ns,
    const char *name, const struct json *node, const char *field)
{
	if (strmap_has(l->kinds, kind) &&
	    objects_get(l->objects, kind, ns, name) == NULL)
		missing(l, node, field, kind, ns, name);
}

static void
look_sources(const struct look *l)
{
	const struct external_secret *es = l->es;
	const struct json *spec = json_get(l->obj, "spec"), *node;
	int uses_default = 0;
	size_t i;

	for (i = 0; i < es->ndata; i++) {
		cleanup_free char *field = str_fmt("spec.data[%zu].sourceRef."
		    "storeRef.name", i);

		uses_default |= !es->data[i].has_source;
		node = element(json_get(spec, "data"), i);
		if (es->data[i].has_source &&
		    es->data[i].store.name[0] != '\0')
			look_store(l, &es->data[i].store,
			    json_path(node, "sourceRef.storeRef"), field);
	}
	for (i = 0; i < es->nfrom; i++) {
		const struct es_data_from *from = &es->from[i];
		cleanup_free char *field = str_fmt("spec.dataFrom[%zu]."
		    "sourceRef.%s.name", i, from->kind == ES_FROM_GENERATOR ?
		    "generatorRef" : "storeRef");

		node = json_get(element(json_get(spec, "dataFrom"), i),
		    "sourceRef");
		if (from->kind == ES_FROM_GENERATOR)
			look_generator(l, &from->generator,
			    json_get(node, "generatorRef"), field);
		else if (from->store.name[0] != '\0')
			look_store(l, &from->store, json_get(node, "storeRef"),
			    field);
		else
			uses_default = 1;
	}
	if (es->store.name[0] != '\0')
		look_store(l, &es->store, json_get(spec, "secretStoreRef"),
		    "spec.secretStoreRef.name");
	else if (uses_default)
		findings_add(l->f, FINDING_ERROR, spec,
		    "spec.secretStoreRef", "name a store",
		    "no store for the entries without a sourceRef");
}

/* --- templates ---------------------------------------------------------- */

static void
try_template(const struct look *l, const struct pipeline_options *opts,
    const char *text, const struct json *node, const char *field)
{
	cleanup_err struct err err = ERR_INIT;
	size_t at;

	if (pipeline_template_check(opts, field, text, strlen(text), &at,
	    &err) == 0)
		return;
	place_error(text, at, &err);
	findings_add(l->f, FINDING_ERROR, node, field, "", "%s",
	    err_msg(&err));
}

static void
try_templates(const struct look *l, const struct pipeline_options *opts,
    const struct strmap *map, const char *where, const struct json *node)
{
	size_t i;

	if (map == NULL)
		return;
	for (i = strmap_next(map, 0); i != 0; i = strmap_next(map, i)) {
		cleanup_free char *field = str_fmt("spec.target.template.%s.%s"
		    , where, strmap_key(map, i));

		try_template(l, opts, strmap_val(map, i),
		    json_get(node, strmap_key(map, i)), field);
	}
}

static void
look_template(const struct look *l, const struct pipeline_options *opts)
{
	const struct es_template *t = l->es->tmpl;
	const struct json *node = json_path(l->obj, "spec.target.template");
	size_t i;

	if (t == NULL)
		return;
	try_templates(l, opts, t->data, "data", json_get(node, "data"));
	try_templates(l, opts, t->labels, "metadata.labels",
	    json_path(node, "metadata.labels"));
	try_templates(l, opts, t->annotations, "metadata.annotations",
	    json_path(node, "metadata.annotations"));
	for (i = 0; i < t->nfrom; i++) {
		const struct template_from *from = &t->from[i];
		const struct json *e = element(json_get(node, "templateFrom"),
		    i);
		cleanup_free char *field = str_fmt("spec.target.template."
		    "templateFrom[%zu]", i);

		if (from->literal != NULL)
			try_template(l, opts, from->literal,
			    json_get(e, "literal"), field);
		if (from->kind[0] != '\0')
			look_plain(l, from->kind, l->m->meta.ns, from->name,
			    e, field);
	}
}

/* A transform never has delimiters of its own. */
static void
look_transforms(const struct look *l, const struct pipeline_options *opts)
{
	struct pipeline_options plain = *opts;
	size_t i, k;

	plain.delim_left = plain.delim_right = NULL;
	for (i = 0; i < l->es->nfrom; i++) {
		const struct es_data_from *from = &l->es->from[i];

		for (k = 0; k < from->nrewrite; k++) {
			cleanup_free char *field = str_fmt("spec.dataFrom[%zu]"
			    ".rewrite[%zu].transform.template", i, k);

			if (from->rewrite[k].kind == REWRITE_TRANSFORM)
				try_template(l, &plain,
				    from->rewrite[k].template_text, node_at(
				    l->obj, field), field);
		}
	}
}

/* --- by kind ------------------------------------------------------------ */

static void
look_es(struct look *l, const struct pipeline_options *opts)
{
	struct external_secret *es = NULL;

	if (es_parse(l->obj, l->m->meta.ns, &es, NULL, NULL) == -1)
		return;
	l->es = es;
	look_sources(l);
	look_template(l, opts);
	look_transforms(l, opts);
	es_free(es);
}

/* Whether an account exists, only an API server knows. */
static void
look_ref(void *arg, const struct provider_ref *ref)
{
	const struct look *l = arg;

	if (ref->ns[0] != '\0' && strcmp(ref->kind, OBJECT_TOKEN) != 0)
		look_plain(l, ref->kind, ref->ns, ref->name, json_path(l->obj,
		    "spec.provider"), "spec.provider");
}

static void
look_store_refs(struct look *l)
{
	struct store *s = NULL;

	if (store_parse(l->obj, l->m->meta.ns, &s, NULL, NULL) == -1)
		return;
	if (provider_find(s->provider) != NULL)
		provider_refs(s, look_ref, l);
	store_free(s);
}

static void
look_hp(struct look *l)
{
	struct host_projection *hp = NULL;
	const char *ns = l->m->meta.ns;
	size_t i;

	if (hp_parse(l->obj, ns, &hp, NULL, NULL) == -1)
		return;
	for (i = 0; i < hp->nsources; i++) {
		cleanup_free char *field = str_fmt("spec.externalSecrets[%zu]"
		    ".name", i);

		if (objects_get(l->objects, "ExternalSecret", ns,
		    hp->sources[i].name) == NULL)
			missing(l, element(json_path(l->obj,
			    "spec.externalSecrets"), i), field,
			    "ExternalSecret", ns, hp->sources[i].name);
	}
	hp_free(hp);
}

void
judge_references(const struct manifest *m, const struct json *obj,
    const struct objects *objects, const struct pipeline_options *opts,
    const struct strmap *kinds, struct findings *f)
{
	struct look l = { m, obj, objects, kinds, f, NULL };

	if (m->meta.kind == OBJ_EXTERNAL_SECRET)
		look_es(&l, opts);
	else if (m->meta.kind == OBJ_SECRET_STORE ||
	    m->meta.kind == OBJ_CLUSTER_SECRET_STORE)
		look_store_refs(&l);
	else if (m->meta.kind == OBJ_HOST_PROJECTION)
		look_hp(&l);
}
