/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include "core/catalog.h"
#include "core/core_internal.h"

/*
 * The parts of status (INTERFACES.md §2) that the NodeSeal shows, too; each is
 * the caller's.
 */
struct json *status_item(const struct core *c, const struct item *item);
struct json *status_store(const struct core *c, const struct entry *e);
struct json *status_volumes(const struct core *c);
struct json *status_projections(const struct core *c);
struct json *status_degraded(const struct core *c);

#endif
