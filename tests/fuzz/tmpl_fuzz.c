/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/tmpl.h"

/*
 * The source of a template, run with a few values.  The first byte chooses the
 * delimiters and what a missing key is.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int ok)
{
	if (!ok)
		abort();
}

static void
fill(struct kv *kv)
{
	static const char *const all[][2] = { { "a", "" }, { "n", "42" },
		{ "t", "hello world" }, { "u", "\xc5\xbelu\xe2\x80\xa8ok" },
		{ "l", "[\"b\",\"a\",null,1.5,true,{\"q\":[1]}]" },
		{ "j", "{\"x\":{\"y\":1,\"z\":[1,2,{\"w\":null}]},"
		    "\"s\":\"str\",\"f\":1e21}" },
		{ "y", "a: 1\nb: [x, \"y\"]\n" }, { "bin", "\xff\xfe\x01" } };
	size_t i;

	kv_init(kv);
	for (i = 0; i < ARRAY_LEN(all); i++)
		kv_put_bytes(kv, all[i][0], all[i][1], strlen(all[i][1]));
}

static void
check_err(const struct err *err)
{
	require(err->kind == ERR_INVALID || err->kind == ERR_LIMIT);
	require(err_msg(err)[0] != '\0');
}

static void
run(const struct tmpl *t)
{
	cleanup_buf struct buf out = BUF_SECRET(1u << 17);
	cleanup_err struct err err = ERR_INIT;
	struct kv kv;

	fill(&kv);
	if (tmpl_run(t, &kv, &out, &err) == -1)
		check_err(&err);
	else
		require(out.len <= 1u << 16);
	kv_clear(&kv);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tmpl_options opts = { .steps_max = 3000, .depth_max = 64,
		.out_max = 1u << 16, .memory_max = 1u << 20 };
	cleanup_err struct err err = ERR_INIT;
	struct tmpl *t = NULL;

	if (size == 0)
		return (0);
	opts.missing_key_error = data[0] & 1;
	if (data[0] & 2) {
		opts.left = "<<";
		opts.right = ">>";
	}
	if (tmpl_parse(data[0] & 4 ? "n%d" : "name", (const char *)data + 1,
	    size - 1, &opts, &t, &err) == -1) {
		require(t == NULL);
		check_err(&err);
		return (0);
	}
	run(t);
	tmpl_free(t);
	return (0);
}
