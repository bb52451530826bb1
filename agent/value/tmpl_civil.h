/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_CIVIL_H
#define VALUE_TMPL_CIVIL_H

#include <stdint.h>

/*
 * The proleptic Gregorian calendar over all of int64, as Go counts: absolute
 * seconds and days are unsigned, since 1 March of a year far in the past, and
 * everything wraps.
 */
struct civil {
	int64_t year;
	int month, day;			/* from 1 */
};

/* civil_abs(unix_sec): absolute seconds. */
uint64_t civil_abs(int64_t unix_sec);
/* civil_unix(abs): and back. */
int64_t civil_unix(uint64_t abs);
void civil_date(uint64_t abs_days, struct civil *ret);
/* civil_days(year, month, day): absolute days; month 1 to 12, any day. */
uint64_t civil_days(int64_t year, int month, int64_t day);
int civil_weekday(uint64_t abs_days);	/* 0: Sunday */
int civil_yday(uint64_t abs_days);	/* from 1 */
int civil_is_leap(int64_t year);
int civil_days_in(int64_t year, int month);
int civil_days_before(int64_t year, int month);

#endif
