/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "seal/key_tpm.h"

#include "keeper/sources.h"

/* The words were checked before anything was made. */
static int
is_tpm(const char *spec)
{
	struct key_source s;
	int tpm;

	if (key_source_parse(spec, &s, NULL) == -1)
		return (0);
	tpm = s.type == SLOT_TPM2;
	key_source_clear(&s);
	return (tpm);
}

/* A source that cannot be opened may not be the only one, and without any the
 * node still serves: core says in status what that costs. */
void
sources_open(const struct run_config *cfg, int state,
    struct child_fd *fds)
{
	/* With slots there, a new key would open none of them. */
	int fresh = faccessat(state, SLOTS_FILE, F_OK, 0) == -1;

	for (size_t i = 0; i < cfg->nkey_sources; i++) {
		cleanup_err struct err err = ERR_INIT;
		struct key_source s;

		if (is_tpm(cfg->key_sources[i]))
			continue;
		if (key_source_parse(cfg->key_sources[i], &s, &err) == 0) {
			fds[i].fd = key_source_open(&s, fresh, &err);
			key_source_clear(&s);
		}
		if (fds[i].fd == -1)
			log_error("%s", err_msg(&err));
	}
}

int
sources_tpm(const struct run_config *cfg, struct err *err)
{
	/* What it gives is for core: it runs as core does. */
	uid_t uid = geteuid() == 0 ? cfg->user : geteuid();
	int fd;

	return (key_tpm_start(cfg->tpm, uid, &fd, NULL, err) == -1 ? -1 : fd);
}

void
sources_renew(const struct run_config *cfg, struct child_fd *fds)
{
	for (size_t i = 0; i < cfg->nkey_sources; i++) {
		cleanup_err struct err err = ERR_INIT;

		if (!is_tpm(cfg->key_sources[i]))
			continue;
		mem_cleanup_close(&fds[i].fd);
		if ((fds[i].fd = sources_tpm(cfg, &err)) == -1)
			log_error("%s", err_msg(&err));
	}
}

void
sources_given(const struct run_config *cfg, struct child_fd *fds)
{
	for (size_t i = 0; i < cfg->nkey_sources; i++)
		if (is_tpm(cfg->key_sources[i]) && fds[i].fd != -1)
			close(fd_steal(&fds[i].fd));
}
