/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/age.h"
#include "core/bundle.h"
#include "core/state.h"
#include "core/core_internal.h"
#include "core/host.h"
#include "core/report.h"
#include "core/status.h"
#include "core/volume.h"

/* The JSON of INTERFACES.md §2: names, reasons, times and counts. */

static void
set_time(struct json *o, const char *key, int64_t wall_ms)
{
	cleanup_buf struct buf b = BUF_PLAIN(64);

	if (wall_ms)
		time_rfc3339(&b, wall_ms);
	json_set_str(o, key, wall_ms ? b.data : NULL);
}

/* --- ExternalSecrets ---------------------------------------------------- */

static struct json *
claims_json(const struct item *item)
{
	struct json *list = json_new_array();
	size_t i;

	for (i = 0; i < item->claims.n; i++)
		json_push(list, json_new_str(item->claims.v[i].name));
	return (list);
}

struct json *
status_item(const struct core *c, const struct item *item)
{
	const struct entry *e = sync_entry(c, item);
	cleanup_free char *why = NULL;
	struct json *o = json_new_object();
	int64_t age = schedule_wall(c->schedule) - item->synced_at;

	if (!item_ready(item) && !item->error)
		why = sync_why(c, item);
	json_set_str(o, "namespace", item->ns);
	json_set_str(o, "name", item->name);
	json_set_str(o, "uid", e && e->es ? e->es->meta.uid : "");
	json_set_bool(o, "ready", item_ready(item));
	json_set_str(o, "reason", *item->reason ? item->reason : "Pending");
	json_set_str(o, "message", *item->message ? item->message :
	    str_or(why, ""));
	json_set_str(o, "source", !item->content ? NULL :
	    age_source(item));
	json_set_bool(o, "stale", age_stale(c, item));
	set_time(o, "lastSync", item->synced_at);
	json_set(o, "ageSeconds", !item->synced_at ? json_new_null() :
	    json_new_num((double)((age < 0 ? 0 : age) / 1000)));
	json_set_str(o, "error", item->error);
	json_set_num(o, "keys", item->content ?
	    (double)item->content->keys : 0);
	json_set_num(o, "size", item->content ?
	    (double)item->content->size : 0);
	json_set(o, "claims", claims_json(item));
	return (o);
}

static struct json *
unclaimed_json(const struct entry *e)
{
	struct json *o = json_new_object();

	json_set_str(o, "namespace", e->ns);
	json_set_str(o, "name", e->name);
	json_set_str(o, "uid", e->es ? e->es->meta.uid : "");
	json_set_bool(o, "ready", 0);
	json_set_str(o, "reason", *e->rejected ? "Rejected" : "NotClaimed");
	json_set_str(o, "message", *e->rejected ? e->rejected :
	    "nothing on this node uses it: it is not fetched");
	json_set_str(o, "source", NULL);
	json_set_bool(o, "stale", 0);
	json_set_str(o, "lastSync", NULL);
	json_set_str(o, "ageSeconds", NULL);
	json_set_str(o, "error", NULL);
	json_set_num(o, "keys", 0);
	json_set_num(o, "size", 0);
	json_set(o, "claims", json_new_array());
	return (o);
}

/* Claimed ones, and those that nobody claims: nothing is silently left out. */
static struct json *
external_secrets(const struct core *c)
{
	cleanup_strmap struct strmap *all = strmap_new(NULL);
	cleanup_free const char **keys = NULL;
	struct json *list = json_new_array();
	const struct entry *e;
	const struct item *item;
	size_t i, n;

	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i))
		strmap_put(all, strmap_key(c->items, i), NULL);
	for (i = catalog_next(c->catalog, 0); i;
	    i = catalog_next(c->catalog, i)) {
		e = catalog_at(c->catalog, i);
		if (e->kind == OBJ_EXTERNAL_SECRET)
			strmap_put(all, strchr(e->key, '/') + 1, NULL);
	}
	keys = strmap_sorted(all, &n);
	for (i = 0; i < n; i++) {
		item = strmap_get(c->items, keys[i]);
		if (item && (item->claims.n || (item->issuer &&
		    item->content))) {
			json_push(list, status_item(c, item));
			continue;
		}
		cleanup_free char *key = str_fmt("ExternalSecret/%s", keys[i]);

		e = catalog_find(c->catalog, key);
		if (e)
			json_push(list, unclaimed_json(e));
	}
	return (list);
}

/* --- stores ------------------------------------------------------------- */

struct json *
status_store(const struct core *c, const struct entry *e)
{
	const struct store_state *s = strmap_get(c->stores, e->key);
	const struct circuit closed = { CIRCUIT_CLOSED, 0, 0, 0 };
	struct json *o = json_new_object();

	json_set_str(o, "kind", e->kind_name);
	json_set_str(o, "namespace", e->ns);
	json_set_str(o, "name", e->name);
	json_set_bool(o, "ready", s && s->known && s->valid &&
	    s->circuit.state == CIRCUIT_CLOSED && !*e->rejected);
	json_set_str(o, "reason", *e->rejected ? "Rejected" :
	    s && s->known ? s->reason : "Unused");
	json_set_str(o, "message", *e->rejected ? e->rejected :
	    s && s->last_error ? s->last_error :
	    s && s->known ? s->message : e->bundled ?
	    "came in a bundle: it is not asked" : "not asked yet");
	json_set_str(o, "circuit", circuit_name(s ? &s->circuit : &closed));
	json_set_num(o, "requests", s ? (double)s->requests : 0);
	json_set_num(o, "logins", s ? (double)s->logins : 0);
	return (o);
}

static struct json *
stores(const struct core *c)
{
	struct json *list = json_new_array();
	const struct entry *e;
	size_t i;

	for (i = catalog_next(c->catalog, 0); i;
	    i = catalog_next(c->catalog, i)) {
		e = catalog_at(c->catalog, i);
		if (e->kind == OBJ_SECRET_STORE ||
		    e->kind == OBJ_CLUSTER_SECRET_STORE)
			json_push(list, status_store(c, e));
	}
	return (list);
}

/* --- volumes, projections ----------------------------------------------- */

static void
delivery_json(const struct delivery *d, struct json *o)
{
	struct json *list = json_new_array();
	size_t i;

	for (i = 0; i < d->nsources; i++)
		json_push(list, json_new_str(d->sources[i].item->name));
	json_set(o, "externalSecrets", list);
	json_set_num(o, "generation", (double)d->generation);
	json_set_num(o, "files", (double)d->nfiles);
	set_time(o, "publishedAt", d->published_at);
	json_set_str(o, "error", d->error.kind ? err_msg(&d->error) : NULL);
}

struct json *
status_volumes(const struct core *c)
{
	struct json *list = json_new_array(), *o;
	const struct volume *v;
	const struct found *f;
	size_t i;

	for (i = strmap_next(c->volumes, 0); i;
	    i = strmap_next(c->volumes, i)) {
		v = strmap_val(c->volumes, i);
		o = json_new_object();
		json_set_str(o, "path", v->d.path);
		json_set_str(o, "podNamespace", v->pod_ns);
		json_set_str(o, "pod", v->pod);
		json_set_str(o, "podUID", v->pod_uid);
		delivery_json(&v->d, o);
		json_push(list, o);
	}
	for (i = strmap_next(c->found, 0); i; i = strmap_next(c->found, i)) {
		f = strmap_val(c->found, i);
		if (f->place != PROJ_VOLUME)
			continue;
		o = json_new_object();
		json_set_str(o, "path", strmap_key(c->found, i));
		json_set_str(o, "podNamespace", "");
		json_set_str(o, "pod", "");
		json_set_str(o, "podUID", "");
		json_set(o, "externalSecrets", json_new_array());
		json_set_num(o, "generation", (double)f->generation);
		json_set_num(o, "files", 0);
		json_set_str(o, "publishedAt", NULL);
		json_set_str(o, "error", NULL);
		json_push(list, o);
	}
	return (list);
}

struct json *
status_projections(const struct core *c)
{
	struct json *list = json_new_array(), *o;
	const struct projection *p;
	size_t i;

	for (i = strmap_next(c->projections, 0); i;
	    i = strmap_next(c->projections, i)) {
		p = strmap_val(c->projections, i);
		o = json_new_object();
		json_set_str(o, "name", p->key);
		json_set_str(o, "path", p->live ? p->d.path : NULL);
		json_set_str(o, "problem", p->problem);
		if (p->live)
			delivery_json(&p->d, o);
		json_push(list, o);
	}
	return (list);
}

/* --- all of it ---------------------------------------------------------- */

/* What fsproj said of its machine. */
static void
degraded_fsproj(const struct core *c, struct json *list)
{
	static const struct { unsigned flag; const char *line; } lines[] = {
		{ PROJ_SWAPPABLE, "tmpfs without noswap: files in volumes may "
		    "reach swap" },
		{ PROJ_NOT_SHARED, "the pods' directory is not a shared "
		    "mount: pods may not see their volumes, no kubelet is "
		    "served" },
		{ PROJ_HOST_ON_DISK, "host directories may lie on a disk "
		    "(--host-dirs-on-disk)" },
	};
	unsigned flags = c->projector->degraded(c->proj);
	size_t i;

	for (i = 0; i < ARRAY_LEN(lines); i++)
		if (flags & lines[i].flag)
			json_push(list, json_new_str(lines[i].line));
}

struct json *
status_degraded(const struct core *c)
{
	struct json *list = json_new_array();
	const char *line;
	char *problem;
	size_t i;

	line = keys_degraded(c->keys);
	if (line)
		json_push(list, json_new_str(line));
	for (i = 0; (line = core_degraded_line(i)); i++)
		json_push(list, json_new_str(line));
	for (i = 0; (problem = bundles_problem(c->bundles, i)); i++) {
		json_push(list, json_new_str(problem));
		free(problem);
	}
	if (!c->proj || !c->projector->connected(c->proj))
		json_push(list, json_new_str("fsproj is not connected: no "
		    "file can be written"));
	else
		degraded_fsproj(c, list);
	if (!jobs_connected(c->jobs))
		json_push(list, json_new_str("the zygote is not connected: "
		    "nothing can be fetched"));
	for (i = 0; (line = report_problem_line(c->report, i)); i++)
		json_push(list, json_new_str(line));
	return (list);
}

struct json *
status_json(const struct core *c)
{
	struct json *o = json_new_object();

	json_set_str(o, "node", c->cfg->node);
	json_set_str(o, "version", NODESEAL_VERSION);
	json_set_bool(o, "ready", core_ready(c));
	json_set_str(o, "class", c->cfg->class_name);
	json_set_str(o, "mode", c->cfg->manifests ? "manifests" : "cluster");
	json_set_str(o, "keySource", state_key_source(c));
	json_set_str(o, "keyStrength", state_key_strength(c));
	json_set_str(o, "memoryProtection", keys_degraded(c->keys) ?
	    "degraded" : "full");
	json_set(o, "degraded", status_degraded(c));
	json_set(o, "externalSecrets", external_secrets(c));
	json_set(o, "stores", stores(c));
	json_set(o, "volumes", status_volumes(c));
	json_set(o, "hostProjections", status_projections(c));
	json_set(o, "cache", state_json(c));
	json_set(o, "bundles", bundles_json(c->bundles));
	json_set(o, "files", c->source ? c->source->ops->problems(c->source) :
	    json_new_array());
	return (o);
}
