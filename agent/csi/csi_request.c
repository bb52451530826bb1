/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/secret.h"
#include "csi/csi.pb-c.h"
#include "csi/csi_internal.h"

/* --- memory of decoded requests ----------------------------------------- */

struct block {
	size_t size;
	_Alignas(max_align_t) uint8_t data[];
};

/* protobuf-c needs many times the wire's bytes for empty pairs, so the ceiling
 * is on what decoding takes. */
static void *
unpack_alloc(void *arg, size_t size)
{
	struct csi_unpack *u = arg;
	struct block *b;

	if (size > CSI_UNPACK_MAX - u->used) {
		u->full = 1;
		return (NULL);
	}
	b = mem_alloc(sizeof(*b) + size);
	b->size = size;
	u->used += size;
	return (b->data);
}

static void
unpack_free(void *arg, void *p)
{
	struct csi_unpack *u = arg;
	struct block *b;

	if (!p)
		return;
	b = (struct block *)(void *)((uint8_t *)p -
	    offsetof(struct block, data));
	u->used -= b->size;
	secret_wipe(b->data, b->size);
	free(b);
}

void
csi_unpack_init(struct csi_unpack *u, ProtobufCAllocator *a)
{
	u->used = 0;
	u->full = 0;
	a->alloc = unpack_alloc;
	a->free = unpack_free;
	a->allocator_data = u;
}

/* --- single fields ------------------------------------------------------ */

static int
is_text(const uint8_t *s, size_t len)
{
#ifdef WEAKEN_CSI_OVERREAD
	len = len ? strlen((const char *)s) : 0;
#endif
	return (!len || (!memchr(s, 0, len) &&
	    utf8_valid((const char *)s, len)));
}

int
csi_id_check(const uint8_t *id, size_t len, struct err *err)
{
	if (len == 0)
		return (err_set(err, ERR_INVALID, "volume_id: is missing"));
	if (len > CSI_ID_MAX)
		return (err_set(err, ERR_INVALID,
		    "volume_id: is longer than %d bytes", CSI_ID_MAX));
	if (!is_text(id, len))
		return (err_set(err, ERR_INVALID, "volume_id: is not text"));
	return (0);
}

/* No "", "." or ".." between slashes, no part that no file system takes. */
static int
parts_ok(const char *s)
{
	size_t n;

	for (;;) {
		n = strcspn(s, "/");
		if (n == 0 || n > 255 || (n == 1 && s[0] == '.') ||
		    (n == 2 && s[0] == '.' && s[1] == '.'))
			return (0);
		if (s[n] == '\0')
			return (1);
		s += n + 1;
	}
}

int
csi_target_check(const char *root, const uint8_t *path, size_t len,
    struct err *err)
{
	cleanup_free char *text = NULL;
	size_t n = strlen(root);

	if (len == 0)
		return (err_set(err, ERR_INVALID, "target_path: is missing"));
	if (len > CSI_TARGET_MAX || !is_text(path, len))
		return (err_set(err, ERR_INVALID, "target_path: is not text "
		    "of at most %d bytes", CSI_TARGET_MAX));
	text = str_ndup((const char *)path, len);
#ifdef WEAKEN_CSI_TARGET
	return (0);
#endif
	if (strncmp(text, root, n) != 0 || text[n] != '/' || !text[n + 1])
		return (err_set(err, ERR_INVALID, "target_path: %s is not "
		    "below %s: is --kubelet-dir the kubelet's --root-dir?",
		    csi_quote(text), root));
	if (!parts_ok(text + n + 1))
		return (err_set(err, ERR_INVALID, "target_path: %s has an "
		    "empty part, \".\" or \"..\"", csi_quote(text)));
	return (0);
}

static int
group_parse(const ProtobufCBinaryData *d, int64_t *ret, struct err *err)
{
	int64_t v = 0;
	size_t i;

	*ret = -1;
	if (d->len == 0)
		return (0);
	for (i = 0; i < d->len; i++) {
		if (d->data[i] < '0' || d->data[i] > '9' || i == 10)
			break;
		v = v * 10 + (d->data[i] - '0');
	}
	/* 2^32-1 is "leave it" to chown. */
	if (i < d->len || v >= UINT32_MAX)
		return (err_set(err, ERR_INVALID, "volume_capability.mount."
		    "volume_mount_group: is not a group id: set "
		    "securityContext.fsGroup to a number below 4294967295"));
	*ret = v;
	return (0);
}

static int
capability_check(const Csi__V1__VolumeCapability *c, int64_t *ret_group,
    struct err *err)
{
	if (!c)
		return (err_set(err, ERR_INVALID,
		    "volume_capability: is missing"));
	if (c->block)
		return (err_set(err, ERR_INVALID, "volume_capability.block: "
		    "this driver has files only: mount the volume, do not "
		    "attach it as a device"));
	if (!c->mount)
		return (err_set(err, ERR_INVALID,
		    "volume_capability.mount: is missing"));
	if (!c->access_mode || c->access_mode->mode == 0)
		return (err_set(err, ERR_INVALID,
		    "volume_capability.access_mode: is missing"));
	if (c->mount->fs_type.len)
		return (err_set(err, ERR_INVALID, "volume_capability.mount."
		    "fs_type: the volume is always a tmpfs: remove "
		    "csi.fsType"));
	if (c->mount->n_mount_flags)
		return (err_set(err, ERR_INVALID, "volume_capability.mount."
		    "mount_flags: none can be given: remove mountOptions"));
	return (group_parse(&c->mount->volume_mount_group, ret_group, err));
}

/* --- the maps ----------------------------------------------------------- */

static int
is_tokens(const Csi__V1__MapEntry *e)
{
	return (e->key.len == strlen(CSI_TOKENS_KEY) &&
	    memcmp(e->key.data, CSI_TOKENS_KEY, e->key.len) == 0);
}

static int
tokens_find(Csi__V1__MapEntry *const *map, size_t n, struct csi_publish *p,
    struct err *err)
{
	size_t i;

	for (i = 0; i < n && !p->tokens; i++) {
		if (!is_tokens(map[i]) || map[i]->value.len == 0)
			continue;
		if (map[i]->value.len > CSI_TOKENS_MAX)
			return (err_set(err, ERR_INVALID, CSI_TOKENS_KEY ": "
			    "is larger than %u bytes", CSI_TOKENS_MAX));
		p->tokens = secret_new(map[i]->value.data, map[i]->value.len);
	}
	return (0);
}

/* Tokens: secrets first (serviceAccountTokenInSecrets), then the context; only
 * for the driver whose CSIDriver asks for them, since elsewhere a pod could
 * have written that key itself. */
static int
tokens_take(const Csi__V1__NodePublishVolumeRequest *r, struct csi_publish *p,
    struct err *err)
{
	size_t i;

	for (i = 0; i < r->n_secrets; i++)
		if (!is_tokens(r->secrets[i]))
			return (err_set(err, ERR_INVALID, "secrets: this "
			    "driver takes no Secret from the pod: remove "
			    "csi.nodePublishSecretRef; credentials belong "
			    "into the SecretStore"));
	if (strcmp(p->driver, CSI_DRIVER_IDENTITY) != 0)
		return (0);
	if (tokens_find(r->secrets, r->n_secrets, p, err) == -1 ||
	    tokens_find(r->volume_context, r->n_volume_context, p, err) == -1)
		return (-1);
	return (0);
}

struct pairs {
	char **keys, **values;
	size_t n;
};

static void
pairs_clear(struct pairs *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		free(p->keys[i]);
		free(p->values[i]);
	}
	free(p->keys);
	free(p->values);
}

/* The context as text, without tokens: those are never copied. */
static int
context_text(const Csi__V1__NodePublishVolumeRequest *r, struct pairs *ret,
    struct err *err)
{
	const Csi__V1__MapEntry *e;
	cleanup_free char *key = NULL;
	size_t i;

	ret->keys = mem_array(r->n_volume_context, sizeof(char *));
	ret->values = mem_array(r->n_volume_context, sizeof(char *));
	for (i = 0; i < r->n_volume_context; i++) {
		e = r->volume_context[i];
		if (is_tokens(e))
			continue;
		if (!is_text(e->key.data, e->key.len))
			return (err_set(err, ERR_INVALID, "volumeAttributes: "
			    "the name of an attribute is not text"));
		key = str_ndup((const char *)e->key.data, e->key.len);
		if (!is_text(e->value.data, e->value.len))
			return (err_set(err, ERR_INVALID, "volumeAttributes"
			    ".%s: has a NUL or is not UTF-8: write plain "
			    "text", csi_quote(key)));
		ret->keys[ret->n] = STEAL(key);
		ret->values[ret->n++] = str_ndup((const char *)e->value.data,
		    e->value.len);
	}
	return (0);
}

static int
context_take(const Csi__V1__NodePublishVolumeRequest *r, int64_t group,
    struct csi_publish *p, struct err *err)
{
	struct pairs pairs __attribute__((cleanup(pairs_clear))) = { 0 };

	if (context_text(r, &pairs, err) == -1)
		return (-1);
	return (csi_attributes_parse((const char *const *)pairs.keys,
	    (const char *const *)pairs.values, pairs.n, group, p, err));
}

/* --- the whole ---------------------------------------------------------- */

static int
publish_fill(const Csi__V1__NodePublishVolumeRequest *r,
    const char *targets_root, struct csi_publish *p, struct err *err)
{
	int64_t group;

	if (csi_id_check(r->volume_id.data, r->volume_id.len, err) == -1 ||
	    csi_target_check(targets_root, r->target_path.data,
	    r->target_path.len, err) == -1 ||
	    capability_check(r->volume_capability, &group, err) == -1)
		return (-1);
	if (!r->readonly)
		return (err_set(err, ERR_INVALID, "readonly: false: the "
		    "volume is read-only, and a newer runtime would bind it "
		    "writable: set csi.readOnly: true in the pod"));
	p->volume_id = str_ndup((const char *)r->volume_id.data,
	    r->volume_id.len);
	p->target_path = str_ndup((const char *)r->target_path.data,
	    r->target_path.len);
	if (tokens_take(r, p, err) == -1)
		return (-1);
	return (context_take(r, group, p, err));
}

int
csi_publish_unpack(const uint8_t *msg, size_t len, const char *targets_root,
    const char *driver, struct csi_publish **ret, struct err *err)
{
	Csi__V1__NodePublishVolumeRequest *r;
	ProtobufCAllocator allocator;
	struct csi_unpack u;
	struct csi_publish *p;
	int rc;

	csi_unpack_init(&u, &allocator);
	r = csi__v1__node_publish_volume_request__unpack(&allocator, len, msg);
	if (!r)
		return (err_set(err, u.full ? ERR_LIMIT : ERR_INVALID,
		    u.full ? "the request is too large once decoded" :
		    "the request is not a csi.v1.NodePublishVolumeRequest"));
	p = mem_alloc(sizeof(*p));
	p->driver = driver;
	rc = publish_fill(r, targets_root, p, err);
	csi__v1__node_publish_volume_request__free_unpacked(r, &allocator);
	if (rc == 0)
		*ret = p;
	else
		csi_publish_free(p);
	return (rc);
}
