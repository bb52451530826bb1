/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_ZONE_RULE_H
#define VALUE_TMPL_ZONE_RULE_H

#include <stdint.h>

#include "value/tmpl_zone.h"

/* zone_rule(rule, since, sec, ret): Go's tzset: what the POSIX rule ${rule}
 * ("CET-1CEST,M3.5.0,M10.5.0/3"), which holds from ${since} on, says about
 * ${sec}.  -1 when it cannot be read. */
int zone_rule(const char *rule, int64_t since, int64_t sec,
    struct zone_at *ret);

#endif
