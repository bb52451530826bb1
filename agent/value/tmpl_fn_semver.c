/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_internal.h"

static const struct tt tt_version = { .kind = TK_STRUCT,
	.name = "semver.Version" };
const struct tt tt_semver = { .kind = TK_PTR, .name = "*semver.Version",
	.elem = &tt_version };

const struct tmpl_func tmpl_funcs_semver[] = { { .name = NULL } };
