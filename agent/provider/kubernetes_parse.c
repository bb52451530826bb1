/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "model/schema.h"
#include "provider/kubernetes_internal.h"
#include "value/doc.h"
#include "value/gjson.h"

/* --- pieces --------------------------------------------------------------- */

/* secret.Data[key]: 1 there, 0 not, -1 not base64. */
static int
data_of(const struct json *secret, const char *key, struct buf *out,
    struct err *err)
{
	const char *coded = json_str(json_get(json_get(secret, "data"), key));

	if (coded == NULL)
		return (0);
	if (codec_b64_decode(out, coded, strlen(coded), CODEC_B64_STD,
	    NULL) == -1)
		return (err_set(err, ERR_INVALID, "the API server's answer "
		    "holds data that is not base64"));
	return (buf_finish(out, "the value", err) == -1 ? -1 : 1);
}

static void
add_key(struct buf *out, const char *key, int first)
{
	buf_adds(out, first ? "" : ",");
	codec_json_string(out, key, strlen(key), 0);
	buf_addc(out, ':');
}

static struct strmap *
members(const struct json *obj)
{
	struct strmap *m = strmap_new(NULL);

	for (const struct json *j = json_is(obj, JSON_OBJECT) ?
	    json_first(obj) : NULL; j != NULL; j = json_next(j))
		strmap_put(m, json_key(j), NULL);
	return (m);
}

int
k8s_whole(const struct json *secret, struct buf *out, struct err *err)
{
	cleanup_strmap struct strmap *m = members(json_get(secret, "data"));
	size_t n;
	cleanup_free const char **keys = strmap_sorted(m, &n);

	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		cleanup_buf struct buf v = BUF_SECRET(K8S_VALUE_MAX);

		if (data_of(secret, keys[i], &v, err) == -1)
			return (-1);
		add_key(out, keys[i], i == 0);
		codec_json_string(out, buf_str(&v), v.len, 0);
	}
	buf_addc(out, '}');
	return (0);
}

/* A map[string]string of the metadata; a nil map is null. */
static void
add_texts(const struct json *map, struct buf *out)
{
	cleanup_strmap struct strmap *m = members(map);
	size_t n;
	cleanup_free const char **keys = strmap_sorted(m, &n);

	if (n == 0) {
		buf_adds(out, "null");
		return;
	}
	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		const char *v = str_or(json_str(json_get(map, keys[i])), "");

		add_key(out, keys[i], i == 0);
		codec_json_string(out, v, strlen(v), 0);
	}
	buf_addc(out, '}');
}

static const struct json *
labels_of(const struct json *secret)
{
	return (json_path(secret, "metadata.labels"));
}

static const struct json *
annotations_of(const struct json *secret)
{
	return (json_path(secret, "metadata.annotations"));
}

static int
wants_metadata(const struct remote_ref *ref)
{
	return (strcmp(ref->metadata_policy, "Fetch") == 0);
}

/* gjson.Get(…).String(): 1 exists. */
static int
along(const char *json, size_t len, const char *path, struct buf *out)
{
	struct gjson g;
	int exists;

	gjson_get(json, len, path, &g);
	exists = g.type != DOC_NONE;
	if (exists)
		gjson_string(&g, out);
	gjson_clear(&g);
	return (exists);
}

/* --- GetSecret ------------------------------------------------------------ */

/* getFromSecretData: the key itself, else a path into the key before the first
 * dot. */
static int
from_data(const struct json *secret, const char *property, struct buf *out,
    struct err *err)
{
	const char *dot = strchr(property, '.');
	cleanup_buf struct buf v = BUF_SECRET(K8S_VALUE_MAX);
	cleanup_free char *key = NULL;
	int rc = data_of(secret, property, out, err);

	if (rc != 0 || dot == NULL || dot == property || dot[1] == '\0')
		return (rc);
	key = str_ndup(property, (size_t)(dot - property));
	rc = data_of(secret, key, &v, err);
	return (rc == 1 ? along(buf_str(&v), v.len, dot + 1, out) : rc);
}

/* What stands behind the second part loses its dots: so does ESO's. */
static int
below_text(const char *value, const char *path, struct buf *out)
{
	cleanup_free char *joined = str_dup(path);
	char *to = joined;

	for (const char *p = path; *p != '\0'; p++)
		if (*p != '.')
			*to++ = *p;
	*to = '\0';
	return (along(value, strlen(value), joined, out));
}

static int
from_metadata(const struct json *secret, const char *property,
    struct buf *out)
{
	size_t len = strcspn(property, "."), key_len;
	cleanup_free char *first = str_ndup(property, len), *key = NULL;
	const struct json *map;
	const char *rest, *value;

	if (strcmp(first, "labels") == 0)
		map = labels_of(secret);
	else if (strcmp(first, "annotations") == 0)
		map = annotations_of(secret);
	else
		return (0);
	if (property[len] == '\0') {
		add_texts(map, out);
		return (1);
	}
	rest = property + len + 1;
	key_len = strcspn(rest, ".");
	key = str_ndup(rest, key_len);
	if ((value = json_str(json_get(map, key))) == NULL)
		return (0);
	if (rest[key_len] != '\0')
		return (below_text(value, rest + key_len + 1, out));
	buf_adds(out, value);
	return (1);
}

int
k8s_value(const struct json *secret, const struct remote_ref *ref,
    struct buf *out, struct err *err)
{
	int found;

	if (ref->property[0] == '\0' && wants_metadata(ref)) {
		buf_adds(out, "{\"annotations\":");
		add_texts(annotations_of(secret), out);
		buf_adds(out, ",\"labels\":");
		add_texts(labels_of(secret), out);
		buf_addc(out, '}');
		return (0);
	}
	if (ref->property[0] == '\0')
		return (k8s_whole(secret, out, err));
	found = wants_metadata(ref) ? from_metadata(secret, ref->property,
	    out) : from_data(secret, ref->property, out, err);
	if (found == 0)
		return (err_set(err, ERR_NOTFOUND, "property %s does not exist "
		    "in %s of secret \"%s\"", ref->property,
		    wants_metadata(ref) ? "metadata" : "data", ref->key));
	return (found == 1 ? 0 : -1);
}

/* --- GetSecretMap --------------------------------------------------------- */

/* tmpMap: key to bytes. */
static int
all_bytes(const struct json *secret, const struct remote_ref *ref,
    struct kv *ret, struct err *err)
{
	const struct json *j = json_first(json_get(secret, "data"));
	struct buf l = BUF_SECRET(K8S_VALUE_MAX);
	struct buf a = BUF_SECRET(K8S_VALUE_MAX);

	if (wants_metadata(ref)) {
		add_texts(annotations_of(secret), &a);
		add_texts(labels_of(secret), &l);
		kv_put(ret, "annotations", secret_from_buf(&a));
		kv_put(ret, "labels", secret_from_buf(&l));
		return (0);
	}
	for (; j != NULL; j = json_next(j)) {
		struct buf v = BUF_SECRET(K8S_VALUE_MAX);

		if (data_of(secret, json_key(j), &v, err) == -1) {
			buf_clear(&v);
			return (-1);
		}
		kv_put(ret, json_key(j), secret_from_buf(&v));
	}
	return (0);
}

/* JSONMarshal of a map[string][]byte: the values in base64. */
static void
add_coded(const struct kv *all, struct buf *out)
{
	size_t n;
	cleanup_free const char **keys = strmap_sorted(all->map, &n);

	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		const struct secret *v = kv_get(all, keys[i]);

		add_key(out, keys[i], i == 0);
		buf_addc(out, '"');
		codec_b64_encode(out, secret_data(v), secret_len(v),
		    CODEC_B64_STD, 1);
		buf_addc(out, '"');
	}
	buf_addc(out, '}');
}

static int
add_members(const struct doc *doc, struct kv *ret)
{
	struct doc key, value;
	size_t at = 0;

	while (doc_next(doc, &at, &key, &value)) {
		cleanup_buf struct buf name = BUF_PLAIN(K8S_VALUE_MAX);
		struct buf v = BUF_SECRET(K8S_VALUE_MAX);

		doc_string(&key, &name);
		if (memchr(buf_str(&name), '\0', name.len) != NULL ||
		    doc_floats(&value, NULL) == -1)
			return (-1);
		doc_marshal(&value, &v, 0, 0);
		kv_put(ret, buf_str(&name), secret_from_buf(&v));
	}
	return (0);
}

/* getMapFromValues: 1 exists. */
static int
map_at(const struct buf *coded, const char *path, struct kv *ret,
    struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(2 * K8S_VALUE_MAX);
	cleanup_buf struct buf plain = BUF_SECRET(K8S_VALUE_MAX);
	struct doc doc;
	size_t bad = 0;

	if (!along(buf_str(coded), coded->len, path, &text))
		return (0);
	if (codec_b64_decode(&plain, buf_str(&text), text.len, CODEC_B64_STD,
	    &bad) == -1)
		return (err_set(err, ERR_INVALID,
		    "illegal base64 data at input byte %zu", bad));
	if (doc_parse(buf_str(&plain), plain.len, &doc, NULL) == -1 ||
	    (doc.type != DOC_OBJECT && doc.type != DOC_NULL) ||
	    (doc.type == DOC_OBJECT && add_members(&doc, ret) == -1))
		return (err_set(err, ERR_INVALID, "failed to unmarshal secret: "
		    "invalid JSON format"));
	return (1);
}

/* getPropertyMap: a key with dots comes before a path. */
static int
property_map(const struct remote_ref *ref, const struct kv *all,
    struct kv *ret, struct err *err)
{
	cleanup_buf struct buf coded = BUF_SECRET(4 * K8S_VALUE_MAX);
	cleanup_buf struct buf literal = BUF_PLAIN(64u << 10);
	int found = 0;

	add_coded(all, &coded);
	for (const char *p = ref->property; *p != '\0'; p++) {
		if (*p == '.')
			buf_addc(&literal, '\\');
		buf_addc(&literal, *p);
	}
	if (strchr(ref->property, '.') != NULL)
		found = map_at(&coded, buf_str(&literal), ret, err);
	if (found == 0)
		found = map_at(&coded, ref->property, ret, err);
	if (found == 0)
		return (err_set(err, ERR_NOTFOUND, "property %s does not exist "
		    "in key %s", ref->property, ref->key));
	return (found == 1 ? 0 : -1);
}

int
k8s_values(const struct json *secret, const struct remote_ref *ref,
    struct kv *ret, struct err *err)
{
	cleanup_kv struct kv all;
	int rc;

	kv_init(&all);
	rc = all_bytes(secret, ref, &all, err);
	if (rc == 0 && ref->property[0] != '\0')
		rc = property_map(ref, &all, ret, err);
	else if (rc == 0)
		kv_merge(ret, &all);
	return (rc);
}

/* --- asking --------------------------------------------------------------- */

char *
k8s_escape(const char *s)
{
	struct buf b = BUF_PLAIN(64u << 10);

	buf_adds(&b, "");
	codec_query_escape(&b, s, strlen(s));
	return (buf_ok(&b) ? buf_take(&b) : (buf_clear(&b), str_dup("")));
}

/* labels.ValidatedSelectorFromSet */
int
k8s_selector(const struct strmap *tags, char **ret, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(64u << 10);
	cleanup_free char *escaped = NULL;
	size_t n;
	cleanup_free const char **keys = strmap_sorted(tags, &n);

	for (size_t i = 0; i < n; i++) {
		const char *v = strmap_get(tags, keys[i]);
		cleanup_free char *bad_key = name_label_key(keys[i]);
		cleanup_free char *bad = name_label_value(v);

		if (bad_key != NULL)
			return (err_set(err, ERR_INVALID, "key: Invalid value: "
			    "\"%s\": %s", keys[i], bad_key));
		if (bad != NULL)
			return (err_set(err, ERR_INVALID, "values[0][%s]: "
			    "Invalid value: \"%s\": %s", keys[i], v, bad));
		buf_addf(&b, "%s%s=%s", i > 0 ? "," : "", keys[i], v);
	}
	if (buf_finish(&b, "the selector", err) == -1)
		return (-1);
	escaped = k8s_escape(buf_str(&b));
	*ret = n == 0 ? str_dup("") : str_fmt("&labelSelector=%s", escaped);
	return (0);
}

static int
names(const struct json *list, const char *word)
{
	for (const struct json *j = json_first(list); j != NULL;
	    j = json_next(j))
		if (str_eq(json_str(j), word) || str_eq(json_str(j), "*"))
			return (1);
	return (0);
}

int
k8s_rules_allow(const struct json *review)
{
	const struct json *rule = json_first(json_path(review,
	    "status.resourceRules"));

	for (; rule != NULL; rule = json_next(rule)) {
		const struct json *groups = json_get(rule, "apiGroups");

		if (names(json_get(rule, "resources"), "secrets") &&
		    names(json_get(rule, "verbs"), "get") &&
		    (json_len(groups) == 0 || names(groups, "")))
			return (1);
	}
	return (0);
}
