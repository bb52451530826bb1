/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <string.h>

#include "base/keccak.h"
#include "base/secret.h"

#define ROUNDS 24
#define RATE (200 - 2 * SHA3_224_LEN)	/* 144 bytes */

/* FIPS 202, 3.2.5: iota's constants. */
static const uint64_t round_constants[ROUNDS] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a,
	0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
	0x8000000080008081, 0x8000000000008009, 0x000000000000008a,
	0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
	0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
	0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
	0x000000000000800a, 0x800000008000000a, 0x8000000080008081,
	0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

static inline uint64_t
rotl(uint64_t x, unsigned n)
{
	return (n ? x << n | x >> (64 - n) : x);
}

/* rho and pi (3.2.2, 3.2.3): lane ${i} of the state before, with theta's part
 * of its column, turned by ${n}. */
#define LANE(i, n) rotl(a[i] ^ d[(i) % 5], n)

/* A row of the state behind pi, and chi (3.2.4) over it. */
#define ROW(y, i0, n0, i1, n1, i2, n2, i3, n3, i4, n4) do {		\
	uint64_t r0 = LANE(i0, n0), r1 = LANE(i1, n1),			\
	    r2 = LANE(i2, n2), r3 = LANE(i3, n3), r4 = LANE(i4, n4);	\
	b[5 * (y)] = r0 ^ (~r1 & r2);					\
	b[5 * (y) + 1] = r1 ^ (~r2 & r3);				\
	b[5 * (y) + 2] = r2 ^ (~r3 & r4);				\
	b[5 * (y) + 3] = r3 ^ (~r4 & r0);				\
	b[5 * (y) + 4] = r4 ^ (~r0 & r1);				\
} while (0)

/* One round from ${a} to ${b}. */
static inline void
one_round(const uint64_t a[static 25], uint64_t b[static 25],
    uint64_t constant)
{
	uint64_t c[5], d[5];
	int x;

	for (x = 0; x < 5; x++)
		c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
	for (x = 0; x < 5; x++)
		d[x] = c[(x + 4) % 5] ^ rotl(c[(x + 1) % 5], 1);
	ROW(0, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);
	ROW(1, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
	ROW(2, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
	ROW(3, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
	ROW(4, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
	b[0] ^= constant;
}

static void
permute(uint64_t a[static 25])
{
	uint64_t b[25];
	int i;

	for (i = 0; i < ROUNDS; i += 2) {
		one_round(a, b, round_constants[i]);
		one_round(b, a, round_constants[i + 1]);
	}
	secret_wipe(b, sizeof(b));
}

static void
absorb(struct sha3_224 *h, uint8_t byte)
{
	h->state[h->at / 8] ^= (uint64_t)byte << 8 * (h->at % 8);
	h->at++;
}

void
sha3_224_init(struct sha3_224 *h)
{
	memset(h, 0, sizeof(*h));
}

void
sha3_224_update(struct sha3_224 *h, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t lane;

	while (len > 0) {
		if (h->at % 8 == 0 && len >= 8) {
			memcpy(&lane, p, 8);
			h->state[h->at / 8] ^= le64toh(lane);
			h->at += 8;
			p += 8;
			len -= 8;
		} else {
			absorb(h, *p++);
			len--;
		}
		if (h->at == RATE) {
			permute(h->state);
			h->at = 0;
		}
	}
}

void
sha3_224_final(struct sha3_224 *h, uint8_t out[static SHA3_224_LEN])
{
	size_t i;

	/* 01 of the domain, then pad10*1. */
	absorb(h, 0x06);
	h->state[(RATE - 1) / 8] ^= UINT64_C(0x80) << 56;
	permute(h->state);
	for (i = 0; i < SHA3_224_LEN; i++)
		out[i] = (uint8_t)(h->state[i / 8] >> 8 * (i % 8));
}
