/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>

#include "base/secret.h"
#include "seal/box.h"

_Static_assert(BOX_KEY_LEN == crypto_box_PUBLICKEYBYTES, "public key");
_Static_assert(BOX_KEY_LEN == crypto_box_SECRETKEYBYTES, "secret key");
_Static_assert(BOX_OVERHEAD == crypto_box_SEALBYTES, "overhead");

int
seal_init(struct err *err)
{
	if (sodium_init() == -1)
		return (err_set(err, ERR_INTERNAL, "libsodium does not start"));
	return (0);
}

/* Its deepest, X25519 by the generic code, takes less. */
#define STACK_USED 8192

void
seal_forget(void)
{
#ifndef WEAKEN_STACK
	sodium_stackzero(STACK_USED);
#endif
}

void
box_keypair(uint8_t pk[static BOX_KEY_LEN], uint8_t sk[static BOX_KEY_LEN])
{
	crypto_box_keypair(pk, sk);
	seal_forget();
}

int
box_seal(const uint8_t pk[static BOX_KEY_LEN], const void *data, size_t len,
    struct buf *out, struct err *err)
{
	char *at;

	if (len > SIZE_MAX - BOX_OVERHEAD)
		return (err_set(err, ERR_LIMIT, "%zu bytes to seal", len));
	at = buf_space(out, len + BOX_OVERHEAD);
	if (!at)
		return (err_set(err, ERR_LIMIT,
		    "sealed, %zu bytes are larger than %zu bytes", len,
		    out->max));
	/* Fails for a public key that is a point of small order. */
	if (crypto_box_seal((uint8_t *)at, data, len, pk) == -1)
		return (err_set(err, ERR_INVALID, "public key is not usable"));
	out->len += len + BOX_OVERHEAD;
	out->data[out->len] = '\0';
	return (0);
}

int
box_open(const uint8_t pk[static BOX_KEY_LEN],
    const uint8_t sk[static BOX_KEY_LEN], const void *data, size_t len,
    uint8_t *out, struct err *err)
{
	int rc;

	if (len < BOX_OVERHEAD)
		return (err_set(err, ERR_TAMPER, "sealed box of %zu bytes",
		    len));
	rc = crypto_box_seal_open(out, data, len, pk, sk);
	seal_forget();
	if (rc == -1) {
		secret_wipe(out, len - BOX_OVERHEAD);
		return (err_set(err, ERR_TAMPER, "sealed box does not open"));
	}
	return (0);
}
