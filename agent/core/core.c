/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "core/bundle.h"
#include "core/core.h"
#include "core/core_internal.h"
#include "core/key_server.h"
#include "core/lease.h"
#include "core/line.h"
#include "core/pods.h"
#include "core/report.h"
#include "core/secrets.h"
#include "core/scrape.h"
#include "core/source_dir.h"
#include "core/state.h"
#include "ipc/keeper.h"

#define DEGRADED_MAX 32
#define FETCH_TIMEOUT_MS 15000
#define LIST_RETRY_MS 1000

static char *degraded_lines[DEGRADED_MAX];
static size_t ndegraded;

void
core_degraded(const char *line)
{
	size_t i;

	for (i = 0; i < ndegraded; i++)
		if (str_eq(degraded_lines[i], line))
			return;
	if (ndegraded < DEGRADED_MAX)
		degraded_lines[ndegraded++] = str_dup(line);
}

const char *
core_degraded_line(size_t i)
{
	return (i < ndegraded ? degraded_lines[i] : NULL);
}

int
core_ready(const struct core *c)
{
	return (c->synced && c->proj && c->projector->connected(c->proj));
}

void
core_report(struct core *c, struct item *item)
{
	cleanup_free char *now = NULL;

	if (!c->source)
		return;
	report_attempt(c->report, item);
	now = str_fmt("%d|%s|%s|%s", item_ready(item), item->reason,
	    item->message, str_or(item->error, ""));
	/* A cluster shows when the last success was, too. */
	if (str_eq(now, item->reported) && (!c->report || c->scrape))
		return;
	free(item->reported);
	item->reported = STEAL(now);
	c->source->ops->report(c->source, item);
}

/* --- made and unmade ---------------------------------------------------- */

static void
item_free_value(void *p)
{
	struct item *item = p;

	schedule_cancel(item->core->schedule, &item->due);
	schedule_cancel(item->core->schedule, &item->claims_due);
	schedule_cancel(item->core->schedule, &item->age_due);
	report_gone(item->core->report, item);
	schedule_cancel(item->core->schedule, &item->secret.due);
	cache_drop(&item->core->cache, &item->content);
	item_free(item);
}

static void
store_state_free(void *p)
{
	struct store_state *s = p;

	schedule_cancel(s->core->schedule, &s->probe_due);
	free(s->key);
	free(s->reason);
	free(s->message);
	free(s->last_error);
	free(s);
}

static void
host_state_free(void *p)
{
	struct host_state *h = p;

	schedule_cancel(h->core->schedule, &h->due);
	free(h->host);
	free(h);
}

static void
on_room(void *arg)
{
	sync_pump(arg);
}

void
core_labels(struct core *c)
{
	const struct run_config *cfg = c->cfg;
	const char *eq;
	size_t i;

	strmap_free(c->node_labels);
	c->node_labels = strmap_new(free);
	for (i = 0; i < cfg->nnode_labels; i++) {
		eq = strchr(cfg->node_labels[i], '=');
		if (!eq)
			continue;
		cleanup_free char *key = str_ndup(cfg->node_labels[i],
		    (size_t)(eq - cfg->node_labels[i]));

		strmap_put(c->node_labels, key, str_dup(eq + 1));
	}
}

int
core_init(struct core *c, struct run_config *cfg,
    const struct clock *clock, struct loop *loop, struct err *err)
{
	memset(c, 0, sizeof(*c));
	c->cfg = cfg;
	c->clock = clock;
	c->loop = loop;
	if (keys_new(&c->keys, err) == -1)
		return (-1);
	c->cache.keys = c->keys;
	c->schedule = schedule_new(loop, clock);
	c->catalog = catalog_new();
	c->jobs = jobs_new(loop, c->schedule, cfg->max_jobs, on_room, c);
	c->plan = plan_new();
	c->items = strmap_new(item_free_value);
	c->stores = strmap_new(store_state_free);
	c->hosts = strmap_new(host_state_free);
	c->found = strmap_new(free);
	c->volumes = strmap_new(NULL);
	c->projections = strmap_new(NULL);
	c->fetch_timeout_ms = FETCH_TIMEOUT_MS;
	due_init(&c->pump_due, on_room, c);
	csi_wire_init(c);
	c->notes_fd = -1;
	core_labels(c);
	return (0);
}

/* In this order: who calls goes before what he calls. */
void
core_clear(struct core *c)
{
	notes_close(c);
	if (c->proj)
		c->projector->free(c->proj);
	c->proj = NULL;
	csi_wire_close(c);
	status_close(c);
	bundles_free(STEAL(c->bundles));
	key_server_free(c);
	volumes_clear(c);
	hosts_clear(c);
	report_free(STEAL(c->report));
	scrape_free(STEAL(c->scrape));
	line_free(STEAL(c->line));
	if (c->source)
		c->source->ops->free(c->source);
	state_close(c);
	chan_free(c->keeper);
	jobs_free(c->jobs);
	secrets_free(c->secrets);
	pods_free(c->pods);
	leases_free(c->leases);
	strmap_free(c->restored);
	strmap_free(c->items);
	strmap_free(c->stores);
	strmap_free(c->hosts);
	strmap_free(c->found);
	strmap_free(c->node_labels);
	plan_free(c->plan);
	catalog_free(c->catalog);
	schedule_cancel(c->schedule, &c->pump_due);
	schedule_free(c->schedule);
	keys_free(c->keys);
}

/* --- fsproj ------------------------------------------------------------- */

static int
projector_connected(void *p)
{
	return (proj_connected(p));
}

static unsigned
projector_degraded(void *p)
{
	return (proj_degraded(p));
}

static void
projector_aim(void *p, const struct proj_target *target)
{
	proj_aim(p, target);
}

static int
projector_write(void *p, const struct proj_target *target,
    const struct proj_file *files, size_t n, proj_fill_fn fill,
    proj_done_fn done, void *arg, struct err *err)
{
	return (proj_write(p, target, files, n, fill, done, arg, err));
}

static int
projector_remove(void *p, const struct proj_target *target,
    proj_done_fn done, void *arg, struct err *err)
{
	return (proj_remove(p, target, done, arg, err));
}

static int
projector_list(void *p, proj_list_fn done, void *arg, struct err *err)
{
	return (proj_list(p, done, arg, err));
}

static int
projector_bind(void *p, const char *path, proj_bind_fn done, void *arg,
    struct err *err)
{
	return (proj_bind(p, path, done, arg, err));
}

static void
projector_lull(void *p)
{
	proj_lull(p);
}

static void
projector_free(void *p)
{
	proj_free(p);
}

static const struct projector fsproj = { projector_connected,
	projector_degraded, projector_aim, projector_write, projector_remove,
	projector_list, projector_bind, projector_lull, projector_free };

/* --require-sandbox: fsproj's first answer says what its kernel lacks. */
static int
fsproj_refused(struct core *c)
{
#ifdef WEAKEN_REQUIRE_SANDBOX
	return (0);
#endif
	if (!c->cfg->require_sandbox ||
	    !(c->projector->degraded(c->proj) & PROJ_SWAPPABLE))
		return (0);
	log_error("tmpfs without noswap: files in volumes may reach swap: run "
	    "without --require-sandbox");
	c->refused = 1;
	loop_stop(c->loop);
	return (1);
}

static void
on_list(void *arg, const struct proj_found *found, size_t n,
    const struct err *err)
{
	cleanup_strmap struct strmap *ours = strmap_new(NULL);
	cleanup_err struct err why = ERR_INIT;
	struct core *c = arg;
	struct found *f;
	size_t i;

	if (err) {
		log_warn("list of what is mounted: %s", err_msg(err));
		return;
	}
	if (fsproj_refused(c))
		return;
	volumes_paths(c, ours);
	hosts_paths(c, ours);
	strmap_free(c->found);
	c->found = strmap_new(free);
	for (i = 0; i < n; i++) {
		if (strmap_has(ours, found[i].path))
			continue;
		f = mem_alloc(sizeof(*f));
		f->place = found[i].place;
		f->generation = found[i].generation;
		strmap_put(c->found, found[i].path, f);
	}
	c->listed = 1;
	report_ready(c->report);
	notes_restore(c);
	host_settle(c);
	/* Only now: a publish must know what is mounted already. */
	volumes_retry(c);
	hosts_retry(c);
	if (c->cfg->csi && csi_wire_check(c, &why) == -1)
		log_warn("no kubelet is served: %s", err_msg(&why));
	if (c->keeper_ready)
		csi_wire_start(c);
}

static void
on_fsproj_lost(void *arg)
{
	struct core *c = arg;

	log_warn("fsproj is gone; what is mounted stays");
	report_ready(c->report);
	/* Its own one the keeper starts again by itself. */
	if (c->cfg->fsproj)
		core_tell_keeper(c, KEEPER_REBIND, "fsproj", NULL);
}

static int
fsproj_arrived(struct core *c, int fd, struct err *err)
{
	struct proj *p = c->proj;

	if (p)
		return (proj_replace(p, fd, err));
	if (proj_new(c->loop, fd, &p, err) == -1)
		return (-1);
	proj_on_lost(p, on_fsproj_lost, c);
	c->proj = p;
	c->projector = &fsproj;
	return (0);
}

/* --- the keeper --------------------------------------------------------- */

int
core_tell_keeper(struct core *c, uint16_t type, const char *text,
    struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(KEEPER_FRAME_MAX);

	if (!c->keeper)
		return (err_set(err, ERR_TRANSIENT, "no keeper"));
	wire_str(&b, text);
	if (buf_finish(&b, "frame", err) == -1)
		return (-1);
	return (chan_send(c->keeper, type, b.data, b.len, NULL, 0, err));
}

static int
ask_folder(void *arg, struct err *err)
{
	return (core_tell_keeper(arg, KEEPER_FOLDER, "", err));
}

static int
ask_file(void *arg, const char *name, struct err *err)
{
	return (core_tell_keeper(arg, KEEPER_FILE, name, err));
}

static int
take_fd(struct frame *f, size_t i)
{
	return (i < f->nfds ? fd_steal(&f->fds[i]) : -1);
}

static void
folder_arrived(struct core *c, struct frame *f, const char *why)
{
	struct source_folder folder = { .why = why };

	folder.dir = take_fd(f, 0);
	folder.notify = take_fd(f, 1);
	folder.mounts = take_fd(f, 2);
	source_dir_folder(c->source, &folder);
}

static int
fd_arrived(struct core *c, const struct frame *f, const char *name, int fd,
    struct err *err)
{
	if (fd == -1)
		return (err_set(err, ERR_INVALID, "no descriptor came"));
	if (f->type == KEEPER_NOTES) {
		notes_open(c, fd);
		return (0);
	}
	if (f->type == KEEPER_ZYGOTE)
		return (jobs_set_zygote(c->jobs, fd, err));
	if (f->type == KEEPER_LINK)
		return (c->scrape ? scrape_arrived(c->scrape, fd, err) :
		    line_arrived(c, fd, err));
	if (f->type == KEEPER_FSPROJ) {
		if (fsproj_arrived(c, fd, err) == -1)
			return (-1);
		return (c->projector->list(c->proj, on_list, c, err));
	}
	if (str_eq(name, "status"))
		return (status_serve(c, fd, err));
	if (str_eq(name, "bundle"))
		return (bundle_server_new(c->bundles, fd, err));
	if (str_eq(name, "key"))
		return (key_server_new(c, fd, err));
	csi_wire_listen(c, name, fd);
	return (0);
}

static void
on_keeper_frame(void *arg, struct frame *f)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *name = NULL;
	cleanup_free char *why = NULL;
	struct core *c = arg;
	struct wire w;

	if (f->type == KEEPER_CONFIG) {
		core_reconfigure(c, f->body.data, f->body.len);
		return;
	}
	wire_init(&w, f->body.data, f->body.len);
	name = f->body.len ? wire_get_str(&w) : str_dup("");
	switch (f->type) {
	case KEEPER_FSPROJ:
	case KEEPER_ZYGOTE:
	case KEEPER_LISTEN:
	case KEEPER_NOTES:
	case KEEPER_LINK:
		if (fd_arrived(c, f, name, take_fd(f, 0), &err) == -1)
			log_error("from the keeper: %s: %s", name,
			    err_msg(&err));
		break;
	case KEEPER_READY:
		c->keeper_ready = 1;
		csi_wire_start(c);
		bundles_start(c->bundles);
		break;
	case KEEPER_ISSUER:
		bundles_pin(c->bundles, name, take_fd(f, 0));
		break;
	case KEEPER_BUNDLES:
		bundle_folder_opened(c->bundles->folder,
		    &(struct source_folder){ take_fd(f, 0), take_fd(f, 1),
		    take_fd(f, 2), name });
		break;
	case KEEPER_BUNDLE:
		why = wire_get_str(&w);
		bundle_folder_file(c->bundles->folder, name, take_fd(f, 0),
		    why);
		break;
	case KEEPER_FOLDER:
		folder_arrived(c, f, name);
		break;
	case KEEPER_FILE:
		why = wire_get_str(&w);
		source_dir_file(c->source, name, take_fd(f, 0), why);
		break;
	case KEEPER_TPM:
		state_tpm(c, take_fd(f, 0));
		break;
	case KEEPER_DEGRADED:
		core_degraded(name);
		break;
	default:
		log_warn("keeper sent a frame of unknown type %u", f->type);
	}
}

static void
on_keeper_end(void *arg, const struct err *err)
{
	struct core *c = arg;

	(void)err;
	log_info("keeper is gone, core ends; mounts stay");
	c->keeper_gone = 1;
	loop_stop(c->loop);
}

static const struct chan_events keeper_events = { on_keeper_frame,
	on_keeper_end };

/* --- the process -------------------------------------------------------- */

static void
on_changed(void *arg)
{
	sync_commit(arg);
}

static void
on_synced(void *arg)
{
	sync_synced(arg);
}

static void
on_signal(void *arg, int signo)
{
	struct core *c = arg;

	if (signo == SIGHUP) {
		log_info("reading the manifests and sealing anew");
		c->source->ops->reread(c->source);
		state_touch(c);
		return;
	}
	log_info("stopping; mounts stay");
	loop_stop(c->loop);
}

static int
signals_start(struct core *c, struct err *err)
{
	static const int which[] = { SIGTERM, SIGINT, SIGHUP };
	size_t i;

	for (i = 0; i < ARRAY_LEN(which); i++) {
		c->signals[i] = loop_signal_new(c->loop, which[i], on_signal,
		    c, err);
		if (!c->signals[i])
			return (-1);
	}
	signal(SIGPIPE, SIG_IGN);
	return (0);
}

static int
sandbox(const struct core *c, struct err *err)
{
	const struct run_config *cfg = c->cfg;
	struct sandbox_report report = { .n = 0 };
	struct sandbox_paths paths = { .read = NULL };
	size_t i;

#ifndef WEAKEN_REQUIRE_SANDBOX
	if (cfg->require_sandbox && keys_degraded(c->keys))
		return (err_set(err, ERR_DENIED, "%s: run without "
		    "--require-sandbox", keys_degraded(c->keys)));
#endif
	if (c->state->place.dir != -1)
		paths.write_fd = c->state->place.dir;
	if (sandbox_enter(SANDBOX_CORE, &paths, cfg->require_sandbox, &report,
	    err) == -1)
		return (-1);
	for (i = 0; i < report.n; i++)
		core_degraded(report.lines[i]);
	return (0);
}

static int
start(struct core *c, int keeper_fd, struct err *err)
{
	cleanup_close int fd = keeper_fd;
	struct source_dir_config config = { .loop = c->loop,
		.schedule = c->schedule, .jobs = c->jobs, .keys = c->keys,
		.catalog = c->catalog, .dir = c->cfg->manifests,
		.ask_folder = ask_folder, .ask_file = ask_file, .ask_arg = c,
		.events = { on_changed, on_synced, on_room, c } };

	if (signals_start(c, err) == -1 || sandbox(c, err) == -1 ||
	    chan_new(c->loop, fd_steal(&fd), KEEPER_FRAME_MAX,
	    &keeper_events, c, &c->keeper, err) == -1)
		return (-1);
	c->bundles = bundles_new(c);
	if (!c->cfg->manifests)
		line_new(c);
	else if (c->cfg->listen)
		c->scrape = scrape_new(c);
	state_restore(c);
	if (c->cfg->manifests)
		c->source = source_dir_new(&config);
	return (0);
}

int
core_main(struct run_config *cfg, int keeper_fd,
    const struct state_fds *fds)
{
	cleanup_err struct err err = ERR_INIT;
	struct loop *loop = loop_new(&err);
	struct core c;
	size_t i;
	int rc = 1;

	if (!loop || core_init(&c, cfg, clock_system(), loop, &err) == -1) {
		log_error("%s", err_msg(&err));
		loop_free(loop);
		return (1);
	}
	loop_workers_one();
	state_open(&c, fds);
	if (start(&c, keeper_fd, &err) == -1) {
		log_error("%s", err_msg(&err));
		if (cfg->require_sandbox && err.kind == ERR_DENIED)
			rc = KEEPER_REFUSED;
	} else {
		loop_run(loop);
		rc = c.refused ? KEEPER_REFUSED : c.keeper_gone;
		state_flush(&c);
	}
	for (i = 0; i < ARRAY_LEN(c.signals); i++)
		if (c.signals[i])
			loop_signal_free(c.signals[i]);
	core_clear(&c);
	loop_free(loop);
	return (rc);
}
