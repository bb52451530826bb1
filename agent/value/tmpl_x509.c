/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "value/gostr.h"
#include "value/tmpl_key.h"
#include "value/tmpl_pki_num.h"
#include "value/tmpl_x509.h"

/* The structure of a certificate, in the order and with the words of Go 1.26's
 * crypto/x509/parser.go. */

int
x509_bad(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "x509: %s", what));
}

int
x509_read_integer(struct der *s, struct der *ret)
{
	return (der_read(s, DER_INTEGER, ret, NULL) == -1 ||
	    !der_valid_integer(*ret) ? -1 : 0);
}

int
x509_read_oid(struct der *s, struct der *ret)
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
	    x509_read_integer(&outer, &v) == -1 || outer.n > 0 || v.n > 8 ||
	    (v.p[0] & 0x80) != 0)
		return (x509_bad("malformed version", err));
	if (v.n > 1 || v.p[0] > 2)
		return (x509_bad("invalid version", err));
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
	if (x509_read_oid(&s, &ret->oid) == -1)
		return (x509_bad("malformed OID", err));
	if (s.n > 0 && der_read(&s, DER_ANY, &inner, &ret->params) == -1)
		return (x509_bad("malformed parameters", err));
	return (0);
}

/* --- validity ----------------------------------------------------------- */

static int
two_digits(const uint8_t *p)
{
	return ((p[0] - '0') * 10 + p[1] - '0');
}

static int
month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };
	int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return (days[month - 1] + (month == 2 && leap));
}

/* Z, or an offset other than zero, printed as Go prints it. */
static int
valid_zone(const uint8_t *p, size_t n)
{
	size_t i;

	if (n == 1)
		return (p[0] == 'Z');
	if (n != 5 || (p[0] != '+' && p[0] != '-'))
		return (0);
	for (i = 1; i < 5; i++)
		if (p[i] < '0' || p[i] > '9')
			return (0);
	return (two_digits(p + 1) <= 24 && two_digits(p + 3) < 60 &&
	    two_digits(p + 1) + two_digits(p + 3) > 0);
}

/* YYMMDDhhmm[ss] or YYYYMMDDhhmmss and a zone: what time.Parse reads and
 * Format gives back. */
static int
valid_time(struct der t, size_t year_digits)
{
	int year, month, day;
	size_t i, n = 0;
	const uint8_t *p;

	while (n < t.n && t.p[n] >= '0' && t.p[n] <= '9')
		n++;
	if (n != year_digits + 10 && !(year_digits == 2 && n == 10))
		return (0);
	p = t.p + year_digits;
	year = two_digits(t.p);
	if (year_digits == 4)
		year = year * 100 + two_digits(t.p + 2);
	else
		year += year >= 69 ? 1900 : 2000;
	month = two_digits(p);
	day = two_digits(p + 2);
	if (month < 1 || month > 12 || day < 1 ||
	    day > month_days(year, month) || two_digits(p + 4) > 23)
		return (0);
	for (i = 6; i < n - year_digits; i += 2)
		if (two_digits(p + i) > 59)
			return (0);
	return (valid_zone(t.p + n, t.n - n));
}

static int
moment(struct der *s, struct err *err)
{
	int utc = der_peek(*s, DER_UTCTIME);
	struct der t;

	if (!utc && !der_peek(*s, DER_TIME))
		return (x509_bad("unsupported time format", err));
	if (der_read(s, DER_ANY, &t, NULL) == -1 ||
	    !valid_time(t, utc ? 2 : 4))
		return (x509_bad(utc ? "malformed UTCTime" :
		    "malformed GeneralizedTime", err));
	return (0);
}

static int
validity(struct der *tbs, struct err *err)
{
	struct der s;

	if (der_read(tbs, DER_SEQUENCE, &s, NULL) == -1)
		return (x509_bad("malformed validity", err));
	return (moment(&s, err) == -1 ? -1 : moment(&s, err));
}

/* --- the key ------------------------------------------------------------ */

static int
is_positive(struct der s)
{
	return ((s.p[0] & 0x80) == 0 && !(s.n == 1 && s.p[0] == 0));
}

static int
rsa_key(const struct algorithm *a, struct der key, struct err *err)
{
	static const uint8_t null[] = { 5, 0 };
	struct der seq, n, e;

	if (!der_same(a->params, (struct der){ null, 2 }))
		return (x509_bad("RSA key missing NULL parameters", err));
	if (der_read(&key, DER_SEQUENCE, &seq, NULL) == -1)
		return (x509_bad("invalid RSA public key", err));
	if (x509_read_integer(&seq, &n) == -1)
		return (x509_bad("invalid RSA modulus", err));
	if (x509_read_integer(&seq, &e) == -1 || e.n > 8)
		return (x509_bad("invalid RSA public exponent", err));
	if (!is_positive(n))
		return (x509_bad("RSA modulus is not a positive number",
		    err));
	if (!is_positive(e))
		return (x509_bad("RSA public exponent is not a positive "
		    "number", err));
	return (0);
}

static int
ec_key(const struct algorithm *a, struct der key, struct err *err)
{
	struct der params = a->params, oid;
	int curve;

	if (x509_read_oid(&params, &oid) == -1)
		return (x509_bad("invalid ECDSA parameters", err));
	if ((curve = key_curve_find(oid)) == -1)
		return (x509_bad("unsupported elliptic curve", err));
	if (key.n < 1 || key.p[0] != 4)
		return (err_set(err, ERR_INVALID,
		    "ecdsa: invalid uncompressed public key"));
	return (pki_ec_check((enum key_curve)curve,
	    (struct text){ (const char *)key.p, key.n }, err));
}

static int
ed25519_key(const struct algorithm *a, struct der key, struct err *err)
{
	if (a->params.n > 0)
		return (x509_bad("Ed25519 key encoded with illegal parameters",
		    err));
	if (key.n != 32)
		return (x509_bad("wrong Ed25519 public key size", err));
	return (0);
}

static int
x25519_key(const struct algorithm *a, struct der key, struct err *err)
{
	if (a->params.n > 0)
		return (x509_bad("X25519 key encoded with illegal parameters",
		    err));
	if (key.n != 32)
		return (err_set(err, ERR_INVALID,
		    "crypto/ecdh: invalid public key"));
	return (0);
}

static int
dsa_key(const struct algorithm *a, struct der key, struct err *err)
{
	struct der params = a->params, y, p, q, g;

	if (x509_read_integer(&key, &y) == -1)
		return (x509_bad("invalid DSA public key", err));
	if (der_read(&params, DER_SEQUENCE, &params, NULL) == -1 ||
	    x509_read_integer(&params, &p) == -1 ||
	    x509_read_integer(&params, &q) == -1 ||
	    x509_read_integer(&params, &g) == -1)
		return (x509_bad("invalid DSA parameters", err));
	if (!is_positive(y) || !is_positive(p) || !is_positive(q) ||
	    !is_positive(g))
		return (x509_bad("zero or negative DSA parameter", err));
	return (0);
}

/* BitString.RightAlign: without the bits that pad the last byte. */
static int
right_align(struct tmpl_run *run, struct der *bits, struct err *err)
{
	int shift = bits->p[0];
	uint8_t *out;
	size_t i;

	bits->p++;
	bits->n--;
	if (shift == 0)
		return (0);
	if ((out = tmpl_alloc(run, bits->n, err)) == NULL)
		return (-1);
	for (i = 0; i < bits->n; i++)
		out[i] = (uint8_t)(bits->p[i] >> shift |
		    (i > 0 ? bits->p[i - 1] << (8 - shift) : 0));
	bits->p = out;
	return (0);
}

static int
public_key(struct tmpl_run *run, struct der *tbs, struct err *err)
{
	static const struct {
		const char *oid;
		int (*check)(const struct algorithm *, struct der,
		    struct err *);
	} kinds[] = {
		{ "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", rsa_key },
		{ "\x2a\x86\x48\xce\x3d\x02\x01", ec_key },
		{ "\x2b\x65\x70", ed25519_key },
		{ "\x2b\x65\x6e", x25519_key },
		{ "\x2a\x86\x48\xce\x38\x04\x01", dsa_key },
	};
	struct der spki, ai, bits;
	struct algorithm a;
	size_t i;

	if (der_read(tbs, DER_SEQUENCE, &spki, NULL) == -1)
		return (x509_bad("malformed spki", err));
	if (der_read(&spki, DER_SEQUENCE, &ai, NULL) == -1)
		return (x509_bad("malformed public key algorithm identifier",
		    err));
	if (algorithm(ai, &a, err) == -1)
		return (-1);
	if (der_read(&spki, DER_BITS, &bits, NULL) == -1 ||
	    !der_valid_bits(bits))
		return (x509_bad("malformed subjectPublicKey", err));
	if (right_align(run, &bits, err) == -1)
		return (-1);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (der_same(a.oid, (struct der){
		    (const uint8_t *)kinds[i].oid, strlen(kinds[i].oid) }))
			return (kinds[i].check(&a, bits, err));
	return (0);
}

/* --- extensions --------------------------------------------------------- */

static int
read_extension(struct der s, struct x509_extension *e, struct err *err)
{
	struct der v;

	e->critical = 0;
	if (x509_read_oid(&s, &e->oid) == -1)
		return (x509_bad("malformed extension OID field", err));
	if (der_peek(s, DER_BOOLEAN)) {
		if (der_read(&s, DER_BOOLEAN, &v, NULL) == -1 || v.n != 1 ||
		    (v.p[0] != 0 && v.p[0] != 0xff))
			return (x509_bad("malformed extension critical field",
			    err));
		e->critical = v.p[0] != 0;
	}
	if (der_read(&s, DER_OCTETS, &e->value, NULL) == -1)
		return (x509_bad("malformed extension value field", err));
	return (0);
}

static int
duplicate(struct der oid, struct err *err)
{
	cleanup_buf struct buf name = BUF_PLAIN(1 << 20);
	cleanup_buf struct buf quoted = BUF_PLAIN(1 << 20);

	der_print_oid(oid, &name);
	gostr_quote(buf_str(&name), name.len, &quoted);
	return (err_set(err, ERR_INVALID, "x509: certificate contains "
	    "duplicate extension with OID %s", buf_str(&quoted)));
}

/* All are read before the first one's value is looked at. */
static int
extension_list(struct tmpl_run *run, struct der list, struct x509 *ret,
    struct err *err)
{
	struct x509_extension *v;
	struct der rest = list, one;
	size_t i, n = 0, max = 0;

	while (der_read(&rest, DER_SEQUENCE, &one, NULL) == 0)
		max++;
	v = tmpl_alloc(run, (max + 1) * sizeof(*v), err);
	/* Each is compared with those before it. */
	if (v == NULL || tmpl_steps(run, 1 + max * max / 64, err) == -1)
		return (-1);
	for (; list.n > 0; n++) {
		if (der_read(&list, DER_SEQUENCE, &one, NULL) == -1)
			return (x509_bad("malformed extension", err));
		if (read_extension(one, &v[n], err) == -1)
			return (-1);
		for (i = 0; i < n; i++)
			if (der_same(v[i].oid, v[n].oid))
				return (duplicate(v[n].oid, err));
	}
	for (i = 0; i < n; i++)
		if (x509_extension(run, &v[i], ret, err) == -1)
			return (-1);
	return (0);
}

static int
extensions(struct tmpl_run *run, struct der *tbs, int of_version,
    struct x509 *ret, struct err *err)
{
	struct der s, list;

	if (der_peek(*tbs, 0x81) && der_read(tbs, 0x81, &s, NULL) == -1)
		return (x509_bad("malformed issuerUniqueID", err));
	if (der_peek(*tbs, 0x82) && der_read(tbs, 0x82, &s, NULL) == -1)
		return (x509_bad("malformed subjectUniqueID", err));
	if (of_version != 3 || !der_peek(*tbs, 0xa3))
		return (0);
	if (der_read(tbs, 0xa3, &s, NULL) == -1 ||
	    der_read(&s, DER_SEQUENCE, &list, NULL) == -1)
		return (x509_bad("malformed extensions", err));
	return (extension_list(run, list, ret, err));
}

/* --- the certificate ---------------------------------------------------- */

static int
signature_algorithms(struct der *tbs, struct der *outer, struct err *err)
{
	struct der inside, outside;
	struct algorithm a;

	if (der_read(tbs, DER_SEQUENCE, &inside, NULL) == -1)
		return (x509_bad("malformed signature algorithm identifier",
		    err));
	if (der_read(outer, DER_SEQUENCE, &outside, NULL) == -1)
		return (x509_bad("malformed algorithm identifier", err));
	if (!der_same(inside, outside))
		return (x509_bad("inner and outer signature algorithm "
		    "identifiers don't match", err));
	return (algorithm(inside, &a, err));
}

static int
names(struct der *tbs, struct x509 *ret, struct err *err)
{
	struct der issuer;

	/* Go calls the subject an issuer too. */
	if (der_read(tbs, DER_SEQUENCE, &issuer, NULL) == -1)
		return (x509_bad("malformed issuer", err));
	if (x509_name(issuer, err) == -1 || validity(tbs, err) == -1)
		return (-1);
	if (der_read(tbs, DER_SEQUENCE, &ret->subject, NULL) == -1)
		return (x509_bad("malformed issuer", err));
	return (x509_name(ret->subject, err));
}

int
x509_next(struct tmpl_run *run, struct der *s, struct x509 *ret,
    struct err *err)
{
	struct der cert, tbs, serial, signature;
	int of_version;

	memset(ret, 0, sizeof(*ret));
	if (tmpl_steps(run, 100, err) == -1)
		return (-1);
	if (der_read(s, DER_SEQUENCE, &cert, &ret->raw) == -1)
		return (x509_bad("malformed certificate", err));
	if (der_read(&cert, DER_SEQUENCE, &tbs, NULL) == -1)
		return (x509_bad("malformed tbs certificate", err));
	if (version(&tbs, &of_version, err) == -1)
		return (-1);
	if (x509_read_integer(&tbs, &serial) == -1)
		return (x509_bad("malformed serial number", err));
	if ((serial.p[0] & 0x80) != 0)
		return (x509_bad("negative serial number", err));
	if (signature_algorithms(&tbs, &cert, err) == -1 ||
	    names(&tbs, ret, err) == -1 || public_key(run, &tbs, err) == -1 ||
	    (of_version > 1 && extensions(run, &tbs, of_version, ret,
	    err) == -1))
		return (-1);
	if (der_read(&cert, DER_BITS, &signature, NULL) == -1 ||
	    !der_valid_bits(signature))
		return (x509_bad("malformed signature", err));
	return (0);
}

int
x509_parse(struct tmpl_run *run, struct der der, struct x509 *ret,
    struct err *err)
{
	if (x509_next(run, &der, ret, err) == -1)
		return (-1);
	return (der.n == 0 ? 0 : x509_bad("trailing data", err));
}
