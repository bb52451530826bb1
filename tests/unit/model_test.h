/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_MODEL_TEST_H
#define TESTS_UNIT_MODEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/object.h"

/* JSON with ' for ", so that a case fits a line. */
static inline struct json *
quoted(const char *text)
{
	cleanup_free char *copy = str_dup(text);
	cleanup_err struct err err = ERR_INIT;
	struct json *j;

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	j = json_parse(copy, strlen(copy), &err);
	if (j == NULL)
		fail_msg("%s: %s", text, err_msg(&err));
	return (j);
}

/* Is there a finding of that level on ${field} whose text holds ${part}? */
static inline int
found(const struct findings *f, enum finding_level level, const char *field,
    const char *part)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].level == level &&
		    strcmp(f->v[i].field, field) == 0 &&
		    strstr(f->v[i].what, part) != NULL)
			return (1);
	for (size_t i = 0; i < f->n; i++)
		print_error("  %d %s: %s (%s)\n", (int)f->v[i].level,
		    f->v[i].field, f->v[i].what, f->v[i].remedy);
	return (0);
}

#endif
