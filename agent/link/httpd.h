/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_HTTPD_H
#define LINK_HTTPD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * The microhttpd gate: /metrics, /livez, /readyz (and /healthz as /livez), GET
 * and HEAD.  On the loop, no thread.  At most HTTPD_CONNECTIONS at once and
 * HTTPD_PER_IP from one address, closed after HTTPD_IDLE_S of silence; no
 * request body is read.
 */
#define HTTPD_CONNECTIONS 64
#define HTTPD_PER_IP 32
#define HTTPD_IDLE_S 10
#define HTTPD_SCRAPE_MS 3000	/* for core's part; then 503 */
#define HTTPD_TEXT_MAX ((size_t)16 << 20)
struct httpd;

struct httpd_hooks {
	/* Somebody asks for /metrics: ask core; its text comes with
	 * httpd_scraped.  Scrapes that come meanwhile share it. */
	void (*scrape)(void *arg, uint64_t tag);
	/* Link's own part, appended to core's. */
	void (*metrics)(void *arg, struct buf *out);
	void *arg;
};

/* httpd_new(l, listen_fd, hooks, ret, err): ${listen_fd}, a listening stream
 * socket, is taken over. */
int httpd_new(struct loop *l, int listen_fd, const struct httpd_hooks *hooks,
    struct httpd **ret, struct err *err);
void httpd_free(struct httpd *h);
/* httpd_ready(h, ready, why): LINK_READY; until the first, "starting". */
void httpd_ready(struct httpd *h, int ready, const char *why);
/* httpd_core(h, there): without core, /metrics is link's own part alone, with
 * nodeseal_core_up 0, and /readyz says so. */
void httpd_core(struct httpd *h, int there);
/* httpd_scraped: LINK_SCRAPED; another tag than the last asked is ignored. */
void httpd_scraped(struct httpd *h, uint64_t tag, const char *text);

#endif
