/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline_internal.h"

/*
 * What the ExternalSecrets of a job will read from one store, said to it before
 * the first read: some give twenty values for one request.
 */
struct wishes {
	const struct pipeline_conn *c;
	struct external_secret **es;	/* own what refs point to */
	size_t nes;
	struct remote_ref *refs;
	size_t nrefs;
};

static int
is_of(const struct wishes *w, const struct external_secret *es,
    const struct store_ref *ref)
{
	const struct object_meta *m = &w->c->ps->store->meta;
	int cluster;

	if (ref->name[0] == '\0')
		ref = &es->store;
	cluster = strcmp(ref->kind, "ClusterSecretStore") == 0;
	return (strcmp(ref->name, m->name) == 0 &&
	    cluster == (m->kind == OBJ_CLUSTER_SECRET_STORE) &&
	    (cluster || strcmp(es->meta.ns, m->ns) == 0) &&
	    (!w->c->ps->referent || strcmp(es->meta.ns, w->c->ns) == 0));
}

static void
wish(struct wishes *w, const struct remote_ref *ref)
{
	w->refs = mem_grow(w->refs, w->nrefs + 1, sizeof(*w->refs));
	w->refs[w->nrefs++] = *ref;
}

static void
wishes_of(struct wishes *w, const struct external_secret *es)
{
	size_t i;

	for (i = 0; i < es->ndata; i++)
		if (es->data[i].generator.name[0] == '\0' &&
		    is_of(w, es, &es->data[i].store))
			wish(w, &es->data[i].remote);
	for (i = 0; i < es->nfrom; i++)
		if (es->from[i].kind == ES_FROM_EXTRACT &&
		    is_of(w, es, &es->from[i].store))
			wish(w, &es->from[i].extract);
}

void
pipeline_want(struct pipeline *p, struct pipeline_conn *c)
{
	struct wishes w = { .c = c };
	size_t i;

	if (!c->usable || c->ps->driver->want == NULL || p->nexpected == 0)
		return;
	w.es = mem_array(p->nexpected, sizeof(*w.es));
	for (i = 0; i < p->nexpected; i++) {
		const struct job_name *n = &p->expected[i];
		const struct json *obj = objects_get(p->objects,
		    "ExternalSecret", n->ns, n->name);

		if (obj != NULL && es_parse(obj, n->ns, &w.es[w.nes], NULL,
		    NULL) == 0)
			wishes_of(&w, w.es[w.nes++]);
	}
	if (w.nrefs > 0)
		c->ps->driver->want(c->conn, w.refs, w.nrefs);
	while (w.nes > 0)
		es_free(w.es[--w.nes]);
	free(w.es);
	free(w.refs);
}
