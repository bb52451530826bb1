/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"

#include "tpm/tcti.h"

#define HEAD 10			/* tag u16, size u32, code u32 */
#define MAGIC 0x4e534c54504d3201ull

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec * 1000ll + ts.tv_nsec / 1000000);
}

/* --- opening --------------------------------------------------------- */

static int
connect_to(const char *path, int *ret_fd, struct err *err)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return (err_set(err, ERR_INVALID, "%s: longer than a socket's "
		    "path may be", path));
	memcpy(un.sun_path, path, strlen(path));
	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) == -1)
		return (err_sys(err, "%s", path));
	*ret_fd = fd_steal(&fd);
	return (0);
}

int
tcti_open(const char *path, int *ret_fd, int *ret_stream, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return (err_sys(err, "%s", path));
	*ret_stream = S_ISSOCK(st.st_mode);
	if (*ret_stream)
		return (connect_to(path, ret_fd, err));
	if (!S_ISCHR(st.st_mode))
		return (err_set(err, ERR_INVALID, "%s: neither a device nor a "
		    "socket", path));
	*ret_fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (*ret_fd != -1)
		return (0);
	if (errno == EBUSY)
		return (err_set(err, ERR_TRANSIENT, "%s: another program has "
		    "it: its resource manager /dev/tpmrm0 serves several",
		    path));
	return (err_sys(err, "%s", path));
}

/* --- commands and responses ------------------------------------------ */

static TSS2_RC
failed(struct tcti *t)
{
	t->late = now_ms() >= t->by;
	return (TSS2_TCTI_RC_IO_ERROR);
}

/* Until it is ready or patience ends. */
static int
ready(struct tcti *t, short events)
{
	struct pollfd p = { .fd = t->fd, .events = events };
	int64_t left;
	int rc;

	do {
		left = t->by - now_ms();
		rc = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (rc == -1 && errno == EINTR);
	return (rc == 1 ? 0 : -1);
}

static TSS2_RC
transmit(TSS2_TCTI_CONTEXT *ctx, size_t size, const uint8_t *command)
{
	struct tcti *t = (struct tcti *)ctx;
	size_t sent = 0;
	ssize_t n;

	while (sent < size) {
		if (ready(t, POLLOUT) == -1)
			return (failed(t));
		/* An emulator that has gone is no reason to die. */
		n = t->stream ? send(t->fd, command + sent, size - sent,
		    MSG_NOSIGNAL) : write(t->fd, command + sent, size - sent);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0 || (!t->stream && (size_t)n != size))
			return (failed(t));
		sent += (size_t)n;
	}
	secret_wipe(t->response, sizeof(t->response));
	t->have = 0;
	return (TSS2_RC_SUCCESS);
}

/* What the response says of its own size; 0 as long as it says nothing. */
static size_t
told(const struct tcti *t)
{
	const uint8_t *r = t->response;

	return (t->have < HEAD ? 0 : (size_t)r[2] << 24 | (size_t)r[3] << 16 |
	    (size_t)r[4] << 8 | r[5]);
}

static int
fill(struct tcti *t)
{
	ssize_t n;

	while (told(t) == 0 || (t->stream && t->have < told(t))) {
		if (t->have == sizeof(t->response) || ready(t, POLLIN) == -1)
			return (-1);
		n = read(t->fd, t->response + t->have,
		    sizeof(t->response) - t->have);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return (-1);
		t->have += (size_t)n;
	}
	return (t->have == told(t) ? 0 : -1);
}

static TSS2_RC
receive(TSS2_TCTI_CONTEXT *ctx, size_t *size, uint8_t *response,
    int32_t timeout)
{
	struct tcti *t = (struct tcti *)ctx;

	/* Patience is for all of it, not for one response. */
	(void)timeout;
	if (fill(t) == -1)
		return (failed(t));
	if (response != NULL) {
		if (*size < t->have)
			return (TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
		memcpy(response, t->response, t->have);
	}
	*size = t->have;
	return (TSS2_RC_SUCCESS);
}

static void
finalize(TSS2_TCTI_CONTEXT *ctx)
{
	struct tcti *t = (struct tcti *)ctx;

	secret_wipe(t->response, sizeof(t->response));
}

static TSS2_RC
cancel(TSS2_TCTI_CONTEXT *ctx)
{
	(void)ctx;
	return (TSS2_TCTI_RC_NOT_IMPLEMENTED);
}

static TSS2_RC
poll_handles(TSS2_TCTI_CONTEXT *ctx, TSS2_TCTI_POLL_HANDLE *handles,
    size_t *n)
{
	(void)ctx;
	(void)handles;
	(void)n;
	return (TSS2_TCTI_RC_NOT_IMPLEMENTED);
}

static TSS2_RC
set_locality(TSS2_TCTI_CONTEXT *ctx, uint8_t locality)
{
	(void)ctx;
	(void)locality;
	return (TSS2_TCTI_RC_NOT_IMPLEMENTED);
}

void
tcti_init(struct tcti *t, int fd, int stream)
{
	memset(t, 0, sizeof(*t));
	t->common = (TSS2_TCTI_CONTEXT_COMMON_V1){ .magic = MAGIC,
		.version = 1, .transmit = transmit, .receive = receive,
		.finalize = finalize, .cancel = cancel,
		.getPollHandles = poll_handles, .setLocality = set_locality };
	t->fd = fd;
	t->stream = stream;
}

void
tcti_patience(struct tcti *t, int ms)
{
	t->by = now_ms() + ms;
	t->late = 0;
}
