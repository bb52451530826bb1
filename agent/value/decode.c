/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/gostr.h"
#include "value/kv.h"

int
value_decoding_parse(const char *s, enum value_decoding *ret)
{
	static const struct {
		const char *word;
		enum value_decoding value;
	} words[] = { { "None", DECODE_NONE }, { "Base64", DECODE_BASE64 },
	    { "Base64URL", DECODE_BASE64URL }, { "Auto", DECODE_AUTO } };
	size_t i;

	if (!s || !*s) {
		*ret = DECODE_NONE;
		return (0);
	}
	for (i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(s, words[i].word) == 0) {
			*ret = words[i].value;
			return (0);
		}
	return (-1);
}

static int
decode_base64(const struct secret *v, enum codec_b64 alphabet,
    struct secret **ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(secret_len(v));
	size_t bad;

	if (codec_b64_decode(&out, (const char *)secret_data(v), secret_len(v),
	    alphabet, &bad) == -1)
		return (err_set(err, ERR_INVALID,
		    "illegal base64 data at input byte %zu", bad));
	if (buf_finish(&out, "decoded value", err) == -1)
		return (-1);
	*ret = secret_from_buf(&out);
	return (0);
}

int
value_decode(const struct secret *v, enum value_decoding strategy,
    struct secret **ret, struct err *err)
{
	switch (strategy) {
	case DECODE_BASE64:
		return (decode_base64(v, CODEC_B64_STD, ret, err));
	case DECODE_BASE64URL:
		return (decode_base64(v, CODEC_B64_URL, ret, err));
	case DECODE_AUTO:
		if (decode_base64(v, CODEC_B64_STD, ret, NULL) == 0 ||
		    decode_base64(v, CODEC_B64_URL, ret, NULL) == 0)
			return (0);
		break;
	case DECODE_NONE:
		break;
	}
	*ret = secret_new(secret_data(v), secret_len(v));
	return (0);
}

int
value_decode_map(struct kv *kv, enum value_decoding strategy, struct err *err)
{
	struct secret *fresh;
	const char *key;
	struct kv out;
	size_t i;

	if (strategy == DECODE_NONE)
		return (0);
	kv_init(&out);
	for (i = strmap_next(kv->map, 0); i; i = strmap_next(kv->map, i)) {
		key = strmap_key(kv->map, i);
		if (value_decode(strmap_val(kv->map, i), strategy, &fresh,
		    err) == -1) {
			kv_clear(&out);
			return (err_wrap(err, "failure decoding key %s", key));
		}
		kv_put(&out, key, fresh);
	}
	kv_clear(kv);
	*kv = out;
	return (0);
}

int
value_check_null(const char *key, const struct secret *v, struct err *err)
{
	struct buf quoted = BUF_PLAIN(4096);

	if (!secret_len(v) || !memchr(secret_data(v), 0, secret_len(v)))
		return (0);
	gostr_quote(key, strlen(key), &quoted);
	err_set(err, ERR_INVALID, "fetched secret value for key %s contains "
	    "null bytes; use a text-safe format such as PEM/base64 or leave "
	    "nullBytePolicy unset for intentional binary data",
	    buf_str(&quoted));
	buf_clear(&quoted);
	return (-1);
}
