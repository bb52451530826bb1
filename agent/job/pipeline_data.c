/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline_internal.h"
#include "value/rewrite.h"

/*
 * externalsecret_controller_secret.go: dataFrom in order, then data over it.
 * A missing remote secret stops the whole unless deletionPolicy says otherwise.
 */

/* What extract and find have in common, after the read. */
struct finish {
	const struct es_data_from *from;
	const char *conversion, *decoding, *null_byte;
};

static int
finish_keys(const struct finish *f, struct kv *kv, struct err *err)
{
	enum value_conversion conversion;

	if (f->from->nrewrite > 0) {
		if (value_rewrite(f->from->rewrite, f->from->nrewrite,
		    pipeline_transform, NULL, kv, err) == -1)
			return (err_wrap(err,
			    "error applying rewrite to keys"));
	} else if (f->conversion != NULL) {
		if (value_conversion_parse(f->conversion, &conversion) == 0 &&
		    value_convert_keys(kv, conversion, err) == -1)
			return (err_wrap(err, "error applying conversion "
			    "strategy %s to keys", f->conversion));
	}
	if (value_validate_keys(kv, err) == -1)
		return (err_wrap(err, "invalid secret keys (TIP: use rewrite "
		    "or conversionStrategy to change keys)"));
	return (0);
}

static int
finish_values(const struct finish *f, struct kv *kv, struct err *err)
{
	enum value_decoding decoding;
	const char **keys;
	size_t i, n;
	int rc = 0;

	if (value_decoding_parse(f->decoding, &decoding) == -1)
		return (err_set(err, ERR_INVALID, "error applying decoding "
		    "strategy %s to data: decoding strategy %s is not "
		    "supported", f->decoding, f->decoding));
	if (value_decode_map(kv, decoding, err) == -1)
		return (err_wrap(err, "error applying decoding strategy %s to "
		    "data", f->decoding));
	if (strcmp(f->null_byte, "Fail") != 0)
		return (0);
	keys = strmap_sorted(kv->map, &n);
	for (i = 0; i < n && rc == 0; i++)
		rc = value_check_null(keys[i], kv_get(kv, keys[i]), err);
	free(keys);
	return (rc);
}

/* Did the provider say that there is no such secret?  Only its own words
 * count: a store that is missing is another matter. */
static void
note_missing(struct run *run, const struct err *err)
{
	run->no_secret = err->kind == ERR_NOTFOUND &&
	    strcmp(err_msg(err), PROVIDER_NO_SECRET) == 0;
}

static const struct store_ref *
from_store(const struct run *run, const struct es_data_from *from)
{
	return (from->store.name[0] != '\0' ? &from->store : &run->es->store);
}

static int
from_extract(struct run *run, const struct es_data_from *from, struct kv *ret,
    struct err *err)
{
	const struct remote_ref *ref = &from->extract;
	struct finish f = { from, ref->conversion, ref->decoding,
		ref->null_byte };
	struct pipeline_conn *c;

	if (store_connect(run, from_store(run, from), &c, err) == -1)
		return (-1);
	if (c->ps->driver->get_map(c->conn, ref, ret, err) == -1) {
		note_missing(run, err);
		return (-1);
	}
	if (finish_keys(&f, ret, err) == -1)
		return (-1);
	return (finish_values(&f, ret, err));
}

static int
from_find(struct run *run, const struct es_data_from *from, struct kv *ret,
    struct err *err)
{
	const struct find_ref *ref = &from->find;
	struct finish f = { from, ref->conversion, ref->decoding,
		ref->null_byte };
	struct pipeline_conn *c;

	if (store_connect(run, from_store(run, from), &c, err) == -1)
		return (-1);
	if (c->ps->driver->find(c->conn, ref, ret, err) == -1) {
		note_missing(run, err);
		return (err_wrap(err, "error getting all secrets"));
	}
	if (finish_keys(&f, ret, err) == -1)
		return (-1);
	return (finish_values(&f, ret, err));
}

/* Generated values are neither converted nor decoded. */
static int
from_generator(struct run *run, const struct es_data_from *from,
    struct kv *ret, struct err *err)
{
	struct finish f = { from, NULL, "", "" };

	if (generator_values(run, &from->generator, ret, err) == -1)
		return (-1);
	return (finish_keys(&f, ret, err));
}

static int
fetch_from(struct run *run, size_t i, struct kv *ret, struct err *err)
{
	const struct es_data_from *from = &run->es->from[i];

	switch (from->kind) {
	case ES_FROM_FIND:
		if (from_find(run, from, ret, err) == 0)
			return (0);
		return (err_wrap(err, "error processing spec.dataFrom[%zu]"
		    ".find, err", i));
	case ES_FROM_EXTRACT:
		if (from_extract(run, from, ret, err) == 0)
			return (0);
		return (err_wrap(err, "error processing spec.dataFrom[%zu]"
		    ".extract, err", i));
	case ES_FROM_GENERATOR:
		if (from_generator(run, from, ret, err) == 0)
			return (0);
		return (err_wrap(err, "error processing spec.dataFrom[%zu]"
		    ".sourceRef.generatorRef, err", i));
	case ES_FROM_NOTHING:
		break;
	}
	return (0);
}

static int
fetch_data(struct run *run, const struct es_data *d, struct kv *ret,
    struct err *err)
{
	struct secret *raw = NULL, *value = NULL;
	enum value_decoding decoding;
	struct pipeline_conn *c;
	int rc;

	if (store_connect(run, d->has_source ? &d->store : &run->es->store,
	    &c, err) == -1)
		return (-1);
	if (c->ps->driver->get(c->conn, &d->remote, &raw, err) == -1) {
		note_missing(run, err);
		return (-1);
	}
	if (value_decoding_parse(d->remote.decoding, &decoding) == -1)
		rc = err_set(err, ERR_INVALID, "decoding strategy %s is not "
		    "supported", d->remote.decoding);
	else
		rc = value_decode(raw, decoding, &value, err);
	secret_free(raw);
	if (rc == -1)
		return (err_wrap(err, "error applying decoding strategy %s to "
		    "data", d->remote.decoding));
	if (strcmp(d->remote.null_byte, "Fail") == 0 &&
	    value_check_null(d->secret_key, value, err) == -1) {
		secret_free(value);
		return (-1);
	}
	kv_put(ret, d->secret_key, value);
	return (0);
}

/* A failure that deletionPolicy takes for an answer. */
static int
tolerated(struct run *run, struct err *err)
{
	if (!run->no_secret || run->es->deletion == ES_RETAIN)
		return (0);
	run_event(run, "MissingProviderSecret");
	err_clear(err);
	return (1);
}

int
data_fetch(struct run *run, struct kv *ret, struct err *err)
{
	const struct external_secret *es = run->es;
	size_t i;

	for (i = 0; i < es->nfrom; i++) {
		cleanup_kv struct kv kv;

		kv_init(&kv);
		run->no_secret = 0;
		if (fetch_from(run, i, &kv, err) == 0)
			kv_merge(ret, &kv);
		else if (!tolerated(run, err))
			return (-1);
	}
	for (i = 0; i < es->ndata; i++) {
		run->no_secret = 0;
		if (fetch_data(run, &es->data[i], ret, err) == -1 &&
		    !tolerated(run, err))
			return (err_wrap(err, "error processing spec.data[%zu]"
			    " (key: %s), err", i, es->data[i].remote.key));
	}
	return (0);
}
