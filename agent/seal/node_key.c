/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "seal/node_key.h"

#define PREFIX "nsk1"
#define SUM_LEN 3
#define TEXT_LEN 56		/* 280 bits, five a letter */
#define PRINT_LEN 20

static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* ${n} letters of ${data}'s first bits, in groups of four. */
static void
write_groups(struct buf *b, const uint8_t *data, size_t n)
{
	size_t i, bit, at;
	unsigned v;

	for (i = 0; i < n; i++) {
		bit = 5 * i;
		at = bit / 8;
		/* Five bits reach into the next byte unless they end here. */
		v = (unsigned)data[at] << 8;
		if (bit % 8 > 3)
			v |= data[at + 1];
		if (i && i % 4 == 0)
			buf_addc(b, ' ');
		buf_addc(b, letters[v >> (11 - bit % 8) & 31]);
	}
}

static void
sum_make(const uint8_t *pk, uint8_t *out, size_t len)
{
	static const uint8_t context[] = "nodeseal node key";

	crypto_generichash(out, len, pk, NODE_KEY_LEN, context,
	    sizeof(context));
}

char *
node_key_text(const uint8_t pk[static NODE_KEY_LEN])
{
	struct buf b = BUF_PLAIN(256);
	uint8_t all[NODE_KEY_LEN + crypto_generichash_BYTES_MIN];

	memcpy(all, pk, NODE_KEY_LEN);
	sum_make(pk, all + NODE_KEY_LEN, crypto_generichash_BYTES_MIN);
	buf_adds(&b, PREFIX " ");
	write_groups(&b, all, TEXT_LEN);
	return (buf_take(&b));
}

char *
node_key_fingerprint(const uint8_t pk[static NODE_KEY_LEN])
{
	struct buf b = BUF_PLAIN(64);
	uint8_t hash[crypto_generichash_BYTES];

	/* Another length is another hash: nothing of the sum shows. */
	sum_make(pk, hash, sizeof(hash));
	write_groups(&b, hash, PRINT_LEN);
	return (buf_take(&b));
}

/* The letter's five bits, -1 for what is none. */
static int
value_of(char c)
{
	const char *at;

	c = (char)tolower((unsigned char)c);
	if (c == 'o')
		c = '0';
	else if (c == 'i' || c == 'l')
		c = '1';
	at = c ? strchr(letters, c) : NULL;
	return (at ? (int)(at - letters) : -1);
}

/* The letters alone, at most one more than there may be. */
static size_t
squeeze(const char *text, char *out, size_t max)
{
	size_t n = 0;

	for (; *text && n < max; text++)
		if (!isspace((unsigned char)*text) && *text != '-')
			out[n++] = *text;
	return (n);
}

int
node_key_parse(const char *text, uint8_t pk[static NODE_KEY_LEN],
    struct err *err)
{
	uint8_t all[NODE_KEY_LEN + SUM_LEN] = { 0 };
	uint8_t sum[crypto_generichash_BYTES_MIN];
	char t[sizeof(PREFIX) + TEXT_LEN];
	size_t i, bit, n = squeeze(text, t, sizeof(t));
	int v;

	if (n != sizeof(PREFIX) - 1 + TEXT_LEN ||
	    strncasecmp(t, PREFIX, sizeof(PREFIX) - 1) != 0)
		return (err_set(err, ERR_INVALID, "no node key: it begins "
		    "with " PREFIX " and has %d letters behind it, as "
		    "nodeseal pubkey prints it", TEXT_LEN));
	for (i = 0; i < TEXT_LEN; i++) {
		v = value_of(t[sizeof(PREFIX) - 1 + i]);
		if (v == -1)
			return (err_set(err, ERR_INVALID, "no node key: "
			    "letter %zu is none of base32's", i + 1));
		for (bit = 0; bit < 5; bit++)
			if (v & 16 >> bit)
				all[(5 * i + bit) / 8] |=
				    (uint8_t)(128 >> (5 * i + bit) % 8);
	}
	sum_make(all, sum, sizeof(sum));
	if (memcmp(sum, all + NODE_KEY_LEN, SUM_LEN) != 0)
		return (err_set(err, ERR_INVALID, "the node key has a slip: "
		    "its sum does not fit, read it again"));
	memcpy(pk, all, NODE_KEY_LEN);
	return (0);
}

int
node_key_open(const struct key_slots *s,
    const uint8_t root[static SLOTS_ROOT_LEN], const void *box, size_t len,
    uint8_t sk[static NODE_KEY_LEN], uint8_t *out, struct err *err)
{
	uint8_t pk[NODE_KEY_LEN];
	int rc = key_slots_box(s, root, pk, sk, err);

	if (rc == 0 && (rc = box_open(pk, sk, box, len, out, NULL)) == -1)
		err_set(err, ERR_DENIED, "it is not sealed to this node");
	secret_wipe(sk, NODE_KEY_LEN);
	return (rc);
}
