/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/keccak.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "link/link.h"
#include "link/watch.h"

#define OURS ".nodeseal.dev"	/* csi., identity.csi. */

/* What was told of a pod of this node, to take it back. */
struct pod {
	char *uid;
	int claims;		/* its namespace is held by it */
};

struct pods {
	struct link *l;
	struct watch *watch;
	struct strmap *pods;	/* struct pod by "ns/name" */
	int ready;
};

/* --- what a pod says ------------------------------------------------------ */

/* Kubernetes core/v1 types.go: every place where a PodSpec names a Secret.  The
 * kubelet reads those of a service account out of the pod: an admission plugin
 * has copied them there. */

static void
add(struct strmap *names, const char *name)
{
	if (str_or(name, "")[0] != '\0')
		strmap_put(names, name, names);
}

static void
add_env(struct strmap *names, const struct json *container)
{
	const struct json *e;

	for (e = json_first(json_get(container, "env")); e != NULL;
	    e = json_next(e))
		add(names, json_str(json_path(e,
		    "valueFrom.secretKeyRef.name")));
	for (e = json_first(json_get(container, "envFrom")); e != NULL;
	    e = json_next(e))
		add(names, json_str(json_path(e, "secretRef.name")));
}

static void
add_projected(struct strmap *names, const struct json *volume)
{
	const struct json *e = json_first(json_path(volume,
	    "projected.sources"));

	for (; e != NULL; e = json_next(e))
		add(names, json_str(json_path(e, "secret.name")));
}

/* Volume types that log in by a Secret name it in one of three ways. */
static void
add_volume(struct strmap *names, const struct json *volume)
{
	const struct json *type = json_first(volume);

	add(names, json_str(json_path(volume, "secret.secretName")));
	add(names, json_str(json_path(volume, "azureFile.secretName")));
	add(names, json_str(json_path(volume,
	    "csi.nodePublishSecretRef.name")));
	add_projected(names, volume);
	for (; type != NULL; type = json_next(type))
		add(names, json_str(json_path(type, "secretRef.name")));
}

static int
is_ours(const char *driver)
{
	size_t len = strlen(driver), n = strlen(OURS);

	return (len > n && strcmp(driver + len - n, OURS) == 0);
}

static void
add_csi(struct link_pod *p, const struct json *volume)
{
	const struct json *csi = json_get(volume, "csi");
	const char *driver = str_or(json_str(json_get(csi, "driver")), "");
	struct link_volume *v;

	if (!is_ours(driver) || p->nvolumes == LINK_VOLUMES_MAX)
		return;
	p->volumes = mem_grow(p->volumes, p->nvolumes + 1,
	    sizeof(*p->volumes));
	v = &p->volumes[p->nvolumes++];
	v->volume = str_dup(str_or(json_str(json_get(volume, "name")), ""));
	v->driver = str_dup(driver);
	/* The key has no dots of its own. */
	v->external_secrets = str_dup(str_or(json_str(json_path(csi,
	    "volumeAttributes.externalSecret")), ""));
}

static void
add_containers(struct strmap *names, const struct json *spec)
{
	static const char *const lists[] = { "initContainers", "containers",
		"ephemeralContainers" };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct json *c = json_first(json_get(spec, lists[i]));

		for (; c != NULL; c = json_next(c))
			add_env(names, c);
	}
}

/* A container that cannot be made because its Secret is not there (kubelet
 * kuberuntime: CreateContainerConfigError). */
static int
cannot_start(const struct json *status)
{
	static const char *const lists[] = { "initContainerStatuses",
		"containerStatuses", "ephemeralContainerStatuses" };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct json *c = json_first(json_get(status, lists[i]));

		for (; c != NULL; c = json_next(c))
			if (str_eq(json_str(json_path(c,
			    "state.waiting.reason")),
			    "CreateContainerConfigError"))
				return (1);
	}
	return (0);
}

static void
take_names(struct link_pod *p, const struct strmap *names)
{
	size_t n;
	cleanup_free const char **sorted = strmap_sorted(names, &n);

	n = n < LINK_SECRETS_MAX ? n : LINK_SECRETS_MAX;
	p->secrets = n == 0 ? NULL : mem_array(n, sizeof(*p->secrets));
	for (size_t i = 0; i < n; i++)
		p->secrets[p->nsecrets++] = str_dup(sorted[i]);
}

static char *
text_of(const struct json *o, const char *path)
{
	return (str_dup(str_or(json_str(json_path(o, path)), "")));
}

void
pod_read(const struct json *o, struct link_pod *ret)
{
	cleanup_strmap struct strmap *names = strmap_new(NULL);
	const struct json *spec = json_get(o, "spec");
	const struct json *status = json_get(o, "status");
	const char *phase = str_or(json_str(json_get(status, "phase")),
	    "Pending");
	const struct json *e;

	*ret = (struct link_pod){ 0 };
	ret->ns = text_of(o, "metadata.namespace");
	ret->name = text_of(o, "metadata.name");
	ret->uid = text_of(o, "metadata.uid");
	ret->service_account = text_of(o, "spec.serviceAccountName");
	ret->over = str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
	ret->waits = !ret->over && (str_eq(phase, "Pending") ||
	    cannot_start(status));
	for (e = json_first(json_get(spec, "imagePullSecrets")); e != NULL;
	    e = json_next(e))
		add(names, json_str(json_get(e, "name")));
	add_containers(names, spec);
	for (e = json_first(json_get(spec, "volumes")); e != NULL;
	    e = json_next(e)) {
		add_volume(names, e);
		add_csi(ret, e);
	}
	take_names(ret, names);
}

/* --- the list of them ----------------------------------------------------- */

static void
pod_free(void *p)
{
	struct pod *pod = p;

	free(pod->uid);
	free(pod);
}

static void
send_gone(struct pods *p, const char *ns, const char *name, const char *uid)
{
	outbox_name(p->l->out, LINK_POD_GONE, uid, ns, name);
}

/* The namespace is held before core hears of the pod. */
static void
hold(struct pods *p, const struct link_pod *m)
{
	cleanup_free char *key = str_fmt("%s/%s", m->ns, m->name);
	int claims = !m->over && (m->nsecrets > 0 || m->nvolumes > 0);
	struct pod *pod = strmap_get(p->pods, key);
	int before = pod != NULL && pod->claims;

	if (claims && !before)
		scopes_claim(p->l->scopes, m->ns);
	/* A StatefulSet's pod comes again under its name. */
	if (pod != NULL && !str_eq(pod->uid, m->uid))
		send_gone(p, m->ns, m->name, pod->uid);
	if (pod == NULL) {
		pod = mem_alloc(sizeof(*pod));
		strmap_put(p->pods, key, pod);
	}
	free(pod->uid);
	pod->uid = str_dup(m->uid);
	pod->claims = claims;
	if (before && !claims)
		scopes_drop(p->l->scopes, m->ns);
}

static void
on_pod(void *arg, struct json *o, const char *ns, const char *name,
    uint8_t known[static WATCH_KNOWN])
{
	struct pods *p = arg;
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);
	uint8_t now[SHA3_224_LEN];
	struct sha3_224 h;
	struct link_pod m;

	(void)ns;
	(void)name;
	pod_read(o, &m);
	link_pod_write(&m, &body);
	sha3_224_init(&h);
	sha3_224_update(&h, body.data, body.len);
	sha3_224_final(&h, now);
	if (memcmp(known, now, WATCH_KNOWN) != 0) {
		memcpy(known, now, WATCH_KNOWN);
		hold(p, &m);
		outbox_frame(p->l->out, LINK_POD, &body);
	}
	link_pod_clear(&m);
}

static void
on_gone(void *arg, const char *ns, const char *name)
{
	struct pods *p = arg;
	cleanup_free char *key = str_fmt("%s/%s", ns, name);
	struct pod *pod = strmap_take(p->pods, key);

	if (pod == NULL)
		return;
	send_gone(p, ns, name, pod->uid);
	if (pod->claims)
		scopes_drop(p->l->scopes, ns);
	pod_free(pod);
}

static void
on_listed(void *arg)
{
	struct pods *p = arg;

	if (p->ready)
		return;
	p->ready = 1;
	outbox_name(p->l->out, LINK_LISTED, "Pod", "", NULL);
	link_listed(p->l);
}

static void
on_problem(void *arg, const struct err *err)
{
	const struct pods *p = arg;

	outbox_problem(p->l->out, "objects/Pod", err == NULL ? NULL :
	    err_msg(err));
}

static const struct watch_handlers handlers = { on_pod, on_gone, on_listed,
	on_problem };

struct pods *
pods_new(struct link *l)
{
	cleanup_free char *here = str_fmt("spec.nodeName=%s",
	    l->options->node);
	struct watch_spec spec = { .ns = "", .field_selector = here,
		.from_cache = 1 };
	struct pods *p = mem_alloc(sizeof(*p));

	p->l = l;
	p->pods = strmap_new(pod_free);
	spec.resource = kube_resource_find("Pod");
	outbox_name(l->out, LINK_RELIST, "Pod", "", NULL);
	p->watch = watch_new(l->loop, l->api, &spec, &handlers, p);
	return (p);
}

void
pods_free(struct pods *p)
{
	if (p == NULL)
		return;
	watch_free(p->watch);
	strmap_free(p->pods);
	free(p);
}

int
pods_ready(const struct pods *p)
{
	return (p->ready);
}
