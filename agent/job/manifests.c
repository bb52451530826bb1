/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "job/manifests.h"

#define LIST_DEPTH_MAX 4

static void __attribute__((format(printf, 5, 6)))
problem(struct manifests *m, const char *file, int line, int fatal,
    const char *fmt, ...)
{
	struct manifest_problem *p;
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		text = str_dup("out of memory");
	va_end(ap);
	m->problems = mem_grow(m->problems, m->nproblems + 1,
	    sizeof(*m->problems));
	p = &m->problems[m->nproblems++];
	*p = (struct manifest_problem){ file, line, str_dup(""), text,
		fatal };
}

/* "ns/name", or the name alone. */
char *
manifest_name(const struct manifest *m)
{
	return (str_fmt("%s%s%s", m->meta.ns, m->meta.ns[0] ? "/" : "",
	    m->meta.name));
}

/* Keys that occur twice, in the object of the document that holds them. */
static void
add_dups(struct manifests *m, const char *file, const struct yaml_doc *doc,
    size_t first)
{
	struct manifest_problem *p;
	size_t i, k;

	for (k = 0; k < doc->ndups; k++) {
		problem(m, file, doc->dups[k].line, 0, "%s: occurs twice in "
		    "its object, the last one counts: remove one",
		    doc->dups[k].key);
		p = &m->problems[m->nproblems - 1];
		for (i = m->n; i > first; i--) {
			if (m->v[i - 1].line > doc->dups[k].line)
				continue;
			free(p->object);
			p->object = manifest_name(&m->v[i - 1]);
			break;
		}
	}
}

/* --- documents ---------------------------------------------------------- */

static void
add_object(struct manifests *m, const char *file,
    const struct yaml_doc *doc, struct json *obj, const char *ns)
{
	cleanup_err struct err err = ERR_INIT;
	struct object_meta meta;
	int line = yaml_line(doc, obj);

	if (line == 0)
		line = doc->line;
	if (m->n == MANIFESTS_MAX) {
		problem(m, file, line, 1, "more than %d objects: use fewer "
		    "files in a call", MANIFESTS_MAX);
		json_free(obj);
		return;
	}
	if (object_meta_parse(obj, ns, &meta, &err) == -1) {
		problem(m, file, line, 1, "%s: every object needs apiVersion, "
		    "kind and metadata.name", err_msg(&err));
		json_free(obj);
		return;
	}
	if ((m->n & (m->n - 1)) == 0)
		m->v = mem_grow(m->v, m->n ? 2 * m->n : 1, sizeof(*m->v));
	m->v[m->n++] = (struct manifest){ .meta = meta, .obj = obj,
		.file = file, .line = line };
}

/* v1 List, or a typed list whose items may leave their kind to it. */
static int
is_list(const struct json *obj, size_t *ret_stem)
{
	const char *kind = json_str(json_get(obj, "kind"));
	size_t n = kind == NULL ? 0 : strlen(kind);

	if (n < 4 || strcmp(kind + n - 4, "List") != 0 ||
	    !json_is(json_get(obj, "items"), JSON_ARRAY))
		return (0);
	*ret_stem = n - 4;
	return (1);
}

static void
add_tree(struct manifests *m, const char *file, const struct yaml_doc *doc,
    struct json *obj, const char *ns, int depth)
{
	const struct json *item, *version = json_get(obj, "apiVersion");
	size_t stem;

	if (!is_list(obj, &stem) || depth == LIST_DEPTH_MAX) {
		add_object(m, file, doc, obj, ns);
		return;
	}
	for (item = json_first(json_get(obj, "items")); item != NULL;
	    item = json_next(item)) {
		struct json *one = json_copy(item);

		if (stem > 0 && json_is(one, JSON_OBJECT) &&
		    json_get(one, "kind") == NULL) {
			json_set(one, "kind", json_new_strn(json_str(
			    json_get(obj, "kind")), stem));
			if (json_get(one, "apiVersion") == NULL)
				json_set(one, "apiVersion",
				    json_copy(version));
		}
		add_tree(m, file, doc, one, ns, depth + 1);
	}
	json_free(obj);
}

/* "line 7: text" becomes 7 and "text". */
static const char *
split_line(const char *msg, int *ret_line)
{
	int line, used = 0;

	*ret_line = 0;
	if (sscanf(msg, "line %d: %n", &line, &used) == 1 && used > 0) {
		*ret_line = line;
		return (msg + used);
	}
	return (msg);
}

static const char *
remember_file(struct manifests *m, const char *name)
{
	m->files = mem_grow(m->files, m->nfiles + 1, sizeof(*m->files));
	m->files[m->nfiles] = str_dup(name);
	return (m->files[m->nfiles++]);
}

/* A file that starts with { may be JSON that YAML does not take (surrogate
 * pairs); kubectl, too, decides by the first character (apimachinery
 * pkg/util/yaml, GuessJSONStream).  YAML goes first for its lines. */
static struct json *
plain_json(const char *text, size_t len)
{
	size_t i = 0;

#ifdef WEAKEN_MANIFEST_BOUNDS
	while (strchr(" \t\r\n", text[i]) != NULL)
#else
	while (i < len && strchr(" \t\r\n", text[i]) != NULL)
#endif
		i++;
	return (i < len && text[i] == '{' ? json_parse(text, len, NULL) :
	    NULL);
}

struct loading {
	struct manifests *m;
	const char *file, *ns;
};

/* Ten thousand trees are much larger than their text, and each is needed but
 * once: of what is set aside these are enough at first. */
static const char *const heads[] = { "apiVersion", "kind", "metadata", NULL };

static int
is_external_secret(const struct json *root)
{
	return (str_eq(json_str(json_get(root, "apiVersion")),
	    "external-secrets.io/v1") &&
	    str_eq(json_str(json_get(root, "kind")), "ExternalSecret"));
}

static void
set_aside(struct manifest *one, const struct yaml_doc *doc)
{
	json_free(one->obj);
	one->obj = NULL;
	one->text = doc->text;
	one->len = doc->len;
	one->text_line = doc->text_line;
}

static void
add_whole(const struct loading *l, struct yaml_doc *doc)
{
	struct manifests *m = l->m;
	struct json *root = STEAL(doc->root);
	size_t first = m->n;

	if (root == NULL || json_is(root, JSON_NULL)) {
		json_free(root);
		return;
	}
	add_tree(m, l->file, doc, root, l->ns, 0);
	add_dups(m, l->file, doc, first);
	/* Out of a List they are copies. */
	if (m->set_aside && doc->text != NULL && m->n == first + 1 &&
	    m->v[first].obj == root &&
	    m->v[first].meta.kind == OBJ_EXTERNAL_SECRET)
		set_aside(&m->v[first], doc);
}

static void
add_document(void *arg, struct yaml_doc *doc)
{
	struct yaml_doc whole;

	if (!doc->partial || is_external_secret(doc->root)) {
		add_whole(arg, doc);
	} else if (yaml_read_again(doc->text, doc->len, doc->text_line,
	    &whole) == 0) {
		add_whole(arg, &whole);
		yaml_doc_clear(&whole);
	}
}

static void
cut(struct manifests *m, size_t n, size_t nproblems)
{
	while (m->n > n) {
		object_meta_clear(&m->v[--m->n].meta);
		json_free(m->v[m->n].obj);
	}
	while (m->nproblems > nproblems) {
		free(m->problems[--m->nproblems].object);
		free(m->problems[m->nproblems].text);
	}
}

void
manifests_text(struct manifests *m, const char *file, const char *text,
    size_t len, const char *ns)
{
	cleanup_err struct err err = ERR_INIT;
	struct loading l = { m, remember_file(m, file), ns };
	size_t n = m->n, nproblems = m->nproblems;
	struct yaml_doc doc = { .line = 1 };
	const char *msg;
	int line;

	if (yaml_each(text, len, m->set_aside ? heads : NULL, add_document,
	    &l, &err) == 0)
		return;
	/* A file is taken as a whole, or not at all. */
	cut(m, n, nproblems);
	doc.root = plain_json(text, len);
	if (doc.root != NULL) {
		add_tree(m, l.file, &doc, doc.root, ns, 0);
		return;
	}
	msg = split_line(err_msg(&err), &line);
	problem(m, l.file, line, 1, "%s", msg);
}

struct json *
manifest_read(const struct manifest *one)
{
	struct yaml_doc doc;
	struct json *j;

	if (one->text == NULL || yaml_read_again(one->text, one->len,
	    one->text_line, &doc) == -1)
		return (NULL);
	j = STEAL(doc.root);
	yaml_doc_clear(&doc);
	return (j);
}

/* --- files -------------------------------------------------------------- */

static int
load_file(struct manifests *m, const char *path, const char *ns,
    struct err *err)
{
	/* Manifests may hold Secrets. */
	cleanup_buf struct buf text = BUF_SECRET(YAML_INPUT_MAX);

	if (m->nfiles == MANIFESTS_FILES_MAX)
		return (err_set(err, ERR_LIMIT, "more than %d files",
		    MANIFESTS_FILES_MAX));
	if (file_read(path, &text, err) == -1)
		return (-1);
	manifests_text(m, path, buf_str(&text), text.len, ns);
	if (m->set_aside) {
		m->texts = mem_grow(m->texts, m->ntexts + 1,
		    sizeof(*m->texts));
		m->texts[m->ntexts++] = text;
		text = (struct buf)BUF_SECRET(0);
	}
	return (0);
}

static int
is_manifest_name(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return (e->d_name[0] != '.' && dot != NULL &&
	    (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 ||
	    strcmp(dot, ".json") == 0));
}

static int
load_dir(struct manifests *m, const char *path, const char *ns,
    struct err *err)
{
	struct dirent **names;
	int i, n, rc = 0;

	if ((n = scandir(path, &names, is_manifest_name, alphasort)) == -1)
		return (err_sys(err, "%s", path));
	for (i = 0; i < n; i++) {
		cleanup_free char *file = str_fmt("%s/%s", path,
		    names[i]->d_name);

		if (rc == 0)
			rc = load_file(m, file, ns, err);
		free(names[i]);
	}
	free(names);
	return (rc);
}

int
manifests_load(struct manifests *m, const char *path, const char *ns,
    struct err *err)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		return (load_file(m, path, ns, err));
	if (stat(path, &st) == -1)
		return (err_sys(err, "%s", path));
	if (S_ISDIR(st.st_mode))
		return (load_dir(m, path, ns, err));
	return (load_file(m, path, ns, err));
}

/* --- all of them -------------------------------------------------------- */

/* A foreign kind must not stand where one of ours is looked up. */
static int
would_shadow(const struct object_meta *meta)
{
	static const char *const ours[] = { "ExternalSecret", "SecretStore",
		"ClusterSecretStore", "Secret", "ConfigMap", "Namespace",
		"ServiceAccount", "HostProjection", "ClusterGenerator" };
	size_t i;

	if (meta->kind != OBJ_OTHER && meta->kind != OBJ_NOT_SERVED)
		return (0);
	for (i = 0; i < ARRAY_LEN(ours); i++) {
		if (strcmp(meta->kind_name, ours[i]) == 0)
			return (1);
	}
	return (0);
}

void
manifests_objects(struct manifests *m, struct objects *objects)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		struct manifest *one = &m->v[i];

		if (one->obj == NULL || would_shadow(&one->meta))
			continue;
		objects_put(objects, STEAL(one->obj), one->meta.ns, NULL);
	}
}

void
manifests_clear(struct manifests *m)
{
	size_t i;

	cut(m, 0, 0);
	free(m->v);
	free(m->problems);
	for (i = 0; i < m->nfiles; i++)
		free(m->files[i]);
	free(m->files);
	for (i = 0; i < m->ntexts; i++)
		buf_clear(&m->texts[i]);
	free(m->texts);
	memset(m, 0, sizeof(*m));
}
