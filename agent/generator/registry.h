/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GENERATOR_REGISTRY_H
#define GENERATOR_REGISTRY_H

#include "generator/generator.h"

extern const struct generator generator_fake;
extern const struct generator generator_password;
extern const struct generator generator_uuid;

#endif
