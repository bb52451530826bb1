/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/apply_internal.h"
#include "kube/config.h"
#include "kube/resource.h"

/*
 * What API servers answer to jobs, and what says where they are.  The first
 * byte says what the rest is:
 *	c	a kubeconfig
 *	t	a token
 *	1 to 5	the metadata that a write of that kind (enum job_apply_op) has
 *		been answered with
 *	s	a Status: three digits, then the object
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char es[] = "app", ns[] = "shop", uid[] = "u-1", target[] = "web",
    none[] = "";

static void
kubeconfig(const char *text, size_t len)
{
	cleanup_err struct err err = ERR_INIT;
	struct kube_config c;

	if (kube_config_text(text, len, &c, &err) == 0) {
		if (strncmp(c.server, "https://", 8) != 0 ||
		    (c.token == NULL && c.cert_pem == NULL))
			abort();
	} else if (c.server != NULL || err.kind == ERR_NONE) {
		abort();
	}
	kube_config_clear(&c);
}

static void
token(const char *text, size_t len)
{
	cleanup_secret struct secret *s = secret_new(text, len);
	cleanup_free char *node = NULL, *node_uid = NULL, *pod_uid = NULL;
	struct kube_self self;
	int64_t end;

	kube_token_claims(s, &node, &node_uid, &pod_uid, &end);
	kube_token_self(s, &self);
	if (node == NULL || self.ns == NULL || end < 0)
		abort();
	kube_self_clear(&self);
}

static void
payload_of(struct payload *p)
{
	static struct payload_entry data[] = {
		{ "password", 8, (const uint8_t *)"p", 1 },
		{ "user", 4, (const uint8_t *)"\xff\0", 2 } };
	static struct payload_entry labels[] = {
		{ "nodeseal.dev/managed", 20, (const uint8_t *)"no", 2 },
		{ "team", 4, (const uint8_t *)"red", 3 } };
	static struct payload_entry notes[] = {
		{ "reconcile.external-secrets.io/data-hash", 39,
		    (const uint8_t *)"h", 1 } };

	*p = (struct payload){ .type = "kubernetes.io/tls", .typelen = 17,
		.data = data, .ndata = 2, .labels = labels, .nlabels = 2,
		.annotations = notes, .nannotations = 1 };
}

/* What is to be taken away is JSON, and names nothing of ours. */
static void
metadata(enum job_apply_op op, const char *text, size_t len)
{
	struct job_apply_item item = { .op = op, .ns = ns, .name = es,
		.uid = uid, .target = target,
		.last_version = none };
	cleanup_buf struct buf patch = BUF_SECRET(4u << 20);
	cleanup_buf struct buf body = BUF_SECRET(4u << 20);
	cleanup_json struct json *meta = json_parse(text, len, NULL);
	cleanup_json struct json *sent = NULL;
	cleanup_free char *hash = NULL;
	struct payload p;

	payload_of(&p);
	p.immutable = len % 16 == 0;
	hash = apply_hash(&p);
	apply_body(&item, &p, &body);
	sent = json_parse(buf_str(&body), body.len, NULL);
	if (sent == NULL || !str_eq(json_str(json_get(json_path(sent,
	    "metadata.labels"), "nodeseal.dev/managed")), "true"))
		abort();
	(void)apply_owned(meta, uid);
	if (apply_leftovers(&item, &p, meta, &patch) && buf_ok(&patch)) {
		cleanup_json struct json *j = json_parse(buf_str(&patch),
		    patch.len, NULL);

		if (j == NULL || json_get(json_get(j, "data"), "user") != NULL)
			abort();
	}
}

static void
status(const char *text, size_t len)
{
	struct job_apply_item item = { .op = JOB_APPLY_OWNER, .ns = ns,
		.name = es, .uid = uid, .target = target };
	int code = len >= 3 ? atoi((char[]){ text[0], text[1], text[2], 0 }) :
	    0;
	cleanup_json struct json *j = len >= 3 ? json_parse(text + 3,
	    len - 3, NULL) : NULL;
	cleanup_err struct err err = ERR_INIT;
	struct job_applied m = { 0 };

	kube_refused(kube_resource_find(len % 2 ? "Secret" :
	    "ServiceAccount"), len % 3 ? "patch" : "list", ns, target, code,
	    j, &err);
	if (err.kind == ERR_NONE)
		abort();
	item.op = len % 5 ? JOB_APPLY_OWNER : JOB_APPLY_DELETE;
	apply_failed(&item, code, j, &err, &m);
	if (m.outcome != JOB_APPLIED_FAILED || m.message == NULL)
		abort();
	job_applied_clear(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = NULL, *name = NULL;
	cleanup_free char *manager = NULL;

	if (size == 0)
		return (0);
	/* exactly its size, so that a step too far shows */
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	name = str_ndup(text, size - 1);
	manager = apply_manager(name);
	if (strlen(manager) > 128)
		abort();
	if (data[0] == 'c')
		kubeconfig(text, size - 1);
	else if (data[0] == 't')
		token(text, size - 1);
	else if (data[0] >= '1' && data[0] <= '5')
		metadata((enum job_apply_op)(data[0] - '0'), text, size - 1);
	else if (data[0] == 's')
		status(text, size - 1);
	return (0);
}
