/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "csi/csi.pb-c.h"
#include "csi/csi_internal.h"

/* NodePublishVolumeRequest: the fields around the attributes. */
#define ROOT "/var/lib/kubelet/pods"
#define TARGET ROOT "/u/volumes/kubernetes.io~csi/v/mount"
#define TOKENS "csi.storage.k8s.io/serviceAccount.tokens"

struct req {
	Csi__V1__NodePublishVolumeRequest r;
	Csi__V1__VolumeCapability cap;
	Csi__V1__VolumeCapability__MountVolume mount;
	Csi__V1__VolumeCapability__BlockVolume block;
	Csi__V1__VolumeCapability__AccessMode mode;
	Csi__V1__MapEntry context[16], *pc[16], secrets[4], *ps[4];
	ProtobufCBinaryData flags[1];
};

static ProtobufCBinaryData
bytes(const char *s, size_t len)
{
	union {
		const char *s;
		uint8_t *u;
	} v = { .s = s };

	return ((ProtobufCBinaryData){ len, v.u });
}

#define B(s) bytes(s, strlen(s))

static void
pair(Csi__V1__MapEntry *v, Csi__V1__MapEntry **p, size_t *n, const char *k,
    const char *value)
{
	csi__v1__map_entry__init(&v[*n]);
	v[*n].key = B(k);
	v[*n].value = B(value);
	p[*n] = &v[*n];
	(*n)++;
}

static void
attr(struct req *q, const char *k, const char *v)
{
	q->r.volume_context = q->pc;
	pair(q->context, q->pc, &q->r.n_volume_context, k, v);
}

static void
secret(struct req *q, const char *k, const char *v)
{
	q->r.secrets = q->ps;
	pair(q->secrets, q->ps, &q->r.n_secrets, k, v);
}

static void
good(struct req *q)
{
	memset(q, 0, sizeof(*q));
	csi__v1__node_publish_volume_request__init(&q->r);
	csi__v1__volume_capability__init(&q->cap);
	csi__v1__volume_capability__mount_volume__init(&q->mount);
	csi__v1__volume_capability__block_volume__init(&q->block);
	csi__v1__volume_capability__access_mode__init(&q->mode);
	q->r.volume_id = B("csi-0123");
	q->r.target_path = B(TARGET);
	q->r.readonly = 1;
	q->r.volume_capability = &q->cap;
	q->cap.mount = &q->mount;
	q->cap.access_mode = &q->mode;
	q->mode.mode = 7;
	attr(q, "csi.storage.k8s.io/pod.name", "web-0");
	attr(q, "csi.storage.k8s.io/pod.namespace", "shop");
	attr(q, "csi.storage.k8s.io/pod.uid", "abc");
	attr(q, "csi.storage.k8s.io/serviceAccount.name", "web");
	attr(q, "csi.storage.k8s.io/ephemeral", "true");
	attr(q, "externalSecret", "web-tls");
}

static struct csi_publish *
unpack(struct req *q, const char *driver, struct err *err)
{
	size_t len = csi__v1__node_publish_volume_request__get_packed_size(
	    &q->r);
	cleanup_free uint8_t *p = mem_alloc(len);
	struct csi_publish *ret = NULL;

	csi__v1__node_publish_volume_request__pack(&q->r, p);
	if (csi_publish_unpack(p, len, ROOT, driver, &ret, err) == -1)
		assert_null(ret);
	return (ret);
}

static void
refused(struct req *q, const char *want)
{
	cleanup_err struct err err = ERR_INIT;
	struct csi_publish *p = unpack(q, CSI_DRIVER, &err);

	if (p)
		fail_msg("taken, not refused for %s", want);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_int_equal(err_reaction(err.kind)->grpc_code, 3);
	if (!strstr(err_msg(&err), want))
		fail_msg("\"%s\" lacks \"%s\"", err_msg(&err), want);
}

static void
test_good(void **state)
{
	struct req q;
	struct csi_publish *p;

	(void)state;
	good(&q);
	q.mount.volume_mount_group = B("2000");
	p = unpack(&q, CSI_DRIVER, NULL);
	assert_non_null(p);
	assert_string_equal(p->volume_id, "csi-0123");
	assert_string_equal(p->target_path, TARGET);
	assert_string_equal(p->pod_name, "web-0");
	assert_string_equal(p->service_account, "web");
	assert_string_equal(p->driver, CSI_DRIVER);
	assert_int_equal(p->group, 2000);
	assert_int_equal(p->mode, 0640);
	assert_null(p->tokens);
	csi_publish_free(p);
}

#define REFUSED(change, want)						\
	do {								\
		good(&q);						\
		change;							\
		refused(&q, want);					\
	} while (0)

static void
test_fields(void **state)
{
	char long_id[300];
	struct req q;

	(void)state;
	memset(long_id, 'x', sizeof(long_id));
	REFUSED(q.r.volume_id.len = 0, "volume_id: is missing");
	REFUSED(q.r.volume_id = bytes(long_id, 257), "volume_id: is longer");
	REFUSED(q.r.volume_id = bytes("a\0b", 3), "volume_id: is not text");
	REFUSED(q.r.volume_id = B("\xff"), "volume_id: is not text");
	REFUSED(q.r.readonly = 0, "readonly: false: the volume is read-only");
	REFUSED(q.r.readonly = 0, "set csi.readOnly: true");
	REFUSED(q.r.volume_capability = NULL, "volume_capability: is missing");
	REFUSED(q.cap.mount = NULL, "volume_capability.mount: is missing");
	REFUSED(q.cap.access_mode = NULL, "access_mode: is missing");
	REFUSED(q.mode.mode = 0, "access_mode: is missing");
	REFUSED(q.cap.block = &q.block, "volume_capability.block:");
	REFUSED(q.mount.fs_type = B("ext4"), "fs_type: the volume is always "
	    "a tmpfs: remove csi.fsType");
	q.flags[0] = B("ro");
	REFUSED((q.mount.mount_flags = q.flags, q.flags[0] = B("ro"),
	    q.mount.n_mount_flags = 1), "mount_flags: none");
	REFUSED(q.mount.volume_mount_group = B("-1"), "volume_mount_group");
	REFUSED(q.mount.volume_mount_group = B("1x"), "volume_mount_group");
	REFUSED(q.mount.volume_mount_group = B("4294967295"),
	    "volume_mount_group");
	REFUSED(q.mount.volume_mount_group = B("99999999999"),
	    "volume_mount_group");
	REFUSED(secret(&q, "password", "hunter2"), "remove "
	    "csi.nodePublishSecretRef");
	REFUSED(attr(&q, "colour", "red"), "\"colour\": unknown attribute");
	REFUSED(q.context[5].value = bytes("a\0b", 3), "volumeAttributes."
	    "\"externalSecret\": has a NUL");
	REFUSED(q.context[5].key = bytes("e\0b", 3), "volumeAttributes: the "
	    "name of an attribute is not text");
	REFUSED(q.context[0].key = B("x"), "\"x\": unknown attribute");
}

static void
test_target(void **state)
{
	static const char *const bad[] = {
		ROOT, ROOT "/", "/var/lib/kubelet", "/var/lib/kubelet/podsx/a",
		"/var/lib/kubelet/pods2", "/etc", "/", "u/v", "../pods/u",
		ROOT "/../x", ROOT "/u/../../x", ROOT "/u/..", ROOT "/./u",
		ROOT "//u", ROOT "/u//v", ROOT "/u/", ROOT "/u/.",
		"/var/lib/../lib/kubelet/pods/u", "\xff",
	};
	char deep[5000];
	struct req q;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++)
		REFUSED(q.r.target_path = B(bad[i]), "target_path: ");
	REFUSED(q.r.target_path.len = 0, "target_path: is missing");
	REFUSED(q.r.target_path = bytes(ROOT "/u\0/x", sizeof(ROOT) + 4),
	    "target_path: is not text");
	memset(deep, 'a', sizeof(deep));
	memcpy(deep, ROOT "/", sizeof(ROOT));
	REFUSED(q.r.target_path = bytes(deep, 4500), "target_path: ");
	REFUSED(q.r.target_path = bytes(deep, 400), "target_path: ");
	good(&q);
	q.r.target_path = B(ROOT "/x");
	csi_publish_free(unpack(&q, CSI_DRIVER, NULL));
}

static void
tokens_are(struct req *q, const char *driver, const char *want)
{
	cleanup_err struct err err = ERR_INIT;
	struct csi_publish *p = unpack(q, driver, &err);

	if (!p)
		fail_msg("%s", err_msg(&err));
	assert_int_equal(p->tokens != NULL, want != NULL);
	if (want)
		assert_memory_equal(secret_data(p->tokens), want,
		    strlen(want) + 1);
	csi_publish_free(p);
}

/* Secrets first, then the context; the plain driver takes neither. */
static void
test_tokens(void **state)
{
	struct req q;

	(void)state;
	good(&q);
	tokens_are(&q, CSI_DRIVER_IDENTITY, NULL);
	attr(&q, TOKENS, "{\"context\":1}");
	tokens_are(&q, CSI_DRIVER_IDENTITY, "{\"context\":1}");
	tokens_are(&q, CSI_DRIVER, NULL);
	secret(&q, TOKENS, "{\"secrets\":1}");
	tokens_are(&q, CSI_DRIVER_IDENTITY, "{\"secrets\":1}");
	tokens_are(&q, CSI_DRIVER, NULL);
}

static void
test_not_a_request(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct csi_publish *p = NULL;

	(void)state;
	assert_int_equal(csi_publish_unpack((const uint8_t *)"\x0a\x7f""a", 3,
	    ROOT, CSI_DRIVER, &p, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err_msg(&err),
	    "the request is not a csi.v1.NodePublishVolumeRequest");
}

/* Two bytes an empty pair on the wire, seventy in memory. */
static void
test_amplified(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct csi_publish *p = NULL;
	size_t i, n = 2u << 20;
	cleanup_free uint8_t *msg = mem_alloc(2 * n);

	(void)state;
	for (i = 0; i < n; i++)
		msg[2 * i] = 0x42;	/* volume_context, length 0 */
	assert_int_equal(csi_publish_unpack(msg, 2 * n, ROOT, CSI_DRIVER, &p,
	    &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(err_reaction(err.kind)->grpc_code, 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_not_a_request),
		cmocka_unit_test(test_amplified),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
