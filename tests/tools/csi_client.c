/* SPDX-License-Identifier: Apache-2.0 */
#define GC_CALLS 1

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "csi/csi.pb-c.h"
#include "csi/registration.pb-c.h"
#include "tests/tools/grpc_client.h"

/*
 * One CSI call as the kubelet makes it, on a connection of its own; or many,
 * timed.  Exit status: the gRPC code; 100 when there was no answer of that
 * kind.
 */
static const char help[] =
"usage: csi_client SOCKET COMMAND [OPTION...]\n"
"  publish --target T --volume-id V --attr k=v... [--secret k=v] [--group N]\n"
"          [--rw] [--fs-type F] [--block] [--pod NS/NAME] [--uid U]\n"
"          [--account A] [--no-pod-info]\n"
"  unpublish --target T --volume-id V\n"
"  stats --target T --volume-id V\n"
"  info | capabilities | probe | plugin-info | plugin-capabilities\n"
"  reg-info | reg-notify [--refuse MESSAGE]\n"
"  bench-publish N, bench-unpublish N: as above, %d in T and V is the number;\n"
"          prints microseconds, one RPC a line  [--parallel | --stepped:\n"
"          each waits for a line on stdin]\n"
"everywhere: [--timeout MS] [--authority A]\n";

#define PAIRS 64

struct options {
	const char *socket, *command, *target, *volume_id, *group, *fs_type;
	const char *account, *uid, *refuse, *authority;
	char ns[256], pod[256];
	struct pair {
		char *key;
		const char *value;
	} attrs[PAIRS], secrets[PAIRS];
	size_t nattrs, nsecrets;
	long count, timeout_ms;
	int rw, block, no_pod_info, parallel, stepped;
};

static void
die(const char *what)
{
	fprintf(stderr, "csi_client: %s\n", what);
	exit(100);
}

static void *
need(void *p)
{
	if (!p)
		die("no memory");
	return (p);
}

static ProtobufCBinaryData
bytes(const char *s)
{
	union {
		const char *s;
		uint8_t *u;
	} v = { .s = s ? s : "" };

	return ((ProtobufCBinaryData){ strlen(v.s), v.u });
}

/* --- building requests -------------------------------------------------- */

static unsigned char *
frame(const ProtobufCMessage *m, size_t *ret_len)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	unsigned char *p = need(calloc(1, len + 5));

	protobuf_c_message_pack(m, p + 5);
	p[1] = (unsigned char)(len >> 24);
	p[2] = (unsigned char)(len >> 16);
	p[3] = (unsigned char)(len >> 8);
	p[4] = (unsigned char)len;
	*ret_len = len + 5;
	return (p);
}

/* The pattern with its first %d replaced. */
static char *
number(const char *pattern, long i)
{
	const char *at = pattern ? strstr(pattern, "%d") : NULL;
	char *out = NULL;

	if (!pattern)
		die("--target and --volume-id are needed");
	if (!at)
		return (need(strdup(pattern)));
	if (asprintf(&out, "%.*s%ld%s", (int)(at - pattern), pattern, i,
	    at + 2) == -1)
		die("no memory");
	return (out);
}

static size_t
map(Csi__V1__MapEntry *out, Csi__V1__MapEntry **ptrs, const struct pair *v,
    size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		csi__v1__map_entry__init(&out[i]);
		out[i].key = bytes(v[i].key);
		out[i].value = bytes(v[i].value);
		ptrs[i] = &out[i];
	}
	return (n);
}

/* podInfoOnMount, but for keys that were given as --attr. */
static void
pod_info(struct options *o)
{
	static const char *const keys[5] = { "pod.name", "pod.namespace",
	    "pod.uid",
	    "serviceAccount.name", "ephemeral" };
	const char *values[5] = { o->pod, o->ns, o->uid, o->account, "true" };
	char full[128];
	size_t i, k;

	for (i = 0; i < 5; i++) {
		snprintf(full, sizeof(full), "csi.storage.k8s.io/%s", keys[i]);
		for (k = 0; k < o->nattrs; k++)
			if (strcmp(o->attrs[k].key, full) == 0)
				break;
		if (k < o->nattrs || o->nattrs == PAIRS)
			continue;
		o->attrs[o->nattrs].key = need(strdup(full));
		o->attrs[o->nattrs++].value = values[i];
	}
}

static unsigned char *
publish_frame(const struct options *o, long i, size_t *ret_len)
{
	Csi__V1__NodePublishVolumeRequest r =
	    CSI__V1__NODE_PUBLISH_VOLUME_REQUEST__INIT;
	Csi__V1__VolumeCapability cap = CSI__V1__VOLUME_CAPABILITY__INIT;
	Csi__V1__VolumeCapability__MountVolume mount =
	    CSI__V1__VOLUME_CAPABILITY__MOUNT_VOLUME__INIT;
	Csi__V1__VolumeCapability__BlockVolume block =
	    CSI__V1__VOLUME_CAPABILITY__BLOCK_VOLUME__INIT;
	Csi__V1__VolumeCapability__AccessMode mode =
	    CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__INIT;
	Csi__V1__MapEntry context[PAIRS], secrets[PAIRS];
	Csi__V1__MapEntry *pc[PAIRS], *ps[PAIRS];
	char *target = number(o->target, i), *id = number(o->volume_id, i);
	unsigned char *p;

	r.target_path = bytes(target);
	r.volume_id = bytes(id);
	mode.mode = 1;
	mount.fs_type = bytes(o->fs_type);
	mount.volume_mount_group = bytes(o->group);
	cap.access_mode = &mode;
	cap.mount = o->block ? NULL : &mount;
	cap.block = o->block ? &block : NULL;
	r.volume_capability = &cap;
	r.readonly = !o->rw;
	r.volume_context = pc;
	r.n_volume_context = map(context, pc, o->attrs, o->nattrs);
	r.secrets = ps;
	r.n_secrets = map(secrets, ps, o->secrets, o->nsecrets);
	p = frame(&r.base, ret_len);
	free(target);
	free(id);
	return (p);
}

static unsigned char *
unpublish_frame(const struct options *o, long i, size_t *ret_len)
{
	Csi__V1__NodeUnpublishVolumeRequest r =
	    CSI__V1__NODE_UNPUBLISH_VOLUME_REQUEST__INIT;
	char *target = number(o->target, i), *id = number(o->volume_id, i);
	unsigned char *p;

	r.target_path = bytes(target);
	r.volume_id = bytes(id);
	p = frame(&r.base, ret_len);
	free(target);
	free(id);
	return (p);
}

static unsigned char *
stats_frame(const struct options *o, long i, size_t *ret_len)
{
	Csi__V1__NodeGetVolumeStatsRequest r =
	    CSI__V1__NODE_GET_VOLUME_STATS_REQUEST__INIT;

	(void)i;
	r.volume_path = bytes(o->target);
	r.volume_id = bytes(o->volume_id);
	return (frame(&r.base, ret_len));
}

static unsigned char *
notify_frame(const struct options *o, long i, size_t *ret_len)
{
	Pluginregistration__RegistrationStatus r =
	    PLUGINREGISTRATION__REGISTRATION_STATUS__INIT;

	(void)i;
	r.plugin_registered = o->refuse == NULL;
	r.error = bytes(o->refuse);
	return (frame(&r.base, ret_len));
}

static unsigned char *
empty_frame(const struct options *o, long i, size_t *ret_len)
{
	Csi__V1__ProbeRequest r = CSI__V1__PROBE_REQUEST__INIT;

	(void)o;
	(void)i;
	return (frame(&r.base, ret_len));
}

/* --- printing answers --------------------------------------------------- */

static void
bad_body(void)
{
	die("the response message cannot be decoded");
}

static void
show_info(const uint8_t *b, size_t len)
{
	Csi__V1__NodeGetInfoResponse *r =
	    csi__v1__node_get_info_response__unpack(NULL, len, b);

	if (!r) {
		bad_body();
		return;
	}
	printf("node_id: %s\nmax_volumes_per_node: %lld\n", r->node_id,
	    (long long)r->max_volumes_per_node);
	csi__v1__node_get_info_response__free_unpacked(r, NULL);
}

static void
show_capabilities(const uint8_t *b, size_t len)
{
	Csi__V1__NodeGetCapabilitiesResponse *r =
	    csi__v1__node_get_capabilities_response__unpack(NULL, len, b);
	size_t i;

	if (!r) {
		bad_body();
		return;
	}
	for (i = 0; i < r->n_capabilities; i++)
		printf("capability: %s\n", r->capabilities[i]->rpc->type == 6 ?
		    "VOLUME_MOUNT_GROUP" : r->capabilities[i]->rpc->type == 2 ?
		    "GET_VOLUME_STATS" : "?");
	csi__v1__node_get_capabilities_response__free_unpacked(r, NULL);
}

static void
show_probe(const uint8_t *b, size_t len)
{
	Csi__V1__ProbeResponse *r =
	    csi__v1__probe_response__unpack(NULL, len, b);

	if (!r) {
		bad_body();
		return;
	}
	printf("ready: %s\n", !r->ready ? "unset" : r->ready->value ? "true" :
	    "false");
	csi__v1__probe_response__free_unpacked(r, NULL);
}

static void
show_plugin_info(const uint8_t *b, size_t len)
{
	Csi__V1__GetPluginInfoResponse *r =
	    csi__v1__get_plugin_info_response__unpack(NULL, len, b);

	if (!r) {
		bad_body();
		return;
	}
	printf("name: %s\nvendor_version: %s\n", r->name, r->vendor_version);
	csi__v1__get_plugin_info_response__free_unpacked(r, NULL);
}

static void
show_stats(const uint8_t *b, size_t len)
{
	Csi__V1__NodeGetVolumeStatsResponse *r =
	    csi__v1__node_get_volume_stats_response__unpack(NULL, len, b);
	size_t i;

	if (!r) {
		bad_body();
		return;
	}
	for (i = 0; i < r->n_usage; i++)
		printf("%s: total %lld used %lld available %lld\n",
		    r->usage[i]->unit == 1 ? "bytes" : "inodes",
		    (long long)r->usage[i]->total,
		    (long long)r->usage[i]->used,
		    (long long)r->usage[i]->available);
	csi__v1__node_get_volume_stats_response__free_unpacked(r, NULL);
}

static void
show_reg_info(const uint8_t *b, size_t len)
{
	Pluginregistration__PluginInfo *r =
	    pluginregistration__plugin_info__unpack(NULL, len, b);
	size_t i;

	if (!r) {
		bad_body();
		return;
	}
	printf("type: %s\nname: %s\nendpoint: %s\n", r->type, r->name,
	    r->endpoint);
	for (i = 0; i < r->n_supported_versions; i++)
		printf("version: %s\n", r->supported_versions[i]);
	pluginregistration__plugin_info__free_unpacked(r, NULL);
}

static void
show_empty(const uint8_t *b, size_t len)
{
	(void)b;
	if (len)
		die("the response message is not empty");
}

static const struct command {
	const char *name, *path;
	unsigned char *(*frame)(const struct options *, long, size_t *);
	void (*show)(const uint8_t *, size_t);
	int bench;
} commands[] = {
	{ "publish", "/csi.v1.Node/NodePublishVolume", publish_frame,
	    show_empty, 0 },
	{ "unpublish", "/csi.v1.Node/NodeUnpublishVolume", unpublish_frame,
	    show_empty, 0 },
	{ "stats", "/csi.v1.Node/NodeGetVolumeStats", stats_frame,
	    show_stats, 0 },
	{ "info", "/csi.v1.Node/NodeGetInfo", empty_frame, show_info, 0 },
	{ "capabilities", "/csi.v1.Node/NodeGetCapabilities", empty_frame,
	    show_capabilities, 0 },
	{ "probe", "/csi.v1.Identity/Probe", empty_frame, show_probe, 0 },
	{ "plugin-info", "/csi.v1.Identity/GetPluginInfo", empty_frame,
	    show_plugin_info, 0 },
	{ "plugin-capabilities", "/csi.v1.Identity/GetPluginCapabilities",
	    empty_frame, show_empty, 0 },
	{ "reg-info", "/pluginregistration.Registration/GetInfo", empty_frame,
	    show_reg_info, 0 },
	{ "reg-notify",
	    "/pluginregistration.Registration/NotifyRegistrationStatus",
	    notify_frame, show_empty, 0 },
	{ "bench-publish", "/csi.v1.Node/NodePublishVolume", publish_frame,
	    show_empty, 1 },
	{ "bench-unpublish", "/csi.v1.Node/NodeUnpublishVolume",
	    unpublish_frame, show_empty, 1 },
};

/* --- the wire ----------------------------------------------------------- */

struct rpc {
	struct gc g;
	int fd;
	const char *path, *authority;
	char timeout[32];
	unsigned char *msg;
	size_t len;
	int64_t took_us;		/* 0: not over */
};

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

static void
rpc_open(struct rpc *r, const struct options *o, const struct command *c,
    long i)
{
	gc_open(&r->g);
	r->fd = -1;
	r->path = c->path;
	r->authority = o->authority;
	r->msg = c->frame(o, i, &r->len);
	snprintf(r->timeout, sizeof(r->timeout), "%ldm", o->timeout_ms);
}

static void
rpc_connect(struct rpc *r, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sun.sun_path))
		die("the socket's path is too long");
	strcpy(sun.sun_path, path);
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->fd == -1 || connect(r->fd, (struct sockaddr *)&sun,
	    sizeof(sun)) == -1) {
		fprintf(stderr, "csi_client: %s: %s\n", path, strerror(errno));
		exit(100);
	}
	fcntl(r->fd, F_SETFL, O_NONBLOCK);
}

static int
send_all(int fd, const uint8_t *data, size_t len)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	ssize_t n;

	while (len) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN)
			return (-1);
		if (n == -1) {
			poll(&p, 1, 1000);
			continue;
		}
		data += n;
		len -= (size_t)n;
	}
	return (0);
}

/* Frames that are ready together leave together, as from any real client. */
static int
rpc_write(struct rpc *r)
{
	uint8_t out[16384 + 1024];
	const uint8_t *data;
	size_t len = 0;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(r->g.ng, &data)) > 0) {
		if (len + (size_t)n > sizeof(out)) {
			if (send_all(r->fd, out, len) == -1)
				return (-1);
			len = 0;
		}
		if ((size_t)n > sizeof(out)) {
			if (send_all(r->fd, data, (size_t)n) == -1)
				return (-1);
			continue;
		}
		memcpy(out + len, data, (size_t)n);
		len += (size_t)n;
	}
	return (send_all(r->fd, out, len));
}

/* 1: over. */
static int
rpc_read(struct rpc *r)
{
	uint8_t in[65536];
	ssize_t n = recv(r->fd, in, sizeof(in), 0);

	if (n == -1 && errno == EAGAIN)
		return (0);
	if (n <= 0)
		return (1);
	if (nghttp2_session_mem_recv(r->g.ng, in, (size_t)n) < 0)
		return (1);
	/* As grpc-go: no request before the server's settings. */
	if (r->g.n == 0 && r->g.settings)
		gc_start(&r->g, r->path, r->authority, r->timeout, r->msg,
		    r->len);
	(void)rpc_write(r);
	return (r->g.calls[0].closed);
}

/* Those that are connected, to their ends or until the time is up. */
static void
rpc_run(struct rpc *v, size_t n, int64_t start, long timeout_ms)
{
	const int64_t end = start + (int64_t)(timeout_ms + 1000) * 1000;
	struct pollfd *p = need(calloc(n, sizeof(*p)));
	size_t i, left = n;

	for (i = 0; i < n; i++) {
		p[i].fd = v[i].fd;
		p[i].events = POLLIN;
		(void)rpc_write(&v[i]);
	}
	while (left && now_us() < end) {
		if (poll(p, n, 100) <= 0)
			continue;
		for (i = 0; i < n; i++)
			if (p[i].fd >= 0 && p[i].revents &&
			    rpc_read(&v[i])) {
				v[i].took_us = now_us() - start;
				p[i].fd = -1;
				left--;
			}
	}
	free(p);
}

static void
rpc_close(struct rpc *r)
{
	gc_close(&r->g);
	free(r->msg);
	close(r->fd);
}

static int
report(const struct rpc *r, const struct command *c)
{
	const struct gc_call *call = &r->g.calls[0];
	const char *why = gc_check(call);

	if (why) {
		fprintf(stderr, "csi_client: %s (http %d, reset %u)\n", why,
		    call->http, call->reset);
		return (100);
	}
	printf("grpc-status: %d\n", call->code);
	if (call->text[0])
		printf("grpc-message: %s\n", call->text);
	if (call->code == 0)
		c->show(call->body + 5, call->body_len - 5);
	return (call->code);
}

static int
one(const struct options *o, const struct command *c)
{
	struct rpc r;
	int rc;

	rpc_open(&r, o, c, 0);
	rpc_connect(&r, o->socket);
	rpc_run(&r, 1, now_us(), o->timeout_ms);
	rc = report(&r, c);
	rpc_close(&r);
	return (rc);
}

static int
check(const struct rpc *r, long i)
{
	const struct gc_call *call = &r->g.calls[0];
	const char *why = gc_check(call);

	if (!why && call->code == 0)
		return (0);
	fprintf(stderr, "csi_client: call %ld: %s\n", i, why ? why :
	    call->text);
	return (why ? 100 : call->code);
}

/* One after another, or all at once on connections of their own. */
static int
bench(const struct options *o, const struct command *c)
{
	struct rpc *v = need(calloc((size_t)o->count, sizeof(*v)));
	int64_t start, first = now_us(), end = 0;
	int rc = 0, bad;
	char line[16];
	long i;

	for (i = 0; i < o->count; i++)
		rpc_open(&v[i], o, c, i);
	if (o->parallel) {
		first = now_us();
		for (i = 0; i < o->count; i++)
			rpc_connect(&v[i], o->socket);
		rpc_run(v, (size_t)o->count, first, o->timeout_ms);
		end = now_us();
	}
	for (i = 0; i < o->count; i++) {
		if (o->stepped && !fgets(line, sizeof(line), stdin))
			die("no more steps");
		if (!o->parallel) {
			start = now_us();
			rpc_connect(&v[i], o->socket);
			rpc_run(&v[i], 1, start, o->timeout_ms);
		}
		bad = check(&v[i], i);
		rc = rc ? rc : bad;
		rpc_close(&v[i]);
		printf("%lld\n", (long long)v[i].took_us);
		if (o->stepped)
			fflush(stdout);
	}
	if (o->parallel)
		fprintf(stderr, "all: %lld\n", (long long)(end - first));
	free(v);
	return (rc);
}

/* --- options ------------------------------------------------------------ */

static void
pair_add(struct pair *v, size_t *n, char *text)
{
	char *eq = strchr(text, '=');

	if (!eq || *n == PAIRS)
		die("--attr and --secret want KEY=VALUE");
	v[*n].key = need(strndup(text, (size_t)(eq - text)));
	v[(*n)++].value = eq + 1;
}

static int
flag(struct options *o, const char *name)
{
	static const struct {
		const char *name;
		size_t at;
	} flags[] = {
		{ "--rw", offsetof(struct options, rw) },
		{ "--block", offsetof(struct options, block) },
		{ "--no-pod-info", offsetof(struct options, no_pod_info) },
		{ "--parallel", offsetof(struct options, parallel) },
		{ "--stepped", offsetof(struct options, stepped) },
	};
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(flags[i].name, name) == 0) {
			*(int *)(void *)((char *)o + flags[i].at) = 1;
			return (1);
		}
	return (0);
}

static void
set_pod(struct options *o, const char *value)
{
	const char *slash = strchr(value, '/');

	if (!slash)
		die("--pod wants NAMESPACE/NAME");
	snprintf(o->ns, sizeof(o->ns), "%.*s", (int)(slash - value), value);
	snprintf(o->pod, sizeof(o->pod), "%s", slash + 1);
}

static void
option(struct options *o, const char *name, char *value)
{
	const struct {
		const char *name;
		const char **at;
	} texts[] = {
		{ "--target", &o->target }, { "--volume-id", &o->volume_id },
		{ "--group", &o->group }, { "--fs-type", &o->fs_type },
		{ "--account", &o->account }, { "--uid", &o->uid },
		{ "--refuse", &o->refuse }, { "--authority", &o->authority },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].name, name) == 0) {
			*texts[i].at = value;
			return;
		}
	if (strcmp(name, "--attr") == 0)
		pair_add(o->attrs, &o->nattrs, value);
	else if (strcmp(name, "--secret") == 0)
		pair_add(o->secrets, &o->nsecrets, value);
	else if (strcmp(name, "--pod") == 0)
		set_pod(o, value);
	else if (strcmp(name, "--timeout") == 0)
		o->timeout_ms = atol(value);
	else
		die("unknown option");
}

int
main(int argc, char **argv)
{
	struct options o = { .authority = "localhost", .timeout_ms = 120000,
	    .ns = "default", .pod = "pod", .account = "default",
	    .uid = "00000000-0000-0000-0000-000000000001" };
	const struct command *c = NULL;
	size_t k;
	int i = 3;

	if (argc < 3) {
		fputs(help, stderr);
		return (100);
	}
	o.socket = argv[1];
	for (k = 0; k < sizeof(commands) / sizeof(commands[0]); k++)
		if (strcmp(commands[k].name, argv[2]) == 0)
			c = &commands[k];
	if (!c)
		die("unknown command");
	if (c->bench)
		o.count = i < argc ? atol(argv[i++]) : 0;
	for (; i < argc; i++) {
		if (flag(&o, argv[i]))
			continue;
		if (i + 1 == argc)
			die("an option lacks its value");
		option(&o, argv[i], argv[i + 1]);
		i++;
	}
	if (c->bench && (o.count < 1 || o.count > 100000))
		die("how many?");
	if (!o.no_pod_info)
		pod_info(&o);
	i = c->bench ? bench(&o, c) : one(&o, c);
	for (k = 0; k < o.nattrs; k++)
		free(o.attrs[k].key);
	for (k = 0; k < o.nsecrets; k++)
		free(o.secrets[k].key);
	return (i);
}
