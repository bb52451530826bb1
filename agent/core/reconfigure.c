/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/core_internal.h"
#include "ipc/frame.h"
#include "ipc/keeper.h"

/* The words of run_config_words, as the keeper sent them. */
static int
config_read(const void *data, size_t len, struct run_config *ret,
    struct err *err)
{
	char **v;
	struct wire w;
	uint32_t n, i;
	int rc;

	wire_init(&w, data, len);
	n = wire_get_u32(&w);
	if (n > KEEPER_WORDS_MAX)
		return (err_set(err, ERR_LIMIT, "%u words", n));
	v = mem_array(n, sizeof(*v));
	for (i = 0; i < n; i++)
		v[i] = wire_get_str(&w);
	rc = wire_done(&w, "configuration", err);
	if (rc == 0)
		rc = run_config_parse((int)n, v, ret, err);
	for (i = 0; i < n; i++)
		free(v[i]);
	free(v);
	return (rc);
}

void
core_reconfigure(struct core *c, const void *data, size_t len)
{
	cleanup_err struct err err = ERR_INIT;
	struct run_config fresh;
	unsigned changed;

	if (config_read(data, len, &fresh, &err) == -1) {
		log_error("from the keeper: %s", err_msg(&err));
		return;
	}
	/* What only a start takes over is the same there and here. */
	changed = run_config_take(c->cfg, &fresh, NULL, NULL);
	run_config_clear(&fresh);
	if (changed & RUN_LOG)
		log_init("core", c->cfg->log_level, c->cfg->log_format);
	if (changed & RUN_JOBS)
		jobs_set_max(c->jobs, c->cfg->max_jobs);
	if (changed & RUN_LABELS) {
		core_labels(c);
		catalog_renew(c->catalog, "HostProjection/");
	}
	/* Which stores are ours and what a template may do: for each
	 * ExternalSecret that is as if it had been edited. */
	if (changed & RUN_OBJECTS)
		catalog_renew(c->catalog, "");
	sync_commit(c);
}
