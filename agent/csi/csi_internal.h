/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CSI_CSI_INTERNAL_H
#define CSI_CSI_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "csi/csi.h"
#include "csi/grpc.h"

/* Ceilings of a volume. */
#define CSI_NAMES_MAX 64	/* ExternalSecrets */
#define CSI_ITEMS_MAX 1000
#define CSI_ITEMS_TEXT_MAX (256u << 10)
#define CSI_PATH_MAX 1024	/* of an item, as proj_file.path */
#define CSI_TARGET_MAX 4000
#define CSI_ID_MAX 256
#define CSI_TOKENS_MAX (1u << 20)
#define CSI_UNPACK_MAX (16u << 20)	/* memory of one decoded request */

#define CSI_RESERVED "csi.storage.k8s.io/"
#define CSI_TOKENS_KEY "csi.storage.k8s.io/serviceAccount.tokens"

/* csi_items_parse: the attribute "items" alone; fills items and nitems of ${p},
 * whose external_secrets are there already. */
int csi_items_parse(struct csi_publish *p, const char *text, struct err *err);
/* csi_mode_parse: one to four octal digits up to 0777, or -1. */
int csi_mode_parse(const char *s);
/* csi_name_ok: an RFC 1123 subdomain of at most ${max} bytes. */
int csi_name_ok(const char *s, size_t max);
/* csi_quote(s): for messages: at most 80 bytes, printable, in quotes; as long
 * as the enclosing block lives. */
#define CSI_QUOTE_SIZE 88
#define csi_quote(s) csi_quote_into((char[CSI_QUOTE_SIZE]){ "" }, (s))
const char *csi_quote_into(char out[static CSI_QUOTE_SIZE], const char *s);

/**
 * csi_target_check(root, path, len, err):
 * ${path} (bytes, perhaps with a NUL) is absolute, clean and strictly below
 * ${root}, which has no slash at its end.
 */
int csi_target_check(const char *root, const uint8_t *path, size_t len,
    struct err *err);
/* csi_id_check(id, len, err): a volume_id of 1 to CSI_ID_MAX bytes of text. */
int csi_id_check(const uint8_t *id, size_t len, struct err *err);

/**
 * csi_publish_unpack(msg, len, targets_root, driver, ret, err):
 * A NodePublishVolumeRequest off the wire into what the backend gets, or the
 * first rule that it breaks.  INVALID, or LIMIT when decoding it would take
 * more than CSI_UNPACK_MAX.  No copy of a token stays behind.
 */
int csi_publish_unpack(const uint8_t *msg, size_t len,
    const char *targets_root, const char *driver, struct csi_publish **ret,
    struct err *err);

/* The memory of decoded requests: bounded, and wiped when it is freed. */
struct csi_unpack {
	size_t used;
	int full;
};
struct ProtobufCAllocator;
void csi_unpack_init(struct csi_unpack *u, struct ProtobufCAllocator *a);

/* csi_server.c: what the services need. */
struct csi_server {
	struct loop *loop;
	char *node_id, *endpoint, *version, *targets_root;
	const char *driver;
	struct csi_backend backend;
	struct grpc_listener *node, *reg;
	struct loop_timer *noticed;	/* NotifyRegistrationStatus came */
	int accepted;
	char *notice;
	struct strmap *busy;		/* volume ids with an open call */
	struct csi_call *calls;
};

extern const struct grpc_method csi_methods[];
extern const struct grpc_method csi_reg_methods[];

/* csi_call_begin: NULL when the volume has an open call already; then ABORTED
 * has been answered. */
struct csi_call *csi_call_begin(struct csi_server *s, struct grpc_call *call,
    const char *volume_id);
/* Answer a grpc call from an error. */
void csi_fail(struct grpc_call *call, const struct err *err);

#endif
