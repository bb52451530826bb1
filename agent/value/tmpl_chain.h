/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_CHAIN_H
#define VALUE_TMPL_CHAIN_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_text.h"
#include "value/tmpl_x509.h"

/* Certificates in order: ESO's runtime/template/v2/pem_chain.go.  What signed
 * what is told by key identifiers alone; no signature is verified. */
struct chain {
	struct x509 *v;
	size_t n;
};

/* chain_read: every PEM block of ${pem}, whatever its type, as a certificate.
 * INVALID with Go's text. */
int chain_read(struct tmpl_run *run, struct text pem, struct chain *ret,
    struct err *err);
/* chain_order: fetchX509CertChains of the certificates: the leaf first, each
 * one's issuer behind it.  INVALID (`no leaf certificate found`) where they are
 * not one chain, and ${c} is as it was. */
int chain_order(struct tmpl_run *run, struct chain *c, struct err *err);
/* chain_is_root: without an authority, or its own. */
int chain_is_root(const struct x509 *x);
/* chain_print: ${n} certificates as PEM. */
void chain_print(const struct x509 *v, size_t n, struct buf *out);

#endif
