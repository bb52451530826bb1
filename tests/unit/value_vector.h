/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_VALUE_VECTOR_H
#define UNIT_VALUE_VECTOR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Vector files: a line a case, fields between tabs, \t \n \r \\ and \xHH in a
 * field, # begins a comment line.  Run from the top of the tree.
 */
#define VECTOR_FIELDS 8

struct vector {
	FILE *f;
	char *line;
	size_t cap;
	size_t number;			/* of the line */
	char *field[VECTOR_FIELDS];	/* NUL-terminated, may hold NUL */
	size_t len[VECTOR_FIELDS];
	size_t n;
};

static inline int
vector_open(struct vector *v, const char *path)
{
	memset(v, 0, sizeof(*v));
	v->f = fopen(path, "r");
	if (!v->f)
		perror(path);
	return (v->f != NULL);
}

static inline size_t
vector_unescape(char *s)
{
	static const char from[] = "tnr\\", to[] = "\t\n\r\\";
	char *out = s, *start = s;
	unsigned hex;

	for (; *s; s++) {
		if (*s != '\\') {
			*out++ = *s;
		} else if (s[1] == 'x' && sscanf(s + 2, "%2x", &hex) == 1) {
			*out++ = (char)hex;
			s += 3;
		} else {
			*out++ = to[strchr(from, *++s) - from];
		}
	}
	*out = '\0';
	return ((size_t)(out - start));
}

/* The next case: 1, or 0 at the end (everything is freed then). */
static inline int
vector_next(struct vector *v)
{
	char *at;

	do {
		if (getline(&v->line, &v->cap, v->f) < 0) {
			free(v->line);
			fclose(v->f);
			return (0);
		}
		v->number++;
	} while (v->line[0] == '#' && v->line[1] == ' ');
	v->line[strcspn(v->line, "\n")] = '\0';
	at = v->line;
	for (v->n = 0; at && v->n < VECTOR_FIELDS; v->n++)
		v->field[v->n] = strsep(&at, "\t");
	for (size_t i = 0; i < v->n; i++)
		v->len[i] = vector_unescape(v->field[i]);
	return (1);
}

/* Does field i hold exactly these bytes?  If not, say so. */
static inline int
vector_is(const struct vector *v, size_t i, const char *what, const char *p,
    size_t len)
{
	if (i < v->n && v->len[i] == len && memcmp(v->field[i], p, len) == 0)
		return (1);
	fprintf(stderr, "line %zu, %s: expected <%s>, got <%.*s>\n",
	    v->number, what, i < v->n ? v->field[i] : "?", (int)len, p);
	return (0);
}

/* A copy of exactly its size, so that a sanitizer sees one byte too far. */
static inline char *
vector_exact(const struct vector *v, size_t i)
{
	char *p = malloc(v->len[i] ? v->len[i] : 1);

	memcpy(p, v->field[i], v->len[i]);
	return (p);
}

#endif
