/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_PAYLOAD_H
#define MODEL_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * What the Kubernetes Secret would contain, as one block of bytes: what a job
 * seals to core and what a record keeps.  Little-endian u32 lengths:
 *
 *	"NSP1" u8 immutable, str type,
 *	u32 n { str key, str value } labels, the same annotations,
 *	u32 n { str key, bytes value } data, keys in byte order.
 *
 * Labels and annotations lie in byte order too; no name occurs twice.  Equal
 * content gives equal bytes.  Reading copies nothing: the entries point
 * into the block (which lies in the arena while it is open).
 */
#define PAYLOAD_MAX (3u << 19)		/* an object that etcd takes */
#define PAYLOAD_VALUES_MAX (1u << 20)	/* the API server's limit for data */
#define PAYLOAD_KEYS_MAX 8192

struct payload_entry {
	const char *key;	/* not NUL-terminated */
	uint32_t keylen;
	const uint8_t *value;
	uint32_t len;
};

struct payload {
	int immutable;
	const char *type;
	uint32_t typelen;
	struct payload_entry *labels, *annotations, *data; /* heap arrays */
	size_t nlabels, nannotations, ndata;
};

/* payload_read(p, data, len, err): check every length; TAMPER when it is not
 * a whole payload.  Free with payload_clear (the block stays). */
int payload_read(struct payload *p, const uint8_t *data, size_t len,
    struct err *err);
void payload_clear(struct payload *p);
/* payload_write(p, out, err): sorts all three arrays first; LIMIT beyond
 * PAYLOAD_MAX, PAYLOAD_KEYS_MAX or PAYLOAD_VALUES_MAX (with the API server's
 * words for that), INVALID when a name occurs twice.  ${out} is a secret
 * buffer; after a failure it holds nothing useful. */
int payload_write(struct payload *p, struct buf *out, struct err *err);
/* payload_find(p, key): a data entry or NULL; sorted or not. */
const struct payload_entry *payload_find(const struct payload *p,
    const char *key);

#endif
