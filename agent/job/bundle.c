/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "job/bundle.h"
#include "job/fetch.h"
#include "job/judge.h"
#include "job/manifests.h"
#include "job/words.h"
#include "model/head.h"
#include "net/http.h"

#define SEND_TIMEOUT_MS 60000

struct maker {
	int fd;
	uint8_t key[BOX_KEY_LEN];
	struct stream stream;
	struct words words;
	struct manifests manifests;
	struct objects objects;
	struct strmap *last;	/* key -> the manifest that counts */
};

/* --- objects ------------------------------------------------------------ */

static int
is_carried(enum object_kind kind)
{
	return (kind == OBJ_EXTERNAL_SECRET || kind == OBJ_SECRET_STORE ||
	    kind == OBJ_CLUSTER_SECRET_STORE || kind == OBJ_HOST_PROJECTION);
}

/* What a cluster would refuse is not sent out to nodes. */
static int
refused(const struct manifest *m)
{
	struct findings f = { 0 };
	const struct finding *first;

	judge_object(m, &f);
	first = findings_first(&f, FINDING_REJECT);
	if (first != NULL) {
		cleanup_free char *text = judge_text(first);
		cleanup_free char *name = manifest_name(m);

		fprintf(stderr, "%s:%d: %s: Rejected: %s\n", m->file,
		    judge_line(m, first), name, text);
	}
	findings_clear(&f);
	return (first != NULL);
}

static int
send_object(struct maker *k, const struct manifest *m, struct err *err)
{
	cleanup_json struct json *h = head_make(m->obj, m->meta.kind);
	cleanup_buf struct buf head = BUF_PLAIN(JOB_ITEM_MAX);
	cleanup_buf struct buf out = BUF_PLAIN(JOB_ITEM_MAX);
	struct job_object o = { 0 };

	json_print(h, &head, 0);
	if (buf_finish(&head, m->meta.kind_name, err) == -1)
		return (-1);
	o.kind = str_dup(m->meta.kind_name);
	o.ns = str_dup(m->meta.ns);
	o.name = str_dup(m->meta.name);
	o.head = buf_take(&head);
	o.rejected = str_dup("");
	job_object_write(&o, &out);
	job_object_clear(&o);
	if (buf_finish(&out, m->meta.kind_name, err) == -1)
		return (-1);
	return (frame_send(k->fd, JOB_OBJECT, out.data, out.len, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

/* Of two of one name the last one counts, in the first one's place. */
static void
pick(struct maker *k)
{
	struct manifests *m = &k->manifests;
	size_t i;

	for (i = 0; i < m->n; i++) {
		cleanup_free char *key = object_key(m->v[i].meta.kind_name,
		    m->v[i].meta.ns, m->v[i].meta.name);

		if (is_carried(m->v[i].meta.kind))
			strmap_put(k->last, key, &m->v[i]);
	}
}

/* 1: something is refused. */
static int
send_objects(struct maker *k, struct err *err)
{
	int failed = 0;
	size_t i;

	for (i = strmap_next(k->last, 0); i != 0;
	    i = strmap_next(k->last, i)) {
		const struct manifest *m = strmap_val(k->last, i);

		if (refused(m))
			failed = 1;
		else if (send_object(k, m, err) == -1)
			return (-1);
	}
	return (failed);
}

/* --- values ------------------------------------------------------------- */

static void
complain(const struct object_meta *m, const struct pipeline_result *r)
{
	if (r->outcome == JOB_REJECTED)
		fprintf(stderr, "%s/%s: Rejected: %s\n", m->ns, m->name,
		    r->rejected);
	else if (r->outcome == JOB_FAILED)
		fprintf(stderr, "%s/%s: %s: %s\n", m->ns, m->name, r->reason,
		    r->error);
}

static int
send_value(struct maker *k, struct pipeline *p, const struct object_meta *m,
    uint32_t index, struct err *err)
{
	struct pipeline_result r;
	int rc;

	pipeline_run(p, m->ns, m->name, &r);
	complain(m, &r);
	rc = fetch_answer(k->fd, index, &r, &k->stream, err);
	pipeline_result_clear(&r);
	return (rc);
}

static int
send_values(struct maker *k, struct err *err)
{
	const struct words *w = &k->words;
	struct pipeline_options opts = { .class_name = w->class_name,
		.claim_unclassed = 1, .allow_ambient = w->allow_ambient,
		.generic_targets = w->generic_targets,
		.delim_left = w->delim_left, .delim_right = w->delim_right,
		.files = 1 };
	struct pipeline *p = pipeline_new(&opts, &k->objects);
	uint32_t index = 0;
	size_t i;
	int rc = 0;

	for (i = strmap_next(k->last, 0); i != 0 && rc == 0;
	    i = strmap_next(k->last, i)) {
		const struct manifest *m = strmap_val(k->last, i);

		if (m->meta.kind == OBJ_EXTERNAL_SECRET)
			rc = send_value(k, p, &m->meta, index++, err);
	}
	pipeline_free(p);
	return (rc);
}

/* --- all of it ---------------------------------------------------------- */

static int
load(struct maker *k)
{
	struct manifests *m = &k->manifests;
	int failed = 0;
	size_t i;

	for (i = 0; i < k->words.npaths; i++) {
		cleanup_err struct err err = ERR_INIT;

		if (manifests_load(m, k->words.paths[i], k->words.ns,
		    &err) == -1) {
			fprintf(stderr, "nodeseal bundle create: %s\n",
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
send_all(struct maker *k, struct err *err)
{
	cleanup_buf struct buf hello = BUF_PLAIN(STREAM_HELLO_LEN);
	int rc;

	if (load(k))
		return (1);
	pick(k);
	if (stream_begin(&k->stream, k->key, &hello, err) == -1 ||
	    frame_send(k->fd, JOB_KEY, hello.data, hello.len, NULL, 0,
	    SEND_TIMEOUT_MS, err) == -1 || (rc = send_objects(k, err)) == -1)
		return (-1);
	if (rc != 0)
		return (1);
	manifests_objects(&k->manifests, &k->objects);
	if (send_values(k, err) == -1)
		return (-1);
	return (frame_send(k->fd, JOB_DONE, NULL, 0, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

static int
run(struct maker *k, struct err *err)
{
	int rc;

	if (seal_init(err) == -1 || http_global(err) == -1)
		return (-1);
	k->last = strmap_new(NULL);
	objects_init(&k->objects);
	rc = send_all(k, err);
	stream_end(&k->stream);
	strmap_free(k->last);
	objects_clear(&k->objects);
	manifests_clear(&k->manifests);
	return (rc);
}

static int
own_words(struct maker *k, int argc, char **argv)
{
	cleanup_buf struct buf key = BUF_PLAIN(BOX_KEY_LEN);

	if (argc < 4 || !str_eq(argv[0], "--fd") || !str_eq(argv[2], "--key"))
		return (-1);
	k->fd = atoi(argv[1]);
	if (codec_hex_decode(&key, argv[3], strlen(argv[3])) == -1 ||
	    key.len != BOX_KEY_LEN)
		return (-1);
	memcpy(k->key, key.data, BOX_KEY_LEN);
	return (0);
}

int
bundle_command(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct maker k = { .fd = -1 };
	int rc;

	if (own_words(&k, argc, argv) == -1) {
		fputs("nodeseal-job bundle is started by nodeseal bundle "
		    "create\n", stderr);
		return (2);
	}
	if (words_parse(argc - 4, argv + 4, 1, &k.words, &err) == -1) {
		fprintf(stderr, "nodeseal bundle create: %s\n", err_msg(&err));
		return (2);
	}
	rc = run(&k, &err);
	words_clear(&k.words);
	if (rc == -1)
		fprintf(stderr, "nodeseal bundle create: %s\n",
		    err_msg(&err));
	return (rc == 0 ? 0 : 1);
}
