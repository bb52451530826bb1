/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_VALUE_TMPL_FN_H
#define UNIT_VALUE_TMPL_FN_H

#include <string.h>

#include "base/mem.h"
#include "value/tmpl.h"

/* Templates that are rendered for their functions. */

#define OUT_MAX (32u << 20)

/* The keys that tests/vector/value/tmpl_fn.tsv was made with. */
static inline void
fn_data(struct kv *data)
{
	static const char *const all[][2] = {
		{ "s", "hello" }, { "j", "{\"a\":1,\"b\":{\"c\":[1,2]}}" },
		{ "n", "42" }, { "e", "" }, { "l", "a,b,c" },
		{ "u", "h\xc3\xa9llo w\xc3\xb6rld \xef\xac\x81" },
	};
	size_t i;

	kv_init(data);
	for (i = 0; i < ARRAY_LEN(all); i++)
		kv_put_bytes(data, all[i][0], all[i][1], strlen(all[i][1]));
}

static inline int
fn_render(const char *text, size_t len, struct buf *out, struct err *err)
{
	struct tmpl_options opts = { .missing_key_error = 1 };
	struct tmpl *t = NULL;
	struct kv data;
	int rc;

	fn_data(&data);
	rc = tmpl_parse("t", text, len, &opts, &t, err);
	if (rc == 0)
		rc = tmpl_run(t, &data, out, err);
	tmpl_free(t);
	kv_clear(&data);
	return (rc);
}

#endif
