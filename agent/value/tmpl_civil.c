/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_civil.h"

#define DAY 86400
#define DAYS_400 146097			/* of 400 years */
#define YEARS 292277022400		/* from the absolute zero to year 0 */

/* From 1 March of year 0 to 1 January 1970. */
#define DAYS_TO_1970 719468

#define ABS_OF_1970 \
	((uint64_t)YEARS / 400 * DAYS_400 * DAY + (uint64_t)DAYS_TO_1970 * DAY)

uint64_t
civil_abs(int64_t unix_sec)
{
	return ((uint64_t)unix_sec + ABS_OF_1970);
}

int64_t
civil_unix(uint64_t abs)
{
	return ((int64_t)(abs - ABS_OF_1970));
}

/* Years that begin in March: the leap day comes last. */
void
civil_date(uint64_t abs_days, struct civil *ret)
{
	uint64_t cycle = abs_days / DAYS_400, day = abs_days % DAYS_400;
	uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	uint64_t yday = day - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * yday + 2) / 153;

	ret->day = (int)(yday - (153 * month + 2) / 5 + 1);
	ret->month = (int)(month < 10 ? month + 3 : month - 9);
	ret->year = (int64_t)(year + cycle * 400 + (ret->month <= 2) -
	    (uint64_t)YEARS);
}

uint64_t
civil_days(int64_t year, int month, int64_t day)
{
	uint64_t y = (uint64_t)year + (uint64_t)YEARS - (month <= 2);
	uint64_t in = y % 400, m = (uint64_t)(month > 2 ? month - 3 :
	    month + 9);

	return (y / 400 * DAYS_400 + in * 365 + in / 4 - in / 100 +
	    (153 * m + 2) / 5 + (uint64_t)day - 1);
}

int
civil_weekday(uint64_t abs_days)
{
	return ((int)((abs_days % 7 + 3) % 7));
}

int
civil_is_leap(int64_t year)
{
	return (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

int
civil_days_before(int64_t year, int month)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243,
		273, 304, 334, 365 };

	return (before[month - 1] + (month > 2 && civil_is_leap(year)));
}

int
civil_days_in(int64_t year, int month)
{
	return (civil_days_before(year, month + 1) -
	    civil_days_before(year, month));
}

int
civil_yday(uint64_t abs_days)
{
	struct civil c;

	civil_date(abs_days, &c);
	return (civil_days_before(c.year, c.month) + c.day);
}
