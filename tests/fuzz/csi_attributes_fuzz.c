/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "csi/csi_internal.h"

/*
 * volumeAttributes: lines "KEY VALUE", where KEY is a digit that stands for a
 * known name, or anything; the pod's information is there unless the input
 * begins with '!'.  What is taken must be fit for fsproj.
 */
#define PAIRS 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const known[] = {
	"externalSecret", "items", "mode", "optional", "statusFile",
	"csi.storage.k8s.io/pod.name", "csi.storage.k8s.io/pod.namespace",
	"csi.storage.k8s.io/pod.uid", "csi.storage.k8s.io/serviceAccount.name",
	"csi.storage.k8s.io/ephemeral"
};
static const char *const pod[] = { "web-0", "shop", "abc-1", "", "true" };

/* proj_file.path, said another way than the product says it. */
static void
path_fits(const char *path)
{
	cleanup_free char *copy = str_fmt("/%s/", path);

	if (strlen(path) == 0 || strlen(path) > 1024 || path[0] == '/' ||
	    strstr(copy, "/../") || strstr(copy, "/./") ||
	    strstr(copy, "//") || strncmp(path, "..", 2) == 0)
		abort();
}

static void
fits(const struct csi_publish *p)
{
	size_t i, k;

	if (p->nexternal_secrets == 0 || p->nexternal_secrets > 64 ||
	    p->mode < 0 || p->mode > 0777 || (p->nitems > 0) != !!p->items ||
	    p->nitems > 1000 || !p->pod_name || !p->pod_uid ||
	    !p->pod_namespace || !p->service_account)
		abort();
	for (i = 0; i < p->nitems; i++) {
		const struct csi_item *a = &p->items[i];

		path_fits(a->path);
		if (!a->key || a->mode < -1 || a->mode > 0777 ||
		    (!a->external_secret && p->nexternal_secrets > 1))
			abort();
		for (k = 0; k < i && p->nitems < 50; k++)
			if (strcmp(p->items[k].path, a->path) == 0)
				abort();
	}
}

static size_t
split(char *text, const char **keys, const char **values, size_t n)
{
	char *line, *space;
	unsigned i;

	while (n < PAIRS && (line = strsep(&text, "\n"))) {
		space = strchr(line, ' ');
		values[n] = space ? space + 1 : "";
		if (space)
			*space = '\0';
		i = (unsigned)(line[0] - '0');
		keys[n++] = i < ARRAY_LEN(known) && !line[1] ? known[i] :
		    line;
	}
	return (n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *text = str_ndup((const char *)data, size);
	const char *keys[PAIRS], *values[PAIRS];
	char *exact[PAIRS];
	struct csi_publish *p = mem_alloc(sizeof(*p));
	size_t n = 0, i;

	if (size && data[0] != '!')
		for (; n < ARRAY_LEN(pod); n++) {
			keys[n] = known[5 + n];
			values[n] = pod[n];
		}
	n = split(text, keys, values, n);
	/* Each value in memory of its own, so that one byte too far shows. */
	for (i = 0; i < n; i++)
		values[i] = exact[i] = strdup(values[i]);
	if (csi_attributes_parse(keys, values, n, size % 2 ? 5 : -1, p,
	    &err) == 0)
		fits(p);
	else if (err.kind != ERR_INVALID || *err_msg(&err) == '\0')
		abort();
	for (i = 0; i < n; i++)
		free(exact[i]);
	csi_publish_free(p);
	return (0);
}
