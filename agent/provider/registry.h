/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_REGISTRY_H
#define PROVIDER_REGISTRY_H

#include "provider/provider.h"

/* The drivers, each exported by its own file. */
extern const struct provider provider_aws;
extern const struct provider provider_fake;
extern const struct provider provider_kubernetes;
extern const struct provider provider_openbao;
extern const struct provider provider_vault;

/* Every key below spec.provider that ESO 2.9 knows, sorted. */
extern const char *const provider_names[];
extern const size_t provider_nnames;

#endif
