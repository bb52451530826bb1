/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "ipc/run_config.h"
#include "job/fetch.h"
#include "job/read.h"
#include "job/zygote.h"
#include "net/http.h"
#include "seal/box.h"

/* The program `nodeseal-job zygote`: libraries, rights, then the loop. */

static int
run_job(enum job_kind kind, int fd, void *arg)
{
	cleanup_err struct err err = ERR_INIT;
	const struct run_config *c = arg;
	int rc;

	switch (kind) {
	case JOB_KIND_READ:
		rc = read_job(fd, c->require_sandbox, &err);
		break;
	case JOB_KIND_FETCH:
		rc = fetch_job(fd, c->require_sandbox, &err);
		break;
	default:
		rc = err_set(&err, ERR_INVALID, "no such job: %d", (int)kind);
	}
	if (rc == -1)
		log_error("job: %s", err_msg(&err));
	return (rc == 0 ? 0 : 1);
}

/* Whatever a child may read must be open to the zygote, whose Landlock the
 * children inherit. */
static const char *const readable[] = {
	"/etc", "/run/systemd/resolve", "/lib", "/usr/lib",
	"/usr/share/ca-certificates", "/var/run/secrets", "/run/secrets", NULL
};

static int
serve(int fd, struct run_config *c, struct err *err)
{
	struct zygote_work work = { run_job, c };
	struct sandbox_paths paths = { readable, NULL };
	struct sandbox_report report = { .n = 0 };
	size_t i;

	/* core's death shows as the end of the socket, never as a signal */
	signal(SIGPIPE, SIG_IGN);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return (err_sys(err, "descriptor %d", fd));
	if (seal_init(err) == -1 || http_global(err) == -1 ||
	    sandbox_enter(SANDBOX_ZYGOTE, &paths, c->require_sandbox,
	    &report, err) == -1)
		return (-1);
	for (i = 0; i < report.n; i++)
		log_warn("zygote: %s", report.lines[i]);
	return (zygote_run(fd, &work, err));
}

/* "--fd N" is ours, the other words are those of `run`. */
static int
take_fd(int *argc, char **argv, struct err *err)
{
	char *end;
	long fd;

	if (*argc < 2 || strcmp(argv[0], "--fd") != 0)
		return (err_set(err, ERR_INVALID, "zygote: --fd N comes "
		    "first: it is started by nodeseal run"));
	fd = strtol(argv[1], &end, 10);
	if (*end != '\0' || fd < 3 || fd > 1023)
		return (err_set(err, ERR_INVALID, "--fd %s: not a descriptor",
		    argv[1]));
	*argc -= 2;
	return ((int)fd);
}

int
zygote_command(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct run_config c;
	int fd, rc;

	log_init("job", LOG_LEVEL_INFO, LOG_TEXT);
	if ((fd = take_fd(&argc, argv, &err)) == -1 ||
	    run_config_parse(argc, argv + 2, &c, &err) == -1) {
		log_error("%s", err_msg(&err));
		return (2);
	}
	log_init("job", c.log_level, c.log_format);
	rc = serve(fd, &c, &err);
	if (rc == -1)
		log_error("zygote: %s", err_msg(&err));
	run_config_clear(&c);
	return (rc == 0 ? 0 : 1);
}
