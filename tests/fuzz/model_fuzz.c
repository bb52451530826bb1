/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/external_secret.h"
#include "model/head.h"
#include "model/host_projection.h"
#include "model/refresh.h"
#include "model/store.h"

/*
 * A JSON document that claims to be one of our objects: check it, parse it,
 * make its head, parse that.  Whatever is refused as JSON ends there; the first
 * byte picks a kind when the document names none that we know.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const kinds[][2] = {
	{ "external-secrets.io/v1", "ExternalSecret" },
	{ "external-secrets.io/v1", "SecretStore" },
	{ "external-secrets.io/v1", "ClusterSecretStore" },
	{ "nodeseal.dev/v1alpha1", "HostProjection" },
	{ "v1", "Secret" },
	{ "generators.external-secrets.io/v1alpha1", "Fake" },
};

static size_t
touch(const char *s)
{
	return (strlen(s));	/* aborts when it is NULL, faults when freed */
}

static void
see_store(void *arg, const struct store_ref *ref)
{
	*(size_t *)arg += touch(ref->name) + touch(ref->kind);
}

static void
see_external_secret(const struct json *j)
{
	struct external_secret *es;
	size_t n = 0;
	char *v;

	if (es_parse(j, "ns", &es, NULL, NULL) == -1)
		return;
	es_stores(es, see_store, &n);
	v = es_synced_version(es);
	for (size_t i = 0; i < es->ndata; i++)
		n += touch(es->data[i].secret_key) +
		    touch(es->data[i].remote.key) +
		    touch(es->data[i].generator.api_version);
	for (size_t i = 0; i < es->nfrom; i++) {
		n += touch(es->from[i].extract.key) +
		    touch(es->from[i].find.decoding);
		for (size_t k = 0; k < es->from[i].nrewrite; k++)
			n += touch(es->from[i].rewrite[k].source) +
			    touch(es->from[i].rewrite[k].strategy);
	}
	for (size_t i = 0; es->tmpl != NULL && i < es->tmpl->nfrom; i++)
		n += touch(es->tmpl->from[i].target) +
		    touch(es->tmpl->from[i].name) +
		    touch(es->tmpl->from[i].kind);
	if (es->window.n < 8)
		refresh_due_ms(es, v, 1700000000000, 1780000000000);
	free(v);
	es_free(es);
}

static int
no_regex(const char *pattern, struct err *err)
{
	return (touch(pattern) == 0 ? err_set(err, ERR_INVALID, "empty") : 0);
}

static void
see_store_object(const struct json *j, struct findings *f)
{
	static char prod[] = "prod";
	cleanup_strmap struct strmap *labels = strmap_new(NULL);
	struct offline_policy p;
	struct store *s;

	if (store_parse(j, "ns", &s, NULL, NULL) == -1)
		return;
	offline_default(&p);
	offline_narrow(&p, &s->offline);
	if (offline_warn_ms(&p, 3600000) < 0 ||
	    offline_expires_ms(&p, 3600000, 1, 2) < 0)
		abort();
	strmap_put(labels, "env", prod);
	store_check_regexes(s, no_regex, f);
	store_is_ours(s, "nodeseal", 0);
	for (size_t i = 0; i < s->nconditions; i++)
		selector_match(s->conditions[i].selector, labels);
	store_free(s);
}

static void
see(const struct json *j)
{
	struct findings f = { 0 };
	struct host_projection *hp;
	struct object_meta m;
	char *text;

	if (object_meta_parse(j, "ns", &m, NULL) == -1)
		return;
	if (object_check(j, "ns", &f, NULL) == -1)
		abort();
	see_external_secret(j);
	see_store_object(j, &f);
	if (hp_parse(j, "ns", &hp, NULL, NULL) == 0)
		hp_free(hp);
	text = findings_refusal(&f, &m, NULL);
	if ((text != NULL) != (findings_first(&f, FINDING_REJECT) != NULL))
		abort();
	free(text);
	findings_clear(&f);
	object_meta_clear(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct objects set;
	struct json *j, *head;
	struct object_meta m;

	if (size < 2 || size > 65536)
		return (0);
	j = json_parse((const char *)data + 1, size - 1, NULL);
	if (json_is(j, JSON_OBJECT)) {
		const char *const *k = kinds[data[0] % ARRAY_LEN(kinds)];

		if (json_str(json_get(j, "kind")) == NULL) {
			json_set_str(j, "apiVersion", k[0]);
			json_set_str(j, "kind", k[1]);
		}
		see(j);
		if (object_meta_parse(j, "ns", &m, NULL) == 0) {
			head = head_make(j, m.kind);
			see(head);
			json_free(head);
			object_meta_clear(&m);
		}
	}
	objects_init(&set);
	if (objects_put(&set, j, "ns", NULL) == 0)
		objects_get(&set, "Secret", "ns", "s");
	objects_clear(&set);
	return (0);
}
