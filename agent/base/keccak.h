/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_KECCAK_H
#define BASE_KECCAK_H

#include <stddef.h>
#include <stdint.h>

#define SHA3_224_LEN 28

/* FIPS 202 SHA3-224, for the names and hashes that External Secrets Operator
 * writes on a Secret (reference: eso.md 1.6).  Not for secrets of ours. */
struct sha3_224 {
	uint64_t state[25];
	size_t at;
};

void sha3_224_init(struct sha3_224 *h);
void sha3_224_update(struct sha3_224 *h, const void *data, size_t len);
void sha3_224_final(struct sha3_224 *h, uint8_t out[static SHA3_224_LEN]);

#endif
