/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_ASN1_H
#define VALUE_TMPL_ASN1_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "value/tmpl_der.h"

/*
 * Go 1.26's encoding/asn1.Unmarshal, table-driven: a Go struct is an array of
 * fields with its tags, and what is read comes out as one value for each field
 * that is no struct itself, in order, with the fields of inner structs in
 * their place.
 */
enum asn1_kind { ASN1_INT, ASN1_BIG, ASN1_OID, ASN1_OCTETS, ASN1_BITS,
	ASN1_RAW, ASN1_STRUCT, ASN1_SLICE };

#define ASN1_OPTIONAL 1
#define ASN1_EXPLICIT 2
#define ASN1_TAGGED 4		/* tag:N */
#define ASN1_IS_SET 8

struct asn1_field {
	enum asn1_kind kind;
	int flags;
	int tag;
	int64_t preset;			/* default:N of an ASN1_INT */
	const struct asn1_struct *type;	/* a struct's, or of the elements */
};

struct asn1_struct {
	const char *name;		/* as reflect has it */
	const struct asn1_field *fields;
	size_t n;
};

#define ASN1_OF(name, fields) { name, fields, \
	sizeof(fields) / sizeof((fields)[0]) }

struct asn1_value {
	struct der bytes;	/* the content; p NULL: it was not there */
	struct der whole;	/* with its header */
	uint32_t tag;
	int64_t i;		/* of an ASN1_INT */
};

#define ASN1_VALUES_MAX 16	/* of one struct */

/**
 * asn1_read(s, field, ret, err):
 * Unmarshal from the front of *${s} into ${ret} (as many values as the struct
 * has, zeroed before), *${s} moves behind it.  A slice is checked as a whole;
 * its bytes are the elements, for asn1_read one by one.  0, or -1 and INVALID
 * with Go's text (`asn1: syntax error: data truncated`).
 */
int asn1_read(struct der *s, const struct asn1_field *field,
    struct asn1_value *ret, struct err *err);

/* pkix.AlgorithmIdentifier: the OID, the parameters. */
extern const struct asn1_struct asn1_algorithm;

#endif
