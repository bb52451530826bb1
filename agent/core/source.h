/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SOURCE_H
#define CORE_SOURCE_H

#include "base/json.h"
#include "core/item.h"

/*
 * Where objects come from and where reports go: a folder of manifests, or the
 * API server by way of link.  Objects go into the catalog; then the source
 * says `changed`.
 */
struct source;

struct source_events {
	void (*changed)(void *arg);	/* the catalog has new content */
	void (*synced)(void *arg);	/* once: everything was read once */
	void (*room)(void *arg);	/* it wants a slot: call ops->pump */
	void *arg;
};

struct source_ops {
	/* reread: read everything anew (SIGHUP). */
	void (*reread)(struct source *s);
	/* pump: a slot may be free; start what waits for one.  Nonzero when
	 * something still waits. */
	int (*pump)(struct source *s);
	/* report: the state of an ExternalSecret has changed. */
	void (*report)(struct source *s, const struct item *item);
	/* problems: [{"file","error"}] for status, the caller's. */
	struct json *(*problems)(const struct source *s);
	/* whole: nonzero when nothing is known to be missing or unread, so
	 * that what nobody names any more may be removed. */
	int (*whole)(const struct source *s);
	/* has_list: all objects of that kind in that namespace ("" for the
	 * cluster's) are in the catalog, so that what is not there does not
	 * exist. */
	int (*has_list)(const struct source *s, const char *kind,
	    const char *ns);
	void (*free)(struct source *s);
};

struct source {
	const struct source_ops *ops;
};

#endif
