/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "job/template_internal.h"
#include "value/tmpl_yaml.h"
#include "value/tmpl.h"

/*
 * spec.target.template around the engine: pkg/controllers/externalsecret/
 * externalsecret_controller_template.go, pkg/controllers/templating/parser.go
 * and runtime/template/v2/template.go.
 */
#define RENDERED_MAX (4u << 20)

static int
parse(const struct pipeline_options *opts, const char *name,
    const char *text, size_t len, struct tmpl **ret, struct err *err)
{
	struct tmpl_options o = { .left = opts->delim_left,
		.right = opts->delim_right, .missing_key_error = 1 };

	return (tmpl_parse(name, text, len, &o, ret, err));
}

/* FNV-1a: where a template is kept. */
static size_t
place_of(const char *name, const char *text, size_t len)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return ((h ^ h >> 16) % PARSED_TEMPLATES);
}

/* The parsed template, kept by the pipeline; or the caller's, in *ret_own. */
static const struct tmpl *
parse_or_find(struct pipeline *p, const char *name, const char *text,
    size_t len, struct tmpl **ret_own, struct err *err)
{
	struct tmpl **kept, *t;

	*ret_own = NULL;
	if (len > PARSED_TEXT_MAX) {
		parse(&p->opts, name, text, len, ret_own, err);
		return (*ret_own);
	}
	kept = &p->parsed[place_of(name, text, len)];
	if (*kept != NULL && tmpl_is(*kept, name, text, len))
		return (*kept);
	if (parse(&p->opts, name, text, len, &t, err) == -1)
		return (NULL);
	tmpl_free(*kept);
	*kept = t;
	return (t);
}

int
pipeline_template(struct pipeline *p, const char *name, const char *text,
    size_t len, const struct kv *data, struct buf *out, struct err *err)
{
	const struct tmpl *t;
	struct tmpl *own;
	int rc;

	t = parse_or_find(p, name, text, len, &own, err);
	if (t == NULL)
		return (err_wrap(err, "unable to parse template at key %s",
		    name));
	if ((rc = tmpl_run(t, data, out, err)) == -1)
		err_wrap(err, "unable to execute template at key %s", name);
	tmpl_free(own);
	return (rc);
}

void
pipeline_templates_forget(struct pipeline *p)
{
	size_t i;

	for (i = 0; i < PARSED_TEMPLATES; i++)
		tmpl_free(p->parsed[i]);
}

int
pipeline_template_check(const struct pipeline_options *opts,
    const char *name, const char *text, size_t len, size_t *ret_at,
    struct err *err)
{
	struct tmpl_options o = { .left = opts->delim_left,
		.right = opts->delim_right, .error_at = ret_at };
	struct tmpl *t;

	*ret_at = 0;
	if (tmpl_parse(name, text, len, &o, &t, err) == -1)
		return (-1);
	tmpl_free(t);
	return (0);
}

int
pipeline_transform(void *arg, const char *text, const char *const *keys,
    size_t n, struct buf *outs, size_t *ret_bad, struct err *err)
{
	struct tmpl *t;
	size_t i;
	int rc = 0;

	(void)arg;
	*ret_bad = n;
	if (tmpl_parse("transform", text, strlen(text), NULL, &t, err) == -1)
		return (-1);
	for (i = 0; i < n && rc == 0; i++) {
		struct kv data;

		kv_init(&data);
		kv_put_bytes(&data, "value", keys[i], strlen(keys[i]));
		rc = tmpl_run(t, &data, &outs[i], err);
		kv_clear(&data);
		if (rc == -1)
			*ret_bad = i;
	}
	tmpl_free(t);
	return (rc);
}

/* --- one template ------------------------------------------------------- */

struct scope {
	struct run *run;
	struct template_target target;
	const struct kv *data;
};

static int
put_decoded(const struct scope *s, const char *where, const char *key,
    struct buf *raw, const char *strategy, int values, struct err *err)
{
	cleanup_secret struct secret *text = secret_from_buf(raw);
	cleanup_secret struct secret *value = NULL;
	enum value_decoding decoding;

	if (value_decoding_parse(strategy, &decoding) == -1)
		return (err_set(err, ERR_INVALID,
		    "decoding strategy %s is not supported", strategy));
	if (value_decode(text, decoding, &value, err) == -1)
		return (err_wrap(err, "failed to decode rendered template "
		    "value for key %s", key));
	(void)values;
	if (target_put(&s->target, where, key, value, err) == -1)
		return (err_wrap(err, "failed to apply to target"));
	return (0);
}

/* valueScopeApply: the text is the key's value. */
static int
apply_value(const struct scope *s, const char *where, const char *key,
    const char *text, size_t len, const char *strategy, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(RENDERED_MAX);

	if (pipeline_template(s->run->p, key, text, len, s->data, &out,
	    err) == -1)
		return (err_wrap(err, "unable to execute template at key %s",
		    key));
	return (put_decoded(s, where, key, &out, strategy, 1, err));
}

/* A scalar as sigs.k8s.io/yaml hands it to a string field. */
static int
scalar_text(const struct json *j, struct buf *out, struct err *err)
{
	static const char *const words[] = { [JSON_ARRAY] = "array",
		[JSON_OBJECT] = "object" };

	switch (json_type(j)) {
	case JSON_STRING:
		buf_adds(out, json_str(j));
		break;
	case JSON_TRUE:
		buf_adds(out, "true");
		break;
	case JSON_FALSE:
		buf_adds(out, "false");
		break;
	case JSON_NUMBER:
		json_print(j, out, 0);
		break;
	case JSON_NULL:
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		return (err_set(err, ERR_INVALID, "error unmarshaling JSON: "
		    "while decoding JSON: json: cannot unmarshal %s into Go "
		    "value of type string", words[json_type(j)]));
	}
	return (0);
}

/* The rendered text as a YAML map of text. */
static int
apply_map(const struct scope *s, const char *where, const struct json *map,
    const char *strategy, struct err *err)
{
	static const char *const words[] = { "", "bool", "bool", "number",
		"string", "array", "" };
	const struct json *m;

	if (map != NULL && !json_is(map, JSON_OBJECT) &&
	    !json_is(map, JSON_NULL))
		return (err_set(err, ERR_INVALID, "could not unmarshal "
		    "template to 'map[string][]byte': error unmarshaling "
		    "JSON: while decoding JSON: json: cannot unmarshal %s "
		    "into Go value of type map[string]string",
		    words[json_type(map)]));
	for (m = json_first(map); m != NULL; m = json_next(m)) {
		cleanup_buf struct buf one = BUF_SECRET(RENDERED_MAX);

		if (scalar_text(m, &one, err) == -1)
			return (err_wrap(err, "could not unmarshal template "
			    "to 'map[string][]byte'"));
	}
	for (m = json_first(map); m != NULL; m = json_next(m)) {
		struct buf one = BUF_SECRET(RENDERED_MAX);

		scalar_text(m, &one, NULL);
		if (put_decoded(s, where, json_key(m), &one, strategy, 0,
		    err) == -1)
			return (-1);
	}
	return (0);
}

static void
yaml_words(struct err *err, int is_map)
{
	tmpl_yaml_words(err);
	err_wrap(err, is_map ? "could not unmarshal template to "
	    "'map[string][]byte': error converting YAML to JSON" :
	    "could not unmarshal template YAML");
}

static void
forget_digits(struct json *j)
{
	struct json *child;

	if (json_digits(j))
		json_set_digits(j, NULL, 0);
	for (child = json_first(j); child != NULL; child = json_next(child))
		forget_digits(child);
}

/* What goes into an object is Go's any: all numbers are float64. */
static struct json *
as_any(const struct json *tree)
{
	struct json *copy = tree == NULL ? json_new_null() : json_copy(tree);

	forget_digits(copy);
	return (copy);
}

/* mapScopeApply: the text is a document. */
static int
apply_document(const struct scope *s, const char *where, const char *text,
    size_t len, const char *strategy, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(RENDERED_MAX);
	cleanup_free char *name = str_ndup(text, len);
	int is_map = target_is_map(where), rc;
	struct yaml_docs docs = { 0 };

	if (pipeline_template(s->run->p, name, text, len, s->data,
	    &out, err) == -1)
		return (err_wrap(err, "unable to execute template at key %s",
		    name));
	if (yaml_read(buf_str(&out), out.len, &docs, err) == -1) {
		yaml_words(err, is_map);
		return (-1);
	}
	if (is_map)
		rc = apply_map(s, where, docs.n ? docs.v[0].root : NULL,
		    strategy, err);
	else
		rc = target_put_tree(&s->target, where, as_any(docs.n == 0 ?
		    NULL : docs.v[0].root), err);
	yaml_docs_clear(&docs);
	return (rc);
}

/* --- templateFrom ------------------------------------------------------- */

static int
apply_item(const struct scope *s, const struct template_from *from,
    const struct template_item *item, const char *text, size_t len,
    struct err *err)
{
	if (strcmp(item->as, "KeysAndValues") == 0)
		return (apply_document(s, from->target, text, len,
		    from->decoding, err));
	return (apply_value(s, from->target, item->key, text, len,
	    from->decoding, err));
}

static int
from_config_map(const struct scope *s, const struct template_from *from,
    struct err *err)
{
	const struct json *obj = objects_get(s->run->p->objects, "ConfigMap",
	    s->run->es->meta.ns, from->name);
	size_t i;

	if (obj == NULL)
		return (objects_why(s->run->p->objects, "ConfigMap",
		    s->run->es->meta.ns, from->name, err,
		    "configmaps \"%s\" not found", from->name));
	for (i = 0; i < from->nitems; i++) {
		const struct template_item *item = &from->items[i];
		const char *text = json_str(json_get(json_get(obj, "data"),
		    item->key));

		if (text == NULL)
			return (err_set(err, ERR_NOTFOUND, "error in configmap"
			    " %s: missing key %s", from->name, item->key));
		if (apply_item(s, from, item, text, strlen(text), err) == -1)
			return (-1);
	}
	return (0);
}

static int
from_secret(const struct scope *s, const struct template_from *from,
    struct err *err)
{
	const struct json *obj = objects_get(s->run->p->objects, "Secret",
	    s->run->es->meta.ns, from->name);
	struct ksecret sec;
	size_t i;
	int rc = 0;

	if (obj == NULL)
		return (objects_why(s->run->p->objects, "Secret",
		    s->run->es->meta.ns, from->name, err,
		    "secrets \"%s\" not found", from->name));
	if (ksecret_parse(obj, from->name, &sec, err) == -1)
		return (-1);
	for (i = 0; i < from->nitems && rc == 0; i++) {
		const struct template_item *item = &from->items[i];
		const struct secret *v = kv_get(&sec.data, item->key);

		if (v == NULL)
			rc = err_set(err, ERR_NOTFOUND, "error in secret %s: "
			    "missing key %s", from->name, item->key);
		else
			rc = apply_item(s, from, item,
			    (const char *)secret_data(v), secret_len(v), err);
	}
	ksecret_clear(&sec);
	return (rc);
}

static int
apply_from(const struct scope *s, const struct template_from *from,
    struct err *err)
{
	if (strcmp(from->kind, "ConfigMap") == 0 &&
	    from_config_map(s, from, err) == -1)
		return (-1);
	if (strcmp(from->kind, "Secret") == 0 &&
	    from_secret(s, from, err) == -1)
		return (-1);
	if (from->literal == NULL)
		return (0);
	return (apply_document(s, from->target, from->literal,
	    strlen(from->literal), from->decoding, err));
}

/* MergeMap: keys in order, so that the same one fails every time. */
static int
apply_values(const struct scope *s, const struct strmap *map,
    const char *where, struct err *err)
{
	const char **keys;
	size_t i, n;
	int rc = 0;

	if (map == NULL)
		return (0);
	keys = strmap_sorted(map, &n);
	for (i = 0; i < n && rc == 0; i++) {
		const char *text = strmap_get(map, keys[i]);

		rc = apply_value(s, where, keys[i], text, strlen(text), "",
		    err);
	}
	free(keys);
	return (rc);
}

/* --- a Secret ----------------------------------------------------------- */

static void
forget_managed(struct ksecret *secret, const char *manager, const char *what,
    struct strmap *from)
{
	struct names *keys = mem_alloc(sizeof(*keys));
	size_t i;

	ksecret_managed(secret, manager, "f:metadata", what, keys);
	for (i = 0; i < keys->n; i++)
		strmap_del(from, keys->v[i]);
	names_free(keys);
}

static void
add_finalizer(struct ksecret *secret, const char *name)
{
	size_t i;

	for (i = 0; i < secret->nfinalizers; i++) {
		if (strcmp(secret->finalizers[i], name) == 0)
			return;
	}
	secret->finalizers = mem_grow(secret->finalizers,
	    secret->nfinalizers + 1, sizeof(*secret->finalizers));
	secret->finalizers[secret->nfinalizers++] = str_dup(name);
}

/* setMetadata */
static void
set_metadata(const struct external_secret *es, struct ksecret *secret)
{
	cleanup_free char *manager = manager_for_metadata(es->meta.name);
	size_t i;

	forget_managed(secret, manager, "f:labels", secret->labels);
	forget_managed(secret, manager, "f:annotations", secret->annotations);
	if (es->tmpl == NULL) {
		text_merge(secret->labels, es->meta.labels);
		text_merge(secret->annotations, es->meta.annotations);
		return;
	}
	text_merge(secret->labels, es->tmpl->labels);
	text_merge(secret->annotations, es->tmpl->annotations);
	for (i = 0; i < es->tmpl->nfinalizers; i++)
		add_finalizer(secret, es->tmpl->finalizers[i]);
}

static void
put_all(struct kv *dst, const struct kv *src)
{
	size_t i;

	for (i = strmap_next(src->map, 0); i != 0;
	    i = strmap_next(src->map, i)) {
		const struct secret *v = strmap_val(src->map, i);

		kv_put_bytes(dst, strmap_key(src->map, i), secret_data(v),
		    secret_len(v));
	}
}

static int
apply_all(const struct scope *s, const struct es_template *t, struct err *err)
{
	size_t i;

	for (i = 0; i < t->nfrom; i++) {
		if (apply_from(s, &t->from[i], err) == -1)
			return (err_wrap(err,
			    "error fetching templateFrom data"));
	}
	if (apply_values(s, t->data, "Data", err) == -1 ||
	    apply_values(s, t->labels, "Labels", err) == -1 ||
	    apply_values(s, t->annotations, "Annotations", err) == -1)
		return (err_wrap(err, "could not execute template: "
		    "could not execute template"));
	return (0);
}

int
template_apply(struct run *run, struct ksecret *secret,
    const struct kv *data, struct err *err)
{
	const struct external_secret *es = run->es;
	const struct es_template *t = es->tmpl;
	struct scope s = { run, { secret, NULL }, data };

	set_metadata(es, secret);
	if (es->creation != ES_MERGE && es->creation != ES_CREATE_OR_MERGE) {
		kv_clear(&secret->data);
		kv_init(&secret->data);
	}
	if (t == NULL) {
		put_all(&secret->data, data);
		return (0);
	}
	if (t->type[0] != '\0') {
		free(secret->type);
		secret->type = str_dup(t->type);
	}
	if (strcmp(t->merge_policy, "Merge") == 0 || (t->nfrom == 0 &&
	    (t->data == NULL || strmap_len(t->data) == 0)))
		put_all(&secret->data, data);
	return (apply_all(&s, t, err));
}

/* --- a generic target --------------------------------------------------- */

/* What ConfigMap and Secret items collect goes in as one map of templates. */
static int
manifest_items(const struct scope *s, const struct template_from *from,
    const char *where, struct err *err)
{
	struct ksecret temp;
	struct scope collect = { s->run, { &temp, NULL }, s->data };
	const char **keys;
	size_t i, n;
	int rc;

	ksecret_init(&temp, "");
	rc = strcmp(from->kind, "ConfigMap") == 0 ?
	    from_config_map(&collect, from, err) :
	    from_secret(&collect, from, err);
	if (rc == -1)
		err_wrap(err, "failed to merge %s template",
		    strcmp(from->kind, "ConfigMap") == 0 ? "configmap" :
		    "secret");
	keys = strmap_sorted(temp.data.map, &n);
	for (i = 0; i < n && rc == 0; i++) {
		const struct secret *v = kv_get(&temp.data, keys[i]);

		rc = apply_value(s, where, keys[i],
		    (const char *)secret_data(v), secret_len(v), "", err);
		if (rc == -1)
			err_wrap(err, "failed to apply merged templates to "
			    "path %s", where);
	}
	free(keys);
	ksecret_clear(&temp);
	return (rc);
}

int
template_manifest(struct run *run, struct json *obj, const struct kv *data,
    struct err *err)
{
	const struct es_template *t = run->es->tmpl;
	struct scope s = { run, { NULL, obj }, data };
	size_t i;

	for (i = 0; i < t->nfrom; i++) {
		const struct template_from *from = &t->from[i];
		const char *where = str_or(from->target, "Data");

		if (from->literal != NULL && apply_document(&s, where,
		    from->literal, strlen(from->literal), from->decoding,
		    err) == -1)
			return (err_wrap(err,
			    "failed to execute literal template"));
		if (from->kind[0] != '\0' &&
		    manifest_items(&s, from, where, err) == -1)
			return (-1);
	}
	if (apply_values(&s, t->data, "Data", err) == -1)
		return (err_wrap(err, "failed to execute template.data"));
	return (0);
}
