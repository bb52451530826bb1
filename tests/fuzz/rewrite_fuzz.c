/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/extract.h"
#include "value/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPS_MAX 4
#define WORDS_MAX 4

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* The line's text as a string of its own; NULL when there is no more. */
static char *
take(const uint8_t **data, size_t *size)
{
	const uint8_t *line;
	size_t len;
	char *r;

	if (*size == 0)
		return (NULL);
	line = memchr(*data, '\n', *size);
	len = line ? (size_t)(line - *data) : *size;
	r = str_ndup((const char *)*data, len);
	*data += line ? len + 1 : len;
	*size -= line ? len + 1 : len;
	return (r);
}

/* A template engine that fails, repeats or swallows, by its text. */
static int
transform(void *arg, const char *text, const char *const *keys, size_t n,
    struct buf *outs, size_t *ret_bad, struct err *err)
{
	size_t i;

	(void)arg;
	*ret_bad = n;
	if (*text == '!')
		return (err_set(err, ERR_INVALID, "no template"));
	for (i = 0; i < n; i++) {
		*ret_bad = i;
		if (*text == '?' && keys[i][0] == text[1])
			return (err_set(err, ERR_INVALID, "no key"));
		buf_adds(&outs[i], text);
		buf_adds(&outs[i], keys[i]);
	}
	return (0);
}

/* A line "r SOURCE", its target the next line; "t TEMPLATE"; "m FLAGS", the
 * next lines into and the priorities. */
static size_t
read_op(const uint8_t **data, size_t *size, struct rewrite_op *op)
{
	static char ignore[] = "Ignore", json[] = "JSON", not_found[] =
	    "IgnoreNotFound";
	char *line = take(data, size);
	size_t i, n;

	memset(op, 0, sizeof(*op));
	if (!line || !strchr("rtm", line[0]) || !line[0]) {
		free(line);
		return (0);
	}
	if (line[0] == 'm') {
		op->kind = REWRITE_MERGE;
		op->conflict_policy = strchr(line, 'i') ? ignore : NULL;
		op->strategy = strchr(line, 'j') ? json : NULL;
		op->priority_policy = strchr(line, 'n') ? not_found : NULL;
		op->into = take(data, size);
		n = (size_t)(strlen(line) % WORDS_MAX);
		/* Of exactly that size: a look behind its end is seen. */
		op->priority = mem_alloc(n * sizeof(char *));
		for (i = 0; i < n; i++)
			op->priority[i] = take(data, size);
		op->npriority = n;
	} else if (line[0] == 'r') {
		op->kind = REWRITE_REGEXP;
		op->source = str_dup(line + 1);
		op->target = take(data, size);
	} else {
		op->kind = REWRITE_TRANSFORM;
		op->template_text = str_dup(line + 1);
	}
	free(line);
	return (1);
}

static void
clear_op(struct rewrite_op *op)
{
	size_t i;

	for (i = 0; i < op->npriority; i++)
		free(op->priority[i]);
	free(op->priority);
	free(op->into);
	free(op->source);
	free(op->target);
	free(op->template_text);
}

/* Keys, decoding and conversion behind the rewrite, as the pipeline does. */
static void
rest(struct kv *kv, size_t n)
{
	cleanup_err struct err err = ERR_INIT;
	size_t before;

	if (value_validate_keys(kv, &err) == 0) {
		before = kv_len(kv);
		require(value_convert_keys(kv, CONVERT_UNICODE, NULL) == 0 &&
		    kv_len(kv) == before);
	}
	value_convert_keys(kv, n & 1 ? CONVERT_DEFAULT : CONVERT_UNICODE,
	    NULL);
	value_decode_map(kv, (enum value_decoding)(n % 4), NULL);
}

/* Operations up to an empty line, then the document to extract first. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_err struct err err = ERR_INIT;
	struct rewrite_op ops[OPS_MAX];
	size_t n = 0, i;
	struct kv kv;

	if (size > 8192)
		return (0);
	while (n < OPS_MAX && read_op(&data, &size, &ops[n]))
		n++;
	kv_init(&kv);
	if (value_extract((const char *)data, size, DOC_RAW_MESSAGE, &kv,
	    NULL) == 0) {
		if (value_rewrite(ops, n, transform, NULL, &kv, &err) == -1)
			require(strstr(err_msg(&err), "failed rewrite ") !=
			    NULL);
		rest(&kv, size);
	}
	kv_clear(&kv);
	for (i = 0; i < n; i++)
		clear_op(&ops[i]);
	return (0);
}
