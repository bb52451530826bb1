/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/object.h"

#define KEY_MAX (256u << 10)
#define AUDIENCE_MARK '\x1f'	/* no name has it */
#define WHY_MAX 4096

static void
free_json(void *p)
{
	json_free(p);
}

static void
free_err(void *p)
{
	err_clear(p);
	free(p);
}

void
objects_init(struct objects *o)
{
	o->by_key = strmap_new(free_json);
	o->why = strmap_new(free_err);
}

void
objects_clear(struct objects *o)
{
	strmap_free(o->by_key);
	strmap_free(o->why);
	o->by_key = NULL;
	o->why = NULL;
}

/* --- keys ----------------------------------------------------------------- */

char *
object_token_key(const char *ns, const char *name,
    const char *const *audiences, size_t n)
{
	struct buf b = BUF_PLAIN(KEY_MAX);
	cleanup_free char *account = object_key(OBJECT_TOKEN, ns, name);

	buf_adds(&b, account);
	for (size_t i = 0; i < n; i++) {
		buf_addc(&b, AUDIENCE_MARK);
		buf_adds(&b, audiences[i]);
	}
	return (buf_take(&b));
}

static char *
token_key(const struct json *obj, const struct object_meta *m)
{
	const struct json *list = json_get(obj, "audiences"), *j;
	cleanup_free const char **v = mem_array(json_len(list), sizeof(*v));
	size_t n = 0;

	for (j = json_first(list); j != NULL; j = json_next(j))
		v[n++] = str_or(json_str(j), "");
	return (object_token_key(m->ns, m->name, v, n));
}

/* --- a set of them -------------------------------------------------------- */

int
objects_put(struct objects *o, struct json *obj, const char *ns,
    struct err *err)
{
	cleanup_json struct json *own = obj;
	cleanup_free char *key = NULL;
	struct object_meta m;

	if (object_meta_parse(own, ns, &m, err) == -1)
		return (-1);
	key = strcmp(m.kind_name, OBJECT_TOKEN) == 0 ? token_key(own, &m) :
	    object_key(m.kind_name, m.ns, m.name);
	object_meta_clear(&m);
	strmap_del(o->why, key);
	strmap_put(o->by_key, key, STEAL(own));
	return (0);
}

const struct json *
objects_get_key(const struct objects *o, const char *key)
{
	return (strmap_get(o->by_key, key));
}

const struct json *
objects_get(const struct objects *o, const char *kind_name, const char *ns,
    const char *name)
{
	cleanup_free char *key = object_key(kind_name, ns, name);

	return (objects_get_key(o, key));
}

/* --- what is not there ---------------------------------------------------- */

void
objects_lack(struct objects *o, const char *key, enum err_kind kind,
    const char *msg)
{
	struct err *why = mem_alloc(sizeof(*why));

	err_set(why, kind, "%s", msg);
	strmap_put(o->why, key, why);
}

static int
say_why(const struct objects *o, const char *key, struct err *err,
    const char *otherwise)
{
	const struct err *why = strmap_get(o->why, key);

	if (why != NULL && why->kind != ERR_NOTFOUND)
		return (err_set(err, why->kind, "%s", err_msg(why)));
	return (err_set(err, ERR_NOTFOUND, "%s", otherwise));
}

int
objects_why(const struct objects *o, const char *kind_name, const char *ns,
    const char *name, struct err *err, const char *fmt, ...)
{
	cleanup_free char *key = object_key(kind_name, ns, name);
	char text[WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return (say_why(o, key, err, text));
}

int
objects_why_key(const struct objects *o, const char *key, struct err *err,
    const char *fmt, ...)
{
	char text[WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return (say_why(o, key, err, text));
}
