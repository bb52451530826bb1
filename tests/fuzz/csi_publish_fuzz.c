/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "csi/csi_internal.h"

/* NodePublishVolumeRequest off the wire.  What is taken lies below the root
 * and came with tokens only for the driver that may have them. */
#define ROOT "/r/pods"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fits(const struct csi_publish *p, int identity)
{
	if (strncmp(p->target_path, ROOT "/", strlen(ROOT) + 1) != 0 ||
	    p->target_path[strlen(ROOT) + 1] == '\0' ||
	    strstr(p->target_path, "/../") || strlen(p->volume_id) == 0 ||
	    strlen(p->volume_id) > 256 || p->group < -1 ||
	    p->group >= UINT32_MAX || (p->tokens && !identity) ||
	    (p->tokens && secret_len(p->tokens) == 0))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	int i;

	if (size)
		memcpy(copy, data, size);
	for (i = 0; i < 2; i++) {
		cleanup_err struct err err = ERR_INIT;
		struct csi_publish *p = NULL;

		if (csi_publish_unpack(copy, size, ROOT, i ?
		    CSI_DRIVER_IDENTITY : CSI_DRIVER, &p, &err) == 0) {
			fits(p, i);
			csi_publish_free(p);
		} else if ((err.kind != ERR_INVALID &&
		    err.kind != ERR_LIMIT) || p)
			abort();
	}
	free(copy);
	return (0);
}
