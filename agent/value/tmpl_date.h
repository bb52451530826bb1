/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_DATE_H
#define VALUE_TMPL_DATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_zone.h"

/* time.Time and time.Duration as Go 1.26 has them. */

extern const struct tt tt_location;	/* *time.Location */
extern const struct tt tt_month, tt_weekday;

/* A tt_time is one of these behind u.p; its first part are the fields that Go
 * prints with %d. */
struct date {
	struct tv fields[3];		/* wall, ext, loc */
	int64_t sec;			/* since 1970 UTC */
	int32_t nsec;			/* 0 to 999,999,999 */
	int has_mono;
	int64_t mono;			/* nanoseconds since the start */
	const struct location *loc;
};

/* date_set: a tt_time. */
int date_set(struct tmpl_run *run, const struct date *d, struct tv *ret,
    struct err *err);
const struct date *date_of(const struct tv *v);
/* date_now(d): the clock's time, Local. */
void date_now(struct date *d);
/* date_make: time.Date: parts in any range, in ${loc}. */
void date_make(int64_t year, int64_t month, int64_t day, int64_t sec,
    int32_t nsec, const struct location *loc, struct date *ret);
/* date_add: Add. */
void date_add(const struct date *d, int64_t nanoseconds, struct date *ret);
/* date_sub: a.Sub(b), which stops at the ends of a Duration. */
int64_t date_sub(const struct date *a, const struct date *b);
int date_compare(const struct date *a, const struct date *b);
/* date_since_year_1(d): nanoseconds since the zero time. */
__int128 date_since_year_1(const struct date *d);

/* What a time shows in its location. */
struct date_view {
	struct zone_at zone;
	uint64_t days;			/* absolute */
	int64_t year;
	int month, day, yday, weekday, hour, minute, second;
};

void date_view(const struct date *d, struct date_view *ret);

/* --- text (tmpl_date_format.c, tmpl_date_parse.c) ----------------------- */

extern const char *const date_months[], *const date_weekdays[]; /* from 0 */

/* date_format: Format. */
void date_format(const struct date *d, const char *layout, size_t n,
    struct buf *out);
/* date_parse: ParseInLocation(layout, value, time.Local).  INVALID with Go's
 * text; *${ret} is then the zero time. */
int date_parse(struct tmpl_run *run, const char *layout, size_t layout_n,
    const char *value, size_t n, struct tv *ret, struct err *err);
/* date_print: String. */
void date_print(const struct date *d, struct buf *out);
/* date_print_go: GoString. */
void date_print_go(const struct date *d, struct buf *out);
/* date_print_json: MarshalJSON with its error as encoding/json words it. */
int date_print_json(const struct tv *v, struct buf *out, struct err *err);
/* date_print_rfc3339: with nanoseconds; NULL, or what keeps it from being
 * valid. */
const char *date_print_rfc3339(const struct date *d, struct buf *out);

/* date_quote: the package's own quote, which is not strconv's. */
void date_quote(const char *s, size_t n, struct buf *out);

/* date_parse_duration: ParseDuration in ns, INVALID with Go's text; *${ret}
 * is then 0. */
int date_parse_duration(const char *s, size_t n, int64_t *ret,
    struct err *err);
void date_print_duration(int64_t d, struct buf *out);

/* --- layouts (tmpl_date_layout.c) --------------------------------------- */

enum date_std { STD_NONE, STD_LONG_MONTH, STD_MONTH, STD_NUM_MONTH,
	STD_ZERO_MONTH, STD_LONG_WEEKDAY, STD_WEEKDAY, STD_DAY,
	STD_UNDER_DAY, STD_ZERO_DAY, STD_UNDER_YDAY, STD_ZERO_YDAY, STD_HOUR,
	STD_HOUR12, STD_ZERO_HOUR12, STD_MINUTE, STD_ZERO_MINUTE, STD_SECOND,
	STD_ZERO_SECOND, STD_LONG_YEAR, STD_YEAR, STD_PM, STD_LOWER_PM,
	STD_TZ, STD_ISO_TZ, STD_ISO_SECONDS_TZ, STD_ISO_SHORT_TZ,
	STD_ISO_COLON_TZ, STD_ISO_COLON_SECONDS_TZ, STD_NUM_TZ,
	STD_NUM_SECONDS_TZ, STD_NUM_SHORT_TZ, STD_NUM_COLON_TZ,
	STD_NUM_COLON_SECONDS_TZ, STD_FRAC0, STD_FRAC9 };

/* nextStdChunk: ${layout} is prefix, then the chunk from ${start} to ${end}. */
struct date_chunk {
	enum date_std std;
	size_t start, end;
	size_t digits;			/* of fractions */
};

void date_next_chunk(const char *layout, size_t n, struct date_chunk *ret);

#endif
