/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "job/output.h"

#define FLUSH_AT (256u << 10)

static void
flush(struct output_stream *o)
{
	if (!o->failed && (buf_finish(&o->buf, "output", &o->err) == -1 ||
	    file_write_all(o->fd, o->buf.data, o->buf.len, &o->err) == -1))
		o->failed = 1;
	buf_cut(&o->buf, 0);
}

void
output_begin(struct output_stream *o, int fd, enum output form)
{
	memset(o, 0, sizeof(*o));
	o->fd = fd;
	o->form = form;
	o->buf = (struct buf)BUF_SECRET(64u << 20);
	if (form == OUTPUT_JSON)
		buf_adds(&o->buf, "{\n  \"apiVersion\": \"v1\",\n  \"kind\": "
		    "\"List\",\n  \"items\": [");
}

int
output_end(struct output_stream *o, struct err *err)
{
	if (o->form == OUTPUT_JSON)
		buf_adds(&o->buf, o->n > 0 ? "\n  ]\n}\n" : "]\n}\n");
	flush(o);
	buf_clear(&o->buf);
	if (!o->failed)
		return (0);
	return (err_move(err, &o->err));
}

/* --- trees -------------------------------------------------------------- */

static struct json *
text_object(const struct strmap *m)
{
	struct json *j = json_new_object();
	const char **keys;
	size_t i, n;

	if (m == NULL)
		return (j);
	keys = strmap_sorted(m, &n);
	for (i = 0; i < n; i++)
		json_set_str(j, keys[i], strmap_get(m, keys[i]));
	free(keys);
	return (j);
}

static struct json *
data_object(const struct kv *data)
{
	struct json *j = json_new_object();
	const char **keys;
	size_t i, n;

	keys = strmap_sorted(data->map, &n);
	for (i = 0; i < n; i++) {
		const struct secret *v = kv_get(data, keys[i]);
		cleanup_buf struct buf b64 = BUF_SECRET(SIZE_MAX);

		codec_b64_encode(&b64, secret_data(v), secret_len(v),
		    CODEC_B64_STD, 1);
		json_set_str(j, keys[i], buf_str(&b64));
	}
	free(keys);
	return (j);
}

static struct json *
text_list(char *const *v, size_t n)
{
	struct json *j = json_new_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_push(j, json_new_str(v[i]));
	return (j);
}

/* The Secret for `kubectl apply`: an owner needs a uid that nobody knows yet,
 * so it is left to the agent. */
static struct json *
secret_object(const char *ns, const struct pipeline_result *r)
{
	struct json *j = json_new_object(), *meta = json_new_object();

	json_set_str(j, "apiVersion", "v1");
	json_set_str(j, "kind", "Secret");
	json_set_str(meta, "name", r->target);
	json_set_str(meta, "namespace", ns);
	if (strmap_len(r->labels) > 0)
		json_set(meta, "labels", text_object(r->labels));
	if (strmap_len(r->annotations) > 0)
		json_set(meta, "annotations", text_object(r->annotations));
	if (r->nfinalizers > 0)
		json_set(meta, "finalizers", text_list(r->finalizers,
		    r->nfinalizers));
	json_set(j, "metadata", meta);
	json_set_str(j, "type", str_or(r->type, "Opaque"));
	if (r->immutable != -1)
		json_set_bool(j, "immutable", r->immutable);
	json_set(j, "data", data_object(&r->data));
	return (j);
}

/* --- report ------------------------------------------------------------- */

static const char *
outcome_word(enum job_outcome o)
{
	switch (o) {
	case JOB_READY:
	case JOB_UNCHANGED_NONE:
	case JOB_DELETED:
		return ("ready");
	case JOB_SKIPPED:
		return ("skipped");
	case JOB_REJECTED:
		return ("rejected");
	case JOB_FAILED:
		break;
	}
	return ("failed");
}

static struct json *
report_secret(const struct pipeline_result *r)
{
	struct json *j;

	if (!r->has_secret)
		return (json_new_null());
	j = json_new_object();
	json_set_str(j, "name", r->target);
	json_set_str(j, "type", r->type);
	json_set(j, "labels", text_object(r->labels));
	json_set(j, "annotations", text_object(r->annotations));
	json_set(j, "data", data_object(&r->data));
	json_set(j, "immutable", r->immutable == -1 ? json_new_null() :
	    json_new_bool(r->immutable));
	json_set(j, "owners", r->nowners == 0 ? json_new_null() :
	    text_list(r->owners, r->nowners));
	json_set(j, "finalizers", r->nfinalizers == 0 ? json_new_null() :
	    text_list(r->finalizers, r->nfinalizers));
	return (j);
}

static struct json *
report_object(const char *ns, const char *name,
    const struct pipeline_result *r)
{
	struct json *j = json_new_object(), *ready = NULL;

	json_set_str(j, "namespace", ns);
	json_set_str(j, "name", name);
	json_set_str(j, "outcome", outcome_word(r->outcome));
	json_set_bool(j, "written", r->written);
	json_set(j, "secret", report_secret(r));
	if (r->reason != NULL) {
		ready = json_new_object();
		json_set_str(ready, "status", r->ready_status);
		json_set_str(ready, "reason", r->reason);
		json_set_str(ready, "message", r->message);
	}
	json_set(j, "ready", ready != NULL ? ready : json_new_null());
	json_set_str(j, "error", r->rejected != NULL ? r->rejected :
	    r->error);
	json_set(j, "events", text_list(r->events, r->nevents));
	json_set_str(j, "binding", r->binding);
	return (j);
}

/* --- one result --------------------------------------------------------- */

/* Lines of the block behind the first, indented as members of "items". */
static void
add_indented(struct buf *out, const struct buf *text)
{
	const char *at = buf_str(text), *end = at + text->len, *nl;

	while (at < end) {
		nl = memchr(at, '\n', (size_t)(end - at));
		if (nl == NULL)
			nl = end;
		buf_adds(out, "\n    ");
		buf_add(out, at, (size_t)(nl - at));
		at = nl + 1;
	}
}

static void
add_object(struct output_stream *o, const struct json *obj)
{
	cleanup_buf struct buf text = BUF_SECRET(64u << 20);

	if (o->form == OUTPUT_YAML) {
		if (o->n > 0)
			buf_adds(&o->buf, "---\n");
		yaml_print(obj, &o->buf);
	} else {
		if (o->n > 0)
			buf_addc(&o->buf, ',');
		json_print(obj, &text, 2);
		add_indented(&o->buf, &text);
	}
	o->n++;
}

void
output_result(struct output_stream *o, const char *ns, const char *name,
    const struct pipeline_result *r)
{
	cleanup_json struct json *j = NULL;

	if (o->form == OUTPUT_REPORT) {
		j = report_object(ns, name, r);
		json_print(j, &o->buf, 0);
		buf_addc(&o->buf, '\n');
	} else if (r->written && r->manifest != NULL) {
		add_object(o, r->manifest);
	} else if (r->written && r->has_secret) {
		j = secret_object(ns, r);
		add_object(o, j);
	}
	if (o->buf.len > FLUSH_AT)
		flush(o);
}
