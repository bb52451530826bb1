/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_JUDGE_H
#define JOB_JUDGE_H

#include "job/manifests.h"
#include "job/pipeline.h"
#include "model/object.h"

/*
 * What is wrong with one object by itself: schema, admission rules, unknown
 * fields, what this version cannot do.  For `check` and for the read job.
 */
void judge_object(const struct manifest *m, struct findings *f);

/* judge_text(finding): "field: what: remedy" on one line; the caller's. */
char *judge_text(const struct finding *f);
/* judge_line(m, finding): where to look. */
int judge_line(const struct manifest *m, const struct finding *f);

/**
 * judge_references(m, objects, opts, kinds, f):
 * Names in ${m} behind which nothing stands in ${objects}.  Secrets and
 * ConfigMaps are looked for only when their kind is among ${kinds} (a set of
 * kind names): a cluster may have what the files have not.  Templates that need
 * an engine are told here, too.
 */
void judge_references(const struct manifest *m, const struct json *obj,
    const struct objects *objects, const struct pipeline_options *opts,
    const struct strmap *kinds, struct findings *f);

#endif
