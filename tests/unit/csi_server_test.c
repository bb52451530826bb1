/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/mem.h"
#include "csi/csi.pb-c.h"
#include "csi/csi_internal.h"
#include "csi/grpc_internal.h"
#include "csi/registration.pb-c.h"
#define GC_CALLS 40
#include "tests/tools/grpc_client.h"

/*
 * csi_server on real sockets: server and clients on one loop, a backend that
 * answers when the test says so.
 */
#define ROOT "/kubelet/pods"

struct peer {
	struct gc g;
	int fd;
	struct loop_fd *watch;
	int eof;
};

struct held {
	struct csi_call *call;
	char *id;
	int unpublish;
};

struct fix {
	struct loop *loop;
	struct loop_timer *tick;
	int ticks;
	struct csi_server *s;
	char csi_path[64], reg_path[64];
	struct held held[200];
	size_t nheld;
	int ready, hold;
	int left;
	int registered, accepted, rebind, refuse;
	char notice[64];
};

static struct fix *fix;

/* --- the backend -------------------------------------------------------- */

static void
take(const char *id, struct csi_call *c, int is_unpublish)
{
	struct held *h;

	if (!fix->hold) {
		csi_call_done(c, NULL);
		return;
	}
	h = &fix->held[fix->nheld++];
	h->call = c;
	h->id = str_dup(id);
	h->unpublish = is_unpublish;
}

static void
publish(void *arg, struct csi_publish *p, struct csi_call *c)
{
	assert_ptr_equal(arg, fix);
	take(p->volume_id, c, 0);
	csi_publish_free(p);
}

static void
unpublish(void *arg, const char *id, const char *path, struct csi_call *c)
{
	(void)arg;
	assert_int_equal(path[0], '/');
	take(id, c, 1);
}

static int
stats(void *arg, const char *id, const char *path, struct csi_stats *ret,
    struct err *err)
{
	(void)arg;
	(void)path;
	if (strcmp(id, "v1") != 0)
		return (err_set(err, ERR_NOTFOUND, "no volume %s", id));
	*ret = (struct csi_stats){ 100, 40, 60, 10, 4, 6 };
	return (0);
}

static int
ready(void *arg)
{
	(void)arg;
	return (fix->ready);
}

static int listen_at(const char *path);

static void
registered(void *arg, const char *driver, int ok, const char *message)
{
	(void)arg;
	assert_string_equal(driver, CSI_DRIVER);
	fix->registered++;
	fix->accepted = ok;
	snprintf(fix->notice, sizeof(fix->notice), "%s", message);
	if (!ok && fix->rebind)
		assert_int_equal(csi_server_set_reg(fix->s,
		    listen_at(fix->reg_path), NULL), 0);
}

static int
may_register(void *arg, struct err *err)
{
	(void)arg;
	if (fix->refuse)
		return (err_set(err, ERR_DENIED, "not here"));
	return (0);
}

static void
left(void *arg)
{
	assert_ptr_equal(arg, fix);
	fix->left++;
}

/* --- the loop and the clients ------------------------------------------- */

static int
listen_at(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return (fd);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return (fd);
}

static void
on_tick(void *arg)
{
	struct fix *f = arg;

	f->ticks++;
	loop_timer_start(f->tick, 2);
	loop_stop(f->loop);
}

/* Turn the loop until the condition holds, at most ${ms}. */
#define UNTIL(cond, ms)							\
	do {								\
		int end_ = fix->ticks + (ms) / 2;			\
		while (!(cond) && fix->ticks < end_)			\
			loop_run(fix->loop);				\
	} while (0)
#define WAIT(cond) do { UNTIL(cond, 4000); assert_true(cond); } while (0)

static void
peer_flush(struct peer *p)
{
	const uint8_t *data;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(p->g.ng, &data)) > 0)
		if (send(p->fd, data, (size_t)n, MSG_NOSIGNAL) != n)
			return;
}

static void
on_peer(void *arg, int events)
{
	struct peer *p = arg;
	uint8_t in[65536];
	ssize_t n;

	(void)events;
	while ((n = recv(p->fd, in, sizeof(in), 0)) > 0)
		assert_int_equal(nghttp2_session_mem_recv(p->g.ng, in,
		    (size_t)n), n);
	if (n == 0 || errno == ECONNRESET) {
		p->eof = 1;
		loop_fd_watch(p->watch, 0);
		return;
	}
	peer_flush(p);
}

static struct peer *
peer_new(const char *path)
{
	struct peer *p = mem_alloc(sizeof(*p));

	gc_open(&p->g);
	p->fd = connect_to(path);
	p->watch = loop_fd_new(fix->loop, p->fd, on_peer, p, NULL);
	loop_fd_watch(p->watch, LOOP_READ);
	return (p);
}

static void
peer_free(struct peer *p)
{
	loop_fd_free(p->watch);
	gc_close(&p->g);
	close(p->fd);
	free(p);
}

static unsigned char *
frame(const ProtobufCMessage *m, size_t *ret_len)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	unsigned char *p = mem_alloc(len + 5);

	protobuf_c_message_pack(m, p + 5);
	p[3] = (unsigned char)(len >> 8);
	p[4] = (unsigned char)len;
	*ret_len = len + 5;
	return (p);
}

static struct gc_call *
call_timeout(struct peer *p, const char *path, const ProtobufCMessage *m,
    const char *timeout)
{
	struct gc_call *c;
	size_t len;
	unsigned char *msg = frame(m, &len);

	c = gc_start(&p->g, path, "localhost", timeout, msg, len);
	while (c->pos < c->len)
		peer_flush(p);
	c->msg = NULL;
	free(msg);
	return (c);
}

static struct gc_call *
empty_call(struct peer *p, const char *path)
{
	Csi__V1__ProbeRequest r = CSI__V1__PROBE_REQUEST__INIT;

	return (call_timeout(p, path, &r.base, NULL));
}

static ProtobufCBinaryData
bytes(const char *s)
{
	union {
		const char *s;
		uint8_t *u;
	} v = { .s = s };

	return ((ProtobufCBinaryData){ strlen(s), v.u });
}

static struct gc_call *
publish_timeout(struct peer *p, const char *id, const char *timeout)
{
	static const char *const attrs[] = {
		"csi.storage.k8s.io/pod.name", "web-0",
		"csi.storage.k8s.io/pod.namespace", "shop",
		"csi.storage.k8s.io/pod.uid", "abc",
		"csi.storage.k8s.io/serviceAccount.name", "web",
		"csi.storage.k8s.io/ephemeral", "true",
		"externalSecret", "web-tls"
	};
	Csi__V1__NodePublishVolumeRequest r =
	    CSI__V1__NODE_PUBLISH_VOLUME_REQUEST__INIT;
	Csi__V1__VolumeCapability cap = CSI__V1__VOLUME_CAPABILITY__INIT;
	Csi__V1__VolumeCapability__MountVolume mount =
	    CSI__V1__VOLUME_CAPABILITY__MOUNT_VOLUME__INIT;
	Csi__V1__VolumeCapability__AccessMode mode =
	    CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__INIT;
	Csi__V1__MapEntry context[6], *pc[6];
	size_t i;

	for (i = 0; i < 6; i++) {
		csi__v1__map_entry__init(&context[i]);
		context[i].key = bytes(attrs[2 * i]);
		context[i].value = bytes(attrs[2 * i + 1]);
		pc[i] = &context[i];
	}
	mode.mode = 1;
	cap.mount = &mount;
	cap.access_mode = &mode;
	r.volume_id = bytes(id);
	r.target_path = bytes(ROOT "/u/mount");
	r.readonly = 1;
	r.volume_capability = &cap;
	r.n_volume_context = 6;
	r.volume_context = pc;
	return (call_timeout(p, "/csi.v1.Node/NodePublishVolume", &r.base,
	    timeout));
}

static struct gc_call *
publish_call(struct peer *p, const char *id)
{
	return (publish_timeout(p, id, "120000m"));
}

static struct gc_call *
unpublish_call(struct peer *p, const char *id, const char *target)
{
	Csi__V1__NodeUnpublishVolumeRequest r =
	    CSI__V1__NODE_UNPUBLISH_VOLUME_REQUEST__INIT;

	r.volume_id = bytes(id);
	r.target_path = bytes(target);
	return (call_timeout(p, "/csi.v1.Node/NodeUnpublishVolume", &r.base,
	    NULL));
}

static struct gc_call *
notify(struct peer *p, int ok, const char *error)
{
	Pluginregistration__RegistrationStatus r =
	    PLUGINREGISTRATION__REGISTRATION_STATUS__INIT;

	r.plugin_registered = ok;
	r.error = bytes(error);
	return (call_timeout(p, "/pluginregistration.Registration/"
	    "NotifyRegistrationStatus", &r.base, NULL));
}

static void
answered(const struct gc_call *c, int code)
{
	const char *why;

	WAIT(c->closed);
	why = gc_check(c);
	if (why)
		fail_msg("%s", why);
	if (c->code != code)
		fail_msg("code %d: %s", c->code, c->text);
}

/* Refused by the server itself: the backend has not seen it. */
static void
aborted(const struct gc_call *c)
{
	size_t before = fix->nheld;

	WAIT(c->closed || fix->nheld > before);
	assert_int_equal(fix->nheld, before);
	answered(c, GRPC_ABORTED);
}

static void
release(size_t i)
{
	csi_call_done(fix->held[i].call, NULL);
	free(fix->held[i].id);
	fix->held[i].call = NULL;
	fix->held[i].id = NULL;
}

static int
setup(void **state)
{
	struct csi_config config = { CSI_DRIVER, "node-1",
	    "/kubelet/plugins/x/csi.sock", "1.2.3", ROOT "/" };
	struct csi_backend backend = { NULL, publish, unpublish, stats, ready,
	    registered, may_register, left };

	fix = mem_alloc(sizeof(*fix));
	*state = fix;
	backend.arg = fix;
	fix->ready = 1;
	fix->loop = loop_new(NULL);
	fix->tick = loop_timer_new(fix->loop, on_tick, fix);
	loop_timer_start(fix->tick, 2);
	snprintf(fix->csi_path, 64, "/tmp/csi-test-%d.sock", (int)getpid());
	snprintf(fix->reg_path, 64, "/tmp/csi-test-%d-reg.sock",
	    (int)getpid());
	return (csi_server_new(fix->loop, &config, &backend,
	    listen_at(fix->csi_path), listen_at(fix->reg_path), &fix->s,
	    NULL));
}

static int
teardown(void **state)
{
	size_t i;

	(void)state;
	csi_server_free(fix->s);
	for (i = 0; i < fix->nheld; i++)
		if (fix->held[i].call)
			release(i);
	loop_timer_free(fix->tick);
	loop_free(fix->loop);
	unlink(fix->csi_path);
	unlink(fix->reg_path);
	free(fix);
	return (0);
}

/* --- services ----------------------------------------------------------- */

static void
test_identity(void **state)
{
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c;
	Csi__V1__GetPluginInfoResponse *info;
	Csi__V1__NodeGetInfoResponse *node;

	(void)state;
	c = empty_call(p, "/csi.v1.Identity/GetPluginInfo");
	answered(c, 0);
	info = csi__v1__get_plugin_info_response__unpack(NULL,
	    c->body_len - 5, c->body + 5);
	assert_string_equal(info->name, CSI_DRIVER);
	assert_string_equal(info->vendor_version, "1.2.3");
	csi__v1__get_plugin_info_response__free_unpacked(info, NULL);
	c = empty_call(p, "/csi.v1.Identity/GetPluginCapabilities");
	answered(c, 0);
	assert_int_equal(c->body_len, 5);
	c = empty_call(p, "/csi.v1.Node/NodeGetInfo");
	answered(c, 0);
	node = csi__v1__node_get_info_response__unpack(NULL, c->body_len - 5,
	    c->body + 5);
	assert_string_equal(node->node_id, "node-1");
	csi__v1__node_get_info_response__free_unpacked(node, NULL);
	c = empty_call(p, "/csi.v1.Node/NodeGetCapabilities");
	answered(c, 0);
	/* VOLUME_MOUNT_GROUP and GET_VOLUME_STATS, as bytes on the wire. */
	assert_int_equal(c->body_len, 5 + 12);
	assert_memory_equal(c->body + 5,
	    "\x0a\x04\x0a\x02\x08\x06\x0a\x04\x0a\x02\x08\x02", 12);
	c = empty_call(p, "/csi.v1.Node/NodeStageVolume");
	answered(c, GRPC_UNIMPLEMENTED);
	c = empty_call(p, "/csi.v1.Controller/CreateVolume");
	answered(c, GRPC_UNIMPLEMENTED);
	peer_free(p);
	WAIT(grpc_listener_connections(fix->s->node) == 0);
}

static void
test_probe(void **state)
{
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c = empty_call(p, "/csi.v1.Identity/Probe");

	(void)state;
	answered(c, 0);
	assert_int_equal(c->body_len, 9);
	assert_memory_equal(c->body + 5, "\x0a\x02\x08\x01", 4);
	fix->ready = 0;
	c = empty_call(p, "/csi.v1.Identity/Probe");
	answered(c, 0);
	/* There and false: not the same as absent, which means ready. */
	assert_int_equal(c->body_len, 7);
	assert_memory_equal(c->body + 5, "\x0a\x00", 2);
	peer_free(p);
}

static void
test_stats(void **state)
{
	static const struct {
		const char *id, *path;
		int code;
	} t[] = {
		{ "v1", ROOT "/u/mount", 0 },
		{ "v2", ROOT "/u/mount", GRPC_NOT_FOUND },
		{ "v1", "some/where", GRPC_NOT_FOUND },
		{ "v1", ROOT "/../x", GRPC_NOT_FOUND },
		{ "v1", "", GRPC_INVALID_ARGUMENT },
		{ "", ROOT "/u/mount", GRPC_INVALID_ARGUMENT },
	};
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c = NULL;
	Csi__V1__NodeGetVolumeStatsResponse *r;
	size_t i;

	(void)state;
	for (i = ARRAY_LEN(t); i-- > 0;) {
		Csi__V1__NodeGetVolumeStatsRequest q =
		    CSI__V1__NODE_GET_VOLUME_STATS_REQUEST__INIT;

		q.volume_id = bytes(t[i].id);
		q.volume_path = bytes(t[i].path);
		c = call_timeout(p, "/csi.v1.Node/NodeGetVolumeStats",
		    &q.base, NULL);
		answered(c, t[i].code);
	}
	r = csi__v1__node_get_volume_stats_response__unpack(NULL,
	    c->body_len - 5, c->body + 5);
	assert_int_equal(r->n_usage, 2);
	assert_int_equal(r->usage[0]->unit, 1);
	assert_int_equal(r->usage[0]->total, 100);
	assert_int_equal(r->usage[0]->available, 60);
	assert_int_equal(r->usage[1]->unit, 2);
	assert_int_equal(r->usage[1]->used, 4);
	csi__v1__node_get_volume_stats_response__free_unpacked(r, NULL);
	peer_free(p);
}

static void
test_garbage_message(void **state)
{
	static const char *const paths[] = {
		"/csi.v1.Node/NodePublishVolume",
		"/csi.v1.Node/NodeUnpublishVolume",
		"/csi.v1.Node/NodeGetVolumeStats",
		"/csi.v1.Node/NodeGetCapabilities",
	};
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(paths); i++) {
		c = gc_start(&p->g, paths[i], "localhost", NULL,
		    (const unsigned char *)"\0\0\0\0\3\x0a\x7f!", 8);
		peer_flush(p);
		answered(c, GRPC_INVALID_ARGUMENT);
		assert_non_null(strstr(c->text, "the request is not a "));
	}
	peer_free(p);
}

/* --- one operation a volume --------------------------------------------- */

static void
test_busy(void **state)
{
	struct peer *p = peer_new(fix->csi_path), *q = peer_new(fix->csi_path);
	struct gc_call *a, *b;

	(void)state;
	fix->hold = 1;
	a = publish_call(p, "v1");
	WAIT(fix->nheld == 1);
	aborted(publish_call(q, "v1"));
	aborted(unpublish_call(q, "v1", ROOT "/u/mount"));
	assert_int_equal(fix->nheld, 1);
	b = publish_call(q, "v2");
	WAIT(fix->nheld == 2);
	release(0);
	answered(a, 0);
	a = unpublish_call(q, "v1", ROOT "/u/mount");
	WAIT(fix->nheld == 3);
	assert_true(fix->held[2].unpublish);
	aborted(publish_call(p, "v1"));
	release(2);
	answered(a, 0);
	csi_call_fail(fix->held[1].call, GRPC_ALREADY_EXISTS, "elsewhere");
	fix->held[1].call = NULL;
	free(fix->held[1].id);
	answered(b, GRPC_ALREADY_EXISTS);
	assert_string_equal(b->text, "elsewhere");
	peer_free(p);
	peer_free(q);
}

/* What came in may have been a token: it does not stay in the buffer.
 * Control: WEAKEN_GRPC_WIPE. */
static void
test_input_is_wiped(void **state)
{
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c;

	(void)state;
	fix->hold = 1;
	c = publish_call(p, "v1");
	WAIT(fix->nheld == 1);
	assert_null(memmem(fix->s->node, malloc_usable_size(fix->s->node),
	    "web-tls", 7));
	release(0);
	answered(c, 0);
	peer_free(p);
}

/* The kubelet's connection is gone, its call is not: the retry is told so. */
static void
test_peer_dies(void **state)
{
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c;

	(void)state;
	fix->hold = 1;
	publish_call(p, "v1");
	WAIT(fix->nheld == 1);
	assert_true(csi_call_left_ms(fix->held[0].call) > 100000);
	peer_free(p);
	assert_int_equal(fix->left, 0);
	WAIT(grpc_listener_connections(fix->s->node) == 0);
	assert_int_equal(fix->left, 1);
	assert_int_equal(csi_call_left_ms(fix->held[0].call), 0);
	p = peer_new(fix->csi_path);
	aborted(publish_call(p, "v1"));
	release(0);
	fix->hold = 0;
	c = publish_call(p, "v1");
	answered(c, 0);
	peer_free(p);
}

static void
test_deadline(void **state)
{
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c;

	(void)state;
	fix->hold = 1;
	c = publish_timeout(p, "v1", "40m");
	WAIT(fix->nheld == 1);
	assert_true(csi_call_left_ms(fix->held[0].call) <= 40);
	answered(c, GRPC_DEADLINE_EXCEEDED);
	aborted(publish_call(p, "v1"));
	release(0);
	peer_free(p);
}

static void
test_unpublish_target(void **state)
{
	struct peer *p = peer_new(fix->csi_path);

	(void)state;
	answered(unpublish_call(p, "", ROOT "/u/mount"),
	    GRPC_INVALID_ARGUMENT);
	answered(unpublish_call(p, "v1", ""), GRPC_INVALID_ARGUMENT);
	answered(unpublish_call(p, "v1", ROOT), GRPC_INVALID_ARGUMENT);
	answered(unpublish_call(p, "v1", ROOT "/../../etc"),
	    GRPC_INVALID_ARGUMENT);
	answered(unpublish_call(p, "v1", "/etc"), GRPC_INVALID_ARGUMENT);
	answered(unpublish_call(p, "v1", ROOT "/u/mount"), 0);
	peer_free(p);
}

/* GOAWAY, then the end; what waits is dropped and may still answer. */
static void
test_stop(void **state)
{
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c;

	(void)state;
	fix->hold = 1;
	c = publish_call(p, "v1");
	WAIT(fix->nheld == 1);
	csi_server_free(fix->s);
	fix->s = NULL;
	WAIT(p->eof);
	assert_int_equal(p->g.goaways, 1);
	assert_int_equal(p->g.goaway_code, NGHTTP2_NO_ERROR);
	assert_int_equal(c->code, -1);
	assert_int_equal(csi_call_left_ms(fix->held[0].call), 0);
	release(0);
	peer_free(p);
}

/* --- registration ------------------------------------------------------- */

static void
test_registration(void **state)
{
	struct peer *p = peer_new(fix->reg_path), *q;
	struct gc_call *c;
	Pluginregistration__PluginInfo *r;

	(void)state;
	c = empty_call(p, "/pluginregistration.Registration/GetInfo");
	answered(c, 0);
	r = pluginregistration__plugin_info__unpack(NULL, c->body_len - 5,
	    c->body + 5);
	assert_string_equal(r->type, "CSIPlugin");
	assert_string_equal(r->name, CSI_DRIVER);
	assert_string_equal(r->endpoint, "/kubelet/plugins/x/csi.sock");
	assert_int_equal(r->n_supported_versions, 1);
	assert_string_equal(r->supported_versions[0], "1.0.0");
	pluginregistration__plugin_info__free_unpacked(r, NULL);
	answered(notify(p, 1, ""), 0);
	WAIT(fix->registered == 1);
	assert_int_equal(fix->accepted, 1);
	/* Refused: answered, then the socket goes, and a new one serves. */
	fix->rebind = 1;
	answered(notify(p, 0, "name is taken"), 0);
	WAIT(fix->registered == 2);
	assert_int_equal(fix->accepted, 0);
	assert_string_equal(fix->notice, "name is taken");
	WAIT(p->eof);
	q = peer_new(fix->reg_path);
	answered(empty_call(q, "/pluginregistration.Registration/GetInfo"), 0);
	peer_free(p);
	peer_free(q);
}

static void
test_registration_refused(void **state)
{
	struct peer *p = peer_new(fix->reg_path);
	struct gc_call *c;

	(void)state;
	fix->refuse = 1;
	c = empty_call(p, "/pluginregistration.Registration/GetInfo");
	answered(c, GRPC_PERMISSION_DENIED);
	assert_string_equal(c->text, "not here");
	/* The kubelet asks again, until there is nothing to refuse. */
	fix->refuse = 0;
	answered(empty_call(p, "/pluginregistration.Registration/GetInfo"), 0);
	peer_free(p);
}

/* --- connections -------------------------------------------------------- */

static void
test_foreign_user(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();		/* nobody else to be */
	assert_int_equal(chmod(fix->csi_path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		struct sockaddr_un sun = { .sun_family = AF_UNIX };
		char c;
		int fd;

		alarm(10);
		if (setresgid(65534, 65534, 65534) == -1 ||
		    setresuid(65534, 65534, 65534) == -1)
			_exit(2);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		snprintf(sun.sun_path, sizeof(sun.sun_path), "%s",
		    fix->csi_path);
		if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
			_exit(3);
		/* Not even SETTINGS. */
		_exit(read(fd, &c, 1) == 0 ? 0 : 4);
	}
	UNTIL(waitpid(pid, &status, WNOHANG) == pid, 8000);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(grpc_listener_connections(fix->s->node), 0);
}

static void
patience(uint32_t stuck_ms, uint32_t idle_ms, size_t connections)
{
	struct grpc_patience p = { stuck_ms, idle_ms, connections };

	grpc_listener_set_patience(fix->s->node, &p);
}

static void
test_idle(void **state)
{
	struct peer *p, *q;

	(void)state;
	patience(10000, 60, 512);
	fix->hold = 1;
	p = peer_new(fix->csi_path);
	q = peer_new(fix->csi_path);
	publish_call(q, "v1");
	WAIT(p->eof);
	assert_int_equal(p->g.goaways, 1);
	/* One that waits for an answer is not idle. */
	assert_int_equal(fix->nheld, 1);
	UNTIL(0, 100);
	assert_false(q->eof);
	release(0);
	WAIT(q->eof);
	assert_int_equal(q->g.calls[0].code, 0);
	peer_free(p);
	peer_free(q);
}

/* Bytes alone are no progress: a request must be whole in time. */
static void
test_slow_request(void **state)
{
	unsigned char prefix[5] = { 0, 0, 0, 1000 >> 8, 1000 & 255 };
	unsigned char drip[10] = { 0, 0, 1, 0, 0, 0, 0, 0, 1, 'x' };
	struct peer *p;
	struct gc_call *c;
	int i;

	(void)state;
	patience(80, 10000, 512);
	p = peer_new(fix->csi_path);
	c = gc_start(&p->g, "/csi.v1.Identity/Probe", "localhost", NULL,
	    prefix, 5);
	c->no_end = 1;
	peer_flush(p);
	for (i = 0; i < 500 && !p->eof; i++) {
		(void)!send(p->fd, drip, sizeof(drip), MSG_NOSIGNAL);
		UNTIL(p->eof, 4);
	}
	assert_true(p->eof);
	assert_true(i < 200);
	assert_int_equal(c->code, -1);
	peer_free(p);
}

/* Asks and never reads: its requests stay in its own socket. */
static void
test_deaf(void **state)
{
	struct peer *p;
	size_t sent = 0;
	ssize_t n;
	int fd, i;

	(void)state;
	patience(150, 10000, 512);
	p = peer_new(fix->csi_path);
	loop_fd_watch(p->watch, 0);
	empty_call(p, "/csi.v1.Node/NodeGetInfo");
	fd = p->fd;
	/* PINGs, each wants an answer: paid by the noise bucket at the
	 * latest, by the socket before. */
	for (i = 0; i < 200000; i++) {
		n = send(fd, "\0\0\10\6\0\0\0\0\0abcdefgh", 17, MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN) {
			if (fix->ticks > 500)
				break;
			loop_run(fix->loop);
		} else if (n == -1)
			break;
		else
			sent += (size_t)n;
	}
	assert_true(sent < 4u << 20);
	WAIT(grpc_listener_connections(fix->s->node) == 0);
	peer_free(p);
}

static void
test_connection_limit(void **state)
{
	struct peer *p[6];
	struct gc_call *c;
	size_t i;

	(void)state;
	patience(10000, 10000, 4);
	fix->hold = 1;
	for (i = 0; i < 4; i++) {
		char id[8];

		p[i] = peer_new(fix->csi_path);
		if (i == 3)
			break;
		snprintf(id, sizeof(id), "v%zu", i);
		publish_call(p[i], id);
	}
	WAIT(fix->nheld == 3);
	/* The idle one makes room. */
	p[4] = peer_new(fix->csi_path);
	publish_call(p[4], "v4");
	WAIT(fix->nheld == 4);
	WAIT(p[3]->eof);
	/* All four at work: the next one waits for a place. */
	p[5] = peer_new(fix->csi_path);
	c = empty_call(p[5], "/csi.v1.Node/NodeGetInfo");
	UNTIL(c->closed, 60);
	assert_int_equal(c->code, -1);
	assert_int_equal(grpc_listener_connections(fix->s->node), 4);
	release(1);
	answered(c, 0);
	for (i = 0; i < 6; i++)
		peer_free(p[i]);
}

/* No descriptor left: no busy loop, and service afterwards. */
static void
test_no_descriptors(void **state)
{
	struct rlimit old, low;
	struct peer *p = peer_new(fix->csi_path);
	struct gc_call *c;
	int fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	fd = dup(0);
	low = old;
	low.rlim_cur = (rlim_t)fd;
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	c = empty_call(p, "/csi.v1.Node/NodeGetInfo");
	UNTIL(c->closed, 60);
	assert_int_equal(c->code, -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	answered(c, 0);
	peer_free(p);
}

static void
test_config(void **state)
{
	struct csi_config config = { "other.driver", "n", NULL, NULL, ROOT };
	const struct csi_backend backend = { NULL, publish, unpublish, stats,
	    ready, registered, NULL, NULL };
	struct csi_server *s = NULL;
	char path[80];
	int i, fd;

	(void)state;
	snprintf(path, sizeof(path), "%s.x", fix->csi_path);
	for (i = 0; i < 3; i++) {
		cleanup_err struct err err = ERR_INIT;

		fd = listen_at(path);
		config.driver = i == 0 ? "other.driver" : CSI_DRIVER_IDENTITY;
		config.node_id = i == 1 ? "" : "n";
		config.targets_root = i == 2 ? "relative" : ROOT;
		assert_int_equal(csi_server_new(fix->loop, &config, &backend,
		    fd, -1, &s, &err), -1);
		assert_true(fcntl(fd, F_GETFD) == -1);	/* taken over */
	}
	unlink(path);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_identity), T(test_probe), T(test_stats),
		T(test_garbage_message), T(test_busy),
		T(test_input_is_wiped), T(test_peer_dies),
		T(test_deadline), T(test_unpublish_target), T(test_stop),
		T(test_registration), T(test_foreign_user), T(test_idle),
		T(test_registration_refused),
		T(test_slow_request), T(test_deaf), T(test_connection_limit),
		T(test_no_descriptors), T(test_config),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
