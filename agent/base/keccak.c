/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/keccak.h"

#define ROUNDS 24
#define RATE (200 - 2 * SHA3_224_LEN)	/* 144 bytes */

/* FIPS 202, 3.2.5 (iota), 3.2.2 (rho) and 3.2.3 (pi): constants, rotations and
 * the order in which pi visits the lanes. */
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
static const uint8_t rotations[24] = { 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2,
	14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44 };
static const uint8_t lanes[24] = { 10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4,
	15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1 };

/* Loops over lanes are unrolled: their indices are constants then. */
static inline uint64_t
rotl(uint64_t x, unsigned n)
{
	return (x << n | x >> (64 - n));
}

static inline void
theta(uint64_t a[static 25])
{
	uint64_t c[5], d;
	int x, y;

#pragma GCC unroll 5
	for (x = 0; x < 5; x++)
		c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma GCC unroll 5
	for (x = 0; x < 5; x++) {
		d = c[(x + 4) % 5] ^ rotl(c[(x + 1) % 5], 1);
#pragma GCC unroll 5
		for (y = 0; y < 25; y += 5)
			a[y + x] ^= d;
	}
}

static inline void
rho_pi(uint64_t a[static 25])
{
	uint64_t moved = a[1], next;
	int i;

#pragma GCC unroll 24
	for (i = 0; i < 24; i++) {
		next = a[lanes[i]];
		a[lanes[i]] = rotl(moved, rotations[i]);
		moved = next;
	}
}

static inline void
chi(uint64_t a[static 25])
{
	uint64_t row[5];
	int x, y;

#pragma GCC unroll 5
	for (y = 0; y < 25; y += 5) {
		memcpy(row, a + y, sizeof(row));
#pragma GCC unroll 5
		for (x = 0; x < 5; x++)
			a[y + x] = row[x] ^ (~row[(x + 1) % 5] &
			    row[(x + 2) % 5]);
	}
}

static void
permute(uint64_t a[static 25])
{
	int round;

	for (round = 0; round < ROUNDS; round++) {
		theta(a);
		rho_pi(a);
		chi(a);
		a[0] ^= round_constants[round];
	}
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
	size_t i;

	for (i = 0; i < len; i++) {
		absorb(h, p[i]);
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
