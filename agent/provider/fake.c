/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/registry.h"
#include "value/extract.h"
#include "value/gjson.h"
#include "value/regex.h"

/*
 * The store whose values stand in its own manifest: ESO 2.9.0
 * providers/v1/fake/fake.go.
 */
#define DUMP_MAX (64u << 10)
#define VALUE_MAX (192u << 20)	/* as large as a manifest */

static const struct setting settings[] = {
	{ "data", SET_LIST, SET_REQUIRED, NULL, NULL, "what the store holds" },
	{ "data[].key", SET_STRING, SET_REQUIRED, NULL, NULL, "remote key" },
	{ "data[].value", SET_STRING, SET_REQUIRED | SET_INLINE_VALUE, NULL,
	    NULL, "its value" },
	{ "data[].version", SET_STRING, 0, NULL, NULL, "its version" },
	{ "validationResult", SET_INT, 0, NULL, NULL,
	    "0 ready, 1 unknown, 2 error" },
	{ 0 }
};

struct entry {
	char *key;
	char *version;
	struct secret *value;
};

struct provider_conn {
	struct strmap *entries;		/* key and version as one -> entry */
	struct provider_env *env;
};

static const char *
text(const struct json *obj, const char *key)
{
	return (str_or(json_str(json_get(obj, key)), ""));
}

static void
check(const struct store *store, struct findings *f)
{
	size_t i = 0;

	for (const struct json *d = json_first(json_get(store->spec, "data"));
	    d != NULL; d = json_next(d), i++) {
		cleanup_free char *field = str_fmt(
		    "spec.provider.fake.data[%zu]", i);

		if (!json_is(d, JSON_OBJECT))
			continue;
		if (text(d, "key")[0] == '\0')
			findings_reject(f, FINDING_WEBHOOK, d, field,
			    "key must be set in data %zu", i);
		else if (text(d, "value")[0] == '\0')
			findings_reject(f, FINDING_WEBHOOK, d, field,
			    "at least one value must be set in data %zu", i);
	}
}

/* --- open ---------------------------------------------------------------- */

static void
entry_free(void *arg)
{
	struct entry *e = arg;

	free(e->key);
	free(e->version);
	secret_free(e->value);
	free(e);
}

static int
fake_open(struct provider_env *env, struct provider_conn **ret,
    struct err *err)
{
	struct provider_conn *c;

	if (env->store->spec == NULL)
		return (err_set(err, ERR_INVALID,
		    "missing store provider fake"));
	c = mem_alloc(sizeof(*c));
	c->env = env;
	c->entries = strmap_new(entry_free);
	for (const struct json *d = json_first(json_get(env->store->spec,
	    "data")); d != NULL; d = json_next(d)) {
		struct entry *e = mem_alloc(sizeof(*e));
		cleanup_free char *map_key = str_fmt("%s%s", text(d, "key"),
		    text(d, "version"));

		e->key = str_dup(text(d, "key"));
		e->version = str_dup(text(d, "version"));
		e->value = secret_new(text(d, "value"),
		    strlen(text(d, "value")));
		strmap_put(c->entries, map_key, e);
	}
	*ret = c;
	return (0);
}

static void
fake_close(struct provider_conn *c)
{
	if (c == NULL)
		return;
	strmap_free(c->entries);
	free(c);
}

/* --- one value ----------------------------------------------------------- */

static int
no_secret(struct err *err)
{
	return (err_set(err, ERR_NOTFOUND, PROVIDER_NO_SECRET));
}

static int
fake_get(struct provider_conn *c, const struct remote_ref *ref,
    struct secret **ret, struct err *err)
{
	cleanup_free char *map_key = str_fmt("%s%s", ref->key, ref->version);
	const struct entry *e = strmap_get(c->entries, map_key);
	cleanup_buf struct buf out = BUF_SECRET(VALUE_MAX);
	struct gjson g;
	int exists;

	c->env->requests++;
	if (e == NULL || strcmp(e->version, ref->version) != 0)
		return (no_secret(err));
	if (ref->property[0] == '\0') {
		*ret = secret_new(secret_data(e->value),
		    secret_len(e->value));
		return (0);
	}
	gjson_get((const char *)secret_data(e->value), secret_len(e->value),
	    ref->property, &g);
	exists = g.type != DOC_NONE;
	gjson_string(&g, &out);
	gjson_clear(&g);
	if (!exists)
		return (no_secret(err));
	if (buf_finish(&out, "the value", err) == -1)
		return (-1);
	*ret = secret_from_buf(&out);
	return (0);
}

/* --- extract ------------------------------------------------------------- */

static int
fake_get_map(struct provider_conn *c, const struct remote_ref *ref,
    struct kv *ret, struct err *err)
{
	cleanup_secret struct secret *s = NULL;

	if (fake_get(c, ref, &s, err) == -1)
		return (-1);
	if (value_extract((const char *)secret_data(s), secret_len(s),
	    DOC_RAW_MESSAGE, ret, err) == -1)
		return (err_wrap(err, "unable to unmarshal secret"));
	return (0);
}

/* --- find ---------------------------------------------------------------- */

static int
unsupported(const struct find_ref *ref, struct err *err)
{
	cleanup_buf struct buf out = BUF_PLAIN(DUMP_MAX);

	provider_find_text(ref, &out);
	return (err_set(err, ERR_INVALID, "unsupported find operator: %s",
	    buf_str(&out)));
}

/* The newest version of each key, versions compared as text. */
static void
collect(const struct provider_conn *c, const struct regex *re, struct kv *ret)
{
	struct strmap *newest = strmap_new(NULL);

	for (size_t i = strmap_next(c->entries, 0); i != 0;
	    i = strmap_next(c->entries, i)) {
		const struct entry *e = strmap_val(c->entries, i);
		const struct entry *old = strmap_get(newest, e->key);

		if (!regex_match(re, e->key, strlen(e->key)))
			continue;
		if (old != NULL && strcmp(old->version, e->version) >= 0)
			continue;
		strmap_put(newest, e->key, strmap_val(c->entries, i));
		kv_put_bytes(ret, e->key, secret_data(e->value),
		    secret_len(e->value));
	}
	strmap_free(newest);
}

static int
fake_find(struct provider_conn *c, const struct find_ref *ref, struct kv *ret,
    struct err *err)
{
	enum value_conversion how;
	struct regex *re = NULL;

	c->env->requests++;
	if (ref->name_regexp == NULL)
		return (unsupported(ref, err));
	if (regex_new(ref->name_regexp, strlen(ref->name_regexp), &re,
	    err) == -1)
		return (err_wrap(err, "could not compile find.name.regexp "
		    "[%s]", ref->name_regexp));
	collect(c, re, ret);
	regex_free(re);
	/* ESO converts here and once more in its controller. */
	if (value_conversion_parse(ref->conversion, &how) == -1)
		return (0);
	return (value_convert_keys(ret, how, err));
}

/* --- the store's condition ----------------------------------------------- */

static int
fake_validate(struct provider_conn *c, struct err *err)
{
	double result = json_num(json_get(c->env->store->spec,
	    "validationResult"), 0);

	if (result == 0 || result == 1)
		return (result == 1);
	return (err_set(err, ERR_INVALID, "unable to validate"));
}

const struct provider provider_fake = {
	.name = "fake",
	.metric = "Fake",
	.settings = settings,
	.check = check,
	.open = fake_open,
	.get = fake_get,
	.get_map = fake_get_map,
	.find = fake_find,
	.validate = fake_validate,
	.close = fake_close,
};
