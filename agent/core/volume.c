/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/report.h"
#include "core/volume.h"

/* INTERFACES.md §3: min(deadline − 2 s, 25 s). */
#define WAIT_MS 25000
#define WAIT_SPARE_MS 2000
#define GRPC_ALREADY_EXISTS 6

static struct volume *
of_delivery(struct delivery *d)
{
	return ((struct volume *)(void *)((char *)d -
	    offsetof(struct volume, d)));
}

/* --- answers to the kubelet --------------------------------------------- */

static void
waiting(struct volume *v, int on)
{
	struct item *item;
	size_t i;

	if (v->waiting == on)
		return;
	v->waiting = on;
	for (i = 0; i < v->d.nsources; i++) {
		item = v->d.sources[i].item;
		item->waiting += on ? 1 : -1u;
		if (on && !v->d.sources[i].optional)
			sync_urgent(v->d.core, item);
	}
}

static void
volume_free(struct volume *v, int64_t claims_until)
{
	struct core *c = v->d.core;

	waiting(v, 0);
	schedule_cancel(c->schedule, &v->deadline);
	strmap_take(c->volumes, v->id);
	if (v->noted && !v->d.attached)
		notes_unpublished(c, v->id);
	delivery_let_go(&v->d, claims_until);
	delivery_clear(&v->d);
	free(v->id);
	free(v->pod_ns);
	free(v->pod);
	free(v->pod_uid);
	free(v);
}

static void
answer(struct volume *v, const struct err *err)
{
	struct csi_call *call = STEAL(v->call);

	waiting(v, 0);
	schedule_cancel(v->d.core->schedule, &v->deadline);
	if (!call)
		return;
	if (!err)
		report_published(v->d.core->report,
		    schedule_now(v->d.core->schedule) - v->asked_at);
	csi_call_done(call, err);
}

/* The publish has failed.  The kubelet tries again: the claims outlive it, so
 * that the next one finds the value. */
static void
give_up(struct volume *v, const struct err *err)
{
	struct core *c = v->d.core;

	answer(v, err);
	volume_free(v, schedule_now(c->schedule) + CLAIM_FAILED_MS);
}

static void
why_waits(const struct volume *v, enum err_kind kind, struct err *err)
{
	const struct delivery_source *s = delivery_waits_for(&v->d);
	cleanup_free char *why = NULL;

	if (!s) {
		err_set(err, kind, "the volume is not ready: %s",
		    v->d.error.kind ? err_msg(&v->d.error) :
		    "fsproj has not answered yet");
		return;
	}
	why = sync_why(v->d.core, s->item);
	err_set(err, kind, "ExternalSecret %s: %s", s->item->key, why);
}

static void
on_deadline(void *arg)
{
	cleanup_err struct err err = ERR_INIT;
	struct volume *v = arg;

	why_waits(v, ERR_TRANSIENT, &err);
	/* Being written: the answer comes, but not in time for this call. */
	if (v->d.busy)
		answer(v, &err);
	else
		give_up(v, &err);
}

/* --- towards the files -------------------------------------------------- */

/* No waiting helps: the object is refused, or it is not ours. */
static int
is_hopeless(const struct volume *v)
{
	const struct delivery_source *s = delivery_waits_for(&v->d);

	return (s && (s->item->outcome == JOB_REJECTED ||
	    s->item->outcome == JOB_SKIPPED));
}

static void
failed(struct volume *v)
{
	cleanup_err struct err err = ERR_INIT;

	if (v->d.attached) {
		/* Of a mounted volume the old content is better than an
		 * error, which would cost the pod its event or more. */
		answer(v, NULL);
		return;
	}
	if (!v->call) {
		/* Its call was answered at the deadline already. */
		volume_free(v, schedule_now(v->d.core->schedule) +
		    CLAIM_FAILED_MS);
		return;
	}
	err_set(&err, v->d.error.kind, "%s", err_msg(&v->d.error));
	give_up(v, &err);
}

static void
advance(struct volume *v)
{
	cleanup_err struct err err = ERR_INIT;

	switch (delivery_update(&v->d)) {
	case DELIVERY_BUSY:
#ifndef WEAKEN_NOTES
		if (!v->noted)
			notes_published(v->d.core, v);
#endif
		break;
	case DELIVERY_CURRENT:
	case DELIVERY_LATER:
		answer(v, NULL);
		break;
	case DELIVERY_FAILED:
		failed(v);
		break;
	case DELIVERY_WAITS:
		if (v->d.attached) {
			answer(v, NULL);
		} else if (v->call && is_hopeless(v)) {
			why_waits(v, ERR_INVALID, &err);
			give_up(v, &err);
		} else if (v->call)
			waiting(v, 1);
		break;
	}
}

static void unpublish_go_on(struct volume *v);

static void
on_settled(struct delivery *d)
{
	struct volume *v = of_delivery(d);

	report_touch(d->core->report);
	if (d->removing) {
		unpublish_go_on(v);
	} else if (d->busy) {
		/* News came meanwhile: that attempt says how it stands. */
		return;
	} else if (d->error.kind) {
		failed(v);
	} else {
		answer(v, NULL);
		log_debug("volume %s: generation %llu, %zu files", d->path,
		    (unsigned long long)d->generation, d->nfiles);
	}
}

static void
on_news(struct delivery *d)
{
	if (!d->removing)
		advance(of_delivery(d));
}

/* --- publish ------------------------------------------------------------ */

/* …/pods/UID/volumes/kubernetes.io~csi/NAME/mount: NAME; else the id. */
static char *
volume_name(const struct csi_publish *p)
{
	const char *mark = strstr(p->target_path, "/kubernetes.io~csi/");
	const char *name = mark ? strchr(mark + 1, '/') + 1 : p->volume_id;

	return (str_ndup(name, strcspn(name, "/")));
}

static void
sources_make(struct volume *v, const struct csi_publish *p)
{
	struct delivery_source *s;
	size_t i, k;

	for (i = 0; i < p->nexternal_secrets; i++) {
		s = delivery_source_add(&v->d, p->pod_namespace,
		    p->external_secrets[i]);
		s->optional = p->optional;
		s->all = p->nitems == 0;
		s->items = mem_array(p->nitems, sizeof(*s->items));
		for (k = 0; k < p->nitems; k++) {
			if (p->items[k].external_secret &&
			    !str_eq(p->items[k].external_secret,
			    p->external_secrets[i]))
				continue;
			s->items[s->nitems++] = (struct delivery_item){
			    str_dup(p->items[k].key),
			    str_dup(p->items[k].path), p->items[k].mode };
		}
	}
}

struct volume *
volume_begin(struct core *c, const char *id, const char *path,
    const char *claim)
{
	struct volume *v = mem_alloc(sizeof(*v));

	v->id = str_dup(id);
	due_init(&v->deadline, on_deadline, v);
	delivery_init(&v->d, c, PROJ_VOLUME, path, claim);
	v->d.settled = on_settled;
	v->d.news = on_news;
	/* Mounted by an earlier process: what is in it is not known. */
	v->d.attached = strmap_del(c->found, path);
	strmap_put(c->volumes, v->id, v);
	return (v);
}

static struct volume *
volume_new(struct core *c, const struct csi_publish *p)
{
	cleanup_free char *name = volume_name(p);
	cleanup_free char *claim = str_fmt("csi:%s/%s", p->pod_name, name);
	struct volume *v = volume_begin(c, p->volume_id, p->target_path,
	    claim);

	v->pod_ns = str_dup(p->pod_namespace);
	v->pod = str_dup(p->pod_name);
	v->pod_uid = str_dup(p->pod_uid);
	v->d.mode = p->mode;
	v->d.gid = p->group == -1 ? 0 : (gid_t)p->group;
	v->d.status_file = p->status_file;
	sources_make(v, p);
	return (v);
}

static int64_t
patience(const struct csi_call *call)
{
	int64_t left = csi_call_left_ms(call);

	if (left - WAIT_SPARE_MS < WAIT_MS)
		left -= WAIT_SPARE_MS;
	else
		left = WAIT_MS;
	return (left < 0 ? 0 : left);
}

void
volume_publish(struct core *c, struct csi_publish *p, struct csi_call *call)
{
	struct volume *v = strmap_get(c->volumes, p->volume_id);

	if (v && !str_eq(v->d.path, p->target_path)) {
		csi_call_fail(call, GRPC_ALREADY_EXISTS, "this volume_id is "
		    "published at another target_path: unpublish it first");
		csi_publish_free(p);
		return;
	}
	if (v && (v->d.removing || v->call)) {
		cleanup_err struct err err = ERR_INIT;

		err_set(&err, ERR_TRANSIENT, "an earlier call for this volume "
		    "has not ended yet");
		csi_call_done(call, &err);
		csi_publish_free(p);
		return;
	}
	if (!v)
		v = volume_new(c, p);
	csi_publish_free(p);
	v->call = call;
	v->asked_at = schedule_now(c->schedule);
	schedule_in(c->schedule, &v->deadline, patience(call));
	advance(v);
}

/* --- unpublish ---------------------------------------------------------- */

struct unpublish {
	struct core *core;
	char *id;
	char *path;
	struct csi_call *call;
};

static void
unpublish_free(struct unpublish *u)
{
	free(u->id);
	free(u->path);
	free(u);
}

static void
gone(struct core *c, const struct unpublish *u, struct volume *v)
{
	strmap_del(c->found, u->path);
	/* Not to be found again either, where that is still to come. */
	if (c->notes)
		strmap_del(c->notes, u->id);
	if (v)
		volume_free(v, 0);
	report_touch(c->report);
	notes_unpublished(c, u->id);
}

static void
on_unpublished(void *arg, const struct err *err)
{
	struct unpublish *u = arg;
	struct core *c = u->core;
	struct volume *v = strmap_get(c->volumes, u->id);

	if (v && !str_eq(v->d.path, u->path))
		v = NULL;
	if (v && !v->d.removing && !err) {
		/* Found again while this was under way; it may be writing. */
		volume_unpublish(c, u->id, u->path, STEAL(u->call));
		unpublish_free(u);
		return;
	}
	if (v && v->d.removing && err)
		v->d.removing = v->d.busy = 0;
	if (!err)
		gone(c, u, v);
	csi_call_done(u->call, err);
	unpublish_free(u);
}

static void
remove_start(struct core *c, const char *id, const char *path,
    struct csi_call *call)
{
	const struct proj_target target = { .place = PROJ_VOLUME,
		.path = path, .dir_mode = 0755 };
	cleanup_err struct err err = ERR_INIT;
	struct unpublish *u = mem_alloc(sizeof(*u));

	u->core = c;
	u->id = str_dup(id);
	u->path = str_dup(path);
	u->call = call;
	if (c->proj && c->projector->remove(c->proj, &target, on_unpublished,
	    u, &err) == 0)
		return;
	if (!err.kind)
		err_set(&err, ERR_TRANSIENT, "fsproj is not connected");
	on_unpublished(u, &err);
}

static void
unpublish_go_on(struct volume *v)
{
	struct csi_call *call = STEAL(v->gone);

	v->d.busy = 1;
	remove_start(v->d.core, v->id, v->d.path, call);
}

void
volume_unpublish(struct core *c, const char *id, const char *path,
    struct csi_call *call)
{
	struct volume *v = strmap_get(c->volumes, id);

	if (!v || !str_eq(v->d.path, path)) {
		remove_start(c, id, path, call);
		return;
	}
	schedule_cancel(c->schedule, &v->d.retry_due);
	v->d.removing = 1;
	v->gone = call;
	if (!v->d.busy)
		unpublish_go_on(v);
}

/* --- the rest ----------------------------------------------------------- */

int
volume_known(const struct core *c, const char *id, const char *path)
{
	const struct volume *v = strmap_get(c->volumes, id);

	if (v)
		return (str_eq(v->d.path, path));
	return (strmap_has(c->found, path));
}

void
volumes_retry(struct core *c)
{
	cleanup_free const char **ids = NULL;
	struct volume *v;
	size_t i, n;

	ids = strmap_sorted(c->volumes, &n);
	for (i = 0; i < n; i++) {
		v = strmap_get(c->volumes, ids[i]);
		if (v && !v->d.busy && !v->d.removing)
			advance(v);
	}
}

void
volumes_paths(const struct core *c, struct strmap *paths)
{
	const struct volume *v;
	size_t i;

	for (i = strmap_next(c->volumes, 0); i;
	    i = strmap_next(c->volumes, i)) {
		v = strmap_val(c->volumes, i);
		strmap_put(paths, v->d.path, NULL);
	}
}

void
volumes_clear(struct core *c)
{
	size_t i;

	for (i = strmap_next(c->volumes, 0); i;
	    i = strmap_next(c->volumes, i))
		volume_free(strmap_val(c->volumes, i), 0);
	strmap_free(STEAL(c->volumes));
}
