/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_TIME_H
#define VALUE_TMPL_TIME_H

#include "value/tmpl_internal.h"

/* The methods of Go's time types that a template can call. */
extern const struct tmpl_func tmpl_time_methods[], tmpl_duration_methods[];

#endif
