/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/codec.h"
#include "base/json_internal.h"
#include "base/num_internal.h"

/* encoding/json's floatEncoder. */
void
json_print_num(double n, struct buf *out)
{
	struct num shortest;

	if (!isfinite(n)) {
		buf_adds(out, "null");
		return;
	}
	if (n == trunc(n) && fabs(n) < 0x1p63) {
		buf_addf(out, "%lld", (long long)n);
		return;
	}
	num_digits(n, 0, &shortest);
	if (fabs(n) < 1e-6 || fabs(n) >= 1e21)
		num_print_exp(&shortest, 1, out);
	else
		num_print_fixed(&shortest, out);
}

static void
new_line(struct buf *out, int indent, int depth)
{
	if (indent > 0)
		buf_addf(out, "\n%*s", indent * depth, "");
}

static void
print(const struct json *j, struct buf *out, int indent, int depth)
{
	const struct json *at;
	int object = json_is(j, JSON_OBJECT);

	if (!json_first(j)) {
		buf_adds(out, object ? "{}" : "[]");
		return;
	}
	buf_addc(out, object ? '{' : '[');
	for (at = json_first(j); at && buf_ok(out); at = json_next(at)) {
		if (at != json_first(j))
			buf_addc(out, ',');
		new_line(out, indent, depth + 1);
		if (object) {
			codec_json_string(out, json_key(at),
			    strlen(json_key(at)), 0);
			buf_adds(out, indent > 0 ? ": " : ":");
		}
		if (json_is(at, JSON_OBJECT) || json_is(at, JSON_ARRAY))
			print(at, out, indent, depth + 1);
		else
			json_print(at, out, 0);
	}
	new_line(out, indent, depth);
	buf_addc(out, object ? '}' : ']');
}

void
json_print(const struct json *j, struct buf *out, int indent)
{
	switch (json_type(j)) {
	case JSON_NULL:
		buf_adds(out, "null");
		break;
	case JSON_FALSE:
		buf_adds(out, "false");
		break;
	case JSON_TRUE:
		buf_adds(out, "true");
		break;
	case JSON_NUMBER:
		if (json_digits(j))
			buf_adds(out, json_digits(j));
		else
			json_print_num(json_num(j, 0), out);
		break;
	case JSON_STRING:
		codec_json_string(out, json_str(j), strlen(json_str(j)), 0);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		print(j, out, indent, 0);
		break;
	}
}
