/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_internal.h"

static const char *const certificate_fields[] = { "Cert", "Key", NULL };
const struct tt tt_certificate = { .kind = TK_STRUCT,
	.name = "sprig.certificate", .fields = certificate_fields };

const struct tmpl_func tmpl_funcs_crypto[] = { { .name = NULL } };
