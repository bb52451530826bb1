/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/program.h"

#include "cli/cli.h"

/* The program that links YAML, regexps and HTTP does the work: this one must
 * not, and the agent's jobs then run the very same code. */
static int
exec_job(const char *command, int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	char *path = program_path("nodeseal-job", &err);
	char **words;

	if (path == NULL) {
		fprintf(stderr, "nodeseal %s: %s\n", command, err_msg(&err));
		return (1);
	}
	words = mem_array((size_t)argc + 3, sizeof(*words));
	words[0] = path;
	words[1] = str_dup(command);
	for (int i = 0; i < argc; i++)
		words[i + 2] = argv[i];
	execv(path, words);
	fprintf(stderr, "nodeseal %s: %s: %s\n", command, path,
	    strerror(errno));
	free(words[1]);
	free(words);
	free(path);
	return (1);
}

int
cli_render(int argc, char **argv)
{
	return (exec_job("render", argc, argv));
}

int
cli_check(int argc, char **argv)
{
	return (exec_job("check", argc, argv));
}
