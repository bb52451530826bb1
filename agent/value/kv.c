/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "value/kv.h"

static void
free_value(void *value)
{
	secret_free(value);
}

void
kv_init(struct kv *kv)
{
	kv->map = strmap_new(free_value);
}

void
kv_clear(struct kv *kv)
{
	strmap_free(kv->map);
	kv->map = NULL;
}

void
kv_put(struct kv *kv, const char *key, struct secret *value)
{
	strmap_put(kv->map, key, value);
}

void
kv_put_bytes(struct kv *kv, const char *key, const void *p, size_t len)
{
	kv_put(kv, key, secret_new(p, len));
}

const struct secret *
kv_get(const struct kv *kv, const char *key)
{
	return (kv->map ? strmap_get(kv->map, key) : NULL);
}

size_t
kv_len(const struct kv *kv)
{
	return (kv->map ? strmap_len(kv->map) : 0);
}

void
kv_merge(struct kv *dst, struct kv *src)
{
	size_t i;

	for (i = strmap_next(src->map, 0); i; i = strmap_next(src->map, i)) {
		cleanup_free char *key = str_dup(strmap_key(src->map, i));

		kv_put(dst, key, strmap_take(src->map, key));
	}
}
