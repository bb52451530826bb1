/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_REFS_H
#define CORE_REFS_H

#include "core/catalog.h"

/*
 * refs_add(c, e, keys): add to the set ${keys} the key of every object that
 * the ExternalSecret ${e} depends on, whether it exists or not: its stores and
 * generators, what they refer to, what its templates refer to, its namespace
 * where a store's conditions look at its labels.
 * Not itself and not its target.
 */
void refs_add(const struct catalog *c, const struct entry *e,
    struct strmap *keys);

#endif
