/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "value/tmpl_pkcs12.h"
#include "value/tmpl_pki_cipher.h"

/* go-pkcs12's DecodeChain. */

/* --- the structs of pkcs12.go and safebags.go --------------------------- */

static const struct asn1_field content_fields[] = {
	{ .kind = ASN1_OID },
	{ .kind = ASN1_RAW, .flags = ASN1_OPTIONAL | ASN1_EXPLICIT, .tag = 0 },
};
static const struct asn1_struct content_struct = ASN1_OF("contentInfo",
    content_fields);
static const struct asn1_field content_info = { .kind = ASN1_STRUCT,
	.type = &content_struct };
static const struct asn1_field content_list = { .kind = ASN1_SLICE,
	.type = &content_struct };
enum { CI_TYPE, CI_CONTENT };

static const struct asn1_field digest_fields[] = {
	{ .kind = ASN1_STRUCT, .type = &asn1_algorithm },
	{ .kind = ASN1_OCTETS },
};
static const struct asn1_struct digest_struct = ASN1_OF("digestInfo",
    digest_fields);
static const struct asn1_field mac_fields[] = {
	{ .kind = ASN1_STRUCT, .type = &digest_struct },
	{ .kind = ASN1_OCTETS },
	{ .kind = ASN1_INT, .flags = ASN1_OPTIONAL, .preset = 1 },
};
static const struct asn1_struct mac_struct = ASN1_OF("macData", mac_fields);

static const struct asn1_field pfx_fields[] = {
	{ .kind = ASN1_INT },
	{ .kind = ASN1_STRUCT, .type = &content_struct },
	{ .kind = ASN1_STRUCT, .flags = ASN1_OPTIONAL, .type = &mac_struct },
};
static const struct asn1_struct pfx_struct = ASN1_OF("pfxPdu", pfx_fields);
static const struct asn1_field pfx = { .kind = ASN1_STRUCT,
	.type = &pfx_struct };
enum { PFX_VERSION, PFX_TYPE, PFX_CONTENT, PFX_MAC, PFX_MAC_PARAMS,
	PFX_DIGEST, PFX_SALT, PFX_ITERATIONS };

static const struct asn1_field encrypted_content_fields[] = {
	{ .kind = ASN1_OID },
	{ .kind = ASN1_STRUCT, .type = &asn1_algorithm },
	{ .kind = ASN1_OCTETS, .flags = ASN1_OPTIONAL | ASN1_TAGGED,
	    .tag = 0 },
};
static const struct asn1_struct encrypted_content_struct = ASN1_OF(
    "encryptedContentInfo", encrypted_content_fields);
static const struct asn1_field encrypted_fields[] = {
	{ .kind = ASN1_INT },
	{ .kind = ASN1_STRUCT, .type = &encrypted_content_struct },
};
static const struct asn1_struct encrypted_struct = ASN1_OF("encryptedData",
    encrypted_fields);
static const struct asn1_field encrypted_data = { .kind = ASN1_STRUCT,
	.type = &encrypted_struct };
enum { ED_VERSION, ED_TYPE, ED_ALGORITHM, ED_PARAMS, ED_CONTENT };

static const struct asn1_field attribute_fields[] = {
	{ .kind = ASN1_OID }, { .kind = ASN1_RAW, .flags = ASN1_IS_SET },
};
static const struct asn1_struct attribute_struct = ASN1_OF(
    "pkcs12Attribute", attribute_fields);
static const struct asn1_field bag_fields[] = {
	{ .kind = ASN1_OID },
	{ .kind = ASN1_RAW, .flags = ASN1_EXPLICIT, .tag = 0 },
	{ .kind = ASN1_SLICE, .flags = ASN1_OPTIONAL | ASN1_IS_SET,
	    .type = &attribute_struct },
};
static const struct asn1_struct bag_struct = ASN1_OF("safeBag", bag_fields);
static const struct asn1_field safe_bag = { .kind = ASN1_STRUCT,
	.type = &bag_struct };
static const struct asn1_field safe_contents = { .kind = ASN1_SLICE,
	.type = &bag_struct };
enum { BAG_TYPE, BAG_VALUE };

static const struct asn1_field cert_bag_fields[] = {
	{ .kind = ASN1_OID },
	{ .kind = ASN1_OCTETS, .flags = ASN1_EXPLICIT, .tag = 0 },
};
static const struct asn1_struct cert_bag_struct = ASN1_OF("certBag",
    cert_bag_fields);
static const struct asn1_field cert_bag = { .kind = ASN1_STRUCT,
	.type = &cert_bag_struct };
enum { CB_TYPE, CB_DATA };

static const struct asn1_field shrouded_fields[] = {
	{ .kind = ASN1_STRUCT, .type = &asn1_algorithm },
	{ .kind = ASN1_OCTETS },
};
static const struct asn1_struct shrouded_struct = ASN1_OF(
    "encryptedPrivateKeyInfo", shrouded_fields);
static const struct asn1_field shrouded_key = { .kind = ASN1_STRUCT,
	.type = &shrouded_struct };
enum { SK_ALGORITHM, SK_PARAMS, SK_DATA };

static const struct asn1_field octets = { .kind = ASN1_OCTETS };
static const struct asn1_field any = { .kind = ASN1_RAW };

static int
bad(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "pkcs12: %s", what));
}

/* --- the integrity of the whole ----------------------------------------- */

static int
same_mac(const uint8_t *a, size_t n, struct der b)
{
	unsigned int differ = 0;
	size_t i;

	if (b.n != n)
		return (0);
	for (i = 0; i < n; i++)
		differ |= (unsigned int)(a[i] ^ b.p[i]);
	return (differ == 0);
}

/* 1: it is right; 0: it is not. */
static int
verify(struct tmpl_run *run, const struct asn1_value *v, struct der in,
    const struct pkcs12_password *password, struct err *err)
{
	struct pkcs12_mac mac = { &v[PFX_MAC], v[PFX_SALT].bytes,
		v[PFX_ITERATIONS].i };
	uint8_t got[PKI_HASH_MAX];
	size_t n;

	if (pkcs12_mac(run, &mac, in, password, got, &n, err) == -1)
		return (-1);
	return (same_mac(got, n, v[PFX_DIGEST].bytes));
}

/* The empty password is tried as no bytes at all, too, and stays so. */
static int
check_mac(struct tmpl_run *run, const struct asn1_value *v, struct der in,
    struct pkcs12_password *password, struct err *err)
{
	int is_empty = password->bmp.n == 2 && password->bmp.p[0] == 0 &&
	    password->bmp.p[1] == 0, rc;

	if (v[PFX_MAC].bytes.n == 0)
		return (is_empty ? 0 : bad("no MAC in data", err));
	rc = verify(run, v, in, password, err);
	if (rc == 0 && is_empty) {
		password->bmp = (struct text){ "", 0 };
		rc = verify(run, v, in, password, err);
	}
	if (rc == 0)
		return (bad("decryption password incorrect", err));
	return (rc == 1 ? 0 : -1);
}

/* --- its contents ------------------------------------------------------- */

static int
read_content(struct tmpl_run *run, const struct asn1_value *ci,
    const struct pkcs12_password *password, struct der *ret,
    struct err *err)
{
	struct asn1_value v[ASN1_VALUES_MAX];
	struct der in = ci[CI_CONTENT].bytes, data;

	if (pkcs12_is(ci[CI_TYPE].bytes, OID_DATA)) {
		if (pkcs12_unmarshal(in, &octets, v, err) == -1)
			return (-1);
		data = v[0].bytes;
	} else if (pkcs12_is(ci[CI_TYPE].bytes, OID_ENCRYPTED_DATA)) {
		if (pkcs12_unmarshal(in, &encrypted_data, v, err) == -1)
			return (-1);
		if (v[ED_VERSION].i != 0)
			return (bad("only version 0 of EncryptedData is "
			    "supported", err));
		if (pkcs12_decrypt(run, &v[ED_ALGORITHM],
		    v[ED_CONTENT].bytes, password, &data, err) == -1)
			return (-1);
	} else {
		return (bad("only data and encryptedData content types are "
		    "supported in authenticated safe", err));
	}
	if (pkcs12_unmarshal(data, &safe_contents, v, err) == -1)
		return (-1);
	*ret = v[0].bytes;
	return (0);
}

static size_t
count_of(struct der list, const struct asn1_field *elem)
{
	struct asn1_value v[ASN1_VALUES_MAX];
	size_t n = 0;

	while (list.n > 0 && asn1_read(&list, elem, v, NULL) == 0)
		n++;
	return (n);
}

#define CONTENTS_MAX 2

/* getSafeContents: the bags of one content or two. */
static int
open_safe(struct tmpl_run *run, struct der data,
    struct pkcs12_password *password, struct der ret[static CONTENTS_MAX],
    struct err *err)
{
	struct asn1_value v[ASN1_VALUES_MAX], inner[ASN1_VALUES_MAX];
	struct der safe, list;
	size_t i, n;

	if (pkcs12_unmarshal(data, &pfx, v, err) == -1)
		return (err_wrap(err, "pkcs12: error reading P12 data"));
	if (v[PFX_VERSION].i != 3)
		return (bad("can only decode v3 PFX PDU's", err));
	if (!pkcs12_is(v[PFX_TYPE].bytes, OID_DATA))
		return (bad("only password-protected PFX is implemented",
		    err));
	if (pkcs12_unmarshal(v[PFX_CONTENT].bytes, &any, inner, err) == -1)
		return (-1);
	safe = inner[0].bytes;
	if (check_mac(run, v, safe, password, err) == -1 ||
	    pkcs12_unmarshal(safe, &content_list, inner, err) == -1)
		return (-1);
	list = inner[0].bytes;
	n = count_of(list, &content_info);
	if (n < 1 || n > CONTENTS_MAX)
		return (err_set(err, ERR_INVALID, "pkcs12: expected between 1 "
		    "and 2 items in the authenticated safe, but this file has "
		    "%zu", n));
	for (i = 0; i < n; i++)
		if (asn1_read(&list, &content_info, inner, err) == -1 ||
		    read_content(run, inner, password, &ret[i], err) == -1)
			return (-1);
	return (0);
}

/* --- bags --------------------------------------------------------------- */

static int
add_cert(struct tmpl_run *run, struct der bag, struct pkcs12 *p,
    struct err *err)
{
	struct asn1_value v[ASN1_VALUES_MAX];
	struct x509 *x = &p->certs[p->n], another;
	struct der in;

	if (pkcs12_unmarshal(bag, &cert_bag, v, err) == -1)
		return (err_wrap(err, "pkcs12: error decoding cert bag"));
	if (!pkcs12_is(v[CB_TYPE].bytes, OID_CERT_X509))
		return (bad("only X509 certificates are supported in cert "
		    "bags", err));
	in = v[CB_DATA].bytes;
	if (in.n == 0)
		return (bad("expected exactly one certificate in the certBag",
		    err));
	if (x509_next(run, &in, x, err) == -1)
		return (-1);
	if (in.n > 0) {
		while (in.n > 0)
			if (x509_next(run, &in, &another, err) == -1)
				return (-1);
		return (bad("expected exactly one certificate in the certBag",
		    err));
	}
	p->n++;
	return (0);
}

static int
shrouded(struct tmpl_run *run, struct der bag,
    const struct pkcs12_password *password, struct key *ret,
    struct err *err)
{
	struct asn1_value v[ASN1_VALUES_MAX];
	struct der data;

	if (pkcs12_unmarshal(bag, &shrouded_key, v, err) == -1)
		return (err_wrap(err, "pkcs12: error decoding PKCS#8 shrouded "
		    "key bag"));
	if (pkcs12_decrypt(run, &v[SK_ALGORITHM], v[SK_DATA].bytes, password,
	    &data, err) == -1)
		return (pkcs12_panicked(err) ? -1 : err_wrap(err,
		    "pkcs12: error decrypting PKCS#8 shrouded key bag"));
	if (pkcs12_unmarshal(data, &any, v, err) == -1)
		return (err_wrap(err, "pkcs12: error unmarshaling decrypted "
		    "private key"));
	if (key_parse_pkcs8(run, data, ret, err) == -1)
		return (err_wrap(err, "pkcs12: error parsing PKCS#8 private "
		    "key"));
	return (0);
}

static int
read_bag(struct tmpl_run *run, const struct asn1_value *bag,
    const struct pkcs12_password *password, struct pkcs12 *p, int *has_key,
    struct err *err)
{
	struct der oid = bag[BAG_TYPE].bytes, value = bag[BAG_VALUE].bytes;
	int plain = pkcs12_is(oid, OID_KEY_BAG);

	if (pkcs12_is(oid, OID_CERT_BAG))
		return (add_cert(run, value, p, err));
	if (!plain && !pkcs12_is(oid, OID_SHROUDED_BAG))
		return (0);
	if (*has_key)
		return (bad("expected exactly one key bag", err));
	*has_key = 1;
	return (plain ? key_parse_pkcs8(run, value, &p->key, err) :
	    shrouded(run, value, password, &p->key, err));
}

static int
read_bags(struct tmpl_run *run, struct der list,
    const struct pkcs12_password *password, struct pkcs12 *p, int *has_key,
    struct err *err)
{
	struct asn1_value bag[ASN1_VALUES_MAX];

	while (list.n > 0)
		if (tmpl_steps(run, 10, err) == -1 ||
		    asn1_read(&list, &safe_bag, bag, err) == -1 ||
		    read_bag(run, bag, password, p, has_key, err) == -1)
			return (-1);
	return (0);
}

int
pkcs12_read(struct tmpl_run *run, struct text password, struct text data,
    struct pkcs12 *ret, struct err *err)
{
	struct der bags[CONTENTS_MAX] = { { NULL, 0 }, { NULL, 0 } };
	struct pkcs12_password pw;
	int has_key = 0;
	size_t n;

	if (pkcs12_password(run, password, &pw, err) == -1 ||
	    open_safe(run, (struct der){ (const uint8_t *)data.p, data.n },
	    &pw, bags, err) == -1)
		return (-1);
	n = count_of(bags[0], &safe_bag) + count_of(bags[1], &safe_bag);
	memset(ret, 0, sizeof(*ret));
	ret->certs = tmpl_alloc(run, (n + 1) * sizeof(*ret->certs), err);
	if (ret->certs == NULL ||
	    read_bags(run, bags[0], &pw, ret, &has_key, err) == -1 ||
	    read_bags(run, bags[1], &pw, ret, &has_key, err) == -1)
		return (-1);
	if (ret->n == 0)
		return (bad("certificate missing", err));
	return (has_key ? 0 : bad("private key missing", err));
}
