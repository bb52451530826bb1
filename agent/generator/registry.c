/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "generator/generator.h"
#include "generator/registry.h"

static const struct generator *const built[] = {
	&generator_fake,
	&generator_password,
	&generator_uuid,
};

/* The enum of spec.dataFrom[].sourceRef.generatorRef.kind (ESO 2.9,
 * config/crds/bases/external-secrets.io_externalsecrets.yaml), without
 * ClusterGenerator, which is a wrapper. */
static const char *const known[] = {
	"ACRAccessToken", "BeyondtrustWorkloadCredentialsDynamicSecret",
	"CloudsmithAccessToken", "ECRAuthorizationToken", "Fake",
	"GCRAccessToken", "GithubAccessToken", "GitlabDeployToken",
	"QuayAccessToken", "Password", "SSHKey", "STSSessionToken", "UUID",
	"VaultDynamicSecret", "Webhook", "Grafana", "MFA",
};

const struct generator *
generator_find(const char *kind)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(built); i++) {
		if (strcmp(built[i]->kind, kind) == 0)
			return (built[i]);
	}
	return (NULL);
}

int
generator_known(const char *kind)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i], kind) == 0)
			return (1);
	}
	return (0);
}
