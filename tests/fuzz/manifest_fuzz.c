/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/judge.h"
#include "job/manifests.h"
#include "job/pipeline.h"

/*
 * A file of manifests, as the read job, `check` and `render` meet it: apart,
 * judged, and every ExternalSecret run against whatever stands beside it.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
judge_all(struct manifests *m)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		struct findings f = { 0 };
		size_t k;

		judge_object(&m->v[i], &f);
		for (k = 0; k < f.n; k++) {
			free(judge_text(&f.v[k]));
			judge_line(&m->v[i], &f.v[k]);
		}
		findings_clear(&f);
	}
}

static void
run_all(struct manifests *m, const struct objects *objects)
{
	struct pipeline_options opts = { "nodeseal", 1, 0, 1, "", "", 100 };
	struct strmap *kinds = strmap_new(NULL);
	struct pipeline *p = pipeline_new(&opts, objects);
	size_t i;

	strmap_put(kinds, "Secret", kinds);
	strmap_put(kinds, "ConfigMap", kinds);
	for (i = 0; i < m->n; i++) {
		const struct object_meta *meta = &m->v[i].meta;
		const struct json *obj = objects_get(objects, meta->kind_name,
		    meta->ns, meta->name);
		struct findings f = { 0 };
		struct pipeline_result r;

		if (obj == NULL)
			continue;
		judge_references(&m->v[i], obj, objects, &opts, kinds, &f);
		findings_clear(&f);
		if (meta->kind != OBJ_EXTERNAL_SECRET)
			continue;
		pipeline_run(p, meta->ns, meta->name, &r);
		pipeline_result_clear(&r);
	}
	pipeline_free(p);
	strmap_free(kinds);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct manifests m = { 0 };
	struct objects objects;

	/* no store that would open a connection */
	if (memmem(data, len, "ault", 4) != NULL ||
	    memmem(data, len, "openBao", 7) != NULL)
		return (0);
	manifests_text(&m, "fuzz", (const char *)data, len, "default");
	judge_all(&m);
	objects_init(&objects);
	manifests_objects(&m, &objects);
	run_all(&m, &objects);
	objects_clear(&objects);
	manifests_clear(&m);
	return (0);
}
