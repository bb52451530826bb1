/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/aws_internal.h"
#include "value/regex.h"

/*
 * AWS Systems Manager Parameter Store: ESO 2.9.0 providers/v1/aws/
 * parameterstore/parameterstore.go.  What a job is known to need is read by
 * GetParameters, ten at a time, where the role allows it.
 */
#define BATCH 10

static int
no_secret(struct err *err)
{
	return (err_set(err, ERR_NOTFOUND, PROVIDER_NO_SECRET));
}

static char *
name_of(const struct provider_conn *c, const struct remote_ref *ref)
{
	return (str_fmt("%s%s%s%s", c->prefix, ref->key,
	    ref->version[0] != '\0' ? ":" : "", ref->version));
}

/* --- reads --------------------------------------------------------------- */

/* Parameter.Value of GetParameter; NULL when the answer has none. */
static int
get_parameter(struct provider_conn *c, const char *name,
    struct secret **ret, struct err *err)
{
	cleanup_json struct json *in = json_new_object();
	cleanup_secret struct secret *body = NULL;

	json_set_str(in, "Name", name);
	json_set_bool(in, "WithDecryption", 1);
	if (aws_call(c, "GetParameter", in, &body, err) == -1)
		return (strcmp(c->code, "ParameterNotFound") == 0 ?
		    no_secret(err) : -1);
	*ret = aws_text(body, "Parameter.Value");
	return (0);
}

static int
get_tags(struct provider_conn *c, const char *name, struct secret **ret,
    struct err *err)
{
	cleanup_json struct json *in = json_new_object();
	cleanup_secret struct secret *body = NULL;

	json_set_str(in, "ResourceId", name);
	json_set_str(in, "ResourceType", "Parameter");
	if (aws_call(c, "ListTagsForResource", in, &body, err) == -1)
		return (err_wrap(err, "error listing tags"));
	return (aws_tags(body, "TagList", ret, err));
}

/* The value, borrowed from the memo. */
static int
fetch(struct provider_conn *c, const struct remote_ref *ref,
    const struct secret **ret, struct err *err)
{
	int tags = strcmp(ref->metadata_policy, "Fetch") == 0;
	cleanup_free char *name = name_of(c, ref);
	cleanup_free char *key = str_fmt("%s %s", tags ? "tags" : "value",
	    name);
	struct secret *value = NULL;

	if (!strmap_has(c->memo, key)) {
		if ((tags ? get_tags(c, name, &value, err) : get_parameter(c,
		    name, &value, err)) == -1)
			return (-1);
		if (value == NULL)
			return (err_set(err, ERR_INVALID, "invalid secret "
			    "received. parameter value is nil for key: %s",
			    ref->key));
		strmap_put(c->memo, key, value);
	}
	*ret = strmap_get(c->memo, key);
	return (*ret != NULL ? 0 : no_secret(err));
}

static int
get(struct provider_conn *c, const struct remote_ref *ref,
    struct secret **ret, struct err *err)
{
	const struct secret *value;

	if (fetch(c, ref, &value, err) == -1)
		return (-1);
	if (ref->property[0] != '\0')
		return (aws_property(value, ref->property, ref->key, ret,
		    err));
	*ret = secret_new(secret_data(value), secret_len(value));
	return (0);
}

/* --- find ---------------------------------------------------------------- */

struct finding_some {
	struct provider_conn *c;
	struct regex *name;	/* NULL: all */
	struct kv *ret;
	int described;		/* elements have a name, no value */
};

static int
on_found(void *arg, const struct secret *element, struct err *err)
{
	struct finding_some *f = arg;
	cleanup_secret struct secret *name = aws_text(element, "Name");
	struct secret *value = NULL;
	const char *text;

	if (name == NULL)
		return (0);
	text = (const char *)secret_data(name);
	if (f->name != NULL && !regex_match(f->name, text, secret_len(name)))
		return (0);
	if (!f->described)
		value = aws_text(element, "Value");
	else if (get_parameter(f->c, text, &value, err) == -1)
		return (-1);
	kv_put(f->ret, text, value != NULL ? value : secret_new("", 0));
	return (0);
}

static void
filter(struct json *filters, const char *key, const char *option,
    const char *value)
{
	struct json *f = json_new_object(), *values = json_new_array();

	json_set_str(f, "Key", key);
	json_set_str(f, "Option", option);
	json_push(values, json_new_str(value));
	json_set(f, "Values", values);
	json_push(filters, f);
}

/* What DescribeParameters lists, each read by itself. */
static int
describe(struct finding_some *f, const struct find_ref *ref, int by_tags,
    const char *path, struct err *err)
{
	cleanup_json struct json *in = json_new_object();
	struct json *filters = json_new_array();

	json_set(in, "ParameterFilters", filters);
	for (size_t i = by_tags ? strmap_next(ref->tags, 0) : 0; i != 0;
	    i = strmap_next(ref->tags, i)) {
		cleanup_free char *key = str_fmt("tag:%s",
		    strmap_key(ref->tags, i));

		filter(filters, key, "Equals", strmap_val(ref->tags, i));
	}
	if (path != NULL)
		filter(filters, "Path", "Recursive", path);
	f->described = 1;
	return (aws_pages(f->c, "DescribeParameters", in, "Parameters",
	    on_found, f, err));
}

static int
by_name(struct finding_some *f, const struct find_ref *ref, struct err *err)
{
	const char *path = ref->path != NULL ? ref->path : "/";
	cleanup_json struct json *in = json_new_object();

	json_set_str(in, "Path", path);
	json_set_bool(in, "Recursive", 1);
	json_set_bool(in, "WithDecryption", 1);
	if (aws_pages(f->c, "GetParametersByPath", in, "Parameters", on_found,
	    f, err) == 0)
		return (0);
	if (strcmp(f->c->code, "AccessDeniedException") != 0)
		return (err_wrap(err, "fetching parameters by path %s",
		    path));
	if (err != NULL)
		err_clear(err);
	return (describe(f, ref, 0, path, err));
}

static int
find(struct provider_conn *c, const struct find_ref *ref, struct kv *ret,
    struct err *err)
{
	struct finding_some f = { .c = c, .ret = ret };
	int rc;

	if (ref->name_regexp == NULL)
		return (ref->tags != NULL ? describe(&f, ref, 1, ref->path,
		    err) : err_set(err, ERR_INVALID,
		    "unexpected find operator"));
	if (regex_new(ref->name_regexp, strlen(ref->name_regexp), &f.name,
	    err) == -1)
		return (err_wrap(err, "could not compile find.name.regexp "
		    "[%s]", ref->name_regexp));
	rc = by_name(&f, ref, err);
	regex_free(f.name);
	return (rc);
}

/* --- many at once -------------------------------------------------------- */

static void
remember(struct provider_conn *c, const char *name, struct secret *value)
{
	cleanup_free char *key = str_fmt("value %s", name);

	strmap_put(c->memo, key, value);
}

/* It comes back without the version that it was asked for by. */
static int
on_value(void *arg, const struct secret *element, struct err *err)
{
	cleanup_secret struct secret *name = aws_text(element, "Name");
	cleanup_secret struct secret *version = aws_text(element, "Selector");
	cleanup_free char *full = NULL;
	struct secret *value = aws_text(element, "Value");

	(void)err;
	if (name == NULL || value == NULL) {
		secret_free(value);
		return (0);
	}
	full = str_fmt("%s%s", (const char *)secret_data(name),
	    version != NULL ? (const char *)secret_data(version) : "");
	remember(arg, full, value);
	return (0);
}

/* 0; -1: no use to ask for more.  InvalidParameters are left to their own
 * reads: a name that is malformed is there, too. */
static int
read_batch(struct provider_conn *c, const char *const *names, size_t n)
{
	cleanup_json struct json *in = json_new_object();
	struct json *list = json_new_array();
	cleanup_secret struct secret *body = NULL;
	char *next = NULL;

	json_set(in, "Names", list);
	json_set_bool(in, "WithDecryption", 1);
	for (size_t i = 0; i < n; i++)
		json_push(list, json_new_str(names[i]));
	if (aws_call(c, "GetParameters", in, &body, NULL) == -1 ||
	    aws_each(body, "Parameters", on_value, c, &next, NULL) == -1)
		return (-1);
	free(next);
	return (0);
}

static void
want(struct provider_conn *c, const struct remote_ref *refs, size_t n)
{
	struct strmap *names = strmap_new(NULL);
	const char *batch[BATCH];
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		cleanup_free char *name = name_of(c, &refs[i]);

		if (strcmp(refs[i].metadata_policy, "Fetch") != 0)
			strmap_put(names, name, NULL);
	}
	/* One is read as cheaply by itself. */
	i = strmap_len(names) < 2 ? 0 : strmap_next(names, 0);
	while (i != 0) {
		batch[k++] = strmap_key(names, i);
		i = strmap_next(names, i);
		if (k < BATCH && i != 0)
			continue;
		if (read_batch(c, batch, k) == -1)
			break;
		k = 0;
	}
	strmap_free(names);
}

const struct aws_service aws_parameter_store = {
	.name = "ParameterStore",
	.sdk = "SSM",
	.id = "ssm",
	.target = "AmazonSSM",
	.get = get,
	.find = find,
	.want = want,
};
