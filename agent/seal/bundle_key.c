/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/secret.h"
#include "seal/bundle.h"
#include "seal/record.h"

_Static_assert(BUNDLE_SEED_LEN == crypto_sign_SEEDBYTES, "seed");
_Static_assert(BUNDLE_KEY_LEN == crypto_sign_PUBLICKEYBYTES, "public key");

static const char *const heads[2] = { "nodeseal-issuer-1 ",
	"nodeseal-issuer-secret-1 " };

void
bundle_issuer_make(uint8_t seed[static BUNDLE_SEED_LEN])
{
	record_random(seed, BUNDLE_SEED_LEN);
}

void
bundle_issuer_public(const uint8_t seed[static BUNDLE_SEED_LEN],
    uint8_t key[static BUNDLE_KEY_LEN])
{
	uint8_t sk[crypto_sign_SECRETKEYBYTES];

	crypto_sign_seed_keypair(key, sk, seed);
	secret_wipe(sk, sizeof(sk));
	seal_forget();
}

void
bundle_issuer_text(const uint8_t key[static BUNDLE_KEY_LEN], int is_secret,
    struct buf *out)
{
	buf_adds(out, heads[is_secret != 0]);
	codec_b64_encode(out, key, BUNDLE_KEY_LEN, CODEC_B64_STD, 1);
	buf_addc(out, '\n');
}

static int
starts(const char *text, size_t len, const char *head)
{
	return (len >= strlen(head) && memcmp(text, head, strlen(head)) == 0);
}

int
bundle_issuer_parse(const char *text, size_t len, int is_secret,
    uint8_t key[static BUNDLE_KEY_LEN], struct err *err)
{
	cleanup_buf struct buf raw = BUF_SECRET(BUNDLE_KEY_FILE_MAX);
	const char *head = heads[is_secret != 0];
	size_t n = strlen(head);

	if (starts(text, len, heads[!is_secret]))
		return (err_set(err, ERR_INVALID, is_secret ? "this is an "
		    "issuer's public key: the secret one is wanted" : "this "
		    "is an issuer's secret key: the public one (.pub) is "
		    "wanted"));
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (!starts(text, len, head) || codec_b64_decode(&raw, text + n,
	    len - n, CODEC_B64_STD, NULL) == -1 || raw.len != BUNDLE_KEY_LEN)
		return (err_set(err, ERR_INVALID, "no issuer's key: nodeseal "
		    "bundle keygen makes one"));
	memcpy(key, raw.data, BUNDLE_KEY_LEN);
	return (0);
}
