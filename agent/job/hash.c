/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/keccak.h"
#include "base/mem.h"
#include "job/pipeline_internal.h"

/*
 * esutils.ObjectHash (runtime/esutils/utils.go): hex SHA3-224 of Go's "%+v".
 * The text is streamed into the hash: values never get a second copy.
 */

static char *
hex_of(struct sha3_224 *h)
{
	struct buf out = BUF_PLAIN(2 * SHA3_224_LEN);
	uint8_t sum[SHA3_224_LEN];

	sha3_224_final(h, sum);
	codec_hex_encode(&out, sum, sizeof(sum));
	secret_wipe(h, sizeof(*h));
	return (buf_take(&out));
}

static void
add(struct sha3_224 *h, const char *s)
{
	sha3_224_update(h, s, strlen(s));
}

/* "[98 97 114]" */
static void
add_bytes(struct sha3_224 *h, const uint8_t *p, size_t len)
{
	char piece[512];
	size_t i, at = 0;

	add(h, "[");
	for (i = 0; i < len; i++) {
		uint8_t v = p[i];

		if (i > 0)
			piece[at++] = ' ';
		if (v >= 100)
			piece[at++] = (char)('0' + v / 100);
		if (v >= 10)
			piece[at++] = (char)('0' + v / 10 % 10);
		piece[at++] = (char)('0' + v % 10);
		if (at > sizeof(piece) - 8) {
			sha3_224_update(h, piece, at);
			at = 0;
		}
	}
	sha3_224_update(h, piece, at);
	secret_wipe(piece, sizeof(piece));
	add(h, "]");
}

char *
hash_data(const struct kv *data)
{
	struct sha3_224 h;
	const char **keys;
	size_t i, n;

	sha3_224_init(&h);
	add(&h, "map[");
	keys = strmap_sorted(data->map, &n);
	for (i = 0; i < n; i++) {
		const struct secret *v = kv_get(data, keys[i]);

		if (i > 0)
			add(&h, " ");
		add(&h, keys[i]);
		add(&h, ":");
		add_bytes(&h, secret_data(v), secret_len(v));
	}
	free(keys);
	add(&h, "]");
	return (hex_of(&h));
}

char *
hash_text(const char *s)
{
	struct sha3_224 h;

	sha3_224_init(&h);
	add(&h, s);
	return (hex_of(&h));
}

/* %+v of a decoded JSON tree: maps in key order, lists in brackets. */
static void
add_tree(struct sha3_224 *h, const struct json *j)
{
	struct buf out = BUF_PLAIN(64);
	struct strmap *keys;
	const struct json *c;
	const char **v;
	size_t i, n;

	switch (json_type(j)) {
	case JSON_STRING:
		add(h, json_str(j));
		break;
	case JSON_ARRAY:
		add(h, "[");
		for (c = json_first(j); c != NULL; c = json_next(c)) {
			if (c != json_first(j))
				add(h, " ");
			add_tree(h, c);
		}
		add(h, "]");
		break;
	case JSON_OBJECT:
		keys = strmap_new(NULL);
		for (c = json_first(j); c != NULL; c = json_next(c))
			strmap_put(keys, json_key(c), NULL);
		v = strmap_sorted(keys, &n);
		add(h, "map[");
		for (i = 0; i < n; i++) {
			if (i > 0)
				add(h, " ");
			add(h, v[i]);
			add(h, ":");
			add_tree(h, json_get(j, v[i]));
		}
		add(h, "]");
		free(v);
		strmap_free(keys);
		break;
	case JSON_NULL:
		add(h, "<nil>");
		break;
	case JSON_FALSE:
	case JSON_TRUE:
	case JSON_NUMBER:
		json_print(j, &out, 0);
		add(h, buf_str(&out));
		buf_clear(&out);
		break;
	}
}

char *
hash_tree(const struct json *j)
{
	struct sha3_224 h;

	sha3_224_init(&h);
	add_tree(&h, j);
	return (hex_of(&h));
}
