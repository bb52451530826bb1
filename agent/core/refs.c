/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/plan.h"
#include "core/refs.h"
#include "core/resolve.h"

static void
add(struct strmap *keys, const char *kind, const char *ns, const char *name)
{
	cleanup_free char *key = object_key(kind, ns, name);

	strmap_put(keys, key, NULL);
}

/* References of ${e}, resolved for a user in namespace ${ns}. */
static void
add_refs(struct strmap *keys, const struct entry *e, const char *ns)
{
	const struct object_ref *r;
	const char *in;
	size_t i;

	for (i = 0; e && i < e->nrefs; i++) {
		r = &e->refs[i];
		in = *r->ns ? r->ns : ns;
		if (!str_eq(r->kind, JOB_KIND_TOKEN)) {
			add(keys, r->kind, in, r->name);
			continue;
		}
		cleanup_free char *key = resolve_token_key(in, r);

		strmap_put(keys, key, NULL);
	}
}

/* Only conditions of a ClusterSecretStore look at a namespace's labels. */
static int
looks_at_labels(const struct entry *store)
{
	size_t i;

	for (i = 0; store && store->store && i < store->store->nconditions;
	    i++)
		if (store->store->conditions[i].selector)
			return (1);
	return (0);
}

static void
add_generator(const struct catalog *c, struct strmap *keys,
    const struct generator_ref *g, const char *ns)
{
	cleanup_free char *key = NULL;

	if (!*g->name)
		return;
	key = object_key(g->kind, str_eq(g->kind, "ClusterGenerator") ? "" :
	    ns, g->name);
	strmap_put(keys, key, NULL);
	add_refs(keys, catalog_find(c, key), ns);
}

void
refs_add(const struct catalog *c, const struct entry *e, struct strmap *keys)
{
	const struct external_secret *es = e->es;
	int labels = 0;
	char **stores;
	size_t i, n;

	if (!es)
		return;
	stores = plan_stores(es, &n);
	for (i = 0; i < n; i++) {
		strmap_put(keys, stores[i], NULL);
		add_refs(keys, catalog_find(c, stores[i]), e->ns);
		labels |= looks_at_labels(catalog_find(c, stores[i]));
	}
	plan_stores_free(stores, n);
	for (i = 0; i < es->ndata; i++)
		add_generator(c, keys, &es->data[i].generator, e->ns);
	for (i = 0; i < es->nfrom; i++)
		add_generator(c, keys, &es->from[i].generator, e->ns);
	add_refs(keys, e, e->ns);
	if (labels)
		add(keys, "Namespace", "", e->ns);
}
