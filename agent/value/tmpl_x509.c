/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "value/tmpl_der.h"

/* The structure of a certificate, in the order and with the words of Go 1.26's
 * crypto/x509/parser.go. */

static int
bad(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "x509: %s", what));
}

static int
same(struct der a, struct der b)
{
	return (a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
}

static int
read_integer(struct der *s, struct der *ret)
{
	return (der_read(s, DER_INTEGER, ret, NULL) == -1 ||
	    !der_valid_integer(*ret) ? -1 : 0);
}

static int
read_oid(struct der *s, struct der *ret)
{
	return (der_read(s, DER_OID, ret, NULL) == -1 ||
	    !der_valid_oid(*ret) ? -1 : 0);
}

/* --- parts -------------------------------------------------------------- */

static int
version(struct der *tbs, int *ret, struct err *err)
{
	struct der outer, v;

	*ret = 1;
	if (!der_peek(*tbs, 0xa0))
		return (0);
	if (der_read(tbs, 0xa0, &outer, NULL) == -1 ||
	    read_integer(&outer, &v) == -1 || outer.n > 0 || v.n > 8 ||
	    (v.p[0] & 0x80) != 0)
		return (bad("malformed version", err));
	if (v.n > 1 || v.p[0] > 2)
		return (bad("invalid version", err));
	*ret = v.p[0] + 1;
	return (0);
}

struct algorithm {
	struct der oid, params;		/* whole element, or empty */
};

static int
algorithm(struct der s, struct algorithm *ret, struct err *err)
{
	struct der inner;

	ret->params = (struct der){ NULL, 0 };
	if (read_oid(&s, &ret->oid) == -1)
		return (bad("malformed OID", err));
	if (s.n > 0 && der_read(&s, DER_ANY, &inner, &ret->params) == -1)
		return (bad("malformed parameters", err));
	return (0);
}

/* What a string must not hold, or NULL. */
static const char *
bad_string(int tag, struct der s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		char c = (char)s.p[i];

		if (tag == 0x13 && !((c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr(" '()+,-./:=?*&", c) != NULL)))
			return ("invalid PrintableString");
		if (tag == 0x16 && s.p[i] >= 0x80)
			return ("invalid IA5String");
		if (tag == 0x12 && !(c >= '0' && c <= '9') && c != ' ')
			return ("invalid NumericString");
	}
	if (tag == DER_UTF8 && !utf8_valid((const char *)s.p, s.n))
		return ("invalid UTF-8 string");
	if (tag == 0x1e && s.n % 2 != 0)
		return ("invalid BMPString");
	return (NULL);
}

static int
attribute(struct der s, struct err *err)
{
	static const char known[] = "\x0c\x12\x13\x14\x16\x1e";
	struct der oid, value;
	const char *why;
	int tag;

	if (read_oid(&s, &oid) == -1)
		return (bad("invalid RDNSequence: invalid attribute type",
		    err));
	tag = s.n > 0 ? s.p[0] : 0;
	if (der_read(&s, DER_ANY, &value, NULL) == -1)
		return (bad("invalid RDNSequence: invalid attribute value",
		    err));
	if (tag == 0 || strchr(known, tag) == NULL)
		return (err_set(err, ERR_INVALID, "x509: invalid RDNSequence: "
		    "invalid attribute value: unsupported string type: %d",
		    tag));
	if ((why = bad_string(tag, value)) != NULL)
		return (err_set(err, ERR_INVALID, "x509: invalid RDNSequence: "
		    "invalid attribute value: %s", why));
	return (0);
}

static int
name(struct der *tbs, struct err *err)
{
	struct der seq, set, one;

	if (der_read(tbs, DER_SEQUENCE, &seq, NULL) == -1)
		return (bad("malformed issuer", err));
	while (seq.n > 0) {
		if (der_read(&seq, DER_SET, &set, NULL) == -1)
			return (bad("invalid RDNSequence", err));
		while (set.n > 0) {
			if (der_read(&set, DER_SEQUENCE, &one, NULL) == -1)
				return (bad("invalid RDNSequence: invalid "
				    "attribute", err));
			if (attribute(one, err) == -1)
				return (-1);
		}
	}
	return (0);
}

/* Digits and a Z; Go allows a numeric offset as well. */
static int
moment(struct der *s, struct err *err)
{
	struct der t;
	size_t i, digits;

	if (!der_peek(*s, DER_UTCTIME) && !der_peek(*s, DER_TIME))
		return (bad("unsupported time format", err));
	digits = der_peek(*s, DER_UTCTIME) ? 12 : 14;
	if (der_read(s, DER_ANY, &t, NULL) == -1)
		t.n = 0;
	for (i = 0; i < t.n && t.p[i] >= '0' && t.p[i] <= '9'; i++)
		;
	if (t.n == 0 || i == t.n || (i != digits &&
	    !(digits == 12 && i == 10)) || strchr("Z+-", t.p[i]) == NULL)
		return (bad(digits == 12 ? "malformed UTCTime" :
		    "malformed GeneralizedTime", err));
	return (0);
}

static int
validity(struct der *tbs, struct err *err)
{
	struct der s;

	if (der_read(tbs, DER_SEQUENCE, &s, NULL) == -1)
		return (bad("malformed validity", err));
	return (moment(&s, err) == -1 ? -1 : moment(&s, err));
}

/* --- the key ------------------------------------------------------------ */

static int
rsa_key(const struct algorithm *a, struct der key, struct err *err)
{
	static const uint8_t null[] = { 5, 0 };
	struct der seq, n, e;

	if (!same(a->params, (struct der){ null, 2 }))
		return (bad("RSA key missing NULL parameters", err));
	if (der_read(&key, DER_SEQUENCE, &seq, NULL) == -1)
		return (bad("invalid RSA public key", err));
	if (read_integer(&seq, &n) == -1)
		return (bad("invalid RSA modulus", err));
	if (read_integer(&seq, &e) == -1 || e.n > 8)
		return (bad("invalid RSA public exponent", err));
	if ((n.p[0] & 0x80) != 0 || (n.n == 1 && n.p[0] == 0))
		return (bad("RSA modulus is not a positive number", err));
	if ((e.p[0] & 0x80) != 0 || (e.n == 1 && e.p[0] == 0))
		return (bad("RSA public exponent is not a positive number",
		    err));
	return (0);
}

static int
ed25519_key(const struct algorithm *a, struct der key, struct err *err)
{
	if (a->params.n > 0)
		return (bad("Ed25519 key encoded with illegal parameters",
		    err));
	if (key.n != 32)
		return (bad("wrong Ed25519 public key size", err));
	return (0);
}

static int
public_key(struct der *tbs, struct err *err)
{
	static const uint8_t rsa[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
	static const uint8_t ed25519[] = "\x2b\x65\x70";
	struct der spki, ai, bits;
	struct algorithm a;

	if (der_read(tbs, DER_SEQUENCE, &spki, NULL) == -1)
		return (bad("malformed spki", err));
	if (der_read(&spki, DER_SEQUENCE, &ai, NULL) == -1)
		return (bad("malformed public key algorithm identifier",
		    err));
	if (algorithm(ai, &a, err) == -1)
		return (-1);
	if (der_read(&spki, DER_BITS, &bits, NULL) == -1 ||
	    !der_valid_bits(bits))
		return (bad("malformed subjectPublicKey", err));
	bits.p++;
	bits.n--;
	if (same(a.oid, (struct der){ rsa, sizeof(rsa) - 1 }))
		return (rsa_key(&a, bits, err));
	if (same(a.oid, (struct der){ ed25519, sizeof(ed25519) - 1 }))
		return (ed25519_key(&a, bits, err));
	return (0);
}

/* --- extensions --------------------------------------------------------- */

static int
extension(struct der s, struct err *err)
{
	struct der v;

	if (read_oid(&s, &v) == -1)
		return (bad("malformed extension OID field", err));
	if (der_peek(s, DER_BOOLEAN) && (der_read(&s, DER_BOOLEAN, &v,
	    NULL) == -1 || v.n != 1 || (v.p[0] != 0 && v.p[0] != 0xff)))
		return (bad("malformed extension critical field", err));
	if (der_read(&s, DER_OCTETS, &v, NULL) == -1)
		return (bad("malformed extension value field", err));
	return (0);
}

static int
extensions(struct der *tbs, int of_version, struct err *err)
{
	struct der s, list, one;

	if (der_peek(*tbs, 0x81) && der_read(tbs, 0x81, &s, NULL) == -1)
		return (bad("malformed issuerUniqueID", err));
	if (der_peek(*tbs, 0x82) && der_read(tbs, 0x82, &s, NULL) == -1)
		return (bad("malformed subjectUniqueID", err));
	if (of_version != 3 || !der_peek(*tbs, 0xa3))
		return (0);
	if (der_read(tbs, 0xa3, &s, NULL) == -1 ||
	    der_read(&s, DER_SEQUENCE, &list, NULL) == -1)
		return (bad("malformed extensions", err));
	while (list.n > 0) {
		if (der_read(&list, DER_SEQUENCE, &one, NULL) == -1)
			return (bad("malformed extension", err));
		if (extension(one, err) == -1)
			return (-1);
	}
	return (0);
}

/* --- the certificate ---------------------------------------------------- */

static int
signature_algorithms(struct der *tbs, struct der *outer, struct err *err)
{
	struct der inside, outside;
	struct algorithm a;

	if (der_read(tbs, DER_SEQUENCE, &inside, NULL) == -1)
		return (bad("malformed signature algorithm identifier", err));
	if (der_read(outer, DER_SEQUENCE, &outside, NULL) == -1)
		return (bad("malformed algorithm identifier", err));
	if (!same(inside, outside))
		return (bad("inner and outer signature algorithm identifiers "
		    "don't match", err));
	return (algorithm(inside, &a, err));
}

int
x509_check(const void *p, size_t n, struct err *err)
{
	struct der all = { p, n }, cert, tbs, serial, signature;
	int of_version;

	if (der_read(&all, DER_SEQUENCE, &cert, NULL) == -1)
		return (bad("malformed certificate", err));
	if (der_read(&cert, DER_SEQUENCE, &tbs, NULL) == -1)
		return (bad("malformed tbs certificate", err));
	if (version(&tbs, &of_version, err) == -1)
		return (-1);
	if (read_integer(&tbs, &serial) == -1)
		return (bad("malformed serial number", err));
	if ((serial.p[0] & 0x80) != 0)
		return (bad("negative serial number", err));
	if (signature_algorithms(&tbs, &cert, err) == -1 ||
	    name(&tbs, err) == -1 || validity(&tbs, err) == -1 ||
	    name(&tbs, err) == -1 || public_key(&tbs, err) == -1 ||
	    (of_version > 1 && extensions(&tbs, of_version, err) == -1))
		return (-1);
	if (der_read(&cert, DER_BITS, &signature, NULL) == -1 ||
	    !der_valid_bits(signature))
		return (bad("malformed signature", err));
	return (all.n == 0 ? 0 : bad("trailing data", err));
}
