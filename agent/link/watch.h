/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_WATCH_H
#define LINK_WATCH_H

#include <stdint.h>

#include "base/json.h"
#include "base/loop.h"
#include "kube/resource.h"
#include "link/api.h"

/*
 * One list and the watch behind it, for as long as somebody wants it
 * (Kubernetes API concepts: "Efficient detection of changes").  A list comes in
 * pages; a watch goes on from the list's resourceVersion, with bookmarks, and
 * is begun anew where it ended; after 410 everything is listed again.  What
 * fails is tried again by itself, later and later, with jitter.
 *
 * Nothing of an object is kept but its name and what its owner knows it by.
 */
struct watch;

#define WATCH_KNOWN 16

struct watch_spec {
	const struct kube_resource *resource;
	const char *ns;			/* "" all, or cluster-scoped */
	const char *name;		/* one object alone; NULL: all */
	const char *field_selector;	/* NULL: none; unescaped */
	const char *label_selector;
	int meta;			/* ask for metadata alone */
	int from_cache;			/* the list may be a little old, if that
					 * spares the server a look at all
					 * objects (pods by node) */
};

struct watch_handlers {
	/* An object that is there.  ${known}, zeros for one that was not there
	 * before, is the callee's to keep a digest in; ${o} may be changed. */
	void (*object)(void *arg, struct json *o, const char *ns,
	    const char *name, uint8_t known[static WATCH_KNOWN]);
	void (*gone)(void *arg, const char *ns, const char *name);
	/* A whole list has been told. */
	void (*listed)(void *arg);
	/* It cannot be had (kind and text), until NULL.  Never frees. */
	void (*problem)(void *arg, const struct err *err);
};

/* All texts of ${spec} are copied, ${h} is borrowed.  Nothing is called before
 * it has returned. */
struct watch *watch_new(struct loop *l, struct api *a,
    const struct watch_spec *spec, const struct watch_handlers *h, void *arg);
/* Fine in its own callbacks. */
void watch_free(struct watch *w);
int watch_listed(const struct watch *w);	/* at least once */
int watch_knows_any(const struct watch *w);
/* watch_again(w): everything is told anew, as at first. */
void watch_again(struct watch *w);

#endif
