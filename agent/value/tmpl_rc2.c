/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/secret.h"
#include "value/tmpl_rc2.h"

#define WORDS 64

/* PITABLE of RFC 2268, section 2. */
static const uint8_t pitable[256] = {
	217, 120, 249, 196, 25, 221, 181, 237, 40, 233, 253, 121, 74, 160,
	216, 157, 198, 126, 55, 131, 43, 118, 83, 142, 98, 76, 100, 136, 68,
	139, 251, 162, 23, 154, 89, 245, 135, 179, 79, 19, 97, 69, 109, 141,
	9, 129, 125, 50, 189, 143, 64, 235, 134, 183, 123, 11, 240, 149, 33,
	34, 92, 107, 78, 130, 84, 214, 101, 147, 206, 96, 178, 28, 115, 86,
	192, 20, 167, 140, 241, 220, 18, 117, 202, 31, 59, 190, 228, 209, 66,
	61, 212, 48, 163, 60, 182, 38, 111, 191, 14, 218, 70, 105, 7, 87, 39,
	242, 29, 155, 188, 148, 67, 3, 248, 17, 199, 246, 144, 239, 62, 231,
	6, 195, 213, 47, 200, 102, 30, 215, 8, 232, 234, 222, 128, 82, 238,
	247, 132, 170, 114, 172, 53, 77, 106, 42, 150, 26, 210, 113, 90, 21,
	73, 116, 75, 159, 208, 94, 4, 24, 164, 236, 194, 224, 65, 110, 15, 81,
	203, 204, 36, 145, 175, 80, 161, 244, 112, 57, 153, 124, 58, 133, 35,
	184, 180, 122, 252, 2, 54, 91, 37, 85, 151, 49, 45, 93, 250, 152, 227,
	138, 146, 174, 5, 223, 41, 16, 103, 108, 186, 201, 211, 0, 230, 207,
	225, 158, 168, 44, 99, 22, 1, 63, 88, 226, 137, 169, 13, 56, 52, 27,
	171, 51, 255, 176, 187, 72, 12, 95, 185, 177, 205, 46, 197, 243, 219,
	71, 229, 165, 156, 119, 10, 166, 32, 104, 254, 127, 193, 173,
};

static void
expand(const uint8_t *key, size_t n, uint16_t k[static WORDS])
{
	uint8_t l[2 * WORDS];
	size_t i;

	memcpy(l, key, n);
	for (i = n; i < sizeof(l); i++)
		l[i] = pitable[(uint8_t)(l[i - 1] + l[i - n])];
	l[sizeof(l) - n] = pitable[l[sizeof(l) - n]];
	for (i = sizeof(l) - n; i-- > 0;)
		l[i] = pitable[l[i + 1] ^ l[i + n]];
	for (i = 0; i < WORDS; i++)
		k[i] = (uint16_t)(l[2 * i] | l[2 * i + 1] << 8);
	secret_wipe(l, sizeof(l));
}

/* Word ${i} back by one step of "mix". */
static void
unmix(uint16_t r[static 4], int i, uint16_t key)
{
	static const int shifts[] = { 1, 2, 3, 5 };
	uint16_t v = (uint16_t)(r[i] >> shifts[i] | r[i] << (16 -
	    shifts[i]));

	r[i] = (uint16_t)(v - key - (r[(i + 3) % 4] & r[(i + 2) % 4]) -
	    (~r[(i + 3) % 4] & r[(i + 1) % 4]));
}

static void
decrypt_block(const uint16_t k[static WORDS], uint16_t r[static 4])
{
	int j, i;

	for (j = WORDS - 1; j >= 0; j--) {
		unmix(r, j % 4, k[j]);
		/* "Mash" is after the fifth and the eleventh round. */
		if (j == 44 || j == 20)
			for (i = 3; i >= 0; i--)
				r[i] = (uint16_t)(r[i] -
				    k[r[(i + 3) % 4] & 63]);
	}
}

void
rc2_cbc_decrypt(const uint8_t *key, size_t key_n,
    const uint8_t iv[static 8], const uint8_t *in, size_t n, uint8_t *out)
{
	uint16_t k[WORDS], r[4];
	const uint8_t *before = iv;
	size_t i, at;

	expand(key, key_n, k);
	for (at = 0; at + 8 <= n; at += 8) {
		for (i = 0; i < 4; i++)
			r[i] = (uint16_t)(in[at + 2 * i] |
			    in[at + 2 * i + 1] << 8);
		decrypt_block(k, r);
		for (i = 0; i < 8; i++)
			out[at + i] = (uint8_t)(r[i / 2] >> 8 * (i % 2) ^
			    before[i]);
		before = in + at;
	}
	secret_wipe(k, sizeof(k));
	secret_wipe(r, sizeof(r));
}
