/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/source_link.h"
#include "core/state_objects.h"

void
state_objects_collect(const struct core *c, struct snapshot *out,
    void (*ns)(void *arg, const char *name), void *arg)
{
	static char origin[] = SOURCE_LINK_ORIGIN;
	const struct strmap *keys = catalog_keys(c->catalog, origin);
	const struct entry *e;
	size_t i;

	out->objects = mem_array(keys ? strmap_len(keys) : 0,
	    sizeof(*out->objects));
	for (i = keys ? strmap_next(keys, 0) : 0; i;
	    i = strmap_next(keys, i)) {
		e = catalog_own(c->catalog, origin, strmap_key(keys, i));
		if (!e || !e->head)
			continue;
		out->objects[out->nobjects++] = (struct snapshot_object){
		    .origin = origin, .kind = e->kind_name, .ns = e->ns,
		    .name = e->name, .head = e->head, .rejected = e->rejected,
		    .body = e->body };
		ns(arg, e->ns);
	}
}

void
state_objects_let_go(struct snapshot *out)
{
	free(STEAL(out->objects));
	out->nobjects = 0;
}

static void
restore(struct core *c, struct snapshot_object *o)
{
	cleanup_err struct err err = ERR_INIT;
	struct entry *e;

	if (!str_eq(o->origin, SOURCE_LINK_ORIGIN))
		return;
	if (entry_restore(o->kind, o->ns, o->name, o->head, o->rejected,
	    &o->body, &e, &err) == -1) {
		log_error("sealed cache: %s %s/%s: %s", o->kind, o->ns,
		    o->name, err_msg(&err));
		return;
	}
	catalog_put(c->catalog, SOURCE_LINK_ORIGIN, e);
}

void
state_objects_restore(struct core *c, struct snapshot *s)
{
	size_t i;

	/* With --manifests the folder is what holds. */
	for (i = 0; c->line && i < s->nobjects; i++)
		restore(c, &s->objects[i]);
	if (c->line)
		c->restored = catalog_take_changes(c->catalog);
}
