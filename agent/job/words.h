/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_WORDS_H
#define JOB_WORDS_H

#include <stddef.h>

#include "base/err.h"

/* The words behind `render` and `check` (INTERFACES.md §2). */
enum output { OUTPUT_YAML, OUTPUT_JSON, OUTPUT_REPORT };

struct words {
	char **paths;		/* borrowed words */
	size_t npaths;
	enum output output;
	const char *ns;
	const char *class_name;
	int generic_targets, allow_ambient;
	const char *delim_left, *delim_right;	/* "" default */
	int help;
};

/* words_parse(argc, argv, is_render, ret, err): INVALID names the word and the
 * remedy; the caller exits with status 2. */
int words_parse(int argc, char **argv, int is_render, struct words *ret,
    struct err *err);
void words_clear(struct words *w);

/* The two commands; argv are the words behind the name; exit status. */
int render_command(int argc, char **argv);
int check_command(int argc, char **argv);

#endif
