/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/words.h"

enum word_type { WORD_TEXT, WORD_FLAG, WORD_OUTPUT, WORD_FILE };

struct word {
	const char *name;
	enum word_type type;
	size_t at;
	int render_only;
};

#define AT(f) offsetof(struct words, f)

static const struct word table[] = {
	{ "-f", WORD_FILE, 0, 0 },
	{ "--filename", WORD_FILE, 0, 0 },
	{ "-o", WORD_OUTPUT, 0, 1 },
	{ "--output", WORD_OUTPUT, 0, 1 },
	{ "-n", WORD_TEXT, AT(ns), 0 },
	{ "--namespace", WORD_TEXT, AT(ns), 0 },
	{ "--class", WORD_TEXT, AT(class_name), 0 },
	{ "--generic-targets", WORD_FLAG, AT(generic_targets), 0 },
	{ "--allow-ambient-identity", WORD_FLAG, AT(allow_ambient), 1 },
	{ "--template-left-delimiter", WORD_TEXT, AT(delim_left), 0 },
	{ "--template-right-delimiter", WORD_TEXT, AT(delim_right), 0 },
	{ "--help", WORD_FLAG, AT(help), 0 },
	{ "-h", WORD_FLAG, AT(help), 0 },
};

static int
set_output(struct words *w, const char *value, struct err *err)
{
	if (strcmp(value, "yaml") == 0)
		w->output = OUTPUT_YAML;
	else if (strcmp(value, "json") == 0)
		w->output = OUTPUT_JSON;
	else if (strcmp(value, "report") == 0)
		w->output = OUTPUT_REPORT;
	else
		return (err_set(err, ERR_INVALID, "-o %s: not an output form: "
		    "use yaml, json or report", value));
	return (0);
}

static void
add_path(struct words *w, char *path)
{
	w->paths = mem_grow(w->paths, w->npaths + 1, sizeof(*w->paths));
	w->paths[w->npaths++] = path;
}

static int
take(struct words *w, const struct word *t, char *value, struct err *err)
{
	switch (t->type) {
	case WORD_FLAG:
		*(int *)((char *)w + t->at) = 1;
		break;
	case WORD_TEXT:
		*(const char **)((char *)w + t->at) = value;
		break;
	case WORD_OUTPUT:
		return (set_output(w, value, err));
	case WORD_FILE:
		add_path(w, value);
		break;
	}
	return (0);
}

/* --name=value, too; *ret_value = NULL when the value is the next word. */
static const struct word *
find(const char *arg, int is_render, char **ret_value)
{
	size_t i, n = strcspn(arg, "=");

	for (i = 0; i < ARRAY_LEN(table); i++) {
		const struct word *t = &table[i];

		if (strlen(t->name) != n || strncmp(t->name, arg, n) != 0 ||
		    (t->render_only && !is_render))
			continue;
		*ret_value = arg[n] == '=' ? strchr(arg, '=') + 1 : NULL;
		if (*ret_value != NULL && (t->type == WORD_FLAG ||
		    arg[1] != '-'))
			return (NULL);
		return (t);
	}
	return (NULL);
}

static int
parse_one(struct words *w, int argc, char **argv, int *i, int is_render,
    struct err *err)
{
	const struct word *t;
	char *value;

	/* further files may follow a -f without one of their own */
	if (argv[*i][0] != '-' || argv[*i][1] == '\0') {
		add_path(w, argv[*i]);
		return (0);
	}
	if ((t = find(argv[*i], is_render, &value)) == NULL)
		return (err_set(err, ERR_INVALID, "%s: unknown flag: see "
		    "--help", argv[*i]));
	if (t->type != WORD_FLAG && value == NULL) {
		if (*i + 1 == argc)
			return (err_set(err, ERR_INVALID, "%s: needs a value",
			    argv[*i]));
		value = argv[++*i];
	}
	return (take(w, t, value, err));
}

int
words_parse(int argc, char **argv, int is_render, struct words *ret,
    struct err *err)
{
	int i;

	memset(ret, 0, sizeof(*ret));
	ret->ns = "default";
	ret->class_name = "nodeseal";
	ret->delim_left = ret->delim_right = "";
	for (i = 0; i < argc; i++) {
		if (parse_one(ret, argc, argv, &i, is_render, err) == -1) {
			words_clear(ret);
			return (-1);
		}
	}
	if (ret->npaths == 0 && !ret->help) {
		words_clear(ret);
		return (err_set(err, ERR_INVALID, "no manifests: name files, "
		    "folders or - with -f"));
	}
	return (0);
}

void
words_clear(struct words *w)
{
	free(w->paths);
	w->paths = NULL;
	w->npaths = 0;
}
