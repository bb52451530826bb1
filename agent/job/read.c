/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "ipc/job.h"
#include "job/judge.h"
#include "job/manifests.h"
#include "job/read.h"
#include "model/head.h"
#include "model/store.h"
#include "provider/provider.h"
#include "seal/stream.h"

/* A file of manifests becomes heads in clear and bodies for core alone. */

#define READ_FINDINGS_MAX 1000
#define READ_FILE_MAX (64u << 20)	/* of a node's folder */
#define SEND_TIMEOUT_MS 30000
#define OBJECT_MAX (JOB_ITEM_MAX - 65536)	/* as JSON; core's ceiling */

struct reader {
	int fd;
	struct stream stream;	/* to core */
	size_t findings;
};

/* --- what goes out ------------------------------------------------------ */

static int
send_finding(struct reader *r, int line, int fatal, const char *object,
    const char *text, struct err *err)
{
	struct job_finding m = { 0 };
	cleanup_buf struct buf out = BUF_PLAIN(JOB_FRAME_MAX);
	int rc;

	if (r->findings++ == READ_FINDINGS_MAX)
		text = "there is more to say; the rest is left out";
	else if (r->findings > READ_FINDINGS_MAX && !fatal)
		return (0);
	m.line = line > 0 ? (uint32_t)line : 0;
	m.fatal = (uint8_t)fatal;
	m.object = str_dup(object);
	m.text = str_dup(text);
	job_finding_write(&m, &out);
	job_finding_clear(&m);
	rc = buf_finish(&out, "finding", err);
	return (rc == -1 ? -1 : frame_send(r->fd, JOB_FINDING, out.data,
	    out.len, NULL, 0, SEND_TIMEOUT_MS, err));
}

/* --- heads of stores ---------------------------------------------------- */

static void
add_ref(void *arg, const struct provider_ref *from)
{
	struct json *ref = json_new_object(), *audiences;

	json_set_str(ref, "kind", from->kind);
	json_set_str(ref, "namespace", from->ns);
	json_set_str(ref, "name", from->name);
	if (strcmp(from->kind, OBJECT_TOKEN) == 0) {
		audiences = json_new_array();
		for (size_t i = 0; i < from->naudiences; i++)
			json_push(audiences, json_new_str(from->audiences[i]));
		json_set(ref, "audiences", audiences);
	}
	json_push(arg, ref);
}

/* What core must know of a store, and only its driver can tell. */
static void
add_store_facts(const struct manifest *m, struct json *head)
{
	const struct provider *driver;
	struct store *s = NULL;
	struct json *refs;
	char *host = NULL;

	if (store_parse(m->obj, m->meta.ns, &s, NULL, NULL) == -1)
		return;
	refs = json_new_array();
	driver = provider_find(s->provider);
	if (driver != NULL) {
		provider_refs(s, add_ref, refs);
		if (driver->host != NULL)
			host = driver->host(s);
	}
	json_set(head, "nodesealRefs", refs);
	json_set_str(head, "nodesealHost", host != NULL ? host : "");
	free(host);
	store_free(s);
}

/* --- objects ------------------------------------------------------------ */

static int
seal_body(struct reader *r, const struct json *obj,
    struct job_object *out, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(OBJECT_MAX);
	struct buf box = BUF_PLAIN(JOB_ITEM_MAX);

	json_print(obj, &text, 0);
	if (buf_finish(&text, "the object", err) == -1 ||
	    stream_seal(&r->stream, text.data, text.len, &box, err) == -1) {
		buf_clear(&box);
		return (-1);
	}
	out->body_len = box.len;
	out->body = (uint8_t *)buf_take(&box);
	return (0);
}

static int
send_object(struct reader *r, const struct manifest *m, const char *rejected,
    struct err *err)
{
	struct job_object o = { 0 };
	cleanup_free char *name = manifest_name(m);
	cleanup_buf struct buf head = BUF_PLAIN(OBJECT_MAX);
	cleanup_buf struct buf out = BUF_PLAIN(JOB_ITEM_MAX);
	cleanup_json struct json *h = head_make(m->obj, m->meta.kind);
	int rc;

	if (m->meta.kind == OBJ_SECRET_STORE ||
	    m->meta.kind == OBJ_CLUSTER_SECRET_STORE)
		add_store_facts(m, h);
	json_print(h, &head, 0);
	rc = buf_finish(&head, m->meta.kind_name, err);
	if (rc == 0)
		rc = seal_body(r, m->obj, &o, err);
	o.kind = str_dup(m->meta.kind_name);
	o.ns = str_dup(m->meta.ns);
	o.name = str_dup(m->meta.name);
	o.head = buf_take(&head);
	o.rejected = str_dup(rejected);
	if (rc == 0) {
		job_object_write(&o, &out);
		rc = buf_finish(&out, m->meta.kind_name, err);
	}
	job_object_clear(&o);
	if (rc == 0)
		return (frame_send(r->fd, JOB_OBJECT, out.data, out.len, NULL,
		    0, SEND_TIMEOUT_MS, err));
	/* too large for core: that costs this object alone */
	rc = send_finding(r, m->line, 1, name, err_msg(err), NULL);
	err_clear(err);
	return (rc);
}

static int
send_judged(struct reader *r, const struct manifest *m, struct err *err)
{
	cleanup_free char *object = str_fmt("%s/%s", m->meta.ns, m->meta.name);
	cleanup_free char *rejected = NULL;
	struct findings f = { 0 };
	size_t i;
	int rc = 0;

	judge_object(m, &f);
	for (i = 0; i < f.n && rc == 0; i++) {
		cleanup_free char *text = judge_text(&f.v[i]);

		if (f.v[i].level == FINDING_REJECT && rejected == NULL)
			rejected = str_dup(text);
		rc = send_finding(r, judge_line(m, &f.v[i]), 0, object, text,
		    err);
	}
	findings_clear(&f);
	if (rc == -1 || m->meta.kind == OBJ_OTHER ||
	    m->meta.kind == OBJ_NOT_SERVED)
		return (rc);
	return (send_object(r, m, rejected != NULL ? rejected : "", err));
}

static int
send_key(struct reader *r, const uint8_t *core_key, struct err *err)
{
	cleanup_buf struct buf hello = BUF_PLAIN(STREAM_HELLO_LEN);

	if (stream_begin(&r->stream, core_key, &hello, err) == -1)
		return (-1);
	return (frame_send(r->fd, JOB_KEY, hello.data, hello.len, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

int
read_text(int fd, const char *name, const uint8_t *core_key,
    const char *text, size_t len, struct err *err)
{
	struct reader r = { .fd = fd };
	struct manifests m = { 0 };
	size_t i;
	int rc;

	rc = send_key(&r, core_key, err);
	if (rc == 0)
		manifests_text(&m, name, text, len, "default");
	for (i = 0; i < m.nproblems && rc == 0; i++)
		rc = send_finding(&r, m.problems[i].line, m.problems[i].fatal,
		    m.problems[i].object, m.problems[i].text, err);
	for (i = 0; i < m.n && rc == 0; i++)
		rc = send_judged(&r, &m.v[i], err);
	manifests_clear(&m);
	stream_end(&r.stream);
	if (rc == 0)
		rc = frame_send(fd, JOB_DONE, NULL, 0, NULL, 0,
		    SEND_TIMEOUT_MS, err);
	return (rc);
}

/* --- the job ------------------------------------------------------------ */

static int
read_open_file(int fd, int file, const struct job_read *m, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(READ_FILE_MAX);
	struct reader r = { .fd = fd };

	if (file_read_fd(file, &text, err) == 0)
		return (read_text(fd, m->name, m->core_key, buf_str(&text),
		    text.len, err));
	/* a file that cannot be read keeps its last good objects */
	if (send_finding(&r, 0, 1, "", err_msg(err), NULL) == -1)
		return (-1);
	return (frame_send(fd, JOB_DONE, NULL, 0, NULL, 0, SEND_TIMEOUT_MS,
	    NULL));
}

int
read_job(int fd, int require_sandbox, struct err *err)
{
	struct job_read m = { 0 };
	struct frame f;
	int rc = -1;

	frame_init(&f, JOB_FRAME_MAX);
	if (frame_recv(fd, &f, SEND_TIMEOUT_MS, err) != 1 ||
	    f.type != JOB_READ || f.nfds != 1) {
		if (err->kind == ERR_NONE)
			err_set(err, ERR_INVALID, "read: no request");
		goto done;
	}
	if (job_read_read(&m, &f, err) == -1 ||
	    sandbox_enter(SANDBOX_READ, NULL, require_sandbox, NULL,
	    err) == -1)
		goto done;
	rc = read_open_file(fd, f.fds[0], &m, err);
done:
	job_read_clear(&m);
	frame_clear(&f);
	return (rc);
}
