/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "ipc/keeper.h"
#include "link/link.h"
#include "net/http.h"

/* nodeseal-link: the line to the API server, and /metrics.  nodeseal run starts
 * it. */

struct flags {
	struct link_options link;
	const char *kubeconfig;
	int require_sandbox;
	enum log_level level;
	enum log_format format;
};

/* What a look-up of names, the system's certificates and what a kubeconfig
 * names beside itself need. */
static int
give_up_rights(const struct flags *c, struct err *err)
{
	cleanup_free char *copy = str_dup(c->kubeconfig);
	const char *readable[] = { "/etc", "/run/systemd/resolve", "/lib",
		"/usr/lib", "/usr/share/ca-certificates",
		copy != NULL ? dirname(copy) : NULL, NULL };
	struct sandbox_paths paths = { .read = readable,
		.read_fd = c->link.account_fd };
	struct sandbox_report report = { .n = 0 };

	if (sandbox_user(geteuid(), err) == -1 || sandbox_enter(SANDBOX_LINK,
	    &paths, c->require_sandbox, &report, err) == -1)
		return (-1);
	for (size_t i = 0; i < report.n; i++)
		log_warn("%s", report.lines[i]);
	return (0);
}

static int
serve(const struct flags *c, struct err *err)
{
	signal(SIGPIPE, SIG_IGN);
	if (http_global(err) == -1 || give_up_rights(c, err) == -1)
		return (-1);
	return (link_main(&c->link, err));
}

/* The number when it is open, else -1. */
static int
take(int fd)
{
	return (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ? -1 : fd);
}

static int
take_fd(const char *value, int *ret, struct err *err)
{
	char *end;
	long fd = strtol(value, &end, 10);
	struct stat st;

	if (*end != '\0' || end == value || fd < 3 || fd > 1023 ||
	    fstat((int)fd, &st) == -1 || !S_ISSOCK(st.st_mode))
		return (err_set(err, ERR_INVALID, "--fd %s: not a socket: "
		    "nodeseal run starts this program", value));
	*ret = take((int)fd);
	return (0);
}

static int
take_value(struct flags *c, const char *name, const char *value,
    struct err *err)
{
	if (value == NULL)
		return (err_set(err, ERR_INVALID, "%s: needs a value", name));
	if (str_eq(name, "--fd"))
		return (take_fd(value, &c->link.core_fd, err));
	if (str_eq(name, "--node"))
		c->link.node = value;
	else if (str_eq(name, "--listen"))
		c->link.listen = value;
	else if (str_eq(name, "--kubeconfig"))
		c->kubeconfig = value;
	else if (!(str_eq(name, "--log-level") &&
	    log_parse_level(value, &c->level) == 0) &&
	    !(str_eq(name, "--log-format") &&
	    log_parse_format(value, &c->format) == 0))
		return (err_set(err, ERR_INVALID, "%s %s: not a flag of "
		    "nodeseal-link, which nodeseal run starts", name, value));
	return (0);
}

static int
parse_flags(int argc, char **argv, struct flags *c, struct err *err)
{
	*c = (struct flags){ .link = { .core_fd = -1 },
		.level = LOG_LEVEL_INFO, .format = LOG_TEXT };
	for (int i = 1; i < argc; i++) {
		if (str_eq(argv[i], "--require-sandbox")) {
			c->require_sandbox = 1;
			continue;
		}
		if (take_value(c, argv[i], i + 1 < argc ? argv[i + 1] : NULL,
		    err) == -1)
			return (-1);
		i++;
	}
	if (c->link.core_fd == -1 || c->link.node == NULL)
		return (err_set(err, ERR_INVALID, "--fd or --node is missing: "
		    "nodeseal run starts this program"));
	c->link.account_fd = take(KEEPER_ACCOUNT_FD);
	c->link.kubeconfig_fd = take(KEEPER_KUBECONFIG_FD);
	return (0);
}

int
main(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct flags c;
	int rc;

	if (argc == 2 && str_eq(argv[1], "version")) {
		puts("nodeseal-link " NODESEAL_VERSION);
		return (0);
	}
	log_init("link", LOG_LEVEL_INFO, LOG_TEXT);
	if (parse_flags(argc, argv, &c, &err) == -1) {
		log_error("%s", err_msg(&err));
		return (2);
	}
	log_init("link", c.level, c.format);
	rc = serve(&c, &err);
	if (rc == -1)
		log_error("%s", err_msg(&err));
	if (rc == -1 && c.require_sandbox && err.kind == ERR_DENIED)
		return (KEEPER_REFUSED);
	return (rc == 0 ? 0 : 1);
}
