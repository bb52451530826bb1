/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "provider/aws_internal.h"
#include "value/regex.h"

/*
 * AWS Secrets Manager: ESO 2.9.0 providers/v1/aws/secretsmanager/
 * secretsmanager.go.  What a job is known to need is read by
 * BatchGetSecretValue, twenty at a time, where the role allows it.
 */
#define BATCH 20
#define VALUE_MAX (8u << 20)
#define DELETED "was marked for deletion"

static int
no_secret(struct err *err)
{
	return (err_set(err, ERR_NOTFOUND, PROVIDER_NO_SECRET));
}

static char *
memo_key(const char *id, const char *version, int tags)
{
	return (str_fmt("%s#%s#%s", id, version, tags ? "TAG" : "SECRET"));
}

/* --- reads --------------------------------------------------------------- */

static int
get_value(struct provider_conn *c, const char *id, const char *version,
    struct secret **ret, struct err *err)
{
	cleanup_json struct json *in = json_new_object();

	json_set_str(in, "SecretId", id);
	if (strncmp(version, "uuid/", 5) == 0)
		json_set_str(in, "VersionId", version + 5);
	else
		json_set_str(in, "VersionStage", version);
	if (aws_call(c, "GetSecretValue", in, ret, err) == 0)
		return (0);
	if (strcmp(c->code, "ResourceNotFoundException") == 0 ||
	    (strcmp(c->code, "InvalidParameterException") == 0 &&
	    strstr(err_msg(err), DELETED) != NULL))
		return (no_secret(err));
	return (-1);
}

/* The tags in the place of the value. */
static int
get_tags(struct provider_conn *c, const char *id, struct secret **ret,
    struct err *err)
{
	cleanup_json struct json *in = json_new_object();
	cleanup_json struct json *out = json_new_object();
	cleanup_secret struct secret *body = NULL, *tags = NULL;
	cleanup_buf struct buf text = BUF_SECRET(VALUE_MAX);

	json_set_str(in, "SecretId", id);
	if (aws_call(c, "DescribeSecret", in, &body, err) == -1 ||
	    aws_tags(body, "Tags", &tags, err) == -1)
		return (-1);
	json_set_str(out, "SecretString", (const char *)secret_data(tags));
	json_print(out, &text, 0);
	if (buf_finish(&text, "tags", err) == -1)
		return (-1);
	*ret = secret_from_buf(&text);
	return (0);
}

/* The answer, borrowed from the memo. */
static int
fetch(struct provider_conn *c, const struct remote_ref *ref,
    const struct secret **ret, struct err *err)
{
	int tags = strcmp(ref->metadata_policy, "Fetch") == 0;
	const char *version = str_or(ref->version, "AWSCURRENT");
	cleanup_free char *id = str_fmt("%s%s", c->prefix, ref->key);
	cleanup_free char *key = memo_key(id, version, tags);
	struct secret *body = NULL;

	if (!strmap_has(c->memo, key)) {
		if ((tags ? get_tags(c, id, &body, err) : get_value(c, id,
		    version, &body, err)) == -1)
			return (-1);
		strmap_put(c->memo, key, body);
	}
	*ret = strmap_get(c->memo, key);
	return (*ret != NULL ? 0 : no_secret(err));
}

/* SecretBinary, decoded; NULL when there is none. */
static struct secret *
binary(const struct secret *body)
{
	cleanup_secret struct secret *text = aws_text(body, "SecretBinary");
	cleanup_buf struct buf out = BUF_SECRET(VALUE_MAX);

	if (text == NULL || codec_b64_decode(&out,
	    (const char *)secret_data(text), secret_len(text), CODEC_B64_STD,
	    NULL) == -1)
		return (NULL);
	return (secret_from_buf(&out));
}

static int
get(struct provider_conn *c, const struct remote_ref *ref,
    struct secret **ret, struct err *err)
{
	cleanup_secret struct secret *text = NULL, *bytes = NULL;
	const struct secret *body;

	if (fetch(c, ref, &body, err) == -1)
		return (-1);
	text = aws_text(body, "SecretString");
	bytes = binary(body);
	if (ref->property[0] != '\0') {
		if (text == NULL && bytes == NULL)
			text = secret_new("", 0);
		return (aws_property(bytes != NULL ? bytes : text,
		    ref->property, ref->key, ret, err));
	}
	if (text == NULL && bytes == NULL)
		return (err_set(err, ERR_INVALID, "invalid secret received. "
		    "no secret string nor binary for key: %s", ref->key));
	*ret = text != NULL ? STEAL(text) : STEAL(bytes);
	return (0);
}

/* --- find ---------------------------------------------------------------- */

struct finding_some {
	struct provider_conn *c;
	struct regex *name;	/* NULL: all */
	struct kv *ret;
	int listed;		/* elements have a name, no value */
};

static void
put(struct kv *ret, const char *name, const struct secret *body)
{
	struct secret *text = aws_text(body, "SecretString");
	struct secret *bytes = binary(body);

	if (bytes != NULL) {
		secret_free(text);
		kv_put(ret, name, bytes);
	} else if (text != NULL)
		kv_put(ret, name, text);
}

static int
on_found(void *arg, const struct secret *element, struct err *err)
{
	struct finding_some *f = arg;
	cleanup_secret struct secret *name = aws_text(element, "Name");
	struct remote_ref ref = { .version = (char[]){ "" },
		.metadata_policy = (char[]){ "" } };
	const struct secret *body;

	if (name == NULL || (f->name != NULL && !regex_match(f->name,
	    (const char *)secret_data(name), secret_len(name))))
		return (0);
	if (!f->listed) {
		put(f->ret, (const char *)secret_data(name), element);
		return (0);
	}
	/* As there: the prefix comes before a whole name, too. */
	ref.key = str_dup((const char *)secret_data(name));
	if (fetch(f->c, &ref, &body, err) == -1) {
		free(ref.key);
		return (-1);
	}
	put(f->ret, ref.key, body);
	free(ref.key);
	return (0);
}

static void
filter(struct json *filters, const char *key, const char *value)
{
	struct json *f = json_new_object(), *values = json_new_array();

	json_set_str(f, "Key", key);
	json_push(values, json_new_str(value));
	json_set(f, "Values", values);
	json_push(filters, f);
}

static int
find(struct provider_conn *c, const struct find_ref *ref, struct kv *ret,
    struct err *err)
{
	size_t ntags = ref->tags == NULL ? 0 : strmap_len(ref->tags);
	cleanup_json struct json *in = json_new_object();
	struct json *filters = json_new_array();
	struct finding_some f = { .c = c, .ret = ret };
	int rc;

	json_set(in, "Filters", filters);
	if (ref->name_regexp == NULL && ntags == 0)
		return (err_set(err, ERR_INVALID, "unexpected find operator"));
	if (ref->name_regexp != NULL && regex_new(ref->name_regexp,
	    strlen(ref->name_regexp), &f.name, err) == -1)
		return (err_wrap(err, "could not compile find.name.regexp "
		    "[%s]", ref->name_regexp));
	for (size_t i = ntags == 0 ? 0 : strmap_next(ref->tags, 0); i != 0;
	    i = strmap_next(ref->tags, i)) {
		filter(filters, "tag-key", strmap_key(ref->tags, i));
		filter(filters, "tag-value", strmap_val(ref->tags, i));
	}
	if (ref->path != NULL)
		filter(filters, "name", ref->path);
	f.listed = ref->name_regexp != NULL && ref->path == NULL;
	rc = f.listed ? aws_pages(c, "ListSecrets", in, "SecretList",
	    on_found, &f, err) : aws_pages(c, "BatchGetSecretValue", in,
	    "SecretValues", on_found, &f, err);
	regex_free(f.name);
	return (rc);
}

/* --- many at once -------------------------------------------------------- */

/* Ids of one batch, and what came of them. */
struct batch {
	struct provider_conn *c;
	const char *id[BATCH];
	size_t n;
};

static void
remember(struct provider_conn *c, const char *id, struct secret *body)
{
	cleanup_free char *key = memo_key(id, "AWSCURRENT", 0);

	strmap_put(c->memo, key, body);
}

/* A value answers to its name, its ARN, and its ARN without the six random
 * characters at its end. */
static int
is_called(const char *id, const char *name, const char *arn)
{
	size_t n = strlen(id);

	return (strcmp(id, name) == 0 || strcmp(id, arn) == 0 ||
	    (strncmp(id, "arn:", 4) == 0 && strlen(arn) == n + 7 &&
	    strncmp(id, arn, n) == 0 && arn[n] == '-'));
}

static int
on_value(void *arg, const struct secret *element, struct err *err)
{
	struct batch *b = arg;
	cleanup_secret struct secret *name = aws_text(element, "Name");
	cleanup_secret struct secret *arn = aws_text(element, "ARN");

	(void)err;
	for (size_t i = 0; i < b->n && name != NULL && arn != NULL; i++) {
		if (!is_called(b->id[i], (const char *)secret_data(name),
		    (const char *)secret_data(arn)))
			continue;
		remember(b->c, b->id[i], secret_new(secret_data(element),
		    secret_len(element)));
	}
	return (0);
}

/* What does not exist is known; why another cannot be had, its own read says
 * best. */
static int
on_missing(void *arg, const struct secret *element, struct err *err)
{
	struct batch *b = arg;
	cleanup_secret struct secret *id = aws_text(element, "SecretId");
	cleanup_secret struct secret *code = aws_text(element, "ErrorCode");

	(void)err;
	if (id != NULL && code != NULL && strcmp((const char *)secret_data(
	    code), "ResourceNotFoundException") == 0)
		remember(b->c, (const char *)secret_data(id), NULL);
	return (0);
}

/* 0; -1: no use to ask for more. */
static int
read_batch(struct batch *b)
{
	cleanup_json struct json *in = json_new_object();
	struct json *ids = json_new_array();
	cleanup_secret struct secret *body = NULL;
	char *next = NULL;

	json_set(in, "SecretIdList", ids);
	for (size_t i = 0; i < b->n; i++)
		json_push(ids, json_new_str(b->id[i]));
	if (aws_call(b->c, "BatchGetSecretValue", in, &body, NULL) == -1)
		return (-1);
	if (aws_each(body, "SecretValues", on_value, b, &next, NULL) == -1)
		return (-1);
	free(next);
	if (aws_each(body, "Errors", on_missing, b, &next, NULL) == -1)
		return (-1);
	free(next);
	return (0);
}

static void
want(struct provider_conn *c, const struct remote_ref *refs, size_t n)
{
	struct strmap *ids = strmap_new(NULL);
	struct batch b = { .c = c };
	size_t i;

	for (i = 0; i < n; i++) {
		cleanup_free char *id = str_fmt("%s%s", c->prefix,
		    refs[i].key);

		if (strcmp(str_or(refs[i].version, "AWSCURRENT"),
		    "AWSCURRENT") == 0 &&
		    strcmp(refs[i].metadata_policy, "Fetch") != 0)
			strmap_put(ids, id, NULL);
	}
	/* One is read as cheaply by itself. */
	i = strmap_len(ids) < 2 ? 0 : strmap_next(ids, 0);
	while (i != 0) {
		b.id[b.n++] = strmap_key(ids, i);
		i = strmap_next(ids, i);
		if (b.n < BATCH && i != 0)
			continue;
		if (read_batch(&b) == -1)
			break;
		b.n = 0;
	}
	strmap_free(ids);
}

const struct aws_service aws_secrets_manager = {
	.name = "SecretsManager",
	.sdk = "Secrets Manager",
	.id = "secretsmanager",
	.target = "secretsmanager",
	.get = get,
	.find = find,
	.want = want,
};
