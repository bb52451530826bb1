/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "job/manifests.h"
#include "job/output.h"
#include "job/pipeline.h"
#include "job/words.h"
#include "net/http.h"
#include "seal/box.h"

static const char help[] =
    "usage: nodeseal render -f FILE|DIR|- … [FLAG …]\n"
    "\n"
    "Runs the pipeline once for every ExternalSecret in the manifests and\n"
    "prints the Secrets.  Needs no agent and no cluster; stores, ConfigMaps,\n"
    "Secrets, generators and existing targets come from the same files.\n"
    "\n"
    "  -f PATH               file, folder, or - for standard input, repeatable"
    "\n"
    "  -o yaml|json|report   Secrets, one List, or a JSON line for each\n"
    "                        ExternalSecret (yaml)\n"
    "  -n NAMESPACE          for objects that name none (default)\n"
    "  --class NAME          stores with this spec.controller, and those\n"
    "                        without one (nodeseal)\n"
    "  --generic-targets     allow spec.target.manifest\n"
    "  --template-left-delimiter, --template-right-delimiter TEXT\n"
    "  --allow-ambient-identity\n"
    "\n"
    "What failed is said on standard error as NAMESPACE/NAME: REASON: text.\n"
    "Exit status: 0 all done, 1 something failed, 2 wrong use.\n";

/* One line, or more where ESO's own text has more. */
static void
complain(const char *ns, const char *name, const struct pipeline_result *r)
{
	if (r->outcome == JOB_REJECTED)
		fprintf(stderr, "%s/%s: Rejected: %s\n", ns, name,
		    r->rejected);
	else if (r->outcome == JOB_FAILED)
		fprintf(stderr, "%s/%s: %s: %s\n", ns, name, r->reason,
		    r->error);
}

static int
run_one(struct pipeline *p, const struct manifest *last,
    struct output_stream *out)
{
	const struct object_meta *meta = &last->meta;
	cleanup_json struct json *obj = manifest_read(last);
	struct pipeline_result r;
	int failed;

	if (obj != NULL)
		pipeline_run_object(p, obj, meta->ns, meta->name, &r);
	else
		pipeline_run(p, meta->ns, meta->name, &r);
	output_result(out, meta->ns, meta->name, &r);
	complain(meta->ns, meta->name, &r);
	failed = r.outcome == JOB_FAILED || r.outcome == JOB_REJECTED;
	pipeline_result_clear(&r);
	return (failed);
}

/* In the order in which names occur first; of two of one name the last one
 * counts. */
static int
run_all(const struct words *w, struct manifests *m,
    const struct objects *objects, struct output_stream *out)
{
	struct pipeline_options opts = { w->class_name, 1, w->allow_ambient,
		w->generic_targets, w->delim_left, w->delim_right, 0, 0, 0 };
	struct pipeline *p = pipeline_new(&opts, objects);
	struct strmap *last = strmap_new(NULL);
	int failed = 0;
	size_t i;

	for (i = 0; i < m->n; i++) {
		const struct object_meta *meta = &m->v[i].meta;
		cleanup_free char *key = NULL;

		if (meta->kind != OBJ_EXTERNAL_SECRET)
			continue;
		key = object_key(meta->kind_name, meta->ns, meta->name);
		strmap_put(last, key, &m->v[i]);
	}
	/* A map keeps the order of first insertion. */
	for (i = strmap_next(last, 0); i != 0; i = strmap_next(last, i))
		failed |= run_one(p, strmap_val(last, i), out);
	strmap_free(last);
	pipeline_free(p);
	return (failed);
}

/* What cannot be read is said and counts; the rest goes on. */
static int
load_all(const struct words *w, struct manifests *m)
{
	int failed = 0;
	size_t i;

	for (i = 0; i < w->npaths; i++) {
		cleanup_err struct err err = ERR_INIT;

		if (manifests_load(m, w->paths[i], w->ns, &err) == -1) {
			fprintf(stderr, "nodeseal render: %s\n",
			    err_msg(&err));
			failed = 1;
		}
	}
	for (i = 0; i < m->nproblems; i++) {
		if (!m->problems[i].fatal)
			continue;
		fprintf(stderr, "%s:%d: %s\n", m->problems[i].file,
		    m->problems[i].line, m->problems[i].text);
		failed = 1;
	}
	return (failed);
}

static int
render(const struct words *w, struct err *err)
{
	struct manifests m = { .set_aside = 1 };
	struct output_stream out;
	struct objects objects;
	int failed;

	if (seal_init(err) == -1 || http_global(err) == -1)
		return (-1);
	objects_init(&objects);
	failed = load_all(w, &m);
	manifests_objects(&m, &objects);
	output_begin(&out, STDOUT_FILENO, w->output);
	failed |= run_all(w, &m, &objects, &out);
	if (output_end(&out, err) == -1)
		failed = -1;
	objects_clear(&objects);
	manifests_clear(&m);
	return (failed);
}

int
render_command(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct words w;
	int rc;

	if (words_parse(argc, argv, 1, &w, &err) == -1) {
		fprintf(stderr, "nodeseal render: %s\n", err_msg(&err));
		return (2);
	}
	if (w.help) {
		fputs(help, stdout);
		words_clear(&w);
		return (0);
	}
	rc = render(&w, &err);
	words_clear(&w);
	if (rc == -1)
		fprintf(stderr, "nodeseal render: %s\n", err_msg(&err));
	return (rc == 0 ? 0 : 1);
}
