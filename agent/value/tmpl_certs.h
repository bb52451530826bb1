/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_CERTS_H
#define VALUE_TMPL_CERTS_H

#include "value/tmpl_internal.h"

/* sprig's functions that make keys and certificates; their rows are in
 * tmpl_fn_crypto.c. */
tmpl_fn certs_private_key, certs_build, certs_ca, certs_ca_with_key,
	certs_self, certs_self_with_key, certs_signed, certs_signed_with_key;

#endif
