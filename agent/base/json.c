/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json_internal.h"
#include "base/mem.h"
#include "base/secret.h"

static cJSON *
node(struct json *j)
{
	return ((cJSON *)(void *)j);
}

static const cJSON *
cnode(const struct json *j)
{
	return ((const cJSON *)(const void *)j);
}

static struct json *
wrap(cJSON *c)
{
	return ((struct json *)(void *)c);
}

static void *
hook_alloc(size_t size)
{
	/* cJSON fills what it asks for itself. */
	return (mem_grow(NULL, size, 1));
}

/* Whatever cJSON gives back is wiped: strings of Secrets pass through here. */
static void
hook_free(void *p)
{
	if (!p)
		return;
	secret_wipe(p, malloc_usable_size(p));
	free(p);
}

/* Before main, so before the first node: what was allocated without the hooks
 * must never be freed with them. */
__attribute__((constructor)) static void
set_hooks(void)
{
	cJSON_Hooks hooks = { .malloc_fn = hook_alloc, .free_fn = hook_free };

	cJSON_InitHooks(&hooks);
}

/* Bytes that are not UTF-8 become U+FFFD, as in encoding/json. */
static void
clean(struct buf *out, const char *text, size_t len)
{
	uint32_t rune;
	size_t n;

	for (; len > 0; text += n, len -= n) {
		n = utf8_next(text, len, &rune);
		utf8_add(out, rune);
	}
}

struct edits {
	const char *text;
	size_t len;
	struct buf copy;	/* made at the first edit */
};

static void
replace(void *arg, size_t at)
{
	struct edits *e = arg;

	if (!e->copy.data)
		buf_add(&e->copy, e->text, e->len);
	memcpy(e->copy.data + at, "fffd", 4);
}

/* ${text} is UTF-8. */
static cJSON *
parse_clean(const char *text, size_t len, struct err *err)
{
	struct edits e = { text, len, BUF_SECRET(SIZE_MAX) };
	const struct json_edits edits = { replace, &e };
	cJSON *c = NULL;

	if (json_scan(text, len, &edits, err) == 0) {
		c = cJSON_ParseWithLengthOpts(e.copy.data ? e.copy.data : text,
		    len, NULL, 0);
		if (!c)
			err_set(err, ERR_INTERNAL,
			    "JSON: the library refuses what the check passed");
	}
	buf_clear(&e.copy);
	return (c);
}

struct json *
json_parse(const char *text, size_t len, struct err *err)
{
	cleanup_buf struct buf utf8 = BUF_SECRET(SIZE_MAX);

	if (utf8_valid(text, len))
		return (wrap(parse_clean(text, len, err)));
	clean(&utf8, text, len);
	return (wrap(parse_clean(buf_str(&utf8), utf8.len, err)));
}

void
json_free(struct json *j)
{
	cJSON_Delete(node(j));
}

void
json_cleanup(struct json **j)
{
	json_free(*j);
	*j = NULL;
}

struct json *
json_copy(const struct json *j)
{
	return (wrap(cJSON_Duplicate(cnode(j), 1)));
}

enum json_type
json_type(const struct json *j)
{
	switch (j ? cnode(j)->type & 0xff : cJSON_NULL) {
	case cJSON_False:
		return (JSON_FALSE);
	case cJSON_True:
		return (JSON_TRUE);
	case cJSON_Number:
		return (JSON_NUMBER);
	case cJSON_String:
		return (JSON_STRING);
	case cJSON_Array:
		return (JSON_ARRAY);
	case cJSON_Object:
		return (JSON_OBJECT);
	default:
		return (JSON_NULL);
	}
}

int
json_is(const struct json *j, enum json_type t)
{
	return (j && json_type(j) == t);
}

struct json *
json_get(const struct json *obj, const char *key)
{
	cJSON *c, *found = NULL;

	if (!json_is(obj, JSON_OBJECT))
		return (NULL);
	for (c = cnode(obj)->child; c; c = c->next)
		if (c->string[0] == key[0] && strcmp(c->string, key) == 0)
			found = c;
	return (wrap(found));
}

struct json *
json_path(const struct json *obj, const char *dotted)
{
	cleanup_free char *copy = str_dup(dotted);
	struct json *at = NULL;
	char *part, *save = copy;

	while ((part = strsep(&save, "."))) {
		at = json_get(at ? at : obj, part);
		if (!at)
			return (NULL);
	}
	return (at);
}

const char *
json_str(const struct json *j)
{
	return (json_is(j, JSON_STRING) ? cnode(j)->valuestring : NULL);
}

double
json_num(const struct json *j, double otherwise)
{
	return (json_is(j, JSON_NUMBER) ? cnode(j)->valuedouble : otherwise);
}

int
json_bool(const struct json *j, int otherwise)
{
	if (json_is(j, JSON_TRUE))
		return (1);
	return (json_is(j, JSON_FALSE) ? 0 : otherwise);
}

struct json *
json_first(const struct json *j)
{
	if (!json_is(j, JSON_OBJECT) && !json_is(j, JSON_ARRAY))
		return (NULL);
	return (wrap(cnode(j)->child));
}

struct json *
json_next(const struct json *j)
{
	return (j ? wrap(cnode(j)->next) : NULL);
}

size_t
json_len(const struct json *j)
{
	const struct json *at;
	size_t n = 0;

	for (at = json_first(j); at; at = json_next(at))
		n++;
	return (n);
}

const char *
json_key(const struct json *j)
{
	return (j ? cnode(j)->string : NULL);
}

struct json *
json_new_object(void)
{
	return (wrap(cJSON_CreateObject()));
}

struct json *
json_new_array(void)
{
	return (wrap(cJSON_CreateArray()));
}

struct json *
json_new_str(const char *s)
{
	return (s ? json_new_strn(s, strlen(s)) : json_new_null());
}

/* By hand, because cJSON_CreateString wants the text NUL-terminated and a copy
 * made for it would have to be wiped. */
struct json *
json_new_strn(const char *s, size_t len)
{
	cJSON *c = cJSON_CreateNull();

	c->type = cJSON_String;
	c->valuestring = mem_dup(s, len);
	return (wrap(c));
}

struct json *
json_new_num(double n)
{
	cJSON *c = cJSON_CreateNumber(n);

	c->valueint = 0;	/* see json_set_line */
	return (wrap(c));
}

void
json_set_digits(struct json *num, const char *digits, size_t len)
{
	cJSON *c = node(num);

	hook_free(c->valuestring);
	c->valuestring = digits ? mem_dup(digits, len) : NULL;
}

const char *
json_digits(const struct json *num)
{
	return (json_is(num, JSON_NUMBER) ? cnode(num)->valuestring : NULL);
}

struct json *
json_new_bool(int b)
{
	return (wrap(cJSON_CreateBool(b)));
}

struct json *
json_new_null(void)
{
	return (wrap(cJSON_CreateNull()));
}

/* Delete members of that name, all or all but the first. */
static void
delete_members(cJSON *obj, const char *key, int keep_first)
{
	cJSON *c, *next;

	for (c = obj->child; c; c = next) {
		next = c->next;
		if (strcmp(c->string, key) != 0)
			continue;
		if (keep_first)
			keep_first = 0;
		else
			cJSON_Delete(cJSON_DetachItemViaPointer(obj, c));
	}
}

void
json_set(struct json *obj, const char *key, struct json *v)
{
	cJSON *o = node(obj);

	if (!v) {
		delete_members(o, key, 0);
		return;
	}
	if (!json_get(obj, key)) {
		cJSON_AddItemToObject(o, key, node(v));
		return;
	}
	delete_members(o, key, 1);
	cJSON_ReplaceItemInObjectCaseSensitive(o, key, node(v));
}

void
json_append(struct json *obj, const char *key, struct json *v)
{
	cJSON_AddItemToObject(node(obj), key, node(v));
}

/* cJSON keeps a number's integer part in valueint for callers of old; nothing
 * here reads it, so that it can carry the line at no cost. */
void
json_set_line(struct json *j, int line)
{
	node(j)->valueint = line;
}

int
json_line(const struct json *j)
{
	return (j ? cnode(j)->valueint : 0);
}

void
json_set_str(struct json *obj, const char *key, const char *s)
{
	json_set(obj, key, json_new_str(s));
}

void
json_set_num(struct json *obj, const char *key, double n)
{
	json_set(obj, key, json_new_num(n));
}

void
json_set_bool(struct json *obj, const char *key, int b)
{
	json_set(obj, key, json_new_bool(b));
}

void
json_push(struct json *arr, struct json *v)
{
	cJSON_AddItemToArray(node(arr), node(v));
}

struct json *
json_take(struct json *obj, const char *key)
{
	struct json *found = json_get(obj, key);

	if (!found)
		return (NULL);
	cJSON_DetachItemViaPointer(node(obj), node(found));
	delete_members(node(obj), key, 0);
	return (found);
}
