/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_JWK_H
#define VALUE_TMPL_JWK_H

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_text.h"

/* JSON Web Keys as github.com/lestrrat-go/jwx/v2 v2.1.6 reads them. */

/* jwk_print_public: ESO's jwkPublicKeyPem: PKIX as PEM.  INVALID with Go's
 * text. */
int jwk_print_public(struct tmpl_run *run, struct text json, struct buf *out,
    struct err *err);
/* jwk_print_private: ESO's jwkPrivateKeyPem: PKCS #8 as PEM. */
int jwk_print_private(struct tmpl_run *run, struct text json,
    struct buf *out, struct err *err);

#endif
