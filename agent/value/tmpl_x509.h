/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_X509_H
#define VALUE_TMPL_X509_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_der.h"
#include "value/tmpl_internal.h"

/* Go 1.26's x509.Certificate, as far as templates see it; what is in it lies
 * in the input. */
struct x509 {
	struct der raw;
	struct der subject;		/* the elements of the RDNSequence */
	struct der key_id, authority_id; /* p NULL: Go's nil */
	struct der names;		/* subjectAltName's elements */
};

/**
 * x509_parse(run, der, ret, err):
 * x509.ParseCertificate: 0, or -1 and INVALID with its text (`x509: malformed
 * certificate`).
 */
int x509_parse(struct tmpl_run *run, struct der der, struct x509 *ret,
    struct err *err);
/* x509_next: the same of the certificate at the front of *${s}, which moves
 * behind it: one of ParseCertificates. */
int x509_next(struct tmpl_run *run, struct der *s, struct x509 *ret,
    struct err *err);

/* x509_subject: cert.Subject.String(): "CN=a,O=b" appended to ${out}. */
void x509_subject(const struct x509 *x, struct buf *out);

/**
 * x509_sans(run, x, ret, err):
 * The []string that ESO's certSANs gives: DNS names, addresses, mail, URIs.
 */
int x509_sans(struct tmpl_run *run, const struct x509 *x, struct tv *ret,
    struct err *err);

/* --- of tmpl_x509*.c alone ----------------------------------------------- */

struct x509_extension {
	struct der oid, value;
	int critical;
};

/* x509_extension: processExtensions of one. */
int x509_extension(struct tmpl_run *run, const struct x509_extension *e,
    struct x509 *ret, struct err *err);
/* x509_name: parseName of an RDNSequence's elements. */
int x509_name(struct der name, struct err *err);
int x509_bad(const char *what, struct err *err);
int x509_read_integer(struct der *s, struct der *ret);
int x509_read_oid(struct der *s, struct der *ret);

#endif
