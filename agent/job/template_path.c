/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "job/template_internal.h"

/*
 * Where a rendered value goes (runtime/template/v2/template.go: applyToTarget,
 * parseTargetPath, setAtPath).
 */
#define INDEX_MAX 10000
#define TOKENS_MAX 64

struct token {
	const char *name;	/* NULL: an index */
	size_t len;
	long index;
};

struct path {
	struct token v[TOKENS_MAX];
	size_t n;
};

int
target_is_map(const char *where)
{
	return (strcasecmp(where, "labels") == 0 ||
	    strcasecmp(where, "annotations") == 0 ||
	    strcasecmp(where, "data") == 0);
}

static int
add_token(struct path *p, const char *name, size_t len, long index,
    struct err *err)
{
	if (p->n == TOKENS_MAX)
		return (err_set(err, ERR_LIMIT,
		    "path has more than %d parts", TOKENS_MAX));
	p->v[p->n++] = (struct token){ name, len, index };
	return (0);
}

/* "[0][12]" behind a name */
static int
parse_indices(struct path *p, const char *path, const char *rest, size_t len,
    struct err *err)
{
	while (len > 0) {
		const char *end = memchr(rest, ']', len);
		cleanup_free char *digits = NULL;
		char *stop;
		long v;

		if (rest[0] != '[')
			return (err_set(err, ERR_INVALID, "invalid path "
			    "\"%s\": expected '[' near \"%.*s\"", path,
			    (int)len, rest));
		if (end == NULL)
			return (err_set(err, ERR_INVALID, "invalid path "
			    "\"%s\": unterminated '['", path));
		digits = str_ndup(rest + 1, (size_t)(end - rest - 1));
		v = strtol(digits, &stop, 10);
		if (*stop != '\0' || stop == digits)
			return (err_set(err, ERR_INVALID, "invalid path "
			    "\"%s\": bad index \"%s\"", path, digits));
		if (v < 0)
			return (err_set(err, ERR_INVALID, "invalid path "
			    "\"%s\": negative index %ld", path, v));
		if (v > INDEX_MAX)
			return (err_set(err, ERR_INVALID, "invalid path \"%s\""
			    ": index %ld exceeds maximum (10000)", path, v));
		if (add_token(p, NULL, 0, v, err) == -1)
			return (-1);
		len -= (size_t)(end - rest) + 1;
		rest = end + 1;
	}
	return (0);
}

static int
parse_path(const char *path, struct path *ret, struct err *err)
{
	const char *at = path;

	ret->n = 0;
	for (;;) {
		size_t seg = strcspn(at, ".");
		const char *open = memchr(at, '[', seg);
		size_t name = open == NULL ? seg : (size_t)(open - at);

		if (seg == 0)
			return (err_set(err, ERR_INVALID,
			    "invalid path \"%s\": empty segment", path));
		if (name > 0 && add_token(ret, at, name, 0, err) == -1)
			return (-1);
		if (parse_indices(ret, path, at + name, seg - name, err) == -1)
			return (-1);
		if (at[seg] == '\0')
			break;
		at += seg + 1;
	}
	if (ret->v[0].name == NULL)
		return (err_set(err, ERR_INVALID, "invalid path \"%s\": path "
		    "must start with a key", path));
	return (0);
}

static const char *
go_type(const struct json *j)
{
	static const char *const words[] = { "<nil>", "bool", "bool",
		"float64", "string", "[]interface {}",
		"map[string]interface {}" };

	return (words[json_type(j)]);
}

/* The existing map takes the new members; anything else is replaced. */
static struct json *
join(struct json *old, struct json *new, int merge)
{
	const struct json *m;

	if (!merge || !json_is(old, JSON_OBJECT) ||
	    !json_is(new, JSON_OBJECT)) {
		json_free(old);
		return (new);
	}
	for (m = json_first(new); m != NULL; m = json_next(m))
		json_set(old, json_key(m), json_copy(m));
	json_free(new);
	return (old);
}

static struct json *set_at(struct json *node, const struct token *t,
    size_t n, struct json *leaf, int merge, struct err *err);

/* Takes ${child} and ${leaf}; the new child, or NULL. */
static struct json *
descend(struct json *child, const struct token *t, size_t n,
    struct json *leaf, int merge, struct err *err)
{
	if (n == 1)
		return (join(child, leaf, merge));
	return (set_at(child, t + 1, n - 1, leaf, merge, err));
}

static struct json *
set_member(struct json *node, const struct token *t, size_t n,
    struct json *leaf, int merge, struct err *err)
{
	cleanup_free char *key = str_ndup(t->name, t->len);
	struct json *child;

	if (node != NULL && !json_is(node, JSON_OBJECT) &&
	    !json_is(node, JSON_NULL)) {
		err_set(err, ERR_INVALID, "expected map at key \"%s\" but "
		    "found %s", key, go_type(node));
		json_free(node);
		json_free(leaf);
		return (NULL);
	}
	if (!json_is(node, JSON_OBJECT)) {
		json_free(node);
		node = json_new_object();
	}
	child = descend(json_take(node, key), t, n, leaf, merge, err);
	if (child == NULL) {
		json_free(node);
		return (NULL);
	}
	json_set(node, key, child);
	return (node);
}

/* Lists are rebuilt: the tree has no way to replace an element. */
static struct json *
set_element(struct json *node, const struct token *t, size_t n,
    struct json *leaf, int merge, struct err *err)
{
	struct json *list, *child = NULL;
	const struct json *e = json_first(node);
	long i;

	if (node != NULL && !json_is(node, JSON_ARRAY) &&
	    !json_is(node, JSON_NULL)) {
		err_set(err, ERR_INVALID, "expected array at index %ld but "
		    "found %s", t->index, go_type(node));
		json_free(node);
		json_free(leaf);
		return (NULL);
	}
	list = json_new_array();
	for (i = 0; e != NULL || i <= t->index; i++) {
		child = e != NULL ? json_copy(e) : json_new_null();
		e = json_next(e);
		if (i == t->index)
			child = descend(child, t, n, leaf, merge, err);
		if (child == NULL)
			break;
		json_push(list, child);
	}
	json_free(node);
	if (child == NULL) {
		json_free(list);
		return (NULL);
	}
	return (list);
}

static struct json *
set_at(struct json *node, const struct token *t, size_t n, struct json *leaf,
    int merge, struct err *err)
{
	if (t->name != NULL)
		return (set_member(node, t, n, leaf, merge, err));
	return (set_element(node, t, n, leaf, merge, err));
}

/* Takes ${leaf}.  A Secret has no place for paths: admission saw to it. */
static int
put_at(const struct template_target *target, const char *where,
    struct json *leaf, int merge, struct err *err)
{
	cleanup_free char *key = NULL;
	struct json *child;
	struct path p;

	if (parse_path(where, &p, err) == -1) {
		json_free(leaf);
		return (-1);
	}
	if (target->obj == NULL) {
		json_free(leaf);
		return (err_set(err, ERR_INVALID, "templateFrom target=\"%s\" "
		    "is not allowed when targeting a Secret", where));
	}
	key = str_ndup(p.v[0].name, p.v[0].len);
	child = descend(json_take(target->obj, key), p.v, p.n, leaf, merge,
	    err);
	if (child == NULL)
		return (err_wrap(err, "failed to set path %s", where));
	json_set(target->obj, key, child);
	return (0);
}

int
target_put_tree(const struct template_target *t, const char *where,
    struct json *tree, struct err *err)
{
	/* a single name is replaced whole, a path is merged into */
	return (put_at(t, where, tree, strpbrk(where, ".[") != NULL, err));
}

/* tryParseYAML: the document, else the text itself. */
static struct json *
parsed(const char *text, size_t len)
{
	struct yaml_docs docs = { 0 };
	struct json *j = NULL;

	if (yaml_read(text, len, &docs, NULL) == -1)
		return (json_new_strn(text, len));
	if (docs.n > 0)
		j = json_copy(docs.v[0].root);
	yaml_docs_clear(&docs);
	return (j != NULL ? j : json_new_null());
}

static void
member_put(struct json *obj, const char *outer, const char *inner,
    const char *key, struct json *value)
{
	struct json *m = json_get(obj, outer);

	if (!json_is(m, JSON_OBJECT)) {
		m = json_new_object();
		json_set(obj, outer, m);
	}
	if (inner != NULL) {
		member_put(m, inner, NULL, key, value);
		return;
	}
	json_set(m, key, value);
}

static int
put_in_object(const struct template_target *t, const char *where,
    const char *key, const struct secret *value, struct err *err)
{
	const char *text = (const char *)secret_data(value);
	size_t len = secret_len(value);

	if (strcasecmp(where, "labels") == 0 ||
	    strcasecmp(where, "annotations") == 0)
		member_put(t->obj, "metadata", strcasecmp(where, "labels") ==
		    0 ? "labels" : "annotations", key,
		    json_new_strn(text, len));
	else if (strcasecmp(where, "data") == 0)
		member_put(t->obj, "data", NULL, key,
		    json_new_strn(text, len));
	else if (strcasecmp(where, "spec") == 0)
		member_put(t->obj, "spec", NULL, key,
		    json_new_strn(text, len));
	else
		return (put_at(t, where, parsed(text, len), 0, err));
	return (0);
}

int
target_put(const struct template_target *t, const char *where,
    const char *key, const struct secret *value, struct err *err)
{
	if (t->secret == NULL)
		return (put_in_object(t, where, key, value, err));
	if (strcasecmp(where, "labels") == 0)
		text_put(t->secret->labels, key,
		    (const char *)secret_data(value));
	else if (strcasecmp(where, "annotations") == 0)
		text_put(t->secret->annotations, key,
		    (const char *)secret_data(value));
	else if (strcasecmp(where, "data") == 0)
		kv_put_bytes(&t->secret->data, key, secret_data(value),
		    secret_len(value));
	else
		return (put_at(t, where, json_new_null(), 0, err));
	return (0);
}
