/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CSI_CSI_H
#define CSI_CSI_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * The CSI node plugin as the kubelet sees it: registration, identity and node
 * service of one driver over gRPC on unix sockets.  What a volume is belongs
 * to the backend, which core implements.
 */
#define CSI_DRIVER "csi.nodeseal.dev"
#define CSI_DRIVER_IDENTITY "identity.csi.nodeseal.dev"

/* One {key, path, mode, externalSecret} of the attribute "items". */
struct csi_item {
	char *key;
	char *path;
	int mode;		/* -1: the volume's */
	char *external_secret;	/* NULL: the only one */
};

/* A NodePublishVolume that passed all checks of form (INTERFACES.md §3). */
struct csi_publish {
	char *volume_id;
	char *target_path;
	char *pod_name, *pod_namespace, *pod_uid, *service_account;
	char **external_secrets;
	size_t nexternal_secrets;
	struct csi_item *items;	/* NULL and 0: all keys */
	size_t nitems;
	int mode;		/* default applied: 0644, 0640 with a group */
	int optional;
	int status_file;
	int64_t group;		/* volume_mount_group, or -1 */
	struct secret *tokens;	/* identity driver: kubelet's JSON, or NULL */
	const char *driver;
};
void csi_publish_free(struct csi_publish *p);

/**
 * csi_attributes_parse(keys, values, n, group, ret, err):
 * The volume_context alone (pure; also a fuzz target): fills the parts of
 * ${ret} that come from it.  INVALID naming attribute, reason, remedy.
 */
int csi_attributes_parse(const char *const *keys, const char *const *values,
    size_t n, int64_t group, struct csi_publish *ret, struct err *err);

/* An RPC that waits for its answer.  The backend answers exactly once, now or
 * later; when the peer has gone away meanwhile the answer is dropped. */
struct csi_call;
/* Milliseconds until the peer's deadline; INT64_MAX when it named none; 0 when
 * it has passed or the peer is gone: then nobody waits. */
int64_t csi_call_left_ms(const struct csi_call *c);
/* NULL err: OK with an empty response.  Else err_reaction(kind)->grpc_code
 * and the message.  Volumes whose mount is there after a failed republish are
 * the backend's business. */
void csi_call_done(struct csi_call *c, const struct err *err);
/* For codes that no err_kind maps to (ALREADY_EXISTS, ABORTED, …). */
void csi_call_fail(struct csi_call *c, int grpc_code, const char *msg);

struct csi_stats {
	uint64_t bytes_total, bytes_used, bytes_free;
	uint64_t inodes_total, inodes_used, inodes_free;
};

struct csi_backend {
	void *arg;
	/* Takes ownership of ${p}.  Never called twice at once for a volume id:
	 * the server answers ABORTED by itself. */
	void (*publish)(void *arg, struct csi_publish *p, struct csi_call *c);
	void (*unpublish)(void *arg, const char *volume_id,
	    const char *target_path, struct csi_call *c);
	/* 0 with ${ret} filled, or NOTFOUND. */
	int (*stats)(void *arg, const char *volume_id, const char *path,
	    struct csi_stats *ret, struct err *err);
	/* Probe: nonzero when ready. */
	int (*ready)(void *arg);
	/* The kubelet's NotifyRegistrationStatus; ok 0: the reg socket must be
	 * bound anew (the server has closed it). */
	void (*registered)(void *arg, const char *driver, int ok,
	    const char *message);
	/* The kubelet asks who we are: 0, or -1 and why it must not send us
	 * pods; it asks again by itself.  NULL: it always may. */
	int (*may_register)(void *arg, struct err *err);
	/* Somebody who called has his answer and has gone.  May be NULL. */
	void (*left)(void *arg);
};

struct csi_config {
	const char *driver;		/* CSI_DRIVER or CSI_DRIVER_IDENTITY */
	const char *node_id;
	const char *endpoint;		/* absolute path of csi.sock as the
					 * kubelet sees it */
	const char *version;
	const char *targets_root;	/* target_path lies strictly below */
};

struct csi_server;
/**
 * csi_server_new(loop, config, backend, csi_fd, reg_fd, ret, err):
 * Serve on two listening sockets (taken over; reg_fd -1: no registration).
 * Strings of ${config} are copied.  Peers other than root and our own uid are
 * closed (SO_PEERCRED).
 */
int csi_server_new(struct loop *loop, const struct csi_config *config,
    const struct csi_backend *backend, int csi_fd, int reg_fd,
    struct csi_server **ret, struct err *err);
/* A new registration socket after registered(…, 0). */
int csi_server_set_reg(struct csi_server *s, int reg_fd, struct err *err);
/* Stop accepting, GOAWAY, drop what waits; frees everything.  Calls that the
 * backend still holds stay valid until it answers them.  Not from within
 * publish, unpublish, stats or ready; registered may. */
void csi_server_free(struct csi_server *s);

#endif
