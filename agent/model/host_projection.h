/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_HOST_PROJECTION_H
#define MODEL_HOST_PROJECTION_H

#include "model/object.h"

/* nodeseal.dev/v1alpha1 HostProjection (INTERFACES.md §4). */
struct host_item {
	char *key, *path;
	int mode;			/* -1: the projection's */
};

struct host_source {
	char *name;			/* ExternalSecret, same namespace */
	struct host_item *items;	/* none: all keys */
	size_t nitems;
	int optional;
};

struct host_projection {
	struct object_meta meta;
	char *path;
	struct host_source *sources;
	size_t nsources;
	int mode;			/* 0600 by default */
	uint32_t uid, gid;
	struct json *node_selector;	/* owned; NULL: every node */
};

/* hp_parse: as es_parse.  A path with "..", empty components or control
 * characters is REJECT; whether absolute is allowed is core's decision. */
int hp_parse(const struct json *obj, const char *ns,
    struct host_projection **ret, struct findings *findings, struct err *err);
void hp_free(struct host_projection *hp);

#endif
