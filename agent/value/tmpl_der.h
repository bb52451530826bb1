/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_DER_H
#define VALUE_TMPL_DER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* DER as x/crypto/cryptobyte reads it, for certificates (encoding/asn1, for
 * keys, is tmpl_asn1.h), and how it is written. */
struct der {
	const uint8_t *p;
	size_t n;
};

enum der_tag { DER_BOOLEAN = 0x01, DER_INTEGER = 0x02, DER_BITS = 0x03,
	DER_OCTETS = 0x04, DER_NULL = 0x05, DER_OID = 0x06, DER_UTF8 = 0x0c,
	DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_UTCTIME = 0x17,
	DER_TIME = 0x18 };

#define DER_ANY (-1)

/* der_read: cryptobyte's ReadASN1: the content of the next element, whose tag
 * must be ${tag} (or DER_ANY); *${s} moves behind it, and may be ${ret}: then
 * it is the content.  ${whole}, when not NULL, is the element with its header.
 * 0 or -1. */
int der_read(struct der *s, int tag, struct der *ret, struct der *whole);
/* der_peek: is the next tag ${tag}? */
int der_peek(struct der s, int tag);
/* der_valid_integer / _oid / _bits: of an element's content. */
int der_valid_integer(struct der s);
int der_valid_oid(struct der s);
int der_valid_bits(struct der s);

int der_same(struct der a, struct der b);
/* der_print_oid: of a valid OID's content: 1.2.840.113549 */
void der_print_oid(struct der s, struct buf *out);

/* der_add: an element.  der_wrap: put ${tag} and a length around what ${out}
 * holds from ${from} on. */
void der_add(struct buf *out, int tag, const void *p, size_t n);
void der_wrap(struct buf *out, int tag, size_t from);

#endif
