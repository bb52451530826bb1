/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "seal/key_table.h"

#include "keeper/place.h"

#define LOCK_STEP_MS 50
#define LOCK_STEPS 80
#define BACKLOG 512	/* 110 pods and their volumes at boot */

int
place_directories(const struct run_config *cfg, uid_t uid, struct err *err)
{
	if (file_mkdirs(cfg->run, 0755, err) == -1)
		return (err_wrap(err, "--run"));
	if (file_mkdirs(cfg->state, 0700, err) == -1)
		return (err_wrap(err, "--state"));
	if (geteuid() == 0 && chown(cfg->state, uid, uid) == -1)
		return (err_sys(err, "--state: chown %s", cfg->state));
	return (0);
}

static int
sync_parent(const char *path, struct err *err)
{
	cleanup_free char *dir = str_ndup(path,
	    (size_t)(strrchr(path, '/') - path + 1));
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || fsync(fd) == -1)
		return (err_sys(err, "%s", dir));
	return (0);
}

int
place_state(const struct run_config *cfg, int *ret_fd, struct err *err)
{
	cleanup_close int fd = open(cfg->state, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	struct timespec pause = { 0, LOCK_STEP_MS * 1000000l };

	if (fd == -1)
		return (err_sys(err, "--state: %s", cfg->state));
	/* A core whose keeper was killed is still ending. */
	for (int i = 0; key_table_lock(fd, err) == -1; i++) {
		if (err->kind != ERR_TRANSIENT || i == LOCK_STEPS)
			return (err_wrap(err, "--state: %s", cfg->state));
		err_clear(err);
		nanosleep(&pause, NULL);
	}
	*ret_fd = fd_steal(&fd);
	return (0);
}

int
place_witness(const struct run_config *cfg, int *ret_fd, struct err *err)
{
	cleanup_close int fd = open(cfg->witness, O_RDWR | O_CREAT |
	    O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return (err_sys(err, "--witness: %s", cfg->witness));
	if (sync_parent(cfg->witness, err) == -1)
		return (err_wrap(err, "--witness"));
	*ret_fd = fd_steal(&fd);
	return (0);
}

/* Where the kubelet mounts it (client-go rest.InClusterConfig). */
#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

int
place_api(const struct run_config *cfg, int *ret_account,
    int *ret_kubeconfig, struct err *err)
{
	if (cfg->manifests != NULL)
		return (0);
	if (cfg->kubeconfig != NULL) {
		*ret_kubeconfig = open(cfg->kubeconfig, O_RDONLY | O_CLOEXEC);
		if (*ret_kubeconfig == -1)
			return (err_sys(err, "--kubeconfig: %s",
			    cfg->kubeconfig));
		return (0);
	}
	*ret_account = open(ACCOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_account == -1)
		return (err_sys(err, "the pod's service account: %s: mount its "
		    "token, or name a --kubeconfig", ACCOUNT));
	return (0);
}

int
place_notes(const struct run_config *cfg, int *ret_fd, struct err *err)
{
	cleanup_free char *path = str_fmt("%s/volumes", cfg->run);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return (err_sys(err, "%s", path));
	*ret_fd = fd;
	return (0);
}

static int
socket_address(const char *path, const char *prefix, struct sockaddr_un *un,
    struct err *err)
{
	const char *slash = strrchr(path, '/');
	int n;

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	n = snprintf(un->sun_path, sizeof(un->sun_path), "%.*s%s%s",
	    (int)(slash + 1 - path), path, prefix, slash + 1);
	if (n < 0 || (size_t)n >= sizeof(un->sun_path))
		return (err_set(err, ERR_INVALID, "%s: longer than a socket's "
		    "path may be (%zu bytes): choose a shorter directory",
		    path, sizeof(un->sun_path) - 2));
	return (0);
}

static int
check_old(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return (errno == ENOENT ? 0 : err_sys(err, "%s", path));
	if (!S_ISSOCK(st.st_mode))
		return (err_set(err, ERR_INVALID, "%s: exists and is no "
		    "socket: move it away", path));
	return (0);
}

int
place_socket(const char *path, int *ret_fd, struct err *err)
{
	cleanup_close int fd = -1;
	cleanup_free char *dir = str_ndup(path,
	    (size_t)(strrchr(path, '/') - path));
	struct sockaddr_un un;

	if (file_mkdirs(dir, 0750, err) == -1 || check_old(path, err) == -1 ||
	    socket_address(path, ".", &un, err) == -1)
		return (-1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return (err_sys(err, "socket"));
	unlink(un.sun_path);
	if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) == -1 ||
	    chmod(un.sun_path, 0600) == -1 || listen(fd, BACKLOG) == -1)
		return (err_sys(err, "%s", path));
	if (rename(un.sun_path, path) == -1)
		return (err_sys(err, "rename to %s", path));
	*ret_fd = fd_steal(&fd);
	return (0);
}
