/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/statvfs.h>

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/core_internal.h"
#include "core/volume.h"
#include "ipc/keeper.h"

/* --- struct csi_backend ------------------------------------------------- */

static void
on_publish(void *arg, struct csi_publish *p, struct csi_call *call)
{
	struct csi_driver *d = arg;

	volume_publish(d->core, p, call);
}

static void
on_unpublish(void *arg, const char *volume_id, const char *target_path,
    struct csi_call *call)
{
	struct csi_driver *d = arg;

	volume_unpublish(d->core, volume_id, target_path, call);
}

static int
on_stats(void *arg, const char *volume_id, const char *path,
    struct csi_stats *ret, struct err *err)
{
	struct csi_driver *d = arg;
	const struct volume *v = strmap_get(d->core->volumes, volume_id);
	struct statvfs st;

	if (!volume_known(d->core, volume_id, path))
		return (err_set(err, ERR_NOTFOUND, "no such volume at %s",
		    path));
	if (statvfs(path, &st) == -1) {
		if (!v || !v->d.room.f_blocks)
			return (err_sys(err, "%s", path));
		st = v->d.room;
	}
	ret->bytes_total = st.f_blocks * st.f_frsize;
	ret->bytes_free = st.f_bfree * st.f_frsize;
	ret->bytes_used = ret->bytes_total - ret->bytes_free;
	ret->inodes_total = st.f_files;
	ret->inodes_free = st.f_ffree;
	ret->inodes_used = ret->inodes_total - ret->inodes_free;
	return (0);
}

static int
on_ready(void *arg)
{
	struct csi_driver *d = arg;

	return (core_ready(d->core));
}

static void reg_ask(struct csi_driver *d);

static void
on_registered(void *arg, const char *driver, int ok, const char *message)
{
	struct csi_driver *d = arg;

	if (ok) {
		log_info("%s: registered with the kubelet", driver);
		return;
	}
	log_warn("%s: the kubelet refused the registration: %s", driver,
	    message);
	reg_ask(d);
}

/* A kubelet takes a successful publish for a mount that pods can see, and
 * starts them on the bare directory where they cannot (reference/csi.md 2.10).
 */
int
csi_wire_check(const struct core *c, struct err *err)
{
	if (!c->listed)
		return (err_set(err, ERR_TRANSIENT, "fsproj has not answered "
		    "yet: ask again"));
	if (c->projector->degraded(c->proj) & PROJ_NOT_SHARED)
		return (err_set(err, ERR_DENIED, "%s is not a shared mount, "
		    "pods would start without their files: mount --make-shared"
		    " there, or mountPropagation: Bidirectional in our own pod",
		    c->cfg->csi_targets));
	return (0);
}

static int
on_may_register(void *arg, struct err *err)
{
	const struct csi_driver *d = arg;

	return (csi_wire_check(d->core, err) == -1 ?
	    err_wrap(err, "%s", d->name) : 0);
}

/* The next one that comes finds a volume in store. */
static void
on_left(void *arg)
{
	const struct csi_driver *d = arg;

	if (d->core->proj)
		d->core->projector->lull(d->core->proj);
}

/* --- sockets ------------------------------------------------------------ */

static void
reg_arrived(struct csi_driver *d, int fd)
{
	cleanup_err struct err err = ERR_INIT;

	d->reg_asked = 0;
	if (!d->server) {
		mem_cleanup_close(&d->reg_fd);
		d->reg_fd = fd;
	} else if (csi_server_set_reg(d->server, fd, &err) == -1)
		log_error("%s: %s", d->name, err_msg(&err));
}

static void driver_start(struct csi_driver *d);

static void
on_csi_bound(void *arg, int fd, const struct err *err)
{
	struct csi_driver *d = arg;

	d->csi_asked = 0;
	if (err) {
		log_error("%s: %s", d->name, err_msg(err));
		return;
	}
	d->csi_fd = fd;
	driver_start(d);
}

static void
on_reg_bound(void *arg, int fd, const struct err *err)
{
	struct csi_driver *d = arg;

	if (err) {
		d->reg_asked = 0;
		log_error("%s: %s", d->name, err_msg(err));
		return;
	}
	reg_arrived(d, fd);
	driver_start(d);
}

static char *
endpoint(const struct csi_driver *d)
{
	return (str_fmt("%s/plugins/%s/csi.sock", d->core->cfg->kubelet_dir,
	    d->name));
}

/* Of the keeper where it binds sockets itself, else of fsproj. */
static void
reg_ask(struct csi_driver *d)
{
	struct core *c = d->core;
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *name = str_fmt("reg:%s", d->name);
	cleanup_free char *path = str_fmt("%s/plugins_registry/%s-reg.sock",
	    c->cfg->kubelet_dir, d->name);
	int rc;

	if (d->reg_asked)
		return;
	if (!c->cfg->fsproj)
		rc = core_tell_keeper(c, KEEPER_REBIND, name, &err);
	else if (c->proj)
		rc = c->projector->bind(c->proj, path, on_reg_bound, d, &err);
	else
		return;
	d->reg_asked = rc == 0;
	if (rc == -1)
		log_error("%s: %s", d->name, err_msg(&err));
}

static void
csi_ask(struct csi_driver *d)
{
	struct core *c = d->core;
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *path = endpoint(d);

	if (d->csi_asked || !c->cfg->fsproj || !c->proj)
		return;
	if (c->projector->bind(c->proj, path, on_csi_bound, d, &err) == 0)
		d->csi_asked = 1;
	else
		log_error("%s: %s", d->name, err_msg(&err));
}

static void
driver_start(struct csi_driver *d)
{
	const struct run_config *cfg = d->core->cfg;
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *path = endpoint(d);
	const struct csi_config config = { .driver = d->name,
		.node_id = cfg->node, .endpoint = path,
		.version = NODESEAL_VERSION, .targets_root = cfg->csi_targets };
	struct csi_backend backend = { d, on_publish, on_unpublish, on_stats,
		on_ready, on_registered, on_may_register, on_left };

	if (!d->core->csi_started || d->server)
		return;
	if (d->csi_fd == -1) {
		csi_ask(d);
		return;
	}
	/* The kubelet asks as soon as it sees the registration socket: that
	 * comes last. */
	if (d->reg_fd == -1 && cfg->fsproj) {
		reg_ask(d);
		return;
	}
	if (csi_server_new(d->core->loop, &config, &backend,
	    fd_steal(&d->csi_fd), fd_steal(&d->reg_fd), &d->server,
	    &err) == -1)
		log_error("%s: %s", d->name, err_msg(&err));
	else
		log_info("%s: serving %s", d->name, path);
}

void
csi_wire_init(struct core *c)
{
	static const char *const names[CORE_DRIVERS] = { CSI_DRIVER,
		CSI_DRIVER_IDENTITY };
	int i;

	for (i = 0; i < CORE_DRIVERS; i++)
		c->csi[i] = (struct csi_driver){ .core = c, .name = names[i],
			.csi_fd = -1, .reg_fd = -1 };
}

void
csi_wire_listen(struct core *c, const char *name, int fd)
{
	const char *driver = strchr(name, ':');
	struct csi_driver *d;
	int i;

	for (i = 0; driver && i < CORE_DRIVERS; i++) {
		d = &c->csi[i];
		if (!str_eq(driver + 1, d->name))
			continue;
		if (strncmp(name, "csi:", 4) == 0 && !d->server) {
			mem_cleanup_close(&d->csi_fd);
			d->csi_fd = fd;
			driver_start(d);
			return;
		}
		if (strncmp(name, "reg:", 4) == 0) {
			reg_arrived(d, fd);
			driver_start(d);
			return;
		}
	}
	log_warn("keeper sent a socket that is not wanted: %s", name);
	mem_cleanup_close(&fd);
}

void
csi_wire_start(struct core *c)
{
	int i;

	if (!c->cfg->csi)
		return;
	c->csi_started = 1;
	for (i = 0; i < CORE_DRIVERS; i++)
		driver_start(&c->csi[i]);
}

void
csi_wire_close(struct core *c)
{
	struct csi_driver *d;
	int i;

	for (i = 0; i < CORE_DRIVERS; i++) {
		d = &c->csi[i];
		csi_server_free(STEAL(d->server));
		mem_cleanup_close(&d->csi_fd);
		mem_cleanup_close(&d->reg_fd);
		d->csi_fd = d->reg_fd = -1;
	}
}
