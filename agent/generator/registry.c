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

/* Their specs in a ClusterGenerator, exactly one. */
static const char *const wrapped[] = {
	"acrAccessTokenSpec", "beyondtrustWorkloadCredentialsDynamicSecretSpec",
	"cloudsmithAccessTokenSpec", "ecrAuthorizationTokenSpec",
	"gcrAccessTokenSpec", "githubAccessTokenSpec", "gitlabDeployTokenSpec",
	"grafanaSpec", "mfaSpec", "quayAccessTokenSpec", "sshKeySpec",
	"stsSessionTokenSpec", "vaultDynamicSecretSpec", "webhookSpec",
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

/* --- the schema ---------------------------------------------------------- */

static void
check_cluster(const struct json *spec, const struct field_path *path,
    struct findings *f)
{
	const char *kinds[ARRAY_LEN(known) + 1] = { NULL };
	const struct text_rule kind = { .choices = kinds };
	struct field specs[ARRAY_LEN(wrapped) + ARRAY_LEN(built)];
	const struct record one = { .fields = specs,
		.nfields = ARRAY_LEN(specs), .min_props = 1, .max_props = 1 };
	const struct field fields[] = {
		{ .name = "kind", .type = FIELD_TEXT, .rule = &kind,
		    .flags = FIELD_CHECK | FIELD_REQUIRED },
		{ .name = "generator", .type = FIELD_OBJECT, .record = &one,
		    .flags = FIELD_CHECK | FIELD_REQUIRED },
	};
	const struct record whole = { .fields = fields,
		.nfields = ARRAY_LEN(fields) };
	size_t i, n = 0;

	memcpy(kinds, known, sizeof(known));
	for (i = 0; i < ARRAY_LEN(wrapped); i++)
		specs[n++] = (struct field){ .name = wrapped[i],
			.type = FIELD_KNOWN, .flags = FIELD_CHECK };
	for (i = 0; i < ARRAY_LEN(built); i++)
		specs[n++] = (struct field){ .name = built[i]->cluster_key,
			.type = FIELD_OBJECT, .flags = FIELD_CHECK,
			.record = built[i]->spec };
	record_parse(&whole, spec, path, NULL, f);
}

void
generator_check(const char *kind, const struct json *obj, struct findings *f)
{
	const struct generator *g = generator_find(kind);
	const struct json *spec = json_get(obj, "spec");
	const struct field_path path = { NULL, "spec", 0 };

	if (spec == NULL || json_is(spec, JSON_NULL))
		return;
	if (strcmp(kind, "ClusterGenerator") == 0)
		check_cluster(spec, &path, f);
	else if (g != NULL)
		record_parse(g->spec, spec, &path, NULL, f);
}
