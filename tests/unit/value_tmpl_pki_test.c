/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/value_tmpl_fn.h"
#include "value/tmpl_rc2.h"

/* ESO's functions for keys and certificates; the texts are Go's. */

static const char cert[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBuDCCAV2gAwIBAgIUIPnNDtKqiYVzfBuxTgdOOAp0c2AwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYTAgFw0yNjExMjQwMTQ5MzNaGA8yMTI2MTAzMTAxNDkzM1ow\n"
    "DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCjWF8ZSIGL6\n"
    "AKlq2oUyz59B0jD24X3TyboFH0zMtMW/FX0Au/fFKMDDEFhCiK8PY8E7cRJ3pEo7\n"
    "B86IzIqWrzKjgZowgZcwHQYDVR0OBBYEFLZ2rGhPNj9j3mCqT1e2RCIk0E0XMB8G\n"
    "A1UdIwQYMBaAFLZ2rGhPNj9j3mCqT1e2RCIk0E0XMA8GA1UdEwEB/wQFMAMBAf8w\n"
    "JwYDVR0RBCAwHoIJeC5leGFtcGxlhwQBAgMEhgtzOi8vaC9hJTJmYjAbBgNVHR8E\n"
    "FDASMBCgDqAMhgpodHRwOi8vYy8xMAoGCCqGSM49BAMCA0kAMEYCIQCmpSOXRLIy\n"
    "+gqxp9tUnv650opt4R2aGfMP2ZjKxPcWAwIhAOnlD9KiYhwHMU/HU2cBWtmjrU3a\n"
    "t69kGiDzmzTxlG7u\n"
    "-----END CERTIFICATE-----\n";

static const char sec1[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIGmg3piMUz30LY4sXv4y5pXBX+aME85VxW5Y8S3ijEo1oAoGCCqGSM49\n"
    "AwEHoUQDQgAEKNYXxlIgYvoAqWrahTLPn0HSMPbhfdPJugUfTMy0xb8VfQC798Uo\n"
    "wMMQWEKIrw9jwTtxEnekSjsHzojMipavMg==\n"
    "-----END EC PRIVATE KEY-----\n";

static const char pkcs8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgaaDemIxTPfQtjixe\n"
    "/jLmlcFf5owTzlXFbljxLeKMSjWhRANCAAQo1hfGUiBi+gCpatqFMs+fQdIw9uF9\n"
    "08m6BR9MzLTFvxV9ALv3xSjAwxBYQoivD2PBO3ESd6RKOwfOiMyKlq8y\n"
    "-----END PRIVATE KEY-----\n";

static int
run(const char *text, struct buf *out, struct err *err)
{
	struct tmpl_options opts = { .missing_key_error = 1 };
	struct tmpl *t = NULL;
	struct kv data;
	int rc;

	buf_clear(out);
	kv_init(&data);
	kv_put_bytes(&data, "cert", cert, strlen(cert));
	kv_put_bytes(&data, "sec1", sec1, strlen(sec1));
	kv_put_bytes(&data, "pkcs8", pkcs8, strlen(pkcs8));
	rc = tmpl_parse("t", text, strlen(text), &opts, &t, err);
	if (rc == 0)
		rc = tmpl_run(t, &data, out, err);
	tmpl_free(t);
	kv_clear(&data);
	return (rc);
}

static void
expect(const char *text, const char *want)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	cleanup_err struct err err = ERR_INIT;

	if (run(text, &out, &err) == -1)
		fail_msg("%s: %s", text, err_msg(&err));
	assert_string_equal(buf_str(&out), want);
}

static void
refuse(const char *text, enum err_kind kind, const char *want)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	cleanup_err struct err err = ERR_INIT;

	assert_int_equal(run(text, &out, &err), -1);
	assert_int_equal(err.kind, kind);
	if (strstr(err_msg(&err), want) == NULL)
		fail_msg("%s: %s", text, err_msg(&err));
}

/* --- PKCS #12 ----------------------------------------------------------- */

static void
test_pkcs12(void **state)
{
	(void)state;
	expect("{{ pemToPkcs12 .cert .sec1 | b64dec | pkcs12key }}", pkcs8);
	expect("{{ pemToPkcs12Pass .cert .pkcs8 \"p\" | b64dec | "
	    "pkcs12certPass \"p\" }}", cert);
	/* Two that are each other's parent stay as they stand. */
	expect("{{ fullPemToPkcs12 (print .cert .cert) .sec1 | b64dec | "
	    "pkcs12cert | eq (print .cert .cert) }}", "true");
	refuse("{{ pemToPkcs12Pass .cert .sec1 \"p\" | b64dec | "
	    "pkcs12keyPass \"q\" }}", ERR_INVALID, "error calling "
	    "pkcs12keyPass: unable to decode pkcs12 with password: pkcs12: "
	    "decryption password incorrect");
	refuse("{{ pemTruststoreToPKCS12 .cert | b64dec | pkcs12cert }}",
	    ERR_INVALID, "unable to decode pkcs12 certificate with password: "
	    "pkcs12: private key missing");
	refuse("{{ pkcs12key \"x\" }}", ERR_INVALID, "pkcs12: error reading "
	    "P12 data: asn1: syntax error: truncated tag or length");
	refuse("{{ pemToPkcs12 \"x\" .sec1 }}", ERR_INVALID, "runtime error: "
	    "invalid memory address or nil pointer dereference");
	refuse("{{ pemToPkcs12Pass .cert .sec1 \"\xf0\x9f\x98\x80\" }}",
	    ERR_INVALID, "string contains characters that cannot be encoded "
	    "in UCS-2");
	refuse("{{ pemToPkcs12 .cert .cert }}", ERR_INVALID,
	    "unable to parse private key type");
}

/* 2,000,000,000 iterations of the MAC's key derivation. */
static void
test_iterations(void **state)
{
	(void)state;
	refuse("{{ pkcs12key (\""
	    "MFACAQMwFgYJKoZIhvcNAQcBoAkEBzAFMAMGASowMzAhMAkGBSsOAwIaBQAE"
	    "FAAAAAAAAAAAAAAAAAAAAAAAAAAABAgAAAAAAAAAAAIEdzWUAA=="
	    "\" | b64dec) }}", ERR_LIMIT, "steps");
}

/* RFC 2268, section 5: a key of 8 bytes, all of them effective. */
static void
test_rc2(void **state)
{
	static const uint8_t key[8] = { 255, 255, 255, 255, 255, 255, 255,
		255 };
	static const uint8_t in[8] = { 0x27, 0x8b, 0x27, 0xe4, 0x2e, 0x2f,
		0x0d, 0x49 };
	static const uint8_t iv[8];
	uint8_t out[8];
	size_t i;

	(void)state;
	rc2_cbc_decrypt(key, 8, iv, in, 8, out);
	for (i = 0; i < 8; i++)
		assert_int_equal(out[i], 255);
}

/* --- PEM and certificates ----------------------------------------------- */

static void
test_pem(void **state)
{
	(void)state;
	expect("{{ print \"junk\\n\" .sec1 .cert | filterPEM \"certificate\" "
	    "}}", cert);
	expect("{{ filterPEM \"A\" \"-----BEGIN A-----\\nb: 2\\nProc-Type: x"
	    "\\nb: 1\\n\\nQUI=\\n-----END A-----\\n\" }}",
	    "-----BEGIN A-----\nProc-Type: x\nb: 1\n\nQUI=\n-----END A-----\n");
	expect("{{ filterPEM \"X\" .cert }}", "");
	refuse("{{ filterPEM \"X\" \"y\" }}", ERR_INVALID,
	    "error filtering pem: found junk");
}

static void
test_certificates(void **state)
{
	(void)state;
	/* Its distribution points are read through nested elements. */
	expect("{{ certSANs .cert | join \" \" }}",
	    "x.example 1.2.3.4 s://h/a%2fb");
	expect("{{ filterCertChain \"root\" .cert }}", cert);
	expect("{{ filterCertChain \"leaf\" .cert }}", "");
	refuse("{{ filterCertChain \"leaf\" \"\" }}", ERR_INVALID,
	    "no leaf certificate found");
	refuse("{{ certSANs \"\" }}", ERR_INVALID,
	    "failed to decode PEM block");
	refuse("{{ certSANs .sec1 }}", ERR_INVALID,
	    "failed to parse certificate: x509: malformed tbs certificate");
}

/* --- JSON Web Keys and RSA ---------------------------------------------- */

static void
test_jwk(void **state)
{
	(void)state;
	/* RFC 8037, appendix A. */
	expect("{{ jwkPublicKeyPem `{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
	    "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}` }}",
	    "-----BEGIN PUBLIC KEY-----\n"
	    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
	    "-----END PUBLIC KEY-----\n");
	refuse("{{ jwkPublicKeyPem `{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
	    "\"AA\",\"y\":\"AA\"}` }}", ERR_INVALID,
	    "P256 point not on curve");
	refuse("{{ jwkPrivateKeyPem `{\"kty\":\"oct\",\"k\":\"AA\"}` }}",
	    ERR_INVALID, "x509: unknown key type while marshaling PKCS#8: "
	    "[]uint8");
	refuse("{{ jwkPublicKeyPem `{\"kty\":\"RSA\"}` }}", ERR_INVALID,
	    "failed to unmarshal JSON into key (*jwk.rsaPublicKey): required "
	    "field e is missing");
	refuse("{{ jwkPublicKeyPem `{` }}", ERR_INVALID, "failed to unmarshal "
	    "JSON into key hint: unexpected EOF");
	refuse("{{ jwkPublicKeyPem `` }}", ERR_INVALID, "key hint: EOF");
}

static void
test_rsa(void **state)
{
	(void)state;
	expect("{{ rsaDecrypt \"None\" \"\" \"x\" \"\" }}", "x");
	refuse("{{ rsaDecrypt \"A\" \"\" \"x\" \"\" }}", ERR_INVALID,
	    "decryption scheme A is not supported");
	refuse("{{ rsaDecrypt \"RSA-OAEP\" \"\" \"x\" .sec1 }}", ERR_INVALID,
	    "could not parse RSA private key");
	refuse("{{ genPrivateKey \"rsa\" | rsaDecrypt \"RSA-OAEP\" \"SHA1\" "
	    "\"x\" }}", ERR_INVALID, "error decrypting data with RSA: "
	    "crypto/rsa: decryption error");
}

/* Numbers that a double does not hold, and that JSON does not. */
static void
test_yaml(void **state)
{
	(void)state;
	expect("{{ list 9223372036854775807 -9223372036854775807 1e3 | toYaml "
	    "}}", "- 9223372036854775807\n- -9223372036854775807\n- 1000");
	expect("{{ index (fromYaml \"a: .inf\") \"Error\" }}", "error "
	    "converting YAML to JSON: json: unsupported value: +Inf");
	expect("{{ index (fromYaml \"a: -.inf\") \"Error\" }}", "error "
	    "converting YAML to JSON: json: unsupported value: -Inf");
	expect("{{ index (fromYaml \"a: .nan\") \"Error\" }}", "error "
	    "converting YAML to JSON: json: unsupported value: NaN");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pkcs12),
		cmocka_unit_test(test_iterations),
		cmocka_unit_test(test_rc2),
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_jwk),
		cmocka_unit_test(test_rsa),
		cmocka_unit_test(test_yaml),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
