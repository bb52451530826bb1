/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_STREAM_H
#define SEAL_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "seal/box.h"

/*
 * Many messages from one sender to the holder of a secret key: the sender
 * makes a key, sends it in a sealed box (box.h), and seals each message under
 * it (libsodium crypto_secretstream_xchacha20poly1305).  Messages open in the
 * order in which they were sealed, each once.  Every message replaces the key
 * (TAG_REKEY), so that what an earlier one held cannot be had from the state
 * any more.  A message costs a hundredth of a box: the curve is paid for once.
 */
#define STREAM_KEY_LEN 32
#define STREAM_HEAD_LEN 24
#define STREAM_HELLO_LEN (BOX_OVERHEAD + STREAM_KEY_LEN + STREAM_HEAD_LEN)
#define STREAM_OVERHEAD 17

/* A key, and room for its arrival: lies where its owner's secrets lie. */
struct stream {
	uint8_t state[52];
	uint8_t first[STREAM_KEY_LEN + STREAM_HEAD_LEN];
};

/* stream_begin(s, pk, hello, err): a new stream to the owner of ${pk};
 * ${hello} gets the STREAM_HELLO_LEN bytes that the other end needs first. */
int stream_begin(struct stream *s, const uint8_t pk[static BOX_KEY_LEN],
    struct buf *hello, struct err *err);
/* stream_seal(s, data, len, out): append len + STREAM_OVERHEAD bytes. */
int stream_seal(struct stream *s, const void *data, size_t len,
    struct buf *out, struct err *err);

/* stream_accept(s, pk, sk, hello, len, err): the other end.  TAMPER when it is
 * no hello to us; ${s} is then wiped. */
int stream_accept(struct stream *s, const uint8_t pk[static BOX_KEY_LEN],
    const uint8_t sk[static BOX_KEY_LEN], const void *hello, size_t len,
    struct err *err);
/* stream_open(s, data, len, out, err): ${out} has room for len -
 * STREAM_OVERHEAD bytes.  TAMPER when it does not open, or is not the next;
 * ${out} is then wiped and ${s} as before. */
int stream_open(struct stream *s, const void *data, size_t len, uint8_t *out,
    struct err *err);
/* stream_end(s): wipe. */
void stream_end(struct stream *s);

#endif
