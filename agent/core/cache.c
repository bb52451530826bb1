/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/cache.h"

struct facts {
	size_t keys, size;
};

static int
check(void *arg, const uint8_t *plain, size_t len, struct err *err)
{
	struct payload p = { .immutable = 0 };
	struct facts *f = arg;

	if (payload_read(&p, plain, len, err) == -1)
		return (err_wrap(err, "payload"));
	f->keys = p.ndata;
	f->size = len;
	payload_clear(&p);
	return (0);
}

static struct record_header
header(const struct cache_origin *o, uint64_t generation)
{
	return ((struct record_header){ .kind = RECORD_PAYLOAD, .ns = o->ns,
	    .name = o->name, .generation = generation, .store = o->store,
	    .version = o->version, .fetched_at = o->fetched_at,
	    .source = o->source ? o->source : "live" });
}

/* The record is taken over. */
static struct content *
content_new(const struct record_header *h, const struct record *r,
    const struct facts *f)
{
	struct content *new = mem_alloc(sizeof(*new));

	new->refs = 1;
	new->ns = str_dup(h->ns);
	new->name = str_dup(h->name);
	new->generation = h->generation;
	memcpy(new->hash, h->hash, sizeof(new->hash));
	new->keys = f->keys;
	new->size = f->size;
	new->record = *r;
	return (new);
}

/* Into the empty slot. */
static void
put(struct cache *c, struct content **slot, struct content *new)
{
	*slot = new;
	c->records++;
	c->bytes += new->record.len;
	c->generation++;
}

int
cache_store(struct cache *c, const struct cache_origin *origin,
    struct keys_stream *from, const uint8_t *box, size_t len,
    struct content **slot, int *ret_changed, struct err *err)
{
	struct content *old = *slot;
	uint64_t generation = old ? old->generation + 1 : 1;
	struct record_header h = header(origin, generation);
	struct record r = { NULL, 0 };
	struct facts f = { 0, 0 };

	if (keys_take(c->keys, from, &h, box, len, old ? old->hash : NULL,
	    check, &f, &r, ret_changed, err) == -1)
		return (-1);
	if (!*ret_changed)
		return (0);
	cache_drop(c, slot);
	put(c, slot, content_new(&h, &r, &f));
	return (0);
}

int
cache_make(struct cache *c, const struct cache_origin *origin,
    uint64_t generation, const uint8_t *plain, size_t len,
    struct content **ret, struct err *err)
{
	struct record_header h = header(origin, generation);
	struct record r = { NULL, 0 };
	struct facts f = { 0, 0 };

	if (keys_put(c->keys, &h, plain, len, check, &f, &r, err) == -1)
		return (-1);
	*ret = content_new(&h, &r, &f);
	return (0);
}

void
cache_adopt(struct cache *c, struct content **slot, struct content *new)
{
	cache_drop(c, slot);
	put(c, slot, new);
}

int
cache_restore(struct cache *c, const struct record_header *h,
    struct record *record, struct content **slot, struct err *err)
{
	struct facts f = { 0, 0 };
	const uint8_t *plain;
	size_t len;
	int rc;

	if (keys_open(c->keys, record, h, &plain, &len, err) == -1)
		return (-1);
	rc = check(&f, plain, len, err);
	keys_close(c->keys);
	if (rc == 0) {
		put(c, slot, content_new(h, record, &f));
		*record = (struct record){ NULL, 0 };
	}
	return (rc);
}

void
cache_drop(struct cache *c, struct content **slot)
{
	struct content *old = STEAL(*slot);

	if (!old)
		return;
	c->records--;
	c->bytes -= old->record.len;
	content_unref(old);
}

struct content *
content_ref(struct content *c)
{
	c->refs++;
	return (c);
}

void
content_unref(struct content *c)
{
	if (!c || --c->refs)
		return;
	record_clear(&c->record);
	free(c->ns);
	free(c->name);
	free(c);
}

int
content_bytes(struct keys *k, const struct content *c,
    const uint8_t **ret_plain, size_t *ret_len, struct err *err)
{
	struct record_header h = { .kind = RECORD_PAYLOAD, .ns = c->ns,
		.name = c->name };

	if (keys_open(k, &c->record, &h, ret_plain, ret_len, err) == -1)
		return (err_wrap(err, "%s/%s", c->ns, c->name));
	return (0);
}

int
content_open(struct keys *k, const struct content *c, struct payload *ret,
    struct err *err)
{
	const uint8_t *plain;
	size_t len;

	if (content_bytes(k, c, &plain, &len, err) == -1)
		return (-1);
	if (payload_read(ret, plain, len, err) == -1)
		return (err_wrap(err, "%s/%s", c->ns, c->name));
	return (0);
}
