/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/http.h"

/*
 * The HTTP client around libcurl, against peers that say what the input says.
 * The first byte chooses the request; then what each connection brings,
 * divided by "\n%%\n" (two parts without anything between: refused).  There is
 * no network: connect() is ours, and gives one end of a pair of sockets.
 */
#define PEERS 6
#define ANSWER_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const uint8_t *data;
	size_t left;
	int sock[PEERS];
	size_t n;
} peers;

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* What the next connection brings; NULL behind the last. */
static const uint8_t *
next_part(size_t *len)
{
	const uint8_t *part = peers.data, *end;

	if (!part)
		return (NULL);
	end = memmem(part, peers.left, "\n%%\n", 4);
	*len = end ? (size_t)(end - part) : peers.left;
	peers.data = end ? end + 4 : NULL;
	peers.left -= end ? *len + 4 : *len;
	return (part);
}

/* In the place of libc's, for libcurl. */
int
connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	const uint8_t *part;
	size_t len = 0;
	int pair[2];

	require(addr && addrlen > 0);
	part = peers.n < PEERS ? next_part(&len) : NULL;
	if (!part || len == 0) {
		errno = ECONNREFUSED;
		return (-1);
	}
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, pair) == 0);
	require(send(pair[1], part, len, MSG_NOSIGNAL) == (ssize_t)len);
	shutdown(pair[1], SHUT_WR);
	require(dup2(pair[0], fd) == fd);
	close(pair[0]);
	peers.sock[peers.n++] = pair[1];
	return (0);
}

/* Nobody waits between two tries. */
int
nanosleep(const struct timespec *wanted, struct timespec *left)
{
	require(wanted->tv_sec < 1);
	if (left)
		*left = (struct timespec){ 0, 0 };
	return (0);
}

static void
fits(int rc, const struct http_response *resp, const struct err *err)
{
	if (rc == 0) {
		require(resp->status >= 0 && resp->status < 1000);
		require(resp->body.len <= 4096 && resp->content_type &&
		    resp->index);
		return;
	}
	require(err->kind != ERR_NONE && *err_msg(err));
	require(resp->status == 0 && resp->body.len == 0);
	/* Not a byte of what came. */
	require(!strstr(err_msg(err), "SECRET"));
}

static void
request(struct http_client *c, unsigned how)
{
	static const char *const methods[] = { "GET", "LIST", "PUT", "POST" };
	cleanup_secret struct secret *token = secret_new("t", 1);
	cleanup_secret struct secret *body = secret_new("{\"a\":1}", 7);
	const struct http_header h[] = {
		{ "X-Vault-Token", NULL, token },
		{ how & 32 ? "X\n" : "X-Empty", how & 64 ? "a\nb" : "", NULL },
	};
	struct http_request req = { .method = methods[how % 4],
	    .path = how & 16 ? "/v1/a b" : "/v1/a?list=true", .headers = h,
	    .nheaders = how & 96 ? 2 : 1, .body = how & 2 ? body : NULL,
	    .timeout_ms = 900, .once = !(how & 8) };
	cleanup_http_response struct http_response resp;
	cleanup_err struct err err = ERR_INIT;

	fits(http_do(c, &req, &resp, &err), &resp, &err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_options opts = { .response_max = 4096,
	    .max_retries = 2, .retry_min_ms = 1, .retry_max_ms = 1 };
	struct http_client *c;
	size_t i;

	if (size < 2 || size > ANSWER_MAX)
		return (0);
	if (data[0] & 128)
		setenv("HTTP_PROXY", "http://127.0.0.1:3128", 1);
	else
		unsetenv("HTTP_PROXY");
	peers.data = data + 1;
	peers.left = size - 1;
	peers.n = 0;
	require(http_client_new("http://127.0.0.1:8200/base", &opts, &c, NULL)
	    == 0);
	require(strcmp(http_client_host(c), "127.0.0.1:8200") == 0);
	request(c, data[0]);
	/* The connection may still be there. */
	request(c, data[0] & 4 ? 0 : 3);
	require(http_client_requests(c) <= 24);
	http_client_free(c);
	for (i = 0; i < peers.n; i++)
		close(peers.sock[i]);
	return (0);
}
