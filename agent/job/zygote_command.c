/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "ipc/keeper.h"
#include "job/apiserver.h"
#include "job/apply.h"
#include "job/fetch.h"
#include "job/read.h"
#include "job/resolve.h"
#include "job/zygote.h"
#include "net/http.h"
#include "seal/box.h"

/* The program `nodeseal-job zygote`: libraries, rights, then the loop. */

struct flags {
	int fd;
	int require_sandbox;
	enum log_level level;
	enum log_format format;
};

static int
run_job(enum job_kind kind, int fd, void *arg)
{
	cleanup_err struct err err = ERR_INIT;
	const struct flags *c = arg;
	int rc;

#ifndef WEAKEN_agent_token
	/* what meets foreign bytes never sees who the agent is */
	if (kind != JOB_KIND_RESOLVE && kind != JOB_KIND_APPLY)
		apiserver_close();
#endif
	switch (kind) {
	case JOB_KIND_READ:
		rc = read_job(fd, c->require_sandbox, &err);
		break;
	case JOB_KIND_RESOLVE:
		rc = resolve_job(fd, c->require_sandbox, &err);
		break;
	case JOB_KIND_FETCH:
		rc = fetch_job(fd, c->require_sandbox, &err);
		break;
	case JOB_KIND_APPLY:
		rc = apply_job(fd, c->require_sandbox, &err);
		break;
	default:
		rc = err_set(&err, ERR_INVALID, "no such job: %d", (int)kind);
	}
	if (rc == -1)
		log_error("%s", err_msg(&err));
	return (rc == 0 ? 0 : 1);
}

/* Whatever a child may read must be open to the zygote, whose Landlock the
 * children inherit. */
static const char *const readable[] = {
	"/etc", "/run/systemd/resolve", "/lib", "/usr/lib",
	"/usr/share/ca-certificates", "/usr/share/zoneinfo",
	"/var/run/secrets", "/run/secrets", NULL
};

static int
serve(struct flags *c, struct err *err)
{
	struct zygote_work work = { run_job, c };
	struct sandbox_paths paths = { .read = readable,
		.read_fd = apiserver_found() };
	struct sandbox_report report = { .n = 0 };
	size_t i;

	/* core's death shows as the end of the socket, never as a signal */
	signal(SIGPIPE, SIG_IGN);
	if (fcntl(c->fd, F_SETFD, FD_CLOEXEC) == -1)
		return (err_sys(err, "descriptor %d", c->fd));
	if (seal_init(err) == -1 || http_global(err) == -1 ||
	    sandbox_user(geteuid(), err) == -1 ||
	    sandbox_enter(SANDBOX_ZYGOTE, &paths, c->require_sandbox, &report,
	    err) == -1)
		return (-1);
	for (i = 0; i < report.n; i++)
		log_warn("zygote: %s", report.lines[i]);
	return (zygote_run(c->fd, &work, err));
}

static int
take_fd(const char *value, int *ret, struct err *err)
{
	char *end;
	long fd = strtol(value, &end, 10);

	if (*end != '\0' || end == value || fd < 3 || fd > 1023)
		return (err_set(err, ERR_INVALID, "--fd %s: not a descriptor",
		    value));
	*ret = (int)fd;
	return (0);
}

static int
take_value(struct flags *c, const char *name, const char *value,
    struct err *err)
{
	if (value == NULL)
		return (err_set(err, ERR_INVALID, "%s: needs a value", name));
	if (strcmp(name, "--fd") == 0)
		return (take_fd(value, &c->fd, err));
	if (strcmp(name, "--log-level") == 0 &&
	    log_parse_level(value, &c->level) == 0)
		return (0);
	if (strcmp(name, "--log-format") == 0 &&
	    log_parse_format(value, &c->format) == 0)
		return (0);
	return (err_set(err, ERR_INVALID, "%s %s: not a flag of the zygote, "
	    "which nodeseal run starts", name, value));
}

static int
parse_flags(int argc, char **argv, struct flags *c, struct err *err)
{
	int i;

	*c = (struct flags){ -1, 0, LOG_LEVEL_INFO, LOG_TEXT };
	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--require-sandbox") == 0) {
			c->require_sandbox = 1;
			continue;
		}
		if (take_value(c, argv[i], i + 1 < argc ? argv[i + 1] : NULL,
		    err) == -1)
			return (-1);
		i++;
	}
	if (c->fd == -1)
		return (err_set(err, ERR_INVALID, "--fd is missing: the zygote"
		    " is started by nodeseal run"));
	return (0);
}

int
zygote_command(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct flags c;
	int rc;

	log_init("job", LOG_LEVEL_INFO, LOG_TEXT);
	if (parse_flags(argc, argv, &c, &err) == -1) {
		log_error("%s", err_msg(&err));
		return (2);
	}
	log_init("job", c.level, c.format);
	rc = serve(&c, &err);
	if (rc == -1)
		log_error("zygote: %s", err_msg(&err));
	if (rc == -1 && c.require_sandbox && err.kind == ERR_DENIED)
		return (KEEPER_REFUSED);
	return (rc == 0 ? 0 : 1);
}
