/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "ipc/run_config.h"
#include "link/link.h"

/* The metrics server and what it says of this process. */

#define BACKLOG 64
/* The agent before this one may still hold the port. */
#define AGAIN_MS 1000

/* --- the address ----------------------------------------------------- */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	socklen_t len;
};

static int
fill(struct address *a, const char *host, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &a->at.v4.sin_addr) == 1) {
		a->at.v4.sin_family = AF_INET;
		a->at.v4.sin_port = htons(port);
		a->len = sizeof(a->at.v4);
		return (0);
	}
	/* No address: every one, of both kinds. */
	if (*host && inet_pton(AF_INET6, host, &a->at.v6.sin6_addr) != 1)
		return (-1);
	a->at.v6.sin6_family = AF_INET6;
	a->at.v6.sin6_port = htons(port);
	a->len = sizeof(a->at.v6);
	return (0);
}

static int
parse(const char *text, struct address *a, struct err *err)
{
	cleanup_free char *host = NULL;
	uint16_t port;

	if (run_config_listen(text, &host, &port, err) == -1)
		return (-1);
	if (fill(a, host, port) == -1)
		return (err_set(err, ERR_INVALID, "--listen %s: an address is "
		    "wanted, not a name", text));
	return (0);
}

static int
open_socket(const struct address *a, struct err *err)
{
	cleanup_close int fd = socket(a->at.any.sa_family, SOCK_STREAM |
	    SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, off = 0;

	if (fd == -1)
		return (err_sys(err, "socket"));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->at.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, &a->at.any, a->len) == -1 || listen(fd, BACKLOG) == -1)
		return (err_sys(err, "bind"));
	return (fd_steal(&fd));
}

/* A kernel without IPv6: every address is then an IPv4 one. */
static int
open_any(struct address *a, struct err *err)
{
	uint16_t port = ntohs(a->at.v6.sin6_port);
	int any = a->at.any.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&a->at.v6.sin6_addr), fd;

	fd = open_socket(a, err);
	if (fd != -1 || !any || errno != EAFNOSUPPORT)
		return (fd);
	fill(a, "0.0.0.0", port);
	return (open_socket(a, err));
}

/* --- metrics --------------------------------------------------------- */

/* "VERB resource", both of our own making. */
static void
api_metrics(const struct api *a, struct buf *b)
{
	const struct strmap *counts = api_counts(a);
	const char *key, *space;
	size_t i;

	buf_adds(b, "# HELP nodeseal_api_requests_total Requests to the API "
	    "server.\n# TYPE nodeseal_api_requests_total counter\n");
	for (i = strmap_next(counts, 0); i; i = strmap_next(counts, i)) {
		key = strmap_key(counts, i);
		space = strchr(key, ' ');
		if (!space)
			continue;
		buf_addf(b, "nodeseal_api_requests_total{verb=\"%.*s\","
		    "resource=\"%s\"} %llu\n", (int)(space - key), key,
		    space + 1, (unsigned long long)
		    *(const uint64_t *)strmap_val(counts, i));
	}
}

static void
on_metrics(void *arg, struct buf *b)
{
	const struct link *l = arg;

	if (!l->api)
		return;
	api_metrics(l->api, b);
	reports_metrics(l->reports, b);
	events_metrics(l->events, b);
}

static void
on_scrape(void *arg, uint64_t tag)
{
	struct link *l = arg;
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);
	struct link_words m = { .tag = tag };

	m.a = str_dup("");
	m.b = str_dup("");
	m.c = str_dup("");
	link_words_write(&m, &body);
	link_words_clear(&m);
	outbox_frame(l->out, LINK_SCRAPE, &body);
}

/* --- made ------------------------------------------------------------ */

static void
on_again(void *arg)
{
	cleanup_err struct err err = ERR_INIT;
	struct link *l = arg;

	if (serve_begin(l, &err) == -1)
		log_error("%s", err_msg(&err));
}

int
serve_begin(struct link *l, struct err *err)
{
	struct httpd_hooks hooks = { on_scrape, on_metrics, l };
	cleanup_err struct err why = ERR_INIT;
	const char *listen_at = l->options->listen;
	struct address a;
	int fd;

	if (!listen_at)
		return (0);
	if (parse(listen_at, &a, err) == -1)
		return (-1);
	if ((fd = open_any(&a, &why)) == -1) {
		/* Once in the log, not every second. */
		if (!l->listen_timer) {
			log_warn("--listen %s: %s; trying again", listen_at,
			    err_msg(&why));
			l->listen_timer = loop_timer_new(l->loop, on_again, l);
		}
		loop_timer_start(l->listen_timer, AGAIN_MS);
		return (0);
	}
	if (httpd_new(l->loop, fd, &hooks, &l->httpd, err) == -1)
		return (-1);
	httpd_core(l->httpd, 1);
	httpd_ready(l->httpd, l->ready, l->why);
	log_info("metrics on %s", listen_at);
	return (0);
}

void
serve_ready(struct link *l, int ready, const char *why)
{
	l->ready = ready;
	free(l->why);
	l->why = str_dup(why);
	if (l->httpd)
		httpd_ready(l->httpd, ready, why);
}
