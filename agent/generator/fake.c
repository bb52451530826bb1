/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "generator/registry.h"

static const struct field fields[] = {
	{ .name = "controller", .type = FIELD_TEXT, .flags = FIELD_CHECK },
	{ .name = "data", .type = FIELD_MAP, .flags = FIELD_CHECK },
};
static const struct record fake_spec = { .fields = fields,
	.nfields = ARRAY_LEN(fields) };

/* Fake: spec.data, as it stands. */
static int
fake_generate(const struct json *spec, struct kv *ret, struct err *err)
{
	const struct json *m;

	for (m = json_first(json_get(spec, "data")); m != NULL;
	    m = json_next(m)) {
		const char *v = json_str(m);

		if (v == NULL && !json_is(m, JSON_NULL))
			return (err_set(err, ERR_INVALID,
			    "unable to parse spec: data.%s is no text",
			    json_key(m)));
		if (v == NULL)
			v = "";
		kv_put_bytes(ret, json_key(m), v, strlen(v));
	}
	return (0);
}

const struct generator generator_fake = {
	.kind = "Fake",
	.cluster_key = "fakeSpec",
	.spec = &fake_spec,
	.generate = fake_generate,
};
