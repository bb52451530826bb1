/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/secret.h"
#include "csi/csi_internal.h"

#define SAY "volumeAttributes."

void
csi_publish_free(struct csi_publish *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->nexternal_secrets; i++)
		free(p->external_secrets[i]);
	for (i = 0; i < p->nitems; i++) {
		free(p->items[i].key);
		free(p->items[i].path);
		free(p->items[i].external_secret);
	}
	free(p->external_secrets);
	free(p->items);
	free(p->volume_id);
	free(p->target_path);
	free(p->pod_name);
	free(p->pod_namespace);
	free(p->pod_uid);
	free(p->service_account);
	secret_free(p->tokens);
	free(p);
}

const char *
csi_quote_into(char out[static CSI_QUOTE_SIZE], const char *s)
{
	size_t i;

	out[0] = '"';
	for (i = 0; s[i] && i < 80; i++)
		out[i + 1] = (uint8_t)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
	/* Not in the middle of a character. */
	if (s[i])
		while (i && ((uint8_t)s[i] & 0xc0) == 0x80)
			i--;
	strcpy(out + i + 1, s[i] ? "...\"" : "\"");
	return (out);
}

int
csi_name_ok(const char *s, size_t max)
{
	size_t i, len = strlen(s);

	if (len == 0 || len > max)
		return (0);
	for (i = 0; i < len; i++) {
		if ((s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= '0' && s[i] <= '9'))
			continue;
		if ((s[i] != '-' && s[i] != '.') || i == 0 || i == len - 1 ||
		    (s[i] == '.' && (s[i - 1] == '.' || s[i - 1] == '-')) ||
		    (s[i] == '-' && s[i - 1] == '.'))
			return (0);
	}
	return (1);
}

int
csi_mode_parse(const char *s)
{
	int v = 0;
	size_t i;

	for (i = 0; s[i]; i++) {
		if (s[i] < '0' || s[i] > '7' || i == 4)
			return (-1);
		v = v * 8 + (s[i] - '0');
	}
	return (i == 0 || v > 0777 ? -1 : v);
}

/* --- the attributes' own values ----------------------------------------- */

static int
names_add(struct csi_publish *p, char *name, struct err *err)
{
	size_t i;

	if (!csi_name_ok(name, 253))
		return (err_set(err, ERR_INVALID, SAY "externalSecret: %s is "
		    "not the name of an ExternalSecret: write names of "
		    "objects in the pod's namespace, with commas between",
		    csi_quote(name)));
	for (i = 0; i < p->nexternal_secrets; i++)
		if (strcmp(p->external_secrets[i], name) == 0)
			return (err_set(err, ERR_INVALID, SAY "externalSecret:"
			    " %s is there twice: name it once",
			    csi_quote(name)));
	if (p->nexternal_secrets == CSI_NAMES_MAX)
		return (err_set(err, ERR_INVALID, SAY "externalSecret: more "
		    "than %d names: use several volumes", CSI_NAMES_MAX));
	p->external_secrets[p->nexternal_secrets++] = str_dup(name);
	return (0);
}

static int
set_names(struct csi_publish *p, const char *value, struct err *err)
{
	cleanup_free char *text = str_dup(value);
	char *s = text, *comma, *end;

	p->external_secrets = mem_array(CSI_NAMES_MAX, sizeof(char *));
	for (;; s = comma + 1) {
		comma = strchr(s, ',');
		end = comma ? comma : s + strlen(s);
		while (*s == ' ')
			s++;
		while (end > s && end[-1] == ' ')
			end--;
		*end = '\0';
		if (names_add(p, s, err) == -1)
			return (-1);
		if (!comma)
			return (0);
	}
}

static int
set_mode(struct csi_publish *p, const char *value, struct err *err)
{
	p->mode = csi_mode_parse(value);
	if (p->mode == -1)
		return (err_set(err, ERR_INVALID, SAY "mode: %s is not an "
		    "octal mode from 0000 to 0777: write it like \"0640\"",
		    csi_quote(value)));
	return (0);
}

static int
truth(const char *name, int *ret, const char *value, struct err *err)
{
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return (err_set(err, ERR_INVALID, SAY "%s: %s is neither "
		    "\"true\" nor \"false\": write one of them", name,
		    csi_quote(value)));
	*ret = value[0] == 't';
	return (0);
}

static int
set_optional(struct csi_publish *p, const char *value, struct err *err)
{
	return (truth("optional", &p->optional, value, err));
}

static int
set_status_file(struct csi_publish *p, const char *value, struct err *err)
{
	return (truth("statusFile", &p->status_file, value, err));
}

/* --- what the kubelet adds (podInfoOnMount) ----------------------------- */

static int
pod_info(char **ret, const char *key, const char *value, int ok,
    struct err *err)
{
	if (!ok)
		return (err_set(err, ERR_INVALID, "volume_context[\"%s\"]: %s "
		    "is not what a kubelet sends", key, csi_quote(value)));
	*ret = str_dup(value);
	return (0);
}

static int
set_pod_name(struct csi_publish *p, const char *value, struct err *err)
{
	return (pod_info(&p->pod_name, CSI_RESERVED "pod.name", value,
	    csi_name_ok(value, 253), err));
}

static int
set_pod_namespace(struct csi_publish *p, const char *value, struct err *err)
{
	return (pod_info(&p->pod_namespace, CSI_RESERVED "pod.namespace",
	    value, csi_name_ok(value, 63) && !strchr(value, '.'), err));
}

static int
set_pod_uid(struct csi_publish *p, const char *value, struct err *err)
{
	/* A UUID; a hash in hex for a static pod. */
	return (pod_info(&p->pod_uid, CSI_RESERVED "pod.uid", value,
	    csi_name_ok(value, 128) && !strchr(value, '.'), err));
}

static int
set_account(struct csi_publish *p, const char *value, struct err *err)
{
	/* Empty for a static pod. */
	return (pod_info(&p->service_account, CSI_RESERVED
	    "serviceAccount.name", value,
	    *value == '\0' || csi_name_ok(value, 253), err));
}

static int
set_ephemeral(struct csi_publish *p, const char *value, struct err *err)
{
	(void)p;
	if (strcmp(value, "true") != 0)
		return (err_set(err, ERR_INVALID, "volume_context[\""
		    CSI_RESERVED "ephemeral\"]: this driver serves inline "
		    "volumes only: use spec.volumes[].csi in the pod, not a "
		    "PersistentVolume"));
	return (0);
}

#define NAME(s) s, sizeof(s) - 1

static const struct attribute {
	const char *name;
	size_t len;
	int (*set)(struct csi_publish *, const char *, struct err *);
	const char *missing;	/* what to say without it; NULL: optional */
} attributes[] = {
	{ NAME(CSI_RESERVED "ephemeral"), set_ephemeral,
	    "set podInfoOnMount: true in the CSIDriver object" },
	{ NAME(CSI_RESERVED "pod.name"), set_pod_name,
	    "set podInfoOnMount: true in the CSIDriver object" },
	{ NAME(CSI_RESERVED "pod.namespace"), set_pod_namespace,
	    "set podInfoOnMount: true in the CSIDriver object" },
	{ NAME(CSI_RESERVED "pod.uid"), set_pod_uid,
	    "set podInfoOnMount: true in the CSIDriver object" },
	{ NAME(CSI_RESERVED "serviceAccount.name"), set_account,
	    "set podInfoOnMount: true in the CSIDriver object" },
	{ NAME("externalSecret"), set_names,
	    "name the ExternalSecret whose keys become files" },
	{ NAME("mode"), set_mode, NULL },
	{ NAME("optional"), set_optional, NULL },
	{ NAME("statusFile"), set_status_file, NULL },
	/* Last: wants the names. */
	{ NAME("items"), csi_items_parse, NULL },
};

static int
unknown(const char *key, struct err *err)
{
	static const char *const names[] = { "externalSecret", "items", "mode",
	    "optional", "statusFile" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (strcasecmp(key, names[i]) == 0)
			return (err_set(err, ERR_INVALID, SAY "%s: unknown "
			    "attribute: did you mean \"%s\"?",
			    csi_quote(key), names[i]));
	return (err_set(err, ERR_INVALID, SAY "%s: unknown "
	    "attribute: remove it; known are externalSecret, items, mode, "
	    "optional, statusFile", csi_quote(key)));
}

static int
is_reserved(const char *key)
{
	return (strncmp(key, CSI_RESERVED, strlen(CSI_RESERVED)) == 0);
}

/* The row of ${key}, or ARRAY_LEN(attributes). */
static size_t
find(const char *key)
{
	size_t i, len = strlen(key);

	for (i = 0; i < ARRAY_LEN(attributes); i++)
		if (attributes[i].len == len &&
		    memcmp(attributes[i].name, key, len) == 0)
			break;
	return (i);
}

/* The values in the table's order, NULL where there is none. */
static int
sort_values(const char *const *keys, const char *const *values, size_t n,
    const char *ret[static ARRAY_LEN(attributes)], struct err *err)
{
	const char *twice = NULL;
	size_t i, row;

	for (i = 0; i < n; i++) {
		row = find(keys[i]);
		/* What a newer kubelet may add stays its own business. */
		if (row == ARRAY_LEN(attributes)) {
			if (!is_reserved(keys[i]))
				return (unknown(keys[i], err));
		} else if (ret[row])
			twice = keys[i];	/* which a map cannot be */
		else
			ret[row] = values[i];
	}
	if (twice)
		return (err_set(err, ERR_INVALID, SAY "%s: is there twice: "
		    "give it once", twice));
	return (0);
}

int
csi_attributes_parse(const char *const *keys, const char *const *values,
    size_t n, int64_t group, struct csi_publish *ret, struct err *err)
{
	const char *sorted[ARRAY_LEN(attributes)] = { NULL };
	const struct attribute *a;
	size_t i;

	if (sort_values(keys, values, n, sorted, err) == -1)
		return (-1);
	ret->group = group;
	ret->mode = group >= 0 ? 0640 : 0644;
	for (i = 0; i < ARRAY_LEN(attributes); i++) {
		a = &attributes[i];
		if (!sorted[i] && a->missing)
			return (err_set(err, ERR_INVALID, "%s%s: is missing: "
			    "%s", is_reserved(a->name) ?
			    "volume_context " : SAY,
			    a->name, a->missing));
		if (sorted[i] && a->set(ret, sorted[i], err) == -1)
			return (-1);
	}
	return (0);
}
