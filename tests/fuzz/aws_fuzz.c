/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/aws_internal.h"

/*
 * AWS's answers: everything that is made of one.  The first byte chooses the
 * property, the rest is the body, in memory of exactly its size, so that a byte
 * read behind it is seen.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
creds(struct aws_creds *c, int rc, struct err *err)
{
	/* Complete, or nothing. */
	if (rc == 0 ? c->key_id == NULL || c->secret == NULL :
	    c->key_id != NULL || c->secret != NULL || c->token != NULL ||
	    err->kind == ERR_NONE)
		abort();
	aws_creds_clear(c);
	err_clear(err);
}

static int
on_element(void *arg, const struct secret *element, struct err *err)
{
	size_t *left = arg;

	(void)err;
	/* All of them are inside of the whole. */
	if (secret_len(element) > *left)
		abort();
	*left -= secret_len(element);
	secret_free(aws_text(element, "Name"));
	return (0);
}

static void
values(const struct secret *body, unsigned choice)
{
	static const char *const names[] = { "SecretString", "a.b", "#",
	    "x.#(y==\"1\").z", "Parameter.Value", "@this" };
	cleanup_secret struct secret *value = NULL, *tags = NULL, *text = NULL;
	size_t left = secret_len(body);
	struct err err = ERR_INIT;
	char *next = NULL;

	if (aws_property(body, names[choice % ARRAY_LEN(names)], "k", &value,
	    &err) == -1 && err.kind == ERR_NONE)
		abort();
	err_clear(&err);
	text = aws_text(body, names[choice % ARRAY_LEN(names)]);
	if (aws_tags(body, choice & 64 ? "Tags" : "TagList", &tags,
	    &err) == 0 && secret_data(tags)[0] != '{')
		abort();
	err_clear(&err);
	if (aws_each(body, choice & 128 ? "SecretValues" : "Parameters",
	    on_element, &left, &next, &err) == 0)
		free(next);
	err_clear(&err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct aws_creds c;
	struct err err = ERR_INIT;
	struct secret *body;
	char *copy, *code, *message;
	int rc;

	if (size == 0)
		return (0);
	copy = malloc(size - 1);
	if (copy == NULL)
		return (0);
	memcpy(copy, data + 1, size - 1);
	rc = aws_parse_sts(copy, size - 1, &c, &err);
	creds(&c, rc, &err);
	rc = aws_parse_container(copy, size - 1, &c, &err);
	creds(&c, rc, &err);
	aws_parse_error(copy, size - 1, &code, &message);
	free(code);
	free(message);
	body = secret_new(copy, size - 1);
	free(copy);
	values(body, data[0]);
	secret_free(body);
	return (0);
}
