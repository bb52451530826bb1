/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "link/link.h"
#include "link/watch.h"

/* A pod that is replaced does not cost a list. */
#define LINGER_MS 30000
#define SWEEP_MS 5000

/* What an ExternalSecret may refer to, beside the stores. */
static const char *const generator_kinds[] = { "Fake", "Password", "UUID" };
#define GENERATORS ARRAY_LEN(generator_kinds)

struct scope {
	struct scopes *s;
	char *ns;
	unsigned pods;			/* that refer to something there */
	int wanted;			/* by core */
	int64_t idle_since;		/* boot ms; 0: in use */
	struct objects *secrets, *stores, *generators[GENERATORS];
	struct watch *labels;		/* of the Namespace */
	int labels_told;
};

struct scopes {
	struct link *l;
	struct strmap *by_ns;
	struct loop_timer *sweep;
	int labels;			/* are asked for */
	int labels_listed;		/* LINK_LISTED */
};

static int64_t
now_ms(void)
{
	const struct clock *c = clock_system();

	return (c->boot_ms(c));
}

/* --- labels of namespaces ----------------------------------------------- */
/* One list to core, many small ones to the API server. */
static void
labels_listed(struct scopes *s)
{
	size_t i;

	if (s->labels_listed || !s->labels)
		return;
	for (i = strmap_next(s->by_ns, 0); i; i = strmap_next(s->by_ns, i)) {
		const struct scope *n = strmap_val(s->by_ns, i);

		if (!n->labels_told)
			return;
	}
	s->labels_listed = 1;
	outbox_name(s->l->out, LINK_LISTED, "Namespace", "", NULL);
	link_listed(s->l);
}

static void
on_namespace(void *arg, struct json *obj, const char *ns, const char *name,
    uint8_t known[static WATCH_KNOWN])
{
	const struct scope *n = arg;
	cleanup_json struct json *slim = json_new_object();
	cleanup_buf struct buf text = BUF_PLAIN(LINK_OBJECTS_MAX);
	struct json *meta = json_new_object();

	(void)ns;
	(void)known;		/* rare enough to be told each time */
	json_set_str(slim, "apiVersion", "v1");
	json_set_str(slim, "kind", "Namespace");
	json_set_str(meta, "name", name);
	json_set(meta, "uid", json_copy(json_path(obj, "metadata.uid")));
	json_set(meta, "labels", json_copy(json_path(obj,
	    "metadata.labels")));
	json_set(slim, "metadata", meta);
	json_print(slim, &text, 0);
	outbox_object(n->s->l->out, "Namespace", "", buf_str(&text),
	    text.len);
}

static void
on_namespace_gone(void *arg, const char *ns, const char *name)
{
	const struct scope *n = arg;

	(void)ns;
	outbox_name(n->s->l->out, LINK_GONE, "Namespace", "", name);
}

static void
on_namespace_listed(void *arg)
{
	struct scope *n = arg;

	n->labels_told = 1;
	labels_listed(n->s);
}

static void
on_namespace_problem(void *arg, const struct err *err)
{
	const struct scope *n = arg;

	outbox_problem(n->s->l->out, "objects/Namespace",
	    err == NULL ? NULL : err_msg(err));
}

static const struct watch_handlers namespace_handlers = { on_namespace,
	on_namespace_gone, on_namespace_listed, on_namespace_problem };

static void
watch_labels(struct scope *n)
{
	struct watch_spec spec = { .ns = "", .name = n->ns, .meta = 1 };

	if (!n->s->labels || n->labels != NULL)
		return;
	spec.resource = kube_resource_find("Namespace");
	n->labels = watch_new(n->s->l->loop, n->s->l->api, &spec,
	    &namespace_handlers, n);
}

/* --- namespaces --------------------------------------------------------- */
static void
scope_free(void *p)
{
	struct scope *n = p;

	objects_free(n->secrets);
	objects_free(n->stores);
	for (size_t i = 0; i < GENERATORS; i++)
		objects_free(n->generators[i]);
	watch_free(n->labels);
	free(n->ns);
	free(n);
}

static struct scope *
scope_get(struct scopes *s, const char *ns)
{
	struct scope *n = strmap_get(s->by_ns, ns);

	if (n != NULL)
		return (n);
	n = mem_alloc(sizeof(*n));
	n->s = s;
	n->ns = str_dup(ns);
	strmap_put(s->by_ns, ns, n);
	n->secrets = objects_new(s->l, "ExternalSecret", ns, 0);
	n->stores = objects_new(s->l, "SecretStore", ns, 0);
	watch_labels(n);
	return (n);
}

static void
in_use(struct scope *n)
{
	n->idle_since = n->pods > 0 || n->wanted ? 0 : now_ms();
	if (n->idle_since != 0 && !loop_timer_active(n->s->sweep))
		loop_timer_start(n->s->sweep, SWEEP_MS);
}

static void
on_sweep(void *arg)
{
	struct scopes *s = arg;
	int64_t now = now_ms();
	int idle = 0;
	size_t i;

	for (i = strmap_next(s->by_ns, 0); i; i = strmap_next(s->by_ns, i)) {
		const struct scope *n = strmap_val(s->by_ns, i);

		if (n->idle_since == 0)
			continue;
		if (now - n->idle_since < LINGER_MS)
			idle = 1;
		else
			strmap_del(s->by_ns, strmap_key(s->by_ns, i));
	}
	if (idle)
		loop_timer_start(s->sweep, SWEEP_MS);
	/* One that was still missing may have gone. */
	labels_listed(s);
	link_listed(s->l);
}

void
scopes_claim(struct scopes *s, const char *ns)
{
	struct scope *n = scope_get(s, ns);

	n->pods++;
	in_use(n);
}

void
scopes_drop(struct scopes *s, const char *ns)
{
	struct scope *n = strmap_get(s->by_ns, ns);

	if (n == NULL || n->pods == 0)
		return;
	n->pods--;
	in_use(n);
}

void
scopes_want(struct scopes *s, const char *ns, int on)
{
	struct scope *n = on ? scope_get(s, ns) : strmap_get(s->by_ns, ns);

	if (n == NULL || n->wanted == on)
		return;
	n->wanted = on;
	in_use(n);
}

void
scopes_generator(struct scopes *s, const char *ns, const char *kind)
{
	struct scope *n = strmap_get(s->by_ns, ns);

	for (size_t i = 0; n != NULL && i < GENERATORS; i++)
		if (str_eq(generator_kinds[i], kind) &&
		    n->generators[i] == NULL)
			n->generators[i] = objects_new(s->l, kind, ns, 1);
}

void
scopes_namespaces(struct scopes *s)
{
	size_t i;

	if (s->labels)
		return;
	s->labels = 1;
	outbox_name(s->l->out, LINK_RELIST, "Namespace", "", NULL);
	for (i = strmap_next(s->by_ns, 0); i; i = strmap_next(s->by_ns, i))
		watch_labels(strmap_val(s->by_ns, i));
	labels_listed(s);
}

static int
scope_ready(const struct scope *n)
{
	for (size_t i = 0; i < GENERATORS; i++)
		if (n->generators[i] != NULL &&
		    !objects_ready(n->generators[i]))
			return (0);
	return (objects_ready(n->secrets) && objects_ready(n->stores));
}

int
scopes_ready(const struct scopes *s)
{
	size_t i;

	for (i = strmap_next(s->by_ns, 0); i; i = strmap_next(s->by_ns, i))
		if (!scope_ready(strmap_val(s->by_ns, i)))
			return (0);
	return (!s->labels || s->labels_listed);
}

struct scopes *
scopes_new(struct link *l)
{
	struct scopes *s = mem_alloc(sizeof(*s));

	s->l = l;
	s->by_ns = strmap_new(scope_free);
	s->sweep = loop_timer_new(l->loop, on_sweep, s);
	return (s);
}

void
scopes_free(struct scopes *s)
{
	if (s == NULL)
		return;
	strmap_free(s->by_ns);
	loop_timer_free(s->sweep);
	free(s);
}
