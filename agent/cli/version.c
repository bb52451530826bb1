/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

int
cli_version(int argc, char **argv)
{
	int json = argc == 2 && strcmp(argv[0], "-o") == 0 &&
	    strcmp(argv[1], "json") == 0;

	if (argc != 0 && !json) {
		fputs("usage: nodeseal version [-o json]\n", stderr);
		return (2);
	}
	if (json)
		puts("{\"version\":\"" NODESEAL_VERSION "\"}");
	else
		puts("nodeseal " NODESEAL_VERSION);
	return (0);
}
