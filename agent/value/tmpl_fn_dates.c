/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_internal.h"

const struct tt tt_time = { .kind = TK_STRUCT, .name = "time.Time" };
const struct tt tt_duration = { .kind = TK_INT64, .name = "time.Duration" };

const struct tmpl_func tmpl_funcs_dates[] = { { .name = NULL } };
