/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/tmpl.h"

/* Keys and certificates as templates get them: PKCS #12, PEM, JWK.  The first
 * byte chooses the function, the rest is what it is called with: .a, and behind
 * lines of "%%" .b and .c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = {
	"{{ pkcs12key .a }}", "{{ pkcs12cert .a }}",
	"{{ filterPEM \"CERTIFICATE\" .a }}",
	"{{ filterCertChain \"intermediate\" .a }}", "{{ certSANs .a }}",
	"{{ fullPemToPkcs12 .a .a }}", "{{ pemTruststoreToPKCS12 .a }}",
	"{{ jwkPublicKeyPem .a }}", "{{ jwkPrivateKeyPem .a }}",
	"{{ fullPemToPkcs12 .c .a }}",
	"{{ rsaDecrypt \"RSA-OAEP\" \"SHA1\" .b .a }}",
	"{{ pkcs12keyPass .c .a }}",
	"{{ pkcs12certPass .c .a }}",
	"{{ pemToPkcs12 .a .b }}", "{{ pemToPkcs12Pass .a .b .c }}",
	"{{ fullPemToPkcs12Pass .a .b .c }}",
	"{{ pemTruststoreToPKCS12Pass .a .c }}",
	"{{ filterPEM .c .a }}", "{{ filterCertChain .c .a }}",
	"{{ rsaDecrypt .c \"SHA512\" .b .a }}",
	"{{ (buildCustomCert (b64enc .a) (b64enc .b)).Cert }}",
	"{{ (genCAWithKey .c 1 .a).Cert }}",
	"{{ (genSelfSignedCertWithKey .c (list \"10.0.0.1\" \"::1\") (list "
	    "\"x\" .c) 1 .a).Cert | certSANs }}",
	"{{ (genSignedCertWithKey .c nil (list .c) 1 (buildCustomCert "
	    "(b64enc .a) (b64enc .b)) .b).Cert }}",
	"{{ decryptAES .c .a }}", "{{ encryptAES .c .a | decryptAES .c }}",
	"{{ genPrivateKey .c }}", "{{ htpasswd .c .a }}",
	"{{ pemToPkcs12Pass .a .b .c | b64dec | pkcs12certPass .c }}",
	"{{ derivePassword 1 .c .a .b \"x\" }}", "{{ bcrypt .a }}",
};

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* Up to the next line of "%%", which goes. */
static void
put_part(struct kv *kv, const char *key, const uint8_t **data, size_t *size)
{
	static const char mark[] = "\n%%\n";
	const uint8_t *at = memmem(*data, *size, mark, 4);
	size_t n = at != NULL ? (size_t)(at - *data) : *size;

	kv_put_bytes(kv, key, *data, n);
	*data += n;
	*size -= n;
	if (at != NULL) {
		*data += 4;
		*size -= 4;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tmpl_options opts = { .steps_max = 200000, .depth_max = 64,
		.out_max = 1u << 18, .memory_max = 1u << 22 };
	cleanup_buf struct buf out = BUF_SECRET(1u << 19);
	cleanup_err struct err err = ERR_INIT;
	struct tmpl *t = NULL;
	const char *text;
	struct kv kv;

	if (size == 0)
		return (0);
	text = texts[*data++ % ARRAY_LEN(texts)];
	size--;
	kv_init(&kv);
	put_part(&kv, "a", &data, &size);
	put_part(&kv, "b", &data, &size);
	put_part(&kv, "c", &data, &size);
	require(tmpl_parse("t", text, strlen(text), &opts, &t, &err) == 0);
	if (tmpl_run(t, &kv, &out, &err) == -1) {
		require(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
		require(err_msg(&err)[0] != '\0');
	}
	tmpl_free(t);
	kv_clear(&kv);
	return (0);
}
