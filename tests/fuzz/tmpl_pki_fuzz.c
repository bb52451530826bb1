/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/tmpl.h"

/* Keys and certificates as templates get them: PKCS #12, PEM, JWK.  The first
 * byte chooses the function, the rest is what it is called with. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = {
	"{{ pkcs12key .a }}", "{{ pkcs12cert .a }}",
	"{{ filterPEM \"CERTIFICATE\" .a }}",
	"{{ filterCertChain \"intermediate\" .a }}", "{{ certSANs .a }}",
	"{{ fullPemToPkcs12 .a .a }}", "{{ pemTruststoreToPKCS12 .a }}",
	"{{ jwkPublicKeyPem .a }}", "{{ jwkPrivateKeyPem .a }}",
	"{{ fullPemToPkcs12 .c .a }}",
	"{{ rsaDecrypt \"RSA-OAEP\" \"SHA1\" .c .a }}",
	"{{ pkcs12keyPass \"p\" .a }}",
};

static void
require(int ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tmpl_options opts = { .steps_max = 30000, .depth_max = 64,
		.out_max = 1u << 18, .memory_max = 1u << 21 };
	cleanup_buf struct buf out = BUF_SECRET(1u << 19);
	cleanup_err struct err err = ERR_INIT;
	struct tmpl *t = NULL;
	const char *text;
	struct kv kv;

	if (size == 0)
		return (0);
	text = texts[data[0] % ARRAY_LEN(texts)];
	kv_init(&kv);
	kv_put_bytes(&kv, "a", data + 1, size - 1);
	kv_put_bytes(&kv, "c", "x", 1);
	require(tmpl_parse("t", text, strlen(text), &opts, &t, &err) == 0);
	if (tmpl_run(t, &kv, &out, &err) == -1) {
		require(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
		require(err_msg(&err)[0] != '\0');
	}
	tmpl_free(t);
	kv_clear(&kv);
	return (0);
}
