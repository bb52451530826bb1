/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "value/extract.h"

static int
wrong_type(const struct doc *d, enum doc_family family, struct err *err)
{
	static const char *const names[] = { [DOC_FALSE] = "bool",
	    [DOC_TRUE] = "bool", [DOC_NUMBER] = "number",
	    [DOC_STRING] = "string", [DOC_ARRAY] = "array" };
	const char *type = "json.RawMessage";

	if (family == DOC_GET_BYTE_VALUE || family == DOC_GET_BYTE_VALUE_NUMBER)
		type = "interface {}";
	else if (family == DOC_STRING_MAP)
		type = "string";
	return (err_set(err, ERR_INVALID, "json: cannot unmarshal %s into Go "
	    "value of type map[string]%s", names[d->type], type));
}

char *
value_key_text(const struct doc *key)
{
	struct buf raw = BUF_PLAIN(key->len * 3);
	struct buf out = BUF_PLAIN(key->len * 3);
	size_t i;

	doc_string(key, &raw);
	buf_adds(&out, "");
	for (i = 0; i < raw.len; i++) {
		if (raw.data[i])
			buf_addc(&out, raw.data[i]);
		else
			buf_adds(&out, KV_NUL);
	}
	buf_clear(&raw);
	return (buf_take(&out));
}

void
value_key_bytes(const char *key, struct buf *out)
{
	size_t n;

	for (; *key; key += n) {
		n = strncmp(key, KV_NUL, 2) == 0 ? 2 : 1;
		buf_addc(out, n == 2 ? '\0' : *key);
	}
}

int
value_extract(const char *text, size_t len, enum doc_family family,
    struct kv *kv, struct err *err)
{
	struct doc d, key, value;
	struct kv out;
	size_t at = 0;

	if (doc_parse(text, len, &d, err) == -1)
		return (-1);
	if (d.type == DOC_NULL)
		return (0);
	if (d.type != DOC_OBJECT)
		return (wrong_type(&d, family, err));
	kv_init(&out);
	while (doc_next(&d, &at, &key, &value)) {
		cleanup_buf struct buf bytes = BUF_SECRET(value.len * 6 + 400);
		cleanup_free char *name = value_key_text(&key);

		if (doc_value(&value, family, &bytes, err) == -1 ||
		    buf_finish(&bytes, "value", err) == -1) {
			kv_clear(&out);
			return (-1);
		}
		kv_put(&out, name, secret_from_buf(&bytes));
	}
	kv_merge(kv, &out);
	kv_clear(&out);
	return (0);
}
