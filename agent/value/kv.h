/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_KV_H
#define VALUE_KV_H

#include <stddef.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/strmap.h"

/*
 * The map[string][]byte that the whole pipeline passes on: keys to secret
 * values, in order of insertion.  A key may come from JSON and hold U+0000:
 * it is held as KV_NUL, two bytes that UTF-8 knows in no other place, and
 * conversion and validation treat it as that character.
 */
#define KV_NUL "\xc0\x80"

struct kv {
	struct strmap *map;	/* key -> struct secret * (owned) */
};

void kv_init(struct kv *kv);
void kv_clear(struct kv *kv);
/* kv_put takes ownership of ${value}; an older value of ${key} is freed. */
void kv_put(struct kv *kv, const char *key, struct secret *value);
void kv_put_bytes(struct kv *kv, const char *key, const void *p, size_t len);
const struct secret *kv_get(const struct kv *kv, const char *key);
size_t kv_len(const struct kv *kv);
/* kv_merge(dst, src): move all of src over dst; src is empty afterwards. */
void kv_merge(struct kv *dst, struct kv *src);
#define cleanup_kv __attribute__((cleanup(kv_clear)))

enum value_decoding { DECODE_NONE, DECODE_BASE64, DECODE_BASE64URL,
	DECODE_AUTO };
enum value_conversion { CONVERT_DEFAULT, CONVERT_UNICODE };

/* Parse the words of the CRD ("" and NULL give the default); -1 unknown. */
int value_decoding_parse(const char *s, enum value_decoding *ret);
int value_conversion_parse(const char *s, enum value_conversion *ret);

/**
 * value_decode(v, strategy, ret, err):
 * ESO's runtime/decoding: a new value, or INVALID with Go's text (`illegal
 * base64 data at input byte N`); the caller adds ESO's phrases around it.
 */
int value_decode(const struct secret *v, enum value_decoding strategy,
    struct secret **ret, struct err *err);
/* value_decode_map: every value, in place; error text of ESO's DecodeMap. */
int value_decode_map(struct kv *kv, enum value_decoding strategy,
    struct err *err);
/* value_convert_keys: ESO's ConvertKeys (eso.md 4.1), in place; INVALID on a
 * collision, nothing changed then. */
int value_convert_keys(struct kv *kv, enum value_conversion strategy,
    struct err *err);
/* value_validate_keys: ESO's ValidateKeys: an empty key is dropped. */
int value_validate_keys(struct kv *kv, struct err *err);
/* nullBytePolicy Fail: INVALID when a value holds a zero byte. */
int value_check_null(const char *key, const struct secret *v, struct err *err);

#endif
