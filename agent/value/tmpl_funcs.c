/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "value/tmpl_internal.h"

/* The families, and one table of names over all of them. */

static const struct tmpl_func *const families[] = {
	tmpl_funcs_strings, tmpl_funcs_numbers, tmpl_funcs_lists,
	tmpl_funcs_dicts, tmpl_funcs_encoding, tmpl_funcs_json,
	tmpl_funcs_dates, tmpl_funcs_regex, tmpl_funcs_paths,
	tmpl_funcs_crypto, tmpl_funcs_semver, tmpl_funcs_types,
	tmpl_funcs_pki, tmpl_funcs_yaml, tmpl_funcs_builtin,
};

#define SLOTS 1024			/* four times as many as names */

static const struct tmpl_func *slots[SLOTS];
static int filled;

static size_t
hash(const char *s, size_t n)
{
	uint32_t h = 2166136261u;

	while (n-- > 0)
		h = (h ^ (unsigned char)*s++) * 16777619u;
	return (h % SLOTS);
}

static const struct tmpl_func **
slot(const char *name, size_t n)
{
	size_t i = hash(name, n);

	while (slots[i] != NULL && (strlen(slots[i]->name) != n ||
	    memcmp(slots[i]->name, name, n) != 0))
		i = (i + 1) % SLOTS;
	return (&slots[i]);
}

static void
fill(void)
{
	const struct tmpl_func *f, **at;
	size_t i;

	for (i = 0; i < ARRAY_LEN(families); i++) {
		for (f = families[i]; f->name != NULL; f++) {
			at = slot(f->name, strlen(f->name));
			if (*at == NULL)
				*at = f;
		}
	}
	filled = 1;
}

const struct tmpl_func *
tmpl_func_find(const char *name, size_t n)
{
	if (!filled)
		fill();
	return (*slot(name, n));
}
