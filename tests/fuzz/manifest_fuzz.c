/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "job/judge.h"
#include "job/manifests.h"
#include "job/pipeline.h"
#include "tests/fuzz/peer.h"

/*
 * A file of manifests, as the read job, `check` and `render` meet it: apart,
 * judged, and every ExternalSecret run against whatever stands beside it; a
 * store that is elsewhere cannot be reached.
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
	struct pipeline_options opts = { "nodeseal", 1, 0, 1, "", "", 100,
	    0, 0 };
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

/* The same as a file. */
static void
load(struct manifests *m, const uint8_t *data, size_t len)
{
	static int fd = -1;
	static char path[64];
	struct manifests other = { 0 };
	size_t i;

	if (fd == -1) {
		fd = memfd_create("manifests", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) == -1 || pwrite(fd, data, len, 0) !=
	    (ssize_t)len || manifests_load(&other, path, "default", NULL) ==
	    -1 || other.n != m->n || other.nproblems != m->nproblems)
		abort();
	for (i = 0; i < other.n; i++) {
		cleanup_free char *one = manifest_name(&m->v[i]);
		cleanup_free char *two = manifest_name(&other.v[i]);

		if (strcmp(one, two) != 0)
			abort();
	}
	manifests_clear(&other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct manifests m = { 0 };
	struct objects objects;

	manifests_text(&m, "fuzz", (const char *)data, len, "default");
	load(&m, data, len);
	judge_all(&m);
	objects_init(&objects);
	manifests_objects(&m, &objects);
	run_all(&m, &objects);
	objects_clear(&objects);
	manifests_clear(&m);
	return (0);
}
