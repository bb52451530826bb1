/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_PEM_H
#define VALUE_TMPL_PEM_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_text.h"

/* Go 1.26's encoding/pem. */
struct pem_block {
	struct text type;		/* "CERTIFICATE"; inside the input */
	struct text bytes;		/* what was encoded, in the pool */
	struct text headers;		/* their lines */
	size_t nheaders;
};

/* pem_decode: pem.Decode of *${s}: 1 and the next block, *${s} is what follows
 * it; 0 when there is none (*${s} stays); -1 at a ceiling. */
int pem_decode(struct tmpl_run *run, struct text *s, struct pem_block *ret,
    struct err *err);
/* pem_print: pem.Encode of a block that was decoded, its headers sorted. */
int pem_print(struct tmpl_run *run, const struct pem_block *b,
    struct buf *out, struct err *err);
/* pem_encode: pem.EncodeToMemory of a block without headers. */
void pem_encode(const char *type, const void *p, size_t n, struct buf *out);

#endif
