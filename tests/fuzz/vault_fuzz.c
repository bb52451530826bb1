/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "auth/vault_login.h"
#include "base/mem.h"
#include "provider/vault_internal.h"

/*
 * Vault's answers: everything that is made of one.  The first byte chooses
 * status and property, the rest is the body, in memory of exactly its size, so
 * that a byte read behind it is seen.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
on_name(void *arg, const char *name, struct err *err)
{
	(void)err;
	*(size_t *)arg += strlen(name);
	return (0);
}

static void
properties(const struct doc *d, unsigned choice)
{
	static const char *const names[] = { "", "password", "a.b", "#",
	    "x.#(y==\"1\").z", "*" };
	struct buf out = BUF_SECRET(1u << 20);

	vault_parse_property(d, names[choice % ARRAY_LEN(names)], &out, NULL);
	buf_clear(&out);
}

static void
answer(const char *body, size_t len, unsigned choice)
{
	static const int status[] = { 200, 404, 204 };
	struct buf out = BUF_SECRET(1u << 20);
	struct vault_answer a;
	struct err err = ERR_INIT;
	struct doc d;
	size_t sum = 0;

	if (vault_parse_answer(status[choice % 3], body, len, &a, &err) == 0) {
		if (a.data.raw != NULL && (a.data.raw < body ||
		    a.data.raw + a.data.len > body + len))
			abort();
		if (vault_parse_kv2(&a, &d, &err) == 0)
			properties(&d, choice / 3);
		if (a.data.type == DOC_OBJECT)
			properties(&a.data, choice / 3);
		vault_parse_metadata(&a, choice & 1, &out);
		vault_parse_keys(&a, on_name, &sum, &err);
		vault_parse_lookup(&a, &err);
		vault_parse_mount(&a, "2", &err);
	}
	err_clear(&err);
	buf_clear(&out);
}

static void
others(const char *body, size_t len)
{
	struct buf out = BUF_PLAIN(VAULT_ERRORS_MAX);
	struct secret *token = NULL;
	int64_t lease;

	vault_parse_errors(body, len, &out);
	if (!buf_ok(&out) || out.len > VAULT_ERRORS_MAX)
		abort();
	for (size_t i = 0; i < out.len; i++)
		if ((unsigned char)out.data[i] < ' ' && out.data[i] != '\n' &&
		    out.data[i] != '\t')
			abort();
	buf_clear(&out);
	if (vault_login_parse(body, len, &token, &lease, NULL) == 0 &&
	    (secret_len(token) == 0 || lease < 0))
		abort();
	secret_free(token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *body;

	if (size < 1)
		return (0);
	body = malloc(size > 1 ? size - 1 : 1);
	if (body == NULL)
		abort();
	memcpy(body, data + 1, size - 1);
	answer(body, size - 1, data[0]);
	others(body, size - 1);
	free(body);
	return (0);
}
