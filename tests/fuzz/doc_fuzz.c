/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/doc.h"
#include "value/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int ok)
{
	if (!ok)
		abort();
}

static int
marshal(const char *text, size_t len, struct buf *out, int html, int number)
{
	struct doc d;

	if (doc_parse(text, len, &d, NULL) == -1)
		return (0);
	doc_marshal(&d, out, html, number);
	require(buf_ok(out));
	return (1);
}

/* What was printed anew is a document, and prints to itself. */
static void
stable(const char *text, size_t len, int html, int number)
{
	cleanup_buf struct buf one = BUF_SECRET(1u << 24);
	cleanup_buf struct buf two = BUF_SECRET(1u << 24);

	require(marshal(text, len, &one, html, number));
	require(marshal(buf_str(&one), one.len, &two, html, number));
	require(one.len == two.len &&
	    memcmp(buf_str(&one), buf_str(&two), one.len) == 0);
}

static void
walk(const struct doc *d)
{
	struct doc key, value, found;
	size_t at = 0;

	while (doc_next(d, &at, &key, &value)) {
		require(value.len > 0 && value.raw + value.len <=
		    d->raw + d->len);
		if (d->type == DOC_OBJECT) {
			cleanup_buf struct buf text = BUF_SECRET(1u << 20);

			doc_string(&key, &text);
			require(doc_member(d, buf_str(&text), text.len,
			    &found));
		}
	}
}

/* A document in a block of exactly its size, read in every way. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum doc_family families[] = { DOC_RAW_MESSAGE,
	    DOC_GET_BYTE_VALUE, DOC_GET_BYTE_VALUE_NUMBER, DOC_STRING_MAP,
	    DOC_VERBATIM };
	cleanup_err struct err err = ERR_INIT;
	char *text = malloc(size ? size : 1);
	struct doc d;
	size_t i;

	if (size)
		memcpy(text, data, size);
	if (doc_parse(text, size, &d, &err) == -1) {
		require(err.kind == ERR_INVALID && *err_msg(&err));
		free(text);
		return (0);
	}
	if (doc_floats(&d, NULL) == 0)
		stable(text, size, (int)(size & 1), 0);
	stable(text, size, 0, 1);
	walk(&d);
	for (i = 0; i < ARRAY_LEN(families); i++) {
		cleanup_buf struct buf out = BUF_SECRET(1u << 24);
		struct kv kv;

		doc_value(&d, families[i], &out, NULL);
		kv_init(&kv);
		value_extract(text, size, families[i], &kv, NULL);
		kv_clear(&kv);
	}
	free(text);
	return (0);
}
