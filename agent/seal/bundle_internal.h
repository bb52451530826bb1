/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_BUNDLE_INTERNAL_H
#define SEAL_BUNDLE_INTERNAL_H

#include <sodium.h>

#include "seal/bundle.h"

/* Between bundle_head.c, bundle_read.c and bundle_write.c. */
#define BUNDLE_SUITE 1		/* Ed25519ph, X25519, XChaCha20-Poly1305 */
#define BUNDLE_COMMIT_LEN 32
#define BUNDLE_AAD_LEN 32
#define BUNDLE_FIXED_LEN 136	/* of the head */
#define BUNDLE_COMMIT_AT (BUNDLE_FIXED_LEN - BUNDLE_COMMIT_LEN)
#define BUNDLE_BOX_LEN (BUNDLE_KEY_LEN + BOX_OVERHEAD)
#define BUNDLE_RECIPIENT_LEN (BUNDLE_ID_LEN + BUNDLE_BOX_LEN)
#define BUNDLE_STREAM_HEAD crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define BUNDLE_STREAM_TAG crypto_secretstream_xchacha20poly1305_ABYTES
#define BUNDLE_SIGNATURE_LEN crypto_sign_BYTES
#define BUNDLE_SIGNED "nsa-bundle-v1"
/* Padding: steps to the first, from there on of the second. */
#define BUNDLE_FINE 64
#define BUNDLE_COARSE 4096

_Static_assert(sizeof(((struct bundle_reader *)NULL)->stream) ==
    sizeof(crypto_secretstream_xchacha20poly1305_state), "state");
_Static_assert(sizeof(((struct bundle_writer *)NULL)->sign) >=
    sizeof(crypto_sign_state), "signature");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "ipc/frame.h writes numbers in the machine's order");

/* bundle_head_write(h, out): commit and boxes are zeros yet. */
void bundle_head_write(const struct bundle_head *h, struct buf *out);
/* bundle_head_read: as bundle_read; *ret_len: of the head. */
int bundle_head_read(struct bundle_head *h, const uint8_t *data, size_t len,
    size_t *ret_len, struct err *err);
/* bundle_head_boxes(h): where the recipients begin. */
size_t bundle_head_boxes(const struct bundle_head *h);
/* bundle_commit(dek, head, len, out): whatever stands in its place. */
void bundle_commit(const uint8_t dek[static BUNDLE_KEY_LEN],
    const uint8_t *head, size_t len, uint8_t out[static BUNDLE_COMMIT_LEN]);
/* bundle_push(w, m, tag, err): one message of whatever content, padded. */
int bundle_push(struct bundle_writer *w, struct buf *m, uint8_t tag,
    struct err *err);

#endif
