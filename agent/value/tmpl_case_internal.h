/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_CASE_INTERNAL_H
#define VALUE_TMPL_CASE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

struct case_range {
	uint32_t first, last, stride;
};

/* What to add to a rune; CASE_PAIR: upper and lower take turns. */
struct case_map {
	uint32_t first, last;
	int32_t delta[3];
};

#define CASE_PAIR 0x110000
#define CASE_PAIRS { CASE_PAIR, CASE_PAIR, CASE_PAIR }

extern const struct case_range case_upper[], case_lower[], case_title[],
	case_punct[];
extern const size_t case_nupper, case_nlower, case_ntitle, case_npunct;
extern const struct case_map case_maps[];
extern const size_t case_nmaps;

#endif
