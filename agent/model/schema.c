/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/schema.h"

/* Filling structs from records, and freeing them.  What is refused, and how
 * that reads, is in schema_check.c. */
#include "model/schema_internal.h"

static void *
spot(void *base, size_t at)
{
	return (base == NULL ? NULL : (char *)base + at);
}

/* --- values of absent fields --------------------------------------------- */

static void init_field(const struct field *fd, void *base);

static void
init_record(const struct record *r, void *base)
{
	for (size_t i = 0; i < r->nfields; i++)
		init_field(&r->fields[i], base);
}

static void
init_field(const struct field *fd, void *base)
{
	if (fd->flags & FIELD_CHECK)
		return;
	if (fd->type == FIELD_TEXT && !(fd->flags & FIELD_NULL)) {
		char **p = spot(base, fd->at);

		if (*p == NULL)
			*p = str_dup("");
	}
	if (fd->type == FIELD_OBJECT && !(fd->flags & FIELD_POINTER))
		init_record(fd->record, spot(base, fd->at));
}

/* --- values that are there ----------------------------------------------- */

static int
choice_code(const struct text_rule *rule, const char *s)
{
	for (int i = 0; rule->choices[i] != NULL; i++)
		if (strcmp(rule->choices[i], s) == 0)
			return (rule->codes != NULL ? rule->codes[i] : i);
	return (0);
}

static void
fill_duration(const struct field *fd, const struct json *v, const char *s,
    const struct field_path *path, void *base, struct findings *f)
{
	cleanup_err struct err err = ERR_INIT;
	int64_t ms = 0;

	if (s == NULL)
		return;
	if (duration_parse(s, &ms, &err) == -1) {
		cleanup_free char *where = field_path_text(path);

		findings_reject(f, FINDING_DECODE, v, where, "%s",
		    err_msg(&err));
		return;
	}
	/* Go counts nanoseconds: "100us" is short, not "never". */
	if (ms == 0 && strpbrk(s, "123456789") != NULL)
		ms = s[0] == '-' ? -1 : 1;
	if (base != NULL)
		*(int64_t *)spot(base, fd->at) = ms;
}

static void
fill_text(const struct field *fd, const char *s, void *base)
{
	char **p;

	if (base == NULL || s == NULL)
		return;
	p = spot(base, fd->at);
	free(*p);
	*p = str_dup(s);
}

static void
free_text(void *p)
{
	free(p);
}

static void
fill_map(const struct field *fd, const struct json *v, void *base)
{
	struct strmap *m;

	if (base == NULL)
		return;
	m = strmap_new(free_text);
	for (const struct json *e = json_first(v); e != NULL; e = json_next(e))
		if (json_str(e) != NULL)
			strmap_put(m, json_key(e), str_dup(json_str(e)));
	*(struct strmap **)spot(base, fd->at) = m;
}

static void
fill_texts(const struct field *fd, const struct json *v, void *base)
{
	size_t n = json_len(v), i = 0;
	char **list;

	if (base == NULL || n == 0)
		return;
	list = mem_array(n, sizeof(*list));
	for (const struct json *e = json_first(v); e != NULL; e = json_next(e))
		list[i++] = str_dup(json_str(e) != NULL ? json_str(e) : "");
	*(char ***)spot(base, fd->at) = list;
	*(size_t *)spot(base, fd->count_at) = n;
}

static void
fill_object(const struct field *fd, const struct json *v,
    const struct field_path *path, void *base, struct findings *f)
{
	void *sub = fd->flags & FIELD_CHECK ? NULL : spot(base, fd->at);

	if (sub != NULL && (fd->flags & FIELD_POINTER)) {
		*(void **)sub = mem_alloc(fd->record->size);
		sub = *(void **)sub;
	}
	if (base != NULL && fd->count_at != 0)
		*(int *)spot(base, fd->count_at) = 1;
	record_parse(fd->record, v, path, sub, f);
}

static void
fill_objects(const struct field *fd, const struct json *v,
    const struct field_path *path, void *base, struct findings *f)
{
	size_t n = json_len(v), size = fd->record->size, i = 0;
	char *list = NULL;

	if (base != NULL && n > 0) {
		list = mem_array(n, size);
		*(void **)spot(base, fd->at) = list;
		*(size_t *)spot(base, fd->count_at) = n;
	}
	for (const struct json *e = json_first(v); e != NULL;
	    e = json_next(e), i++) {
		struct field_path at = { path, NULL, i };

		record_parse(fd->record, e, &at,
		    list == NULL ? NULL : list + i * size, f);
	}
}

/* The value passed schema_type_ok: it has the field's JSON type. */
static void
fill_field(const struct field *fd, const struct json *v,
    const struct field_path *path, void *base, struct findings *f)
{
	/* That an object was there may be noted without keeping it. */
	if ((fd->flags & FIELD_CHECK) && fd->type != FIELD_OBJECT)
		base = NULL;
	switch (fd->type) {
	case FIELD_TEXT:
		fill_text(fd, json_str(v), base);
		break;
	case FIELD_CHOICE:
		if (base != NULL)
			*(int *)spot(base, fd->at) =
			    choice_code(fd->rule, json_str(v));
		break;
	case FIELD_BOOL:
		if (base != NULL)
			*(int *)spot(base, fd->at) = json_bool(v, 0);
		break;
	case FIELD_INT:
		if (base != NULL)
			*(int *)spot(base, fd->at) = schema_int(v);
		break;
	case FIELD_DURATION:
		fill_duration(fd, v, json_str(v), path, base, f);
		break;
	case FIELD_MAP:
		fill_map(fd, v, base);
		break;
	case FIELD_TEXTS:
		fill_texts(fd, v, base);
		break;
	case FIELD_OBJECT:
		fill_object(fd, v, path, base, f);
		break;
	case FIELD_OBJECTS:
		fill_objects(fd, v, path, base, f);
		break;
	case FIELD_JSON:
		if (fd->record != NULL)
			record_parse(fd->record, v, path, NULL, f);
		if (base != NULL)
			*(struct json **)spot(base, fd->at) = json_copy(v);
		break;
	case FIELD_KNOWN:
		break;
	}
}

static void
default_field(const struct field *fd, const struct field_path *path, void *base,
    struct findings *f)
{
	if (fd->value == NULL || base == NULL || (fd->flags & FIELD_CHECK))
		return;
	if (fd->type == FIELD_TEXT)
		fill_text(fd, fd->value, base);
	else if (fd->type == FIELD_CHOICE)
		*(int *)spot(base, fd->at) = choice_code(fd->rule, fd->value);
	else if (fd->type == FIELD_DURATION)
		fill_duration(fd, NULL, fd->value, path, base, f);
}

void
record_parse(const struct record *r, const struct json *obj,
    const struct field_path *path, void *base, struct findings *f)
{
	int is_object = schema_check_object(r, obj, path, f);

	for (size_t i = 0; is_object && i < r->nfields; i++) {
		const struct field *fd = &r->fields[i];
		const struct json *v = json_get(obj, fd->name);
		struct field_path at = { path, fd->name, 0 };

		if (v == NULL || json_is(v, JSON_NULL)) {
			if (fd->flags & FIELD_REQUIRED && fd->value == NULL)
				schema_required(&at, obj, f);
			default_field(fd, &at, base, f);
		} else if (schema_check_field(fd, v, &at, f))
			fill_field(fd, v, &at, base, f);
		else
			default_field(fd, &at, base, f);
	}
	if (base != NULL)
		init_record(r, base);
	if (is_object && base != NULL && r->done != NULL)
		r->done(base, obj);
}

/* --- and freeing --------------------------------------------------------- */

static void
clear_list(const struct field *fd, void *base)
{
	void **list = spot(base, fd->at);
	size_t *n = spot(base, fd->count_at);

	for (size_t i = 0; i < *n; i++) {
		if (fd->type == FIELD_TEXTS)
			free(((char **)*list)[i]);
		else
			record_free_fields(fd->record,
			    (char *)*list + i * fd->record->size);
	}
	free(*list);
	*list = NULL;
	*n = 0;
}

static void
clear_object(const struct field *fd, void *base)
{
	void *sub = spot(base, fd->at);

	if (!(fd->flags & FIELD_POINTER)) {
		record_free_fields(fd->record, sub);
	} else if (*(void **)sub != NULL) {
		record_free_fields(fd->record, *(void **)sub);
		free(*(void **)sub);
		*(void **)sub = NULL;
	}
}

static void
clear_field(const struct field *fd, void *base)
{
	switch (fd->type) {
	case FIELD_TEXT:
		free(*(char **)spot(base, fd->at));
		*(char **)spot(base, fd->at) = NULL;
		break;
	case FIELD_MAP:
		strmap_free(*(struct strmap **)spot(base, fd->at));
		*(struct strmap **)spot(base, fd->at) = NULL;
		break;
	case FIELD_JSON:
		json_free(*(struct json **)spot(base, fd->at));
		*(struct json **)spot(base, fd->at) = NULL;
		break;
	case FIELD_TEXTS:
	case FIELD_OBJECTS:
		clear_list(fd, base);
		break;
	case FIELD_OBJECT:
		clear_object(fd, base);
		break;
	default:
		break;
	}
}

void
record_free_fields(const struct record *r, void *base)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (!(r->fields[i].flags & FIELD_CHECK))
			clear_field(&r->fields[i], base);
}
