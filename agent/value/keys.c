/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/kv.h"

#define KEY_MAX 253

int
value_conversion_parse(const char *s, enum value_conversion *ret)
{
	if (!s || !*s || strcmp(s, "Default") == 0)
		*ret = CONVERT_DEFAULT;
	else if (strcmp(s, "Unicode") == 0)
		*ret = CONVERT_UNICODE;
	else
		return (-1);
	return (0);
}

/* The next rune of a key, with U+0000 in its stored form. */
static size_t
next_rune(const char *s, size_t len, uint32_t *ret)
{
	if (len >= 2 && memcmp(s, KV_NUL, 2) == 0) {
		*ret = 0;
		return (2);
	}
	return (utf8_next(s, len, ret));
}

static int
is_key_rune(uint32_t rune)
{
	return (rune_is_letter(rune) || rune_is_number(rune) || rune == '-' ||
	    rune == '.' || rune == '_');
}

static char *
convert_key(const char *key, enum value_conversion strategy)
{
	size_t len = strlen(key), n;
	struct buf out = BUF_PLAIN(len * 10 + 1);
	uint32_t rune;

	buf_adds(&out, "");
	for (; len; key += n, len -= n) {
		n = next_rune(key, len, &rune);
		if (is_key_rune(rune))
			utf8_add(&out, rune);
		else if (strategy == CONVERT_UNICODE)
			buf_addf(&out, "_U%04x_", (unsigned)rune);
		else
			buf_addc(&out, '_');
	}
	return (buf_take(&out));
}

/* New keys first, then the values: a collision changes nothing. */
int
value_convert_keys(struct kv *kv, enum value_conversion strategy,
    struct err *err)
{
	cleanup_strmap struct strmap *taken = strmap_new(NULL);
	struct kv out;
	size_t i;

	for (i = strmap_next(kv->map, 0); i; i = strmap_next(kv->map, i)) {
		cleanup_free char *key = convert_key(strmap_key(kv->map, i),
		    strategy);

		if (strmap_has(taken, key))
			return (err_set(err, ERR_INVALID, "secret name "
			    "collision during conversion: %s", key));
		strmap_put(taken, key, kv);
	}
	kv_init(&out);
	for (i = strmap_next(kv->map, 0); i; i = strmap_next(kv->map, i)) {
		cleanup_free char *old = str_dup(strmap_key(kv->map, i));
		cleanup_free char *key = convert_key(old, strategy);

		kv_put(&out, key, strmap_take(kv->map, old));
	}
	kv_clear(kv);
	*kv = out;
	return (0);
}

static int
check_key(const char *key, struct err *err)
{
	size_t len = strlen(key), at, n;
	uint32_t rune;

	if (len > KEY_MAX)
		return (err_set(err, ERR_INVALID, "key has length %zu but max "
		    "is 253: (following is truncated): %.253s", len, key));
	for (at = 0; at < len; at += n) {
		char text[8] = { 0 };
		struct buf b = BUF_PLAIN(8);

		n = next_rune(key + at, len - at, &rune);
		if (is_key_rune(rune))
			continue;
		utf8_add(&b, rune);
		memcpy(text, buf_str(&b), b.len);
		buf_clear(&b);
		return (err_set(err, ERR_INVALID, "key has invalid character "
		    "%s, only alphanumeric, '-', '.' and '_' are allowed: %s",
		    text, key));
	}
	return (0);
}

int
value_validate_keys(struct kv *kv, struct err *err)
{
	size_t i;

	strmap_del(kv->map, "");
	for (i = strmap_next(kv->map, 0); i; i = strmap_next(kv->map, i))
		if (check_key(strmap_key(kv->map, i), err) == -1)
			return (-1);
	return (0);
}
