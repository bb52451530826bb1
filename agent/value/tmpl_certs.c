/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/tmpl_cast.h"
#include "value/tmpl_certs.h"
#include "value/tmpl_pem.h"
#include "value/tmpl_pki_sprig.h"
#include "value/tmpl_text.h"
#include "value/tmpl_x509.h"

/* Keys and certificates: the second half of sprig's crypto.go. */

static const char *const fields[] = { "Cert", "Key", NULL };
const struct tt tt_certificate = { .kind = TK_STRUCT,
	.name = "sprig.certificate", .fields = fields };

/* Making a key takes as long as so many steps. */
#define STEPS_KEY 250000
#define STEPS_LONG_KEY 1000000

static struct text
arg(const struct tmpl_call *c, size_t i)
{
	return (text_of(&c->v[i]));
}

static void
key_cleanup(struct pki_key **k)
{
	pki_key_free(*k);
}

#define cleanup_key __attribute__((cleanup(key_cleanup)))

static int
give(struct tmpl_call *c, struct tv cert, struct tv key, struct tv *ret,
    struct err *err)
{
	struct tv *pair = tmpl_alloc(c->run, 2 * sizeof(*pair), err);

	if (pair == NULL)
		return (-1);
	pair[0] = cert;
	pair[1] = key;
	*ret = (struct tv){ .type = &tt_certificate, .u.fields = pair };
	return (0);
}

/* --- keys --------------------------------------------------------------- */

static const struct {
	const char *name;
	enum pki_kind kind;
	uint64_t steps;
} kinds[] = {
	{ "", PKI_RSA, STEPS_LONG_KEY }, { "rsa", PKI_RSA, STEPS_LONG_KEY },
	{ "dsa", PKI_DSA, STEPS_LONG_KEY }, { "ecdsa", PKI_EC, STEPS_KEY },
	{ "ed25519", PKI_ED25519, STEPS_KEY },
};

int
certs_private_key(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	cleanup_key struct pki_key *key = NULL;
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (text_is(arg(c, 0), kinds[i].name))
			break;
	if (i == ARRAY_LEN(kinds)) {
		buf_adds(&out, "Unknown type ");
		buf_add(&out, arg(c, 0).p, arg(c, 0).n);
		return (tv_buf(c->run, &out, ret, err));
	}
	if (tmpl_steps(c->run, kinds[i].steps, err) == -1 ||
	    pki_key_new(kinds[i].kind, 4096, &key, err) == -1 ||
	    pki_key_print(key, &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

static int
parse_key(struct tmpl_run *run, struct text pem, struct pki_key **ret,
    struct err *err)
{
	struct pem_block block;
	int found = pem_decode(run, &pem, &block, err);

	if (found == -1)
		return (-1);
	if (found == 0)
		return (err_set(err, ERR_INVALID, "no PEM data in input"));
	return (pki_key_parse(run, block.type, block.bytes, ret, err));
}

/* The key of a new certificate: given as PEM, or made. */
static int
subject_key(struct tmpl_call *c, const struct tv *pem, struct pki_key **ret,
    struct err *err)
{
	if (pem == NULL)
		return (tmpl_steps(c->run, STEPS_KEY, err) == -1 ? -1 :
		    pki_key_new(PKI_RSA, 2048, ret, err));
	if (parse_key(c->run, text_of(pem), ret, err) == -1)
		return (err_wrap(err, "parsing private key"));
	return (0);
}

/* --- a certificate from its parts --------------------------------------- */

static int
decode(struct tmpl_call *c, size_t i, const char *what, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf raw = tmpl_buf(c->run);

	if (codec_b64_decode(&raw, arg(c, i).p, arg(c, i).n, CODEC_B64_STD,
	    NULL) == -1 && buf_ok(&raw))
		return (err_set(err, ERR_INVALID,
		    "unable to decode base64 %s", what));
	return (tv_buf(c->run, &raw, ret, err));
}

/* The first block, whatever its type, as a certificate. */
static int
parse_certificate(struct tmpl_run *run, struct text pem, const char *name,
    struct text *der, struct err *err)
{
	struct pem_block block;
	struct x509 x;
	int found = pem_decode(run, &pem, &block, err);

	if (found == -1)
		return (-1);
	if (found == 0)
		return (err_set(err, ERR_INVALID,
		    "unable to decode certificate"));
	if (x509_parse(run, (struct der){ (const uint8_t *)block.bytes.p,
	    block.bytes.n }, &x, err) == -1)
		return (err_wrap(err, "error parsing certificate: %s.Bytes",
		    name));
	*der = block.bytes;
	return (0);
}

int
certs_build(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_key struct pki_key *parsed = NULL;
	struct tv cert, key;
	struct text der;

	if (decode(c, 0, "certificate", &cert, err) == -1 ||
	    decode(c, 1, "private key", &key, err) == -1 ||
	    parse_certificate(c->run, text_of(&cert), "decodedCert", &der,
	    err) == -1)
		return (-1);
	if (parse_key(c->run, text_of(&key), &parsed, err) == -1)
		return (err_wrap(err, "error parsing private key"));
	return (give(c, cert, key, ret, err));
}

/* --- new certificates --------------------------------------------------- */

/* time.Now().Add(24 hours times ${days}), which wraps as Go's Duration. */
static int64_t
days_after(int64_t now, int64_t days)
{
	int64_t ns = (int64_t)((uint64_t)days * 86400000000000u);

	return (now + ns / 1000000000 - (ns % 1000000000 < 0));
}

static int
get_ips(struct tmpl_call *c, const struct tv *list, struct pki_template *t,
    struct err *err)
{
	cleanup_buf struct buf shown = tmpl_buf(c->run);
	struct ip *ips = tmpl_alloc(c->run, (list->u.l.n + 1) * sizeof(*ips),
	    err);
	size_t i;

	for (i = 0; ips != NULL && i < list->u.l.n; i++) {
		const struct tv *v = &list->u.l.v[i];

		if (v->type != &tt_string) {
			if (tmpl_print(c->run, v, &shown, err) == -1)
				return (-1);
			return (err_set(err, ERR_INVALID, "error parsing ip: "
			    "%s is not a string", buf_str(&shown)));
		}
		if (ip_parse(text_of(v), &ips[i], NULL) == -1 ||
		    ips[i].has_zone)
			return (err_set(err, ERR_INVALID, "error parsing ip: "
			    "%.*s", (int)v->u.s.n, v->u.s.p));
	}
	t->ips = ips;
	t->nips = list->u.l.n;
	return (ips == NULL ? -1 : 0);
}

static int
get_names(struct tmpl_call *c, const struct tv *list, struct pki_template *t,
    struct err *err)
{
	cleanup_buf struct buf shown = tmpl_buf(c->run);
	struct text *names = tmpl_alloc(c->run, (list->u.l.n + 1) *
	    sizeof(*names), err);
	size_t i;

	for (i = 0; names != NULL && i < list->u.l.n; i++) {
		const struct tv *v = &list->u.l.v[i];

		if (v->type != &tt_string) {
			if (tmpl_print(c->run, v, &shown, err) == -1)
				return (-1);
			return (err_set(err, ERR_INVALID, "error processing "
			    "alternate dns name: %s is not a string",
			    buf_str(&shown)));
		}
		names[i] = text_of(v);
	}
	t->names = names;
	t->nnames = list->u.l.n;
	return (names == NULL ? -1 : 0);
}

static int
is_ascii(struct text s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return (0);
	return (1);
}

/* What encoding/asn1 cannot encode, found after all else was checked. */
static int
check_texts(const struct pki_template *t, struct err *err)
{
	size_t i;

	for (i = 0; i < t->nnames; i++)
		if (!is_ascii(t->names[i]))
			return (err_set(err, ERR_INVALID, "error creating "
			    "certificate: x509: \"%.*s\" cannot be encoded as "
			    "an IA5String", (int)t->names[i].n,
			    t->names[i].p));
	if (!utf8_valid(t->name.p, t->name.n))
		return (err_set(err, ERR_INVALID, "error creating "
		    "certificate: asn1: string not valid UTF-8"));
	return (0);
}

struct signer {
	struct text der;		/* empty: the certificate itself */
	struct pki_key *key;
};

static int
make(struct tmpl_call *c, struct pki_template *t, const struct pki_key *key,
    const struct signer *by, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf cert = tmpl_buf(c->run);
	cleanup_buf struct buf pem = tmpl_buf(c->run);
	struct tv cert_text, key_text;

	if (check_texts(t, err) == -1)
		return (-1);
	if (pki_certificate(t, key, by->der, by->key == NULL ? key : by->key,
	    &cert, err) == -1)
		return (err_wrap(err, "error creating certificate"));
	if (pki_key_print(key, &pem, err) == -1 ||
	    tv_buf(c->run, &cert, &cert_text, err) == -1 ||
	    tv_buf(c->run, &pem, &key_text, err) == -1)
		return (-1);
	return (give(c, cert_text, key_text, ret, err));
}

static void
start(struct pki_template *t, struct text name, int64_t days)
{
	*t = (struct pki_template){ .name = name, .from = time(NULL) };
	t->to = days_after(t->from, days);
}

static int
ca(struct tmpl_call *c, const struct tv *pem, struct tv *ret,
    struct err *err)
{
	static const struct signer self = { { "", 0 }, NULL };
	cleanup_key struct pki_key *key = NULL;
	struct pki_template t;

	if (subject_key(c, pem, &key, err) == -1)
		return (-1);
	start(&t, arg(c, 0), c->v[1].u.i);
	t.is_ca = 1;
	return (make(c, &t, key, &self, ret, err));
}

int
certs_ca(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (ca(c, NULL, ret, err));
}

int
certs_ca_with_key(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (ca(c, &c->v[2], ret, err));
}

/* The signer's certificate and key are read before the names. */
static int
leaf(struct tmpl_call *c, const struct tv *pem, const struct tv *by,
    struct tv *ret, struct err *err)
{
	cleanup_key struct pki_key *key = NULL, *by_key = NULL;
	struct signer signer = { { "", 0 }, NULL };
	struct pki_template t;

	if (subject_key(c, pem, &key, err) == -1)
		return (-1);
	if (by != NULL) {
		if (parse_certificate(c->run, text_of(&by->u.fields[0]),
		    "decodedSignerCert", &signer.der, err) == -1)
			return (-1);
		if (parse_key(c->run, text_of(&by->u.fields[1]), &by_key,
		    err) == -1)
			return (err_wrap(err, "error parsing private key"));
		signer.key = by_key;
	}
	start(&t, arg(c, 0), c->v[3].u.i);
	if (get_ips(c, &c->v[1], &t, err) == -1 ||
	    get_names(c, &c->v[2], &t, err) == -1)
		return (-1);
	return (make(c, &t, key, &signer, ret, err));
}

int
certs_self(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (leaf(c, NULL, NULL, ret, err));
}

int
certs_self_with_key(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (leaf(c, &c->v[4], NULL, ret, err));
}

int
certs_signed(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (leaf(c, NULL, &c->v[4], ret, err));
}

int
certs_signed_with_key(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (leaf(c, &c->v[5], &c->v[4], ret, err));
}
