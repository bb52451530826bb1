/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/host.h"
#include "core/report.h"

static void projection_apply(struct core *c, struct projection *p);

/* --- may it, and where -------------------------------------------------- */

static int
is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return (strncmp(path, dir, len) == 0 && path[len] == '/' &&
	    path[len + 1]);
}

static char *
resolve(const struct core *c, const struct host_projection *hp,
    struct err *err)
{
	const struct run_config *cfg = c->cfg;
	size_t i;

	/* In a cluster, below a folder of its namespace. */
	if (hp->path[0] != '/' && !cfg->manifests)
		return (str_fmt("%s/%s/%s", cfg->host_dirs[0], hp->meta.ns,
		    hp->path));
	if (hp->path[0] != '/')
		return (str_fmt("%s/%s", cfg->host_dirs[0], hp->path));
	for (i = 0; i < cfg->nhost_dirs; i++)
		if (cfg->manifests && is_below(hp->path, cfg->host_dirs[i]))
			return (str_dup(hp->path));
	if (!cfg->manifests) {
		err_set(err, ERR_INVALID, "spec.path: %s is absolute: in a "
		    "cluster name a path relative to %s/%s", hp->path,
		    cfg->host_dirs[0], hp->meta.ns);
		return (NULL);
	}
	err_set(err, ERR_INVALID, "spec.path: %s lies below none of "
	    "--host-dirs: name a path relative to %s, or start the agent with "
	    "that directory", hp->path, cfg->host_dirs[0]);
	return (NULL);
}

/* First come, first served; a path inside another's is that other's. */
static const struct projection *
path_owner(const struct core *c, const char *path, const struct projection *me)
{
	const struct projection *p;
	size_t i;

	for (i = strmap_next(c->projections, 0); i;
	    i = strmap_next(c->projections, i)) {
		p = strmap_val(c->projections, i);
		if (p != me && p->live && (str_eq(p->d.path, path) ||
		    is_below(path, p->d.path) || is_below(p->d.path, path)))
			return (p);
	}
	return (NULL);
}

static const struct entry *
entry_of(const struct core *c, const struct projection *p)
{
	cleanup_free char *key = str_fmt("HostProjection/%s", p->key);

	return (catalog_find(c->catalog, key));
}

static void
note(struct projection *p, const char *problem)
{
	char *copy = str_dup(problem);

	free(p->problem);
	p->problem = copy;
}

static void
say(struct projection *p, const char *problem)
{
	if (problem && !str_eq(problem, p->problem))
		log_warn("HostProjection %s: %s", p->key, problem);
	note(p, problem);
}

/* --- the delivery ------------------------------------------------------- */

static struct projection *
of_delivery(struct delivery *d)
{
	return ((struct projection *)(void *)((char *)d -
	    offsetof(struct projection, d)));
}

static void
on_settled(struct delivery *d)
{
	struct projection *p = of_delivery(d);

	report_touch(d->core->report);
	say(p, d->error.kind ? err_msg(&d->error) : NULL);
	/* What changed while it was being written. */
	projection_apply(d->core, p);
}

static void
on_news(struct delivery *d)
{
	struct projection *p = of_delivery(d);
	const struct delivery_source *s;
	char *why, *text;

	if (d->removing)
		return;
	switch (delivery_update(d)) {
	case DELIVERY_WAITS:
		s = delivery_waits_for(d);
		why = sync_why(d->core, s->item);
		text = str_fmt("waits for ExternalSecret %s: %s", s->item->key,
		    why);
		/* What it waits for is logged where it fails. */
		note(p, text);
		free(text);
		free(why);
		break;
	case DELIVERY_FAILED:
		say(p, err_msg(&d->error));
		break;
	case DELIVERY_CURRENT:
		say(p, NULL);
		break;
	case DELIVERY_BUSY:
	case DELIVERY_LATER:
		break;
	}
}

static void
sources_make(struct projection *p, const struct host_projection *hp)
{
	const struct host_source *from;
	struct delivery_source *s;
	size_t i, k;

	p->d.mode = hp->mode;
	p->d.uid = hp->uid;
	p->d.gid = hp->gid;
	for (i = 0; i < hp->nsources; i++) {
		from = &hp->sources[i];
		s = delivery_source_add(&p->d, hp->meta.ns, from->name);
		s->optional = from->optional;
		s->all = from->nitems == 0;
		s->items = mem_array(from->nitems, sizeof(*s->items));
		s->nitems = from->nitems;
		for (k = 0; k < from->nitems; k++)
			s->items[k] = (struct delivery_item){
			    str_dup(from->items[k].key),
			    str_dup(from->items[k].path),
			    from->items[k].mode };
	}
}

static void
begin(struct core *c, struct projection *p, const struct entry *e,
    const char *path)
{
	cleanup_free char *claim = str_fmt("host:%s", e->name);

	memset(&p->d, 0, sizeof(p->d));
	delivery_init(&p->d, c, PROJ_HOST, path, claim);
	p->d.settled = on_settled;
	p->d.news = on_news;
	p->d.attached = strmap_has(c->found, path);
	p->live = 1;
	p->seen = e->generation;
	sources_make(p, e->hp);
	on_news(&p->d);
}

/* The object has changed, its path has not: the files stay until others take
 * their place. */
static void
renew(struct projection *p, const struct entry *e)
{
	delivery_let_go(&p->d, 0);
	free(STEAL(p->d.have));
	p->seen = e->generation;
	sources_make(p, e->hp);
	on_news(&p->d);
}

/* --- the end of it ------------------------------------------------------ */

static void
end(struct core *c, struct projection *p)
{
	delivery_clear(&p->d);
	p->live = 0;
	p->remove_failures = 0;
	projection_apply(c, p);
	/* Somebody may have waited for the path. */
	host_settle(c);
}

static void
on_removed(void *arg, const struct err *err)
{
	struct projection *p = arg;
	struct core *c = p->d.core;

	p->d.busy = 0;
	if (!err) {
		log_info("HostProjection %s: %s is gone", p->key, p->d.path);
		end(c, p);
		return;
	}
	say(p, err_msg(err));
	p->d.removing = 0;
	schedule_in(c->schedule, &p->remove_due,
	    schedule_backoff_ms(++p->remove_failures));
}

/* Take the files away; what is live afterwards is decided again. */
static void
retire(struct core *c, struct projection *p)
{
	const struct proj_target target = { .place = PROJ_HOST,
		.path = p->d.path, .dir_mode = 0755 };
	cleanup_err struct err err = ERR_INIT;

	if (!p->d.attached) {
		end(c, p);
		return;
	}
	schedule_cancel(c->schedule, &p->d.retry_due);
	schedule_cancel(c->schedule, &p->remove_due);
	p->d.removing = p->d.busy = 1;
	if (c->proj && c->projector->remove(c->proj, &target, on_removed, p,
	    &err) == 0)
		return;
	if (!err.kind)
		err_set(&err, ERR_TRANSIENT, "fsproj is not connected");
	on_removed(p, &err);
}

static void
on_remove_due(void *arg)
{
	struct projection *p = arg;

	projection_apply(p->d.core, p);
}

static void
projection_free(struct core *c, struct projection *p)
{
	schedule_cancel(c->schedule, &p->remove_due);
	if (p->live)
		delivery_clear(&p->d);
	free(p->problem);
	free(p->key);
	free(p);
}

/* --- one projection, from whatever state -------------------------------- */

static int
is_wanted(const struct core *c, const struct entry *e)
{
	return (e && e->hp && !*e->rejected &&
	    selector_match(e->hp->node_selector, c->node_labels));
}

static void
try_begin(struct core *c, struct projection *p, const struct entry *e)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *path = resolve(c, e->hp, &err);
	cleanup_free char *text = NULL;
	const struct projection *owner;

	if (!path) {
		say(p, err_msg(&err));
		return;
	}
	owner = path_owner(c, path, p);
	if (!owner) {
		begin(c, p, e, path);
		return;
	}
	text = str_fmt("spec.path: %s belongs to HostProjection %s: choose "
	    "another one", path, owner->key);
	say(p, text);
}

static void
projection_apply(struct core *c, struct projection *p)
{
	const struct entry *e = entry_of(c, p);
	cleanup_free char *path = NULL;

	if (p->live && p->d.busy)
		return;
	if (!is_wanted(c, e)) {
		if (p->live) {
			retire(c, p);
			return;
		}
		if (e) {
			say(p, *e->rejected ? e->rejected : NULL);
			return;
		}
		strmap_take(c->projections, p->key);
		projection_free(c, p);
		return;
	}
	if (!p->live) {
		try_begin(c, p, e);
		return;
	}
	if (p->seen == e->generation)
		return;
	path = resolve(c, e->hp, NULL);
	if (str_eq(path, p->d.path))
		renew(p, e);
	else
		retire(c, p);
}

void
host_change(struct core *c, const char *key)
{
	const char *name = strchr(key, '/') + 1;
	struct projection *p = strmap_get(c->projections, name);

	if (!p) {
		p = mem_alloc(sizeof(*p));
		p->key = str_dup(name);
		p->d.core = c;
		due_init(&p->remove_due, on_remove_due, p);
		strmap_put(c->projections, p->key, p);
	}
	projection_apply(c, p);
}

/* --- what an earlier process left --------------------------------------- */

static void
on_swept(void *arg, const struct err *err)
{
	(void)arg;
	if (err)
		log_warn("left over: %s", err_msg(err));
}

/* Only when nothing is missing: a file that could not be read may name it. */
static void
sweep(struct core *c)
{
	const struct found *f;
	struct proj_target target = { .place = PROJ_HOST, .dir_mode = 0755 };
	size_t i;

	if (!c->listed || !c->proj || !c->synced || !c->source ||
	    !c->source->ops->whole(c->source))
		return;
	for (i = strmap_next(c->found, 0); i; i = strmap_next(c->found, i)) {
		f = strmap_val(c->found, i);
		target.path = strmap_key(c->found, i);
		if (f->place != PROJ_HOST)
			continue;
		if (!path_owner(c, target.path, NULL)) {
			log_info("%s: nobody projects it any more, it goes",
			    target.path);
			c->projector->remove(c->proj, &target, on_swept, c,
			    NULL);
		}
		strmap_del(c->found, target.path);
	}
}

void
host_settle(struct core *c)
{
	cleanup_free const char **names = NULL;
	struct projection *p;
	size_t i, n;

	report_touch(c->report);
	if (!c->synced)
		return;
	/* By name, not by the map: applying may free entries and let others
	 * begin. */
	names = strmap_sorted(c->projections, &n);
	for (i = 0; i < n; i++) {
		p = strmap_get(c->projections, names[i]);
		if (p && !p->live && is_wanted(c, entry_of(c, p)))
			try_begin(c, p, entry_of(c, p));
	}
	sweep(c);
}

void
hosts_selected(struct core *c)
{
	cleanup_free const char **names = NULL;
	struct projection *p;
	size_t i, n;

	names = strmap_sorted(c->projections, &n);
	for (i = 0; i < n; i++) {
		p = strmap_get(c->projections, names[i]);
		if (p)
			projection_apply(c, p);
	}
	host_settle(c);
}

void
hosts_retry(struct core *c)
{
	struct projection *p;
	size_t i;

	for (i = strmap_next(c->projections, 0); i;
	    i = strmap_next(c->projections, i)) {
		p = strmap_val(c->projections, i);
		if (p->live && !p->d.busy)
			on_news(&p->d);
	}
}

void
hosts_paths(const struct core *c, struct strmap *paths)
{
	const struct projection *p;
	size_t i;

	for (i = strmap_next(c->projections, 0); i;
	    i = strmap_next(c->projections, i)) {
		p = strmap_val(c->projections, i);
		if (p->live)
			strmap_put(paths, p->d.path, NULL);
	}
}

void
hosts_clear(struct core *c)
{
	size_t i;

	for (i = strmap_next(c->projections, 0); i;
	    i = strmap_next(c->projections, i))
		projection_free(c, strmap_val(c->projections, i));
	strmap_free(STEAL(c->projections));
}
