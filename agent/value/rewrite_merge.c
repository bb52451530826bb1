/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/doc.h"
#include "value/extract.h"
#include "value/gostr.h"
#include "value/rewrite_internal.h"

#define CONFLICTS_MAX 65536	/* bytes of the list in the error */

/* The merged map: keys to values that lie in the inputs' own text. */
struct merge {
	const struct rewrite_op *op;
	struct strmap *map;	/* to struct doc * (owned) */
	struct buf conflicts;
};

static int
is_priority(const struct rewrite_op *op, const char *key)
{
	size_t i, n = op->npriority;

#ifdef WEAKEN_REWRITE_PRIORITY
	n += n > 0;
#endif
	for (i = 0; i < n; i++)
		if (str_eq(op->priority[i], key))
			return (1);
	return (0);
}

static int
bad_type(const struct doc *d, struct err *err)
{
	static const char *const names[] = { [DOC_FALSE] = "bool",
	    [DOC_TRUE] = "bool", [DOC_NUMBER] = "number",
	    [DOC_STRING] = "string", [DOC_ARRAY] = "array" };

	return (err_set(err, ERR_INVALID, "json: cannot unmarshal %s into Go "
	    "value of type map[string]interface {}", names[d->type]));
}

/* The members of one input, of equal keys the last. */
static struct strmap *
members(const struct doc *object)
{
	struct strmap *map = strmap_new(free);
	struct doc key, value;
	size_t at = 0;

	while (doc_next(object, &at, &key, &value)) {
		cleanup_free char *name = value_key_text(&key);

		strmap_put(map, name, mem_dup(&value, sizeof(value)));
	}
	return (map);
}

static void
merge_object(struct merge *m, const struct doc *object)
{
	cleanup_strmap struct strmap *from = members(object);
	size_t i;

	for (i = strmap_next(from, 0); i; i = strmap_next(from, i)) {
		const char *key = strmap_key(from, i);

		if (strmap_has(m->map, key)) {
			if (m->conflicts.len)
				buf_adds(&m->conflicts, ", ");
			buf_adds(&m->conflicts, key);
		}
		strmap_put(m->map, key, mem_dup(strmap_val(from, i),
		    sizeof(struct doc)));
	}
}

static int
merge_key(struct merge *m, const struct kv *kv, const char *key,
    struct err *err)
{
	const struct secret *v = kv_get(kv, key);
	struct doc d;

	if (!v) {
		struct buf quoted = BUF_PLAIN(65536);

		if (str_eq(m->op->priority_policy, "IgnoreNotFound"))
			return (0);
		gostr_quote(key, strlen(key), &quoted);
		err_set(err, ERR_INVALID, "merge failed with key %s not found "
		    "in input map", buf_str(&quoted));
		buf_clear(&quoted);
		return (-1);
	}
	if (doc_parse((const char *)secret_data(v), secret_len(v), &d, err) ==
	    -1 || (d.type != DOC_OBJECT && d.type != DOC_NULL &&
	    bad_type(&d, err) == -1) || doc_floats(&d, err) == -1)
		return (err_wrap(err,
		    "merge failed with failed to unmarshal JSON"));
	if (d.type == DOC_OBJECT)
		merge_object(m, &d);
	return (0);
}

/* Keys without priority in byte order, then those with one as given. */
static int
merge_all(struct merge *m, const struct kv *kv, struct err *err)
{
	cleanup_free const char **keys = NULL;
	size_t i, n;

	keys = strmap_sorted(kv->map, &n);
	for (i = 0; i < n; i++)
		if (!is_priority(m->op, keys[i]) &&
		    merge_key(m, kv, keys[i], err) == -1)
			return (-1);
	for (i = 0; i < m->op->npriority; i++)
		if (merge_key(m, kv, str_or(m->op->priority[i], ""), err) ==
		    -1)
			return (-1);
	if (m->conflicts.len && !str_eq(m->op->conflict_policy, "Ignore"))
		return (err_set(err, ERR_INVALID,
		    "merge failed with conflicts: %s",
		    buf_str(&m->conflicts)));
	return (0);
}

/* Strategy Extract: the merged members become the keys. */
static int
to_keys(const struct merge *m, struct kv *kv, struct err *err)
{
	struct kv fresh;
	size_t i;

	kv_init(&fresh);
	for (i = strmap_next(m->map, 0); i; i = strmap_next(m->map, i)) {
		const struct doc *d = strmap_val(m->map, i);
		cleanup_buf struct buf bytes = BUF_SECRET(d->len * 6 + 400);

		if (doc_value(d, DOC_GET_BYTE_VALUE, &bytes, err) == -1 ||
		    buf_finish(&bytes, "merged value", err) == -1) {
			kv_clear(&fresh);
			return (-1);
		}
		kv_put(&fresh, strmap_key(m->map, i),
		    secret_from_buf(&bytes));
	}
	kv_clear(kv);
	*kv = fresh;
	return (0);
}

static void
add_key(const char *key, struct buf *out)
{
	cleanup_buf struct buf text = BUF_PLAIN(strlen(key));

	value_key_bytes(key, &text);
	codec_json_string(out, buf_str(&text), text.len, 0);
	buf_addc(out, ':');
}

/* By the bytes of the real key: KV_NUL is a zero byte. */
static int
cmp_keys(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	int cx, cy;

	for (;; x++, y++) {
		cx = (unsigned char)*x;
		cy = (unsigned char)*y;
		if (strncmp(x, KV_NUL, 2) == 0)
			cx = 0;
		if (strncmp(y, KV_NUL, 2) == 0)
			cy = 0;
		if (!*x || !*y || cx != cy)
			break;
		/* Both are at the same character: two bytes of a zero. */
		x += cx == 0;
		y += cy == 0;
	}
	if (!*x || !*y)
		return (!*y - !*x);
	return (cx < cy ? -1 : 1);
}

/* Strategy JSON: the inputs stay, and the merged object is one more key. */
static int
to_json(const struct merge *m, struct kv *kv, struct err *err)
{
	cleanup_free const char **keys = NULL;
	cleanup_buf struct buf out = BUF_SECRET(VALUE_JSON_MAX);
	size_t i, n;

	if (!m->op->into || !*m->op->into)
		return (err_set(err, ERR_INVALID,
		    "merge failed with missing 'into' field"));
	keys = strmap_sorted(m->map, &n);
	if (n)
		qsort(keys, n, sizeof(*keys), cmp_keys);
	buf_addc(&out, '{');
	for (i = 0; i < n; i++) {
		if (i)
			buf_addc(&out, ',');
		add_key(keys[i], &out);
		doc_marshal(strmap_get(m->map, keys[i]), &out, 0, 0);
	}
	buf_addc(&out, '}');
	if (buf_finish(&out, "merged JSON", err) == -1)
		return (-1);
	kv_put(kv, m->op->into, secret_from_buf(&out));
	return (0);
}

int
rewrite_merge(const struct rewrite_op *op, struct kv *kv, struct err *err)
{
	struct merge m = { op, strmap_new(free), BUF_PLAIN(CONFLICTS_MAX) };
	int r;

	r = merge_all(&m, kv, err);
	if (r == 0)
		r = str_eq(op->strategy, "JSON") ? to_json(&m, kv, err) :
		    to_keys(&m, kv, err);
	strmap_free(m.map);
	buf_clear(&m.conflicts);
	return (r);
}
