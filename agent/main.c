/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "core/command.h"
#include "keeper/command.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;	/* NULL: not for people */
	const char *does;
} commands[] = {
	{ "run", keeper_command, "run --manifests DIR [FLAG …]",
	    "serve this node: files and volumes from ExternalSecrets" },
	{ "render", cli_render, "render -f FILE|DIR|- … [-o yaml|json|report]",
	    "run the pipeline once and print the Secrets" },
	{ "check", cli_check, "check -f FILE|DIR|- …",
	    "say what is wrong with manifests, without fetching" },
	{ "status", cli_status, "status [-o table|json] [--run DIR]",
	    "ask the running agent" },
	{ "bundle", cli_bundle, "bundle keygen|create|inspect|import …",
	    "values for a node that never meets their store" },
	{ "key", cli_key, "key list|add SOURCE|remove ID|rotate",
	    "what opens the sealed cache" },
	{ "pubkey", cli_pubkey, "pubkey [-o text|json|qr]",
	    "the node's public key, for bundles" },
	{ "version", cli_version, "version [-o json]", "print the version" },
	{ "_core", core_command, NULL, NULL },
};

static int
usage(FILE *out)
{
	fputs("usage: nodeseal COMMAND …\n\n", out);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (commands[i].usage != NULL)
			fprintf(out, "  %-48s %s\n", commands[i].usage,
			    commands[i].does);
	fputs("\nnodeseal help COMMAND, or nodeseal COMMAND --help, says more."
	    "\nExit status: 0 done, 1 failed, 2 wrong use, 3 not now, "
	    "4 tampering found.\n", out);
	return (out == stderr ? 2 : 0);
}

int
main(int argc, char **argv)
{
	static char help_flag[] = "--help";

	if (argc < 2)
		return (usage(stderr));
	if (str_eq(argv[1], "--version"))
		return (cli_version(0, NULL));
	if (str_eq(argv[1], "--help") || str_eq(argv[1], "-h") ||
	    (str_eq(argv[1], "help") && argc == 2))
		return (usage(stdout));
	if (str_eq(argv[1], "help") && argc == 3) {
		/* "help COMMAND" is "COMMAND --help". */
		argv[1] = argv[2];
		argv[2] = help_flag;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return (commands[i].run(argc - 2, argv + 2));
	fprintf(stderr, "nodeseal: %s: no such command\n", argv[1]);
	return (usage(stderr));
}
