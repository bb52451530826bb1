/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_internal.h"

const struct tmpl_func tmpl_funcs_json[] = { { .name = NULL } };
