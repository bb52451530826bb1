/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "model/es_internal.h"

/*
 * ESO's validating webhook: apis/externalsecrets/v1/externalsecret_validator.go
 * at v2.9.0, rule by rule in its order and with its texts.  Presence is read
 * from the JSON, which still tells absent from empty.
 */

#define TYPE_TOKEN "kubernetes.io/service-account-token"
#define TYPE_BOOTSTRAP "bootstrap.kubernetes.io/token"
#define ANNOTATION_ACCOUNT "kubernetes.io/service-account.name"

static int
has(const struct json *obj, const char *key)
{
	return (json_is(json_get(obj, key), JSON_OBJECT));
}

/* validatePolicies */
static void
policies(const struct external_secret *es, const struct json *spec,
    struct findings *f)
{
	const struct json *node = json_get(spec, "target");

	if (es->deletion == ES_DELETE && (es->creation == ES_MERGE ||
	    es->creation == ES_NONE || es->creation == ES_CREATE_OR_MERGE))
		findings_reject(f, FINDING_WEBHOOK, node,
		    "spec.target.deletionPolicy", "deletionPolicy=Delete must "
		    "not be used when the controller doesn't own the secret. "
		    "Please set creationPolicy=Owner");
	if (es->deletion == ES_DELETION_MERGE && es->creation == ES_NONE)
		findings_reject(f, FINDING_WEBHOOK, node,
		    "spec.target.deletionPolicy", "deletionPolicy=Merge must "
		    "not be used with creationPolicy=None. There is no Secret "
		    "to merge with");
}

/* --- templates ----------------------------------------------------------- */

static const char *
from_target(const struct json *entry)
{
	const char *s = json_str(json_get(entry, "target"));

	return (s == NULL ? "Data" : s);
}

/* validatePrivilegedTemplate: nobody gets a long-lived token of an account
 * that the agent's rights would not give him. */
static void
privileged(const struct es_template *t, const struct json *tmpl,
    struct findings *f)
{
	const struct json *type = json_get(tmpl, "type");

	if (strcmp(t->type, TYPE_BOOTSTRAP) == 0)
		findings_reject(f, FINDING_WEBHOOK, type,
		    "spec.target.template.type",
		    "template.type=\"%s\" is not allowed", TYPE_BOOTSTRAP);
	if (strcmp(t->type, TYPE_TOKEN) != 0)
		return;
	if (t->annotations != NULL &&
	    strmap_has(t->annotations, ANNOTATION_ACCOUNT)) {
		findings_reject(f, FINDING_WEBHOOK, type,
		    "spec.target.template.type", "template.type=\"%s\" with "
		    "annotation \"%s\" is not allowed", TYPE_TOKEN,
		    ANNOTATION_ACCOUNT);
		return;
	}
	for (const struct json *e = json_first(json_get(tmpl, "templateFrom"));
	    e != NULL; e = json_next(e))
		if (strcasecmp(from_target(e), "Annotations") == 0) {
			findings_reject(f, FINDING_WEBHOOK, type,
			    "spec.target.template.type", "template.type=\"%s\" "
			    "with templateFrom target=\"Annotations\" is not "
			    "allowed", TYPE_TOKEN);
			return;
		}
}

/* ValidateSecretTemplateFromTargets */
static void
template_targets(const struct json *tmpl, struct findings *f)
{
	const struct json *e = json_first(json_get(tmpl, "templateFrom"));

	for (size_t i = 0; e != NULL; e = json_next(e), i++) {
		const char *to = from_target(e);
		cleanup_buf struct buf q = BUF_PLAIN(64u << 10);
		cleanup_free char *where = NULL;

		if (to[0] == '\0' || strcasecmp(to, "Data") == 0 ||
		    strcasecmp(to, "Annotations") == 0 ||
		    strcasecmp(to, "Labels") == 0)
			continue;
		go_quote(&q, to);
		where = str_fmt("spec.target.template.templateFrom[%zu].target",
		    i);
		findings_reject(f, FINDING_WEBHOOK, e, where, "templateFrom "
		    "target=%s is not allowed when targeting a Secret, must be "
		    "one of \"Data\", \"Annotations\" or \"Labels\"",
		    buf_str(&q));
	}
}

static int
is_secret_target(const struct external_secret *es, const struct json *spec)
{
	return (!has(json_get(spec, "target"), "manifest") ||
	    (strcmp(es->manifest_api_version, "v1") == 0 &&
	    strcmp(es->manifest_kind, "Secret") == 0));
}

/* --- entries ------------------------------------------------------------- */

/* validateExtractFindGenerator, validateFindExtractSourceRef,
 * validateSourceRef of one dataFrom entry. */
static void
one_source(const struct json *e, const char *where, struct findings *f)
{
	const struct json *source = json_get(e, "sourceRef");
	int generator = has(source, "generatorRef");
	int n = has(e, "find") + has(e, "extract") + generator;

	if (n > 1)
		findings_reject(f, FINDING_WEBHOOK, e, where, "extract, find, "
		    "or generatorRef cannot be set at the same time");
	if (!has(e, "find") && !has(e, "extract") && !has(e, "sourceRef"))
		findings_reject(f, FINDING_WEBHOOK, e, where, "either extract, "
		    "find, or sourceRef must be set to dataFrom");
	if (has(e, "sourceRef") && !generator && !has(source, "storeRef"))
		findings_reject(f, FINDING_WEBHOOK, e, where, "generatorRef or "
		    "storeRef must be set when using sourceRef in dataFrom");
}

static void
sources(const struct json *spec, struct findings *f)
{
	const struct json *e = json_first(json_get(spec, "dataFrom"));

	for (size_t i = 0; e != NULL; e = json_next(e), i++) {
		cleanup_free char *where = str_fmt("spec.dataFrom[%zu]", i);

		one_source(e, where, f);
	}
}

/* validateDuplicateKeys */
static void
duplicate_keys(const struct external_secret *es, const struct json *spec,
    struct findings *f)
{
	const struct json *e = json_first(json_get(spec, "data"));
	cleanup_strmap struct strmap *seen = strmap_new(NULL);

	if (es->deletion != ES_RETAIN)
		return;
	for (size_t i = 0; i < es->ndata; i++) {
		const char *key = es->data[i].secret_key;
		cleanup_free char *where = NULL;

		if (strmap_has(seen, key)) {
			where = str_fmt("spec.data[%zu].secretKey", i);
			findings_reject(f, FINDING_WEBHOOK, e, where,
			    "duplicate secretKey found: %s", key);
		}
		strmap_put(seen, key, seen);
		e = json_next(e);
	}
}

void
es_admission(const struct external_secret *es, const struct json *spec,
    struct findings *f)
{
	policies(es, spec, f);
	if (es->ndata == 0 && es->nfrom == 0)
		findings_reject(f, FINDING_WEBHOOK, spec, "spec",
		    "either data or dataFrom should be specified");
	if (es->tmpl != NULL) {
		const struct json *tmpl = json_path(spec, "target.template");

#ifndef WEAKEN_ADMISSION
		privileged(es->tmpl, tmpl, f);
#endif
		if (is_secret_target(es, spec))
			template_targets(tmpl, f);
	}
	sources(spec, f);
	duplicate_keys(es, spec, f);
}
