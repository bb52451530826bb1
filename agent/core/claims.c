/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/claims.h"

static struct claim *
find(const struct claims *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (strcmp(c->v[i].name, name) == 0)
			return (&c->v[i]);
	return (NULL);
}

int
claims_put(struct claims *c, const char *name, int64_t until)
{
	struct claim *old = find(c, name);

	if (old) {
		old->until = until;
		return (0);
	}
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 2;
		c->v = mem_grow(c->v, c->cap, sizeof(*c->v));
	}
	c->v[c->n++] = (struct claim){ str_dup(name), until };
	return (1);
}

/* The order stays: status shows claims as they came. */
static void
drop(struct claims *c, struct claim *gone)
{
	size_t i = (size_t)(gone - c->v);

	free(gone->name);
	memmove(gone, gone + 1, (--c->n - i) * sizeof(*gone));
}

int
claims_drop(struct claims *c, const char *name)
{
	struct claim *old = find(c, name);

	if (!old)
		return (0);
	drop(c, old);
	return (1);
}

size_t
claims_expire(struct claims *c, int64_t now)
{
	size_t i = 0;

	while (i < c->n) {
		if (c->v[i].until <= now)
			drop(c, &c->v[i]);
		else
			i++;
	}
	return (c->n);
}

int64_t
claims_next(const struct claims *c)
{
	int64_t next = CLAIM_FOREVER;
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->v[i].until < next)
			next = c->v[i].until;
	return (next);
}

void
claims_clear(struct claims *c)
{
	while (c->n)
		drop(c, &c->v[c->n - 1]);
	free(c->v);
	*c = (struct claims){ NULL, 0, 0 };
}
