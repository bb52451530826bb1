/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UNICODE_INTERNAL_H
#define BASE_UNICODE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/* Runs of code points, ascending, none touching the next. */
struct unicode_range {
	uint32_t first;
	uint32_t count;
};

extern const struct unicode_range unicode_letters[];
extern const size_t unicode_nletters;
extern const struct unicode_range unicode_numbers[];
extern const size_t unicode_nnumbers;

#endif
