/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SCRAPE_H
#define CORE_SCRAPE_H

#include "core/core_internal.h"

/*
 * --listen with --manifests: nodeseal-link has no API server and serves
 * /metrics, /livez and /readyz alone.  Of the frames of ipc/link.h only those
 * that this takes are used.
 */
struct scrape;

/* scrape_new: with core's report. */
struct scrape *scrape_new(struct core *c);
void scrape_free(struct scrape *s);		/* NULL is fine */
/* scrape_arrived: KEEPER_LINK; ${fd} is taken over. */
int scrape_arrived(struct scrape *s, int fd, struct err *err);

#endif
