/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_VOLUME_H
#define CORE_VOLUME_H

#include "core/deliver.h"
#include "csi/csi.h"

/* A CSI volume: what was published, or is being. */
struct volume {
	char *id;
	struct delivery d;
	char *pod_ns, *pod, *pod_uid;
	struct csi_call *call;		/* a publish that waits, NULL */
	struct csi_call *gone;		/* an unpublish that waits, NULL */
	struct due deadline;
	int64_t asked_at;		/* boot ms of the publish that waits */
	int waiting;			/* its items know of it */
	int noted;			/* see volume_notes.c */
};

/* volume_publish, volume_unpublish: struct csi_backend's. */
void volume_publish(struct core *c, struct csi_publish *p,
    struct csi_call *call);
void volume_unpublish(struct core *c, const char *id, const char *path,
    struct csi_call *call);
/* volume_known(c, id, path): a volume of ours, of an earlier process, too. */
int volume_known(const struct core *c, const char *id, const char *path);

/* volume_begin: a volume without pod and sources; attached when it was found.
 * Strings are copied. */
struct volume *volume_begin(struct core *c, const char *id, const char *path,
    const char *claim);

#endif
