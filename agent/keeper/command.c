/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "ipc/run_config.h"
#include "seal/box.h"
#include "seal/key_source.h"

#include "keeper/command.h"
#include "keeper/keeper.h"

static int
run(struct run_config *cfg, int argc, char **argv, struct err *err)
{
	struct sandbox_report report = { .n = 0 };

	if (sandbox_enter(SANDBOX_KEEPER, NULL, cfg->require_sandbox, &report,
	    err) == -1)
		return (-1);
	for (size_t i = 0; i < report.n; i++)
		log_warn("degraded: %s", report.lines[i]);
	return (keeper_main(cfg, argc, argv, err));
}

/* What is wrong with the words is said before anything is made. */
static int
sources_check(const struct run_config *cfg, struct err *err)
{
	for (size_t i = 0; i < cfg->nkey_sources; i++) {
		struct key_source s;

		if (key_source_parse(cfg->key_sources[i], &s, err) == -1)
			return (-1);
		key_source_clear(&s);
	}
	return (0);
}

int
keeper_command(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct run_config cfg;
	int rc;

	if (run_config_parse(argc, argv, &cfg, &err) == -1) {
		fprintf(stderr, "nodeseal run: %s\n", err_msg(&err));
		return (2);
	}
	if (cfg.help) {
		cleanup_free char *help = run_config_help();

		fputs(help, stdout);
		run_config_clear(&cfg);
		return (0);
	}
	if (seal_init(&err) == -1 || sources_check(&cfg, &err) == -1) {
		fprintf(stderr, "nodeseal run: %s\n", err_msg(&err));
		run_config_clear(&cfg);
		return (2);
	}
	log_init("keeper", cfg.log_level, cfg.log_format);
	if ((rc = run(&cfg, argc, argv, &err)) == -1)
		log_error("%s", err_msg(&err));
	run_config_clear(&cfg);
	return (rc == 0 ? 0 : err_reaction(err.kind)->exit_status);
}
