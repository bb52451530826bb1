/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/program.h"
#include "ipc/bundle.h"
#include "ipc/frame.h"
#include "ipc/keeper.h"
#include "seal/box.h"

#include "keeper/child.h"
#include "keeper/keeper.h"
#include "keeper/manifests.h"
#include "keeper/place.h"
#include "keeper/sources.h"
#include "keeper/words.h"

#define STOP_MS 4000		/* core's time after SIGTERM; all in 5 s */
#define SEND_MS 2000
#define CORE_END_MS 1000	/* from the end of its channel to its own */
#define SOCKETS_MAX 7
#define RETRY_FSPROJ_MS 500	/* connecting to --fsproj */

struct listening {
	char *name;		/* "status", "csi:DRIVER", "reg:DRIVER" */
	char *path;
	int fd;
};

enum { FSPROJ, ZYGOTE, LINK, CORE, CHILDREN };

struct keeper {
	struct run_config *cfg;
	int argc;		/* the words that it comes from */
	char **words;
	struct child child[CHILDREN];
	struct listening sockets[SOCKETS_MAX];
	size_t nsockets;
	int core_fd;		/* our end of core's channel; -1 */
	int64_t core_by;	/* without it: when core is killed */
	int signal_fd;
	int notes_fd;		/* <run>/volumes */
	/* KEEPER_STATE_FD and its followers; -1: not to be had */
	struct child_fd state[2 + KEY_SOURCES_MAX];
	/* the account's folder, the kubeconfig */
	struct child_fd api[2];
	int fsproj_wanted;	/* --fsproj: connect (again) at fsproj_at */
	int64_t fsproj_at;
	int stopping;
	int refused;		/* a child must not run as things are */
	int64_t stop_by;
};

static int64_t
now_ms(void)
{
	const struct clock *c = clock_system();

	return (c->boot_ms(c));
}

/* --- what core is given --------------------------------------------------- */

static int
send_fd(struct keeper *k, uint16_t type, const char *name, int fd,
    struct err *err)
{
	cleanup_buf struct buf body = BUF_PLAIN(KEEPER_FRAME_MAX);

	wire_str(&body, name);
	return (frame_send(k->core_fd, type, body.data, body.len, &fd,
	    fd == -1 ? 0 : 1, SEND_MS, err));
}

/* A core that no longer hears or speaks ends by itself, and may have something
 * to say about it; if not, it is ended. */
static void
core_lost(struct keeper *k)
{
	close(fd_steal(&k->core_fd));
	k->core_by = now_ms() + CORE_END_MS;
}

static void
give(struct keeper *k, uint16_t type, const char *name, int fd)
{
	cleanup_err struct err err = ERR_INIT;

	if (k->core_fd == -1)
		return;
	if (send_fd(k, type, name, fd, &err) == -1) {
		log_warn("core takes no frames: %s", err_msg(&err));
		core_lost(k);
	}
}

static void
give_peer(struct keeper *k, struct child *c, uint16_t type)
{
	if (k->core_fd == -1 || c->peer == -1)
		return;
	give(k, type, c->name, c->peer);
	close(fd_steal(&c->peer));
}

/* Public: they are read anew for each core. */
static void
give_issuers(struct keeper *k)
{
	for (size_t i = 0; i < k->cfg->nissuer_keys; i++) {
		const char *name = k->cfg->issuer_keys[i];
		cleanup_close int fd = open(name, O_RDONLY | O_CLOEXEC |
		    O_NONBLOCK | O_NOCTTY);

		if (fd == -1)
			log_error("--issuer-key: %s: %s", name,
			    strerror(errno));
		give(k, KEEPER_ISSUER, name, fd);
	}
}

static void
give_all(struct keeper *k)
{
	give(k, KEEPER_NOTES, "", k->notes_fd);
	give_peer(k, &k->child[FSPROJ], KEEPER_FSPROJ);
	give_peer(k, &k->child[ZYGOTE], KEEPER_ZYGOTE);
	give_peer(k, &k->child[LINK], KEEPER_LINK);
	for (size_t i = 0; i < k->nsockets; i++)
		give(k, KEEPER_LISTEN, k->sockets[i].name, k->sockets[i].fd);
	give_issuers(k);
	give(k, KEEPER_READY, "", -1);
}

/* --- the configuration -------------------------------------------------- */

static void children_words(struct keeper *k);

static void
on_flag(void *arg, const char *name, enum run_live what)
{
	const struct keeper *k = arg;

	if (what == RUN_FIXED)
		log_warn("--%s: has changed in %s: that takes effect at the "
		    "next start only", name, k->cfg->config);
	else
		log_info("--%s: taken over from %s", name, k->cfg->config);
}

static void
give_config(struct keeper *k)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf body = BUF_PLAIN(KEEPER_FRAME_MAX);
	char **v = run_config_words(k->cfg);
	uint32_t n = 0;

	while (v[n] != NULL)
		n++;
	wire_u32(&body, n);
	for (uint32_t i = 0; i < n; i++)
		wire_str(&body, v[i]);
	words_free(v);
	if (buf_finish(&body, "--config", &err) == -1 || frame_send(k->core_fd,
	    KEEPER_CONFIG, body.data, body.len, NULL, 0, SEND_MS, &err) == -1)
		log_warn("core takes no frames: %s", err_msg(&err));
}

/* What is wrong with the file now leaves everything as it is. */
static void
reload(struct keeper *k)
{
	cleanup_err struct err err = ERR_INIT;
	struct run_config fresh;
	unsigned changed;

	if (k->cfg->config == NULL)
		return;
	if (run_config_parse(k->argc, k->words, &fresh, &err) == -1) {
		log_error("%s: all stays as it was", err_msg(&err));
		return;
	}
	changed = run_config_take(k->cfg, &fresh, on_flag, k);
	run_config_clear(&fresh);
	if (changed == 0)
		return;
	log_init("keeper", k->cfg->log_level, k->cfg->log_format);
	children_words(k);
	if (k->core_fd != -1)
		give_config(k);
}

/* --- a running fsproj --------------------------------------------------- */

static int
fsproj_connect(const char *path, struct err *err)
{
	cleanup_close int fd = -1;
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return (err_set(err, ERR_INVALID, "--fsproj: %s: longer than "
		    "a socket's path may be", path));
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) == -1)
		return (err_sys(err, "--fsproj: %s", path));
	return (fd_steal(&fd));
}

/* Core tells (KEEPER_REBIND "fsproj") when its connection broke. */
static void
fsproj_try(struct keeper *k, int64_t now)
{
	cleanup_err struct err err = ERR_INIT;
	int fd;

	if ((fd = fsproj_connect(k->cfg->fsproj, &err)) == -1) {
		log_warn("%s: trying again", err_msg(&err));
		k->fsproj_at = now + RETRY_FSPROJ_MS;
		return;
	}
	k->fsproj_wanted = 0;
	k->child[FSPROJ].peer = fd;
	give_peer(k, &k->child[FSPROJ], KEEPER_FSPROJ);
}

/* --- what core asks ----------------------------------------------------- */

static void
rebind(struct keeper *k, const char *name)
{
	cleanup_err struct err err = ERR_INIT;

	if (str_eq(name, "fsproj")) {
		k->fsproj_wanted = k->cfg->fsproj != NULL;
		return;
	}
	for (size_t i = 0; i < k->nsockets; i++) {
		struct listening *l = &k->sockets[i];

		if (!str_eq(l->name, name))
			continue;
		close(fd_steal(&l->fd));
		unlink(l->path);
		if (place_socket(l->path, &l->fd, &err) == -1)
			log_error("%s: %s", name, err_msg(&err));
		else
			give(k, KEEPER_LISTEN, l->name, l->fd);
		return;
	}
	log_warn("core asks to bind %s, which is none of ours", name);
}

/* Core is given a folder of manifests or bundles, or why not. */
static void
open_folder(struct keeper *k, enum keeper_frame type)
{
	const char *dir = type == KEEPER_FOLDER ? k->cfg->manifests :
	    k->cfg->bundles;
	const char *flag = type == KEEPER_FOLDER ? "manifests" : "bundles";
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf body = BUF_PLAIN(KEEPER_FRAME_MAX);
	cleanup_close int folder = -1;
	cleanup_close int notify = -1;
	cleanup_close int mounts = -1;
	int fds[3], n = 0;

	if (dir == NULL)
		err_set(&err, ERR_INVALID, "there is no --%s", flag);
	else if (manifests_folder(flag, dir, &folder, &notify, &err) == 0) {
		fds[n++] = folder;
		fds[n++] = notify;
		mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
		if (mounts != -1)
			fds[n++] = mounts;
	}
	wire_str(&body, err_msg(&err));
	if (frame_send(k->core_fd, type, body.data, body.len, fds,
	    (size_t)n, SEND_MS, &err) == -1)
		log_warn("core takes no frames: %s", err_msg(&err));
}

static int
open_one(const struct run_config *cfg, enum keeper_frame type,
    const char *name, struct err *err)
{
	const char *dir = type == KEEPER_FILE ? cfg->manifests : cfg->bundles;

	if (dir == NULL)
		return (err_set(err, ERR_INVALID, "there is no such folder"));
	if (type == KEEPER_FILE)
		return (manifests_file(dir, name, err));
	return (manifests_bundle(dir, name, err));
}

static void
open_file(struct keeper *k, enum keeper_frame type, const char *name)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf body = BUF_PLAIN(KEEPER_FRAME_MAX);
	cleanup_close int fd = open_one(k->cfg, type, name, &err);

	wire_str(&body, name);
	wire_str(&body, err_msg(&err));
	if (frame_send(k->core_fd, type, body.data, body.len, &fd,
	    fd == -1 ? 0 : 1, SEND_MS, &err) == -1)
		log_warn("core takes no frames: %s", err_msg(&err));
}

static void
open_tpm(struct keeper *k)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_close int fd = sources_tpm(k->cfg, &err);

	if (fd == -1)
		log_error("%s", err_msg(&err));
	give(k, KEEPER_TPM, "", fd);
}

static void
from_core(struct keeper *k)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_frame struct frame f;
	cleanup_free char *name = NULL;
	struct wire w;
	int rc;

	frame_init(&f, KEEPER_FRAME_MAX);
	if ((rc = frame_recv(k->core_fd, &f, SEND_MS, &err)) != 1) {
		if (rc == -1)
			log_warn("core: %s", err_msg(&err));
		core_lost(k);
		return;
	}
	wire_init(&w, f.body.data, f.body.len);
	name = wire_get_str(&w);
	if (wire_done(&w, "core's frame", &err) == -1)
		log_warn("%s", err_msg(&err));
	else if (f.type == KEEPER_REBIND)
		rebind(k, name);
	else if (f.type == KEEPER_FOLDER || f.type == KEEPER_BUNDLES)
		open_folder(k, (enum keeper_frame)f.type);
	else if (f.type == KEEPER_FILE || f.type == KEEPER_BUNDLE)
		open_file(k, (enum keeper_frame)f.type, name);
	else if (f.type == KEEPER_TPM)
		open_tpm(k);
	else
		log_warn("core sent a frame of unknown type %u", f.type);
}

/* --- start -------------------------------------------------------------- */

static int
add_socket(struct keeper *k, char *name, char *path, struct err *err)
{
	struct listening *l = &k->sockets[k->nsockets++];

	l->name = name;
	l->path = path;
	l->fd = -1;
	return (place_socket(path, &l->fd, err));
}

/* The names are the drivers' of csi/csi.h; the keeper knows no CSI. */
static int
add_driver(struct keeper *k, const char *driver, struct err *err)
{
	const char *dir = k->cfg->kubelet_dir;

	if (add_socket(k, str_fmt("csi:%s", driver), str_fmt(
	    "%s/plugins/%s/csi.sock", dir, driver), err) == -1)
		return (-1);
	return (add_socket(k, str_fmt("reg:%s", driver), str_fmt(
	    "%s/plugins_registry/%s-reg.sock", dir, driver), err));
}

/* With --fsproj we have no right to the kubelet's folders: core asks fsproj
 * to bind what the keeper does not hand over. */
static int
bind_sockets(struct keeper *k, struct err *err)
{
	if (add_socket(k, str_dup("status"), str_fmt("%s/status.sock",
	    k->cfg->run), err) == -1 || add_socket(k, str_dup("bundle"),
	    str_fmt("%s/" BUNDLE_SOCKET, k->cfg->run), err) == -1 ||
	    add_socket(k, str_dup("key"), str_fmt("%s/key.sock",
	    k->cfg->run), err) == -1)
		return (-1);
	if (!k->cfg->csi || k->cfg->fsproj != NULL)
		return (0);
	if (add_driver(k, "csi.nodeseal.dev", err) == -1)
		return (-1);
	return (add_driver(k, "identity.csi.nodeseal.dev", err));
}

static int
prepare_fsproj(struct keeper *k, uid_t uid, struct err *err)
{
	const struct run_config *cfg = k->cfg;
	struct child *c = &k->child[FSPROJ];
	cleanup_free char *path = program_path("nodeseal-fsproj", err);
	cleanup_free char *dirs = words_join(cfg->host_dirs, cfg->nhost_dirs);
	cleanup_free char *peer = str_fmt("%u", (unsigned)uid);
	size_t n = 0;

	if (path == NULL)
		return (-1);
	for (size_t i = 0; i < cfg->nhost_dirs; i++)
		if (file_mkdirs(cfg->host_dirs[i], 0755, err) == -1)
			return (err_wrap(err, "--host-dirs"));
	if (cfg->csi && file_mkdirs(cfg->csi_targets, 0750, err) == -1)
		return (err_wrap(err, "--csi-targets"));
	/* No --bind-dirs: whoever starts fsproj has the right to bind, and
	 * does it (bind_sockets). */
	c->argv = words_add(&n, NULL, path, "--fd", "3", "--peer-uid", peer,
	    "--host-dirs", dirs, NULL);
	if (cfg->csi)
		c->argv = words_add(&n, c->argv, "--pods-dir", cfg->csi_targets,
		    NULL);
	if (cfg->host_dirs_on_disk)
		c->argv = words_add(&n, c->argv, "--host-dirs-on-disk", NULL);
	if (cfg->volume_context != NULL)
		c->argv = words_add(&n, c->argv, "--volume-context",
		    cfg->volume_context, NULL);
	c->uid = (uid_t)-1;
	c->socket_type = SOCK_SEQPACKET;
	return (0);
}

static int
prepare_state(struct keeper *k, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;

	if (place_state(k->cfg, &k->state[0].fd, err) == -1)
		return (-1);
	/* Less proof against an old file; core says so. */
	if (place_witness(k->cfg, &k->state[1].fd, &why) == -1)
		log_warn("%s", err_msg(&why));
	sources_open(k->cfg, k->state[0].fd, k->state + 2);
	return (0);
}

/* What job and link need to know of us to log as we do. */
static char **
log_words(const struct keeper *k, size_t *n, char **list)
{
	static const char *const levels[] = { "error", "warn", "info",
		"debug" };

	list = words_add(n, list, "--fd", "3", "--log-level",
	    levels[k->cfg->log_level], "--log-format",
	    k->cfg->log_format == LOG_JSON ? "json" : "text", NULL);
	if (k->cfg->require_sandbox)
		list = words_add(n, list, "--require-sandbox", NULL);
	return (list);
}

static char **
zygote_words(const struct keeper *k, const char *path)
{
	size_t n = 0;

	return (log_words(k, &n, words_add(&n, NULL, path, "zygote", NULL)));
}

static char **
link_words(const struct keeper *k, const char *path)
{
	const struct run_config *cfg = k->cfg;
	size_t n = 0;
	char **v = log_words(k, &n, words_add(&n, NULL, path, NULL));

	v = words_add(&n, v, "--node", cfg->node, NULL);
	if (cfg->listen != NULL)
		v = words_add(&n, v, "--listen", cfg->listen, NULL);
	if (cfg->kubeconfig != NULL)
		v = words_add(&n, v, "--kubeconfig", cfg->kubeconfig, NULL);
	return (v);
}

/* Not ours, but what came of them: core has no right to --config, and a core
 * that is started again finds it as the others have. */
static char **
core_words(const struct keeper *k, const char *path)
{
	char **all = run_config_words(k->cfg), **v;
	size_t n = 0;

	v = words_add(&n, NULL, path, "_core", NULL);
	for (size_t i = 0; all[i] != NULL; i++)
		v = words_add(&n, v, all[i], NULL);
	words_free(all);
	return (v);
}

/* With the configuration as it is now. */
static void
children_words(struct keeper *k)
{
	static char **(*const words[])(const struct keeper *, const char *) = {
		[ZYGOTE] = zygote_words, [LINK] = link_words,
		[CORE] = core_words };

	for (size_t i = 0; i < CHILDREN; i++) {
		char **old = k->child[i].argv;

		if (old == NULL || words[i] == NULL)
			continue;
		k->child[i].argv = words[i](k, old[0]);
		words_free(old);
	}
}

/* Its words follow from the configuration. */
static int
prepare(struct keeper *k, size_t which, const char *program, uid_t above,
    struct err *err)
{
	struct child *c = &k->child[which];
	cleanup_free char *path = program_path(program, err);
	size_t n = 0;

	if (path == NULL)
		return (-1);
	c->argv = words_add(&n, NULL, path, NULL);
	c->uid = geteuid() == 0 ? k->cfg->user + above : (uid_t)-1;
	c->socket_type = SOCK_STREAM;
	c->more = which == CORE ? k->state : k->api;
	c->nmore = which == CORE ? ARRAY_LEN(k->state) : ARRAY_LEN(k->api);
	return (0);
}

static int
prepare_children(struct keeper *k, struct err *err)
{
	uid_t uid = geteuid() == 0 ? k->cfg->user : geteuid();
	/* The line to the API server, and whoever asks for /metrics. */
	int link = k->cfg->manifests == NULL || k->cfg->listen != NULL;

	if (prepare(k, ZYGOTE, "nodeseal-job", 2, err) == -1 ||
	    (link && prepare(k, LINK, "nodeseal-link", 1, err) == -1) ||
	    prepare(k, CORE, "nodeseal", 0, err) == -1)
		return (-1);
	children_words(k);
	if (k->cfg->fsproj != NULL) {
		k->fsproj_wanted = 1;
		return (0);
	}
	if (geteuid() != 0)
		return (err_set(err, ERR_DENIED, "mounting needs root: start "
		    "run as root, or name a running nodeseal-fsproj with "
		    "--fsproj"));
	return (prepare_fsproj(k, uid, err));
}

static int
catch_signals(struct keeper *k, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    (k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) ==
	    -1)
		return (err_sys(err, "signalfd"));
	return (0);
}

/* --- the loop ----------------------------------------------------------- */

static void
stop(struct keeper *k, int64_t now)
{
	if (k->stopping)
		return;
	k->stopping = 1;
	k->stop_by = now + STOP_MS;
	child_stop(&k->child[CORE], SIGTERM);
}

static void
reap(struct keeper *k, int64_t now)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < CHILDREN; i++) {
			struct child *c = &k->child[i];

			if (c->pid != pid)
				continue;
			if (WIFEXITED(status) &&
			    WEXITSTATUS(status) == KEEPER_REFUSED) {
				k->refused = 1;
				stop(k, now);
			}
			if (k->stopping)
				c->pid = 0;
			else
				child_ended(c, status, now);
			if (i == CORE && k->core_fd != -1)
				close(fd_steal(&k->core_fd));
		}
}

/* Core ends first: it may still be writing files through fsproj. */
static void
stop_others(struct keeper *k)
{
	if (k->stopping && k->child[CORE].pid == 0) {
		child_stop(&k->child[ZYGOTE], SIGTERM);
		child_stop(&k->child[LINK], SIGTERM);
		child_stop(&k->child[FSPROJ], SIGTERM);
	}
}

static void
signals(struct keeper *k, int64_t now)
{
	struct signalfd_siginfo si;

	while (read(k->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue;	/* reaped in any case */
		if (si.ssi_signo == SIGHUP) {
			reload(k);
			child_stop(&k->child[CORE], SIGHUP);
			continue;
		}
		stop(k, now);
	}
}

static void
start_due(struct keeper *k, int64_t now)
{
	static const uint16_t frames[] = { KEEPER_FSPROJ, KEEPER_ZYGOTE,
		KEEPER_LINK };

	for (size_t i = 0; i < CHILDREN; i++) {
		cleanup_err struct err err = ERR_INIT;
		struct child *c = &k->child[i];

		if (c->argv == NULL || child_wait_ms(c, now) != 0)
			continue;
		if (i == CORE)
			sources_renew(k->cfg, k->state + 2);
		if (child_start(c, now, &err) == -1) {
			log_error("%s", err_msg(&err));
			c->again_at = now + 1000;
			continue;
		}
		if (i == CORE) {
			sources_given(k->cfg, k->state + 2);
			k->core_fd = fd_steal(&c->peer);
			k->fsproj_wanted = k->cfg->fsproj != NULL;
			give_all(k);
		} else
			give_peer(k, c, frames[i]);
	}
	if (k->fsproj_wanted && now >= k->fsproj_at)
		fsproj_try(k, now);
}

static int
wait_ms(const struct keeper *k, int64_t now)
{
	int64_t least = 60000;

	if (k->stopping)
		least = k->stop_by > now ? k->stop_by - now : 0;
	for (size_t i = 0; i < CHILDREN && !k->stopping; i++) {
		int64_t w = child_wait_ms(&k->child[i], now);

		if (k->child[i].argv != NULL && w >= 0 && w < least)
			least = w;
	}
	if (!k->stopping && k->core_fd == -1 && k->child[CORE].pid != 0 &&
	    k->core_by - now < least)
		least = k->core_by > now ? k->core_by - now : 0;
	if (k->fsproj_wanted && k->fsproj_at - now < least)
		least = k->fsproj_at > now ? k->fsproj_at - now : 0;
	return ((int)least);
}

static int
all_ended(const struct keeper *k)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (k->child[i].pid != 0)
			return (0);
	return (1);
}

static void
turn(struct keeper *k)
{
	struct pollfd p[2] = { { .fd = k->signal_fd, .events = POLLIN },
	    { .fd = k->core_fd, .events = POLLIN } };
	int64_t now = now_ms();

	if (poll(p, 2, wait_ms(k, now)) == -1 && errno != EINTR)
		log_error("poll: %s", strerror(errno));
	now = now_ms();
	if (p[0].revents != 0)
		signals(k, now);
	if (k->core_fd != -1 && p[1].revents != 0)
		from_core(k);
	reap(k, now);
	if (!k->stopping && k->core_fd == -1 && now >= k->core_by)
		child_stop(&k->child[CORE], SIGKILL);
	stop_others(k);
	if (!k->stopping)
		start_due(k, now);
	else if (now >= k->stop_by)
		for (size_t i = 0; i < CHILDREN; i++)
			child_stop(&k->child[i], SIGKILL);
}

static void
keeper_clear(struct keeper *k)
{
	for (size_t i = 0; i < k->nsockets; i++) {
		if (k->sockets[i].fd != -1) {
			close(k->sockets[i].fd);
			unlink(k->sockets[i].path);
		}
		free(k->sockets[i].name);
		free(k->sockets[i].path);
	}
	for (size_t i = 0; i < CHILDREN; i++) {
		words_free(k->child[i].argv);
		if (k->child[i].peer != -1)
			close(k->child[i].peer);
	}
	if (k->signal_fd != -1)
		close(k->signal_fd);
	if (k->notes_fd != -1)
		close(k->notes_fd);
	for (size_t i = 0; i < ARRAY_LEN(k->state); i++)
		if (k->state[i].fd != -1)
			close(k->state[i].fd);
	for (size_t i = 0; i < ARRAY_LEN(k->api); i++)
		if (k->api[i].fd != -1)
			close(k->api[i].fd);
}

int
keeper_main(struct run_config *cfg, int argc, char **argv,
    struct err *err)
{
	struct keeper k = { .cfg = cfg, .argc = argc, .words = argv,
		.core_fd = -1, .signal_fd = -1,
		.notes_fd = -1 };
	uid_t uid = geteuid() == 0 ? cfg->user : geteuid();
	int rc = -1;

#ifndef WEAKEN_BIND_NOW
	/* Ours are linked with -z now, Debian's libraries are not: the first
	 * call of a function saves all vector registers on the stack, and a
	 * value's copy may be in them. */
	setenv("LD_BIND_NOW", "1", 1);
#endif
	/* libcurl and libmicrohttpd bring GnuTLS along, which nobody here uses:
	 * to set itself up it would touch 3 MiB of libraries. */
	setenv("GNUTLS_NO_IMPLICIT_INIT", "1", 1);
	for (size_t i = 0; i < ARRAY_LEN(k.state); i++)
		k.state[i] = (struct child_fd){ -1, KEEPER_STATE_FD + (int)i };
	k.api[0] = (struct child_fd){ -1, KEEPER_ACCOUNT_FD };
	k.api[1] = (struct child_fd){ -1, KEEPER_KUBECONFIG_FD };
	k.child[FSPROJ] = (struct child){ .name = "fsproj", .peer = -1 };
	k.child[ZYGOTE] = (struct child){ .name = "zygote", .peer = -1 };
	k.child[LINK] = (struct child){ .name = "link", .peer = -1 };
	k.child[CORE] = (struct child){ .name = "core", .peer = -1 };
	if (catch_signals(&k, err) == 0 &&
	    place_directories(cfg, uid, err) == 0 &&
	    place_notes(cfg, &k.notes_fd, err) == 0 &&
	    prepare_state(&k, err) == 0 &&
	    place_api(cfg, &k.api[0].fd, &k.api[1].fd, err) == 0 &&
	    prepare_children(&k, err) == 0 &&
	    bind_sockets(&k, err) == 0) {
		start_due(&k, now_ms());
		while (!k.stopping || !all_ended(&k))
			turn(&k);
		rc = k.refused ? err_set(err, ERR_DENIED, "a process "
		    "refuses to run: see above") : 0;
	}
	keeper_clear(&k);
	return (rc);
}
