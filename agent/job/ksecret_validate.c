/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline_internal.h"
#include "model/schema.h"
#include "value/doc.h"
#include "value/gostr.h"

/*
 * What the API server says about a Secret: k8s.io/kubernetes
 * pkg/apis/core/validation.ValidateSecret and ValidateSecretUpdate,
 * apimachinery pkg/api/validation (metadata) and pkg/util/validation (words).
 * Its
 * maps come in random order; ours are sorted.
 */
#define SECRET_SIZE_MAX (1u << 20)
#define ANNOTATIONS_SIZE_MAX (256u << 10)

#define KEY_RULE "a valid config key must consist of alphanumeric " \
	"characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or " \
	"'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

/* A list of complaints, printed as an aggregate. */
struct complaints {
	struct buf text;
	size_t n;
};

static void
complain(struct complaints *c, const char *path, const char *key,
    const char *type, const char *value, const char *why)
{
	if (c->n++ > 0)
		buf_adds(&c->text, ", ");
	buf_adds(&c->text, path);
	if (key != NULL) {
		buf_addc(&c->text, '[');
		buf_adds(&c->text, key);
		buf_addc(&c->text, ']');
	}
	buf_adds(&c->text, ": ");
	buf_adds(&c->text, type);
	if (value != NULL) {
		buf_adds(&c->text, ": ");
		gostr_quote(value, strlen(value), &c->text);
	}
	if (why[0] != '\0') {
		buf_adds(&c->text, ": ");
		buf_adds(&c->text, why);
	}
}

/* IsValidLabelValue's pattern, whatever the length. */
static int
is_label_text(const char *s)
{
	size_t i, n = strlen(s);

	for (i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) &&
		    (i == 0 || i == n - 1 || strchr("-_.", s[i]) == NULL))
			return (0);
	}
	return (1);
}

static void
check_labels(struct complaints *c, const struct strmap *labels)
{
	const char **keys;
	size_t i, n;

	keys = strmap_sorted(labels, &n);
	for (i = 0; i < n; i++) {
		const char *v = strmap_get(labels, keys[i]);
		cleanup_free char *bad_key = name_label_key(keys[i]);
		cleanup_free char *shape = name_label_value("-");

		if (bad_key != NULL)
			complain(c, "metadata.labels", NULL, "Invalid value",
			    keys[i], bad_key);
		if (strlen(v) > 63)
			complain(c, "metadata.labels", NULL, "Invalid value",
			    v, "must be no more than 63 bytes");
		if (!is_label_text(v))
			complain(c, "metadata.labels", NULL, "Invalid value",
			    v, shape);
	}
	free(keys);
}

static void
check_annotations(struct complaints *c, const struct strmap *annotations)
{
	const char **keys;
	size_t i, n, size = 0;

	keys = strmap_sorted(annotations, &n);
	for (i = 0; i < n; i++) {
		cleanup_free char *low = str_dup(keys[i]);
		cleanup_free char *bad = NULL;
		char *p;

		for (p = low; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
		bad = name_label_key(low);
		if (bad != NULL)
			complain(c, "metadata.annotations", NULL,
			    "Invalid value", keys[i], bad);
		size += strlen(keys[i]) +
		    strlen(strmap_get(annotations, keys[i]));
	}
	if (size > ANNOTATIONS_SIZE_MAX)
		complain(c, "metadata.annotations", NULL, "Too long", NULL,
		    "may not be more than 262144 bytes");
	free(keys);
}

static const char *
key_problem(const char *key)
{
	const char *p;

	if (strlen(key) > 253)
		return ("must be no more than 253 bytes");
	for (p = key; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL)
			return (KEY_RULE);
	}
	if (key[0] == '\0')
		return (KEY_RULE);
	if (strcmp(key, ".") == 0)
		return ("must not be '.'");
	if (strcmp(key, "..") == 0)
		return ("must not be '..'");
	if (strncmp(key, "..", 2) == 0)
		return ("must not start with '..'");
	return (NULL);
}

static void
check_data(struct complaints *c, const struct kv *data)
{
	const char **keys;
	size_t i, n, size = 0;

	keys = strmap_sorted(data->map, &n);
	for (i = 0; i < n; i++) {
		const char *bad = key_problem(keys[i]);

		if (bad != NULL)
			complain(c, "data", keys[i], "Invalid value", keys[i],
			    bad);
		size += secret_len(kv_get(data, keys[i]));
	}
	if (size > SECRET_SIZE_MAX)
		complain(c, "data", NULL, "Too long", NULL,
		    "may not be more than 1048576 bytes");
	free(keys);
}

/* A key that must hold a JSON object; its content stays untold. */
static void
check_json(struct complaints *c, const struct kv *data, const char *key)
{
	static const char *const words[] = { "", "", "bool", "bool", "number",
		"string", "array" };
	const struct secret *v = kv_get(data, key);
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *text = NULL;
	struct doc d;

	if (v == NULL) {
		complain(c, "data", key, "Required value", NULL, "");
		return;
	}
	if (doc_parse((const char *)secret_data(v), secret_len(v), &d,
	    &err) == -1)
		text = str_dup(err_msg(&err));
	else if (d.type != DOC_OBJECT && d.type != DOC_NULL)
		text = str_fmt("json: cannot unmarshal %s into Go value of "
		    "type map[string]interface {}", words[d.type]);
	if (text != NULL)
		complain(c, "data", key, "Invalid value",
		    "<secret contents redacted>", text);
}

static void
check_type(struct complaints *c, const struct ksecret *s)
{
	const struct kv *d = &s->data;

	if (strcmp(s->type, "kubernetes.io/service-account-token") == 0) {
		if (str_or(strmap_get(s->annotations,
		    "kubernetes.io/service-account.name"), NULL) == NULL)
			complain(c, "metadata.annotations",
			    "kubernetes.io/service-account.name",
			    "Required value", NULL, "");
	} else if (strcmp(s->type, "kubernetes.io/dockercfg") == 0) {
		check_json(c, d, ".dockercfg");
	} else if (strcmp(s->type, "kubernetes.io/dockerconfigjson") == 0) {
		check_json(c, d, ".dockerconfigjson");
	} else if (strcmp(s->type, "kubernetes.io/basic-auth") == 0) {
		if (kv_get(d, "username") == NULL &&
		    kv_get(d, "password") == NULL) {
			complain(c, "data", "username", "Required value",
			    NULL, "");
			complain(c, "data", "password", "Required value",
			    NULL, "");
		}
	} else if (strcmp(s->type, "kubernetes.io/ssh-auth") == 0) {
		if (kv_get(d, "ssh-privatekey") == NULL ||
		    secret_len(kv_get(d, "ssh-privatekey")) == 0)
			complain(c, "data", "ssh-privatekey",
			    "Required value", NULL, "");
	} else if (strcmp(s->type, "kubernetes.io/tls") == 0) {
		if (kv_get(d, "tls.crt") == NULL)
			complain(c, "data", "tls.crt", "Required value", NULL,
			    "");
		if (kv_get(d, "tls.key") == NULL)
			complain(c, "data", "tls.key", "Required value", NULL,
			    "");
	}
}

/* The API server defaults an absent type before it validates. */
static const char *
type_of(const struct ksecret *s)
{
	return (str_or(s->type, "Opaque"));
}

int
ksecret_validate(const struct ksecret *s, const struct ksecret *old,
    struct err *err)
{
	struct complaints c = { BUF_PLAIN(ERROR_TEXT_MAX), 0 };
	size_t i;

	if (old != NULL && strcmp(type_of(s), type_of(old)) != 0)
		complain(&c, "type", NULL, "Invalid value", s->type,
		    "field is immutable");
	check_labels(&c, s->labels);
	check_annotations(&c, s->annotations);
	for (i = 0; i < s->nfinalizers; i++) {
		cleanup_free char *bad = name_label_key(s->finalizers[i]);

		if (bad != NULL)
			complain(&c, "metadata.finalizers", NULL,
			    "Invalid value", s->finalizers[i], bad);
	}
	check_data(&c, &s->data);
	check_type(&c, s);
	if (c.n > 0)
		err_set(err, ERR_INVALID, "Secret \"%s\" is invalid: %s%s%s",
		    s->name, c.n > 1 ? "[" : "", buf_str(&c.text),
		    c.n > 1 ? "]" : "");
	buf_clear(&c.text);
	return (c.n > 0 ? -1 : 0);
}
