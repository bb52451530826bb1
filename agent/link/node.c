/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "link/link.h"
#include "link/watch.h"

/*
 * What is to be known of our own Node: the uid that our token is bound to, its
 * labels for nodeSelectors (where RBAC lets us look: the base of daemonset/
 * does), the API server's version.
 */
struct node {
	struct link *l;
	struct watch *watch;
	struct api_call *call;
	struct link_node m;
	char *told;		/* the last frame's body */
	size_t told_len;
};

static void
tell(struct node *n)
{
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);

	link_node_write(&n->m, &body);
	if (n->told != NULL && n->told_len == body.len &&
	    memcmp(n->told, body.data, body.len) == 0)
		return;
	outbox_frame(n->l->out, LINK_NODE, &body);
	n->told_len = body.len;
	free(n->told);
	n->told = buf_take(&body);
}

static void
set(char **field, const char *v)
{
	if (str_or(v, "")[0] == '\0')
		return;
	free(*field);
	*field = str_dup(v);
}

static void
drop_labels(struct node *n)
{
	for (size_t i = 0; i < n->m.nlabels; i++)
		free(n->m.labels[i]);
	free(n->m.labels);
	n->m.labels = NULL;
	n->m.nlabels = 0;
}

static void
on_object(void *arg, struct json *o, const char *ns, const char *name,
    uint8_t known[static WATCH_KNOWN])
{
	struct node *n = arg;
	const struct json *l = json_first(json_path(o, "metadata.labels"));

	(void)ns;
	(void)name;
	(void)known;
	set(&n->m.uid, json_str(json_path(o, "metadata.uid")));
	drop_labels(n);
	for (; l != NULL && n->m.nlabels < LINK_LABELS_MAX;
	    l = json_next(l)) {
		n->m.labels = mem_grow(n->m.labels, n->m.nlabels + 1,
		    sizeof(*n->m.labels));
		n->m.labels[n->m.nlabels++] = str_fmt("%s=%s", json_key(l),
		    str_or(json_str(l), ""));
	}
	n->m.has_labels = 1;
	tell(n);
}

static void
on_gone(void *arg, const char *ns, const char *name)
{
	(void)arg;		/* our Node will be made again */
	(void)ns;
	(void)name;
}

static void
on_listed(void *arg)
{
	(void)arg;
}

static void
on_problem(void *arg, const struct err *err)
{
	const struct node *n = arg;

	outbox_problem(n->l->out, "objects/Node", err == NULL ? NULL :
	    err_msg(err));
}

static const struct watch_handlers handlers = { on_object, on_gone, on_listed,
	on_problem };

/* {"major":"1","minor":"33+",…} */
static void
on_version(void *arg, int status, const struct json *body,
    uint32_t retry_after_ms, const struct err *err)
{
	struct node *n = arg;
	long minor = strtol(str_or(json_str(json_get(body, "minor")), "0"),
	    NULL, 10);

	(void)retry_after_ms;
	(void)err;
	n->call = NULL;
	if (status != 200 || minor < 0 || minor > 255)
		return;
	n->m.version_minor = (uint8_t)minor;
	tell(n);
}

static const struct api_handlers version_handlers = { NULL, on_version };

void
node_connected(struct node *n)
{
	struct api_request r = { .method = "GET", .verb = "get",
		.resource = "version", .path = "/version" };
	cleanup_free char *name = NULL, *uid = NULL;

	api_token_claims(n->l->api, &name, &uid);
	if (name[0] != '\0' && !str_eq(name, n->m.name)) {
		cleanup_free char *text = str_fmt("our token is bound to node "
		    "%s, but --node is %s: the API server will refuse what we "
		    "write of this node", name, n->m.name);

		outbox_problem(n->l->out, "node", text);
	} else
		set(&n->m.uid, uid);
	if (n->call == NULL)
		n->call = api_start(n->l->api, &r, &version_handlers, n);
	tell(n);
}

struct node *
node_new(struct link *l)
{
	struct watch_spec spec = { .ns = "", .name = l->options->node,
		.meta = 1 };
	struct node *n = mem_alloc(sizeof(*n));

	n->l = l;
	n->m.name = str_dup(l->options->node);
	n->m.uid = str_dup("");
	spec.resource = kube_resource_find("Node");
	n->watch = watch_new(l->loop, l->api, &spec, &handlers, n);
	return (n);
}

void
node_free(struct node *n)
{
	if (n == NULL)
		return;
	watch_free(n->watch);
	api_cancel(n->call);
	link_node_clear(&n->m);
	free(n->told);
	free(n);
}
