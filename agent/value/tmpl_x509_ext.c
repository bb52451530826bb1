/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/gostr.h"
#include "value/tmpl_ip.h"
#include "value/tmpl_url.h"
#include "value/tmpl_x509.h"

/* The values of extensions: processExtensions of Go 1.26's
 * crypto/x509/parser.go. */

enum { TAG_MAIL = 0x81, TAG_DNS = 0x82, TAG_URI = 0x86, TAG_IP = 0x87 };

static struct text
text_in(struct der s)
{
	return ((struct text){ (const char *)s.p, s.n });
}

static int
is_ascii(struct der s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return (0);
	return (1);
}

/* `x509: BEFORE "TEXT"AFTER` */
static int
bad_quoted(const char *before, struct der s, const char *after,
    struct err *err)
{
	cleanup_buf struct buf quoted = BUF_SECRET(SIZE_MAX);

	gostr_quote((const char *)s.p, s.n, &quoted);
	return (err_set(err, ERR_INVALID, "x509: %s %s%s", before,
	    buf_str(&quoted), after));
}

/* --- names -------------------------------------------------------------- */

/* domainNameValid; a constraint may start with a dot. */
static int
valid_domain(struct der s, int constraint)
{
	size_t i, label = 0;

	if (s.n == 0)
		return (1);
	if (s.p[s.n - 1] == '.')
		return (0);
	if (constraint && s.p[0] == '.') {
		s.p++;
		s.n--;
	}
	for (i = 0; i <= s.n; i++) {
		if (i < s.n && (s.p[i] < 33 || s.p[i] > 126))
			return (0);
		if (i < s.n && s.p[i] != '.') {
			label++;
			continue;
		}
		if (label == 0)
			return (0);
		label = 0;
	}
	return (1);
}

static int
check_uri(struct tmpl_run *run, struct der s, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	struct tmpl_url u;
	struct der host;

	if (!is_ascii(s))
		return (x509_bad("SAN uniformResourceIdentifier is malformed",
		    err));
	if (url_split(run, text_in(s), &u, &why) == -1) {
		cleanup_buf struct buf quoted = BUF_SECRET(SIZE_MAX);

		if (why.kind != ERR_INVALID)
			return (err_move(err, &why));
		gostr_quote((const char *)s.p, s.n, &quoted);
		return (err_set(err, ERR_INVALID, "x509: cannot parse URI "
		    "%s: %s", buf_str(&quoted), err_msg(&why)));
	}
	host = (struct der){ (const uint8_t *)u.host.p, u.host.n };
	if (!valid_domain(host, 0))
		return (bad_quoted("cannot parse URI", s, ": invalid domain",
		    err));
	return (0);
}

/* parseSANExtension */
static int
alternative_names(struct tmpl_run *run, struct der s, struct x509 *ret,
    struct err *err)
{
	struct der list, one;
	int tag;

	if (der_read(&s, DER_SEQUENCE, &list, NULL) == -1)
		return (x509_bad("invalid subject alternative names", err));
	ret->names = list;
	while (list.n > 0) {
		tag = list.p[0];
		if (tmpl_steps(run, 1, err) == -1)
			return (-1);
		if (der_read(&list, DER_ANY, &one, NULL) == -1)
			return (x509_bad("invalid subject alternative name",
			    err));
		if (tag == TAG_MAIL && !is_ascii(one))
			return (x509_bad("SAN rfc822Name is malformed", err));
		if (tag == TAG_DNS && !is_ascii(one))
			return (x509_bad("SAN dNSName is malformed", err));
		if (tag == TAG_URI && check_uri(run, one, err) == -1)
			return (-1);
		if (tag == TAG_IP && one.n != 4 && one.n != 16)
			return (err_set(err, ERR_INVALID, "x509: cannot parse "
			    "IP address of length %zu", one.n));
	}
	return (0);
}

/* --- name constraints --------------------------------------------------- */

static int
valid_mask(struct der s)
{
	size_t i;
	int zero = 0;

	for (i = 0; i < s.n; i++) {
		uint8_t b = s.p[i];

		if (zero ? b != 0 : ((~b & 0xff) & ((~b & 0xff) + 1)) != 0)
			return (0);
		zero = zero || b != 0xff;
	}
	return (1);
}

/* A quoted local part; *s moves behind its closing quote. */
static int
quoted_local(struct der *s)
{
	size_t i;

	for (i = 1; i < s->n; i++) {
		uint8_t c = s->p[i];

		if (c == '"') {
			s->p += i + 1;
			s->n -= i + 1;
			return (1);
		}
		if (c == '\\') {
			c = ++i < s->n ? s->p[i] : 0;
			if (c == 0 || c == 10 || c == 13 || c > 127)
				return (0);
		} else if (c == 0 || c == 9 || c == 10 || c == 13 || c > 127) {
			return (0);
		}
	}
	return (0);
}

static int
is_atext(uint8_t c)
{
	return ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || (c != '\0' &&
	    strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL));
}

static int
atom_local(struct der *s)
{
	uint8_t last = '.';
	size_t i, n = 0;

	for (i = 0; i < s->n; i++, n++) {
		if (s->p[i] == '\\') {
			if (++i == s->n)
				return (0);
		} else if (!is_atext(s->p[i])) {
			break;
		}
		if (s->p[i] == '.' && last == '.')
			return (0);
		last = s->p[i];
	}
	s->p += i;
	s->n -= i;
	return (n > 0 && last != '.');
}

/* domainToReverseLabels: labels that are not empty, of visible ASCII. */
static int
valid_labels(struct der s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] < 33 || s.p[i] > 126 || (s.p[i] == '.' &&
		    (i == 0 || i == s.n - 1 || s.p[i - 1] == '.')))
			return (0);
	return (1);
}

/* parseRFC2821Mailbox */
static int
valid_mailbox(struct der s)
{
	if (s.n == 0 || !(s.p[0] == '"' ? quoted_local(&s) : atom_local(&s)))
		return (0);
	if (s.n == 0 || s.p[0] != '@')
		return (0);
	return (valid_labels((struct der){ s.p + 1, s.n - 1 }));
}

static int
not_ascii(struct der s, struct err *err)
{
	cleanup_buf struct buf quoted = BUF_SECRET(SIZE_MAX);

	gostr_quote((const char *)s.p, s.n, &quoted);
	return (err_set(err, ERR_INVALID, "x509: invalid constraint value: "
	    "x509: %s cannot be encoded as an IA5String", buf_str(&quoted)));
}

static int
ip_constraint(struct der s, struct err *err)
{
	cleanup_buf struct buf hex = BUF_PLAIN(64);
	struct der mask = { s.p + s.n / 2, s.n / 2 };

	if (s.n != 8 && s.n != 32)
		return (err_set(err, ERR_INVALID, "x509: IP constraint "
		    "contained value of length %zu", s.n));
	if (valid_mask(mask))
		return (0);
	codec_hex_encode(&hex, mask.p, mask.n);
	return (err_set(err, ERR_INVALID, "x509: IP constraint contained "
	    "invalid mask %s", buf_str(&hex)));
}

static int
mail_constraint(struct der s, struct err *err)
{
	int mailbox = s.n > 0 && memchr(s.p, '@', s.n) != NULL;

	if (mailbox ? valid_mailbox(s) : valid_domain(s, 1))
		return (0);
	return (bad_quoted("failed to parse rfc822Name constraint", s, "",
	    err));
}

static int
uri_constraint(struct der s, struct err *err)
{
	struct ip ip;

	/* net.ParseIP takes no zone. */
	if (ip_parse(text_in(s), &ip, NULL) == 0 && !ip.has_zone)
		return (bad_quoted("failed to parse URI constraint", s,
		    ": cannot be IP address", err));
	return (valid_domain(s, 1) ? 0 :
	    bad_quoted("failed to parse URI constraint", s, "", err));
}

static int
one_constraint(int tag, struct der s, struct err *err)
{
	if (tag == TAG_IP)
		return (ip_constraint(s, err));
	if (tag != TAG_DNS && tag != TAG_MAIL && tag != TAG_URI)
		return (0);
	if (!is_ascii(s))
		return (not_ascii(s, err));
	if (tag == TAG_MAIL)
		return (mail_constraint(s, err));
	if (tag == TAG_URI)
		return (uri_constraint(s, err));
	return (valid_domain(s, 1) ? 0 : bad_quoted("failed to parse dnsName "
	    "constraint", s, "", err));
}

static int
subtrees(struct der s, struct err *err)
{
	struct der seq, value;
	int tag;

	while (s.n > 0) {
		if (der_read(&s, DER_SEQUENCE, &seq, NULL) == -1)
			return (x509_bad("invalid NameConstraints extension",
			    err));
		tag = seq.n > 0 ? seq.p[0] : 0;
		if (der_read(&seq, DER_ANY, &value, NULL) == -1)
			return (x509_bad("invalid NameConstraints extension",
			    err));
		if (one_constraint(tag, value, err) == -1)
			return (-1);
	}
	return (0);
}

static int
name_constraints(struct der s, struct err *err)
{
	struct der top, permitted = { NULL, 0 }, excluded = { NULL, 0 };

	if (der_read(&s, DER_SEQUENCE, &top, NULL) == -1 || s.n > 0 ||
	    (der_peek(top, 0xa0) && der_read(&top, 0xa0, &permitted,
	    NULL) == -1) || (der_peek(top, 0xa1) && der_read(&top, 0xa1,
	    &excluded, NULL) == -1) || top.n > 0)
		return (x509_bad("invalid NameConstraints extension", err));
	if (permitted.n == 0 && excluded.n == 0)
		return (x509_bad("empty name constraints extension", err));
	return (subtrees(permitted, err) == -1 ? -1 :
	    subtrees(excluded, err));
}

/* --- the others --------------------------------------------------------- */

/* A number that fits ${bits} bits: 63 of an int64, signed or not. */
static int
read_number(struct der *s, int tag, int is_signed)
{
	struct der v;

	if (der_read(s, tag, &v, NULL) == -1 || !der_valid_integer(v))
		return (-1);
	if (!is_signed && (v.p[0] & 0x80) != 0)
		return (-1);
	return (v.n > 8 ? -1 : 0);
}

static int
basic_constraints(struct der s, struct err *err)
{
	static const char *const text = "invalid basic constraints";
	struct der seq, v;

	if (der_read(&s, DER_SEQUENCE, &seq, NULL) == -1)
		return (x509_bad(text, err));
	if (der_peek(seq, DER_BOOLEAN) && (der_read(&seq, DER_BOOLEAN, &v,
	    NULL) == -1 || v.n != 1 || (v.p[0] != 0 && v.p[0] != 0xff)))
		return (x509_bad(text, err));
	if (der_peek(seq, DER_INTEGER) &&
	    read_number(&seq, DER_INTEGER, 0) == -1)
		return (x509_bad(text, err));
	return (0);
}

static int
policy_constraints(struct der s, struct err *err)
{
	static const char *const text =
	    "invalid policy constraints extension";
	struct der seq;

	if (der_read(&s, DER_SEQUENCE, &seq, NULL) == -1 ||
	    (der_peek(seq, 0x80) && read_number(&seq, 0x80, 1) == -1) ||
	    (der_peek(seq, 0x81) && read_number(&seq, 0x81, 1) == -1))
		return (x509_bad(text, err));
	return (0);
}

static int
distribution_point(struct der point, struct err *err)
{
	static const char *const text = "invalid CRL distribution point";
	struct der name, uri;

	if (!der_peek(point, 0xa0))
		return (0);
	if (der_read(&point, 0xa0, &name, NULL) == -1 ||
	    der_read(&name, 0xa0, &name, NULL) == -1)
		return (x509_bad(text, err));
	while (der_peek(name, TAG_URI))
		if (der_read(&name, TAG_URI, &uri, NULL) == -1)
			return (x509_bad(text, err));
	return (0);
}

static int
distribution_points(struct der s, struct err *err)
{
	struct der list, point;

	if (der_read(&s, DER_SEQUENCE, &list, NULL) == -1)
		return (x509_bad("invalid CRL distribution points", err));
	while (list.n > 0) {
		if (der_read(&list, DER_SEQUENCE, &point, NULL) == -1)
			return (x509_bad("invalid CRL distribution point",
			    err));
		if (distribution_point(point, err) == -1)
			return (-1);
	}
	return (0);
}

static int
key_usages(struct der s, struct err *err)
{
	struct der list, oid;

	if (der_read(&s, DER_SEQUENCE, &list, NULL) == -1)
		return (x509_bad("invalid extended key usages", err));
	while (list.n > 0)
		if (x509_read_oid(&list, &oid) == -1)
			return (x509_bad("invalid extended key usages", err));
	return (0);
}

/* An OID with arcs of any size: newOIDFromDER. */
static int
valid_long_oid(struct der s)
{
	size_t i, start = 0;

	if (s.n == 0 || (s.p[s.n - 1] & 0x80) != 0)
		return (0);
	for (i = 0; i < s.n; i++) {
		if (i == start && s.p[i] == 0x80)
			return (0);
		if ((s.p[i] & 0x80) == 0)
			start = i + 1;
	}
	return (1);
}

/* Each policy once. */
static int
policies(struct tmpl_run *run, struct der s, struct err *err)
{
	struct der list, all, one, oid, other;

	if (der_read(&s, DER_SEQUENCE, &list, NULL) == -1)
		return (x509_bad("invalid certificate policies", err));
	all = list;
	while (list.n > 0) {
		struct der before = { all.p, all.n - list.n };

		if (tmpl_steps(run, 1 + before.n / 64, err) == -1)
			return (-1);
		if (der_read(&list, DER_SEQUENCE, &one, NULL) == -1 ||
		    der_read(&one, DER_OID, &oid, NULL) == -1)
			return (x509_bad("invalid certificate policies", err));
		while (der_read(&before, DER_SEQUENCE, &one, NULL) == 0)
			if (der_read(&one, DER_OID, &other, NULL) == 0 &&
			    der_same(oid, other))
				return (x509_bad("invalid certificate "
				    "policies", err));
		if (!valid_long_oid(oid))
			return (x509_bad("invalid certificate policies", err));
	}
	return (0);
}

static int
policy_mappings(struct der s, struct err *err)
{
	struct der list, one, oid;

	if (der_read(&s, DER_SEQUENCE, &list, NULL) == -1)
		return (x509_bad("invalid policy mappings extension", err));
	while (list.n > 0)
		if (der_read(&list, DER_SEQUENCE, &one, NULL) == -1 ||
		    der_read(&one, DER_OID, &oid, NULL) == -1 ||
		    der_read(&one, DER_OID, &oid, NULL) == -1)
			return (x509_bad("invalid policy mappings extension",
			    err));
	return (0);
}

static int
authority_info(const struct x509_extension *e, struct err *err)
{
	struct der s = e->value, list, one, oid;

	if (e->critical)
		return (x509_bad("authority info access incorrectly marked "
		    "critical", err));
	if (der_read(&s, DER_SEQUENCE, &list, NULL) == -1)
		return (x509_bad("invalid authority info access", err));
	while (list.n > 0)
		if (der_read(&list, DER_SEQUENCE, &one, NULL) == -1 ||
		    x509_read_oid(&one, &oid) == -1 ||
		    (der_peek(one, TAG_URI) &&
		    der_read(&one, TAG_URI, &oid, NULL) == -1))
			return (x509_bad("invalid authority info access",
			    err));
	return (0);
}

static int
authority_key(const struct x509_extension *e, struct x509 *ret,
    struct err *err)
{
	struct der s = e->value, seq;

	if (e->critical)
		return (x509_bad("authority key identifier incorrectly marked "
		    "critical", err));
	if (der_read(&s, DER_SEQUENCE, &seq, NULL) == -1 ||
	    (der_peek(seq, 0x80) && der_read(&seq, 0x80, &ret->authority_id,
	    NULL) == -1))
		return (x509_bad("invalid authority key identifier", err));
	return (0);
}

static int
subject_key(const struct x509_extension *e, struct x509 *ret,
    struct err *err)
{
	struct der s = e->value;

	if (e->critical)
		return (x509_bad("subject key identifier incorrectly marked "
		    "critical", err));
	if (der_read(&s, DER_OCTETS, &ret->key_id, NULL) == -1)
		return (x509_bad("invalid subject key identifier", err));
	return (0);
}

static int
key_usage(struct der s, struct err *err)
{
	struct der bits;

	return (der_read(&s, DER_BITS, &bits, NULL) == -1 ||
	    !der_valid_bits(bits) ? x509_bad("invalid key usage", err) : 0);
}

int
x509_extension(struct tmpl_run *run, const struct x509_extension *e,
    struct x509 *ret, struct err *err)
{
	static const struct der aia = { (const uint8_t *)
	    "\x2b\x06\x01\x05\x05\x07\x01\x01", 8 };
	struct der s = e->value;

	if (der_same(e->oid, aia))
		return (authority_info(e, err));
	/* id-ce */
	if (e->oid.n != 3 || e->oid.p[0] != 0x55 || e->oid.p[1] != 0x1d)
		return (0);
	switch (e->oid.p[2]) {
	case 14:
		return (subject_key(e, ret, err));
	case 15:
		return (key_usage(s, err));
	case 17:
		return (alternative_names(run, s, ret, err));
	case 19:
		return (basic_constraints(s, err));
	case 30:
		return (name_constraints(s, err));
	case 31:
		return (distribution_points(s, err));
	case 32:
		return (policies(run, s, err));
	case 33:
		return (policy_mappings(s, err));
	case 35:
		return (authority_key(e, ret, err));
	case 36:
		return (policy_constraints(s, err));
	case 37:
		return (key_usages(s, err));
	case 54:
		return (read_number(&s, DER_INTEGER, 1) == -1 ?
		    x509_bad("invalid inhibit any policy extension", err) : 0);
	default:
		return (0);
	}
}

/* --- what certSANs prints ----------------------------------------------- */

static int
print_name(struct tmpl_run *run, int tag, struct der s, struct buf *out,
    struct err *err)
{
	struct tmpl_url u;

	if (tag == TAG_IP) {
		ip_print(s.p, s.n, out);
	} else if (tag == TAG_URI) {
		if (url_split(run, text_in(s), &u, err) == -1)
			return (-1);
		url_print(&u, out);
	} else {
		buf_add(out, s.p, s.n);
	}
	return (0);
}

/* Those of one kind, in order. */
static int
add_names(struct tmpl_run *run, struct der list, int tag, struct tv *ret,
    size_t *n, struct err *err)
{
	struct der one;
	int is;

	while (list.n > 0) {
		cleanup_buf struct buf out = tmpl_buf(run);

		is = list.p[0];
		if (der_read(&list, DER_ANY, &one, NULL) == -1)
			return (0);
		if (is != tag)
			continue;
		if (print_name(run, tag, one, &out, err) == -1 ||
		    tv_buf(run, &out, &ret->u.l.v[(*n)++], err) == -1)
			return (-1);
	}
	return (0);
}

int
x509_sans(struct tmpl_run *run, const struct x509 *x, struct tv *ret,
    struct err *err)
{
	static const int order[] = { TAG_DNS, TAG_IP, TAG_MAIL, TAG_URI };
	struct der list = x->names, one;
	size_t i, n = 0;

	while (list.n > 0) {
		n += list.p[0] == TAG_MAIL || list.p[0] == TAG_DNS ||
		    list.p[0] == TAG_URI || list.p[0] == TAG_IP;
		if (der_read(&list, DER_ANY, &one, NULL) == -1)
			break;
	}
	if (tv_list(run, &tt_strings, n, ret, err) == -1)
		return (-1);
	for (i = n = 0; i < ARRAY_LEN(order); i++)
		if (add_names(run, x->names, order[i], ret, &n, err) == -1)
			return (-1);
	return (0);
}
