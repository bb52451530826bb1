/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/payload.h"

#define MAGIC "NSP1"

/* --- reading ------------------------------------------------------------- */

struct cursor {
	const uint8_t *at;
	size_t left;
	int bad;
};

static uint32_t
get_u32(struct cursor *c)
{
	uint32_t v;

	if (c->left < 4) {
		c->bad = 1;
		return (0);
	}
	v = (uint32_t)c->at[0] | (uint32_t)c->at[1] << 8 |
	    (uint32_t)c->at[2] << 16 | (uint32_t)c->at[3] << 24;
	c->at += 4;
	c->left -= 4;
	return (v);
}

static const uint8_t *
get_bytes(struct cursor *c, uint32_t *ret_len)
{
	const uint8_t *p;

	*ret_len = get_u32(c);
#ifdef WEAKEN_PAYLOAD_LENGTH
	if (*ret_len > c->left && *ret_len - c->left <= 16)
		c->left = *ret_len;	/* the control: a length is believed */
#endif
	if (*ret_len > c->left)
		c->bad = 1;
	if (c->bad) {
		*ret_len = 0;
		return (NULL);
	}
	p = c->at;
	c->at += *ret_len;
	c->left -= *ret_len;
	return (p);
}

static int
key_cmp(const struct payload_entry *a, const struct payload_entry *b)
{
	uint32_t n = a->keylen < b->keylen ? a->keylen : b->keylen;
	int r = n == 0 ? 0 : memcmp(a->key, b->key, n);

	if (r != 0)
		return (r);
	return (a->keylen < b->keylen ? -1 : a->keylen > b->keylen);
}

/* Order is part of the format: equal content has one form, and a key that
 * occurs twice cannot hide from whoever looks for it. */
static struct payload_entry *
get_entries(struct cursor *c, size_t *ret_n)
{
	uint32_t n = get_u32(c);
	struct payload_entry *v;

	*ret_n = 0;
	if (n > PAYLOAD_KEYS_MAX || n > c->left / 8)
		c->bad = 1;
	if (c->bad || n == 0)
		return (NULL);
	v = mem_array(n, sizeof(*v));
	for (uint32_t i = 0; i < n && !c->bad; i++) {
		v[i].key = (const char *)get_bytes(c, &v[i].keylen);
		v[i].value = get_bytes(c, &v[i].len);
		if (!c->bad && i > 0 && key_cmp(&v[i - 1], &v[i]) >= 0)
			c->bad = 1;
	}
	*ret_n = n;
	return (v);
}

int
payload_read(struct payload *p, const uint8_t *data, size_t len,
    struct err *err)
{
	struct cursor c = { data, len, 0 };

	*p = (struct payload){ 0 };
	if (len > PAYLOAD_MAX || len < 5 || memcmp(data, MAGIC, 4) != 0 ||
	    data[4] > 1)
		return (err_set(err, ERR_TAMPER, "not a payload"));
	p->immutable = data[4];
	c.at += 5;
	c.left -= 5;
	p->type = (const char *)get_bytes(&c, &p->typelen);
	p->labels = get_entries(&c, &p->nlabels);
	p->annotations = get_entries(&c, &p->nannotations);
	p->data = get_entries(&c, &p->ndata);
	if (c.bad || c.left != 0) {
		payload_clear(p);
		return (err_set(err, ERR_TAMPER, "not a whole payload"));
	}
	return (0);
}

void
payload_clear(struct payload *p)
{
	free(p->labels);
	free(p->annotations);
	free(p->data);
	*p = (struct payload){ 0 };
}

/* --- writing ------------------------------------------------------------- */

static int
entry_cmp(const void *a, const void *b)
{
	return (key_cmp(a, b));
}

static void
put_bytes(struct buf *out, const void *data, uint32_t len)
{
	uint8_t head[4] = { (uint8_t)len, (uint8_t)(len >> 8),
		(uint8_t)(len >> 16), (uint8_t)(len >> 24) };

	buf_add(out, head, sizeof(head));
	if (len > 0)
		buf_add(out, data, len);
}

static void
put_count(struct buf *out, size_t n)
{
	uint8_t head[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
		(uint8_t)(n >> 24) };

	buf_add(out, head, sizeof(head));
}

static int
put_entries(struct buf *out, struct payload_entry *v, size_t n,
    const char *what, struct err *err)
{
	if (n > PAYLOAD_KEYS_MAX)
		return (err_set(err, ERR_LIMIT, "more than %d %s",
		    PAYLOAD_KEYS_MAX, what));
	if (n > 1)
		qsort(v, n, sizeof(*v), entry_cmp);
	put_count(out, n);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && key_cmp(&v[i - 1], &v[i]) == 0)
			return (err_set(err, ERR_INVALID,
			    "two %s have the same name", what));
		put_bytes(out, v[i].key, v[i].keylen);
		put_bytes(out, v[i].value, v[i].len);
	}
	return (0);
}

static int
check_values(const struct payload *p, struct err *err)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->ndata; i++)
		sum += p->data[i].len;
	if (sum > PAYLOAD_VALUES_MAX)
		return (err_set(err, ERR_LIMIT, "data: Too long: may not be "
		    "more than %u bytes", PAYLOAD_VALUES_MAX));
	return (0);
}

int
payload_write(struct payload *p, struct buf *out, struct err *err)
{
	size_t start = out->len;

	if (check_values(p, err) == -1)
		return (-1);
	buf_adds(out, MAGIC);
	buf_addc(out, p->immutable ? 1 : 0);
	put_bytes(out, p->type, p->typelen);
	if (put_entries(out, p->labels, p->nlabels, "labels", err) == -1 ||
	    put_entries(out, p->annotations, p->nannotations, "annotations",
	    err) == -1 ||
	    put_entries(out, p->data, p->ndata, "keys", err) == -1)
		return (-1);
	if (buf_finish(out, "the Secret", err) == -1)
		return (-1);
	if (out->len - start > PAYLOAD_MAX)
		return (err_set(err, ERR_LIMIT,
		    "the Secret is larger than %u bytes", PAYLOAD_MAX));
	return (0);
}

const struct payload_entry *
payload_find(const struct payload *p, const char *key)
{
	struct payload_entry want = { .key = key,
		.keylen = (uint32_t)strlen(key) };

	for (size_t i = 0; i < p->ndata; i++)
		if (key_cmp(&want, &p->data[i]) == 0)
			return (&p->data[i]);
	return (NULL);
}
