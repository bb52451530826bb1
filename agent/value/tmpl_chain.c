/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "value/tmpl_chain.h"
#include "value/tmpl_pem.h"

#define NOBODY SIZE_MAX

static size_t
count(struct tmpl_run *run, struct text pem, struct err *err)
{
	struct pem_block block;
	size_t n = 0;
	int found;

	while ((found = pem_decode(run, &pem, &block, err)) == 1)
		n++;
	return (found == -1 ? SIZE_MAX : n);
}

int
chain_read(struct tmpl_run *run, struct text pem, struct chain *ret,
    struct err *err)
{
	size_t n = count(run, pem, err);
	struct pem_block block;

	if (n == SIZE_MAX)
		return (-1);
	ret->v = tmpl_alloc(run, (n + 1) * sizeof(*ret->v), err);
	if (ret->v == NULL)
		return (-1);
	for (ret->n = 0; ret->n < n; ret->n++)
		if (pem_decode(run, &pem, &block, err) == -1 ||
		    x509_parse(run, (struct der){
		    (const uint8_t *)block.bytes.p, block.bytes.n },
		    &ret->v[ret->n], err) == -1)
			return (-1);
	return (0);
}

int
chain_is_root(const struct x509 *x)
{
	return (x->authority_id.p == NULL ||
	    der_same(x->authority_id, x->key_id));
}

/* The first other one whose key is ${i}'s authority. */
static size_t
parent_of(const struct chain *c, size_t i)
{
	size_t j;

	for (j = 0; j < c->n; j++)
		if (j != i && der_same(c->v[i].authority_id,
		    c->v[j].key_id))
			return (j);
	return (NOBODY);
}

static int
find_leaf(const uint8_t *is_parent, size_t n, size_t *ret, struct err *err)
{
	size_t i;

	*ret = NOBODY;
	for (i = 0; i < n; i++) {
		if (is_parent[i])
			continue;
		if (*ret != NOBODY)
			return (err_set(err, ERR_INVALID, "found multiple "
			    "leaf or disjunct certificates"));
		*ret = i;
	}
	return (*ret == NOBODY ? err_set(err, ERR_INVALID,
	    "no leaf certificate found") : 0);
}

/* From the leaf on; what is not reached is left out. */
static int
follow(const struct chain *c, const size_t *parents, size_t at,
    struct chain *ret, struct err *err)
{
	for (ret->n = 0; at != NOBODY; at = parents[at]) {
		if (ret->n == c->n)
			return (err_set(err, ERR_INVALID, "constructing chain "
			    "resulted in cycle"));
		ret->v[ret->n++] = c->v[at];
	}
	return (0);
}

int
chain_order(struct tmpl_run *run, struct chain *c, struct err *err)
{
	size_t *parents = tmpl_alloc(run, (c->n + 1) * sizeof(*parents), err);
	uint8_t *is_parent = tmpl_alloc(run, c->n + 1, err);
	struct chain sorted = { tmpl_alloc(run, (c->n + 1) *
	    sizeof(*sorted.v), err), 0 };
	size_t i, leaf;

	if (parents == NULL || is_parent == NULL || sorted.v == NULL ||
	    tmpl_steps(run, 1 + (uint64_t)c->n * c->n / 16, err) == -1)
		return (-1);
	for (i = 0; i < c->n; i++) {
		parents[i] = parent_of(c, i);
		if (parents[i] != NOBODY)
			is_parent[parents[i]] = 1;
	}
	if (find_leaf(is_parent, c->n, &leaf, err) == -1 ||
	    follow(c, parents, leaf, &sorted, err) == -1)
		return (-1);
	*c = sorted;
	return (0);
}

void
chain_print(const struct x509 *v, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		pem_encode("CERTIFICATE", v[i].raw.p, v[i].raw.n, out);
}
