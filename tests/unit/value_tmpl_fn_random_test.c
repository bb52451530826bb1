/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <crypt.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/value_tmpl_fn.h"

/* What comes out of chance and the clock, read back. */

static void
render(const char *text, struct buf *out)
{
	cleanup_err struct err err = ERR_INIT;

	buf_clear(out);
	if (fn_render(text, strlen(text), out, &err) == -1)
		fail_msg("%s: %s", text, err_msg(&err));
}

static void
expect(const char *text, const char *want)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);

	render(text, &out);
	assert_string_equal(buf_str(&out), want);
}

/* --- strings ----------------------------------------------------------- */

static void
expect_class(const char *text, size_t len, int (*in)(int))
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	cleanup_buf struct buf again = BUF_SECRET(OUT_MAX);
	size_t i;

	render(text, &out);
	assert_int_equal(out.len, len);
	for (i = 0; i < out.len; i++)
		assert_true(in((unsigned char)out.data[i]));
	render(text, &again);
	assert_string_not_equal(buf_str(&out), buf_str(&again));
}

static void
test_strings(void **state)
{
	(void)state;
	expect_class("{{ randAlphaNum 300 }}", 300, isalnum);
	expect_class("{{ randAlpha 300 }}", 300, isalpha);
	expect_class("{{ randNumeric 300 }}", 300, isdigit);
	expect_class("{{ randAscii 300 }}", 300, isprint);
	expect("{{ randAlpha 0 }}{{ randAlpha -5 }}", "");
	expect("{{ randBytes 16 | b64dec | len }}", "16");
	expect("{{ regexMatch \"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]"
	    "[0-9a-f]{3}-[0-9a-f]{12}$\" uuidv4 }}", "true");
	expect("{{ shuffle \"h\xc3\xa9llo\" | splitList \"\" | sortAlpha | "
	    "join \"\" }}", "hllo\xc3\xa9");
	expect("{{ $n := randInt -3 4 }}{{ and (ge $n -3) (lt $n 4) }}",
	    "true");
}

static void
test_time(void **state)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	time_t now = time(NULL);

	(void)state;
	render("{{ unixEpoch now }}", &out);
	assert_true(labs(atol(buf_str(&out)) - (long)now) <= 2);
	expect("{{ ago now }} {{ ago (dateModify \"-90m\" now) }}",
	    "0s 1h30m0s");
	expect("{{ regexMatch \" [+]0000 UTC m=[+-][0-9.]+$\" (now | toString)"
	    " }}", "true");
	expect("{{ (now).Before (dateModify \"1ns\" now) }}", "true");
}

/* --- passwords --------------------------------------------------------- */

static void
test_passwords(void **state)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	struct crypt_data data = { .initialized = 0 };

	(void)state;
	/* \xff is where libcrypt's $2a$ would differ from its $2b$. */
	render("{{ bcrypt \"p\\xffw\" }}", &out);
	assert_memory_equal(out.data, "$2a$10$", 7);
	out.data[2] = 'b';
	assert_string_equal(crypt_r("p\xffw", out.data, &data), out.data);
	render("{{ htpasswd \"u\" \"secret\" \"bcrypt\" }}", &out);
	assert_memory_equal(out.data, "u:$2a$10$", 9);
	assert_string_equal(crypt_r("secret", out.data + 2, &data),
	    out.data + 2);
	expect("{{ bcrypt (repeat 73 \"a\") }}", "failed to encrypt string "
	    "with bcrypt: bcrypt: password length exceeds 72 bytes");
	expect("{{ encryptAES \"k\" \"plain text\" | decryptAES \"k\" }}",
	    "plain text");
	expect("{{ encryptAES \"k\" \"0123456789abcdef\" | decryptAES \"k\" "
	    "}}", "0123456789abcdef");
	expect("{{ eq (encryptAES \"k\" \"p\") (encryptAES \"k\" \"p\") }}",
	    "false");
}

/* --- keys and certificates --------------------------------------------- */

static EVP_PKEY *
read_key(const char *pem, int type)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(key);
	assert_int_equal(EVP_PKEY_get_base_id(key), type);
	return (key);
}

static void
test_keys(void **state)
{
	static const struct {
		const char *text, *head;
		int type, bits;
	} all[] = {
		{ "{{ genPrivateKey \"\" }}", "-----BEGIN RSA PRIVATE KEY",
		    EVP_PKEY_RSA, 4096 },
		{ "{{ genPrivateKey \"ecdsa\" }}",
		    "-----BEGIN EC PRIVATE KEY", EVP_PKEY_EC, 256 },
		{ "{{ genPrivateKey \"dsa\" }}", "-----BEGIN DSA PRIVATE KEY",
		    EVP_PKEY_DSA, 2048 },
		{ "{{ genPrivateKey \"ed25519\" }}",
		    "-----BEGIN PRIVATE KEY", EVP_PKEY_ED25519, 256 },
	};
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(all); i++) {
		EVP_PKEY *key;

		render(all[i].text, &out);
		assert_memory_equal(out.data, all[i].head,
		    strlen(all[i].head));
		key = read_key(out.data, all[i].type);
		assert_true(abs(EVP_PKEY_get_bits(key) - all[i].bits) < 8);
		EVP_PKEY_free(key);
	}
}

/* Certificate, key and its signer's certificate, one behind the other. */
struct made {
	X509 *cert, *ca;
	EVP_PKEY *key;
};

static void
make(const char *text, struct made *m)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	BIO *bio;

	render(text, &out);
	bio = BIO_new_mem_buf(out.data, (int)out.len);
	m->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	m->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	m->ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_true(m->cert != NULL && m->key != NULL && m->ca != NULL);
	assert_int_equal(X509_check_private_key(m->cert, m->key), 1);
	assert_int_equal(X509_verify(m->cert, X509_get0_pubkey(m->ca)), 1);
}

static void
made_clear(struct made *m)
{
	X509_free(m->cert);
	X509_free(m->ca);
	EVP_PKEY_free(m->key);
}

#define SHOW "{{ $c.Cert }}{{ $c.Key }}{{ $ca.Cert }}"

static void
test_certificates(void **state)
{
	struct made m;
	int days, secs;

	(void)state;
	make("{{ $ca := genCA \"root\" 10 }}{{ $c := $ca }}" SHOW, &m);
	assert_int_equal(X509_check_ca(m.cert), 1);
	assert_non_null(X509_get0_subject_key_id(m.cert));
	assert_int_equal(X509_get_key_usage(m.cert), KU_DIGITAL_SIGNATURE |
	    KU_KEY_ENCIPHERMENT | KU_KEY_CERT_SIGN);
	ASN1_TIME_diff(&days, &secs, X509_get0_notBefore(m.cert),
	    X509_get0_notAfter(m.cert));
	assert_int_equal(days, 10);
	made_clear(&m);

	make("{{ $ca := genCA \"root\" 10 }}{{ $c := genSignedCert \"h\" (list"
	    " \"10.1.2.3\" \"::1\") (list \"a.example\" \"*.b.example\") 5 "
	    "$ca }}" SHOW, &m);
	assert_int_equal(X509_check_ca(m.cert), 0);
	assert_int_equal(X509_check_host(m.cert, "a.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(m.cert, "x.b.example", 0, 0, NULL),
	    1);
	assert_int_equal(X509_check_ip_asc(m.cert, "10.1.2.3", 0), 1);
	assert_int_equal(X509_check_ip_asc(m.cert, "::1", 0), 1);
	assert_int_equal(X509_check_issued(m.ca, m.cert), X509_V_OK);
	assert_int_equal(X509_get_extended_key_usage(m.cert),
	    XKU_SSL_SERVER | XKU_SSL_CLIENT);
	assert_non_null(X509_get0_authority_key_id(m.cert));
	made_clear(&m);

	make("{{ $k := genPrivateKey \"ecdsa\" }}{{ $ca := genCAWithKey \"r\" "
	    "1 (genPrivateKey \"ed25519\") }}{{ $c := genSignedCertWithKey "
	    "\"\" nil (list \"x.example\") 1 $ca $k }}" SHOW, &m);
	assert_int_equal(EVP_PKEY_get_base_id(m.key), EVP_PKEY_EC);
	assert_int_equal(X509_get_signature_nid(m.cert), NID_ED25519);
	made_clear(&m);

	make("{{ $c := genSelfSignedCert \"s\" nil nil 1 }}{{ $ca := "
	    "buildCustomCert (b64enc $c.Cert) (b64enc $c.Key) }}" SHOW, &m);
	assert_int_equal(X509_cmp(m.cert, m.ca), 0);
	made_clear(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_certificates),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
