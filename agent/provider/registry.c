/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "provider/provider.h"
#include "provider/registry.h"

/* What is built: one line each. */
static const struct provider *const built[] = {
	&provider_aws,
	&provider_fake,
	&provider_kubernetes,
	&provider_openbao,
	&provider_vault,
};

/* Every key below spec.provider of ESO 2.9.0 (its SecretStore CRD, v1). */
const char *const provider_names[] = {
	"akeyless", "aws", "azurekv", "barbican", "beyondtrust",
	"beyondtrustworkloadcredentials", "bitwardensecretsmanager", "chef",
	"cloudrusm", "conjur", "crd", "delinea", "doppler", "dvls", "fake",
	"fortanix", "gcpsm", "github", "gitlab", "ibm", "infisical",
	"keepersecurity", "kubernetes", "nebiusmysterybox", "ngrok",
	"onboardbase", "onepassword", "onepasswordSDK", "openBao", "oracle",
	"ovh", "passbolt", "passworddepot", "previder", "pulumi", "scaleway",
	"secretserver", "senhasegura", "vault", "volcengine", "webhook",
	"yandexcertificatemanager", "yandexlockbox",
};
const size_t provider_nnames = ARRAY_LEN(provider_names);

const struct provider *
provider_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(built); i++)
		if (strcmp(built[i]->name, name) == 0)
			return (built[i]);
	return (NULL);
}

const struct provider *const *
provider_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(built);
	return (built);
}

int
provider_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(provider_names); i++)
		if (strcmp(provider_names[i], name) == 0)
			return (1);
	return (0);
}
