/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strmap.h"
#include "csi/csi.h"

/*
 * agent/csi with a backend that makes and removes directories: what csi-sanity
 * and csi_client are proven against without the rest of the agent, and the
 * floor for the cost of an RPC.
 *
 *	csi_echo CSI_SOCKET REG_SOCKET TARGETS_ROOT [identity]
 */
struct echo {
	struct strmap *volumes;		/* id -> target path */
};

static void
publish(void *arg, struct csi_publish *p, struct csi_call *c)
{
	struct echo *e = arg;
	cleanup_err struct err err = ERR_INIT;
	const char *held = strmap_get(e->volumes, p->volume_id);

	if (held && strcmp(held, p->target_path) != 0)
		csi_call_fail(c, 6, "published at another path");
	else if (mkdir(p->target_path, 0755) == -1 && errno != EEXIST) {
		err_sys(&err, "%s", p->target_path);
		csi_call_done(c, &err);
	} else {
		strmap_put(e->volumes, p->volume_id, str_dup(p->target_path));
		csi_call_done(c, NULL);
	}
	csi_publish_free(p);
}

static void
unpublish(void *arg, const char *volume_id, const char *target_path,
    struct csi_call *c)
{
	struct echo *e = arg;
	cleanup_err struct err err = ERR_INIT;

	if (rmdir(target_path) == -1 && errno != ENOENT) {
		err_sys(&err, "%s", target_path);
		csi_call_done(c, &err);
		return;
	}
	strmap_del(e->volumes, volume_id);
	csi_call_done(c, NULL);
}

static int
stats(void *arg, const char *volume_id, const char *path,
    struct csi_stats *ret, struct err *err)
{
	struct echo *e = arg;
	const char *held = strmap_get(e->volumes, volume_id);

	if (!held || strcmp(held, path) != 0)
		return (err_set(err, ERR_NOTFOUND, "no such volume"));
	*ret = (struct csi_stats){ 4096, 1024, 3072, 10, 4, 6 };
	return (0);
}

static int
ready(void *arg)
{
	(void)arg;
	return (1);
}

static void
registered(void *arg, const char *driver, int ok, const char *message)
{
	(void)arg;
	printf("%s: registered %d %s\n", driver, ok, message);
	fflush(stdout);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(fd, 256) == -1) {
		perror(path);
		exit(1);
	}
	return (fd);
}

static void
on_signal(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

int
main(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct echo e = { strmap_new(free) };
	const struct csi_backend backend = { &e, publish, unpublish, stats,
	    ready, registered, NULL, NULL };
	struct csi_config config = { CSI_DRIVER, "node-1", NULL, "test", NULL };
	struct csi_server *s;
	struct loop *loop = loop_new(&err);
	struct loop_signal *sig;

	if (argc < 4 || !loop) {
		fprintf(stderr, "usage: csi_echo CSI_SOCKET REG_SOCKET "
		    "TARGETS_ROOT [identity]\n");
		return (2);
	}
	config.endpoint = argv[1];
	config.targets_root = argv[3];
	if (argc > 4)
		config.driver = CSI_DRIVER_IDENTITY;
	if (csi_server_new(loop, &config, &backend, listen_at(argv[1]),
	    listen_at(argv[2]), &s, &err) == -1) {
		fprintf(stderr, "csi_echo: %s\n", err_msg(&err));
		return (1);
	}
	sig = loop_signal_new(loop, SIGTERM, on_signal, loop, NULL);
	puts("ready");
	fflush(stdout);
	loop_run(loop);
	loop_signal_free(sig);
	csi_server_free(s);
	loop_free(loop);
	strmap_free(e.volumes);
	unlink(argv[1]);
	unlink(argv[2]);
	return (0);
}
