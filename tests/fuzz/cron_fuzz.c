/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "model/cron.h"
#include "model/refresh.h"

/*
 * A schedule.  Eight bytes of time, then text: what parses must come after
 * that time, on a whole second, on a minute that its fields allow.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct cron *c, int64_t from, int64_t next)
{
	time_t t = (time_t)(next / 1000);
	struct tm tm;

	if (next == CRON_NEVER)
		return;
	if (next <= from - 1000 || next % 1000 != 0)
		abort();
	if (c->every_ms > 0)
		return;
	if (next <= from || next % 60000 != 0 || gmtime_r(&t, &tm) == NULL ||
	    !(c->minute >> tm.tm_min & 1) || !(c->hour >> tm.tm_hour & 1) ||
	    !(c->month >> (tm.tm_mon + 1) & 1))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t from;
	struct cron c;
	char *expr;

	if (size < sizeof(from) || size > 400)
		return (0);
	memcpy(&from, data, sizeof(from));
	from = (int64_t)((uint64_t)from % UINT64_C(4102444800000));
	expr = str_ndup((const char *)data + sizeof(from),
	    size - sizeof(from));
	if (cron_check(expr, NULL) == 0) {
		if (cron_parse(expr, &c, NULL) == -1)
			abort();
		check(&c, from, cron_next(&c, from));
	}
	free(expr);
	return (0);
}
