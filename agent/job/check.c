/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/judge.h"
#include "job/manifests.h"
#include "job/words.h"

static const char help[] =
    "usage: nodeseal check -f FILE|DIR|- … [FLAG …]\n"
    "\n"
    "Says everything about manifests that can be said without fetching:\n"
    "schema, unknown fields, admission rules, names behind which nothing\n"
    "stands, template and regexp syntax, what this version does not support.\n"
    "\n"
    "  -f PATH               file, folder, or - for standard input, repeatable"
    "\n"
    "  -n NAMESPACE          for objects that name none (default)\n"
    "  --class NAME, --generic-targets\n"
    "  --template-left-delimiter, --template-right-delimiter TEXT\n"
    "\n"
    "One line a finding: FILE:LINE: NAMESPACE/NAME: field: what: remedy\n"
    "Exit status: 0 nothing found, 1 something found, 2 wrong use.\n";

struct line {
	const char *file;
	int line;
	size_t order;
	char *text;
};

struct lines {
	struct line *v;
	size_t n;
};

/* Takes ${text}. */
static void
add(struct lines *l, const char *file, int line, char *text)
{
	if ((l->n & (l->n - 1)) == 0)
		l->v = mem_grow(l->v, l->n ? 2 * l->n : 1, sizeof(*l->v));
	l->v[l->n] = (struct line){ file, line, l->n, text };
	l->n++;
}

static void
add_findings(struct lines *l, const struct manifest *m,
    const struct findings *f)
{
	cleanup_free char *name = manifest_name(m);
	size_t i;

	for (i = 0; i < f->n; i++) {
		cleanup_free char *text = judge_text(&f->v[i]);

		add(l, m->file, judge_line(m, &f->v[i]), str_fmt("%s: %s",
		    name, text));
	}
}

static int
by_place(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->file != y->file && strcmp(x->file, y->file) != 0)
		return (strcmp(x->file, y->file));
	if (x->line != y->line)
		return (x->line < y->line ? -1 : 1);
	return (x->order < y->order ? -1 : 1);
}

/* Two objects of one name: the later one wins, which is rarely meant. */
static void
add_twice(struct lines *l, struct manifest *m, struct strmap *seen)
{
	cleanup_free char *key = object_key(m->meta.kind_name, m->meta.ns,
	    m->meta.name);
	cleanup_free char *name = manifest_name(m);
	const struct manifest *first = strmap_get(seen, key);

	if (first == NULL)
		strmap_put(seen, key, m);
	else
		add(l, m->file, m->line, str_fmt("%s: metadata.name: there is "
		    "another %s of this name in %s:%d, the last one counts: "
		    "rename or remove one", name, m->meta.kind_name,
		    first->file, first->line));
}

static void
check_all(const struct words *w, struct manifests *m, struct lines *l)
{
	struct pipeline_options opts = { w->class_name, 1, 0,
		w->generic_targets, w->delim_left, w->delim_right, 0, 0, 0 };
	struct strmap *kinds = strmap_new(NULL), *seen = strmap_new(NULL);
	struct objects objects;
	size_t i;

	objects_init(&objects);
	for (i = 0; i < m->n; i++) {
		struct findings f = { 0 };

		strmap_put(kinds, m->v[i].meta.kind_name, kinds);
		add_twice(l, &m->v[i], seen);
		judge_object(&m->v[i], &f);
		add_findings(l, &m->v[i], &f);
		findings_clear(&f);
	}
	manifests_objects(m, &objects);
	for (i = 0; i < m->n; i++) {
		const struct object_meta *meta = &m->v[i].meta;
		const struct json *obj = objects_get(&objects,
		    meta->kind_name, meta->ns, meta->name);
		struct findings f = { 0 };

		if (obj == NULL)
			continue;
		judge_references(&m->v[i], obj, &objects, &opts, kinds, &f);
		add_findings(l, &m->v[i], &f);
		findings_clear(&f);
	}
	objects_clear(&objects);
	strmap_free(kinds);
	strmap_free(seen);
}

static int
check(const struct words *w)
{
	struct manifests m = { 0 };
	struct lines l = { 0 };
	int failed = 0;
	size_t i;

	for (i = 0; i < w->npaths; i++) {
		cleanup_err struct err err = ERR_INIT;

		if (manifests_load(&m, w->paths[i], w->ns, &err) == 0)
			continue;
		fprintf(stderr, "nodeseal check: %s\n", err_msg(&err));
		failed = 1;
	}
	for (i = 0; i < m.nproblems; i++)
		add(&l, m.problems[i].file, m.problems[i].line, str_fmt(
		    "%s%s%s", m.problems[i].object,
		    m.problems[i].object[0] ? ": " : "",
		    m.problems[i].text));
	check_all(w, &m, &l);
	if (l.n > 0)
		qsort(l.v, l.n, sizeof(*l.v), by_place);
	for (i = 0; i < l.n; i++) {
		printf("%s:%d: %s\n", l.v[i].file, l.v[i].line, l.v[i].text);
		free(l.v[i].text);
	}
	failed |= l.n > 0;
	free(l.v);
	manifests_clear(&m);
	return (failed);
}

int
check_command(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct words w;
	int rc;

	if (words_parse(argc, argv, 0, &w, &err) == -1) {
		fprintf(stderr, "nodeseal check: %s\n", err_msg(&err));
		return (2);
	}
	if (w.help) {
		fputs(help, stdout);
		words_clear(&w);
		return (0);
	}
	rc = check(&w);
	words_clear(&w);
	if (fflush(stdout) == EOF)
		rc = 1;
	return (rc);
}
