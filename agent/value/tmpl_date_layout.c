/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "value/tmpl_date.h"

/* Spelled out, the longest first where one is the start of another. */
static const struct {
	const char *text;
	enum date_std std;
	int not_before_lower;	/* "Jan" is none in "January" and "Janet" */
} chunks[] = {
	{ "January", STD_LONG_MONTH, 0 },
	{ "Jan", STD_MONTH, 1 },
	{ "Monday", STD_LONG_WEEKDAY, 0 },
	{ "Mon", STD_WEEKDAY, 1 },
	{ "MST", STD_TZ, 0 },
	{ "01", STD_ZERO_MONTH, 0 },
	{ "02", STD_ZERO_DAY, 0 },
	{ "03", STD_ZERO_HOUR12, 0 },
	{ "04", STD_ZERO_MINUTE, 0 },
	{ "05", STD_ZERO_SECOND, 0 },
	{ "06", STD_YEAR, 0 },
	{ "002", STD_ZERO_YDAY, 0 },
	{ "15", STD_HOUR, 0 },
	{ "1", STD_NUM_MONTH, 0 },
	{ "2006", STD_LONG_YEAR, 0 },
	{ "2", STD_DAY, 0 },
	{ "_2006", STD_LONG_YEAR, 0 },	/* "_" and a year */
	{ "_2", STD_UNDER_DAY, 0 },
	{ "__2", STD_UNDER_YDAY, 0 },
	{ "3", STD_HOUR12, 0 },
	{ "4", STD_MINUTE, 0 },
	{ "5", STD_SECOND, 0 },
	{ "PM", STD_PM, 0 },
	{ "pm", STD_LOWER_PM, 0 },
	{ "-070000", STD_NUM_SECONDS_TZ, 0 },
	{ "-07:00:00", STD_NUM_COLON_SECONDS_TZ, 0 },
	{ "-0700", STD_NUM_TZ, 0 },
	{ "-07:00", STD_NUM_COLON_TZ, 0 },
	{ "-07", STD_NUM_SHORT_TZ, 0 },
	{ "Z070000", STD_ISO_SECONDS_TZ, 0 },
	{ "Z07:00:00", STD_ISO_COLON_SECONDS_TZ, 0 },
	{ "Z0700", STD_ISO_TZ, 0 },
	{ "Z07:00", STD_ISO_COLON_TZ, 0 },
	{ "Z07", STD_ISO_SHORT_TZ, 0 },
};

/* ".000", ",999": one digit again and again, and none behind it. */
static int
is_fraction(const char *s, size_t n, struct date_chunk *ret)
{
	size_t i = 1;

	if (n < 2 || (s[1] != '0' && s[1] != '9'))
		return (0);
	while (i < n && s[i] == s[1])
		i++;
	if (i < n && s[i] >= '0' && s[i] <= '9')
		return (0);
	ret->std = s[1] == '0' ? STD_FRAC0 : STD_FRAC9;
	ret->digits = i - 1;
	ret->end = ret->start + i;
	return (1);
}

static int
is_chunk(const char *s, size_t n, struct date_chunk *ret)
{
	size_t i, len;

	if (*s == '.' || *s == ',')
		return (is_fraction(s, n, ret));
	for (i = 0; i < ARRAY_LEN(chunks); i++) {
		if (*s != chunks[i].text[0])
			continue;
		len = strlen(chunks[i].text);
		if (n < len || memcmp(s, chunks[i].text, len) != 0 ||
		    (chunks[i].not_before_lower && n > len &&
		    s[len] >= 'a' && s[len] <= 'z'))
			continue;
		ret->std = chunks[i].std;
		ret->end = ret->start + len;
		if (*s == '_' && ret->std == STD_LONG_YEAR)
			ret->start++;
		return (1);
	}
	return (0);
}

void
date_next_chunk(const char *layout, size_t n, struct date_chunk *ret)
{
	*ret = (struct date_chunk){ .std = STD_NONE };
	for (; ret->start < n; ret->start++)
		if (is_chunk(layout + ret->start, n - ret->start, ret))
			return;
	ret->end = n;
}
