/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "csi/csi_internal.h"

/*
 * The attribute "items": [{"key","path","mode"?,"externalSecret"?}].  Paths
 * follow the kubelet's AtomicWriter (validatePayload, then filepath.Clean;
 * reference/csi.md §3.1), with proj_file's length.
 */
#define SAY "volumeAttributes.items"

/* A message about item ${i}. */
static int
bad(struct err *err, size_t i, const char *what)
{
	return (err_set(err, ERR_INVALID, SAY "[%zu]%s", i, what));
}

static int
bad_path(struct err *err, size_t i, const char *path, const char *why)
{
	return (err_set(err, ERR_INVALID, SAY "[%zu].path: %s %s: use a path "
	    "below the volume, like \"tls/cert.pem\"", i, csi_quote(path),
	    why));
}

/* The escape \u0000 would end the text behind the parser's back: find it, and
 * the item that it is in, before parsing.  Raw NULs cannot get here. */
static int
nul_check(const char *s, struct err *err)
{
	size_t item = 0;
	int depth = 0, quoted = 0;

	for (; *s; s++) {
		if (quoted && *s == '\\') {
#ifdef WEAKEN_CSI_OVERREAD
			if (memcmp(s, "\\u0000", 6) == 0)
#else
			if (strncmp(s, "\\u0000", 6) == 0)
#endif
				return (bad(err, item, ": has a NUL "
				    "character (\\u0000): remove it"));
			if (s[1])
				s++;
		} else if (*s == '"')
			quoted = !quoted;
		else if (!quoted && (*s == '{' || *s == '['))
			depth++;
		else if (!quoted && (*s == '}' || *s == ']'))
			depth--;
		else if (!quoted && *s == ',' && depth == 1)
			item++;
	}
	return (0);
}

/* filepath.Clean for a relative path without "..": empty parts and "." go. */
static char *
clean(const char *path)
{
	char *out = mem_alloc(strlen(path) + 1);
	size_t len = 0, n;

	while (*path) {
		n = strcspn(path, "/");
		if (n && !(n == 1 && path[0] == '.')) {
			if (len)
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n + (path[n] == '/');
	}
	out[len] = '\0';
	return (out);
}

static int
path_set(struct csi_item *item, size_t i, const char *path, struct err *err)
{
	cleanup_free char *cleaned = NULL;
	const char *s;
	size_t n;

#ifndef WEAKEN_CSI_ITEMS
	if (path[0] == '/')
		return (bad_path(err, i, path, "is absolute"));
	for (s = path; *s; s += n + (s[n] == '/')) {
		n = strcspn(s, "/");
		if (n == 2 && s[0] == '.' && s[1] == '.')
			return (bad_path(err, i, path, "has a part \"..\""));
		if (n > 255)
			return (bad_path(err, i, path,
			    "has a part of more than 255 bytes"));
	}
#else
	(void)s;
	(void)n;
#endif
	cleaned = clean(path);
	if (*cleaned == '\0')
		return (bad_path(err, i, path, "names no file"));
#ifndef WEAKEN_CSI_ITEMS
	/* ..data and its like belong to the swap. */
	if (cleaned[0] == '.' && cleaned[1] == '.')
		return (bad_path(err, i, path, "begins with \"..\""));
#endif
	if (strlen(cleaned) > CSI_PATH_MAX)
		return (bad_path(err, i, path, "is longer than 1024 bytes"));
	item->path = STEAL(cleaned);
	return (0);
}

static int
mode_set(struct csi_item *item, size_t i, const char *mode, struct err *err)
{
	item->mode = csi_mode_parse(mode);
	if (item->mode == -1)
		return (err_set(err, ERR_INVALID, SAY "[%zu].mode: %s is not "
		    "an octal mode from 0000 to 0777: write it like \"0640\"",
		    i, csi_quote(mode)));
	return (0);
}

static int
secret_set(struct csi_item *item, size_t i, const char *name,
    const struct csi_publish *p, struct err *err)
{
	size_t k;

	for (k = 0; k < p->nexternal_secrets; k++)
		if (strcmp(p->external_secrets[k], name) == 0) {
			item->external_secret = str_dup(name);
			return (0);
		}
	return (err_set(err, ERR_INVALID, SAY "[%zu].externalSecret: %s is "
	    "not among the names in volumeAttributes.externalSecret: add it "
	    "there", i, csi_quote(name)));
}

static int
member_set(struct csi_item *item, size_t i, const struct json *m,
    const struct csi_publish *p, struct err *err)
{
	static const char *const names[] = { "key", "path", "mode",
	    "externalSecret" };
	const char *key = json_key(m), *value = json_str(m);
	size_t k;

	for (k = 0; k < ARRAY_LEN(names); k++)
		if (strcmp(key, names[k]) == 0)
			break;
	if (k == ARRAY_LEN(names))
		return (err_set(err, ERR_INVALID, SAY "[%zu].%s: unknown "
		    "field: remove it; known are key, path, mode, "
		    "externalSecret", i, csi_quote(key)));
	if (!value)
		return (err_set(err, ERR_INVALID, SAY "[%zu].%s: is not a "
		    "string: %s", i, key, k == 2 ?
		    "write octal digits in quotes, like \"0640\"" :
		    "put it in quotes"));
	if ((k == 0 && item->key) || (k == 1 && item->path) ||
	    (k == 2 && item->mode >= 0) || (k == 3 && item->external_secret))
		return (err_set(err, ERR_INVALID, SAY "[%zu].%s: is there "
		    "twice: give it once", i, key));
	if (k == 1)
		return (path_set(item, i, value, err));
	if (k == 2)
		return (mode_set(item, i, value, err));
	if (k == 3)
		return (secret_set(item, i, value, p, err));
	if (*value == '\0' || strlen(value) > 253)
		return (bad(err, i, ".key: is empty or longer than 253 bytes: "
		    "name a key of the ExternalSecret's target"));
	item->key = str_dup(value);
	return (0);
}

static int
item_parse(struct csi_item *item, size_t i, const struct json *j,
    const struct csi_publish *p, struct err *err)
{
	const struct json *m;

	item->mode = -1;
	if (!json_is(j, JSON_OBJECT))
		return (bad(err, i, ": is not an object: write {\"key\": …, "
		    "\"path\": …}"));
	for (m = json_first(j); m; m = json_next(m))
		if (member_set(item, i, m, p, err) == -1)
			return (-1);
	if (!item->key)
		return (bad(err, i, ".key: is missing: name a key of the "
		    "ExternalSecret's target"));
	if (!item->path)
		return (bad(err, i, ".path: is missing: name the file"));
	if (!item->external_secret && p->nexternal_secrets > 1)
		return (bad(err, i, ".externalSecret: is missing: several are "
		    "named, so each item says which one it means"));
	return (0);
}

/* --- no path twice, none below another ---------------------------------- */

/* By bytes with '/' first, so that what lies below a path follows it. */
static int
by_path(const void *a, const void *b)
{
	const char *x = (*(const struct csi_item *const *)a)->path;
	const char *y = (*(const struct csi_item *const *)b)->path;
	int p, q;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	p = *x == '/' ? 1 : *x ? (uint8_t)*x + 1 : 0;
	q = *y == '/' ? 1 : *y ? (uint8_t)*y + 1 : 0;
	return (p - q);
}

static int
paths_check(const struct csi_publish *p, struct err *err)
{
	cleanup_free const struct csi_item **v =
	    mem_array(p->nitems, sizeof(*v));
	const char *x, *y;
	size_t i, len, a, b;

	for (i = 0; i < p->nitems; i++)
		v[i] = &p->items[i];
	qsort(v, p->nitems, sizeof(*v), by_path);
	for (i = 1; i < p->nitems; i++) {
		x = v[i - 1]->path;
		y = v[i]->path;
		len = strlen(x);
		if (strncmp(x, y, len) != 0 || (y[len] && y[len] != '/'))
			continue;
		a = (size_t)(v[i - 1] - p->items);
		b = (size_t)(v[i] - p->items);
		return (err_set(err, ERR_INVALID, SAY "[%zu].path: %s %s: "
		    "give each item a path of its own", a > b ? a : b,
		    csi_quote(x), y[len] ? "would be a file and a folder" :
		    "is there twice"));
	}
	return (0);
}

int
csi_items_parse(struct csi_publish *p, const char *text, struct err *err)
{
	cleanup_json struct json *list = NULL;
	const struct json *j;

	if (strlen(text) > CSI_ITEMS_TEXT_MAX)
		return (err_set(err, ERR_INVALID, SAY ": is longer than %u "
		    "bytes: use several volumes", CSI_ITEMS_TEXT_MAX));
	if (nul_check(text, err) == -1)
		return (-1);
	list = json_parse(text, strlen(text), err);
	if (!list) {
		if (err)
			err->kind = ERR_INVALID;
		return (err_wrap(err, SAY ": is not a JSON list"));
	}
	if (!json_is(list, JSON_ARRAY))
		return (err_set(err, ERR_INVALID, SAY ": is not a JSON list: "
		    "write [{\"key\": …, \"path\": …}]"));
	if (json_len(list) == 0 || json_len(list) > CSI_ITEMS_MAX)
		return (err_set(err, ERR_INVALID, SAY ": has %zu items: name "
		    "1 to %d, or leave the attribute out for all keys",
		    json_len(list), CSI_ITEMS_MAX));
	p->items = mem_array(json_len(list), sizeof(*p->items));
	for (j = json_first(list); j; j = json_next(j)) {
		p->nitems++;
		if (item_parse(&p->items[p->nitems - 1], p->nitems - 1, j, p,
		    err) == -1)
			return (-1);
	}
	return (paths_check(p, err));
}
