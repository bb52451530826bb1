/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "job/pipeline_internal.h"

/* A Secret as the API server holds it: from JSON, copied, compared. */

struct strmap *
text_map(void)
{
	return (strmap_new(free));
}

void
text_put(struct strmap *m, const char *key, const char *value)
{
	strmap_put(m, key, str_dup(value));
}

void
text_merge(struct strmap *dst, const struct strmap *src)
{
	size_t i;

	if (src == NULL)
		return;
	for (i = strmap_next(src, 0); i != 0; i = strmap_next(src, i))
		text_put(dst, strmap_key(src, i), strmap_val(src, i));
}

void
names_add(struct names *l, const char *s)
{
	l->v = mem_grow(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = str_dup(s);
}

void
names_free(void *arg)
{
	struct names *l = arg;
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	free(l);
}

void
ksecret_init(struct ksecret *s, const char *name)
{
	memset(s, 0, sizeof(*s));
	s->name = str_dup(name);
	s->type = str_dup("");
	s->immutable = -1;
	s->labels = text_map();
	s->annotations = text_map();
	kv_init(&s->data);
}

void
owner_clear(struct owner_ref *o)
{
	free(o->api_version);
	free(o->kind);
	free(o->name);
	free(o->uid);
	memset(o, 0, sizeof(*o));
}

static void
map_parse(const struct json *obj, struct strmap *ret)
{
	const struct json *m;

	for (m = json_first(obj); m != NULL; m = json_next(m)) {
		if (json_key(m) != NULL)
			text_put(ret, json_key(m), str_or(json_str(m), ""));
	}
}

static void
owners_parse(const struct json *list, struct ksecret *s)
{
	const struct json *o, *c;
	struct owner_ref *r;

	for (o = json_first(list); o != NULL; o = json_next(o)) {
		s->owners = mem_grow(s->owners, s->nowners + 1,
		    sizeof(*s->owners));
		r = &s->owners[s->nowners++];
		r->api_version = str_dup(str_or(json_str(
		    json_get(o, "apiVersion")), ""));
		r->kind = str_dup(str_or(json_str(json_get(o, "kind")), ""));
		r->name = str_dup(str_or(json_str(json_get(o, "name")), ""));
		r->uid = str_dup(str_or(json_str(json_get(o, "uid")), ""));
		c = json_get(o, "controller");
		r->controller = json_is(c, JSON_TRUE) ||
		    json_is(c, JSON_FALSE) ? json_bool(c, 0) : -1;
	}
}

static int
data_parse(const struct json *obj, struct ksecret *s, struct err *err)
{
	const struct json *m;

	for (m = json_first(json_get(obj, "data")); m != NULL;
	    m = json_next(m)) {
		struct buf raw = BUF_SECRET(SIZE_MAX);
		const char *text = str_or(json_str(m), "");

		if (codec_b64_decode(&raw, text, strlen(text), CODEC_B64_STD,
		    NULL) == -1) {
			buf_clear(&raw);
			return (err_set(err, ERR_INVALID,
			    "Secret \"%s\": data[%s] is no base64: encode the "
			    "value or move it to stringData", s->name,
			    json_key(m)));
		}
		kv_put(&s->data, json_key(m), secret_from_buf(&raw));
	}
	for (m = json_first(json_get(obj, "stringData")); m != NULL;
	    m = json_next(m)) {
		const char *text = str_or(json_str(m), "");

		kv_put_bytes(&s->data, json_key(m), text, strlen(text));
	}
	return (0);
}

int
ksecret_parse(const struct json *obj, const char *name, struct ksecret *ret,
    struct err *err)
{
	const struct json *meta = json_get(obj, "metadata"), *f;

	ksecret_init(ret, name);
	free(ret->type);
	ret->type = str_dup(str_or(json_str(json_get(obj, "type")),
	    "Opaque"));
	f = json_get(obj, "immutable");
	if (json_is(f, JSON_TRUE) || json_is(f, JSON_FALSE))
		ret->immutable = json_bool(f, 0);
	map_parse(json_get(meta, "labels"), ret->labels);
	map_parse(json_get(meta, "annotations"), ret->annotations);
	owners_parse(json_get(meta, "ownerReferences"), ret);
	for (f = json_first(json_get(meta, "finalizers")); f != NULL;
	    f = json_next(f)) {
		ret->finalizers = mem_grow(ret->finalizers,
		    ret->nfinalizers + 1, sizeof(*ret->finalizers));
		ret->finalizers[ret->nfinalizers++] =
		    str_dup(str_or(json_str(f), ""));
	}
	ret->managed_fields = json_get(meta, "managedFields");
	if (data_parse(obj, ret, err) == -1) {
		ksecret_clear(ret);
		return (-1);
	}
	return (0);
}

static void
meta_clear(struct ksecret *s)
{
	size_t i;

	strmap_free(s->labels);
	strmap_free(s->annotations);
	for (i = 0; i < s->nowners; i++)
		owner_clear(&s->owners[i]);
	free(s->owners);
	for (i = 0; i < s->nfinalizers; i++)
		free(s->finalizers[i]);
	free(s->finalizers);
}

void
ksecret_clear(struct ksecret *s)
{
	free(s->name);
	free(s->type);
	meta_clear(s);
	kv_clear(&s->data);
	memset(s, 0, sizeof(*s));
}

void
ksecret_copy_meta(struct ksecret *dst, const struct ksecret *src)
{
	size_t i;

	meta_clear(dst);
	dst->labels = text_map();
	dst->annotations = text_map();
	text_merge(dst->labels, src->labels);
	text_merge(dst->annotations, src->annotations);
	dst->nowners = src->nowners;
	dst->owners = mem_array(src->nowners, sizeof(*dst->owners));
	for (i = 0; i < src->nowners; i++) {
		dst->owners[i].api_version =
		    str_dup(src->owners[i].api_version);
		dst->owners[i].kind = str_dup(src->owners[i].kind);
		dst->owners[i].name = str_dup(src->owners[i].name);
		dst->owners[i].uid = str_dup(src->owners[i].uid);
		dst->owners[i].controller = src->owners[i].controller;
	}
	dst->nfinalizers = src->nfinalizers;
	dst->finalizers = mem_array(src->nfinalizers,
	    sizeof(*dst->finalizers));
	for (i = 0; i < src->nfinalizers; i++)
		dst->finalizers[i] = str_dup(src->finalizers[i]);
}

void
ksecret_copy(struct ksecret *dst, const struct ksecret *src)
{
	size_t i;

	ksecret_init(dst, src->name);
	free(dst->type);
	dst->type = str_dup(src->type);
	dst->immutable = src->immutable;
	dst->managed_fields = src->managed_fields;
	ksecret_copy_meta(dst, src);
	for (i = strmap_next(src->data.map, 0); i != 0;
	    i = strmap_next(src->data.map, i)) {
		const struct secret *v = strmap_val(src->data.map, i);

		kv_put_bytes(&dst->data, strmap_key(src->data.map, i),
		    secret_data(v), secret_len(v));
	}
}

static int
maps_equal(const struct strmap *a, const struct strmap *b)
{
	size_t i;

	if (strmap_len(a) != strmap_len(b))
		return (0);
	for (i = strmap_next(a, 0); i != 0; i = strmap_next(a, i)) {
		if (!str_eq(strmap_val(a, i),
		    strmap_get(b, strmap_key(a, i))))
			return (0);
	}
	return (1);
}

static int
owners_equal(const struct ksecret *a, const struct ksecret *b)
{
	size_t i;

	if (a->nowners != b->nowners)
		return (0);
	for (i = 0; i < a->nowners; i++) {
		const struct owner_ref *x = &a->owners[i], *y = &b->owners[i];

		if (!str_eq(x->api_version, y->api_version) ||
		    !str_eq(x->kind, y->kind) || !str_eq(x->name, y->name) ||
		    !str_eq(x->uid, y->uid) || x->controller != y->controller)
			return (0);
	}
	return (1);
}

int
ksecret_meta_equal(const struct ksecret *a, const struct ksecret *b)
{
	size_t i;

	if (a->nfinalizers != b->nfinalizers)
		return (0);
	for (i = 0; i < a->nfinalizers; i++) {
		if (strcmp(a->finalizers[i], b->finalizers[i]) != 0)
			return (0);
	}
	return (maps_equal(a->labels, b->labels) &&
	    maps_equal(a->annotations, b->annotations) && owners_equal(a, b));
}

int
ksecret_rest_equal(const struct ksecret *a, const struct ksecret *b)
{
	size_t i;

	if (strcmp(a->type, b->type) != 0 || a->immutable != b->immutable ||
	    kv_len(&a->data) != kv_len(&b->data))
		return (0);
	for (i = strmap_next(a->data.map, 0); i != 0;
	    i = strmap_next(a->data.map, i)) {
		if (!secret_equal(strmap_val(a->data.map, i),
		    kv_get(&b->data, strmap_key(a->data.map, i))))
			return (0);
	}
	return (1);
}

void
ksecret_managed(const struct ksecret *s, const char *manager,
    const char *outer, const char *inner, struct names *ret)
{
	const struct json *m, *fields, *k;

	for (m = json_first(s->managed_fields); m != NULL; m = json_next(m)) {
		if (!str_eq(json_str(json_get(m, "manager")), manager))
			continue;
		fields = json_get(json_get(m, "fieldsV1"), outer);
		if (inner != NULL)
			fields = json_get(fields, inner);
		for (k = json_first(fields); k != NULL; k = json_next(k)) {
			const char *key = json_key(k);

			if (key != NULL && strncmp(key, "f:", 2) == 0)
				names_add(ret, key + 2);
		}
	}
}
