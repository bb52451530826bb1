/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline_internal.h"
#include "value/gostr.h"
#include "value/regex.h"

/*
 * From a reference to a connection: pkg/controllers/secretstore/
 * client_manager.go, and of common.go the verdict on a store (the floodgate
 * lets nothing through to a store that is not Ready).
 */

static int
is_cluster(const struct store_ref *ref)
{
	return (strcmp(ref->kind, "ClusterSecretStore") == 0);
}

/* A conversion of Go's %q. */
static char *
quoted(const char *s)
{
	struct buf out = BUF_PLAIN(ERROR_TEXT_MAX);

	gostr_quote(s, strlen(s), &out);
	return (buf_take(&out));
}

/* "field: what: remedy", the parts that there are. */
char *
finding_text(const struct finding *f)
{
	return (str_fmt("%s%s%s%s%s", f->field, f->field[0] ? ": " : "",
	    f->what, f->remedy[0] ? ": " : "", f->remedy));
}

static void
note_referent(void *arg, const struct provider_ref *ref)
{
	if (ref->ns[0] == '\0')
		*(int *)arg = 1;
}

static int
compiles(const char *pattern, struct err *err)
{
	struct regex *re = NULL;
	int rc = regex_new(pattern, strlen(pattern), &re, err);

	regex_free(re);
	return (rc);
}

static void
store_judge(struct pipeline_store *ps, struct findings *f)
{
	const struct finding *bad;

	ps->driver = provider_find(ps->store->provider);
	provider_check(ps->store, f);
	store_check_regexes(ps->store, compiles, f);
	ps->refused = findings_refusal(f, &ps->store->meta, NULL);
	if (ps->driver == NULL) {
		bad = findings_first(f, FINDING_ERROR);
		ps->unsupported = bad != NULL ? finding_text(bad) : str_fmt(
		    "provider \"%s\" is not supported by this version",
		    ps->store->provider);
	} else {
		provider_refs(ps->store, note_referent, &ps->referent);
	}
}

struct pipeline_store *
pipeline_store_get(struct pipeline *p, const struct store_ref *ref,
    const char *ns)
{
	const char *kind = is_cluster(ref) ? ref->kind : "SecretStore";
	cleanup_free char *key = object_key(kind, is_cluster(ref) ? "" : ns,
	    ref->name);
	struct findings f = { 0 };
	struct pipeline_store *ps;
	const struct json *obj;

	if ((ps = strmap_get(p->stores, key)) != NULL)
		return (ps);
	if (ref->name[0] == '\0' || (!is_cluster(ref) && ns[0] == '\0'))
		return (NULL);
	obj = objects_get(p->objects, kind, is_cluster(ref) ? "" : ns,
	    ref->name);
	if (obj == NULL)
		return (NULL);
	ps = mem_alloc(sizeof(*ps));
	if (store_parse(obj, ns, &ps->store, &f, NULL) == -1) {
		findings_clear(&f);
		free(ps);
		return (NULL);
	}
	store_judge(ps, &f);
	findings_clear(&f);
	strmap_put(p->stores, key, ps);
	return (ps);
}

void
pipeline_store_free(void *arg)
{
	struct pipeline_store *ps = arg;

	store_free(ps->store);
	free(ps->refused);
	free(ps->unsupported);
	free(ps);
}

void
pipeline_conn_free(void *arg)
{
	struct pipeline_conn *c = arg;

	if (c->conn != NULL)
		c->ps->driver->close(c->conn);
	provider_env_clear(&c->env);
	free(c->ns);
	free(c->why);
	free(c);
}

/* --- may this namespace use it? ----------------------------------------- */

/* The Namespace's labels as the API server has them. */
static struct strmap *
namespace_labels(const struct pipeline *p, const char *ns)
{
	const struct json *m, *obj = objects_get(p->objects, "Namespace", "",
	    ns);
	struct strmap *labels = text_map();

	for (m = json_first(json_path(obj, "metadata.labels")); m != NULL;
	    m = json_next(m))
		text_put(labels, json_key(m), str_or(json_str(m), ""));
	text_put(labels, "kubernetes.io/metadata.name", ns);
	return (labels);
}

static int
condition_allows(const struct store_condition *c, const struct strmap *labels,
    const char *ns, struct err *err)
{
	struct regex *re;
	size_t i;
	int hit;

	if (c->selector != NULL && selector_match(c->selector, labels))
		return (1);
	for (i = 0; i < c->nnamespaces; i++) {
		if (str_eq(strmap_get(labels, "kubernetes.io/metadata.name"),
		    c->namespaces[i]))
			return (1);
	}
	for (i = 0; i < c->nregexes; i++) {
		if (regex_new(c->regexes[i], strlen(c->regexes[i]), &re,
		    err) == -1)
			return (err_wrap(err, "failed to compile regex %s",
			    c->regexes[i]));
		hit = regex_match(re, ns, strlen(ns));
		regex_free(re);
		if (hit)
			return (1);
	}
	return (0);
}

/* shouldProcessSecret */
static int
store_allows(struct pipeline *p, const struct store *s, const char *ns,
    struct err *err)
{
	struct strmap *labels;
	size_t i;
	int rc = 0;

	if (s->meta.kind != OBJ_CLUSTER_SECRET_STORE || s->nconditions == 0)
		return (1);
#ifdef WEAKEN_store_conditions
	return (1);
#endif
	labels = namespace_labels(p, ns);
	for (i = 0; i < s->nconditions && rc == 0; i++)
		rc = condition_allows(&s->conditions[i], labels, ns, err);
	strmap_free(labels);
	return (rc);
}

/* --- connecting --------------------------------------------------------- */

static void
conn_verdict(struct pipeline_conn *c, int usable, const char *reason,
    const char *message, struct err *err)
{
	c->usable = usable;
	c->reason = reason;
	c->message = message;
	if (err != NULL) {
		c->why = str_dup(err_msg(err));
		c->why_kind = pipeline_kind(err);
	}
}

/* validateStore: a client, and what it says of itself. */
static void
conn_open(struct pipeline_conn *c)
{
	cleanup_err struct err err = ERR_INIT;
	const struct provider *d = c->ps->driver;

	if (d == NULL) {
		err_set(&err, ERR_INVALID, "%s", c->ps->unsupported);
		conn_verdict(c, 0, "InvalidProviderConfig",
		    "unable to create client", &err);
	} else if (d->open(&c->env, &c->conn, &err) == -1) {
		c->conn = NULL;
		conn_verdict(c, 0, "InvalidProviderConfig",
		    "unable to create client", &err);
	} else if (d->validate != NULL && d->validate(c->conn, &err) == -1) {
		conn_verdict(c, 0, "InvalidProviderConfig",
		    "unable to validate store", &err);
	} else {
		conn_verdict(c, 1, "Valid", "store validated", NULL);
	}
}

static struct pipeline_conn *
conn_get(struct pipeline *p, struct pipeline_store *ps, const char *ns)
{
	const struct object_meta *m = &ps->store->meta;
	cleanup_free char *store = object_key(m->kind_name, m->ns, m->name);
	cleanup_free char *key = str_fmt("%s %s", store,
	    ps->referent ? ns : "");
	struct pipeline_conn *c;

	if ((c = strmap_get(p->conns, key)) != NULL)
		return (c);
	c = mem_alloc(sizeof(*c));
	c->ps = ps;
	c->ns = str_dup(ns);
	c->env.store = ps->store;
	c->env.es_namespace = c->ns;
	c->env.objects = p->objects;
	c->env.allow_ambient = p->opts.allow_ambient;
	c->env.timeout_ms = p->opts.timeout_ms;
	strmap_put(p->conns, key, c);
	conn_open(c);
	pipeline_want(p, c);
	return (c);
}

static int
not_found(const struct store_ref *ref, struct err *err)
{
	cleanup_free char *q = quoted(ref->name);

	if (is_cluster(ref))
		return (err_set(err, ERR_NOTFOUND, "could not get "
		    "ClusterSecretStore %s, clustersecretstores."
		    "external-secrets.io \"%s\" not found", q, ref->name));
	return (err_set(err, ERR_NOTFOUND, "could not get SecretStore %s, "
	    "secretstores.external-secrets.io \"%s\" not found", q,
	    ref->name));
}

int
store_connect(struct run *run, const struct store_ref *ref,
    struct pipeline_conn **ret, struct err *err)
{
	const char *ns = run->es->meta.ns;
	struct pipeline_store *ps;
	struct pipeline_conn *c;
	int allowed;

	if ((ps = pipeline_store_get(run->p, ref, ns)) == NULL)
		return (not_found(ref, err));
	if (!store_is_ours(ps->store, run->p->opts.class_name,
	    run->p->opts.claim_unclassed))
		return (err_set(err, ERR_INVALID,
		    "can not reference unmanaged store"));
	if ((allowed = store_allows(run->p, ps->store, ns, err)) == -1)
		return (-1);
	if (!allowed)
		return (err_set(err, ERR_DENIED, "using cluster store \"%s\" "
		    "is not allowed from namespace \"%s\": denied by "
		    "spec.condition", ref->name, ns));
	c = conn_get(run->p, ps, ns);
	run->used = c;
	if (!c->usable && ps->unsupported != NULL)
		return (err_set(err, ERR_INVALID, "%s \"%s\": %s",
		    ps->store->meta.kind_name, ref->name, ps->unsupported));
	if (!c->usable)
		return (err_set(err, c->why_kind, "%s \"%s\" is not ready",
		    ps->store->meta.kind_name, ref->name));
	*ret = c;
	return (0);
}

/* --- whose is it? ------------------------------------------------------- */

/* One store of the list: 1 skip.  After the first ClusterSecretStore, ESO
 * looks for namespaced stores in no namespace (it reuses a variable). */
static int
ref_skips(struct run *run, const struct store_ref *ref, const char **ns)
{
	struct pipeline_store *ps;

	if (is_cluster(ref))
		*ns = "";
	ps = pipeline_store_get(run->p, ref, *ns);
	return (ps != NULL && !store_is_ours(ps->store,
	    run->p->opts.class_name, run->p->opts.claim_unclassed));
}

static int
generator_skips(struct run *run, const struct generator_ref *ref)
{
	const struct json *spec, *obj;
	const char *kind, *class;

	if (generator_resolve(run, ref, &kind, &spec, &obj, NULL) == -1)
		return (0);
	class = json_str(json_path(obj, "spec.controller"));
	return (class != NULL && class[0] != '\0' &&
	    strcmp(class, run->p->opts.class_name) != 0);
}

int
class_skips(struct run *run)
{
	const struct external_secret *es = run->es;
	const char *ns = es->meta.ns;
	size_t i;

	for (i = 0; i < es->nfrom; i++) {
		if (es->from[i].generator.name[0] != '\0' &&
		    generator_skips(run, &es->from[i].generator))
			return (1);
	}
	if (es->store.name[0] != '\0' && ref_skips(run, &es->store, &ns))
		return (1);
	for (i = 0; i < es->ndata; i++) {
		if (es->data[i].has_source &&
		    ref_skips(run, &es->data[i].store, &ns))
			return (1);
	}
	for (i = 0; i < es->nfrom; i++) {
		if (es->from[i].store.name[0] != '\0' &&
		    ref_skips(run, &es->from[i].store, &ns))
			return (1);
	}
	return (0);
}

struct refusal {
	struct run *run;
	char *text;
};

static void
refusal_of(void *arg, const struct store_ref *ref)
{
	struct refusal *r = arg;
	struct pipeline_store *ps;

	if (r->text != NULL)
		return;
	ps = pipeline_store_get(r->run->p, ref, r->run->es->meta.ns);
	if (ps != NULL && ps->refused != NULL)
		r->text = str_fmt("%s \"%s\": %s", ps->store->meta.kind_name,
		    ref->name, ps->refused);
}

char *
store_refusal(struct run *run)
{
	struct refusal r = { run, NULL };

	es_stores(run->es, refusal_of, &r);
	return (r.text);
}
