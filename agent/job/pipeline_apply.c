/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline_internal.h"

/*
 * What becomes of the target Secret: deletionPolicy, creationPolicy, ownership,
 * immutability (externalsecret_controller.go: Reconcile behind the fetch,
 * applyOwnership, createSecret, updateSecret, deleteOrphanedSecrets).
 */
#define ES_API_VERSION "external-secrets.io/v1"

/* --- field managers ----------------------------------------------------- */

#define MANAGER "externalsecrets.external-secrets.io/"

/* fqdnFor; the templating package measures the bare name instead. */
static char *
manager_of(const char *name, size_t measured)
{
	cleanup_free char *sum = NULL;

	if (measured <= 63)
		return (str_fmt(MANAGER "%s", name));
	sum = hash_text(name);
	return (str_fmt(MANAGER "sha3/%s", sum));
}

char *
manager_for_data(const char *name)
{
	return (manager_of(name, strlen(MANAGER) + strlen(name)));
}

char *
manager_for_metadata(const char *name)
{
	return (manager_of(name, strlen(name)));
}

/* --- ownership ---------------------------------------------------------- */

static int
in_group(const char *api_version, const char *group)
{
	size_t n = strlen(group);

	return (strncmp(api_version, group, n) == 0 && api_version[n] == '/');
}

static int
is_es_kind(const struct owner_ref *o)
{
	return (in_group(o->api_version, ES_GROUP) &&
	    strcmp(o->kind, "ExternalSecret") == 0);
}

static struct owner_ref *
controller_of(struct ksecret *s)
{
	size_t i;

	for (i = 0; i < s->nowners; i++) {
		if (s->owners[i].controller == 1)
			return (&s->owners[i]);
	}
	return (NULL);
}

/* controllerutil.SetControllerReference, behind its check. */
static void
owner_set(const struct external_secret *es, struct ksecret *s)
{
	struct owner_ref *o = NULL;
	size_t i;

	for (i = 0; i < s->nowners && o == NULL; i++) {
		if (is_es_kind(&s->owners[i]) &&
		    strcmp(s->owners[i].name, es->meta.name) == 0)
			o = &s->owners[i];
	}
	if (o == NULL) {
		s->owners = mem_grow(s->owners, s->nowners + 1,
		    sizeof(*s->owners));
		o = &s->owners[s->nowners++];
		memset(o, 0, sizeof(*o));
	}
	owner_clear(o);
	o->api_version = str_dup(ES_API_VERSION);
	o->kind = str_dup("ExternalSecret");
	o->name = str_dup(es->meta.name);
	o->uid = str_dup(es->meta.uid);
	o->controller = 1;
}

static void
owner_remove(struct ksecret *s, const struct owner_ref *o)
{
	size_t at = (size_t)(o - s->owners);

	owner_clear(&s->owners[at]);
	memmove(&s->owners[at], &s->owners[at + 1],
	    (s->nowners - at - 1) * sizeof(*s->owners));
	s->nowners--;
}

char *
owner_label(const struct external_secret *es)
{
	cleanup_free char *both = str_fmt("%s/%s", es->meta.ns, es->meta.name);

	return (hash_text(both));
}

int
owner_apply(const struct external_secret *es, struct ksecret *s,
    struct err *err, int *ret_why)
{
	struct owner_ref *now = controller_of(s);
	int ours = now != NULL && is_es_kind(now) &&
	    strcmp(now->name, es->meta.name) == 0;

	if (now != NULL && is_es_kind(now) && !ours) {
		*ret_why = OWNER_OTHER_ES;
		return (err_set(err, ERR_DENIED,
		    "secret is owned by another ExternalSecret: %s",
		    now->name));
	}
	if (es->creation == ES_OWNER) {
		if (now != NULL && !ours) {
			*ret_why = OWNER_OTHER_CONTROLLER;
			return (err_set(err, ERR_DENIED, "could not set "
			    "controller reference on secret: Object %s/%s is "
			    "already owned by another %s controller %s",
			    es->meta.ns, s->name, now->kind, now->name));
		}
		owner_set(es, s);
		strmap_put(s->labels, LABEL_OWNER, owner_label(es));
	} else {
		if (ours)
			owner_remove(s, now);
		strmap_del(s->labels, LABEL_OWNER);
	}
	return (0);
}

/* --- mutation ----------------------------------------------------------- */

/* mutationFunc: make ${s} what the ExternalSecret wants. */
static int
mutate(struct run *run, struct ksecret *s, int exists, const struct kv *data,
    struct err *err, int *ret_why)
{
	const struct external_secret *es = run->es;
	struct names *keys;
	cleanup_free char *manager = NULL;
	size_t i;

	if (es->immutable)
		s->immutable = 1;
	if (!exists || !es->immutable) {
		manager = manager_for_data(es->meta.name);
		keys = mem_alloc(sizeof(*keys));
		ksecret_managed(s, manager, "f:data", NULL, keys);
		for (i = 0; i < keys->n; i++)
			strmap_del(s->data.map, keys->v[i]);
		names_free(keys);
		if (template_apply(run, s, data, err) == -1)
			return (err_wrap(err, "could not apply template"));
	}
	if (owner_apply(es, s, err, ret_why) == -1)
		return (-1);
	text_put(s->labels, LABEL_MANAGED, "true");
	strmap_put(s->annotations, ANNOTATION_HASH, hash_data(&s->data));
	return (0);
}

/* --- the result --------------------------------------------------------- */

static char *
owner_text(const struct owner_ref *o)
{
	return (str_fmt("%s/%s%s", o->kind, o->name,
	    o->controller == 1 ? " controller" : ""));
}

/* Hand the Secret over to the result. */
void
ksecret_publish(struct pipeline_result *r, struct ksecret *s)
{
	size_t i;

	/* a generic target first shows what is there, then what it made */
	for (i = 0; i < r->nowners; i++)
		free(r->owners[i]);
	free(r->owners);
	for (i = 0; i < r->nfinalizers; i++)
		free(r->finalizers[i]);
	free(r->finalizers);
	kv_clear(&r->data);
	kv_init(&r->data);
	r->has_secret = 1;
	free(r->type);
	r->type = STEAL(s->type);
	r->immutable = s->immutable;
	strmap_free(r->labels);
	r->labels = STEAL(s->labels);
	strmap_free(r->annotations);
	r->annotations = STEAL(s->annotations);
	kv_merge(&r->data, &s->data);
	r->owners = mem_array(s->nowners, sizeof(*r->owners));
	r->nowners = s->nowners;
	for (i = 0; i < s->nowners; i++)
		r->owners[i] = owner_text(&s->owners[i]);
	r->finalizers = STEAL(s->finalizers);
	r->nfinalizers = s->nfinalizers;
	s->nfinalizers = 0;
	s->labels = text_map();
	s->annotations = text_map();
	s->type = str_dup("");
}

/* What a refusal of the API server or of ourselves means to the condition. */
static void
fail_update(struct run *run, const struct err *err, int why, int immutable)
{
	const char *message = "could not update secret";

	if (why == OWNER_OTHER_CONTROLLER)
		message = "failed to take ownership of target secret";
	else if (why == OWNER_OTHER_ES)
		message = "target is owned by another ExternalSecret";
	else if (immutable)
		message = "could not update secret, target is immutable";
	run_failed(run, "SecretSyncedError", message, err);
}

/* What is merged into a Secret that nobody here has seen: whether the whole is
 * valid, the API server will say. */
static int
is_part(const struct run *run)
{
	return (run->p->opts.targets_unknown &&
	    (run->es->creation == ES_MERGE ||
	    run->es->creation == ES_CREATE_OR_MERGE));
}

static void
create(struct run *run, const struct kv *data)
{
	cleanup_err struct err err = ERR_INIT;
	struct pipeline_result *r = run->r;
	struct ksecret s;
	int why = OWNER_FINE;

	ksecret_init(&s, r->target);
	if (mutate(run, &s, 0, data, &err, &why) == -1 ||
	    (!is_part(run) && ksecret_validate(&s, NULL, &err) == -1)) {
		fail_update(run, &err, why, 0);
		ksecret_clear(&s);
		return;
	}
	if (s.type[0] == '\0') {
		free(s.type);
		s.type = str_dup("Opaque");
	}
	ksecret_publish(r, &s);
	ksecret_clear(&s);
	r->written = 1;
	r->binding = str_dup(r->target);
	run_event(run, "Created");
	run_done(run, JOB_READY, "SecretSynced", "secret synced");
}

/* An existing immutable Secret: only its metadata follows. */
static int
update_immutable(struct run *run, struct ksecret *old,
    const struct ksecret *new, struct err *err)
{
	struct ksecret keep;
	int changed;

	if (!ksecret_meta_equal(old, new)) {
		ksecret_copy(&keep, old);
		ksecret_copy_meta(&keep, new);
		if (ksecret_validate(&keep, old, err) == -1) {
			ksecret_clear(&keep);
			return (-1);
		}
		ksecret_clear(old);
		*old = keep;
		run->r->written = 1;
	}
	changed = !ksecret_rest_equal(old, new);
	if (changed)
		err_set(err, ERR_INVALID, "secret is immutable");
	return (changed ? -1 : 0);
}

static void
update(struct run *run, struct ksecret *old, const struct kv *data)
{
	cleanup_err struct err err = ERR_INIT;
	struct pipeline_result *r = run->r;
	struct ksecret new;
	int why = OWNER_FINE, frozen = old->immutable == 1;

	r->binding = str_dup(r->target);
	ksecret_copy(&new, old);
	if (mutate(run, &new, 1, data, &err, &why) == -1) {
		err_wrap(&err, "unable to mutate secret %s", r->target);
		fail_update(run, &err, why, 0);
		ksecret_publish(r, old);
	} else if (ksecret_meta_equal(old, &new) &&
	    ksecret_rest_equal(old, &new)) {
		ksecret_publish(r, &new);
		run_done(run, JOB_READY, "SecretSynced", "secret synced");
	} else if (frozen && update_immutable(run, old, &new, &err) == -1) {
		int fixed = strcmp(err_msg(&err), "secret is immutable") == 0;

		err_wrap(&err, "unable to update secret %s", r->target);
		fail_update(run, &err, why, fixed);
		ksecret_publish(r, old);
	} else if (ksecret_validate(&new, old, &err) == -1) {
		err_wrap(&err, "unable to update secret %s", r->target);
		fail_update(run, &err, why, 0);
		ksecret_publish(r, old);
	} else {
		ksecret_publish(r, &new);
		r->written = 1;
		if (!frozen)
			run_event(run, "Updated");
		run_done(run, JOB_READY, "SecretSynced", "secret synced");
	}
	ksecret_clear(&new);
}

/* deleteOrphanedSecrets: Secrets that carry our label under another name. */
static void
delete_orphans(struct run *run)
{
	cleanup_free char *label = NULL, *key = NULL;
	const struct names *l;
	size_t i;

	if (strmap_len(run->p->orphans) == 0)
		return;
	label = owner_label(run->es);
	key = str_fmt("%s/%s", run->es->meta.ns, label);
	l = strmap_get(run->p->orphans, key);
	for (i = 0; l != NULL && i < l->n; i++) {
		if (strcmp(l->v[i], run->r->target) != 0)
			run_event(run, "Deleted");
	}
}

/* Nothing came back.  1 when that decides the matter. */
static int
nothing_there(struct run *run, struct ksecret *old)
{
	static const char *const policy[] = { "Owner", "Orphan", "Merge",
		"CreateOrMerge", "None" };
	cleanup_err struct err err = ERR_INIT;

	if (run->es->deletion == ES_DELETION_MERGE)
		return (0);
	if (run->es->deletion == ES_RETAIN) {
		if (old != NULL)
			ksecret_publish(run->r, old);
		run_done(run, JOB_UNCHANGED_NONE, "SecretSynced",
		    "secret retained due to DeletionPolicy=Retain");
		return (1);
	}
	if (run->es->creation != ES_OWNER) {
		err_set(&err, ERR_INVALID, "unable to delete secret %s: "
		    "creationPolicy=%s is not Owner", run->r->target,
		    policy[run->es->creation]);
		run_failed(run, "SecretSyncedError", "could not delete secret",
		    &err);
		if (old != NULL)
			ksecret_publish(run->r, old);
		return (1);
	}
	if (old != NULL)
		run_event(run, "Deleted");
	run_done(run, JOB_DELETED, "SecretDeleted",
	    "secret deleted due to DeletionPolicy=Delete");
	return (1);
}

/* No Secret is made; volumes show what one would hold (DESIGN.md §2). */
static void
make_files(struct run *run, const struct kv *data)
{
	cleanup_err struct err err = ERR_INIT;
	struct pipeline_result *r = run->r;
	struct ksecret s;

	if (!run->p->opts.files)
		return;
	ksecret_init(&s, r->target);
	if (template_apply(run, &s, data, &err) == -1)
		err_wrap(&err, "could not apply template");
	else if (ksecret_validate(&s, NULL, &err) == 0) {
		r->has_files = 1;
		kv_merge(&r->files, &s.data);
	}
	if (!r->has_files)
		r->no_files = str_dup(err_msg(&err));
	ksecret_clear(&s);
}

static void
apply(struct run *run, struct ksecret *old, const struct kv *data)
{
	switch (run->es->creation) {
	case ES_NONE:
		make_files(run, data);
		if (old != NULL)
			ksecret_publish(run->r, old);
		run_done(run, JOB_UNCHANGED_NONE, "SecretSynced",
		    "secret synced");
		return;
	case ES_MERGE:
		if (old == NULL && !run->p->opts.targets_unknown) {
			make_files(run, data);
			run_done(run, JOB_UNCHANGED_NONE, "SecretMissing",
			    "secret will not be created due to "
			    "CreationPolicy=Merge");
			return;
		}
		break;
	case ES_OWNER:
		delete_orphans(run);
		break;
	case ES_ORPHAN:
	case ES_CREATE_OR_MERGE:
		break;
	}
	if (old == NULL)
		create(run, data);
	else
		update(run, old, data);
}

static void
reconcile_with(struct run *run, struct ksecret *old)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_kv struct kv data;

	kv_init(&data);
	/* ESO marks an existing Secret first, whatever comes after. */
	if (old != NULL)
		text_put(old->labels, LABEL_MANAGED, "true");
	if (data_fetch(run, &data, &err) == -1) {
		run_failed(run, "SecretSyncedError",
		    "could not get secret data from provider", &err);
		if (old != NULL)
			ksecret_publish(run->r, old);
		return;
	}
	if (kv_len(&data) > 0 || !nothing_there(run, old))
		apply(run, old, &data);
}

void
target_reconcile(struct run *run)
{
	const struct json *obj = run->p->opts.targets_unknown ? NULL :
	    objects_get(run->p->objects, "Secret", run->es->meta.ns,
	    run->r->target);
	cleanup_err struct err err = ERR_INIT;
	struct ksecret old;

	if (obj == NULL) {
		reconcile_with(run, NULL);
		return;
	}
	if (ksecret_parse(obj, run->r->target, &old, &err) == -1) {
		run_failed(run, "SecretSyncedError", "could not update secret",
		    &err);
		return;
	}
	reconcile_with(run, &old);
	ksecret_clear(&old);
}
