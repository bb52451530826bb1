/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/random.h>

#include "base/codec.h"
#include "generator/registry.h"

static const struct record uuid_spec = { .nfields = 0 };

/* UUID: one random version 4 identifier (RFC 9562 5.4) under "uuid". */
static int
uuid_generate(const struct json *spec, struct kv *ret, struct err *err)
{
	static const size_t group[] = { 4, 2, 2, 2, 6 };
	struct buf text = BUF_SECRET(64);
	uint8_t raw[16];
	size_t i, at = 0;

	(void)spec;
	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return (err_sys(err, "unable to generate UUID"));
	raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40);
	raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
	for (i = 0; i < sizeof(group) / sizeof(group[0]); i++) {
		if (i > 0)
			buf_addc(&text, '-');
		codec_hex_encode(&text, raw + at, group[i]);
		at += group[i];
	}
	secret_wipe(raw, sizeof(raw));
	kv_put(ret, "uuid", secret_from_buf(&text));
	return (0);
}

const struct generator generator_uuid = {
	.kind = "UUID",
	.cluster_key = "uuidSpec",
	.spec = &uuid_spec,
	.generate = uuid_generate,
};
