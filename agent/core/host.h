/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include "core/deliver.h"

/* A HostProjection (INTERFACES.md §4) and where it stands. */
struct projection {
	char *key;		/* "ns/name" */
	struct delivery d;	/* when live */
	int live;		/* it owns its path */
	uint64_t seen;		/* generation of the object that it shows */
	char *problem;		/* why it shows nothing, NULL */
	struct due remove_due;
	unsigned remove_failures;
};

#endif
