/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/keccak.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "job/apply_internal.h"

#define MANAGER "nodeseal/"
#define MANAGER_MAX 128		/* the API server's own limit */
#define LABEL_OURS "nodeseal.dev/managed"
#define ES_API_VERSION "external-secrets.io/v1"
#define ES_KIND "ExternalSecret"
#define ANNOTATION_HASH "reconcile.external-secrets.io/data-hash"

char *
apply_manager(const char *name)
{
	uint8_t sum[SHA3_224_LEN];
	struct sha3_224 h;
	struct buf hex = BUF_PLAIN(256);

	if (strlen(MANAGER) + strlen(name) <= MANAGER_MAX)
		return (str_fmt(MANAGER "%s", name));
	sha3_224_init(&h);
	sha3_224_update(&h, name, strlen(name));
	sha3_224_final(&h, sum);
	buf_adds(&hex, MANAGER "sha3/");
	codec_hex_encode(&hex, sum, sizeof(sum));
	return (buf_take(&hex));
}

/* --- the Secret ----------------------------------------------------------- */

static void
add_name(struct buf *out, const char *key, size_t len, int *first)
{
	if (!*first)
		buf_addc(out, ',');
	*first = 0;
	codec_json_string(out, key, len, 0);
	buf_addc(out, ':');
}

static void
add_member(struct buf *out, const char *key, const char *value, int *first)
{
	add_name(out, key, strlen(key), first);
	codec_json_string(out, value, strlen(value), 0);
}

static int
is_ours(const struct payload_entry *e)
{
	return (e->keylen == strlen(LABEL_OURS) &&
	    memcmp(e->key, LABEL_OURS, e->keylen) == 0);
}

static void
add_texts(struct buf *out, const struct payload_entry *v, size_t n,
    int *first)
{
	for (size_t i = 0; i < n; i++) {
		if (is_ours(&v[i]))
			continue;
		add_name(out, v[i].key, v[i].keylen, first);
		codec_json_string(out, (const char *)v[i].value, v[i].len, 0);
	}
}

static void
add_owner(const struct job_apply_item *item, struct buf *out)
{
	int first = 1;

	buf_adds(out, ",\"ownerReferences\":[{");
	add_member(out, "apiVersion", ES_API_VERSION, &first);
	add_member(out, "kind", ES_KIND, &first);
	add_member(out, "name", item->name, &first);
	add_member(out, "uid", item->uid, &first);
	buf_adds(out, ",\"controller\":true,\"blockOwnerDeletion\":true}]");
}

static void
add_metadata(const struct job_apply_item *item, const struct payload *p,
    struct buf *out)
{
	int first = 1;

	buf_adds(out, "\"metadata\":{");
	add_member(out, "name", item->target, &first);
	add_member(out, "namespace", item->ns, &first);
	/* without it the admission policy refuses, whatever a template says */
	buf_adds(out, ",\"labels\":{\"" LABEL_OURS "\":\"true\"");
	first = 0;
	add_texts(out, p->labels, p->nlabels, &first);
	buf_adds(out, "},\"annotations\":{");
	first = 1;
	add_texts(out, p->annotations, p->nannotations, &first);
	buf_addc(out, '}');
	if (item->op == JOB_APPLY_OWNER)
		add_owner(item, out);
	buf_addc(out, '}');
}

/* A type that nobody asked for is not claimed: an adopted Secret keeps its
 * own, as with ESO. */
static int
has_type(const struct payload *p)
{
	return (p->typelen > 0 && !(p->typelen == strlen("Opaque") &&
	    memcmp(p->type, "Opaque", p->typelen) == 0));
}

void
apply_body(const struct job_apply_item *item, const struct payload *p,
    struct buf *out)
{
	int first = 1;

	buf_adds(out, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",");
	add_metadata(item, p, out);
	if (has_type(p)) {
		buf_adds(out, ",\"type\":");
		codec_json_string(out, p->type, p->typelen, 0);
	}
	if (p->immutable)
		buf_adds(out, ",\"immutable\":true");
	buf_adds(out, ",\"data\":{");
	for (size_t i = 0; i < p->ndata; i++) {
		add_name(out, p->data[i].key, p->data[i].keylen, &first);
		buf_addc(out, '"');
		codec_b64_encode(out, p->data[i].value, p->data[i].len,
		    CODEC_B64_STD, 1);
		buf_addc(out, '"');
	}
	buf_adds(out, "}}");
}

char *
apply_hash(const struct payload *p)
{
	size_t len = strlen(ANNOTATION_HASH);

	for (size_t i = 0; i < p->nannotations; i++) {
		const struct payload_entry *e = &p->annotations[i];

		if (e->keylen == len && memcmp(e->key, ANNOTATION_HASH,
		    len) == 0)
			return (str_ndup((const char *)e->value, e->len));
	}
	return (str_dup(""));
}

/* --- what should not be there --------------------------------------------- */

static int
has_entry(const struct payload_entry *v, size_t n, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < n; i++)
		if (v[i].keylen == len && memcmp(v[i].key, key, len) == 0)
			return (1);
	return (0);
}

/* Names "f:…" below ${fields} that are not among ours. */
static void
collect(const struct json *fields, const struct payload_entry *v, size_t n,
    struct strmap *names)
{
	for (const struct json *j = json_is(fields, JSON_OBJECT) ?
	    json_first(fields) : NULL; j != NULL; j = json_next(j)) {
		const char *key = json_key(j);

		if (strncmp(key, "f:", 2) == 0 && !has_entry(v, n, key + 2) &&
		    strcmp(key + 2, LABEL_OURS) != 0)
			strmap_put(names, key + 2, NULL);
	}
}

static void
add_nulls(struct buf *out, const char *what, const struct strmap *names,
    int *first)
{
	int inner = 1;

	if (strmap_len(names) == 0)
		return;
	add_name(out, what, strlen(what), first);
	buf_addc(out, '{');
	for (size_t i = strmap_next(names, 0); i != 0;
	    i = strmap_next(names, i)) {
		const char *key = strmap_key(names, i);

		add_name(out, key, strlen(key), &inner);
		buf_adds(out, "null");
	}
	buf_addc(out, '}');
}

static int
says(const struct json *entry, const char *key, const char *value)
{
	return (str_eq(json_str(json_get(entry, key)), value));
}

int
apply_leftovers(const struct job_apply_item *item, const struct payload *p,
    const struct json *meta, struct buf *out)
{
	cleanup_free char *manager = apply_manager(item->name);
	cleanup_strmap struct strmap *data = strmap_new(NULL);
	cleanup_strmap struct strmap *labels = strmap_new(NULL);
	cleanup_strmap struct strmap *annotations = strmap_new(NULL);
	const struct json *list = json_path(meta, "metadata.managedFields");
	int merge = item->op == JOB_APPLY_MERGE, first = 1, inner = 1;

	if (item->op == JOB_APPLY_CREATE_OR_MERGE || p->immutable)
		return (0);
	for (const struct json *e = json_first(list); e != NULL;
	    e = json_next(e)) {
		const struct json *f = json_get(e, "fieldsV1"), *m;

		/* of our own applied set the server sees to it itself */
		if (merge ? !says(e, "manager", manager) :
		    says(e, "manager", manager) &&
		    says(e, "operation", "Apply"))
			continue;
		collect(json_get(f, "f:data"), p->data, p->ndata, data);
		m = merge ? json_get(f, "f:metadata") : NULL;
		collect(json_get(m, "f:labels"), p->labels, p->nlabels,
		    labels);
		collect(json_get(m, "f:annotations"), p->annotations,
		    p->nannotations, annotations);
	}
	if (strmap_len(data) + strmap_len(labels) + strmap_len(annotations) ==
	    0)
		return (0);
	buf_addc(out, '{');
	add_nulls(out, "data", data, &first);
	if (strmap_len(labels) + strmap_len(annotations) > 0) {
		add_name(out, "metadata", strlen("metadata"), &first);
		buf_addc(out, '{');
		add_nulls(out, "labels", labels, &inner);
		add_nulls(out, "annotations", annotations, &inner);
		buf_addc(out, '}');
	}
	buf_addc(out, '}');
	return (1);
}

int
apply_owned(const struct json *meta, const char *uid)
{
	const struct json *o = json_first(json_path(meta,
	    "metadata.ownerReferences"));

	for (; o != NULL; o = json_next(o))
		if (json_bool(json_get(o, "controller"), 0) &&
		    says(o, "kind", ES_KIND) && says(o, "uid", uid))
			return (1);
	return (0);
}

/* --- failures ------------------------------------------------------------- */

/*
 * The controller that is in the way.  ValidateObjectMetaWithOpts (k8s.io/
 * apimachinery pkg/api/validation/objectmeta.go): `Only one reference can have
 * Controller set to true. Found "true" in references for KIND/NAME and
 * KIND/NAME`.
 */
static int
other_controller(const char *message, const char *own, char **ret_kind,
    char **ret_name)
{
	static const char mark[] = "in references for ";
	const char *p = strstr(message, mark), *slash, *end;

	if (p == NULL || strstr(message, "Only one reference can have "
	    "Controller set to true") == NULL)
		return (0);
	p += strlen(mark);
	for (int i = 0; i < 2 && p != NULL; i++) {
		slash = strchr(p, '/');
		if (slash == NULL)
			return (0);
		end = slash + 1 + strcspn(slash + 1, " ,;]");
		if ((size_t)(end - slash - 1) != strlen(own) ||
		    strncmp(slash + 1, own, strlen(own)) != 0 ||
		    strncmp(p, ES_KIND "/", strlen(ES_KIND) + 1) != 0) {
			*ret_kind = str_ndup(p, (size_t)(slash - p));
			*ret_name = str_ndup(slash + 1,
			    (size_t)(end - slash - 1));
			return (1);
		}
		p = strncmp(end, " and ", 5) == 0 ? end + 5 : NULL;
	}
	return (0);
}

static int
says_immutable(const char *message)
{
	return (strstr(message, "field is immutable when `immutable` is "
	    "set") != NULL);
}

static void
failed_owner(const struct job_apply_item *item, const char *kind,
    const char *name, struct job_applied *ret)
{
	if (strcmp(kind, ES_KIND) == 0) {
		ret->message = str_dup("target is owned by another "
		    "ExternalSecret");
		ret->event_text = str_fmt("unable to mutate secret %s: secret "
		    "is owned by another ExternalSecret: %s", item->target,
		    name);
		return;
	}
	ret->message = str_dup("failed to take ownership of target secret");
	ret->event_text = str_fmt("unable to mutate secret %s: could not set "
	    "controller reference on secret: Object %s/%s is already owned by "
	    "another %s controller %s", item->target, item->ns, item->target,
	    kind, name);
}

void
apply_failed(const struct job_apply_item *item, int status,
    const struct json *answer, const struct err *err,
    struct job_applied *ret)
{
	const char *words = str_or(json_str(json_get(answer, "message")), "");
	cleanup_free char *kind = NULL, *name = NULL;

	ret->outcome = JOB_APPLIED_FAILED;
	ret->err_kind = err->kind;
	ret->http_status = (uint32_t)status;
	ret->reason = str_dup("SecretSyncedError");
	ret->error = str_dup(err_msg(err));
	if (item->op == JOB_APPLY_DELETE) {
		ret->message = str_dup("could not delete secret");
		ret->event_text = str_fmt("unable to delete secret %s: %s",
		    item->target, err_msg(err));
	} else if (status == 422 && other_controller(words, item->name, &kind,
	    &name)) {
		failed_owner(item, kind, name, ret);
		ret->err_kind = ERR_DENIED;
	} else if (status == 422 && says_immutable(words)) {
		ret->message = str_dup("could not update secret, target is "
		    "immutable");
		ret->event_text = str_fmt("unable to update secret %s: secret "
		    "is immutable", item->target);
	} else {
		ret->message = str_dup("could not update secret");
		ret->event_text = str_fmt("unable to update secret %s: %s",
		    item->target, err_msg(err));
	}
}
