/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "provider/vault_internal.h"
#include "value/gjson.h"

/*
 * Vault's answers.  Bytes of a provider: everything here is bounded by the
 * answer's own size and touches nothing else.
 */
#define TEXT_MAX (1u << 20)
#define VALUE_MAX (32u << 20)

static int
member(const struct doc *obj, const char *key, struct doc *ret)
{
	*ret = (struct doc){ DOC_NONE, NULL, 0 };
	return (obj->type == DOC_OBJECT &&
	    doc_member(obj, key, strlen(key), ret));
}

static int
no_secret(struct err *err)
{
	return (err_set(err, ERR_NOTFOUND, PROVIDER_NO_SECRET));
}

static const char *
go_kind(enum doc_type t)
{
	switch (t) {
	case DOC_STRING:
		return ("string");
	case DOC_NUMBER:
		return ("number");
	case DOC_TRUE:
	case DOC_FALSE:
		return ("bool");
	case DOC_ARRAY:
		return ("array");
	default:
		return ("object");
	}
}

/* --- api.Secret ---------------------------------------------------------- */

/* reflect.DeepEqual with an empty Secret: a field that Go would fill. */
static int
is_filled(const struct doc *d)
{
	switch (d->type) {
	case DOC_STRING:
		return (d->len > 2);
	case DOC_NUMBER:
		return (!(d->len == 1 && d->raw[0] == '0'));
	case DOC_TRUE:
	case DOC_ARRAY:
	case DOC_OBJECT:
		return (1);
	default:
		return (0);
	}
}

static int
is_empty_secret(const struct doc *top)
{
	static const char *const fields[] = { "request_id", "lease_id",
	    "lease_duration", "renewable", "data", "warnings", "auth",
	    "wrap_info", "mount_type" };
	struct doc d;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (member(top, fields[i], &d) && is_filled(&d))
			return (0);
	return (1);
}

static size_t
members(const struct doc *d)
{
	struct doc k, v;
	size_t at = 0, n = 0;

	if (d->type != DOC_OBJECT && d->type != DOC_ARRAY)
		return (0);
	while (doc_next(d, &at, &k, &v))
		n++;
	return (n);
}

/* A document without any of Secret's fields is itself the data; one that holds
 * errors alone is nothing. */
static int
raw_secret(const struct doc *top, struct vault_answer *ret, struct err *err)
{
	struct doc errors;
	int has = member(top, "errors", &errors);

	if (has && members(top) == 1) {
		ret->exists = 0;
		return (0);
	}
	if (has)
		return (err_set(err, ERR_INVALID,
		    "the answer holds errors beside its data"));
	if (members(top) > 0)
		ret->data = *top;
	return (0);
}

static int
parse_secret(const struct doc *top, struct vault_answer *ret, struct err *err)
{
	struct doc d;

	if (top->type != DOC_OBJECT && top->type != DOC_NULL)
		return (err_set(err, ERR_INVALID, "json: cannot unmarshal %s "
		    "into Go value of type api.Secret", go_kind(top->type)));
	ret->exists = 1;
	if (is_empty_secret(top))
		return (raw_secret(top, ret, err));
	if (!member(top, "data", &d) || d.type == DOC_NULL)
		return (0);
	if (d.type != DOC_OBJECT)
		return (err_set(err, ERR_INVALID, "json: cannot unmarshal %s "
		    "into Go struct field Secret.data of type "
		    "map[string]interface {}", go_kind(d.type)));
	ret->data = d;
	return (0);
}

int
vault_parse_answer(int status, const char *body, size_t len,
    struct vault_answer *ret, struct err *err)
{
	struct doc top, warnings;

	*ret = (struct vault_answer){ .status = status };
#ifdef WEAKEN_VAULT_BOUNDS
	len += body[len] == '\n';	/* the line end that Vault sends */
#endif
	if (len == 0 && status == 200)
		return (err_set(err, ERR_TRANSIENT,
		    "the answer is empty, which says nothing"));
	if (len == 0)
		return (0);
	if (doc_parse(body, len, &top, err) == -1 ||
	    parse_secret(&top, ret, err) == -1)
		return (-1);
	/* A 404 with something to say is a deleted version, or the hint that
	 * the mount is of another version. */
	if (status == 404 && ret->exists && members(&ret->data) == 0 &&
	    !(member(&top, "warnings", &warnings) && members(&warnings) > 0))
		ret->exists = 0;
	return (0);
}

int
vault_parse_kv2(const struct vault_answer *a, struct doc *ret,
    struct err *err)
{
	if (!member(&a->data, "data", ret))
		return (err_set(err, ERR_INVALID,
		    "failed to find data field"));
	if (ret->type == DOC_NULL)
		return (no_secret(err));
	if (ret->type != DOC_OBJECT)
		return (err_set(err, ERR_INVALID,
		    "failed to unmarshall JSON"));
	return (0);
}

/* --- values -------------------------------------------------------------- */

int
vault_parse_property(const struct doc *data, const char *property,
    struct buf *out, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(VALUE_MAX);
	struct doc d;
	struct gjson g;
	int exists;

	if (property[0] == '\0') {
		doc_marshal(data, out, 1, 1);
		return (buf_finish(out, "the secret", err));
	}
	/* The key itself comes before gjson's syntax. */
	if (member(data, property, &d)) {
		if (doc_value(&d, DOC_GET_BYTE_VALUE_NUMBER, out, err) == -1)
			return (-1);
		return (buf_finish(out, "the value", err));
	}
	doc_marshal(data, &text, 1, 1);
	if (buf_finish(&text, "the secret", err) == -1)
		return (-1);
	gjson_get(buf_str(&text), text.len, property, &g);
	exists = g.type != DOC_NONE;
	gjson_string(&g, out);
	gjson_clear(&g);
	if (!exists)
		return (err_set(err, ERR_NOTFOUND,
		    "cannot find secret data for key: \"%s\"", property));
	return (buf_finish(out, "the value", err));
}

/* --- metadata ------------------------------------------------------------ */

/* fmt's %v of what encoding/json made (numbers as json.Number). */
static void
print_v(const struct doc *d, struct buf *out)
{
	struct doc k, v;
	size_t at = 0, n = 0;

	switch (d->type) {
	case DOC_STRING:
		doc_string(d, out);
		break;
	case DOC_NULL:
		buf_adds(out, "<nil>");
		break;
	case DOC_ARRAY:
	case DOC_OBJECT:
		/* Vault's metadata is flat; what is not is shown raw inside. */
		buf_adds(out, d->type == DOC_ARRAY ? "[" : "map[");
		while (doc_next(d, &at, &k, &v)) {
			buf_adds(out, n++ > 0 ? " " : "");
			if (d->type == DOC_OBJECT) {
				doc_string(&k, out);
				buf_addc(out, ':');
			}
			if (v.type == DOC_STRING)
				doc_string(&v, out);
			else
				buf_add(out, v.raw, v.len);
		}
		buf_addc(out, ']');
		break;
	default:
		buf_add(out, d->raw, d->len);
	}
}

static void
add_pair(struct buf *out, const char *key, size_t len, const struct doc *v)
{
	cleanup_buf struct buf text = BUF_SECRET(TEXT_MAX);

	print_v(v, &text);
	buf_addc(out, out->len == 0 ? '{' : ',');
	codec_json_string(out, key, len, 1);
	buf_addc(out, ':');
	codec_json_string(out, buf_str(&text), text.len, 1);
}

void
vault_parse_metadata(const struct vault_answer *a, int v2, struct buf *out)
{
	static const char *const system[] = { "created_time",
	    "current_version", "delete_version_after" };
	struct doc d, key, value;
	size_t at = 0;

	for (size_t i = 0; v2 && i < ARRAY_LEN(system); i++)
		if (member(&a->data, system[i], &d) && d.type != DOC_NULL)
			add_pair(out, system[i], strlen(system[i]), &d);
	if (member(&a->data, "custom_metadata", &d) && d.type == DOC_OBJECT)
		while (doc_next(&d, &at, &key, &value)) {
			cleanup_buf struct buf k = BUF_PLAIN(TEXT_MAX);

			doc_string(&key, &k);
			add_pair(out, buf_str(&k), k.len, &value);
		}
	if (out->len > 0)
		buf_addc(out, '}');
}

/* --- lists --------------------------------------------------------------- */

int
vault_parse_keys(const struct vault_answer *a,
    int (*cb)(void *arg, const char *name, struct err *err), void *arg,
    struct err *err)
{
	struct doc keys, k, v;
	size_t at = 0;

	if (!member(&a->data, "keys", &keys))
		return (0);
	if (keys.type != DOC_ARRAY)
		return (err_set(err, ERR_INVALID,
		    "the answer to LIST holds no list"));
	while (doc_next(&keys, &at, &k, &v)) {
		cleanup_buf struct buf name = BUF_PLAIN(TEXT_MAX);

		if (v.type != DOC_STRING)
			return (err_set(err, ERR_INVALID, "the answer to LIST "
			    "holds something that is no name"));
		doc_string(&v, &name);
		if (buf_finish(&name, "a name", err) == -1)
			return (-1);
		if (name.len == 0 || strlen(buf_str(&name)) != name.len)
			return (err_set(err, ERR_INVALID, "the answer to LIST "
			    "holds something that is no name"));
		if (cb(arg, buf_str(&name), err) == -1)
			return (-1);
	}
	return (0);
}

/* --- errors -------------------------------------------------------------- */

/* Room for the longest escape, so that nothing is cut in its middle. */
static void
add_rune(struct buf *out, const char *s, size_t len, uint32_t rune)
{
	if (out->len + 8 > VAULT_ERRORS_MAX)
		return;
	if (rune < 0x20 && rune != '\n' && rune != '\t')
		buf_addf(out, "\\x%02x", (unsigned)rune);
	else if (rune >= 0x7f && rune < 0xa0)
		buf_addf(out, "\\u%04x", (unsigned)rune);
	else
		buf_add(out, s, len);
}

static void
add_error(struct buf *out, const struct doc *d)
{
	cleanup_buf struct buf text = BUF_PLAIN(TEXT_MAX);
	uint32_t rune;
	size_t n;

	doc_string(d, &text);
	if (!buf_ok(&text))
		return;
	if (out->len + 8 <= VAULT_ERRORS_MAX)
		buf_adds(out, "* ");
	for (size_t i = 0; i < text.len; i += n) {
		n = utf8_next(text.data + i, text.len - i, &rune);
		add_rune(out, text.data + i, n, rune);
	}
}

int
vault_parse_errors(const char *body, size_t len, struct buf *out)
{
	struct doc top, errors, k, v;
	size_t at = 0;

	if (doc_parse(body, len, &top, NULL) == -1 || top.type != DOC_OBJECT)
		return (0);
	if (!member(&top, "errors", &errors) || errors.type != DOC_ARRAY)
		return (1);
	while (doc_next(&errors, &at, &k, &v))
		if (v.type == DOC_STRING)
			add_error(out, &v);
	return (1);
}

/* --- tokens and mounts --------------------------------------------------- */

int
vault_parse_lookup(const struct vault_answer *a, struct err *err)
{
	cleanup_buf struct buf type = BUF_PLAIN(TEXT_MAX);
	struct doc d;

	if (!a->exists)
		return (err_set(err, ERR_INVALID,
		    "no response nor error for token lookup"));
	if (!member(&a->data, "type", &d) || d.type != DOC_STRING)
		return (err_set(err, ERR_INVALID,
		    "could not assert token type"));
	doc_string(&d, &type);
	if (strcmp(buf_str(&type), "batch") == 0)
		return (0);
	if (!member(&a->data, "ttl", &d))
		return (err_set(err, ERR_INVALID, "no TTL found in response"));
	if (d.type != DOC_NUMBER)
		return (err_set(err, ERR_INVALID, "invalid token TTL"));
	if (!member(&a->data, "expire_time", &d))
		return (err_set(err, ERR_INVALID,
		    "no expiration time found in response"));
	return (0);
}

int
vault_parse_mount(const struct vault_answer *a, const char *version,
    struct err *err)
{
	cleanup_buf struct buf type = BUF_PLAIN(64), found = BUF_PLAIN(64);
	struct doc d, options;

	if (member(&a->data, "type", &d) && d.type == DOC_STRING)
		doc_string(&d, &type);
	if (strcmp(buf_str(&type), "kv") != 0)
		return (err_set(err, ERR_INVALID,
		    "expected mount type \"kv\" found \"%.32s\"",
		    buf_str(&type)));
	if (member(&a->data, "options", &options) &&
	    member(&options, "version", &d) && d.type == DOC_STRING)
		doc_string(&d, &found);
	if (strcmp(buf_str(&found), version) != 0)
		return (err_set(err, ERR_INVALID, "expected kv engine version "
		    "%s found version %.32s", version, buf_str(&found)));
	return (0);
}
