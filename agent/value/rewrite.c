/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/gostr.h"
#include "value/regex.h"
#include "value/rewrite.h"
#include "value/rewrite_internal.h"

static int
rewrite_regexp(const struct rewrite_op *op, const char **keys, size_t n,
    struct buf *outs, struct err *err)
{
	const char *target = op->target ? op->target : "";
	const char *source = op->source ? op->source : "";
	struct regex_work work;
	struct regex *re;
	size_t i;
	int rc = 0;

	if (regex_new(source, strlen(source), &re, err) == -1)
		return (err_wrap(err, "regexp failed with failed to compile"));
	regex_work_start(&work);
	for (i = 0; i < n && rc == 0; i++)
		rc = regex_replace(re, keys[i], strlen(keys[i]), target,
		    strlen(target), 0, &work, &outs[i], err);
	regex_free(re);
	return (rc);
}

static int
rewrite_transform(const struct rewrite_op *op, rewrite_transform_fn *fn,
    void *arg, const char **keys, size_t n, struct buf *outs, struct err *err)
{
	struct buf quoted = BUF_PLAIN(4 * REWRITE_KEY_MAX);
	size_t bad = n;

	if (!fn)
		return (err_set(err, ERR_INTERNAL,
		    "transform: there is no template engine here"));
	if (fn(arg, op->template_text ? op->template_text : "", keys, n, outs,
	    &bad, err) == 0)
		return (0);
	if (bad >= n)
		return (err_wrap(err,
		    "transform failed with failed to parse template"));
	gostr_quote(keys[bad], strlen(keys[bad]), &quoted);
	err_wrap(err, "transform failed with failed to execute template for "
	    "key %s", buf_str(&quoted));
	buf_clear(&quoted);
	return (-1);
}

/* The values go over to their new keys. */
static int
move_keys(struct kv *kv, const char **keys, size_t n, const struct buf *outs,
    struct err *err)
{
	struct kv fresh;
	size_t i;

	for (i = 0; i < n; i++) {
		if (buf_finish(&outs[i], "rewritten key", err) == -1)
			return (-1);
		if (outs[i].len && memchr(outs[i].data, 0, outs[i].len))
			return (err_set(err, ERR_INVALID,
			    "rewritten key holds a zero byte"));
	}
	kv_init(&fresh);
	for (i = 0; i < n; i++)
		kv_put(&fresh, buf_str(&outs[i]),
		    strmap_take(kv->map, keys[i]));
	kv_clear(kv);
	*kv = fresh;
	return (0);
}

static int
rewrite_keys(const struct rewrite_op *op, rewrite_transform_fn *fn, void *arg,
    struct kv *kv, struct err *err)
{
	cleanup_free const char **keys = NULL;
	struct buf *outs;
	size_t i, n;
	int r;

	keys = strmap_sorted(kv->map, &n);
	outs = mem_array(n, sizeof(*outs));
	for (i = 0; i < n; i++)
		outs[i] = (struct buf)BUF_PLAIN(REWRITE_KEY_MAX);
	if (op->kind == REWRITE_REGEXP)
		r = rewrite_regexp(op, keys, n, outs, err);
	else
		r = rewrite_transform(op, fn, arg, keys, n, outs, err);
	if (r == 0)
		r = move_keys(kv, keys, n, outs, err);
	for (i = 0; i < n; i++)
		buf_clear(&outs[i]);
	free(outs);
	return (r);
}

int
value_rewrite(const struct rewrite_op *ops, size_t n,
    rewrite_transform_fn *transform, void *arg, struct kv *kv,
    struct err *err)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		if (ops[i].kind == REWRITE_MERGE)
			r = rewrite_merge(&ops[i], kv, err);
		else
			r = rewrite_keys(&ops[i], transform, arg, kv, err);
		if (r == -1)
			return (err_wrap(err, "failed rewrite operation[%zu]",
			    i));
	}
	return (0);
}
