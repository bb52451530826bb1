/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_CRYPT_H
#define VALUE_TMPL_CRYPT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_text.h"

/* Passwords: bcrypt, and Maarten Billemont's Master Password algorithm. */

/* crypt_bcrypt: append "$2a$10$…" of ${password}, 72 bytes at most.  libcrypt
 * ends a password at a NUL: one that holds a NUL is INVALID. */
int crypt_bcrypt(struct text password, struct buf *out, struct err *err);

struct derived {
	uint32_t counter;
	struct text type;		/* "long", "pin"… */
	struct text password, user, site;
};

int derived_known(struct text type);
/* derived_password: sprig's derivePassword; the type must be known. */
int derived_password(const struct derived *d, struct buf *out,
    struct err *err);

#endif
