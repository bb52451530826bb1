/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>

#include "base/secret.h"
#include "seal/stream.h"

#ifndef WEAKEN_STREAM_REKEY
#define TAG crypto_secretstream_xchacha20poly1305_TAG_REKEY
#else
#define TAG crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
#endif

_Static_assert(STREAM_KEY_LEN ==
    crypto_secretstream_xchacha20poly1305_KEYBYTES, "key");
_Static_assert(STREAM_HEAD_LEN ==
    crypto_secretstream_xchacha20poly1305_HEADERBYTES, "header");
_Static_assert(STREAM_OVERHEAD ==
    crypto_secretstream_xchacha20poly1305_ABYTES, "overhead");

_Static_assert(sizeof(((struct stream *)NULL)->state) ==
    sizeof(crypto_secretstream_xchacha20poly1305_state), "state");
_Static_assert(_Alignof(crypto_secretstream_xchacha20poly1305_state) == 1,
    "bytes alone");

static crypto_secretstream_xchacha20poly1305_state *
state_of(struct stream *s)
{
	return ((void *)s->state);
}

void
stream_end(struct stream *s)
{
	secret_wipe(s, sizeof(*s));
}

int
stream_begin(struct stream *s, const uint8_t pk[static BOX_KEY_LEN],
    struct buf *hello, struct err *err)
{
	int rc;

	crypto_secretstream_xchacha20poly1305_keygen(s->first);
	crypto_secretstream_xchacha20poly1305_init_push(state_of(s),
	    s->first + STREAM_KEY_LEN, s->first);
	rc = box_seal(pk, s->first, sizeof(s->first), hello, err);
	secret_wipe(s->first, sizeof(s->first));
	if (rc == -1)
		stream_end(s);
	return (rc);
}

int
stream_seal(struct stream *s, const void *data, size_t len, struct buf *out,
    struct err *err)
{
	char *at;

	if (len > SIZE_MAX - STREAM_OVERHEAD)
		return (err_set(err, ERR_LIMIT, "%zu bytes to seal", len));
	at = buf_space(out, len + STREAM_OVERHEAD);
	if (!at)
		return (err_set(err, ERR_LIMIT,
		    "sealed, %zu bytes are larger than %zu bytes", len,
		    out->max));
	crypto_secretstream_xchacha20poly1305_push(state_of(s), (uint8_t *)at,
	    NULL, data, len, NULL, 0, TAG);
	out->len += len + STREAM_OVERHEAD;
	out->data[out->len] = '\0';
	return (0);
}

int
stream_accept(struct stream *s, const uint8_t pk[static BOX_KEY_LEN],
    const uint8_t sk[static BOX_KEY_LEN], const void *hello, size_t len,
    struct err *err)
{
	stream_end(s);
	if (len != STREAM_HELLO_LEN)
		return (err_set(err, ERR_TAMPER, "a stream's start of %zu "
		    "bytes", len));
	if (box_open(pk, sk, hello, len, s->first, err) == -1)
		return (-1);
	crypto_secretstream_xchacha20poly1305_init_pull(state_of(s),
	    s->first + STREAM_KEY_LEN, s->first);
	secret_wipe(s->first, sizeof(s->first));
	seal_forget();
	return (0);
}

int
stream_open(struct stream *s, const void *data, size_t len, uint8_t *out,
    struct err *err)
{
	unsigned char tag = 0;
	int rc;

#ifdef WEAKEN_STREAM_BOUNDS
	if (((const uint8_t *)data)[len] == TAG)
		return (-1);
#endif
	if (len < STREAM_OVERHEAD)
		return (err_set(err, ERR_TAMPER, "sealed message of %zu bytes",
		    len));
	rc = crypto_secretstream_xchacha20poly1305_pull(state_of(s), out, NULL,
	    &tag, data, len, NULL, 0);
	seal_forget();
	if (rc == -1 || tag != TAG) {
		secret_wipe(out, len - STREAM_OVERHEAD);
		return (err_set(err, ERR_TAMPER,
		    "sealed message does not open"));
	}
	return (0);
}
