/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strmap.h"
#include "csi/csi_internal.h"

/* Who answers may do so after the server has gone: then server is NULL. */
struct csi_call {
	struct grpc_call *call;
	struct csi_server *server;
	struct csi_call *prev, *next;
	char *volume_id;
};

/* --- calls -------------------------------------------------------------- */

struct csi_call *
csi_call_begin(struct csi_server *s, struct grpc_call *call,
    const char *volume_id)
{
	struct csi_call *c;

	/* A kubelet's retry may come while the call before it still runs:
	 * its deadline passed there, not here. */
#ifndef WEAKEN_CSI_BUSY
	if (strmap_has(s->busy, volume_id)) {
		grpc_fail(call, GRPC_ABORTED, "an operation on this volume is "
		    "under way already: try again");
		return (NULL);
	}
#endif
	c = mem_alloc(sizeof(*c));
	c->call = call;
	c->server = s;
	c->volume_id = str_dup(volume_id);
	c->next = s->calls;
	if (c->next)
		c->next->prev = c;
	s->calls = c;
	strmap_put(s->busy, volume_id, c);
	return (c);
}

/* Before the answer: whoever gets it may come back at once. */
static struct grpc_call *
call_end(struct csi_call *c)
{
	struct grpc_call *call = c->call;

	if (c->server) {
		strmap_del(c->server->busy, c->volume_id);
		if (c->prev)
			c->prev->next = c->next;
		else
			c->server->calls = c->next;
		if (c->next)
			c->next->prev = c->prev;
	}
	free(c->volume_id);
	free(c);
	return (call);
}

int64_t
csi_call_left_ms(const struct csi_call *c)
{
	return (grpc_call_left_ms(c->call));
}

void
csi_call_done(struct csi_call *c, const struct err *err)
{
	struct grpc_call *call = call_end(c);

	if (err)
		csi_fail(call, err);
	else
		grpc_reply(call, NULL, 0);
}

void
csi_call_fail(struct csi_call *c, int grpc_code, const char *msg)
{
	grpc_fail(call_end(c), (enum grpc_code)grpc_code, msg);
}

/* --- the server --------------------------------------------------------- */

static void
on_noticed(void *arg)
{
	struct csi_server *s = arg;
	cleanup_free char *notice = STEAL(s->notice);

	/* Kubelets try a socket again only when it appears anew (k8s #118317):
	 * this one has done its service. */
	if (!s->accepted) {
		grpc_listener_free(s->reg);
		s->reg = NULL;
	}
	s->backend.registered(s->backend.arg, s->driver, s->accepted,
	    notice ? notice : "");
}

static int
config_check(const struct csi_config *c, struct err *err)
{
	if (!str_eq(c->driver, CSI_DRIVER) &&
	    !str_eq(c->driver, CSI_DRIVER_IDENTITY))
		return (err_set(err, ERR_INTERNAL, "csi: no such driver"));
	if (!c->node_id || !*c->node_id || strlen(c->node_id) > 256)
		return (err_set(err, ERR_INVALID,
		    "csi: the node's name must have 1 to 256 bytes"));
	if (!c->targets_root || c->targets_root[0] != '/')
		return (err_set(err, ERR_INVALID,
		    "csi: the targets' root must be an absolute path"));
	return (0);
}

static char *
root_dup(const char *root)
{
	size_t n = strlen(root);

	while (n && root[n - 1] == '/')
		n--;
	return (str_ndup(root, n));
}

static struct csi_server *
server_new(struct loop *loop, const struct csi_config *config,
    const struct csi_backend *backend)
{
	struct csi_server *s = mem_alloc(sizeof(*s));

	s->loop = loop;
	s->driver = str_eq(config->driver, CSI_DRIVER) ? CSI_DRIVER :
	    CSI_DRIVER_IDENTITY;
	s->node_id = str_dup(config->node_id);
	s->endpoint = str_dup(str_or(config->endpoint, ""));
	s->version = str_dup(str_or(config->version, "0"));
	s->targets_root = root_dup(config->targets_root);
	s->backend = *backend;
	s->busy = strmap_new(NULL);
	s->noticed = loop_timer_new(loop, on_noticed, s);
	return (s);
}

static void
on_left(void *arg)
{
	struct csi_server *s = arg;

	if (s->backend.left)
		s->backend.left(s->backend.arg);
}

int
csi_server_new(struct loop *loop, const struct csi_config *config,
    const struct csi_backend *backend, int csi_fd, int reg_fd,
    struct csi_server **ret, struct err *err)
{
	cleanup_close int own_csi = csi_fd, own_reg = reg_fd;
	struct csi_server *s;

	if (config_check(config, err) == -1)
		return (-1);
	s = server_new(loop, config, backend);
	if (grpc_listener_new(loop, csi_fd, csi_methods, s, &s->node,
	    err) == -1)
		goto fail;
	own_csi = -1;
	grpc_listener_on_left(s->node, on_left);
	if (reg_fd >= 0 && csi_server_set_reg(s, fd_steal(&own_reg),
	    err) == -1)
		goto fail;
	*ret = s;
	return (0);
fail:
	csi_server_free(s);
	return (err_wrap(err, "csi: %s", config->driver));
}

int
csi_server_set_reg(struct csi_server *s, int reg_fd, struct err *err)
{
	struct grpc_listener *l;

	if (grpc_listener_new(s->loop, reg_fd, csi_reg_methods, s, &l,
	    err) == -1) {
		close(reg_fd);
		return (-1);
	}
	grpc_listener_free(s->reg);
	s->reg = l;
	return (0);
}

void
csi_server_free(struct csi_server *s)
{
	struct csi_call *c;

	if (!s)
		return;
	grpc_listener_free(s->node);
	grpc_listener_free(s->reg);
	for (c = s->calls; c; c = c->next)
		c->server = NULL;
	loop_timer_free(s->noticed);
	strmap_free(s->busy);
	free(s->node_id);
	free(s->endpoint);
	free(s->version);
	free(s->targets_root);
	free(s->notice);
	free(s);
}
