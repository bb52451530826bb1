/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_MANIFESTS_H
#define JOB_MANIFESTS_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/yaml.h"
#include "model/object.h"

/*
 * Objects out of manifests: files of YAML or JSON documents, Lists taken apart.
 */
struct manifest {
	struct object_meta meta;
	struct json *obj;	/* owned; NULL when taken, or set aside */
	const char *file;	/* borrowed from the set */
	int line;
	const char *text;	/* of what was set aside, borrowed likewise */
	size_t len;
	int text_line;
};

struct manifest_problem {
	const char *file;
	int line;		/* 0: the whole file */
	char *object;		/* "ns/name", or "" */
	char *text;
	int fatal;		/* the file, or the object, is of no use */
};

struct manifests {
	char **files;
	size_t nfiles;
	struct manifest *v;
	size_t n;
	struct manifest_problem *problems;
	size_t nproblems;
	/* Of ExternalSecrets, keep their text alone (see manifest_read):
	 * set before loading. */
	int set_aside;
	struct buf *texts;	/* of the files in which they are */
	size_t ntexts;
};

#define MANIFESTS_MAX 200000		/* objects in a call */
#define MANIFESTS_FILES_MAX 10000

/**
 * manifests_text(m, file, text, len, ns):
 * Add the objects of one text.  ${ns} for namespaced objects that name none.
 * What does not parse, is no object or occurs twice is a problem.  With
 * set_aside ${text} has to live as long as ${m}.
 */
void manifests_text(struct manifests *m, const char *file, const char *text,
    size_t len, const char *ns);

/**
 * manifests_load(m, path, ns, err):
 * Add a file, every *.yaml, *.yml and *.json directly in a directory (by
 * name), or standard input ("-").  -1 when the path cannot be read at all.
 */
int manifests_load(struct manifests *m, const char *path, const char *ns,
    struct err *err);

/* manifest_read(one): an ExternalSecret that was set aside, the caller's; NULL
 * when ${one} was not. */
struct json *manifest_read(const struct manifest *one);
/* manifest_name(one): "ns/name", or the name alone; the caller's. */
char *manifest_name(const struct manifest *m);
/* manifests_objects(m, objects): hand every object over, later ones win; the
 * entries keep their meta. */
void manifests_objects(struct manifests *m, struct objects *objects);
void manifests_clear(struct manifests *m);

#endif
