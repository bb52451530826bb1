/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "core/age.h"
#include "core/deliver_files.h"

#define STATUS_PATH "..nodeseal/status.json"
#define FILES_MAX 8192

struct maker {
	const struct delivery *d;
	struct file_list *list;
	struct strmap *owners;	/* path -> key of the ExternalSecret */
	struct strmap *folders;	/* every folder above a path -> the same */
};

static struct proj_file *
append(struct file_list *l, const char *path)
{
	struct proj_file *f;

	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->files = mem_grow(l->files, l->cap, sizeof(*l->files));
		l->origins = mem_grow(l->origins, l->cap,
		    sizeof(*l->origins));
	}
	f = &l->files[l->n];
	*f = (struct proj_file){ .path = str_dup(path) };
	l->origins[l->n++] = (struct file_origin){ NULL, 0, NULL };
	return (f);
}

/* --- one path, one owner ------------------------------------------------ */

static int
conflict(const char *path, const char *a, const char *b, struct err *err)
{
	if (str_eq(a, b))
		return (err_set(err, ERR_INVALID, "path %s: comes twice from "
		    "ExternalSecret %s: give each item a path of its own",
		    path, a));
	return (err_set(err, ERR_INVALID, "path %s: ExternalSecrets %s and %s "
	    "both offer it: name other paths in items", path, a, b));
}

static int
own_path(struct maker *m, const char *path, struct item *owner,
    struct err *err)
{
	const struct item *other;
	const char *slash;

	other = strmap_get(m->owners, path);
	if (!other)
		other = strmap_get(m->folders, path);
	if (other)
		return (conflict(path, other->key, owner->key, err));
	strmap_put(m->owners, path, owner);
	for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		cleanup_free char *folder = str_ndup(path,
		    (size_t)(slash - path));

		other = strmap_get(m->owners, folder);
		if (other)
			return (conflict(folder, other->key, owner->key, err));
		if (!strmap_has(m->folders, folder))
			strmap_put(m->folders, folder, owner);
	}
	return (0);
}

/* Several files of one content follow one another: it is opened once for all
 * of them and their list, unless somebody else needed the arena meanwhile. */
static int
open_content(struct file_list *l, const struct content *c, struct err *err)
{
	if (l->open == c && l->serial == keys_serial(l->keys))
		return (0);
	payload_clear(&l->payload);
	l->open = NULL;
	if (content_open(l->keys, c, &l->payload, err) == -1)
		return (-1);
	l->open = c;
	l->serial = keys_serial(l->keys);
	return (0);
}

/* --- files -------------------------------------------------------------- */

static int
add_file(struct maker *m, const struct delivery_source *s, const char *path,
    int mode, const struct payload *p, const struct payload_entry *e,
    struct err *err)
{
	const struct delivery *d = m->d;
	struct proj_file *f;

	if (m->list->n == FILES_MAX)
		return (err_set(err, ERR_LIMIT, "more than %d files",
		    FILES_MAX));
	if (proj_path_check(path, err) == -1)
		return (err_wrap(err, "ExternalSecret %s", s->item->key));
	if (own_path(m, path, s->item, err) == -1)
		return (-1);
	f = append(m->list, path);
	f->mode = (uint32_t)(mode == -1 ? d->mode : mode);
	f->uid = d->uid;
	f->gid = d->gid;
	f->size = e->len;
	m->list->origins[m->list->n - 1].content = s->item->content;
	m->list->origins[m->list->n - 1].entry = (size_t)(e - p->data);
	return (0);
}

static int
add_all(struct maker *m, const struct delivery_source *s,
    const struct payload *p, struct err *err)
{
	size_t i;

	for (i = 0; i < p->ndata; i++) {
		cleanup_free char *path = str_ndup(p->data[i].key,
		    p->data[i].keylen);

		if (add_file(m, s, path, -1, p, &p->data[i], err) == -1)
			return (-1);
	}
	return (0);
}

static int
add_items(struct maker *m, const struct delivery_source *s,
    const struct payload *p, struct err *err)
{
	const struct payload_entry *e;
	size_t i;

	for (i = 0; i < s->nitems; i++) {
		e = payload_find(p, s->items[i].key);
		if (!e && s->optional)
			continue;
		if (!e)
			return (err_set(err, ERR_NOTFOUND, "items: key %s is "
			    "not in ExternalSecret %s", s->items[i].key,
			    s->item->key));
		if (add_file(m, s, s->items[i].path, s->items[i].mode, p, e,
		    err) == -1)
			return (-1);
	}
	return (0);
}

static int
add_source(struct maker *m, const struct delivery_source *s, struct err *err)
{
	struct file_list *l = m->list;

	if (!s->item->content)
		return (0);
	if (open_content(l, s->item->content, err) == -1)
		return (-1);
	l->held = mem_grow(l->held, l->nheld + 1, sizeof(*l->held));
	l->held[l->nheld++] = content_ref(s->item->content);
	return (s->all ? add_all(m, s, &l->payload, err) :
	    add_items(m, s, &l->payload, err));
}

/* --- ..nodeseal/status.json --------------------------------------------- */

static struct json *
source_status(const struct delivery *d, const struct item *item)
{
	struct json *o = json_new_object();
	cleanup_buf struct buf at = BUF_PLAIN(64);

	json_set_str(o, "name", item->name);
	json_set_str(o, "source", !item->content ? NULL :
	    age_source(item));
	json_set_bool(o, "stale", age_stale(d->core, item));
	if (item->synced_at)
		time_rfc3339(&at, item->synced_at);
	json_set_str(o, "lastSync", item->synced_at ? at.data : NULL);
	return (o);
}

static void
add_status(struct maker *m)
{
	const struct delivery *d = m->d;
	cleanup_json struct json *o = json_new_object();
	cleanup_buf struct buf at = BUF_PLAIN(64);
	struct buf text = BUF_PLAIN(1 << 20);
	struct json *list = json_new_array();
	struct proj_file *f;
	size_t i;

	time_rfc3339(&at, schedule_wall(d->core->schedule));
	json_set_str(o, "writtenAt", at.data);
	for (i = 0; i < d->nsources; i++)
		json_push(list, source_status(d, d->sources[i].item));
	json_set(o, "externalSecrets", list);
	json_print(o, &text, 2);
	buf_addc(&text, '\n');
	f = append(m->list, STATUS_PATH);
	f->mode = 0444;
	f->uid = d->uid;
	f->gid = d->gid;
	f->size = text.len;
	m->list->origins[m->list->n - 1].text = buf_take(&text);
}

int
file_list_make(const struct delivery *d, struct file_list **ret,
    struct err *err)
{
	struct maker m = { d, mem_alloc(sizeof(*m.list)), strmap_new(NULL),
		strmap_new(NULL) };
	size_t i;
	int rc = 0;

	m.list->keys = d->core->keys;
	for (i = 0; rc == 0 && i < d->nsources; i++)
		rc = add_source(&m, &d->sources[i], err);
	if (rc == 0 && d->status_file)
		add_status(&m);
	strmap_free(m.owners);
	strmap_free(m.folders);
	if (rc == -1)
		file_list_free(m.list);
	else
		*ret = m.list;
	return (rc);
}

/* --- bytes -------------------------------------------------------------- */

int
file_list_fill(struct file_list *l, size_t i, int fd, struct err *err)
{
	const struct file_origin *o = &l->origins[i];
	const struct payload_entry *e;

	if (!o->content)
		return (file_write_all(fd, o->text, strlen(o->text), err));
	if (open_content(l, o->content, err) == -1)
		return (-1);
	if (o->entry >= l->payload.ndata)
		return (err_set(err, ERR_INTERNAL, "entry is gone"));
	e = &l->payload.data[o->entry];
	return (file_write_all(fd, e->value, e->len, err));
}

void
file_list_shut(struct file_list *l)
{
	if (l->open && l->serial == keys_serial(l->keys))
		keys_close(l->keys);
	payload_clear(&l->payload);
	l->open = NULL;
}

void
file_list_free(struct file_list *l)
{
	char *path;
	size_t i;

	if (!l)
		return;
	file_list_shut(l);
	for (i = 0; i < l->n; i++) {
		memcpy(&path, &l->files[i].path, sizeof(path));
		free(path);
		free(l->origins[i].text);
	}
	for (i = 0; i < l->nheld; i++)
		content_unref(l->held[i]);
	free(l->held);
	free(l->files);
	free(l->origins);
	free(l);
}
