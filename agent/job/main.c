/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "job/bundle.h"
#include "job/words.h"
#include "job/zygote.h"

/* nodeseal-job: what meets foreign bytes.  People say `nodeseal render`. */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "zygote", zygote_command },
	{ "render", render_command },
	{ "check", check_command },
	{ "bundle", bundle_command },
};

int
main(int argc, char **argv)
{
	size_t i;

	if (argc == 2 && strcmp(argv[1], "version") == 0) {
		puts("nodeseal-job " NODESEAL_VERSION);
		return (0);
	}
	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]);
	    i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return (commands[i].run(argc - 2, argv + 2));
	}
	fputs("usage: nodeseal-job render|check|version\n"
	    "       nodeseal-job zygote --fd N  (nodeseal run starts it)\n",
	    stderr);
	return (2);
}
