/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "csi/csi.pb-c.h"
#include "csi/csi_internal.h"
#include "csi/registration.pb-c.h"

/*
 * The services' methods.  What answers at once answers here; publish and
 * unpublish go to the backend.  The kubelet asks NodeGetCapabilities twice a
 * publish: nothing here may wait for anything.
 */

/* --- replies ------------------------------------------------------------ */

static void
reply(struct grpc_call *call, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	cleanup_free uint8_t *out = mem_alloc(len);

	protobuf_c_message_pack(m, out);
	grpc_reply(call, out, len);
}

void
csi_fail(struct grpc_call *call, const struct err *err)
{
	grpc_fail(call,
	    (enum grpc_code)err_reaction(err->kind)->grpc_code, err_msg(err));
}

/* Requests without content that we use still have to be what they claim. */
static int
unpack(const ProtobufCMessageDescriptor *d, const uint8_t *msg, size_t len,
    ProtobufCAllocator *a, struct csi_unpack *u, ProtobufCMessage **ret,
    struct err *err)
{
	csi_unpack_init(u, a);
	*ret = protobuf_c_message_unpack(d, a, len, msg);
	if (!*ret)
		return (err_set(err, u->full ? ERR_LIMIT : ERR_INVALID,
		    u->full ? "the request is too large once decoded" :
		    "the request is not a %s", d->name));
	return (0);
}

static int
empty(struct grpc_call *call, const ProtobufCMessageDescriptor *d,
    const uint8_t *msg, size_t len)
{
	cleanup_err struct err err = ERR_INIT;
	ProtobufCAllocator a;
	ProtobufCMessage *m;
	struct csi_unpack u;

	if (unpack(d, msg, len, &a, &u, &m, &err) == -1) {
		csi_fail(call, &err);
		return (-1);
	}
	protobuf_c_message_free_unpacked(m, &a);
	return (0);
}

/* --- identity ----------------------------------------------------------- */

static void
get_plugin_info(void *arg, struct grpc_call *call, const uint8_t *msg,
    size_t len)
{
	struct csi_server *s = arg;
	Csi__V1__GetPluginInfoResponse r;
	cleanup_free char *name = str_dup(s->driver);

	if (empty(call, &csi__v1__get_plugin_info_request__descriptor, msg,
	    len) == -1)
		return;
	csi__v1__get_plugin_info_response__init(&r);
	r.name = name;
	r.vendor_version = s->version;
	reply(call, &r.base);
}

static void
get_plugin_capabilities(void *arg, struct grpc_call *call, const uint8_t *msg,
    size_t len)
{
	(void)arg;
	if (empty(call, &csi__v1__get_plugin_capabilities_request__descriptor,
	    msg, len) == 0)
		grpc_reply(call, NULL, 0);
}

static void
probe(void *arg, struct grpc_call *call, const uint8_t *msg, size_t len)
{
	struct csi_server *s = arg;
	Csi__V1__ProbeResponse r = CSI__V1__PROBE_RESPONSE__INIT;
	Csi__V1__BoolValue ready = CSI__V1__BOOL_VALUE__INIT;

	if (empty(call, &csi__v1__probe_request__descriptor, msg, len) == -1)
		return;
	ready.value = s->backend.ready(s->backend.arg) != 0;
	r.ready = &ready;
	reply(call, &r.base);
}

/* --- node --------------------------------------------------------------- */

static void
node_get_info(void *arg, struct grpc_call *call, const uint8_t *msg,
    size_t len)
{
	struct csi_server *s = arg;
	Csi__V1__NodeGetInfoResponse r;

	if (empty(call, &csi__v1__node_get_info_request__descriptor, msg,
	    len) == -1)
		return;
	csi__v1__node_get_info_response__init(&r);
	r.node_id = s->node_id;
	reply(call, &r.base);
}

static void
node_get_capabilities(void *arg, struct grpc_call *call, const uint8_t *msg,
    size_t len)
{
	Csi__V1__NodeGetCapabilitiesResponse r =
	    CSI__V1__NODE_GET_CAPABILITIES_RESPONSE__INIT;
	Csi__V1__NodeServiceCapability__RPC rpc[2] = {
		CSI__V1__NODE_SERVICE_CAPABILITY__RPC__INIT,
		CSI__V1__NODE_SERVICE_CAPABILITY__RPC__INIT
	};
	Csi__V1__NodeServiceCapability cap[2] = {
		CSI__V1__NODE_SERVICE_CAPABILITY__INIT,
		CSI__V1__NODE_SERVICE_CAPABILITY__INIT
	}, *caps[2] = { &cap[0], &cap[1] };

	(void)arg;
	if (empty(call, &csi__v1__node_get_capabilities_request__descriptor,
	    msg, len) == -1)
		return;
	/* The one way to group ownership on a read-only inline volume. */
	rpc[0].type =
	    CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__VOLUME_MOUNT_GROUP;
	rpc[1].type =
	    CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__GET_VOLUME_STATS;
	cap[0].rpc = &rpc[0];
	cap[1].rpc = &rpc[1];
	r.n_capabilities = 2;
	r.capabilities = caps;
	reply(call, &r.base);
}

static void
node_publish(void *arg, struct grpc_call *call, const uint8_t *msg,
    size_t len)
{
	struct csi_server *s = arg;
	cleanup_err struct err err = ERR_INIT;
	struct csi_publish *p;
	struct csi_call *c;

	if (csi_publish_unpack(msg, len, s->targets_root, s->driver, &p,
	    &err) == -1) {
		csi_fail(call, &err);
		return;
	}
	c = csi_call_begin(s, call, p->volume_id);
	if (c)
		s->backend.publish(s->backend.arg, p, c);
	else
		csi_publish_free(p);
}

static void
unpublish(struct csi_server *s, struct grpc_call *call,
    const Csi__V1__NodeUnpublishVolumeRequest *r)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *id = NULL, *target = NULL;
	struct csi_call *c;

	if (csi_id_check(r->volume_id.data, r->volume_id.len, &err) == -1 ||
	    csi_target_check(s->targets_root, r->target_path.data,
	    r->target_path.len, &err) == -1) {
		csi_fail(call, &err);
		return;
	}
	id = str_ndup((const char *)r->volume_id.data, r->volume_id.len);
	target = str_ndup((const char *)r->target_path.data,
	    r->target_path.len);
	c = csi_call_begin(s, call, id);
	if (c)
		s->backend.unpublish(s->backend.arg, id, target, c);
}

static void
node_unpublish(void *arg, struct grpc_call *call, const uint8_t *msg,
    size_t len)
{
	cleanup_err struct err err = ERR_INIT;
	ProtobufCAllocator a;
	ProtobufCMessage *m;
	struct csi_unpack u;

	if (unpack(&csi__v1__node_unpublish_volume_request__descriptor, msg,
	    len, &a, &u, &m, &err) == -1) {
		csi_fail(call, &err);
		return;
	}
	unpublish(arg, call, (Csi__V1__NodeUnpublishVolumeRequest *)m);
	protobuf_c_message_free_unpacked(m, &a);
}

static int
stats_get(struct csi_server *s, const Csi__V1__NodeGetVolumeStatsRequest *r,
    struct csi_stats *ret, struct err *err)
{
	cleanup_free char *id = NULL, *path = NULL;

	if (csi_id_check(r->volume_id.data, r->volume_id.len, err) == -1)
		return (-1);
	if (r->volume_path.len == 0)
		return (err_set(err, ERR_INVALID, "volume_path: is missing"));
	if (csi_target_check(s->targets_root, r->volume_path.data,
	    r->volume_path.len, NULL) == -1)
		return (err_set(err, ERR_NOTFOUND, "volume_path: no volume "
		    "of this driver is there"));
	id = str_ndup((const char *)r->volume_id.data, r->volume_id.len);
	path = str_ndup((const char *)r->volume_path.data,
	    r->volume_path.len);
	return (s->backend.stats(s->backend.arg, id, path, ret, err));
}

static void
usage_set(Csi__V1__VolumeUsage *u, int unit, uint64_t total, uint64_t used,
    uint64_t available)
{
	csi__v1__volume_usage__init(u);
	u->unit = (Csi__V1__VolumeUsage__Unit)unit;
	u->total = (int64_t)(total & INT64_MAX);
	u->used = (int64_t)(used & INT64_MAX);
	u->available = (int64_t)(available & INT64_MAX);
}

static void
node_get_volume_stats(void *arg, struct grpc_call *call, const uint8_t *msg,
    size_t len)
{
	cleanup_err struct err err = ERR_INIT;
	Csi__V1__NodeGetVolumeStatsResponse r =
	    CSI__V1__NODE_GET_VOLUME_STATS_RESPONSE__INIT;
	Csi__V1__VolumeUsage usage[2], *usages[2] = { &usage[0], &usage[1] };
	struct csi_stats st = { 0 };
	ProtobufCAllocator a;
	ProtobufCMessage *m;
	struct csi_unpack u;
	int rc;

	rc = unpack(&csi__v1__node_get_volume_stats_request__descriptor, msg,
	    len, &a, &u, &m, &err);
	if (rc == 0) {
		rc = stats_get(arg, (Csi__V1__NodeGetVolumeStatsRequest *)m,
		    &st, &err);
		protobuf_c_message_free_unpacked(m, &a);
	}
	if (rc == -1) {
		csi_fail(call, &err);
		return;
	}
	usage_set(&usage[0], CSI__V1__VOLUME_USAGE__UNIT__BYTES,
	    st.bytes_total, st.bytes_used, st.bytes_free);
	usage_set(&usage[1], CSI__V1__VOLUME_USAGE__UNIT__INODES,
	    st.inodes_total, st.inodes_used, st.inodes_free);
	r.n_usage = 2;
	r.usage = usages;
	reply(call, &r.base);
}

const struct grpc_method csi_methods[] = {
	{ "/csi.v1.Identity/GetPluginInfo", get_plugin_info },
	{ "/csi.v1.Identity/GetPluginCapabilities", get_plugin_capabilities },
	{ "/csi.v1.Identity/Probe", probe },
	{ "/csi.v1.Node/NodeGetInfo", node_get_info },
	{ "/csi.v1.Node/NodeGetCapabilities", node_get_capabilities },
	{ "/csi.v1.Node/NodePublishVolume", node_publish },
	{ "/csi.v1.Node/NodeUnpublishVolume", node_unpublish },
	{ "/csi.v1.Node/NodeGetVolumeStats", node_get_volume_stats },
	{ NULL, NULL }
};

/* --- registration ------------------------------------------------------- */

static void
reg_get_info(void *arg, struct grpc_call *call, const uint8_t *msg,
    size_t len)
{
	struct csi_server *s = arg;
	Pluginregistration__PluginInfo r;
	char type[] = "CSIPlugin", version[] = "1.0.0";
	char *versions[] = { version };
	cleanup_free char *name = str_dup(s->driver);

	cleanup_err struct err err = ERR_INIT;

	if (empty(call, &pluginregistration__info_request__descriptor, msg,
	    len) == -1)
		return;
#ifndef WEAKEN_PROPAGATION
	if (s->backend.may_register &&
	    s->backend.may_register(s->backend.arg, &err) == -1) {
		csi_fail(call, &err);
		return;
	}
#endif
	pluginregistration__plugin_info__init(&r);
	r.type = type;
	r.name = name;
	r.endpoint = s->endpoint;
	r.n_supported_versions = 1;
	r.supported_versions = versions;
	reply(call, &r.base);
}

static void
reg_notify(void *arg, struct grpc_call *call, const uint8_t *msg, size_t len)
{
	struct csi_server *s = arg;
	cleanup_err struct err err = ERR_INIT;
	Pluginregistration__RegistrationStatus *r;
	ProtobufCAllocator a;
	ProtobufCMessage *m;
	struct csi_unpack u;
	size_t n;

	if (unpack(&pluginregistration__registration_status__descriptor, msg,
	    len, &a, &u, &m, &err) == -1) {
		csi_fail(call, &err);
		return;
	}
	r = (Pluginregistration__RegistrationStatus *)m;
	grpc_reply(call, NULL, 0);
	n = r->error.len < 1024 ? r->error.len : 1024;
	free(s->notice);
	s->notice = n ? str_ndup((const char *)r->error.data, n) : NULL;
	s->accepted = r->plugin_registered;
	protobuf_c_message_free_unpacked(m, &a);
	/* From the loop's next turn: the answer leaves first, and the backend
	 * may do what it likes with this server. */
	loop_timer_start(s->noticed, 0);
}

const struct grpc_method csi_reg_methods[] = {
	{ "/pluginregistration.Registration/GetInfo", reg_get_info },
	{ "/pluginregistration.Registration/NotifyRegistrationStatus",
	    reg_notify },
	{ NULL, NULL }
};
